/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The primitives of the relay core that read the tables, for every BPF host. What a
 * host does to its kind of packet is in host_xdp.bpf.h and host_tc.bpf.h, which
 * include this.
 */
#ifndef TURNPIKE_HOST_BPF_H
#define TURNPIKE_HOST_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "maps.bpf.h"

char _license[] SEC("license") = "GPL";

/* A program; inside another one (TP_INSIDE), which cannot call it, a function. */
#ifdef TP_INSIDE
#define TP_PROGRAM(section)	__attribute__((noinline))
#else
#define TP_PROGRAM(section)	SEC(section)
#endif

/*
 * Set by the loader before the program is loaded, so that the verifier knows
 * them: tp_meta's seed, and the sizes of the row tables. Where the CPU may
 * reorder reads (not x86), a read-modify-write is the barrier that BPF has.
 */
const volatile __u64 tp_seed[2] = { 0, 0 };
const volatile __u32 tp_slots4 = 0;
const volatile __u32 tp_slots6 = 0;
const volatile __u32 tp_weak_order = 0;

#define TP_RMB()							\
	do {								\
		if (tp_weak_order) {					\
			__u64 fence_ = 0;				\
			__sync_fetch_and_add(&fence_, 1);		\
		}							\
		__asm__ __volatile__("" ::: "memory");			\
	} while (0)

#define TP_HOST_API static __always_inline
#include <turnpike/forward.h>

/* The interface that the packet came by. */
static __always_inline __u32 tp_host_ifindex(struct tp_host *host);

static __always_inline __u32 tp_host_slots4(struct tp_host *host)
{
	(void)host;
	return tp_slots4;
}

static __always_inline __u32 tp_host_slots6(struct tp_host *host)
{
	(void)host;
	return tp_slots6;
}

static __always_inline struct tp_slot4 *tp_host_slot4(struct tp_host *host, __u32 index)
{
	(void)host;
	return bpf_map_lookup_elem(&tp_rows4, &index);
}

static __always_inline struct tp_slot6 *tp_host_slot6(struct tp_host *host, __u32 index)
{
	(void)host;
	return bpf_map_lookup_elem(&tp_rows6, &index);
}

static __always_inline struct tp_nexthop *tp_host_nexthop(struct tp_host *host, __u32 index)
{
	(void)host;
	return bpf_map_lookup_elem(&tp_nexthops, &index);
}

static __always_inline struct tp_limit *tp_host_limit(struct tp_host *host, __u32 index)
{
	(void)host;
	return bpf_map_lookup_elem(&tp_limits, &index);
}

static __always_inline void tp_host_seed(struct tp_host *host, __u64 seed[2])
{
	(void)host;
	seed[0] = tp_seed[0];
	seed[1] = tp_seed[1];
}

/*
 * The coarse clock moves when jiffies do, so it is read once for each of them: that
 * saves a call for nearly every packet (12 ns of 60). Shared by all CPUs; who finds
 * half of another one's update is off by less than a tick.
 */
static volatile __u64 tp_clock_ns, tp_clock_jiffies;

static __always_inline __u64 tp_host_now(struct tp_host *host)
{
	__u64 jiffies = bpf_jiffies64(), now;

	(void)host;
	if (jiffies == tp_clock_jiffies)
		return tp_clock_ns;
	now = bpf_ktime_get_coarse_ns();
	tp_clock_ns = now;
	tp_clock_jiffies = jiffies;
	return now;
}

static __always_inline int tp_host_own_mac(struct tp_host *host, __u64 mac)
{
	__u32 ifindex = tp_host_ifindex(host), index = ifindex & (TP_MACS - 1);
	struct tp_mac *own = bpf_map_lookup_elem(&tp_macs, &index);

	if (!own || own->ifindex != ifindex)
		return 1;
	return *(__u64 *)own->mac == mac;
}

static __always_inline __u32 tp_host_random(struct tp_host *host)
{
	(void)host;
	return bpf_get_prandom_u32();
}

static __always_inline struct tp_detour *tp_host_scratch(struct tp_host *host)
{
	__u32 index = 0;

	(void)host;
	return bpf_map_lookup_elem(&tp_scratch, &index);
}

static __always_inline void tp_host_count(struct tp_host *host, enum tp_reason reason, __u32 bytes)
{
	__u32 index = reason;
	struct tp_count *count = bpf_map_lookup_elem(&tp_stats, &index);

	(void)host;
	if (!count)
		return;
	count->packets++;
	count->bytes += bytes;
}

#endif
