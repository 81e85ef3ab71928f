// SPDX-License-Identifier: MIT
/* Clients whose datagrams a proxy passes on (PROXY protocol): who they are, and are not. */
#include "turn_harness.h"

#define CLIENT	"198.51.100.7:5000"
#define PROXY	"10.0.0.1:7000"
#define OTHER	"10.0.0.2:7000"
#define NEXT	"10.0.0.1:7001"
#define PEER	"9.9.9.1:1000"

static const char *const ways[] = { NULL, PROXY, OTHER, NEXT };

#define WAYS	(sizeof(ways) / sizeof(*ways))

/* The same client by this way; NULL: by itself. */
static void by(struct world *w, const char *proxy)
{
	const struct tp_addr none = { 0 };

	w->path.proxy = proxy ? addr(proxy) : none;
}

static bool is_by(const struct turn_path *path, const char *proxy)
{
	const struct tp_addr none = { 0 };
	struct tp_addr want = proxy ? addr(proxy) : none;

	return address_equal(&path->proxy, &want);
}

/* One address and port, four clients: none has what another one has. */
static void each_way_is_another_client(void **state)
{
	struct turn_relay *relay[WAYS];
	struct world *w = *state;
	uint8_t request[512];
	size_t len;

	for (unsigned int i = 0; i < WAYS; i++) {
		by(w, ways[i]);
		assert_int_equal(send_data(w, PEER, "x"), TP_R_NO_ALLOCATION);
		assert_false(turn_client_known(w->server, &w->path, w->now));
		assert_int_equal(allocate(w), 0);
		assert_true(is_by(&w->out_path, ways[i]));
		assert_true(is_by(&w->kept_path, ways[i]));
		assert_true(turn_client_known(w->server, &w->path, w->now));
		assert_int_equal(bind_channel(w, (uint16_t)(0x4000 + i), PEER), 0);
		relay[i] = w->relay[0];
	}
	assert_int_equal(w->allocs, WAYS);
	for (unsigned int i = 0; i < WAYS; i++) {
		by(w, ways[i]);
		for (unsigned int k = 0; k < WAYS; k++)
			assert_int_equal(send_channel(w, (uint16_t)(0x4000 + k), "x"),
					 k == i ? TP_R_USER_TO_PEER : TP_R_NO_CHANNEL);
		w->relay[0] = relay[i];
		assert_int_equal(from_peer(w, PEER, "x"), TP_R_USER_TO_CLIENT);
		assert_true(is_by(&w->out_path, ways[i]));
	}
	/* a retransmission by another way is no retransmission */
	by(w, NULL);
	assert_int_equal(refresh(w, 0), 0);
	assert_int_equal(allocate(w), 0);
	memcpy(request, w->buf, len = w->w.len);
	by(w, PROXY);
	assert_int_equal(give(w, request, len), 437);
	assert_int_equal(refresh(w, 0), 0);
	assert_int_equal(w->allocs, WAYS - 1);
}

static void known_by_its_own_address(void **state)
{
	struct world *w = *state;

	by(w, PROXY);
	begin(w, STUN_BINDING);
	assert_int_equal(ask_plain(w), 0);
	assert_true(address_equal(&w->reply.mapped, &w->path.client));
	/* nobody talks to us from where we listen, whoever says so */
	w->path.client = w->own[0];
	begin(w, STUN_BINDING);
	assert_int_equal(ask_plain(w), -1);
	assert_int_equal(w->reason, TP_R_STUN_IGNORED);
}

/* RFC 5780's tests are about the way to the client, which is the proxy's here. */
static void no_discovery(void **state)
{
	static const uint16_t types[] = { STUN_T_CHANGE_REQUEST, STUN_T_PADDING,
					  STUN_T_RESPONSE_PORT };
	static const char *const value[] = { "\0\0\0\0", "pad", "\x12\x34\0" };
	struct world *w = *state;
	struct turn_origin origin = { .local = w->path.server, .external = w->path.server };

	for (unsigned int i = 0; i < 4; i++)
		origin.other[i] = &origin;
	w->conf.rfc5780 = true;
	w->conf.origins = &origin;
	for (unsigned int i = 0; i < 3; i++) {
		by(w, NULL);
		w->conf.n_origins = 1;
		begin(w, STUN_BINDING);
		attr(w, types[i], value[i], 4);
		w->answer_port = types[i] == STUN_T_RESPONSE_PORT ? htons(0x1234) : 0;
		assert_int_equal(ask_plain(w), 0);
		w->answer_port = 0;
		by(w, PROXY);
		w->conf.n_origins = 0;		/* proxies have a listener of their own */
		begin(w, STUN_BINDING);
		attr(w, types[i], value[i], 4);
		assert_int_equal(ask_plain(w), 420);
	}
}

/* Strangers are told apart by their own addresses, not by the proxy's. */
static void limited_as_itself(void **state)
{
	struct world *w = *state;
	unsigned int answers = 0;
	char text[32];

	w->conf.unauthorized_rps = 1;
	by(w, PROXY);
	for (unsigned int i = 0; i < 100; i++) {
		begin(w, TURN_ALLOCATE);
		answers += ask_plain(w) == 401;
	}
	assert_in_range(answers, 1, 20);
	for (unsigned int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "198.%u.100.7:5000", i + 60);
		w->path.client = addr(text);
		begin(w, TURN_ALLOCATE);
		assert_int_equal(ask_plain(w), 401);
	}
}

/* The port of the proxy is another client's now. */
static void its_port_is_given_away(void **state)
{
	struct turn_path old;
	struct world *w = *state;

	by(w, PROXY);
	assert_int_equal(allocate(w), 0);
	old = w->path;
	client(w, "198.51.100.8:5000");
	assert_int_equal(allocate(w), 0);
	turn_client_gone(w->server, &old, w->now);
	assert_int_equal(w->allocs, 1);
	assert_int_equal(refresh(w, -1), 0);
	turn_client_gone(w->server, &old, w->now);
	assert_int_equal(w->allocs, 1);
}

/* RFC 8016: to a proxy, from one to another, and away; the client's address may stay. */
static void moves(void **state)
{
	static const char *const to[] = { PROXY, OTHER, NULL, NEXT };
	struct world *w = *state;
	uint8_t ticket[TURN_TICKET_LEN];

	w->conf.mobility = true;
	allocate_begin(w);
	attr_len(w, STUN_T_MOBILITY_TICKET, 0);
	assert_int_equal(ask(w), 0);
	memcpy(ticket, w->reply.ticket.p, sizeof(ticket));
	assert_int_equal(bind_channel(w, 0x4000, PEER), 0);
	for (unsigned int i = 0; i < 4; i++) {
		by(w, to[i]);
		begin(w, TURN_REFRESH);
		attr(w, STUN_T_MOBILITY_TICKET, ticket, sizeof(ticket));
		assert_int_equal(ask(w), 0);
		memcpy(ticket, w->reply.ticket.p, sizeof(ticket));
		assert_true(turn_client_known(w->server, &w->path, w->now));
		assert_int_equal(from_peer(w, PEER, "x"), TP_R_USER_TO_CLIENT);
		assert_false(is_by(&w->out_path, to[i]));
		assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_USER_TO_PEER);
		assert_int_equal(from_peer(w, PEER, "x"), TP_R_USER_TO_CLIENT);
		assert_true(is_by(&w->out_path, to[i]));
		assert_true(is_by(&w->kept_path, to[i]));
		assert_int_equal(w->allocs, 1);
	}
	/* its port is given away: it may come back with its ticket, and by that way alone */
	turn_client_gone(w->server, &w->path, w->now);
	by(w, NULL);
	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_NO_ALLOCATION);
	begin(w, TURN_REFRESH);
	attr(w, STUN_T_MOBILITY_TICKET, ticket, sizeof(ticket));
	assert_int_equal(ask(w), 0);
	assert_int_equal(send_channel(w, 0x4000, "x"), TP_R_USER_TO_PEER);
	assert_int_equal(refresh(w, 0), 0);
	assert_int_equal(w->allocs, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_way_is_another_client),
		T(known_by_its_own_address),
		T(no_discovery),
		T(limited_as_itself),
		T(its_port_is_given_away),
		T(moves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
