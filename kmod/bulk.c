// SPDX-License-Identifier: GPL-2.0
/*
 * A super-packet is relayed by its first datagram's row where that holds for all of them: no
 * Send indication, no hairpin, and from a client the same channel and length in each (the last
 * one may be shorter). What leaves is one super-packet again, of the same pages: where
 * something is taken off or put before each datagram, the pieces in between are frags of their
 * own. Only what needs more of those than an sk_buff has is copied.
 *
 * GRO has verified the checksum of each datagram, and a local sender has not computed it yet:
 * it is computed anew for what leaves, since there is none here to carry on from.
 */
#include <linux/udp.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include "bulk.h"
#include "compat.h"
#include "fault.h"
#include "host.h"
#include "pieces.h"

struct bulk {
	struct tp_host host;
	struct sk_buff *skb;
	struct tp_flow flow;
	struct tp_plan plan;
	struct tp_row *row;
	int in;
	bool strip;
	u32 datagrams;
	u32 payload;		/* bytes behind the UDP header */
	u32 size;		/* of each datagram's, but for the last one's */
	u32 out_size;		/* the same of what leaves */
	u32 out_payload;
};

/* ---------------------------------------------------------------- checking */

static void parse4(struct bulk *b)
{
	const struct iphdr *ip = ip_hdr(b->skb);

	b->flow.ttl = ip->ttl;
	b->flow.tos = ip->tos;
	b->flow.df = !!(ip->frag_off & htons(IP_DF));
	b->flow.ip4.saddr = ip->saddr;
	b->flow.ip4.daddr = ip->daddr;
	b->flow.headers = sizeof(*ip) + sizeof(struct udphdr);
}

static void parse6(struct bulk *b)
{
	const struct ipv6hdr *ip = ipv6_hdr(b->skb);

	b->flow.ttl = ip->hop_limit;
	b->flow.tos = ipv6_get_dsfield(ip);
	memcpy(b->flow.ip6.saddr, &ip->saddr, sizeof(b->flow.ip6.saddr));
	memcpy(b->flow.ip6.daddr, &ip->daddr, sizeof(b->flow.ip6.daddr));
	b->flow.headers = sizeof(*ip) + sizeof(struct udphdr);
}

static u32 size_of(const struct bulk *b, u32 i)
{
	return i + 1 < b->datagrams ? b->size : b->payload - i * b->size;
}

static u32 out_size_of(const struct bulk *b, u32 i)
{
	return i + 1 < b->datagrams ? b->out_size : b->out_payload - i * b->out_size;
}

/* The header of ChannelData that datagram i begins with. */
static bool channel_at(const struct bulk *b, u32 i, struct tp_channel_hdr *channel)
{
	return !skb_copy_bits(b->skb, b->flow.headers + i * b->size, channel, sizeof(*channel));
}

/* IP's part is checked by now. TP_R_NONE: one flow that is known by its first datagram. */
static enum tp_reason parse(struct bulk *b)
{
	const struct skb_shared_info *info = skb_shinfo(b->skb);
	struct tp_channel_hdr channel;
	const struct udphdr *udp;

	if (info->gso_type & ~(SKB_GSO_UDP_L4 | SKB_GSO_DODGY) ||
	    !(info->gso_type & SKB_GSO_UDP_L4))
		return TP_R_MTU;
	if (!compat_frags_readable(b->skb))
		return TP_R_HEADROOM;
	if (b->skb->ip_summed != CHECKSUM_PARTIAL && b->skb->ip_summed != CHECKSUM_UNNECESSARY)
		return TP_R_NO_CHECKSUM;
	b->in = ip_hdr(b->skb)->version;
	if (b->in == 4 && ip_hdr(b->skb)->ihl != 5)
		return TP_R_OPTIONS;
	if (b->in == 4)
		parse4(b);
	else
		parse6(b);
	if (b->skb->len <= b->flow.headers)
		return TP_R_MTU;
	udp = (const struct udphdr *)(b->skb->data + b->flow.headers - sizeof(*udp));
	b->flow.sport = udp->source;
	b->flow.dport = udp->dest;
	b->payload = b->skb->len - b->flow.headers;
	b->size = info->gso_size;
	b->datagrams = DIV_ROUND_UP(b->payload, b->size);
	b->flow.channel = 0;
	if (channel_at(b, 0, &channel) && (channel.number & htons(0xc000)) == htons(0x4000)) {
		b->flow.channel = channel.number;
		b->flow.channel_len = ntohs(channel.length);
	}
	return TP_R_NONE;
}

/* Every datagram is ChannelData of the channel, of one length and padding, up to the last. */
static enum tp_reason check_strip(struct bulk *b)
{
	struct tp_channel_hdr channel;
	u32 i, len, size;

	b->out_size = b->flow.channel_len;
	b->out_payload = 0;
	for (i = 0; i < b->datagrams; i++) {
		size = size_of(b, i);
		if (!channel_at(b, i, &channel) || channel.number != b->flow.channel)
			return TP_R_MTU;
		len = ntohs(channel.length);
		if (!len || sizeof(channel) + len > size ||
		    size - sizeof(channel) - len > TP_PAD_MAX)
			return TP_R_MTU;
		if (i + 1 < b->datagrams ? len != b->out_size : len > b->out_size)
			return TP_R_MTU;
		b->out_payload += len;
	}
	return TP_R_NONE;
}

static enum tp_reason check_wrap(struct bulk *b)
{
	b->out_size = b->size + TP_CHANNEL_HDR_LEN;
	b->out_payload = b->payload + b->datagrams * TP_CHANNEL_HDR_LEN;
	return TP_R_NONE;
}

/* What is sent to one who names a Send indication or another client is the daemon's. */
static enum tp_reason find(struct bulk *b)
{
	enum tp_reason reason = tp_find(&b->host, &b->flow, b->in, &b->plan, &b->row);

	if (reason != TP_R_NONE)
		return reason;
	if (b->plan.kind != TP_ROW_TO_PEER && b->plan.kind != TP_ROW_TO_CLIENT)
		return TP_R_MTU;
	if (b->plan.nexthop == TP_HOP_HERE)
		return TP_R_MTU;
	if (tp_host_now(&b->host) >= b->plan.expires_ns)
		return TP_R_EXPIRED;
	b->strip = b->plan.kind == TP_ROW_TO_PEER;
	return b->strip ? check_strip(b) : check_wrap(b);
}

/* Each datagram pays; where one may not pass, none does. */
static enum tp_reason limit(struct bulk *b)
{
	int way = b->strip ? TP_LIMIT_UP : TP_LIMIT_DOWN;
	enum tp_reason reason = TP_R_NONE;
	u32 i;

	if (!(b->plan.flags & TP_ROW_LIMITED))
		return TP_R_NONE;
	for (i = 0; i < b->datagrams && reason == TP_R_NONE; i++)
		reason = tp_row_limit(&b->host, b->row, way,
				      b->strip ? out_size_of(b, i) : size_of(b, i));
	return reason;
}

/* A datagram that does not fit the way out is the daemon's, which may send it in fragments. */
static enum tp_reason check(struct bulk *b)
{
	u32 headers = b->plan.family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);

	if (b->flow.ttl <= 1)
		return TP_R_TTL;
	headers += sizeof(struct udphdr);
	if (headers + b->out_payload > U16_MAX)
		return TP_R_MTU;
	b->plan.ip_len = headers + b->out_size;
	if (b->in == 6)
		b->flow.df = b->plan.ip_len > TP_MTU_6TO4;
	b->host.dst = way_find(b->host.net, &b->plan, b->flow.tos);
	if (!b->host.dst)
		return TP_R_NO_NEXTHOP;
	return b->plan.ip_len > dst_mtu(b->host.dst) ? TP_R_MTU : TP_R_NONE;
}

/* ----------------------------------------------------------------- writing */

static int put_datagrams(struct bulk *b, struct pieces *pieces)
{
	struct tp_channel_hdr channel = { .number = b->plan.channel };
	u32 i, from = b->flow.headers;
	int err = 0;

	for (i = 0; i < b->datagrams && !err; i++) {
		if (!b->strip) {
			channel.length = htons(size_of(b, i));
			err = pieces_put(pieces, &channel, sizeof(channel));
		}
		if (err)
			break;
		if (b->strip)
			err = pieces_share(pieces, b->skb, from + sizeof(channel),
					   out_size_of(b, i));
		else
			err = pieces_share(pieces, b->skb, from, size_of(b, i));
		from += b->size;
	}
	return err;
}

/* Headers for all of it; each datagram's are made from them when they are taken apart. */
static void put_headers(struct bulk *b, struct sk_buff *out)
{
	u32 headers = b->plan.ip_len - b->out_size;
	u8 *at, *end;

	b->plan.udp_len = sizeof(struct udphdr) + b->out_payload;
	b->plan.ip_len = headers + b->out_payload;
	b->plan.udp_check = 0;
	at = skb_push(out, headers);
	end = at + headers;
	if (b->plan.family == 4)
		at = tp_write_ip4(at, end, &b->flow, &b->plan, 4);
	else
		at = tp_write_ip6(at, end, &b->flow, &b->plan);
	tp_write_udp(at, end, &b->plan);
	if (b->datagrams == 1)
		return;
	skb_shinfo(out)->gso_size = b->out_size;
	skb_shinfo(out)->gso_segs = b->datagrams;
	skb_shinfo(out)->gso_type = skb_shinfo(b->skb)->gso_type;
}

static struct sk_buff *rewrite(struct bulk *b)
{
	struct pieces pieces;
	u32 headers = LL_RESERVED_SPACE(b->host.dst->dev) + sizeof(struct ipv6hdr) +
		sizeof(struct udphdr);
	int err = pieces_begin(&pieces, headers, 0);

	if (!err)
		err = put_datagrams(b, &pieces);
	if (err == -EMSGSIZE) {
		pieces_drop(&pieces);
		err = pieces_begin(&pieces, headers, b->out_payload);
		if (!err)
			err = put_datagrams(b, &pieces);
	}
	if (err) {
		pieces_drop(&pieces);
		return NULL;
	}
	put_headers(b, pieces.skb);
	return pieces_end(&pieces);
}

enum tp_reason bulk_relay(struct net *net, const struct tables *tables, struct sk_buff *skb)
{
	struct bulk b = { .host = { .net = net, .skb = skb, .tables = tables }, .skb = skb };
	enum tp_reason reason = parse(&b);
	struct sk_buff *out;

	if (reason == TP_R_NONE)
		reason = find(&b);
	if (reason == TP_R_NONE)
		reason = check(&b);
	if (reason == TP_R_NONE)
		reason = limit(&b);
	if (reason != TP_R_NONE)
		goto out;
	/* pages that a sender gets back are not to be held on to */
	reason = TP_R_HEADROOM;
	if (fault_here() || skb_orphan_frags(skb, GFP_ATOMIC))
		goto out;
	out = rewrite(&b);
	if (!out)
		goto out;
	b.host.datagrams = b.datagrams;
	tp_host_row_counted(&b.host, b.row, b.strip ? b.out_payload : b.payload);
	way_send(net, out, b.host.dst, true, true);
	consume_skb(skb);
	return b.strip ? TP_R_TO_PEER : TP_R_TO_CLIENT;
out:
	dst_release(b.host.dst);
	return reason;
}
