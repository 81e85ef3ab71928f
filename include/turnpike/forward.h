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
#include <turnpike/detour.h>
#include <turnpike/host.h>
#include <turnpike/packet.h>
#include <turnpike/plan.h>
#include <turnpike/tables.h>
#include <turnpike/wire.h>
#include <turnpike/word.h>
#include <turnpike/write.h>

/*
 * A datagram that begins like ChannelData comes from a client with that channel,
 * or from a peer whose data happen to (QUIC does): two searches.
 */
TP_INLINE enum tp_reason tp_find(struct tp_host *host, const struct tp_flow *flow, int in,
				 struct tp_plan *plan, struct tp_row **row)
{
	struct tp_key4 key4 = { .sport = flow->sport, .dport = flow->dport,
				.channel = flow->channel };
	struct tp_key6 key6 = { .sport = flow->sport, .dport = flow->dport,
				.channel = flow->channel };
	enum tp_reason reason;
	int i;

	if (in == 4) {
		__builtin_memcpy(key4.saddr, &flow->ip4.saddr, sizeof(key4.saddr));
		__builtin_memcpy(key4.daddr, &flow->ip4.daddr, sizeof(key4.daddr));
	} else {
		__builtin_memcpy(key6.saddr, flow->ip6.saddr, sizeof(key6.saddr));
		__builtin_memcpy(key6.daddr, flow->ip6.daddr, sizeof(key6.daddr));
	}
	for (i = 0; i < 2; i++) {
		if (in == 4)
			reason = tp_find4(host, &key4, plan, row);
		else
			reason = tp_find6(host, &key6, plan, row);
		if (reason != TP_R_NO_ROW || !flow->channel)
			return reason;
		key4.channel = 0;
		key6.channel = 0;
	}
	return TP_R_NO_ROW;
}

/* --------------------------------------------------------------- checking */

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
	__u32 gone, headers;

	reason = tp_check_frame(host, flow, in);
	if (reason != TP_R_NONE)
		return reason;
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
	reason = tp_check_way(host, flow, plan, in);
	if (reason != TP_R_NONE)
		return reason;
	headers += tp_link_len(plan) + (__u32)sizeof(struct tp_udp_hdr);
	headers += strip ? 0 : TP_CHANNEL_HDR_LEN;
	gone = flow->headers + (strip ? TP_CHANNEL_HDR_LEN : 0);
	plan->grow = (__s32)headers - (__s32)gone;
	plan->trim = tp_distance(tp_host_data(host), tp_host_end(host)) - gone - plan->data_len;
	return TP_R_NONE;
}

/* ---------------------------------------------------------------- writing */

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
	if (at)
		at = tp_write_udp(at, end, plan);
	if (at && plan->kind == TP_ROW_TO_CLIENT)
		at = tp_write_channel(at, end, plan);
	if (!at)
		return TP_R_REWRITE;
	return plan->kind == TP_ROW_TO_PEER ? TP_R_TO_PEER : TP_R_TO_CLIENT;
}

/* ------------------------------------------------------------------ relay */

/* in and out are constants: each pair of families becomes code of its own. */
TP_INLINE enum tp_reason tp_relay_pair(struct tp_host *host, const struct tp_flow *flow,
				       struct tp_plan *plan, struct tp_row *row, int in, int out)
{
	enum tp_reason reason = tp_check(host, flow, plan, in, out);

	if (reason == TP_R_NONE && (plan->flags & TP_ROW_LIMITED))
		reason = tp_row_limit(host, row, plan->kind == TP_ROW_TO_PEER ?
				      TP_LIMIT_UP : TP_LIMIT_DOWN, plan->data_len);
	if (reason != TP_R_NONE)
		return reason;
	reason = tp_write(host, flow, plan, in, out);
	if (TP_SENT(reason))
		tp_row_counted(host, row, plan->data_len);
	return reason;
}

TP_INLINE enum tp_reason tp_relay_from(struct tp_host *host, const struct tp_flow *flow, int in,
				       int *why)
{
	struct tp_plan plan;
	struct tp_row *row = 0;
	enum tp_reason reason;

	if (flow->stun == TP_STUN_SEND) {
		*why = TP_DETOUR_SEND;
		return TP_R_NONE;
	}
	reason = tp_find(host, flow, in, &plan, &row);
	if (reason == TP_R_NO_ROW) {
		*why = TP_DETOUR_PEER;
		if (flow->stun == TP_STUN_BINDING && !tp_flow_impossible(flow, in))
			*why = TP_DETOUR_BINDING;
		return TP_R_NONE;
	}
	if (reason != TP_R_NONE)
		return reason;
	/* only a source of zeros finds one */
	if (plan.kind == TP_ROW_LISTENER)
		return TP_R_NO_ROW;
	if (plan.family == 4)
		reason = tp_relay_pair(host, flow, &plan, row, in, 4);
	else
		reason = tp_relay_pair(host, flow, &plan, row, in, 6);
	if (reason == TP_R_NO_NEXTHOP && plan.nexthop == TP_HOP_HERE)
		*why = TP_DETOUR_HERE;
	else if (reason == TP_R_EXPIRED && plan.kind == TP_ROW_TO_CLIENT)
		*why = TP_DETOUR_EXPIRED;
	else
		return reason;
	return TP_R_NONE;
}

/*
 * The straight way: one row says it all. TP_R_NONE: nothing was done, and why. Each family
 * takes more than half of BPF's stack, so that neither calls the other. A host whose
 * program calls nothing else from as deep says that IPv4's is to be a part of it.
 */
#ifndef TP_STRAIGHT
#define TP_STRAIGHT	TP_APART
#endif

/* *in becomes 6, and nothing was done, where it is IPv6. */
TP_STRAIGHT enum tp_reason tp_relay4(struct tp_host *host, int *why, int *in)
{
	const __u8 *end = tp_host_end(host), *at;
	struct tp_flow flow;
	enum tp_reason reason;
	__u16 type;

	reason = tp_parse_eth(tp_host_data(host), end, &flow, &at, &type);
	if (reason != TP_R_NONE)
		return reason;
	if (type == TP_ETH_IPV6) {
		*in = 6;
		return TP_R_NONE;
	}
	reason = tp_parse_ip4(at, end, &flow);
	return reason == TP_R_NONE ? tp_relay_from(host, &flow, 4, why) : reason;
}

TP_APART enum tp_reason tp_relay6(struct tp_host *host, int *why)
{
	const __u8 *end = tp_host_end(host), *at;
	struct tp_flow flow;
	enum tp_reason reason;
	__u16 type;

	reason = tp_parse_eth(tp_host_data(host), end, &flow, &at, &type);
	if (reason == TP_R_NONE)
		reason = tp_parse_ip6(at, end, &flow);
	return reason == TP_R_NONE ? tp_relay_from(host, &flow, 6, why) : reason;
}

/* Not relayed, by either way: perhaps its sender is told. */
TP_INLINE enum tp_reason tp_relay_ended(struct tp_host *host, int in, enum tp_reason reason,
					int detoured)
{
	if (reason != TP_R_MTU && reason != TP_R_TTL)
		return reason;
	return tp_host_error(host, in, reason, detoured);
}

/* Relay one frame, by whichever way; counting it is left to the caller. */
TP_INLINE enum tp_reason tp_relay_frame(struct tp_host *host)
{
	int why = 0, in = 4;
	enum tp_reason reason = tp_relay4(host, &why, &in);

	if (in == 6)
		reason = tp_relay6(host, &why);
	if (reason != TP_R_NONE)
		return tp_relay_ended(host, in, reason, 0);
	/* most of those that no channel claims are the server's, which is no relayed address */
	if (why == TP_DETOUR_BINDING) {
		reason = tp_host_unclaimed(host, in);
		if (reason != TP_R_NO_ROW)
			return reason;
	}
	reason = tp_host_detour(host, why);
	if (reason == TP_R_NO_ROW && why != TP_DETOUR_BINDING)
		reason = tp_host_unclaimed(host, in);
	return tp_relay_ended(host, in, reason, 1);
}

/* Relay one frame and count it; bytes are the frame's as it came. */
TP_INLINE enum tp_reason tp_forward(struct tp_host *host)
{
	__u32 bytes = tp_distance(tp_host_data(host), tp_host_end(host));
	enum tp_reason reason = tp_relay_frame(host);

	tp_host_count(host, reason, bytes);
	return reason;
}

#endif
