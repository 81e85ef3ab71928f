// SPDX-License-Identifier: MIT
/* The tests that a host of the relay core has to pass. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "cases.h"
#include "icmp.h"
#include "limit.h"
#include "listener.h"

static struct world *under_test;

static void one_case(void **state)
{
	assert_true(case_run(under_test, *state));
}

static void one_listener_case(void **state)
{
	assert_true(listener_case_run(under_test, *state, 4));
	assert_true(listener_case_run(under_test, *state, 6));
}

static void listener_limits(void **state)
{
	(void)state;
	assert_true(listener_limits_run(under_test, 4));
	assert_true(listener_limits_run(under_test, 6));
}

static void limits(void **state)
{
	(void)state;
	assert_true(limit_run(under_test));
}

static void limits_of_detours(void **state)
{
	(void)state;
	assert_true(limit_detours_run(under_test));
}

static void icmp_mtu(void **state)
{
	(void)state;
	assert_true(icmp_mtu_run(under_test));
}

static void icmp_limit(void **state)
{
	(void)state;
	assert_true(icmp_limit_run(under_test));
}

static void listener_integrity(void **state)
{
	(void)state;
	assert_true(listener_integrity_run(under_test, 4));
	assert_true(listener_integrity_run(under_test, 6));
}

/* ------------------------------------------------------------- directions */

struct direction {
	bool to_client;
	uint8_t in, out;
};

static enum tp_reason expected(const struct dp_case *c)
{
	if (c->no_check && c->in == 4 && c->out == 6)
		return TP_R_NO_CHECKSUM;
	return c->to_client ? TP_R_TO_CLIENT : TP_R_TO_PEER;
}

/* One direction with every checksum kind (N14: none), padding, tag, size and a wrong checksum. */
static void direction(void **state)
{
	static const uint16_t sizes[] = { 0, 1, 2, 3, 4, 159, 160, 1401 };
	const struct direction *d = *state;
	unsigned int bad = 0;

	for (unsigned int n = 0; n < 2 * 4 * 3 * 2 * 8 * 2; n++) {
		unsigned int k = n;
		struct dp_case c = { .name = "direction", .to_client = d->to_client,
				     .in = d->in, .out = d->out };

		c.no_check = k % 2; k /= 2;
		c.pad = d->to_client ? 0 : (uint16_t)(k % 4); k /= 4;
		c.vlans = k % 3; k /= 3;
		c.vlan_out = k % 2; k /= 2;
		c.data_len = sizes[k % 8]; k /= 8;
		c.check_error = k % 2 && !c.no_check ? 0x1357 : 0;
		c.hop = n % 3 ? HOP_HERE : HOP_THERE;
		c.df = n % 5 == 0;
		c.trailer = n % 7;
		c.reason = expected(&c);
		bad += !case_run(under_test, &c);
	}
	assert_int_equal(bad, 0);
}

/* Everything that is no channel to a peer elsewhere: its two ends, in a number. */
struct way {
	const char *name;
	bool send, to_client, indication, hairpin;
};

static const struct way ways[] = {
	{ "Send to peer", .send = true },
	{ "peer by Data", .to_client = true, .indication = true },
	{ "channel to channel", .hairpin = true },
	{ "channel to Data", .hairpin = true, .indication = true },
	{ "Send to channel", .hairpin = true, .send = true },
	{ "Send to Data", .hairpin = true, .send = true, .indication = true },
};

static enum tp_reason way_reason(const struct dp_case *c)
{
	uint8_t mid = c->hairpin ? c->mid : 4;

	if (c->no_check && c->in == 4 && (c->out == 6 || mid == 6))
		return TP_R_NO_CHECKSUM;
	return c->hairpin ? TP_R_HAIRPIN : c->to_client ? TP_R_TO_CLIENT : TP_R_TO_PEER;
}

/* Every family at each end and in the middle, checksums, padding, tags, sizes. */
static void way(void **state)
{
	static const uint16_t sizes[] = { 0, 1, 2, 3, 4, 161, 1187, 1233 };
	const struct way *w = *state;
	unsigned int bad = 0;

	for (unsigned int n = 0; n < 8 * 2 * 8 * 2 * 2 * 2; n++) {
		unsigned int k = n;
		struct dp_case c = { .name = w->name, .send = w->send, .to_client = w->to_client,
				     .indication = w->indication, .hairpin = w->hairpin };

		c.in = k % 2 ? 6 : 4; k /= 2;
		c.out = k % 2 ? 6 : 4; k /= 2;
		c.mid = k % 2 ? 6 : 4; k /= 2;
		c.data_len = sizes[k % 8]; k /= 8;
		c.no_check = k % 2; k /= 2;
		c.alias = k % 2; k /= 2;
		c.data_first = k % 2; k /= 2;
		c.check_error = k % 2 && !c.no_check ? 0x2468 : 0;
		c.pad = c.send || c.to_client ? 0 : (uint16_t)(n % 4);
		c.vlans = n % 3;
		c.vlan_out = n % 7 == 0;
		c.trailer = n % 5;
		c.df = n % 11 == 0;
		c.dont_fragment = c.send && n % 13 == 0;
		c.fingerprint = c.send && n % 3 == 1;
		c.software = c.send ? (uint16_t)(n % 23) : 0;
		c.hop = n % 3 ? HOP_HERE : HOP_THERE;
		c.relayed = n % 2;
		c.reason = way_reason(&c);
		bad += !case_run(under_test, &c);
		if (bad > 3)
			break;
	}
	assert_int_equal(bad, 0);
}

/* N26: every DSCP and ECN, in every direction. */
static void every_tos(void **state)
{
	unsigned int bad = 0;

	(void)state;
	for (unsigned int n = 0; n < 8 * 256; n++) {
		struct dp_case c = { .name = "tos", .to_client = n & 1, .in = n & 2 ? 6 : 4,
				     .out = n & 4 ? 6 : 4, .tos = (uint8_t)(n >> 3),
				     .data_len = 24 };

		c.reason = expected(&c);
		bad += !case_run(under_test, &c);
	}
	assert_int_equal(bad, 0);
}

/* N17: data for which the outgoing checksum computes to 0: it must be 0xffff. */
static void checksum_zero(void **state)
{
	static struct frame f;
	static struct case_flow flow;
	unsigned int hit = 0;

	(void)state;
	for (unsigned int n = 0; n < 8; n++) {
		struct dp_case c = { .name = "checksum 0", .to_client = n & 1,
				     .in = n & 2 ? 6 : 4, .out = n & 4 ? 6 : 4, .data_len = 8 };
		char data[4] = { 0 };

		c.reason = expected(&c);
		c.data = data;
		for (unsigned int v = 0; v < 65536; v++) {
			data[0] = (char)(v >> 8);
			data[1] = (char)v;
			case_flow(&c, &flow);
			frame_build(&f, &flow.out);
			/* the builder keeps the 0 that a sum of 0xffff gives */
			if (frame_get16(&f, f.l4 + 6) == 0xffff)
				break;
		}
		assert_int_equal(frame_get16(&f, f.l4 + 6), 0xffff);
		hit += case_run(under_test, &c);
	}
	assert_int_equal(hit, 8);
}

/* ------------------------------------------------------------- truncation */

/* N1: a frame cut anywhere is not relayed, and passed up only as it came. */
static void cut_everywhere(void **state)
{
	const struct direction *d = *state;
	struct dp_case c = { .name = "cut", .to_client = d->to_client, .in = d->in, .out = d->out,
			     .vlans = 1, .data_len = 21, .pad = d->to_client ? 0 : 3 };
	static struct frame in, got;
	static struct case_flow flow;
	enum tp_reason reason;
	enum world_verdict verdict;
	uint32_t slot_1;

	case_flow(&c, &flow);
	slot_1 = case_put(under_test, &c, &flow);
	assert_int_not_equal(slot_1, 0);
	frame_build(&in, &flow.in);
	for (size_t whole = in.len; in.len > 0; ) {
		in.len--;
		verdict = under_test->run(under_test, &in, &got, &reason);
		if (verdict == WORLD_CANNOT) {
			assert_true(in.len < 14);
			continue;
		}
		assert_true(verdict == WORLD_PASS || verdict == WORLD_DROP);
		/* from the IP header on it is malformed for sure */
		if (in.len >= 18)
			assert_int_equal(reason, TP_R_BAD_FRAME);
		else
			assert_int_equal(reason, TP_R_NOT_UDP);
		if (verdict == WORLD_PASS)
			assert_true(frame_equal(&in, &got));
		assert_true(in.len < whole);
	}
	case_clear(under_test, &flow, slot_1);
}

/* --------------------------------------------------------------- the rest */

static uint32_t choice(const struct dp_case *c, struct case_flow *flow)
{
	static struct frame in, got;
	enum tp_reason reason;

	frame_build(&in, &flow->in);
	assert_int_equal(under_test->run(under_test, &in, &got, &reason),
			 under_test->skb ? WORLD_REDIRECT : WORLD_TX);
	if (c->out == 6)
		return (got.b[15] & 0xfU) << 16 | (uint32_t)got.b[16] << 8 | got.b[17];
	return (uint32_t)got.b[18] << 8 | got.b[19];
}

/* N25 and RFC 6864: identifications of a flow differ. */
static void identification(void **state)
{
	struct dp_case c = { .name = "id", .in = 4, .out = 4, .data_len = 5 };
	struct case_flow flow;
	uint32_t slot_1, last;

	(void)state;
	case_flow(&c, &flow);
	slot_1 = case_put(under_test, &c, &flow);
	last = choice(&c, &flow);
	for (int i = 0; i < 100; i++) {
		uint32_t next = choice(&c, &flow);

		assert_int_not_equal(next, last);
		last = next;
	}
	case_clear(under_test, &flow, slot_1);
}

/* Exactly one packet is passed up for a poke, and none that would not have been sent. */
static void poked(void **state)
{
	struct dp_case c = { .name = "poke", .in = 4, .out = 6, .data_len = 5, .poke = true };
	static struct frame in, got;
	struct tp_nexthop *hop;
	struct case_flow flow;
	enum tp_reason reason;
	uint32_t slot_1;

	(void)state;
	case_flow(&c, &flow);
	slot_1 = case_put(under_test, &c, &flow);
	hop = &under_test->tables.nexthops[flow.row.nexthop];
	flow.in.ttl = 1;
	frame_build(&in, &flow.in);
	world_forgive(under_test, &in);
	assert_int_equal(under_test->run(under_test, &in, &got, &reason),
			 under_test->tells ? WORLD_TX : WORLD_DROP);
	assert_int_equal(reason, under_test->tells ? TP_R_TIME_EXCEEDED : TP_R_TTL);
	assert_int_equal(hop->poke, 1);
	flow.in.ttl = 64;
	frame_build(&in, &flow.in);
	for (int round = 0; round < 3; round++) {
		hop->poke = 1;
		assert_int_equal(under_test->run(under_test, &in, &got, &reason), WORLD_PASS);
		assert_int_equal(reason, TP_R_POKE);
		assert_true(frame_equal(&in, &got));
		assert_int_equal(hop->poke, 0);
		for (int i = 0; i < 5; i++)
			assert_int_equal(under_test->run(under_test, &in, &got, &reason),
					 under_test->skb ? WORLD_REDIRECT : WORLD_TX);
	}
	case_clear(under_test, &flow, slot_1);
}

/* RFC 6437 section 3: one label for a flow, another one for another flow. */
static void flow_label(void **state)
{
	struct dp_case c = { .name = "label", .in = 6, .out = 6, .data_len = 5 };
	struct case_flow flow;
	uint32_t slot_1, one, other;

	(void)state;
	case_flow(&c, &flow);
	slot_1 = case_put(under_test, &c, &flow);
	one = choice(&c, &flow);
	assert_int_equal(choice(&c, &flow), one);
	case_clear(under_test, &flow, slot_1);
	flow.row.src.port ^= 0x0100;
	flow.in.sport ^= 1;
	slot_1 = case_put(under_test, &c, &flow);
	other = choice(&c, &flow);
	assert_int_not_equal(one, other);
	case_clear(under_test, &flow, slot_1);
}

/* Rows beside it, dead ones before it, a deleted one: the search ends right. */
static void crowded_table(void **state)
{
	struct dp_case c = { .name = "crowd", .in = 4, .out = 4, .data_len = 5,
			     .reason = TP_R_TO_PEER };
	static struct case_flow flow[200];
	static struct frame in, got;
	uint32_t slot_1[200] = { 0 };
	enum tp_reason reason;

	for (unsigned int i = 0; i < 200; i++) {
		case_flow(&c, &flow[i]);
		flow[i].in.sport = (uint16_t)(1000 + i);
		flow[i].row.src.port = (uint16_t)((1000 + i) >> 8 | (1000 + i) << 8);
		flow[i].row.out_src.port = (uint16_t)(i << 8 | 0x80);
		slot_1[i] = case_put(under_test, &c, &flow[i]);
	}
	for (unsigned int i = 0; i < 200; i += 3)
		case_clear(under_test, &flow[i], slot_1[i]);
	for (unsigned int i = 0; i < 200; i++) {
		bool there = slot_1[i] && i % 3;

		frame_build(&in, &flow[i].in);
		under_test->run(under_test, &in, &got, &reason);
		assert_int_equal(reason, there ? TP_R_TO_PEER : TP_R_NO_ROW);
		/* by its own row */
		if (there)
			assert_int_equal(frame_get16(&got, 34), 0x8000 | i);
	}
	for (unsigned int i = 0; i < 200; i++) {
		if (i % 3)
			case_clear(under_test, &flow[i], slot_1[i]);
	}
	(void)state;
}

static void add(struct CMUnitTest *t, size_t *n, const char *name, CMUnitTestFunction f,
		const void *state)
{
	/* cmocka's state is not const, but nothing here writes to it */
	t[(*n)++] = (struct CMUnitTest){ .name = name, .test_func = f,
					 .initial_state = (void *)(uintptr_t)state };
}

int suite_run(struct world *world)
{
	static const struct direction directions[] = {
		{ false, 4, 4 }, { false, 4, 6 }, { false, 6, 4 }, { false, 6, 6 },
		{ true, 4, 4 }, { true, 4, 6 }, { true, 6, 4 }, { true, 6, 6 },
	};
	static const char *const names[] = {
		"to peer, 4 to 4", "to peer, 4 to 6", "to peer, 6 to 4", "to peer, 6 to 6",
		"to client, 4 to 4", "to client, 4 to 6", "to client, 6 to 4", "to client, 6 to 6",
	};
	static const char *const cut[] = {
		"cut: to peer, 4 to 4", "cut: to peer, 4 to 6", "cut: to peer, 6 to 4",
		"cut: to peer, 6 to 6", "cut: to client, 4 to 4", "cut: to client, 4 to 6",
		"cut: to client, 6 to 4", "cut: to client, 6 to 6",
	};
	struct CMUnitTest *t = calloc(dp_cases_n + listener_cases_n + 40, sizeof(*t));
	size_t n = 0;
	int failed;

	if (!t)
		return 1;
	under_test = world;
	for (size_t i = 0; i < dp_cases_n; i++) {
		if ((dp_cases[i].headroom || dp_cases[i].tailroom) && !world->headroom)
			continue;	/* the kernel's rooms cannot be chosen */
		add(t, &n, dp_cases[i].name, one_case, &dp_cases[i]);
	}
	/* the tc program leaves listeners to the daemon */
	for (size_t i = 0; i < listener_cases_n && !world->skb; i++)
		add(t, &n, listener_cases[i].name, one_listener_case, &listener_cases[i]);
	add(t, &n, "S23 limits", limits, NULL);
	add(t, &n, "S23 limits of indications and hairpins", limits_of_detours, NULL);
	if (world->tells) {
		add(t, &n, "N23 the MTU that senders are told", icmp_mtu, NULL);
		add(t, &n, "rate of ICMP errors", icmp_limit, NULL);
	}
	if (!world->skb) {
		add(t, &n, "strangers are limited", listener_limits, NULL);
		add(t, &n, "who brings integrity is not", listener_integrity, NULL);
	}
	for (size_t i = 0; i < 8; i++)
		add(t, &n, names[i], direction, &directions[i]);
	/* IP takes what is cut for lost, before the module */
	for (size_t i = 0; i < 8 && !world->stack; i++)
		add(t, &n, cut[i], cut_everywhere, &directions[i]);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		add(t, &n, ways[i].name, way, &ways[i]);
	add(t, &n, "N26 every DSCP and ECN", every_tos, NULL);
	add(t, &n, "N17 checksum that computes to 0", checksum_zero, NULL);
	add(t, &n, "N25 identification", identification, NULL);
	add(t, &n, "N27 flow label", flow_label, NULL);
	if (!world->stack)
		add(t, &n, "one packet for a poke", poked, NULL);
	add(t, &n, "crowded table", crowded_table, NULL);
	failed = _cmocka_run_group_tests(world->name, t, n, NULL, NULL);
	free(t);
	return failed;
}

int suite_main(int (*make)(struct world *world, const char **why))
{
	struct world world;
	const char *why = "";
	int err = make(&world, &why), failed;

	if (err == -EPERM) {
		printf("1..0 # SKIP %s\n", why);
		return 4;
	}
	if (err) {
		printf("not ok 1 - set up: %s\n", why);
		return 1;
	}
	failed = suite_run(&world);
	world_close(&world);
	return failed != 0;
}
