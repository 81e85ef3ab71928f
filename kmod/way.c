// SPDX-License-Identifier: GPL-2.0
#include <linux/udp.h>
#include <net/addrconf.h>
#include <net/dsfield.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/ipv6_stubs.h>
#include <net/route.h>
#include <net/udp.h>
#include <turnpike/plan.h>
#include "compat.h"
#include "fault.h"
#include "way.h"

/* ---------------------------------------------------------------- finding */

static struct dst_entry *find4(struct net *net, const struct tp_plan *plan, u8 tos)
{
	struct flowi4 fl4 = {
		.flowi4_proto = IPPROTO_UDP,
		.saddr = plan->ip4[0],
		.daddr = plan->ip4[1],
	};
	struct rtable *rt;

	memcpy(&fl4.fl4_sport, &plan->ports, sizeof(fl4.fl4_sport));
	memcpy(&fl4.fl4_dport, (const u8 *)&plan->ports + 2, sizeof(fl4.fl4_dport));
	compat_flow_tos(&fl4, tos);
	rt = ip_route_output_key(net, &fl4);
	if (IS_ERR(rt))
		return NULL;
	if (rt->rt_type == RTN_UNICAST || rt->rt_type == RTN_LOCAL)
		return &rt->dst;
	ip_rt_put(rt);
	return NULL;
}

static struct dst_entry *find6(struct net *net, const struct tp_plan *plan, u8 tos)
{
	struct flowi6 fl6 = {
		.flowi6_proto = IPPROTO_UDP,
		.flowlabel = ip6_make_flowinfo(tos, 0),
	};
	struct dst_entry *dst;

	memcpy(&fl6.saddr, &plan->ip6[0], sizeof(fl6.saddr));
	memcpy(&fl6.daddr, &plan->ip6[2], sizeof(fl6.daddr));
	memcpy(&fl6.fl6_sport, &plan->ports, sizeof(fl6.fl6_sport));
	memcpy(&fl6.fl6_dport, (const u8 *)&plan->ports + 2, sizeof(fl6.fl6_dport));
	if (ipv6_addr_is_multicast(&fl6.daddr))
		return NULL;
	dst = ipv6_stub->ipv6_dst_lookup_flow(net, NULL, &fl6, NULL);
	return IS_ERR(dst) ? NULL : dst;
}

struct dst_entry *way_find(struct net *net, const struct tp_plan *plan, u8 tos)
{
	if (fault_here())
		return NULL;
	return plan->family == 4 ? find4(net, plan, tos) : find6(net, plan, tos);
}

/* ---------------------------------------------------------------- sending */

/*
 * CHECKSUM_PARTIAL: the field holds the pseudo header's sum, and the device or the kernel
 * adds the rest from csum_start on. That of the packet that came in was another place.
 */
static void leave_checksum(struct sk_buff *skb, __sum16 pseudo)
{
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = skb_transport_header(skb) - skb->head;
	skb->csum_offset = offsetof(struct udphdr, check);
	udp_hdr(skb)->check = ~pseudo;
}

/* Neither a sum of the whole packet as it came nor a device's verdict on it holds now. */
static void settle_checksum(struct sk_buff *skb)
{
	skb->ip_summed = CHECKSUM_NONE;
	skb->csum = 0;
	skb->csum_valid = 0;
}

static void send4(struct net *net, struct sk_buff *skb, bool partial)
{
	const struct iphdr *ip = ip_hdr(skb);

	skb->protocol = htons(ETH_P_IP);
	skb->priority = rt_tos2priority(ip->tos);
	skb_set_transport_header(skb, sizeof(*ip));
	memset(IPCB(skb), 0, sizeof(*IPCB(skb)));
	if (partial)
		leave_checksum(skb, csum_tcpudp_magic(ip->saddr, ip->daddr,
						      skb->len - sizeof(*ip), IPPROTO_UDP, 0));
	ip_local_out(net, NULL, skb);
}

static void send6(struct net *net, struct sk_buff *skb, bool partial)
{
	const struct ipv6hdr *ip = ipv6_hdr(skb);

	skb->protocol = htons(ETH_P_IPV6);
	skb->priority = rt_tos2priority(ipv6_get_dsfield(ip));
	skb_set_transport_header(skb, sizeof(*ip));
	memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));
	if (partial)
		leave_checksum(skb, csum_ipv6_magic(&ip->saddr, &ip->daddr,
						    skb->len - sizeof(*ip), IPPROTO_UDP, 0));
	ip6_local_out(net, NULL, skb);
}

/*
 * What the packet brought is not to follow it: socket (early demux), conntrack entry, IPsec
 * state, mark, and a time stamp that sch_fq would take for a departure time. A list that it
 * was the head of is not sent along.
 */
void way_send(struct net *net, struct sk_buff *skb, struct dst_entry *dst, bool partial, bool df)
{
	skb_mark_not_on_list(skb);
	skb_orphan(skb);
	skb_scrub_packet(skb, true);
	skb_clear_hash(skb);
	skb->encapsulation = 0;
	/* a tunnel would add to its statistics: the route's device sends, not this one */
	skb->dev = dst->dev;
	skb->ignore_df = !df;
	skb_dst_set(skb, dst);
	skb_reset_network_header(skb);
	settle_checksum(skb);
	if (ip_hdr(skb)->version == 4)
		send4(net, skb, partial);
	else
		send6(net, skb, partial);
}
