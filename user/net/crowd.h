/* SPDX-License-Identifier: MIT */
/*
 * How many connections there are of clients that have no allocation (strangers), in all and
 * from one address (IPv6: one /64), and how fast they come. Shared by all workers, thread
 * safe. What has an allocation is not counted here but by its user's quota.
 */
#ifndef TP_NET_CROWD_H
#define TP_NET_CROWD_H

#include <stdbool.h>
#include <stdint.h>
#include <turnpike/tables.h>

#define CROWD_LEAST	4096		/* strangers in all, or more: crowd_most() */
#define CROWD_HOST_MAX	256		/* of one address */
#define CROWD_RATE	100		/* connections per second of one address, ... */
#define CROWD_BURST	256		/* ... after so many at once */

/* Strangers in all, where there may be so many allocations: after an outage their clients all
 * come at once. */
unsigned int crowd_most(unsigned int allocations);

struct crowd;
/* most: strangers in all. limited: also by address and rate. */
struct crowd *crowd_new(unsigned int most, bool limited);
void crowd_free(struct crowd *crowd);
void crowd_limit(struct crowd *crowd, bool limited);	/* as for crowd_new() */
/* One more; false: one too many. */
bool crowd_enter(struct crowd *crowd, const struct tp_addr *client, uint64_t now_ns);
/* Its client is a stranger no longer, or its connection has ended. */
void crowd_leave(struct crowd *crowd, const struct tp_addr *client, uint64_t now_ns);
/* A stranger again: counted, never refused. */
void crowd_return(struct crowd *crowd, const struct tp_addr *client, uint64_t now_ns);
/* Strangers now, and connections that were refused until now. */
void crowd_count(struct crowd *crowd, unsigned int *strangers, uint64_t *refused);

#endif
