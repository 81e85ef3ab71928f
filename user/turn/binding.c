// SPDX-License-Identifier: MIT
/*
 * Binding requests: RFC 8489, with NAT behaviour discovery (RFC 5780 section 6) where the
 * server has the addresses for it, and those of RFC 3489 where somebody still asks so.
 */
#include <arpa/inet.h>
#include <string.h>
#include "address.h"
#include "turn/core.h"
#include "pure.h"

/*
 * RFC 5780 section 6.1: "The server SHOULD use a length of PADDING equal to the MTU on the
 * outgoing interface", but never more than the request had: it may be forged.
 */
#define PADDING_MAX	1500
#define CLASSIC_RESPONSE_ADDRESS	0x0002

#define DISCOVERY (STUN_BIT(CHANGE_REQUEST) | STUN_BIT(PADDING) | STUN_BIT(RESPONSE_PORT))

static bool has(const struct request *rq, uint64_t bits)
{
	return rq->msg->has & bits;
}

static const struct turn_origin *origin_of(const struct turn_conf *conf,
					   const struct tp_addr *server)
{
	unsigned int i;

	for (i = 0; i < conf->n_origins; i++) {
		if (address_equal(&conf->origins[i].local, server))
			return &conf->origins[i];
	}
	return NULL;
}

/* RFC 5780 sections 3 and 6: these tests are for UDP, and need a second address. */
uint64_t binding_disowned(const struct turn_conf *conf, const struct turn_path *path,
			  const struct stun_msg *msg)
{
	const struct turn_origin *origin;

	if (!((msg->has | msg->bad) & DISCOVERY))
		return 0;
	if (!conf->rfc5780 || path->transport != TURN_UDP || path->proxy.family)
		return DISCOVERY;
	origin = origin_of(conf, &path->server);
	return origin && origin->other[3] ? 0 : STUN_BIT(CHANGE_REQUEST);
}

/* Where the answer comes from: origin itself without CHANGE-REQUEST. */
static const struct turn_origin *changed(const struct request *rq,
					 const struct turn_origin *origin)
{
	unsigned int change = has(rq, STUN_BIT(CHANGE_REQUEST)) ? rq->msg->change : 0;

	/* STUN_CHANGE_PORT is the lower bit of turn_origin.other's index */
	return origin->other[(change & (STUN_CHANGE_IP | STUN_CHANGE_PORT)) >> 1];
}

static int binding_redirect(struct request *rq)
{
	if (!has(rq, STUN_BIT(RESPONSE_PORT)))
		return 0;
	if (has(rq, STUN_BIT(PADDING)) || !rq->msg->response_port)
		return 400;
	rq->to.port = htons(rq->msg->response_port);
	return server_is_own(rq->server->conf, &rq->to) ? 403 : 0;
}

static void binding_discovery(struct request *rq, const struct turn_origin *origin)
{
	const struct turn_origin *from = changed(rq, origin);
	size_t padding = rq->msg->padding.len;
	uint8_t *at;

	if (from != origin)		/* a connection's answer goes by the connection */
		rq->origin = from;
	stun_put_addr(&rq->w, STUN_T_RESPONSE_ORIGIN, &from->external);
	if (origin->other[3])
		stun_put_addr(&rq->w, STUN_T_OTHER_ADDRESS, &origin->other[3]->external);
	if (!has(rq, STUN_BIT(PADDING)))
		return;
	padding = (padding < PADDING_MAX ? padding + 3 : PADDING_MAX) & ~(size_t)3;
	at = stun_put_reserve(&rq->w, STUN_T_PADDING, padding);
	if (at)
		memset(at, 0, padding);
}

int binding_request(struct request *rq)
{
	const struct turn_conf *conf = rq->server->conf;
	const struct turn_origin *origin = origin_of(conf, &rq->path->server);
	int code = binding_redirect(rq);

	if (code)
		return code;
	if (conf->mapped_address || origin)
		stun_put_addr(&rq->w, STUN_T_MAPPED_ADDRESS, &rq->path->client);
	stun_put_xor_addr(&rq->w, STUN_T_XOR_MAPPED_ADDRESS, &rq->path->client);
	if (origin)
		binding_discovery(rq, origin);
	return 0;
}

/* ------------------------------------------------------------ RFC 3489 */

/* Section 11.2.10: the number of types is even, or one of them is there twice. */
static void classic_unknown(struct request *rq)
{
	uint16_t types[STUN_UNKNOWN_MAX + 1];
	unsigned int n = rq->msg->n_unknown;

	memcpy(types, rq->msg->unknown, n * sizeof(*types));
	types[n] = types[0];
	stun_begin(&rq->w, rq->w.buf, rq->w.cap, STUN_BINDING, STUN_ERROR, rq->msg->txid);
	stun_put_error(&rq->w, 420, "");
	stun_put_unknown(&rq->w, types, n + (n & 1));
}

static void classic_success(struct request *rq)
{
	const struct turn_origin *origin = origin_of(rq->server->conf, &rq->path->server);

	stun_begin(&rq->w, rq->w.buf, rq->w.cap, STUN_BINDING, STUN_SUCCESS, rq->msg->txid);
	stun_put_addr(&rq->w, STUN_T_MAPPED_ADDRESS, &rq->path->client);
	if (!origin)
		return;
	rq->origin = changed(rq, origin);
	stun_put_addr(&rq->w, STUN_T_SOURCE_ADDRESS, &rq->origin->external);
	if (origin->other[3])
		stun_put_addr(&rq->w, STUN_T_CHANGED_ADDRESS, &origin->other[3]->external);
}

/* H24: an answer to whomever the request names is refused without a word. */
static bool classic_reflects(const struct stun_msg *msg)
{
	unsigned int i;

	for (i = 0; i < msg->n_unknown; i++) {
		if (msg->unknown[i] == CLASSIC_RESPONSE_ADDRESS)
			return true;
	}
	return false;
}

enum tp_reason binding_classic_refused(struct turn_server *s, const struct turn_path *path,
				       const uint8_t *data, size_t len)
{
	struct stun_msg msg;
	struct request rq = { .server = s, .path = path, .msg = &msg, .to = path->client };
	uint8_t buf[64];

	if (stun_parse_classic(&msg, data, len) != STUN_OK)
		return TP_R_BAD_STUN;
	if (msg.class != STUN_REQUEST)
		return TP_R_STUN_IGNORED;
	stun_begin(&rq.w, buf, sizeof(buf), msg.method, STUN_ERROR, msg.txid);
	stun_put_error(&rq.w, 500, "");
	stun_make_classic(&rq.w, data + 4);
	server_send(&rq);
	return TP_R_STUN_ERROR;
}

enum tp_reason binding_classic(struct turn_server *s, const struct turn_path *path,
			       const uint8_t *data, size_t len, struct turn_now now)
{
	uint8_t buf[128 + 2 * STUN_UNKNOWN_MAX];
	struct stun_msg msg;
	struct request rq = { .server = s, .path = path, .msg = &msg, .now = now,
			      .to = path->client, .w = { .buf = buf, .cap = sizeof(buf) } };

	if (stun_parse_classic(&msg, data, len) != STUN_OK)
		return TP_R_BAD_STUN;
	if (msg.class != STUN_REQUEST || msg.method != STUN_BINDING || s->conf->no_stun ||
	    classic_reflects(&msg) || server_is_own(s->conf, &path->client))
		return TP_R_STUN_IGNORED;
	stun_disown(&msg, binding_disowned(s->conf, path, &msg) | STUN_BIT(PADDING) |
			  STUN_BIT(RESPONSE_PORT));
	if (msg.n_unknown && !ratelimit_allows(s->shared, &path->client, now.mono_ns))
		return TP_R_STUN_LIMITED;
	if (msg.n_unknown)
		classic_unknown(&rq);
	else if (msg.bad & STUN_BIT(CHANGE_REQUEST))
		return TP_R_BAD_STUN;
	else
		classic_success(&rq);
	stun_make_classic(&rq.w, data + 4);
	server_send(&rq);
	return msg.n_unknown ? TP_R_STUN_ERROR : TP_R_STUN_SUCCESS;
}
