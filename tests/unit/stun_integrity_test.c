// SPDX-License-Identifier: MIT
/* Keys, HMACs and which messages they protect. */
#include <pthread.h>

#include "stun_build.h"
#include "rfc5769.h"

static struct raw r;
static struct stun_msg m;

static void from_hex(uint8_t *out, const char *hex)
{
	for (; *hex; hex += 2) {
		const char two[3] = { hex[0], hex[1] };

		*out++ = (uint8_t)strtoul(two, NULL, 16);
	}
}

/* RFC 2202 and RFC 4231, test case 2. */
static void hmac_vectors(void **state)
{
	static const char data[] = "what do ya want for nothing?";
	uint8_t got[32], want[32];

	(void)state;
	stun_hmac_sha1(got, "Jefe", 4, data, 28);
	from_hex(want, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
	assert_memory_equal(got, want, 20);
	stun_hmac_sha256(got, "Jefe", 4, data, 28);
	from_hex(want, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	assert_memory_equal(got, want, 32);
}

/* Keys and data of every length, against OpenSSL's HMAC(); an empty key is not the last one. */
static void hmac_lengths(void **state)
{
	static uint8_t bytes[200];
	uint8_t got[32], want[32];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + 1);
	for (size_t key = sizeof(bytes); key-- > 0;) {
		for (size_t len = 0; len < sizeof(bytes); len += 13) {
			stun_hmac_sha1(got, bytes, key, bytes, len);
			HMAC(EVP_sha1(), bytes, (int)key, bytes, len, want, NULL);
			assert_memory_equal(got, want, 20);
			stun_hmac_sha256(got, bytes, key, bytes, len);
			HMAC(EVP_sha256(), bytes, (int)key, bytes, len, want, NULL);
			assert_memory_equal(got, want, 32);
		}
	}
	stun_hmac_sha256(got, "secret", 6, "data", 4);
	stun_hmac_sha256(got, NULL, 0, "data", 4);
	HMAC(EVP_sha256(), "", 0, (const uint8_t *)"data", 4, want, NULL);
	assert_memory_equal(got, want, 32);
}

static void equal(void **state)
{
	uint8_t a[32] = { 1 }, b[32] = { 1 };

	(void)state;
	assert_true(stun_equal(a, b, 32));
	for (size_t bit = 0; bit < 256; bit++) {
		b[bit / 8] ^= 1 << bit % 8;
		assert_false(stun_equal(a, b, 32));
		assert_true(stun_equal(a, b, bit / 8));
		b[bit / 8] ^= 1 << bit % 8;
	}
}

/* RFC 8489 section 9.2.2 has the MD5 of user:realm:pass. */
static void key_make(void **state)
{
	struct stun_key key;
	uint8_t want[32];

	(void)state;
	stun_key_make(&key, STUN_ALG_MD5, STR("user"), STR("realm"), STR("pass"));
	from_hex(want, "8493fbc53ba582fb4c044c456bdc40eb");
	assert_int_equal(key.len, 16);
	assert_int_equal(key.algorithm, STUN_ALG_MD5);
	assert_memory_equal(key.bytes, want, 16);
	stun_key_make(&key, STUN_ALG_SHA256, STR("user"), STR("realm"), STR("pass"));
	EVP_Digest("user:realm:pass", 15, want, NULL, EVP_sha256(), NULL);
	assert_int_equal(key.len, 32);
	assert_int_equal(key.algorithm, STUN_ALG_SHA256);
	assert_memory_equal(key.bytes, want, 32);
}

static void key_make_of_nothing(void **state)
{
	const struct stun_bytes none = { NULL, 0 };
	struct stun_key key;
	uint8_t want[32], hash[32];

	(void)state;
	stun_key_make(&key, STUN_ALG_MD5, none, none, none);
	EVP_Digest("::", 2, want, NULL, EVP_md5(), NULL);
	assert_memory_equal(key.bytes, want, 16);
	stun_userhash(hash, none, none);
	EVP_Digest(":", 1, want, NULL, EVP_sha256(), NULL);
	assert_memory_equal(hash, want, 32);
}

static void userhash(void **state)
{
	uint8_t want[32], hash[32];

	(void)state;
	stun_userhash(hash, STR("user"), STR("realm"));
	EVP_Digest("user:realm", 10, want, NULL, EVP_sha256(), NULL);
	assert_memory_equal(hash, want, 32);
}

/* An Allocate as a client sends it, up to the integrity attributes. */
static void allocate(void)
{
	raw_begin(&r, 0x0003);
	raw_attr(&r, 0x0019, "\x11\0\0\0", 4);
	raw_u32(&r, 0x000d, 600);
	raw_attr(&r, 0x0018, "\x80", 1);
	raw_attr(&r, 0x0006, "alice", 5);
	raw_attr(&r, 0x0014, "example.org", 11);
	raw_attr(&r, 0x0015, "obMatJos2AAACnonce", 18);
}

static bool passes(size_t bit, bool sha256)
{
	struct stun_key key = raw_key();
	bool ok;

	r.b[bit / 8] ^= 1 << bit % 8;
	ok = parse(&m, &r) == STUN_OK &&
	     (sha256 ? stun_check_mi_sha256(&m, &key) : stun_check_mi(&m, &key));
	r.b[bit / 8] ^= 1 << bit % 8;
	return ok;
}

/* Padding is covered as well: no bit is free. */
static void H23_every_bit_of_an_allocate(void **state)
{
	struct stun_key key = raw_key();

	(void)state;
	allocate();
	raw_mi(&r);
	assert_int_equal(parse(&m, &r), STUN_OK);
	assert_true(stun_check_mi(&m, &key));
	for (size_t bit = 0; bit < 8 * r.len; bit++)
		assert_false(passes(bit, false));
	allocate();
	raw_mi256(&r);
	assert_int_equal(parse(&m, &r), STUN_OK);
	assert_true(stun_check_mi_sha256(&m, &key));
	for (size_t bit = 0; bit < 8 * r.len; bit++)
		assert_false(passes(bit, true));
}

/* With FINGERPRINT only its type is free: as another type it is an ignored attribute. */
static void H23_every_bit_with_fingerprint(void **state)
{
	(void)state;
	allocate();
	raw_mi(&r);
	raw_fingerprint(&r);
	for (size_t bit = 0; bit < 8 * r.len; bit++) {
		bool type = bit / 8 == r.len - 8 || bit / 8 == r.len - 7;

		assert_int_equal(passes(bit, false), type);
	}
}

/* The first attribute covers neither the second nor the final length. */
static void H23_every_bit_with_both(void **state)
{
	size_t second;

	(void)state;
	allocate();
	raw_mi(&r);
	second = r.len;
	raw_mi256(&r);
	for (size_t bit = 0; bit < 8 * r.len; bit++) {
		bool in_value = bit / 8 >= second + 4;

		assert_false(passes(bit, true));
		/* A length that lies is another matter: framing may break. */
		if (bit / 8 < second || in_value)
			assert_int_equal(passes(bit, false), in_value);
	}
}

static void A20_first_wrong_second_right(void **state)
{
	struct stun_key key = raw_key();

	(void)state;
	allocate();
	raw_fill(&r, 0x0008, 20);
	raw_mi(&r);
	assert_int_equal(parse(&m, &r), STUN_OK);
	assert_int_equal(m.bad, 0);
	assert_false(stun_check_mi(&m, &key));
	allocate();
	raw_fill(&r, 0x001c, 32);
	raw_mi256(&r);
	assert_int_equal(parse(&m, &r), STUN_OK);
	assert_false(stun_check_mi_sha256(&m, &key));
}

/* The truncated value is the right one: its length alone is refused. */
static void A23_truncated_sha256(void **state)
{
	struct stun_key key = raw_key();

	(void)state;
	for (size_t len = 16; len <= 32; len += 4) {
		allocate();
		raw_hmac(&r, 0x001c, EVP_sha256(), "key", len);
		assert_int_equal(parse(&m, &r), STUN_OK);
		assert_true(m.has & STUN_BIT(MESSAGE_INTEGRITY_SHA256));
		assert_int_equal(m.mi256_len, len);
		assert_int_equal(stun_check_mi_sha256(&m, &key), len == 32);
	}
}

static void U1_absent(void **state)
{
	struct stun_key key = raw_key();

	(void)state;
	allocate();
	assert_int_equal(parse(&m, &r), STUN_OK);
	assert_false(stun_check_mi(&m, &key));
	assert_false(stun_check_mi_sha256(&m, &key));
}

static void U6_wrong_key(void **state)
{
	struct stun_key key = raw_key();

	(void)state;
	allocate();
	raw_mi(&r);
	raw_mi256(&r);
	assert_int_equal(parse(&m, &r), STUN_OK);
	assert_true(stun_check_mi(&m, &key));
	for (size_t bit = 0; bit < 24; bit++) {
		key.bytes[bit / 8] ^= 1 << bit % 8;
		assert_false(stun_check_mi(&m, &key));
		assert_false(stun_check_mi_sha256(&m, &key));
		key.bytes[bit / 8] ^= 1 << bit % 8;
	}
}

/* A key that was never made must not check anything, not even what it would make. */
static void U35_empty_key(void **state)
{
	struct stun_key key = { .len = 0 };

	(void)state;
	allocate();
	raw_hmac(&r, 0x0008, EVP_sha1(), "", 20);
	raw_hmac(&r, 0x001c, EVP_sha256(), "", 32);
	assert_int_equal(parse(&m, &r), STUN_OK);
	assert_false(stun_check_mi(&m, &key));
	assert_false(stun_check_mi_sha256(&m, &key));
}

static void A34_every_alignment(void **state)
{
	struct stun_key key = raw_key();

	(void)state;
	allocate();
	raw_mi(&r);
	raw_mi256(&r);
	raw_fingerprint(&r);
	for (size_t off = 0; off < 8; off++) {
		assert_int_equal(parse_at(&m, r.b, r.len, off), STUN_OK);
		assert_true(stun_check_mi(&m, &key));
		assert_true(stun_check_mi_sha256(&m, &key));
		assert_bytes(m.username, "alice");
		assert_int_equal(m.lifetime, 600);
	}
}

/* Any mixture, in the only order that RFC 8489 section 9 has, written and read. */
static void written_mixtures(void **state)
{
	static const uint8_t txid[12] = { 9, 8, 7 };
	struct stun_key key;

	(void)state;
	for (unsigned int mix = 0; mix < 16; mix++) {
		struct stun_writer w;

		stun_key_make(&key, mix & 8 ? STUN_ALG_SHA256 : STUN_ALG_MD5, STR("alice"),
			      STR("example.org"), STR("secret"));
		stun_begin(&w, r.b, sizeof(r.b), TURN_REFRESH, STUN_REQUEST, txid);
		stun_put_u32(&w, STUN_T_LIFETIME, 0);
		if (mix & 1)
			stun_put_mi(&w, &key);
		if (mix & 2)
			stun_put_mi_sha256(&w, &key);
		if (mix & 4)
			stun_put_fingerprint(&w);
		assert_int_equal(parse_at(&m, r.b, w.len, 0), STUN_OK);
		assert_int_equal(stun_check_mi(&m, &key), (mix & 1) != 0);
		assert_int_equal(stun_check_mi_sha256(&m, &key), (mix & 2) != 0);
		assert_int_equal((m.has & STUN_BIT(FINGERPRINT)) != 0, (mix & 4) != 0);
		assert_int_equal(m.bad, 0);
	}
}

#define THREADS		8
#define ROUNDS		300

/* Each with a key of its own, so that a shared context would show. */
static void *worker(void *arg)
{
	const char name[2] = { (char)('a' + *(int *)arg), 0 };
	static const uint8_t txid[12];
	size_t good = 0;

	for (int i = 0; i < ROUNDS; i++) {
		struct stun_writer w;
		struct stun_msg got;
		struct stun_key key;
		uint8_t buf[256];

		stun_key_make(&key, i & 1 ? STUN_ALG_SHA256 : STUN_ALG_MD5, STR(name),
			      STR("example.org"), STR("secret"));
		stun_begin(&w, buf, sizeof(buf), TURN_REFRESH, STUN_REQUEST, txid);
		stun_put_u32(&w, STUN_T_LIFETIME, (uint32_t)i);
		stun_put_mi(&w, &key);
		stun_put_mi_sha256(&w, &key);
		good += stun_parse(&got, buf, w.len) == STUN_OK && stun_check_mi(&got, &key) &&
			stun_check_mi_sha256(&got, &key);
	}
	*(int *)arg = good == ROUNDS;
	return NULL;
}

static void threads(void **state)
{
	pthread_t id[THREADS];
	int arg[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++) {
		arg[i] = i;
		assert_int_equal(pthread_create(&id[i], NULL, worker, &arg[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(id[i], NULL), 0);
		assert_true(arg[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hmac_vectors),
		cmocka_unit_test(hmac_lengths),
		cmocka_unit_test(equal),
		cmocka_unit_test(key_make),
		cmocka_unit_test(key_make_of_nothing),
		cmocka_unit_test(userhash),
		cmocka_unit_test(H23_every_bit_of_an_allocate),
		cmocka_unit_test(H23_every_bit_with_fingerprint),
		cmocka_unit_test(H23_every_bit_with_both),
		cmocka_unit_test(A20_first_wrong_second_right),
		cmocka_unit_test(A23_truncated_sha256),
		cmocka_unit_test(U1_absent),
		cmocka_unit_test(U6_wrong_key),
		cmocka_unit_test(U35_empty_key),
		cmocka_unit_test(A34_every_alignment),
		cmocka_unit_test(written_mixtures),
		cmocka_unit_test(threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
