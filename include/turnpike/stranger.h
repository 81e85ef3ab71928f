/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Where tp_strangers has the buckets of an address, and of the network that it is in. */
#ifndef TURNPIKE_STRANGER_H
#define TURNPIKE_STRANGER_H

#include <linux/types.h>
#include <turnpike/packet.h>
#include <turnpike/reply.h>
#include <turnpike/rows.h>
#include <turnpike/tables.h>
#include <turnpike/word.h>

TP_INLINE __u32 tp_stranger_hash(const __u64 seed[2], __u32 a, __u32 b, __u32 kind)
{
	__u32 word[4] = { a, b, kind, 0 };

	return (__u32)tp_hash_mix(tp_hash_nh(word, seed));
}

/* The flow's source: an IPv4 address, or an IPv6 /64. */
TP_INLINE __u32 tp_stranger_host(const __u64 seed[2], const struct tp_flow *flow, int in)
{
	__u32 a = TP_RAW32(in == 4 ? flow->ip4.saddr : flow->ip6.saddr[0]);
	__u32 b = in == 4 ? 0 : TP_RAW32(flow->ip6.saddr[1]);

	return tp_stranger_hash(seed, a, b, (__u32)in) & (TP_STRANGER_HOSTS - 1);
}

/* Its /24 or /48. */
TP_INLINE __u32 tp_stranger_net(const __u64 seed[2], const struct tp_flow *flow, int in)
{
	__u32 a = TP_RAW32(in == 4 ? flow->ip4.saddr : flow->ip6.saddr[0]);
	__u32 b = in == 4 ? 0 : TP_RAW32(flow->ip6.saddr[1]);

	a &= in == 4 ? TP_N32(0xffffff00U) : ~0U;
	b &= TP_N32(0xffff0000U);
	return TP_STRANGER_HOSTS + (tp_stranger_hash(seed, a, b, (__u32)in | 0x100) &
				    (TP_STRANGER_NETS - 1));
}

#endif
