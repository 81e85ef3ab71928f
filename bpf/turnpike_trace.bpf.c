// SPDX-License-Identifier: GPL-2.0
/* The XDP program, and a trace of what it does. */
#define TP_INSIDE
/* for a call more, BPF's stack has no room with the straight way inside the program */
#define TP_STRAIGHT	TP_APART
#include "turnpike.bpf.c"
#define TP_TRACE_CTX	struct xdp_md
#include "trace.bpf.h"

static __always_inline __u32 tp_trace_len(struct xdp_md *ctx)
{
	return (__u32)bpf_xdp_get_buff_len(ctx);
}

static __always_inline long tp_trace_load(struct xdp_md *ctx, void *to, __u32 len)
{
	return bpf_xdp_load_bytes(ctx, 0, to, len);
}

static __always_inline void tp_trace_where(struct xdp_md *ctx, struct tp_trace *event)
{
	event->ifindex = ctx->ingress_ifindex;
	event->path = TP_TRACE_XDP;
}

static __always_inline enum tp_trace_verdict tp_trace_verdict(int action)
{
	if (action == XDP_PASS)
		return TP_TRACE_PASSED;
	return action == XDP_TX || action == XDP_REDIRECT ? TP_TRACE_SENT : TP_TRACE_DROPPED;
}

SEC("xdp")
int tp_trace_xdp(struct xdp_md *ctx)
{
	int action;

	tp_trace_before(ctx);
	action = turnpike_xdp(ctx);
	tp_trace_after(ctx, action);
	return action;
}
