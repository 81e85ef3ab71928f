// SPDX-License-Identifier: MIT
/* The writer: its bytes against bytes written by hand, round trips, and no room. */
#include "stun_build.h"

static const uint8_t txid[12] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
static uint8_t buf[70000];
static struct stun_msg m;

static const struct tp_addr addr4 = {
	.family = 4, .port = __builtin_bswap16(0x1234), .ip = { 192, 0, 2, 1 },
};
static const struct tp_addr addr6 = {
	.family = 6, .port = __builtin_bswap16(0xfedc),
	.ip = { 0x20, 1, 0x0d, 0xb8, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 },
};

static void begin(struct stun_writer *w)
{
	memset(buf, 0xee, 256);
	stun_begin(w, buf, sizeof(buf), TURN_ALLOCATE, STUN_SUCCESS, txid);
}

/* What was put last, against `want`; the header's length is right. */
static void assert_tail(const struct stun_writer *w, const void *want, size_t len)
{
	assert_false(w->overflow);
	assert_int_equal(w->len, 20 + len);
	assert_int_equal(buf[2] << 8 | buf[3], len);
	assert_memory_equal(buf + 20, want, len);
	assert_int_equal(buf[w->len], 0xee);
}

#define ASSERT_TAIL(w, s)	assert_tail(w, s, sizeof(s) - 1)

static void begin_every_method_and_class(void **state)
{
	struct stun_writer w;

	(void)state;
	for (unsigned int method = 0; method < 0x1000; method++) {
		for (unsigned int class = 0; class < 4; class++) {
			stun_begin(&w, buf, sizeof(buf), (uint16_t)method, (enum stun_class)class,
				   txid);
			assert_int_equal(w.len, 20);
			assert_int_equal(parse_at(&m, buf, w.len, 0), STUN_OK);
			assert_int_equal(m.method, method);
			assert_int_equal(m.class, class);
		}
	}
	stun_begin(&w, buf, sizeof(buf), TURN_ALLOCATE, STUN_ERROR, txid);
	assert_memory_equal(buf, "\x01\x13\0\0\x21\x12\xa4\x42\1\2\3\4\5\6\7\10\11\12\13\14", 20);
	stun_begin(&w, buf, sizeof(buf), TURN_DATA, STUN_INDICATION, txid);
	assert_memory_equal(buf, "\x00\x17", 2);
}

static void put_pads_with_zeroes(void **state)
{
	struct stun_writer w;

	(void)state;
	begin(&w);
	stun_put(&w, STUN_T_NONCE, "abcde", 5);
	ASSERT_TAIL(&w, "\0\x15\0\5abcde\0\0\0");
	for (size_t len = 0; len < 9; len++) {
		begin(&w);
		stun_put(&w, STUN_T_DATA, "12345678", len);
		assert_int_equal(w.len, 24 + (len + 3) / 4 * 4);
		assert_int_equal(parse_at(&m, buf, w.len, 0), STUN_OK);
		assert_int_equal(m.data.len, len);
		assert_memory_equal(m.data.p, "12345678", len);
		for (size_t at = 24 + len; at < w.len; at++)
			assert_int_equal(buf[at], 0);
	}
	begin(&w);
	stun_put(&w, STUN_T_DATA, NULL, 0);
	ASSERT_TAIL(&w, "\0\x13\0\0");
}

static void put_u32_and_empty(void **state)
{
	struct stun_writer w;

	(void)state;
	begin(&w);
	stun_put_u32(&w, STUN_T_LIFETIME, 0x01020304);
	stun_put(&w, STUN_T_DONT_FRAGMENT, NULL, 0);
	ASSERT_TAIL(&w, "\0\x0d\0\4\1\2\3\4\0\x1a\0\0");
	assert_int_equal(parse_at(&m, buf, w.len, 0), STUN_OK);
	assert_int_equal(m.lifetime, 0x01020304);
	assert_int_equal(m.has, STUN_BIT(LIFETIME) | STUN_BIT(DONT_FRAGMENT));
}

static void put_addr(void **state)
{
	struct stun_writer w;

	(void)state;
	begin(&w);
	stun_put_addr(&w, STUN_T_ALTERNATE_SERVER, &addr4);
	ASSERT_TAIL(&w, "\x80\x23\0\x08\0\1\x12\x34\xc0\0\2\1");
	assert_int_equal(parse_at(&m, buf, w.len, 0), STUN_OK);
	assert_memory_equal(&m.alternate, &addr4, sizeof(addr4));
	begin(&w);
	stun_put_addr(&w, STUN_T_ALTERNATE_SERVER, &addr6);
	ASSERT_TAIL(&w, "\x80\x23\0\x14\0\2\xfe\xdc\x20\1\x0d\xb8\5\6\7\x08"
		    "\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10");
	assert_int_equal(parse_at(&m, buf, w.len, 0), STUN_OK);
	assert_memory_equal(&m.alternate, &addr6, sizeof(addr6));
}

static void put_xor_addr(void **state)
{
	struct stun_writer w;
	struct tp_addr peer;
	size_t at = 0;

	(void)state;
	begin(&w);
	stun_put_xor_addr(&w, STUN_T_XOR_RELAYED_ADDRESS, &addr4);
	ASSERT_TAIL(&w, "\0\x16\0\x08\0\1\x33\x26\xe1\x12\xa6\x43");
	stun_put_xor_addr(&w, STUN_T_XOR_MAPPED_ADDRESS, &addr6);
	stun_put_xor_addr(&w, STUN_T_XOR_PEER_ADDRESS, &addr4);
	stun_put_xor_addr(&w, STUN_T_XOR_PEER_ADDRESS, &addr6);
	assert_int_equal(parse_at(&m, buf, w.len, 0), STUN_OK);
	assert_int_equal(m.bad, 0);
	assert_memory_equal(&m.relayed, &addr4, sizeof(addr4));
	assert_memory_equal(&m.mapped, &addr6, sizeof(addr6));
	assert_memory_equal(&m.peer, &addr4, sizeof(addr4));
	assert_int_equal(stun_peer_next(&m, &at, &peer), 1);
	assert_memory_equal(&peer, &addr4, sizeof(addr4));
	assert_int_equal(stun_peer_next(&m, &at, &peer), 1);
	assert_memory_equal(&peer, &addr6, sizeof(addr6));
	assert_int_equal(stun_peer_next(&m, &at, &peer), 0);
}

static void put_error(void **state)
{
	struct stun_writer w;

	(void)state;
	begin(&w);
	stun_put_error(&w, 438, stun_reason(438));
	ASSERT_TAIL(&w, "\0\x09\0\x0f\0\0\4\x26Stale Nonce\0");
	begin(&w);
	stun_put_error(&w, 438, "");
	ASSERT_TAIL(&w, "\0\x09\0\4\0\0\4\x26");
	for (uint16_t code = 300; code < 700; code++) {
		begin(&w);
		stun_put_error(&w, code, code % 2 ? "" : stun_reason(code));
		assert_int_equal(parse_at(&m, buf, w.len, 0), STUN_OK);
		assert_int_equal(m.has, STUN_BIT(ERROR_CODE));
		assert_int_equal(m.error, code);
	}
	begin(&w);
	stun_put_address_error(&w, 2, 440, stun_reason(440));
	ASSERT_TAIL(&w, "\x80\x01\0\x20\2\0\4\x28" "Address Family not Supported");
	assert_int_equal(parse_at(&m, buf, w.len, 0), STUN_OK);
	assert_int_equal(m.has, STUN_BIT(ADDRESS_ERROR_CODE));
}

static void reasons(void **state)
{
	(void)state;
	assert_string_equal(stun_reason(300), "Try Alternate");
	assert_string_equal(stun_reason(400), "Bad Request");
	assert_string_equal(stun_reason(401), "Unauthenticated");
	assert_string_equal(stun_reason(403), "Forbidden");
	assert_string_equal(stun_reason(420), "Unknown Attribute");
	assert_string_equal(stun_reason(437), "Allocation Mismatch");
	assert_string_equal(stun_reason(438), "Stale Nonce");
	assert_string_equal(stun_reason(440), "Address Family not Supported");
	assert_string_equal(stun_reason(441), "Wrong Credentials");
	assert_string_equal(stun_reason(442), "Unsupported Transport Protocol");
	assert_string_equal(stun_reason(443), "Peer Address Family Mismatch");
	assert_string_equal(stun_reason(486), "Allocation Quota Reached");
	assert_string_equal(stun_reason(500), "Server Error");
	assert_string_equal(stun_reason(508), "Insufficient Capacity");
	assert_string_equal(stun_reason(0), "Error");
	assert_string_equal(stun_reason(402), "Error");
}

static void put_unknown_round_trip(void **state)
{
	static const uint16_t type[] = { 0x0002, 0x7ffe, 0x0026 };
	struct stun_writer w;

	(void)state;
	begin(&w);
	stun_put_unknown(&w, type, 3);
	ASSERT_TAIL(&w, "\0\x0a\0\6\0\2\x7f\xfe\0\x26\0\0");
	assert_int_equal(parse_at(&m, buf, w.len, 0), STUN_OK);
	assert_int_equal(m.has, STUN_BIT(UNKNOWN_ATTRIBUTES));
	begin(&w);
	stun_put_unknown(&w, type, 0);
	ASSERT_TAIL(&w, "\0\x0a\0\0");
}

static void put_password_algorithms_round_trip(void **state)
{
	struct stun_writer w;

	(void)state;
	begin(&w);
	stun_put(&w, STUN_T_PASSWORD_ALGORITHMS, stun_password_algorithms,
		 sizeof(stun_password_algorithms));
	ASSERT_TAIL(&w, "\x80\x02\0\x08\0\2\0\0\0\1\0\0");
	assert_int_equal(parse_at(&m, buf, w.len, 0), STUN_OK);
	assert_int_equal(m.password_algorithms.len, sizeof(stun_password_algorithms));
	assert_memory_equal(m.password_algorithms.p, stun_password_algorithms, 8);
}

static void reserve(void **state)
{
	struct stun_writer w;
	uint8_t *p;

	(void)state;
	begin(&w);
	p = stun_put_reserve(&w, STUN_T_DATA, 6);
	assert_ptr_equal(p, buf + 24);
	memcpy(p, "abcdef", 6);
	ASSERT_TAIL(&w, "\0\x13\0\6abcdef\0\0");
}

/* One of everything, as large as its values want. */
static void put_everything(struct stun_writer *w, const struct stun_key *key)
{
	static const uint16_t types[] = { 1, 2, 3 };
	uint8_t *p;

	stun_put(w, STUN_T_SOFTWARE, "soft", 4);
	stun_put_u32(w, STUN_T_LIFETIME, 600);
	stun_put(w, STUN_T_DONT_FRAGMENT, NULL, 0);
	stun_put_xor_addr(w, STUN_T_XOR_RELAYED_ADDRESS, &addr4);
	stun_put_xor_addr(w, STUN_T_XOR_MAPPED_ADDRESS, &addr6);
	stun_put_addr(w, STUN_T_ALTERNATE_SERVER, &addr6);
	stun_put_error(w, 401, stun_reason(401));
	stun_put_address_error(w, 2, 508, "");
	stun_put_unknown(w, types, 3);
	stun_put(w, STUN_T_PASSWORD_ALGORITHMS, stun_password_algorithms,
		 sizeof(stun_password_algorithms));
	p = stun_put_reserve(w, STUN_T_DATA, 5);
	if (p)
		memcpy(p, "hello", 5);
	stun_put_mi(w, key);
	stun_put_mi_sha256(w, key);
	stun_put_fingerprint(w);
}

static void everything_round_trip(void **state)
{
	struct stun_key key = raw_key();
	struct stun_writer w;

	(void)state;
	begin(&w);
	put_everything(&w, &key);
	assert_false(w.overflow);
	assert_int_equal(parse_at(&m, buf, w.len, 0), STUN_OK);
	assert_int_equal(m.bad | m.n_unknown, 0);
	assert_int_equal(__builtin_popcountll(m.has), 14);
	assert_bytes(m.data, "hello");
	assert_int_equal(m.error, 401);
	assert_true(stun_check_mi(&m, &key));
	assert_true(stun_check_mi_sha256(&m, &key));
	assert_int_equal(m.fingerprint_at, w.len - 8);
}

/* Memory ends where the capacity does: AddressSanitizer sees a byte too many. */
static void overflow_at_every_capacity(void **state)
{
	struct stun_key key = raw_key();
	struct stun_writer w;
	size_t full;

	(void)state;
	begin(&w);
	put_everything(&w, &key);
	full = w.len;
	for (size_t cap = 0; cap <= full + 4; cap++) {
		uint8_t *small = malloc(cap ? cap : 1);
		struct stun_writer s;

		assert_non_null(small);
		stun_begin(&s, small, cap, TURN_ALLOCATE, STUN_SUCCESS, txid);
		assert_int_equal(s.overflow, cap < 20);
		put_everything(&s, &key);
		assert_int_equal(s.overflow, cap < full);
		assert_int_equal(s.len, cap < full ? 0 : full);
		assert_true(cap < full || memcmp(small, buf, full) == 0);
		free(small);
	}
}

/* Nothing small slips in behind what did not fit. */
static void overflow_stays(void **state)
{
	struct stun_writer w;

	(void)state;
	stun_begin(&w, buf, 28, TURN_ALLOCATE, STUN_SUCCESS, txid);
	stun_put(&w, STUN_T_SOFTWARE, "too long", 8);
	assert_true(w.overflow);
	stun_put(&w, STUN_T_DONT_FRAGMENT, NULL, 0);
	assert_null(stun_put_reserve(&w, STUN_T_DATA, 0));
	assert_true(w.overflow);
	assert_int_equal(w.len, 0);
}

/* The length field ends at 0xfffc, an attribute's at 0xffff. */
static void overflow_of_the_length_fields(void **state)
{
	static uint8_t big[66000];
	struct stun_writer w;

	(void)state;
	begin(&w);
	stun_put(&w, STUN_T_DATA, big, 0xfffc - 4);
	assert_false(w.overflow);
	assert_int_equal(buf[2] << 8 | buf[3], 0xfffc);
	stun_put(&w, STUN_T_DONT_FRAGMENT, NULL, 0);
	assert_true(w.overflow);
	begin(&w);
	stun_put(&w, STUN_T_DATA, big, 0xfffc - 3);
	assert_true(w.overflow);
	begin(&w);
	stun_put(&w, STUN_T_DATA, big, 65536);
	assert_true(w.overflow);
	begin(&w);
	assert_null(stun_put_reserve(&w, STUN_T_DATA, SIZE_MAX));
	assert_true(w.overflow);
	begin(&w);
	assert_null(stun_put_reserve(&w, STUN_T_DATA, SIZE_MAX - 6));
	assert_true(w.overflow);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(begin_every_method_and_class),
		cmocka_unit_test(put_pads_with_zeroes),
		cmocka_unit_test(put_u32_and_empty),
		cmocka_unit_test(put_addr),
		cmocka_unit_test(put_xor_addr),
		cmocka_unit_test(put_error),
		cmocka_unit_test(reasons),
		cmocka_unit_test(put_unknown_round_trip),
		cmocka_unit_test(put_password_algorithms_round_trip),
		cmocka_unit_test(reserve),
		cmocka_unit_test(everything_round_trip),
		cmocka_unit_test(overflow_at_every_capacity),
		cmocka_unit_test(overflow_stays),
		cmocka_unit_test(overflow_of_the_length_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
