// SPDX-License-Identifier: MIT
/* Attributes of a received message together: hidden ones, doubles, order. */
#include "stun_build.h"

static struct raw r;
static struct stun_msg m;

/* Appended behind what is protected, with a FINGERPRINT that agrees. */
static void append(void)
{
	raw_u32(&r, 0x000d, 0);
	raw_peer(&r, 66);
	raw_attr(&r, 0x000c, "\x40\x00\0\0", 4);
	raw_attr(&r, 0x7fff, NULL, 0);
	raw_attr(&r, 0x0018, NULL, 0);
	raw_mi(&r);
	raw_fingerprint(&r);
}

static void A16_behind_message_integrity(void **state)
{
	struct stun_key key = raw_key();
	struct tp_addr peer;
	size_t at = 0;

	(void)state;
	raw_begin(&r, 0x0008);
	raw_peer(&r, 1);
	raw_mi(&r);
	append();
	assert_int_equal(parse(&m, &r), STUN_OK);
	assert_int_equal(m.has, STUN_BIT(XOR_PEER_ADDRESS) | STUN_BIT(MESSAGE_INTEGRITY) |
			 STUN_BIT(FINGERPRINT));
	assert_int_equal(m.bad, 0);
	assert_int_equal(m.n_unknown, 0);
	assert_int_equal(m.mi_at, 32);
	assert_true(stun_check_mi(&m, &key));
	assert_int_equal(stun_peer_next(&m, &at, &peer), 1);
	assert_addr(&peer, 4, "\xc0\x00\x02\x01", 1001);
	assert_int_equal(stun_peer_next(&m, &at, &peer), 0);
	assert_int_equal(stun_peer_next(&m, &at, &peer), 0);
}

/* Between the two is hidden too, but the SHA-256 one covers and follows it. */
static void A16_both_integrity_attributes(void **state)
{
	struct stun_key key = raw_key();

	(void)state;
	raw_begin(&r, 0x0003);
	raw_mi(&r);
	raw_u32(&r, 0x000d, 0);
	raw_mi256(&r);
	append();
	assert_int_equal(parse(&m, &r), STUN_OK);
	assert_int_equal(m.has, STUN_BIT(MESSAGE_INTEGRITY) | STUN_BIT(FINGERPRINT) |
			 STUN_BIT(MESSAGE_INTEGRITY_SHA256));
	assert_int_equal(m.bad | m.n_unknown, 0);
	assert_true(stun_check_mi(&m, &key));
	assert_true(stun_check_mi_sha256(&m, &key));
}

static void A17_behind_message_integrity_sha256(void **state)
{
	struct stun_key key = raw_key();
	struct tp_addr peer;
	size_t at = 0;

	(void)state;
	raw_begin(&r, 0x0008);
	raw_mi256(&r);
	append();
	assert_int_equal(parse(&m, &r), STUN_OK);
	assert_int_equal(m.has, STUN_BIT(MESSAGE_INTEGRITY_SHA256) | STUN_BIT(FINGERPRINT));
	assert_int_equal(m.bad | m.n_unknown, 0);
	assert_int_equal(m.mi_at, 0);
	assert_true(stun_check_mi_sha256(&m, &key));
	assert_false(stun_check_mi(&m, &key));
	assert_int_equal(stun_peer_next(&m, &at, &peer), 0);
}

static void A21_wrong_length_still_ends_what_counts(void **state)
{
	static const size_t len[] = { 0, 16, 19, 21, 32 };
	struct stun_key key = raw_key();

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		raw_begin(&r, 0x0003);
		raw_fill(&r, 0x0008, len[i]);
		append();
		assert_int_equal(parse(&m, &r), STUN_OK);
		assert_int_equal(m.bad, STUN_BIT(MESSAGE_INTEGRITY));
		assert_int_equal(m.has, STUN_BIT(FINGERPRINT));
		assert_int_equal(m.mi_at, 0);
		assert_int_equal(m.n_unknown, 0);
		assert_false(stun_check_mi(&m, &key));
	}
}

static void A22_wrong_length_still_ends_what_counts(void **state)
{
	static const size_t len[] = { 0, 4, 12, 17, 33, 36 };
	struct stun_key key = raw_key();

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		raw_begin(&r, 0x0003);
		raw_fill(&r, 0x001c, len[i]);
		append();
		assert_int_equal(parse(&m, &r), STUN_OK);
		assert_int_equal(m.bad, STUN_BIT(MESSAGE_INTEGRITY_SHA256));
		assert_int_equal(m.has, STUN_BIT(FINGERPRINT));
		assert_int_equal(m.mi256_at | m.mi256_len, 0);
		assert_false(stun_check_mi_sha256(&m, &key));
	}
}

static void A30_first_of_doubles(void **state)
{
	struct tp_addr peer;
	size_t at = 0;

	(void)state;
	raw_begin(&r, 0x0003);
	raw_u32(&r, 0x000d, 1);
	raw_attr(&r, 0x0019, "\x11\0\0\0", 4);
	raw_attr(&r, 0x000c, "\x40\x01\0\0", 4);
	raw_attr(&r, 0x0006, "first", 5);
	raw_attr(&r, 0x0015, "nonce1", 6);
	raw_peer(&r, 1);
	raw_u32(&r, 0x000d, 2);
	raw_attr(&r, 0x0019, "\x06\0\0\0", 4);
	raw_attr(&r, 0x000c, "\x40\x02\0\0", 4);
	raw_attr(&r, 0x0006, "other", 5);
	raw_attr(&r, 0x0015, "nonce2", 6);
	raw_peer(&r, 2);
	assert_int_equal(parse(&m, &r), STUN_OK);
	assert_int_equal(m.lifetime, 1);
	assert_int_equal(m.transport, 17);
	assert_int_equal(m.channel, 0x4001);
	assert_bytes(m.username, "first");
	assert_bytes(m.nonce, "nonce1");
	assert_addr(&m.peer, 4, "\xc0\x00\x02\x01", 1001);
	for (uint8_t i = 1; i <= 2; i++) {
		const uint8_t ip[4] = { 192, 0, 2, i };

		assert_int_equal(stun_peer_next(&m, &at, &peer), 1);
		assert_addr(&peer, 4, ip, 1000u + i);
	}
	assert_int_equal(stun_peer_next(&m, &at, &peer), 0);
}

/* The first decides in both ways: a good one behind a bad one does not mend it. */
static void A30_first_of_doubles_is_bad(void **state)
{
	(void)state;
	raw_begin(&r, 0x0003);
	raw_fill(&r, 0x000d, 3);
	raw_u32(&r, 0x000d, 600);
	raw_attr(&r, 0x0018, "\x80", 1);
	raw_attr(&r, 0x0018, "", 0);
	assert_int_equal(parse(&m, &r), STUN_OK);
	assert_int_equal(m.bad, STUN_BIT(LIFETIME));
	assert_int_equal(m.has, STUN_BIT(EVEN_PORT));
	assert_int_equal(m.lifetime, 0);
}

static void A35_every_order_of_six(void **state)
{
	struct stun_key key = raw_key();
	unsigned int orders = 0;

	(void)state;
	for (unsigned int code = 0; code < 6 * 6 * 6 * 6 * 6 * 6; code++) {
		unsigned int seen = 0;

		for (unsigned int i = 0, rest = code; i < 6; i++, rest /= 6)
			seen |= 1u << rest % 6;
		if (seen != 63)
			continue;
		orders++;
		raw_begin(&r, 0x0003);
		for (unsigned int i = 0, rest = code; i < 6; i++, rest /= 6) {
			if (rest % 6 == 0)
				raw_attr(&r, 0x0006, "user", 4);
			if (rest % 6 == 1)
				raw_attr(&r, 0x0014, "realm", 5);
			if (rest % 6 == 2)
				raw_attr(&r, 0x0015, "nonce", 5);
			if (rest % 6 == 3)
				raw_u32(&r, 0x000d, 777);
			if (rest % 6 == 4)
				raw_attr(&r, 0x0019, "\x11\0\0\0", 4);
			if (rest % 6 == 5)
				raw_attr(&r, 0x0018, "\0", 1);
		}
		raw_mi(&r);
		assert_int_equal(parse(&m, &r), STUN_OK);
		assert_bytes(m.username, "user");
		assert_bytes(m.realm, "realm");
		assert_bytes(m.nonce, "nonce");
		assert_int_equal(m.lifetime, 777);
		assert_int_equal(m.transport, 17);
		assert_int_equal(__builtin_popcountll(m.has), 7);
		assert_int_equal(m.bad, 0);
		assert_true(stun_check_mi(&m, &key));
	}
	assert_int_equal(orders, 720);
}

static void peers_up_to_the_budget(void **state)
{
	struct tp_addr peer;
	size_t at = 0;

	(void)state;
	raw_begin(&r, 0x0008);
	for (unsigned int i = 0; i < STUN_ATTRS_MAX; i++)
		raw_peer(&r, (uint8_t)i);
	assert_int_equal(parse(&m, &r), STUN_OK);
	for (unsigned int i = 0; i < STUN_ATTRS_MAX; i++) {
		const uint8_t ip[4] = { 192, 0, 2, (uint8_t)i };

		assert_int_equal(stun_peer_next(&m, &at, &peer), 1);
		assert_addr(&peer, 4, ip, 1000 + (i & 255));
	}
	assert_int_equal(stun_peer_next(&m, &at, &peer), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(A16_behind_message_integrity),
		cmocka_unit_test(A16_both_integrity_attributes),
		cmocka_unit_test(A17_behind_message_integrity_sha256),
		cmocka_unit_test(A21_wrong_length_still_ends_what_counts),
		cmocka_unit_test(A22_wrong_length_still_ends_what_counts),
		cmocka_unit_test(A30_first_of_doubles),
		cmocka_unit_test(A30_first_of_doubles_is_bad),
		cmocka_unit_test(A35_every_order_of_six),
		cmocka_unit_test(peers_up_to_the_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
