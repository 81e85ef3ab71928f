// SPDX-License-Identifier: MIT
/*
 * libFuzzer: texts and bytes that credentials come in: tokens of RFC 7635 (as they are, and
 * sealed with the right key, since nothing else gets past the AEAD), keys as coturn's databases
 * hold them, and the options of a Redis. The first byte says which.
 */
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "turn/core.h"
#include "users/database.h"
#include "users/redis_link.h"

#define NONCE_BYTES	12
#define TAG_BYTES	16
#define NAME		"turn.example"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) do { if (!(x)) abort(); } while (0)

static const struct stun_bytes name = { (const uint8_t *)NAME, sizeof(NAME) - 1 };

static bool open_copy(struct token *token, const struct turn_token_key *key, const uint8_t *p,
		      size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	bool good;

	CHECK(copy);
	memcpy(copy, p, len);
	good = token_open(token, key, name, (struct stun_bytes){ copy, len });
	free(copy);
	return good;
}

/* RFC 7635 section 6.2: the plain text in its envelope. Its length. */
static size_t seal(uint8_t *out, const struct turn_token_key *key, const uint8_t *plain, size_t len)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t *body = out + 2 + NONCE_BYTES;
	int n;

	memset(out, 0, 2 + NONCE_BYTES);
	out[1] = NONCE_BYTES;
	CHECK(EVP_EncryptInit_ex(ctx, key->aes128 ? EVP_aes_128_gcm() : EVP_aes_256_gcm(), NULL,
				 key->key, out + 2));
	CHECK(EVP_EncryptUpdate(ctx, NULL, &n, name.p, (int)name.len));
	CHECK(EVP_EncryptUpdate(ctx, body, &n, plain, (int)len) && (size_t)n == len);
	CHECK(EVP_EncryptFinal_ex(ctx, body + len, &n));
	CHECK(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, body + len));
	EVP_CIPHER_CTX_free(ctx);
	return 2 + NONCE_BYTES + len + TAG_BYTES;
}

static void check_token(const uint8_t *p, size_t len)
{
	struct turn_token_key key = { .key = "0123456789abcdef0123456789abcde", .key_len = 32 };
	uint8_t sealed[512];
	struct token token;
	bool good;

	/* nobody finds a tag of 128 bits */
	CHECK(!open_copy(&token, &key, p, len));
	if (len > 256)
		return;
	key.aes128 = len & 1;
	good = open_copy(&token, &key, sealed, seal(sealed, &key, p, len));
	/* the key's length and that of all must agree: 2 + key + 8 + 4 */
	CHECK(good == (len >= 30 && len <= 46 && p[0] == 0 && p[1] == len - 14));
	if (!good)
		return;
	CHECK(token.mac_key_len == p[1] && !memcmp(token.mac_key, p + 2, token.mac_key_len));
	CHECK(token.timestamp_s >> 48 == 0);
	CHECK(token_left(&token, token.timestamp_s) >= token.lifetime_s);
	CHECK(!token_left(&token, token.timestamp_s + (1ULL << 33)));
}

static void check_keys(char *text)
{
	char *algorithm = text + strlen(text) / 2;
	struct turn_token_key key;
	uint8_t md5[16];

	if (database_key(md5, text))
		CHECK(strlen(text) == 32);
	for (unsigned int i = 0; i < 3; i++) {
		static const char *const algorithms[] = { NULL, "A256GCM", "A128GCM" };

		if (!database_token_key(&key, text, text, text, algorithms[i]))
			continue;
		CHECK(key.key_len == 32 || (key.key_len == 16 && key.aes128));
		CHECK(key.aes128 == (i == 2) && strlen(text) <= 256);
	}
	database_token_key(&key, text, algorithm, algorithm, algorithm);
}

static void check_ends(const char *text, size_t size)
{
	CHECK(memchr(text, 0, size));
}

static void check_redis(const char *text)
{
	struct redis_options o, again;
	char said[1024];

	if (redis_options_parse(&o, text))
		return;
	check_ends(o.host, sizeof(o.host));
	check_ends(o.user, sizeof(o.user));
	check_ends(o.password, sizeof(o.password));
	CHECK(o.port > 0 && o.port < 65536 && o.timeout_s > 0 && o.timeout_s <= 5);
	/* what it was taken for, written out, is the same */
	snprintf(said, sizeof(said), "ip=%s user=%s password=%s port=%u db=%u timeout=%u", o.host,
		 o.user, o.password, o.port, o.database, o.timeout_s);
	CHECK(!redis_options_parse(&again, said));
	CHECK(!strcmp(o.host, again.host) && !strcmp(o.user, again.user) &&
	      !strcmp(o.password, again.password));
	CHECK(o.port == again.port && o.database == again.database &&
	      o.timeout_s == again.timeout_s);
}

/* Passwords of time-limited credentials are compared in this form. */
static void check_base64(const uint8_t *p, size_t len)
{
	char *text = malloc(4 * ((len + 2) / 3) + 1);
	uint8_t *back = malloc(len + 3);
	size_t n;

	CHECK(text && back);
	n = auth_base64(text, p, len);
	CHECK(n == 4 * ((len + 2) / 3));
	CHECK(!n || EVP_DecodeBlock(back, (const uint8_t *)text, (int)n) == (int)(n / 4 * 3));
	CHECK(!n || !memcmp(back, p, len));
	free(text);
	free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (!size || size > 4096)
		return 0;
	text = calloc(1, size);		/* without the first byte, with a NUL */
	CHECK(text);
	memcpy(text, data + 1, size - 1);
	switch (*data % 4) {
	case 0:
		check_token(data + 1, size - 1);
		break;
	case 1:
		check_keys(text);
		break;
	case 2:
		check_redis(text);
		break;
	case 3:
		check_base64(data + 1, size - 1);
	}
	free(text);
	return 0;
}
