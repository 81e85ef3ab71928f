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

#endif
