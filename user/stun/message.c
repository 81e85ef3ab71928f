// SPDX-License-Identifier: MIT
/*
 * A received STUN message (RFC 8489): one pass over the attributes, driven by
 * two tables, and the walk over the peers that a message names.
 */
#include "stun/stun.h"

#include <errno.h>
#include <string.h>

#include "stun/fingerprint.h"
#include "pure.h"

/* One attribute as framed in the message; value lies inside it. */
struct attr {
	uint16_t type, len;
	const uint8_t *value;
	size_t at;		/* of its header */
};

/* How a value is read, and where it goes. */
enum field_kind {
	FIELD_NONE,		/* only its presence matters */
	FIELD_BYTES,		/* struct stun_bytes */
	FIELD_U8,
	FIELD_U16,
	FIELD_U32,
	FIELD_FLAG,		/* uint8_t, the top bit alone: the rest is RFFU */
	FIELD_ADDR,		/* struct tp_addr */
	FIELD_XOR_ADDR,
	FIELD_ERROR,		/* uint16_t, RFC 8489 section 14.8 */
	FIELD_ALGORITHM,
	FIELD_ALGORITHMS,
};

struct field {
	enum field_kind kind;
	size_t offset;		/* in struct stun_msg; 0: checked, not kept */
};

#define FIELD(kind_, member) { .kind = FIELD_##kind_, .offset = offsetof(struct stun_msg, member) }

static const struct field fields[STUN_A_MAX] = {
	[STUN_A_MAPPED_ADDRESS] = FIELD(ADDR, plain_mapped),
	[STUN_A_CHANGE_REQUEST] = FIELD(U32, change),
	[STUN_A_USERNAME] = FIELD(BYTES, username),
	[STUN_A_ERROR_CODE] = FIELD(ERROR, error),
	[STUN_A_CHANNEL_NUMBER] = FIELD(U16, channel),
	[STUN_A_LIFETIME] = FIELD(U32, lifetime),
	[STUN_A_XOR_PEER_ADDRESS] = FIELD(XOR_ADDR, peer),
	[STUN_A_DATA] = FIELD(BYTES, data),
	[STUN_A_REALM] = FIELD(BYTES, realm),
	[STUN_A_NONCE] = FIELD(BYTES, nonce),
	[STUN_A_XOR_RELAYED_ADDRESS] = FIELD(XOR_ADDR, relayed),
	[STUN_A_REQUESTED_ADDRESS_FAMILY] = FIELD(U8, family),
	[STUN_A_EVEN_PORT] = FIELD(FLAG, even_port),
	[STUN_A_REQUESTED_TRANSPORT] = FIELD(U8, transport),
	[STUN_A_PASSWORD_ALGORITHM] = { .kind = FIELD_ALGORITHM },
	[STUN_A_USERHASH] = FIELD(BYTES, userhash),
	[STUN_A_XOR_MAPPED_ADDRESS] = FIELD(XOR_ADDR, mapped),
	[STUN_A_ACCESS_TOKEN] = FIELD(BYTES, access_token),
	[STUN_A_RESERVATION_TOKEN] = FIELD(BYTES, token),
	[STUN_A_PADDING] = FIELD(BYTES, padding),
	[STUN_A_RESPONSE_PORT] = FIELD(U16, response_port),
	[STUN_A_CONNECTION_ID] = FIELD(U32, connection),
	[STUN_A_ADDITIONAL_ADDRESS_FAMILY] = FIELD(U8, additional_family),
	[STUN_A_ADDRESS_ERROR_CODE] = { .kind = FIELD_ERROR },
	[STUN_A_PASSWORD_ALGORITHMS] = FIELD(ALGORITHMS, password_algorithms),
	[STUN_A_ALTERNATE_SERVER] = FIELD(ADDR, alternate),
	[STUN_A_ALTERNATE_DOMAIN] = FIELD(BYTES, alternate_domain),
	[STUN_A_RESPONSE_ORIGIN] = FIELD(ADDR, origin),
	[STUN_A_OTHER_ADDRESS] = FIELD(ADDR, other),
	[STUN_A_MOBILITY_TICKET] = FIELD(BYTES, ticket),
	[STUN_A_THIRD_PARTY_AUTHORIZATION] = FIELD(BYTES, third_party),
	[STUN_A_ORIGIN] = FIELD(BYTES, web_origin),
};

static const struct {
	uint16_t min, max;
} lengths[STUN_A_MAX] = {
#define ATTR_LENGTHS(id, type, least, most) [STUN_A_##id] = { least, most },
	STUN_ATTRS(ATTR_LENGTHS)
};

/*
 * enum stun_attr_id + 1 by type; 0 is unknown. All types lie close to 0x0000
 * and 0x8000, and one that does not will not compile.
 */
#define ATTR_LOW	0x40

static const uint8_t ids[2][ATTR_LOW] = {
#define ATTR_INDEX(id, type, least, most) [(type) >> 15][(type) & 0x7fff] = STUN_A_##id + 1,
	STUN_ATTRS(ATTR_INDEX)
};

#define INTEGRITY_BITS	(STUN_BIT(MESSAGE_INTEGRITY) | STUN_BIT(MESSAGE_INTEGRITY_SHA256))

_Static_assert(STUN_A_MAX <= 64, "STUN_BIT() has 64 bits");
_Static_assert(offsetof(struct stun_msg, raw) == 0, "offset 0 is no field's");

static uint16_t get_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)get_u16(p) << 16 | get_u16(p + 2);
}

static size_t padded(size_t len)
{
	return (len + 3) & ~(size_t)3;
}

/* STUN_A_MAX where the type is unknown. */
static unsigned int attr_id(uint16_t type)
{
	unsigned int low = type & 0x7fff;
	unsigned int id = low < ATTR_LOW ? ids[type >> 15][low] : 0;

	return id ? id - 1 : STUN_A_MAX;
}

/* 1 and the attribute at *at, 0 at the end, -EINVAL where it runs out of the message. */
static int attr_next(const struct stun_msg *msg, size_t *at, struct attr *attr)
{
	size_t left = msg->len - *at;

	if (!left)
		return 0;
	if (left < TP_STUN_ATTR_HDR_LEN)
		return -EINVAL;
	attr->at = *at;
	attr->type = get_u16(msg->raw + *at);
	attr->len = get_u16(msg->raw + *at + 2);
	attr->value = msg->raw + *at + TP_STUN_ATTR_HDR_LEN;
	if (padded(attr->len) > left - TP_STUN_ATTR_HDR_LEN)
		return -EINVAL;
	*at += TP_STUN_ATTR_HDR_LEN + padded(attr->len);
	return 1;
}

/*
 * RFC 8489 sections 14.1 and 14.2. The first byte is ignored. mask is the
 * cookie and the transaction id, which lie together in the header, or NULL.
 */
static bool read_addr(struct tp_addr *addr, const struct attr *attr, const uint8_t *mask)
{
	static const uint8_t plain[16];
	const uint8_t *v = attr->value;
	size_t n = attr->len - 4u;
	uint8_t port[2];

	if (!(v[1] == 1 && n == 4) && !(v[1] == 2 && n == 16))
		return false;
	if (!mask)
		mask = plain;
	memset(addr, 0, sizeof(*addr));
	addr->family = n == 4 ? 4 : 6;
	port[0] = v[2] ^ mask[0];
	port[1] = v[3] ^ mask[1];
	memcpy(&addr->port, port, sizeof(port));
	for (size_t i = 0; i < n; i++)
		addr->ip[i] = v[4 + i] ^ mask[i];
	return true;
}

/* RFC 8489 section 14.8: the class is 3 to 6, the number below 100; the rest is ignored. */
static bool read_error(uint16_t *code, const struct attr *attr)
{
	unsigned int class = attr->value[2] & 7;
	unsigned int number = attr->value[3];

	if (class < 3 || class > 6 || number > 99)
		return false;
	*code = (uint16_t)(class * 100 + number);
	return true;
}

/*
 * RFC 8489 section 14.11: entries of number, parameters' length, parameters,
 * padded to 4. The padding of the last may be missing. Returns how many, -1
 * where one overruns.
 */
static int count_algorithms(const struct attr *attr)
{
	size_t at = 0;
	int n = 0;

	while (at < attr->len) {
		size_t params;

		if (attr->len - at < 4)
			return -1;
		params = get_u16(attr->value + at + 2);
		if (params > attr->len - at - 4)
			return -1;
		at += 4 + padded(params);
		n++;
	}
	return n;
}

/* RFC 8489 sections 14.12 and 18.5.1: the two that we know have no parameters. */
static bool read_algorithm(struct stun_msg *msg, const struct attr *attr)
{
	uint16_t number = get_u16(attr->value);
	bool known = number == STUN_ALG_MD5 || number == STUN_ALG_SHA256;

	if (count_algorithms(attr) != 1 || (known && attr->len != 4))
		return false;
	msg->alg_raw = number;
	msg->password_algorithm = known ? (enum stun_algorithm)number : STUN_ALG_NONE;
	return true;
}

/* Check a value whose length fits and put it where it belongs; false: malformed. */
static bool read_value(struct stun_msg *msg, unsigned int id, const struct attr *attr)
{
	const struct field *field = &fields[id];
	union {
		struct tp_addr addr;
		uint16_t code;
	} unkept;
	void *to = field->offset ? (uint8_t *)msg + field->offset : (void *)&unkept;

	switch (field->kind) {
	case FIELD_NONE:
		return true;
	case FIELD_ALGORITHMS:
		if (count_algorithms(attr) < 1)
			return false;
		*(struct stun_bytes *)to = (struct stun_bytes){ attr->value, attr->len };
		return true;
	case FIELD_BYTES:
		*(struct stun_bytes *)to = (struct stun_bytes){ attr->value, attr->len };
		return true;
	case FIELD_U8:
		*(uint8_t *)to = attr->value[0];
		return true;
	case FIELD_FLAG:
		*(uint8_t *)to = attr->value[0] & 0x80;
		return true;
	case FIELD_U16:
		*(uint16_t *)to = get_u16(attr->value);
		return true;
	case FIELD_U32:
		*(uint32_t *)to = get_u32(attr->value);
		return true;
	case FIELD_ADDR:
		return read_addr(to, attr, NULL);
	case FIELD_XOR_ADDR:
		return read_addr(to, attr, msg->raw + 4);
	case FIELD_ERROR:
		return read_error(to, attr);
	case FIELD_ALGORITHM:
		return read_algorithm(msg, attr);
	}
	return false;
}

static bool fits(unsigned int id, uint16_t len)
{
	if (len < lengths[id].min || len > lengths[id].max)
		return false;
	/* RFC 8489 section 14.6. */
	return id != STUN_A_MESSAGE_INTEGRITY_SHA256 || len % 4 == 0;
}

/* An attribute that counts: it comes before the integrity attribute, or is one. */
static void take_known(struct stun_msg *msg, unsigned int id, const struct attr *attr)
{
	uint64_t bit = 1ULL << id;

	if ((msg->has | msg->bad) & bit)
		return;		/* RFC 8489 section 14: the first counts */
	if (!fits(id, attr->len) || !read_value(msg, id, attr)) {
		msg->bad |= bit;
		return;
	}
	msg->has |= bit;
	if (id == STUN_A_MESSAGE_INTEGRITY)
		msg->mi_at = attr->at;
	if (id == STUN_A_MESSAGE_INTEGRITY_SHA256) {
		msg->mi256_at = attr->at;
		msg->mi256_len = attr->len;
	}
}

static void take_unknown(struct stun_msg *msg, uint16_t type)
{
	/* RFC 8489 section 14: from 0x8000 on it may be ignored. */
	if (type & 0x8000 || msg->n_unknown == STUN_UNKNOWN_MAX)
		return;
	for (unsigned int i = 0; i < msg->n_unknown; i++)
		if (msg->unknown[i] == type)
			return;
	msg->unknown[msg->n_unknown++] = type;
}

/*
 * RFC 8489 section 9: what the integrity attributes leave visible behind them.
 * A second MESSAGE-INTEGRITY-SHA256 is a double, and so does not count either.
 */
static bool is_visible(const struct stun_msg *msg, unsigned int id)
{
	return !((msg->has | msg->bad) & INTEGRITY_BITS) || id == STUN_A_MESSAGE_INTEGRITY_SHA256;
}

/* RFC 8489 section 14.7; it is also the last attribute. */
static bool take_fingerprint(struct stun_msg *msg, const struct attr *attr)
{
	if (attr->len != 4 || attr->at + 8 != msg->len)
		return false;
	if (get_u32(attr->value) != stun_fingerprint(msg->raw, attr->at))
		return false;
	msg->fingerprint_at = attr->at;
	msg->has |= STUN_BIT(FINGERPRINT);
	return true;
}

/* RFC 8489 sections 5 and 6.3; a classic one is without cookie. */
static bool read_header(struct stun_msg *msg, const uint8_t *raw, size_t len, bool classic)
{
	uint16_t type;

	if (len < TP_STUN_HDR_LEN)
		return false;
	type = get_u16(raw);
	if (type & 0xc000 || (get_u32(raw + 4) == TP_STUN_COOKIE) == classic)
		return false;
	if (len % 4 || get_u16(raw + 2) != len - TP_STUN_HDR_LEN)
		return false;
	memset(msg, 0, sizeof(*msg));
	msg->raw = raw;
	msg->len = len;
	/* Section 5: bits 4 and 8 are the class, the method lies around them. */
	msg->class = (enum stun_class)((type >> 7 & 2) | (type >> 4 & 1));
	msg->method = (type & 0x000f) | (type & 0x00e0) >> 1 | (type & 0x3e00) >> 2;
	memcpy(msg->txid, raw + 8, TP_STUN_TXID_LEN);
	return true;
}

static enum stun_verdict parse(struct stun_msg *msg, const uint8_t *raw, size_t len,
			       bool classic)
{
	size_t at = TP_STUN_HDR_LEN;
	unsigned int n = 0;
	struct attr attr;
	int rc;

	if (!read_header(msg, raw, len, classic))
		return STUN_DISCARD;
	while ((rc = attr_next(msg, &at, &attr)) > 0) {
		unsigned int id = attr_id(attr.type);

		if (++n > STUN_ATTRS_MAX)
			return STUN_DISCARD;
		if (id == STUN_A_FINGERPRINT) {
			if (!classic && !take_fingerprint(msg, &attr))
				return STUN_DISCARD;
		} else if (!is_visible(msg, id)) {
			continue;
		} else if (id == STUN_A_MAX) {
			take_unknown(msg, attr.type);
		} else {
			take_known(msg, id, &attr);
		}
	}
	return rc ? STUN_DISCARD : STUN_OK;
}

enum stun_verdict stun_parse(struct stun_msg *msg, const uint8_t *raw, size_t len)
{
	return parse(msg, raw, len, false);
}

enum stun_verdict stun_parse_classic(struct stun_msg *msg, const uint8_t *raw, size_t len)
{
	return parse(msg, raw, len, true);
}

void stun_disown(struct stun_msg *msg, uint64_t bits)
{
	static const uint16_t types[STUN_A_MAX] = {
#define ATTR_TYPE(id, type, least, most) [STUN_A_##id] = type,
		STUN_ATTRS(ATTR_TYPE)
	};

	bits &= msg->has | msg->bad;
	if (!bits)
		return;
	msg->has &= ~bits;
	msg->bad &= ~bits;
	for (unsigned int id = 0; id < STUN_A_MAX; id++)
		if (bits & 1ULL << id)
			take_unknown(msg, types[id]);
}

int stun_peer_next(const struct stun_msg *msg, size_t *at, struct tp_addr *peer)
{
	struct attr attr;

	if (!*at)
		*at = TP_STUN_HDR_LEN;
	while (attr_next(msg, at, &attr) > 0) {
		unsigned int id = attr_id(attr.type);

		if (id == STUN_A_MESSAGE_INTEGRITY || id == STUN_A_MESSAGE_INTEGRITY_SHA256) {
			*at = msg->len;
			return 0;
		}
		if (id != STUN_A_XOR_PEER_ADDRESS)
			continue;
		if (!fits(id, attr.len) || !read_addr(peer, &attr, msg->raw + 4))
			return -EINVAL;
		return 1;
	}
	return 0;
}
