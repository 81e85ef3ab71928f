// SPDX-License-Identifier: MIT
/*
 * Relay ports. Each has one atomic word: when it becomes free, or PORT_IN_USE.
 * So resting and reserved ports come back by themselves, and no worker waits
 * for another.
 */
#include <arpa/inet.h>
#include <errno.h>
#include "address.h"
#include "turn/core.h"
#include "pure.h"

#define PORT_DRAWS	32	/* random draws before the range is searched */

static bool port_swap(uint64_t *word, uint64_t from, uint64_t to)
{
	return __atomic_compare_exchange_n(word, &from, to, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

static bool port_in_range(const struct turn_shared *shared, unsigned int port)
{
	return port && port >= shared->conf->min_port && port <= shared->conf->max_port;
}

/* How many a pool may give out. */
static unsigned int port_count(const struct turn_shared *shared)
{
	const struct turn_conf *conf = shared->conf;

	return conf->min_port && conf->max_port >= conf->min_port ?
	       conf->max_port - conf->min_port + 1u : 0;
}

bool port_take_this(struct pool *pool, uint16_t port, uint64_t now_ns)
{
	uint64_t *word = &pool->free_at[port];
	uint64_t free_at = __atomic_load_n(word, __ATOMIC_RELAXED);

	return free_at != PORT_IN_USE && free_at <= now_ns &&
	       port_swap(word, free_at, PORT_IN_USE);
}

bool port_take_reserved(struct pool *pool, uint16_t port, uint64_t free_at)
{
	return port_swap(&pool->free_at[port], free_at, PORT_IN_USE);
}

void port_give(struct pool *pool, uint16_t port, uint64_t free_at)
{
	__atomic_store_n(&pool->free_at[port], free_at, __ATOMIC_RELEASE);
}

bool port_used(const struct pool *pool, __be16 port)
{
	return __atomic_load_n(&pool->free_at[ntohs(port)], __ATOMIC_RELAXED) == PORT_IN_USE;
}

static bool port_take_wish(const struct turn_shared *shared, struct pool *pool, unsigned int port,
			   enum port_wish wish, uint64_t now_ns)
{
	if (wish != PORT_ANY && (port & 1))
		return false;
	if (wish == PORT_PAIR && !port_in_range(shared, port + 1))
		return false;
	if (!port_take_this(pool, (uint16_t)port, now_ns))
		return false;
	if (wish != PORT_PAIR || port_take_this(pool, (uint16_t)(port + 1), now_ns))
		return true;
	port_give(pool, (uint16_t)port, 0);
	return false;
}

/* Uniform over the free ports while there are many (RFC 6056 section 3.3.1);
 * when draws keep missing, the first free one from a random place on. */
uint16_t port_take(struct turn_server *s, struct pool *pool, enum port_wish wish,
		   uint64_t now_ns)
{
	struct turn_shared *shared = s->shared;
	uint32_t draws[PORT_DRAWS];
	unsigned int port = 0, n = port_count(shared), i;

	if (!n)
		return 0;
	s->host->random(s->ctx, draws, sizeof(draws));
	for (i = 0; i < PORT_DRAWS; i++) {
		port = shared->conf->min_port + (unsigned int)((uint64_t)draws[i] * n >> 32);
		if (wish != PORT_ANY && (port & 1))
			port = port > shared->conf->min_port ? port - 1 : port + 1;
		if (port_in_range(shared, port) &&
		    port_take_wish(shared, pool, port, wish, now_ns))
			return (uint16_t)port;
	}
	for (i = 0; i < n; i++) {
		port = port >= shared->conf->max_port ? shared->conf->min_port : port + 1;
		if (port_take_wish(shared, pool, port, wish, now_ns))
			return (uint16_t)port;
	}
	return 0;
}

/* First the address that the client talks to, then the others as configured. */
struct pool *port_choice(struct turn_shared *shared, const struct tp_addr *server,
			 uint8_t family, unsigned int n)
{
	unsigned int i;

	for (int own = 1; own >= 0; own--) {
		for (i = 0; i < shared->pools.live; i++) {
			struct pool *pool = shared->pools.v[i];

			if (pool->local.family == family &&
			    address_same_ip(&pool->local, server) == own && !n--)
				return pool;
		}
	}
	return NULL;
}

unsigned int turn_shared_ports(const struct turn_shared *shared)
{
	uint64_t now_ns = __atomic_load_n(&shared->now_ns, __ATOMIC_RELAXED);
	unsigned int i, j, n = 0;

	for (i = 0; i < shared->pools.live; i++) {
		const uint64_t *free_at = shared->pools.v[i]->free_at + shared->conf->min_port;

		for (j = 0; j < port_count(shared); j++)
			n += __atomic_load_n(&free_at[j], __ATOMIC_RELAXED) > now_ns;
	}
	return n;
}
