// SPDX-License-Identifier: GPL-2.0
/* The tc program, at ingress: the relay core of include/turnpike/forward.h on every sk_buff. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include "host_tc.bpf.h"

/* A datagram larger than this is not pulled together: it fits no way out. */
#define PULL_MAX	9216

/*
 * TP_R_NONE: the packet is linear, or what is not linear is not of interest. Datagrams
 * that were merged on their way in (GSO) share one header, and are the daemon's.
 */
static __always_inline enum tp_reason make_linear(struct __sk_buff *skb)
{
	__u32 len = skb->len, headers;
	__u8 *at;

	if (skb->gso_size)
		return TP_R_MTU;
	if (len <= (__u32)(skb->data_end - skb->data))
		return TP_R_NONE;
	headers = sizeof(struct tp_eth_hdr) + sizeof(struct tp_ip6_hdr);
	if (bpf_skb_pull_data(skb, len < headers ? len : headers))
		return TP_R_HEADROOM;
	at = (void *)(long)skb->data;
	if (at + headers > (__u8 *)(long)skb->data_end)
		return TP_R_NOT_UDP;
	at += sizeof(struct tp_eth_hdr);
	if (skb->protocol == TP_N16(TP_ETH_IPV4) ? at[9] != TP_PROTO_UDP :
	    skb->protocol == TP_N16(TP_ETH_IPV6) ? at[6] != TP_PROTO_UDP : 1)
		return TP_R_NOT_UDP;
	if (len > PULL_MAX)
		return TP_R_MTU;
	return bpf_skb_pull_data(skb, len) ? TP_R_HEADROOM : TP_R_NONE;
}

/* Where XDP has passed the packet up to here, it has counted it as that. */
static __always_inline int counted_before(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex, *way = bpf_map_lookup_elem(&tp_ways, &ifindex);

	return way && (*way & TP_WAY_AFTER_XDP);
}

TP_PROGRAM("tc")
int turnpike_tc(struct __sk_buff *skb)
{
	struct tp_host host = { .skb = skb, .why = TP_R_NO_NEXTHOP };
	enum tp_reason reason = make_linear(skb);
	__u32 len = skb->len;

	if (reason == TP_R_NONE)
		reason = tp_relay_frame(&host);
	if (reason == TP_R_NO_NEXTHOP)
		reason = host.why;
	if (TP_SENT(reason) && tp_host_tag(skb))
		reason = TP_R_REWRITE;
	if (host.spoilt)
		reason = TP_R_REWRITE;
	if (TP_SENT(reason)) {
		tp_host_count(&host, reason, len);
		return bpf_redirect(host.out, 0);
	}
	if (!counted_before(skb))
		tp_host_count(&host, reason, len);
	/* whatever else classifies here gets its turn */
	return TP_DROPPED(reason) ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}
