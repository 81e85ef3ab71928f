/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * A packet of a flow that cannot be relayed as it is, and whose sender is to hear of it.
 * The ways that found this out keep nothing for it, so that they cost what they did: a
 * detour has left its working memory, and the straight way's row is looked up again.
 */
#ifndef TURNPIKE_ERROR_H
#define TURNPIKE_ERROR_H

#include <linux/types.h>
#include <turnpike/detour.h>
#include <turnpike/host.h>
#include <turnpike/icmp.h>
#include <turnpike/packet.h>
#include <turnpike/plan.h>
#include <turnpike/tables.h>
#include <turnpike/wire.h>
#include <turnpike/word.h>

/* Peers are told of room for a Data indication, whatever the client uses (RFC 8656
 * section 13.2). */
#define TP_ERROR_PEER_PUT	48

/* As if the straight way had been a detour. 0: no row, any more. */
TP_INLINE int tp_error_straight(struct tp_host *host, struct tp_detour *d, int in)
{
	enum tp_reason reason;

	tp_detour_arrived(d, in);
	d->mid.channel = d->flow.channel;
	reason = tp_lookup(host, &d->mid, in, &d->plan);
	if (reason == TP_R_NO_ROW && d->flow.channel) {
		d->mid.channel = 0;
		reason = tp_lookup(host, &d->mid, in, &d->plan);
	}
	d->half = d->plan.kind == TP_ROW_TO_PEER;
	d->wrap = TP_WRAP_NOT;
	d->before = TP_CHANNEL_HDR_LEN;
	d->after = 0;
	return reason == TP_R_NONE;
}

/* What the sender may use; 0: not known. */
TP_INLINE __u32 tp_error_mtu(struct tp_host *host, const struct tp_detour *d, int in)
{
	const struct tp_plan *plan = &d->plan;
	const struct tp_nexthop *hop = tp_host_nexthop(host, plan->nexthop);
	__u32 pad = -(__u32)plan->data_len & 3, put = 0, mtu;

	/* too large for this path, whatever the way out takes */
	if (!hop || d->flow.udp_len > TP_DATA_MAX)
		return 0;
	mtu = TP_READ(hop->mtu);
	if (!d->half)
		return tp_icmp_mtu(in, plan->family, mtu, 0, TP_ERROR_PEER_PUT);
	if (pad > d->after)
		pad = d->after;
	if (d->wrap == TP_WRAP_DATA)
		put = TP_WRAP_LEN(d->mid_family);
	else if (d->wrap == TP_WRAP_CHANNEL)
		put = TP_CHANNEL_HDR_LEN;
	return tp_icmp_mtu(in, plan->family, mtu, d->before + d->after - pad, put);
}

/* For tp_host_error(). in is a constant. */
TP_INLINE enum tp_reason tp_error(struct tp_host *host, int in, enum tp_reason reason, int detoured)
{
	const __u8 *end = tp_host_end(host), *at;
	struct tp_detour *d = tp_host_scratch(host);
	__u32 mtu = 0;
	__u16 type;

	if (!d)
		return reason;
	if (tp_parse_eth(tp_host_data(host), end, &d->flow, &at, &type) != TP_R_NONE ||
	    (in == 4 ? tp_parse_ip4(at, end, &d->flow) : tp_parse_ip6(at, end, &d->flow)) !=
	    TP_R_NONE)
		return reason;
	if (reason == TP_R_MTU) {
		if (!detoured && !tp_error_straight(host, d, in))
			return reason;
		mtu = tp_error_mtu(host, d, in);
	}
	if (!tp_icmp_due(host, &d->flow, in, reason, mtu))
		return reason;
	return tp_icmp_make(host, &d->flow, in, reason, mtu);
}

#endif
