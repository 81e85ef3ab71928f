// SPDX-License-Identifier: MIT
/* Carrying on after a restart: what a predecessor's journal says, and G5. */
#include "turn_harness.h"

/* What the journal would hold of the allocation that was made last. */
static struct tp_alloc save(const struct world *w, unsigned int families)
{
	const struct turn_alloc *a = w->relay[families == 2]->alloc;
	struct tp_alloc saved = { .state = TP_ALLOC_LIVE };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		saved.relayed[i] = a->relay[i].local;
		saved.expires_ns[i] = a->relay[i].expires_ns;
	}
	saved.client = a->path.client;
	saved.server = a->path.server;
	saved.proxy = a->path.proxy;
	saved.transport = a->path.transport;
	saved.created_ns = a->created_ns;
	memcpy(saved.txid, a->txid, sizeof(saved.txid));
	memcpy(saved.user_id, a->user_id, sizeof(saved.user_id));
	strncpy(saved.user, a->user, sizeof(saved.user) - 1);
	return saved;
}

static struct tp_binding binding(const char *peer, uint16_t channel, uint64_t expires_ns)
{
	return (struct tp_binding){
		.state = TP_ALLOC_LIVE, .peer = addr(peer), .channel = htons(channel),
		.expires_ns = expires_ns,
	};
}

/* The old daemon is gone without a word; a new one comes with fresh tables. */
static void restart(struct world *w)
{
	turn_server_abandon(w->server);
	w->server = NULL;
	w->allocs = w->chans = w->perms = w->sockets = 0;
	world_start(w);
}

/* As the engine does it: the objects are tied to what was saved. */
static struct turn_alloc *adopt(struct world *w, struct tp_alloc *saved)
{
	struct turn_alloc *a = turn_adopt(w->server, saved, NULL, w->now);

	if (a) {
		assert_ptr_equal(a->host, saved);
		a->host = w;
		w->allocs++;
	}
	return a;
}

static void everything_goes_on(void **state)
{
	struct world *w = *state;
	struct tp_binding chan, perm;
	struct turn_alloc *a;
	struct tp_alloc saved;
	struct tp_addr relayed;
	uint8_t request[512];
	size_t len;

	assert_int_equal(allocate(w), 0);
	len = w->w.len;
	memcpy(request, w->buf, len);
	relayed = w->reply.relayed;
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.9:9"), 0);
	saved = save(w, 1);
	chan = binding("9.9.9.9:9", 0x4000, w->now.mono_ns + 600 * S);
	perm = binding("9.9.9.9", 0, w->now.mono_ns + 300 * S);
	restart(w);
	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_NO_ALLOCATION);

	a = adopt(w, &saved);
	assert_non_null(a);
	assert_int_equal(turn_shared_allocations(w->shared), 1);
	/* channel before permission: the order does not matter */
	assert_int_equal(turn_adopt_binding(w->server, a, &chan, w->now), 0);
	assert_int_equal(w->chans, 1);
	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_NO_PERMISSION);
	assert_int_equal(turn_adopt_binding(w->server, a, &perm, w->now), 0);
	assert_int_equal(w->perms, 1);
	assert_int_equal(send_channel(w, 0x4000, "still there"), TP_R_USER_TO_PEER);
	assert_peer_got(w, "9.9.9.9:9", "still there");
	assert_true(address_equal(&w->peer_from, &relayed));
	assert_int_equal(from_peer(w, "9.9.9.9:9", "x"), TP_R_USER_TO_CLIENT);
	assert_int_equal(w->out[0], 0x40);
	/* a retransmission of the Allocate that made it */
	assert_int_equal(give(w, request, len), 0);
	assert_true(address_equal(&w->reply.relayed, &relayed));
	/* the same client goes on, another one does not */
	assert_int_equal(refresh(w, -1), 0);
	w->user = "bob";
	w->password = "builder";
	assert_int_equal(refresh(w, 0), 441);
	w->user = "alice";
	w->password = "wonder";
	pass(w, 299 * S);
	assert_int_equal(w->perms, 1);
	pass(w, 1 * S);
	assert_int_equal(w->perms, 0);
	assert_int_equal(refresh(w, 0), 0);
}

static void dual(void **state)
{
	struct world *w = *state;
	struct tp_alloc saved;
	struct turn_alloc *a;

	assert_int_equal(allocate_attr(w, STUN_T_ADDITIONAL_ADDRESS_FAMILY, 2), 0);
	saved = save(w, 1);
	restart(w);
	a = adopt(w, &saved);
	assert_non_null(a);
	assert_int_equal(w->sockets, 2);
	assert_int_equal(refresh(w, 0), 0);
	assert_int_equal(w->sockets, 0);
	/* one half is enough, when the other address is gone */
	w->conf.n_relays = 1;
	restart(w);
	a = adopt(w, &saved);
	assert_non_null(a);
	assert_int_equal(w->sockets, 1);
	assert_int_equal(a->relay[1].local.family, 0);
}

static void what_is_not_adopted(void **state)
{
	struct world *w = *state;
	struct tp_alloc saved, other;

	assert_int_equal(allocate(w), 0);
	saved = save(w, 1);
	restart(w);
	other = saved;				/* over */
	other.expires_ns[0] = w->now.mono_ns;
	assert_null(adopt(w, &other));
	other = saved;				/* no address of ours any more */
	other.relayed[0].ip[3]++;
	assert_null(adopt(w, &other));
	other = saved;				/* no port of ours any more */
	other.relayed[0].port = htons(1024);
	assert_null(adopt(w, &other));
	w->bind_fails = 1;			/* somebody else has it now */
	w->bind_error = -EACCES;
	assert_null(adopt(w, &saved));
	assert_int_equal(turn_shared_ports(w->shared), 0);
	assert_int_equal(turn_shared_allocations(w->shared), 0);
	assert_non_null(adopt(w, &saved));
	assert_null(adopt(w, &saved));		/* twice: the 5-tuple is taken */
	other = saved;
	other.client.port = htons(5001);	/* and so is the port */
	assert_null(adopt(w, &other));
	assert_int_equal(turn_shared_allocations(w->shared), 1);
	/* a server without credentials relays for nobody */
	w->conf.n_users = 0;
	w->allocs = w->sockets = 0;
	restart(w);
	assert_null(adopt(w, &saved));
}

static void G5_bindings(void **state)
{
	struct world *w = *state;
	struct tp_alloc saved;
	struct tp_binding b;
	struct turn_alloc *a;
	uint64_t later = w->now.mono_ns + 600 * S;

	assert_int_equal(allocate(w), 0);
	saved = save(w, 1);
	restart(w);
	a = adopt(w, &saved);
	b = binding("9.9.9.9:9", 0x4000, w->now.mono_ns);
	assert_true(turn_adopt_binding(w->server, a, &b, w->now) < 0);	/* over */
	b = binding("[2600::1]:9", 0x4000, later);
	assert_true(turn_adopt_binding(w->server, a, &b, w->now) < 0);	/* no such half */
	b = binding("9.9.9.9:9", 0x7000, later);
	assert_true(turn_adopt_binding(w->server, a, &b, w->now) < 0);
	b = binding("9.9.9.9", 0x4000, later);
	assert_true(turn_adopt_binding(w->server, a, &b, w->now) < 0);
	/* TH2: what the settings refuse now */
	b = binding("10.0.0.1:9", 0x4000, later);
	assert_int_equal(turn_adopt_binding(w->server, a, &b, w->now), -EACCES);
	b = binding("10.0.0.1", 0, later);
	assert_int_equal(turn_adopt_binding(w->server, a, &b, w->now), -EACCES);
	assert_int_equal(w->chans + w->perms, 0);
	b = binding("9.9.9.9:9", 0x4000, later);
	assert_int_equal(turn_adopt_binding(w->server, a, &b, w->now), 0);
	assert_true(turn_adopt_binding(w->server, a, &b, w->now) < 0);	/* twice */
	b = binding("9.9.9.9:9", 0x4001, later);
	assert_true(turn_adopt_binding(w->server, a, &b, w->now) < 0);
	assert_int_equal(w->chans, 1);
	/* it may be half a pair: no permission yet, so neither way is open */
	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_NO_PERMISSION);
	assert_int_equal(from_peer(w, "9.9.9.9:9", "x"), TP_R_NO_PERMISSION);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.9:9"), 0);
	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_USER_TO_PEER);
	assert_int_equal(w->chans, 1);
}

/* The same client by two ports of a proxy, and by itself. */
static void behind_a_proxy(void **state)
{
	struct world *w = *state;
	const struct tp_addr none = { 0 }, proxy = addr("10.0.0.1:7000");
	struct tp_alloc saved, own;

	assert_int_equal(allocate(w), 0);
	own = save(w, 1);
	w->path.proxy = proxy;
	assert_int_equal(allocate(w), 0);
	saved = save(w, 1);
	restart(w);
	assert_non_null(adopt(w, &saved));
	assert_int_equal(refresh(w, -1), 0);
	w->path.proxy.port ^= 1;
	assert_int_equal(refresh(w, -1), 437);
	w->path.proxy = none;
	assert_int_equal(refresh(w, -1), 437);
	assert_non_null(adopt(w, &own));
	assert_int_equal(refresh(w, -1), 0);
}

static void quota_counts_adopted(void **state)
{
	struct world *w = *state;
	struct tp_alloc saved, second;

	assert_int_equal(allocate(w), 0);
	saved = save(w, 1);
	client(w, "198.51.100.7:5002");
	assert_int_equal(allocate(w), 0);
	second = save(w, 1);
	/* fewer are allowed now: what there is stays, and counts */
	w->conf.user_quota = 1;
	w->conf.total_quota = 1;
	restart(w);
	assert_non_null(adopt(w, &saved));
	assert_non_null(adopt(w, &second));
	client(w, "198.51.100.7:5001");
	assert_int_equal(allocate(w), 486);
}

/* ------------------------------------------------------------ two workers */

static void two_workers(void **state)
{
	struct world *w = *state;
	struct turn_server *first = w->server;
	struct turn_server *second = turn_server_new(&w->conf, w->shared, &fake_host, w);
	uint8_t token[8];
	uint8_t pair = 0x80;
	unsigned int port;

	w->conf.user_quota = 2;
	allocate_begin(w);
	attr(w, STUN_T_EVEN_PORT, &pair, 1);
	assert_int_equal(ask(w), 0);
	port = relayed_port(w);
	memcpy(token, w->reply.token.p, 8);
	w->server = second;		/* the token is good at every worker */
	client(w, "198.51.100.7:5001");
	allocate_begin(w);
	attr(w, STUN_T_RESERVATION_TOKEN, token, 8);
	assert_int_equal(ask(w), 0);
	assert_int_equal(relayed_port(w), port + 1);
	client(w, "198.51.100.7:5002");
	assert_int_equal(allocate(w), 486);
	assert_int_equal(turn_shared_allocations(w->shared), 2);
	turn_server_free(second);
	assert_int_equal(turn_shared_allocations(w->shared), 1);
	w->server = first;
	assert_int_equal(allocate(w), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(everything_goes_on), T(dual), T(what_is_not_adopted), T(G5_bindings),
		T(behind_a_proxy), T(quota_counts_adopted), T(two_workers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
