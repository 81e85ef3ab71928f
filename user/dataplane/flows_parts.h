/* SPDX-License-Identifier: MIT */
/* What flows.c (allocations, whole tables) and flows_bindings.c share with nobody else. */
#ifndef TP_DATAPLANE_FLOWS_PARTS_H
#define TP_DATAPLANE_FLOWS_PARTS_H

#include <pthread.h>
#include "dataplane/flows.h"
#include "dataplane/limits.h"

struct flows {
	struct tables *tables;
	struct journal *journal;
	struct rows *rows;		/* NULL: no kernel data path */
	struct nexthops *hops;
	struct limits *limits;		/* NULL: none */
	/* A binding and its rows change together: flows_moved() comes from another thread. */
	pthread_mutex_t lock;
	uint64_t journal_full, rows_full;
	bool unmarked;			/* there are rows that want other flags */
	/* Every one there has been: whether a row holds a next hop follows from them. */
	struct flows_relay {
		struct turn_relay_ip ip;
		uint32_t alias;		/* slot + 1 of its row, or 0 */
	} *relays;
	unsigned int n_relays;
};

/* The relay address that an IP is, by its own or its external name; NULL: somebody else's. */
const struct turn_relay_ip *flows_relay_here(const struct flows *flows, const struct tp_addr *ip);
/* What a row that relays for this allocation is flagged with. */
uint16_t flows_row_flags(const struct flows *flows, const struct tp_alloc *saved);
bool flows_has_rows(const struct flows *flows, const struct turn_alloc *alloc);
/*
 * The kernel relays between UDP and UDP. Of a client on anything else, or behind a proxy whose
 * headers it does not read, it knows who may send to the relayed address, and passes that up
 * (TP_HOP_DAEMON).
 */
bool flows_is_relayed(uint8_t transport, const struct tp_addr *proxy);
void flows_open_relayed(struct flows *flows, const struct turn_alloc *alloc, unsigned int i);
/* Takes a row out and adds what it counted to *sum; *slot_1 becomes 0. */
void flows_drop_row(struct flows *flows, uint8_t family, uint32_t *slot_1, struct tp_count *sum);
void flows_count_full(uint64_t *counter);

#endif
