// SPDX-License-Identifier: MIT
/*
 * Nanoseconds per packet of the XDP program, by case. Each case is first run once by the
 * program that the daemon loads and once by its copy in the timing program (timing.bpf.c),
 * on the same tables, and what comes out is compared byte for byte with what should
 * (tests/dataplane/case_run.c). Then the copy is timed, in rounds of many runs, against
 * the same loop around nothing. One flow, one frame: everything is in the cache.
 *   cases [PART OF A NAME]
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../dataplane/cases.h"
#include "die.h"
#include "timing.h"
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"	/* in what bpftool generates */
#include "bench/timing.skel.h"
#pragma GCC diagnostic pop

#define RUNS	200000		/* of a round: 10 to 20 ms */
#define ROUNDS	21
#define MAPS	32

/* A case more is a line more: see tests/dataplane/cases.h. */
#define TO_PEER		.reason = TP_R_TO_PEER, .data_len = 160
#define TO_CLIENT	.to_client = true, .reason = TP_R_TO_CLIENT, .data_len = 160

#define HAIRPIN		.hairpin = true, .reason = TP_R_HAIRPIN, .data_len = 160

static void tcp(struct frame *f)
{
	f->b[f->l3 + 9] = 6;
	frame_fix_ip(f);
}

static const struct dp_case cases[] = {
	{ "ChannelData 4 to 4, to the peer", TO_PEER, .hop = HOP_THERE },
	{ "ChannelData 4 to 4, to the client", TO_CLIENT, .hop = HOP_THERE },
	{ "ChannelData 6 to 6, to the peer", TO_PEER, .in = 6, .out = 6, .hop = HOP_THERE },
	{ "ChannelData 6 to 6, to the client", TO_CLIENT, .in = 6, .out = 6, .hop = HOP_THERE },
	{ "ChannelData 4 to 6, to the peer", TO_PEER, .in = 4, .out = 6, .hop = HOP_THERE },
	{ "ChannelData 4 to 6, to the client", TO_CLIENT, .in = 4, .out = 6, .hop = HOP_THERE },
	{ "ChannelData 6 to 4, to the peer", TO_PEER, .in = 6, .out = 4, .hop = HOP_THERE },
	{ "ChannelData 6 to 4, to the client", TO_CLIENT, .in = 6, .out = 4, .hop = HOP_THERE },
	{ "Send indication 4 to 4", TO_PEER, .send = true, .hop = HOP_THERE },
	{ "Send indication 6 to 4", TO_PEER, .send = true, .in = 6, .out = 4, .hop = HOP_THERE },
	{ "Data indication 4 to 4", TO_CLIENT, .indication = true, .hop = HOP_THERE },
	{ "Data indication 4 to 6", TO_CLIENT, .indication = true, .in = 4, .out = 6,
	  .hop = HOP_THERE },
	{ "hairpin, ChannelData to ChannelData", HAIRPIN, .hop = HOP_THERE },
	{ "hairpin, Send to Data indication", HAIRPIN, .send = true, .indication = true,
	  .hop = HOP_THERE },
	{ "peer without permission", .reason = TP_R_REFUSED, .data_len = 160, .to_client = true,
	  .indication = true, .no_permission = true, .relayed = 1 },
	{ "4 to 4, out by the way in", TO_PEER, .hop = HOP_HERE },
	{ "no row, IPv4", .reason = TP_R_NO_ROW, .data_len = 160, .no_row = true },
	{ "no row, IPv6", .reason = TP_R_NO_ROW, .data_len = 160, .no_row = true, .in = 6,
	  .out = 6 },
	{ "TCP", .reason = TP_R_NOT_UDP, .data_len = 160, .no_row = true, .twist = tcp },
};

/* ------------------------------------------------------------- the timing program */

static int map_of(const struct world *world, const char *name)
{
	__u32 ids[MAPS] = { 0 }, len = sizeof(struct bpf_prog_info);
	struct bpf_prog_info info = { .nr_map_ids = MAPS, .map_ids = (__u64)(uintptr_t)ids };

	if (bpf_obj_get_info_by_fd(world->prog, &info, &len))
		die("program: %s", strerror(errno));
	for (__u32 i = 0; i < info.nr_map_ids && i < MAPS; i++) {
		struct bpf_map_info map = { 0 };
		int fd = bpf_map_get_fd_by_id(ids[i]);

		len = sizeof(map);
		if (fd < 0 || bpf_obj_get_info_by_fd(fd, &map, &len))
			die("map %u: %s", ids[i], strerror(errno));
		if (!strcmp(map.name, name))
			return fd;
		close(fd);
	}
	return -1;
}

/* The same tables, and the same constants as the loader sets. */
static struct timing_bpf *load_timing(const struct world *world)
{
	struct timing_bpf *skel = timing_bpf__open();
	const struct tp_meta *meta = world->tables.meta;
	struct bpf_map *map;

	if (!skel)
		die("open: %s", strerror(errno));
	bpf_object__for_each_map(map, skel->obj) {
		const char *name = bpf_map__name(map);
		int fd = strncmp(name, "tp_", 3) ? -1 : map_of(world, name);

		if (fd < 0)
			continue;
		if (bpf_map__reuse_fd(map, fd))
			die("%s: %s", name, strerror(errno));
		close(fd);
	}
	memcpy((void *)skel->rodata->tp_seed, meta->hash_seed, sizeof(meta->hash_seed));
	skel->rodata->tp_slots4 = meta->rows4;
	skel->rodata->tp_slots6 = meta->rows6;
	if (timing_bpf__load(skel))
		die("load: %s", strerror(errno));
	return skel;
}

static __u32 test_run(struct timing_bpf *skel, const struct bpf_program *prog,
		      const struct frame *in, struct frame *out, unsigned int runs)
{
	struct xdp_md ctx = { .data_end = (__u32)in->len, .ingress_ifindex = WORLD_HERE };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .repeat = 1,
		    .data_in = in->b, .data_size_in = (__u32)in->len,
		    .data_out = out->b, .data_size_out = sizeof(out->b),
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx));

	if (in->len < TIMING_HEADERS)
		die("frame of %zu bytes", in->len);
	memset(out, 0, sizeof(*out));
	memcpy(skel->bss->headers, in->b, TIMING_HEADERS);
	skel->bss->frame_len = (__u32)in->len;
	skel->bss->runs = runs;
	if (bpf_prog_test_run_opts(bpf_program__fd(prog), &opts))
		die("test run: %s", strerror(errno));
	if (opts.retval == XDP_ABORTED)
		die("the timing program broke off");
	out->len = opts.data_size_out;
	return opts.retval;
}

static void read_stats(const struct world *world, struct tp_count stats[TP_R_MAX])
{
	if (tables_stats(world->tables.stats_fd, stats))
		die("counters: %s", strerror(errno));
}

/* ------------------------------------------------------------------------- checks */

/* The timing program as a world; the first member, so that one is the other. */
struct copy {
	struct world world, *real;
	struct timing_bpf *skel;
};

/* As the program itself in world_xdp.c, for case_run(). */
static enum world_verdict run_copy(struct world *world, const struct frame *in, struct frame *out,
				   enum tp_reason *reason)
{
	struct timing_bpf *skel = ((struct copy *)world)->skel;
	struct tp_count before[TP_R_MAX], after[TP_R_MAX];
	__u32 action;

	read_stats(world, before);
	action = test_run(skel, skel->progs.time_relay, in, out, 1);
	read_stats(world, after);
	*reason = TP_R_MAX;
	for (int r = 0; r < TP_R_MAX; r++)
		if (after[r].packets != before[r].packets)
			*reason = (enum tp_reason)r;
	return action == XDP_TX ? WORLD_TX : action == XDP_REDIRECT ? WORLD_REDIRECT :
	       action == XDP_PASS ? WORLD_PASS : WORLD_DROP;
}

static void set_own_mac(struct world *world, const uint8_t mac[6])
{
	struct world *real = ((struct copy *)world)->real;

	real->set_own_mac(real, mac);
}

/* First all cases by the one: it expects its own counts only. */
static void check(struct world *world, struct timing_bpf *skel, const struct dp_case *c, size_t n)
{
	struct copy copy = { .world = *world, .real = world, .skel = skel };

	for (size_t i = 0; i < n; i++)
		if (!case_run(world, &c[i]))
			die("%s: the program does something else", c[i].name);
	copy.world.name = "timing";
	copy.world.run = run_copy;
	copy.world.set_own_mac = set_own_mac;
	for (size_t i = 0; i < n; i++)
		if (!case_run(&copy.world, &c[i]))
			die("%s: the timed copy does something else", c[i].name);
}

/* ------------------------------------------------------------------------- timing */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Every single run of the round has to have been that case. */
static double round_ns(struct world *world, struct timing_bpf *skel, const struct dp_case *c,
		       const struct frame *in)
{
	struct tp_count before[TP_R_MAX], after[TP_R_MAX];
	static struct frame out;
	double ns;

	read_stats(world, before);
	test_run(skel, skel->progs.time_relay, in, &out, RUNS);
	ns = (double)skel->bss->elapsed_ns;
	read_stats(world, after);
	if (after[c->reason].packets - before[c->reason].packets != RUNS)
		die("%s: not every packet of the round went that way", c->name);
	test_run(skel, skel->progs.time_nothing, in, &out, RUNS);
	return (ns - (double)skel->bss->elapsed_ns) / RUNS;
}

static void time_case(struct world *world, struct timing_bpf *skel, const struct dp_case *c)
{
	static struct case_flow flow;
	static struct frame in;
	double ns[ROUNDS];
	uint32_t slot_1;

	case_flow(c, &flow);
	frame_build(&in, &flow.in);
	if (c->twist)
		c->twist(&in);
	slot_1 = case_put(world, c, &flow);
	for (int i = 0; i < ROUNDS; i++)
		ns[i] = round_ns(world, skel, c, &in);
	case_clear(world, &flow, slot_1);
	qsort(ns, ROUNDS, sizeof(*ns), by_value);
	printf("  %-36s %8.1f %8.1f %8.1f\n", c->name, ns[ROUNDS / 2], ns[ROUNDS / 10],
	       ns[ROUNDS * 9 / 10]);
}

int main(int argc, char **argv)
{
	size_t n = sizeof(cases) / sizeof(cases[0]);
	struct timing_bpf *skel;
	struct world world;
	cpu_set_t cpus;
	const char *why;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		die("cpu 0: %s", strerror(errno));
	if (world_xdp(&world, &why))
		die("%s", why);
	skel = load_timing(&world);
	check(&world, skel, cases, n);
	printf("  %-36s %8s %8s %8s   of %d rounds\n", "nanoseconds", "median", "1/10", "9/10",
	       ROUNDS);
	for (size_t i = 0; i < n; i++)
		if (argc < 2 || strstr(cases[i].name, argv[1]))
			time_case(&world, skel, &cases[i]);
	timing_bpf__destroy(skel);
	world_close(&world);
	return EXIT_SUCCESS;
}
