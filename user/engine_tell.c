// SPDX-License-Identifier: MIT
/* Allocations as redis-statsdb is told of them. */
#include <stdio.h>
#include <string.h>
#include "engine_parts.h"
#include "users/statsdb.h"

/* 18 digits, the same also after a restart. Without a journal's record there is none. */
static uint64_t id_of(const struct journal *j, const struct turn_alloc *alloc)
{
	const struct tp_alloc *saved = alloc->host;
	uint64_t id;

	if (saved)
		return (uint64_t)saved->generation << 24 | journal_index(j, saved);
	memcpy(&id, alloc->txid, sizeof(id));
	return 900000000000000000 + id % 100000000000000000;
}

static void add(struct tp_count *sum, const struct tp_count *more)
{
	sum->packets += more->packets;
	sum->bytes += more->bytes;
}

/* What the daemon has relayed, and what rows that are gone have: those of channels that live
 * follow when they go. */
static void totals(const struct turn_alloc *alloc, struct statsdb_event *event)
{
	const struct tp_alloc *saved = alloc->host;

	if (!saved)
		return;
	add(&event->up, &saved->slow_up);
	add(&event->up, &saved->fast_up);
	add(&event->down, &saved->slow_down);
	add(&event->down, &saved->fast_down);
}

void engine_tell(const struct engine *e, const struct turn_alloc *alloc, enum statsdb_kind kind)
{
	struct statsdb_event event = {
		.kind = kind, .transport = alloc->path.transport,
		.local = alloc->path.server, .remote = alloc->path.client,
	};
	uint64_t now_ns = engine_now().mono_ns, expires_ns = 0;

	if (!e->shared->statsdb)
		return;
	for (int i = 0; i < 2; i++)
		if (alloc->relay[i].local.family && alloc->relay[i].expires_ns > expires_ns)
			expires_ns = alloc->relay[i].expires_ns;
	if (expires_ns > now_ns)
		event.lifetime_s = (uint32_t)((expires_ns - now_ns + TURN_NS_PER_S / 2) /
					      TURN_NS_PER_S);
	event.id = id_of(e->shared->journal, alloc);
	snprintf(event.user, sizeof(event.user), "%s", alloc->user);
	snprintf(event.realm, sizeof(event.realm), "%s", alloc->realm ? alloc->realm : "");
	totals(alloc, &event);
	statsdb_tell(e->shared->statsdb, &event);
}
