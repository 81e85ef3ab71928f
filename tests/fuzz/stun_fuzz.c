// SPDX-License-Identifier: MIT
/*
 * libFuzzer target for the STUN codec. Each input is parsed as it is, and once
 * more with its header and FINGERPRINT put right, so that mutations reach the
 * attributes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "stun/fingerprint.h"
#include "stun/stun.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) do { if (!(x)) abort(); } while (0)

/* The seeds are protected with this one. */
static const struct stun_key key = {
	.bytes = "0123456789abcdef", .len = 16, .algorithm = STUN_ALG_MD5,
};

static void check_inside(const struct stun_msg *m, struct stun_bytes b)
{
	if (!b.p) {
		CHECK(b.len == 0);
		return;
	}
	CHECK(b.p >= m->raw + TP_STUN_HDR_LEN + TP_STUN_ATTR_HDR_LEN);
	CHECK(b.p <= m->raw + m->len && b.len <= (size_t)(m->raw + m->len - b.p));
}

static void check_offset(const struct stun_msg *m, size_t at, uint64_t bit, size_t value)
{
	CHECK((at != 0) == ((m->has & bit) != 0));
	CHECK(!at || (at >= TP_STUN_HDR_LEN && at % 4 == 0 &&
		      at + TP_STUN_ATTR_HDR_LEN + value <= m->len));
}

static void check_fields(const struct stun_msg *m)
{
	CHECK((m->has & m->bad) == 0);
	CHECK(m->has >> STUN_A_MAX == 0 && m->bad >> STUN_A_MAX == 0);
	CHECK(m->method <= 0xfff && m->class <= STUN_ERROR);
	check_inside(m, m->username);
	check_inside(m, m->realm);
	check_inside(m, m->nonce);
	check_inside(m, m->userhash);
	check_inside(m, m->data);
	check_inside(m, m->token);
	check_inside(m, m->ticket);
	check_inside(m, m->padding);
	check_inside(m, m->alternate_domain);
	check_inside(m, m->password_algorithms);
	CHECK(m->username.len <= 763 && m->realm.len <= 763 && m->nonce.len <= 763);
	CHECK(m->token.len == (m->has & STUN_BIT(RESERVATION_TOKEN) ? 8 : 0));
	CHECK(!m->error || (m->error >= 300 && m->error < 700));
	CHECK(m->n_unknown <= STUN_UNKNOWN_MAX);
	for (unsigned int i = 0; i < m->n_unknown; i++) {
		CHECK(m->unknown[i] < 0x8000);
		for (unsigned int j = 0; j < i; j++)
			CHECK(m->unknown[i] != m->unknown[j]);
	}
	check_offset(m, m->mi_at, STUN_BIT(MESSAGE_INTEGRITY), 20);
	check_offset(m, m->mi256_at, STUN_BIT(MESSAGE_INTEGRITY_SHA256), m->mi256_len);
	check_offset(m, m->fingerprint_at, STUN_BIT(FINGERPRINT), 4);
	CHECK(!m->fingerprint_at || m->fingerprint_at + 8 == m->len);
	CHECK(!m->mi_at || !m->mi256_at || m->mi_at < m->mi256_at);
}

static void check_peers(const struct stun_msg *m)
{
	unsigned int n = 0;
	size_t at = 0;
	int rc;

	do {
		struct tp_addr peer;

		rc = stun_peer_next(m, &at, &peer);
		CHECK(at <= m->len && n <= STUN_ATTRS_MAX);
		if (n++ == 0) {
			CHECK((rc > 0) == ((m->has & STUN_BIT(XOR_PEER_ADDRESS)) != 0));
			CHECK((rc < 0) == ((m->bad & STUN_BIT(XOR_PEER_ADDRESS)) != 0));
			CHECK(rc <= 0 || memcmp(&peer, &m->peer, sizeof(peer)) == 0);
		}
		CHECK(rc <= 0 || peer.family == 4 || peer.family == 6);
	} while (rc);
}

/* A message that checks does not, once a byte that it covers is another. */
static void check_integrity(const struct stun_msg *m, uint8_t *raw)
{
	bool mi = stun_check_mi(m, &key);
	bool mi256 = stun_check_mi_sha256(m, &key);

	CHECK(!mi || m->mi_at);
	CHECK(!mi256 || (m->mi256_at && m->mi256_len == 32));
	raw[8] ^= 1;
	CHECK(!mi || !stun_check_mi(m, &key));
	CHECK(!mi256 || !stun_check_mi_sha256(m, &key));
	raw[8] ^= 1;
}

/* What was read is written, and reads the same. */
static void check_round_trip(const struct stun_msg *m)
{
	static uint8_t buf[70000];
	struct stun_writer w;
	struct stun_msg got;

	stun_begin(&w, buf, sizeof(buf), m->method, m->class, m->txid);
	if (m->has & STUN_BIT(USERNAME))
		stun_put(&w, STUN_T_USERNAME, m->username.p, m->username.len);
	if (m->has & STUN_BIT(LIFETIME))
		stun_put_u32(&w, STUN_T_LIFETIME, m->lifetime);
	if (m->has & STUN_BIT(XOR_PEER_ADDRESS))
		stun_put_xor_addr(&w, STUN_T_XOR_PEER_ADDRESS, &m->peer);
	if (m->has & STUN_BIT(ALTERNATE_SERVER))
		stun_put_addr(&w, STUN_T_ALTERNATE_SERVER, &m->alternate);
	if (m->has & STUN_BIT(ERROR_CODE))
		stun_put_error(&w, m->error, stun_reason(m->error));
	stun_put_unknown(&w, m->unknown, m->n_unknown);
	stun_put_mi(&w, &key);
	stun_put_mi_sha256(&w, &key);
	stun_put_fingerprint(&w);
	CHECK(!w.overflow && stun_parse(&got, buf, w.len) == STUN_OK);
	CHECK(got.bad == 0 && got.n_unknown == 0);
	CHECK(got.method == m->method && got.class == m->class);
	CHECK(got.username.len == m->username.len && got.lifetime == m->lifetime);
	CHECK(got.error == m->error);
	CHECK(memcmp(&got.peer, &m->peer, sizeof(got.peer)) == 0);
	CHECK(memcmp(&got.alternate, &m->alternate, sizeof(got.alternate)) == 0);
	CHECK(stun_check_mi(&got, &key) && stun_check_mi_sha256(&got, &key));
}

/* A message without the cookie; never one with it. */
static void check_classic(uint8_t *raw, size_t len)
{
	struct stun_msg m;

	if (stun_parse_classic(&m, raw, len) != STUN_OK)
		return;
	CHECK(m.raw == raw && m.len == len && len % 4 == 0);
	check_fields(&m);
	stun_disown(&m, STUN_BIT(CHANGE_REQUEST) | STUN_BIT(PADDING));
	CHECK(!((m.has | m.bad) & (STUN_BIT(CHANGE_REQUEST) | STUN_BIT(PADDING))));
	CHECK(m.n_unknown <= STUN_UNKNOWN_MAX);
	CHECK(stun_parse(&m, raw, len) == STUN_DISCARD);
}

static void check(uint8_t *raw, size_t len)
{
	struct stun_msg m;

	check_classic(raw, len);
	if (stun_parse(&m, raw, len) != STUN_OK)
		return;
	CHECK(m.raw == raw && m.len == len && len % 4 == 0);
	check_fields(&m);
	check_peers(&m);
	check_integrity(&m, raw);
	check_round_trip(&m);
}

static void set_u32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* Header, and FINGERPRINT if it is where it belongs. */
static void put_right(uint8_t *raw, size_t len)
{
	static const uint8_t fingerprint[4] = { 0x80, 0x28, 0, 4 };

	raw[0] &= 0x3f;
	raw[2] = (uint8_t)((len - TP_STUN_HDR_LEN) >> 8);
	raw[3] = (uint8_t)(len - TP_STUN_HDR_LEN);
	set_u32(raw + 4, TP_STUN_COOKIE);
	if (len >= TP_STUN_HDR_LEN + 8 && memcmp(raw + len - 8, fingerprint, 4) == 0)
		set_u32(raw + len - 4, stun_fingerprint(raw, len - 8));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Ends where its memory ends, and begins at an odd address. */
	uint8_t *copy = malloc(size + 1);

	CHECK(copy);
	if (size)
		memcpy(copy + 1, data, size);
	check(copy + 1, size);
	free(copy);
	size &= ~(size_t)3;
	if (size < TP_STUN_HDR_LEN || size > TP_STUN_HDR_LEN + 0xfffc)
		return 0;
	copy = malloc(size);
	CHECK(copy);
	memcpy(copy, data, size);
	put_right(copy, size);
	check(copy, size);
	free(copy);
	return 0;
}
