// SPDX-License-Identifier: MIT
/*
 * TCP connections between relayed addresses and peers (RFC 6062): the Connect and
 * ConnectionBind requests, and peers that connect. Every connection that the host has is
 * closed by conn_end() once, whoever found out first that it is over.
 */
#include <stdlib.h>
#include <string.h>
#include "address.h"
#include "turn/core.h"
#include "pure.h"

#define CONN_CONNECT_NS	(30 * TURN_NS_PER_S)	/* RFC 6062 section 5.2: at least */
#define CONN_BIND_NS	(30 * TURN_NS_PER_S)	/* sections 5.2 and 5.3 */

static struct conn *conn_of(struct turn_connection *connection)
{
	return core_of(connection, struct conn, pub);
}

/* -------------------------------------------------------------- found by id */

static uint64_t conn_hash(const struct turn_server *s, uint32_t id)
{
	return hash_bytes(s->key, &id, sizeof(id));
}

static struct conn *conn_find(const struct turn_server *s, uint32_t id)
{
	struct table_node *node = table_first(&s->conns, conn_hash(s, id));

	for (; node; node = table_next(node)) {
		struct conn *c = core_of(node, struct conn, node);

		if (c->pub.id == id)
			return c;
	}
	return NULL;
}

/* Random, so that nobody guesses those of others (Q8), but for the remainder, which says whose
 * it is. One is free: there are far fewer than 2^24 connections, or servers than 2^7. */
static uint32_t conn_id(struct turn_server *s)
{
	uint32_t id;

	s->host->random(s->ctx, &id, sizeof(id));
	id = (id >> 1) / s->workers * s->workers + s->worker;
	while (conn_find(s, id))
		id += s->workers;
	return id;
}

bool turn_binds(const uint8_t *data, size_t len, unsigned int workers, unsigned int *worker)
{
	struct stun_msg msg;

	if (len < TP_STUN_HDR_LEN || data[0] || data[1] != TURN_CONNECTION_BIND ||
	    stun_parse(&msg, data, len) != STUN_OK || !(msg.has & STUN_BIT(CONNECTION_ID)))
		return false;
	*worker = msg.connection % workers;
	return true;
}

/* ------------------------------------------------------------ life and death */

/* RFC 6062 section 3: one connection to a peer's transport address, whoever began it. */
static bool conn_exists(const struct alloc *a, const struct tp_addr *peer)
{
	const struct conn *c;

	for (c = a->conns; c; c = c->next) {
		if (address_equal(&c->pub.peer, peer))
			return true;
	}
	return false;
}

static struct conn *conn_new(struct turn_server *s, struct alloc *a, const struct tp_addr *peer,
			     enum conn_state state, uint64_t due_ns)
{
	struct conn *c;

	if (a->n_conns >= TURN_CONNS_MAX || !table_reserve(&s->conns))
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	if (!timer_claim(&s->timers)) {
		free(c);
		return NULL;
	}
	c->pub.peer = *peer;
	c->pub.relay = &a->pub.relay[alloc_index(peer->family)];
	c->pub.id = conn_id(s);
	c->alloc = a;
	c->state = state;
	c->timer.kind = TIMER_CONN;
	timer_set(&s->timers, &c->timer, due_ns);
	table_add(&s->conns, &c->node, conn_hash(s, c->pub.id));
	c->next = a->conns;
	a->conns = c;
	a->n_conns++;
	return c;
}

static void conn_free(struct turn_server *s, struct conn *c)
{
	struct conn **from = &c->alloc->conns;

	while (*from != c)
		from = &(*from)->next;
	*from = c->next;
	c->alloc->n_conns--;
	timer_stop(&s->timers, &c->timer);
	timer_unclaim(&s->timers);
	table_remove(&s->conns, &c->node);
	explicit_bzero(&c->key, sizeof(c->key));
	free(c);
}

/* What the client asked a while ago. */
static void conn_answer(struct turn_server *s, struct conn *c, int code)
{
	struct stun_msg msg = {
		.method = TURN_CONNECT, .has = c->fingerprint ? STUN_BIT(FINGERPRINT) : 0,
	};
	struct request rq = {
		.server = s, .path = &c->alloc->pub.path, .msg = &msg, .alloc = c->alloc,
		.to = c->alloc->pub.path.client,
		.auth = { .integrity = c->integrity, .proved = true, .key = c->key },
	};
	uint8_t buf[REPLY_MAX];

	memcpy(msg.txid, c->txid, sizeof(msg.txid));
	stun_begin(&rq.w, buf, sizeof(buf), msg.method, STUN_SUCCESS, msg.txid);
	if (!code)
		stun_put_u32(&rq.w, STUN_T_CONNECTION_ID, c->pub.id);
	server_reply(&rq, code);
}

void conn_end(struct turn_server *s, struct conn *c, int code)
{
	if (c->state == CONN_CONNECTING && code)
		conn_answer(s, c, code);
	s->host->tcp_close(s->ctx, &c->pub);
	conn_free(s, c);
}

void conn_end_all(struct turn_server *s, struct alloc *a, uint8_t family)
{
	struct conn *c, *next;

	for (c = a->conns; c; c = next) {
		next = c->next;
		if (!family || c->pub.peer.family == family)
			conn_end(s, c, 437);
	}
}

void conn_forget_all(struct turn_server *s, struct alloc *a)
{
	while (a->conns)
		conn_free(s, a->conns);
}

void conn_expire(struct turn_server *s, struct timer *t)
{
	conn_end(s, core_of(t, struct conn, timer), 447);
}

void turn_disconnected(struct turn_server *server, struct turn_connection *connection)
{
	conn_end(server, conn_of(connection), 447);
}

/* ------------------------------------------------------------------ Connect */

/* RFC 6062 section 5.2. */
int conn_request(struct request *rq)
{
	struct turn_server *s = rq->server;
	const struct stun_msg *m = rq->msg;
	struct tp_addr to;
	struct conn *c;
	int code;

	if (!rq->alloc->pub.tcp)
		return 437;
	if (!(m->has & STUN_BIT(XOR_PEER_ADDRESS)) || !m->peer.port)
		return 400;
	if (conn_exists(rq->alloc, &m->peer))
		return 446;
	code = perm_peer_allowed(rq, &m->peer);
	if (code)
		return code;
	c = conn_new(s, rq->alloc, &m->peer, CONN_CONNECTING, rq->now.mono_ns + CONN_CONNECT_NS);
	if (!c)
		return 508;
	c->integrity = rq->auth.integrity;
	c->key = rq->auth.key;
	c->fingerprint = m->has & STUN_BIT(FINGERPRINT);
	memcpy(c->txid, m->txid, sizeof(c->txid));
	to = alias_inside(s->shared, &m->peer);
	if (!s->host->tcp_connect(s->ctx, &c->pub, &to))
		return CONN_LATER;
	conn_free(s, c);
	return 447;
}

void turn_connected(struct turn_server *server, struct turn_connection *connection, bool ok,
		    struct turn_now now)
{
	struct conn *c = conn_of(connection);

	if (!ok) {
		conn_end(server, c, 447);
		return;
	}
	c->state = CONN_WAITING;
	timer_set(&server->timers, &c->timer, now.mono_ns + CONN_BIND_NS);
	conn_answer(server, c, 0);
}

/* ------------------------------------------------------------------ peers */

static bool conn_permitted(const struct turn_server *s, const struct alloc *a,
			   const struct tp_addr *peer, uint64_t now_ns)
{
	const struct perm *p = perm_find(s, a, peer);

	if (!p || p->pub.expires_ns <= now_ns)
		return false;
	/* as for datagrams: on this host the port counts, too */
	return !p->own || !acl_check(s->conf, peer);
}

static void conn_attempt(struct turn_server *s, const struct conn *c)
{
	uint8_t buf[128], txid[TP_STUN_TXID_LEN];
	struct turn_out out = { .head = buf };
	struct stun_writer w;

	server_txid(s, txid);
	stun_begin(&w, buf, sizeof(buf), TURN_CONNECTION_ATTEMPT, STUN_INDICATION, txid);
	stun_put_u32(&w, STUN_T_CONNECTION_ID, c->pub.id);
	stun_put_xor_addr(&w, STUN_T_XOR_PEER_ADDRESS, &c->pub.peer);
	out.head_len = w.len;
	s->host->to_client(s->ctx, &c->alloc->pub.path, &out);
}

/* RFC 6062 section 5.3. */
struct turn_connection *turn_accepted(struct turn_server *server, struct turn_relay *relay,
				      const struct tp_addr *from, void *host,
				      struct turn_now now)
{
	struct tp_addr peer = alias_outside(server->shared, from);
	struct alloc *a = core_of(relay->alloc, struct alloc, pub);
	struct conn *c;

	if (relay->expires_ns <= now.mono_ns || conn_exists(a, &peer) ||
	    !conn_permitted(server, a, &peer, now.mono_ns))
		return NULL;
	c = conn_new(server, a, &peer, CONN_WAITING, now.mono_ns + CONN_BIND_NS);
	if (!c)
		return NULL;
	c->pub.host = host;
	conn_attempt(server, c);
	return &c->pub;
}

/* ----------------------------------------------------------- ConnectionBind */

/* RFC 6062 section 5.4. */
int conn_bind_request(struct request *rq)
{
	struct turn_server *s = rq->server;
	struct conn *c;

	if (turn_protocol(rq->path->transport) != TURN_TCP || rq->alloc ||
	    !(rq->msg->has & STUN_BIT(CONNECTION_ID)))
		return 400;
	c = conn_find(s, rq->msg->connection);
	if (!c || c->state != CONN_WAITING)
		return 400;
	if (memcmp(c->alloc->pub.user_id, rq->auth.user_id, sizeof(rq->auth.user_id)))
		return 441;
	if (s->host->tcp_bind(s->ctx, &c->pub, rq->path))
		return 400;
	c->state = CONN_BOUND;
	timer_stop(&s->timers, &c->timer);
	return 0;
}
