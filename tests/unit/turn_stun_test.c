// SPDX-License-Identifier: MIT
/* STUN headers as a server gets them: group H. */
#include "turn_harness.h"

static void ignored(struct world *w, const void *data, size_t len)
{
	assert_int_equal(give(w, data, len), -1);
	assert_int_equal(w->n_peer, 0);
	assert_int_equal(w->allocs, 0);
}

static void H1_empty(void **state)
{
	ignored(*state, "", 0);
}

static void H2_short(void **state)
{
	uint8_t zeros[20] = { 0 };
	size_t n;

	for (n = 1; n < 20; n++)
		ignored(*state, zeros, n);
}

static void H3_binding(void **state)
{
	struct world *w = *state;

	begin(w, STUN_BINDING);
	assert_int_equal(ask_plain(w), 0);
	assert_int_equal(w->out_len, 32);
	assert_true(address_equal(&w->reply.mapped, &w->path.client));
	client(w, "[2001:db8:7::1]:5000");
	w->path.server = w->own[1];
	begin(w, STUN_BINDING);
	assert_int_equal(ask_plain(w), 0);
	assert_int_equal(w->out_len, 44);
	assert_true(address_equal(&w->reply.mapped, &w->path.client));
}

static void H3_fingerprint_as_asked(void **state)
{
	struct world *w = *state;

	begin(w, STUN_BINDING);
	stun_put_fingerprint(&w->w);
	assert_int_equal(ask_plain(w), 0);
	assert_true(w->reply.has & STUN_BIT(FINGERPRINT));
	w->conf.fingerprint = true;
	begin(w, STUN_BINDING);
	assert_int_equal(ask_plain(w), 0);
	assert_true(w->reply.has & STUN_BIT(FINGERPRINT));
}

static void H4_channel_without_allocation(void **state)
{
	struct world *w = *state;
	uint8_t data[8] = { 0x40, 0, 0, 4 };
	unsigned int b;

	for (b = 0x40; b <= 0x4f; b++) {
		data[0] = (uint8_t)b;
		ignored(w, data, sizeof(data));
		assert_int_equal(w->reason, TP_R_NO_ALLOCATION);
	}
}

static void H5_H6_first_byte(void **state)
{
	struct world *w = *state;
	uint8_t data[28];
	unsigned int b;

	for (b = 4; b < 256; b++) {
		if (b >= 0x40 && b <= 0x4f)
			continue;
		begin(w, STUN_BINDING);
		memcpy(data, w->w.buf, 20);
		memset(data + 20, 0, 8);
		data[0] = (uint8_t)b;
		ignored(w, data, 20);
		assert_int_equal(w->reason, TP_R_NOT_TURN);
		ignored(w, data, 28);
	}
}

static void H7_cookie(void **state)
{
	struct world *w = *state;
	unsigned int bit;

	for (bit = 0; bit < 32; bit++) {
		begin(w, STUN_BINDING);
		w->buf[4 + bit / 8] ^= (uint8_t)(1 << bit % 8);
		ignored(w, w->buf, 20);
		assert_int_equal(w->reason, TP_R_BAD_STUN);
	}
}

static void H9_to_H12_length(void **state)
{
	static const uint16_t wrong[] = { 1, 2, 3, 5, 4, 8, 65000, 0xfff0, 0xfffc, 0xffff };
	struct world *w = *state;
	unsigned int i;

	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		begin(w, STUN_BINDING);
		w->buf[2] = (uint8_t)(wrong[i] >> 8);
		w->buf[3] = (uint8_t)wrong[i];
		ignored(w, w->buf, 20);
		/* H11: length 0, something behind it */
		begin(w, STUN_BINDING);
		memset(w->buf + 20, 0, 1000);
		ignored(w, w->buf, 20u + (wrong[i] % 1000 ? wrong[i] % 1000 : 4));
	}
}

static void H13_unknown_method(void **state)
{
	static const uint16_t methods[] = { 0x002, 0x00d, 0x07f, 0xfff, 0x00a, 0x00b };
	struct world *w = *state;
	unsigned int i;

	for (i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
		begin(w, methods[i]);
		ignored(w, w->buf, w->w.len);
		/* RFC 8656 section 12: STUN begins with 0 to 3 here */
		assert_int_equal(w->reason,
				 w->buf[0] < 4 ? TP_R_STUN_IGNORED : TP_R_NOT_TURN);
	}
}

static void H14_responses(void **state)
{
	struct world *w = *state;
	unsigned int method, class;

	for (method = 0; method < 16; method++) {
		for (class = STUN_SUCCESS; class <= STUN_ERROR; class++) {
			begin_class(w, (uint16_t)method, (enum stun_class)class);
			ignored(w, w->buf, w->w.len);
			assert_int_equal(w->reason, TP_R_STUN_IGNORED);
		}
	}
}

static void H15_reflected_401(void **state)
{
	struct world *w = *state;
	uint8_t copy[512];
	size_t len;

	challenge(w);
	len = w->out_len;
	memcpy(copy, w->out, len);
	ignored(w, copy, len);
	w->path.client = w->own[0];
	ignored(w, copy, len);
}

static void H16_H17_class(void **state)
{
	static const uint16_t not_indications[] = { TURN_ALLOCATE, TURN_REFRESH,
		TURN_CREATE_PERMISSION, TURN_CHANNEL_BIND, TURN_DATA };
	struct world *w = *state;
	unsigned int i;

	for (i = 0; i < 5; i++) {
		begin_class(w, not_indications[i], STUN_INDICATION);
		ignored(w, w->buf, w->w.len);
	}
	begin(w, TURN_SEND);
	ignored(w, w->buf, w->w.len);
	begin(w, TURN_DATA);
	ignored(w, w->buf, w->w.len);
}

static void H18_binding_indication(void **state)
{
	struct world *w = *state;

	begin_class(w, STUN_BINDING, STUN_INDICATION);
	ignored(w, w->buf, w->w.len);
	assert_int_equal(w->reason, TP_R_STUN_IGNORED);
}

static void H19_transaction_ids(void **state)
{
	static const uint8_t ids[3][12] = { { 0 },
		{ 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
		{ 0x21, 0x12, 0xa4, 0x42, 0x21, 0x12, 0xa4, 0x42, 0x21, 0x12, 0xa4, 0x42 } };
	struct world *w = *state;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		begin(w, STUN_BINDING);
		memcpy(w->buf + 8, ids[i], 12);
		assert_int_equal(ask_plain(w), 0);
		assert_memory_equal(w->reply.txid, ids[i], 12);
		assert_true(address_equal(&w->reply.mapped, &w->path.client));
	}
}

static void H20_same_id_other_method(void **state)
{
	struct world *w = *state;

	assert_int_equal(allocate(w), 0);
	begin(w, TURN_REFRESH);
	memcpy(w->buf + 8, w->reply.txid, 12);
	assert_int_equal(ask(w), 0);
	assert_int_equal(w->reply.method, TURN_REFRESH);
	assert_false(w->reply.has & STUN_BIT(XOR_RELAYED_ADDRESS));
}

static void H21_H22_large(void **state)
{
	struct world *w = *state;
	unsigned int i;

	begin(w, STUN_BINDING);
	attr_len(w, STUN_T_SOFTWARE, 65000);
	assert_int_equal(ask_plain(w), 0);
	begin(w, STUN_BINDING);
	for (i = 0; i < 16000; i++)
		attr_len(w, 0xc000, 0);
	ignored(w, w->buf, w->w.len);
}

static void H23_bit_flips(void **state)
{
	struct world *w = *state;
	size_t len, bit;
	uint8_t good[512];

	allocate_begin(w);
	sign_names(w);
	sign_mi(w);
	len = w->w.len;
	memcpy(good, w->buf, len);
	for (bit = 0; bit < len * 8; bit++) {
		size_t at = bit / 8;

		good[at] ^= (uint8_t)(1 << bit % 8);
		/* one of the flips makes it a Binding request, which is for everybody */
		if (!give(w, good, len))
			assert_int_equal(w->reply.method, STUN_BINDING);
		assert_int_equal(w->allocs, 0);
		good[at] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(give(w, good, len), 0);
}

static void H24_classic(void **state)
{
	struct world *w = *state;
	static const uint8_t victim[8] = { 0, 1, 0, 80, 9, 9, 9, 9 };

	begin(w, STUN_BINDING);
	attr(w, 0x0002, victim, 8);
	memset(w->buf + 4, 0x11, 4);
	ignored(w, w->buf, w->w.len);
}

static void H25_rfc5780(void **state)
{
	static const uint16_t types[] = { 0x0003, 0x0026, 0x0027 };
	struct world *w = *state;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		begin(w, STUN_BINDING);
		attr_len(w, types[i], 4);
		assert_int_equal(ask_plain(w), 420);
		assert_true(w->reply.has & STUN_BIT(UNKNOWN_ATTRIBUTES));
		assert_non_null(memmem(w->out, w->out_len,
				       (uint8_t[]){ 0, 0x0a, 0, 2, 0, (uint8_t)types[i] }, 6));
	}
}

static void H26_binding_with_mi(void **state)
{
	struct world *w = *state;

	begin(w, STUN_BINDING);
	sign_names(w);
	sign_mi(w);
	assert_int_equal(ask_plain(w), 0);
	begin(w, STUN_BINDING);
	attr_len(w, STUN_T_MESSAGE_INTEGRITY, 19);
	assert_int_equal(ask_plain(w), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(H1_empty), T(H2_short), T(H3_binding), T(H3_fingerprint_as_asked),
		T(H4_channel_without_allocation), T(H5_H6_first_byte), T(H7_cookie),
		T(H9_to_H12_length), T(H13_unknown_method), T(H14_responses),
		T(H15_reflected_401), T(H16_H17_class), T(H18_binding_indication),
		T(H19_transaction_ids), T(H20_same_id_other_method), T(H21_H22_large),
		T(H23_bit_flips), T(H24_classic), T(H25_rfc5780), T(H26_binding_with_mi),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
