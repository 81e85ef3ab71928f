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
	const struct turn_conf *conf;
	uint32_t *aliases;		/* slot + 1 for each of conf's relay addresses, or 0 */
};

/* The relay address that an IP is, by its own or its external name; NULL: somebody else's. */
static const struct turn_relay_ip *relay_here(const struct flows *flows, const struct tp_addr *ip)
{
	for (unsigned int i = 0; i < flows->conf->n_relays; i++) {
		const struct turn_relay_ip *r = &flows->conf->relays[i];

		if (address_same_ip(&r->local, ip) || address_same_ip(&r->external, ip))
			return r;
	}
	return NULL;
}

/* External addresses of this host, which clients of it name as peers. They have no lease's
 * end: who may use one is said by allocations and permissions. */
static void put_aliases(struct flows *flows)
{
	for (unsigned int i = 0; i < flows->conf->n_relays; i++) {
		const struct turn_relay_ip *r = &flows->conf->relays[i];
		struct row_spec spec = {
			.kind = TP_ROW_ALIAS, .channel = TP_KEY_ALIAS,
			.src = r->external, .dst.family = r->external.family,
			.out_src = r->local, .out_dst = r->local,
			.expires_ns = UINT64_MAX,
		};

		if (!address_same_ip(&r->external, &r->local))
			flows->aliases[i] = rows_put(flows->rows, &spec);
	}
}

struct flows *flows_new(struct tables *tables, struct journal *journal, struct rows *rows,
			struct nexthops *hops, const struct turn_conf *conf)
{
	struct flows *flows = calloc(1, sizeof(*flows));

	if (!flows)
		return NULL;
	flows->tables = tables;
	flows->journal = journal;
	flows->rows = rows;
	flows->hops = hops;
	flows->conf = conf;
	flows->aliases = calloc(conf->n_relays + 1, sizeof(*flows->aliases));
	if (!flows->aliases) {
		free(flows);
		return NULL;
	}
	if (rows)
		put_aliases(flows);
	pthread_mutex_init(&flows->lock, NULL);
	return flows;
}

void flows_free(struct flows *flows)
{
	if (!flows)
		return;
	pthread_mutex_destroy(&flows->lock);
	free(flows->aliases);
	free(flows);
}

void flows_renew(struct flows *flows, const struct turn_conf *conf)
{
	flows->conf = conf;
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

static void add_counts(struct tp_count *sum, const struct tp_count *more)
{
	sum->packets += more->packets;
	sum->bytes += more->bytes;
}

static void drop_row(struct flows *flows, uint8_t family, uint32_t *slot_1, struct tp_count *sum)
{
	struct tp_count count = { 0 };

	if (!*slot_1)
		return;
	rows_del(flows->rows, family, *slot_1, &count);
	add_counts(sum, &count);
	*slot_1 = 0;
}

/* ------------------------------------------------------------- allocations */

/* Of every row that relays. */
static uint16_t flags_of(const struct flows *flows)
{
	return flows->limits && limits_any(flows->limits) ? TP_ROW_LIMITED : 0;
}

static bool has_rows(const struct flows *flows, const struct turn_alloc *alloc)
{
	return flows->rows && alloc->host;
}

/*
 * The kernel relays between UDP and UDP. Of a client on anything else it knows who may send
 * to the relayed address, and passes that up (TP_HOP_DAEMON).
 */
static bool is_relayed(uint8_t transport)
{
	return transport == IPPROTO_UDP;
}

static void put_relayed(struct flows *flows, const struct turn_alloc *alloc, unsigned int i)
{
	const struct turn_relay *relay = &alloc->relay[i];
	struct tp_alloc *saved = alloc->host;
	struct row_spec spec = {
		.kind = TP_ROW_RELAYED, .channel = TP_KEY_RELAYED,
		.src.family = relay->local.family, .dst = relay->local,
		.out_src = relay->local, .out_dst = relay->local,
		.nexthop = saved->open[i] ? TP_RELAYED_OPEN : 0,
		.alloc = journal_index(flows->journal, saved), .expires_ns = relay->expires_ns,
	};

	saved->row_relayed[i] = rows_put(flows->rows, &spec);
	if (!saved->row_relayed[i])
		count_full(&flows->rows_full);
}

static void put_send(struct flows *flows, const struct turn_alloc *alloc, unsigned int i)
{
	const struct turn_relay *relay = &alloc->relay[i];
	struct tp_alloc *saved = alloc->host;
	struct row_spec spec = {
		.kind = TP_ROW_SEND, .flags = flags_of(flows),
		.channel = i ? TP_KEY_SEND6 : TP_KEY_SEND4,
		.src = alloc->path.client, .dst = alloc->path.server,
		.out_src = relay->local, .out_dst = relay->external,
		.alloc = journal_index(flows->journal, saved), .expires_ns = relay->expires_ns,
	};

	saved->row_send[i] = rows_put(flows->rows, &spec);
	if (!saved->row_send[i])
		count_full(&flows->rows_full);
}

static void drop_own_rows(struct flows *flows, const struct turn_alloc *alloc, unsigned int i)
{
	struct tp_alloc *saved = alloc->host;
	struct tp_count none = { 0 };

	drop_row(flows, i ? 6 : 4, &saved->row_relayed[i], &none);
	drop_row(flows, alloc->path.client.family, &saved->row_send[i], &saved->fast_up);
}

static void keep_own_rows(struct flows *flows, const struct turn_alloc *alloc)
{
	for (unsigned int i = 0; i < 2; i++) {
		if (!alloc->relay[i].local.family) {
			drop_own_rows(flows, alloc, i);
			continue;
		}
		put_relayed(flows, alloc, i);
		if (is_relayed(alloc->path.transport))
			put_send(flows, alloc, i);
	}
}

/* A permission is not in the table, so that what is not there may be permitted yet. */
static void open_relayed(struct flows *flows, const struct turn_alloc *alloc, unsigned int i)
{
	struct tp_alloc *saved = alloc->host;

	saved->open[i] = 1;
	put_relayed(flows, alloc, i);
}

/* It changes with a client that moves, and flows_moved() reads it. */
static void keep_path(struct flows *flows, const struct turn_alloc *alloc)
{
	struct tp_alloc *saved = alloc->host;

	pthread_mutex_lock(&flows->lock);
	saved->client = alloc->path.client;
	saved->server = alloc->path.server;
	saved->transport = alloc->path.transport;
	pthread_mutex_unlock(&flows->lock);
}

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
	keep_path(flows, alloc);
	saved->ticket = alloc->ticket;
	saved->worker = (__u16)worker;
	for (unsigned int i = 0; i < 2; i++) {
		const struct turn_relay *relay = &alloc->relay[i];

		saved->relayed[i] = relay->local;
		saved->expires_ns[i] = relay->local.family ? relay->expires_ns : 0;
	}
	memcpy(saved->txid, alloc->txid, sizeof(saved->txid));
	memcpy(saved->user_id, alloc->user_id, sizeof(saved->user_id));
	strncpy(saved->user, alloc->user, sizeof(saved->user) - 1);	/* zeroed when claimed */
	if (has_rows(flows, alloc) && !alloc->parked)
		keep_own_rows(flows, alloc);
	journal_publish(&saved->state);
}

/* Without a row of the relayed address, what comes from peers goes up to the daemon while
 * its permissions have none. */
void flows_park_alloc(struct flows *flows, struct turn_alloc *alloc)
{
	if (!has_rows(flows, alloc))
		return;
	drop_own_rows(flows, alloc, 0);
	drop_own_rows(flows, alloc, 1);
}

void flows_drop_alloc(struct flows *flows, struct turn_alloc *alloc)
{
	if (!alloc->host)
		return;
	flows_park_alloc(flows, alloc);
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
	bool here = spec->nexthop == TP_HOP_HERE;
	uint32_t slot;

	if (!here)
		spec->nexthop = nexthop_find(flows->hops, &spec->out_src, &spec->out_dst);
	slot = rows_put(flows->rows, spec);
	if (!here && (slot_1 || !slot))
		nexthop_put(flows->hops, &spec->out_src, &spec->out_dst);
	if (!slot)
		count_full(&flows->rows_full);
	return slot;
}

static void put_rows(struct flows *flows, const struct turn_alloc *alloc,
		     const struct turn_channel *channel, struct tp_binding *saved)
{
	const struct turn_relay *relay = relay_of(alloc, &channel->peer);
	uint16_t flags = flags_of(flows);
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
	const struct turn_relay_ip *here = relay_here(flows, &channel->peer);

	if (here) {
		/* as it would look if it came to the other relayed address from outside */
		up.nexthop = TP_HOP_HERE;
		up.out_src = relay->external;
		memcpy(up.out_dst.ip, here->local.ip, sizeof(up.out_dst.ip));
	}
	saved->row_up = put_row(flows, &up, saved->row_up);
	saved->row_down = put_row(flows, &down, saved->row_down);
}

static void drop_rows(struct flows *flows, const struct turn_alloc *alloc,
		      const struct tp_addr *peer, struct tp_binding *saved)
{
	struct tp_alloc *owner = alloc->host;

	if (saved->row_up) {
		drop_row(flows, alloc->path.client.family, &saved->row_up, &owner->fast_up);
		if (!relay_here(flows, peer))
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
	if (flows->rows && is_relayed(alloc->path.transport))
		put_rows(flows, alloc, channel, saved);
	journal_publish(&saved->state);
	pthread_mutex_unlock(&flows->lock);
}

void flows_park_channel(struct flows *flows, struct turn_alloc *alloc,
			struct turn_channel *channel)
{
	if (!channel->host || !flows->rows)
		return;
	pthread_mutex_lock(&flows->lock);
	drop_rows(flows, alloc, &channel->peer, channel->host);
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

static void put_pass(struct flows *flows, const struct turn_alloc *alloc,
			const struct turn_permission *permission, struct tp_binding *saved)
{
	const struct turn_relay *relay = relay_of(alloc, &permission->peer);
	struct row_spec spec = {
		.kind = TP_ROW_PERMISSION, .channel = TP_KEY_PERMISSION,
		.src = permission->peer, .dst = relay->local,
		.out_src = alloc->path.server, .out_dst = alloc->path.client,
		.nexthop = TP_HOP_DAEMON,
		.alloc = saved->alloc, .expires_ns = permission->lease_ns,
	};

	saved->row_down = rows_put(flows->rows, &spec);
	if (!saved->row_down)
		count_full(&flows->rows_full);
}

/* The row holds references to both ways' next hops. */
static void put_permission(struct flows *flows, const struct turn_alloc *alloc,
			   const struct turn_permission *permission, struct tp_binding *saved)
{
	const struct turn_relay *relay = relay_of(alloc, &permission->peer);
	const struct turn_path *path = &alloc->path;
	bool here = relay_here(flows, &permission->peer), again = saved->row_down;
	struct row_spec spec = {
		.kind = TP_ROW_PERMISSION, .flags = flags_of(flows), .channel = TP_KEY_PERMISSION,
		.src = permission->peer, .dst = relay->local,
		.out_src = path->server, .out_dst = path->client,
		.nexthop = nexthop_find(flows->hops, &path->server, &path->client),
		.nexthop_up = TP_HOP_HERE,
		.alloc = saved->alloc, .expires_ns = permission->lease_ns,
	};

	if (!here)
		spec.nexthop_up = nexthop_find(flows->hops, &relay->local, &permission->peer);
	saved->row_down = rows_put(flows->rows, &spec);
	if (again || !saved->row_down) {
		nexthop_put(flows->hops, &path->server, &path->client);
		if (!here)
			nexthop_put(flows->hops, &relay->local, &permission->peer);
	}
	if (!saved->row_down)
		count_full(&flows->rows_full);
}

static void drop_permission(struct flows *flows, const struct turn_alloc *alloc,
			    const struct tp_addr *peer, struct tp_binding *saved)
{
	struct tp_alloc *owner = alloc->host;

	if (!saved->row_down)
		return;
	drop_row(flows, peer->family, &saved->row_down, &owner->fast_down);
	if (!is_relayed(alloc->path.transport))
		return;
	nexthop_put(flows->hops, &alloc->path.server, &alloc->path.client);
	if (!relay_here(flows, peer))
		nexthop_put(flows->hops, &relay_of(alloc, peer)->local, peer);
}

void flows_keep_permission(struct flows *flows, struct turn_alloc *alloc,
			   struct turn_permission *permission)
{
	unsigned int i = permission->peer.family == 6;
	struct tp_binding *saved = permission->host;

	if (!alloc->host)
		return;
	if (!saved) {
		saved = journal_claim_binding(flows->journal, alloc->host);
		if (!saved) {
			count_full(&flows->journal_full);
			if (has_rows(flows, alloc))
				open_relayed(flows, alloc, i);
			return;
		}
		permission->host = saved;
	}
	pthread_mutex_lock(&flows->lock);
	saved->peer = permission->peer;
	saved->expires_ns = permission->expires_ns;
	if (has_rows(flows, alloc)) {
		if (is_relayed(alloc->path.transport))
			put_permission(flows, alloc, permission, saved);
		else
			put_pass(flows, alloc, permission, saved);
		if (!saved->row_down)
			open_relayed(flows, alloc, i);
	}
	journal_publish(&saved->state);
	pthread_mutex_unlock(&flows->lock);
}

void flows_park_permission(struct flows *flows, struct turn_alloc *alloc,
			   struct turn_permission *permission)
{
	if (!permission->host || !has_rows(flows, alloc))
		return;
	pthread_mutex_lock(&flows->lock);
	drop_permission(flows, alloc, &permission->peer, permission->host);
	pthread_mutex_unlock(&flows->lock);
}

void flows_drop_permission(struct flows *flows, struct turn_alloc *alloc,
			   struct turn_permission *permission)
{
	struct tp_binding *saved = permission->host;

	if (!saved)
		return;
	pthread_mutex_lock(&flows->lock);
	if (has_rows(flows, alloc))
		drop_permission(flows, alloc, &permission->peer, saved);
	journal_free_binding(flows->journal, saved);
	pthread_mutex_unlock(&flows->lock);
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
		bool up;

		if (!is_relayed(owner->transport))
			continue;
		up = goes(src, dst, relayed, &b->peer) && !relay_here(flows, &b->peer);

		if (up && !b->channel && b->row_down)
			rows_set_nexthop_up(flows->rows, b->peer.family, b->row_down, nexthop);
		if (up && b->row_up)
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
	struct tp_alloc *a;
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
		at = 0;
		while ((a = journal_next_alloc(flows->journal, &at))) {
			for (unsigned int i = 0; i < 2; i++) {
				want(&w, a->client.family, a->row_send[i]);
				want(&w, i ? 6 : 4, a->row_relayed[i]);
			}
		}
		for (unsigned int i = 0; i < flows->conf->n_relays; i++)
			want(&w, flows->conf->relays[i].external.family, flows->aliases[i]);
		rows_sweep(flows->rows, is_wanted, &w);
		pthread_mutex_unlock(&flows->lock);
	}
	free(w.bits[0]);
	free(w.bits[1]);
}
