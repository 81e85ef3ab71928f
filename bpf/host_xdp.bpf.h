/* SPDX-License-Identifier: GPL-2.0 */
/* The primitives of the relay core over the frame of an XDP program. */
#ifndef TURNPIKE_HOST_XDP_BPF_H
#define TURNPIKE_HOST_XDP_BPF_H

#include "host.bpf.h"
#include <turnpike/error.h>
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

static __always_inline __u32 tp_host_ifindex(struct tp_host *host)
{
	return host->ctx->ingress_ifindex;
}

static __always_inline int tp_host_grow(struct tp_host *host, __s32 bytes, int family)
{
	(void)family;
	return bpf_xdp_adjust_head(host->ctx, -bytes) != 0;
}

static __always_inline int tp_host_trim(struct tp_host *host, __u32 bytes)
{
	return bpf_xdp_adjust_tail(host->ctx, -(int)bytes) != 0;
}

static __always_inline int tp_host_extend(struct tp_host *host, __u32 bytes)
{
	return bpf_xdp_adjust_tail(host->ctx, (int)bytes) != 0;
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

/* A global function: the verifier walks it once, and not for each way that led there. */
__attribute__((noinline)) int tp_detour_xdp(struct xdp_md *ctx, int why, int *action)
{
	struct tp_host host = { .ctx = ctx, .action = XDP_PASS };
	enum tp_reason reason;

	if (!action)
		return TP_R_BUSY;
	reason = tp_detour(&host, why);
	*action = host.action;
	return (int)reason;
}

static __always_inline enum tp_reason tp_host_detour(struct tp_host *host, int why)
{
	int action = XDP_PASS;
	enum tp_reason reason = (enum tp_reason)tp_detour_xdp(host->ctx, why, &action);

	host->action = action;
	return reason;
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

/* A global function: the verifier walks it once, whatever came before. */
__attribute__((noinline)) int tp_error_xdp(struct xdp_md *ctx, int in, int reason, int detoured)
{
	struct tp_host host = { .ctx = ctx };

	if (in == 4)
		return tp_error(&host, 4, (enum tp_reason)reason, detoured);
	return tp_error(&host, 6, (enum tp_reason)reason, detoured);
}

static __always_inline enum tp_reason tp_host_error(struct tp_host *host, int in,
						    enum tp_reason reason, int detoured)
{
	tp_host_back(host);
	return (enum tp_reason)tp_error_xdp(host->ctx, in, (int)reason, detoured);
}

#endif
