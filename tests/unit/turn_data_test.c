// SPDX-License-Identifier: MIT
/* Application data and ICMP errors: groups S, D and I. */
#include "turn_harness.h"

/* A Send indication of a peer (or none) and len bytes of data (or none, -1). */
static enum tp_reason send_raw(struct world *w, const char *peer, int len, bool df)
{
	begin_class(w, TURN_SEND, STUN_INDICATION);
	if (peer)
		attr_peer(w, peer);
	if (df)
		attr_len(w, STUN_T_DONT_FRAGMENT, 0);
	if (len >= 0)
		attr_len(w, STUN_T_DATA, (size_t)len);
	assert_int_equal(ask_plain(w), -1);
	return w->reason;
}

static void with_peer(struct world *w)
{
	assert_int_equal(allocate(w), 0);
	assert_int_equal(permit(w, "9.9.9.9"), 0);
}

static void with_channel(struct world *w)
{
	assert_int_equal(allocate(w), 0);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.9:9"), 0);
}

/* What went to the client is a Data indication of this peer with this text. */
static void assert_data_indication(struct world *w, const char *peer, const void *data, size_t len)
{
	struct tp_addr a = addr(peer);
	struct stun_msg m;

	assert_int_equal(stun_parse(&m, w->out, w->out_len), STUN_OK);
	assert_int_equal(m.class, STUN_INDICATION);
	assert_int_equal(m.method, TURN_DATA);
	assert_true(address_equal(&m.peer, &a));
	assert_int_equal(m.has, STUN_BIT(XOR_PEER_ADDRESS) | STUN_BIT(DATA));
	assert_int_equal(m.data.len, len);
	assert_memory_equal(m.data.p, data, len);
}

static void S1_to_S6_send(void **state)
{
	struct world *w = *state;

	assert_int_equal(send_raw(w, "9.9.9.9:9", 4, false), TP_R_NO_ALLOCATION);
	with_peer(w);
	assert_int_equal(send_raw(w, NULL, 4, false), TP_R_BAD_SEND);
	assert_int_equal(send_raw(w, "9.9.9.9:9", -1, false), TP_R_BAD_SEND);
	assert_int_equal(send_raw(w, "9.9.9.8:9", 4, false), TP_R_NO_PERMISSION);
	assert_int_equal(w->n_peer, 0);
	assert_int_equal(send_raw(w, "9.9.9.9:9", 0, false), TP_R_USER_TO_PEER);	/* S4 */
	assert_int_equal(w->n_peer, 1);
	assert_int_equal(w->peer_len, 0);
	assert_int_equal(send_data(w, "9.9.9.9:1", "any port"), TP_R_USER_TO_PEER);	/* S6 */
	assert_peer_got(w, "9.9.9.9:1", "any port");
	assert_true(address_equal(&w->peer_from, &w->relay[0]->local));
	assert_int_equal(w->peer_flags, 0);
}

static void S7_sending_refreshes_nothing(void **state)
{
	struct world *w = *state;
	unsigned int t;

	with_peer(w);
	for (t = 0; t < 310; t += 10) {
		assert_int_equal(send_data(w, "9.9.9.9:9", "x"),
				 t < 300 ? TP_R_USER_TO_PEER : TP_R_NO_PERMISSION);
		pass(w, 10 * S);
	}
}

static void S8_S12_S16_not_allowed(void **state)
{
	struct world *w = *state;

	with_peer(w);
	assert_int_equal(send_raw(w, "127.0.0.1:9", 4, false), TP_R_NO_PERMISSION);
	assert_int_equal(send_raw(w, "[2600::1]:9", 4, false), TP_R_BAD_SEND);
	assert_int_equal(send_raw(w, "9.9.9.9", 4, false), TP_R_BAD_SEND);
	assert_int_equal(w->n_peer, 0);
}

static void S9_dont_fragment(void **state)
{
	struct world *w = *state;

	with_peer(w);
	assert_int_equal(send_raw(w, "9.9.9.9:9", 1400, true), TP_R_USER_TO_PEER);
	assert_int_equal(w->peer_flags, TURN_SEND_DF);
}

/* RFC 8656 sections 13.1 to 13.3: between other families it must be ignored. */
static void S9_dont_fragment_from_4_to_6(void **state)
{
	struct world *w = *state;

	assert_int_equal(allocate_attr(w, STUN_T_ADDITIONAL_ADDRESS_FAMILY, 2), 0);
	assert_int_equal(permit(w, "2600::9"), 0);
	assert_int_equal(send_raw(w, "[2600::9]:9", 1400, true), TP_R_USER_TO_PEER);
	assert_int_equal(w->peer_flags, 0);
}

static void S11_two_peers(void **state)
{
	struct world *w = *state;

	with_peer(w);
	begin_class(w, TURN_SEND, STUN_INDICATION);
	attr_peer(w, "9.9.9.9:9");
	attr_peer(w, "9.9.9.8:8");
	attr(w, STUN_T_DATA, "x", 1);
	assert_int_equal(ask_plain(w), -1);
	assert_peer_got(w, "9.9.9.9:9", "x");
	begin_class(w, TURN_SEND, STUN_INDICATION);
	attr_peer(w, "9.9.9.8:8");
	attr_peer(w, "9.9.9.9:9");
	attr(w, STUN_T_DATA, "x", 1);
	assert_int_equal(ask_plain(w), -1);
	assert_int_equal(w->reason, TP_R_NO_PERMISSION);
	assert_int_equal(w->n_peer, 1);
}

static void S13_too_long(void **state)
{
	struct world *w = *state;

	w->path.transport = IPPROTO_TCP;
	with_peer(w);
	assert_int_equal(send_raw(w, "9.9.9.9:9", 65507, false), TP_R_USER_TO_PEER);
	assert_int_equal(send_raw(w, "9.9.9.9:9", 65508, false), TP_R_TOO_LONG);
	assert_int_equal(w->n_peer, 1);
}

static void S15_indications_are_plain(void **state)
{
	struct world *w = *state;

	with_peer(w);
	begin_class(w, TURN_SEND, STUN_INDICATION);
	attr_peer(w, "9.9.9.9:9");
	attr(w, STUN_T_DATA, "x", 1);
	attr(w, STUN_T_USERNAME, "mallory", 7);
	attr_len(w, STUN_T_MESSAGE_INTEGRITY, 20);
	assert_int_equal(ask_plain(w), -1);
	assert_int_equal(w->reason, TP_R_USER_TO_PEER);
}

static void S17_S18_S22_from_peers(void **state)
{
	struct world *w = *state;
	uint8_t txid[12];
	unsigned int sent;

	with_peer(w);
	sent = w->n_client;
	assert_int_equal(from_peer(w, "9.9.9.8:9", "x"), TP_R_NO_PERMISSION);	/* S17 */
	assert_int_equal(w->n_client, sent);
	assert_int_equal(w->notes, 0);
	assert_int_equal(from_peer(w, "9.9.9.9:9", "hello"), TP_R_USER_TO_CLIENT);
	assert_data_indication(w, "9.9.9.9:9", "hello", 5);
	memcpy(txid, w->out + 8, 12);
	assert_int_equal(from_peer(w, "9.9.9.9:10", "hello"), TP_R_USER_TO_CLIENT);
	assert_data_indication(w, "9.9.9.9:10", "hello", 5);			/* S22 */
	assert_memory_not_equal(w->out + 8, txid, 12);
	assert_true(address_equal(&w->out_path.client, &w->path.client));
}

static void S19_after_the_end(void **state)
{
	struct world *w = *state;

	with_peer(w);
	w->now.mono_ns += 600 * S;
	assert_int_equal(from_peer(w, "9.9.9.9:9", "x"), TP_R_NO_ALLOCATION);
}

/* K9: another client's relayed address is named, and seen, by its external address. */
static void K9_external_address(void **state)
{
	struct world *w = *state;

	w->relays[0].external = addr("5.5.5.5");
	world_start(w);
	assert_int_equal(allocate(w), 0);
	assert_int_equal(permit(w, "5.5.5.5"), 0);
	assert_int_equal(send_data(w, "5.5.5.5:50000", "there"), TP_R_USER_TO_PEER);
	assert_peer_got(w, "192.0.2.1:50000", "there");
	assert_int_equal(from_peer(w, "192.0.2.1:50000", "back"), TP_R_USER_TO_CLIENT);
	assert_data_indication(w, "5.5.5.5:50000", "back", 4);
	/* another socket of this host is not a relayed address */
	assert_int_equal(from_peer(w, "192.0.2.1:53", "x"), TP_R_NO_PERMISSION);
}

static void S20_sizes(void **state)
{
	/* 20 header, 12 peer, 4 head of DATA, data padded to 4: 65507 at most */
	static const struct { size_t len; enum tp_reason reason; } cases[] = {
		{ 0, TP_R_USER_TO_CLIENT }, { 1, TP_R_USER_TO_CLIENT },
		{ 65468, TP_R_USER_TO_CLIENT }, { 65469, TP_R_TOO_LONG },
		{ 65507, TP_R_TOO_LONG },
	};
	struct world *w = *state;
	struct tp_addr peer = addr("9.9.9.9:9");
	uint8_t *data = malloc(65507);
	unsigned int i;

	memset(data, 'd', 65507);
	with_peer(w);
	for (i = 0; i < 5; i++) {
		assert_int_equal(turn_from_peer(w->server, w->relay[0], &peer, data,
						cases[i].len, w->now), cases[i].reason);
		if (cases[i].reason == TP_R_USER_TO_CLIENT)
			assert_data_indication(w, "9.9.9.9:9", data, cases[i].len);
	}
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.9:9"), 0);
	assert_int_equal(turn_from_peer(w->server, w->relay[0], &peer, data, 65503, w->now),
			 TP_R_USER_TO_CLIENT);
	assert_int_equal(w->out_len, 65507);
	assert_int_equal(turn_from_peer(w->server, w->relay[0], &peer, data, 65504, w->now),
			 TP_R_TOO_LONG);
	free(data);
}

static void S21_opaque(void **state)
{
	static const uint8_t stun[20] = { 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42 };
	static const uint8_t chan[8] = { 0x40, 0, 0, 4 };
	struct world *w = *state;
	struct tp_addr peer = addr("9.9.9.9:9");

	with_peer(w);
	turn_from_peer(w->server, w->relay[0], &peer, stun, sizeof(stun), w->now);
	assert_data_indication(w, "9.9.9.9:9", stun, sizeof(stun));
	turn_from_peer(w->server, w->relay[0], &peer, chan, sizeof(chan), w->now);
	assert_data_indication(w, "9.9.9.9:9", chan, sizeof(chan));
	begin_class(w, TURN_SEND, STUN_INDICATION);
	attr_peer(w, "9.9.9.9:9");
	attr(w, STUN_T_DATA, stun, sizeof(stun));
	assert_int_equal(ask_plain(w), -1);
	assert_memory_equal(w->peer_data, stun, sizeof(stun));
}

/* ------------------------------------------------------------ ChannelData */

static void D1_D2_D13_unbound(void **state)
{
	static const uint16_t reserved_numbers[] = { 0x5000, 0x7fff, 0x8000, 0xffff };
	struct world *w = *state;
	unsigned int i;

	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_NO_ALLOCATION);
	assert_int_equal(allocate(w), 0);
	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_NO_CHANNEL);
	for (i = 0; i < 4; i++)
		assert_int_equal(send_channel(w, reserved_numbers[i], "x"), TP_R_NOT_TURN);
	assert_int_equal(w->n_peer, 0);
}

static void D3_to_D7_length(void **state)
{
	/* stated length, datagram length, what the peer gets (-1 nothing) */
	static const int cases[][3] = {
		{ 5, 8, -1 }, { 65000, 8, -1 }, { 65535, 8, -1 }, { 4, 8, 4 },
		{ 4, 9, 4 }, { 4, 11, 4 }, { 3, 8, 3 }, { 4, 1000, 4 }, { 0, 4, 0 },
		{ 0, 8, 0 }, { 1, 4, -1 }, { 0, 1, -1 }, { 0, 2, -1 }, { 0, 3, -1 },
	};
	struct world *w = *state;
	uint8_t buf[1000];
	unsigned int i, sent = 0;

	with_channel(w);
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		memset(buf, 'z', sizeof(buf));
		memcpy(buf, "\x40\0", 2);
		buf[2] = (uint8_t)(cases[i][0] >> 8);
		buf[3] = (uint8_t)cases[i][0];
		assert_int_equal(give(w, buf, (size_t)cases[i][1]), -1);
		assert_int_equal(w->reason, cases[i][2] < 0 ? TP_R_BAD_CHANNEL : TP_R_USER_TO_PEER);
		sent += cases[i][2] >= 0;
		assert_int_equal(w->n_peer, sent);
		if (cases[i][2] >= 0)
			assert_int_equal(w->peer_len, cases[i][2]);
	}
	assert_true(w->peer.port == htons(9));
}

static void D9_other_paths(void **state)
{
	struct world *w = *state;

	with_channel(w);
	w->path.client.port = htons(5001);
	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_NO_ALLOCATION);
	w->path.client.port = htons(5000);
	w->path.server = addr("192.0.2.2:3478");
	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_NO_ALLOCATION);
	w->path.server = addr("192.0.2.1:3479");
	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_NO_ALLOCATION);
	w->path.server = addr("192.0.2.1:3478");
	w->path.transport = IPPROTO_TCP;
	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_NO_ALLOCATION);
	w->path.transport = IPPROTO_UDP;
	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_USER_TO_PEER);
}

static void D10_D11_permission_over(void **state)
{
	struct world *w = *state;
	unsigned int ticks;

	for (ticks = 0; ticks < 2; ticks++) {
		client(w, ticks ? "198.51.100.7:5001" : "198.51.100.7:5000");
		with_channel(w);
		if (ticks)
			pass(w, 300 * S);
		else
			w->now.mono_ns += 300 * S;
		assert_int_equal(from_peer(w, "9.9.9.9:9", "x"), TP_R_NO_PERMISSION);
		assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_NO_PERMISSION);
		/* the channel itself is alive, and a permission brings it back */
		assert_int_equal(permit(w, "9.9.9.9"), 0);
		assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_USER_TO_PEER);
		assert_int_equal(from_peer(w, "9.9.9.9:9", "x"), TP_R_USER_TO_CLIENT);
		assert_int_equal(w->out[0], 0x40);
	}
}

static void D14_data_keeps_nothing_alive(void **state)
{
	struct world *w = *state;
	unsigned int t;

	w->conf.stale_nonce_s = 0;
	with_channel(w);
	assert_int_equal(refresh(w, 3600), 0);
	for (t = 0; t < 605; t++) {
		if (t == 299 || t == 598)
			assert_int_equal(permit(w, "9.9.9.9"), 0);
		assert_int_equal(send_channel(w, 0x4000, "x"),
				 t < 600 ? TP_R_USER_TO_PEER : TP_R_NO_CHANNEL);
		assert_int_equal(from_peer(w, "9.9.9.9:9", "x"), TP_R_USER_TO_CLIENT);
		assert_int_equal(w->out[0], t < 600 ? 0x40 : 0);
		pass(w, S);
	}
}

static void D17_bound_peer(void **state)
{
	struct world *w = *state;

	with_channel(w);
	assert_int_equal(from_peer(w, "9.9.9.9:9", "hello"), TP_R_USER_TO_CLIENT);
	assert_int_equal(w->out_len, 9);		/* not padded over UDP */
	assert_memory_equal(w->out, "\x40\0\0\5hello", 9);
	assert_int_equal(from_peer(w, "9.9.9.9:10", "hello"), TP_R_USER_TO_CLIENT);
	assert_data_indication(w, "9.9.9.9:10", "hello", 5);
}

static void D17_padded_over_tcp(void **state)
{
	struct world *w = *state;

	w->path.transport = IPPROTO_TCP;
	with_channel(w);
	assert_int_equal(from_peer(w, "9.9.9.9:9", "hello"), TP_R_USER_TO_CLIENT);
	assert_int_equal(w->out_len, 12);
	assert_memory_equal(w->out, "\x40\0\0\5hello\0\0\0", 12);
}

static void D_ipv6(void **state)
{
	struct world *w = *state;

	assert_int_equal(allocate_attr(w, STUN_T_ADDITIONAL_ADDRESS_FAMILY, 2), 0);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.9:9"), 0);
	assert_int_equal(bind_channel(w, 0x4001, "[2600::9]:9"), 0);
	assert_int_equal(send_channel(w, 0x4001, "six"), TP_R_USER_TO_PEER);
	assert_peer_got(w, "[2600::9]:9", "six");
	assert_true(address_equal(&w->peer_from, &w->relay[1]->local));
	assert_int_equal(from_peer(w, "[2600::9]:9", "six"), TP_R_USER_TO_CLIENT);
	assert_memory_equal(w->out, "\x40\1\0\3six", 7);
	assert_int_equal(from_peer(w, "[2600::9]:8", "six"), TP_R_USER_TO_CLIENT);
	assert_data_indication(w, "[2600::9]:8", "six", 3);
}

/* ------------------------------------------------------------ ICMP */

static enum tp_reason icmp(struct world *w, const char *peer, uint8_t type, uint8_t code,
			   uint32_t data)
{
	struct tp_addr a = addr(peer);

	return turn_icmp(w->server, w->relay[a.family == 6], &a, type, code, data, w->now);
}

static void I1_I2_I4_types(void **state)
{
	struct world *w = *state;
	unsigned int type, n = 0;

	assert_int_equal(allocate_attr(w, STUN_T_ADDITIONAL_ADDRESS_FAMILY, 2), 0);
	assert_int_equal(permit(w, "9.9.9.9"), 0);
	assert_int_equal(permit(w, "2600::9"), 0);
	for (type = 0; type < 256; type++) {
		bool four = type == 3 || type == 11, six = type >= 1 && type <= 3;

		assert_int_equal(icmp(w, "9.9.9.9:9", (uint8_t)type, 1, 0),
				 four ? TP_R_ICMP_RELAYED : TP_R_ICMP_IGNORED);
		assert_int_equal(icmp(w, "[2600::9]:9", (uint8_t)type, 1, 0),
				 six ? TP_R_ICMP_RELAYED : TP_R_ICMP_IGNORED);
		n += four + six;
	}
	assert_int_equal(n, 5);
	assert_int_equal(icmp(w, "9.9.9.8:9", 3, 1, 0), TP_R_ICMP_IGNORED);	/* I2 */
}

static void I1_I6_I8_indication(void **state)
{
	static const uint8_t mtu[12] = { 0x80, 4, 0, 8, 0, 0, 6, 4, 0, 0, 5, 0x78 };
	static const uint8_t port[12] = { 0x80, 4, 0, 8, 0, 0, 6, 3, 0, 0, 0, 0 };
	struct world *w = *state;
	struct stun_msg m;

	with_channel(w);		/* I8: though a channel is bound */
	assert_int_equal(icmp(w, "9.9.9.9:9", 3, 4, 1400), TP_R_ICMP_RELAYED);
	assert_int_equal(stun_parse(&m, w->out, w->out_len), STUN_OK);
	assert_int_equal(m.method, TURN_DATA);
	assert_int_equal(m.has, STUN_BIT(XOR_PEER_ADDRESS) | STUN_BIT(ICMP));
	assert_int_equal(m.peer.port, htons(9));
	assert_memory_equal(w->out + w->out_len - 12, mtu, 12);
	assert_int_equal(icmp(w, "9.9.9.9", 3, 3, 1400), TP_R_ICMP_RELAYED);
	assert_memory_equal(w->out + w->out_len - 12, port, 12);
	assert_int_equal(w->chans + w->perms + w->allocs, 3);
}

static void I7_rate(void **state)
{
	struct world *w = *state;
	unsigned int i, n = 0;

	with_peer(w);
	for (i = 0; i < 1000; i++)
		n += icmp(w, "9.9.9.9:9", 3, 3, 0) == TP_R_ICMP_RELAYED;
	assert_int_equal(n, 10);
	pass(w, S);
	assert_int_equal(icmp(w, "9.9.9.9:9", 3, 3, 0), TP_R_ICMP_RELAYED);
	assert_int_equal(w->allocs, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(S1_to_S6_send), T(S7_sending_refreshes_nothing), T(S8_S12_S16_not_allowed),
		T(S9_dont_fragment), T(S9_dont_fragment_from_4_to_6), T(S11_two_peers),
		T(S13_too_long),
		T(S15_indications_are_plain), T(S17_S18_S22_from_peers), T(S19_after_the_end),
		T(K9_external_address), T(S20_sizes), T(S21_opaque), T(D1_D2_D13_unbound), T(D3_to_D7_length),
		T(D9_other_paths), T(D10_D11_permission_over), T(D14_data_keeps_nothing_alive),
		T(D17_bound_peer), T(D17_padded_over_tcp), T(D_ipv6), T(I1_I2_I4_types),
		T(I1_I6_I8_indication), T(I7_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
