// SPDX-License-Identifier: MIT
/* Third-party authorization (RFC 7635): its sample tokens, bad ones (U29), dialogues. */
#include <openssl/evp.h>
#include "turn_harness.h"
#include "turn/core.h"

#define SERVER_NAME	"blackdow.carleon.gov"
#define MAC_KEY		"ZksjpweoixXmvn67534m"

/* Appendix A. */
static const struct turn_token_key rfc_key = {
	.key = "HGkj32KJGiuy098sdfaqbNjOiaz71923", .key_len = 32,
};

static const uint8_t rfc_token256[64] = {
	0x00, 0x0c, 0x68, 0x34, 0x6a, 0x33, 0x6b, 0x32, 0x6c, 0x32, 0x6e, 0x34, 0x62, 0x35, 0x61,
	0x7e, 0xf1, 0x34, 0xa3, 0xd5, 0xe4, 0x4e, 0x9a, 0x19, 0xcc, 0x7d, 0xc1, 0x04, 0xb0, 0xc0,
	0x3d, 0x03, 0xb2, 0xa5, 0x51, 0xd8, 0xfd, 0xf5, 0xcd, 0x3b, 0x6d, 0xca, 0x6f, 0x10, 0xcf,
	0xb7, 0x7e, 0x5b, 0x2d, 0xde, 0xc8, 0x4d, 0x29, 0x3a, 0x5c, 0x50, 0x49, 0x93, 0x59, 0xf0,
	0xc2, 0xe2, 0x6f, 0x76,
};

static const uint8_t rfc_token128[64] = {
	0x00, 0x0c, 0x68, 0x34, 0x6a, 0x33, 0x6b, 0x32, 0x6c, 0x32, 0x6e, 0x34, 0x62, 0x35, 0x7f,
	0xb9, 0xe9, 0x9f, 0x08, 0x27, 0xbe, 0x3d, 0xf1, 0xe1, 0xbd, 0x65, 0x14, 0x93, 0xd3, 0x03,
	0x1d, 0x36, 0xdf, 0x57, 0x07, 0x97, 0x84, 0xae, 0xe5, 0xea, 0xcb, 0x65, 0xfa, 0xd4, 0xf2,
	0x7f, 0xab, 0x1a, 0x3f, 0x97, 0x97, 0x4b, 0x69, 0xf8, 0x51, 0xb2, 0x4b, 0xf5, 0xaf, 0x09,
	0xed, 0xa3, 0x57, 0xe0,
};

static void rfc_samples(void **state)
{
	struct turn_token_key key = rfc_key;
	struct token token;

	(void)state;
	assert_true(token_open(&token, &key, str(SERVER_NAME),
			       (struct stun_bytes){ rfc_token256, 64 }));
	assert_int_equal(token.mac_key_len, 20);
	assert_memory_equal(token.mac_key, MAC_KEY, 20);
	assert_int_equal(token.timestamp_s, 92470300704768ULL >> 16);
	assert_int_equal(token.lifetime_s, 3600);
	assert_false(token_open(&token, &key, str(SERVER_NAME),
				(struct stun_bytes){ rfc_token128, 64 }));
	key.aes128 = true;
	memset(&token, 0, sizeof(token));
	assert_true(token_open(&token, &key, str(SERVER_NAME),
			       (struct stun_bytes){ rfc_token128, 64 }));
	assert_memory_equal(token.mac_key, MAC_KEY, 20);
}

/* Every bit of it counts, and so does whom it is for. */
static void every_bit_flip(void **state)
{
	struct token token;
	uint8_t bad[64];

	(void)state;
	for (unsigned int bit = 0; bit < 64 * 8; bit++) {
		memcpy(bad, rfc_token256, 64);
		bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(token_open(&token, &rfc_key, str(SERVER_NAME),
					(struct stun_bytes){ bad, 64 }));
	}
	assert_false(token_open(&token, &rfc_key, str("bloodynine.gov"),
				(struct stun_bytes){ rfc_token256, 64 }));
	for (size_t len = 0; len < 64; len++) {
		uint8_t *copy = malloc(len ? len : 1);	/* reading past it is a report */

		memcpy(copy, rfc_token256, len);
		assert_false(token_open(&token, &rfc_key, str(SERVER_NAME),
					(struct stun_bytes){ copy, len }));
		free(copy);
	}
}

static void times(void **state)
{
	struct token token = { .timestamp_s = 1000, .lifetime_s = 60 };

	(void)state;
	assert_int_equal(token_left(&token, 1000), 65);
	assert_int_equal(token_left(&token, 1064), 1);
	assert_int_equal(token_left(&token, 1065), 0);
	assert_int_equal(token_left(&token, 936), 1);
	assert_int_equal(token_left(&token, 935), 0);
	token.lifetime_s = UINT32_MAX;
	assert_int_equal(token_left(&token, 1000), UINT32_MAX);
}

/* ------------------------------------------------------------------ dialogues */

struct sealed {
	uint8_t bytes[128];
	size_t len;
};

/* As an authorization server does it. */
static struct sealed seal(const char *name, const char *mac_key, uint64_t timestamp,
			  uint32_t lifetime)
{
	struct sealed s = { .bytes = { 0, 12, 'n', 'o', 'n', 'c', 'e' }, .len = 14 };
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	size_t key_len = strlen(mac_key), plain_len = 2 + key_len + 12;
	uint8_t plain[64] = { 0, (uint8_t)key_len };
	int n;

	memcpy(plain + 2, mac_key, key_len);
	for (unsigned int i = 0; i < 6; i++)
		plain[2 + key_len + i] = (uint8_t)(timestamp >> (40 - 8 * i));
	for (unsigned int i = 0; i < 4; i++)
		plain[10 + key_len + i] = (uint8_t)(lifetime >> (24 - 8 * i));
	assert_true(EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, rfc_key.key, s.bytes + 2));
	assert_true(EVP_EncryptUpdate(ctx, NULL, &n, (const uint8_t *)name, (int)strlen(name)));
	assert_true(EVP_EncryptUpdate(ctx, s.bytes + s.len, &n, plain, (int)plain_len));
	assert_int_equal(n, plain_len);
	s.len += plain_len;
	assert_true(EVP_EncryptFinal_ex(ctx, s.bytes + s.len, &n));
	assert_true(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, s.bytes + s.len));
	s.len += 16;
	EVP_CIPHER_CTX_free(ctx);
	return s;
}

static struct turn_token_key keys[2];

static void token_world(struct world *w)
{
	keys[0] = rfc_key;
	keys[0].kid = (char *)(uintptr_t)"north";
	keys[1] = rfc_key;
	keys[1].kid = (char *)(uintptr_t)"next";
	w->conf.oauth = true;
	w->conf.server_name = (char *)(uintptr_t)SERVER_NAME;
	w->conf.token_keys = keys;
	w->conf.n_token_keys = 2;
	world_start(w);
	w->user = "north";
}

/* The request that was begun, with a token if there is one, signed with mac_key. */
static int ask_key_of(struct world *w, const struct sealed *token, const char *mac_key,
		      size_t key_len)
{
	int code;

	attr(w, STUN_T_USERNAME, w->user, strlen(w->user));
	attr(w, STUN_T_REALM, w->realm, strlen(w->realm));
	attr(w, STUN_T_NONCE, w->nonce, w->nonce_len);
	if (token)
		attr(w, STUN_T_ACCESS_TOKEN, token->bytes, token->len);
	stun_key_from(&w->key, STUN_ALG_NONE, (const uint8_t *)mac_key, key_len);
	if (w->sha256)
		stun_put_mi_sha256(&w->w, &w->key);
	else
		stun_put_mi(&w->w, &w->key);
	code = ask_plain(w);
	if (!code)
		check_answer(w, code);
	return code;
}

static int ask_key(struct world *w, const struct sealed *token, const char *mac_key)
{
	return ask_key_of(w, token, mac_key, strlen(mac_key));
}

static int allocate_token(struct world *w, const struct sealed *token, const char *mac_key)
{
	allocate_begin(w);
	stun_put_u32(&w->w, STUN_T_LIFETIME, 3600);
	return ask_key(w, token, mac_key);
}

static void a_whole_session(void **state)
{
	struct world *w = *state;
	struct sealed token, next;

	token_world(w);
	challenge(w);
	assert_int_equal(w->reply.third_party.len, strlen(SERVER_NAME));
	assert_memory_equal(w->reply.third_party.p, SERVER_NAME, strlen(SERVER_NAME));
	token = seal(SERVER_NAME, MAC_KEY, w->now.wall_s - 100, 1000);
	assert_int_equal(allocate_token(w, &token, MAC_KEY), 0);
	assert_int_equal(w->reply.lifetime, 905);	/* no longer than the token (section 9) */
	/* without the token from here on */
	begin(w, TURN_CREATE_PERMISSION);
	attr_peer(w, "9.9.9.9");
	assert_int_equal(ask_key(w, NULL, MAC_KEY), 0);
	begin(w, TURN_CREATE_PERMISSION);
	attr_peer(w, "9.9.9.9");
	assert_int_equal(ask_key(w, NULL, "Zksjpweoix_mvn67534m"), 401);
	/* a new token, of another kid, and a new session key with it */
	w->user = "next";
	pass(w, 500 * S);
	next = seal(SERVER_NAME, "another key, 24 bytes ..", w->now.wall_s, 3600);
	begin(w, TURN_REFRESH);
	assert_int_equal(ask_key(w, &next, "another key, 24 bytes .."), 0);
	begin(w, TURN_CREATE_PERMISSION);
	attr_peer(w, "9.9.9.9");
	assert_int_equal(ask_key(w, NULL, MAC_KEY), 401);
	begin(w, TURN_CREATE_PERMISSION);
	attr_peer(w, "9.9.9.9");
	assert_int_equal(ask_key(w, NULL, "another key, 24 bytes .."), 0);
	begin(w, TURN_REFRESH);
	stun_put_u32(&w->w, STUN_T_LIFETIME, 0);
	assert_int_equal(ask_key(w, NULL, "another key, 24 bytes .."), 0);
	/* nobody's token opens an allocation that was made without */
	w->user = "alice";
	assert_int_equal(allocate(w), 0);
	w->user = "next";
	next = seal(SERVER_NAME, MAC_KEY, w->now.wall_s, 3600);
	begin(w, TURN_REFRESH);
	assert_int_equal(ask_key(w, &next, MAC_KEY), 441);
	/* coturn's clients sign with the first 16 bytes */
	client(w, "198.51.100.7:5001");
	allocate_begin(w);
	assert_int_equal(ask_key_of(w, &next, MAC_KEY, 16), 0);
}

/* Who they are is not known, so that they cannot be counted. */
static void no_quota_of_users(void **state)
{
	struct world *w = *state;
	struct sealed token;

	w->conf.user_quota = 1;
	token_world(w);
	token = seal(SERVER_NAME, MAC_KEY, w->now.wall_s, 600);
	assert_int_equal(allocate_token(w, &token, MAC_KEY), 0);
	client(w, "198.51.100.7:5001");
	w->user = "next";
	assert_int_equal(allocate_token(w, &token, MAC_KEY), 0);
	client(w, "198.51.100.7:5002");
	w->user = "alice";
	assert_int_equal(allocate(w), 0);
	client(w, "198.51.100.7:5003");
	assert_int_equal(allocate(w), 486);
}

static void sha256_and_long_keys(void **state)
{
	static const char *const long_key = "a session key of 32 bytes, SHA-2";
	struct world *w = *state;
	struct sealed token;
	uint8_t hash[20];

	token_world(w);
	token = seal(SERVER_NAME, long_key, w->now.wall_s, 600);
	w->sha256 = true;
	assert_int_equal(allocate_token(w, &token, long_key), 0);
	w->sha256 = false;
	client(w, "198.51.100.7:5001");
	assert_int_equal(allocate_token(w, &token, long_key), 0);
	/* appendix B: SHA-1 of it is the key of HMAC-SHA1 */
	client(w, "198.51.100.7:5002");
	stun_sha1(hash, long_key, 32);
	allocate_begin(w);
	attr(w, STUN_T_USERNAME, w->user, strlen(w->user));
	attr(w, STUN_T_REALM, w->realm, strlen(w->realm));
	attr(w, STUN_T_NONCE, w->nonce, w->nonce_len);
	attr(w, STUN_T_ACCESS_TOKEN, token.bytes, token.len);
	stun_key_from(&w->key, STUN_ALG_NONE, hash, 20);
	stun_put_mi(&w->w, &w->key);
	assert_int_equal(ask_plain(w), 0);
	assert_true(stun_check_mi(&w->reply, &w->key));
}

static void U29_bad_tokens(void **state)
{
	struct world *w = *state;
	struct sealed token;

	token_world(w);
	token = seal("other.example", MAC_KEY, w->now.wall_s, 600);
	assert_int_equal(allocate_token(w, &token, MAC_KEY), 401);
	token = seal(SERVER_NAME, MAC_KEY, w->now.wall_s - 606, 600);
	assert_int_equal(allocate_token(w, &token, MAC_KEY), 401);
	assert_non_null(strstr(w->note, "reason=bad-integrity"));
	token = seal(SERVER_NAME, MAC_KEY, w->now.wall_s, 600);
	assert_int_equal(allocate_token(w, &token, "Zksjpweoix_mvn67534m"), 401);
	w->user = "south";
	assert_int_equal(allocate_token(w, &token, MAC_KEY), 401);
	w->user = "north";
	keys[0].until_s = w->now.wall_s - 1;
	assert_int_equal(allocate_token(w, &token, MAC_KEY), 401);
	keys[0].until_s = 0;
	keys[0].from_s = w->now.wall_s + 1;
	assert_int_equal(allocate_token(w, &token, MAC_KEY), 401);
	keys[0].from_s = 0;
	token.bytes[0] = token.bytes[1] = 0xff;		/* nonce_length */
	assert_int_equal(allocate_token(w, &token, MAC_KEY), 401);
	token.len = 0;
	assert_int_equal(allocate_token(w, &token, MAC_KEY), 401);
	token = seal(SERVER_NAME, "too short", w->now.wall_s, 600);
	assert_int_equal(allocate_token(w, &token, "too short"), 401);
	assert_int_equal(w->allocs, 0);
	/* the other credentials are as good as ever */
	w->user = "alice";
	assert_int_equal(allocate(w), 0);
}

static void U29_not_offered(void **state)
{
	struct world *w = *state;
	struct sealed token = seal(SERVER_NAME, MAC_KEY, w->now.wall_s, 600);

	challenge(w);
	assert_false(w->reply.has & STUN_BIT(THIRD_PARTY_AUTHORIZATION));
	assert_int_equal(allocate_token(w, &token, MAC_KEY), 420);
	begin(w, STUN_BINDING);
	attr(w, STUN_T_ACCESS_TOKEN, token.bytes, token.len);
	assert_int_equal(ask_plain(w), 420);
	/* 0x001B is in the list */
	assert_memory_equal(w->out + w->out_len - 8, "\x00\x0a\x00\x02\x00\x1b\x00\x00", 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(rfc_samples),
		T(every_bit_flip),
		T(times),
		T(a_whole_session),
		T(no_quota_of_users),
		T(sha256_and_long_keys),
		T(U29_bad_tokens),
		T(U29_not_offered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
