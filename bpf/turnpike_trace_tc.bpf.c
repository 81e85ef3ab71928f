// SPDX-License-Identifier: GPL-2.0
/* The tc program, and a trace of what it does. */
#define TP_INSIDE
#include "turnpike_tc.bpf.c"
#define TP_TRACE_CTX	struct __sk_buff
#include "trace.bpf.h"

static __always_inline __u32 tp_trace_len(struct __sk_buff *skb)
{
	return skb->len;
}

static __always_inline long tp_trace_load(struct __sk_buff *skb, void *to, __u32 len)
{
	return bpf_skb_load_bytes(skb, 0, to, len);
}

static __always_inline void tp_trace_where(struct __sk_buff *skb, struct tp_trace *event)
{
	event->ifindex = skb->ifindex;
	event->path = TP_TRACE_TC;
}

static __always_inline enum tp_trace_verdict tp_trace_verdict(int action)
{
	if (action == TC_ACT_SHOT)
		return TP_TRACE_DROPPED;
	return action == TC_ACT_REDIRECT ? TP_TRACE_SENT : TP_TRACE_PASSED;
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
