// SPDX-License-Identifier: MIT
/* Allocate: group L, quotas and pools (E4, E6). */
#include "turn_harness.h"

static void L0_success(void **state)
{
	struct world *w = *state;
	const uint64_t parts = STUN_BIT(XOR_RELAYED_ADDRESS) | STUN_BIT(LIFETIME) |
			       STUN_BIT(XOR_MAPPED_ADDRESS) | STUN_BIT(MESSAGE_INTEGRITY);

	assert_int_equal(allocate(w), 0);
	assert_int_equal(w->reply.has, parts);
	assert_true(address_same_ip(&w->reply.relayed, &w->relays[0].local));
	assert_in_range(relayed_port(w), 49152, 65535);
	assert_true(address_equal(&w->reply.relayed, &w->relay[0]->local));
	assert_true(address_equal(&w->reply.mapped, &w->path.client));
	assert_int_equal(w->reply.lifetime, 600);
	assert_int_equal(w->allocs_kept, 1);
	assert_string_equal(w->relay[0]->alloc->user, "alice");
}

static void L0_external_address(void **state)
{
	struct world *w = *state;

	w->relays[0].external = addr("203.0.113.80");
	world_start(w);
	assert_int_equal(allocate(w), 0);
	assert_true(address_same_ip(&w->reply.relayed, &w->relays[0].external));
	assert_true(address_same_ip(&w->relay[0]->local, &w->relays[0].local));
	assert_int_equal(w->reply.relayed.port, w->relay[0]->local.port);
}

static void L0_relay_of_the_listener(void **state)
{
	struct world *w = *state;

	w->relays[2].local = w->relays[2].external = addr("192.0.2.3");
	w->conf.n_relays = 3;
	world_start(w);
	w->path.server = addr("192.0.2.3:3478");
	assert_int_equal(allocate(w), 0);
	assert_true(address_same_ip(&w->reply.relayed, &w->relays[2].local));
	w->path.server = addr("192.0.2.4:3478");
	w->nonce_len = 0;
	assert_int_equal(allocate(w), 0);
	assert_true(address_same_ip(&w->reply.relayed, &w->relays[0].local));
}

static void L1_L2_retransmission(void **state)
{
	struct world *w = *state;
	struct tp_addr relayed;
	unsigned int i;

	assert_int_equal(allocate(w), 0);
	relayed = w->reply.relayed;
	for (i = 0; i < 5; i++) {			/* L2, G14 */
		assert_int_equal(ask_plain(w), 0);
		check_answer(w, 0);
		assert_true(address_equal(&w->reply.relayed, &relayed));
	}
	pass(w, 10 * S);
	assert_int_equal(ask_plain(w), 0);
	assert_int_equal(w->reply.lifetime, 590);
	assert_int_equal(w->sockets, 1);
	assert_int_equal(allocate(w), 437);		/* L1 */
	assert_int_equal(w->sockets, 1);
	/* L25: the same transaction id does not make another user the same */
	w->user = "bob";
	w->password = "builder";
	w->txid--;
	begin(w, TURN_ALLOCATE);
	memcpy(w->buf + 8, w->relay[0]->alloc->txid, 12);
	attr_u8(w, STUN_T_REQUESTED_TRANSPORT, 17);
	assert_int_equal(ask(w), 437);
}

static void L4_to_L6_transport(void **state)
{
	static const uint8_t others[] = { 0, 1, 6, 33, 132, 255 };
	struct world *w = *state;
	unsigned int i;

	challenge(w);
	begin(w, TURN_ALLOCATE);
	assert_int_equal(ask(w), 400);
	for (i = 0; i < sizeof(others); i++) {
		begin(w, TURN_ALLOCATE);
		attr_u8(w, STUN_T_REQUESTED_TRANSPORT, others[i]);
		assert_int_equal(ask(w), 442);
	}
	assert_int_equal(w->allocs, 0);
}

static void L8_dont_fragment(void **state)
{
	struct world *w = *state;

	allocate_begin(w);
	attr_len(w, STUN_T_DONT_FRAGMENT, 0);
	assert_int_equal(ask(w), 0);
}

static void L9_L13_L17_combinations(void **state)
{
	static const uint8_t token[8] = { 1 }, pair = 0x80;
	struct world *w = *state;

	allocate_begin(w);
	attr(w, STUN_T_RESERVATION_TOKEN, token, 8);
	attr(w, STUN_T_EVEN_PORT, &pair, 1);
	assert_int_equal(ask(w), 400);
	allocate_begin(w);
	attr(w, STUN_T_RESERVATION_TOKEN, token, 8);
	attr_u8(w, STUN_T_REQUESTED_ADDRESS_FAMILY, 1);
	assert_int_equal(ask(w), 400);
	allocate_begin(w);
	attr(w, STUN_T_RESERVATION_TOKEN, token, 8);
	attr_u8(w, STUN_T_ADDITIONAL_ADDRESS_FAMILY, 2);
	assert_int_equal(ask(w), 400);
	allocate_begin(w);					/* L13 */
	attr_u8(w, STUN_T_REQUESTED_ADDRESS_FAMILY, 1);
	attr_u8(w, STUN_T_ADDITIONAL_ADDRESS_FAMILY, 2);
	assert_int_equal(ask(w), 400);
	allocate_begin(w);					/* L17 */
	attr(w, STUN_T_EVEN_PORT, &pair, 1);
	attr_u8(w, STUN_T_ADDITIONAL_ADDRESS_FAMILY, 2);
	assert_int_equal(ask(w), 400);
	assert_int_equal(allocate_attr(w, STUN_T_ADDITIONAL_ADDRESS_FAMILY, 1), 400); /* L15 */
	assert_int_equal(w->allocs, 0);
}

static void L14_family(void **state)
{
	struct world *w = *state;

	assert_int_equal(allocate_attr(w, STUN_T_REQUESTED_ADDRESS_FAMILY, 3), 440);
	assert_int_equal(allocate_attr(w, STUN_T_REQUESTED_ADDRESS_FAMILY, 0), 440);
	assert_int_equal(allocate_attr(w, STUN_T_REQUESTED_ADDRESS_FAMILY, 2), 0);
	assert_true(address_same_ip(&w->reply.relayed, &w->relays[1].local));
	assert_int_equal(refresh(w, 0), 0);
	w->conf.n_relays = 1;
	w->nonce_len = 0;
	world_start(w);
	assert_int_equal(allocate_attr(w, STUN_T_REQUESTED_ADDRESS_FAMILY, 2), 440);
}

static void L14_default_family(void **state)
{
	struct world *w = *state;

	/* an IPv6 client that asks for nothing gets IPv4 (RFC 8656 section 7.2) ... */
	client(w, "[2001:db8:7::1]:5000");
	w->path.server = w->own[1];
	assert_int_equal(allocate(w), 0);
	assert_int_equal(w->reply.relayed.family, 4);
	/* ... unless the operator wants its own family */
	w->conf.default_family = 0;
	client(w, "[2001:db8:7::1]:5001");
	assert_int_equal(allocate(w), 0);
	assert_int_equal(w->reply.relayed.family, 6);
	w->conf.relays = w->relays + 1;		/* IPv6 only */
	w->conf.n_relays = 1;
	w->conf.default_family = 4;
	client(w, "[2001:db8:7::1]:5001");
	world_start(w);
	assert_int_equal(allocate(w), 440);
}

/* How many XOR-RELAYED-ADDRESS there are, and ADDRESS-ERROR-CODE's family and code. */
static unsigned int dual_parts(const struct world *w, uint8_t *family, unsigned int *code)
{
	unsigned int n = 0;
	size_t at;

	*family = 0;
	for (at = 20; at + 4 <= w->out_len; ) {
		const uint8_t *p = w->out + at;

		n += p[0] == 0 && p[1] == 0x16;
		if (p[0] == 0x80 && p[1] == 0x01) {
			*family = p[4];
			*code = p[6] * 100u + p[7];
		}
		at += 4 + ((p[2] * 256u + p[3] + 3) & ~3u);
	}
	return n;
}

static void L16_dual(void **state)
{
	struct world *w = *state;
	uint8_t family;
	unsigned int code;

	assert_int_equal(allocate_attr(w, STUN_T_ADDITIONAL_ADDRESS_FAMILY, 2), 0);
	assert_int_equal(dual_parts(w, &family, &code), 2);
	assert_int_equal(family, 0);
	assert_int_equal(w->sockets, 2);
	assert_int_equal(turn_shared_allocations(w->shared), 1);
	/* only one half works: the host refuses the first, IPv4 */
	client(w, "198.51.100.7:5001");
	challenge(w);
	w->bind_fails = 1;
	w->bind_error = -EMFILE;
	assert_int_equal(allocate_attr(w, STUN_T_ADDITIONAL_ADDRESS_FAMILY, 2), 0);
	assert_int_equal(dual_parts(w, &family, &code), 1);
	assert_int_equal(family, 1);
	assert_int_equal(code, 508);
	assert_int_equal(ask_plain(w), 0);		/* and a retransmission hears it too */
	assert_int_equal(dual_parts(w, &family, &code), 1);
	assert_int_equal(family, 1);
	client(w, "198.51.100.7:5002");
	challenge(w);
	w->bind_fails = 2;
	assert_int_equal(allocate_attr(w, STUN_T_ADDITIONAL_ADDRESS_FAMILY, 2), 508);
}

static void L16_dual_unsupported(void **state)
{
	struct world *w = *state;
	uint8_t family;
	unsigned int code;

	w->conf.n_relays = 1;
	world_start(w);
	assert_int_equal(allocate_attr(w, STUN_T_ADDITIONAL_ADDRESS_FAMILY, 2), 0);
	assert_int_equal(dual_parts(w, &family, &code), 1);
	assert_int_equal(family, 2);
	assert_int_equal(code, 440);
	assert_int_equal(permit(w, "2600::1"), 443);
}

static void L21_lifetimes(void **state)
{
	static const uint32_t asked[] = { 0, 1, 599, 600, 601, 3600, 3601, 0xffffffff };
	static const uint32_t given[] = { 600, 600, 600, 600, 601, 3600, 3600, 3600 };
	struct world *w = *state;
	unsigned int i;

	challenge(w);
	for (i = 0; i < 8; i++) {
		allocate_begin(w);
		stun_put_u32(&w->w, STUN_T_LIFETIME, asked[i]);
		assert_int_equal(ask(w), 0);
		assert_int_equal(w->reply.lifetime, given[i]);
		assert_true(w->relay[0]->expires_ns == w->now.mono_ns + given[i] * S);
		assert_int_equal(refresh(w, asked[i]), 0);			/* R4 */
		assert_int_equal(w->reply.lifetime, asked[i] ? given[i] : 0);
		if (asked[i]) {
			assert_true(w->relay[0]->expires_ns == w->now.mono_ns + given[i] * S);
			assert_int_equal(refresh(w, -1), 0);
			assert_int_equal(w->reply.lifetime, 600);
			assert_int_equal(refresh(w, 0), 0);
		}
	}
}

static void L22_E4_quota(void **state)
{
	struct world *w = *state;

	w->conf.user_quota = 2;
	w->conf.total_quota = 3;
	assert_int_equal(allocate(w), 0);
	client(w, "198.51.100.7:5001");
	assert_int_equal(allocate(w), 0);
	client(w, "198.51.100.7:5002");
	assert_int_equal(allocate(w), 486);
	w->user = "bob";
	w->password = "builder";
	assert_int_equal(allocate(w), 0);
	client(w, "198.51.100.7:5003");
	assert_int_equal(allocate(w), 508);		/* of all */
	client(w, "198.51.100.7:5002");
	challenge(w);
	assert_int_equal(refresh(w, 0), 0);
	client(w, "198.51.100.7:5003");
	assert_int_equal(allocate(w), 0);
	assert_int_equal(w->allocs, 3);
	pass(w, 601 * S);
	assert_int_equal(turn_shared_allocations(w->shared), 0);
}

/* coturn's bps-capacity: max-bps for each, what is left for the last. */
static void bandwidth_is_given_out(void **state)
{
	struct world *w = *state;

	w->conf.max_bps = 1000;
	w->conf.bps_capacity = 2500;
	assert_int_equal(allocate(w), 0);
	assert_int_equal(w->relay[0]->alloc->max_bps, 1000);
	client(w, "198.51.100.7:5001");
	assert_int_equal(allocate(w), 0);
	client(w, "198.51.100.7:5002");
	assert_int_equal(allocate(w), 0);
	assert_int_equal(w->relay[0]->alloc->max_bps, 500);
	client(w, "198.51.100.7:5003");
	assert_int_equal(allocate(w), 486);
	client(w, "198.51.100.7:5001");
	challenge(w);
	assert_int_equal(refresh(w, 0), 0);
	client(w, "198.51.100.7:5003");
	assert_int_equal(allocate(w), 0);
	assert_int_equal(w->relay[0]->alloc->max_bps, 1000);
	pass(w, 601 * S);
	/* all of it came back */
	client(w, "198.51.100.7:5004");
	assert_int_equal(allocate(w), 0);
	client(w, "198.51.100.7:5005");
	assert_int_equal(allocate(w), 0);
	assert_int_equal(w->relay[0]->alloc->max_bps, 1000);
}

static void L23_E6_pool_empty(void **state)
{
	struct world *w = *state;
	char from[32];
	unsigned int i;

	w->conf.min_port = 50000;
	w->conf.max_port = 50009;
	world_start(w);
	for (i = 0; i < 12; i++) {
		snprintf(from, sizeof(from), "198.51.100.7:%u", 5000 + i);
		client(w, from);
		assert_int_equal(allocate(w), i < 10 ? 0 : 508);
	}
	assert_int_equal(w->sockets, 10);
	client(w, "198.51.100.7:5004");
	challenge(w);
	assert_int_equal(refresh(w, 0), 0);
	/* G1, TH7: the freed port rests before anybody gets it */
	assert_int_equal(allocate(w), 508);
	pass(w, 60 * S - 1);
	assert_int_equal(allocate(w), 508);
	pass(w, 1);
	assert_int_equal(allocate(w), 0);
}

/* E7: RLIMIT_NOFILE reached, and not for ever */
static void L23_sockets_fail(void **state)
{
	struct world *w = *state;

	challenge(w);
	w->bind_fails = 1;
	w->bind_error = -EMFILE;
	assert_int_equal(allocate(w), 508);
	assert_int_equal(turn_shared_ports(w->shared), 0);
	assert_int_equal(turn_shared_allocations(w->shared), 0);
	/* somebody else's ports: others are tried */
	w->bind_fails = 5;
	w->bind_error = -EADDRINUSE;
	assert_int_equal(allocate(w), 0);
	assert_int_equal(turn_shared_ports(w->shared), 6);
	client(w, "198.51.100.7:5001");
	challenge(w);
	w->bind_fails = 1000;
	assert_int_equal(allocate_even(w, 0x80), 508);
	assert_true(w->bind_fails > 900);
	w->bind_fails = 0;
}

static void L24_tunnels(void **state)
{
	struct world *w = *state;

	w->path.server = w->own[1];
	client(w, "[2002:c000:204::1]:5000");
	assert_int_equal(allocate(w), 403);
	client(w, "[2001:0:1::1]:5000");
	assert_int_equal(allocate(w), 403);
	client(w, "[2001:1::1]:5000");
	assert_int_equal(allocate(w), 0);
}

static void L26_mobility_ticket(void **state)
{
	struct world *w = *state;

	allocate_begin(w);
	attr_len(w, STUN_T_MOBILITY_TICKET, 0);
	assert_int_equal(ask(w), 405);
	allocate_begin(w);
	attr_len(w, STUN_T_MOBILITY_TICKET, 4);
	assert_int_equal(ask(w), 400);
	assert_int_equal(w->allocs, 0);
}

static void L27_L28_impossible_sources(void **state)
{
	struct world *w = *state;

	w->path.client.port = 0;
	begin(w, STUN_BINDING);
	assert_int_equal(ask_plain(w), -1);
	w->path.client = w->own[0];
	begin(w, STUN_BINDING);
	assert_int_equal(ask_plain(w), -1);
}

static void L30_ports_are_uniform(void **state)
{
	struct world *w = *state;
	unsigned int hits[16] = { 0 }, i;

	w->conf.stale_nonce_s = 0;
	w->conf.min_port = 50000;
	w->conf.max_port = 50000 + 1599;
	world_start(w);
	for (i = 0; i < 16000; i++) {
		assert_int_equal(allocate(w), 0);
		assert_in_range(relayed_port(w), 50000, 51599);
		hits[(relayed_port(w) - 50000) / 100]++;
		assert_int_equal(refresh(w, 0), 0);
		w->now.mono_ns += 61 * S;
	}
	/* expected 1000 each, standard deviation 31 */
	for (i = 0; i < 16; i++)
		assert_in_range(hits[i], 850, 1150);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(L0_success), T(L0_external_address), T(L0_relay_of_the_listener),
		T(L1_L2_retransmission), T(L4_to_L6_transport), T(L8_dont_fragment),
		T(L9_L13_L17_combinations), T(L14_family), T(L14_default_family), T(L16_dual),
		T(L16_dual_unsupported), T(L21_lifetimes), T(L22_E4_quota), T(bandwidth_is_given_out), T(L23_E6_pool_empty),
		T(L23_sockets_fail), T(L24_tunnels), T(L26_mobility_ticket),
		T(L27_L28_impossible_sources), T(L30_ports_are_uniform),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
