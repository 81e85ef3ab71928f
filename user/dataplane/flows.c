// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "address.h"
#include "dataplane/flows.h"
#include "dataplane/limits.h"

struct flows {
	struct tables *tables;
	struct journal *journal;
	struct rows *rows;		/* NULL: no kernel data path */
	struct nexthops *hops;
	struct limits *limits;		/* NULL: none */
	/* A binding and its rows change together: flows_moved() comes from another thread. */
	pthread_mutex_t lock;
	uint64_t journal_full, rows_full;
};

struct flows *flows_new(struct tables *tables, struct journal *journal, struct rows *rows,
			struct nexthops *hops)
{
	struct flows *flows = calloc(1, sizeof(*flows));

	if (!flows)
		return NULL;
	flows->tables = tables;
	flows->journal = journal;
	flows->rows = rows;
	flows->hops = hops;
	pthread_mutex_init(&flows->lock, NULL);
	return flows;
}

void flows_free(struct flows *flows)
{
	if (!flows)
		return;
	pthread_mutex_destroy(&flows->lock);
	free(flows);
}

void flows_use_limits(struct flows *flows, struct limits *limits)
{
	flows->limits = limits;
}

void flows_full(const struct flows *flows, uint64_t *journal, uint64_t *rows)
{
	*journal = __atomic_load_n(&flows->journal_full, __ATOMIC_RELAXED);
	*rows = __atomic_load_n(&flows->rows_full, __ATOMIC_RELAXED);
}

static void count_full(uint64_t *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

/* ------------------------------------------------------------- allocations */

void flows_keep_alloc(struct flows *flows, struct turn_alloc *alloc, unsigned int worker)
{
	struct tp_alloc *saved = alloc->host;

	if (!saved) {
		saved = journal_claim_alloc(flows->journal);
		if (!saved) {
			count_full(&flows->journal_full);
			return;
		}
		alloc->host = saved;
	}
	if (flows->limits && !alloc->limited) {
		limits_set(flows->limits, journal_index(flows->journal, saved), alloc->user_id,
			   alloc->max_bps);
		alloc->limited = true;
	}
	saved->max_bps = alloc->max_bps;
	saved->created_ns = alloc->created_ns;
	saved->client = alloc->path.client;
	saved->server = alloc->path.server;
	saved->transport = alloc->path.transport;
	saved->worker = (__u16)worker;
	for (unsigned int i = 0; i < 2; i++) {
		const struct turn_relay *relay = &alloc->relay[i];

		saved->relayed[i] = relay->local;
		saved->expires_ns[i] = relay->local.family ? relay->expires_ns : 0;
	}
	memcpy(saved->txid, alloc->txid, sizeof(saved->txid));
	memcpy(saved->user_id, alloc->user_id, sizeof(saved->user_id));
	memcpy(saved->user, alloc->user, sizeof(saved->user));
	journal_publish(&saved->state);
}

void flows_drop_alloc(struct flows *flows, struct turn_alloc *alloc)
{
	if (!alloc->host)
		return;
	if (flows->limits && alloc->limited)
		limits_drop(flows->limits, journal_index(flows->journal, alloc->host));
	alloc->limited = false;
	journal_free_alloc(flows->journal, alloc->host);
	alloc->host = NULL;
}

bool flows_allow(struct flows *flows, const struct turn_alloc *alloc, bool up, size_t bytes,
		 uint64_t now_ns)
{
	uint32_t index = LIMITS_NO_INDEX;

	if (!flows->limits)
		return true;
	if (alloc->host)
		index = journal_index(flows->journal, alloc->host);
	return limits_take(flows->limits, index, up, bytes, now_ns);
}

void flows_count(struct turn_alloc *alloc, bool up, size_t bytes)
{
	struct tp_alloc *saved = alloc->host;
	struct tp_count *count;

	if (!saved)
		return;
	count = up ? &saved->slow_up : &saved->slow_down;
	__atomic_store_n(&count->packets, count->packets + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&count->bytes, count->bytes + bytes, __ATOMIC_RELAXED);
}

/* ---------------------------------------------------------------- channels */

static const struct turn_relay *relay_of(const struct turn_alloc *alloc, const struct tp_addr *peer)
{
	return &alloc->relay[peer->family == 6];
}

/* Each row holds one reference to the next hop of the addresses that it sends with. */
static uint32_t put_row(struct flows *flows, struct row_spec *spec, uint32_t slot_1)
{
	uint32_t slot;

	spec->nexthop = nexthop_find(flows->hops, &spec->out_src, &spec->out_dst);
	slot = rows_put(flows->rows, spec);
	if (slot_1 || !slot)
		nexthop_put(flows->hops, &spec->out_src, &spec->out_dst);
	if (!slot)
		count_full(&flows->rows_full);
	return slot;
}

static void put_rows(struct flows *flows, const struct turn_alloc *alloc,
		     const struct turn_channel *channel, struct tp_binding *saved)
{
	const struct turn_relay *relay = relay_of(alloc, &channel->peer);
	uint16_t flags = flows->limits && limits_any(flows->limits) ? TP_ROW_LIMITED : 0;
	struct row_spec up = {
		.kind = TP_ROW_TO_PEER, .flags = flags,
		.src = alloc->path.client, .dst = alloc->path.server, .channel = channel->number,
		.out_src = relay->local, .out_dst = channel->peer,
		.alloc = saved->alloc, .expires_ns = channel->lease_ns,
	};
	struct row_spec down = {
		.kind = TP_ROW_TO_CLIENT, .flags = flags,
		.src = channel->peer, .dst = relay->local,
		.out_src = alloc->path.server, .out_dst = alloc->path.client,
		.out_channel = channel->number,
		.alloc = saved->alloc, .expires_ns = channel->lease_ns,
	};

	saved->row_up = put_row(flows, &up, saved->row_up);
	saved->row_down = put_row(flows, &down, saved->row_down);
}

static void add_counts(struct tp_count *sum, const struct tp_count *more)
{
	sum->packets += more->packets;
	sum->bytes += more->bytes;
}

static void drop_row(struct flows *flows, uint8_t family, uint32_t *slot_1, struct tp_count *sum)
{
	struct tp_count count = { 0 };

	rows_del(flows->rows, family, *slot_1, &count);
	add_counts(sum, &count);
	*slot_1 = 0;
}

static void drop_rows(struct flows *flows, const struct turn_alloc *alloc,
		      const struct tp_addr *peer, struct tp_binding *saved)
{
	struct tp_alloc *owner = alloc->host;

	if (saved->row_up) {
		drop_row(flows, alloc->path.client.family, &saved->row_up, &owner->fast_up);
		nexthop_put(flows->hops, &relay_of(alloc, peer)->local, peer);
	}
	if (saved->row_down) {
		drop_row(flows, peer->family, &saved->row_down, &owner->fast_down);
		nexthop_put(flows->hops, &alloc->path.server, &alloc->path.client);
	}
}

void flows_keep_channel(struct flows *flows, struct turn_alloc *alloc,
			struct turn_channel *channel)
{
	struct tp_binding *saved = channel->host;

	if (!alloc->host)
		return;
	if (!saved) {
		saved = journal_claim_binding(flows->journal, alloc->host);
		if (!saved) {
			count_full(&flows->journal_full);
			return;
		}
		channel->host = saved;
	}
	pthread_mutex_lock(&flows->lock);
	saved->channel = htons(channel->number);
	saved->peer = channel->peer;
	saved->expires_ns = channel->expires_ns;
	if (flows->rows && alloc->path.transport == IPPROTO_UDP)
		put_rows(flows, alloc, channel, saved);
	journal_publish(&saved->state);
	pthread_mutex_unlock(&flows->lock);
}

void flows_drop_channel(struct flows *flows, struct turn_alloc *alloc,
			struct turn_channel *channel)
{
	struct tp_binding *saved = channel->host;

	if (!saved)
		return;
	pthread_mutex_lock(&flows->lock);
	if (flows->rows)
		drop_rows(flows, alloc, &channel->peer, saved);
	journal_free_binding(flows->journal, saved);
	pthread_mutex_unlock(&flows->lock);
	channel->host = NULL;
}

/* ------------------------------------------------------------- permissions */

void flows_keep_permission(struct flows *flows, struct turn_alloc *alloc,
			   struct turn_permission *permission)
{
	struct tp_binding *saved = permission->host;

	if (!alloc->host)
		return;
	if (!saved) {
		saved = journal_claim_binding(flows->journal, alloc->host);
		if (!saved) {
			count_full(&flows->journal_full);
			return;
		}
		permission->host = saved;
	}
	saved->peer = permission->peer;
	saved->expires_ns = permission->expires_ns;
	journal_publish(&saved->state);
}

void flows_drop_permission(struct flows *flows, struct turn_permission *permission)
{
	if (permission->host)
		journal_free_binding(flows->journal, permission->host);
	permission->host = NULL;
}

/* ------------------------------------------------------------ whole tables */

static bool goes(const struct tp_addr *src, const struct tp_addr *dst,
		 const struct tp_addr *row_src, const struct tp_addr *row_dst)
{
	return address_same_ip(dst, row_dst) && (!src->family || address_same_ip(src, row_src));
}

void flows_moved(struct flows *flows, const struct tp_addr *src, const struct tp_addr *dst,
		 uint16_t nexthop)
{
	const struct tables *t = flows->tables;
	struct tp_binding *b;
	uint32_t at = 0;

	pthread_mutex_lock(&flows->lock);
	while ((b = journal_next_binding(flows->journal, &at))) {
		const struct tp_alloc *owner = &t->allocs[b->alloc];
		const struct tp_addr *relayed = &owner->relayed[b->peer.family == 6];

		if (b->row_up && goes(src, dst, relayed, &b->peer))
			rows_set_nexthop(flows->rows, owner->client.family, b->row_up, nexthop);
		if (b->row_down && goes(src, dst, &owner->server, &owner->client))
			rows_set_nexthop(flows->rows, b->peer.family, b->row_down, nexthop);
	}
	pthread_mutex_unlock(&flows->lock);
}

/* The rows that some live binding names, as one bit a slot. */
struct wanted {
	uint8_t *bits[2];		/* [0] IPv4, [1] IPv6 */
};

static void want(struct wanted *w, uint8_t family, uint32_t slot_1)
{
	if (slot_1)
		w->bits[family == 6][(slot_1 - 1) / 8] |= (uint8_t)(1 << (slot_1 - 1) % 8);
}

static bool is_wanted(void *ctx, uint8_t family, uint32_t slot_1)
{
	const struct wanted *w = ctx;

	return w->bits[family == 6][(slot_1 - 1) / 8] & 1 << (slot_1 - 1) % 8;
}

void flows_sweep(struct flows *flows)
{
	const struct tables *t = flows->tables;
	struct wanted w = { 0 };
	struct tp_binding *b;
	uint32_t at = 0;

	journal_sweep(flows->journal);
	if (!flows->rows)
		return;
	w.bits[0] = calloc(1, t->meta->rows4 / 8 + 1);
	w.bits[1] = calloc(1, t->meta->rows6 / 8 + 1);
	if (w.bits[0] && w.bits[1]) {
		pthread_mutex_lock(&flows->lock);
		while ((b = journal_next_binding(flows->journal, &at))) {
			want(&w, t->allocs[b->alloc].client.family, b->row_up);
			want(&w, b->peer.family, b->row_down);
		}
		rows_sweep(flows->rows, is_wanted, &w);
		pthread_mutex_unlock(&flows->lock);
	}
	free(w.bits[0]);
	free(w.bits[1]);
}
