// SPDX-License-Identifier: MIT
/*
 * A client whose leg is a connection of its own, over TCP, TLS or DTLS: a stranger, counted
 * as one (net/crowd.h), for as long as it has no allocation.
 */
#include <utlist.h>
#include "engine_parts.h"
#include "net/crowd.h"

#define REFUSALS	32		/* then it is guessing passwords */

void engine_guest_join(struct engine_guest *g, struct engine_guests *among)
{
	g->among = among;
	DL_APPEND(among->strangers, g);
}

void engine_guest_leave(struct engine_guest *g)
{
	struct engine *e = g->leg.engine;

	engine_parked_forget(e, &g->leg);
	if (g->allocated) {
		DL_DELETE(g->among->clients, g);
		return;
	}
	DL_DELETE(g->among->strangers, g);
	if (g->counted)
		crowd_leave(e->shared->crowd, &g->path.client, e->now_ns);
}

void engine_guest_allocated(struct engine_leg *leg, const struct tp_addr *client, bool is)
{
	struct engine_guest *g = (struct engine_guest *)leg;
	struct engine *e = leg->engine;

	(void)client;
	if (g->allocated == is)
		return;
	g->allocated = is;
	if (is) {
		crowd_leave(e->shared->crowd, &g->path.client, e->now_ns);
		DL_DELETE(g->among->strangers, g);
		DL_APPEND(g->among->clients, g);
		return;
	}
	crowd_return(e->shared->crowd, &g->path.client, e->now_ns);
	DL_DELETE(g->among->clients, g);
	DL_APPEND(g->among->strangers, g);
	g->deadline_ns = engine_now().mono_ns + engine_patience(e, UINT64_MAX);
}

bool engine_guest_end(struct engine_guest *g, struct turn_now now)
{
	return g->allocated && turn_client_gone(g->leg.engine->server, &g->path, now);
}

bool engine_guest_refused(struct engine_guest *g, enum tp_reason reason)
{
	return reason == TP_R_STUN_ERROR && !g->allocated && ++g->refusals == REFUSALS;
}
