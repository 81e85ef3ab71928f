// SPDX-License-Identifier: MIT
/* Channels (RFC 8656 section 12) and the ChannelBind request (section 12.2). */
#include <stdlib.h>
#include <string.h>
#include "address.h"
#include "turn/core.h"
#include "pure.h"

#define CHAN_LEASE_STEP_NS	(5 * TURN_NS_PER_S)

static uint64_t hash_number(const struct turn_server *s, uint16_t number)
{
	return hash_bytes(s->key, &number, sizeof(number));
}

struct chan *chan_by_number(const struct turn_server *s, const struct alloc *a, uint16_t number)
{
	struct table_node *node = table_first(&a->by_number, hash_number(s, number));

	for (; node; node = table_next(node)) {
		struct chan *c = core_of(node, struct chan, by_number);

		if (c->pub.number == number)
			return c;
	}
	return NULL;
}

struct chan *chan_by_peer(const struct turn_server *s, const struct alloc *a,
			  const struct tp_addr *peer)
{
	struct table_node *node = table_first(&a->by_peer, hash_addr(s->key, peer));

	for (; node; node = table_next(node)) {
		struct chan *c = core_of(node, struct chan, by_peer);

		if (address_equal(&c->pub.peer, peer))
			return c;
	}
	return NULL;
}

bool chan_number_valid(const struct turn_conf *conf, uint16_t number)
{
	return number >= TP_CHANNEL_MIN &&
	       number <= (conf->channels_5766 ? TP_CHANNEL_MAX_5766 : TP_CHANNEL_MAX);
}

struct chan *chan_new(struct turn_server *s, struct alloc *a, uint16_t number,
		      const struct tp_addr *peer)
{
	struct perm *p;
	struct chan *c;

	if (a->by_number.count >= TURN_CHANS_MAX || !table_reserve(&a->by_number) ||
	    !table_reserve(&a->by_peer))
		return NULL;
	p = perm_get(s, a, peer);
	if (!p)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c || !timer_claim(&s->timers)) {
		free(c);
		perm_tidy(s, p);
		return NULL;
	}
	c->pub.number = number;
	c->pub.peer = *peer;
	c->timer.kind = TIMER_CHAN;
	c->alloc = a;
	c->perm = p;
	c->next = p->channels;
	p->channels = c;
	table_add(&a->by_number, &c->by_number, hash_number(s, number));
	table_add(&a->by_peer, &c->by_peer, hash_addr(s->key, peer));
	return c;
}

/* Section 12.6 relays while the channel lives; D11: and while there is a permission. */
static uint64_t chan_lease(const struct chan *c)
{
	const struct turn_relay *r = &c->alloc->pub.relay[alloc_index(c->pub.peer.family)];
	uint64_t lease_ns = c->pub.expires_ns;

	if (lease_ns > c->perm->pub.expires_ns)
		lease_ns = c->perm->pub.expires_ns;
	if (lease_ns > r->expires_ns)
		lease_ns = r->expires_ns;
	return lease_ns;
}

/*
 * A permission with a thousand channels is refreshed by each of their
 * ChannelBinds: small steps are left out. A lease that is over a little early
 * costs nothing but the daemon's work.
 */
void chan_keep(struct turn_server *s, struct chan *c)
{
	uint64_t lease_ns = chan_lease(c);

	if (!c->pub.expires_ns)
		return;		/* being made: chan_refresh() is next */
	if (lease_ns >= c->pub.lease_ns && lease_ns < c->pub.lease_ns + CHAN_LEASE_STEP_NS)
		return;
	c->pub.lease_ns = lease_ns;
	s->host->channel_kept(s->ctx, &c->alloc->pub, &c->pub);
}

void chan_refresh(struct turn_server *s, struct chan *c, uint64_t expires_ns)
{
	c->pub.expires_ns = expires_ns;
	timer_set(&s->timers, &c->timer, expires_ns);
	c->pub.lease_ns = chan_lease(c);
	s->host->channel_kept(s->ctx, &c->alloc->pub, &c->pub);
}

static void chan_unlink(struct chan *c)
{
	struct chan **at = &c->perm->channels;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
}

void chan_free(struct turn_server *s, struct chan *c, bool tell)
{
	if (tell)
		s->host->channel_gone(s->ctx, &c->alloc->pub, &c->pub);
	timer_stop(&s->timers, &c->timer);
	timer_unclaim(&s->timers);
	table_remove(&c->alloc->by_number, &c->by_number);
	table_remove(&c->alloc->by_peer, &c->by_peer);
	chan_unlink(c);
	perm_tidy(s, c->perm);
	free(c);
}

/* One whose time is over counts as unbound, though no tick has come by yet. */
static struct chan *chan_live(struct turn_server *s, struct chan *c, uint64_t now_ns)
{
	if (!c || c->pub.expires_ns > now_ns)
		return c;
	chan_free(s, c, true);
	return NULL;
}

int chan_request(struct request *rq)
{
	struct turn_server *s = rq->server;
	const struct stun_msg *m = rq->msg;
	uint64_t now_ns = rq->now.mono_ns;
	unsigned int peers;
	struct chan *c;
	int code;

	if (!(m->has & STUN_BIT(CHANNEL_NUMBER)) || !(m->has & STUN_BIT(XOR_PEER_ADDRESS)))
		return 400;
	if (rq->alloc->pub.tcp)
		return 400;	/* RFC 6062 section 3: no data on the control connection */
	if (!chan_number_valid(s->conf, m->channel))
		return 400;
	c = chan_live(s, chan_by_number(s, rq->alloc, m->channel), now_ns);
	if (c && !address_equal(&c->pub.peer, &m->peer))
		return 400;
	c = chan_live(s, chan_by_peer(s, rq->alloc, &m->peer), now_ns);
	if (c && c->pub.number != m->channel)
		return 400;
	code = perm_peer_allowed(rq, &m->peer);
	if (code)
		return code;
	if (!m->peer.port)
		return 403;	/* C11: nobody can be there */
	peers = rq->alloc->perms.count;
	if (!c)
		c = chan_new(s, rq->alloc, m->channel, &m->peer);
	if (!c)
		return 508;
	if (rq->alloc->perms.count > peers && !perm_admit(s, rq->alloc, 1, now_ns)) {
		chan_free(s, c, false);
		return 508;
	}
	perm_refresh(s, c->perm, now_ns + s->conf->permission_lifetime_s * TURN_NS_PER_S);
	chan_refresh(s, c, now_ns + s->conf->channel_lifetime_s * TURN_NS_PER_S);
	return 0;
}
