// SPDX-License-Identifier: MIT
/*
 * SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF"):
 * clients choose what is hashed here, so the key must keep them from choosing
 * collisions.
 */
#include <string.h>
#include "turn/core.h"
#include "pure.h"

static inline uint64_t rotate(uint64_t x, unsigned int by)
{
	return x << by | x >> (64 - by);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] = rotate(v[2], 32);
}

uint64_t hash_bytes(const uint64_t key[2], const void *data, size_t len)
{
	uint64_t v[4] = {
		key[0] ^ 0x736f6d6570736575ULL, key[1] ^ 0x646f72616e646f6dULL,
		key[0] ^ 0x6c7967656e657261ULL, key[1] ^ 0x7465646279746573ULL,
	};
	const uint8_t *p = data;
	uint64_t word, last = (uint64_t)len << 56;
	size_t i;

	for (i = 0; i + 8 <= len; i += 8) {
		memcpy(&word, p + i, 8);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	word = 0;
	if (i < len)
		memcpy(&word, p + i, len - i);
	last |= word;
	v[3] ^= last;
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t hash_ip(const uint64_t key[2], const struct tp_addr *addr)
{
	return hash_bytes(key, addr->ip, addr->family == 4 ? 4 : 16);
}

static size_t put_addr(uint8_t *out, const struct tp_addr *addr)
{
	size_t len = addr->family == 4 ? 4 : 16;

	memcpy(out, addr->ip, len);
	memcpy(out + len, &addr->port, 2);
	return len + 2;
}

uint64_t hash_addr(const uint64_t key[2], const struct tp_addr *addr)
{
	uint8_t buf[18];

	return hash_bytes(key, buf, put_addr(buf, addr));
}

uint64_t hash_path(const uint64_t key[2], const struct turn_path *path)
{
	uint8_t buf[37];
	size_t len = put_addr(buf, &path->client);

	len += put_addr(buf + len, &path->server);
	buf[len++] = path->transport;
	return hash_bytes(key, buf, len);
}
