// SPDX-License-Identifier: MIT
/* How many allocations there are, of each user and in all. */
#include <stdlib.h>
#include <string.h>
#include "turn/core.h"
#include "pure.h"

/* Found or made; the caller holds the lock. */
static struct quota *quota_get(struct turn_shared *shared, const uint8_t user_id[32])
{
	uint64_t hash = hash_bytes(shared->key, user_id, 32);
	struct table_node *node = table_first(&shared->quotas, hash);
	struct quota *q;

	for (; node; node = table_next(node)) {
		q = core_of(node, struct quota, node);
		if (!memcmp(q->user_id, user_id, 32))
			return q;
	}
	if (!table_reserve(&shared->quotas))
		return NULL;
	q = calloc(1, sizeof(*q));
	if (!q)
		return NULL;
	memcpy(q->user_id, user_id, 32);
	table_add(&shared->quotas, &q->node, hash);
	return q;
}

static void quota_tidy(struct turn_shared *shared, struct quota *q)
{
	if (q->allocations)
		return;
	table_remove(&shared->quotas, &q->node);
	free(q);
}

/* Of a realm: no user of it has an empty name. */
static void realm_id(uint8_t id[32], const struct turn_realm *realm)
{
	stun_userhash(id, (struct stun_bytes){ NULL, 0 },
		      (struct stun_bytes){ (const uint8_t *)realm->name, strlen(realm->name) });
}

static int quota_check(const struct request *rq, const struct charge *charge)
{
	const struct turn_shared *shared = rq->server->shared;
	const struct turn_conf *conf = shared->conf;
	const struct turn_realm *realm = rq->limits;
	uint32_t user = realm && realm->user_quota ? realm->user_quota : conf->user_quota;

	/* Without authentication, and with tokens, everybody would share one count. */
	if (user && !conf->no_auth && !rq->auth.token && charge->user->allocations >= user)
		return 486;
	/* The realm's own is told like the user's: others may go on. */
	if (realm && realm->total_quota && charge->realm->allocations >= realm->total_quota)
		return 486;
	return conf->total_quota && shared->allocations >= conf->total_quota ? 508 : 0;
}

/* rq is NULL for an allocation that is carried on: it was within its limits. */
static int quota_take(struct turn_shared *shared, const uint8_t user_id[32],
		      const struct request *rq, struct charge *charge)
{
	const struct turn_realm *realm = rq ? rq->limits : NULL;
	struct charge c = { NULL, NULL };
	uint8_t id[32];
	int code = 508;

	if (realm)
		realm_id(id, realm);
	pthread_mutex_lock(&shared->lock);
	c.user = quota_get(shared, user_id);
	c.realm = realm ? quota_get(shared, id) : NULL;
	if (c.user && (c.realm || !realm))
		code = rq ? quota_check(rq, &c) : 0;
	if (!code) {
		c.user->allocations++;
		if (c.realm)
			c.realm->allocations++;
		__atomic_fetch_add(&shared->allocations, 1, __ATOMIC_RELAXED);
		*charge = c;
	}
	if (c.user)
		quota_tidy(shared, c.user);
	if (c.realm)
		quota_tidy(shared, c.realm);
	pthread_mutex_unlock(&shared->lock);
	return code;
}

int quota_charge(const struct request *rq, struct charge *charge)
{
	return quota_take(rq->server->shared, rq->auth.user_id, rq, charge);
}

int quota_carry_on(struct turn_shared *shared, const uint8_t user_id[32], struct charge *charge)
{
	return quota_take(shared, user_id, NULL, charge);
}

void quota_release(struct turn_shared *shared, struct charge *charge)
{
	if (!charge->user)
		return;
	pthread_mutex_lock(&shared->lock);
	charge->user->allocations--;
	quota_tidy(shared, charge->user);
	if (charge->realm) {
		charge->realm->allocations--;
		quota_tidy(shared, charge->realm);
	}
	__atomic_fetch_sub(&shared->allocations, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&shared->lock);
	*charge = (struct charge){ NULL, NULL };
}

/* What it is to have, if it has had so much: who got what was left goes on with that. */
static uint64_t quota_bps(const struct turn_conf *conf, const struct turn_realm *realm,
			  uint64_t had)
{
	uint64_t wish = realm && realm->max_bps ? realm->max_bps : conf->max_bps;

	/* what a realm of the database asked for is not known before its user is back */
	if (had && (had < wish || (!wish && !realm && turn_conf_asks(conf))))
		return had;
	return wish;
}

/* The sum is right without a capacity, too: a reload may bring one. */
static void quota_bandwidth_take(struct turn_shared *shared, struct alloc *a, uint64_t bps)
{
	shared->bps += bps - a->pub.max_bps;
	a->pub.max_bps = bps;
}

/* As coturn does it: each gets max-bps, and the last one what is left. */
int quota_bandwidth(struct turn_shared *shared, const struct turn_realm *realm,
		    const struct tp_alloc *saved, struct alloc *a)
{
	const struct turn_conf *conf = shared->conf;
	uint64_t wish = quota_bps(conf, realm, saved ? saved->max_bps : 0), left = UINT64_MAX;
	int code = 0;

	if (!wish)
		return 0;
	pthread_mutex_lock(&shared->lock);
	if (!saved && conf->bps_capacity)
		left = conf->bps_capacity > shared->bps ? conf->bps_capacity - shared->bps : 0;
	if (!left)
		code = 486;
	a->rest = saved ? wish != quota_bps(conf, realm, 0) : left < wish;
	quota_bandwidth_take(shared, a, wish < left ? wish : left);
	pthread_mutex_unlock(&shared->lock);
	return code;
}

/* What runs goes on, with all of max-bps, whether the capacity has it or not; but for who got
 * what was left. */
bool quota_bandwidth_renew(struct turn_shared *shared, const struct turn_realm *realm,
			   struct alloc *a)
{
	uint64_t bps = quota_bps(shared->conf, realm, a->rest ? a->pub.max_bps : 0);

	if (bps == a->pub.max_bps)
		return false;
	a->rest = false;
	pthread_mutex_lock(&shared->lock);
	quota_bandwidth_take(shared, a, bps);
	pthread_mutex_unlock(&shared->lock);
	return true;
}

void quota_bandwidth_release(struct turn_shared *shared, const struct alloc *a)
{
	if (!a->pub.max_bps)
		return;
	pthread_mutex_lock(&shared->lock);
	shared->bps -= a->pub.max_bps;
	pthread_mutex_unlock(&shared->lock);
}

unsigned int turn_shared_allocations(const struct turn_shared *shared)
{
	return __atomic_load_n(&shared->allocations, __ATOMIC_RELAXED);
}
