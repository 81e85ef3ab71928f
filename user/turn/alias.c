// SPDX-License-Identifier: MIT
/*
 * external-ip inside the host: a client names another one's relayed address as it
 * was told, by the external address, which no socket here is bound to and which
 * the router may not send back.
 */
#include <arpa/inet.h>
#include <string.h>
#include "address.h"
#include "turn/core.h"
#include "pure.h"

static void set_ip(struct tp_addr *addr, const struct tp_addr *ip)
{
	memcpy(addr->ip, ip->ip, sizeof(addr->ip));
}

static bool alias_named(const struct turn_relay_ip *ip, const struct tp_addr *addr)
{
	return address_same_ip(&ip->local, addr) || address_same_ip(&ip->external, addr);
}

const struct turn_relay_ip *turn_relay_here(const struct turn_conf *conf,
					    const struct tp_addr *addr)
{
	unsigned int i, port = ntohs(addr->port);

	for (i = 0; i < conf->n_relays; i++) {
		if ((!port || (port >= conf->min_port && port <= conf->max_port)) &&
		    alias_named(&conf->relays[i], addr))
			return &conf->relays[i];
	}
	for (i = 0; i < conf->n_former; i++) {
		const struct turn_former *f = &conf->former[i];

		if ((!port || (port >= f->min_port && port <= f->max_port)) &&
		    alias_named(&f->ip, addr))
			return &f->ip;
	}
	return NULL;
}

/* Of several that have this name, or that are bound there, the one that has the port. */
static const struct pool *alias_pool(const struct turn_shared *shared, const struct tp_addr *addr,
				     bool external)
{
	const struct pool *first = NULL;
	unsigned int i;

	for (i = 0; i < shared->pools.n; i++) {
		const struct pool *pool = shared->pools.v[i];

		if (!address_same_ip(external ? &pool->external : &pool->local, addr))
			continue;
		if (port_used(pool, addr->port))
			return pool;
		if (!first)
			first = pool;
	}
	return first;
}

struct tp_addr alias_inside(const struct turn_shared *shared, const struct tp_addr *peer)
{
	const struct pool *pool = alias_pool(shared, peer, true);
	struct tp_addr addr = *peer;

	if (pool)
		set_ip(&addr, &pool->local);
	return addr;
}

struct tp_addr alias_outside(const struct turn_shared *shared, const struct tp_addr *peer)
{
	const struct pool *pool = alias_pool(shared, peer, false);
	struct tp_addr addr = *peer;

	/* another socket of this host is not a relayed address */
	if (pool && turn_relay_here(shared->conf, peer))
		set_ip(&addr, &pool->external);
	return addr;
}
