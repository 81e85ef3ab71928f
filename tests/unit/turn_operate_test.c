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

static void renew_bandwidth(struct world *w, uint64_t max_bps, uint64_t capacity)
{
	w->conf.max_bps = max_bps;
	w->conf.bps_capacity = capacity;
	assert_true(turn_shared_renew(w->shared, &w->conf));
	assert_int_equal(turn_server_renew(w->server, &w->conf), 0);
}

static int allocate_from(struct world *w, const char *client)
{
	w->path.client = addr(client);
	w->nonce_len = 0;
	return allocate(w);
}

/* Who runs has another max-bps at once; what is left of a capacity is for those who come. */
static void bandwidth_changes(void **state)
{
	const struct turn_alloc *first, *second;
	struct world *w = *state;

	assert_int_equal(allocate(w), 0);
	first = w->relay[0]->alloc;
	assert_int_equal(first->max_bps, 0);
	renew_bandwidth(w, 1000, 1500);
	assert_int_equal(first->max_bps, 1000);
	assert_int_equal(w->limited, 1);
	assert_int_equal(allocate_from(w, "198.51.100.8:5000"), 0);
	second = w->relay[0]->alloc;
	assert_int_equal(second->max_bps, 500);
	assert_int_equal(allocate_from(w, "198.51.100.9:5000"), 486);
	/* a reload that does not speak of it leaves the rest of a capacity what it was */
	renew_bandwidth(w, 1000, 1600);
	assert_int_equal(second->max_bps, 500);
	assert_int_equal(w->limited, 1);
	assert_int_equal(allocate_from(w, "198.51.100.9:5000"), 0);
	assert_int_equal(w->relay[0]->alloc->max_bps, 100);
	/* no capacity for a while: what it would count is not forgotten */
	renew_bandwidth(w, 1000, 0);
	renew_bandwidth(w, 1000, 1600);
	assert_int_equal(allocate_from(w, "198.51.100.10:5000"), 486);
	/* more than there is: nobody ends, nobody comes; who got the rest keeps that */
	renew_bandwidth(w, 2000, 1600);
	assert_int_equal(first->max_bps, 2000);
	assert_int_equal(second->max_bps, 500);
	assert_int_equal(allocate_from(w, "198.51.100.10:5000"), 486);
	/* unless it is more than anybody gets */
	renew_bandwidth(w, 400, 1600);
	assert_int_equal(second->max_bps, 400);
	assert_int_equal(allocate_from(w, "198.51.100.10:5000"), 0);
	assert_int_equal(w->relay[0]->alloc->max_bps, 400);
	renew_bandwidth(w, 0, 0);
	assert_int_equal(first->max_bps, 0);
	assert_int_equal(w->limited, 1 + 1 + 2 + 4);
}

/* What was allocated at another address, or at ports that nobody gets any more, goes on, also
 * for those who have it as a peer; until nobody remembers it. */
static void relays_change(void **state)
{
	struct turn_former former;
	struct world *w = *state;
	struct tp_addr old;
	char peer[ADDRESS_TEXT];

	w->conf.max_port = 50000;
	assert_int_equal(allocate(w), 0);
	old = w->relay[0]->external;
	address_text(&old, peer);
	former = (struct turn_former){ w->conf.relays[0], w->conf.min_port, w->conf.max_port };
	w->conf.min_port = 60000;
	w->conf.max_port = 60009;
	w->conf.former = &former;
	w->conf.n_former = 1;
	assert_true(turn_shared_renew(w->shared, &w->conf));
	assert_int_equal(turn_server_renew(w->server, &w->conf), 0);
	assert_int_equal(turn_shared_ports(w->shared), 0);	/* of those that are given out */
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.1:1000"), 0);
	assert_int_equal(refresh(w, 600), 0);
	assert_int_equal(allocate_from(w, "198.51.100.8:5000"), 0);
	assert_in_range(ntohs(w->relay[0]->local.port), 60000, 60009);
	assert_int_equal(bind_channel(w, 0x4000, peer), 0);
	/* only the ports of then are as good as those of now */
	snprintf(strchr(peer, ':'), 7, ":55000");
	assert_int_equal(bind_channel(w, 0x4001, peer), 403);
	w->conf.n_former = 0;
	assert_true(turn_shared_renew(w->shared, &w->conf));
	assert_int_equal(turn_server_renew(w->server, &w->conf), 1);	/* the channel: the address */
	assert_int_equal(bind_channel(w, 0x4000, peer), 403);		/* has other ports */
	w->conf.min_port = 49152;
	assert_int_equal(turn_shared_ports(w->shared), 2);
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
		T(bandwidth_changes),
		T(relays_change),
		T(kicking_ends_allocations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
