// SPDX-License-Identifier: GPL-2.0
/*
 * The hook is LOCAL_IN: IPv4 datagrams are whole there (fragments put together), super-packets
 * are not yet taken apart, the firewall has had its say (our priority is behind filters and
 * NAT), and no socket was looked up. What it goes past is what a socket would do: IPsec policy
 * and the socket's own filter.
 *
 * What does not reach it, or passes by, is the daemon's: IPv6 fragments and extension headers,
 * which the kernel works on behind this hook, IP options, and everything that the relay core
 * passes up.
 *
 * With connection tracking loaded each relayed packet makes an entry that is never confirmed,
 * and drops it again (confirmation comes behind every other hook): correct, but dear. The
 * manual page says how to exempt the ports.
 */
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/udp.h>
#include "bulk.h"
#include "fault.h"
#include "hook.h"
#include "host.h"
#include "session.h"

/* An sk_buff larger than this is not made linear: it fits no way out. */
#define HOOK_LINEAR_MAX	0x7fff

/* Datagrams that share an sk_buff. */
static u32 hook_datagrams(const struct sk_buff *skb)
{
	return skb_is_gso(skb) ? max_t(u32, skb_shinfo(skb)->gso_segs, 1) : 1;
}

static enum tp_reason relay_one(struct net *net, const struct tables *tables, struct sk_buff *skb)
{
	struct tp_host host;
	bool partial = skb->ip_summed == CHECKSUM_PARTIAL;
	enum tp_reason reason;

	if (skb->len > HOOK_LINEAR_MAX)
		return TP_R_MTU;
	if (fault_here() || skb_linearize(skb))
		return TP_R_HEADROOM;
	host.skb = skb;
	host.net = net;
	host.tables = tables;
	host.dst = NULL;
	host.datagrams = 1;
	reason = tp_relay_frame(&host);
	if (TP_SENT(reason)) {
		way_send(net, skb, host.dst, partial, host.df);
		return reason;
	}
	dst_release(host.dst);
	/* The loopback's own addresses are impossible on a wire only, and what came there is
	 * no stranger's. */
	if (reason == TP_R_BAD_FRAME && skb->dev->flags & IFF_LOOPBACK)
		return TP_R_NO_ROW;
	return reason;
}

/* Apart, so that what is not ours pays for no stack frame of this. */
static noinline unsigned int relay(const struct session *session, const struct tables *tables,
				   struct sk_buff *skb)
{
	u32 datagrams = hook_datagrams(skb), bytes = skb->len;
	enum tp_reason reason;

	/* RFC 1122 section 3.3.6: what many stations got is not forwarded */
	if (skb->pkt_type != PACKET_HOST)
		reason = TP_R_OTHER_MAC;
	else if (skb_is_gso(skb))
		reason = bulk_relay(session->net, tables, skb);
	else
		reason = relay_one(session->net, tables, skb);
	tables_count(tables, reason, datagrams, bytes);
	if (TP_SENT(reason))
		return NF_STOLEN;
	return TP_DROPPED(reason) ? NF_DROP : NF_ACCEPT;
}

static __always_inline unsigned int by_port(const struct session *session, struct sk_buff *skb)
{
	const struct tables *tables = rcu_dereference(session->tables);

	if (likely(!tables_has_port(tables, udp_hdr(skb)->dest)))
		return NF_ACCEPT;
	return relay(session, tables, skb);
}

static noinline unsigned int pull(const struct session *session, struct sk_buff *skb)
{
	if (fault_here() || !pskb_may_pull(skb, skb_transport_offset(skb) + sizeof(struct udphdr)))
		return NF_ACCEPT;
	return by_port(session, skb);
}

/* The whole of what other traffic pays: its port is looked at. The kernel, too, takes the
 * packet from here on by its transport header. */
static __always_inline unsigned int look(const struct session *session, struct sk_buff *skb)
{
	if (unlikely(skb_transport_header(skb) + sizeof(struct udphdr) >
		     skb_tail_pointer(skb)))
		return pull(session, skb);
	return by_port(session, skb);
}

static unsigned int hook_in4(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	const struct iphdr *ip = (const struct iphdr *)skb->data;

	return ip->protocol == IPPROTO_UDP ? look(priv, skb) : NF_ACCEPT;
}

static unsigned int hook_in6(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	const struct ipv6hdr *ip = (const struct ipv6hdr *)skb->data;

	return ip->nexthdr == IPPROTO_UDP ? look(priv, skb) : NF_ACCEPT;
}

void hook_describe(struct session *session)
{
	struct nf_hook_ops *ops = session->ops;

	ops[0].hook = hook_in4;
	ops[0].pf = NFPROTO_IPV4;
	ops[0].hooknum = NF_INET_LOCAL_IN;
	ops[0].priority = NF_IP_PRI_CONNTRACK_HELPER - 1;
	ops[1].hook = hook_in6;
	ops[1].pf = NFPROTO_IPV6;
	ops[1].hooknum = NF_INET_LOCAL_IN;
	ops[1].priority = NF_IP6_PRI_CONNTRACK_HELPER - 1;
	ops[0].priv = session;
	ops[1].priv = session;
}
