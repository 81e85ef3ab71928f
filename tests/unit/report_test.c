// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <string.h>
#include "address.h"
#include "report.h"
#include "turn/turn.h"

#define S	1000000000ULL
#define NOW	(1000 * S)

static struct tables tables;

static int setup(void **state)
{
	struct tp_meta sizes = tables_sizes(16, 8);

	(void)state;
	return tables_create(&tables, &sizes);
}

static int teardown(void **state)
{
	(void)state;
	tables_close(&tables);
	return 0;
}

static struct tp_alloc *put_alloc(uint32_t i, const char *client, const char *user)
{
	struct tp_alloc *a = &tables.allocs[i];

	a->state = TP_ALLOC_LIVE;
	a->generation = 7;
	a->created_ns = NOW - 90 * S;
	a->expires_ns[0] = NOW + 300 * S;
	a->transport = IPPROTO_UDP;
	assert_true(address_parse_port(&a->client, client));
	assert_true(address_parse_port(&a->server, "11.0.1.1:3478"));
	assert_true(address_parse_port(&a->relayed[0], "11.0.2.1:50000"));
	strncpy(a->user, user, sizeof(a->user));
	return a;
}

static struct tp_binding *put_binding(uint32_t i, uint32_t alloc, const char *peer,
				      uint16_t channel)
{
	struct tp_binding *b = &tables.bindings[i];

	b->state = TP_ALLOC_LIVE;
	b->alloc = alloc;
	b->generation = tables.allocs[alloc].generation;
	b->channel = htons(channel);
	b->expires_ns = NOW + 60 * S;
	assert_true(address_parse_port(&b->peer, peer));
	return b;
}

static json_t *allocation(const json_t *report, size_t i)
{
	return json_array_get(json_object_get(report, "allocations"), i);
}

static json_int_t at(const json_t *object, const char *a, const char *b, const char *c)
{
	object = json_object_get(json_object_get(object, a), b);
	return json_integer_value(c ? json_object_get(object, c) : object);
}

static const char *text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void test_nothing(void **state)
{
	json_t *r = report_allocations(&tables, NOW);

	(void)state;
	assert_int_equal(json_array_size(json_object_get(r, "allocations")), 0);
	json_decref(r);
}

static void test_fields_and_counters(void **state)
{
	struct tp_alloc *a = put_alloc(3, "11.0.1.2:4000", "alice");
	struct tp_binding *b = put_binding(5, 3, "[2a00:1:2::2]:5000", 0x4001);
	const json_t *j, *c;
	json_t *r;

	(void)state;
	put_binding(0, 3, "11.0.2.9", 0);
	b->row_up = 2;			/* slot 1 of the client's family, 4 */
	b->row_down = 4;		/* slot 3 of the peer's family, 6 */
	tables.rows4[1].row = (struct tp_row){ .kind = TP_ROW_TO_PEER, .alloc = 3,
					       .packets = 10, .bytes = 1000 };
	tables.rows6[3].row = (struct tp_row){ .kind = TP_ROW_TO_CLIENT, .alloc = 3,
					       .packets = 20, .bytes = 2000 };
	a->fast_up = (struct tp_count){ 1, 100 };
	a->fast_down = (struct tp_count){ 2, 200 };
	a->slow_up = (struct tp_count){ 3, 300 };
	a->slow_down = (struct tp_count){ 4, 400 };

	r = report_allocations(&tables, NOW);
	assert_int_equal(json_array_size(json_object_get(r, "allocations")), 1);
	j = allocation(r, 0);
	assert_string_equal(text(j, "client"), "11.0.1.2:4000");
	assert_null(json_object_get(j, "proxy"));
	assert_string_equal(text(j, "server"), "11.0.1.1:3478");
	assert_string_equal(text(j, "user"), "alice");
	assert_string_equal(text(j, "transport"), "udp");
	assert_string_equal(text(j, "relayed_by"), "udp");
	assert_int_equal(json_integer_value(json_object_get(j, "connections")), 0);
	assert_int_equal(json_array_size(json_object_get(j, "relayed")), 1);
	assert_int_equal(json_integer_value(json_object_get(j, "expires_s")), 300);
	assert_int_equal(json_integer_value(json_object_get(j, "age_s")), 90);
	assert_int_equal(at(j, "up", "fast", "packets"), 11);
	assert_int_equal(at(j, "up", "fast", "bytes"), 1100);
	assert_int_equal(at(j, "down", "fast", "packets"), 22);
	assert_int_equal(at(j, "down", "fast", "bytes"), 2200);
	assert_int_equal(at(j, "up", "slow", "packets"), 3);
	assert_int_equal(at(j, "down", "slow", "bytes"), 400);
	c = json_array_get(json_object_get(j, "channels"), 0);
	assert_string_equal(text(c, "number"), "0x4001");
	assert_string_equal(text(c, "peer"), "[2a00:1:2::2]:5000");
	assert_int_equal(at(c, "up", "packets", NULL), 10);
	assert_int_equal(at(c, "down", "bytes", NULL), 2000);
	assert_int_equal(json_integer_value(json_object_get(c, "expires_s")), 60);
	c = json_array_get(json_object_get(j, "permissions"), 0);
	assert_string_equal(text(c, "peer"), "11.0.2.9");
	json_decref(r);
}

static void test_tcp_relayed(void **state)
{
	struct tp_alloc *a = put_alloc(0, "11.0.1.2:4000", "alice");
	json_t *r;

	(void)state;
	a->tcp = 1;
	a->connections = 5;
	r = report_allocations(&tables, NOW);
	assert_string_equal(text(allocation(r, 0), "relayed_by"), "tcp");
	assert_int_equal(json_integer_value(json_object_get(allocation(r, 0), "connections")), 5);
	json_decref(r);
}

/* A slot that went to another allocation must not lend it its counts. */
static void test_row_of_another(void **state)
{
	json_t *r;

	(void)state;
	put_alloc(0, "11.0.1.2:4000", "alice");
	put_binding(0, 0, "11.0.2.2:5000", 0x4000)->row_up = 1;
	tables.rows4[0].row = (struct tp_row){ .kind = TP_ROW_TO_PEER, .alloc = 1, .packets = 9 };
	tables.bindings[0].row_down = tables.meta->rows4 + 1;	/* beyond the table */
	r = report_allocations(&tables, NOW);
	assert_int_equal(at(allocation(r, 0), "up", "fast", "packets"), 0);
	assert_int_equal(at(allocation(r, 0), "down", "fast", "packets"), 0);
	json_decref(r);
}

static void test_left_out(void **state)
{
	struct tp_alloc *a = put_alloc(0, "11.0.1.2:1", "over");
	json_t *r;

	(void)state;
	a->expires_ns[0] = NOW;
	put_alloc(1, "11.0.1.2:2", "claimed")->state = TP_ALLOC_CLAIMED;
	put_alloc(2, "11.0.1.2:3", "there");
	put_binding(0, 2, "11.0.2.2:5000", 0x4000)->generation = 6;	/* an older owner's */
	put_binding(1, 2, "11.0.2.2:5001", 0x4001)->expires_ns = NOW;
	put_binding(2, 2, "11.0.2.2:5002", 0x4002)->alloc = tables.meta->allocs;
	r = report_allocations(&tables, NOW);
	assert_int_equal(json_array_size(json_object_get(r, "allocations")), 1);
	assert_string_equal(text(allocation(r, 0), "user"), "there");
	assert_int_equal(json_array_size(json_object_get(allocation(r, 0), "channels")), 0);
	json_decref(r);
}

static void test_gone(void **state)
{
	json_t *r;

	(void)state;
	put_alloc(0, "11.0.1.2:1", "there")->transport = IPPROTO_TCP | TURN_SECURE;
	put_alloc(1, "11.0.1.2:2", "away")->transport = IPPROTO_TCP | TURN_SECURE | TURN_GONE;
	r = report_allocations(&tables, NOW);
	assert_string_equal(text(allocation(r, 1), "transport"), "tls");
	assert_string_equal(text(allocation(r, 1), "client"), "11.0.1.2:2");
	assert_true(json_is_true(json_object_get(allocation(r, 1), "gone")));
	assert_true(json_is_false(json_object_get(allocation(r, 0), "gone")));
	json_decref(r);
}

static void test_user_is_escaped(void **state)
{
	static const char *const names[][2] = {
		{ "Ren\xc3\xa9", "Ren\xc3\xa9" },
		{ "a\x1b[31m", "a\\x1b[31m" },
		{ "\xff\xc3", "\\xff\\xc3" },
		{ "x\xc2\x9b", "x\\xc2\\x9b" },		/* U+009B, a terminal's CSI */
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },	/* a surrogate */
	};
	json_t *r;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		put_alloc(0, "11.0.1.2:1", names[i][0]);
		r = report_allocations(&tables, NOW);
		assert_string_equal(text(allocation(r, 0), "user"), names[i][1]);
		json_decref(r);
	}
	/* as long as it can be: no NUL in the field */
	memset(tables.allocs[0].user, 1, sizeof(tables.allocs[0].user));
	r = report_allocations(&tables, NOW);
	assert_int_equal(strlen(text(allocation(r, 0), "user")), 4 * TP_USER_SHOWN);
	json_decref(r);
}

static void test_users(void **state)
{
	static const struct {
		const char *name;
		json_int_t allocations, up, down;
	} want[] = { { "alice", 2, 111, 2222 }, { "carol", 1, 900, 0 }, { "bob", 1, 5, 7 } };
	/* what escaped would be a name that somebody else has */
	static const char *const odd[] = { "a\x1b", "a\\x1b" };
	struct tp_alloc *a = put_alloc(3, "11.0.1.2:4000", "alice");
	struct tp_binding *b = put_binding(0, 3, "11.0.2.9:5000", 0x4001);
	json_t *r;

	(void)state;
	a->fast_up.bytes = 1;
	a->slow_up.bytes = 10;
	tables.rows4[1].row = (struct tp_row){ .kind = TP_ROW_TO_PEER, .alloc = 3, .bytes = 100 };
	b->row_up = 2;
	put_alloc(0, "11.0.1.3:4000", "alice")->slow_down.bytes = 2222;
	a = put_alloc(1, "11.0.1.2:4001", "bob");
	a->slow_up.bytes = 5;
	a->fast_down.bytes = 7;
	put_alloc(2, "11.0.1.2:4002", "carol")->slow_up.bytes = 900;
	put_alloc(4, "11.0.1.2:4003", "mallory")->expires_ns[0] = NOW - S;
	tables.allocs[4].slow_up.bytes = 1000000;
	for (size_t most = 1; most <= 3; most++) {
		r = report_users(&tables, NOW, most);
		assert_int_equal(json_array_size(r), most);
		json_decref(r);
	}
	r = report_users(&tables, NOW, 20);
	assert_int_equal(json_array_size(r), 3);
	for (size_t i = 0; i < 3; i++) {
		const json_t *u = json_array_get(r, i);

		assert_string_equal(text(u, "user"), want[i].name);
		assert_int_equal(json_integer_value(json_object_get(u, "allocations")),
				 want[i].allocations);
		assert_int_equal(json_integer_value(json_object_get(u, "up")), want[i].up);
		assert_int_equal(json_integer_value(json_object_get(u, "down")), want[i].down);
	}
	json_decref(r);
	for (uint32_t i = 0; i < 2; i++)
		put_alloc(5 + i, "11.0.1.2:5000", odd[i]);
	r = report_users(&tables, NOW, 20);
	assert_int_equal(json_array_size(r), 4);
	json_decref(r);
}

static void test_stats(void **state)
{
	struct tp_count counts[TP_R_MAX] = { [TP_R_STUN_SUCCESS] = { 5, 500 } };
	json_t *with = report_stats(&tables, counts), *without = report_stats(&tables, NULL);
	const json_t *list = json_object_get(with, "reasons");

	(void)state;
	assert_int_equal(json_array_size(list), TP_R_MAX);
	assert_string_equal(text(json_array_get(list, TP_R_STUN_SUCCESS), "reason"),
			    "stun_success");
	assert_int_equal(json_integer_value(json_object_get(
		json_array_get(list, TP_R_STUN_SUCCESS), "packets")), 5);
	assert_int_equal(json_integer_value(json_object_get(
		json_array_get(list, TP_R_TO_PEER), "packets")), 0);
	assert_true(json_is_true(json_object_get(with, "daemon")));
	assert_false(json_is_true(json_object_get(without, "daemon")));
	assert_int_equal(json_array_size(json_object_get(without, "reasons")),
			 TP_R_USER_TO_PEER);
	json_decref(with);
	json_decref(without);
}

int main(void)
{
#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_nothing), TEST(test_fields_and_counters), TEST(test_tcp_relayed),
		TEST(test_row_of_another), TEST(test_gone),
		TEST(test_left_out), TEST(test_user_is_escaped), TEST(test_users), TEST(test_stats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
