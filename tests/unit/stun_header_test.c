// SPDX-License-Identifier: MIT
/* Headers, framing and FINGERPRINT: which datagrams are STUN at all. */
#include "stun_build.h"
#include "rfc5769.h"

static struct raw r;
static struct stun_msg m;

static const struct {
	const uint8_t *p;
	size_t len;
} vectors[] = {
	{ rfc5769_request, sizeof(rfc5769_request) },
	{ rfc5769_response4, sizeof(rfc5769_response4) },
	{ rfc5769_response6, sizeof(rfc5769_response6) },
	{ rfc5769_long_term, sizeof(rfc5769_long_term) },
	{ rfc8489_erratum, sizeof(rfc8489_erratum) },
};

#define VECTORS	(sizeof(vectors) / sizeof(vectors[0]))

static void H1_H2_shorter_than_a_header(void **state)
{
	(void)state;
	raw_begin(&r, 0x0001);
	for (size_t len = 0; len < 20; len++) {
		assert_int_equal(parse_at(&m, r.b, len, 0), STUN_DISCARD);
		/* Nor where the length field tries to make up for it. */
		raw_set16(r.b + 2, len - 20);
		assert_int_equal(parse_at(&m, r.b, len, 0), STUN_DISCARD);
		raw_set16(r.b + 2, 0);
	}
}

static void H3_plain_binding(void **state)
{
	(void)state;
	raw_begin(&r, 0x0001);
	assert_int_equal(parse(&m, &r), STUN_OK);
	assert_int_equal(m.class, STUN_REQUEST);
	assert_int_equal(m.method, STUN_BINDING);
	assert_memory_equal(m.txid, r.b + 8, 12);
	assert_int_equal(m.len, 20);
	assert_int_equal(m.has, 0);
	assert_int_equal(m.bad, 0);
	assert_int_equal(m.n_unknown, 0);
	assert_int_equal(m.mi_at | m.mi256_at | m.fingerprint_at, 0);
}

static void H4_H5_H6_first_byte(void **state)
{
	(void)state;
	raw_begin(&r, 0x0001);
	for (unsigned int b = 0; b < 256; b++) {
		r.b[0] = (uint8_t)b;
		assert_int_equal(parse(&m, &r), b < 64 ? STUN_OK : STUN_DISCARD);
	}
}

static void H7_each_bit_of_the_cookie(void **state)
{
	(void)state;
	raw_begin(&r, 0x0001);
	for (unsigned int bit = 0; bit < 32; bit++) {
		r.b[4 + bit / 8] ^= 0x80 >> bit % 8;
		assert_int_equal(parse(&m, &r), STUN_DISCARD);
		r.b[4 + bit / 8] ^= 0x80 >> bit % 8;
	}
	assert_int_equal(parse(&m, &r), STUN_OK);
}

/* Both where the datagram really is that long and where it is not. */
static void H9_length_not_multiple_of_4(void **state)
{
	(void)state;
	for (size_t extra = 1; extra < 64; extra++) {
		if (extra % 4 == 0)
			continue;
		raw_begin(&r, 0x0001);
		raw_set16(r.b + 2, extra);
		memset(r.b + 20, 0, 64);
		assert_int_equal(parse_at(&m, r.b, 20 + extra, 0), STUN_DISCARD);
		assert_int_equal(parse_at(&m, r.b, 20 + (extra & ~3u), 0), STUN_DISCARD);
		assert_int_equal(parse_at(&m, r.b, 20 + (extra | 3u) + 1, 0), STUN_DISCARD);
	}
}

static void H10_length_above_the_datagram(void **state)
{
	static const size_t more[] = { 4, 8, 1000, 65000 };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		raw_begin(&r, 0x0003);
		raw_u32(&r, 0x000d, 600);
		raw_set16(r.b + 2, r.len - 20 + more[i]);
		assert_int_equal(parse(&m, &r), STUN_DISCARD);
	}
}

static void H11_bytes_behind_the_message(void **state)
{
	(void)state;
	raw_begin(&r, 0x0003);
	raw_u32(&r, 0x000d, 600);
	memset(r.b + r.len, 0, 1000);
	assert_int_equal(parse(&m, &r), STUN_OK);
	for (size_t extra = 1; extra <= 1000; extra++)
		assert_int_equal(parse_at(&m, r.b, r.len + extra, 0), STUN_DISCARD);
}

static void H12_largest_lengths(void **state)
{
	static const uint16_t length[] = { 0xfffc, 0xfff0, 0xffff, 0xfffd };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		raw_begin(&r, 0x0001);
		raw_set16(r.b + 2, length[i]);
		assert_int_equal(parse(&m, &r), STUN_DISCARD);
	}
	/* 0xfffc that are there: one attribute, and it is good. */
	raw_begin(&r, 0x0016);
	raw_fill(&r, 0x0013, 0xfffc - 4);
	assert_int_equal(r.len, 20 + 0xfffc);
	assert_int_equal(parse(&m, &r), STUN_OK);
	assert_int_equal(m.data.len, 0xfffc - 4);
	/* 65536 more than the length field says. */
	raw_begin(&r, 0x0001);
	assert_int_equal(parse_at(&m, r.b, 20 + 65536, 0), STUN_DISCARD);
}

/* Section 5, figure 3: all types there are; the class is bits 4 and 8. */
static void H13_H14_H16_every_method_and_class(void **state)
{
	(void)state;
	for (unsigned int type = 0; type < 0x4000; type++) {
		unsigned int method = (type & 0xf) | (type >> 5 & 7) << 4 | (type >> 9) << 7;
		unsigned int class = (type >> 4 & 1) + 2 * (type >> 8 & 1);

		raw_begin(&r, (uint16_t)type);
		assert_int_equal(parse(&m, &r), STUN_OK);
		assert_int_equal(m.method, method);
		assert_int_equal(m.class, class);
	}
	raw_begin(&r, 0x0113);
	assert_int_equal(parse(&m, &r), STUN_OK);
	assert_int_equal(m.class, STUN_ERROR);
	assert_int_equal(m.method, TURN_ALLOCATE);
}

static void H19_odd_transaction_ids(void **state)
{
	static const uint8_t id[3][12] = {
		{ 0 },
		{ 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255 },
		{ 0x21, 0x12, 0xa4, 0x42, 0x21, 0x12, 0xa4, 0x42, 0x21, 0x12, 0xa4, 0x42 },
	};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		raw_begin(&r, 0x0001);
		memcpy(r.b + 8, id[i], 12);
		raw_fingerprint(&r);
		assert_int_equal(parse(&m, &r), STUN_OK);
		assert_memory_equal(m.txid, id[i], 12);
	}
}

static void H21_largest_udp_datagram(void **state)
{
	(void)state;
	raw_begin(&r, 0x0016);
	raw_peer(&r, 1);
	raw_fill(&r, 0x0013, 65504 - 32 - 4);
	assert_int_equal(r.len, 65504);
	assert_int_equal(parse(&m, &r), STUN_OK);
	assert_int_equal(m.has, STUN_BIT(XOR_PEER_ADDRESS) | STUN_BIT(DATA));
	assert_int_equal(m.data.len, 65504 - 32 - 4);
}

static void H22_attribute_budget(void **state)
{
	(void)state;
	raw_begin(&r, 0x0001);
	for (int i = 0; i < STUN_ATTRS_MAX; i++)
		raw_attr(&r, 0x8099, NULL, 0);
	assert_int_equal(parse(&m, &r), STUN_OK);
	raw_attr(&r, 0x8099, NULL, 0);
	assert_int_equal(parse(&m, &r), STUN_DISCARD);
	while (r.len < 20 + 4 * 16000)
		raw_attr(&r, 0x8099, NULL, 0);
	assert_int_equal(parse(&m, &r), STUN_DISCARD);
}

/* Attributes that integrity hides count as well: they cost the same. */
static void H22_budget_counts_hidden_attributes(void **state)
{
	(void)state;
	raw_begin(&r, 0x0001);
	raw_mi(&r);
	for (int i = 1; i < STUN_ATTRS_MAX; i++)
		raw_attr(&r, 0x8099, NULL, 0);
	assert_int_equal(parse(&m, &r), STUN_OK);
	raw_attr(&r, 0x8099, NULL, 0);
	assert_int_equal(parse(&m, &r), STUN_DISCARD);
}

static void H24_classic_stun(void **state)
{
	(void)state;
	raw_begin(&r, 0x0001);
	memset(r.b + 4, 0x5a, 4);
	raw_attr(&r, 0x0002, "\0\1\x0d\x96\xc6\x33\x64\x01", 8);	/* RESPONSE-ADDRESS */
	raw_u32(&r, 0x0003, 6);						/* CHANGE-REQUEST */
	assert_int_equal(parse(&m, &r), STUN_DISCARD);
}

static void H25_what_is_not_offered_is_unknown(void **state)
{
	/* BANDWIDTH, CHANGE-REQUEST, PADDING, RESPONSE-PORT, CONNECTION-ID. */
	static const uint16_t type[] = { 0x0010, 0x0003, 0x0026, 0x0027, 0x002a };
	const uint64_t ours = STUN_BIT(CHANGE_REQUEST) | STUN_BIT(PADDING) |
			      STUN_BIT(RESPONSE_PORT) | STUN_BIT(CONNECTION_ID);

	(void)state;
	raw_begin(&r, 0x0001);
	for (size_t i = 0; i < 5; i++)
		raw_u32(&r, type[i], 0);
	raw_attr(&r, 0x8030, "ticket", 6);			/* MOBILITY-TICKET: optional */
	assert_int_equal(parse(&m, &r), STUN_OK);
	assert_int_equal(m.n_unknown, 1);
	assert_int_equal(m.has, ours | STUN_BIT(MOBILITY_TICKET));
	stun_disown(&m, ours);
	assert_int_equal(m.n_unknown, 5);
	assert_memory_equal(m.unknown, type, sizeof(type));
	assert_int_equal(m.has, STUN_BIT(MOBILITY_TICKET));
	assert_int_equal(m.bad, 0);
}

static void every_truncation(void **state)
{
	(void)state;
	for (size_t v = 0; v < VECTORS; v++) {
		for (size_t len = 0; len < vectors[v].len; len++)
			assert_int_equal(parse_at(&m, vectors[v].p, len, 0), STUN_DISCARD);
		assert_int_equal(parse_at(&m, vectors[v].p, vectors[v].len, 0), STUN_OK);
	}
}

/* With a length that agrees: good only where an attribute happens to end there. */
static void every_truncation_with_length_corrected(void **state)
{
	(void)state;
	for (size_t v = 0; v < VECTORS; v++) {
		bool ends[256] = { [20] = true };
		size_t at = 20;

		while (at < vectors[v].len) {
			at += 4 + ((vectors[v].p[at + 3] + 3u) & ~3u);
			ends[at] = true;
		}
		for (size_t len = 20; len < vectors[v].len; len++) {
			memcpy(r.b, vectors[v].p, len);
			raw_set16(r.b + 2, len - 20);
			assert_int_equal(parse_at(&m, r.b, len, 0),
					 ends[len] ? STUN_OK : STUN_DISCARD);
		}
	}
}

static void A18_anything_after_fingerprint(void **state)
{
	static const uint16_t type[] = { 0x8028, 0x8022, 0x0008, 0x001c, 0x000d, 0x7fff, 0xffff };
	static const uint16_t len[] = { 4, 3, 20, 32, 4, 0, 0 };

	(void)state;
	for (size_t i = 0; i < 7; i++) {
		size_t rest = 8 + 4 + ((len[i] + 3u) & ~3u);
		uint32_t crc;

		raw_begin(&r, 0x0001);
		/* The CRC is right for a message that goes on behind it. */
		raw_set16(r.b + 2, rest);
		crc = (uint32_t)crc32(0, r.b, 20) ^ 0x5354554e;
		raw_u32(&r, 0x8028, crc);
		raw_fill(&r, type[i], len[i]);
		assert_int_equal(r.len, 20 + rest);
		assert_int_equal(parse(&m, &r), STUN_DISCARD);
	}
}

static void A19_fingerprint_wrong(void **state)
{
	(void)state;
	raw_begin(&r, 0x0001);
	/* 12 bytes: no one bit of that length makes it swallow the FINGERPRINT. */
	raw_attr(&r, 0x8022, "abcdefghijkl", 12);
	raw_fingerprint(&r);
	assert_int_equal(parse(&m, &r), STUN_OK);
	assert_int_equal(m.fingerprint_at, 36);
	assert_true(m.has & STUN_BIT(FINGERPRINT));
	for (size_t bit = 0; bit < 8 * r.len; bit++) {
		/* Another type: no FINGERPRINT at all, and nothing to check. */
		bool type = bit / 8 == r.len - 8 || bit / 8 == r.len - 7;

		r.b[bit / 8] ^= 1 << bit % 8;
		assert_int_equal(parse(&m, &r), type ? STUN_OK : STUN_DISCARD);
		assert_false(type && m.has & STUN_BIT(FINGERPRINT));
		r.b[bit / 8] ^= 1 << bit % 8;
	}
}

static void A19_fingerprint_length(void **state)
{
	(void)state;
	for (size_t len = 0; len < 12; len++) {
		uint8_t v[12] = { 0 };
		uint32_t crc;

		if (len == 4)
			continue;
		raw_begin(&r, 0x0001);
		raw_set16(r.b + 2, 4 + ((len + 3) & ~3u));
		crc = (uint32_t)crc32(0, r.b, 20) ^ 0x5354554e;
		raw_set16(v, crc >> 16);
		raw_set16(v + 2, crc & 0xffff);
		raw_attr(&r, 0x8028, v, len);
		/* The CRC is there in full, in the padding if need be. */
		memcpy(r.b + 24, v, 4);
		assert_int_equal(parse(&m, &r), STUN_DISCARD);
	}
}

static void A19_fingerprint_before_integrity(void **state)
{
	(void)state;
	raw_begin(&r, 0x0001);
	raw_fingerprint(&r);
	raw_mi(&r);
	assert_int_equal(parse(&m, &r), STUN_DISCARD);
	raw_begin(&r, 0x0001);
	raw_mi(&r);
	raw_fingerprint(&r);
	assert_int_equal(parse(&m, &r), STUN_OK);
	assert_int_equal(m.has, STUN_BIT(MESSAGE_INTEGRITY) | STUN_BIT(FINGERPRINT));
}

static void A34_every_alignment(void **state)
{
	(void)state;
	for (size_t v = 0; v < VECTORS; v++) {
		struct stun_msg even, odd;

		assert_int_equal(parse_at(&even, vectors[v].p, vectors[v].len, 0), STUN_OK);
		for (size_t off = 1; off < 8; off++) {
			/* parse_at() frees the last copy: only what is not a pointer is compared. */
			assert_int_equal(parse_at(&odd, vectors[v].p, vectors[v].len, off), STUN_OK);
			assert_int_equal(odd.has, even.has);
			assert_int_equal(odd.bad, even.bad);
			assert_int_equal(odd.username.len, even.username.len);
			assert_memory_equal(&odd.mapped, &even.mapped, sizeof(odd.mapped));
			assert_memory_equal(odd.txid, vectors[v].p + 8, 12);
			assert_memory_equal(odd.unknown, even.unknown, sizeof(odd.unknown));
			assert_int_equal(odd.mi_at, even.mi_at);
			assert_int_equal(odd.mi256_at, even.mi256_at);
			assert_int_equal(odd.fingerprint_at, even.fingerprint_at);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(H1_H2_shorter_than_a_header),
		cmocka_unit_test(H3_plain_binding),
		cmocka_unit_test(H4_H5_H6_first_byte),
		cmocka_unit_test(H7_each_bit_of_the_cookie),
		cmocka_unit_test(H9_length_not_multiple_of_4),
		cmocka_unit_test(H10_length_above_the_datagram),
		cmocka_unit_test(H11_bytes_behind_the_message),
		cmocka_unit_test(H12_largest_lengths),
		cmocka_unit_test(H13_H14_H16_every_method_and_class),
		cmocka_unit_test(H19_odd_transaction_ids),
		cmocka_unit_test(H21_largest_udp_datagram),
		cmocka_unit_test(H22_attribute_budget),
		cmocka_unit_test(H22_budget_counts_hidden_attributes),
		cmocka_unit_test(H24_classic_stun),
		cmocka_unit_test(H25_what_is_not_offered_is_unknown),
		cmocka_unit_test(every_truncation),
		cmocka_unit_test(every_truncation_with_length_corrected),
		cmocka_unit_test(A18_anything_after_fingerprint),
		cmocka_unit_test(A19_fingerprint_wrong),
		cmocka_unit_test(A19_fingerprint_length),
		cmocka_unit_test(A19_fingerprint_before_integrity),
		cmocka_unit_test(A34_every_alignment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
