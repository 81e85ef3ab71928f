/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Writing the headers of what leaves, from a plan. */
#ifndef TURNPIKE_WRITE_H
#define TURNPIKE_WRITE_H

#include <linux/types.h>
#include <turnpike/checksum.h>
#include <turnpike/packet.h>
#include <turnpike/plan.h>
#include <turnpike/tables.h>
#include <turnpike/wire.h>
#include <turnpike/word.h>

/* RFC 7915 section 5.1: a packet up to this size made from IPv6 may be fragmented */
#define TP_MTU_6TO4	1260

/* Bytes before the IP header. */
TP_INLINE __u32 tp_link_len(const struct tp_plan *plan)
{
#ifdef TP_HOST_ROUTED
	(void)plan;
	return 0;
#else
	return (__u32)sizeof(struct tp_eth_hdr) +
	       (plan->vlan_tci ? (__u32)sizeof(struct tp_vlan_hdr) : 0);
#endif
}

/* Each tp_write_*() returns where the next header goes, or 0 without room. */
#ifdef TP_HOST_ROUTED
TP_INLINE __u8 *tp_write_eth(__u8 *at, const __u8 *end, const struct tp_plan *plan,
			     __u16 type)
{
	(void)end;
	(void)plan;
	(void)type;
	return at;
}
#else
TP_INLINE __u8 *tp_write_eth(__u8 *at, const __u8 *end, const struct tp_plan *plan,
			     __u16 type)
{
	struct tp_eth_hdr *eth = (void *)at;
	struct tp_vlan_hdr *vlan;

	at += sizeof(*eth);
	if (at > end)
		return 0;
	tp_store64(eth->dmac, plan->mac_front);
	tp_store32(eth->smac + 2, plan->mac_back);
	if (!plan->vlan_tci) {
		eth->type = TP_N16(type);
		return at;
	}
	eth->type = TP_N16(TP_ETH_VLAN);
	vlan = (void *)at;
	at += sizeof(*vlan);
	if (at > end)
		return 0;
	vlan->tci = plan->vlan_tci;
	vlan->type = TP_N16(type);
	return at;
}
#endif

/* Not to be fragmented: as it came, or from IPv6 the larger packets. */
TP_INLINE int tp_plan_df(const struct tp_flow *flow, const struct tp_plan *plan, int in)
{
	return in == 4 ? flow->df : plan->ip_len > TP_MTU_6TO4;
}

/*
 * RFC 8656 section 14, and 13.3 with RFC 7915 section 5.1: DSCP and ECN are
 * copied, TTL is one less, DF is copied, or from IPv6 set for larger packets.
 */
TP_INLINE __u8 *tp_write_ip4(__u8 *at, const __u8 *end, const struct tp_flow *flow,
			     const struct tp_plan *plan, int in)
{
	int df = tp_plan_df(flow, plan, in);
	__u8 *ip = at;
	__u32 word[3];
	__u64 sum;

	at += sizeof(struct tp_ip4_hdr);
	if (at > end)
		return 0;
	word[0] = TP_N32((__u32)TP_VERSION_IHL << 24 | (__u32)flow->tos << 16 | plan->ip_len);
	word[1] = TP_N32((__u32)plan->id << 16 | (df ? TP_IP4_DF : 0));
	word[2] = TP_N32((__u32)(flow->ttl - 1) << 24 | TP_PROTO_UDP << 16);
	sum = (__u64)word[0] + word[1] + word[2] + plan->ip4[0] + plan->ip4[1];
	word[2] |= TP_N32((__u32)TP_N16((__u16)~tp_csum_fold(sum)));
	tp_store32(ip, word[0]);
	tp_store32(ip + 4, word[1]);
	tp_store32(ip + 8, word[2]);
	tp_store32(ip + 12, plan->ip4[0]);
	tp_store32(ip + 16, plan->ip4[1]);
	return at;
}

/* RFC 8656 sections 13.1, 13.2 and 14, RFC 7915 section 4.1. */
TP_INLINE __u8 *tp_write_ip6(__u8 *at, const __u8 *end, const struct tp_flow *flow,
			     const struct tp_plan *plan)
{
	struct tp_ip6_hdr *ip = (void *)at;
	int i;

	at += sizeof(*ip);
	if (at > end)
		return 0;
	ip->first = TP_N32(6U << 28 | (__u32)flow->tos << 20 | plan->flow_label);
	ip->payload_len = TP_N16(plan->udp_len);
	ip->nexthdr = TP_PROTO_UDP;
	ip->hop_limit = flow->ttl - 1;
	for (i = 0; i < 4; i++)
		tp_store64((__u8 *)ip + 8 + 8 * i, plan->ip6[i]);
	return at;
}

TP_INLINE __u8 *tp_write_udp(__u8 *at, const __u8 *end, const struct tp_plan *plan)
{
	struct tp_udp_hdr *udp = (void *)at;

	at += sizeof(*udp);
	if (at > end)
		return 0;
	tp_store32(udp, plan->ports);
	udp->len = TP_N16(plan->udp_len);
	udp->check = plan->udp_check;
	return at;
}

TP_INLINE __u8 *tp_write_channel(__u8 *at, const __u8 *end, const struct tp_plan *plan)
{
	struct tp_channel_hdr *channel = (void *)at;

	at += sizeof(*channel);
	if (at > end)
		return 0;
	channel->number = plan->channel;
	channel->length = TP_N16(plan->data_len);
	return at;
}

/* The way out, for a packet whose lengths are in the plan. TP_R_NONE: there is one. */
TP_INLINE enum tp_reason tp_check_way(struct tp_host *host, const struct tp_flow *flow,
				      struct tp_plan *plan, int in)
{
#ifdef TP_HOST_ROUTED
	if (plan->nexthop == TP_HOP_HERE)
		return TP_R_NO_NEXTHOP;
	/* nobody fragments on the way from IPv6 to IPv6 (RFC 8200 section 5) */
	return tp_host_way(host, plan, plan->family == 6 && in == 6 ? 1 :
			   tp_plan_df(flow, plan, in));
#else
	enum tp_reason reason;
	__u32 ifindex;

	(void)flow;
	(void)in;
	reason = tp_check_nexthop(host, plan, &ifindex);
	if (reason != TP_R_NONE)
		return reason;
	return tp_host_route(host, ifindex) ? TP_R_NO_NEXTHOP : TP_R_NONE;
#endif
}

#endif
