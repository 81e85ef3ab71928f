// SPDX-License-Identifier: MIT
/* Relay addresses with their ports, as they come and go with configurations. */
#include <stdlib.h>
#include "address.h"
#include "turn/core.h"
#include "pure.h"

#define POOL_PORTS	65536	/* whatever the range; what is never used takes no memory */

static const struct tp_addr *pool_name(const struct turn_relay_ip *ip)
{
	return ip->external.family ? &ip->external : &ip->local;
}

struct pool *pool_of(const struct pools *pools, const struct turn_relay_ip *ip)
{
	unsigned int i;

	for (i = 0; i < pools->n; i++) {
		struct pool *pool = pools->v[i];

		if (address_same_ip(&pool->local, &ip->local) &&
		    address_same_ip(&pool->external, pool_name(ip)))
			return pool;
	}
	return NULL;
}

static struct pool *pool_new(const struct turn_relay_ip *ip)
{
	struct pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	pool->local = ip->local;
	pool->external = *pool_name(ip);
	pool->free_at = calloc(POOL_PORTS, sizeof(*pool->free_at));
	if (pool->free_at)
		return pool;
	free(pool);
	return NULL;
}

static bool pool_has(const struct pools *pools, const struct pool *pool)
{
	unsigned int i;

	for (i = 0; i < pools->n; i++) {
		if (pools->v[i] == pool)
			return true;
	}
	return false;
}

/* Once, and the same as in old. */
static bool pool_add(struct pools *pools, const struct pools *old, const struct turn_relay_ip *ip)
{
	struct pool *pool;

	if (pool_of(pools, ip))
		return true;
	pool = pool_of(old, ip);
	if (!pool)
		pool = pool_new(ip);
	if (pool)
		pools->v[pools->n++] = pool;
	return pool;
}

bool pool_list(struct pools *pools, const struct pools *old, const struct turn_conf *conf)
{
	bool ok = true;
	unsigned int i;

	*pools = (struct pools){
		.v = calloc(conf->n_relays + conf->n_former + old->n + 1, sizeof(*pools->v)),
	};
	if (!pools->v)
		return false;
	for (i = 0; i < conf->n_relays; i++)
		ok = ok && pool_add(pools, old, &conf->relays[i]);
	pools->live = pools->n;
	for (i = 0; i < conf->n_former; i++)
		ok = ok && pool_add(pools, old, &conf->former[i].ip);
	if (!ok) {
		pool_unlist(pools, old);
		return false;
	}
	for (i = 0; i < old->n; i++) {
		if (!pool_has(pools, old->v[i]))
			pools->v[pools->n++] = old->v[i];
	}
	return true;
}

void pool_unlist(struct pools *pools, const struct pools *other)
{
	unsigned int i;

	for (i = 0; i < pools->n; i++) {
		if (other && pool_has(other, pools->v[i]))
			continue;
		free(pools->v[i]->free_at);
		free(pools->v[i]);
	}
	free(pools->v);
	*pools = (struct pools){ 0 };
}
