// SPDX-License-Identifier: MIT
/*
 * The program and its maps, by the daemon's own loader, on the kernel that this
 * runs on: the verifier takes it, a driver takes it, a second start takes the
 * pinned state over, turnpike trace's forms of it replace it and are replaced, and
 * nothing is left behind. In namespaces of its own.
 */
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "dataplane/tc.h"
#include "dataplane/tracer.h"
#include "dataplane/xdp.h"

static char pins[64];

static struct tp_meta sizes(void)
{
	return (struct tp_meta){
		.abi_version = TP_ABI_VERSION, .hash_seed = { 1, 2 },
		.rows4 = 1000, .rows6 = 1024, .nexthops = 64, .allocs = 64, .bindings = 64,
	};
}

static struct xdp *load(struct tables *tables)
{
	struct tp_meta meta = sizes();
	char why[XDP_WHY];
	struct xdp *xdp = NULL;
	int err = xdp_load(&xdp, pins, &meta, tables, why);

	if (err)
		fail_msg("xdp_load: %d, %s", err, why);
	return xdp;
}

static struct xdp_interface attach(struct xdp *xdp, const char *name)
{
	struct xdp_interface iface = { .ifindex = if_nametoindex(name) };

	snprintf(iface.name, sizeof(iface.name), "%s", name);
	if (xdp_attach(xdp, &iface))
		fail_msg("%s: %s", name, iface.why);
	assert_int_equal(iface.mode, XDP_NATIVE);
	return iface;
}

static int make_place(void **state)
{
	(void)state;
	/* no dot: bpffs reserves such names */
	snprintf(pins, sizeof(pins), "/sys/fs/bpf/tp_load_test_%d", (int)getpid());
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL))
		return -1;
	return system("ip link add va type veth peer name vb && ip link set va up && "
		      "ip link set vb up");
}

static void loads_and_attaches(void **state)
{
	struct tables tables;
	struct xdp *xdp = load(&tables);

	(void)state;
	attach(xdp, "va");
	attach(xdp, "vb");
	assert_int_equal(system("ip link show va | grep -qw 'xdp'"), 0);
	tables_close(&tables);
	xdp_close(xdp);
	/* the program stays when its loader has gone */
	assert_int_equal(system("ip link show va | grep -qw 'xdp'"), 0);
}

static int none_expected(void *ctx, const struct tp_trace *event)
{
	(void)ctx;
	(void)event;
	return 0;
}

/* The tracing forms load, replace the programs and are replaced by them. */
static void expect_traced(struct xdp *xdp, const struct tables *tables)
{
	struct tp_trace_filter filter = { .reasons = 1ULL << TP_R_REWRITE, .sample = 1 };
	struct xdp_interface iface = { .name = "vb", .ifindex = if_nametoindex("vb") };
	struct tracer *tracer, *second;
	char why[XDP_WHY], name[FILTERS_NAME];
	struct tc *tc;

	assert_int_equal(tc_load(&tc, xdp, tables->meta, why), 0);
	assert_int_equal(tc_attach(tc, &iface, false), 0);
	assert_int_equal(tracer_open(&tracer, pins, &filter, none_expected, NULL), 0);
	assert_int_equal(system("ip -d link show va | grep -q 'name tp_trace_xdp'"), 0);
	assert_int_equal(tc_filter(iface.ifindex, name), 0);
	assert_non_null(strstr(name, "tp_trace_tc:"));
	assert_int_equal(tracer_poll(tracer, 0), 0);
	assert_int_equal(tracer_follow(tracer), 0);
	assert_int_equal(tracer_open(&second, pins, &filter, none_expected, NULL), -EBUSY);
	assert_int_equal(tracer_stop(tracer), 0);
	assert_int_equal(system("ip -d link show va | grep -q 'name turnpike_xdp'"), 0);
	assert_int_equal(tc_filter(iface.ifindex, name), 0);
	assert_non_null(strstr(name, TC_PROG ":"));
	tracer_close(tracer);
	assert_int_equal(tc_detach(pins, NULL, 0), 1);
	tc_close(tc);
}

static void second_start_takes_over_and_is_traced(void **state)
{
	struct tables tables;
	struct xdp *xdp = load(&tables);
	struct xdp_interface iface = attach(xdp, "va");

	(void)state;
	assert_non_null(strstr(iface.why, "taken over"));
	xdp_drop_others(xdp, &iface, 1);
	assert_int_not_equal(system("ip link show vb | grep -qw 'xdp'"), 0);
	assert_int_equal(system("ip link show va | grep -qw 'xdp'"), 0);
	expect_traced(xdp, &tables);
	tables_close(&tables);
	xdp_close(xdp);
}

static void other_sizes_are_refused(void **state)
{
	struct tp_meta meta = sizes();
	struct tables tables;
	char why[XDP_WHY];
	struct xdp *xdp = NULL;

	(void)state;
	meta.bindings *= 2;
	assert_int_equal(xdp_load(&xdp, pins, &meta, &tables, why), -EEXIST);
}

static void other_shares_of_the_families_are_carried_on(void **state)
{
	struct tp_meta meta = sizes();
	struct tables tables;
	char why[XDP_WHY];
	struct xdp *xdp = NULL;

	(void)state;
	meta.rows4 /= 2;
	meta.rows6 *= 2;
	assert_int_equal(xdp_load(&xdp, pins, &meta, &tables, why), 0);
	assert_int_equal(tables.meta->rows4, sizes().rows4);
	assert_int_equal(tables.meta->rows6, sizes().rows6);
	tables_close(&tables);
	xdp_close(xdp);
}

static void detaches_without_a_trace(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(xdp_detach_all(pins), 1);
	assert_int_not_equal(stat(pins, &st), 0);
	assert_int_not_equal(system("ip link show va | grep -qw 'xdp'"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loads_and_attaches),
		cmocka_unit_test(second_start_takes_over_and_is_traced),
		cmocka_unit_test(other_sizes_are_refused),
		cmocka_unit_test(other_shares_of_the_families_are_carried_on),
		cmocka_unit_test(detaches_without_a_trace),
	};

	if (geteuid()) {
		puts("1..0 # SKIP not root");
		return 4;
	}
	/* its status is the number of failures, and 4 means skipped */
	return cmocka_run_group_tests(tests, make_place, NULL) != 0;
}
