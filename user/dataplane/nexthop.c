// SPDX-License-Identifier: MIT
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "dataplane/nexthop.h"
#include "dataplane/rtnetlink.h"
#include "dataplane/way.h"

#define HASH_NONFATAL_OOM	1
#include <uthash.h>

#define CHANGES_MAX	64		/* more changed prefixes at once count as "everything" */
#define BATCH		64		/* destinations resolved while the lock is held once */

struct pair {
	struct tp_addr src, dst;	/* ports 0; src.family 0: any */
};

struct destination {
	struct pair pair;
	uint32_t users;
	uint32_t place;			/* in nexthops.all */
	struct way *way;		/* NULL: no entry can say it */
	UT_hash_handle hh;
};

struct nexthops {
	nexthop_moved moved;
	void *ctx;
	struct rtnetlink *events;	/* these two only by the thread that owns the descriptor */
	struct rtnetlink *settled;

	pthread_mutex_t lock;		/* for what follows */
	struct rtnetlink *requests;
	struct ways *ways;
	struct destination *by_pair;
	struct destination **all;	/* n of them in no order, for walking with pauses */
	uint32_t n, room;

	/* What this round of events changed. */
	bool links;
	bool everything;
	struct rt_prefix changed[CHANGES_MAX];
	unsigned int n_changed;
};

/* A way that changed: told, and then given back, without and with the lock. */
struct move {
	struct pair pair;
	struct way *old;
	uint16_t index;
};

/* ---------------------------------------------------------------- events */

static void hear_link(void *ctx, const struct rt_link *link)
{
	struct nexthops *n = ctx;

	/* Routes come and go with a link without a word of their own. */
	if (ways_link(n->ways, link))
		n->links = n->everything = true;
}

static void hear_neighbour(void *ctx, const struct rt_neighbour *neighbour)
{
	struct nexthops *n = ctx;

	ways_neighbour(n->ways, neighbour);
}

static void hear_routes(void *ctx, const struct rt_prefix *prefix)
{
	struct nexthops *n = ctx;

	if (!prefix->addr.family || n->n_changed == CHANGES_MAX)
		n->everything = true;
	else
		n->changed[n->n_changed++] = *prefix;
}

static const struct rt_handler handler = {
	.link = hear_link,
	.neighbour = hear_neighbour,
	.routes = hear_routes,
};

static bool in_prefix(const struct tp_addr *addr, const struct rt_prefix *prefix)
{
	unsigned int bytes = prefix->length / 8, bits = prefix->length % 8;
	uint8_t mask = (uint8_t)(0xff00 >> bits);

	if (addr->family != prefix->addr.family || memcmp(addr->ip, prefix->addr.ip, bytes))
		return false;
	return !bits || !((addr->ip[bytes] ^ prefix->addr.ip[bytes]) & mask);
}

static bool concerned(const struct nexthops *n, const struct destination *d)
{
	if (n->everything)
		return true;
	for (unsigned int i = 0; i < n->n_changed; i++) {
		if (in_prefix(&d->pair.dst, &n->changed[i]))
			return true;
	}
	return false;
}

/* ----------------------------------------------------------- destinations */

/* False: the kernel did not answer, so nothing is known. */
static bool resolve(struct nexthops *n, const struct pair *pair, struct way **way)
{
	struct rt_route route;

	if (rtnetlink_route(n->requests, &pair->src, &pair->dst, &route))
		return false;
	*way = ways_take(n->ways, &route, &pair->dst);
	return true;
}

/* Looks up the way again. True: it has another index, move says what is to be done. */
static bool resolve_again(struct nexthops *n, struct destination *d, struct move *move)
{
	struct way *new, *old = d->way;

	if (!resolve(n, &d->pair, &new))
		return false;
	if (new == old) {
		ways_drop(n->ways, new);	/* taken twice */
		return false;
	}
	d->way = new;
	*move = (struct move){ d->pair, old, way_index(new) };
	return true;
}

/*
 * Resolves what the changes concern, a batch at a time so that nobody waits long for the lock.
 * From the end on, since a destination that is removed meanwhile is replaced by the last one.
 */
static void resolve_changed(struct nexthops *n)
{
	struct move moves[BATCH];
	uint32_t at = UINT32_MAX;

	while (at) {
		unsigned int n_moves = 0, looked = 0;

		pthread_mutex_lock(&n->lock);
		if (at > n->n)
			at = n->n;
		for (; at && looked < BATCH; looked++) {
			struct destination *d = n->all[--at];

			if (concerned(n, d) && resolve_again(n, d, &moves[n_moves]))
				n_moves++;
		}
		pthread_mutex_unlock(&n->lock);
		if (!n_moves)
			continue;
		for (unsigned int i = 0; i < n_moves; i++)
			n->moved(n->ctx, &moves[i].pair.src, &moves[i].pair.dst, moves[i].index);
		pthread_mutex_lock(&n->lock);
		for (unsigned int i = 0; i < n_moves; i++)
			ways_drop(n->ways, moves[i].old);
		pthread_mutex_unlock(&n->lock);
	}
}

/* Everything anew, as at the start. */
static void resync(struct nexthops *n)
{
	ways_forget_links(n->ways);
	rtnetlink_links(n->requests, &handler, n);
	ways_refresh(n->ways);
	n->everything = true;
}

void nexthops_read(struct nexthops *n)
{
	bool changed;

	pthread_mutex_lock(&n->lock);
	n->links = n->everything = false;
	n->n_changed = 0;
	if (rtnetlink_events(n->events, &handler, n))
		resync(n);
	changed = n->everything || n->n_changed;
	pthread_mutex_unlock(&n->lock);
	/* The kernel tells of a link before it takes its routes away, without telling of those. */
	if (n->links)
		rtnetlink_settle(n->settled);
	if (changed)
		resolve_changed(n);
}

void nexthops_poke(struct nexthops *n)
{
	pthread_mutex_lock(&n->lock);
	ways_poke(n->ways);
	pthread_mutex_unlock(&n->lock);
}

static struct pair make_pair(const struct tp_addr *src, const struct tp_addr *dst)
{
	struct pair pair;

	memset(&pair, 0, sizeof(pair));		/* hashed whole */
	pair.src.family = src->family;
	memcpy(pair.src.ip, src->ip, src->family == 4 ? 4 : src->family == 6 ? 16 : 0);
	pair.dst.family = dst->family;
	memcpy(pair.dst.ip, dst->ip, dst->family == 4 ? 4 : 16);
	return pair;
}

static struct destination *find(const struct nexthops *n, const struct pair *pair)
{
	struct destination *d;

	HASH_FIND(hh, n->by_pair, pair, sizeof(*pair), d);
	return d;
}

static bool make_room(struct nexthops *n)
{
	uint32_t room = n->room ? 2 * n->room : 256;
	struct destination **all;

	if (n->n < n->room)
		return true;
	all = realloc(n->all, room * sizeof(struct destination *));
	if (!all)
		return false;
	n->all = all;
	n->room = room;
	return true;
}

static struct destination *add(struct nexthops *n, const struct pair *pair)
{
	struct destination *d;

	if (!make_room(n))
		return NULL;
	d = calloc(1, sizeof(*d));
	if (!d)
		return NULL;
	d->pair = *pair;
	HASH_ADD(hh, n->by_pair, pair, sizeof(d->pair), d);
	if (!d->hh.tbl) {
		free(d);
		return NULL;
	}
	d->place = n->n;
	n->all[n->n++] = d;
	return d;
}

static void forget(struct nexthops *n, struct destination *d)
{
	HASH_DEL(n->by_pair, d);
	n->all[d->place] = n->all[--n->n];
	n->all[d->place]->place = d->place;
	ways_drop(n->ways, d->way);
	free(d);
}

uint16_t nexthop_find(struct nexthops *n, const struct tp_addr *src, const struct tp_addr *dst)
{
	struct pair pair = make_pair(src, dst);
	struct destination *d;
	uint16_t index = 0;

	if (dst->family != 4 && dst->family != 6)
		return 0;
	pthread_mutex_lock(&n->lock);
	d = find(n, &pair);
	if (!d)
		d = add(n, &pair);
	/* Also where there was none before: there may be room by now. */
	if (d && !d->way)
		resolve(n, &pair, &d->way);
	if (d) {
		d->users++;
		index = way_index(d->way);
	}
	pthread_mutex_unlock(&n->lock);
	return index;
}

void nexthop_put(struct nexthops *n, const struct tp_addr *src, const struct tp_addr *dst)
{
	struct pair pair = make_pair(src, dst);
	struct destination *d;

	pthread_mutex_lock(&n->lock);
	d = find(n, &pair);
	if (d && !--d->users)
		forget(n, d);
	pthread_mutex_unlock(&n->lock);
}

/* ------------------------------------------------------------------ life */

struct nexthops *nexthops_new(struct tables *tables, nexthop_moved moved, void *ctx)
{
	struct nexthops *n;

	if (!tables->nexthops)
		return NULL;
	n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	pthread_mutex_init(&n->lock, NULL);
	n->moved = moved;
	n->ctx = ctx;
	/* Subscribed before anything is asked, so that no change falls in between. */
	n->events = rtnetlink_open(true);
	n->settled = rtnetlink_open(false);
	n->requests = rtnetlink_open(false);
	if (!n->events || !n->settled || !n->requests)
		goto fail;
	n->ways = ways_new(tables, n->requests, NEXTHOP_ADOPTION_S);
	if (!n->ways || rtnetlink_links(n->requests, &handler, n))
		goto fail;
	return n;
fail:
	nexthops_free(n);
	return NULL;
}

void nexthops_free(struct nexthops *n)
{
	struct destination *d, *next;

	if (!n)
		return;
	d = n->by_pair;
	HASH_CLEAR(hh, n->by_pair);
	for (; d; d = next) {
		next = d->hh.next;
		free(d);
	}
	ways_free(n->ways);
	rtnetlink_close(n->requests);
	rtnetlink_close(n->settled);
	rtnetlink_close(n->events);
	pthread_mutex_destroy(&n->lock);
	free(n->all);
	free(n);
}

int nexthops_fd(const struct nexthops *n)
{
	return rtnetlink_fd(n->events);
}
