/* SPDX-License-Identifier: GPL-2.0 */
/* Super-packets: datagrams of one flow that were merged on their way in (GRO, GSO). */
#ifndef TURNPIKE_BULK_H
#define TURNPIKE_BULK_H

#include <linux/skbuff.h>
#include <turnpike/tables.h>

struct tables;
struct net;

/* Relayed whole, or passed up whole. Where the reason is TP_SENT() the skb is consumed. */
enum tp_reason bulk_relay(struct net *net, const struct tables *tables, struct sk_buff *skb);

#endif
