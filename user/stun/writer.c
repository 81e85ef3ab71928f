// SPDX-License-Identifier: MIT
/* A STUN message being written into the caller's buffer (RFC 8489 sections 5 and 14). */
#include "stun/stun.h"

#include <string.h>

#include "pure.h"

/* The most that a header can say: 0xfffc, the largest multiple of 4. */
#define WRITER_MAX	(TP_STUN_HDR_LEN + 0xfffcu)

const uint8_t stun_password_algorithms[8] = {
	0, STUN_ALG_SHA256, 0, 0,
	0, STUN_ALG_MD5, 0, 0,
};

/* RFC 8489 section 14.8, RFC 8656 section 19, RFC 6062 section 6.3, RFC 8016, RFC 8445. */
static const struct {
	uint16_t code;
	const char *phrase;
} reasons[] = {
	{ 300, "Try Alternate" },
	{ 400, "Bad Request" },
	{ 401, "Unauthenticated" },
	{ 403, "Forbidden" },
	{ 405, "Mobility Forbidden" },
	{ 420, "Unknown Attribute" },
	{ 437, "Allocation Mismatch" },
	{ 438, "Stale Nonce" },
	{ 440, "Address Family not Supported" },
	{ 441, "Wrong Credentials" },
	{ 442, "Unsupported Transport Protocol" },
	{ 443, "Peer Address Family Mismatch" },
	{ 446, "Connection Already Exists" },
	{ 447, "Connection Timeout or Failure" },
	{ 486, "Allocation Quota Reached" },
	{ 487, "Role Conflict" },
	{ 500, "Server Error" },
	{ 508, "Insufficient Capacity" },
};

static void set_u16(uint8_t *p, size_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static void set_overflow(struct stun_writer *w)
{
	w->overflow = true;
	w->len = 0;
}

void stun_begin(struct stun_writer *w, uint8_t *buf, size_t cap, uint16_t method,
		enum stun_class class, const uint8_t txid[TP_STUN_TXID_LEN])
{
	static const uint8_t cookie[4] = {
		TP_STUN_COOKIE >> 24, TP_STUN_COOKIE >> 16 & 0xff,
		TP_STUN_COOKIE >> 8 & 0xff, TP_STUN_COOKIE & 0xff,
	};
	unsigned int type;

	*w = (struct stun_writer){ .buf = buf, .cap = cap };
	if (cap < TP_STUN_HDR_LEN) {
		set_overflow(w);
		return;
	}
	/* RFC 8489 section 5: bits 4 and 8 are the class, the method lies around them. */
	type = (method & 0xfu) | (method & 0x70u) << 1 | (method & 0xf80u) << 2;
	type |= (class & 1u) << 4 | (class & 2u) << 7;
	set_u16(buf, type);
	set_u16(buf + 2, 0);
	memcpy(buf + 4, cookie, sizeof(cookie));
	memcpy(buf + 8, txid, TP_STUN_TXID_LEN);
	w->len = TP_STUN_HDR_LEN;
}

void stun_make_classic(struct stun_writer *w, const uint8_t id[16])
{
	if (!w->overflow)
		memcpy(w->buf + 4, id, 16);
}

uint8_t *stun_put_reserve(struct stun_writer *w, uint16_t type, size_t len)
{
	size_t most = w->cap < WRITER_MAX ? w->cap : WRITER_MAX;
	size_t room = (len + 3) & ~(size_t)3;
	uint8_t *at;

	if (w->overflow)
		return NULL;
	/* len by itself first: room may have wrapped. */
	if (len > 0xffff || TP_STUN_ATTR_HDR_LEN + room > most - w->len) {
		set_overflow(w);
		return NULL;
	}
	at = w->buf + w->len;
	set_u16(at, type);
	set_u16(at + 2, len);
	at += TP_STUN_ATTR_HDR_LEN;
	memset(at + len, 0, room - len);
	w->len += TP_STUN_ATTR_HDR_LEN + room;
	set_u16(w->buf + 2, w->len - TP_STUN_HDR_LEN);
	return at;
}

void stun_put(struct stun_writer *w, uint16_t type, const void *value, size_t len)
{
	uint8_t *at = stun_put_reserve(w, type, len);

	if (at && len)
		memcpy(at, value, len);
}

void stun_put_u32(struct stun_writer *w, uint16_t type, uint32_t value)
{
	uint8_t *at = stun_put_reserve(w, type, 4);

	if (!at)
		return;
	set_u16(at, value >> 16);
	set_u16(at + 2, value);
}

void stun_put_addr(struct stun_writer *w, uint16_t type, const struct tp_addr *addr)
{
	size_t n = addr->family == 4 ? 4 : 16;
	uint8_t *at = stun_put_reserve(w, type, 4 + n);

	if (!at)
		return;
	at[0] = 0;
	at[1] = n == 4 ? 1 : 2;
	memcpy(at + 2, &addr->port, 2);
	memcpy(at + 4, addr->ip, n);
}

/* RFC 8489 section 14.2: the cookie and the transaction id lie together in the header. */
void stun_put_xor_addr(struct stun_writer *w, uint16_t type, const struct tp_addr *addr)
{
	const uint8_t *mask = w->buf + 4;
	struct tp_addr masked = *addr;
	uint8_t port[2];

	if (w->overflow)
		return;
	memcpy(port, &addr->port, 2);
	port[0] ^= mask[0];
	port[1] ^= mask[1];
	memcpy(&masked.port, port, 2);
	for (size_t i = 0; i < sizeof(masked.ip); i++)
		masked.ip[i] ^= mask[i];
	stun_put_addr(w, type, &masked);
}

const char *stun_reason(uint16_t code)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].code == code)
			return reasons[i].phrase;
	return "Error";
}

/* RFC 8489 section 14.8 and RFC 8656 section 18.12 differ in the first byte. */
static void put_code(struct stun_writer *w, uint16_t type, uint8_t first, uint16_t code,
		     const char *phrase)
{
	size_t len = strlen(phrase);
	uint8_t *at = stun_put_reserve(w, type, 4 + len);

	if (!at)
		return;
	at[0] = first;
	at[1] = 0;
	at[2] = (uint8_t)(code / 100);
	at[3] = (uint8_t)(code % 100);
	memcpy(at + 4, phrase, len);
}

void stun_put_error(struct stun_writer *w, uint16_t code, const char *phrase)
{
	put_code(w, STUN_T_ERROR_CODE, 0, code, phrase);
}

void stun_put_address_error(struct stun_writer *w, uint8_t family, uint16_t code,
			    const char *phrase)
{
	put_code(w, STUN_T_ADDRESS_ERROR_CODE, family, code, phrase);
}

void stun_put_unknown(struct stun_writer *w, const uint16_t *types, unsigned int n)
{
	uint8_t *at = stun_put_reserve(w, STUN_T_UNKNOWN_ATTRIBUTES, 2 * (size_t)n);

	for (unsigned int i = 0; at && i < n; i++)
		set_u16(at + 2 * i, types[i]);
}
