/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tracing forms of the XDP and the tc program do before and after the program
 * itself, which they have in them as a function, compiled from the same source. The daemon
 * never loads them: `turnpike trace` puts them in the programs' place while it runs.
 *
 * A program does not return its reason. It counts each packet under one, on the CPU that
 * it runs on, so the counter that is another one after it than before it tells. A packet
 * that it did not count (tc behind XDP) is not shown, since XDP's part of it was.
 */
#ifndef TURNPIKE_TRACE_BPF_H
#define TURNPIKE_TRACE_BPF_H

#include <turnpike/trace.h>
#include "host.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tp_trace_control);
} tp_trace_control SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 21);
} tp_trace_events SEC(".maps");

/* Each CPU's own, from before a program until after it. */
struct tp_trace_work {
	__u64 counts[TP_TRACE_REASONS];
	struct tp_trace event;
	__u8 head[TP_TRACE_HEAD];	/* as the packet leaves */
	__u32 begun;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tp_trace_work);
} tp_trace_work SEC(".maps");

/* The program says what its packet is. */
#ifndef TP_TRACE_CTX
#define TP_TRACE_CTX	void
#endif

/* And defines these. */
static __always_inline __u32 tp_trace_len(TP_TRACE_CTX *ctx);
/* The first len bytes of the frame, which has as many. */
static __always_inline long tp_trace_load(TP_TRACE_CTX *ctx, void *to, __u32 len);
static __always_inline void tp_trace_where(TP_TRACE_CTX *ctx, struct tp_trace *event);
static __always_inline enum tp_trace_verdict tp_trace_verdict(int action);

static __always_inline struct tp_trace_work *tp_trace_work_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&tp_trace_work, &zero);
}

static __always_inline struct tp_trace_control *tp_trace_controlled(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&tp_trace_control, &zero);
}

/* ---------------------------------------------------------------- reading */

/* The first bytes, and zeros where the frame is shorter. How many there are. */
static __always_inline __u32 tp_trace_head(TP_TRACE_CTX *ctx, __u8 head[TP_TRACE_HEAD], __u64 len)
{
	__u64 last = (len < TP_TRACE_HEAD ? len : TP_TRACE_HEAD) - 1;

	__builtin_memset(head, 0, TP_TRACE_HEAD);
	/* Linux 6.1 finds that a number is not 0 only from its being another one's successor,
	 * and its bounds only where the compiler has lost sight of them */
	__asm__ __volatile__("" : "+r"(last));
	if (last >= TP_TRACE_HEAD || tp_trace_load(ctx, head, (__u32)last + 1))
		return 0;
	return (__u32)last + 1;
}

/* Whatever it says: the data path's program judges it. The head has room for the longest. */
static __always_inline void tp_trace_packet(struct tp_trace_packet *p, const __u8 *head)
{
	const struct tp_ip4_hdr *ip4;
	const struct tp_ip6_hdr *ip6;
	const struct tp_udp_hdr *udp;
	__u32 at = 12, i, fragment = 0, room;

	__builtin_memset(p, 0, sizeof(*p));
	for (i = 0; i < 2; i++) {
		if (tp_load16(head + at) != TP_N16(TP_ETH_VLAN) &&
		    tp_load16(head + at) != TP_N16(TP_ETH_QINQ))
			break;
		at += sizeof(struct tp_vlan_hdr);
	}
	ip4 = (const void *)(head + at + 2);
	ip6 = (const void *)(head + at + 2);
	if (tp_load16(head + at) == TP_N16(TP_ETH_IPV4)) {
		p->source.family = p->destination.family = 4;
		p->protocol = ip4->protocol;
		__builtin_memcpy(p->source.ip, &ip4->saddr, 4);
		__builtin_memcpy(p->destination.ip, &ip4->daddr, 4);
		fragment = ip4->frag_off & TP_N16(0x1fff);
		at += 2 + (ip4->version_ihl & 0xf) * 4;
	} else if (tp_load16(head + at) == TP_N16(TP_ETH_IPV6)) {
		p->source.family = p->destination.family = 6;
		p->protocol = ip6->nexthdr;
		__builtin_memcpy(p->source.ip, ip6->saddr, 16);
		__builtin_memcpy(p->destination.ip, ip6->daddr, 16);
		at += 2 + sizeof(*ip6);
	}
	/* ports are in the first fragment */
	if (p->protocol != TP_PROTO_UDP || fragment)
		return;
	udp = (const void *)(head + at);
	p->source.port = udp->sport;
	p->destination.port = udp->dport;
	/* what a peer sends may begin like ChannelData, but hardly with its own length */
	at += sizeof(*udp);
	room = TP_N16(udp->len) - (__u32)sizeof(*udp) - TP_CHANNEL_HDR_LEN -
	       TP_N16(tp_load16(head + at + 2));
	if ((head[at] & 0xc0) == 0x40 && room <= TP_PAD_MAX)
		p->channel = tp_load16(head + at);
}

/* -------------------------------------------------------------- selecting */

static __always_inline int tp_trace_selects(const struct tp_trace_filter *filter)
{
	return filter->client.family || filter->peer.family || ~filter->reasons;
}

static __always_inline int tp_trace_sampled(const struct tp_trace_filter *filter)
{
	__u32 sample = filter->sample;

	return sample <= 1 || bpf_get_prandom_u32() % sample == 0;
}

static __always_inline int tp_trace_is(const struct tp_addr *wanted, const struct tp_addr *addr)
{
	__u32 i;

	if (addr->family != wanted->family || (wanted->port && addr->port != wanted->port))
		return 0;
	for (i = 0; i < sizeof(addr->ip); i += 4)
		if (tp_load32(addr->ip + i) != tp_load32(wanted->ip + i))
			return 0;
	return 1;
}

/* Which end is the client's, and which the peer's, is known only with what became of it. */
static __always_inline int tp_trace_wanted(const struct tp_trace_filter *f,
					   const struct tp_trace *event)
{
	const struct tp_addr *from = &event->in.source, *to = &event->out.destination;
	int up = event->reason == TP_R_TO_PEER, down = event->reason == TP_R_TO_CLIENT;
	int both = event->reason == TP_R_HAIRPIN, binding = event->reason == TP_R_BINDING;

	if (!(f->reasons & (1ULL << (event->reason & 63))))
		return 0;
	if (f->client.family && !(!down && tp_trace_is(&f->client, from)) &&
	    !((down || both) && tp_trace_is(&f->client, to)))
		return 0;
	if (f->peer.family && !(!up && !binding && tp_trace_is(&f->peer, from)) &&
	    !((up || both) && tp_trace_is(&f->peer, to)))
		return 0;
	return 1;
}

/* ------------------------------------------------------- before and after */

static __always_inline void tp_trace_begin(TP_TRACE_CTX *ctx)
{
	__u32 len = tp_trace_len(ctx);
	struct tp_trace_control *control = tp_trace_controlled();
	struct tp_trace_work *work = tp_trace_work_here();
	struct tp_count *count;
	__u32 i, index;

	if (!control || !work)
		return;
	work->begun = 0;
	work->event.time_ns = bpf_ktime_get_ns();
	if (work->event.time_ns >= TP_READ(control->until_ns))
		return;
	/* where nothing else is asked for, what is not in the sample costs no more than this */
	if (!tp_trace_selects(&control->filter) && !tp_trace_sampled(&control->filter))
		return;
	for (i = 0; i < TP_TRACE_REASONS; i++) {
		index = i;
		count = bpf_map_lookup_elem(&tp_stats, &index);
		work->counts[i] = count ? count->packets : 0;
	}
	work->event.len = len;
	work->event.head_len = tp_trace_head(ctx, work->event.head, len);
	tp_trace_packet(&work->event.in, work->event.head);
	work->begun = 1;
}

/* What it was counted as since then; TP_TRACE_REASONS: as nothing. */
static __always_inline __u32 tp_trace_reason(const struct tp_trace_work *work)
{
	struct tp_count *count;
	__u32 i, index;

	for (i = 0; i < TP_TRACE_REASONS; i++) {
		index = i;
		count = bpf_map_lookup_elem(&tp_stats, &index);
		if (count && count->packets != work->counts[i])
			return i;
	}
	return TP_TRACE_REASONS;
}

static __always_inline void tp_trace_emit(struct tp_trace_control *control,
					  struct tp_trace *event)
{
	__u32 len = control->filter.heads ? sizeof(*event) :
					    __builtin_offsetof(struct tp_trace, head);

	if (bpf_ringbuf_output(&tp_trace_events, event, len, 0))
		__sync_fetch_and_add(&control->lost, 1);
}

static __always_inline void tp_trace_end(TP_TRACE_CTX *ctx, int action)
{
	struct tp_trace_control *control = tp_trace_controlled();
	struct tp_trace_work *work = tp_trace_work_here();
	__u32 reason, len = tp_trace_len(ctx);
	struct tp_trace *event;

	if (!control || !work || !work->begun)
		return;
	work->begun = 0;
	event = &work->event;
	reason = tp_trace_reason(work);
	if (reason >= TP_TRACE_REASONS)
		return;
	event->reason = reason;
	event->verdict = tp_trace_verdict(action);
	tp_trace_where(ctx, event);
	event->out_len = 0;
	__builtin_memset(&event->out, 0, sizeof(event->out));
	if (event->verdict == TP_TRACE_SENT) {
		event->out_len = len;
		tp_trace_head(ctx, work->head, len);
		tp_trace_packet(&event->out, work->head);
	}
	if (tp_trace_wanted(&control->filter, event) &&
	    (!tp_trace_selects(&control->filter) || tp_trace_sampled(&control->filter)))
		tp_trace_emit(control, event);
}

/* Global functions: the verifier takes each by itself, whatever the others did before. */
__attribute__((noinline)) int tp_trace_before(TP_TRACE_CTX *ctx)
{
	tp_trace_begin(ctx);
	return 0;
}

__attribute__((noinline)) int tp_trace_after(TP_TRACE_CTX *ctx, int action)
{
	tp_trace_end(ctx, action);
	return 0;
}

#endif
