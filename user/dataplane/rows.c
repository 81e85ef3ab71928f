// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <turnpike/checksum.h>
#include <turnpike/rows.h>
#include <turnpike/wire.h>
#include "dataplane/rows.h"

/* Slots of both families have one size, with the key first and the row behind it. */
#define SLOT		sizeof(struct tp_slot4)
_Static_assert(sizeof(struct tp_slot4) == sizeof(struct tp_slot6), "slots");

struct table {
	char *slots;			/* NULL: there is no such table */
	uint32_t size;
	uint32_t used;			/* rows that are neither free nor dead */
	uint32_t key_len;
};

struct rows {
	struct table table[2];		/* IPv4, IPv6 */
	__u64 seed[2];
	pthread_mutex_t lock;		/* the writer's; readers need none */
};

union key {
	struct tp_key4 v4;
	struct tp_key6 v6;
};

static struct table *table_of(struct rows *rows, uint8_t family)
{
	struct table *t = &rows->table[family == 6];

	return (family == 4 || family == 6) && t->slots ? t : NULL;
}

static void *key_at(const struct table *t, uint32_t i)
{
	return t->slots + (size_t)i * SLOT;
}

static struct tp_row *row_at(const struct table *t, uint32_t i)
{
	return (void *)(t->slots + (size_t)i * SLOT + t->key_len);
}

static bool alive(const struct tp_row *row)
{
	return row->kind > TP_ROW_DEAD && row->kind < TP_ROW_KINDS;
}

static void set_kind(struct tp_row *row, enum tp_row_kind kind)
{
	tp_seq_write_begin(&row->seq);
	TP_WRITE(row->kind, kind);
	tp_seq_write_end(&row->seq);
}

/*
 * Slot i is dead. A search that goes past it ends in a free slot right behind it, or at
 * the table's end, so it may be free as well, and so may the dead ones right before it.
 */
static void clean_backwards(const struct table *t, uint32_t i)
{
	if (i + 1 < t->size && row_at(t, i + 1)->kind != TP_ROW_FREE)
		return;
	for (; row_at(t, i)->kind == TP_ROW_DEAD; i--) {
		set_kind(row_at(t, i), TP_ROW_FREE);
		if (!i)
			break;
	}
}

/* Counts the rows of a table that may be old, and repairs what a writer that was
 * killed left half written: its key may be a mix, so it is as good as deleted. */
static void take_over(struct table *t)
{
	t->used = 0;
	for (uint32_t i = 0; i < t->size; i++) {
		struct tp_row *row = row_at(t, i);

		if ((row->seq & 1) || row->kind >= TP_ROW_KINDS)
			set_kind(row, TP_ROW_DEAD);
		t->used += alive(row);
	}
	for (uint32_t i = 0; i < t->size; i++) {
		if (row_at(t, i)->kind == TP_ROW_DEAD)
			clean_backwards(t, i);
	}
}

struct rows *rows_new(struct tables *tables)
{
	struct rows *rows = calloc(1, sizeof(*rows));

	if (!rows)
		return NULL;
	rows->table[0] = (struct table){ .slots = (char *)tables->rows4,
					 .key_len = sizeof(struct tp_key4) };
	rows->table[1] = (struct table){ .slots = (char *)tables->rows6,
					 .key_len = sizeof(struct tp_key6) };
	rows->table[0].size = tables->rows4 ? tables->meta->rows4 : 0;
	rows->table[1].size = tables->rows6 ? tables->meta->rows6 : 0;
	rows->seed[0] = tables->meta->hash_seed[0];
	rows->seed[1] = tables->meta->hash_seed[1];
	pthread_mutex_init(&rows->lock, NULL);
	take_over(&rows->table[0]);
	take_over(&rows->table[1]);
	return rows;
}

void rows_free(struct rows *rows)
{
	if (!rows)
		return;
	pthread_mutex_destroy(&rows->lock);
	free(rows);
}

static uint64_t make_key(const struct rows *rows, const struct row_spec *spec, union key *key)
{
	memset(key, 0, sizeof(*key));
	if (spec->src.family == 4) {
		memcpy(key->v4.saddr, spec->src.ip, 4);
		memcpy(key->v4.daddr, spec->dst.ip, 4);
		key->v4.sport = spec->src.port;
		key->v4.dport = spec->dst.port;
		key->v4.channel = htons(spec->channel);
		return tp_hash4(&key->v4, rows->seed);
	}
	memcpy(key->v6.saddr, spec->src.ip, 16);
	memcpy(key->v6.daddr, spec->dst.ip, 16);
	key->v6.sport = spec->src.port;
	key->v6.dport = spec->dst.port;
	key->v6.channel = htons(spec->channel);
	return tp_hash6(&key->v6, rows->seed);
}

static struct tp_csum_leg leg_of(const struct tp_addr *src, const struct tp_addr *dst,
				 uint16_t channel)
{
	return (struct tp_csum_leg){
		.saddr = src->ip,
		.daddr = dst->ip,
		.alen = src->family == 4 ? 4 : 16,
		.sport = src->port,
		.dport = dst->port,
		.channel = htons(channel),
	};
}

static uint16_t checksum_delta(const struct row_spec *spec)
{
	struct tp_csum_leg in = leg_of(&spec->src, &spec->dst, spec->channel);
	struct tp_csum_leg out = leg_of(&spec->out_src, &spec->out_dst, spec->out_channel);
	static const __u8 unknown[16];

	if (in.channel && ntohs(in.channel) < TP_CHANNEL_MIN)
		in.channel = 0;		/* enum tp_key_kind, not in the packet */
	if (spec->kind == TP_ROW_SEND) {
		out.saddr = out.daddr = unknown;
		out.sport = out.dport = 0;
	}
	return tp_csum_delta(&in, &out);
}

/* The row with seq and counters 0. */
static void make_row(const struct row_spec *spec, struct tp_row *row)
{
	memset(row, 0, sizeof(*row));
	row->kind = (uint8_t)spec->kind;
	row->flags = (uint8_t)spec->flags;
	row->expires_ns = spec->expires_ns;
	if (spec->kind == TP_ROW_LISTENER) {
		row->flags |= TP_ROW_OUT6;
		row->listener = spec->listener;
		return;
	}
	row->nexthop = spec->nexthop;
	row->csum_delta = checksum_delta(spec);
	row->alloc = spec->alloc;
	row->out_sport = spec->out_src.port;
	row->out_dport = spec->out_dst.port;
	row->out_channel = htons(spec->out_channel);
	row->nexthop_up = spec->nexthop_up;
	if (spec->out_dst.family == 4) {
		memcpy(row->out4.saddr, spec->out_src.ip, 4);
		memcpy(row->out4.daddr, spec->out_dst.ip, 4);
	} else {
		row->flags |= TP_ROW_OUT6;
		memcpy(row->out6.saddr, spec->out_src.ip, 16);
		memcpy(row->out6.daddr, spec->out_dst.ip, 16);
	}
}

/* The key's slot, or the first one that an insert may take, or t->size. */
static uint32_t find(const struct table *t, const union key *key, uint64_t hash)
{
	uint32_t room = t->size, first = tp_row_first(hash, t->size);

	for (uint32_t n = 0; n < TP_PROBE; n++) {
		uint32_t i = first + n;
		const struct tp_row *row = row_at(t, i);

		if (alive(row)) {
			if (!memcmp(key_at(t, i), key, t->key_len))
				return i;
			continue;
		}
		if (room == t->size)
			room = i;
		if (row->kind == TP_ROW_FREE)
			break;
	}
	return room;
}

/* Everything between seq and the counters, and what is behind them. */
#define FRONT		offsetof(struct tp_row, kind)
#define COUNTERS	offsetof(struct tp_row, packets)
#define BACK		offsetof(struct tp_row, nexthop_up)

/* Whether the slot's row differs from new in its lease and next hops only. Those can be
 * written alone, so that refreshing a flow never makes a reader turn a packet away. */
static bool same_way(const struct tp_row *row, struct tp_row new)
{
	new.seq = row->seq;
	new.nexthop = row->nexthop;
	new.nexthop_up = row->nexthop_up;
	new.expires_ns = row->expires_ns;
	return !memcmp(row, &new, COUNTERS) &&
	       !memcmp((const char *)row + BACK, (const char *)&new + BACK, sizeof(new) - BACK);
}

static void write_slot(const struct table *t, uint32_t i, const union key *key,
		       const struct tp_row *new)
{
	struct tp_row *row = row_at(t, i);
	bool again = alive(row);	/* then it has this key, and its counters go on */

	if (again && same_way(row, *new)) {
		TP_WRITE(row->nexthop, new->nexthop);
		TP_WRITE(row->nexthop_up, new->nexthop_up);
		TP_WRITE(row->expires_ns, new->expires_ns);
		return;
	}
	tp_seq_write_begin(&row->seq);
	if (!again)
		memcpy(key_at(t, i), key, t->key_len);
	memcpy((char *)row + FRONT, (const char *)new + FRONT,
	       (again ? COUNTERS : BACK) - FRONT);
	memcpy((char *)row + BACK, (const char *)new + BACK, sizeof(*row) - BACK);
	tp_seq_write_end(&row->seq);
}

static bool spec_ok(const struct row_spec *spec)
{
	uint8_t out = spec->out_src.family;

	if (spec->kind == TP_ROW_LISTENER)
		return spec->dst.family == spec->src.family;
	return spec->dst.family == spec->src.family && (out == 4 || out == 6) &&
	       spec->out_dst.family == out &&
	       spec->kind >= TP_ROW_TO_PEER && spec->kind < TP_ROW_KINDS;
}

uint32_t rows_put(struct rows *rows, const struct row_spec *spec)
{
	struct table *t = table_of(rows, spec->src.family);
	struct tp_row row;
	uint64_t hash;
	uint32_t i;
	union key key;

	if (!t || !spec_ok(spec))
		return 0;
	hash = make_key(rows, spec, &key);
	make_row(spec, &row);
	pthread_mutex_lock(&rows->lock);
	i = find(t, &key, hash);
	if (i < t->size) {
		t->used += !alive(row_at(t, i));
		write_slot(t, i, &key, &row);
	}
	pthread_mutex_unlock(&rows->lock);
	return i < t->size ? i + 1 : 0;
}

static void delete(struct table *t, uint32_t i)
{
	set_kind(row_at(t, i), TP_ROW_DEAD);
	t->used--;
	clean_backwards(t, i);
}

static void add_count(const struct tp_row *row, struct tp_count *count)
{
	count->packets += TP_READ(row->packets);
	count->bytes += TP_READ(row->bytes);
}

/* The row in use at this slot, or NULL; the lock is held. */
static struct tp_row *row_named(const struct table *t, uint32_t slot_1)
{
	struct tp_row *row;

	if (!t || !slot_1 || slot_1 > t->size)
		return NULL;
	row = row_at(t, slot_1 - 1);
	return alive(row) ? row : NULL;
}

void rows_del(struct rows *rows, uint8_t family, uint32_t slot_1, struct tp_count *count)
{
	struct table *t = table_of(rows, family);
	struct tp_row *row;

	pthread_mutex_lock(&rows->lock);
	row = row_named(t, slot_1);
	if (row) {
		delete(t, slot_1 - 1);
		add_count(row, count);
	}
	pthread_mutex_unlock(&rows->lock);
}

static void set_nexthop(struct rows *rows, uint8_t family, uint32_t slot_1, bool up,
			uint16_t nexthop)
{
	struct table *t = table_of(rows, family);
	struct tp_row *row;

	pthread_mutex_lock(&rows->lock);
	row = row_named(t, slot_1);
	if (row && up)
		TP_WRITE(row->nexthop_up, nexthop);
	else if (row)
		TP_WRITE(row->nexthop, nexthop);
	pthread_mutex_unlock(&rows->lock);
}

void rows_set_nexthop(struct rows *rows, uint8_t family, uint32_t slot_1, uint16_t nexthop)
{
	set_nexthop(rows, family, slot_1, false, nexthop);
}

void rows_set_nexthop_up(struct rows *rows, uint8_t family, uint32_t slot_1, uint16_t nexthop)
{
	set_nexthop(rows, family, slot_1, true, nexthop);
}

void rows_set_limited(struct rows *rows, uint8_t family, uint32_t slot_1, bool limited)
{
	struct tp_row *row;

	pthread_mutex_lock(&rows->lock);
	row = row_named(table_of(rows, family), slot_1);
	if (row)
		TP_WRITE(row->flags, (__u8)(limited ? row->flags | TP_ROW_LIMITED :
					    row->flags & ~TP_ROW_LIMITED));
	pthread_mutex_unlock(&rows->lock);
}

void rows_count(const struct rows *rows, uint8_t family, uint32_t slot_1, struct tp_count *count)
{
	const struct table *t = &rows->table[family == 6];
	const struct tp_row *row = row_named(t, slot_1);

	/* Without the lock: the slot is the caller's own until it deletes it. */
	if (row)
		add_count(row, count);
}

void rows_sweep(struct rows *rows, bool (*keep)(void *ctx, uint8_t family, uint32_t slot_1),
		void *ctx)
{
	for (int f = 0; f < 2; f++) {
		struct table *t = &rows->table[f];

		for (uint32_t i = 0; i < t->size; i++) {
			if (!alive(row_at(t, i)) || keep(ctx, f ? 6 : 4, i + 1))
				continue;
			pthread_mutex_lock(&rows->lock);
			if (alive(row_at(t, i)))
				delete(t, i);
			pthread_mutex_unlock(&rows->lock);
		}
	}
}

void rows_fill(const struct rows *rows, uint32_t used[2], uint32_t slots[2])
{
	for (int f = 0; f < 2; f++) {
		used[f] = TP_READ(rows->table[f].used);
		slots[f] = rows->table[f].size;
	}
}
