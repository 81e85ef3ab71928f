/* SPDX-License-Identifier: GPL-2.0 */
/* The primitives of the relay core over the frame of an XDP program. */
#ifndef TURNPIKE_HOST_XDP_BPF_H
#define TURNPIKE_HOST_XDP_BPF_H

#include "host.bpf.h"

struct tp_host {
	struct xdp_md *ctx;
	int action;		/* XDP_TX or XDP_REDIRECT, once there is a way */
};

static __always_inline __u8 *tp_host_data(struct tp_host *host)
{
	return (void *)(long)host->ctx->data;
}

static __always_inline __u8 *tp_host_end(struct tp_host *host)
{
	return (void *)(long)host->ctx->data_end;
}

static __always_inline __u32 tp_host_ifindex(struct tp_host *host)
{
	return host->ctx->ingress_ifindex;
}

static __always_inline int tp_host_grow(struct tp_host *host, __s32 bytes, int family)
{
	(void)family;
	return bpf_xdp_adjust_head(host->ctx, -bytes) != 0;
}

static __always_inline int tp_host_trim(struct tp_host *host, __u32 bytes)
{
	return bpf_xdp_adjust_tail(host->ctx, -(int)bytes) != 0;
}

static __always_inline int tp_host_extend(struct tp_host *host, __u32 bytes)
{
	return bpf_xdp_adjust_tail(host->ctx, (int)bytes) != 0;
}

/* bpf_redirect_map() only notes where to; it takes effect with the action. So it
 * can say, before anything is written, that the interface is not ours. */
static __always_inline int tp_host_route(struct tp_host *host, __u32 ifindex)
{
	if (ifindex == host->ctx->ingress_ifindex)
		host->action = XDP_TX;
	else
		host->action = bpf_redirect_map(&tp_ports, ifindex, XDP_PASS);
	return host->action == XDP_PASS;
}

#endif
