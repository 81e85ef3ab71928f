// SPDX-License-Identifier: MIT
/* The Allocate request (RFC 8656 section 7.2; the numbers are its checks). */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include "turn/core.h"
#include "pure.h"

#define BIND_TRIES	16	/* ports that turn out to be taken by somebody else */

struct wish {
	bool family[2];		/* [0] IPv4, [1] IPv6 */
	bool both;
	enum port_wish port;
};

static bool has(const struct request *rq, uint64_t bits)
{
	return rq->msg->has & bits;
}

/* RFC 8656 section 21.4: a client behind 6to4 or Teredo could loop packets. */
static bool allocate_tunneled(const struct tp_addr *client)
{
	static const uint8_t teredo[4] = { 0x20, 0x01 }, sixtofour[2] = { 0x20, 0x02 };

	return client->family == 6 && (!memcmp(client->ip, teredo, sizeof(teredo)) ||
				       !memcmp(client->ip, sixtofour, sizeof(sixtofour)));
}

static bool allocate_supports(const struct request *rq, uint8_t family)
{
	return port_choice(rq->server->shared, &rq->path->server, family, 0);
}

/* Checks 6, 7 and the first half of 9: which families. */
static int allocate_families(const struct request *rq, struct wish *wish)
{
	uint8_t family = rq->server->conf->default_family;

	if (has(rq, STUN_BIT(ADDITIONAL_ADDRESS_FAMILY))) {
		if (rq->msg->additional_family != 2)
			return 400;
		wish->both = true;
		wish->family[0] = wish->family[1] = true;
		return allocate_supports(rq, 4) || allocate_supports(rq, 6) ? 0 : 440;
	}
	if (has(rq, STUN_BIT(REQUESTED_ADDRESS_FAMILY))) {
		family = rq->msg->family == 1 ? 4 : rq->msg->family == 2 ? 6 : 0;
		if (!family)
			return 440;
	} else if (!family) {
		family = rq->path->client.family;
		if (!allocate_supports(rq, family))
			family = 4;
	}
	if (!allocate_supports(rq, family))
		return 440;
	wish->family[alloc_index(family)] = true;
	return 0;
}

/* Check 3, and RFC 6062 section 5.1 for TCP. */
static int allocate_transport(const struct request *rq)
{
	uint8_t leg = turn_protocol(rq->path->transport);

	if (!has(rq, STUN_BIT(REQUESTED_TRANSPORT)))
		return 400;
	if (rq->msg->transport == TURN_UDP)
		return rq->server->conf->no_udp_relay ? 442 : 0;
	if (rq->msg->transport != TURN_TCP || !rq->server->conf->tcp_relay)
		return 442;
	if (leg != TURN_TCP || has(rq, STUN_BIT(DONT_FRAGMENT) | STUN_BIT(EVEN_PORT) |
				       STUN_BIT(RESERVATION_TOKEN)))
		return 400;
	return 0;
}

static int allocate_check(const struct request *rq, struct wish *wish)
{
	uint64_t families = STUN_BIT(REQUESTED_ADDRESS_FAMILY) |
			    STUN_BIT(ADDITIONAL_ADDRESS_FAMILY);
	int code;

	if (allocate_tunneled(&rq->path->client))
		return 403;
	code = allocate_transport(rq);						/* 3 */
	if (code)
		return code;
	if (has(rq, STUN_BIT(MOBILITY_TICKET)) && rq->msg->ticket.len)
		return 400;			/* RFC 8016 section 3.1.2 */
	/* RFC 8016 moves what is between datagrams; connections stay where they are (house) */
	if (has(rq, STUN_BIT(MOBILITY_TICKET)) &&
	    (rq->msg->transport == TURN_TCP || !mobility_allowed(rq->server->conf)))
		return 405;
	if (has(rq, STUN_BIT(RESERVATION_TOKEN)))
		return has(rq, families | STUN_BIT(EVEN_PORT)) ? 400 : 0;	/* 5 */
	if ((rq->msg->has & families) == families)
		return 400;						/* 6 */
	if (has(rq, STUN_BIT(EVEN_PORT)))
		wish->port = rq->msg->even_port & 0x80 ? PORT_PAIR : PORT_EVEN;
	if (wish->port == PORT_PAIR && has(rq, STUN_BIT(ADDITIONAL_ADDRESS_FAMILY)))
		return 400;						/* 8 */
	return allocate_families(rq, wish);
}

/* One relayed address of a family. 0 or 508. */
static int allocate_port(struct request *rq, struct alloc *a, uint8_t family,
			 enum port_wish wish, uint64_t expires_ns)
{
	struct turn_server *s = rq->server;
	uint64_t now_ns = rq->now.mono_ns;
	unsigned int n = 0, tries = 0;
	struct pool *pool;

	while ((pool = port_choice(s->shared, &rq->path->server, family, n))) {
		uint16_t port = port_take(s, pool, wish, now_ns);
		int err;

		if (!port) {
			n++;
			continue;
		}
		err = alloc_relay(s, a, pool, port, expires_ns);
		if (!err && wish != PORT_PAIR)
			return 0;
		if (!err) {
			a->has_token = reserve_make(s, rq->auth.user_id, pool,
						    (uint16_t)(port + 1), now_ns, a->token);
			if (a->has_token)
				return 0;
			port_give(pool, (uint16_t)(port + 1), 0);
			return 508;
		}
		if (wish == PORT_PAIR)
			port_give(pool, (uint16_t)(port + 1), 0);
		/* Somebody else's port may stay so: leave it alone for a while. */
		port_give(pool, port,
			  err == -EADDRINUSE ? now_ns + TURN_REST_NS : 0);
		if (err != -EADDRINUSE || ++tries == BIND_TRIES)
			return 508;
	}
	return 508;
}

static int allocate_reserved(struct request *rq, struct alloc *a, uint64_t expires_ns)
{
	struct turn_server *s = rq->server;
	struct pool *pool;
	uint16_t port = reserve_claim(s->shared, rq->auth.user_id, rq->msg->token.p,
				      rq->now.mono_ns, &pool);

	if (!port)
		return 508;
	if (!alloc_relay(s, a, pool, port, expires_ns))
		return 0;
	port_give(pool, port, 0);
	return 508;
}

/* Check 9: of a dual allocation one half is enough. */
static int allocate_relays(struct request *rq, struct alloc *a, const struct wish *wish,
			   uint64_t expires_ns)
{
	unsigned int i, made = 0;

	if (has(rq, STUN_BIT(RESERVATION_TOKEN)))
		return allocate_reserved(rq, a, expires_ns);
	for (i = 0; i < 2; i++) {
		uint8_t family = i ? 6 : 4;

		if (!wish->family[i])
			continue;
		if (!allocate_port(rq, a, family, wish->port, expires_ns)) {
			made++;
			continue;
		}
		a->missing_family = (uint8_t)(i + 1);
		a->missing_code = allocate_supports(rq, family) ? 508 : 440;
	}
	return made ? 0 : 508;
}

static int allocate_success(struct request *rq, const struct alloc *a)
{
	uint64_t left_ns = 0;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		const struct turn_relay *r = &a->pub.relay[i];

		if (!r->local.family)
			continue;
		stun_put_xor_addr(&rq->w, STUN_T_XOR_RELAYED_ADDRESS, &r->external);
		if (r->expires_ns - rq->now.mono_ns > left_ns)
			left_ns = r->expires_ns - rq->now.mono_ns;
	}
	left_ns += TURN_NS_PER_S - 1;		/* rounded up */
	stun_put_u32(&rq->w, STUN_T_LIFETIME, (uint32_t)(left_ns / TURN_NS_PER_S));
	if (a->has_token)
		stun_put(&rq->w, STUN_T_RESERVATION_TOKEN, a->token, sizeof(a->token));
	stun_put_xor_addr(&rq->w, STUN_T_XOR_MAPPED_ADDRESS, &rq->path->client);
	mobility_put(rq, a);
	if (a->missing_family)
		stun_put_address_error(&rq->w, a->missing_family, a->missing_code,
				       server_phrase(rq, a->missing_code));
	return 0;
}

/* Checks 1 (by the caller) and 2; a retransmission is told the same again. */
static int allocate_again(struct request *rq)
{
	const struct alloc *a = rq->alloc;

	if (memcmp(a->pub.txid, rq->msg->txid, sizeof(a->pub.txid)) ||
	    memcmp(a->pub.user_id, rq->auth.user_id, sizeof(a->pub.user_id)))
		return 437;
	return allocate_success(rq, a);
}

int allocate_request(struct request *rq)
{
	struct turn_server *s = rq->server;
	uint64_t expires_ns = rq->now.mono_ns +
			      refresh_lifetime(rq) * TURN_NS_PER_S;
	struct wish wish = { .port = PORT_ANY };
	struct alloc *a;
	int code;

	if (rq->alloc)
		return allocate_again(rq);
	if (alternate_exists(rq))
		return 300;						/* 11 */
	code = allocate_check(rq, &wish);
	if (code)
		return code;
	a = s->draining ? NULL : alloc_new(rq->path, rq->auth.user);
	if (!a)
		return 508;
	memcpy(a->pub.txid, rq->msg->txid, sizeof(a->pub.txid));
	memcpy(a->pub.user_id, rq->auth.user_id, sizeof(a->pub.user_id));
	a->pub.created_ns = rq->now.mono_ns;
	a->pub.tcp = rq->msg->transport == TURN_TCP;
	code = quota_charge(rq, &a->charge);	/* 10 */
	if (!code)
		code = quota_bandwidth(s->shared, rq->limits, NULL, a);
	if (!code)
		code = allocate_relays(rq, a, &wish, expires_ns);
	if (!code && has(rq, STUN_BIT(MOBILITY_TICKET)) && !mobility_give(s, a, 1))
		code = 508;
	if (!code && (!alloc_realm(a, rq->realm) || !alloc_session(a, &rq->auth) ||
		      !alloc_add(s, a)))
		code = 508;
	if (code) {
		alloc_free(s, a, rq->now.mono_ns);
		return code;
	}
	s->host->alloc_kept(s->ctx, &a->pub);
	return allocate_success(rq, a);
}
