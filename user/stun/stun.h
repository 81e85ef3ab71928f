/* SPDX-License-Identifier: MIT */
/*
 * The STUN codec (RFC 8489). A datagram is parsed once into a flat struct that
 * points into it; nothing is allocated. A reply is written into the caller's
 * buffer by struct stun_writer. Pure: see pure.h.
 *
 * message.c parses, writer.c writes, integrity.c makes keys and checks.
 */
#ifndef TP_STUN_H
#define TP_STUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <turnpike/tables.h>
#include <turnpike/wire.h>

enum stun_class {
	STUN_REQUEST = 0,
	STUN_INDICATION = 1,
	STUN_SUCCESS = 2,
	STUN_ERROR = 3,
};

/* RFC 8489 section 18.2 and RFC 8656 section 17. */
enum stun_method {
	STUN_BINDING = 0x001,
	TURN_ALLOCATE = 0x003,
	TURN_REFRESH = 0x004,
	TURN_SEND = 0x006,
	TURN_DATA = 0x007,
	TURN_CREATE_PERMISSION = 0x008,
	TURN_CHANNEL_BIND = 0x009,
	TURN_CONNECT = 0x00a,			/* RFC 6062 section 6.1 */
	TURN_CONNECTION_BIND = 0x00b,
	TURN_CONNECTION_ATTEMPT = 0x00c,
};

/*
 * Every attribute the codec knows: X(identifier, type, least length, greatest
 * length). A value outside its lengths is kept out of the message and marked in
 * stun_msg.bad. RFC 8489 section 18.3, RFC 8656 section 18, RFC 5780
 * section 7, RFC 6062 section 6.2, RFC 7635 section 6, RFC 8016 section 3.3,
 * draft-ietf-tram-stun-origin.
 */
#define STUN_ATTRS(X) \
	X(MAPPED_ADDRESS,		0x0001, 8, 20) \
	X(CHANGE_REQUEST,		0x0003, 4, 4) \
	X(USERNAME,			0x0006, 0, 763) \
	X(MESSAGE_INTEGRITY,		0x0008, 20, 20) \
	X(ERROR_CODE,			0x0009, 4, 767) \
	X(UNKNOWN_ATTRIBUTES,		0x000A, 0, 65532) \
	X(CHANNEL_NUMBER,		0x000C, 4, 4) \
	X(LIFETIME,			0x000D, 4, 4) \
	X(XOR_PEER_ADDRESS,		0x0012, 8, 20) \
	X(DATA,				0x0013, 0, 65535) \
	X(REALM,			0x0014, 0, 763) \
	X(NONCE,			0x0015, 0, 763) \
	X(XOR_RELAYED_ADDRESS,		0x0016, 8, 20) \
	X(REQUESTED_ADDRESS_FAMILY,	0x0017, 4, 4) \
	X(EVEN_PORT,			0x0018, 1, 1) \
	X(REQUESTED_TRANSPORT,		0x0019, 4, 4) \
	X(DONT_FRAGMENT,		0x001A, 0, 0) \
	X(ACCESS_TOKEN,			0x001B, 0, 65535) \
	X(MESSAGE_INTEGRITY_SHA256,	0x001C, 16, 32) \
	X(PASSWORD_ALGORITHM,		0x001D, 4, 763) \
	X(USERHASH,			0x001E, 32, 32) \
	X(XOR_MAPPED_ADDRESS,		0x0020, 8, 20) \
	X(RESERVATION_TOKEN,		0x0022, 8, 8) \
	X(PADDING,			0x0026, 0, 65535) \
	X(RESPONSE_PORT,		0x0027, 2, 4) \
	X(CONNECTION_ID,		0x002A, 4, 4) \
	X(ADDITIONAL_ADDRESS_FAMILY,	0x8000, 4, 4) \
	X(ADDRESS_ERROR_CODE,		0x8001, 4, 767) \
	X(PASSWORD_ALGORITHMS,		0x8002, 4, 763) \
	X(ALTERNATE_DOMAIN,		0x8003, 0, 255) \
	X(ICMP,				0x8004, 8, 8) \
	X(SOFTWARE,			0x8022, 0, 65535) \
	X(ALTERNATE_SERVER,		0x8023, 8, 20) \
	X(FINGERPRINT,			0x8028, 4, 4) \
	X(RESPONSE_ORIGIN,		0x802B, 8, 20) \
	X(OTHER_ADDRESS,		0x802C, 8, 20) \
	X(THIRD_PARTY_AUTHORIZATION,	0x802E, 0, 763) \
	X(ORIGIN,			0x802F, 0, 65535) \
	X(MOBILITY_TICKET,		0x8030, 0, 65535)

enum stun_attr_id {
#define STUN_ATTR_ENUM(id, type, min, max) STUN_A_##id,
	STUN_ATTRS(STUN_ATTR_ENUM)
#undef STUN_ATTR_ENUM
	STUN_A_MAX
};

#define STUN_BIT(id)	(1ULL << STUN_A_##id)

/* The types by name, for the writer: STUN_T_LIFETIME is 0x000D. */
enum stun_attr_type {
#define STUN_ATTR_TYPE(id, type, min, max) STUN_T_##id = type,
	STUN_ATTRS(STUN_ATTR_TYPE)
#undef STUN_ATTR_TYPE
};

/* RFC 3489 section 11.2: only ever in answers to its clients. */
#define STUN_T_SOURCE_ADDRESS	0x0004
#define STUN_T_CHANGED_ADDRESS	0x0005

/* stun_msg.change (RFC 5780 section 7.2) */
#define STUN_CHANGE_IP		4
#define STUN_CHANGE_PORT	2

/* Bytes inside the datagram that was parsed; not owned. */
struct stun_bytes {
	const uint8_t *p;
	size_t len;
};

/* House limit (H22): a message with more attributes is discarded. A26's 500 are answered. */
#define STUN_ATTRS_MAX		512
/* Unknown comprehension-required types kept for the 420 answer. */
#define STUN_UNKNOWN_MAX	32

/* RFC 8489 section 18.5. */
enum stun_algorithm {
	STUN_ALG_NONE = 0,
	STUN_ALG_MD5 = 1,
	STUN_ALG_SHA256 = 2,
};

/*
 * A parsed message. Attributes after MESSAGE-INTEGRITY are ignored except
 * MESSAGE-INTEGRITY-SHA256 and FINGERPRINT, and after either of the integrity
 * attributes no other is seen (RFC 8489 section 9); of a repeated attribute the
 * first counts (section 14). Points into raw, which must outlive it.
 */
struct stun_msg {
	const uint8_t *raw;
	size_t len;
	enum stun_class class;
	uint16_t method;			/* enum stun_method or unknown */
	uint8_t txid[TP_STUN_TXID_LEN];

	uint64_t has;				/* STUN_BIT()s: present and well formed */
	uint64_t bad;				/* STUN_BIT()s: present, malformed value */
	uint16_t unknown[STUN_UNKNOWN_MAX];	/* types, host order, no doubles */
	unsigned int n_unknown;

	struct stun_bytes username, realm, nonce, userhash, data, token, ticket, padding;
	struct stun_bytes access_token;
	struct stun_bytes web_origin;		/* ORIGIN: of the page that a browser shows */
	struct stun_bytes third_party;		/* THIRD-PARTY-AUTHORIZATION, for clients */
	struct stun_bytes password_algorithms;	/* the whole value, as it was sent */
	enum stun_algorithm password_algorithm;	/* NONE where absent or unknown to us */
	uint16_t alg_raw;			/* its number, also where unknown to us */
	uint32_t lifetime;			/* seconds */
	uint32_t connection;			/* CONNECTION-ID */
	uint16_t channel;			/* host order */
	uint8_t even_port;			/* 0x80: reserve the next one; else 0 */
	uint8_t transport;			/* IPPROTO_* */
	uint8_t family, additional_family;	/* as sent: 1 IPv4, 2 IPv6, or other */
	struct tp_addr peer;			/* of the first XOR-PEER-ADDRESS */
	struct tp_addr mapped;			/* XOR-MAPPED-ADDRESS, for clients */
	struct tp_addr relayed;			/* XOR-RELAYED-ADDRESS, for clients */
	struct tp_addr alternate;		/* ALTERNATE-SERVER, for clients */
	struct stun_bytes alternate_domain;	/* for clients */
	struct tp_addr plain_mapped, origin, other;	/* MAPPED-ADDRESS, RESPONSE-ORIGIN and
							 * OTHER-ADDRESS, for clients */
	uint32_t change;		/* STUN_CHANGE_* bits, and others that mean nothing */
	uint16_t response_port;			/* host order */
	uint16_t error;				/* ERROR-CODE 300..699, for clients */

	/* Offsets of the attribute headers; 0 where not in has. */
	size_t mi_at, mi256_at, fingerprint_at;
	size_t mi256_len;			/* 16..32, a multiple of 4 */
};

enum stun_verdict {
	STUN_OK,
	STUN_DISCARD,		/* not STUN, or so malformed that RFC 8489 section 6.3
				 * has it ignored */
};

/*
 * Parse one whole datagram or frame. STUN_DISCARD: length, cookie, attribute
 * framing or FINGERPRINT wrong, something after FINGERPRINT, too many
 * attributes. Never reads past len; raw may have any alignment.
 */
enum stun_verdict stun_parse(struct stun_msg *msg, const uint8_t *raw, size_t len);

/*
 * The same for a message of RFC 3489, which has no cookie: its transaction id has 16
 * bytes, from raw + 4 on, and no attribute is XORed. Nothing of later RFCs is in it.
 */
enum stun_verdict stun_parse_classic(struct stun_msg *msg, const uint8_t *raw, size_t len);

/* Has attributes that are comprehension-required and known here, but not offered (bits),
 * count as unknown ones (RFC 8489 section 6.3.1). */
void stun_disown(struct stun_msg *msg, uint64_t bits);

/*
 * Walk all XOR-PEER-ADDRESS attributes in front of the integrity attribute.
 * *at is 0 at first. Returns 1 and *peer, 0 at the end, -EINVAL where one is
 * malformed.
 */
int stun_peer_next(const struct stun_msg *msg, size_t *at, struct tp_addr *peer);

/* ---------------------------------------------------------------- writing */

struct stun_writer {
	uint8_t *buf;		/* the caller's */
	size_t cap, len;
	bool overflow;		/* something did not fit: the message is void, len is 0 */
};

void stun_begin(struct stun_writer *w, uint8_t *buf, size_t cap, uint16_t method,
		enum stun_class class, const uint8_t txid[TP_STUN_TXID_LEN]);
/* Makes the finished message one of RFC 3489: id takes the place of cookie and txid. */
void stun_make_classic(struct stun_writer *w, const uint8_t id[16]);
/* Each pads to 4 with zero bytes and keeps the header's length right. */
void stun_put(struct stun_writer *w, uint16_t type, const void *value, size_t len);
void stun_put_u32(struct stun_writer *w, uint16_t type, uint32_t value);
void stun_put_xor_addr(struct stun_writer *w, uint16_t type, const struct tp_addr *addr);
void stun_put_addr(struct stun_writer *w, uint16_t type, const struct tp_addr *addr);
/* code 300..699, phrase "" for none. */
void stun_put_error(struct stun_writer *w, uint16_t code, const char *phrase);
/* RFC 8656 section 18.12: family is 1 or 2. */
void stun_put_address_error(struct stun_writer *w, uint8_t family, uint16_t code,
			    const char *phrase);
void stun_put_unknown(struct stun_writer *w, const uint16_t *types, unsigned int n);
/* PASSWORD-ALGORITHMS with SHA-256 and MD5, in our order of preference. */
extern const uint8_t stun_password_algorithms[8];
/* An attribute of len bytes whose value the caller fills in; NULL if it does not fit. */
uint8_t *stun_put_reserve(struct stun_writer *w, uint16_t type, size_t len);

/* The RFC's phrase for an error code, "Error" where it has none. */
const char *stun_reason(uint16_t code);

/* -------------------------------------------------------------- integrity */

/* A long-term key (RFC 8489 section 9.2.2): MD5 has 16 bytes, SHA-256 has 32. */
struct stun_key {
	uint8_t bytes[32];
	uint8_t len;			/* a token's session key has 16 to 32 */
	enum stun_algorithm algorithm;
};

/*
 * username, realm and password as OpaqueString bytes. STUN_ALG_NONE makes the
 * MD5 key, as for a request without PASSWORD-ALGORITHM.
 */
void stun_key_make(struct stun_key *key, enum stun_algorithm algorithm,
		   struct stun_bytes username, struct stun_bytes realm,
		   struct stun_bytes password);
/* The same from a hash that somebody else made, or a key that is not one: len is at most 32. */
void stun_key_from(struct stun_key *key, enum stun_algorithm algorithm, const uint8_t *bytes,
		   size_t len);
/* RFC 8489 section 14.4. */
void stun_userhash(uint8_t out[32], struct stun_bytes username, struct stun_bytes realm);

/*
 * Constant-time checks of the received attribute; false if it is absent or the
 * key is empty, and for a truncated MESSAGE-INTEGRITY-SHA256, which neither
 * STUN nor TURN allows (section 14.6).
 */
bool stun_check_mi(const struct stun_msg *msg, const struct stun_key *key);
bool stun_check_mi_sha256(const struct stun_msg *msg, const struct stun_key *key);

/* Append MESSAGE-INTEGRITY, or MESSAGE-INTEGRITY-SHA256 (32 bytes). */
void stun_put_mi(struct stun_writer *w, const struct stun_key *key);
void stun_put_mi_sha256(struct stun_writer *w, const struct stun_key *key);
void stun_put_fingerprint(struct stun_writer *w);

/* HMACs for whoever else needs one (nonces, time-limited credentials). */
void stun_hmac_sha1(uint8_t out[20], const void *key, size_t key_len,
		    const void *data, size_t len);
void stun_hmac_sha256(uint8_t out[32], const void *key, size_t key_len,
		      const void *data, size_t len);
void stun_sha1(uint8_t out[20], const void *data, size_t len);
bool stun_equal(const void *a, const void *b, size_t len);	/* constant time */

#endif
