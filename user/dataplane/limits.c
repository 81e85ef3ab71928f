// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <turnpike/limit.h>
#include "dataplane/limits.h"

/* A user with allocations; its limit is element n + i of tp_limits, n the allocations. */
struct user {
	uint8_t id[32];
	uint32_t allocations;		/* 0: free */
	uint32_t next;			/* of the same hash, or of the free ones; index + 1 */
};

struct limits {
	struct tp_limit *table;
	const struct turn_conf *conf;
	uint32_t n;			/* allocations, and users */
	bool used;			/* the table is all zeros unless; saves touching it */
	pthread_mutex_t lock;		/* of what follows */
	uint32_t *user_of;		/* by allocation: its user's index in tp_limits, or 0 */
	struct user *users;
	uint32_t *heads;		/* n of them, by hash; index + 1 */
	uint32_t free;			/* index + 1 */
	uint32_t fresh;			/* of those from here on none has ever been held */
};

/* What was owed at the old price, perhaps for hours to come, is forgotten. */
static void set_price(__u64 *price, __u64 buckets[2], uint64_t per_second)
{
	uint64_t new = per_second ? (TURN_NS_PER_S << TP_LIMIT_SHIFT) / per_second : 0;

	if (*price == new)
		return;
	TP_WRITE(*price, new);
	TP_WRITE(buckets[TP_LIMIT_UP], 0);
	TP_WRITE(buckets[TP_LIMIT_DOWN], 0);
}

static void set_bps(struct tp_limit *limit, uint64_t bytes)
{
	set_price(&limit->byte_price, limit->bytes_ns, bytes);
}

static void set_pps(struct tp_limit *limit, uint64_t packets)
{
	set_price(&limit->packet_price, limit->packets_ns, packets);
}

static struct tp_limit *shared_limit(const struct limits *l)
{
	return &l->table[TP_LIMITS(l->n) - 1];
}

static void price_shared(struct limits *l)
{
	set_bps(shared_limit(l), l->conf->max_bps);
	set_pps(shared_limit(l), l->conf->max_pps);
}

/* Allocations' buckets go on from an earlier run, users' do not. */
struct limits *limits_new(struct tables *tables, const struct turn_conf *conf)
{
	struct limits *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->table = tables->limits;
	l->conf = conf;
	l->n = tables->meta->allocs;
	pthread_mutex_init(&l->lock, NULL);
	l->user_of = calloc(l->n, sizeof(*l->user_of));
	l->users = calloc(l->n, sizeof(*l->users));
	l->heads = calloc(l->n, sizeof(*l->heads));
	if (!l->user_of || !l->users || !l->heads) {
		limits_free(l);
		return NULL;
	}
	l->used = limits_any(l);
	if (l->used)
		price_shared(l);
	else if (tables->kernel)	/* an earlier run may have had limits */
		memset(l->table, 0, TP_LIMITS(l->n) * sizeof(*l->table));
	return l;
}

void limits_free(struct limits *l)
{
	if (!l)
		return;
	pthread_mutex_destroy(&l->lock);
	free(l->user_of);
	free(l->users);
	free(l->heads);
	free(l);
}

/* Where no user's bytes count, the data paths need not look. */
static uint32_t shown_user(const struct limits *l, uint32_t index)
{
	return l->conf->user_max_bps ? index : 0;
}

void limits_renew(struct limits *l, const struct turn_conf *conf)
{
	const struct turn_conf *old = l->conf;

	l->conf = conf;
	if (conf->max_pps == old->max_pps && conf->user_max_bps == old->user_max_bps &&
	    conf->max_bps == old->max_bps)
		return;
	l->used = true;
	price_shared(l);
	for (uint32_t i = 0; i < l->fresh; i++)
		if (l->users[i].allocations)
			set_bps(&l->table[l->n + i], conf->user_max_bps);
	for (uint32_t i = 0; i < l->n; i++) {
		if (!l->user_of[i])
			continue;
		set_pps(&l->table[i], conf->max_pps);
		TP_WRITE(l->table[i].user, shown_user(l, l->user_of[i]));
	}
}

bool limits_any(const struct limits *l)
{
	return l->conf->max_bps || l->conf->max_pps || l->conf->user_max_bps;
}

/* ------------------------------------------------------------------- users */

static uint32_t *head_of(struct limits *l, const uint8_t id[32])
{
	uint32_t hash;

	/* it is a SHA-256, any part of which is as good as another */
	memcpy(&hash, id, sizeof(hash));
	return &l->heads[hash % l->n];
}

/* Index in tp_limits. As many users as allocations always find room. */
static uint32_t user_hold(struct limits *l, const uint8_t id[32])
{
	uint32_t *head = head_of(l, id), at;
	struct user *u;

	for (at = *head; at; at = u->next) {
		u = &l->users[at - 1];
		if (!memcmp(u->id, id, sizeof(u->id)))
			goto found;
	}
	if (!l->free && l->fresh == l->n)
		return 0;
	at = l->free ? l->free : ++l->fresh;
	u = &l->users[at - 1];
	if (at == l->free)
		l->free = u->next;
	memcpy(u->id, id, sizeof(u->id));
	u->next = *head;
	*head = at;
	if (!TP_READ(l->used))
		goto found;
	memset(&l->table[l->n + at - 1], 0, sizeof(*l->table));
	set_bps(&l->table[l->n + at - 1], l->conf->user_max_bps);
found:
	u->allocations++;
	return l->n + at - 1;
}

static void user_let_go(struct limits *l, uint32_t index)
{
	uint32_t at = index - l->n + 1, *from;
	struct user *u = &l->users[at - 1];

	if (--u->allocations)
		return;
	for (from = head_of(l, u->id); *from != at; from = &l->users[*from - 1].next)
		;
	*from = u->next;
	u->next = l->free;
	l->free = at;
}

/* ------------------------------------------------------------- allocations */

void limits_set(struct limits *l, uint32_t alloc, const uint8_t user_id[32], uint64_t max_bps)
{
	struct tp_limit *limit = &l->table[alloc];

	if (max_bps)
		TP_WRITE(l->used, true);
	pthread_mutex_lock(&l->lock);
	l->user_of[alloc] = user_hold(l, user_id);
	pthread_mutex_unlock(&l->lock);
	if (!TP_READ(l->used))
		return;
	set_bps(limit, max_bps);
	set_pps(limit, l->conf->max_pps);
	TP_WRITE(limit->user, shown_user(l, l->user_of[alloc]));
}

void limits_price(struct limits *l, uint32_t alloc, uint64_t max_bps)
{
	TP_WRITE(l->used, true);
	set_bps(&l->table[alloc], max_bps);
}

void limits_drop(struct limits *l, uint32_t alloc)
{
	if (TP_READ(l->used))
		memset(&l->table[alloc], 0, sizeof(*l->table));
	pthread_mutex_lock(&l->lock);
	if (l->user_of[alloc])
		user_let_go(l, l->user_of[alloc]);
	l->user_of[alloc] = 0;
	pthread_mutex_unlock(&l->lock);
}

bool limits_take(struct limits *l, uint32_t alloc, bool up, size_t bytes, uint64_t now_ns)
{
	struct tp_limit *limit = alloc < l->n ? &l->table[alloc] : shared_limit(l);
	uint32_t user;

	if (!TP_READ(l->used))
		return true;
	user = TP_READ(limit->user);
	return tp_limit_take(limit, user && user < TP_LIMITS(l->n) - 1 ? &l->table[user] : NULL,
			     up ? TP_LIMIT_UP : TP_LIMIT_DOWN, (uint32_t)bytes, now_ns);
}
