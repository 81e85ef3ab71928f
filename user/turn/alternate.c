// SPDX-License-Identifier: MIT
/* Sending clients elsewhere: 300 (Try Alternate), RFC 8489 section 10. */
#include <string.h>
#include "turn/core.h"
#include "pure.h"

/* Of several lists that fit, the one for the fewest transports. */
static const struct turn_alternates *alternate_list(const struct turn_conf *conf,
						    uint8_t transport)
{
	const struct turn_alternates *own;
	bool udp = turn_protocol(transport) == TURN_UDP;

	if (transport & TURN_SECURE)
		return conf->alternates[ALTERNATES_TLS].n || !udp ?
		       &conf->alternates[ALTERNATES_TLS] : &conf->alternates[ALTERNATES_UDP];
	own = &conf->alternates[udp ? ALTERNATES_UDP : ALTERNATES_TCP];
	return own->n ? own : &conf->alternates[ALTERNATES_ANY];
}

/* The next one of this family in turn, or NULL. */
static const struct turn_alternate *alternate_next(const struct turn_alternates *list,
						   uint8_t family, unsigned int turn)
{
	unsigned int i, n = 0;

	for (i = 0; i < list->n; i++)
		n += list->v[i].addr.family == family;
	if (!n)
		return NULL;
	turn %= n;
	for (i = 0; i < list->n; i++) {
		if (list->v[i].addr.family == family && !turn--)
			return &list->v[i];
	}
	return NULL;
}

static void alternate_put(struct request *rq, const struct turn_alternate *first,
			  const struct turn_alternate *second)
{
	stun_put_addr(&rq->w, STUN_T_ALTERNATE_SERVER, &first->addr);
	if (second)
		stun_put_addr(&rq->w, STUN_T_ALTERNATE_SERVER, &second->addr);
	/* section 10: only who authenticates by SHA-256 can be expected to know it */
	if (first->domain && (rq->path->transport & TURN_SECURE) &&
	    rq->auth.integrity == AUTH_MI_SHA256)
		stun_put(&rq->w, STUN_T_ALTERNATE_DOMAIN, first->domain, strlen(first->domain));
}

bool alternate_exists(const struct request *rq)
{
	return alternate_next(alternate_list(rq->server->conf, rq->path->transport),
			      rq->path->client.family, 0);
}

void alternate_write(struct request *rq)
{
	const struct turn_alternates *list = alternate_list(rq->server->conf,
							    rq->path->transport);
	uint8_t family = rq->path->client.family;
	unsigned int turn = __atomic_fetch_add(&rq->server->shared->alternate_turn, 1,
					       __ATOMIC_RELAXED);

	/* "an IP address of the same address family", and one of the other behind it */
	alternate_put(rq, alternate_next(list, family, turn),
		      alternate_next(list, family == 4 ? 6 : 4, turn));
}
