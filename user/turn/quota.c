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

int quota_charge(struct turn_shared *shared, const uint8_t user_id[32], bool forced,
		 struct quota **quota)
{
	const struct turn_conf *conf = shared->conf;
	/* Without authentication everybody would share one count. */
	uint32_t limit = conf->no_auth ? 0 : conf->user_quota;
	struct quota *q;
	int code = 508;

	pthread_mutex_lock(&shared->lock);
	q = quota_get(shared, user_id);
	if (!q)
		goto out;
	if (!forced && limit && q->allocations >= limit)
		code = 486;
	else if (forced || !conf->total_quota || shared->allocations < conf->total_quota)
		code = 0;
	if (!code) {
		q->allocations++;
		__atomic_fetch_add(&shared->allocations, 1, __ATOMIC_RELAXED);
		*quota = q;
	}
	quota_tidy(shared, q);
out:
	pthread_mutex_unlock(&shared->lock);
	return code;
}

void quota_release(struct turn_shared *shared, struct quota *quota)
{
	pthread_mutex_lock(&shared->lock);
	quota->allocations--;
	__atomic_fetch_sub(&shared->allocations, 1, __ATOMIC_RELAXED);
	quota_tidy(shared, quota);
	pthread_mutex_unlock(&shared->lock);
}

/* As coturn does it: each gets max-bps, and the last one what is left. */
int quota_bandwidth(struct turn_shared *shared, const struct tp_alloc *saved, uint64_t *bps)
{
	const struct turn_conf *conf = shared->conf;
	uint64_t wish = conf->max_bps;
	int code = 0;

	*bps = wish;
	if (!wish || !conf->bps_capacity)
		return 0;
	if (saved && saved->max_bps && saved->max_bps < wish)
		wish = saved->max_bps;
	pthread_mutex_lock(&shared->lock);
	if (!saved && shared->bps >= conf->bps_capacity)
		code = 486;
	else if (!saved && wish > conf->bps_capacity - shared->bps)
		wish = conf->bps_capacity - shared->bps;
	if (code)
		wish = 0;
	shared->bps += wish;
	pthread_mutex_unlock(&shared->lock);
	*bps = wish;
	return code;
}

void quota_bandwidth_release(struct turn_shared *shared, uint64_t bps)
{
	if (!bps || !shared->conf->bps_capacity)
		return;
	pthread_mutex_lock(&shared->lock);
	shared->bps -= bps;
	pthread_mutex_unlock(&shared->lock);
}

unsigned int turn_shared_allocations(const struct turn_shared *shared)
{
	return __atomic_load_n(&shared->allocations, __ATOMIC_RELAXED);
}
