// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include "address.h"
#include "dataplane/flows_parts.h"

const struct turn_relay_ip *flows_relay_here(const struct flows *flows, const struct tp_addr *ip)
{
	for (unsigned int i = flows->n_relays; i > 0; i--) {
		const struct turn_relay_ip *r = &flows->relays[i - 1].ip;

		if (address_same_ip(&r->local, ip) || address_same_ip(&r->external, ip))
			return r;
	}
	return NULL;
}

/* External addresses of this host, which clients of it name as peers. They have no lease's
 * end: who may use one is said by allocations and permissions. */
static void put_alias(struct flows *flows, struct flows_relay *relay)
{
	const struct turn_relay_ip *r = &relay->ip;
	struct row_spec spec = {
		.kind = TP_ROW_ALIAS, .channel = TP_KEY_ALIAS,
		.src = r->external, .dst.family = r->external.family,
		.out_src = r->local, .out_dst = r->local,
		.expires_ns = UINT64_MAX,
	};

	if (flows->rows && !address_same_ip(&r->external, &r->local))
		relay->alias = rows_put(flows->rows, &spec);
}

static bool same_relay(const struct turn_relay_ip *a, const struct turn_relay_ip *b)
{
	return address_same_ip(&a->local, &b->local) &&
	       address_same_ip(&a->external, &b->external);
}

/* The newest is the last, and found first. */
static bool add_relay(struct flows *flows, const struct turn_relay_ip *ip)
{
	struct flows_relay relay = { .ip = *ip }, *grown;
	unsigned int i;

	for (i = 0; i < flows->n_relays && !same_relay(&flows->relays[i].ip, ip); i++)
		;
	if (i == flows->n_relays) {
		grown = reallocarray(flows->relays, i + 1, sizeof(*grown));
		if (!grown)
			return false;
		flows->relays = grown;
		flows->n_relays++;
	} else {
		memmove(&flows->relays[i], &flows->relays[i + 1],
			(flows->n_relays - i - 1) * sizeof(relay));
	}
	put_alias(flows, &relay);
	flows->relays[flows->n_relays - 1] = relay;
	return true;
}

static bool add_relays(struct flows *flows, const struct turn_conf *conf)
{
	bool ok = true;

	for (unsigned int i = conf->n_former; i > 0; i--)
		ok = ok && add_relay(flows, &conf->former[i - 1].ip);
	for (unsigned int i = conf->n_relays; i > 0; i--)
		ok = ok && add_relay(flows, &conf->relays[i - 1]);
	return ok;
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
	pthread_mutex_init(&flows->lock, NULL);
	if (add_relays(flows, conf))
		return flows;
	flows_free(flows);
	return NULL;
}

void flows_free(struct flows *flows)
{
	if (!flows)
		return;
	pthread_mutex_destroy(&flows->lock);
	free(flows->relays);
	free(flows);
}

bool flows_renew(struct flows *flows, const struct turn_conf *conf)
{
	bool limited = flows->limits && limits_any(flows->limits);

	if (!add_relays(flows, conf))
		return false;
	if (!flows->limits)
		return true;
	limits_renew(flows->limits, conf);
	flows->unmarked |= limited != limits_any(flows->limits);
	return true;
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

void flows_count_full(uint64_t *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

static void add_counts(struct tp_count *sum, const struct tp_count *more)
{
	sum->packets += more->packets;
	sum->bytes += more->bytes;
}

void flows_drop_row(struct flows *flows, uint8_t family, uint32_t *slot_1, struct tp_count *sum)
{
	struct tp_count count = { 0 };

	if (!*slot_1)
		return;
	rows_del(flows->rows, family, *slot_1, &count);
	add_counts(sum, &count);
	*slot_1 = 0;
}

/* ------------------------------------------------------------- allocations */

/* A realm of the database may have a limit where the configuration has none. */
static bool is_limited(const struct flows *flows, const struct tp_alloc *saved)
{
	return flows->limits && (limits_any(flows->limits) || saved->max_bps);
}

uint16_t flows_row_flags(const struct flows *flows, const struct tp_alloc *saved)
{
	return is_limited(flows, saved) ? TP_ROW_LIMITED : 0;
}

/* No datagram is for a TCP allocation, and nothing of it for the kernel's data paths. */
bool flows_has_rows(const struct flows *flows, const struct turn_alloc *alloc)
{
	return flows->rows && alloc->host && !alloc->tcp;
}

bool flows_is_relayed(uint8_t transport, const struct tp_addr *proxy)
{
	return transport == IPPROTO_UDP && !proxy->family;
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
		flows_count_full(&flows->rows_full);
}

static void put_send(struct flows *flows, const struct turn_alloc *alloc, unsigned int i)
{
	const struct turn_relay *relay = &alloc->relay[i];
	struct tp_alloc *saved = alloc->host;
	struct row_spec spec = {
		.kind = TP_ROW_SEND, .flags = flows_row_flags(flows, saved),
		.channel = i ? TP_KEY_SEND6 : TP_KEY_SEND4,
		.src = alloc->path.client, .dst = alloc->path.server,
		.out_src = relay->local, .out_dst = relay->external,
		.alloc = journal_index(flows->journal, saved), .expires_ns = relay->expires_ns,
	};

	saved->row_send[i] = rows_put(flows->rows, &spec);
	if (!saved->row_send[i])
		flows_count_full(&flows->rows_full);
}

static void drop_own_rows(struct flows *flows, const struct turn_alloc *alloc, unsigned int i)
{
	struct tp_alloc *saved = alloc->host;
	struct tp_count none = { 0 };

	flows_drop_row(flows, i ? 6 : 4, &saved->row_relayed[i], &none);
	flows_drop_row(flows, alloc->path.client.family, &saved->row_send[i], &saved->fast_up);
}

static void keep_own_rows(struct flows *flows, const struct turn_alloc *alloc)
{
	for (unsigned int i = 0; i < 2; i++) {
		if (!alloc->relay[i].local.family) {
			drop_own_rows(flows, alloc, i);
			continue;
		}
		put_relayed(flows, alloc, i);
		if (flows_is_relayed(alloc->path.transport, &alloc->path.proxy))
			put_send(flows, alloc, i);
	}
}

/* A permission is not in the table, so that what is not there may be permitted yet. */
void flows_open_relayed(struct flows *flows, const struct turn_alloc *alloc, unsigned int i)
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
	saved->proxy = alloc->path.proxy;
	saved->transport = alloc->path.transport;
	pthread_mutex_unlock(&flows->lock);
}

void flows_keep_alloc(struct flows *flows, struct turn_alloc *alloc, unsigned int worker)
{
	struct tp_alloc *saved = alloc->host;

	if (!saved) {
		saved = journal_claim_alloc(flows->journal);
		if (!saved) {
			flows_count_full(&flows->journal_full);
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
	saved->tcp = alloc->tcp;
	saved->worker = (__u16)worker;
	for (unsigned int i = 0; i < 2; i++) {
		const struct turn_relay *relay = &alloc->relay[i];

		saved->relayed[i] = relay->local;
		saved->expires_ns[i] = relay->local.family ? relay->expires_ns : 0;
	}
	memcpy(saved->txid, alloc->txid, sizeof(saved->txid));
	memcpy(saved->user_id, alloc->user_id, sizeof(saved->user_id));
	strncpy(saved->user, alloc->user, sizeof(saved->user) - 1);	/* zeroed when claimed */
	if (flows_has_rows(flows, alloc) && !alloc->parked)
		keep_own_rows(flows, alloc);
	journal_publish(&saved->state);
}

/* Without a row of the relayed address, what comes from peers goes up to the daemon while
 * its permissions have none. */
void flows_park_alloc(struct flows *flows, struct turn_alloc *alloc)
{
	if (!flows_has_rows(flows, alloc))
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

void flows_limit(struct flows *flows, const struct turn_alloc *alloc)
{
	struct tp_alloc *saved = alloc->host;

	if (!saved)
		return;
	flows->unmarked |= !saved->max_bps != !alloc->max_bps;
	saved->max_bps = alloc->max_bps;
	limits_price(flows->limits, journal_index(flows->journal, saved), alloc->max_bps);
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

void flows_count_connection(struct turn_alloc *alloc, int more)
{
	struct tp_alloc *saved = alloc->host;

	if (saved)
		__atomic_store_n(&saved->connections, (__u16)(saved->connections + more),
				 __ATOMIC_RELAXED);
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

		if (!flows_is_relayed(owner->transport, &owner->proxy))
			continue;
		up = goes(src, dst, relayed, &b->peer) && !flows_relay_here(flows, &b->peer);

		if (up && !b->channel && b->row_down)
			rows_set_nexthop_up(flows->rows, b->peer.family, b->row_down, nexthop);
		if (up && b->row_up)
			rows_set_nexthop(flows->rows, owner->client.family, b->row_up, nexthop);
		if (b->row_down && goes(src, dst, &owner->server, &owner->client))
			rows_set_nexthop(flows->rows, b->peer.family, b->row_down, nexthop);
	}
	pthread_mutex_unlock(&flows->lock);
}

static void mark_alloc(const struct flows *flows, const struct tp_alloc *a)
{
	for (unsigned int i = 0; i < 2; i++)
		rows_set_limited(flows->rows, a->client.family, a->row_send[i],
				 is_limited(flows, a));
}

void flows_mark(struct flows *flows)
{
	const struct tp_binding *b;
	const struct tp_alloc *a;
	uint32_t at = 0;

	if (!flows->rows || !flows->unmarked)
		return;
	flows->unmarked = false;
	while ((a = journal_next_alloc(flows->journal, &at)))
		mark_alloc(flows, a);
	at = 0;
	while ((b = journal_next_binding(flows->journal, &at))) {
		a = &flows->tables->allocs[b->alloc];
		/* of the others' peers the kernel only knows who may send */
		if (!flows_is_relayed(a->transport, &a->proxy))
			continue;
		rows_set_limited(flows->rows, a->client.family, b->row_up, is_limited(flows, a));
		rows_set_limited(flows->rows, b->peer.family, b->row_down, is_limited(flows, a));
	}
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
		for (unsigned int i = 0; i < flows->n_relays; i++)
			want(&w, flows->relays[i].ip.external.family, flows->relays[i].alias);
		rows_sweep(flows->rows, is_wanted, &w);
		pthread_mutex_unlock(&flows->lock);
	}
	free(w.bits[0]);
	free(w.bits[1]);
}
