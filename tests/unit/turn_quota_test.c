// SPDX-License-Identifier: MIT
/*
 * What an allocation is charged is given back once, however it ends or fails: user-quota,
 * total-quota and bps-capacity, in every order. And how many peers an allocation may come
 * to know.
 */
#include "turn_harness.h"

#define FIT	4		/* allocations that fit, by each of the three limits */
#define BPS	1000

static unsigned int port;

static int allocate_new(struct world *w)
{
	char from[32];

	snprintf(from, sizeof(from), "198.51.100.7:%u", 1000 + port++ % 50000);
	client(w, from);
	return allocate(w);
}

/* Exactly as many fit as must: with less charged than there is, more would. */
static void assert_charged(struct world *w, unsigned int n)
{
	struct turn_path path[FIT];
	unsigned int i;

	for (i = n; i < FIT; i++) {
		assert_int_equal(allocate_new(w), 0);
		path[i] = w->path;
	}
	assert_true(allocate_new(w) >= 486);
	assert_int_equal(turn_shared_allocations(w->shared), FIT);
	for (i = n; i < FIT; i++) {
		w->path = path[i];
		challenge(w);
		assert_int_equal(refresh(w, 0), 0);
	}
	assert_int_equal(turn_shared_allocations(w->shared), n);
}

static void no_descriptor(struct world *w)
{
	w->bind_fails = 1;
	w->bind_error = -EMFILE;
	assert_int_equal(allocate_new(w), 508);
}

static void all_ports_taken(struct world *w)
{
	w->bind_fails = 16;
	w->bind_error = -EADDRINUSE;
	assert_int_equal(allocate_new(w), 508);
	w->bind_fails = 0;
}

static void half_a_pair(struct world *w)
{
	client(w, "198.51.100.7:60000");
	allocate_begin(w);
	attr_u8(w, STUN_T_ADDITIONAL_ADDRESS_FAMILY, 2);
	w->bind_fails = 2;
	w->bind_error = -EMFILE;
	assert_int_equal(ask(w), 508);
}

static void no_reservation(struct world *w)
{
	client(w, "198.51.100.7:60001");
	allocate_begin(w);
	attr_len(w, STUN_T_RESERVATION_TOKEN, 8);
	assert_int_equal(ask(w), 508);
}

static void ticket_taken(struct world *w)
{
	struct turn_path first;
	uint32_t used;

	w->conf.mobility = true;
	assert_int_equal(allocate_new(w), 0);
	first = w->path;
	assert_int_equal(refresh(w, 0), 0);
	w->path = first;
	challenge(w);
	allocate_begin(w);
	attr_len(w, STUN_T_MOBILITY_TICKET, 0);
	assert_int_equal(ask(w), 0);
	used = w->txid;
	client(w, "198.51.100.7:60002");
	challenge(w);
	w->txid = used - 1;	/* the same ticket as the first one's */
	allocate_begin(w);
	attr_len(w, STUN_T_MOBILITY_TICKET, 0);
	assert_int_equal(ask(w), 508);
	w->path = first;
	challenge(w);
	assert_int_equal(refresh(w, 0), 0);
}

static void malformed(struct world *w)
{
	client(w, "198.51.100.7:60003");
	challenge(w);
	begin(w, TURN_ALLOCATE);
	assert_int_equal(ask(w), 400);
}

static void refreshed_to_0_twice(struct world *w)
{
	assert_int_equal(allocate_new(w), 0);
	assert_int_equal(refresh(w, 0), 0);
	assert_int_equal(refresh(w, 0), 437);
}

static void retransmitted(struct world *w)
{
	assert_int_equal(allocate_new(w), 0);
	assert_int_equal(give(w, w->buf, w->w.len), 0);
	assert_int_equal(refresh(w, 0), 0);
}

static void expired(struct world *w)
{
	w->conf.default_lifetime_s = 1;
	assert_int_equal(allocate_new(w), 0);
	w->conf.default_lifetime_s = 600;
	pass(w, 2 * S);
	assert_int_equal(refresh(w, 0), 437);
}

static void kicked(struct world *w)
{
	assert_int_equal(allocate_new(w), 0);
	end_alloc(w);
	assert_int_equal(refresh(w, 0), 437);
}

static void disconnected(struct world *w)
{
	assert_int_equal(allocate_new(w), 0);
	turn_client_gone(w->server, &w->path, w->now);
	turn_client_gone(w->server, &w->path, w->now);
}

static void family_by_family(struct world *w)
{
	unsigned int family;

	client(w, "198.51.100.7:60004");
	assert_int_equal(allocate_attr(w, STUN_T_ADDITIONAL_ADDRESS_FAMILY, 2), 0);
	for (family = 1; family <= 2; family++) {
		begin(w, TURN_REFRESH);
		attr_u8(w, STUN_T_REQUESTED_ADDRESS_FAMILY, (uint8_t)family);
		stun_put_u32(&w->w, STUN_T_LIFETIME, 0);
		assert_int_equal(ask(w), 0);
	}
}

static void (*const ways[])(struct world *w) = {
	no_descriptor, all_ports_taken, half_a_pair, no_reservation, ticket_taken, malformed,
	refreshed_to_0_twice, retransmitted, expired, kicked, disconnected, family_by_family,
};

#define WAYS	(sizeof(ways) / sizeof(*ways))

static void limit_by(struct world *w, unsigned int which)
{
	w->conf.user_quota = which == 0 ? FIT : 0;
	w->conf.total_quota = which == 1 ? FIT : 0;
	w->conf.max_bps = which == 2 ? BPS : 0;
	w->conf.bps_capacity = which == 2 ? FIT * BPS : 0;
	w->conf.stale_nonce_s = 0;
	world_start(w);
}

/* Each after each other, with none and with half of it charged to somebody who stays. */
static void given_back_once(void **state)
{
	struct world *w = *state;
	unsigned int which, i, k, held;

	for (which = 0; which < 3; which++) {
		limit_by(w, which);
		for (held = 0; held < FIT; held += FIT - 2) {
			for (i = 0; i < held; i++)
				assert_int_equal(allocate_new(w), 0);
			for (i = 0; i < WAYS; i++) {
				for (k = 0; k < WAYS; k++) {
					ways[i](w);
					ways[k](w);
				}
				assert_charged(w, held);
			}
		}
		turn_server_free(w->server);
		assert_int_equal(turn_shared_allocations(w->shared), 0);
		w->server = turn_server_new(&w->conf, w->shared, &fake_host, w);
		assert_charged(w, 0);
	}
}

/* ------------------------------------------------------------ new peers */

static int permit_many(struct world *w, unsigned int first, unsigned int n)
{
	char peer[32];

	begin(w, TURN_CREATE_PERMISSION);
	for (; n; n--, first++) {
		snprintf(peer, sizeof(peer), "9.9.%u.%u", first / 250, first % 250 + 1);
		attr_peer(w, peer);
	}
	return ask(w);
}

static void peers_per_second(void **state)
{
	struct world *w = *state;
	unsigned int i;

	w->conf.new_peers_rate = 5;		/* and 20 at once */
	assert_int_equal(allocate(w), 0);
	assert_int_equal(permit_many(w, 0, 21), 508);
	assert_int_equal(w->perms, 0);		/* all or none, and nothing taken */
	assert_int_equal(permit_many(w, 0, 20), 0);
	assert_int_equal(permit(w, "9.9.9.9"), 508);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.9:9"), 508);
	assert_int_equal(w->chans, 0);
	assert_int_equal(w->perms, 20);
	/* who is known stays so: refreshes and channels */
	for (i = 0; i < 100; i++)
		assert_int_equal(permit_many(w, 0, 20), 0);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.0.1:9"), 0);
	assert_int_equal(bind_channel(w, 0x4001, "9.9.0.1:10"), 0);
	pass(w, S);
	assert_int_equal(permit_many(w, 50, 6), 508);
	assert_int_equal(permit_many(w, 50, 4), 0);
	assert_int_equal(bind_channel(w, 0x4002, "9.9.9.9:9"), 0);
	assert_int_equal(permit(w, "9.9.9.8"), 508);
	/* another allocation has its own */
	client(w, "198.51.100.7:5001");
	assert_int_equal(allocate(w), 0);
	assert_int_equal(permit_many(w, 0, 20), 0);
	pass(w, 100 * S);
	assert_int_equal(permit_many(w, 100, 21), 508);
	assert_int_equal(permit_many(w, 100, 20), 0);
}

static void peers_in_all(void **state)
{
	struct world *w = *state;

	w->conf.new_peers_max = 3;
	w->conf.max_lifetime_s = w->conf.default_lifetime_s = 3600;
	assert_int_equal(allocate(w), 0);
	assert_int_equal(permit_many(w, 0, 4), 508);
	assert_int_equal(permit_many(w, 0, 2), 0);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.9:9"), 0);
	assert_int_equal(permit(w, "9.9.9.8"), 508);
	assert_int_equal(permit_many(w, 0, 2), 0);
	/* forgotten in the meantime, it is a new one; one that a channel names is not */
	pass(w, 301 * S);
	assert_int_equal(permit(w, "9.9.9.9"), 0);
	assert_int_equal(permit_many(w, 0, 1), 508);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(given_back_once), T(peers_per_second), T(peers_in_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
