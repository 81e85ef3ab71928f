/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* The plan for one packet: what its row says, and what is worked out from it. */
#ifndef TURNPIKE_PLAN_H
#define TURNPIKE_PLAN_H

#include <linux/types.h>
#include <turnpike/host.h>
#include <turnpike/limit.h>
#include <turnpike/packet.h>
#include <turnpike/rows.h>
#include <turnpike/tables.h>
#include <turnpike/word.h>

/* All that is needed for writing: a copy, nobody changes it under the reader. */
struct tp_plan {
	__u64  expires_ns;
	__u32  csum_delta;
	__u32  flow_label;
	__u32  slot;		/* where the row is, for its counters */
	__u16  id;		/* of an outgoing IPv4 packet */
	__u16  nexthop;
	__u16  nexthop_up;
	__u8   kind;
	__u8   family;
	__u32  ports;		/* source and destination, as in a UDP header */
	__be16 channel;
	__u8   flags;
	__be16 vlan_tci;
	union {
		__be32 ip4[2];	/* source, destination */
		__u64  ip6[4];	/* the same, two words each */
	};
	__u64  mac_front;	/* destination and source, 12 bytes: the first 8 */
	__u32  mac_back;
	__u16  data_len;	/* application data */
	__u16  udp_len, ip_len;
	__u16  udp_check;
	__s32  grow;
	__u32  trim;
};

/* How many packets the row has relayed. */
TP_INLINE __u64 tp_row_packets(const struct tp_row *row)
{
#ifdef TP_HOST_ROUTED
	return row->packets + row->kmod_packets;
#else
	return row->packets;
#endif
}

/* ---------------------------------------------------------------- finding */

/* Copy what the row says; 0 where it did not hold still meanwhile. */
TP_INLINE int tp_plan_take(struct tp_plan *plan, const struct tp_row *row, __u32 seq, __u64 hash)
{
	if (seq & 1)
		return 0;
	plan->kind = row->kind;
	plan->nexthop = row->nexthop;
	plan->nexthop_up = row->nexthop_up;
	plan->expires_ns = row->expires_ns;
	plan->csum_delta = row->csum_delta;
	plan->ports = tp_load32((const __u8 *)row + __builtin_offsetof(struct tp_row, out_sport));
	plan->channel = row->out_channel;
	plan->flags = row->flags;
	plan->family = plan->flags & TP_ROW_OUT6 ? 6 : 4;
	if (plan->family == 4)
		__builtin_memcpy(plan->ip4, &row->out4, sizeof(plan->ip4));
	else
		__builtin_memcpy(plan->ip6, &row->out6, sizeof(plan->ip6));
	/* RFC 6864: unlike any other packet's of this flow, from a start that
	 * nobody outside can guess */
	plan->id = (__u16)(hash + tp_row_packets(row));
	/* RFC 6437 section 3: one per flow */
	plan->flow_label = (__u32)(hash >> 16) & 0xfffff;
	return !tp_seq_changed(&row->seq, seq);
}

TP_INLINE enum tp_reason tp_find4(struct tp_host *host, const struct tp_key4 *key,
				  struct tp_plan *plan, struct tp_row **row)
{
	struct tp_slot4 *slot;
	enum tp_probe probe;
	__u64 seed[2], hash;
	__u32 first, i, seq;

	tp_host_seed(host, seed);
	hash = tp_hash4(key, seed);
	first = tp_row_first(hash, tp_host_slots4(host));
	for (i = 0; i < TP_PROBE; i++) {
		slot = tp_host_slot4(host, first + i);
		if (!slot)
			return TP_R_NO_ROW;
		seq = tp_seq_read(&slot->row.seq);
		probe = tp_row_probe(&slot->row, seq, tp_key4_equal(&slot->key, key));
		if (probe == TP_PROBE_END)
			return TP_R_NO_ROW;
		if (probe != TP_PROBE_HIT)
			continue;
		*row = &slot->row;
		plan->slot = first + i;
		return tp_plan_take(plan, &slot->row, seq, hash) ? TP_R_NONE : TP_R_BUSY;
	}
	return TP_R_NO_ROW;
}

TP_INLINE enum tp_reason tp_find6(struct tp_host *host, const struct tp_key6 *key,
				  struct tp_plan *plan, struct tp_row **row)
{
	struct tp_slot6 *slot;
	enum tp_probe probe;
	__u64 seed[2], hash;
	__u32 first, i, seq;

	tp_host_seed(host, seed);
	hash = tp_hash6(key, seed);
	first = tp_row_first(hash, tp_host_slots6(host));
	for (i = 0; i < TP_PROBE; i++) {
		slot = tp_host_slot6(host, first + i);
		if (!slot)
			return TP_R_NO_ROW;
		seq = tp_seq_read(&slot->row.seq);
		probe = tp_row_probe(&slot->row, seq, tp_key6_equal(&slot->key, key));
		if (probe == TP_PROBE_END)
			return TP_R_NO_ROW;
		if (probe != TP_PROBE_HIT)
			continue;
		*row = &slot->row;
		plan->slot = first + i;
		return tp_plan_take(plan, &slot->row, seq, hash) ? TP_R_NONE : TP_R_BUSY;
	}
	return TP_R_NO_ROW;
}

/*
 * The same for a key of either family, IPv4 addresses in the first bytes. For the
 * ways that are not the straight one; TP_R_EXPIRED where the lease is over.
 */
TP_INLINE enum tp_reason tp_find_live(struct tp_host *host, const struct tp_key6 *key, int family,
				      struct tp_plan *plan)
{
	struct tp_key4 key4 = { .sport = key->sport, .dport = key->dport,
				.channel = key->channel };
	enum tp_reason reason;
	struct tp_row *row;

	if (family == 4) {
		__builtin_memcpy(key4.saddr, key->saddr, sizeof(key4.saddr));
		__builtin_memcpy(key4.daddr, key->daddr, sizeof(key4.daddr));
		reason = tp_find4(host, &key4, plan, &row);
	} else {
		reason = tp_find6(host, key, plan, &row);
	}
	if (reason != TP_R_NONE)
		return reason;
	return tp_host_now(host) >= plan->expires_ns ? TP_R_EXPIRED : TP_R_NONE;
}

#ifdef __bpf__
/* A global function: the verifier walks it once, whoever calls. It can be given plain
 * memory only, which a host is not; BPF finds its tables without one. */
__attribute__((noinline)) int tp_lookup_bpf(const struct tp_key6 *key, int family,
					    struct tp_plan *plan)
{
	if (!key || !plan)
		return TP_R_NO_ROW;
	return (int)tp_find_live(0, key, family, plan);
}

TP_INLINE enum tp_reason tp_lookup(struct tp_host *host, const struct tp_key6 *key, int family,
				   struct tp_plan *plan)
{
	(void)host;
	return (enum tp_reason)tp_lookup_bpf(key, family, plan);
}
#else
TP_APART enum tp_reason tp_lookup(struct tp_host *host, const struct tp_key6 *key, int family,
				  struct tp_plan *plan)
{
	return tp_find_live(host, key, family, plan);
}
#endif

/* ------------------------------------------------------------- next hop */

#ifndef TP_HOST_ROUTED
/* Whether the daemon wants one packet for this next hop: one CPU alone takes the flag. */
TP_INLINE int tp_take_poke(struct tp_nexthop *hop)
{
	return TP_READ(hop->poke) && __sync_lock_test_and_set(&hop->poke, 0);
}

TP_INLINE enum tp_reason tp_check_nexthop(struct tp_host *host, struct tp_plan *plan,
					  __u32 *ifindex)
{
	struct tp_nexthop *hop = plan->nexthop ? tp_host_nexthop(host, plan->nexthop) : 0;
	const __u8 *macs;
	__u32 seq;
	__u16 mtu;

	if (!hop)
		return TP_R_NO_NEXTHOP;
	macs = (const __u8 *)hop + __builtin_offsetof(struct tp_nexthop, dmac);
	seq = tp_seq_read(&hop->seq);
	*ifindex = hop->ifindex;
	plan->mac_front = tp_load64(macs);
	plan->mac_back = tp_load32(macs + 8);
	plan->vlan_tci = hop->vlan_tci;
	mtu = hop->mtu;
	if ((seq & 1) || tp_seq_changed(&hop->seq, seq))
		return TP_R_BUSY;
	if (!*ifindex)
		return TP_R_NO_NEXTHOP;
	if (plan->ip_len > mtu)
		return TP_R_MTU;
	return tp_take_poke(hop) ? TP_R_POKE : TP_R_NONE;
}
#endif

/* The data path's fields; several CPUs may lose one now and then. */
TP_INLINE void tp_row_counted(struct tp_host *host, struct tp_row *row, __u32 len)
{
#ifdef TP_HOST_ROUTED
	tp_host_row_counted(host, row, len);
#else
	(void)host;
	row->packets++;
	row->bytes += len;
#endif
}

/* After everything else was checked: only what would be relayed pays. */
TP_INLINE enum tp_reason tp_row_limit(struct tp_host *host, const struct tp_row *row, int way,
				      __u32 len)
{
	struct tp_limit *limit = tp_host_limit(host, row->alloc), *user = 0;

	if (!limit)
		return TP_R_NONE;
	if (limit->user)
		user = tp_host_limit(host, limit->user);
	return tp_limit_take(limit, user, way, len, tp_host_now(host)) ? TP_R_NONE : TP_R_LIMIT;
}

/* What no receiver could use; asked once it is known that the packet is ours. */
TP_INLINE enum tp_reason tp_check_frame(struct tp_host *host, const struct tp_flow *flow, int in)
{
	if (flow->bad_mac | flow->bad_ip_check)
		return TP_R_BAD_FRAME;
#ifndef TP_HOST_ROUTED
	if (!tp_host_own_mac(host, flow->dmac))
		return TP_R_OTHER_MAC;
#endif
	/* RFC 8200 section 8.1: UDP over IPv6 has a checksum */
	return in == 6 && !flow->udp_check ? TP_R_BAD_FRAME : TP_R_NONE;
}

#endif
