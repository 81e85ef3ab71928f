// SPDX-License-Identifier: MIT
/* Carrying on what a predecessor left in the journal. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "engine_parts.h"
#include "log.h"

/* NULL: not served any more. */
static struct turn_alloc *adopt(struct engine *e, struct tp_alloc *saved, struct turn_now now)
{
	struct engine_listener *l = engine_listener_of(e, &saved->server);

	if (saved->transport == IPPROTO_UDP)
		return l ? turn_adopt(e->server, saved, &l->leg, now) : NULL;
	/* the connection went with the predecessor: who has a ticket may come back */
	saved->transport |= TURN_GONE;
	return turn_adopt(e->server, saved, NULL, now);
}

static bool is_mine(const struct engine *e, const struct tp_alloc *saved)
{
	const struct tp_addr *from = saved->proxy.family ? &saved->proxy : &saved->client;

	return udp_worker(from, e->shared->conf->workers) == e->worker;
}

/* adopted[] is by the journal's index. */
static void adopt_bindings(struct engine *e, struct turn_alloc **adopted, bool channels,
			   struct turn_now now)
{
	struct journal *j = e->shared->journal;
	struct tp_binding *b;
	uint32_t at = 0;

	while ((b = journal_next_binding(j, &at))) {
		struct turn_alloc *alloc = adopted[b->alloc];

		if (!alloc || (b->channel != 0) != channels)
			continue;
		/* the rows are found again by their keys */
		b->row_up = b->row_down = 0;
		if (turn_adopt_binding(e->server, alloc, b, now))
			journal_free_binding(j, b);
	}
}

int engine_adopt(struct engine *e)
{
	struct journal *j = e->shared->journal;
	struct turn_alloc **adopted = calloc(e->shared->tables->meta->allocs, sizeof(*adopted));
	struct turn_now now = engine_now();
	unsigned int n = 0, over = 0;
	struct tp_alloc *saved;
	uint32_t at = 0;

	if (!adopted)
		return -ENOMEM;
	while ((saved = journal_next_alloc(j, &at))) {
		struct turn_alloc *alloc;

		if (!is_mine(e, saved))
			continue;
		/* the rows are found again by their keys */
		memset(saved->row_send, 0, sizeof(saved->row_send));
		memset(saved->row_relayed, 0, sizeof(saved->row_relayed));
		alloc = adopt(e, saved, now);
		if (alloc) {
			flows_keep_alloc(e->shared->flows, alloc, e->worker);
			engine_proxied_adopted(e, alloc);
			adopted[journal_index(j, saved)] = alloc;
			n++;
		} else {
			turn_forgo(e->server, saved, now);
			journal_free_alloc(j, saved);
			over++;
		}
	}
	adopt_bindings(e, adopted, false, now);
	adopt_bindings(e, adopted, true, now);
	free(adopted);
	if (n || over)
		log_info("adopted worker=%u allocations=%u over=%u", e->worker, n, over);
	return 0;
}
