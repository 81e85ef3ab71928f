// SPDX-License-Identifier: MIT
/*
 * What arrives from clients: told apart (RFC 8656 section 12, table 3), checked
 * in one order for all methods, handed to a handler, and answered at one place.
 */
#include <stdlib.h>
#include <string.h>
#include "address.h"
#include "turn/core.h"
#include "pure.h"

#define NOW_STEP_NS	(TURN_NS_PER_S / 4)

enum method_needs { NEEDS_NOTHING, NEEDS_AUTH, NEEDS_ALLOC };

struct method {
	uint16_t method;
	enum method_needs needs;
	int (*handle)(struct request *rq);
};

static const struct method methods[] = {
	{ STUN_BINDING,			NEEDS_NOTHING,	binding_request },
	{ TURN_ALLOCATE,		NEEDS_AUTH,	allocate_request },
	{ TURN_REFRESH,			NEEDS_ALLOC,	refresh_request },
	{ TURN_CREATE_PERMISSION,	NEEDS_ALLOC,	perm_request },
	{ TURN_CHANNEL_BIND,		NEEDS_ALLOC,	chan_request },
	{ TURN_CONNECT,			NEEDS_ALLOC,	conn_request },
	{ TURN_CONNECTION_BIND,		NEEDS_AUTH,	conn_bind_request },
};

static const struct method *server_method(const struct turn_conf *conf, uint16_t method)
{
	size_t i;

	if (method == STUN_BINDING && conf->no_stun)
		return NULL;
	if ((method == TURN_CONNECT || method == TURN_CONNECTION_BIND) && !conf->tcp_relay)
		return NULL;
	for (i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
		if (methods[i].method == method)
			return &methods[i];
	}
	return NULL;
}

void server_txid(struct turn_server *s, uint8_t txid[TP_STUN_TXID_LEN])
{
	uint64_t n[2] = { ++s->indications, 0 }, words[2];

	words[0] = hash_bytes(s->key, n, sizeof(n));
	n[1] = 1;
	words[1] = hash_bytes(s->key, n, sizeof(n));
	memcpy(txid, words, TP_STUN_TXID_LEN);
}

/* RFC 8016 section 3.2.2: a ticket, not the 5-tuple, says which allocation is meant. */
static bool server_ticketed(const struct stun_msg *msg)
{
	return msg->method == TURN_REFRESH && (msg->has & STUN_BIT(MOBILITY_TICKET));
}

/* RFC 7635 section 7: a token is unknown to a server that did not ask for it. */
static bool server_unasked(const struct request *rq)
{
	return !rq->server->conf->oauth &&
	       ((rq->msg->has | rq->msg->bad) & STUN_BIT(ACCESS_TOKEN));
}

static int server_authenticate(struct request *rq, const struct method *method)
{
	const struct turn_conf *conf = rq->server->conf;

	/* A challenge that no answer can satisfy would have clients ask users for
	 * passwords: refuse at once (house). */
	if ((conf->stun_only && method->needs != NEEDS_NOTHING) || !turn_conf_relays(conf))
		return 403;
	if (server_unasked(rq))
		return 420;
	realm_choose(rq);
	if (server_ticketed(rq->msg))
		rq->alloc = mobility_claimed(rq->server, rq->msg, rq->now.mono_ns);
	else
		rq->alloc = alloc_find(rq->server, rq->path, rq->now.mono_ns);
	return auth_check(rq);
}

/* RFC 8489 section 6.3: authentication, then unknown attributes, then the usage. */
static int server_process(struct request *rq, const struct method *method)
{
	const struct turn_conf *conf = rq->server->conf;
	bool bare = method->needs == NEEDS_NOTHING && !conf->secure_stun;
	bool open_to_all = bare || conf->no_auth;
	int code;

	if (!bare) {
		code = server_authenticate(rq, method);
		if (code)
			return code;
	}
	if (rq->msg->n_unknown || server_unasked(rq))
		return 420;
	if (rq->msg->bad & ~(open_to_all ? AUTH_ATTRS : 0))
		return 400;
	if (server_ticketed(rq->msg)) {
		code = mobility_check(rq);
		if (code)
			return code;
	}
	if (method->needs == NEEDS_ALLOC) {
		if (!rq->alloc)
			return 437;
		if (memcmp(rq->alloc->pub.user_id, rq->auth.user_id, sizeof(rq->auth.user_id)))
			return 441;
		if (!alloc_session(rq->alloc, &rq->auth))
			return 508;
	}
	return method->handle(rq);
}

const char *server_name(const struct turn_conf *conf)
{
	return conf->server_name ? conf->server_name : conf->realm;
}

static void reply_challenge(struct request *rq)
{
	const struct turn_server *s = rq->server;
	char nonce[NONCE_LEN + 1];

	nonce_make(s->conf, rq->path, rq->now.mono_ns / TURN_NS_PER_S, nonce);
	stun_put(&rq->w, STUN_T_REALM, rq->realm, strlen(rq->realm));
	stun_put(&rq->w, STUN_T_NONCE, nonce, NONCE_LEN);
	stun_put(&rq->w, STUN_T_PASSWORD_ALGORITHMS, s->shared->algorithms,
		 s->shared->algorithms_len);
	if (s->conf->oauth)
		stun_put(&rq->w, STUN_T_THIRD_PARTY_AUTHORIZATION, server_name(s->conf),
			 strlen(server_name(s->conf)));
}

static void reply_unknown(struct request *rq)
{
	uint16_t types[STUN_UNKNOWN_MAX + 1];
	unsigned int n = rq->msg->n_unknown;

	memcpy(types, rq->msg->unknown, n * sizeof(*types));
	if (server_unasked(rq))
		types[n++] = STUN_T_ACCESS_TOKEN;
	stun_put_unknown(&rq->w, types, n);
}

/* Only by plain UDP can somebody else be answered than who asked; elsewhere nobody repeats
 * a request that is not answered. */
static bool server_stranger(const struct request *rq)
{
	return rq->path->transport == TURN_UDP && !rq->auth.proved;
}

static bool server_limits(struct request *rq)
{
	return server_stranger(rq) &&
	       !ratelimit_allows(rq->server->shared, &rq->path->client, rq->now.mono_ns);
}

/* RFC 8489 section 16.1.2: what goes to strangers is no larger than it must be. */
const char *server_phrase(const struct request *rq, uint16_t code)
{
	return rq->server->conf->reason_phrases && !server_stranger(rq) ? stun_reason(code) : "";
}

static void reply_error(struct request *rq, int code)
{
	rq->origin = NULL;
	rq->to = rq->path->client;
	stun_begin(&rq->w, rq->w.buf, rq->w.cap, rq->msg->method, STUN_ERROR, rq->msg->txid);
	stun_put_error(&rq->w, (uint16_t)code, server_phrase(rq, (uint16_t)code));
	if (code == 401 || code == 438)
		reply_challenge(rq);
	if (code == 300)
		alternate_write(rq);
	if (code == 420)
		reply_unknown(rq);
}

void server_send(struct request *rq)
{
	struct turn_server *s = rq->server;
	struct turn_out out = { .head = rq->w.buf, .head_len = rq->w.len };
	struct turn_path path = *rq->path;

	path.client = rq->to;
	if (rq->origin)
		s->host->to_client_from(s->ctx, &rq->origin->local, &rq->to, &out);
	else
		s->host->to_client(s->ctx, &path, &out);
}

enum tp_reason server_reply(struct request *rq, int code)
{
	struct turn_server *s = rq->server;

	if (code == AUTH_LATER)
		return TURN_LATER;
	if (code == AUTH_DROP)
		return TP_R_STUN_LIMITED;
	if (code == CONN_LATER)
		return TP_R_CONNECT;
	if (code) {
		if (server_limits(rq))
			return TP_R_STUN_LIMITED;
		reply_error(rq, code);
	}
	if (s->conf->software)
		stun_put(&rq->w, STUN_T_SOFTWARE, s->conf->software, strlen(s->conf->software));
	if (rq->auth.integrity == AUTH_MI)
		stun_put_mi(&rq->w, &rq->auth.key);
	if (rq->auth.integrity == AUTH_MI_SHA256)
		stun_put_mi_sha256(&rq->w, &rq->auth.key);
	if (s->conf->fingerprint || (rq->msg->has & STUN_BIT(FINGERPRINT)))
		stun_put_fingerprint(&rq->w);
	if (rq->w.overflow)
		return TP_R_TOO_LONG;
	server_send(rq);
	return code ? TP_R_STUN_ERROR : TP_R_STUN_SUCCESS;
}

bool server_is_own(const struct turn_conf *conf, const struct tp_addr *addr)
{
	unsigned int i;

	for (i = 0; i < conf->n_own; i++) {
		if (address_equal(&conf->own[i], addr))
			return true;
	}
	return false;
}

static enum tp_reason server_request(struct turn_server *s, const struct turn_path *path,
				     const struct stun_msg *msg, struct turn_now now)
{
	const struct method *method = server_method(s->conf, msg->method);
	struct request rq = { .server = s, .path = path, .msg = msg, .now = now,
			      .to = path->client };
	uint8_t buf[REPLY_MAX];

	if (!method)
		return TP_R_STUN_IGNORED;
	/* A forged source that is our own listener would have us talk to ourselves. */
	if (server_is_own(s->conf, &path->client))
		return TP_R_STUN_IGNORED;
	stun_begin(&rq.w, buf, sizeof(buf), msg->method, STUN_SUCCESS, msg->txid);
	return server_reply(&rq, server_process(&rq, method));
}

/* Workers tell each other how late it is, seldom: the line is shared. */
static void server_now(struct turn_server *s, uint64_t now_ns)
{
	uint64_t *latest = &s->shared->now_ns;

	if (now_ns >= __atomic_load_n(latest, __ATOMIC_RELAXED) + NOW_STEP_NS)
		__atomic_store_n(latest, now_ns, __ATOMIC_RELAXED);
}

/* What is no message of RFC 8489; it may be one of RFC 3489. */
static enum tp_reason server_classic(struct turn_server *s, const struct turn_path *path,
				     const uint8_t *data, size_t len, struct turn_now now)
{
	if (path->transport == (TURN_UDP | TURN_SECURE))
		return binding_classic_refused(s, path, data, len);
	if (s->conf->classic && path->transport == TURN_UDP)
		return binding_classic(s, path, data, len, now);
	return TP_R_BAD_STUN;
}

static enum tp_reason server_stun(struct turn_server *s, const struct turn_path *path,
				  const uint8_t *data, size_t len, struct turn_now now)
{
	enum tp_reason reason;
	struct stun_msg msg;

	server_now(s, now.mono_ns);
	if (stun_parse(&msg, data, len) != STUN_OK || (msg.bad & STUN_BIT(FINGERPRINT)))
		return server_classic(s, path, data, len, now);
	stun_disown(&msg, binding_disowned(s->conf, path, &msg) |
			  (s->conf->tcp_relay ? 0 : STUN_BIT(CONNECTION_ID)));
	if (msg.class == STUN_REQUEST && server_ticketed(&msg) &&
	    mobility_elsewhere(s, path, &msg, (struct stun_bytes){ data, len }, &reason,
			       now.mono_ns))
		return reason;
	if (msg.class == STUN_REQUEST)
		return server_request(s, path, &msg, now);
	if (msg.class == STUN_INDICATION && msg.method == TURN_SEND)
		return data_send(s, path, &msg, now.mono_ns);
	return TP_R_STUN_IGNORED;
}

enum tp_reason turn_from_client(struct turn_server *server, const struct turn_path *path,
				const uint8_t *data, size_t len, struct turn_now now)
{
	uint8_t channels_end = server->conf->channels_5766 ? 0x7f : 0x4f;
	enum tp_reason reason;

	if (!len || !path->client.port)
		return TP_R_NOT_TURN;
	if (mobility_elsewhere(server, path, NULL, (struct stun_bytes){ data, len }, &reason,
			       now.mono_ns))
		return reason;
	if (data[0] < 4)
		return server_stun(server, path, data, len, now);
	if (data[0] >= 0x40 && data[0] <= channels_end)
		return data_channel(server, path, data, len, now.mono_ns);
	return TP_R_NOT_TURN;
}

static void server_fire(struct turn_server *s, struct timer *t, uint64_t now_ns)
{
	switch (t->kind) {
	case TIMER_ALLOC:
		alloc_expire(s, core_of(t, struct alloc, timer), now_ns);
		break;
	case TIMER_PERM:
		perm_end(s, core_of(t, struct perm, timer), true);
		break;
	case TIMER_CHAN:
		chan_free(s, core_of(t, struct chan, timer), true);
		break;
	case TIMER_CONN:
		conn_expire(s, t);
		break;
	}
}

uint64_t turn_tick(struct turn_server *server, struct turn_now now)
{
	unsigned int i;

	server_now(server, now.mono_ns);
	for (i = 0; i < TURN_TICK_BUDGET; i++) {
		struct timer *t = timer_earliest(&server->timers);

		if (!t)
			return UINT64_MAX;
		if (t->due_ns > now.mono_ns)
			return t->due_ns;
		server_fire(server, t, now.mono_ns);
	}
	return now.mono_ns;
}

struct turn_server *turn_server_new(const struct turn_conf *conf, struct turn_shared *shared,
				    const struct turn_host *host, void *ctx)
{
	struct turn_server *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->conf = conf;
	s->shared = shared;
	s->host = host;
	s->ctx = ctx;
	s->workers = 1;
	host->random(ctx, s->key, sizeof(s->key));
	return s;
}

void turn_server_number(struct turn_server *server, unsigned int worker, unsigned int workers)
{
	server->worker = worker;
	server->workers = workers;
}

void turn_server_drain(struct turn_server *server, bool on)
{
	server->draining = on;
}

static void server_release(struct turn_server *s)
{
	table_clear(&s->allocs);
	table_clear(&s->coming);
	table_clear(&s->conns);
	free(s->timers.heap);
	free(s);
}

void turn_server_free(struct turn_server *server)
{
	struct table_node *node;

	if (!server)
		return;
	while ((node = table_any(&server->allocs)))
		alloc_free(server, core_of(node, struct alloc, node),
			   __atomic_load_n(&server->shared->now_ns, __ATOMIC_RELAXED));
	server_release(server);
}

void turn_server_abandon(struct turn_server *server)
{
	struct table_node *node;

	if (!server)
		return;
	while ((node = table_any(&server->allocs)))
		alloc_forget(server, core_of(node, struct alloc, node));
	server_release(server);
}
