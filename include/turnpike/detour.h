/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The relay core's other ways, each a step or two longer than the straight one of
 * forward.h: Send indications to peers, peers' datagrams as Data indications (RFC
 * 8656 section 11), and from client to client of this host (hairpin).
 *
 * A detour has two halves. The first takes the client's header off: then there is a
 * datagram from a relayed address to a peer. The second begins with a datagram from a
 * peer to a relayed address and puts a header on. A peer that is a relayed address of
 * this host joins them, and the datagram in the middle is only a key to look up.
 */
#ifndef TURNPIKE_DETOUR_H
#define TURNPIKE_DETOUR_H

#include <linux/types.h>
#include <turnpike/checksum.h>
#include <turnpike/host.h>
#include <turnpike/limit.h>
#include <turnpike/packet.h>
#include <turnpike/plan.h>
#include <turnpike/send.h>
#include <turnpike/tables.h>
#include <turnpike/wire.h>
#include <turnpike/word.h>
#include <turnpike/write.h>

/* Where the straight way ended. */
enum tp_detour_why {
	TP_DETOUR_SEND,		/* perhaps a Send indication; nothing looked up yet */
	TP_DETOUR_PEER,		/* no row */
	TP_DETOUR_BINDING,	/* the same, and it begins like a Binding request */
	TP_DETOUR_EXPIRED,	/* the channel's lease is over */
	TP_DETOUR_HERE,		/* channel to a relayed address of this host */
};

/* What is put before the data. */
enum tp_detour_wrap { TP_WRAP_NOT, TP_WRAP_CHANNEL, TP_WRAP_DATA };

/* Header and attributes of a Data indication up to the data: 20, 8 or 20, 4 + 4 */
#define TP_WRAP_LEN(family)	((family) == 4 ? 36U : 48U)
#define TP_WRAP_WORDS		12

struct tp_detour {
	struct tp_flow flow;
	struct tp_plan plan;
	struct tp_key6 mid;	/* the datagram in the middle, IPv4 in the first bytes */
	__u8   mid_family;
	__u8   wrap;
	__u8   unusual;		/* begins like a Send indication, and goes on otherwise */
	__u8   half;		/* there was a first one: its row, in the table of what arrived */
	__u32  slot;
	__u32  before, after;	/* taken away before and behind the data */
	__u64  sum;		/* added to what the UDP checksum covers */
	struct tp_send send;
	__u32  head[TP_WRAP_WORDS];
	__u8   external[16];	/* the relayed address as other clients of this host know it */
	struct tp_key6 key;	/* of other rows */
};

_Static_assert(sizeof(struct tp_detour) <= TP_SCRATCH, "scratch");

/* The key of what arrived. */
TP_INLINE void tp_detour_arrived(struct tp_detour *d, int in)
{
	__builtin_memset(&d->mid, 0, sizeof(d->mid));
	if (in == 4) {
		__builtin_memcpy(d->mid.saddr, &d->flow.ip4.saddr, 4);
		__builtin_memcpy(d->mid.daddr, &d->flow.ip4.daddr, 4);
	} else {
		__builtin_memcpy(d->mid.saddr, d->flow.ip6.saddr, 16);
		__builtin_memcpy(d->mid.daddr, d->flow.ip6.daddr, 16);
	}
	d->mid.sport = d->flow.sport;
	d->mid.dport = d->flow.dport;
	d->mid_family = (__u8)in;
}

/* The key of what would leave by the plan. */
TP_INLINE void tp_detour_leaves(struct tp_detour *d)
{
	__builtin_memset(&d->mid, 0, sizeof(d->mid));
	if (d->plan.family == 4) {
		__builtin_memcpy(d->mid.saddr, &d->plan.ip4[0], 4);
		__builtin_memcpy(d->mid.daddr, &d->plan.ip4[1], 4);
	} else {
		__builtin_memcpy(d->mid.saddr, &d->plan.ip6[0], 16);
		__builtin_memcpy(d->mid.daddr, &d->plan.ip6[2], 16);
	}
	__builtin_memcpy(&d->mid.sport, &d->plan.ports, 4);
	d->mid_family = d->plan.family;
}

/* -------------------------------------------------------------- first half */

/* As a client of this host that names the external address would be sent to. */
TP_INLINE enum tp_reason tp_detour_alias(struct tp_host *host, struct tp_detour *d)
{
	enum tp_reason reason;

	__builtin_memset(&d->key, 0, sizeof(d->key));
	__builtin_memcpy(d->key.saddr, d->mid.daddr, sizeof(d->key.saddr));
	d->key.channel = TP_N16(TP_KEY_ALIAS);
	reason = tp_lookup(host, &d->key, d->mid_family, &d->plan);
	if (reason == TP_R_NO_ROW)
		return TP_R_NONE;
	if (reason != TP_R_NONE)
		return reason;
	if (d->mid_family == 4)
		__builtin_memcpy(d->mid.daddr, &d->plan.ip4[0], 4);
	else
		__builtin_memcpy(d->mid.daddr, &d->plan.ip6[0], 16);
	return TP_R_NONE;
}

/* The way to the peer is in its permission. d->mid is from the relayed address to the peer. */
TP_INLINE enum tp_reason tp_detour_permission(struct tp_host *host, struct tp_detour *d)
{
	enum tp_reason reason;

	d->key.sport = 0;
	d->key.dport = d->mid.sport;
	d->key.channel = TP_N16(TP_KEY_PERMISSION);
	d->key.zero = 0;
	__builtin_memcpy(d->key.saddr, d->mid.daddr, sizeof(d->key.saddr));
	__builtin_memcpy(d->key.daddr, d->mid.saddr, sizeof(d->key.daddr));
	reason = tp_lookup(host, &d->key, d->mid_family, &d->plan);
	if (reason != TP_R_NONE)
		return reason;
	d->plan.nexthop = d->plan.nexthop_up;
	if (d->plan.nexthop != TP_HOP_HERE)
		return TP_R_NONE;
	__builtin_memcpy(d->mid.saddr, d->external, sizeof(d->mid.saddr));
	reason = tp_detour_alias(host, d);
	d->plan.nexthop = TP_HOP_HERE;
	return reason;
}

/* DF of the datagram in the middle, were it IPv4; see tp_write_ip4() */
TP_INLINE void tp_detour_df(struct tp_detour *d, int in, __u32 len, int asked)
{
	__u32 headers = sizeof(struct tp_ip4_hdr) + sizeof(struct tp_udp_hdr);

	/* RFC 8656 section 13.3: whatever DONT-FRAGMENT asks for */
	if (in == 6)
		d->flow.df = headers + len > TP_MTU_6TO4;
	else
		d->flow.df |= (__u8)asked;
}

/* TP_R_NO_ROW: not a Send indication of an allocation of ours. */
TP_INLINE enum tp_reason tp_detour_send(struct tp_host *host, struct tp_detour *d, int in)
{
	const struct tp_send *send = &d->send;
	enum tp_reason reason;
	__u16 id;

	d->unusual = !tp_send_parse(host, &d->flow, &d->send);
	if (d->unusual)
		return TP_R_NO_ROW;
	tp_detour_arrived(d, in);
	d->mid.channel = TP_N16(send->family == 4 ? TP_KEY_SEND4 : TP_KEY_SEND6);
	reason = tp_lookup(host, &d->mid, in, &d->plan);
	if (reason != TP_R_NONE)
		return reason;
	id = d->plan.id;
	d->slot = d->plan.slot;
	d->sum = d->plan.csum_delta;
	tp_detour_leaves(d);
	__builtin_memcpy(d->external, d->mid.daddr, sizeof(d->external));
	__builtin_memcpy(d->mid.daddr, send->ip, sizeof(d->mid.daddr));
	d->mid.dport = (__be16)send->port;
	reason = tp_detour_permission(host, d);
	if (reason != TP_R_NONE)
		return reason;
	d->half = 1;
	d->plan.id = id;
	d->before = send->before;
	d->after = d->flow.udp_len - (__u32)sizeof(struct tp_udp_hdr) - send->before - send->len;
	tp_detour_df(d, in, send->len, send->df);
	/* the row only took away what arrived */
	d->sum += tp_csum_words(d->mid.saddr, 16) + tp_csum_words(d->mid.daddr, 16);
	d->sum += (__u64)TP_CSUM_RAW(d->mid.sport) + TP_CSUM_RAW(d->mid.dport);
	d->sum += tp_csum_minus(tp_csum_fold(tp_around_sum(host, d->flow.headers, d->before,
							   send->len, d->after)));
	return TP_R_NONE;
}

/* ChannelData to a relayed address of this host; the straight way went this far. */
TP_INLINE enum tp_reason tp_detour_channel(struct tp_host *host, struct tp_detour *d, int in)
{
	__u32 used = sizeof(struct tp_udp_hdr) + TP_CHANNEL_HDR_LEN + d->flow.channel_len;
	__u32 len = d->flow.channel_len;
	enum tp_reason reason;
	__u64 gone;

	tp_detour_arrived(d, in);
	d->mid.channel = d->flow.channel;
	reason = tp_lookup(host, &d->mid, in, &d->plan);
	if (reason != TP_R_NONE)
		return reason;
	/* both may have changed meanwhile */
	if (used > d->flow.udp_len || d->plan.nexthop != TP_HOP_HERE)
		return TP_R_BUSY;
	d->after = d->flow.udp_len - used;
	if (d->after > TP_PAD_MAX)
		return TP_R_TRAILING;
	d->before = TP_CHANNEL_HDR_LEN;
	d->half = 1;
	d->slot = d->plan.slot;
	d->sum = d->plan.csum_delta;
	gone = TP_N16((__u16)len) + TP_N16((__u16)(2 * d->after));
	gone += tp_pad_sum(tp_place(host, d->flow.headers + TP_CHANNEL_HDR_LEN + len),
			   tp_host_end(host), d->after, len);
	d->sum += tp_csum_minus(tp_csum_fold(gone));
	tp_detour_leaves(d);
	tp_detour_df(d, in, len, 0);
	return TP_R_NONE;
}

/* ------------------------------------------------------------- second half */

/*
 * Who gets a datagram from a peer to a relayed address: by the channel (RFC 8656 section
 * 12.5: it comes first), by the permission, or nobody.
 */
TP_INLINE enum tp_reason tp_detour_to_client(struct tp_host *host, struct tp_detour *d, int search)
{
	enum tp_reason reason = TP_R_NO_ROW, relayed;

	d->mid.channel = 0;
	if (search)
		reason = tp_lookup(host, &d->mid, d->mid_family, &d->plan);
	d->wrap = TP_WRAP_CHANNEL;
	if (reason != TP_R_NO_ROW && reason != TP_R_EXPIRED)
		goto found;
	d->wrap = TP_WRAP_DATA;
	d->key = d->mid;
	d->key.sport = 0;
	d->key.channel = TP_N16(TP_KEY_PERMISSION);
	reason = tp_lookup(host, &d->key, d->mid_family, &d->plan);
	if (reason == TP_R_NONE && d->plan.nexthop == TP_HOP_DAEMON)
		return TP_R_STREAM;
	if (reason != TP_R_NO_ROW && reason != TP_R_EXPIRED)
		goto found;
	__builtin_memset(d->key.saddr, 0, sizeof(d->key.saddr));
	d->key.channel = TP_N16(TP_KEY_RELAYED);
	relayed = tp_lookup(host, &d->key, d->mid_family, &d->plan);
	if (relayed == TP_R_NONE && d->plan.nexthop != TP_RELAYED_OPEN)
		return TP_R_REFUSED;
	return relayed == TP_R_NONE || relayed == TP_R_NO_ROW ? reason : relayed;
found:
	if (reason != TP_R_NONE)
		return reason;
	d->sum += d->plan.csum_delta;
	/* the permission's row does not know the port */
	if (d->wrap == TP_WRAP_DATA)
		d->sum += tp_csum_minus(TP_CSUM_RAW(d->mid.sport));
	return TP_R_NONE;
}

/* ------------------------------------------------------------------ writing */

/* RFC 8656 section 11.3; the addresses of section 14.2 in RFC 8489. */
TP_INLINE void tp_detour_head(struct tp_host *host, struct tp_detour *d, __u32 len)
{
	__u32 *head = d->head;
	__u32 xor = TP_N32(TP_STUN_COOKIE), address[4];
	__u32 total = TP_WRAP_LEN(d->mid_family) - TP_STUN_HDR_LEN + ((len + 3) & ~3U);
	__u32 port = TP_N16(TP_CSUM_RAW(d->mid.sport)) ^ (TP_STUN_COOKIE >> 16);
	__u32 data = TP_N32((__u32)TP_ATTR_DATA << 16 | len);
	int i;

	__builtin_memcpy(address, d->mid.saddr, sizeof(address));
	head[0] = TP_N32((__u32)TP_STUN_DATA << 16 | total);
	head[1] = xor;
	for (i = 2; i < 5; i++)
		head[i] = tp_host_random(host);
	head[7] = address[0] ^ xor;
	if (d->mid_family == 4) {
		head[5] = TP_N32((__u32)TP_ATTR_PEER << 16 | 8);
		head[6] = TP_N32(1U << 16 | port);
		head[8] = data;
		head[9] = head[10] = head[11] = 0;
		return;
	}
	head[5] = TP_N32((__u32)TP_ATTR_PEER << 16 | 20);
	head[6] = TP_N32(2U << 16 | port);
	for (i = 1; i < 4; i++)
		head[7 + i] = address[i] ^ head[1 + i];
	head[11] = data;
}

/* Where the UDP header ends; data, and zeros to 4 bytes, follow at once. */
TP_INLINE enum tp_reason tp_detour_write_head(struct tp_host *host, const struct tp_detour *d,
					      __u8 *at)
{
	const __u8 *end = tp_host_end(host);
	__u32 words = TP_WRAP_LEN(d->mid_family) / 4, i;
	__u8 *pad;

	for (i = 0; i < TP_WRAP_WORDS; i++) {
		if (i >= words)
			break;
		if (at + 4 > end)
			return TP_R_REWRITE;
		tp_store32(at, d->head[i]);
		at += 4;
	}
	words = tp_distance(tp_host_data(host), end);
	for (i = 0; i < TP_PAD_MAX; i++) {
		if (i >= (-(__u32)d->plan.data_len & 3))
			break;
		pad = tp_place(host, words - 1 - i);
		if (pad + 1 > end)
			return TP_R_REWRITE;
		*pad = 0;
	}
	return TP_R_NONE;
}

/* Head first, then tail: what cannot be undone comes last. */
TP_INLINE enum tp_reason tp_detour_room(struct tp_host *host, const struct tp_plan *plan, int in,
					__u32 extend)
{
	int moves = plan->grow || in != plan->family;

	if (moves && tp_host_grow(host, plan->grow, plan->family))
		return TP_R_HEADROOM;
	if (extend && tp_host_extend(host, extend)) {
		if (moves && tp_host_grow(host, -plan->grow, in))
			return TP_R_REWRITE;
		return TP_R_HEADROOM;
	}
	return plan->trim && tp_host_trim(host, plan->trim) ? TP_R_REWRITE : TP_R_NONE;
}

TP_INLINE enum tp_reason tp_detour_write(struct tp_host *host, const struct tp_detour *d)
{
	const struct tp_plan *plan = &d->plan;
	const __u8 *end = tp_host_end(host);
	__u8 *at = tp_host_data(host);

	at = tp_write_eth(at, end, plan, plan->family == 4 ? TP_ETH_IPV4 : TP_ETH_IPV6);
	if (!at)
		return TP_R_REWRITE;
	if (plan->family == 4)
		at = tp_write_ip4(at, end, &d->flow, plan, d->mid_family);
	else
		at = tp_write_ip6(at, end, &d->flow, plan);
	if (at)
		at = tp_write_udp(at, end, plan);
	if (!at)
		return TP_R_REWRITE;
	if (d->wrap == TP_WRAP_DATA)
		return tp_detour_write_head(host, d, at);
	if (d->wrap == TP_WRAP_CHANNEL && !tp_write_channel(at, end, plan))
		return TP_R_REWRITE;
	return TP_R_NONE;
}

/* Lengths and checksum; how much the tail has to grow. TP_R_NONE: write. */
TP_INLINE enum tp_reason tp_detour_check(struct tp_host *host, struct tp_detour *d,
					 __u32 *extend)
{
	__u32 gone = d->flow.headers + d->before, left, pad = 0, put = 0, len, headers;
	struct tp_plan *plan = &d->plan;
	enum tp_reason reason;

	len = d->flow.udp_len - (__u32)sizeof(struct tp_udp_hdr) - d->before - d->after;
	if (len > TP_DATA_MAX)
		return TP_R_MTU;
	if (d->flow.ttl <= 1)
		return TP_R_TTL;
	plan->data_len = (__u16)len;
	if (d->wrap == TP_WRAP_CHANNEL) {
		put = TP_CHANNEL_HDR_LEN;
		d->sum += TP_N16((__u16)len);
	} else if (d->wrap == TP_WRAP_DATA) {
		put = TP_WRAP_LEN(d->mid_family);
		pad = -len & 3;
		tp_detour_head(host, d, len);
		d->sum += tp_csum_words(d->head, 4 * TP_WRAP_WORDS);
		d->sum += TP_N16((__u16)(2 * (put + pad)));
	}
	plan->udp_len = (__u16)(sizeof(struct tp_udp_hdr) + put + len + pad);
	plan->udp_check = tp_csum_update(d->flow.udp_check, d->sum);
	if (!d->flow.udp_check) {
		if (plan->family == 6 || d->mid_family == 6)
			return TP_R_NO_CHECKSUM;
		plan->udp_check = 0;
	}
	headers = plan->family == 4 ? sizeof(struct tp_ip4_hdr) : sizeof(struct tp_ip6_hdr);
	plan->ip_len = (__u16)(headers + plan->udp_len);
	reason = tp_check_way(host, &d->flow, plan, d->mid_family);
	if (reason != TP_R_NONE)
		return reason;
	headers += tp_link_len(plan) + (__u32)sizeof(struct tp_udp_hdr) + put;
	plan->grow = (__s32)headers - (__s32)gone;
	left = tp_distance(tp_host_data(host), tp_host_end(host)) - gone - len;
	plan->trim = left > pad ? left - pad : 0;
	*extend = left < pad ? pad - left : 0;
	return TP_R_NONE;
}

/* ------------------------------------------------------------------- detour */

TP_INLINE void tp_detour_count(struct tp_host *host, int family, __u32 slot, __u32 len)
{
	struct tp_slot4 *slot4;
	struct tp_slot6 *slot6;

	if (family == 4) {
		slot4 = tp_host_slot4(host, slot);
		if (slot4)
			tp_row_counted(host, &slot4->row, len);
		return;
	}
	slot6 = tp_host_slot6(host, slot);
	if (slot6)
		tp_row_counted(host, &slot6->row, len);
}

/* What the row of one half has to say: d->slot or the plan's, in the table of that family. */
TP_APART enum tp_reason tp_detour_limit(struct tp_host *host, const struct tp_detour *d,
					int family, int way)
{
	__u32 slot = way == TP_LIMIT_UP ? d->slot : d->plan.slot;
	struct tp_slot4 *slot4 = family == 4 ? tp_host_slot4(host, slot) : 0;
	struct tp_slot6 *slot6 = family == 6 ? tp_host_slot6(host, slot) : 0;

	if (slot4 && (slot4->row.flags & TP_ROW_LIMITED))
		return tp_row_limit(host, &slot4->row, way, d->plan.data_len);
	if (slot6 && (slot6->row.flags & TP_ROW_LIMITED))
		return tp_row_limit(host, &slot6->row, way, d->plan.data_len);
	return TP_R_NONE;
}

/* Each half pays by the limits of its own allocation. */
TP_INLINE enum tp_reason tp_detour_limits(struct tp_host *host, const struct tp_detour *d, int in)
{
	enum tp_reason reason = TP_R_NONE;

	if (d->half)
		reason = tp_detour_limit(host, d, in, TP_LIMIT_UP);
	if (reason == TP_R_NONE && d->wrap != TP_WRAP_NOT)
		reason = tp_detour_limit(host, d, d->mid_family, TP_LIMIT_DOWN);
	return reason;
}

/* The plan is whole but for lengths and checksum. */
TP_INLINE enum tp_reason tp_detour_go(struct tp_host *host, struct tp_detour *d, int in)
{
	__u32 extend;
	enum tp_reason reason = tp_detour_check(host, d, &extend);

	if (reason == TP_R_NONE)
		reason = tp_detour_limits(host, d, in);
	if (reason == TP_R_NONE)
		reason = tp_detour_room(host, &d->plan, in, extend);
	if (reason == TP_R_NONE)
		reason = tp_detour_write(host, d);
	if (reason != TP_R_NONE)
		return reason;
	if (d->half)
		tp_detour_count(host, in, d->slot, d->plan.data_len);
	if (d->wrap == TP_WRAP_NOT)
		return TP_R_TO_PEER;
	tp_detour_count(host, d->mid_family, d->plan.slot, d->plan.data_len);
	return d->half ? TP_R_HAIRPIN : TP_R_TO_CLIENT;
}

/* Both halves' rows and d->mid. */
TP_INLINE enum tp_reason tp_detour_find(struct tp_host *host, struct tp_detour *d, int in, int why)
{
	enum tp_reason reason = TP_R_NO_ROW;

	if (why == TP_DETOUR_SEND)
		reason = tp_detour_send(host, d, in);
	else if (why == TP_DETOUR_HERE)
		return tp_detour_channel(host, d, in);
	if (reason != TP_R_NO_ROW)
		return reason;
	d->sum = 0;
	tp_detour_arrived(d, in);
	d->plan.nexthop = TP_HOP_HERE;
	return TP_R_NONE;
}

/* What the plan leaves open where the packet goes to a peer elsewhere. */
TP_INLINE void tp_detour_to_peer(struct tp_detour *d)
{
	d->wrap = TP_WRAP_NOT;
	d->plan.family = d->mid_family;
	__builtin_memcpy(&d->plan.ports, &d->mid.sport, 4);
	if (d->mid_family == 4) {
		__builtin_memcpy(&d->plan.ip4[0], d->mid.saddr, 4);
		__builtin_memcpy(&d->plan.ip4[1], d->mid.daddr, 4);
	} else {
		__builtin_memcpy(&d->plan.ip6[0], d->mid.saddr, 16);
		__builtin_memcpy(&d->plan.ip6[2], d->mid.daddr, 16);
	}
}

/* Nobody's: why, as the straight way saw it. */
TP_INLINE enum tp_reason tp_detour_lost(const struct tp_detour *d, int in, int why)
{
	if (tp_flow_impossible(&d->flow, in))
		return TP_R_BAD_FRAME;
	if (why == TP_DETOUR_EXPIRED)
		return TP_R_EXPIRED;
	return d->unusual ? TP_R_SEND_FORM : TP_R_NO_ROW;
}

/* For tp_host_detour(). */
TP_INLINE enum tp_reason tp_detour(struct tp_host *host, int why)
{
	struct tp_detour *d = tp_host_scratch(host);
	enum tp_reason reason, frame;
	int in;

	if (!d)
		return TP_R_BUSY;
	reason = tp_parse(tp_host_data(host), tp_host_end(host), &d->flow, &in);
	if (reason != TP_R_NONE)
		return reason;
	d->before = d->after = 0;
	d->half = 0;
	d->unusual = 0;
	reason = tp_detour_find(host, d, in, why);
	if (reason == TP_R_NONE && d->plan.nexthop == TP_HOP_HERE)
		reason = tp_detour_to_client(host, d, d->half || why == TP_DETOUR_SEND);
	else if (reason == TP_R_NONE)
		tp_detour_to_peer(d);
	if (reason == TP_R_NO_ROW)
		return tp_detour_lost(d, in, why);
	frame = tp_check_frame(host, &d->flow, in);
	if (frame != TP_R_NONE)
		return frame;
	if (reason != TP_R_NONE)
		return reason;
	return tp_detour_go(host, d, in);
}

#endif
