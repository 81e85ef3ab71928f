// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <turnpike/rows.h>
#include "clock.h"
#include "dataplane/way.h"

#define HASH_NONFATAL_OOM	1
#include <uthash.h>
#include <utlist.h>

/* A way without users is kept, for most come back; its entry may be given to another way
 * after this long, since workers may still be about to rewrite rows with its index. */
#define REST_S		10
/* Routes with an MTU of their own are few and an operator wrote them. */
#define ROUTE_MTUS	16

struct way_key {
	struct tp_addr neighbour;	/* the gateway, or the destination on the link; port 0 */
	uint32_t ifindex;
	uint32_t mtu;			/* the route's; 0: the link's */
};

struct way {
	struct way_key key;
	uint32_t users;
	uint16_t index;
	bool known;			/* the neighbour's mac */
	bool stale;
	uint8_t mac[6];
	bool idle;			/* no users, in the list ways.idle */
	uint32_t idle_since;		/* seconds */
	struct way *prev, *next;	/* in ways.idle */
	UT_hash_handle hh;
};

struct link {
	uint32_t ifindex;
	struct rt_link is;
	UT_hash_handle hh;
};

struct ways {
	struct tp_nexthop *table;
	struct rtnetlink *requests;
	struct way *ways;		/* by key */
	struct way *idle;		/* those without users, the longest idle first */
	struct link *links;		/* by ifindex */
	uint32_t mtus[ROUTE_MTUS];	/* the values that keys have; [0] is 0 */
	unsigned int n_mtus;

	uint16_t *free;			/* entries that no way has */
	uint32_t n_free;
	uint16_t *inherited;		/* a predecessor's entries that no way has taken */
	uint32_t n_inherited;
	uint32_t inherited_until;	/* seconds */
};

/* --------------------------------------------------------------- entries */

/* What seq protects: without the data path's part. */
#define ENTRY_FROM	offsetof(struct tp_nexthop, ifindex)
#define ENTRY_LEN	(offsetof(struct tp_nexthop, poke) - ENTRY_FROM)

static bool same_entry(const struct tp_nexthop *a, const struct tp_nexthop *b)
{
	return !memcmp((const char *)a + ENTRY_FROM, (const char *)b + ENTRY_FROM, ENTRY_LEN);
}

static void write_entry(struct tp_nexthop *entry, const struct tp_nexthop *new)
{
	if (same_entry(entry, new))
		return;
	tp_seq_write_begin(&entry->seq);
	memcpy((char *)entry + ENTRY_FROM, (const char *)new + ENTRY_FROM, ENTRY_LEN);
	tp_seq_write_end(&entry->seq);
}

static const struct rt_link *link_of(const struct ways *w, uint32_t ifindex)
{
	struct link *link;

	HASH_FIND(hh, w->links, &ifindex, sizeof(ifindex), link);
	return link ? &link->is : NULL;
}

/* What the table has to say for this way now; ifindex stays 0 where it cannot be used. */
static void describe(const struct ways *w, const struct way *way, struct tp_nexthop *entry)
{
	const struct rt_link *link = link_of(w, way->key.ifindex), *out = link;
	uint32_t mtu;

	memset(entry, 0, sizeof(*entry));
	if (!way->known || !link || !link->up || !link->ether)
		return;
	if (link->vlan)
		out = link_of(w, link->parent);
	/* One tag is what an entry can say. */
	if (!out || !out->up || !out->ether || out->vlan)
		return;
	mtu = link->mtu < out->mtu ? link->mtu : out->mtu;
	if (way->key.mtu && way->key.mtu < mtu)
		mtu = way->key.mtu;
	entry->ifindex = out->ifindex;
	memcpy(entry->dmac, way->mac, 6);
	memcpy(entry->smac, link->mac, 6);
	entry->mtu = (uint16_t)(mtu < UINT16_MAX ? mtu : UINT16_MAX);
	entry->vlan_tci = link->vlan ? htons(link->vlan_id) : 0;
}

static void publish(struct ways *w, const struct way *way)
{
	struct tp_nexthop entry;

	describe(w, way, &entry);
	write_entry(&w->table[way->index], &entry);
}

static void poke(struct ways *w, const struct way *way)
{
	if (way->stale && way->users)
		TP_WRITE(w->table[way->index].poke, 1);
}

/* --------------------------------------------------------------- indexes */

static void give_back(struct ways *w, uint16_t index)
{
	static const struct tp_nexthop nothing;

	write_entry(&w->table[index], &nothing);
	w->free[w->n_free++] = index;
}

static void end_adoption(struct ways *w)
{
	if (!w->n_inherited || clock_mono_s() < w->inherited_until)
		return;
	while (w->n_inherited)
		give_back(w, w->inherited[--w->n_inherited]);
}

/* A predecessor's entry that says just this, so that its rows need not change. */
static uint16_t take_inherited(struct ways *w, const struct tp_nexthop *wanted)
{
	for (uint32_t i = 0; wanted->ifindex && i < w->n_inherited; i++) {
		uint16_t index = w->inherited[i];

		if (!same_entry(&w->table[index], wanted))
			continue;
		w->inherited[i] = w->inherited[--w->n_inherited];
		return index;
	}
	return 0;
}

static uint16_t take_idle(struct ways *w)
{
	struct way *oldest = w->idle;
	uint16_t index;

	if (!oldest || clock_mono_s() - oldest->idle_since < REST_S)
		return 0;
	index = oldest->index;
	DL_DELETE(w->idle, oldest);
	HASH_DEL(w->ways, oldest);
	free(oldest);
	return index;
}

/* 0: the table is full. */
static uint16_t take_index(struct ways *w, const struct tp_nexthop *wanted)
{
	uint16_t index = take_inherited(w, wanted);

	if (!index && w->n_free)
		index = w->free[--w->n_free];
	return index ? index : take_idle(w);
}

/* A predecessor may have been killed while it wrote an entry. */
static void adopt(struct ways *w, uint16_t index)
{
	struct tp_nexthop *entry = &w->table[index];

	if (!(entry->seq & 1) && entry->ifindex) {
		w->inherited[w->n_inherited++] = index;
		return;
	}
	if (entry->seq & 1)
		tp_seq_write_end(&entry->seq);
	give_back(w, index);
}

struct ways *ways_new(struct tables *tables, struct rtnetlink *requests, unsigned int adopt_s)
{
	struct ways *w = calloc(1, sizeof(*w));
	uint32_t size = tables->meta->nexthops;

	if (!w)
		return NULL;
	w->table = tables->nexthops;
	w->requests = requests;
	w->n_mtus = 1;
	w->free = calloc(size, sizeof(*w->free));
	w->inherited = calloc(size, sizeof(*w->inherited));
	if (!w->free || !w->inherited) {
		ways_free(w);
		return NULL;
	}
	w->inherited_until = clock_mono_s() + adopt_s;
	for (uint32_t i = size - 1; i; i--)
		adopt(w, (uint16_t)i);
	return w;
}

void ways_free(struct ways *w)
{
	struct way *way, *next_way;

	if (!w)
		return;
	HASH_ITER(hh, w->ways, way, next_way) {
		HASH_DEL(w->ways, way);
		free(way);
	}
	ways_forget_links(w);
	free(w->free);
	free(w->inherited);
	free(w);
}

/* ------------------------------------------------------------------ ways */

static struct way *find(const struct ways *w, const struct way_key *key)
{
	struct way *way;

	HASH_FIND(hh, w->ways, key, sizeof(*key), way);
	return way;
}

static bool mtu_fits(struct ways *w, uint32_t mtu)
{
	for (unsigned int i = 0; i < w->n_mtus; i++) {
		if (w->mtus[i] == mtu)
			return true;
	}
	if (w->n_mtus == ROUTE_MTUS)
		return false;
	w->mtus[w->n_mtus++] = mtu;
	return true;
}

static void ask_neighbour(struct ways *w, struct way *way)
{
	struct rt_neighbour answer;

	way->known = way->stale = false;
	if (rtnetlink_neighbour(w->requests, way->key.ifindex, &way->key.neighbour, &answer))
		return;
	way->known = answer.known;
	way->stale = answer.stale;
	memcpy(way->mac, answer.mac, 6);
}

static struct way *add(struct ways *w, const struct way_key *key)
{
	struct way *way = calloc(1, sizeof(*way));
	struct tp_nexthop entry;

	if (!way)
		return NULL;
	way->key = *key;
	ask_neighbour(w, way);
	describe(w, way, &entry);
	way->index = take_index(w, &entry);
	if (!way->index)
		goto fail;
	HASH_ADD(hh, w->ways, key, sizeof(way->key), way);
	if (!way->hh.tbl)
		goto give_back;
	write_entry(&w->table[way->index], &entry);
	return way;
give_back:
	give_back(w, way->index);
fail:
	free(way);
	return NULL;
}

struct way *ways_take(struct ways *w, const struct rt_route *route, const struct tp_addr *dst)
{
	const struct rt_link *link = link_of(w, route->ifindex);
	struct way_key key;
	struct way *way;

	end_adoption(w);
	if (!route->usable || !link || !link->ether)
		return NULL;
	memset(&key, 0, sizeof(key));	/* hashed whole */
	key.neighbour = route->gateway.family ? route->gateway : *dst;
	key.neighbour.port = 0;
	key.ifindex = route->ifindex;
	key.mtu = route->mtu;
	if (!mtu_fits(w, key.mtu))
		return NULL;
	way = find(w, &key);
	if (!way)
		way = add(w, &key);
	if (!way)
		return NULL;
	way->users++;
	if (way->idle)
		DL_DELETE(w->idle, way);
	way->idle = false;
	/* Its first user: what was heard meanwhile poked nobody. */
	if (way->users == 1)
		poke(w, way);
	return way;
}

void ways_drop(struct ways *w, struct way *way)
{
	if (!way || --way->users)
		return;
	way->idle = true;
	way->idle_since = clock_mono_s();
	DL_APPEND(w->idle, way);
}

uint16_t way_index(const struct way *way)
{
	return way ? way->index : 0;
}

/* ------------------------------------------------------- links and neighbours */

static void publish_all(struct ways *w)
{
	struct way *way, *next;

	HASH_ITER(hh, w->ways, way, next)
		publish(w, way);
}

static void remove_link(struct ways *w, struct link *link)
{
	HASH_DEL(w->links, link);
	free(link);
}

static struct link *add_link(struct ways *w, uint32_t ifindex)
{
	struct link *link = calloc(1, sizeof(*link));

	if (!link)
		return NULL;
	link->ifindex = ifindex;
	HASH_ADD(hh, w->links, ifindex, sizeof(link->ifindex), link);
	if (link->hh.tbl)
		return link;
	free(link);
	return NULL;
}

bool ways_link(struct ways *w, const struct rt_link *is)
{
	struct link *link;

	HASH_FIND(hh, w->links, &is->ifindex, sizeof(is->ifindex), link);
	if (is->gone && !link)
		return false;
	/* Most messages are about what does not matter here. */
	if (link && !is->gone && !memcmp(&link->is, is, sizeof(*is)))
		return false;
	if (is->gone) {
		remove_link(w, link);
	} else {
		if (!link)
			link = add_link(w, is->ifindex);
		if (!link)
			return false;
		memcpy(&link->is, is, sizeof(*is));
	}
	publish_all(w);
	return true;
}

void ways_forget_links(struct ways *w)
{
	struct link *link, *next;

	HASH_ITER(hh, w->links, link, next)
		remove_link(w, link);
}

void ways_neighbour(struct ways *w, const struct rt_neighbour *neighbour)
{
	struct way_key key;

	memset(&key, 0, sizeof(key));
	key.neighbour = neighbour->addr;
	key.ifindex = neighbour->ifindex;
	for (unsigned int i = 0; i < w->n_mtus; i++) {
		struct way *way;

		key.mtu = w->mtus[i];
		way = find(w, &key);
		if (!way)
			continue;
		way->known = neighbour->known;
		way->stale = neighbour->stale;
		memcpy(way->mac, neighbour->mac, 6);
		publish(w, way);
		poke(w, way);
	}
}

void ways_poke(struct ways *w)
{
	struct way *way, *next;

	HASH_ITER(hh, w->ways, way, next)
		poke(w, way);
}

void ways_refresh(struct ways *w)
{
	struct way *way, *next;

	HASH_ITER(hh, w->ways, way, next) {
		ask_neighbour(w, way);
		publish(w, way);
		poke(w, way);
	}
}
