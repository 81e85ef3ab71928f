// SPDX-License-Identifier: MIT
/* Most of the reader's time, so that even a single processor shows torn rows. */
#define READER_PAUSE	2000
#include "rows_reader.h"
#include <pthread.h>
#include <time.h>

#define STRESS_MS	1500

struct stress {
	struct fixture *f;
	bool stop;
	uint64_t hits, busy, torn, torn_unseen;
};

/* flow() makes every field of a row from one value and the key's number from another; a mix
 * of two rows shows. The key's number is in the value, too. */
static bool whole(const struct tp_row *row, uint32_t number)
{
	struct row_spec want = flow(4, number, row->alloc);

	return row->alloc % 16 == number && row->kind == TP_ROW_TO_PEER &&
	       row->out_sport == want.out_src.port && row->out_dport == want.out_dst.port &&
	       !memcmp(row->out4.saddr, want.out_src.ip, 4) &&
	       !memcmp(row->out4.daddr, want.out_dst.ip, 4) &&
	       row->expires_ns == want.expires_ns && row->nexthop == want.nexthop;
}

static void *stress_reader(void *arg)
{
	struct stress *st = arg;
	uint64_t seed = 7;

	while (!__atomic_load_n(&st->stop, __ATOMIC_RELAXED)) {
		uint32_t number = random_below(&seed, 16);
		struct row_spec s = flow(4, number, 0);
		struct found found;
		bool good;

		if (!look_up(&st->f->tables, &s, &found))
			continue;
		good = whole(&found.row, number);
		st->busy += found.busy;
		st->hits += !found.busy;
		st->torn += !good;
		st->torn_unseen += !good && !found.busy;
	}
	return NULL;
}

static void no_reader_acts_on_a_torn_row(void **state)
{
	struct stress st = { .f = *state };
	struct timespec start, now;
	uint64_t seed = 1;
	uint32_t slot[16] = { 0 }, round = 0;
	const char *ms = getenv("TEST_MS");
	long long for_ms = ms ? atoll(ms) : STRESS_MS;
	pthread_t reader;

	assert_int_equal(pthread_create(&reader, NULL, stress_reader, &st), 0);
	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		for (int i = 0; i < 1000; i++) {
			uint32_t k = random_below(&seed, 16);
			struct row_spec s = flow(4, k, ++round * 16 + k);
			struct tp_count count = { 0 };

			if (slot[k] && random_below(&seed, 3) == 0) {
				rows_del(st.f->rows, 4, slot[k], &count);
				slot[k] = 0;
			} else {
				slot[k] = rows_put(st.f->rows, &s);
			}
		}
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 <
		 for_ms);
	__atomic_store_n(&st.stop, true, __ATOMIC_RELAXED);
	pthread_join(reader, NULL);
	print_message("# %lu whole, %lu busy, %lu of those torn\n", (unsigned long)st.hits,
		      (unsigned long)st.busy, (unsigned long)st.torn);
	assert_true(st.hits > 0);
	/* The sequence number had something to say, or this test shows nothing. */
	assert_true(st.torn > 0);
	assert_int_equal(st.torn_unseen, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_reader_acts_on_a_torn_row, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
