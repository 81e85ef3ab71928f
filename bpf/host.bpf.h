/* SPDX-License-Identifier: GPL-2.0 */
/* The primitives of the relay core for an XDP program. */
#ifndef TURNPIKE_HOST_BPF_H
#define TURNPIKE_HOST_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "maps.bpf.h"

/*
 * Set by the loader before the program is loaded, so that the verifier knows
 * them: tp_meta's seed, and the sizes of the tables less one. Where the CPU may
 * reorder reads (not x86), a read-modify-write is the barrier that BPF has.
 */
const volatile __u64 tp_seed[2] = { 0, 0 };
const volatile __u32 tp_mask4 = 0;
const volatile __u32 tp_mask6 = 0;
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
#include <turnpike/listener.h>

struct tp_host {
	struct xdp_md *ctx;
	int action;		/* XDP_TX or XDP_REDIRECT, once there is a way */
};

static __always_inline __u8 *tp_host_data(struct tp_host *host)
{
	return (void *)(long)host->ctx->data;
}

static __always_inline __u8 *tp_host_end(struct tp_host *host)
{
	return (void *)(long)host->ctx->data_end;
}

static __always_inline int tp_host_grow(struct tp_host *host, __s32 bytes)
{
	return bpf_xdp_adjust_head(host->ctx, -bytes) != 0;
}

static __always_inline int tp_host_trim(struct tp_host *host, __u32 bytes)
{
	return bpf_xdp_adjust_tail(host->ctx, -(int)bytes) != 0;
}

static __always_inline struct tp_slot4 *tp_host_slot4(struct tp_host *host, __u32 index)
{
	(void)host;
	index &= tp_mask4;
	return bpf_map_lookup_elem(&tp_rows4, &index);
}

static __always_inline struct tp_slot6 *tp_host_slot6(struct tp_host *host, __u32 index)
{
	(void)host;
	index &= tp_mask6;
	return bpf_map_lookup_elem(&tp_rows6, &index);
}

static __always_inline const struct tp_nexthop *tp_host_nexthop(struct tp_host *host, __u32 index)
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
	__u32 ifindex = host->ctx->ingress_ifindex, index = ifindex & (TP_MACS - 1);
	struct tp_mac *own = bpf_map_lookup_elem(&tp_macs, &index);

	if (!own || own->ifindex != ifindex)
		return 1;
	return *(__u64 *)own->mac == mac;
}

/* bpf_redirect_map() only notes where to; it takes effect with the action. So it
 * can say, before anything is written, that the interface is not ours. */
static __always_inline int tp_host_route(struct tp_host *host, __u32 ifindex)
{
	if (ifindex == host->ctx->ingress_ifindex)
		host->action = XDP_TX;
	else
		host->action = bpf_redirect_map(&tp_ports, ifindex, XDP_PASS);
	return host->action == XDP_PASS;
}

static __always_inline struct tp_stranger *tp_host_stranger(struct tp_host *host, __u32 index)
{
	(void)host;
	return bpf_map_lookup_elem(&tp_strangers, &index);
}

static __always_inline void tp_host_back(struct tp_host *host)
{
	host->action = XDP_TX;
}

/* each CPU's own */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tp_listener_work);
} tp_work SEC(".maps");

/* By themselves, with a stack and registers of their own: what relayed packets take
 * stays as it is without them. */
static __noinline int tp_unclaimed4(struct xdp_md *ctx)
{
	struct tp_host host = { .ctx = ctx };
	__u32 zero = 0;
	struct tp_listener_work *work = bpf_map_lookup_elem(&tp_work, &zero);

	return work ? tp_listener(&host, 4, work) : TP_R_NO_ROW;
}

static __noinline int tp_unclaimed6(struct xdp_md *ctx)
{
	struct tp_host host = { .ctx = ctx };
	__u32 zero = 0;
	struct tp_listener_work *work = bpf_map_lookup_elem(&tp_work, &zero);

	return work ? tp_listener(&host, 6, work) : TP_R_NO_ROW;
}

static __always_inline enum tp_reason tp_host_unclaimed(struct tp_host *host, int in)
{
	tp_host_back(host);
	return in == 4 ? tp_unclaimed4(host->ctx) : tp_unclaimed6(host->ctx);
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
