/* SPDX-License-Identifier: MIT */
/*
 * A host of the relay core under test: its tables, and "one frame in". There are
 * three, the XDP and the tc program in the kernel and forward.h in this process; all
 * have the same tables, written by the daemon's own writer, with the same hash seed.
 */
#ifndef TP_TEST_WORLD_H
#define TP_TEST_WORLD_H

#include <stdbool.h>
#include <stdint.h>
#include "dataplane/rows.h"
#include "dataplane/tables.h"
#include "frame.h"

enum world_verdict { WORLD_PASS, WORLD_DROP, WORLD_TX, WORLD_REDIRECT, WORLD_CANNOT,
		     WORLD_GONE };

/* Interfaces: frames arrive at HERE; THERE can be sent to as well; ELSEWHERE not. */
enum { WORLD_HERE = 1 };

struct dp_case;

struct world {
	const char *name;
	struct tables tables;
	struct rows *rows;
	unsigned int there, elsewhere;
	size_t headroom;		/* 0: cannot be chosen; the kernel's is 256 */
	size_t tailroom;		/* the same */
	/*
	 * An sk_buff, where tags are not in the data. A test run does not do what the kernel
	 * does on receipt, take the first tag out of them: frames with tags are like those
	 * with one more, and passed up. The tag of the way out does not show. Nor does the
	 * interface: to send back is a redirection as well.
	 */
	bool skb;
	bool tells;			/* answers with ICMP what is too big or out of hops */
	/*
	 * Behind and before the kernel's own IP: frames may be GONE before they are counted,
	 * MAC addresses and next hops are the kernel's. What a case becomes, with a reason of
	 * TP_R_MAX where it is gone; NULL: what it is.
	 */
	bool stack;
	void (*suited)(struct dp_case *c);
	int prog, ways;			/* the program and tp_ways, in the kernel */
	/* Reason counted and what came out. WORLD_CANNOT: it cannot be given such a frame. */
	enum world_verdict (*run)(struct world *world, const struct frame *in,
				  struct frame *out, enum tp_reason *reason);
	void (*set_own_mac)(struct world *world, const uint8_t mac[6]);
	struct tp_stranger *strangers;	/* user host only */
	int strangers_fd;		/* of a host in the kernel that tells */
	void *priv;
};

/* The seed and sizes that all worlds share. */
struct tp_meta world_sizes(void);

/* forward.h in this process. 0 or -errno. */
int world_user(struct world *world);
/* The XDP program by BPF_PROG_TEST_RUN, in network and mount namespaces of its own; attached
 * to nothing. -errno, with why, where BPF is not permitted. */
int world_xdp(struct world *world, const char **why);
/* The tc program, the same way. */
int world_tc(struct world *world, const char **why);
void world_close(struct world *world);
/* Forget what ICMP errors this frame's sender got lately: none is held back for the rate. */
void world_forgive(struct world *world, const struct frame *in);

/* CLOCK_MONOTONIC now, ns. */
uint64_t world_now(void);

#endif
