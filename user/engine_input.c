// SPDX-License-Identifier: MIT
/* What arrives by UDP: from clients, from peers, and ICMP errors. */
#include <stdlib.h>
#include "engine_parts.h"
#include "net/dtls.h"

#define ICMP_BATCH	64

/*
 * RFC 8656 sections 13 and 14: DSCP and ECN are copied. The server acts as a
 * router on the TTL, so that a loop of relays ends.
 */
static void take_ip_fields(struct engine *e, const struct udp_received *in, uint64_t now_ns)
{
	e->tos = in->tos;
	e->ttl = in->ttl ? in->ttl - 1 : 0;
	e->ttl_over = in->ttl == 1;
	e->now_ns = now_ns;
}

/* What the core relayed, the TTL or a limit may have kept back. */
static void count_input(struct engine *e, enum tp_reason reason, size_t bytes)
{
	bool relayed = reason == TP_R_USER_TO_PEER || reason == TP_R_USER_TO_CLIENT;

	if (relayed && e->ttl_over)
		reason = TP_R_TTL;
	else if (relayed && e->over_limit)
		reason = TP_R_LIMIT;
	engine_count_one(e, reason, bytes);
}

enum tp_reason engine_from_client(struct engine *e, const struct turn_path *path,
				  const uint8_t *data, size_t len, struct turn_now now)
{
	enum tp_reason reason;

	e->bytes = (uint32_t)len;
	reason = turn_from_client(e->server, path, data, len, now);
	if (reason == TURN_LATER) {
		if (!engine_park(e, path, data, len))
			engine_count_one(e, TP_R_STUN_LIMITED, len);
	} else if (reason != TP_R_MAX) {
		count_input(e, reason, len);
	}
	return reason;
}

/* One datagram of a client. */
static void from_listener(struct engine_listener *l, const struct turn_path *path,
			  const uint8_t *data, size_t len, struct turn_now now)
{
	struct engine *e = l->leg.engine;

	if (l->proxied)
		engine_proxied_input(l, &path->client, (struct stun_bytes){ data, len }, now);
	else if (e->dtls && len && dtls_is_for(*data))
		engine_dtls_input(l, &path->client, data, len, now);
	else if (e->shared->conf->no_udp)	/* the listener is there for DTLS */
		engine_count_one(e, TP_R_NOT_TURN, len);
	else
		engine_from_client(e, path, data, len, now);
}

void engine_on_listener(evutil_socket_t fd, short what, void *arg)
{
	struct engine_listener *l = arg;
	struct engine *e = l->leg.engine;
	const struct udp_received *in;
	struct turn_now now = engine_now();
	int n = udp_receive(e->rx, fd, &in);

	(void)what;
	for (int i = 0; i < n; i++) {
		struct turn_path path = {
			.client = in[i].from, .server = l->addr,
			.transport = IPPROTO_UDP, .socket = &l->leg,
		};
		size_t at = 0;

		take_ip_fields(e, &in[i], now.mono_ns);
		do {			/* an empty datagram is one, too */
			size_t len = in[i].len - at;

			if (len > in[i].segment)
				len = in[i].segment;
			from_listener(l, &path, in[i].data + at, len, now);
			at += len;
		} while (at < in[i].len);
	}
	engine_flush(e);
}

static bool is_stream(const struct turn_alloc *alloc)
{
	return turn_protocol(alloc->path.transport) == IPPROTO_TCP;
}

static void from_peer(struct engine *e, struct engine_relay *r, const struct udp_received *in,
		      struct turn_now now)
{
	size_t at = 0;

	take_ip_fields(e, in, now.mono_ns);
	/* RFC 8656 section 16: what goes into a stream has arrived, whatever its TTL */
	if (r->relay && is_stream(r->relay->alloc))
		e->ttl_over = false;
	do {
		size_t len = in->len - at;
		enum tp_reason reason;

		if (!r->relay)
			return;
		if (len > in->segment)
			len = in->segment;
		e->bytes = (uint32_t)len;
		reason = turn_from_peer(e->server, r->relay, &in->from, in->data + at, len, now);
		count_input(e, reason, len);
		if (reason == TP_R_USER_TO_CLIENT && r->relay && !e->ttl_over && !e->over_limit)
			flows_count(r->relay->alloc, false, len);
		at += len;
	} while (at < in->len);
}

static void icmp_errors(struct engine *e, struct engine_relay *r, struct turn_now now)
{
	struct udp_icmp icmp;

	e->bytes = 0;
	/* Not for ever: what is left makes the descriptor readable again. */
	for (int i = 0; i < ICMP_BATCH && r->relay && udp_receive_icmp(r->fd, &icmp); i++)
		engine_count_one(e, turn_icmp(e->server, r->relay, &icmp.peer, icmp.type, icmp.code,
				   icmp.data, now), 0);
}

void engine_on_relay(evutil_socket_t fd, short what, void *arg)
{
	struct engine_relay *r = arg;
	struct engine *e = r->engine;
	const struct udp_received *in;
	struct turn_now now = engine_now();
	int n = udp_receive(e->rx, fd, &in);

	(void)what;
	e->reading = r;
	for (int i = 0; i < n; i++)
		from_peer(e, r, &in[i], now);
	/* Nothing to read: then it was the error queue that woke us. */
	if (n <= 0)
		icmp_errors(e, r, now);
	engine_flush(e);
	e->reading = NULL;
	if (!r->relay)
		free(r);
}
