/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Writing a frame that goes back to where one came from: by the same interface, with
 * the MAC addresses exchanged and the VLAN tags as they were.
 */
#ifndef TURNPIKE_REPLY_H
#define TURNPIKE_REPLY_H

#include <linux/types.h>
#include <turnpike/checksum.h>
#include <turnpike/host.h>
#include <turnpike/packet.h>
#include <turnpike/wire.h>
#include <turnpike/word.h>

/* An address's 32 bits as they are on the wire. */
#ifdef __CHECKER__
#define TP_RAW32(x)	((__attribute__((force)) __u32)(x))
#else
#define TP_RAW32(x)	((__u32)(x))
#endif

#define TP_IP_HDR(family)	((family) == 4 ? (__u32)sizeof(struct tp_ip4_hdr) : \
				 (__u32)sizeof(struct tp_ip6_hdr))

/* The link layer of what came, at most 22 bytes: MAC addresses, tags, type. */
struct tp_reply {
	__u64 dmac, smac, tags;
	__u32 tags_end;
	__u32 len;
};

/* 0, or the frame is shorter than that. */
TP_INLINE int tp_reply_keep(struct tp_host *host, const struct tp_flow *flow, int in,
			    struct tp_reply *reply)
{
	const __u8 *at = tp_host_data(host), *end = tp_host_end(host);

	if (at + 24 > end)
		return -1;
	reply->dmac = tp_load64(at);
	reply->smac = tp_load64(at + 6);
	reply->tags = tp_load64(at + 12);
	reply->tags_end = tp_load32(at + 18);
	reply->len = flow->headers - TP_IP_HDR(in) - (__u32)sizeof(struct tp_udp_hdr);
	return 0;
}

/* Once the head has been moved: where the IP header goes, or 0 without room. */
TP_INLINE __u8 *tp_reply_eth(struct tp_host *host, const struct tp_reply *reply)
{
	const __u8 *end = tp_host_end(host);
	__u8 *at = tp_host_data(host);
	__u32 len = reply->len;

	if (at + 24 > end)
		return 0;
	/* each writes into what the next one then puts right */
	tp_store64(at, reply->smac);
	tp_store64(at + 6, reply->dmac);
	tp_store64(at + 12, reply->tags);
	tp_store32(at + 18, reply->tags_end);
	__asm__ __volatile__("" : "+r"(len));
	return at + (len & 0x1f);
}

/* IP back to where the flow's packet came from, TTL 64: where the payload, of so many
 * bytes, goes, or 0 without room for the header. */
TP_INLINE __u8 *tp_reply_ip(__u8 *at, const __u8 *end, const struct tp_flow *flow, int in,
			    __u32 proto, __u32 tos, __u32 len)
{
	__u64 sum;
	__u32 i;

	if (at + TP_IP_HDR(in) > end)
		return 0;
	if (in == 4) {
		__u32 word[5] = {
			TP_N32((__u32)TP_VERSION_IHL << 24 | tos << 16 | (len + 20)),
			/* RFC 6864: not to be fragmented, so it needs no identification */
			TP_N32(TP_IP4_DF),
			TP_N32(64U << 24 | proto << 16),
			TP_RAW32(flow->ip4.daddr), TP_RAW32(flow->ip4.saddr),
		};

		sum = (__u64)word[0] + word[1] + word[2] + word[3] + word[4];
		word[2] |= TP_N32((__u32)TP_N16((__u16)~tp_csum_fold(sum)));
		for (i = 0; i < 5; i++)
			tp_store32(at + 4 * i, word[i]);
		return at + sizeof(struct tp_ip4_hdr);
	}
	tp_store32(at, TP_N32(6U << 28 | tos << 20));
	tp_store32(at + 4, TP_N32(len << 16 | proto << 8 | 64));
	for (i = 0; i < 4; i++) {
		tp_store32(at + 8 + 4 * i, TP_RAW32(flow->ip6.daddr[i]));
		tp_store32(at + 24 + 4 * i, TP_RAW32(flow->ip6.saddr[i]));
	}
	return at + sizeof(struct tp_ip6_hdr);
}

#endif
