/* SPDX-License-Identifier: MIT */
/*
 * Whose datagrams come from a proxy's port: the client that a PROXY header named. A proxy may put
 * one before every datagram, or before a client's first one alone; and where it does the latter,
 * a client may put one before its second, and lie. So a port that was in use lately stays its
 * client's. A table of one worker; clocks are CLOCK_MONOTONIC.
 */
#ifndef TP_PROXIED_H
#define TP_PROXIED_H

#include <stdbool.h>
#include <stdint.h>
#include <turnpike/tables.h>

struct proxied_port {
	struct tp_addr proxy;
	struct tp_addr server;		/* where its datagrams go */
};

struct proxied_host {
	/* What is known of this client has to stay, however silent it is. */
	bool (*needed)(void *ctx, const struct proxied_port *port, const struct tp_addr *client);
	void *ctx;
	unsigned int most;		/* ports at a time: more than can be needed */
};

struct proxied;
struct proxied *proxied_new(const struct proxied_host *host);	/* NULL: no memory */
void proxied_free(struct proxied *table);

/* For how long after its last datagram a port stays its client's; at first not at all. */
void proxied_keep(struct proxied *table, uint64_t keep_ns);
/*
 * A header has named the client of a datagram from this port. 0; -EBUSY: it is another client's;
 * 1: it was *before's, who is there no more. Where all room is taken by what is needed, that is
 * all that happens.
 */
int proxied_named(struct proxied *table, const struct proxied_port *port,
		  const struct tp_addr *client, uint64_t now_ns, struct tp_addr *before);
/* Of a datagram without a header: its client, or NULL. */
const struct tp_addr *proxied_client(struct proxied *table, const struct proxied_port *port,
				     uint64_t now_ns);
/* Lets go ports that are nobody's any more, some of them; about once a second. */
void proxied_sweep(struct proxied *table, uint64_t now_ns);
unsigned int proxied_count(const struct proxied *table);

#endif
