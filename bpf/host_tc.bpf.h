/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The primitives of the relay core over the sk_buff of a tc program at ingress. What
 * an sk_buff has and a frame of XDP has not:
 *
 * - Data beyond the linear part. The program pulls it in before the core runs.
 * - A protocol of its own. It follows the family (bpf_skb_change_proto).
 * - VLAN tags apart from the data. That of the way in is taken off, that of the way
 *   out goes where the kernel expects it, after the core has written it.
 * - A checksum that is still to be computed (CHECKSUM_PARTIAL, from a sender on this
 *   host): the field holds half of it, and where to compute it would be another place
 *   after the rewrite. Such a packet is the daemon's.
 * - A sum of the whole packet (CHECKSUM_COMPLETE), which a rewrite makes wrong: dropped.
 */
#ifndef TURNPIKE_HOST_TC_BPF_H
#define TURNPIKE_HOST_TC_BPF_H

#include "host.bpf.h"

struct tp_host {
	struct __sk_buff *skb;
	__u32 out;		/* ifindex to send by, once there is a way */
	int spoilt;		/* changed half way: neither to be sent nor passed up */
	enum tp_reason why;	/* there is no way, where it is not for the next hop */
};

static __always_inline __u8 *tp_host_data(struct tp_host *host)
{
	return (void *)(long)host->skb->data;
}

static __always_inline __u8 *tp_host_end(struct tp_host *host)
{
	return (void *)(long)host->skb->data_end;
}

static __always_inline __u32 tp_host_ifindex(struct tp_host *host)
{
	return host->skb->ifindex;
}

/*
 * Both helpers put the room behind the Ethernet header, which they move, and leave
 * everything after it where it is; all headers are written anew anyway. The protocol
 * first: with that of IPv6, the kernel keeps at least an IPv6 header.
 */
static __always_inline int tp_host_grow(struct tp_host *host, __s32 bytes, int family)
{
	__u32 proto = TP_N16(family == 4 ? TP_ETH_IPV4 : TP_ETH_IPV6);
	__s32 wider = sizeof(struct tp_ip6_hdr) - sizeof(struct tp_ip4_hdr);

	if (host->skb->protocol != proto) {
		if (bpf_skb_change_proto(host->skb, proto, 0))
			return -1;
		host->spoilt = 1;
		bytes -= family == 4 ? -wider : wider;
	}
	if (bytes && bpf_skb_adjust_room(host->skb, bytes, BPF_ADJ_ROOM_MAC, 0))
		return -1;
	host->spoilt = 0;
	return 0;
}

static __always_inline int tp_host_trim(struct tp_host *host, __u32 bytes)
{
	return bpf_skb_change_tail(host->skb, host->skb->len - bytes, 0) != 0;
}

static __always_inline int tp_host_extend(struct tp_host *host, __u32 bytes)
{
	return bpf_skb_change_tail(host->skb, host->skb->len + bytes, 0) != 0;
}

/*
 * Nothing tells CHECKSUM_PARTIAL from CHECKSUM_NONE but this: bpf_l4_csum_replace()
 * without BPF_F_PSEUDO_HDR changes a checksum, unless the device is yet to compute it.
 * It is let loose on the first two bytes of the destination's address, and undone.
 */
static __always_inline int tp_checksum_is_due(struct __sk_buff *skb)
{
	__u8 *at = (void *)(long)skb->data;
	__u16 before, after;
	long err;

	if (at + 2 > (__u8 *)(long)skb->data_end)
		return 1;
	before = *(__u16 *)at;
	err = bpf_l4_csum_replace(skb, 0, 0, 1, 0);
	at = (void *)(long)skb->data;
	if (at + 2 > (__u8 *)(long)skb->data_end)
		return 1;
	after = *(__u16 *)at;
	*(__u16 *)at = before;
	return err || after == before;
}

/* Whether the checksum in the packet is what will be sent: 0, and nothing but that
 * checksum counts from now on. */
static __always_inline int tp_checksum_settle(struct __sk_buff *skb)
{
	__u32 len = skb->len;

	if (bpf_csum_level(skb, BPF_CSUM_LEVEL_QUERY) >= 0)
		return 0;
	if (bpf_csum_update(skb, 0) < 0)
		return tp_checksum_is_due(skb);
	/* growing the tail is what makes the kernel forget the sum of the whole */
	return bpf_skb_change_tail(skb, len + 1, 0) || bpf_skb_change_tail(skb, len, 0);
}

/* Answering in place, before any socket, is XDP's; here they are the daemon's. */
static __always_inline enum tp_reason tp_host_unclaimed(struct tp_host *host, int in)
{
	(void)host;
	(void)in;
	return TP_R_NO_ROW;
}

/* And so are ICMP errors: with them in it, the program is too large for the verifier of
 * Linux 6.1. The daemon fragments what is too large. */
static __always_inline enum tp_reason tp_host_error(struct tp_host *host, int in,
						    enum tp_reason reason, int detoured)
{
	(void)host;
	(void)in;
	(void)detoured;
	return reason;
}

static __always_inline int tp_host_route(struct tp_host *host, __u32 ifindex)
{
	struct __sk_buff *skb = host->skb;

	if (!bpf_map_lookup_elem(&tp_ways, &ifindex))
		return -1;
	/* a second tag is in the data, where adjusting room does not go */
	host->why = TP_R_HEADROOM;
	if (skb->protocol != TP_N16(TP_ETH_IPV4) && skb->protocol != TP_N16(TP_ETH_IPV6))
		return -1;
	host->why = TP_R_NO_CHECKSUM;
	host->out = ifindex;
	return tp_checksum_settle(skb);
}

/* What of the host a detour changes. */
struct tp_tc_way {
	__u32 out;
	__u32 spoilt;
	__u32 why;
};

/* A global function: the verifier walks it once, and not for each way that led there. That
 * of Linux 6.1 would not come to an end. */
__attribute__((noinline)) int tp_detour_tc(struct __sk_buff *skb, int why, struct tp_tc_way *way)
{
	struct tp_host host = { .skb = skb };
	enum tp_reason reason;

	if (!way)
		return TP_R_BUSY;
	host.why = (enum tp_reason)way->why;
	reason = tp_detour(&host, why);
	way->out = host.out;
	way->spoilt = (__u32)host.spoilt;
	way->why = (__u32)host.why;
	return (int)reason;
}

static __always_inline enum tp_reason tp_host_detour(struct tp_host *host, int why)
{
	struct tp_tc_way way = { .why = (__u32)host->why };
	enum tp_reason reason = (enum tp_reason)tp_detour_tc(host->skb, why, &way);

	host->out = way.out;
	host->spoilt = (int)way.spoilt;
	host->why = (enum tp_reason)way.why;
	return reason;
}

/* What the core has written as a tag in the data becomes one of the sk_buff. */
static __always_inline int tp_host_tag(struct __sk_buff *skb)
{
	struct tp_eth_hdr *eth = (void *)(long)skb->data;
	struct tp_vlan_hdr *vlan = (void *)(eth + 1);
	__u16 type, tci;

	if (skb->vlan_present && bpf_skb_vlan_pop(skb))
		return -1;
	eth = (void *)(long)skb->data;
	vlan = (void *)(eth + 1);
	if ((void *)(vlan + 1) > (void *)(long)skb->data_end)
		return -1;
	if (eth->type != TP_N16(TP_ETH_VLAN))
		return 0;
	tci = TP_N16(vlan->tci);
	type = vlan->type;
	if (bpf_skb_adjust_room(skb, -(int)sizeof(*vlan), BPF_ADJ_ROOM_MAC, 0))
		return -1;
	eth = (void *)(long)skb->data;
	if ((void *)(eth + 1) > (void *)(long)skb->data_end)
		return -1;
	eth->type = type;
	return bpf_skb_vlan_push(skb, TP_N16(TP_ETH_VLAN), tci) != 0;
}

#endif
