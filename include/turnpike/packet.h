/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * From a frame to a flat struct tp_flow: Ethernet, up to two VLAN tags, IPv4 or
 * IPv6, UDP, and the ChannelData header if there is one. Reads only, never past
 * end. What is not plain UDP, or is malformed, ends here with its reason.
 *
 * Malformed means that no receiver could use it (it is dropped, RFC 791, 768,
 * 8200); everything that somebody else might understand is passed up.
 */
#ifndef TURNPIKE_PACKET_H
#define TURNPIKE_PACKET_H

#include <linux/types.h>
#include <turnpike/checksum.h>
#include <turnpike/tables.h>
#include <turnpike/wire.h>
#include <turnpike/word.h>

/* BPF may read a word at any address; elsewhere the compiler is told that these
 * headers lie as they fall. */
#ifdef __bpf__
#define TP_WIRE
#else
#define TP_WIRE		__attribute__((packed))
#endif

struct tp_eth_hdr {
	__u8   dmac[6];
	__u8   smac[6];
	__be16 type;
} TP_WIRE;

struct tp_vlan_hdr {
	__be16 tci;
	__be16 type;
} TP_WIRE;

/* RFC 791 section 3.1 */
struct tp_ip4_hdr {
	__u8   version_ihl;
	__u8   tos;
	__be16 tot_len;
	__be16 id;
	__be16 frag_off;
	__u8   ttl;
	__u8   protocol;
	__u16  check;
	__be32 saddr;
	__be32 daddr;
} TP_WIRE;

/* RFC 8200 section 3; the first word is version, traffic class, flow label */
struct tp_ip6_hdr {
	__be32 first;
	__be16 payload_len;
	__u8   nexthdr;
	__u8   hop_limit;
	__be32 saddr[4];
	__be32 daddr[4];
} TP_WIRE;

/* RFC 768 */
struct tp_udp_hdr {
	__be16 sport;
	__be16 dport;
	__be16 len;
	__u16  check;
} TP_WIRE;

/* network byte order to a number and back */
#define TP_N16(x)	tp_csum_number(x)
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define TP_N32(x)	__builtin_bswap32(x)
#else
#define TP_N32(x)	((__u32)(x))
#endif

#define TP_ETH_IPV4	0x0800
#define TP_ETH_IPV6	0x86DD
#define TP_ETH_VLAN	0x8100
#define TP_ETH_QINQ	0x88A8
#define TP_IP4_DF	0x4000
#define TP_IP4_FRAGMENT	0x3FFF		/* more fragments, offset */
#define TP_PROTO_UDP	17
#define TP_VERSION_IHL	0x45		/* IPv4 without options */

/*
 * Bytes between two places of a frame. In BPF by an instruction that the compiler
 * does not look into: it would subtract halves of pointers, and the verifier takes
 * the result for any number and so follows one path where it knew three.
 */
TP_INLINE __u32 tp_distance(const __u8 *from, const __u8 *to)
{
#ifdef __bpf__
	__u64 a = (__u64)from, b = (__u64)to;

	__asm__ __volatile__("%0 -= %1" : "+r"(b) : "r"(a));
	return (__u32)b;
#else
	return (__u32)(to - from);
#endif
}

/* parsing went well: not a reason that is ever counted */
#define TP_R_NONE	TP_R_MAX

/* Numbers are in host order, __be16 as they came. The family is known by who parsed. */
struct tp_flow {
	__u8   ttl;
	__u8   tos;		/* DSCP and ECN; IPv6: the traffic class */
	__u8   df;		/* IPv4: do not fragment */
	__u8   bad_mac;		/* no station sends from this address */
	__u8   bad_ip_check;	/* IPv4 header checksum is wrong */
	__u16  headers;		/* bytes before the UDP payload */
	__u16  ip_len;		/* the IP packet, with its header */
	__u16  udp_len;		/* the UDP datagram, with its header */
	__u16  udp_check;	/* as it came */
	__be16 channel;		/* of a ChannelData header, or 0 */
	__u8   stun;		/* begins like this STUN message: TP_STUN_SEND, _BINDING; or 0 */
	__u16  channel_len;	/* its Length field */
	__be16 sport, dport;
	__u64  dmac;		/* see tp_mac_at() */
	union {
		struct {
			__be32 saddr, daddr;
		} ip4;
		struct {
			__be32 saddr[4], daddr[4];
		} ip6;
	};
};

/* Six bytes as a number with two zero bytes behind them in memory; from 8 bytes. */
TP_INLINE __u64 tp_mac_at(const __u8 *at)
{
	__u64 mac = tp_load64(at);

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return mac & 0xffffffffffffULL;
#else
	return mac & ~0xffffULL;
#endif
}

/*
 * A frame sent to many stations is never relayed (RFC 1122 section 3.3.6), and
 * one from a multicast or zero address, or from the address it is sent to, was
 * not sent by a station (IEEE 802.3).
 */
TP_INLINE int tp_parse_mac(const struct tp_eth_hdr *eth, struct tp_flow *flow)
{
	__u64 smac = tp_mac_at(eth->smac);

	flow->dmac = tp_mac_at(eth->dmac);
	flow->bad_mac = (eth->smac[0] & 1) | !smac | (smac == flow->dmac);
	return eth->dmac[0] & 1;
}

/* Does this begin like a Send indication or a Binding request (RFC 8489 section 5)? */
TP_INLINE __u8 tp_parse_stun(const __u8 *at, const __u8 *end)
{
	if (at + TP_STUN_HDR_LEN > end)
		return 0;
	if (at[0] || (at[1] != TP_STUN_SEND && at[1] != TP_STUN_BINDING))
		return 0;
	return tp_load32(at + 4) == TP_N32(TP_STUN_COOKIE) ? at[1] : 0;
}

/* at is the UDP header, room the bytes of the IP payload. */
TP_INLINE enum tp_reason tp_parse_udp(const __u8 *at, const __u8 *end, __u32 room,
				      struct tp_flow *flow)
{
	const struct tp_udp_hdr *udp = (const void *)at;
	const struct tp_channel_hdr *channel;
	__u32 len;

	if (room < sizeof(*udp) || at + sizeof(*udp) > end)
		return TP_R_BAD_FRAME;
	len = TP_N16(udp->len);
	/* shorter than the IP payload is legal: the rest is not the datagram's */
	if (len < sizeof(*udp) || len > room)
		return TP_R_BAD_FRAME;
	flow->sport = udp->sport;
	flow->dport = udp->dport;
	flow->udp_len = (__u16)len;
	flow->udp_check = udp->check;
	flow->channel = 0;
	flow->channel_len = 0;
	flow->stun = 0;
	at += sizeof(*udp);
	/* RFC 8656 section 12: the first two bits tell ChannelData from STUN */
	if (len < sizeof(*udp) + sizeof(*channel) || at + sizeof(*channel) > end)
		return TP_R_NONE;
	if ((at[0] & 0xc0) != 0x40) {
		flow->stun = tp_parse_stun(at, end);
		return TP_R_NONE;
	}
	channel = (const void *)at;
	__builtin_memcpy(&flow->channel, &channel->number, sizeof(flow->channel));
	flow->channel_len = TP_N16(channel->length);
	return TP_R_NONE;
}

/* Lengths are compared with lengths: older BPF verifiers take no unbounded number
 * next to a pointer. */
TP_INLINE enum tp_reason tp_parse_ip4(const __u8 *at, const __u8 *end, struct tp_flow *flow)
{
	const struct tp_ip4_hdr *ip = (const void *)at;
	__u32 room = tp_distance(at, end), len, ihl, frag;
	__u64 sum;

	if (at + sizeof(*ip) > end)
		return TP_R_BAD_FRAME;
	ihl = (ip->version_ihl & 0xf) * 4;
	len = TP_N16(ip->tot_len);
	if ((ip->version_ihl >> 4) != 4 || ihl < sizeof(*ip) || len < ihl || len > room)
		return TP_R_BAD_FRAME;
	if (ip->protocol != TP_PROTO_UDP)
		return TP_R_NOT_UDP;
	frag = TP_N16(ip->frag_off);
	if (frag & TP_IP4_FRAGMENT)
		return TP_R_FRAGMENT;
	if (ihl > sizeof(*ip))
		return TP_R_OPTIONS;
	sum = tp_csum_words(ip, sizeof(*ip));
	flow->bad_ip_check = tp_csum_fold(sum) != 0xffff;
	flow->ip_len = (__u16)len;
	flow->ttl = ip->ttl;
	flow->tos = ip->tos;
	flow->df = (frag & TP_IP4_DF) != 0;
	flow->ip4.saddr = ip->saddr;
	flow->ip4.daddr = ip->daddr;
	flow->headers += sizeof(*ip) + sizeof(struct tp_udp_hdr);
	return tp_parse_udp(at + sizeof(*ip), end, len - (__u32)sizeof(*ip), flow);
}

/* What an IPv6 packet is whose next header is not UDP. */
TP_INLINE enum tp_reason tp_parse_ip6_other(const __u8 *at, const __u8 *end)
{
	const struct tp_ip6_hdr *ip = (const void *)at;
	const __u8 *next = at + sizeof(*ip);

	switch (ip->nexthdr) {
	case 44:
		return TP_R_FRAGMENT;
	case 43:	/* routing: type 0 is forbidden, RFC 5095 */
		if (next + 4 <= end && next[2] == 0)
			return TP_R_BAD_FRAME;
		return TP_R_OPTIONS;
	case 0:		/* hop by hop: length 0 would be a jumbogram, RFC 2675 */
		return ip->payload_len ? TP_R_OPTIONS : TP_R_BAD_FRAME;
	case 60: case 51: case 135: case 139: case 140:
		return TP_R_OPTIONS;
	default:
		return TP_R_NOT_UDP;
	}
}

TP_INLINE enum tp_reason tp_parse_ip6(const __u8 *at, const __u8 *end, struct tp_flow *flow)
{
	const struct tp_ip6_hdr *ip = (const void *)at;
	__u32 room = tp_distance(at, end), len, first;
	int i;

	if (at + sizeof(*ip) > end)
		return TP_R_BAD_FRAME;
	first = TP_N32(ip->first);
	len = TP_N16(ip->payload_len);
	if ((first >> 28) != 6 || sizeof(*ip) + len > room)
		return TP_R_BAD_FRAME;
	if (ip->nexthdr != TP_PROTO_UDP)
		return tp_parse_ip6_other(at, end);
	flow->bad_ip_check = 0;
	flow->ip_len = (__u16)(sizeof(*ip) + len);
	flow->ttl = ip->hop_limit;
	flow->tos = (__u8)(first >> 20);
	flow->df = 0;
	for (i = 0; i < 4; i++) {
		flow->ip6.saddr[i] = ip->saddr[i];
		flow->ip6.daddr[i] = ip->daddr[i];
	}
	flow->headers += sizeof(*ip) + sizeof(struct tp_udp_hdr);
	return tp_parse_udp(at + sizeof(*ip), end, len, flow);
}

/*
 * The link layer. TP_R_NONE: *type is TP_ETH_IPV4 or TP_ETH_IPV6, *at that header,
 * and tp_parse_ip4() or tp_parse_ip6() goes on.
 */
#ifdef TP_HOST_ROUTED
TP_INLINE enum tp_reason tp_parse_eth(const __u8 *data, const __u8 *end, struct tp_flow *flow,
				      const __u8 **at, __u16 *type)
{
	if (data + 1 > end)
		return TP_R_NOT_UDP;
	*at = data;
	*type = (data[0] >> 4) == 4 ? TP_ETH_IPV4 : TP_ETH_IPV6;
	flow->headers = 0;
	flow->bad_mac = 0;
	flow->dmac = 0;
	return TP_R_NONE;
}
#else
TP_INLINE enum tp_reason tp_parse_eth(const __u8 *data, const __u8 *end, struct tp_flow *flow,
				      const __u8 **at, __u16 *type)
{
	const struct tp_eth_hdr *eth = (const void *)data;
	const struct tp_vlan_hdr *vlan;
	int i;

	*at = data + sizeof(*eth);
	if (*at > end)
		return TP_R_NOT_UDP;
	*type = TP_N16(eth->type);
	for (i = 0; i < 2; i++) {
		if (*type != TP_ETH_VLAN && *type != TP_ETH_QINQ)
			break;
		vlan = (const void *)*at;
		*at += sizeof(*vlan);
		if (*at > end)
			return TP_R_NOT_UDP;
		*type = TP_N16(vlan->type);
	}
	if (*type != TP_ETH_IPV4 && *type != TP_ETH_IPV6)
		return TP_R_NOT_UDP;
	flow->headers = (__u16)tp_distance(data, *at);
	return tp_parse_mac(eth, flow) ? TP_R_OTHER_MAC : TP_R_NONE;
}
#endif

/* From a frame to a flow, and which family. */
TP_INLINE enum tp_reason tp_parse(const __u8 *data, const __u8 *end, struct tp_flow *flow,
				  int *family)
{
	enum tp_reason reason;
	const __u8 *at;
	__u16 type;

	reason = tp_parse_eth(data, end, flow, &at, &type);
	if (reason != TP_R_NONE)
		return reason;
	*family = type == TP_ETH_IPV4 ? 4 : 6;
	if (type == TP_ETH_IPV4)
		return tp_parse_ip4(at, end, flow);
	return tp_parse_ip6(at, end, flow);
}

/*
 * For a packet that no row claims: is it one that nobody may have sent to this
 * host? LAND (source and destination the same), a multicast, broadcast or
 * loopback source on the wire (RFC 1122 section 3.2.1.3, RFC 4291 sections 2.5.3
 * and 2.7), an IPv4-mapped one, destination port 0 (RFC 768 has no port 0 to
 * receive on). 0.0.0.0/8 and 240.0.0.0/4 pass: DHCP and some clouds use them.
 */
TP_INLINE int tp_flow_impossible(const struct tp_flow *flow, int family)
{
	int same_port = flow->sport == flow->dport;
	const __be32 *s, *d;
	__u32 saddr;

	if (!flow->dport)
		return 1;
	if (family == 4) {
		saddr = TP_N32(flow->ip4.saddr);
		return (saddr >> 24) == 127 || (saddr >> 28) == 14 || saddr == 0xffffffff ||
			(same_port && flow->ip4.saddr == flow->ip4.daddr);
	}
	s = flow->ip6.saddr;
	d = flow->ip6.daddr;
	if (same_port && !((s[0] ^ d[0]) | (s[1] ^ d[1]) | (s[2] ^ d[2]) | (s[3] ^ d[3])))
		return 1;
	if ((TP_N32(s[0]) >> 24) == 0xff)
		return 1;
	if (s[0] | s[1])
		return 0;
	return TP_N32(s[2]) == 0xffff || (!s[2] && TP_N32(s[3]) == 1);
}

#endif
