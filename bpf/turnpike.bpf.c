// SPDX-License-Identifier: GPL-2.0
/* The XDP program: the relay core of include/turnpike/forward.h on every frame. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#ifndef TP_STRAIGHT
#define TP_STRAIGHT	TP_INLINE
#endif
#include "host_xdp.bpf.h"

/*
 * Not "xdp.frags": in a frame of several buffers the program sees only the first,
 * and trimming would have to be done in the last. Frames that large are rare for
 * relayed media, so that interfaces with such an MTU are left to the daemon.
 */
TP_PROGRAM("xdp")
int turnpike_xdp(struct xdp_md *ctx)
{
	struct tp_host host = { .ctx = ctx, .action = XDP_PASS };
	enum tp_reason reason = tp_forward(&host);

	if (TP_SENT(reason))
		return host.action;
	return TP_DROPPED(reason) ? XDP_DROP : XDP_PASS;
}
