// SPDX-License-Identifier: GPL-2.0
/* The XDP program, and a trace of what it does. */
#include "host_xdp.bpf.h"

int turnpike_xdp(struct xdp_md *ctx) __attribute__((noinline));

/* A program cannot be called, a function can. */
#undef SEC
#define SEC(name)
#define _license relay_license
#include "turnpike.bpf.c"
#undef _license
#undef SEC
#define SEC(name) __attribute__((section(name), used))

#include "trace.bpf.h"

static __always_inline long tp_trace_load(void *ctx, void *to, __u32 len)
{
	return bpf_xdp_load_bytes(ctx, 0, to, len);
}

/* Global functions: the verifier takes each by itself, whatever the others did before. */
__attribute__((noinline)) int tp_trace_before(struct xdp_md *ctx)
{
	return tp_trace_begin(ctx, (__u32)bpf_xdp_get_buff_len(ctx));
}

__attribute__((noinline)) int tp_trace_after(struct xdp_md *ctx, int action)
{
	__u32 verdict = action == XDP_PASS ? TP_TRACE_PASSED :
		action == XDP_TX || action == XDP_REDIRECT ? TP_TRACE_SENT : TP_TRACE_DROPPED;

	return tp_trace_end(ctx, (__u32)bpf_xdp_get_buff_len(ctx), ctx->ingress_ifindex,
			    TP_TRACE_XDP << 8 | verdict);
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

char _license[] SEC("license") = "GPL";
