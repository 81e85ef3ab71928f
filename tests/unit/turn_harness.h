/* SPDX-License-Identifier: MIT */
/*
 * A world around the TURN core: a clock, a host that records what the core asks
 * of it, and a client that forms requests. The host keeps its own books of
 * sockets, channels, permissions and ports, and after every test they are
 * compared with what the core says.
 */
#ifndef TEST_TURN_HARNESS_H
#define TEST_TURN_HARNESS_H

#include "turn_host.h"

/* ------------------------------------------------------------ the world */

static inline void world_conf(struct world *w)
{
	struct turn_conf *c = &w->conf;

	w->users[0] = (struct turn_user){ .name = (char *)(uintptr_t)"alice",
					  .password = (char *)(uintptr_t)"wonder" };
	w->users[1] = (struct turn_user){ .name = (char *)(uintptr_t)"bob",
					  .password = (char *)(uintptr_t)"builder" };
	c->realm = (char *)(uintptr_t)REALM_TEXT;
	c->users = w->users;
	c->n_users = 2;
	c->secrets = w->secrets;
	c->rest_separator = ':';
	c->stale_nonce_s = 600;
	memset(c->nonce_key, 7, sizeof(c->nonce_key));
	c->max_lifetime_s = 3600;
	c->default_lifetime_s = 600;
	c->channel_lifetime_s = 600;
	c->permission_lifetime_s = 300;
	w->relays[0].local = w->relays[0].external = addr("192.0.2.1");
	w->relays[1].local = w->relays[1].external = addr("2001:db8::1");
	c->relays = w->relays;
	c->n_relays = 2;
	c->min_port = 49152;
	c->max_port = 65535;
	c->default_family = 4;
	w->own[0] = addr("192.0.2.1:3478");
	w->own[1] = addr("[2001:db8::1]:3478");
	c->own = w->own;
	c->n_own = 2;
	c->allowed.v = w->allowed;
	c->denied.v = w->denied;
}

/* Again, after a change of w->conf before the first request. */
static inline void world_start(struct world *w)
{
	turn_server_free(w->server);
	turn_shared_free(w->shared);
	memset(w->port_until, 0, sizeof(w->port_until));
	w->shared = turn_shared_new(&w->conf);
	assert_non_null(w->shared);
	w->server = turn_server_new(&w->conf, w->shared, &fake_host, w);
	assert_non_null(w->server);
}

static inline int world_setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->seed = 1;
	w->now.mono_ns = 1000 * S;
	w->now.wall_s = 1700000000;
	w->path.client = addr("198.51.100.7:5000");
	w->path.server = addr("192.0.2.1:3478");
	w->path.transport = IPPROTO_UDP;
	w->user = "alice";
	w->password = "wonder";
	w->realm = REALM_TEXT;
	world_conf(w);
	world_start(w);
	*state = w;
	return 0;
}

static inline void range(struct turn_ip_range *r, const char *low, const char *high)
{
	struct tp_addr l = addr(low), h = addr(high);

	r->family = l.family;
	memcpy(r->low, l.ip, 16);
	memcpy(r->high, h.ip, 16);
}

/* Time goes on, and what falls due in it happens at its own time. */
static inline void pass(struct world *w, uint64_t ns)
{
	uint64_t end = w->now.mono_ns + ns, due;

	while ((due = turn_tick(w->server, w->now)) < end)
		w->now.mono_ns = due > w->now.mono_ns ? due : w->now.mono_ns;
	w->now.wall_s += ns / S;
	w->now.mono_ns = end;
	while (turn_tick(w->server, w->now) <= end)
		;
}

static inline void world_check(struct world *w)
{
	unsigned int i, port, ports = 0;

	pass(w, S);
	for (i = 0; i < 2; i++) {
		for (port = 0; port < PORTS_TRACKED; port++)
			ports += w->port_until[i][port] > w->now.mono_ns;
	}
	assert_int_equal(turn_shared_ports(w->shared), ports);
	assert_int_equal(turn_shared_allocations(w->shared), w->allocs);
	assert_true(w->sockets >= w->allocs && w->sockets <= 2 * w->allocs);
}

static inline int world_teardown(void **state)
{
	struct world *w = *state;

	world_check(w);
	turn_server_free(w->server);
	assert_int_equal(turn_shared_allocations(w->shared), 0);
	assert_int_equal(w->allocs, 0);
	assert_int_equal(w->chans, 0);
	assert_int_equal(w->perms, 0);
	assert_int_equal(w->sockets, 0);
	assert_int_equal(w->conns, 0);
	turn_shared_free(w->shared);
	free(w);
	return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

/* ------------------------------------------------------------ the client */

/* The port that an answer says is reserved. */
static inline void reserved(struct world *w)
{
	unsigned int port = ntohs(w->reply.relayed.port) + 1u;

	if (w->reply.class != STUN_SUCCESS || !(w->reply.has & STUN_BIT(RESERVATION_TOKEN)) ||
	    w->port_until[0][port] > w->now.mono_ns)
		return;
	w->port_until[0][port] = w->now.mono_ns + 30 * S;
	w->port_reserved[port] = true;
}

/* A datagram, in memory that ends where it ends. -1: no answer, 0 success, or the code. */
static inline int give(struct world *w, const void *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	unsigned int before = w->n_client;
	struct tp_addr to = w->path.client;
	int code = -1;

	assert_non_null(copy);
	if (len)
		memcpy(copy, data, len);
	w->reason = turn_from_client(w->server, &w->path, copy, len, w->now);
	free(copy);
	assert_in_range(w->n_client - before, 0, 1);
	if (w->n_client == before)
		return -1;
	assert_int_equal(stun_parse(&w->reply, w->out, w->out_len), STUN_OK);
	if (w->answer_port)
		to.port = w->answer_port;
	assert_true(address_equal(&w->out_path.client, &to));
	assert_int_equal(w->reply.bad | w->reply.n_unknown, 0);
	reserved(w);
	if (w->reply.class == STUN_ERROR)
		code = w->reply.error;
	else if (w->reply.class == STUN_SUCCESS)
		code = 0;
	assert_int_equal(w->reason, code ? TP_R_STUN_ERROR : TP_R_STUN_SUCCESS);
	return code;
}

static inline void begin_class(struct world *w, uint16_t method, enum stun_class class)
{
	uint8_t txid[12] = "test";
	uint32_t n = htonl(++w->txid);

	memcpy(txid + 8, &n, 4);
	stun_begin(&w->w, w->buf, sizeof(w->buf), method, class, txid);
}

static inline void begin(struct world *w, uint16_t method)
{
	begin_class(w, method, STUN_REQUEST);
}

static inline void attr(struct world *w, uint16_t type, const void *value, size_t len)
{
	stun_put(&w->w, type, value, len);
}

/* len bytes that mean nothing */
static inline void attr_len(struct world *w, uint16_t type, size_t len)
{
	static const uint8_t zeros[66000];

	stun_put(&w->w, type, zeros, len);
}

static inline void attr_u8(struct world *w, uint16_t type, uint8_t v)
{
	const uint8_t value[4] = { v };

	stun_put(&w->w, type, value, 4);
}

static inline void attr_peer(struct world *w, const char *peer)
{
	struct tp_addr a = addr(peer);

	stun_put_xor_addr(&w->w, STUN_T_XOR_PEER_ADDRESS, &a);
}

static inline void attr_channel(struct world *w, uint16_t number)
{
	const uint8_t value[4] = { (uint8_t)(number >> 8), (uint8_t)number };

	stun_put(&w->w, STUN_T_CHANNEL_NUMBER, value, 4);
}

/* What the server said last about credentials. */
static inline void learn(struct world *w)
{
	assert_true(w->reply.has & STUN_BIT(NONCE));
	assert_in_range(w->reply.nonce.len, 1, sizeof(w->nonce));
	memcpy(w->nonce, w->reply.nonce.p, w->reply.nonce.len);
	w->nonce_len = w->reply.nonce.len;
}

static inline void sign_names(struct world *w)
{
	const uint8_t algorithm[4] = { 0, (uint8_t)w->algorithm };

	attr(w, STUN_T_USERNAME, w->user, strlen(w->user));
	attr(w, STUN_T_REALM, w->realm, strlen(w->realm));
	attr(w, STUN_T_NONCE, w->nonce, w->nonce_len);
	if (w->algorithm) {
		attr(w, STUN_T_PASSWORD_ALGORITHM, algorithm, 4);
		attr(w, STUN_T_PASSWORD_ALGORITHMS, stun_password_algorithms, 8);
	}
}

static inline void sign_key(struct world *w)
{
	stun_key_make(&w->key, w->algorithm ? w->algorithm : STUN_ALG_MD5, str(w->user),
		      str(w->realm), str(w->password));
}

static inline void sign_mi(struct world *w)
{
	sign_key(w);
	if (w->sha256)
		stun_put_mi_sha256(&w->w, &w->key);
	else
		stun_put_mi(&w->w, &w->key);
}

static inline int ask_plain(struct world *w)
{
	assert_false(w->w.overflow);
	return give(w, w->w.buf, w->w.len);
}

/* The answer must be to this request, and protected as its kind demands. */
static inline void check_answer(struct world *w, int code)
{
	const uint64_t mi = STUN_BIT(MESSAGE_INTEGRITY) | STUN_BIT(MESSAGE_INTEGRITY_SHA256);
	const uint64_t challenge = STUN_BIT(REALM) | STUN_BIT(NONCE) |
				   STUN_BIT(PASSWORD_ALGORITHMS);

	assert_memory_equal(w->reply.txid, w->buf + 8, 12);
	if (code == 401 || code == 438) {
		assert_int_equal(w->reply.has & challenge, challenge);
		assert_int_equal(w->reply.has & mi, 0);
		return;
	}
	assert_int_equal(w->reply.has & challenge, 0);
	if (!(w->reply.has & mi))
		return;
	if (w->sha256)
		assert_true(stun_check_mi_sha256(&w->reply, &w->key));
	else
		assert_true(stun_check_mi(&w->reply, &w->key));
}

static inline int ask_signed(struct world *w)
{
	int code;

	sign_names(w);
	sign_mi(w);
	code = ask_plain(w);
	if (code >= 0)
		check_answer(w, code);
	return code;
}

/* Get a nonce for this 5-tuple. */
static inline void challenge(struct world *w)
{
	begin(w, TURN_REFRESH);
	assert_int_equal(ask_plain(w), 401);
	learn(w);
}

/* The request that begin() and attr() made, with credentials. A success must be
 * protected. */
static inline int ask(struct world *w)
{
	int code = ask_signed(w);

	if (!code)
		assert_true(w->reply.has & (w->sha256 ? STUN_BIT(MESSAGE_INTEGRITY_SHA256) :
							STUN_BIT(MESSAGE_INTEGRITY)));
	return code;
}

/* Allocate as somebody of this name, with the password of the world's user. */
static inline int ask_name(struct world *w, const void *name, size_t len)
{
	const struct stun_bytes bytes = { name, len };

	begin(w, TURN_ALLOCATE);
	attr_u8(w, STUN_T_REQUESTED_TRANSPORT, 17);
	attr(w, STUN_T_USERNAME, name, len);
	attr(w, STUN_T_REALM, w->realm, strlen(w->realm));
	attr(w, STUN_T_NONCE, w->nonce, w->nonce_len);
	stun_key_make(&w->key, STUN_ALG_MD5, bytes, str(w->realm), str(w->password));
	stun_put_mi(&w->w, &w->key);
	return ask_plain(w);
}

static inline void allocate_begin(struct world *w)
{
	if (!w->nonce_len)
		challenge(w);
	begin(w, TURN_ALLOCATE);
	attr_u8(w, STUN_T_REQUESTED_TRANSPORT, 17);
}

static inline int allocate(struct world *w)
{
	allocate_begin(w);
	return ask(w);
}

static inline int allocate_attr(struct world *w, uint16_t type, uint8_t v)
{
	allocate_begin(w);
	attr_u8(w, type, v);
	return ask(w);
}

static inline unsigned int relayed_port(const struct world *w)
{
	return ntohs(w->reply.relayed.port);
}

static inline int allocate_even(struct world *w, uint8_t r)
{
	allocate_begin(w);
	attr(w, STUN_T_EVEN_PORT, &r, 1);
	return ask(w);
}

/* -1: no LIFETIME in the request */
static inline int refresh(struct world *w, int64_t lifetime)
{
	begin(w, TURN_REFRESH);
	if (lifetime >= 0)
		stun_put_u32(&w->w, STUN_T_LIFETIME, (uint32_t)lifetime);
	return ask(w);
}

static inline int permit(struct world *w, const char *peer)
{
	begin(w, TURN_CREATE_PERMISSION);
	attr_peer(w, peer);
	return ask(w);
}

static inline int bind_channel(struct world *w, uint16_t number, const char *peer)
{
	begin(w, TURN_CHANNEL_BIND);
	attr_channel(w, number);
	attr_peer(w, peer);
	return ask(w);
}

static inline enum tp_reason send_data(struct world *w, const char *peer, const char *text)
{
	begin_class(w, TURN_SEND, STUN_INDICATION);
	attr_peer(w, peer);
	attr(w, STUN_T_DATA, text, strlen(text));
	assert_int_equal(ask_plain(w), -1);
	return w->reason;
}

static inline enum tp_reason send_channel(struct world *w, uint16_t number, const char *text)
{
	uint8_t buf[2048];
	size_t len = strlen(text);

	buf[0] = (uint8_t)(number >> 8);
	buf[1] = (uint8_t)number;
	buf[2] = (uint8_t)(len >> 8);
	buf[3] = (uint8_t)len;
	memcpy(buf + 4, text, len);
	assert_int_equal(give(w, buf, len + 4), -1);
	return w->reason;
}

static inline enum tp_reason from_peer(struct world *w, const char *peer, const char *text)
{
	struct tp_addr a = addr(peer);

	return turn_from_peer(w->server, w->relay[a.family == 6], &a, (const uint8_t *)text,
			      strlen(text), w->now);
}

static inline bool is_alloc(const struct turn_alloc *alloc, const void *arg)
{
	return alloc == arg;
}

/* An operator ends the one that was made last. */
static inline void end_alloc(struct world *w)
{
	const struct turn_alloc *alloc = w->relay[0]->alloc;

	assert_int_equal(turn_server_kick(w->server, is_alloc, alloc, w->now), 1);
}

/* What the peer got last. */
static inline void assert_peer_got(struct world *w, const char *peer, const char *text)
{
	struct tp_addr a = addr(peer);

	assert_true(address_equal(&w->peer, &a));
	assert_int_equal(w->peer_len, strlen(text));
	assert_memory_equal(w->peer_data, text, w->peer_len);
}

/* Another client: a 5-tuple of its own, and so a nonce of its own. */
static inline void client(struct world *w, const char *from)
{
	w->path.client = addr(from);
	w->nonce_len = 0;
}

#endif
