/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The relay core: parse, find the row, check, rewrite. Bounded, pure C that
 * knows no direction: a row says what leaves for what arrived. Everything is
 * checked before the first write; after it a packet is sent or dropped, never
 * passed up.
 *
 * The host (XDP program, module, daemon) defines struct tp_host and the
 * primitives below, with TP_HOST_API set to how it links them, and calls
 * tp_forward(). Where the reason it returns is TP_SENT(), the frame lies ready in
 * the host's buffer for the way that tp_host_route() took.
 */
#ifndef TURNPIKE_FORWARD_H
#define TURNPIKE_FORWARD_H

#include <linux/types.h>
#include <turnpike/checksum.h>
#include <turnpike/limit.h>
#include <turnpike/packet.h>
#include <turnpike/rows.h>
#include <turnpike/tables.h>
#include <turnpike/wire.h>
#include <turnpike/word.h>

#ifndef TP_HOST_API
#define TP_HOST_API extern
#endif

struct tp_host;
/* The frame, from its Ethernet header; ask again after a change of head or tail. */
TP_HOST_API __u8 *tp_host_data(struct tp_host *host);
TP_HOST_API __u8 *tp_host_end(struct tp_host *host);
/* Make the head longer (or shorter: negative) for a packet of this family, which may be
 * another one than what came. 0, or not done. */
TP_HOST_API int tp_host_grow(struct tp_host *host, __s32 bytes, int family);
/* Cut bytes off the tail. 0, or not done. */
TP_HOST_API int tp_host_trim(struct tp_host *host, __u32 bytes);
/* Table elements. The host masks the index of a slot to its table's size; a next
 * hop that does not exist is NULL. */
TP_HOST_API struct tp_slot4 *tp_host_slot4(struct tp_host *host, __u32 index);
TP_HOST_API struct tp_slot6 *tp_host_slot6(struct tp_host *host, __u32 index);
TP_HOST_API struct tp_nexthop *tp_host_nexthop(struct tp_host *host, __u32 index);
/* NULL: there is no such element. */
TP_HOST_API struct tp_limit *tp_host_limit(struct tp_host *host, __u32 index);
TP_HOST_API void tp_host_seed(struct tp_host *host, __u64 seed[2]);
/* CLOCK_MONOTONIC, nanoseconds, a few milliseconds coarse. */
TP_HOST_API __u64 tp_host_now(struct tp_host *host);
/* Is this (as of tp_mac_at()) the receiving interface's address? 1 where that is not known. */
TP_HOST_API int tp_host_own_mac(struct tp_host *host, __u64 mac);
/* Prepare to send by this interface. 0, or it cannot be sent there. */
TP_HOST_API int tp_host_route(struct tp_host *host, __u32 ifindex);
/* A datagram of this family that no flow claims: tp_listener(), where the host wants it. */
TP_HOST_API enum tp_reason tp_host_unclaimed(struct tp_host *host, int in);
TP_HOST_API void tp_host_count(struct tp_host *host, enum tp_reason reason, __u32 bytes);

/* What a reason means for the packet. */
#define TP_SENT(reason)		((reason) >= TP_R_TO_PEER && (reason) <= TP_R_BINDING)
#define TP_DROPPED(reason)	((reason) >= TP_R_BAD_FRAME && (reason) <= TP_R_REWRITE)

/* Padding after the data of a ChannelData message over UDP that is dealt with
 * here (RFC 8656 section 12.5); more is the daemon's. */
#define TP_PAD_MAX	3

/* Application data of a packet that is relayed here; with headers it still is
 * below 2^15 bytes. No interface that this runs on takes more. */
#define TP_DATA_MAX	0x7f00

/* RFC 7915 section 5.1: a packet up to this size made from IPv6 may be fragmented */
#define TP_MTU_6TO4	1260

/* All that is needed for writing: a copy, nobody changes it under the reader. */
struct tp_plan {
	struct tp_row *row;	/* only for its counters */
	__u64  expires_ns;
	__u32  csum_delta;
	__u32  flow_label;
	__u16  id;		/* of an outgoing IPv4 packet */
	__u16  nexthop;
	__u8   kind;
	__u8   family;
	__u32  ports;		/* source and destination, as in a UDP header */
	__be16 channel;
	__u16  flags;
	__be16 vlan_tci;
	union {
		__be32 ip4[2];	/* source, destination */
		__u64  ip6[4];	/* the same, two words each */
	};
	__u64  mac_front;	/* destination and source, 12 bytes: the first 8 */
	__u32  mac_back;
	__u16  data_len;	/* application data */
	__u16  udp_len, ip_len;
	__u16  udp_check;
	__s32  grow;
	__u32  trim;
};

/* ---------------------------------------------------------------- finding */

/* Copy what the row says; 0 where it did not hold still meanwhile. */
TP_INLINE int tp_plan_take(struct tp_plan *plan, struct tp_row *row, __u32 seq, __u64 hash)
{
	if (seq & 1)
		return 0;
	plan->row = row;
	plan->kind = row->kind;
	plan->family = row->out_family;
	plan->nexthop = row->nexthop;
	plan->expires_ns = row->expires_ns;
	plan->csum_delta = row->csum_delta;
	plan->ports = tp_load32((const __u8 *)row + __builtin_offsetof(struct tp_row, out_sport));
	plan->channel = row->out_channel;
	plan->flags = row->flags;
	if (plan->family == 4)
		__builtin_memcpy(plan->ip4, &row->out4, sizeof(plan->ip4));
	else
		__builtin_memcpy(plan->ip6, &row->out6, sizeof(plan->ip6));
	/* RFC 6864: unlike any other packet's of this flow, from a start that
	 * nobody outside can guess */
	plan->id = (__u16)((hash >> 48) + row->packets);
	/* RFC 6437 section 3: one per flow */
	plan->flow_label = (__u32)(hash >> 28) & 0xfffff;
	return !tp_seq_changed(&row->seq, seq);
}

TP_INLINE enum tp_reason tp_find4(struct tp_host *host, const struct tp_flow *flow,
				  __be16 channel, struct tp_plan *plan)
{
	struct tp_key4 key = { .sport = flow->sport, .dport = flow->dport, .channel = channel };
	struct tp_slot4 *slot;
	enum tp_probe probe;
	__u64 seed[2], hash;
	__u32 i, seq;

	__builtin_memcpy(key.saddr, &flow->ip4.saddr, sizeof(key.saddr));
	__builtin_memcpy(key.daddr, &flow->ip4.daddr, sizeof(key.daddr));
	tp_host_seed(host, seed);
	hash = tp_hash4(&key, seed);
	for (i = 0; i < TP_PROBE; i++) {
		slot = tp_host_slot4(host, (__u32)hash + i);
		if (!slot)
			return TP_R_NO_ROW;
		seq = tp_seq_read(&slot->row.seq);
		probe = tp_row_probe(&slot->row, seq, tp_key4_equal(&slot->key, &key));
		if (probe == TP_PROBE_END)
			return TP_R_NO_ROW;
		if (probe == TP_PROBE_HIT)
			return tp_plan_take(plan, &slot->row, seq, hash) ? TP_R_NONE : TP_R_BUSY;
	}
	return TP_R_NO_ROW;
}

TP_INLINE enum tp_reason tp_find6(struct tp_host *host, const struct tp_flow *flow,
				  __be16 channel, struct tp_plan *plan)
{
	struct tp_key6 key = { .sport = flow->sport, .dport = flow->dport, .channel = channel };
	struct tp_slot6 *slot;
	enum tp_probe probe;
	__u64 seed[2], hash;
	__u32 i, seq;

	__builtin_memcpy(key.saddr, flow->ip6.saddr, sizeof(key.saddr));
	__builtin_memcpy(key.daddr, flow->ip6.daddr, sizeof(key.daddr));
	tp_host_seed(host, seed);
	hash = tp_hash6(&key, seed);
	for (i = 0; i < TP_PROBE; i++) {
		slot = tp_host_slot6(host, (__u32)hash + i);
		if (!slot)
			return TP_R_NO_ROW;
		seq = tp_seq_read(&slot->row.seq);
		probe = tp_row_probe(&slot->row, seq, tp_key6_equal(&slot->key, &key));
		if (probe == TP_PROBE_END)
			return TP_R_NO_ROW;
		if (probe == TP_PROBE_HIT)
			return tp_plan_take(plan, &slot->row, seq, hash) ? TP_R_NONE : TP_R_BUSY;
	}
	return TP_R_NO_ROW;
}

/*
 * A datagram that begins like ChannelData comes from a client with that channel,
 * or from a peer whose data happen to (QUIC does): two searches.
 */
TP_INLINE enum tp_reason tp_find(struct tp_host *host, const struct tp_flow *flow, int in,
				 struct tp_plan *plan)
{
	__be16 channel = flow->channel;
	enum tp_reason reason;
	int i;

	for (i = 0; i < 2; i++) {
		if (in == 4)
			reason = tp_find4(host, flow, channel, plan);
		else
			reason = tp_find6(host, flow, channel, plan);
		if (reason != TP_R_NO_ROW || !channel)
			return reason;
		channel = 0;
	}
	return TP_R_NO_ROW;
}

/* --------------------------------------------------------------- checking */

/* Whether the daemon wants one packet for this next hop: one CPU alone takes the flag. */
TP_INLINE int tp_take_poke(struct tp_nexthop *hop)
{
	return TP_READ(hop->poke) && __sync_lock_test_and_set(&hop->poke, 0);
}

TP_INLINE enum tp_reason tp_check_nexthop(struct tp_host *host, struct tp_plan *plan,
					  __u32 *ifindex)
{
	struct tp_nexthop *hop = plan->nexthop ? tp_host_nexthop(host, plan->nexthop) : 0;
	const __u8 *macs;
	__u32 seq;
	__u16 mtu;

	if (!hop)
		return TP_R_NO_NEXTHOP;
	macs = (const __u8 *)hop + __builtin_offsetof(struct tp_nexthop, dmac);
	seq = tp_seq_read(&hop->seq);
	*ifindex = hop->ifindex;
	plan->mac_front = tp_load64(macs);
	plan->mac_back = tp_load32(macs + 8);
	plan->vlan_tci = hop->vlan_tci;
	mtu = hop->mtu;
	if ((seq & 1) || tp_seq_changed(&hop->seq, seq))
		return TP_R_BUSY;
	if (!*ifindex)
		return TP_R_NO_NEXTHOP;
	if (plan->ip_len > mtu)
		return TP_R_MTU;
	return tp_take_poke(hop) ? TP_R_POKE : TP_R_NONE;
}

/* What the bytes after the data add to the UDP sum; they are inside the datagram. */
TP_INLINE __u64 tp_pad_sum(const __u8 *at, const __u8 *end, __u32 pad, __u32 offset)
{
	__u64 sum = 0;
	__u32 i;

	for (i = 0; i < TP_PAD_MAX; i++) {
		if (i >= pad || at + 1 > end)
			break;
		sum += tp_csum_byte(*at, offset + i);
		at++;
	}
	return sum;
}

/* Lengths and checksum of a ChannelData message that becomes a plain datagram. */
TP_INLINE enum tp_reason tp_check_strip(struct tp_host *host, const struct tp_flow *flow,
					struct tp_plan *plan)
{
	const __u8 *at = tp_host_data(host), *end = tp_host_end(host);
	__u32 before = sizeof(struct tp_udp_hdr) + TP_CHANNEL_HDR_LEN;
	__u32 len = flow->channel_len, pad, offset;
	__u64 sum;

	if (before + len > flow->udp_len)
		return TP_R_BAD_CHANNEL;
	pad = flow->udp_len - before - len;
	if (pad > TP_PAD_MAX)
		return TP_R_TRAILING;
	if (len > TP_DATA_MAX)
		return TP_R_MTU;
	plan->data_len = (__u16)len;
	/* gone: the Length field, padding, and padding's part of both lengths */
	sum = TP_N16(flow->channel_len) + TP_N16((__u16)(2 * pad));
	if (pad) {
		/* the BPF verifier follows a pointer that is masked after the
		 * compiler has lost sight of the number */
		offset = flow->headers + TP_CHANNEL_HDR_LEN + len;
		__asm__ __volatile__("" : "+r"(offset));
		sum += tp_pad_sum(at + (offset & 0x7fff), end, pad, before + len);
	}
	sum = plan->csum_delta + (__u64)tp_csum_minus(tp_csum_fold(sum));
	plan->udp_check = tp_csum_update(flow->udp_check, sum);
	plan->udp_len = (__u16)(sizeof(struct tp_udp_hdr) + len);
	return TP_R_NONE;
}

/* The same for a plain datagram that becomes ChannelData. */
TP_INLINE enum tp_reason tp_check_wrap(const struct tp_flow *flow, struct tp_plan *plan)
{
	__u32 len = flow->udp_len - (__u32)sizeof(struct tp_udp_hdr);

	if (len > TP_DATA_MAX)
		return TP_R_MTU;
	plan->data_len = (__u16)len;
	plan->udp_check = tp_csum_update(flow->udp_check,
					 (__u64)plan->csum_delta + TP_N16(plan->data_len));
	plan->udp_len = (__u16)(flow->udp_len + TP_CHANNEL_HDR_LEN);
	return TP_R_NONE;
}

/* Fill the rest of the plan. TP_R_NONE: go ahead and write. */
TP_INLINE enum tp_reason tp_check(struct tp_host *host, const struct tp_flow *flow,
				  struct tp_plan *plan, int in, int out)
{
	int strip = plan->kind == TP_ROW_TO_PEER;
	enum tp_reason reason;
	__u32 gone, headers, ifindex;

	if (flow->bad_mac | flow->bad_ip_check)
		return TP_R_BAD_FRAME;
	if (!tp_host_own_mac(host, flow->dmac))
		return TP_R_OTHER_MAC;
	/* RFC 8200 section 8.1: UDP over IPv6 has a checksum */
	if (in == 6 && !flow->udp_check)
		return TP_R_BAD_FRAME;
	if (tp_host_now(host) >= plan->expires_ns)
		return TP_R_EXPIRED;
	reason = strip ? tp_check_strip(host, flow, plan) : tp_check_wrap(flow, plan);
	if (reason != TP_R_NONE)
		return reason;
	if (flow->ttl <= 1)
		return TP_R_TTL;
	if (!flow->udp_check) {
		if (out == 6)
			return TP_R_NO_CHECKSUM;
		plan->udp_check = 0;
	}
	headers = out == 4 ? sizeof(struct tp_ip4_hdr) : sizeof(struct tp_ip6_hdr);
	plan->ip_len = (__u16)(headers + plan->udp_len);
	reason = tp_check_nexthop(host, plan, &ifindex);
	if (reason != TP_R_NONE)
		return reason;
	if (tp_host_route(host, ifindex))
		return TP_R_NO_NEXTHOP;
	headers += sizeof(struct tp_eth_hdr) + sizeof(struct tp_udp_hdr);
	headers += plan->vlan_tci ? sizeof(struct tp_vlan_hdr) : 0;
	headers += strip ? 0 : TP_CHANNEL_HDR_LEN;
	gone = flow->headers + (strip ? TP_CHANNEL_HDR_LEN : 0);
	plan->grow = (__s32)headers - (__s32)gone;
	plan->trim = tp_distance(tp_host_data(host), tp_host_end(host)) - gone - plan->data_len;
	return TP_R_NONE;
}

/* ---------------------------------------------------------------- writing */

/* Each tp_write_*() returns where the next header goes, or 0 without room. */
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

/*
 * RFC 8656 section 14, and 13.3 with RFC 7915 section 5.1: DSCP and ECN are
 * copied, TTL is one less, DF is copied, or from IPv6 set for larger packets.
 */
TP_INLINE __u8 *tp_write_ip4(__u8 *at, const __u8 *end, const struct tp_flow *flow,
			     const struct tp_plan *plan, int in)
{
	int df = in == 4 ? flow->df : plan->ip_len > TP_MTU_6TO4;
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
	struct tp_channel_hdr *channel;

	at += sizeof(*udp);
	if (at > end)
		return 0;
	tp_store32(udp, plan->ports);
	udp->len = TP_N16(plan->udp_len);
	udp->check = plan->udp_check;
	if (plan->kind == TP_ROW_TO_PEER)
		return at;
	channel = (void *)at;
	at += sizeof(*channel);
	if (at > end)
		return 0;
	channel->number = plan->channel;
	channel->length = TP_N16(plan->data_len);
	return at;
}

/* The payload stays where it is; the new headers are written before it. */
TP_INLINE enum tp_reason tp_write(struct tp_host *host, const struct tp_flow *flow,
				  const struct tp_plan *plan, int in, int out)
{
	const __u8 *end;
	__u8 *at;

	if ((plan->grow || in != out) && tp_host_grow(host, plan->grow, out))
		return TP_R_HEADROOM;
	if (plan->trim && tp_host_trim(host, plan->trim))
		return TP_R_REWRITE;
	at = tp_host_data(host);
	end = tp_host_end(host);
	at = tp_write_eth(at, end, plan, out == 4 ? TP_ETH_IPV4 : TP_ETH_IPV6);
	if (!at)
		return TP_R_REWRITE;
	if (out == 4)
		at = tp_write_ip4(at, end, flow, plan, in);
	else
		at = tp_write_ip6(at, end, flow, plan);
	if (!at || !tp_write_udp(at, end, plan))
		return TP_R_REWRITE;
	return plan->kind == TP_ROW_TO_PEER ? TP_R_TO_PEER : TP_R_TO_CLIENT;
}

/* ------------------------------------------------------------------ relay */

/* After everything else was checked: only what would be relayed pays. */
TP_INLINE enum tp_reason tp_relay_limit(struct tp_host *host, const struct tp_plan *plan)
{
	int way = plan->kind == TP_ROW_TO_PEER ? TP_LIMIT_UP : TP_LIMIT_DOWN;
	struct tp_limit *limit = tp_host_limit(host, plan->row->alloc), *user = 0;

	if (!limit)
		return TP_R_NONE;
	if (limit->user)
		user = tp_host_limit(host, limit->user);
	return tp_limit_take(limit, user, way, plan->data_len, tp_host_now(host)) ?
	       TP_R_NONE : TP_R_LIMIT;
}

/* in and out are constants: each pair of families becomes code of its own. */
TP_INLINE enum tp_reason tp_relay_pair(struct tp_host *host, const struct tp_flow *flow,
				       struct tp_plan *plan, int in, int out)
{
	enum tp_reason reason = tp_check(host, flow, plan, in, out);

	if (reason == TP_R_NONE && (plan->flags & TP_ROW_LIMITED))
		reason = tp_relay_limit(host, plan);
	if (reason != TP_R_NONE)
		return reason;
	reason = tp_write(host, flow, plan, in, out);
	if (TP_SENT(reason)) {
		/* data path's fields; several CPUs may lose one now and then */
		plan->row->packets++;
		plan->row->bytes += plan->data_len;
	}
	return reason;
}

TP_INLINE enum tp_reason tp_relay_from(struct tp_host *host, const struct tp_flow *flow, int in)
{
	struct tp_plan plan;
	enum tp_reason reason = tp_find(host, flow, in, &plan);

	if (reason == TP_R_NO_ROW)
		return tp_flow_impossible(flow, in) ? TP_R_BAD_FRAME : tp_host_unclaimed(host, in);
	if (reason != TP_R_NONE)
		return reason;
	/* only a source of zeros finds one */
	if (plan.kind == TP_ROW_LISTENER)
		return TP_R_NO_ROW;
	if (plan.family == 4)
		return tp_relay_pair(host, flow, &plan, in, 4);
	return tp_relay_pair(host, flow, &plan, in, 6);
}

TP_INLINE enum tp_reason tp_relay(struct tp_host *host)
{
	const __u8 *end = tp_host_end(host), *at;
	struct tp_flow flow;
	enum tp_reason reason;
	__u16 type;

	reason = tp_parse_eth(tp_host_data(host), end, &flow, &at, &type);
	if (reason != TP_R_NONE)
		return reason;
	if (type == TP_ETH_IPV4) {
		reason = tp_parse_ip4(at, end, &flow);
		return reason == TP_R_NONE ? tp_relay_from(host, &flow, 4) : reason;
	}
	reason = tp_parse_ip6(at, end, &flow);
	return reason == TP_R_NONE ? tp_relay_from(host, &flow, 6) : reason;
}

/* Relay one frame and count it; bytes are the frame's as it came. */
TP_INLINE enum tp_reason tp_forward(struct tp_host *host)
{
	__u32 bytes = tp_distance(tp_host_data(host), tp_host_end(host));
	enum tp_reason reason = tp_relay(host);

	tp_host_count(host, reason, bytes);
	return reason;
}

#endif
