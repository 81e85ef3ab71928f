/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Token buckets. A bucket is one word: the time at which it is full again (the
 * generic cell rate algorithm). It lets pass while that is less than the burst
 * ahead, and every packet moves it on by what it costs; so one larger than the
 * burst passes as well, and pays for it. Several CPUs add to a word atomically; that
 * now and then two of them see the last room is as good as a slightly larger burst.
 */
#ifndef TURNPIKE_LIMIT_H
#define TURNPIKE_LIMIT_H

#include <linux/types.h>
#include <turnpike/rows.h>
#include <turnpike/tables.h>
#include <turnpike/word.h>

#define TP_LIMIT_BURST_NS	1000000000ULL	/* coturn counts by whole seconds */

TP_INLINE int tp_bucket_has(const __u64 *full_ns, __u64 now, __u64 burst_ns)
{
	return TP_READ(*full_ns) <= now + burst_ns;
}

TP_INLINE void tp_bucket_take(__u64 *full_ns, __u64 now, __u64 cost_ns)
{
	if (TP_READ(*full_ns) < now)
		TP_WRITE(*full_ns, now + cost_ns);
	else
		__sync_fetch_and_add(full_ns, cost_ns);
}

/* ------------------------------------------------------------ allocations */

#define TP_LIMIT_UP	0	/* client to peer */
#define TP_LIMIT_DOWN	1

/* ns that so many units take, at this price of one; a packet has fewer than 2^17 bytes. */
TP_INLINE __u64 tp_limit_cost(__u64 price, __u32 units)
{
	return (price * units) >> TP_LIMIT_SHIFT;
}

TP_INLINE int tp_limit_has(const struct tp_limit *limit, int way, __u64 now)
{
	return tp_bucket_has(&limit->bytes_ns[way], now, TP_LIMIT_BURST_NS) &&
	       tp_bucket_has(&limit->packets_ns[way], now, TP_LIMIT_BURST_NS);
}

TP_INLINE void tp_limit_pay(struct tp_limit *limit, int way, __u32 bytes, __u64 now)
{
	if (limit->byte_price)
		tp_bucket_take(&limit->bytes_ns[way], now, tp_limit_cost(limit->byte_price, bytes));
	if (limit->packet_price)
		tp_bucket_take(&limit->packets_ns[way], now,
			       tp_limit_cost(limit->packet_price, 1));
}

/*
 * May a datagram with so many bytes of application data be relayed, within the
 * allocation's limits and those of its user (0: has none)? Where not, it costs neither.
 */
TP_INLINE int tp_limit_take(struct tp_limit *limit, struct tp_limit *user, int way,
			    __u32 bytes, __u64 now)
{
	if (!tp_limit_has(limit, way, now) || (user && !tp_limit_has(user, way, now)))
		return 0;
	tp_limit_pay(limit, way, bytes, now);
	if (user)
		tp_limit_pay(user, way, bytes, now);
	return 1;
}

#endif
