/* SPDX-License-Identifier: MIT */
/*
 * STUN messages made by hand for the tests of the codec, with nothing of the
 * codec in them: what it reads and writes is held against these.
 */
#ifndef TEST_STUN_BUILD_H
#define TEST_STUN_BUILD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <zlib.h>

#include "stun/stun.h"

#define STR(s)	((struct stun_bytes){ (const uint8_t *)(s), strlen(s) })

struct raw {
	size_t len;
	uint8_t b[70000];
};

static inline void raw_set16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void raw_begin(struct raw *r, uint16_t type)
{
	static const uint8_t head[20] = {
		0, 0, 0, 0, 0x21, 0x12, 0xa4, 0x42,
		1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
	};

	memcpy(r->b, head, sizeof(head));
	raw_set16(r->b, type);
	r->len = sizeof(head);
}

/* Header and value, padded with `pad`; the message's length is put right. */
static inline void raw_attr_padded(struct raw *r, uint16_t type, const void *v, size_t len,
				   uint8_t pad)
{
	uint8_t *at = r->b + r->len;

	raw_set16(at, type);
	raw_set16(at + 2, len);
	if (len)
		memcpy(at + 4, v, len);
	r->len += 4 + len;
	while (r->len % 4)
		r->b[r->len++] = pad;
	raw_set16(r->b + 2, r->len - 20);
}

static inline void raw_attr(struct raw *r, uint16_t type, const void *v, size_t len)
{
	raw_attr_padded(r, type, v, len, 0);
}

/* len bytes of 0x01, where the value does not matter. */
static inline void raw_fill(struct raw *r, uint16_t type, size_t len)
{
	static uint8_t ones[66000];

	memset(ones, 1, sizeof(ones));
	raw_attr(r, type, ones, len);
}

static inline void raw_u32(struct raw *r, uint16_t type, uint32_t v)
{
	uint8_t b[4];

	raw_set16(b, v >> 16);
	raw_set16(b + 2, v & 0xffff);
	raw_attr(r, type, b, 4);
}

/* XOR-encoded IPv4 address 192.0.2.n, port 1000 + n, as the RFC has it. */
static inline void raw_peer(struct raw *r, uint8_t n)
{
	uint8_t v[8] = { 0, 1, 0, 0, 192 ^ 0x21, 0 ^ 0x12, 2 ^ 0xa4, n ^ 0x42 };

	raw_set16(v + 2, (1000u + n) ^ 0x2112);
	raw_attr(r, 0x0012, v, 8);
}

static inline void raw_hmac(struct raw *r, uint16_t type, const EVP_MD *md, const char *key,
			    size_t len)
{
	static const uint8_t dummy[32];
	size_t at = r->len;
	uint8_t out[64];

	raw_attr(r, type, dummy, len);
	assert_non_null(HMAC(md, key, (int)strlen(key), r->b, at, out, NULL));
	memcpy(r->b + at + 4, out, len);
}

/* MESSAGE-INTEGRITY under the key "key". */
static inline void raw_mi(struct raw *r)
{
	raw_hmac(r, 0x0008, EVP_sha1(), "key", 20);
}

static inline void raw_mi256(struct raw *r)
{
	raw_hmac(r, 0x001c, EVP_sha256(), "key", 32);
}

static inline void raw_fingerprint(struct raw *r)
{
	size_t at = r->len;
	uint32_t crc;

	raw_u32(r, 0x8028, 0);
	crc = (uint32_t)crc32(0, r->b, (uInt)at) ^ 0x5354554e;
	raw_set16(r->b + at + 4, crc >> 16);
	raw_set16(r->b + at + 6, crc & 0xffff);
}

/* The key of raw_mi(); the codec knows keys as 16 or 32 bytes, HMAC knows any. */
static inline struct stun_key raw_key(void)
{
	return (struct stun_key){ .bytes = "key", .len = 3, .algorithm = STUN_ALG_MD5 };
}

/*
 * Parse a copy that ends where its memory ends, so that AddressSanitizer sees a
 * byte too many. The copy lives until the next call, and `off` bytes past an
 * aligned address.
 */
static inline enum stun_verdict parse_at(struct stun_msg *m, const uint8_t *b, size_t len,
					 size_t off)
{
	static uint8_t *copy;

	free(copy);
	copy = malloc(off + len ? off + len : 1);
	assert_non_null(copy);
	if (len)
		memcpy(copy + off, b, len);
	return stun_parse(m, copy + off, len);
}

static inline enum stun_verdict parse(struct stun_msg *m, const struct raw *r)
{
	return parse_at(m, r->b, r->len, 0);
}

static inline void assert_bytes(struct stun_bytes got, const char *want)
{
	assert_int_equal(got.len, strlen(want));
	assert_memory_equal(got.p, want, got.len);
}

static inline void assert_addr(const struct tp_addr *got, uint8_t family, const void *ip,
			       uint16_t port)
{
	struct tp_addr want = { .family = family };
	uint8_t b[2];

	raw_set16(b, port);
	memcpy(&want.port, b, 2);
	memcpy(want.ip, ip, family == 4 ? 4 : 16);
	assert_memory_equal(got, &want, sizeof(want));
}

#endif
