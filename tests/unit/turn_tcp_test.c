// SPDX-License-Identifier: MIT
/* TCP allocations (RFC 6062): L6, L7 and Q of the catalogue of bad input. */
#include "turn_harness.h"

#define PEER	"9.9.9.9:80"

static int tcp_setup(void **state)
{
	struct world *w;

	world_setup(state);
	w = *state;
	w->conf.tcp_relay = true;
	w->path.transport = IPPROTO_TCP;
	world_start(w);
	return 0;
}

#define TCP(name) cmocka_unit_test_setup_teardown(name, tcp_setup, world_teardown)

static void allocate_tcp_begin(struct world *w)
{
	if (!w->nonce_len)
		challenge(w);
	begin(w, TURN_ALLOCATE);
	attr_u8(w, STUN_T_REQUESTED_TRANSPORT, 6);
}

static int allocate_tcp(struct world *w)
{
	allocate_tcp_begin(w);
	return ask(w);
}

static int start_connect(struct world *w, const char *peer)
{
	begin(w, TURN_CONNECT);
	attr_peer(w, peer);
	return ask(w);
}

/* What the server has said last, by itself. */
static void heard(struct world *w)
{
	assert_int_equal(stun_parse(&w->reply, w->out, w->out_len), STUN_OK);
}

/* The answer to the Connect request that was made last. */
static int connected(struct world *w, bool ok)
{
	unsigned int before = w->n_client;

	turn_connected(w->server, w->conn, ok, w->now);
	assert_int_equal(w->n_client, before + 1);
	heard(w);
	assert_int_equal(w->reply.method, TURN_CONNECT);
	check_answer(w, 0);
	assert_true(w->reply.has & STUN_BIT(MESSAGE_INTEGRITY));
	return w->reply.class == STUN_SUCCESS ? 0 : w->reply.error;
}

static uint32_t connection(struct world *w, const char *peer)
{
	assert_int_equal(start_connect(w, peer), -1);
	assert_int_equal(w->reason, TP_R_CONNECT);
	assert_int_equal(connected(w, true), 0);
	assert_true(w->reply.has & STUN_BIT(CONNECTION_ID));
	assert_int_equal(w->reply.connection, w->conn->id);
	return w->reply.connection;
}

/* On a connection of its own; the control connection is the client's path again afterwards. */
static int bind_from(struct world *w, const char *from, uint32_t id)
{
	struct turn_path control = w->path;
	int code;

	client(w, from);
	challenge(w);
	begin(w, TURN_CONNECTION_BIND);
	stun_put_u32(&w->w, STUN_T_CONNECTION_ID, id);
	code = ask(w);
	w->path = control;
	w->nonce_len = 0;
	challenge(w);
	return code;
}

static struct turn_connection *accepted(struct world *w, const char *from)
{
	struct tp_addr a = addr(from);
	struct turn_connection *c = turn_accepted(w->server, w->relay[a.family == 6], &a, w, w->now);

	if (c) {
		w->conn = c;
		w->conns++;
	}
	return c;
}

/* ------------------------------------------------------------------ Allocate */

/* Q12: nor for clients on UDP and DTLS. */
static void L6_L7_allocate(void **state)
{
	static const struct {
		uint16_t type;
		size_t len;
	} udp_only[] = {
		{ STUN_T_DONT_FRAGMENT, 0 }, { STUN_T_EVEN_PORT, 1 }, { STUN_T_RESERVATION_TOKEN, 8 },
	};
	static const uint8_t legs[] = { IPPROTO_UDP, IPPROTO_UDP | TURN_SECURE };
	struct world *w = *state;

	for (size_t i = 0; i < 3; i++) {
		allocate_tcp_begin(w);
		attr_len(w, udp_only[i].type, udp_only[i].len);
		assert_int_equal(ask(w), 400);
	}
	for (size_t i = 0; i < 2; i++) {
		w->path.transport = legs[i];
		w->nonce_len = 0;
		assert_int_equal(allocate_tcp(w), 400);
	}
	w->path.transport = IPPROTO_TCP | TURN_SECURE;
	w->nonce_len = 0;
	assert_int_equal(allocate_tcp(w), 0);
	assert_true(w->relay[0]->alloc->tcp);
	assert_false(w->reply.has & STUN_BIT(RESERVATION_TOKEN));
	assert_int_equal(refresh(w, 0), 0);
	allocate_begin(w);
	assert_int_equal(ask(w), 0);
	assert_false(w->relay[0]->alloc->tcp);
}

static void off_by_default(void **state)
{
	struct world *w = *state;

	w->conf.tcp_relay = false;
	assert_int_equal(allocate_tcp(w), 442);
	w->path.transport = IPPROTO_UDP;
	w->nonce_len = 0;
	assert_int_equal(allocate_tcp(w), 442);
	begin(w, TURN_CONNECT);
	attr_peer(w, PEER);
	assert_int_equal(ask(w), -1);
	assert_int_equal(w->reason, TP_R_STUN_IGNORED);
}

static void nothing_else(void **state)
{
	struct world *w = *state;

	w->conf.no_udp_relay = true;
	challenge(w);
	allocate_begin(w);
	assert_int_equal(ask(w), 442);
	assert_int_equal(allocate_tcp(w), 0);
}

static void no_datagrams(void **state)
{
	struct world *w = *state;

	assert_int_equal(allocate_tcp(w), 0);
	assert_int_equal(permit(w, "9.9.9.9"), 0);
	assert_int_equal(bind_channel(w, 0x4000, PEER), 400);
	assert_int_equal(send_data(w, PEER, "x"), TP_R_BAD_SEND);
}

/* ------------------------------------------------------------------- Connect */

static void Q1_no_allocation(void **state)
{
	struct world *w = *state;

	challenge(w);
	assert_int_equal(start_connect(w, PEER), 437);
	assert_int_equal(allocate(w), 0);
	assert_int_equal(start_connect(w, PEER), 437);	/* a UDP one */
}

static void Q2_same_peer(void **state)
{
	struct world *w = *state;
	uint32_t id;

	assert_int_equal(allocate_tcp(w), 0);
	assert_int_equal(start_connect(w, PEER), -1);
	assert_int_equal(start_connect(w, PEER), 446);
	assert_int_equal(start_connect(w, "9.9.9.9:81"), -1);
	turn_connected(w->server, w->conn, false, w->now);
	id = connection(w, "9.9.9.9:81");
	assert_int_equal(start_connect(w, "9.9.9.9:81"), 446);
	assert_int_equal(bind_from(w, "198.51.100.7:5001", id), 0);
	assert_int_equal(start_connect(w, "9.9.9.9:81"), 446);
	turn_disconnected(w->server, w->conn);
	connection(w, "9.9.9.9:81");
}

static void Q3_Q4_peers(void **state)
{
	static const char *const refused[] = { "127.0.0.1:80", "10.0.0.1:80", "169.254.169.254:80",
					       "192.0.2.1:3478", "0.0.0.0:80", "224.0.0.1:80" };
	struct world *w = *state;

	assert_int_equal(allocate_tcp(w), 0);
	begin(w, TURN_CONNECT);
	assert_int_equal(ask(w), 400);
	begin(w, TURN_CONNECT);
	attr_len(w, STUN_T_XOR_PEER_ADDRESS, 8);
	assert_int_equal(ask(w), 400);
	assert_int_equal(start_connect(w, "9.9.9.9"), 400);	/* port 0 */
	assert_int_equal(start_connect(w, "[2a00::1]:80"), 443);
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		assert_int_equal(start_connect(w, refused[i]), 403);
	assert_int_equal(w->conns, 0);
}

static void Q5_refused_and_timeout(void **state)
{
	struct world *w = *state;
	unsigned int before;

	assert_int_equal(allocate_tcp(w), 0);
	assert_int_equal(start_connect(w, PEER), -1);
	assert_int_equal(connected(w, false), 447);
	assert_int_equal(w->conn_closes, 1);
	w->connect_error = -EADDRNOTAVAIL;
	assert_int_equal(start_connect(w, PEER), 447);
	w->connect_error = 0;
	assert_int_equal(start_connect(w, PEER), -1);
	before = w->n_client;
	pass(w, 30 * S - MS);
	assert_int_equal(w->n_client, before);
	pass(w, 2 * MS);
	assert_int_equal(w->n_client, before + 1);
	heard(w);
	check_answer(w, 447);
	assert_int_equal(w->reply.error, 447);
	assert_int_equal(w->conns, 0);
}

static void connect_by_alias(void **state)
{
	struct world *w = *state;
	struct tp_addr local = addr("192.0.2.1:50000");

	w->relays[0].external = addr("203.0.113.1");
	world_start(w);
	assert_int_equal(allocate_tcp(w), 0);
	assert_int_equal(start_connect(w, "203.0.113.1:50000"), -1);
	assert_true(address_equal(&w->conn_to, &local));
	assert_int_equal(permit(w, "203.0.113.1"), 0);
	/* the other relayed address of this host is known by its external name */
	assert_null(accepted(w, "192.0.2.1:50000"));
	assert_non_null(accepted(w, "192.0.2.1:50001"));
	heard(w);
	assert_true(w->reply.peer.ip[0] == 203);
}

static void as_many_as_allowed(void **state)
{
	struct world *w = *state;
	char peer[32];

	assert_int_equal(allocate_tcp(w), 0);
	for (int i = 0; i < 64; i++) {
		snprintf(peer, sizeof(peer), "9.9.9.9:%d", 100 + i);
		assert_int_equal(start_connect(w, peer), -1);
	}
	assert_int_equal(start_connect(w, PEER), 508);
	assert_int_equal(permit(w, "9.9.9.9"), 0);
	assert_null(accepted(w, "9.9.9.9:99"));
	turn_disconnected(w->server, w->conn);	/* 447, and room again */
	assert_int_equal(start_connect(w, PEER), -1);
}

/* -------------------------------------------------------------- ConnectionBind */

static void Q6_Q7_bind(void **state)
{
	static const uint8_t legs[] = { IPPROTO_UDP, IPPROTO_UDP | TURN_SECURE };
	struct world *w = *state;
	uint32_t id;

	assert_int_equal(allocate_tcp(w), 0);
	id = connection(w, PEER);
	for (size_t i = 0; i < 2; i++) {
		w->path.transport = legs[i];
		assert_int_equal(bind_from(w, "198.51.100.7:5001", id), 400);
	}
	w->path.transport = IPPROTO_TCP;
	assert_int_equal(bind_from(w, "198.51.100.7:5001", id ^ 1), 400);
	/* the control connection itself */
	begin(w, TURN_CONNECTION_BIND);
	stun_put_u32(&w->w, STUN_T_CONNECTION_ID, id);
	assert_int_equal(ask(w), 400);
	begin(w, TURN_CONNECTION_BIND);
	assert_int_equal(ask(w), 400);
	begin(w, TURN_CONNECTION_BIND);
	attr_len(w, STUN_T_CONNECTION_ID, 3);
	assert_int_equal(ask(w), 400);
	w->join_error = -EBUSY;
	assert_int_equal(bind_from(w, "198.51.100.7:5001", id), 400);
	w->join_error = 0;
	assert_int_equal(bind_from(w, "198.51.100.7:5001", id), 0);
	assert_true(w->join_path.client.port == htons(5001));
	assert_int_equal(bind_from(w, "198.51.100.7:5002", id), 400);
	/* not before the peer has answered */
	assert_int_equal(start_connect(w, "9.9.9.9:81"), -1);
	assert_int_equal(bind_from(w, "198.51.100.7:5002", w->conn->id), 400);
}

static void Q8_somebody_else(void **state)
{
	struct world *w = *state;
	uint32_t id;

	assert_int_equal(allocate_tcp(w), 0);
	id = connection(w, PEER);
	w->user = "bob";
	w->password = "builder";
	assert_int_equal(bind_from(w, "198.51.100.8:5001", id), 441);
	w->user = "alice";
	w->password = "wonder";
	assert_int_equal(bind_from(w, "198.51.100.7:5001", id), 0);
}

static void Q9_nobody_binds(void **state)
{
	struct world *w = *state;
	uint32_t id;

	assert_int_equal(allocate_tcp(w), 0);
	id = connection(w, PEER);
	assert_int_equal(permit(w, "9.9.9.9"), 0);
	assert_non_null(accepted(w, "9.9.9.9:81"));
	pass(w, 30 * S - MS);
	assert_int_equal(w->conns, 2);
	pass(w, 2 * MS);
	assert_int_equal(w->conns, 0);
	assert_int_equal(bind_from(w, "198.51.100.7:5001", id), 400);
	/* a bound one has no such end */
	id = connection(w, PEER);
	assert_int_equal(bind_from(w, "198.51.100.7:5001", id), 0);
	pass(w, 300 * S);
	assert_int_equal(w->conns, 1);
}

static void G12_ids(void **state)
{
	struct world *w = *state;
	unsigned int index;
	uint32_t id[3];

	w->random_constant = true;
	turn_server_number(w->server, 2, 3);
	assert_int_equal(allocate_tcp(w), 0);
	id[0] = connection(w, "9.9.9.9:1");
	id[1] = connection(w, "9.9.9.9:2");
	id[2] = connection(w, "9.9.9.9:3");
	for (int i = 0; i < 3; i++)
		assert_int_equal(id[i] % 3, 2);
	assert_true(id[0] != id[1] && id[1] != id[2] && id[0] != id[2]);
	begin(w, TURN_CONNECTION_BIND);
	assert_false(turn_binds(w->w.buf, w->w.len, 3, &index));
	stun_put_u32(&w->w, STUN_T_CONNECTION_ID, id[1]);
	assert_true(turn_binds(w->w.buf, w->w.len, 3, &index));
	assert_int_equal(index, 2);
	begin(w, TURN_CONNECT);
	stun_put_u32(&w->w, STUN_T_CONNECTION_ID, id[1]);
	assert_false(turn_binds(w->w.buf, w->w.len, 3, &index));
}

/* ------------------------------------------------------------------- peers */

static void Q11_incoming(void **state)
{
	struct tp_addr peer = addr("9.9.9.9:81");
	struct world *w = *state;
	unsigned int before;

	assert_int_equal(allocate_tcp(w), 0);
	before = w->n_client;
	assert_null(accepted(w, "9.9.9.9:81"));
	assert_int_equal(w->n_client, before);
	assert_int_equal(permit(w, "9.9.9.9"), 0);
	assert_non_null(accepted(w, "9.9.9.9:81"));
	heard(w);
	assert_int_equal(w->reply.class, STUN_INDICATION);
	assert_int_equal(w->reply.method, TURN_CONNECTION_ATTEMPT);
	assert_true(address_equal(&w->reply.peer, &peer));
	assert_int_equal(w->reply.connection, w->conn->id);
	assert_null(accepted(w, "9.9.9.9:81"));
	assert_int_equal(start_connect(w, "9.9.9.9:81"), 446);
	assert_int_equal(bind_from(w, "198.51.100.7:5001", w->conn->id), 0);
	pass(w, 300 * S);
	assert_null(accepted(w, "9.9.9.9:82"));
	assert_int_equal(w->conns, 1);
}

/* ------------------------------------------------------------------ the end */

/* One connection in each state. */
static void three(struct world *w)
{
	uint32_t id;

	assert_int_equal(allocate_tcp(w), 0);
	id = connection(w, "9.9.9.9:1");
	assert_int_equal(bind_from(w, "198.51.100.7:5001", id), 0);
	connection(w, "9.9.9.9:2");
	assert_int_equal(start_connect(w, "9.9.9.9:3"), -1);
	assert_int_equal(w->conns, 3);
}

static void Q13_expires(void **state)
{
	struct world *w = *state;

	three(w);
	pass(w, 29 * S);
	assert_int_equal(w->conns, 3);
	pass(w, 600 * S);
	assert_int_equal(w->conns, 0);
	assert_int_equal(w->conn_closes, 3);
	assert_int_equal(w->sockets, 0);
}

static void control_ends(void **state)
{
	struct world *w = *state;
	unsigned int before;

	three(w);
	before = w->n_client;
	end_alloc(w);
	assert_int_equal(w->conn_closes, 3);
	assert_int_equal(w->n_client, before + 1);	/* the open Connect request */
	heard(w);
	assert_int_equal(w->reply.error, 437);
}

static void one_family_ends(void **state)
{
	struct world *w = *state;

	allocate_tcp_begin(w);
	attr_u8(w, STUN_T_ADDITIONAL_ADDRESS_FAMILY, 2);
	assert_int_equal(ask(w), 0);
	connection(w, PEER);
	connection(w, "[2a00::1]:80");
	begin(w, TURN_REFRESH);
	attr_u8(w, STUN_T_REQUESTED_ADDRESS_FAMILY, 2);
	stun_put_u32(&w->w, STUN_T_LIFETIME, 0);
	assert_int_equal(ask(w), 0);
	assert_int_equal(w->conns, 1);
	assert_int_equal(start_connect(w, "[2a00::1]:80"), 443);
}

static void rule_gets_stricter(void **state)
{
	struct world *w = *state;

	three(w);
	connection(w, "8.8.8.8:1");
	w->denied[0] = (struct turn_ip_range){ .family = 4, .low = { 9 }, .high = { 9, 255, 255, 255 } };
	w->conf.denied.n = 1;
	assert_int_equal(turn_server_renew(w->server, &w->conf), 3);
	assert_int_equal(w->conns, 1);
	heard(w);
	assert_int_equal(w->reply.error, 403);
}

/* The teardown frees what is open through the host; this does not. */
static void abandoned(void **state)
{
	struct world *w = *state;

	three(w);
	turn_server_abandon(w->server);
	assert_int_equal(w->conn_closes, 0);
	w->conns = w->allocs = w->sockets = 0;
	w->server = NULL;
	world_start(w);
}

/* Any order in which peers, clients, time and the allocation can end it: closed once each, the
 * port given back once (the harness's books). */
static void Q14_any_order(void **state)
{
	struct world *w = *state;

	for (unsigned int order = 0; order < 243; order++) {
		struct turn_connection *c[3];
		unsigned int step = order;
		uint32_t id;
		char from[32];

		snprintf(from, sizeof(from), "198.51.100.7:%u", 6000 + order);
		client(w, from);
		assert_int_equal(allocate_tcp(w), 0);
		w->conn_closes = 0;
		id = connection(w, "9.9.9.9:1");
		c[0] = w->conn;
		assert_int_equal(bind_from(w, "198.51.100.7:5001", id), 0);
		connection(w, "9.9.9.9:2");
		c[1] = w->conn;
		assert_int_equal(start_connect(w, "9.9.9.9:3"), -1);
		c[2] = w->conn;
		for (int i = 0; i < 5 && w->conns; i++, step /= 3) {
			unsigned int k = step % 3;

			if (w->conns == 3 && k == 2) {
				turn_connected(w->server, c[2], step & 1, w->now);
				turn_disconnected(w->server, c[step & 1 ? 2 : 1]);
				break;
			}
			if (k == 1 && i == 1)
				pass(w, 31 * S);
			if (k == 0 && w->conn_closes == 0)
				turn_disconnected(w->server, c[0]);
		}
		end_alloc(w);
		assert_int_equal(w->conn_closes, 3);
		assert_int_equal(w->conns, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TCP(L6_L7_allocate), TCP(off_by_default), TCP(nothing_else),
		TCP(no_datagrams), TCP(Q1_no_allocation),
		TCP(Q2_same_peer), TCP(Q3_Q4_peers), TCP(Q5_refused_and_timeout),
		TCP(connect_by_alias), TCP(as_many_as_allowed), TCP(Q6_Q7_bind),
		TCP(Q8_somebody_else), TCP(Q9_nobody_binds), TCP(G12_ids), TCP(Q11_incoming),
		TCP(Q13_expires), TCP(control_ends), TCP(one_family_ends),
		TCP(rule_gets_stricter), TCP(abandoned), TCP(Q14_any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
