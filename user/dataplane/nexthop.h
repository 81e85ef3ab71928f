/* SPDX-License-Identifier: MIT */
/*
 * The next-hop table, kept right from rtnetlink: routes, neighbours, links. One
 * entry serves every destination behind the same gateway on the same interface.
 * Needs no privilege. nexthop_find() and nexthop_put() may be called by any
 * thread; the rest belongs to the thread that owns the descriptor.
 */
#ifndef TP_DATAPLANE_NEXTHOP_H
#define TP_DATAPLANE_NEXTHOP_H

#include <stdint.h>
#include "dataplane/tables.h"

struct nexthops;
/*
 * moved() is called from nexthops_read() when the way from src to dst has another index
 * than before, so that rows can be rewritten. Ports are 0 in both addresses. A row that still
 * names the old index is harmless for a while: it goes the old way, or the entry names nothing;
 * the index is used for another way after 10 seconds at the earliest.
 */
typedef void (*nexthop_moved)(void *ctx, const struct tp_addr *src, const struct tp_addr *dst,
			      uint16_t index);
/* Entries that a predecessor left in the table stay as they are for NEXTHOP_ADOPTION_S seconds,
 * so that its rows work until nexthop_find() has been asked for each of them. */
#define NEXTHOP_ADOPTION_S	30
struct nexthops *nexthops_new(struct tables *tables, nexthop_moved moved, void *ctx);
void nexthops_free(struct nexthops *n);

/* The descriptor to poll for reading, and what to do when it is readable. */
int nexthops_fd(const struct nexthops *n);
void nexthops_read(struct nexthops *n);
/* To be called every NEXTHOP_POKE_S seconds, which is more than a neighbour stays in the kernel's
 * state DELAY, of which it does not tell (delay_first_probe_time, 5 seconds): a next hop in use
 * that is still stale then was poked in vain, or no packet came since. */
#define NEXTHOP_POKE_S		6
void nexthops_poke(struct nexthops *n);

/*
 * Index for packets from src to dst (ports do not matter); counts a user of that pair, whatever
 * the result, given back by nexthop_put(). An entry whose MAC is not known yet exists (ifindex 0
 * in the table) and is filled when the kernel learns it. 0: no route, not on Ethernet, or the
 * table is full; moved() tells when a route or link changed that, and every find looks again.
 * The source counts: hosts with several addresses route by it. family 0: any.
 */
uint16_t nexthop_find(struct nexthops *n, const struct tp_addr *src, const struct tp_addr *dst);
void nexthop_put(struct nexthops *n, const struct tp_addr *src, const struct tp_addr *dst);

#endif
