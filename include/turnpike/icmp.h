/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * ICMP errors to the sender of a packet that cannot be relayed as it is: too large for
 * the way out and not to be fragmented (RFC 8656 sections 13 and 14, preferred
 * behaviour), or with its TTL used up (sections 13.1 to 13.3). The packet itself
 * becomes the error, and goes back the way that it came.
 *
 * What is not answered is what it was before: passed up, where the daemon fragments it
 * (the alternate behaviour), or dropped for its TTL. So a sender who never hears of the
 * errors loses no more than their rate.
 */
#ifndef TURNPIKE_ICMP_H
#define TURNPIKE_ICMP_H

#include <linux/types.h>
#include <turnpike/checksum.h>
#include <turnpike/host.h>
#include <turnpike/limit.h>
#include <turnpike/packet.h>
#include <turnpike/reply.h>
#include <turnpike/stranger.h>
#include <turnpike/tables.h>
#include <turnpike/wire.h>
#include <turnpike/word.h>

/* RFC 1812 section 4.3.2.8, RFC 4443 section 2.4 (f): so many ns between errors to one
 * address, and ten at once. */
#define TP_ICMP_NS		100000000ULL
#define TP_ICMP_BURST_NS	(9 * TP_ICMP_NS)

/* The error is at most so long: RFC 1812 section 4.3.2.3, RFC 4443 section 3.2. */
#define TP_ICMP_MAX(family)	((family) == 4 ? 576U : 1280U)
/* Senders cannot go below (RFC 791; RFC 8200 section 5): then it is fragmented here. */
#define TP_ICMP_MTU_MIN(family)	((family) == 4 ? 68U : 1280U)
#define TP_ICMP_WORDS		((1280 - 48) / 4)

#define TP_PROTO_ICMP		1
#define TP_PROTO_ICMP6		58
#define TP_ICMP_HDR_LEN		8
/* Type and code, as the first 16 bits. */
#define TP_ICMP4_TOO_BIG	0x0304	/* RFC 1191 section 4 */
#define TP_ICMP4_TIME_EXCEEDED	0x0b00
#define TP_ICMP6_TOO_BIG	0x0200
#define TP_ICMP6_TIME_EXCEEDED	0x0300
/* RFC 1812 section 4.3.2.5: internetwork control */
#define TP_ICMP4_TOS		0xc0

/*
 * The largest IP packet that its sender may use, where the way out takes mtu bytes. taken
 * is what is taken away around the data, put what is put before them. Data indications
 * are padded to 4 bytes, so the data have to fit with that.
 */
TP_INLINE __u32 tp_icmp_mtu(int in, int out, __u32 mtu, __u32 taken, __u32 put)
{
	__u32 before = TP_IP_HDR(out) + (__u32)sizeof(struct tp_udp_hdr) + put;
	__u32 room = mtu > before ? mtu - before : 0;

	if (put > TP_CHANNEL_HDR_LEN)
		room &= ~3U;
	return TP_IP_HDR(in) + (__u32)sizeof(struct tp_udp_hdr) + taken + room;
}

/* Is there an error to be sent, and may it be sent now? mtu 0: not known. */
TP_INLINE int tp_icmp_due(struct tp_host *host, const struct tp_flow *flow, int in,
			  enum tp_reason reason, __u32 mtu)
{
	__u64 now = tp_host_now(host), seed[2];
	struct tp_stranger *sender;

	if (reason == TP_R_MTU && ((in == 4 && !flow->df) || mtu < TP_ICMP_MTU_MIN(in)))
		return 0;
	tp_host_seed(host, seed);
	sender = tp_host_stranger(host, tp_stranger_host(seed, flow, in));
	if (!sender || !tp_bucket_has(&sender->errors_ns, now, TP_ICMP_BURST_NS))
		return 0;
	tp_bucket_take(&sender->errors_ns, now, TP_ICMP_NS);
	return 1;
}

TP_INLINE __u32 tp_icmp_type(int in, enum tp_reason reason)
{
	if (in == 4)
		return reason == TP_R_MTU ? TP_ICMP4_TOO_BIG : TP_ICMP4_TIME_EXCEEDED;
	return reason == TP_R_MTU ? TP_ICMP6_TOO_BIG : TP_ICMP6_TIME_EXCEEDED;
}

/* The sum of the addresses, length and protocol, RFC 4443 section 2.3; IPv4 has none. */
TP_INLINE __u64 tp_icmp_pseudo(const struct tp_flow *flow, int in, __u32 len)
{
	__u64 sum = TP_N16(TP_PROTO_ICMP6) + (__u64)TP_N16((__u16)len);
	int i;

	if (in == 4)
		return 0;
	for (i = 0; i < 4; i++)
		sum += (__u64)TP_RAW32(flow->ip6.saddr[i]) + TP_RAW32(flow->ip6.daddr[i]);
	return sum;
}

/* The header; at is where it goes, what is quoted follows at once. */
TP_INLINE enum tp_reason tp_icmp_write(struct tp_host *host, const struct tp_flow *flow, int in,
				       __u8 *at, __u32 quoted, enum tp_reason reason, __u32 mtu)
{
	__u32 head = TP_N32(tp_icmp_type(in, reason) << 16);
	__u32 rest = reason == TP_R_MTU ? TP_N32(mtu) : 0, i;
	const __u8 *end = tp_host_end(host), *from = at + TP_ICMP_HDR_LEN;
	__u64 sum = tp_icmp_pseudo(flow, in, TP_ICMP_HDR_LEN + quoted) + head + rest;

	if (from > end)
		return TP_R_REWRITE;
	for (i = 0; i < TP_ICMP_WORDS; i++) {
		if (4 * i >= quoted || from + 4 > end)
			break;
		sum += tp_load32(from);
		from += 4;
	}
	tp_store32(at, head | TP_N32((__u32)TP_N16((__u16)~tp_csum_fold(sum))));
	tp_store32(at + 4, rest);
	return reason == TP_R_MTU ? TP_R_TOO_BIG : TP_R_TIME_EXCEEDED;
}

/* What is quoted stays where it is: as much as fits, whole words of it. */
TP_INLINE enum tp_reason tp_icmp_make(struct tp_host *host, const struct tp_flow *flow, int in,
				      enum tp_reason reason, __u32 mtu)
{
	const __u32 put = TP_IP_HDR(in) + TP_ICMP_HDR_LEN, most = TP_ICMP_MAX(in) - put;
	__u32 quoted = (flow->ip_len > most ? most : flow->ip_len) & ~3U, left;
	struct tp_reply reply;
	__u8 *at;

	if (tp_reply_keep(host, flow, in, &reply) || tp_host_grow(host, put, in))
		return reason;
	left = tp_distance(tp_host_data(host), tp_host_end(host)) - reply.len - put;
	if (left > quoted && tp_host_trim(host, left - quoted))
		return TP_R_REWRITE;
	at = tp_reply_eth(host, &reply);
	if (at)
		at = tp_reply_ip(at, tp_host_end(host), flow, in,
				 in == 4 ? TP_PROTO_ICMP : TP_PROTO_ICMP6,
				 in == 4 ? TP_ICMP4_TOS : 0, TP_ICMP_HDR_LEN + quoted);
	if (!at)
		return TP_R_REWRITE;
	tp_host_back(host);
	return tp_icmp_write(host, flow, in, at, quoted, reason, mtu);
}

#endif
