// SPDX-License-Identifier: MIT
/* EVEN-PORT and RESERVATION-TOKEN: L10 to L12, L18 to L20, G11, G12, E13. */
#include "turn_harness.h"

static int allocate_token(struct world *w, const uint8_t token[8])
{
	allocate_begin(w);
	attr(w, STUN_T_RESERVATION_TOKEN, token, 8);
	return ask(w);
}

static void L10_L12_reservation(void **state)
{
	struct world *w = *state;
	uint8_t token[8];
	unsigned int port;

	assert_int_equal(allocate_token(w, (const uint8_t *)"12345678"), 508);
	assert_int_equal(allocate_even(w, 0x80), 0);
	port = relayed_port(w);
	assert_int_equal(port & 1, 0);
	assert_true(w->reply.has & STUN_BIT(RESERVATION_TOKEN));
	memcpy(token, w->reply.token.p, 8);
	assert_int_equal(turn_shared_ports(w->shared), 2);
	assert_int_equal(ask_plain(w), 0);		/* retransmission: the same token */
	assert_memory_equal(w->reply.token.p, token, 8);

	client(w, "198.51.100.7:5001");
	w->user = "bob";
	w->password = "builder";
	assert_int_equal(allocate_token(w, token), 508);	/* L12 */
	w->user = "alice";
	w->password = "wonder";
	assert_int_equal(allocate_token(w, token), 0);
	assert_int_equal(relayed_port(w), port + 1);
	client(w, "198.51.100.7:5002");
	assert_int_equal(allocate_token(w, token), 508);	/* used up */
}

/* Of two ports, one is taken and the other one held for whoever has the token. */
static void hold_the_last(struct world *w, uint8_t token[8])
{
	w->conf.min_port = 50000;
	w->conf.max_port = 50001;
	world_start(w);
	assert_int_equal(allocate_even(w, 0x80), 0);
	memcpy(token, w->reply.token.p, 8);
	assert_int_equal(relayed_port(w), 50000);
	client(w, "198.51.100.7:5001");
	challenge(w);
}

static void L20_held_and_claimed(void **state)
{
	struct world *w = *state;
	uint8_t token[8];

	hold_the_last(w, token);
	pass(w, 30 * S - 1);
	assert_int_equal(allocate(w), 508);		/* still held ... */
	assert_int_equal(allocate_token(w, token), 0);	/* ... for this */
	assert_int_equal(relayed_port(w), 50001);
}

static void L20_G11_over(void **state)
{
	struct world *w = *state;
	uint8_t token[8];

	hold_the_last(w, token);
	pass(w, 30 * S);
	assert_int_equal(allocate_token(w, token), 508);
	w->port_reserved[50001] = false;
	assert_int_equal(allocate(w), 0);		/* anybody may have the port */
	assert_int_equal(relayed_port(w), 50001);
}

static void L11_guessing(void **state)
{
	struct world *w = *state;
	uint8_t token[8];
	unsigned int i;

	assert_int_equal(allocate_even(w, 0x80), 0);
	memcpy(token, w->reply.token.p, 8);
	client(w, "198.51.100.7:5001");
	for (i = 0; i < 64; i++) {		/* as near as it gets */
		token[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_equal(allocate_token(w, token), 508);
		token[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (i = 0; i < 10000; i++) {
		uint8_t guess[8];

		host_random(w, guess, 8);
		assert_int_equal(allocate_token(w, guess), 508);
	}
	assert_int_equal(allocate_token(w, token), 0);
}

static void L18_no_pair(void **state)
{
	struct world *w = *state;

	w->conf.min_port = 50001;	/* 50002 has no 50003 */
	w->conf.max_port = 50002;
	world_start(w);
	assert_int_equal(allocate_even(w, 0x80), 508);
	assert_int_equal(turn_shared_ports(w->shared), 0);
	assert_int_equal(allocate_even(w, 0), 0);
	assert_int_equal(relayed_port(w), 50002);
	client(w, "198.51.100.7:5001");
	assert_int_equal(allocate_even(w, 0), 508);
	assert_int_equal(allocate(w), 0);
	assert_int_equal(relayed_port(w), 50001);
}

static void L18_half_a_pair(void **state)
{
	struct world *w = *state;

	w->conf.min_port = 50000;
	w->conf.max_port = 50001;
	world_start(w);
	assert_int_equal(allocate_even(w, 0), 0);
	client(w, "198.51.100.7:5001");
	assert_int_equal(allocate(w), 0);		/* 50001 */
	client(w, "198.51.100.7:5000");
	challenge(w);
	assert_int_equal(refresh(w, 0), 0);
	pass(w, 61 * S);
	assert_int_equal(allocate_even(w, 0x80), 508);
	assert_int_equal(turn_shared_ports(w->shared), 1);
	assert_int_equal(allocate(w), 0);
	assert_int_equal(relayed_port(w), 50000);
}

static void L19_no_leak(void **state)
{
	struct world *w = *state;
	unsigned int i;

	w->conf.stale_nonce_s = 0;
	for (i = 0; i < 3000; i++) {
		assert_int_equal(allocate_even(w, i & 1 ? 0x80 : 0), 0);
		assert_int_equal(refresh(w, 0), 0);
		pass(w, 5 * S);
	}
	pass(w, 61 * S);
	assert_int_equal(turn_shared_ports(w->shared), 0);
}

static void G12_token_collision(void **state)
{
	struct world *w = *state;

	challenge(w);
	w->random_constant = true;
	assert_int_equal(allocate_even(w, 0x80), 0);
	client(w, "198.51.100.7:5001");
	challenge(w);
	/* the same token again would be the only draw: no capacity, no second owner */
	assert_int_equal(allocate_even(w, 0x80), 508);
	w->random_constant = false;
	assert_int_equal(allocate_even(w, 0x80), 0);
}

static void E13_tokens_per_user(void **state)
{
	struct world *w = *state;
	unsigned int i, made = 0;
	uint8_t last[8], token[8];
	char from[32];

	for (i = 0; i < 12; i++) {
		snprintf(from, sizeof(from), "198.51.100.7:%u", 6000 + i);
		client(w, from);
		if (allocate_even(w, 0x80))
			continue;
		memcpy(last, w->reply.token.p, 8);
		made++;
	}
	assert_int_equal(made, 8);
	memcpy(token, last, 8);			/* one that is claimed makes room */
	assert_int_equal(allocate_token(w, token), 0);
	client(w, "198.51.100.7:6100");
	assert_int_equal(allocate_even(w, 0x80), 0);
	client(w, "198.51.100.7:6101");
	assert_int_equal(allocate_even(w, 0x80), 508);
	w->user = "bob";
	w->password = "builder";
	client(w, "198.51.100.7:7000");
	assert_int_equal(allocate_even(w, 0x80), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(L10_L12_reservation), T(L20_held_and_claimed), T(L20_G11_over),
		T(L11_guessing), T(L18_no_pair), T(L18_half_a_pair), T(L19_no_leak),
		T(G12_token_collision), T(E13_tokens_per_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
