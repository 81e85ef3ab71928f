/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What the generator's program and its loader share. */
#ifndef BENCH_H
#define BENCH_H

#include <linux/types.h>

#define BENCH_ECHO_PORT		7	/* at the peer, for latency.c */
#define BENCH_WORDS_MAX		14	/* Ethernet, IPv6, UDP, Send indication; 8 bytes each */
#define BENCH_PORTS		65536

/* The head of a frame; the loader makes the map's elements as short as the bench's are. */
struct bench_flow {
	__u64 word[BENCH_WORDS_MAX];
};

struct bench_count {
	__u64 wanted;		/* of the length that a relayed packet has */
	__u64 others;		/* UDP of another length */
};

#endif
