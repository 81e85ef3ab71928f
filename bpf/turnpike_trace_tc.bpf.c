// SPDX-License-Identifier: GPL-2.0
/* The tc program, and a trace of what it does. */
#include <linux/pkt_cls.h>
#include "host_tc.bpf.h"

int turnpike_tc(struct __sk_buff *skb) __attribute__((noinline));

/* A program cannot be called, a function can. */
#undef SEC
#define SEC(name)
#define _license relay_license
#include "turnpike_tc.bpf.c"
#undef _license
#undef SEC
#define SEC(name) __attribute__((section(name), used))

#include "trace.bpf.h"

static __always_inline long tp_trace_load(void *ctx, void *to, __u32 len)
{
	return bpf_skb_load_bytes(ctx, 0, to, len);
}

/* Global functions: the verifier takes each by itself, whatever the others did before. */
__attribute__((noinline)) int tp_trace_before(struct __sk_buff *skb)
{
	tp_trace_begin(skb, skb->len);
	return 0;
}

__attribute__((noinline)) int tp_trace_after(struct __sk_buff *skb, int action)
{
	enum tp_trace_verdict verdict = TP_TRACE_PASSED;

	if (action == TC_ACT_SHOT)
		verdict = TP_TRACE_DROPPED;
	else if (action == TC_ACT_REDIRECT)
		verdict = TP_TRACE_SENT;
	tp_trace_end(skb, skb->len, skb->ifindex, TP_TRACE_TC, verdict);
	return 0;
}

SEC("tc")
int tp_trace_tc(struct __sk_buff *skb)
{
	int action;

	tp_trace_before(skb);
	action = turnpike_tc(skb);
	tp_trace_after(skb, action);
	return action;
}

char _license[] SEC("license") = "GPL";
