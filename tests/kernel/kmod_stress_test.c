// SPDX-License-Identifier: MIT
/* Frames in, while tables are exchanged, rows come and go and sessions open and close. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <cmocka.h>
#include "../dataplane/cases.h"
#include "dataplane/xdp.h"
#include "world_kmod.h"

#define PINS2	"/sys/fs/bpf/tp_kmod_stress"
#define FRAMES	4000

static struct world world;
static struct tables second;
static struct rows *second_rows;
static struct kmod_ports ports;
static int session;
static bool over;
static unsigned long swaps, writes, opens;

static bool done(void)
{
	return __atomic_load_n(&over, __ATOMIC_RELAXED);
}

static int give(int to, const struct tables *t)
{
	struct turnpike_tables given = kmod_tables(t, &ports);

	return ioctl(to, TURNPIKE_SET_TABLES, &given);
}

static void *exchange(void *arg)
{
	for (; !done(); swaps++) {
		if (give(session, swaps % 2 ? &world.tables : &second))
			abort();
	}
	return arg;
}

/* Each row of the flow comes and goes, in both sets of tables. */
static void *write_rows(void *arg)
{
	const struct case_flow *flow = arg;
	struct tp_count count;

	for (; !done(); writes++) {
		struct rows *rows = writes % 2 ? world.rows : second_rows;
		uint32_t slot_1 = rows_put(rows, &flow->row);

		if (slot_1 && writes % 3 == 0)
			rows_del(rows, flow->row.src.family, slot_1, &count);
	}
	return arg;
}

/* Hooks of another network namespace, which no frame comes to. */
static void *open_and_close(void *arg)
{
	if (unshare(CLONE_NEWNET))
		abort();
	for (; !done(); opens++) {
		int fd = open(TURNPIKE_DEVICE, O_RDWR | O_CLOEXEC);

		if (fd < 0 || (opens % 2 && give(fd, &world.tables)))
			abort();
		close(fd);
	}
	return arg;
}

static uint64_t counted(const struct tables *t)
{
	struct tp_count stats[TP_R_MAX];
	uint64_t sum = 0;

	if (tables_stats(t->kmod_stats_fd, stats))
		abort();
	for (int r = 0; r < TP_R_MAX; r++)
		sum += stats[r].packets;
	return sum;
}

static void every_frame_is_counted_once(void **state)
{
	struct dp_case c = { .name = "stress", .in = 4, .out = 6, .data_len = 40 };
	static struct case_flow flow;
	static struct frame in, out[8];
	pthread_t threads[3];
	uint64_t before = counted(&world.tables) + counted(&second);
	unsigned int relayed = 0;

	(void)state;
	case_flow(&c, &flow);
	frame_build(&in, &flow.in);
	pthread_create(&threads[0], NULL, exchange, NULL);
	pthread_create(&threads[1], NULL, write_rows, &flow);
	pthread_create(&threads[2], NULL, open_and_close, NULL);
	for (unsigned int i = 0; i < FRAMES; i++) {
		world_kmod_in(&world, &in);
		relayed += world_kmod_out(&world, out, 8);
	}
	/* the emulator may have been busy with the frames alone */
	usleep(500000);
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	printf("# %u of %u relayed; %lu exchanges, %lu rows, %lu sessions\n", relayed, FRAMES, swaps,
	       writes, opens);
	assert_true(relayed > 0);
	assert_true(swaps > 1 && writes > 1 && opens > 1);
	assert_int_equal(counted(&world.tables) + counted(&second) - before, FRAMES);
}

/* Tables that nobody else holds live on in the session, and end with it. */
static void tables_closed_by_their_maker(void **state)
{
	struct dp_case c = { .name = "closed", .in = 4, .out = 4, .data_len = 40 };
	static struct case_flow flow;
	static struct frame in, out[2];

	(void)state;
	assert_int_equal(give(session, &second), 0);
	case_flow(&c, &flow);
	assert_true(rows_put(second_rows, &flow.row));
	rows_free(second_rows);
	tables_close(&second);
	frame_build(&in, &flow.in);
	world_kmod_in(&world, &in);
	assert_int_equal(world_kmod_out(&world, out, 2), 1);
	assert_int_equal(world_kmod_maps("tp_rows4"), 2);
	close(session);
	for (int i = 0; i < 100 && world_kmod_maps("tp_rows4") > 1; i++)
		usleep(20000);
	assert_int_equal(world_kmod_maps("tp_rows4"), 1);
	world_kmod_in(&world, &in);
	assert_int_equal(world_kmod_out(&world, out, 2), 0);
}

static void leaves_with_rmmod(void **state)
{
	(void)state;
	assert_int_equal(system("rmmod turnpike"), 0);
	assert_int_not_equal(access(TURNPIKE_DEVICE, F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_frame_is_counted_once),
		cmocka_unit_test(tables_closed_by_their_maker),
		cmocka_unit_test(leaves_with_rmmod),
	};
	struct tp_meta sizes = world_sizes();
	char text[XDP_WHY] = "";
	const char *why = text;
	struct xdp *xdp;

	if (world_kmod(&world, &why) ||
	    xdp_load_tables(&xdp, PINS2, &sizes, &second, text)) {
		printf("not ok 1 - %s\n", why);
		return 1;
	}
	xdp_close(xdp);
	xdp_detach_all(PINS2);
	second_rows = rows_new(&second);
	session = world_kmod_session(&world);
	memset(&ports, 0xff, sizeof(ports));
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
