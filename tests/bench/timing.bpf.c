// SPDX-License-Identifier: GPL-2.0
/*
 * Times the XDP program over many runs in one call. The program's own source is
 * compiled in here as a function; each run gets the frame back as it was: the head
 * where it was, and the headers written anew. What that costs is measured by the
 * same loop around a function that does nothing.
 */
#define TP_INSIDE
#include "turnpike.bpf.c"
#include "timing.h"

/* control sets */
__u8 headers[TIMING_HEADERS];
__u32 frame_len, runs;
/* the program sets */
__u64 elapsed_ns;

struct run {
	struct xdp_md *ctx;
	int verdict;
};

__attribute__((noinline)) int nothing(struct xdp_md *ctx)
{
	int verdict = XDP_PASS;

	barrier_var(verdict);
	return ctx ? verdict : XDP_ABORTED;
}

static __always_inline int restore(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u64 len = end - data;

	barrier_var(len);	/* pointers are not to be subtracted by halves */
	if (bpf_xdp_adjust_head(ctx, (int)len - (int)frame_len))
		return -1;
	data = (void *)(long)ctx->data;
	if (data + TIMING_HEADERS > (void *)(long)ctx->data_end)
		return -1;
	__builtin_memcpy(data, headers, TIMING_HEADERS);
	return 0;
}

static int run_relay(__u32 i, struct run *run)
{
	(void)i;
	run->verdict = restore(run->ctx) ? XDP_ABORTED : turnpike_xdp(run->ctx);
	return run->verdict == XDP_ABORTED;
}

static int run_nothing(__u32 i, struct run *run)
{
	(void)i;
	run->verdict = restore(run->ctx) ? XDP_ABORTED : nothing(run->ctx);
	return run->verdict == XDP_ABORTED;
}

static __always_inline int timed(struct xdp_md *ctx, int (*run_one)(__u32, struct run *))
{
	struct run run = { .ctx = ctx, .verdict = XDP_ABORTED };
	__u64 from = bpf_ktime_get_ns();
	long done = bpf_loop(runs, run_one, &run, 0);

	elapsed_ns = bpf_ktime_get_ns() - from;
	return done == runs ? run.verdict : XDP_ABORTED;
}

SEC("xdp") int time_relay(struct xdp_md *ctx)
{
	return timed(ctx, run_relay);
}

SEC("xdp") int time_nothing(struct xdp_md *ctx)
{
	return timed(ctx, run_nothing);
}
