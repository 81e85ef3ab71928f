// SPDX-License-Identifier: MIT
/* The codec against the RFCs' own messages: read, checked, and written again. */
#include "stun_build.h"
#include "rfc5769.h"

static const uint8_t mapped4[4] = { 192, 0, 2, 1 };
static const uint8_t mapped6[16] = {
	0x20, 0x01, 0x0d, 0xb8, 0x12, 0x34, 0x56, 0x78,
	0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
};

/* Section 9.1.1: the short-term key is the password itself. */
static struct stun_key short_term(void)
{
	struct stun_key key = { .len = sizeof(RFC5769_PASSWORD) - 1 };

	memcpy(key.bytes, RFC5769_PASSWORD, key.len);
	return key;
}

static struct stun_key long_term(enum stun_algorithm algorithm)
{
	struct stun_key key;

	stun_key_make(&key, algorithm, STR(RFC5769_USER), STR(RFC5769_REALM),
		      STR(RFC5769_USER_PASSWORD));
	return key;
}

static void check(struct stun_msg *m, const uint8_t *raw, size_t len, uint16_t method,
		  enum stun_class class)
{
	assert_int_equal(parse_at(m, raw, len, 0), STUN_OK);
	assert_int_equal(m->method, method);
	assert_int_equal(m->class, class);
	assert_memory_equal(m->txid, raw + 8, 12);
	assert_int_equal(m->bad, 0);
}

static void rfc5769_2_1_request(void **state)
{
	struct stun_key key = short_term();
	struct stun_msg m;

	(void)state;
	check(&m, rfc5769_request, sizeof(rfc5769_request), STUN_BINDING, STUN_REQUEST);
	assert_int_equal(m.has, STUN_BIT(SOFTWARE) | STUN_BIT(USERNAME) |
			 STUN_BIT(MESSAGE_INTEGRITY) | STUN_BIT(FINGERPRINT));
	assert_bytes(m.username, "evtj:h6vY");
	/* PRIORITY (ICE) is comprehension-required and not ours. */
	assert_int_equal(m.n_unknown, 1);
	assert_int_equal(m.unknown[0], 0x0024);
	assert_true(stun_check_mi(&m, &key));
	assert_false(stun_check_mi_sha256(&m, &key));
	key.bytes[0] ^= 1;
	assert_false(stun_check_mi(&m, &key));
}

static void rfc5769_2_2_ipv4_response(void **state)
{
	struct stun_key key = short_term();
	struct stun_msg m;

	(void)state;
	check(&m, rfc5769_response4, sizeof(rfc5769_response4), STUN_BINDING, STUN_SUCCESS);
	assert_addr(&m.mapped, 4, mapped4, 32853);
	assert_true(stun_check_mi(&m, &key));
	assert_int_equal(m.fingerprint_at, sizeof(rfc5769_response4) - 8);
}

static void rfc5769_2_3_ipv6_response(void **state)
{
	struct stun_key key = short_term();
	struct stun_msg m;

	(void)state;
	check(&m, rfc5769_response6, sizeof(rfc5769_response6), STUN_BINDING, STUN_SUCCESS);
	assert_addr(&m.mapped, 6, mapped6, 32853);
	assert_true(stun_check_mi(&m, &key));
}

static void rfc5769_2_4_long_term(void **state)
{
	struct stun_key key = long_term(STUN_ALG_MD5);
	struct stun_key none = long_term(STUN_ALG_NONE);
	struct stun_msg m;

	(void)state;
	check(&m, rfc5769_long_term, sizeof(rfc5769_long_term), STUN_BINDING, STUN_REQUEST);
	assert_bytes(m.username, RFC5769_USER);
	assert_bytes(m.nonce, RFC5769_NONCE);
	assert_bytes(m.realm, RFC5769_REALM);
	assert_int_equal(key.len, 16);
	assert_true(stun_check_mi(&m, &key));
	assert_memory_equal(&none, &key, sizeof(key));
	key = long_term(STUN_ALG_SHA256);
	assert_false(stun_check_mi(&m, &key));
}

/* As printed it is not a STUN message (its length is wrong), but its HMAC is one. */
static void rfc8489_B_1_as_printed(void **state)
{
	struct stun_key key = long_term(STUN_ALG_SHA256);
	const size_t at = sizeof(rfc8489_printed) - 36;
	struct stun_msg m;
	uint8_t mac[32];

	(void)state;
	assert_int_equal(parse_at(&m, rfc8489_printed, sizeof(rfc8489_printed), 0), STUN_DISCARD);
	assert_int_equal(key.len, 32);
	stun_hmac_sha256(mac, key.bytes, key.len, rfc8489_printed, at);
	assert_memory_equal(mac, rfc8489_printed + at + 4, 32);
}

static void rfc8489_B_1_sha256_and_userhash(void **state)
{
	struct stun_key key = long_term(STUN_ALG_SHA256);
	struct stun_msg m;
	uint8_t hash[32];

	(void)state;
	check(&m, rfc8489_erratum, sizeof(rfc8489_erratum), STUN_BINDING, STUN_REQUEST);
	assert_bytes(m.nonce, RFC8489_NONCE);
	assert_bytes(m.realm, RFC5769_REALM);
	assert_int_equal(m.password_algorithm, STUN_ALG_SHA256);
	assert_int_equal(m.alg_raw, 2);
	assert_int_equal(m.userhash.len, 32);
	stun_userhash(hash, STR(RFC5769_USER), STR(RFC5769_REALM));
	assert_memory_equal(m.userhash.p, hash, 32);
	assert_int_equal(m.mi256_len, 32);
	assert_true(stun_check_mi_sha256(&m, &key));
	assert_false(stun_check_mi(&m, &key));
	key = long_term(STUN_ALG_MD5);
	assert_false(stun_check_mi_sha256(&m, &key));
}

static void written_again_2_4(void **state)
{
	struct stun_key key = long_term(STUN_ALG_MD5);
	struct stun_writer w;
	uint8_t buf[256];

	(void)state;
	stun_begin(&w, buf, sizeof(buf), STUN_BINDING, STUN_REQUEST, rfc5769_long_term + 8);
	stun_put(&w, STUN_T_USERNAME, RFC5769_USER, strlen(RFC5769_USER));
	stun_put(&w, STUN_T_NONCE, RFC5769_NONCE, strlen(RFC5769_NONCE));
	stun_put(&w, STUN_T_REALM, RFC5769_REALM, strlen(RFC5769_REALM));
	stun_put_mi(&w, &key);
	assert_int_equal(w.len, sizeof(rfc5769_long_term));
	assert_memory_equal(buf, rfc5769_long_term, w.len);
}

static void written_again_B_1(void **state)
{
	struct stun_key key = long_term(STUN_ALG_SHA256);
	struct stun_writer w;
	uint8_t buf[256];
	uint8_t *hash;

	(void)state;
	stun_begin(&w, buf, sizeof(buf), STUN_BINDING, STUN_REQUEST, rfc8489_erratum + 8);
	hash = stun_put_reserve(&w, STUN_T_USERHASH, 32);
	assert_non_null(hash);
	stun_userhash(hash, STR(RFC5769_USER), STR(RFC5769_REALM));
	stun_put(&w, STUN_T_NONCE, RFC8489_NONCE, strlen(RFC8489_NONCE));
	stun_put(&w, STUN_T_REALM, RFC5769_REALM, strlen(RFC5769_REALM));
	stun_put_u32(&w, STUN_T_PASSWORD_ALGORITHM, STUN_ALG_SHA256 << 16);
	stun_put_mi_sha256(&w, &key);
	assert_int_equal(w.len, sizeof(rfc8489_erratum));
	assert_memory_equal(buf, rfc8489_erratum, w.len);
}

/* 2.1 ends in spaces of padding: those of the vector are put in by hand. */
static void written_again_2_1(void **state)
{
	struct stun_key key = short_term();
	struct stun_writer w;
	uint8_t buf[256];
	uint8_t *user;

	(void)state;
	stun_begin(&w, buf, sizeof(buf), STUN_BINDING, STUN_REQUEST, rfc5769_request + 8);
	stun_put(&w, STUN_T_SOFTWARE, "STUN test client", 16);
	stun_put_u32(&w, 0x0024, 0x6e0001ff);
	stun_put(&w, 0x8029, "\x93\x2f\xf9\xb1\x51\x26\x3b\x36", 8);
	user = stun_put_reserve(&w, STUN_T_USERNAME, 9);
	assert_non_null(user);
	memcpy(user, "evtj:h6vY   ", 12);
	stun_put_mi(&w, &key);
	stun_put_fingerprint(&w);
	assert_int_equal(w.len, sizeof(rfc5769_request));
	assert_memory_equal(buf, rfc5769_request, w.len);
}

/* Sections 2.2 and 2.3 without SOFTWARE: the address attribute byte for byte. */
static void written_again_xor_addresses(void **state)
{
	struct stun_writer w;
	struct stun_msg m;
	uint8_t buf[64];

	(void)state;
	assert_int_equal(stun_parse(&m, rfc5769_response4, sizeof(rfc5769_response4)), STUN_OK);
	stun_begin(&w, buf, sizeof(buf), STUN_BINDING, STUN_SUCCESS, m.txid);
	stun_put_xor_addr(&w, STUN_T_XOR_MAPPED_ADDRESS, &m.mapped);
	assert_int_equal(w.len, 32);
	assert_memory_equal(buf + 20, rfc5769_response4 + 36, 12);
	assert_int_equal(stun_parse(&m, rfc5769_response6, sizeof(rfc5769_response6)), STUN_OK);
	stun_begin(&w, buf, sizeof(buf), STUN_BINDING, STUN_SUCCESS, m.txid);
	stun_put_xor_addr(&w, STUN_T_XOR_MAPPED_ADDRESS, &m.mapped);
	assert_int_equal(w.len, 44);
	assert_memory_equal(buf + 20, rfc5769_response6 + 36, 24);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc5769_2_1_request),
		cmocka_unit_test(rfc5769_2_2_ipv4_response),
		cmocka_unit_test(rfc5769_2_3_ipv6_response),
		cmocka_unit_test(rfc5769_2_4_long_term),
		cmocka_unit_test(rfc8489_B_1_as_printed),
		cmocka_unit_test(rfc8489_B_1_sha256_and_userhash),
		cmocka_unit_test(written_again_2_1),
		cmocka_unit_test(written_again_2_4),
		cmocka_unit_test(written_again_B_1),
		cmocka_unit_test(written_again_xor_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
