// SPDX-License-Identifier: MIT
/* Self-contained tokens of third-party authorization (RFC 7635 section 6.2). */
#include <openssl/evp.h>
#include <string.h>
#include "turn/core.h"
#include "pure.h"

#define TOKEN_NONCE	12	/* RFC 5116 sections 5.1 and 5.2 */
#define TOKEN_TAG	16
#define TOKEN_REST	(2 + 8 + 4)	/* of the encrypted block, beside the key */
#define TOKEN_KEY_MIN	16
#define TOKEN_KEY_MAX	32
#define TOKEN_DELTA_S	5	/* section 7 */

static uint64_t get_be(const uint8_t *p, unsigned int len)
{
	uint64_t v = 0;

	while (len--)
		v = v << 8 | *p++;
	return v;
}

/* RFC 5116: nonce, associated data, then the block and behind it the tag. */
static bool token_decrypt(uint8_t *plain, const struct turn_token_key *key,
			  struct stun_bytes name, const uint8_t *nonce, struct stun_bytes sealed)
{
	const EVP_CIPHER *cipher = key->aes128 ? EVP_aes_128_gcm() : EVP_aes_256_gcm();
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int len = (int)(sealed.len - TOKEN_TAG), n;
	uint8_t tag[TOKEN_TAG];
	bool ok;

	memcpy(tag, sealed.p + len, sizeof(tag));
	ok = ctx && EVP_DecryptInit_ex(ctx, cipher, NULL, key->key, nonce) &&
	     EVP_DecryptUpdate(ctx, NULL, &n, name.p, (int)name.len) &&
	     EVP_DecryptUpdate(ctx, plain, &n, sealed.p, len) && n == len &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag) &&
	     EVP_DecryptFinal_ex(ctx, plain + n, &n) > 0;
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

bool token_open(struct token *token, const struct turn_token_key *key,
		struct stun_bytes server_name, struct stun_bytes sealed)
{
	uint8_t plain[TOKEN_REST + TOKEN_KEY_MAX];
	size_t head = 2 + TOKEN_NONCE, key_len;
	bool ok = false;

	/* The lengths first: what does not fit is not decrypted. */
	if (sealed.len < head + TOKEN_REST + TOKEN_KEY_MIN + TOKEN_TAG ||
	    sealed.len > head + sizeof(plain) + TOKEN_TAG ||
	    get_be(sealed.p, 2) != TOKEN_NONCE || key->key_len < (key->aes128 ? 16 : 32))
		return false;
	key_len = sealed.len - head - TOKEN_TAG - TOKEN_REST;
	if (token_decrypt(plain, key, server_name, sealed.p + 2,
			  (struct stun_bytes){ sealed.p + head, sealed.len - head }) &&
	    get_be(plain, 2) == key_len) {
		memcpy(token->mac_key, plain + 2, key_len);
		token->mac_key_len = (uint8_t)key_len;
		/* 48 bits of seconds, 16 of 1/64000 */
		token->timestamp_s = get_be(plain + 2 + key_len, 8) >> 16;
		token->lifetime_s = (uint32_t)get_be(plain + 10 + key_len, 4);
		ok = true;
	}
	explicit_bzero(plain, sizeof(plain));
	return ok;
}

uint32_t token_left(const struct token *token, uint64_t wall_s)
{
	uint64_t ts = token->timestamp_s;
	uint64_t distance = wall_s > ts ? wall_s - ts : ts - wall_s;
	uint64_t reach = (uint64_t)token->lifetime_s + TOKEN_DELTA_S;

	if (distance >= reach)
		return 0;
	return reach - distance > UINT32_MAX ? UINT32_MAX : (uint32_t)(reach - distance);
}
