// SPDX-License-Identifier: MIT
/* What operators do to a running server: other users and rules, ending allocations. */
#include "turn_harness.h"

static void renew(struct world *w, struct turn_conf *conf, unsigned int ended)
{
	*conf = w->conf;
	assert_true(turn_shared_renew(w->shared, conf));
	assert_int_equal(turn_server_renew(w->server, conf), ended);
}

static void deny(struct world *w, const char *low, const char *high)
{
	range(&w->denied[w->conf.denied.n++], low, high);
}

static void stricter_rules_end_flows(void **state)
{
	struct world *w = *state;
	struct turn_conf next;

	assert_int_equal(allocate(w), 0);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.1:1000"), 0);
	assert_int_equal(bind_channel(w, 0x4001, "9.9.9.1:1001"), 0);
	assert_int_equal(bind_channel(w, 0x4002, "9.9.8.1:1000"), 0);
	assert_int_equal(w->chans, 3);
	assert_int_equal(w->perms, 2);
	deny(w, "9.9.9.0", "9.9.9.255");
	renew(w, &next, 3);
	assert_int_equal(w->chans, 1);
	assert_int_equal(w->perms, 1);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.1:1000"), 403);
	assert_int_equal(bind_channel(w, 0x4002, "9.9.8.1:1000"), 0);
	/* and looser ones let in again; the number stays free */
	next.denied.n = w->conf.denied.n = 0;
	assert_int_equal(turn_server_renew(w->server, &next), 0);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.1:1000"), 0);
	w->conf.denied.n = 0;
	assert_true(turn_shared_renew(w->shared, &w->conf));
	turn_server_renew(w->server, &w->conf);
}

/* The database's rules of one realm concern that realm's users, and nobody else. */
static void realms_rules_end_flows(void **state)
{
	struct world *w = *state;
	struct turn_ip_range range = { .family = 4 };
	struct tp_addr peer = addr("9.9.9.1");
	char there[] = "elsewhere";
	struct turn_realm list[] = { { .name = there }, { .name = w->conf.realm } };
	struct turn_realms realms = { .v = list, .n = 2 };
	struct turn_realms none = { 0 };

	memcpy(range.low, peer.ip, 16);
	memcpy(range.high, peer.ip, 16);
	list[0].denied = (struct turn_ranges){ .v = &range, .n = 1 };
	assert_int_equal(allocate(w), 0);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.1:1000"), 0);
	assert_int_equal(bind_channel(w, 0x4001, "9.9.8.1:1000"), 0);
	assert_int_equal(turn_server_realms(w->server, &realms), 0);
	list[1].denied = list[0].denied;
	assert_int_equal(turn_server_realms(w->server, &realms), 2);
	assert_int_equal(w->chans, 1);
	assert_int_equal(w->perms, 1);
	assert_int_equal(turn_server_realms(w->server, &none), 0);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.1:1000"), 0);
	turn_server_realms(w->server, NULL);
}

static void users_come_and_go(void **state)
{
	struct world *w = *state;
	struct turn_conf next;

	assert_int_equal(allocate(w), 0);
	next = w->conf;
	next.users = &w->users[1];	/* bob alone */
	next.n_users = 1;
	assert_true(turn_shared_renew(w->shared, &next));
	assert_int_equal(turn_server_renew(w->server, &next), 0);
	/* what goes on is not cut off, but can do nothing new */
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.1:1000"), 401);
	assert_int_equal(turn_shared_allocations(w->shared), 1);
	w->path.client = addr("198.51.100.8:5000");
	w->user = "bob";
	w->password = "builder";
	w->nonce_len = 0;
	assert_int_equal(allocate(w), 0);
	assert_true(turn_shared_renew(w->shared, &w->conf));
	turn_server_renew(w->server, &w->conf);
}

static bool of_user(const struct turn_alloc *alloc, const void *arg)
{
	return !strcmp(alloc->user, arg);
}

static void kicking_ends_allocations(void **state)
{
	struct world *w = *state;

	assert_int_equal(allocate(w), 0);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.1:1000"), 0);
	assert_int_equal(turn_server_kick(w->server, of_user, "mallory", w->now), 0);
	assert_int_equal(w->chans, 1);
	assert_int_equal(turn_server_kick(w->server, of_user, "alice", w->now), 1);
	assert_int_equal(w->chans, 0);
	assert_int_equal(turn_shared_allocations(w->shared), 0);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.1:1000"), 437);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(stricter_rules_end_flows),
		T(realms_rules_end_flows),
		T(users_come_and_go),
		T(kicking_ends_allocations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
