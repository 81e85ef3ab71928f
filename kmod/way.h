/* SPDX-License-Identifier: GPL-2.0 */
/* The way out, through the kernel's routes, neighbours, qdiscs and fragmentation. */
#ifndef TURNPIKE_WAY_H
#define TURNPIKE_WAY_H

#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <net/dst.h>

struct tp_plan;

/*
 * A route for the plan; dscp as it is in the packet. NULL: there is none, or one that leads
 * to no single host. The caller has a reference.
 */
struct dst_entry *way_find(struct net *net, const struct tp_plan *plan, u8 tos);

/*
 * Send a packet that begins with its IP header, followed by that of UDP. dst's reference and
 * the skb are consumed. With partial the UDP checksum is to be computed over what leaves, else
 * that in the packet stands. Without df it may leave in fragments.
 */
void way_send(struct net *net, struct sk_buff *skb, struct dst_entry *dst, bool partial, bool df);

#endif
