// SPDX-License-Identifier: MIT
/* Connections of strangers: how many, from where, how fast (T15, E11). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "address.h"
#include "net/crowd.h"

#define S	1000000000ULL

static struct tp_addr addr(const char *text)
{
	struct tp_addr a;

	assert_true(address_parse(&a, text));
	return a;
}

static struct tp_addr numbered(unsigned int n)
{
	char text[32];

	snprintf(text, sizeof(text), "10.%u.%u.%u", n >> 16 & 255, n >> 8 & 255, n & 255);
	return addr(text);
}

static void one_address_has_its_part(void **state)
{
	struct crowd *crowd = crowd_new(CROWD_LEAST, true);
	struct tp_addr a = addr("192.0.2.1"), b = addr("192.0.2.2");
	unsigned int in = 0, n;
	uint64_t refused, now = S;

	(void)state;
	a.port = 1;
	for (unsigned int i = 0; i < CROWD_HOST_MAX + 50; i++, now += S / 10) {
		a.port++;
		in += crowd_enter(crowd, &a, now);
	}
	assert_int_equal(in, CROWD_HOST_MAX);
	crowd_count(crowd, &n, &refused);
	assert_int_equal(n, CROWD_HOST_MAX);
	assert_int_equal(refused, 50);
	assert_true(crowd_enter(crowd, &b, now));
	crowd_leave(crowd, &a, now);
	assert_true(crowd_enter(crowd, &a, now));
	assert_false(crowd_enter(crowd, &a, now));
	/* one that comes back is not refused, and has its part all the same */
	crowd_leave(crowd, &a, now);
	crowd_return(crowd, &a, now);
	assert_false(crowd_enter(crowd, &a, now));
	crowd_free(crowd);
}

static void one_address_has_its_rate(void **state)
{
	struct crowd *crowd = crowd_new(CROWD_LEAST, true);
	struct crowd *open = crowd_new(CROWD_LEAST, false);
	struct tp_addr a = addr("192.0.2.1");
	unsigned int in = 0, in_open = 0;

	(void)state;
	/* each leaves at once; 1000 a second for 10 seconds */
	for (unsigned int i = 0; i < 10000; i++) {
		uint64_t now = S + i * (S / 1000);

		if (crowd_enter(crowd, &a, now)) {
			in++;
			crowd_leave(crowd, &a, now);
		}
		if (crowd_enter(open, &a, now)) {
			in_open++;
			crowd_leave(open, &a, now);
		}
	}
	assert_in_range(in, CROWD_BURST + 10 * CROWD_RATE - 2, CROWD_BURST + 10 * CROWD_RATE + 2);
	assert_int_equal(in_open, 10000);
	crowd_free(crowd);
	crowd_free(open);
}

static void an_ipv6_network_is_one(void **state)
{
	struct crowd *crowd = crowd_new(CROWD_LEAST, true);
	unsigned int in = 0;
	char text[64];

	(void)state;
	for (unsigned int i = 0; i < 2 * CROWD_HOST_MAX; i++) {
		struct tp_addr a;

		snprintf(text, sizeof(text), "2001:db8:0:1::%x", i + 1);
		a = addr(text);
		in += crowd_enter(crowd, &a, S + i * S);
	}
	assert_int_equal(in, CROWD_HOST_MAX);
	crowd_free(crowd);
}

static void all_together(void **state)
{
	struct crowd *crowd = crowd_new(CROWD_LEAST, false);
	unsigned int in = 0, n;
	uint64_t refused;

	(void)state;
	for (unsigned int i = 0; i < CROWD_LEAST + 100; i++) {
		struct tp_addr a = numbered(i);

		in += crowd_enter(crowd, &a, S);
	}
	assert_int_equal(in, CROWD_LEAST);
	for (unsigned int i = 0; i < CROWD_LEAST; i++) {
		struct tp_addr a = numbered(i);

		crowd_leave(crowd, &a, S);
	}
	crowd_count(crowd, &n, &refused);
	assert_int_equal(n, 0);
	assert_int_equal(refused, 100);
	crowd_free(crowd);
}

static void grows_with_the_allocations(void **state)
{
	struct crowd *crowd = crowd_new(crowd_most(50000), false);
	unsigned int in = 0;

	(void)state;
	assert_int_equal(crowd_most(0), CROWD_LEAST);
	assert_int_equal(crowd_most(4 * CROWD_LEAST), CROWD_LEAST);
	assert_int_equal(crowd_most(50000), 12500);
	for (unsigned int i = 0; i < 50000; i++) {
		struct tp_addr a = numbered(i);

		/* those that get an allocation make room */
		if (!crowd_enter(crowd, &a, S))
			continue;
		in++;
		if (i % 2)
			crowd_leave(crowd, &a, S);
	}
	assert_int_equal(in, 25000 - 1);
	crowd_free(crowd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_address_has_its_part),
		cmocka_unit_test(one_address_has_its_rate),
		cmocka_unit_test(an_ipv6_network_is_one),
		cmocka_unit_test(all_together),
		cmocka_unit_test(grows_with_the_allocations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
