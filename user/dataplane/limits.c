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
	pthread_mutex_t lock;		/* of what follows */
	struct user *users;
	uint32_t *heads;		/* n of them, by hash; index + 1 */
	uint32_t free;			/* index + 1 */
};

static uint64_t price(uint64_t per_second)
{
	return per_second ? (TURN_NS_PER_S << TP_LIMIT_SHIFT) / per_second : 0;
}

/* An earlier run's users are forgotten; allocations' buckets go on. */
static void start_users(struct limits *l)
{
	memset(l->table + l->n, 0, (l->n + 1) * sizeof(*l->table));
	for (uint32_t i = 0; i < l->n; i++)
		l->users[i].next = i + 1 < l->n ? i + 2 : 0;
	l->free = l->n ? 1 : 0;
}

struct limits *limits_new(struct tables *tables, const struct turn_conf *conf)
{
	struct limits *l = calloc(1, sizeof(*l));
	struct tp_limit *shared;

	if (!l)
		return NULL;
	l->table = tables->limits;
	l->conf = conf;
	l->n = tables->meta->allocs;
	pthread_mutex_init(&l->lock, NULL);
	if (!limits_any(l))
		return l;
	l->users = calloc(l->n, sizeof(*l->users));
	l->heads = calloc(l->n, sizeof(*l->heads));
	if (!l->users || !l->heads) {
		limits_free(l);
		return NULL;
	}
	start_users(l);
	shared = &l->table[TP_LIMITS(l->n) - 1];
	shared->byte_price = price(conf->max_bps);
	shared->packet_price = price(conf->max_pps);
	return l;
}

void limits_free(struct limits *l)
{
	if (!l)
		return;
	pthread_mutex_destroy(&l->lock);
	free(l->users);
	free(l->heads);
	free(l);
}

void limits_renew(struct limits *l, const struct turn_conf *conf)
{
	l->conf = conf;
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
	at = l->free;
	if (!at)
		return 0;
	u = &l->users[at - 1];
	l->free = u->next;
	memcpy(u->id, id, sizeof(u->id));
	u->next = *head;
	*head = at;
	memset(&l->table[l->n + at - 1], 0, sizeof(*l->table));
	TP_WRITE(l->table[l->n + at - 1].byte_price, price(l->conf->user_max_bps));
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

	if (!limits_any(l))
		return;
	TP_WRITE(limit->byte_price, price(max_bps));
	TP_WRITE(limit->packet_price, price(l->conf->max_pps));
	pthread_mutex_lock(&l->lock);
	TP_WRITE(limit->user, l->conf->user_max_bps ? user_hold(l, user_id) : 0);
	pthread_mutex_unlock(&l->lock);
}

void limits_drop(struct limits *l, uint32_t alloc)
{
	struct tp_limit *limit = &l->table[alloc];
	uint32_t user = limit->user;

	if (!limits_any(l))
		return;
	memset(limit, 0, sizeof(*limit));
	pthread_mutex_lock(&l->lock);
	if (user)
		user_let_go(l, user);
	pthread_mutex_unlock(&l->lock);
}

bool limits_take(struct limits *l, uint32_t alloc, bool up, size_t bytes, uint64_t now_ns)
{
	uint32_t shared = TP_LIMITS(l->n) - 1;
	struct tp_limit *limit = &l->table[alloc < l->n ? alloc : shared];
	uint32_t user = TP_READ(limit->user);

	if (!limits_any(l))
		return true;
	return tp_limit_take(limit, user && user < shared ? &l->table[user] : NULL,
			     up ? TP_LIMIT_UP : TP_LIMIT_DOWN, (uint32_t)bytes, now_ns);
}
