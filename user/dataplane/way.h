/* SPDX-License-Identifier: MIT */
/*
 * Ways: a gateway (or a destination on the link) on an interface, which is one entry of
 * tp_nexthops. This file's functions keep the entries right from links and neighbours; which
 * destination takes which way is nexthop.c's. Not thread safe: the caller has a lock.
 */
#ifndef TP_DATAPLANE_WAY_H
#define TP_DATAPLANE_WAY_H

#include <stdbool.h>
#include <stdint.h>
#include "dataplane/rtnetlink.h"
#include "dataplane/tables.h"

struct way;
struct ways;

/* Entries that are in the table already are kept for adopt_s seconds, see nexthop.h. */
struct ways *ways_new(struct tables *tables, struct rtnetlink *requests, unsigned int adopt_s);
void ways_free(struct ways *w);		/* the table stays as it is */

/* The way of this route to dst, counted as used once more; NULL: none that an entry can say. */
struct way *ways_take(struct ways *w, const struct rt_route *route, const struct tp_addr *dst);
void ways_drop(struct ways *w, struct way *way);
uint16_t way_index(const struct way *way);	/* 0 for NULL */

/* What was heard. ways_link() returns whether it may have changed where routes lead. */
bool ways_link(struct ways *w, const struct rt_link *link);
void ways_neighbour(struct ways *w, const struct rt_neighbour *neighbour);
/* The kernel has not heard of a neighbour for some time, and packets that do not pass through it
 * will not make it ask: the data path is told to pass up one. For every way in use that is still
 * stale; the first time is when that is heard. */
void ways_poke(struct ways *w);
/* After messages were lost: forget the links, of which the caller then tells anew. */
void ways_forget_links(struct ways *w);
/* And this when it has: ask for every neighbour again. */
void ways_refresh(struct ways *w);

#endif
