// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "address.h"
#include "clock.h"
#include "net/crowd.h"

#define STEP_NS		(CLOCK_NS_PER_S / CROWD_RATE)
#define SWEEP_NS	CLOCK_NS_PER_S
#define BUCKETS_SHIFT	12
#define BUCKETS		(1U << BUCKETS_SHIFT)

/* One address. Goes when nobody is there and its bucket is full again. */
struct host {
	struct host *next;
	struct tp_addr key;
	unsigned int strangers;
	uint64_t paid_ns;		/* what has come is paid for until then */
};

struct crowd {
	pthread_mutex_t lock;
	struct host *hosts[BUCKETS];
	uint64_t seed;			/* so that nobody can choose addresses that meet */
	unsigned int strangers;
	unsigned int most;
	uint64_t refused, swept_ns;
	bool limited;
};

unsigned int crowd_most(unsigned int allocations)
{
	unsigned int part = allocations / 4;

	return part > CROWD_LEAST ? part : CROWD_LEAST;
}

struct crowd *crowd_new(unsigned int most, bool limited)
{
	struct crowd *crowd = calloc(1, sizeof(*crowd));

	if (!crowd)
		return NULL;
	if (getrandom(&crowd->seed, sizeof(crowd->seed), 0) != sizeof(crowd->seed)) {
		free(crowd);
		return NULL;
	}
	pthread_mutex_init(&crowd->lock, NULL);
	crowd->most = most;
	crowd->limited = limited;
	return crowd;
}

/* Those that nobody has come from lately, or all. */
static void drop_hosts(struct crowd *crowd, uint64_t now_ns, bool all)
{
	for (unsigned int i = 0; i < BUCKETS; i++) {
		struct host **at = &crowd->hosts[i], *h;

		while ((h = *at)) {
			if (!all && (h->strangers || h->paid_ns > now_ns)) {
				at = &h->next;
				continue;
			}
			*at = h->next;
			free(h);
		}
	}
}

void crowd_free(struct crowd *crowd)
{
	if (!crowd)
		return;
	drop_hosts(crowd, 0, true);
	pthread_mutex_destroy(&crowd->lock);
	free(crowd);
}

void crowd_limit(struct crowd *crowd, bool limited)
{
	pthread_mutex_lock(&crowd->lock);
	crowd->limited = limited;
	pthread_mutex_unlock(&crowd->lock);
}

static struct tp_addr key_of(const struct tp_addr *client)
{
	struct tp_addr key = { .family = client->family };

	memcpy(key.ip, client->ip, client->family == 4 ? 4 : 8);
	return key;
}

/* Where the host is, or would be linked in. */
static struct host **place(struct crowd *crowd, const struct tp_addr *key)
{
	uint64_t words[2], hash;
	struct host **at;

	memcpy(words, key->ip, sizeof(words));
	hash = (words[0] ^ crowd->seed) * 0x9E3779B97F4A7C15ULL;
	hash = (hash ^ hash >> 32 ^ words[1] ^ key->family) * (crowd->seed | 1);
	at = &crowd->hosts[hash >> (64 - BUCKETS_SHIFT)];
	while (*at && !address_equal(&(*at)->key, key))
		at = &(*at)->next;
	return at;
}

static struct host *find(struct crowd *crowd, const struct tp_addr *client)
{
	struct tp_addr key = key_of(client);

	return *place(crowd, &key);
}

static struct host *get(struct crowd *crowd, const struct tp_addr *client)
{
	struct tp_addr key = key_of(client);
	struct host **at = place(crowd, &key);

	if (*at)
		return *at;
	*at = calloc(1, sizeof(**at));
	if (*at)
		(*at)->key = key;
	return *at;
}

/* Addresses that nobody has come from lately are no longer kept: what is kept is as much as
 * the most connections and a few seconds of the rate come to. */
static void sweep(struct crowd *crowd, uint64_t now_ns)
{
	if (now_ns < crowd->swept_ns + SWEEP_NS)
		return;
	crowd->swept_ns = now_ns;
	drop_hosts(crowd, now_ns, false);
}

static bool host_allows(struct host *h, uint64_t now_ns)
{
	uint64_t paid_ns = h->paid_ns > now_ns ? h->paid_ns : now_ns;

	if (h->strangers >= CROWD_HOST_MAX || paid_ns - now_ns > CROWD_BURST * STEP_NS)
		return false;
	h->paid_ns = paid_ns + STEP_NS;
	return true;
}

bool crowd_enter(struct crowd *crowd, const struct tp_addr *client, uint64_t now_ns)
{
	struct host *h = NULL;
	bool in = false;

	pthread_mutex_lock(&crowd->lock);
	sweep(crowd, now_ns);
	if (crowd->strangers < crowd->most)
		h = get(crowd, client);
	in = h && (!crowd->limited || host_allows(h, now_ns));
	if (in) {
		h->strangers++;
		crowd->strangers++;
	} else {
		crowd->refused++;
	}
	pthread_mutex_unlock(&crowd->lock);
	return in;
}

void crowd_leave(struct crowd *crowd, const struct tp_addr *client, uint64_t now_ns)
{
	struct host *h;

	pthread_mutex_lock(&crowd->lock);
	h = find(crowd, client);
	if (h && h->strangers) {
		h->strangers--;
		crowd->strangers--;
	}
	sweep(crowd, now_ns);
	pthread_mutex_unlock(&crowd->lock);
}

void crowd_return(struct crowd *crowd, const struct tp_addr *client, uint64_t now_ns)
{
	struct host *h;

	(void)now_ns;
	pthread_mutex_lock(&crowd->lock);
	h = get(crowd, client);
	if (h) {
		h->strangers++;
		crowd->strangers++;
	}
	pthread_mutex_unlock(&crowd->lock);
}

void crowd_count(struct crowd *crowd, unsigned int *strangers, uint64_t *refused)
{
	pthread_mutex_lock(&crowd->lock);
	*strangers = crowd->strangers;
	*refused = crowd->refused;
	pthread_mutex_unlock(&crowd->lock);
}
