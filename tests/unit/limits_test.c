// SPDX-License-Identifier: MIT
/* The daemon's side of limits: prices, users that come and go, what is shared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "dataplane/limits.h"

#define N	8			/* allocations */
#define S	TURN_NS_PER_S

struct fixture {
	struct tables tables;
	struct turn_conf conf;
	struct limits *limits;
};

static void start(struct fixture *f, uint64_t bps, uint64_t user_bps, uint32_t pps)
{
	struct tp_meta sizes = tables_sizes(10, N);

	memset(f, 0, sizeof(*f));
	f->conf.max_bps = bps;
	f->conf.user_max_bps = user_bps;
	f->conf.max_pps = pps;
	assert_int_equal(tables_create(&f->tables, &sizes), 0);
	f->limits = limits_new(&f->tables, &f->conf);
	assert_non_null(f->limits);
}

static void end(struct fixture *f)
{
	limits_free(f->limits);
	tables_close(&f->tables);
}

static const uint8_t *user(uint8_t who)
{
	static uint8_t id[32];

	/* all meet in one chain */
	memset(id, 0, sizeof(id));
	id[31] = who;
	return id;
}

/* Bytes in packets of 100 that pass from..to, offered every ms. */
static uint64_t offered(struct fixture *f, uint32_t alloc, bool up, uint64_t from, uint64_t to)
{
	uint64_t bytes = 0;

	for (uint64_t now = from; now < to; now += S / 1000)
		bytes += limits_take(f->limits, alloc, up, 100, now) ? 100 : 0;
	return bytes;
}

static void a_rate_is_held(void **state)
{
	struct fixture f;
	uint64_t bytes;

	(void)state;
	start(&f, 10000, 0, 0);
	limits_set(f.limits, 2, user(1), 10000);
	bytes = offered(&f, 2, true, 100 * S, 120 * S);
	/* 20 s and a second's burst */
	assert_in_range(bytes, 20 * 10000, 21 * 10000 + 200);
	/* the other way by itself */
	assert_in_range(offered(&f, 2, false, 120 * S, 122 * S), 2 * 10000, 3 * 10000 + 200);
	/* a part of bps-capacity is less */
	limits_set(f.limits, 3, user(1), 1000);
	assert_in_range(offered(&f, 3, true, 100 * S, 120 * S), 20 * 1000, 21 * 1000 + 200);
	end(&f);
}

static void packets_are_counted(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, 0, 0, 50);
	limits_set(f.limits, 0, user(1), 0);
	assert_in_range(offered(&f, 0, true, S, 11 * S), 500 * 100, 552 * 100);
	end(&f);
}

/* Two allocations of one user, and one of another. */
static void set_three(struct fixture *f)
{
	for (uint32_t i = 0; i < 3; i++)
		limits_set(f->limits, i, user((uint8_t)(1 + i / 2)), 0);
}

static void a_user_shares(void **state)
{
	struct fixture f;
	uint64_t bytes;

	(void)state;
	start(&f, 0, 10000, 0);
	set_three(&f);
	assert_int_equal(f.tables.limits[0].user, f.tables.limits[1].user);
	assert_int_not_equal(f.tables.limits[0].user, f.tables.limits[2].user);
	bytes = offered(&f, 0, true, S, 2 * S);
	assert_in_range(bytes, 10000, 20200);
	assert_true(offered(&f, 1, true, 2 * S, 2 * S + S / 100) <= 300);
	/* another user is not concerned */
	assert_int_equal(offered(&f, 2, true, 2 * S, 2 * S + S / 20), 5000);
	end(&f);
}

static void users_come_and_go(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, 0, 1000, 0);
	for (unsigned int round = 0; round < 100; round++) {
		for (uint32_t i = 0; i < N; i++)
			limits_set(f.limits, i, user((uint8_t)(round + i)), 0);
		for (uint32_t i = 0; i < N; i++) {
			assert_in_range(f.tables.limits[i].user, N, 2 * N - 1);
			for (uint32_t k = 0; k < i; k++)
				assert_int_not_equal(f.tables.limits[i].user,
						     f.tables.limits[k].user);
		}
		for (uint32_t i = 0; i < N; i++)
			limits_drop(f.limits, (i * 5 + round) % N);
	}
	/* one of two goes, the user stays */
	limits_set(f.limits, 0, user(1), 0);
	limits_set(f.limits, 1, user(1), 0);
	limits_drop(f.limits, 0);
	for (uint32_t i = 2; i < N; i++)
		limits_set(f.limits, i, user((uint8_t)i), 0);
	for (uint32_t i = 2; i < N; i++)
		assert_int_not_equal(f.tables.limits[i].user, f.tables.limits[1].user);
	end(&f);
}

static void renew(struct fixture *f, struct turn_conf *next, uint64_t bps, uint64_t user_bps,
		  uint32_t pps)
{
	*next = f->conf;
	next->max_bps = bps;
	next->user_max_bps = user_bps;
	next->max_pps = pps;
	limits_renew(f->limits, next);
}

/* What is reloaded holds for those who run. */
static void limits_come_and_go(void **state)
{
	struct turn_conf next[4];
	struct fixture f;

	(void)state;
	start(&f, 0, 0, 0);
	set_three(&f);
	assert_int_equal(offered(&f, 0, true, S, 2 * S), 100000);
	renew(&f, &next[0], 0, 10000, 0);
	assert_true(limits_any(f.limits));
	assert_in_range(offered(&f, 0, true, 2 * S, 3 * S), 10000, 20200);
	assert_true(offered(&f, 1, true, 3 * S, 3 * S + S / 100) <= 300);
	assert_int_equal(offered(&f, 2, true, 3 * S, 3 * S + S / 20), 5000);
	renew(&f, &next[1], 0, 0, 50);
	assert_int_equal(f.tables.limits[0].user, 0);
	assert_in_range(offered(&f, 0, true, 10 * S, 20 * S), 500 * 100, 552 * 100);
	/* the user of then is found again when it goes */
	limits_drop(f.limits, 0);
	renew(&f, &next[2], 0, 10000, 0);
	assert_in_range(offered(&f, 1, true, 30 * S, 31 * S), 10000, 20200);
	limits_drop(f.limits, 1);
	limits_set(f.limits, 1, user(1), 0);
	assert_int_not_equal(f.tables.limits[1].user, f.tables.limits[2].user);
	renew(&f, &next[3], 0, 0, 0);
	assert_false(limits_any(f.limits));
	assert_int_equal(offered(&f, 1, true, 40 * S, 41 * S), 100000);
	end(&f);
}

/* What one is in debt with at a low price does not bind it at a higher one. */
static void a_debt_ends_with_its_price(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, 1, 0, 0);
	limits_set(f.limits, 0, user(1), 1);
	assert_true(limits_take(f.limits, 0, true, 1000, S));
	assert_false(limits_take(f.limits, 0, true, 1, 900 * S));
	limits_price(f.limits, 0, 1);
	assert_false(limits_take(f.limits, 0, true, 1, 900 * S));
	limits_price(f.limits, 0, 10000);
	assert_in_range(offered(&f, 0, true, 900 * S, 901 * S), 10000, 20200);
	end(&f);
}

static void who_has_no_record_shares_one(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, 10000, 0, 0);
	assert_in_range(offered(&f, LIMITS_NO_INDEX, true, S, 3 * S), 20000, 30200);
	end(&f);
}

static void no_limit_is_none(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, 0, 0, 0);
	assert_false(limits_any(f.limits));
	limits_set(f.limits, 0, user(1), 0);
	assert_int_equal(offered(&f, 0, true, S, 2 * S), 100000);
	limits_drop(f.limits, 0);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rate_is_held),
		cmocka_unit_test(packets_are_counted),
		cmocka_unit_test(a_user_shares),
		cmocka_unit_test(users_come_and_go),
		cmocka_unit_test(limits_come_and_go),
		cmocka_unit_test(a_debt_ends_with_its_price),
		cmocka_unit_test(who_has_no_record_shares_one),
		cmocka_unit_test(no_limit_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
