/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What comes to one of the server's own addresses and belongs to no flow: STUN
 * Binding requests with nothing unusual in them are answered in place, byte for byte
 * as the daemon would; strangers' requests above the rate and answers that nobody
 * asked for are dropped; everything else is passed up.
 *
 * A row of kind TP_ROW_LISTENER says that the daemon listens there. Its lease is
 * short and renewed, so that a daemon that is no more soon answers nothing.
 */
#ifndef TURNPIKE_LISTENER_H
#define TURNPIKE_LISTENER_H

#include <linux/types.h>
#include <turnpike/crc.h>
#include <turnpike/forward.h>
#include <turnpike/limit.h>
#include <turnpike/reply.h>
#include <turnpike/stranger.h>

/*
 * Replies to strangers are limited (a source may be forged, and stand for somebody
 * who never asked). An address may have unauthorized-ratelimit-rps requests a second
 * that want credentials, and 64 times as many Binding requests: their answers are
 * hardly larger than they are, and behind one address of a carrier's NAT are tens of
 * thousands of hosts that each ask every half minute (the default of 100 gives
 * them 6400 a second). A network may have ten times what an address may.
 */
#define TP_STRANGER_BURST_NS	4000000000ULL
#define TP_STRANGER_BINDINGS	64
#define TP_STRANGER_NET_TIMES	10

#define TP_BINDING_SUCCESS	0x0101
#define TP_STUN_ANSWER		0x0100	/* class bit of success and error */
#define TP_STUN_INDICATION	0x0010
#define TP_T_MI			0x0008
#define TP_T_MI_SHA256		0x001c
#define TP_T_XOR_MAPPED		0x0020

/* A Binding request that is answered here has at most so many attributes, of so
 * many bytes together. */
#define TP_BINDING_ATTRS	4
#define TP_BINDING_ATTR_BYTES	64
#define TP_BINDING_WORDS	((TP_STUN_HDR_LEN + TP_BINDING_ATTR_BYTES) / 4)
/* The answer: header, XOR-MAPPED-ADDRESS for IPv6, FINGERPRINT. */
#define TP_BINDING_OUT_WORDS	13

/* What tp_listener() works on, which the stack of a BPF program has no room for. */
struct tp_listener_work {
	struct tp_flow flow;
	struct tp_key6 key;
	struct tp_plan row;
	__u32 word[TP_BINDING_OUT_WORDS];
};

/* A place of the payload that the BPF verifier knows to be near its start. */
TP_INLINE const __u8 *tp_listener_at(const __u8 *from, __u32 offset)
{
	__asm__ __volatile__("" : "+r"(offset));
	return from + (offset & 0x7f);
}

TP_INLINE __u16 tp_listener_u16(const __u8 *at)
{
	return (__u16)(at[0] << 8 | at[1]);
}

/* 0: nobody listens there. */
TP_INLINE int tp_listener_find(struct tp_host *host, struct tp_listener_work *work, int in)
{
	const struct tp_flow *flow = &work->flow;
	struct tp_key6 *to = &work->key;

	__builtin_memset(to, 0, sizeof(*to));
	to->dport = flow->dport;
	if (in == 4)
		__builtin_memcpy(to->daddr, &flow->ip4.daddr, sizeof(flow->ip4.daddr));
	else
		__builtin_memcpy(to->daddr, flow->ip6.daddr, sizeof(to->daddr));
	/* in place: a call less */
	return tp_find_live(host, to, in, &work->row) == TP_R_NONE &&
	       work->row.kind == TP_ROW_LISTENER;
}

/* ------------------------------------------------------------- strangers */

TP_INLINE __u64 *tp_stranger_bucket(struct tp_host *host, __u32 index, int binding)
{
	struct tp_stranger *s = tp_host_stranger(host, index);

	if (!s)
		return 0;
	return binding ? &s->bindings_ns : &s->requests_ns;
}

/* Whether one more request may pass; request_ns is the row's. */
TP_INLINE int tp_stranger_takes(struct tp_host *host, const struct tp_flow *flow, int in,
				__u32 request_ns, int binding)
{
	__u64 now = tp_host_now(host), cost = request_ns, *mine, *net, seed[2];

	if (!request_ns)
		return 1;
	if (binding)
		cost = cost / TP_STRANGER_BINDINGS + 1;
	tp_host_seed(host, seed);
	mine = tp_stranger_bucket(host, tp_stranger_host(seed, flow, in), binding);
	net = tp_stranger_bucket(host, tp_stranger_net(seed, flow, in), binding);
	if (!mine || !net)
		return 1;
	if (!tp_bucket_has(mine, now, TP_STRANGER_BURST_NS) ||
	    !tp_bucket_has(net, now, TP_STRANGER_BURST_NS))
		return 0;
	tp_bucket_take(mine, now, cost);
	tp_bucket_take(net, now, cost / TP_STRANGER_NET_TIMES + 1);
	return 1;
}

/*
 * Whether an integrity attribute stands at the end, where RFC 8489 sections 14.5 to
 * 14.7 want it: before nothing but FINGERPRINT. One that is wrong gets past here, and
 * no further than to the daemon, which limits what it answers as well.
 */
TP_INLINE int tp_listener_integrity(const __u8 *at, const __u8 *end, __u32 len)
{
	const __u8 *p;
	__u32 i, back, word;

	for (i = 0; i < 4; i++) {
		back = (i & 1 ? 36 : 24) + (i & 2 ? 8 : 0);
		if (len < TP_STUN_HDR_LEN + back)
			continue;
		back = len - back;
		__asm__ __volatile__("" : "+r"(back));
		p = at + (back & 0x7fff);
		if (p + 4 > end)
			continue;
		word = i & 1 ? (TP_T_MI_SHA256 << 16 | 32) : (TP_T_MI << 16 | 20);
		if (tp_load32(p) == TP_N32(word))
			return 1;
	}
	return 0;
}

/* -------------------------------------------------------------- requests */

/*
 * Nothing unusual: the length fits exactly, and no attributes but SOFTWARE, such as may
 * be ignored and are not known to the daemon (which has those that it knows be well
 * formed), and FINGERPRINT, at the end.
 */
TP_INLINE int tp_binding_plain(const __u8 *at, const __u8 *end, __u32 len, int *fingerprint)
{
	__u32 i, off = TP_STUN_HDR_LEN, type, size;
	const __u8 *p;

	*fingerprint = 0;
	if (len > TP_STUN_HDR_LEN + TP_BINDING_ATTR_BYTES || (len & 3) ||
	    tp_listener_u16(at + 2) != len - TP_STUN_HDR_LEN)
		return 0;
	for (i = 0; i < TP_BINDING_ATTRS; i++) {
		if (off >= len)
			break;
		p = tp_listener_at(at, off);
		if (p + TP_STUN_ATTR_HDR_LEN > end)
			return 0;
		type = tp_listener_u16(p);
		size = tp_listener_u16(p + 2);
		if (type == TP_ATTR_FINGERPRINT) {
			if (size != 4 || off + 8 != len)
				return 0;
			*fingerprint = 1;
		} else if (type != TP_ATTR_SOFTWARE && type < TP_ATTR_FINGERPRINT) {
			return 0;
		}
		off += TP_STUN_ATTR_HDR_LEN + ((size + 3) & ~3U);
		if (off > len)
			return 0;
	}
	return off == len;
}

/* The sum of the addresses, ports, protocol and both lengths of a datagram, which
 * is the same for the way back. */
TP_INLINE __u64 tp_binding_sum(const struct tp_flow *flow, int in, __u16 udp_len)
{
	__u64 sum = (__u64)TP_N16(TP_PROTO_UDP) + 2ULL * TP_N16(udp_len);
	int i;

	sum += (__u64)TP_CSUM_RAW(flow->sport) + TP_CSUM_RAW(flow->dport);
	if (in == 4)
		return sum + TP_RAW32(flow->ip4.saddr) +
		       TP_RAW32(flow->ip4.daddr);
	for (i = 0; i < 4; i++)
		sum += (__u64)TP_RAW32(flow->ip6.saddr[i]) +
		       TP_RAW32(flow->ip6.daddr[i]);
	return sum;
}

/*
 * The answer's checksum is made anew, so the request's is verified: what is damaged is
 * passed up, where the host discards it. FINGERPRINT, if there is one, as well.
 */
TP_INLINE int tp_binding_intact(const struct tp_flow *flow, int in, const __u8 *at,
				const __u8 *end, int fingerprint)
{
	__u32 len = flow->udp_len - (__u32)sizeof(struct tp_udp_hdr);
	__u32 i, word, crc = TP_CRC_START, last = 0;
	__u64 sum = tp_binding_sum(flow, in, flow->udp_len);

	for (i = 0; i < TP_BINDING_WORDS; i++) {
		if (4 * i >= len || at + 4 > end)
			break;
		word = tp_load32(at);
		at += 4;
		sum += word;
		last = word;
		if (fingerprint && 4 * i + 8 < len)
			crc = tp_crc_word(crc, word);
	}
	if (flow->udp_check && tp_csum_fold(sum + flow->udp_check) != 0xffff)
		return 0;
	return !fingerprint || last == TP_N32(~crc ^ TP_FINGERPRINT_XOR);
}

/*
 * A source that the host's own stack would not answer either (RFC 1122 section
 * 3.2.1.3), or whose port is one that the server listens on: it may be forged, to have
 * the server talk to itself. The daemon knows more and decides.
 */
TP_INLINE int tp_binding_source(const struct tp_flow *flow, int in, const struct tp_row_listener *l)
{
	__u32 first, i;

	if (!flow->sport)
		return 0;
	for (i = 0; i < TP_LISTENER_PORTS; i++) {
		if (flow->sport == l->port[i])
			return 0;
	}
	if (in == 6)
		return (flow->ip6.saddr[0] | flow->ip6.saddr[1]) != 0;
	first = TP_N32(flow->ip4.saddr) >> 24;
	return first && first < 240;
}

/* --------------------------------------------------------------- answers */

/* RFC 8489 sections 5, 14.2 and 14.7. at is the request; number of words. */
TP_INLINE __u32 tp_binding_make(__u32 word[TP_BINDING_OUT_WORDS], const __u8 *at,
				const struct tp_flow *flow, int in, int fingerprint)
{
	const __u32 n = in == 4 ? 8 : 11, cookie = TP_N32(TP_STUN_COOKIE);
	__u32 len = 4 * n - TP_STUN_HDR_LEN + (fingerprint ? 8 : 0), port, crc = TP_CRC_START, i;

	port = TP_N16(TP_CSUM_RAW(flow->sport)) ^ (TP_STUN_COOKIE >> 16);
	word[0] = TP_N32(TP_BINDING_SUCCESS << 16 | len);
	word[1] = cookie;
	word[2] = tp_load32(at + 8);
	word[3] = tp_load32(at + 12);
	word[4] = tp_load32(at + 16);
	word[5] = TP_N32(TP_T_XOR_MAPPED << 16 | (in == 4 ? 8 : 20));
	word[6] = TP_N32((in == 4 ? 1U : 2U) << 16 | port);
	if (in == 4) {
		word[7] = TP_RAW32(flow->ip4.saddr) ^ cookie;
	} else {
		for (i = 0; i < 4; i++)
			word[7 + i] = TP_RAW32(flow->ip6.saddr[i]) ^ word[1 + i];
	}
	if (!fingerprint)
		return n;
	for (i = 0; i < n; i++)
		crc = tp_crc_word(crc, word[i]);
	word[n] = TP_N32((__u32)TP_ATTR_FINGERPRINT << 16 | 4);
	word[n + 1] = TP_N32(~crc ^ TP_FINGERPRINT_XOR);
	return n + 2;
}

/* UDP back to where the request came from; where the answer goes, 0 without room. */
TP_INLINE __u8 *tp_binding_udp(__u8 *at, const __u8 *end, const struct tp_flow *flow,
			       __u16 udp_len, __u16 check)
{
	struct tp_udp_hdr *udp = (void *)at;

	at += sizeof(*udp);
	if (at > end)
		return 0;
	udp->sport = flow->dport;
	udp->dport = flow->sport;
	udp->len = TP_N16(udp_len);
	udp->check = check;
	return at;
}

/*
 * The whole frame is written anew from a head that has been moved to where its length
 * comes out right; only what is behind the MAC addresses up to the IP header (VLAN
 * tags) stays, at most 10 bytes.
 */
TP_INLINE enum tp_reason tp_binding_send(struct tp_host *host, const struct tp_flow *flow, int in,
					 const __u32 word[TP_BINDING_OUT_WORDS], __u32 n)
{
	__u16 udp_len = (__u16)(sizeof(struct tp_udp_hdr) + 4 * n), check;
	__u32 len = tp_distance(tp_host_data(host), tp_host_end(host)), i;
	__u64 sum = tp_binding_sum(flow, in, udp_len);
	struct tp_reply reply;
	const __u8 *end;
	__u8 *at;

	if (tp_reply_keep(host, flow, in, &reply))
		return TP_R_BAD_FRAME;
	if (tp_host_grow(host, (__s32)(reply.len + TP_IP_HDR(in) + udp_len) - (__s32)len, in))
		return TP_R_HEADROOM;
	for (i = 0; i < TP_BINDING_OUT_WORDS; i++) {
		if (i < n)
			sum += word[i];
	}
	check = (__u16)~tp_csum_fold(sum);
	end = tp_host_end(host);
	at = tp_reply_eth(host, &reply);
	if (at)
		at = tp_reply_ip(at, end, flow, in, TP_PROTO_UDP, 0, udp_len);
	if (at)
		at = tp_binding_udp(at, end, flow, udp_len, check ? check : 0xffff);
	if (!at)
		return TP_R_REWRITE;
	for (i = 0; i < TP_BINDING_OUT_WORDS; i++) {
		if (i >= n || at + 4 > end)
			break;
		tp_store32(at, word[i]);
		at += 4;
	}
	tp_host_back(host);
	return TP_R_BINDING;
}

/* ----------------------------------------------------------------- all of it */

TP_INLINE enum tp_reason tp_listener_binding(struct tp_host *host, const struct tp_flow *flow,
					     int in, struct tp_listener_work *work)
{
	const struct tp_plan *row = &work->row;
	const __u8 *at = tp_listener_at(tp_host_data(host), flow->headers);
	const __u8 *end = tp_host_end(host);
	__u32 n;
	int fingerprint;

	if (at + TP_STUN_HDR_LEN > end || !(row->flags & TP_ROW_BINDING))
		return TP_R_NO_ROW;
	if (!tp_binding_plain(at, end, flow->udp_len - (__u32)sizeof(struct tp_udp_hdr),
			      &fingerprint) ||
	    !tp_binding_intact(flow, in, at, end, fingerprint) ||
	    !tp_binding_source(flow, in, (const void *)row->ip6))
		return TP_R_NO_ROW;
	n = tp_binding_make(work->word, at, flow, in,
			    fingerprint || (row->flags & TP_ROW_FINGERPRINT));
	return tp_binding_send(host, flow, in, work->word, n);
}

TP_INLINE enum tp_reason tp_listener_from(struct tp_host *host, struct tp_listener_work *work,
					  int in)
{
	const struct tp_flow *flow = &work->flow;
	const __u8 *at = tp_listener_at(tp_host_data(host), flow->headers);
	const __u8 *end = tp_host_end(host);
	__u32 len = flow->udp_len - (__u32)sizeof(struct tp_udp_hdr), type;
	int binding;

	/* RFC 8489 section 5; RFC 7983: what begins with 20 to 63 is DTLS */
	if (len < TP_STUN_HDR_LEN || at + TP_STUN_HDR_LEN > end || (at[0] & 0xfc) ||
	    tp_load32(at + 4) != TP_N32(TP_STUN_COOKIE))
		return TP_R_NO_ROW;
	type = tp_listener_u16(at);
	binding = type == TP_STUN_BINDING;
	if (!tp_listener_find(host, work, in))
		return TP_R_NO_ROW;
	if (flow->bad_mac | flow->bad_ip_check | (in == 6 && !flow->udp_check))
		return TP_R_BAD_FRAME;
	if (!tp_host_own_mac(host, flow->dmac))
		return TP_R_OTHER_MAC;
	if (type & TP_STUN_ANSWER)
		return TP_R_UNASKED;
	if (type & TP_STUN_INDICATION)
		return TP_R_NO_ROW;
	if (tp_listener_integrity(at, end, len))
		return TP_R_NO_ROW;
	if (!tp_stranger_takes(host, flow, in, work->row.ip4[0], binding))
		return TP_R_STRANGER;
	return binding ? tp_listener_binding(host, flow, in, work) : TP_R_NO_ROW;
}

/*
 * For tp_host_unclaimed(). The frame is parsed once more, so that this can be a function
 * of its own and cost relayed packets nothing.
 */
TP_INLINE enum tp_reason tp_listener(struct tp_host *host, int in, struct tp_listener_work *work)
{
	const __u8 *end = tp_host_end(host), *at;
	struct tp_flow *flow = &work->flow;
	enum tp_reason reason;
	__u16 type;

	reason = tp_parse_eth(tp_host_data(host), end, flow, &at, &type);
	if (reason != TP_R_NONE)
		return reason;
	reason = in == 4 ? tp_parse_ip4(at, end, flow) : tp_parse_ip6(at, end, flow);
	return reason == TP_R_NONE ? tp_listener_from(host, work, in) : reason;
}

#endif
