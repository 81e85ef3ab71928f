// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "dataplane/sizes.h"

#define FLOWS	3000
#define ALLOCS	1000

/* A host that listens and relays by these families, one address each. */
struct host {
	struct conf conf;
	struct tp_addr listen[2];
	struct turn_relay_ip relay[2];
};

static struct tp_meta sizes(const char *listen, const char *relay, unsigned int share)
{
	struct host h = { 0 };

	h.conf.fast_path_flows = FLOWS;
	h.conf.max_allocations = ALLOCS;
	h.conf.fast_path_ipv6_share = share;
	h.conf.listen.v = h.listen;
	h.conf.turn.relays = h.relay;
	for (; *listen; listen++)
		h.listen[h.conf.listen.n++].family = (uint8_t)(*listen - '0');
	for (; *relay; relay++)
		h.relay[h.conf.turn.n_relays++].local.family = (uint8_t)(*relay - '0');
	return sizes_of(&h.conf);
}

/* Twice the rows, and what a search needs to run out; a few for listeners and aliases. */
static void assert_rows(uint32_t slots, uint32_t rows)
{
	assert_in_range(slots, 2 * rows, 2 * (rows + 4) + TP_PROBE);
}

static void a_family_that_is_not_there_gets_next_to_nothing(void **state)
{
	struct tp_meta four = sizes("4", "4", 0), six = sizes("6", "6", 0);

	(void)state;
	assert_rows(four.rows4, 2 * FLOWS + 3 * ALLOCS);
	assert_in_range(four.rows6, TP_PROBE, 8 * TP_PROBE);
	assert_rows(six.rows6, 2 * FLOWS + 3 * ALLOCS);
	assert_in_range(six.rows4, TP_PROBE, 8 * TP_PROBE);
	assert_int_equal(four.bindings, six.bindings);
	assert_int_equal(four.allocs, ALLOCS);
}

static void clients_and_peers_of_different_families(void **state)
{
	struct tp_meta m = sizes("6", "4", 0);

	(void)state;
	assert_rows(m.rows6, FLOWS + ALLOCS);
	assert_rows(m.rows4, FLOWS + 2 * ALLOCS);
	m = sizes("4", "46", 0);
	assert_rows(m.rows4, 2 * FLOWS + 4 * ALLOCS);
	assert_rows(m.rows6, FLOWS + 2 * ALLOCS);
}

static void both_families_have_room_for_all(void **state)
{
	struct tp_meta m = sizes("46", "46", 0);

	(void)state;
	assert_rows(m.rows4, 2 * FLOWS + 4 * ALLOCS);
	assert_rows(m.rows6, 2 * FLOWS + 4 * ALLOCS);
}

static void a_share_is_of_the_room_of_both(void **state)
{
	struct tp_meta m = sizes("46", "46", 25);

	(void)state;
	assert_rows(m.rows4, (2 * FLOWS + 4 * ALLOCS) * 3 / 4);
	assert_rows(m.rows6, (2 * FLOWS + 4 * ALLOCS) / 4);
	/* nothing is shared with a family that is not there */
	m = sizes("4", "4", 25);
	assert_rows(m.rows4, 2 * FLOWS + 3 * ALLOCS);
}

static void a_host_without_addresses_still_has_tables(void **state)
{
	struct tp_meta m = sizes("", "", 0);

	(void)state;
	assert_true(m.rows4 >= TP_PROBE && m.rows6 >= TP_PROBE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_family_that_is_not_there_gets_next_to_nothing),
		cmocka_unit_test(clients_and_peers_of_different_families),
		cmocka_unit_test(both_families_have_room_for_all),
		cmocka_unit_test(a_share_is_of_the_room_of_both),
		cmocka_unit_test(a_host_without_addresses_still_has_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
