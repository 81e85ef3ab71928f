/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The primitives of the relay core over an sk_buff at LOCAL_IN: linear, its data beginning
 * with the IP header. See host.h in include/turnpike/.
 */
#ifndef TURNPIKE_HOST_KMOD_H
#define TURNPIKE_HOST_KMOD_H

#include <linux/ktime.h>
#include <linux/netdevice.h>
#include <linux/random.h>
#include <linux/skbuff.h>
#include <linux/timekeeping.h>
#include <net/dsfield.h>
#include "fault.h"
#include "tables.h"
#include "way.h"

struct tp_host {
	struct sk_buff *skb;
	struct net *net;
	const struct tables *tables;
	struct dst_entry *dst;		/* the way out, once there is one: a reference */
	bool df;
	u32 datagrams;			/* that share this sk_buff */
	u64 scratch[TP_SCRATCH / 8];
};

#define TP_HOST_API	static inline
#include <turnpike/forward.h>

static inline __u8 *tp_host_data(struct tp_host *host)
{
	return host->skb->data;
}

static inline __u8 *tp_host_end(struct tp_host *host)
{
	return skb_tail_pointer(host->skb);
}

/* The device that it leaves by wants its own room before the IP header, too. */
static inline int tp_host_grow(struct tp_host *host, __s32 bytes, int family)
{
	struct sk_buff *skb = host->skb;

	if (bytes <= 0)
		return skb_pull(skb, -bytes) ? 0 : -1;
	if (fault_here() || skb_cow(skb, bytes + LL_RESERVED_SPACE(host->dst->dev)))
		return -1;
	skb_push(skb, bytes);
	return 0;
}

static inline int tp_host_trim(struct tp_host *host, __u32 bytes)
{
	return fault_here() ? -1 : pskb_trim(host->skb, host->skb->len - bytes);
}

static inline int tp_host_extend(struct tp_host *host, __u32 bytes)
{
	struct sk_buff *skb = host->skb;

	if (skb_tailroom(skb) < bytes &&
	    (fault_here() || pskb_expand_head(skb, 0, bytes, GFP_ATOMIC)))
		return -1;
	skb_put(skb, bytes);
	return 0;
}

static inline __u32 tp_host_slots4(struct tp_host *host)
{
	return host->tables->n_rows4;
}

static inline __u32 tp_host_slots6(struct tp_host *host)
{
	return host->tables->n_rows6;
}

static inline struct tp_slot4 *tp_host_slot4(struct tp_host *host, __u32 index)
{
	return index < host->tables->n_rows4 ? &host->tables->rows4[index] : NULL;
}

static inline struct tp_slot6 *tp_host_slot6(struct tp_host *host, __u32 index)
{
	return index < host->tables->n_rows6 ? &host->tables->rows6[index] : NULL;
}

/* The index comes out of memory that the daemon may change meanwhile: what is compared is what
 * is used. */
static inline struct tp_limit *tp_host_limit(struct tp_host *host, __u32 index)
{
	OPTIMIZER_HIDE_VAR(index);
	return index < host->tables->n_limits ? &host->tables->limits[index] : NULL;
}

static inline void tp_host_seed(struct tp_host *host, __u64 seed[2])
{
	seed[0] = host->tables->seed[0];
	seed[1] = host->tables->seed[1];
}

static inline __u64 tp_host_now(struct tp_host *host)
{
	return ktime_get_coarse_ns();
}

static inline __u32 tp_host_random(struct tp_host *host)
{
	return get_random_u32();
}

static inline struct tp_detour *tp_host_scratch(struct tp_host *host)
{
	return (struct tp_detour *)host->scratch;
}

static inline enum tp_reason tp_host_detour(struct tp_host *host, int why)
{
	return tp_detour(host, why);
}

/* Listeners answer by their sockets. */
static inline enum tp_reason tp_host_unclaimed(struct tp_host *host, int in)
{
	return TP_R_NO_ROW;
}

/* The kernel's sending half has said, or says, what it has to. */
static inline enum tp_reason tp_host_error(struct tp_host *host, int in, enum tp_reason reason,
					   int detoured)
{
	return reason;
}

/* Counted by the caller, who knows how many datagrams there are in a packet. */
static inline void tp_host_count(struct tp_host *host, enum tp_reason reason, __u32 bytes)
{
}

/*
 * Called before anything is written, and where it fails nothing is. The head is made this
 * packet's own: a clone (tcpdump has one) must not change.
 */
static inline enum tp_reason tp_host_way(struct tp_host *host, const struct tp_plan *plan, int df)
{
	struct sk_buff *skb = host->skb;
	u8 tos = ip_hdr(skb)->version == 4 ? ip_hdr(skb)->tos : ipv6_get_dsfield(ipv6_hdr(skb));
	struct dst_entry *dst = way_find(host->net, plan, tos);

	if (!dst)
		return TP_R_NO_NEXTHOP;
	if (df && plan->ip_len > dst_mtu(dst)) {
		dst_release(dst);
		return TP_R_MTU;
	}
	if (fault_here() || skb_cow(skb, LL_RESERVED_SPACE(dst->dev))) {
		dst_release(dst);
		return TP_R_HEADROOM;
	}
	host->dst = dst;
	host->df = df;
	return TP_R_NONE;
}

/* Rows of Send indications and of channels to the peer are the client's. */
static inline void tp_host_row_counted(struct tp_host *host, struct tp_row *row, __u32 len)
{
	bool up = row->kind == TP_ROW_TO_PEER || row->kind == TP_ROW_SEND;
	struct tp_kmod_count *counts;
	u32 alloc = READ_ONCE(row->alloc);
	struct tp_count *count;

	row->kmod_packets += host->datagrams;
	if (alloc >= host->tables->n_counts)
		return;
	counts = &host->tables->counts[alloc];
	count = up ? &counts->up : &counts->down;
	__sync_fetch_and_add(&count->packets, host->datagrams);
	__sync_fetch_and_add(&count->bytes, len);
}

#endif
