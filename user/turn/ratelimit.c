// SPDX-License-Identifier: MIT
/*
 * How often strangers are answered. Only errors for requests without proven
 * credentials are limited: they are the answers that are larger than what
 * asked for them. (A Binding success adds 12 or 24 bytes and the fast path
 * gives it too.) Fixed memory, no locks: each bucket is one word, an address
 * tag of 16 bits over the time at which the bucket is full again (GCRA), in
 * sixteenths of a millisecond. A new address takes the place of one whose
 * bucket is full; where there is none it is not answered, which bounds the
 * answers to a flood from many addresses as well.
 */
#include <string.h>
#include "turn/core.h"
#include "pure.h"

#define RATE_TICKS	16000ULL	/* per second */
#define RATE_BURST_S	4
#define RATE_NET_TIMES	10		/* a network may have this many hosts' worth */
#define RATE_FULL_MASK	((1ULL << 48) - 1)
#define RATE_RETRIES	4

struct rate {
	uint64_t *words;		/* RATE_WAYS of them */
	uint64_t tag;			/* in the top 16 bits */
	uint64_t now, cost;		/* ticks */
};

static uint64_t *rate_way(struct rate *r)
{
	unsigned int i;

	for (i = 0; i < RATE_WAYS; i++) {
		uint64_t word = __atomic_load_n(&r->words[i], __ATOMIC_RELAXED);

		if ((word & ~RATE_FULL_MASK) == r->tag && (word & RATE_FULL_MASK))
			return &r->words[i];
	}
	for (i = 0; i < RATE_WAYS; i++) {
		uint64_t word = __atomic_load_n(&r->words[i], __ATOMIC_RELAXED);

		if ((word & RATE_FULL_MASK) <= r->now)
			return &r->words[i];
	}
	return NULL;
}

static bool rate_take(struct rate *r)
{
	unsigned int i;

	for (i = 0; i < RATE_RETRIES; i++) {
		uint64_t *way = rate_way(r);
		uint64_t word, full;

		if (!way)
			return false;
		word = __atomic_load_n(way, __ATOMIC_RELAXED);
		full = word & RATE_FULL_MASK;
		if (full < r->now)
			full = r->now;
		full += r->cost;
		if (full - r->now > RATE_BURST_S * RATE_TICKS)
			return false;
		if (__atomic_compare_exchange_n(way, &word, r->tag | (full & RATE_FULL_MASK),
						false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return true;
	}
	return false;
}

static struct rate rate_of(uint64_t *table, unsigned int size, uint64_t hash,
			   uint64_t now_ns, uint64_t per_second)
{
	unsigned int sets = size / RATE_WAYS;
	struct rate r = {
		.words = table + (hash & (sets - 1)) * RATE_WAYS,
		.tag = hash & ~RATE_FULL_MASK,
		/* never 0, which means unused */
		.now = now_ns / (TURN_NS_PER_S / RATE_TICKS) + 1,
		.cost = RATE_TICKS / per_second,
	};

	return r;
}

bool ratelimit_allows(struct turn_shared *shared, const struct tp_addr *client, uint64_t now_ns)
{
	uint64_t per_second = shared->conf->unauthorized_rps;
	unsigned int host_len = client->family == 4 ? 4 : 8;	/* /32, /64 */
	unsigned int net_len = client->family == 4 ? 3 : 6;	/* /24, /48 */
	uint64_t hash;
	struct rate host, net;

	if (!per_second)
		return true;
	hash = hash_bytes(shared->key, client->ip, host_len);
	host = rate_of(shared->rate_hosts, RATE_HOSTS, hash, now_ns, per_second);
	if (!rate_take(&host))
		return false;
	hash = hash_bytes(shared->key, client->ip, net_len);
	net = rate_of(shared->rate_nets, RATE_NETS, hash, now_ns, per_second * RATE_NET_TIMES);
	return rate_take(&net);
}
