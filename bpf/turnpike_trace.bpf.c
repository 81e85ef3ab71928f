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
	tp_trace_begin(ctx, (__u32)bpf_xdp_get_buff_len(ctx));
	return 0;
}

__attribute__((noinline)) int tp_trace_after(struct xdp_md *ctx, int action)
{
	enum tp_trace_verdict verdict = TP_TRACE_DROPPED;

	if (action == XDP_PASS)
		verdict = TP_TRACE_PASSED;
	else if (action == XDP_TX || action == XDP_REDIRECT)
		verdict = TP_TRACE_SENT;
	tp_trace_end(ctx, (__u32)bpf_xdp_get_buff_len(ctx), ctx->ingress_ifindex, TP_TRACE_XDP,
		     verdict);
	return 0;
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
