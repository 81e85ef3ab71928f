/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What the generator's program and its loader share. */
#ifndef BENCH_H
#define BENCH_H

#include <linux/types.h>

#define BENCH_FLOWS_MAX		100000
#define BENCH_ECHO_PORT		7	/* at the peer, for latency.c */
#define BENCH_HEADERS		46	/* Ethernet, IPv4, UDP, ChannelData */

struct bench_flow {
	__u8 headers[BENCH_HEADERS];
	__u8 pad[2];
};

struct bench_count {
	__u64 wanted;		/* of the length that a relayed packet has */
	__u64 others;		/* UDP of another length */
};

#endif
