// SPDX-License-Identifier: MIT
/* CreatePermission and ChannelBind: groups P and C, E5. */
#include "turn_harness.h"

/* Count peers 9.9.0.0 and on, n of them from `from`, in one request. */
static int permit_many(struct world *w, unsigned int from, unsigned int n)
{
	struct tp_addr a = addr("9.9.0.0");
	unsigned int i;

	begin(w, TURN_CREATE_PERMISSION);
	for (i = from; i < from + n; i++) {
		a.ip[2] = (uint8_t)(i >> 8);
		a.ip[3] = (uint8_t)i;
		stun_put_xor_addr(&w->w, STUN_T_XOR_PEER_ADDRESS, &a);
	}
	return ask(w);
}

static void P1_none(void **state)
{
	struct world *w = *state;

	assert_int_equal(allocate(w), 0);
	begin(w, TURN_CREATE_PERMISSION);
	assert_int_equal(ask(w), 400);
}

static void P2_P3_P4_one_of_ten(void **state)
{
	static const struct { const char *peer; int code; } cases[] = {
		{ NULL, 400 }, { "[2600::1]:1", 443 }, { "127.0.0.1:1", 403 },
		{ "10.0.0.1:1", 403 }, { "9.9.9.9:9", 0 },
	};
	struct world *w = *state;
	unsigned int i, place;

	assert_int_equal(allocate(w), 0);
	for (i = 0; i < 5; i++) {
		for (place = 0; place < 10; place += 3) {
			unsigned int k;
			char peer[32];

			begin(w, TURN_CREATE_PERMISSION);
			for (k = 0; k < 10; k++) {
				snprintf(peer, sizeof(peer), "9.9.1.%u:1", k);
				if (k != place)
					attr_peer(w, peer);
				else if (cases[i].peer)
					attr_peer(w, cases[i].peer);
				else
					attr_len(w, STUN_T_XOR_PEER_ADDRESS, 7);
			}
			assert_int_equal(ask(w), cases[i].code);
			assert_int_equal(w->perms, cases[i].code ? 0 : place ? 11 : 10);
		}
	}
}

static void P6_P15_E5_cap(void **state)
{
	struct world *w = *state;
	unsigned int i;

	assert_int_equal(allocate(w), 0);
	for (i = 0; i < 1000; i += 200)
		assert_int_equal(permit_many(w, i, 200), 0);	/* P15 */
	/* all or none */
	assert_int_equal(permit_many(w, 2000, 25), 508);
	assert_int_equal(w->perms, 1000);
	assert_int_equal(permit_many(w, 1000, 24), 0);
	assert_int_equal(w->perms, 1024);
	assert_int_equal(permit_many(w, 1024, 1), 508);
	assert_int_equal(permit_many(w, 500, 100), 0);	/* refreshing is always possible */
	assert_int_equal(bind_channel(w, 0x4000, "9.9.4.0:1"), 508);
	assert_int_equal(w->chans, 0);				/* C10: no half state */
	assert_int_equal(bind_channel(w, 0x4000, "9.9.0.1:1"), 0);
	pass(w, 300 * S);
	assert_int_equal(w->perms, 0);
	assert_int_equal(permit_many(w, 5000, 200), 0);
}

static void P7_P8_ports(void **state)
{
	struct world *w = *state;

	assert_int_equal(allocate(w), 0);
	begin(w, TURN_CREATE_PERMISSION);
	attr_peer(w, "9.9.9.9:1");
	attr_peer(w, "9.9.9.9:2");
	attr_peer(w, "9.9.9.9");
	assert_int_equal(ask(w), 0);
	assert_int_equal(w->perms, 1);
	assert_int_equal(permit(w, "9.9.9.8"), 0);		/* P8 */
}

static void P9_P12_C9_C17(void **state)
{
	struct world *w = *state;

	challenge(w);
	assert_int_equal(permit(w, "9.9.9.9"), 437);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.9:9"), 437);
	assert_int_equal(allocate(w), 0);
	w->user = "bob";
	w->password = "builder";
	assert_int_equal(permit(w, "9.9.9.9"), 441);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.9:9"), 441);
	assert_int_equal(w->perms + w->chans, 0);
}

static void P10_lifetime(void **state)
{
	struct world *w = *state;

	assert_int_equal(allocate(w), 0);
	assert_int_equal(permit(w, "9.9.9.9"), 0);
	w->now.mono_ns += 299 * S;			/* no tick: the check is the packet's */
	assert_int_equal(from_peer(w, "9.9.9.9:9", "x"), TP_R_USER_TO_CLIENT);
	w->now.mono_ns += 1 * S;
	assert_int_equal(from_peer(w, "9.9.9.9:9", "x"), TP_R_NO_PERMISSION);
	assert_int_equal(permit(w, "9.9.9.9"), 0);
	assert_int_equal(from_peer(w, "9.9.9.9:9", "x"), TP_R_USER_TO_CLIENT);
	assert_int_equal(w->perms, 1);
}

static void P11_C15_again(void **state)
{
	struct world *w = *state;

	assert_int_equal(allocate(w), 0);
	assert_int_equal(permit(w, "9.9.9.9"), 0);
	assert_int_equal(ask_plain(w), 0);
	assert_int_equal(w->perms, 1);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.9:9"), 0);
	assert_int_equal(ask_plain(w), 0);
	assert_int_equal(w->chans, 1);
	assert_int_equal(w->perms, 1);
}

static void P13_P14_own(void **state)
{
	struct world *w = *state;
	struct tp_addr other;
	char peer[ADDRESS_TEXT];

	assert_int_equal(allocate(w), 0);
	other = w->reply.relayed;
	client(w, "198.51.100.7:5001");
	assert_int_equal(allocate(w), 0);
	assert_int_equal(permit(w, "192.0.2.1:3478"), 403);		/* P13 */
	assert_int_equal(permit(w, "192.0.2.1:22"), 403);
	assert_int_equal(bind_channel(w, 0x4000, "192.0.2.1:3478"), 403);
	assert_int_equal(bind_channel(w, 0x4000, "192.0.2.1:80"), 403);
	assert_int_equal(w->perms, 0);
	assert_int_equal(permit(w, "192.0.2.1"), 0);			/* P14 */
	/* the permission is for the address; the gate still sees the port */
	assert_int_equal(send_data(w, "192.0.2.1:3478", "loop"), TP_R_BAD_SEND);
	assert_int_equal(send_data(w, "192.0.2.1:22", "ssh"), TP_R_BAD_SEND);
	assert_int_equal(w->n_peer, 0);
	assert_int_equal(send_data(w, address_text(&other, peer), "hi"), TP_R_USER_TO_PEER);
	assert_int_equal(bind_channel(w, 0x4000, peer), 0);
	assert_int_equal(permit(w, "198.51.100.7"), 403);	/* documentation range */
}

static void P16_client_itself(void **state)
{
	struct world *w = *state;

	client(w, "8.8.4.4:5000");
	assert_int_equal(allocate(w), 0);
	assert_int_equal(permit(w, "8.8.4.4:5000"), 0);
	assert_int_equal(send_data(w, "8.8.4.4:5000", "x"), TP_R_USER_TO_PEER);
}

/* ------------------------------------------------------------ ChannelBind */

static void C1_C2_missing(void **state)
{
	struct world *w = *state;

	assert_int_equal(allocate(w), 0);
	begin(w, TURN_CHANNEL_BIND);
	attr_peer(w, "9.9.9.9:9");
	assert_int_equal(ask(w), 400);
	begin(w, TURN_CHANNEL_BIND);
	attr_channel(w, 0x4000);
	assert_int_equal(ask(w), 400);
}

static void C3_numbers(void **state)
{
	static const uint16_t wrong[] = { 0, 0x3fff, 0x5000, 0x7fff, 0x8000, 0xffff };
	struct world *w = *state;
	unsigned int i;

	assert_int_equal(allocate(w), 0);
	for (i = 0; i < 6; i++)
		assert_int_equal(bind_channel(w, wrong[i], "9.9.9.9:9"), 400);
	assert_int_equal(w->chans + w->perms, 0);
	w->conf.channels_5766 = true;
	assert_int_equal(bind_channel(w, 0x8000, "9.9.9.9:9"), 400);
	assert_int_equal(bind_channel(w, 0x7fff, "9.9.9.9:9"), 0);
	assert_int_equal(send_channel(w, 0x7fff, "old client"), TP_R_USER_TO_PEER);
}

/* What the kernel is told ends with the first of channel, permission and relay. */
static void channel_lease(void **state)
{
	struct world *w = *state;
	uint64_t start = w->now.mono_ns;

	assert_int_equal(allocate(w), 0);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.9:9"), 0);
	assert_int_equal(w->lease_ns, start + 300 * S);
	pass(w, 200 * S);
	assert_int_equal(permit(w, "9.9.9.9"), 0);
	assert_int_equal(w->lease_ns, start + 500 * S);
	pass(w, 200 * S);
	assert_int_equal(permit(w, "9.9.9.9"), 0);
	assert_int_equal(w->lease_ns, start + 600 * S);
	assert_int_equal(refresh(w, 3600), 0);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.9:9"), 0);
	assert_int_equal(w->lease_ns, start + 700 * S);
	/* another channel of the same permission: a small step is not worth a row */
	pass(w, 1 * S);
	assert_int_equal(bind_channel(w, 0x4001, "9.9.9.9:8"), 0);
	assert_int_equal(w->lease_ns, start + 701 * S);
	assert_int_equal(w->chans_kept, 5);
	pass(w, 10 * S);
	assert_int_equal(permit(w, "9.9.9.9"), 0);
	assert_int_equal(w->chans_kept, 7);
	/* and never is it longer than what it stands for */
	assert_int_equal(refresh(w, 0), 0);
	assert_int_equal(w->chans, 0);
}

static void C4_C5_C6_pairs(void **state)
{
	struct world *w = *state;

	assert_int_equal(allocate(w), 0);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.9:9"), 0);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.9:8"), 400);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.8:9"), 400);
	assert_int_equal(bind_channel(w, 0x4001, "9.9.9.9:9"), 400);
	assert_int_equal(w->chans, 1);
	assert_int_equal(w->perms, 1);
	/* C6 */
	pass(w, 299 * S);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.9:9"), 0);
	/* when made, with its permission's new end, and with its own */
	assert_int_equal(w->chans_kept, 3);
	assert_int_equal(w->perms_kept, 2);
	assert_int_equal(refresh(w, 3600), 0);
	pass(w, 299 * S);
	assert_int_equal(w->perms, 1);
	pass(w, 1 * S);
	assert_int_equal(w->perms, 0);
	pass(w, 299 * S);
	assert_int_equal(w->chans, 1);
	pass(w, 1 * S);
	assert_int_equal(w->chans, 0);
}

static void C7_C8_C11_peer(void **state)
{
	struct world *w = *state;

	assert_int_equal(allocate(w), 0);
	assert_int_equal(bind_channel(w, 0x4000, "[2600::1]:9"), 443);
	assert_int_equal(bind_channel(w, 0x4000, "127.0.0.1:9"), 403);
	assert_int_equal(bind_channel(w, 0x4000, "10.0.0.1:9"), 403);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.9"), 403);	/* C11 */
	assert_int_equal(w->chans + w->perms, 0);
}

static void C12_all(void **state)
{
	struct world *w = *state;
	unsigned int i;
	char peer[32];

	w->conf.stale_nonce_s = 0;
	assert_int_equal(allocate(w), 0);
	for (i = 0; i < 4096; i++) {
		snprintf(peer, sizeof(peer), "9.9.9.%u:%u", i % 256, 1000 + i);
		assert_int_equal(bind_channel(w, (uint16_t)(0x4000 + i), peer), 0);
	}
	assert_int_equal(w->chans, 4096);
	assert_int_equal(bind_channel(w, 0x4fff, "9.9.8.1:1"), 400);
	w->conf.channels_5766 = true;
	assert_int_equal(bind_channel(w, 0x5000, "9.9.8.1:1"), 508);
	for (i = 0; i < 4096; i++) {
		snprintf(peer, sizeof(peer), "9.9.9.%u:%u", i % 256, 1000 + i);
		assert_int_equal(send_channel(w, (uint16_t)(0x4000 + i), peer),
				 TP_R_USER_TO_PEER);
		assert_peer_got(w, peer, peer);
	}
	assert_int_equal(refresh(w, 0), 0);
	assert_int_equal(w->chans + w->perms, 0);
}

static void C13_mapped(void **state)
{
	struct world *w = *state;

	assert_int_equal(allocate(w), 0);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.9:9"), 0);
	assert_int_equal(bind_channel(w, 0x4001, "[::ffff:9.9.9.9]:9"), 443);
	assert_int_equal(refresh(w, 0), 0);
	assert_int_equal(allocate_attr(w, STUN_T_ADDITIONAL_ADDRESS_FAMILY, 2), 0);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.9:9"), 0);
	assert_int_equal(bind_channel(w, 0x4001, "[::ffff:9.9.9.9]:9"), 403);
	assert_int_equal(w->chans, 1);
}

static void C14_rebind_after_expiry(void **state)
{
	struct world *w = *state;

	w->conf.stale_nonce_s = 0;
	assert_int_equal(allocate(w), 0);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.9:9"), 0);
	assert_int_equal(refresh(w, 3600), 0);
	w->now.mono_ns += 600 * S;			/* no tick has seen it */
	assert_int_equal(permit(w, "9.9.9.9"), 0);
	assert_int_equal(from_peer(w, "9.9.9.9:9", "old"), TP_R_USER_TO_CLIENT);
	assert_int_equal(w->out[0], 0);
	assert_int_equal(send_channel(w, 0x4000, "old"), TP_R_NO_CHANNEL);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.8:8"), 0);
	assert_int_equal(w->chans, 1);
	assert_int_equal(permit(w, "9.9.9.9"), 0);
	assert_int_equal(from_peer(w, "9.9.9.9:9", "old"), TP_R_USER_TO_CLIENT);
	assert_int_equal(w->out[0], 0);			/* a Data indication, no channel */
	assert_int_equal(send_channel(w, 0x4000, "new"), TP_R_USER_TO_PEER);
	assert_peer_got(w, "9.9.9.8:8", "new");
	w->now.mono_ns += 600 * S;
	assert_int_equal(bind_channel(w, 0x4001, "9.9.9.8:8"), 0);
	assert_int_equal(w->chans, 1);
}

static void C16_two_peers(void **state)
{
	struct world *w = *state;

	assert_int_equal(allocate(w), 0);
	begin(w, TURN_CHANNEL_BIND);
	attr_channel(w, 0x4000);
	attr_peer(w, "9.9.9.9:9");
	attr_peer(w, "127.0.0.1:9");
	assert_int_equal(ask(w), 0);
	assert_int_equal(w->perms, 1);
	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_USER_TO_PEER);
	assert_peer_got(w, "9.9.9.9:9", "x");
}

static void C18_D12_two_allocations(void **state)
{
	struct world *w = *state;
	struct turn_relay *first;
	unsigned int i;

	assert_int_equal(allocate(w), 0);
	first = w->relay[0];
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.9:9"), 0);
	client(w, "198.51.100.7:5001");
	assert_int_equal(allocate(w), 0);
	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_NO_CHANNEL);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.9:9"), 0);
	for (i = 0; i < 1000; i++) {
		bool one = i % 3;
		const struct turn_relay *relay = one ? first : w->relay[0];

		w->path.client.port = htons(one ? 5000 : 5001);
		assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_USER_TO_PEER);
		assert_true(address_equal(&w->peer_from, &relay->local));
		assert_int_equal(turn_from_peer(w->server, one ? first : w->relay[0], &w->peer,
						(const uint8_t *)"y", 1, w->now),
				 TP_R_USER_TO_CLIENT);
		assert_true(address_equal(&w->out_path.client, &w->path.client));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(P1_none), T(P2_P3_P4_one_of_ten), T(P6_P15_E5_cap), T(P7_P8_ports),
		T(P9_P12_C9_C17), T(P10_lifetime), T(P11_C15_again), T(P13_P14_own),
		T(P16_client_itself), T(C1_C2_missing), T(C3_numbers), T(channel_lease),
		T(P16_client_itself), T(C1_C2_missing), T(C3_numbers), T(C4_C5_C6_pairs),
		T(C7_C8_C11_peer), T(C12_all), T(C13_mapped), T(C14_rebind_after_expiry),
		T(C16_two_peers), T(C18_D12_two_allocations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
