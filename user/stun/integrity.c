// SPDX-License-Identifier: MIT
/*
 * Keys, HMACs and the CRC of RFC 8489 sections 9.2.2 and 14.4 to 14.7.
 *
 * OpenSSL looks an algorithm up by name at every use unless it is fetched
 * beforehand, and a context cannot be shared between threads. So each thread
 * keeps one set of contexts, made at first use and freed when it ends.
 */
#include "stun/stun.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "stun/fingerprint.h"
#include "pure.h"

#define SHA1_LEN	20
#define SHA256_LEN	32
#define MD5_LEN		16

struct engine {
	EVP_MAC_CTX *hmac_sha1, *hmac_sha256;
	EVP_MD_CTX *digest;
	EVP_MD *md5, *sha1, *sha256;
};

/* Written once, by engine_key_make(). */
static pthread_key_t engine_key;
static pthread_once_t engine_once = PTHREAD_ONCE_INIT;

/*
 * Without its hashes the server can neither check nor protect anything, and a
 * key of zeroes would be worse than none: stop.
 */
static void require(bool ok)
{
	if (ok)
		return;
	fputs("turnpike: libcrypto cannot do MD5, SHA-1, SHA-256 or HMAC\n", stderr);
	abort();
}

static void engine_free(void *arg)
{
	struct engine *e = arg;

	EVP_MAC_CTX_free(e->hmac_sha1);
	EVP_MAC_CTX_free(e->hmac_sha256);
	EVP_MD_CTX_free(e->digest);
	EVP_MD_free(e->md5);
	EVP_MD_free(e->sha1);
	EVP_MD_free(e->sha256);
	free(e);
}

static void engine_key_make(void)
{
	require(pthread_key_create(&engine_key, engine_free) == 0);
}

static EVP_MAC_CTX *hmac_new(EVP_MAC *mac, const char *name)
{
	char digest[16];
	OSSL_PARAM params[2];
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);

	snprintf(digest, sizeof(digest), "%s", name);
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0);
	params[1] = OSSL_PARAM_construct_end();
	require(ctx && EVP_MAC_CTX_set_params(ctx, params));
	return ctx;
}

static struct engine *engine_new(void)
{
	struct engine *e = calloc(1, sizeof(*e));
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);

	require(e && mac);
	e->hmac_sha1 = hmac_new(mac, "SHA1");
	e->hmac_sha256 = hmac_new(mac, "SHA256");
	EVP_MAC_free(mac);
	e->digest = EVP_MD_CTX_new();
	e->md5 = EVP_MD_fetch(NULL, "MD5", NULL);
	e->sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
	e->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	require(e->digest && e->md5 && e->sha1 && e->sha256);
	return e;
}

/* This thread's. */
static struct engine *engine_get(void)
{
	struct engine *e;

	require(pthread_once(&engine_once, engine_key_make) == 0);
	e = pthread_getspecific(engine_key);
	if (e)
		return e;
	e = engine_new();
	require(pthread_setspecific(engine_key, e) == 0);
	return e;
}

/* The HMAC of a and b together; out has len bytes, the hash's whole length. */
static void hmac(EVP_MAC_CTX *ctx, const struct stun_bytes key, const struct stun_bytes a,
		 const struct stun_bytes b, uint8_t *out, size_t len)
{
	/* A NULL key would mean "the one of last time" to EVP_MAC_init(). */
	const uint8_t *key_p = key.len ? key.p : (const uint8_t *)"";
	size_t got = 0;

	require(EVP_MAC_init(ctx, key_p, key.len, NULL) &&
		(!a.len || EVP_MAC_update(ctx, a.p, a.len)) &&
		(!b.len || EVP_MAC_update(ctx, b.p, b.len)) &&
		EVP_MAC_final(ctx, out, &got, len) && got == len);
}

void stun_hmac_sha1(uint8_t out[20], const void *key, size_t key_len,
		    const void *data, size_t len)
{
	hmac(engine_get()->hmac_sha1, (struct stun_bytes){ key, key_len },
	     (struct stun_bytes){ data, len }, (struct stun_bytes){ NULL, 0 }, out, SHA1_LEN);
}

void stun_hmac_sha256(uint8_t out[32], const void *key, size_t key_len,
		      const void *data, size_t len)
{
	hmac(engine_get()->hmac_sha256, (struct stun_bytes){ key, key_len },
	     (struct stun_bytes){ data, len }, (struct stun_bytes){ NULL, 0 }, out, SHA256_LEN);
}

bool stun_equal(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

/* The hash of n strings with a colon between each two. */
static void hash_joined(const EVP_MD *md, uint8_t *out, const struct stun_bytes *part, size_t n)
{
	EVP_MD_CTX *ctx = engine_get()->digest;

	require(EVP_DigestInit_ex(ctx, md, NULL));
	for (size_t i = 0; i < n; i++) {
		require(i == 0 || EVP_DigestUpdate(ctx, ":", 1));
		require(!part[i].len || EVP_DigestUpdate(ctx, part[i].p, part[i].len));
	}
	require(EVP_DigestFinal_ex(ctx, out, NULL));
}

void stun_sha1(uint8_t out[20], const void *data, size_t len)
{
	const struct stun_bytes part = { data, len };

	hash_joined(engine_get()->sha1, out, &part, 1);
}

/* RFC 8489 sections 9.2.2 and 18.5.1. */
void stun_key_make(struct stun_key *key, enum stun_algorithm algorithm,
		   struct stun_bytes username, struct stun_bytes realm,
		   struct stun_bytes password)
{
	const struct stun_bytes part[] = { username, realm, password };
	const struct engine *e = engine_get();

	memset(key, 0, sizeof(*key));
	if (algorithm == STUN_ALG_SHA256) {
		key->algorithm = STUN_ALG_SHA256;
		key->len = SHA256_LEN;
		hash_joined(e->sha256, key->bytes, part, 3);
		return;
	}
	key->algorithm = STUN_ALG_MD5;
	key->len = MD5_LEN;
	hash_joined(e->md5, key->bytes, part, 3);
}

void stun_key_from(struct stun_key *key, enum stun_algorithm algorithm, const uint8_t *bytes,
		   size_t len)
{
	memset(key, 0, sizeof(*key));
	require(len <= sizeof(key->bytes));
	memcpy(key->bytes, bytes, len);
	key->len = (uint8_t)len;
	key->algorithm = algorithm;
}

void stun_userhash(uint8_t out[32], struct stun_bytes username, struct stun_bytes realm)
{
	const struct stun_bytes part[] = { username, realm };

	hash_joined(engine_get()->sha256, out, part, 2);
}

/*
 * RFC 8489 sections 14.5 and 14.6: what stands before the attribute at `at`,
 * with the header's length as if the message ended with it. value_len is also
 * the hash's length.
 */
static void hmac_message(EVP_MAC_CTX *ctx, const struct stun_key *key, const uint8_t *raw,
			 size_t at, uint8_t *out, size_t value_len)
{
	size_t length = at + TP_STUN_ATTR_HDR_LEN + value_len - TP_STUN_HDR_LEN;
	const uint8_t head[4] = { raw[0], raw[1], (uint8_t)(length >> 8), (uint8_t)length };

	hmac(ctx, (struct stun_bytes){ key->bytes, key->len },
	     (struct stun_bytes){ head, sizeof(head) },
	     (struct stun_bytes){ raw + sizeof(head), at - sizeof(head) }, out, value_len);
}

bool stun_check_mi(const struct stun_msg *msg, const struct stun_key *key)
{
	uint8_t want[SHA1_LEN];

	if (!(msg->has & STUN_BIT(MESSAGE_INTEGRITY)) || !key->len)
		return false;
	hmac_message(engine_get()->hmac_sha1, key, msg->raw, msg->mi_at, want, sizeof(want));
	return stun_equal(want, msg->raw + msg->mi_at + TP_STUN_ATTR_HDR_LEN, sizeof(want));
}

bool stun_check_mi_sha256(const struct stun_msg *msg, const struct stun_key *key)
{
	uint8_t want[SHA256_LEN];

	if (!(msg->has & STUN_BIT(MESSAGE_INTEGRITY_SHA256)) || !key->len)
		return false;
	if (msg->mi256_len != SHA256_LEN)
		return false;
	hmac_message(engine_get()->hmac_sha256, key, msg->raw, msg->mi256_at, want, sizeof(want));
	return stun_equal(want, msg->raw + msg->mi256_at + TP_STUN_ATTR_HDR_LEN, sizeof(want));
}

void stun_put_mi(struct stun_writer *w, const struct stun_key *key)
{
	size_t at = w->len;
	uint8_t *value = stun_put_reserve(w, STUN_T_MESSAGE_INTEGRITY, SHA1_LEN);

	if (value)
		hmac_message(engine_get()->hmac_sha1, key, w->buf, at, value, SHA1_LEN);
}

void stun_put_mi_sha256(struct stun_writer *w, const struct stun_key *key)
{
	size_t at = w->len;
	uint8_t *value = stun_put_reserve(w, STUN_T_MESSAGE_INTEGRITY_SHA256, SHA256_LEN);

	if (value)
		hmac_message(engine_get()->hmac_sha256, key, w->buf, at, value, SHA256_LEN);
}

uint32_t stun_fingerprint(const uint8_t *raw, size_t len)
{
	return (uint32_t)crc32(0, raw, (uInt)len) ^ 0x5354554eu;
}

void stun_put_fingerprint(struct stun_writer *w)
{
	size_t at = w->len;
	uint8_t *value = stun_put_reserve(w, STUN_T_FINGERPRINT, 4);
	uint32_t crc;

	if (!value)
		return;
	crc = stun_fingerprint(w->buf, at);
	for (int i = 0; i < 4; i++)
		value[i] = (uint8_t)(crc >> (24 - 8 * i));
}
