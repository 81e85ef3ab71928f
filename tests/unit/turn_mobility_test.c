// SPDX-License-Identifier: MIT
/* Mobility (RFC 8016): L26 and R11 to R16 of the catalogue, alone and between two workers. */
#include "turn_mobile.h"

static void assert_client_is(struct world *w, const char *text)
{
	struct turn_server *server = w->server;
	struct tp_addr a = addr(text);

	if (w->worker[0])
		w->server = w->worker[0];	/* whose allocation it is */
	assert_int_equal(from_peer(w, PEER, "hello"), TP_R_USER_TO_CLIENT);
	assert_true(address_equal(&w->out_path.client, &a));
	assert_true(address_equal(&w->kept_path.client, &a));
	w->server = server;
}

static void moves_when_data_comes(void **state)
{
	struct world *w = *state;
	struct ticket first = start(w), second;
	unsigned int channels = w->chans_kept, perms = w->perms_kept;

	go(w, AWAY);
	assert_int_equal(resume(w, &first), 0);
	assert_int_equal(w->reply.lifetime, 600);
	second = got(w);
	assert_false(same(&first, &second));
	assert_int_equal(w->allocs, 1);
	assert_int_equal(w->sockets, 1);

	/* R15: both ways by the old path, which may send on, and refreshes too */
	assert_client_is(w, HOME);
	w->path.client = addr(HOME);
	assert_int_equal(send_channel(w, 0x4000, "old"), TP_R_USER_TO_PEER);
	assert_peer_got(w, PEER, "old");
	assert_client_is(w, HOME);

	/* what is not relayed moves nothing */
	w->path.client = addr(AWAY);
	assert_int_equal(send_channel(w, 0x4001, "x"), TP_R_NO_CHANNEL);
	assert_int_equal(send_data(w, "9.9.9.3:1", "x"), TP_R_NO_PERMISSION);
	assert_client_is(w, HOME);

	assert_int_equal(send_channel(w, 0x4000, "new"), TP_R_USER_TO_PEER);
	assert_peer_got(w, PEER, "new");
	assert_client_is(w, AWAY);
	assert_int_equal(w->parked, 0);
	assert_true(w->chans_kept > channels && w->perms_kept > perms + 1);
	w->path.client = addr(HOME);
	assert_int_equal(send_channel(w, 0x4000, "late"), TP_R_NO_ALLOCATION);

	/* and back again, by a Send indication, with the second ticket only */
	go(w, HOME);
	assert_int_equal(resume(w, &first), 400);
	assert_int_equal(resume(w, &second), 0);
	assert_int_equal(send_data(w, "9.9.9.2:7", "again"), TP_R_USER_TO_PEER);
	assert_client_is(w, HOME);
	assert_int_equal(refresh(w, 0), 0);
	assert_int_equal(w->allocs + w->chans + w->perms + w->sockets, 0);
}

static void requests_by_either_path(void **state)
{
	struct world *w = *state;
	struct ticket t = start(w);

	go(w, AWAY);
	assert_int_equal(resume(w, &t), 0);
	assert_int_equal(bind_channel(w, 0x4001, "9.9.9.5:5"), 0);
	assert_int_equal(refresh(w, 700), 0);
	assert_client_is(w, HOME);
	go(w, HOME);
	assert_int_equal(permit(w, "9.9.9.6"), 0);
	assert_int_equal(w->chans, 2);
	assert_int_equal(w->perms, 4);
	/* a Refresh with a ticket can end it as well */
	go(w, FAR);
	resume_begin(w, &t);
	stun_put_u32(&w->w, STUN_T_LIFETIME, 0);
	assert_int_equal(ask(w), 400);
	go(w, AWAY);
	assert_int_equal(refresh(w, 0), 0);
	assert_int_equal(w->allocs, 0);
	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_NO_ALLOCATION);
}

static void L26_R13_refused(void **state)
{
	struct world *w = *state;
	struct turn_relay *relay;
	struct ticket t, bad;

	assert_int_equal(allocate_mobile(w), 405);
	t = start(w);
	relay = w->relay[0];
	go(w, FAR);
	assert_int_equal(allocate(w), 0);
	w->relay[0] = relay;
	assert_false(w->reply.has & STUN_BIT(MOBILITY_TICKET));
	go(w, AWAY);
	for (unsigned int bit = 0; bit < 8 * TURN_TICKET_LEN; bit++) {
		bad = t;
		bad.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(resume(w, &bad), 400);
	}
	for (bad = t, bad.len = 0; bad.len < 24; bad.len++)
		if (bad.len != TURN_TICKET_LEN)
			assert_int_equal(resume(w, &bad), 400);
	/* L12's rule: somebody else's */
	assert_needs_owner(w, &t);
	/* R12: the 5-tuple has not changed; and one that is another allocation's */
	go(w, HOME);
	assert_int_equal(resume(w, &t), 400);
	assert_int_equal(refresh(w, -1), 0);
	assert_false(w->reply.has & STUN_BIT(MOBILITY_TICKET));
	go(w, FAR);
	assert_int_equal(resume(w, &t), 437);
	assert_int_equal(from_peer(w, PEER, "hello"), TP_R_USER_TO_CLIENT);
	assert_int_equal(ntohs(w->out_path.client.port), 5000);
	go(w, AWAY);
	assert_int_equal(resume(w, &t), 0);
	assert_int_equal(resume(w, &t), 400);
	go(w, HOME);
	assert_int_equal(refresh(w, 0), 0);
	t = start(w);
	assert_int_equal(refresh(w, 0), 0);
	go(w, AWAY);
	assert_int_equal(resume(w, &t), 437);
}

static void R16_retransmission(void **state)
{
	struct world *w = *state;
	struct ticket first = start(w), second, again;
	uint8_t copy[2048];
	size_t len;

	go(w, AWAY);
	assert_int_equal(resume(w, &first), 0);
	second = got(w);
	len = w->w.len;
	memcpy(copy, w->buf, len);
	pass(w, 10 * S);
	assert_int_equal(give(w, copy, len), 0);
	again = got(w);
	assert_true(same(&again, &second));
	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_USER_TO_PEER);
	assert_int_equal(give(w, copy, len), 0);	/* also when it has moved */
	again = got(w);
	assert_true(same(&again, &second));
	assert_int_equal(resume(w, &first), 400);	/* not for a new request */
	pass(w, 19 * S);
	assert_int_equal(give(w, copy, len), 0);
	pass(w, 2 * S);
	assert_int_equal(give(w, copy, len), 400);
	assert_client_is(w, AWAY);
}

static void allocate_retransmitted(void **state)
{
	struct world *w = *state;
	struct ticket first, again;

	w->conf.mobility = true;
	assert_int_equal(allocate_mobile(w), 0);
	first = got(w);
	assert_int_equal(give(w, w->buf, w->w.len), 0);
	again = got(w);
	assert_true(same(&first, &again));
}

static void R14_chained(void **state)
{
	struct world *w = *state;
	struct ticket t = start(w);
	char from[32];
	unsigned int i;

	for (i = 0; i < 3000; i++) {
		snprintf(from, sizeof(from), "203.0.113.%u:%u", i % 250 + 1, 6000 + i);
		go(w, from);
		assert_int_equal(resume(w, &t), 0);
		t = got(w);
		if (i % 30)
			continue;
		w->now.mono_ns += S;
		assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_USER_TO_PEER);
	}
	/* the last one is still to come, those before it are nobody */
	client(w, "203.0.113.249:8998");
	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_NO_ALLOCATION);
	assert_client_is(w, "203.0.113.221:8970");
	client(w, "203.0.113.250:8999");
	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_USER_TO_PEER);
	assert_client_is(w, "203.0.113.250:8999");
}

/* Back and forth as fast as it can be asked: data goes on, the rows follow once a second. */
static void restless(void **state)
{
	struct world *w = *state;
	struct ticket t = start(w);
	unsigned int i, kept;

	for (i = 0; i < 8; i++) {
		go(w, i & 1 ? HOME : AWAY);
		assert_int_equal(resume(w, &t), 0);
		t = got(w);
		assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_USER_TO_PEER);
	}
	assert_client_is(w, HOME);
	kept = w->chans_kept;
	for (i = 0; i < 100; i++) {
		go(w, i & 1 ? FAR : AWAY);
		assert_int_equal(resume(w, &t), 0);
		t = got(w);
		assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_USER_TO_PEER);
		assert_client_is(w, HOME);
	}
	assert_int_equal(w->chans_kept, kept);
	pass(w, S);
	assert_client_is(w, HOME);
	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_USER_TO_PEER);
	assert_client_is(w, FAR);
}

static void other_family(void **state)
{
	struct world *w = *state;
	struct ticket t = start(w);

	w->path.server = w->own[1];
	go(w, "[2001:db8:7::1]:5000");
	assert_int_equal(resume(w, &t), 0);
	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_USER_TO_PEER);
	assert_client_is(w, "[2001:db8:7::1]:5000");
}

static void never_without_authentication(void **state)
{
	struct world *w = *state;

	w->conf.mobility = true;
	w->conf.no_auth = true;
	world_start(w);
	begin(w, TURN_ALLOCATE);
	attr_u8(w, STUN_T_REQUESTED_TRANSPORT, 17);
	attr_len(w, STUN_T_MOBILITY_TICKET, 0);
	assert_int_equal(ask_plain(w), 405);
}

/* Two allocations of which a ticket would say the same: the second one has none. */
static void G12_same_ticket(void **state)
{
	struct world *w = *state;

	uint32_t used;

	w->conf.mobility = true;
	assert_int_equal(allocate_mobile(w), 0);
	used = w->txid;
	go(w, AWAY);
	w->txid = used - 1;
	assert_int_equal(allocate_mobile(w), 508);
	assert_int_equal(w->allocs, 1);
	assert_int_equal(allocate_mobile(w), 0);
	assert_int_equal(w->allocs, 2);
}

static void survives_a_restart(void **state)
{
	struct world *w = *state;
	struct tp_alloc saved = { .state = TP_ALLOC_LIVE, .transport = IPPROTO_UDP };
	struct turn_alloc *a;
	struct ticket t;

	turn_shared_ticket_key(w->shared, "the tables' secret", 18);
	t = start(w);
	go(w, FAR);
	assert_int_equal(resume(w, &t), 0);
	t = got(w);
	send_channel(w, 0x4000, "x");
	saved.client = w->path.client;
	saved.server = w->path.server;
	saved.relayed[0] = w->relay[0]->local;
	saved.expires_ns[0] = w->relay[0]->expires_ns;
	saved.ticket = w->relay[0]->alloc->ticket;
	saved.created_ns = w->relay[0]->alloc->created_ns;
	memcpy(saved.txid, w->relay[0]->alloc->txid, sizeof(saved.txid));
	memcpy(saved.user_id, w->relay[0]->alloc->user_id, sizeof(saved.user_id));
	turn_server_abandon(w->server);
	turn_shared_free(w->shared);
	memset(w->conf.nonce_key, 9, sizeof(w->conf.nonce_key));
	w->server = NULL;
	w->shared = NULL;
	w->allocs = w->chans = w->perms = w->sockets = 0;
	world_start(w);
	turn_shared_ticket_key(w->shared, "the tables' secret", 18);
	a = turn_adopt(w->server, &saved, NULL, w->now);
	assert_non_null(a);
	assert_int_equal(a->ticket, 2);
	a->host = NULL;
	go(w, AWAY);
	assert_int_equal(resume(w, &t), 0);
	assert_int_equal(w->allocs, 1);
	assert_int_equal(refresh(w, 0), 0);
	turn_server_free(w->server);
	w->server = turn_server_new(&w->conf, w->shared, &fake_host, w);
}

/* ------------------------------------------------------------ two workers */

static void use(struct world *w, unsigned int worker)
{
	w->server = w->worker[worker];
}

static void two_workers(struct world *w)
{
	w->worker[0] = w->server;
	w->worker[1] = turn_server_new(&w->conf, w->shared, &fake_host, w);
	turn_server_number(w->worker[1], 1, 2);
}

static void one_worker(struct world *w)
{
	turn_server_free(w->worker[1]);
	w->worker[1] = NULL;
	use(w, 0);
}

static void to_another_worker(void **state)
{
	struct world *w = *state;
	struct ticket t;

	two_workers(w);
	t = start(w);
	use(w, 1);
	go(w, AWAY);
	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_NO_ALLOCATION);
	assert_int_equal(w->handed_over, 0);
	resume_begin(w, &t);
	sign_names(w);
	sign_mi(w);
	/* the other one answers, and from now on gets all of it */
	assert_int_equal(turn_from_client(w->server, &w->path, w->w.buf, w->w.len, w->now),
			 TP_R_MAX);
	assert_int_equal(w->reason, TP_R_STUN_SUCCESS);
	assert_int_equal(w->handed_over, 1);
	assert_int_equal(stun_parse(&w->reply, w->out, w->out_len), STUN_OK);
	t = got(w);
	assert_client_is(w, HOME);
	send_channel(w, 0x4000, "x");
	assert_int_equal(w->handed_over, 2);
	assert_peer_got(w, PEER, "x");
	assert_client_is(w, AWAY);
	/* strangers' datagrams are not handed over */
	client(w, FAR);
	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_NO_ALLOCATION);
	assert_int_equal(w->handed_over, 2);
	/* back at home it is found directly, and no trace is left elsewhere */
	use(w, 0);
	go(w, HOME);
	assert_int_equal(resume(w, &t), 0);
	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_USER_TO_PEER);
	assert_int_equal(w->handed_over, 2);
	use(w, 1);
	client(w, AWAY);
	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_NO_ALLOCATION);
	assert_int_equal(w->handed_over, 2);
	one_worker(w);
}

static void taken_with_another_worker(void **state)
{
	struct world *w = *state;
	struct ticket t;

	two_workers(w);
	t = start(w);
	use(w, 1);
	go(w, AWAY);
	assert_int_equal(allocate(w), 0);
	assert_int_equal(resume(w, &t), 437);
	assert_int_equal(w->handed_over, 0);
	assert_int_equal(refresh(w, 0), 0);
	one_worker(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(moves_when_data_comes), T(requests_by_either_path), T(L26_R13_refused),
		T(R16_retransmission), T(allocate_retransmitted), T(R14_chained),
		T(restless), T(other_family), T(never_without_authentication), T(G12_same_ticket),
		T(survives_a_restart), T(to_another_worker),
		T(taken_with_another_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
