// SPDX-License-Identifier: MIT
/*
 * RFC 8016 for clients whose connection ends: "break before make", "make before break", and
 * what becomes of an allocation whose client does not come back.
 */
#include "turn_mobile.h"

#define TLS	(IPPROTO_TCP | TURN_SECURE)
#define DTLS	(IPPROTO_UDP | TURN_SECURE)

/* What turn_adopt() would find in the journal. */
static struct tp_alloc saved_of(const struct world *w)
{
	const struct turn_alloc *a = w->relay[0]->alloc;
	struct tp_alloc saved = {
		.state = TP_ALLOC_LIVE, .client = a->path.client, .server = a->path.server,
		.transport = a->path.transport, .created_ns = a->created_ns, .ticket = a->ticket,
	};

	saved.relayed[0] = a->relay[0].local;
	saved.expires_ns[0] = a->relay[0].expires_ns;
	memcpy(saved.txid, a->txid, sizeof(saved.txid));
	memcpy(saved.user_id, a->user_id, sizeof(saved.user_id));
	return saved;
}

static bool ends(struct world *w)
{
	return turn_client_gone(w->server, &w->path, w->now);
}

static void assert_nobody(struct world *w)
{
	unsigned int n = w->n_client;

	assert_int_equal(from_peer(w, PEER, "lost"), TP_R_CLIENT_GONE);
	assert_int_equal(w->n_client, n);
}

static void assert_reaches(struct world *w, const char *client)
{
	struct tp_addr a = addr(client);

	assert_int_equal(from_peer(w, PEER, "hello"), TP_R_USER_TO_CLIENT);
	assert_true(address_equal(&w->out_path.client, &a));
}

/* By another connection of any kind, perhaps from where it was. */
static void go_by(struct world *w, uint8_t transport, const char *to)
{
	w->path.transport = transport;
	go(w, to);
}

static struct ticket start_by(struct world *w, uint8_t transport)
{
	w->path.transport = transport;
	return start(w);
}

static void break_before_make(void **state)
{
	struct world *w = *state;
	struct ticket t = start_by(w, IPPROTO_TCP);

	assert_false(ends(w));
	assert_int_equal(w->allocs, 1);
	assert_int_equal(w->chans, 1);
	assert_int_equal(w->perms, 2);
	assert_int_equal(w->sockets, 1);
	assert_int_equal(w->kept_path.transport, IPPROTO_TCP | TURN_GONE);
	assert_false(w->comes);
	assert_nobody(w);
	assert_int_equal(turn_icmp(w->server, w->relay[0], &(struct tp_addr){ .family = 4,
			 .ip = { 9, 9, 9, 1 }, .port = htons(1000) }, 3, 3, 0, w->now),
			 TP_R_ICMP_IGNORED);
	go(w, AWAY);
	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_NO_ALLOCATION);
	assert_int_equal(resume(w, &t), 0);
	/* nobody is at the old path: it is there at once, without having sent anything */
	assert_reaches(w, AWAY);
	assert_int_equal(w->parked, 0);
	assert_int_equal(send_channel(w, 0x4000, "up"), TP_R_USER_TO_PEER);
	assert_peer_got(w, PEER, "up");
	assert_int_equal(refresh(w, 0), 0);
	assert_int_equal(w->allocs + w->chans + w->perms + w->sockets, 0);
}

static void without_a_ticket(void **state)
{
	struct world *w = *state;

	w->conf.mobility = true;
	w->path.transport = TLS;
	assert_int_equal(allocate(w), 0);
	assert_true(ends(w));
	assert_int_equal(w->allocs + w->sockets, 0);
	assert_false(ends(w));
}

/* The old 5-tuple is nobody's: its next owner is a stranger, and may be the client itself. */
static void from_the_same_port(void **state)
{
	struct world *w = *state;
	struct ticket t = start_by(w, IPPROTO_TCP);
	struct turn_relay *relay = w->relay[0];

	ends(w);
	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_NO_ALLOCATION);
	assert_int_equal(refresh(w, -1), 437);
	assert_int_equal(allocate(w), 0);
	assert_int_equal(w->allocs, 2);
	assert_int_equal(resume(w, &t), 437);
	assert_int_equal(refresh(w, 0), 0);
	assert_int_equal(w->allocs, 1);
	w->relay[0] = relay;
	assert_nobody(w);
	assert_int_equal(resume(w, &t), 0);
	assert_reaches(w, HOME);
	t = got(w);
	assert_int_equal(resume(w, &t), 400);
}

/* Section 3.2.2 leaves the transport open: each may follow each. */
static void every_transport(void **state)
{
	static const uint8_t all[] = { IPPROTO_UDP, IPPROTO_TCP, DTLS, TLS };
	struct world *w = *state;
	unsigned int from, to;

	for (from = 0; from < 4; from++) {
		for (to = 0; to < 4; to++) {
			struct ticket t;

			client(w, HOME);
			t = start_by(w, all[from]);
			if (all[from] != IPPROTO_UDP)
				ends(w);
			go_by(w, all[to], AWAY);
			assert_int_equal(resume(w, &t), 0);
			assert_int_equal(send_channel(w, 0x4000, "abcde"), TP_R_USER_TO_PEER);
			assert_reaches(w, AWAY);
			assert_int_equal(w->out_path.transport, all[to]);
			/* a stream's frames are padded */
			assert_int_equal(w->out_len, turn_protocol(all[to]) == IPPROTO_UDP ?
						     4 + 5 : 4 + 8);
			assert_int_equal(refresh(w, 0), 0);
		}
	}
	assert_int_equal(w->allocs + w->parked, 0);
}

static void make_before_break(void **state)
{
	struct world *w = *state;
	struct ticket t = start_by(w, TLS);
	struct turn_path old = w->path;

	go(w, AWAY);
	assert_int_equal(resume(w, &t), 0);
	t = got(w);
	/* who comes is no stranger, even before it sends anything */
	assert_true(w->comes);
	assert_true(address_equal(&w->comes_path.client, &w->path.client));
	assert_reaches(w, HOME);
	/* "a message from the client to close the old connection" */
	assert_false(turn_client_gone(w->server, &old, w->now));
	assert_false(w->comes);
	assert_true(address_equal(&w->comes_path.client, &old.client));
	assert_reaches(w, AWAY);

	/* now the one that it moves away from closes after the move */
	old = w->path;
	go(w, FAR);
	assert_int_equal(resume(w, &t), 0);
	t = got(w);
	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_USER_TO_PEER);
	assert_false(turn_client_gone(w->server, &old, w->now));
	assert_reaches(w, FAR);

	/* and the new one before it was used: back to the old one, with the latest ticket */
	old = w->path;
	go(w, AWAY);
	assert_int_equal(resume(w, &t), 0);
	t = got(w);
	assert_false(ends(w));
	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_NO_ALLOCATION);
	assert_reaches(w, FAR);
	assert_int_equal(resume(w, &t), 0);
	t = got(w);
	/* who comes from a third place makes the second nobody's */
	w->comes_path.client.family = 0;
	go(w, "203.0.113.77:1");
	assert_int_equal(resume(w, &t), 0);
	assert_true(w->comes);
	client(w, AWAY);
	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_NO_ALLOCATION);
	w->path = old;
	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_USER_TO_PEER);
}

/* Who had come is told, however it ends. */
static void ended_while_coming(void **state)
{
	struct world *w = *state;
	struct ticket t = start_by(w, TLS);

	go(w, AWAY);
	assert_int_equal(resume(w, &t), 0);
	assert_true(w->comes);
	client(w, HOME);
	challenge(w);
	assert_int_equal(refresh(w, 0), 0);
	assert_false(w->comes);
	assert_int_equal(ntohs(w->comes_path.client.port), 6000);
	assert_int_equal(w->allocs, 0);
}

static void nobody_comes_back(void **state)
{
	struct world *w = *state;
	struct ticket t = start_by(w, IPPROTO_TCP);

	ends(w);
	pass(w, 599 * S);
	assert_int_equal(w->allocs, 1);
	assert_int_equal(turn_shared_allocations(w->shared), 1);
	pass(w, 1 * S);
	assert_int_equal(w->allocs + w->chans + w->perms + w->sockets, 0);
	assert_int_equal(turn_shared_allocations(w->shared), 0);
	go(w, AWAY);
	assert_int_equal(resume(w, &t), 437);
}

/* One that has come back may be refreshed, and its permissions go on as they were. */
static void refreshed_by_coming(void **state)
{
	struct world *w = *state;
	struct ticket t = start_by(w, DTLS);

	ends(w);
	pass(w, 299 * S);
	go_by(w, DTLS, AWAY);
	assert_int_equal(resume(w, &t), 0);
	assert_reaches(w, AWAY);
	pass(w, 2 * S);
	assert_int_equal(from_peer(w, PEER, "x"), TP_R_NO_PERMISSION);
	pass(w, 597 * S);
	assert_int_equal(w->allocs, 1);
	pass(w, 1 * S);
	assert_int_equal(w->allocs, 0);
}

static void refused(void **state)
{
	struct world *w = *state;
	struct ticket t = start_by(w, TLS), bad = t;

	ends(w);
	go(w, AWAY);
	bad.bytes[3] ^= 1;
	assert_int_equal(resume(w, &bad), 400);
	assert_needs_owner(w, &t);
	assert_nobody(w);
	assert_int_equal(resume(w, &t), 0);
	bad = t;
	t = got(w);
	ends(w);
	go(w, FAR);
	assert_int_equal(resume(w, &bad), 400);
	assert_nobody(w);
	assert_int_equal(resume(w, &t), 0);
	assert_reaches(w, FAR);
}

/* Open, allocate, close: what is held counts, once, and comes back once. */
static void quota_holds(void **state)
{
	struct world *w = *state;
	unsigned int i, made = 0;
	struct ticket t;
	char from[32];

	w->conf.mobility = true;
	w->conf.user_quota = 3;
	w->path.transport = IPPROTO_TCP;
	for (i = 0; i < 1000; i++) {
		snprintf(from, sizeof(from), "203.0.113.9:%u", 1000 + i);
		go(w, from);
		if (allocate_mobile(w)) {
			assert_int_equal(w->reply.error, 486);
			continue;
		}
		t = got(w);
		made++;
		assert_false(ends(w));
	}
	assert_int_equal(made, 3);
	assert_int_equal(w->allocs, 3);
	assert_int_equal(resume(w, &t), 0);
	assert_int_equal(refresh(w, 0), 0);
	assert_int_equal(allocate_mobile(w), 0);
	pass(w, 600 * S);
	assert_int_equal(turn_shared_allocations(w->shared), 0);
}

/* A burst of connections that break: the rows follow once a second, and nobody is stuck. */
static void restless(void **state)
{
	struct world *w = *state;
	struct ticket t = start_by(w, IPPROTO_TCP);
	unsigned int i;

	for (i = 0; i < 8; i++) {
		ends(w);
		go(w, i & 1 ? HOME : AWAY);
		assert_int_equal(resume(w, &t), 0);
		t = got(w);
		assert_reaches(w, i & 1 ? HOME : AWAY);
	}
	ends(w);
	go(w, FAR);
	assert_int_equal(resume(w, &t), 0);
	assert_nobody(w);
	w->now.mono_ns += S;
	assert_reaches(w, FAR);
}

static void operators(void **state)
{
	struct world *w = *state;

	struct ticket t = start_by(w, DTLS);

	/* it may come by another listener */
	assert_int_equal(turn_server_deafen(w->server, &w->path.server, w->now), 0);
	assert_nobody(w);
	assert_int_equal(turn_server_deafen(w->server, &w->path.server, w->now), 0);
	assert_int_equal(w->allocs, 1);
	go_by(w, TLS, AWAY);
	assert_int_equal(resume(w, &t), 0);
	assert_int_equal(turn_server_deafen(w->server, &w->path.server, w->now), 0);
	assert_reaches(w, AWAY);
	ends(w);
	end_alloc(w);
	assert_int_equal(w->allocs, 0);
}

static void found_by_other_workers(void **state)
{
	struct world *w = *state;
	struct turn_server *first = w->server;
	struct ticket t = start_by(w, TLS);
	unsigned int worker = 9;

	turn_server_number(first, 0, 2);
	w->server = turn_server_new(&w->conf, w->shared, &fake_host, w);
	turn_server_number(w->server, 1, 2);
	resume_begin(w, &t);
	assert_true(turn_resumes(w->server, w->w.buf, w->w.len, &worker));
	assert_int_equal(worker, 0);
	assert_false(turn_resumes(w->server, w->w.buf, w->w.len - 4, &worker));
	t.bytes[0] ^= 1;
	resume_begin(w, &t);
	assert_false(turn_resumes(w->server, w->w.buf, w->w.len, &worker));
	allocate_begin(w);
	attr(w, STUN_T_MOBILITY_TICKET, t.bytes, t.len);
	assert_false(turn_resumes(w->server, w->w.buf, w->w.len, &worker));
	turn_server_free(w->server);
	w->server = first;
}

static void restart(struct world *w)
{
	turn_server_abandon(w->server);
	turn_shared_free(w->shared);
	w->server = NULL;
	w->shared = NULL;
	w->allocs = w->chans = w->perms = w->sockets = 0;
	world_start(w);
	turn_shared_ticket_key(w->shared, "the tables' secret", 18);
}

/* Its connection went with the process that had it. */
static void survives_a_restart(void **state)
{
	struct world *w = *state;
	struct tp_alloc saved;
	struct turn_alloc *a;
	struct ticket t;

	turn_shared_ticket_key(w->shared, "the tables' secret", 18);
	t = start_by(w, TLS);
	saved = saved_of(w);
	saved.transport |= TURN_GONE;
	restart(w);
	w->conf.mobility = false;
	assert_null(turn_adopt(w->server, &saved, NULL, w->now));
	w->conf.mobility = true;
	saved.ticket = 0;
	assert_null(turn_adopt(w->server, &saved, NULL, w->now));
	saved.ticket = 1;
	memset(w->port_until, 0, sizeof(w->port_until));
	restart(w);
	a = turn_adopt(w->server, &saved, NULL, w->now);
	assert_non_null(a);
	a->host = w;
	w->allocs++;
	go(w, AWAY);
	assert_int_equal(resume(w, &t), 0);
	assert_int_equal(w->kept_path.transport, TLS);
	assert_int_equal(refresh(w, 0), 0);
	assert_int_equal(w->allocs + w->sockets, 0);
}

/* Nobody gets at once what is still sent to one that was lost with its process. */
static void lost_ports_rest(void **state)
{
	struct world *w = *state;
	struct tp_alloc saved;
	uint16_t port;

	w->conf.min_port = w->conf.max_port = 50000;
	world_start(w);
	w->path.transport = IPPROTO_TCP;
	assert_int_equal(allocate(w), 0);
	saved = saved_of(w);
	port = ntohs(saved.relayed[0].port);
	restart(w);
	w->port_until[0][port] = w->now.mono_ns + 60 * S;	/* what the host wants to see */
	turn_forgo(w->server, &saved, w->now);
	turn_forgo(w->server, &saved, w->now);
	assert_int_equal(allocate(w), 508);
	pass(w, 60 * S - 1);
	assert_int_equal(allocate(w), 508);
	pass(w, 1);
	assert_int_equal(allocate(w), 0);
	assert_int_equal(refresh(w, 0), 0);
	/* one that was over long ago has rested */
	pass(w, 60 * S);
	saved.expires_ns[0] = w->now.mono_ns - 61 * S;
	turn_forgo(w->server, &saved, w->now);
	assert_int_equal(allocate(w), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(break_before_make), T(without_a_ticket), T(from_the_same_port),
		T(every_transport), T(make_before_break), T(ended_while_coming),
		T(nobody_comes_back), T(refreshed_by_coming), T(refused), T(quota_holds),
		T(restless), T(operators), T(found_by_other_workers), T(survives_a_restart),
		T(lost_ports_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
