// SPDX-License-Identifier: MIT
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include "users/database.h"

const struct database_ops *database_ops(const struct conf *conf)
{
	switch (conf->userdb) {
	case USERDB_SQLITE:
		return &sqlite_ops;
	case USERDB_REDIS:
		return &redis_ops;
	case USERDB_NONE:
		break;
	}
	return NULL;
}

bool database_key(uint8_t key[16], const char *hex)
{
	if (strspn(hex, "0123456789abcdefABCDEF") != 32 || hex[32])
		return false;
	for (unsigned int i = 0; i < 16; i++) {
		char digits[3] = { hex[2 * i], hex[2 * i + 1], 0 };

		key[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return true;
}

static uint64_t number(const char *text)
{
	return text ? strtoull(text, NULL, 10) : 0;
}

/* coturn keeps the key in base64, at times with a line end in it. */
bool database_token_key(struct turn_token_key *key, const char *ikm_key, const char *timestamp,
			const char *lifetime, const char *algorithm)
{
	size_t len = ikm_key ? strlen(ikm_key) : 0, pad = 0;
	uint8_t raw[192];
	int n;

	memset(key, 0, sizeof(*key));
	if (!len || len % 4 || len > 256)
		return false;
	while (pad < 2 && ikm_key[len - 1 - pad] == '=')
		pad++;
	n = EVP_DecodeBlock(raw, (const uint8_t *)ikm_key, (int)len);
	if (n < 0)
		return false;
	n -= (int)pad;
	key->aes128 = algorithm && !strcmp(algorithm, "A128GCM");
	if (!key->aes128 && algorithm && *algorithm && strcmp(algorithm, "A256GCM"))
		return false;
	if (n < (key->aes128 ? 16 : 32))
		return false;
	/* what is longer ends in a line end */
	key->key_len = n < 32 ? 16 : 32;
	memcpy(key->key, raw, key->key_len);
	explicit_bzero(raw, sizeof(raw));
	key->from_s = number(timestamp);
	if (number(lifetime))
		key->until_s = key->from_s + number(lifetime);
	return true;
}
