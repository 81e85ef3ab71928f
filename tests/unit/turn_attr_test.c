// SPDX-License-Identifier: MIT
/* STUN attributes as a server gets them: group A. */
#include "turn_harness.h"

static void ignored(struct world *w, const void *data, size_t len)
{
	assert_int_equal(give(w, data, len), -1);
	assert_int_equal(w->n_peer, 0);
	assert_int_equal(w->allocs, 0);
}

static void A1_A2_overrun(void **state)
{
	static const uint16_t lengths[] = { 5, 8, 0xfffc, 0xfffd, 0xfffe, 0xffff };
	struct world *w = *state;
	unsigned int i;

	for (i = 0; i < 6; i++) {
		begin(w, STUN_BINDING);
		attr_len(w, 0xc000, 4);
		w->buf[22] = (uint8_t)(lengths[i] >> 8);
		w->buf[23] = (uint8_t)lengths[i];
		ignored(w, w->buf, w->w.len);
	}
}

struct bad_length {
	uint16_t method, type;
	uint8_t lengths[10];		/* 0xff ends them */
};

static const struct bad_length bad_lengths[] = {
	{ TURN_CHANNEL_BIND, STUN_T_CHANNEL_NUMBER, { 0, 2, 3, 5, 8, 0xff } },	/* A4 */
	{ TURN_REFRESH, STUN_T_LIFETIME, { 0, 2, 3, 8, 0xff } },		/* A5 */
	{ TURN_ALLOCATE, STUN_T_REQUESTED_TRANSPORT, { 0, 1, 3, 8, 0xff } },	/* A6 */
	{ TURN_ALLOCATE, STUN_T_EVEN_PORT, { 0, 2, 4, 0xff } },			/* A7 */
	{ TURN_ALLOCATE, STUN_T_RESERVATION_TOKEN, { 0, 7, 9, 16, 0xff } },	/* A8 */
	{ TURN_ALLOCATE, STUN_T_REQUESTED_ADDRESS_FAMILY, { 0, 1, 3, 8, 0xff } }, /* A9 */
	{ TURN_ALLOCATE, STUN_T_ADDITIONAL_ADDRESS_FAMILY, { 0, 1, 3, 8, 0xff } },
	{ TURN_ALLOCATE, STUN_T_DONT_FRAGMENT, { 1, 4, 0xff } },		/* A10 */
	{ TURN_CREATE_PERMISSION, STUN_T_XOR_PEER_ADDRESS,			/* A11 */
	  { 0, 4, 7, 9, 12, 16, 19, 21, 24, 0xff } },
	{ TURN_CHANNEL_BIND, STUN_T_XOR_PEER_ADDRESS,
	  { 0, 4, 7, 9, 12, 16, 19, 21, 24, 0xff } },
	{ TURN_ALLOCATE, STUN_T_MESSAGE_INTEGRITY_SHA256, { 0, 4, 12, 17, 33, 36, 0xff } },
	{ TURN_ALLOCATE, STUN_T_USERHASH, { 0, 31, 33, 0xff } },
};

static void A3_to_A12_lengths(void **state)
{
	struct world *w = *state;
	unsigned int i, j;

	challenge(w);
	for (i = 0; i < sizeof(bad_lengths) / sizeof(*bad_lengths); i++) {
		const struct bad_length *b = &bad_lengths[i];

		for (j = 0; b->lengths[j] != 0xff; j++) {
			begin(w, b->method);
			if (b->method == TURN_ALLOCATE &&
			    b->type != STUN_T_REQUESTED_TRANSPORT)
				attr_u8(w, STUN_T_REQUESTED_TRANSPORT, 17);
			if (b->type == STUN_T_MESSAGE_INTEGRITY_SHA256)	/* A22 */
				sign_names(w);
			attr_len(w, b->type, b->lengths[j]);
			if (b->type == STUN_T_MESSAGE_INTEGRITY_SHA256)
				assert_int_equal(ask_plain(w), 400);
			else
				assert_int_equal(ask_signed(w), 400);
			/* no nonce, no realm: it is not about credentials */
			assert_false(w->reply.has & STUN_BIT(NONCE));
			assert_int_equal(w->allocs, 0);
		}
	}
}

static void A10_send(void **state)
{
	struct world *w = *state;

	assert_int_equal(allocate(w), 0);
	assert_int_equal(permit(w, "9.9.9.1"), 0);
	begin_class(w, TURN_SEND, STUN_INDICATION);
	attr_peer(w, "9.9.9.1:53");
	attr_len(w, STUN_T_DONT_FRAGMENT, 4);
	attr(w, STUN_T_DATA, "x", 1);
	assert_int_equal(ask_plain(w), -1);
	assert_int_equal(w->n_peer, 0);
	assert_int_equal(w->reason, TP_R_BAD_SEND);
}

static void A12_address_family(void **state)
{
	static const struct { uint8_t family, len; } cases[] = {
		{ 0, 8 }, { 3, 8 }, { 0xff, 8 }, { 1, 20 }, { 2, 8 }, { 0, 20 },
	};
	struct world *w = *state;
	uint8_t value[20] = { 0 };
	unsigned int i;

	assert_int_equal(allocate(w), 0);
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		value[1] = cases[i].family;
		begin(w, TURN_CREATE_PERMISSION);
		attr(w, STUN_T_XOR_PEER_ADDRESS, value, cases[i].len);
		assert_int_equal(ask(w), 400);
		assert_int_equal(w->perms, 0);
	}
}

static void A13_to_A15_reserved_bits(void **state)
{
	static const uint8_t even = 0x7f, transport[4] = { 17, 0xff, 0xff, 0xff };
	static const uint8_t family[4] = { 1, 0xff, 0xff, 0xff };
	static const uint8_t channel[4] = { 0x40, 0, 0xff, 0xff };
	struct world *w = *state;
	unsigned int i;

	challenge(w);
	begin(w, TURN_ALLOCATE);
	attr(w, STUN_T_REQUESTED_TRANSPORT, transport, 4);
	attr(w, STUN_T_REQUESTED_ADDRESS_FAMILY, family, 4);
	attr(w, STUN_T_EVEN_PORT, &even, 1);
	for (i = 0; i < 3; i++)
		w->buf[w->w.len - 1 - i] = 0xee;	/* A14: padding */
	assert_int_equal(ask(w), 0);
	assert_false(w->reply.has & STUN_BIT(RESERVATION_TOKEN));
	begin(w, TURN_CHANNEL_BIND);
	attr(w, STUN_T_CHANNEL_NUMBER, channel, 4);
	attr_peer(w, "9.9.9.1:53");
	w->buf[w->w.len - 8] = 0x55;			/* A13 */
	assert_int_equal(ask(w), 0);
	assert_int_equal(w->chans, 1);
}

static void appended(struct world *w, bool sha256)
{
	w->sha256 = sha256;
	w->algorithm = sha256 ? STUN_ALG_SHA256 : STUN_ALG_NONE;
	begin(w, TURN_REFRESH);
	stun_put_u32(&w->w, STUN_T_LIFETIME, 1200);
	sign_names(w);
	sign_mi(w);
	stun_put_u32(&w->w, STUN_T_LIFETIME, 0);
	attr_peer(w, "9.9.9.1:53");
	attr_channel(w, 0x4000);
	attr_len(w, 0x7fff, 4);
	stun_put_fingerprint(&w->w);
	assert_int_equal(ask_plain(w), 0);
	check_answer(w, 0);
	assert_int_equal(w->reply.lifetime, 1200);
	assert_int_equal(w->allocs, 1);
}

static void A16_A17_after_integrity(void **state)
{
	struct world *w = *state;

	assert_int_equal(allocate(w), 0);
	appended(w, false);
	appended(w, true);
}

static void A18_A19_fingerprint(void **state)
{
	struct world *w = *state;

	begin(w, STUN_BINDING);
	stun_put_fingerprint(&w->w);
	attr_len(w, 0xc000, 0);
	ignored(w, w->buf, w->w.len);
	begin(w, STUN_BINDING);
	stun_put_fingerprint(&w->w);
	w->buf[w->w.len - 1] ^= 1;
	ignored(w, w->buf, w->w.len);
	begin(w, STUN_BINDING);
	attr_len(w, STUN_T_FINGERPRINT, 3);
	ignored(w, w->buf, w->w.len);
	challenge(w);
	begin(w, TURN_ALLOCATE);
	sign_names(w);
	stun_put_fingerprint(&w->w);
	sign_mi(w);
	ignored(w, w->buf, w->w.len);
}

static void A20_two_integrities(void **state)
{
	struct world *w = *state;

	allocate_begin(w);
	sign_names(w);
	attr_len(w, STUN_T_MESSAGE_INTEGRITY, 20);
	sign_mi(w);
	assert_int_equal(ask_plain(w), 401);
	assert_int_equal(w->allocs, 0);
}

static void A21_mi_length(void **state)
{
	static const uint8_t lengths[] = { 0, 16, 19, 21, 32 };
	struct world *w = *state;
	unsigned int i;

	for (i = 0; i < 5; i++) {
		allocate_begin(w);
		sign_names(w);
		attr_len(w, STUN_T_MESSAGE_INTEGRITY, lengths[i]);
		assert_int_equal(ask_plain(w), 400);
	}
}

static void A23_truncated_sha256(void **state)
{
	static const uint8_t lengths[] = { 16, 20, 28 };
	struct world *w = *state;
	unsigned int i;

	w->algorithm = STUN_ALG_SHA256;
	for (i = 0; i < 3; i++) {
		uint8_t mac[32];

		allocate_begin(w);
		sign_names(w);
		sign_key(w);
		/* a right value, cut short: the header counts the cut attribute */
		attr_len(w, STUN_T_MESSAGE_INTEGRITY_SHA256, lengths[i]);
		stun_hmac_sha256(mac, w->key.bytes, w->key.len, w->buf,
				 w->w.len - lengths[i] - 4);
		memcpy(w->buf + w->w.len - lengths[i], mac, lengths[i]);
		assert_int_equal(ask_plain(w), 401);
	}
}

static void A24_A25_unknown(void **state)
{
	struct world *w = *state;

	assert_int_equal(allocate(w), 0);
	begin(w, TURN_REFRESH);
	attr_len(w, 0x0002, 4);
	attr_len(w, 0x7ffe, 0);
	assert_int_equal(ask(w), 420);
	assert_true(w->reply.has & STUN_BIT(MESSAGE_INTEGRITY));
	assert_non_null(memmem(w->out, w->out_len,
			       (uint8_t[]){ 0, 0x0a, 0, 4, 0, 2, 0x7f, 0xfe }, 8));
	begin(w, TURN_REFRESH);
	attr_len(w, 0x7ffe, 0);
	assert_int_equal(ask_plain(w), 401);
}

static void A26_many_unknown(void **state)
{
	struct world *w = *state;
	uint16_t i;

	allocate_begin(w);
	for (i = 0; i < 500; i++)
		attr_len(w, (uint16_t)(0x7000 + i), 0);
	assert_int_equal(ask(w), 420);
	assert_in_range(w->out_len, 20, w->w.len);
	assert_in_range(w->out_len, 20, 1200);
}

static void A27_unknown_in_send(void **state)
{
	struct world *w = *state;

	assert_int_equal(allocate(w), 0);
	assert_int_equal(permit(w, "9.9.9.1"), 0);
	begin_class(w, TURN_SEND, STUN_INDICATION);
	attr_peer(w, "9.9.9.1:53");
	attr(w, STUN_T_DATA, "x", 1);
	attr_len(w, 0x7ffe, 0);
	assert_int_equal(ask_plain(w), -1);
	assert_int_equal(w->n_peer, 0);
}

/* The last answer's; ERROR-CODE comes first. */
static void assert_phrase(const struct world *w, const char *phrase)
{
	size_t len = strlen(phrase);

	assert_memory_equal(w->out + 20, "\0\x09", 2);
	assert_int_equal(w->out[22] << 8 | w->out[23], 4 + len);
	assert_memory_equal(w->out + 28, phrase, len);
}

static void A28_to_A33_ignored(void **state)
{
	static const char odd[] = "%n%s\r\n\033[2J\0\xff\xfe";
	struct world *w = *state;
	struct tp_addr any = addr("9.9.9.9:9");

	allocate_begin(w);
	attr_len(w, 0x8abc, 12);				/* A28 */
	attr_len(w, 0xffff, 3);
	stun_put_error(&w->w, 500, "");				/* A31 */
	stun_put_xor_addr(&w->w, STUN_T_XOR_MAPPED_ADDRESS, &any);
	attr(w, STUN_T_DATA, "data", 4);
	attr(w, STUN_T_SOFTWARE, odd, sizeof(odd));		/* A32 */
	attr_len(w, STUN_T_SOFTWARE, 60000);			/* A33 */
	assert_int_equal(ask(w), 0);
	/* A29: reserved since RFC 5766 */
	begin(w, TURN_REFRESH);
	attr_len(w, 0x0010, 4);
	assert_int_equal(ask(w), 420);
	begin(w, TURN_REFRESH);
	attr_len(w, 0x0021, 4);
	assert_int_equal(ask(w), 420);
}

static void A30_first_wins(void **state)
{
	struct world *w = *state;

	allocate_begin(w);
	attr_u8(w, STUN_T_REQUESTED_TRANSPORT, 6);
	stun_put_u32(&w->w, STUN_T_LIFETIME, 900);
	stun_put_u32(&w->w, STUN_T_LIFETIME, 1800);
	sign_names(w);
	attr(w, STUN_T_USERNAME, "bob", 3);
	attr(w, STUN_T_NONCE, "other", 5);
	sign_mi(w);
	assert_int_equal(ask_plain(w), 0);
	check_answer(w, 0);
	assert_int_equal(w->reply.lifetime, 900);
}

static void A34_odd_offsets(void **state)
{
	struct world *w = *state;
	uint8_t *copy = malloc(600);
	unsigned int off;

	assert_int_equal(allocate(w), 0);
	for (off = 1; off < 8; off++) {
		memcpy(copy + off, w->buf, w->w.len);
		assert_int_equal(turn_from_client(w->server, &w->path, copy + off, w->w.len,
						  w->now), TP_R_STUN_SUCCESS);
	}
	free(copy);
	assert_int_equal(w->allocs, 1);
}

static void put_nth(struct world *w, unsigned int n)
{
	static const uint8_t even;

	switch (n) {
	case 0: attr_u8(w, STUN_T_REQUESTED_TRANSPORT, 17); break;
	case 1: stun_put_u32(&w->w, STUN_T_LIFETIME, 777); break;
	case 2: attr(w, STUN_T_EVEN_PORT, &even, 1); break;
	case 3: attr(w, STUN_T_USERNAME, w->user, strlen(w->user)); break;
	case 4: attr(w, STUN_T_REALM, w->realm, strlen(w->realm)); break;
	default: attr(w, STUN_T_NONCE, w->nonce, w->nonce_len); break;
	}
}

static void A35_any_order(void **state)
{
	struct world *w = *state;
	unsigned int p, i, n, used;

	challenge(w);
	for (p = 0; p < 720; p++) {
		begin(w, TURN_ALLOCATE);
		for (used = 0, n = p, i = 6; i; i--) {
			unsigned int skip = n % i, k = 0;

			n /= i;
			/* the skip-th of those not yet put */
			while (used & 1u << k || skip) {
				skip -= !(used & 1u << k);
				k++;
			}
			used |= 1u << k;
			put_nth(w, k);
		}
		assert_int_equal(used, 63);
		sign_mi(w);
		assert_int_equal(ask_plain(w), 0);
		assert_int_equal(w->reply.lifetime, 777);
		assert_int_equal(ntohs(w->reply.relayed.port) & 1, 0);
		assert_int_equal(refresh(w, 0), 0);
		if (p % 100 == 99)
			pass(w, 61 * S);
		if (p == 500) {
			w->nonce_len = 0;
			challenge(w);
		}
	}
}

/* include-reason-string: for whoever cannot be somebody else. */
static void reason_phrases(void **state)
{
	static const char *const wanted[2][3] = {
		{ "", "", "" },
		{ "", "Unauthenticated", "Forbidden" },
	};
	struct world *w = *state;
	unsigned int on;

	for (on = 0; on < 2; on++) {
		w->conf.reason_phrases = on;
		client(w, on ? "198.51.100.8:5000" : "198.51.100.7:5000");
		w->path.transport = IPPROTO_UDP;
		challenge(w);
		assert_phrase(w, wanted[on][0]);
		w->path.transport = IPPROTO_TCP;
		challenge(w);
		assert_phrase(w, wanted[on][1]);
		w->path.transport = IPPROTO_UDP;
		challenge(w);
		assert_int_equal(allocate(w), 0);
		assert_int_equal(permit(w, "127.0.0.1"), 403);
		assert_phrase(w, wanted[on][2]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(A1_A2_overrun), T(A3_to_A12_lengths), T(A10_send), T(A12_address_family),
		T(A13_to_A15_reserved_bits), T(A16_A17_after_integrity), T(A18_A19_fingerprint),
		T(A20_two_integrities), T(A21_mi_length), T(A23_truncated_sha256),
		T(A24_A25_unknown), T(A26_many_unknown), T(A27_unknown_in_send),
		T(reason_phrases),
		T(A28_to_A33_ignored), T(A30_first_wins), T(A34_odd_offsets), T(A35_any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
