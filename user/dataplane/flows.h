/* SPDX-License-Identifier: MIT */
/*
 * What the TURN core keeps, written where it must be: into the journal for a
 * successor, and into the flow tables for the kernel. Shared by all workers; each
 * call is safe from any thread, for an allocation from its worker's.
 */
#ifndef TP_DATAPLANE_FLOWS_H
#define TP_DATAPLANE_FLOWS_H

#include "dataplane/journal.h"
#include "dataplane/nexthop.h"
#include "dataplane/rows.h"
#include "turn/turn.h"

struct flows;
struct limits;
/* rows and hops are NULL without a kernel data path; conf tells this host's relay addresses.
 * Nothing is taken over but borrowed, conf not even that. */
struct flows *flows_new(struct tables *tables, struct journal *journal, struct rows *rows,
			struct nexthops *hops, const struct turn_conf *conf);
void flows_free(struct flows *flows);
/* Another configuration, while nobody else calls, limits included; what it does not have any
 * more goes on. False: no memory, and no limit has changed. */
bool flows_renew(struct flows *flows, const struct turn_conf *conf);
/* Afterwards, likewise, for each allocation with another max_bps; and then for all of them. */
void flows_limit(struct flows *flows, const struct turn_alloc *alloc);
void flows_mark(struct flows *flows);
/* Before anything is kept: what to write allocations' limits with (borrowed). */
void flows_use_limits(struct flows *flows, struct limits *limits);

void flows_keep_alloc(struct flows *flows, struct turn_alloc *alloc, unsigned int worker);
void flows_keep_channel(struct flows *flows, struct turn_alloc *alloc,
			struct turn_channel *channel);
void flows_keep_permission(struct flows *flows, struct turn_alloc *alloc,
			   struct turn_permission *permission);
/* The client moves: off with the rows that know its address; what a successor needs stays,
 * and so do their counts. flows_keep_*() puts them on again (turn_host.alloc_parked). */
void flows_park_alloc(struct flows *flows, struct turn_alloc *alloc);
void flows_park_channel(struct flows *flows, struct turn_alloc *alloc,
			struct turn_channel *channel);
void flows_park_permission(struct flows *flows, struct turn_alloc *alloc,
			   struct turn_permission *permission);
void flows_drop_channel(struct flows *flows, struct turn_alloc *alloc,
			struct turn_channel *channel);
void flows_drop_permission(struct flows *flows, struct turn_alloc *alloc,
			   struct turn_permission *permission);
void flows_drop_alloc(struct flows *flows, struct turn_alloc *alloc);

/* May the daemon itself relay a datagram of this allocation? One that may is paid for. */
bool flows_allow(struct flows *flows, const struct turn_alloc *alloc, bool up, size_t bytes,
		 uint64_t now_ns);
/* Counts one datagram that the daemon itself relayed. */
void flows_count(struct turn_alloc *alloc, bool up, size_t bytes);
/* A TCP allocation has one connection with a peer more, or less. */
void flows_count_connection(struct turn_alloc *alloc, int more);

/* The way from src to dst has another next hop: rewrite the rows that go there. */
void flows_moved(struct flows *flows, const struct tp_addr *src, const struct tp_addr *dst,
		 uint16_t nexthop);
/* After all workers have adopted: remove what nobody carries on. */
void flows_sweep(struct flows *flows);
/* Flows that found no room: in the journal, in the kernel's tables. */
void flows_full(const struct flows *flows, uint64_t *journal, uint64_t *rows);

#endif
