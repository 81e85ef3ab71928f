// SPDX-License-Identifier: MIT
/*
 * Stateless nonces: the cookie of RFC 8489 section 9.2, the monotonic second
 * of issue in hex, and a MAC over both and over the 5-tuple, so that a nonce
 * serves one client address and port only (section 9.2.4).
 */
#include <stdio.h>
#include <string.h>
#include "turn/core.h"
#include "pure.h"

#define TIME_DIGITS	12
#define MAC_BYTES	12

static size_t put_addr(uint8_t *out, const struct tp_addr *a)
{
	size_t len = a->family == 4 ? 4 : 16;

	out[0] = a->family;
	memcpy(out + 1, &a->port, 2);
	memcpy(out + 3, a->ip, len);
	return len + 3;
}

/*
 * RFC 8489 section 18.1: bit 0 "password algorithms", bit 1 "username
 * anonymity". A USERHASH can only be matched against names that are listed, so
 * anonymity is not offered where names are time-limited credentials or in a database.
 */
static void nonce_cookie(const struct turn_conf *conf, char out[NONCE_COOKIE + 1])
{
	uint8_t features[3] = { 0x80 };

	if (conf->n_users && !conf->n_secrets && !turn_conf_asks(conf))
		features[0] |= 0x40;
	memcpy(out, "obMatJos2", 9);
	auth_base64(out + 9, features, sizeof(features));
}

void nonce_make(const struct turn_conf *conf, const struct turn_path *path, uint64_t mono_s,
		char out[NONCE_LEN + 1])
{
	uint8_t signed_part[NONCE_COOKIE + TIME_DIGITS + 2 * 19 + 1];
	uint8_t mac[32];
	size_t len = NONCE_COOKIE + TIME_DIGITS;

	nonce_cookie(conf, out);
	snprintf(out + NONCE_COOKIE, TIME_DIGITS + 1, "%012llx",
		 (unsigned long long)(mono_s & 0xffffffffffffULL));
	memcpy(signed_part, out, len);
	len += put_addr(signed_part + len, &path->client);
	len += put_addr(signed_part + len, &path->server);
	signed_part[len++] = path->transport;
	stun_hmac_sha256(mac, conf->nonce_key, sizeof(conf->nonce_key), signed_part, len);
	auth_base64(out + NONCE_COOKIE + TIME_DIGITS, mac, MAC_BYTES);
}

static bool nonce_issued(struct stun_bytes nonce, uint64_t *mono_s)
{
	unsigned int i;

	*mono_s = 0;
	for (i = NONCE_COOKIE; i < NONCE_COOKIE + TIME_DIGITS; i++) {
		uint8_t c = nonce.p[i];

		if (c >= '0' && c <= '9')
			*mono_s = *mono_s << 4 | (c - '0');
		else if (c >= 'a' && c <= 'f')
			*mono_s = *mono_s << 4 | (c - 'a' + 10);
		else
			return false;
	}
	return true;
}

bool nonce_valid(const struct turn_conf *conf, const struct turn_path *path, uint64_t mono_s,
		 struct stun_bytes nonce)
{
	char expected[NONCE_LEN + 1];
	uint64_t issued;

	if (nonce.len != NONCE_LEN || !nonce_issued(nonce, &issued))
		return false;
	nonce_make(conf, path, issued, expected);
	if (!stun_equal(expected, nonce.p, NONCE_LEN))
		return false;
	if (issued > mono_s)
		return false;
	return !conf->stale_nonce_s || mono_s - issued <= conf->stale_nonce_s;
}

bool nonce_has_algorithms(struct stun_bytes nonce)
{
	const char *set = "ghijklmnopqrstuvwxyz0123456789+/";	/* 6 bits, the first is 1 */

	return nonce.len >= NONCE_COOKIE && !memcmp(nonce.p, "obMatJos2", 9) &&
	       nonce.p[9] && strchr(set, nonce.p[9]);
}
