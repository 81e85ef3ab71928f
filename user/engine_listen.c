// SPDX-License-Identifier: MIT
/* A worker's UDP listeners, which come and go while their clients' allocations point to them. */
#include <errno.h>
#include <stdlib.h>
#include <utlist.h>
#include "address.h"
#include "engine_parts.h"

struct engine_listener *engine_listener_of(const struct engine *e, const struct tp_addr *addr)
{
	struct engine_listener *l;

	DL_FOREACH(e->listeners, l)
		if (address_equal(&l->addr, addr))
			return l;
	return NULL;
}

struct engine_leg *engine_leg_of(struct engine *e, const struct turn_path *path)
{
	struct engine_listener *l = engine_listener_of(e, &path->server);

	if (!l)
		return NULL;
	return path->transport & TURN_SECURE ? &l->far.leg : &l->leg;
}

static void listener_free(struct engine_listener *l)
{
	if (l->event)
		event_free(l->event);
	free(l);
}

static int listener_add(struct engine *e, const struct tp_addr *addr, int fd, bool proxied)
{
	struct engine_listener *l;

	if (proxied && engine_proxied_open(e))
		return -ENOMEM;
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	*l = (struct engine_listener){
		.leg = { .ops = &engine_udp_leg, .engine = e }, .fd = fd, .addr = *addr,
		.proxied = proxied,
		.far = { .leg = { .ops = &engine_far_leg, .engine = e }, .server = *addr },
	};
	l->event = event_new(e->base, fd, EV_READ | EV_PERSIST, engine_on_listener, l);
	if (!l->event || event_add(l->event, NULL)) {
		listener_free(l);
		return -ENOMEM;
	}
	DL_APPEND(e->listeners, l);
	return 0;
}

void engine_listeners_close(struct engine *e)
{
	struct engine_listener *l, *next;

	DL_FOREACH_SAFE(e->listeners, l, next)
		listener_free(l);
	e->listeners = NULL;
}

/* Its clients cannot be answered any more: what they have ends, as if refreshed to 0. */
static unsigned int listener_remove(struct engine *e, const struct tp_addr *addr)
{
	struct engine_listener *l = engine_listener_of(e, addr);
	unsigned int ended;

	if (!l)
		return 0;
	engine_parked_forget(e, &l->leg);
	engine_parked_forget(e, &l->far.leg);
	ended = engine_dtls_leave(e, l);
	ended += turn_server_deafen(e->server, addr, engine_now());
	engine_flush(e);		/* what is queued names the descriptor */
	DL_DELETE(e->listeners, l);
	listener_free(l);
	return ended;
}

int engine_listen(struct engine *e, enum sockets_kind kind, const struct tp_addr *addr, int fd)
{
	if (kind == SOCKETS_TCP)
		return engine_gate_open(e, addr, fd);
	return listener_add(e, addr, fd, kind == SOCKETS_UDP_PROXIED);
}

unsigned int engine_deafen(struct engine *e, enum sockets_kind kind, const struct tp_addr *addr)
{
	if (kind != SOCKETS_TCP)
		return listener_remove(e, addr);
	engine_gate_close(e, addr);
	return 0;
}
