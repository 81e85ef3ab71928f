// SPDX-License-Identifier: MIT
/* Attributes of a received message one by one: lengths, values, unknown types. */
#include <errno.h>

#include "stun_build.h"

static struct raw r;
static struct stun_msg m;

/* One attribute of an Allocate request: has it, or is it bad? */
static void one(uint16_t type, size_t len, uint64_t bit, bool good)
{
	raw_begin(&r, 0x0003);
	raw_fill(&r, type, len);
	assert_int_equal(parse(&m, &r), STUN_OK);
	assert_int_equal(m.has, good ? bit : 0);
	assert_int_equal(m.bad, good ? 0 : bit);
	assert_int_equal(m.n_unknown, 0);
}

static void one_value(uint16_t type, const void *v, size_t len, uint64_t bit, bool good)
{
	raw_begin(&r, 0x0003);
	raw_attr(&r, type, v, len);
	assert_int_equal(parse(&m, &r), STUN_OK);
	assert_int_equal(m.has, good ? bit : 0);
	assert_int_equal(m.bad, good ? 0 : bit);
}

static void A1_length_past_the_end(void **state)
{
	static const uint16_t more[] = { 1, 4, 5, 100, 0xfffb };

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		raw_begin(&r, 0x0003);
		raw_u32(&r, 0x000d, 600);
		raw_set16(r.b + 22, 4u + more[i]);
		assert_int_equal(parse(&m, &r), STUN_DISCARD);
		/* Also in an attribute that we do not know, and behind the integrity. */
		raw_set16(r.b + 20, 0x8099);
		assert_int_equal(parse(&m, &r), STUN_DISCARD);
		raw_begin(&r, 0x0003);
		raw_mi(&r);
		raw_u32(&r, 0x8099, 0);
		raw_set16(r.b + 46, 4u + more[i]);
		assert_int_equal(parse(&m, &r), STUN_DISCARD);
	}
}

static void A2_length_whose_padding_wraps(void **state)
{
	(void)state;
	for (unsigned int len = 0xfffd; len <= 0xffff; len++) {
		raw_begin(&r, 0x0003);
		raw_u32(&r, 0x000d, 600);
		raw_set16(r.b + 22, len);
		assert_int_equal(parse(&m, &r), STUN_DISCARD);
	}
}

static void A3_A22_every_length_of_every_attribute(void **state)
{
	static const struct {
		uint16_t type;
		uint64_t bit;
		unsigned int len;
	} fixed[] = {
		{ 0x0008, STUN_BIT(MESSAGE_INTEGRITY), 20 },
		{ 0x000c, STUN_BIT(CHANNEL_NUMBER), 4 },
		{ 0x000d, STUN_BIT(LIFETIME), 4 },
		{ 0x0017, STUN_BIT(REQUESTED_ADDRESS_FAMILY), 4 },
		{ 0x0018, STUN_BIT(EVEN_PORT), 1 },
		{ 0x0019, STUN_BIT(REQUESTED_TRANSPORT), 4 },
		{ 0x001a, STUN_BIT(DONT_FRAGMENT), 0 },
		{ 0x001e, STUN_BIT(USERHASH), 32 },
		{ 0x0022, STUN_BIT(RESERVATION_TOKEN), 8 },
		{ 0x8000, STUN_BIT(ADDITIONAL_ADDRESS_FAMILY), 4 },
		{ 0x8004, STUN_BIT(ICMP), 8 },
	};

	(void)state;
	/* A3 to A10, A21: 0, 1, 2 and so on are among them. */
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		for (size_t len = 0; len <= 64; len++)
			one(fixed[i].type, len, fixed[i].bit, len == fixed[i].len);
	/* A22, A23: 16 to 32, multiples of 4. */
	for (size_t len = 0; len <= 64; len++)
		one(0x001c, len, STUN_BIT(MESSAGE_INTEGRITY_SHA256),
		    len >= 16 && len <= 32 && len % 4 == 0);
}

static void A4_to_A10_values(void **state)
{
	(void)state;
	raw_begin(&r, 0x0003);
	raw_attr(&r, 0x000c, "\x40\x01\0\0", 4);
	raw_attr(&r, 0x000d, "\x01\x02\x03\x04", 4);
	raw_attr(&r, 0x0017, "\x02\0\0\0", 4);
	raw_attr(&r, 0x0018, "\x80", 1);
	raw_attr(&r, 0x0019, "\x11\0\0\0", 4);
	raw_attr(&r, 0x001a, NULL, 0);
	raw_attr(&r, 0x0022, "RESERVED", 8);
	raw_attr(&r, 0x8000, "\x03\0\0\0", 4);
	assert_int_equal(parse(&m, &r), STUN_OK);
	assert_int_equal(m.bad, 0);
	assert_int_equal(m.channel, 0x4001);
	assert_int_equal(m.lifetime, 0x01020304);
	assert_int_equal(m.family, 2);
	assert_int_equal(m.even_port, 0x80);
	assert_int_equal(m.transport, 17);
	assert_bytes(m.token, "RESERVED");
	assert_int_equal(m.additional_family, 3);
	assert_int_equal(m.has, STUN_BIT(CHANNEL_NUMBER) | STUN_BIT(LIFETIME) |
			 STUN_BIT(REQUESTED_ADDRESS_FAMILY) | STUN_BIT(EVEN_PORT) |
			 STUN_BIT(REQUESTED_TRANSPORT) | STUN_BIT(DONT_FRAGMENT) |
			 STUN_BIT(RESERVATION_TOKEN) | STUN_BIT(ADDITIONAL_ADDRESS_FAMILY));
}

static void A11_A12_addresses(void **state)
{
	static const struct {
		uint16_t type;
		uint64_t bit;
	} addr[] = {
		{ 0x0001, STUN_BIT(MAPPED_ADDRESS) },
		{ 0x0012, STUN_BIT(XOR_PEER_ADDRESS) },
		{ 0x0016, STUN_BIT(XOR_RELAYED_ADDRESS) },
		{ 0x0020, STUN_BIT(XOR_MAPPED_ADDRESS) },
		{ 0x8023, STUN_BIT(ALTERNATE_SERVER) },
	};

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		for (size_t len = 0; len <= 32; len++) {
			for (unsigned int family = 0; family < 256; family++) {
				uint8_t v[32] = { 0, (uint8_t)family };

				one_value(addr[i].type, v, len, addr[i].bit,
					  (family == 1 && len == 8) || (family == 2 && len == 20));
			}
		}
	}
}

static void A11_A12_in_the_walk(void **state)
{
	struct tp_addr peer;

	(void)state;
	for (size_t len = 0; len <= 32; len++) {
		for (unsigned int family = 0; family < 256; family++) {
			bool good = (family == 1 && len == 8) || (family == 2 && len == 20);
			uint8_t v[32] = { 0, (uint8_t)family };
			size_t at = 0;

			raw_begin(&r, 0x0008);
			raw_peer(&r, 1);
			raw_attr(&r, 0x0012, v, len);
			raw_peer(&r, 2);
			assert_int_equal(parse(&m, &r), STUN_OK);
			/* The first is good: that one is in the message. */
			assert_int_equal(m.has, STUN_BIT(XOR_PEER_ADDRESS));
			assert_int_equal(stun_peer_next(&m, &at, &peer), 1);
			assert_int_equal(stun_peer_next(&m, &at, &peer), good ? 1 : -EINVAL);
		}
	}
}

static void A13_reserved_byte_of_an_address(void **state)
{
	(void)state;
	for (unsigned int first = 0; first < 256; first++) {
		uint8_t v[8] = { (uint8_t)first, 1, 0x21, 0x12, 0x21, 0x12, 0xa4, 0x42 };

		one_value(0x0012, v, 8, STUN_BIT(XOR_PEER_ADDRESS), true);
		assert_addr(&m.peer, 4, "\0\0\0\0", 0);
	}
}

static void A14_padding_not_zero(void **state)
{
	(void)state;
	raw_begin(&r, 0x0003);
	raw_attr_padded(&r, 0x0006, "abcde", 5, 0xff);
	raw_attr_padded(&r, 0x0018, "\x80", 1, 0xa5);
	assert_int_equal(parse(&m, &r), STUN_OK);
	assert_int_equal(m.bad, 0);
	assert_bytes(m.username, "abcde");
	assert_int_equal(m.even_port, 0x80);
}

static void A15_reserved_bits(void **state)
{
	(void)state;
	raw_begin(&r, 0x0003);
	raw_attr(&r, 0x000c, "\x40\x01\xff\xff", 4);
	raw_attr(&r, 0x0017, "\x01\xff\xff\xff", 4);
	raw_attr(&r, 0x0018, "\x7f", 1);
	raw_attr(&r, 0x0019, "\x11\xff\xff\xff", 4);
	raw_attr(&r, 0x8000, "\x02\xff\xff\xff", 4);
	raw_attr(&r, 0x0009, "\xff\xff\xfc\x01", 4);
	assert_int_equal(parse(&m, &r), STUN_OK);
	assert_int_equal(m.bad, 0);
	assert_int_equal(m.channel, 0x4001);
	assert_int_equal(m.family, 1);
	assert_int_equal(m.even_port, 0);
	assert_int_equal(m.transport, 17);
	assert_int_equal(m.additional_family, 2);
	assert_int_equal(m.error, 401);
}

static void A24_A29_unknown_required(void **state)
{
	/* With the reserved BANDWIDTH and TIMER-VAL of RFC 8656, and 0x0000. */
	static const uint16_t type[] = { 0x0002, 0x7ffe, 0x0010, 0x0021, 0x0000, 0x7fff, 0x0040 };

	(void)state;
	raw_begin(&r, 0x0003);
	for (int again = 0; again < 3; again++)
		for (size_t i = 0; i < 7; i++)
			raw_u32(&r, type[i], 1);
	assert_int_equal(parse(&m, &r), STUN_OK);
	assert_int_equal(m.has | m.bad, 0);
	assert_int_equal(m.n_unknown, 7);
	assert_memory_equal(m.unknown, type, sizeof(type));
}

static void A26_500_unknown_required(void **state)
{
	(void)state;
	raw_begin(&r, 0x0003);
	for (uint16_t i = 0; i < 500; i++)
		raw_attr(&r, 0x4000 + i, NULL, 0);
	assert_int_equal(parse(&m, &r), STUN_OK);
	assert_int_equal(m.n_unknown, STUN_UNKNOWN_MAX);
	for (uint16_t i = 0; i < STUN_UNKNOWN_MAX; i++)
		assert_int_equal(m.unknown[i], 0x4000 + i);
}

static bool is_known(unsigned int type)
{
#define SAME(id, t, min, max) || type == (t)
	return false STUN_ATTRS(SAME);
#undef SAME
}

/* Every type there is: known, unknown and required, or unknown and optional. */
static void A28_all_65536_types(void **state)
{
	(void)state;
	for (unsigned int type = 0; type <= 0xffff; type++) {
		if (type == 0x8028)
			continue;
		raw_begin(&r, 0x0003);
		raw_u32(&r, (uint16_t)type, 0);
		assert_int_equal(stun_parse(&m, r.b, r.len), STUN_OK);
		if (is_known(type)) {
			assert_int_equal(__builtin_popcountll(m.has | m.bad), 1);
			assert_int_equal(m.n_unknown, 0);
			continue;
		}
		assert_int_equal(m.has | m.bad, 0);
		assert_int_equal(m.n_unknown, type < 0x8000);
		assert_true(type >= 0x8000 || m.unknown[0] == type);
	}
}

static void A31_known_but_unexpected(void **state)
{
	(void)state;
	raw_begin(&r, 0x0003);
	raw_attr(&r, 0x0009, "\0\0\x04\x01Unauthenticated", 19);
	raw_attr(&r, 0x0013, "data", 4);
	raw_attr(&r, 0x8001, "\x02\0\x04\x28", 4);
	raw_attr(&r, 0x000a, "\0\1\0\2", 4);
	assert_int_equal(parse(&m, &r), STUN_OK);
	assert_int_equal(m.bad | m.n_unknown, 0);
	assert_int_equal(m.error, 401);
	assert_bytes(m.data, "data");
}

static void A31_error_codes(void **state)
{
	(void)state;
	for (unsigned int class = 0; class < 8; class++) {
		for (unsigned int number = 0; number < 256; number++) {
			uint8_t v[4] = { 0, 0, (uint8_t)class, (uint8_t)number };
			bool good = class >= 3 && class <= 6 && number < 100;

			one_value(0x0009, v, 4, STUN_BIT(ERROR_CODE), good);
			assert_int_equal(m.error, good ? class * 100 + number : 0);
			one_value(0x8001, v, 4, STUN_BIT(ADDRESS_ERROR_CODE), good);
		}
	}
}

static void A32_bytes_stay_as_they_are(void **state)
{
	static const char odd[] = "a\0b\r\n\x1b[31m%n\xff\xfe";
	const size_t n = sizeof(odd) - 1;

	(void)state;
	raw_begin(&r, 0x0003);
	raw_attr(&r, 0x0006, odd, n);
	raw_attr(&r, 0x0014, odd, n);
	raw_attr(&r, 0x8022, odd, n);
	assert_int_equal(parse(&m, &r), STUN_OK);
	assert_int_equal(m.username.len, n);
	assert_memory_equal(m.username.p, odd, n);
	assert_int_equal(m.realm.len, n);
	assert_memory_equal(m.realm.p, odd, n);
	assert_ptr_equal(m.username.p, m.raw + 24);
}

static void A33_long_software(void **state)
{
	(void)state;
	one(0x8022, 764, STUN_BIT(SOFTWARE), true);
	one(0x8022, 65000, STUN_BIT(SOFTWARE), true);
}

static void U11_U20_longest_strings(void **state)
{
	static const struct {
		uint16_t type;
		uint64_t bit;
	} text[] = {
		{ 0x0006, STUN_BIT(USERNAME) },
		{ 0x0014, STUN_BIT(REALM) },
		{ 0x0015, STUN_BIT(NONCE) },
	};
	static const size_t len[] = { 0, 1, 127, 128, 509, 513, 763, 764, 765, 65000 };

	(void)state;
	for (size_t i = 0; i < 3; i++)
		for (size_t j = 0; j < 10; j++)
			one(text[i].type, len[j], text[i].bit, len[j] <= 763);
	one(0x0015, 763, STUN_BIT(NONCE), true);
	assert_int_equal(m.nonce.len, 763);
}

#define ALG(v, good) one_value(0x001d, v, sizeof(v) - 1, STUN_BIT(PASSWORD_ALGORITHM), good)
#define ALGS(v, good) one_value(0x8002, v, sizeof(v) - 1, STUN_BIT(PASSWORD_ALGORITHMS), good)

static void U15_U16_password_algorithm(void **state)
{
	(void)state;
	ALG("\0\1\0\0", true);
	assert_int_equal(m.password_algorithm, STUN_ALG_MD5);
	ALG("\0\2\0\0", true);
	assert_int_equal(m.password_algorithm, STUN_ALG_SHA256);
	ALG("\xff\xff\0\0", true);
	assert_int_equal(m.password_algorithm, STUN_ALG_NONE);
	assert_int_equal(m.alg_raw, 0xffff);
	ALG("\1\2\0\0", true);
	assert_int_equal(m.password_algorithm, STUN_ALG_NONE);
	assert_int_equal(m.alg_raw, 0x0102);
	ALG("\0\3\0\5abcde", true);
	ALG("\0\3\0\5abcde\0\0\0", true);
	ALG("\0\3\0\5abcd", false);
	ALG("\0\3\0\5", false);
	ALG("\0\2\0\1", false);
	ALG("\0\2\xff\xff", false);
	ALG("\0\2\xff\xfd", false);
	ALG("\0\2\0\4abcd", false);
	ALG("\0\2\0\0\0\1\0\0", false);
	ALG("\0\2\0", false);
	ALG("\0\2\0\0\0", false);
	ALG("", false);
	assert_int_equal(m.password_algorithm, STUN_ALG_NONE);
}

static void U16_password_algorithms(void **state)
{
	(void)state;
	ALGS("\0\2\0\0\0\1\0\0", true);
	assert_int_equal(m.password_algorithms.len, 8);
	assert_memory_equal(m.password_algorithms.p, stun_password_algorithms, 8);
	ALGS("\0\1\0\0", true);
	ALGS("\0\3\0\2ab\0\0\0\1\0\0", true);
	ALGS("\0\1\0\0\0\3\0\2ab", true);
	ALGS("\0\3\0\2ab\0\1\0\0", false);
	ALGS("\0\1\0\0\0\2\0\1", false);
	ALGS("\0\1\0\0\0\2\xff\xff", false);
	ALGS("\0\1\xff\xfc\0\2\0\0", false);
	ALGS("\0\1\0\0\0\2\0", false);
	ALGS("\0\1\0\0\0", false);
	ALGS("", false);
	assert_null(m.password_algorithms.p);
	for (size_t n = 700; n <= 768; n += 4) {
		static uint8_t v[768];

		one_value(0x8002, v, n, STUN_BIT(PASSWORD_ALGORITHMS), n <= 763);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(A1_length_past_the_end),
		cmocka_unit_test(A2_length_whose_padding_wraps),
		cmocka_unit_test(A3_A22_every_length_of_every_attribute),
		cmocka_unit_test(A4_to_A10_values),
		cmocka_unit_test(A11_A12_addresses),
		cmocka_unit_test(A11_A12_in_the_walk),
		cmocka_unit_test(A13_reserved_byte_of_an_address),
		cmocka_unit_test(A14_padding_not_zero),
		cmocka_unit_test(A15_reserved_bits),
		cmocka_unit_test(A24_A29_unknown_required),
		cmocka_unit_test(A26_500_unknown_required),
		cmocka_unit_test(A28_all_65536_types),
		cmocka_unit_test(A31_known_but_unexpected),
		cmocka_unit_test(A31_error_codes),
		cmocka_unit_test(A32_bytes_stay_as_they_are),
		cmocka_unit_test(A33_long_software),
		cmocka_unit_test(U11_U20_longest_strings),
		cmocka_unit_test(U15_U16_password_algorithm),
		cmocka_unit_test(U16_password_algorithms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
