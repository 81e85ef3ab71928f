// SPDX-License-Identifier: MIT
/* Refresh, expiry and what meets at one moment: groups R and G, E20. */
#include "turn_harness.h"

static void R1_R3_R11_none(void **state)
{
	struct world *w = *state;

	challenge(w);
	assert_int_equal(refresh(w, -1), 437);
	assert_int_equal(allocate(w), 0);
	assert_int_equal(refresh(w, 0), 0);
	assert_int_equal(w->reply.lifetime, 0);
	assert_int_equal(refresh(w, 0), 437);
	assert_int_equal(allocate(w), 0);
	client(w, "198.51.100.7:5001");
	challenge(w);
	assert_int_equal(refresh(w, -1), 437);
	assert_int_equal(w->allocs, 1);
}

static void R2_everything_goes(void **state)
{
	struct world *w = *state;

	assert_int_equal(allocate(w), 0);
	assert_int_equal(permit(w, "9.9.9.1"), 0);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.2:2"), 0);
	assert_int_equal(w->perms, 2);
	assert_int_equal(refresh(w, 0), 0);
	assert_int_equal(w->allocs + w->perms + w->chans + w->sockets, 0);
	assert_int_equal(send_channel(w, 0x4000, "late"), TP_R_NO_ALLOCATION);	/* D16 */
	assert_int_equal(w->n_peer, 0);
}

static int refresh_family(struct world *w, uint8_t family, uint32_t lifetime)
{
	begin(w, TURN_REFRESH);
	attr_u8(w, STUN_T_REQUESTED_ADDRESS_FAMILY, family);
	stun_put_u32(&w->w, STUN_T_LIFETIME, lifetime);
	return ask(w);
}

static void R5_R6_family(void **state)
{
	struct world *w = *state;

	assert_int_equal(allocate(w), 0);
	assert_int_equal(refresh_family(w, 2, 700), 443);
	assert_int_equal(refresh_family(w, 0, 700), 443);
	assert_int_equal(refresh_family(w, 1, 700), 0);
	assert_int_equal(refresh_family(w, 1, 0), 0);
	assert_int_equal(w->allocs, 0);

	assert_int_equal(allocate_attr(w, STUN_T_ADDITIONAL_ADDRESS_FAMILY, 2), 0);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.2:2"), 0);
	assert_int_equal(bind_channel(w, 0x4001, "[2600::2]:2"), 0);
	assert_int_equal(refresh_family(w, 1, 0), 0);
	assert_int_equal(w->allocs, 1);
	assert_int_equal(w->sockets, 1);
	assert_int_equal(w->chans, 1);
	assert_int_equal(w->perms, 1);
	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_NO_CHANNEL);
	assert_int_equal(send_channel(w, 0x4001, "x"), TP_R_USER_TO_PEER);
	assert_int_equal(refresh_family(w, 1, 700), 443);
	assert_int_equal(permit(w, "9.9.9.9"), 443);
	assert_int_equal(turn_shared_allocations(w->shared), 1);
	assert_int_equal(refresh_family(w, 2, 0), 0);
	assert_int_equal(w->allocs, 0);
}

static void R7_unauthenticated(void **state)
{
	struct world *w = *state;

	assert_int_equal(allocate(w), 0);
	begin(w, TURN_REFRESH);
	stun_put_u32(&w->w, STUN_T_LIFETIME, 0);
	assert_int_equal(ask_plain(w), 401);
	assert_int_equal(w->allocs, 1);
}

static void R8_G2_expiry(void **state)
{
	struct world *w = *state;

	w->conf.stale_nonce_s = 0;
	assert_int_equal(allocate(w), 0);
	w->now.mono_ns += 600 * S - MS;		/* no tick comes by */
	assert_int_equal(refresh(w, -1), 0);
	w->now.mono_ns += 600 * S + MS;
	assert_int_equal(refresh(w, -1), 437);
	assert_int_equal(w->allocs, 0);
	assert_int_equal(allocate(w), 0);	/* G1 */
	w->now.mono_ns += 600 * S;
	assert_int_equal(allocate(w), 0);	/* the old one is over to the nanosecond */
	assert_int_equal(w->sockets, 1);
	pass(w, 600 * S - 1);
	assert_int_equal(w->sockets, 1);
	pass(w, 1);
	assert_int_equal(w->sockets, 0);
}

static void R9_extends_nothing_else(void **state)
{
	struct world *w = *state;

	assert_int_equal(allocate(w), 0);
	assert_int_equal(permit(w, "9.9.9.1"), 0);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.2:2"), 0);
	pass(w, 299 * S);
	assert_int_equal(refresh(w, 3600), 0);
	assert_int_equal(w->perms, 2);
	pass(w, 1 * S);
	assert_int_equal(w->perms, 0);
	assert_int_equal(w->chans, 1);
	pass(w, 300 * S);
	assert_int_equal(w->chans, 0);
	assert_int_equal(w->allocs, 1);
}

static void R10_no_growth(void **state)
{
	struct world *w = *state;
	unsigned int i;

	assert_int_equal(allocate(w), 0);
	for (i = 0; i < 10000; i++)
		assert_int_equal(refresh(w, 600 + i % 3000), 0);
	assert_true(turn_tick(w->server, w->now) == w->relay[0]->expires_ns);
	assert_int_equal(w->allocs, 1);
}

/* ------------------------------------------------------------ races */

static void G1_batch(void **state)
{
	struct world *w = *state;
	unsigned int port;

	assert_int_equal(allocate(w), 0);
	port = relayed_port(w);
	assert_int_equal(refresh(w, 0), 0);
	assert_int_equal(allocate(w), 0);
	assert_int_not_equal(relayed_port(w), port);
}

static void G8_address_of_another_user(void **state)
{
	struct world *w = *state;

	assert_int_equal(allocate(w), 0);
	assert_int_equal(permit(w, "9.9.9.1"), 0);
	w->user = "bob";
	w->password = "builder";
	assert_int_equal(allocate(w), 437);
	pass(w, 600 * S);
	assert_int_equal(allocate(w), 0);
	assert_int_equal(from_peer(w, "9.9.9.1:1", "for alice"), TP_R_NO_PERMISSION);
}

static void G7_late_permission(void **state)
{
	struct world *w = *state;
	uint8_t late[512];
	size_t len;

	assert_int_equal(allocate(w), 0);
	assert_int_equal(permit(w, "9.9.9.1"), 0);
	len = w->w.len;
	memcpy(late, w->buf, len);
	assert_int_equal(refresh(w, 0), 0);
	assert_int_equal(give(w, late, len), 437);
	assert_int_equal(allocate(w), 0);
	assert_int_equal(give(w, late, len), 0);
	assert_int_equal(w->perms, 1);
}

static void G18_drain(void **state)
{
	struct world *w = *state;
	uint8_t again[512];
	size_t len;

	assert_int_equal(allocate(w), 0);
	len = w->w.len;
	memcpy(again, w->buf, len);
	turn_server_drain(w->server, true);
	assert_int_equal(give(w, again, len), 0);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.9:9"), 0);
	assert_int_equal(refresh(w, -1), 0);
	client(w, "198.51.100.7:5001");
	assert_int_equal(allocate(w), 508);
	assert_int_equal(w->allocs, 1);
	turn_server_drain(w->server, false);
	assert_int_equal(allocate(w), 0);
}

static void kicked(void **state)
{
	struct world *w = *state;

	assert_int_equal(allocate(w), 0);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.9:9"), 0);
	end_alloc(w);
	assert_int_equal(w->allocs + w->perms + w->chans + w->sockets, 0);
	assert_int_equal(refresh(w, -1), 437);
}

static void G9_two_ports_of_one_client(void **state)
{
	struct world *w = *state;

	assert_int_equal(allocate(w), 0);
	client(w, "198.51.100.7:5001");
	assert_int_equal(allocate(w), 0);
	assert_int_equal(w->allocs, 2);
}

static void G13_clocks(void **state)
{
	static const uint64_t starts[] = { (1ULL << 31) - 300, (1ULL << 32) - 300,
					   18000000000ULL };
	struct world *w = *state;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		w->now.mono_ns = starts[i] * S;
		w->nonce_len = 0;
		assert_int_equal(allocate(w), 0);
		assert_int_equal(bind_channel(w, 0x4000, "9.9.9.2:2"), 0);
		pass(w, 299 * S);
		assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_USER_TO_PEER);
		assert_int_equal(refresh(w, -1), 0);
		pass(w, 2 * S);
		assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_NO_PERMISSION);
		assert_int_equal(permit(w, "9.9.9.2"), 0);
		assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_USER_TO_PEER);
		pass(w, 600 * S);
		assert_int_equal(w->allocs, 0);
	}
	w->now.mono_ns = 18000002000ULL * S;
}

static void G17_halves_are_independent(void **state)
{
	struct world *w = *state;

	w->conf.stale_nonce_s = 0;
	assert_int_equal(allocate_attr(w, STUN_T_ADDITIONAL_ADDRESS_FAMILY, 2), 0);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.2:2"), 0);
	assert_int_equal(refresh_family(w, 2, 3600), 0);
	pass(w, 600 * S);
	assert_int_equal(w->sockets, 1);
	assert_int_equal(w->allocs, 1);
	assert_int_equal(w->chans, 0);
	assert_int_equal(permit(w, "9.9.9.9"), 443);
	assert_int_equal(permit(w, "2600::1"), 0);
	assert_int_equal(from_peer(w, "[2600::1]:1", "x"), TP_R_USER_TO_CLIENT);
	pass(w, 3000 * S);
	assert_int_equal(w->allocs, 0);
}

static void G17_without_a_tick(void **state)
{
	struct world *w = *state;

	w->conf.stale_nonce_s = 0;
	assert_int_equal(allocate_attr(w, STUN_T_ADDITIONAL_ADDRESS_FAMILY, 2), 0);
	assert_int_equal(refresh_family(w, 2, 3600), 0);
	w->now.mono_ns += 600 * S;
	assert_int_equal(permit(w, "2600::1"), 0);
	assert_int_equal(w->sockets, 1);
}

static void E20_many_at_once(void **state)
{
	struct world *w = *state;
	unsigned int i, ticks = 0;
	char from[32];

	for (i = 0; i < 3000; i++) {
		snprintf(from, sizeof(from), "198.51.100.7:%u", 1000 + i);
		client(w, from);
		assert_int_equal(allocate(w), 0);
	}
	w->now.mono_ns += 601 * S;
	while (turn_tick(w->server, w->now) <= w->now.mono_ns)
		ticks++;
	assert_in_range(ticks, 5, 20);		/* a budget for each */
	assert_int_equal(w->allocs, 0);
}

/* A permission's lease ends with its allocation, until that is refreshed. */
static void lease_of_a_permission(void **state)
{
	struct world *w = *state;

	assert_int_equal(allocate(w), 0);
	assert_int_equal(permit(w, "9.9.9.9"), 0);
	assert_int_equal(w->perm_lease_ns, w->now.mono_ns + 300 * S);
	w->now.mono_ns += 400 * S;
	assert_int_equal(permit(w, "9.9.9.9"), 0);
	assert_int_equal(w->perm_lease_ns, w->relay[0]->expires_ns);
	assert_int_equal(w->perm_lease_ns, w->now.mono_ns + 200 * S);
	assert_int_equal(refresh(w, 600), 0);
	assert_int_equal(w->perm_lease_ns, w->now.mono_ns + 300 * S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(R1_R3_R11_none), T(R2_everything_goes), T(R5_R6_family), T(R7_unauthenticated),
		T(lease_of_a_permission), T(R8_G2_expiry), T(R9_extends_nothing_else), T(R10_no_growth), T(G1_batch),
		T(G8_address_of_another_user), T(G7_late_permission),
		T(G18_drain), T(kicked), T(G9_two_ports_of_one_client), T(G13_clocks),
		T(G17_halves_are_independent), T(G17_without_a_tick),
		 T(E20_many_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
