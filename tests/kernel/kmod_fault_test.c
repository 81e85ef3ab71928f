// SPDX-License-Identifier: MIT
/*
 * The module when memory runs out: each of its allocations fails in turn, for each packet of
 * the table and for opening a session. Needs the module that was built for this.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "dataplane/xdp.h"
#include "../dataplane/cases.h"
#include "world_kmod.h"

#define ENOUGH	20		/* allocations that no packet reaches */
#define ROUNDS	30

static struct world world;
static unsigned int passed, dropped;

/* ------------------------------------------------------------------ packets */

static bool is_drop(enum tp_reason reason)
{
	return reason >= TP_R_BAD_FRAME && reason <= TP_R_REWRITE;
}

/* The packet was let through unchanged, or dropped, and the counter says so. */
static void check_failed(const struct dp_case *c, unsigned int every, const struct frame *in,
			 const struct frame *out, enum world_verdict verdict, enum tp_reason reason)
{
	bool ok = false;

	if (verdict == WORLD_PASS) {
		ok = reason > TP_R_BINDING && !is_drop(reason) && frame_equal(in, out);
		passed++;
	} else if (verdict == WORLD_DROP) {
		ok = is_drop(reason);
		dropped++;
	}
	if (!ok)
		fail_msg("%s, allocation %u: verdict %d, reason %d", c->name, every, verdict, reason);
}

/* With each allocation that it takes failing alone, or together with every later n-th. */
static void fail_each(const struct dp_case *c)
{
	static struct frame in, out;
	static struct case_flow flow;
	enum tp_reason reason;
	enum world_verdict verdict;
	unsigned int failed = 1;
	uint32_t slot_1;

	case_flow(c, &flow);
	frame_build(&in, &flow.in);
	if (c->twist)
		c->twist(&in);
	slot_1 = case_put(&world, c, &flow);
	for (unsigned int n = 1; failed; n++) {
		assert_true(n < ENOUGH);
		assert_true(world_kmod_fault(n));
		verdict = world.run(&world, &in, &out, &reason);
		failed = world_kmod_faults();
		if (failed)
			check_failed(c, n, &in, &out, verdict, reason);
	}
	assert_true(world_kmod_fault(0));
	case_clear(&world, &flow, slot_1);
}

static void each_packet(void **state)
{
	(void)state;
	passed = dropped = 0;
	for (size_t i = 0; i < dp_cases_n; i++) {
		struct dp_case c = dp_cases[i];

		world.suited(&c);
		/* rooms that cannot be chosen here; what IP keeps from the module */
		if (!c.headroom && !c.tailroom && c.reason != TP_R_MAX)
			fail_each(&c);
	}
	printf("# %u passed up, %u dropped\n", passed, dropped);
	assert_true(passed > 200 && dropped > 10);
}

/* -------------------------------------------------------------------- leaks */

/* Objects of a slab cache that are in use. */
static long objects(const char *cache)
{
	FILE *f = fopen("/proc/slabinfo", "r");
	char line[256], name[64];
	long n = -1, in_use;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %ld", name, &in_use) == 2 && !strcmp(name, cache))
			n = in_use;
	}
	fclose(f);
	assert_true(n >= 0);
	return n;
}

/* Routes to somewhere that somebody holds, or that wait for their turn to be given back. */
static unsigned int routes(void)
{
	FILE *f = fopen("/proc/net/stat/rt_cache", "r");
	char line[512];
	unsigned int n;

	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	assert_non_null(fgets(line, sizeof(line), f));
	assert_int_equal(sscanf(line, "%x", &n), 1);
	fclose(f);
	return n;
}

static void forget_routes(void)
{
	int fd = open("/proc/sys/net/ipv4/route/flush", O_WRONLY | O_CLOEXEC);

	assert_int_equal(write(fd, "1", 1), 1);
	close(fd);
}

/*
 * The packets of which each direction's allocations fail, over and over. A route is made anew
 * for each, so that one that is not given back shows. What SLUB keeps at hand counts as in
 * use, so that only what grows with the rounds is a leak.
 */
static void nothing_leaks(void **state)
{
	struct dp_case cases[8] = { { .name = NULL } };
	unsigned int had_routes, has_routes, before = 0;
	long skbs = 0, pages = 0;

	(void)state;
	for (unsigned int i = 0; i < 8; i++)
		cases[i] = (struct dp_case){ .name = "leak", .to_client = i & 1,
					     .in = i & 2 ? 6 : 4, .out = i & 4 ? 6 : 4,
					     .data_len = 200, .surplus = 3, .indication = i & 1 };
	passed = dropped = 0;
	had_routes = routes();
	for (int round = 0; round < ROUNDS; round++) {
		for (unsigned int i = 0; i < 8; i++) {
			forget_routes();
			fail_each(&cases[i]);
		}
		if (round != ROUNDS / 10)
			continue;
		before = passed + dropped;
		skbs = objects("skbuff_head_cache");
		pages = world_kmod_free_pages();
	}
	usleep(200000);		/* RCU gives routes back */
	has_routes = routes();
	skbs = objects("skbuff_head_cache") - skbs;
	pages -= world_kmod_free_pages();
	printf("# %u failures, %u dropped: %d routes, %ld sk_buffs, %ld pages more\n",
	       passed + dropped - before, dropped, (int)(has_routes - had_routes), skbs, pages);
	assert_true(dropped > 2 * ROUNDS);
	assert_true(has_routes < had_routes + ROUNDS);
	assert_true(skbs < (long)(passed + dropped - before) / 10);
	assert_true(pages < (long)(passed + dropped - before) / 4);
}

/* ------------------------------------------------------------------ control */

static void each_of_a_session(void **state)
{
	const struct kmod_ports ports = { { 0 } };
	unsigned int n, failed;
	char why[XDP_WHY];
	int fd;

	(void)state;
	for (n = 1; n < ENOUGH; n++) {
		assert_true(world_kmod_fault(n));
		fd = kmod_open(&world.tables, &ports, why);
		failed = world_kmod_faults();
		assert_true(world_kmod_fault(0));
		if (!failed)
			break;
		assert_int_equal(fd, -ENOMEM);
	}
	assert_int_equal(n, 5);
	assert_true(fd >= 0);
	close(fd);
}

/* Whoever failed above holds no table, and no module. */
static void tables_and_module_go(void **state)
{
	(void)state;
	assert_int_equal(world_kmod_maps("tp_rows4"), 1);
	close(world_kmod_session(&world));
	world_close(&world);
	for (int i = 0; i < 100 && world_kmod_maps("tp_rows4"); i++)
		usleep(20000);
	assert_int_equal(world_kmod_maps("tp_rows4"), 0);
	assert_int_equal(system("rmmod turnpike"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_packet),
		cmocka_unit_test(nothing_leaks),
		cmocka_unit_test(each_of_a_session),
		cmocka_unit_test(tables_and_module_go),
	};
	const char *why = "", *module = getenv("TEST_KMOD_FAULT");

	if (!module || (!access(TURNPIKE_DEVICE, F_OK) && system("rmmod turnpike"))) {
		printf("not ok 1 - TEST_KMOD_FAULT, in place of another one\n");
		return 1;
	}
	setenv("TEST_KMOD", module, 1);
	if (world_kmod(&world, &why)) {
		printf("not ok 1 - %s\n", why);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
