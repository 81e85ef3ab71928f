// SPDX-License-Identifier: MIT
/* Permissions (RFC 8656 section 9) and the CreatePermission request (section 10.2). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "address.h"
#include "turn/core.h"
#include "pure.h"

struct perm *perm_find(const struct turn_server *s, const struct alloc *a,
		       const struct tp_addr *peer)
{
	struct table_node *node = table_first(&a->perms, hash_ip(s->key, peer));

	for (; node; node = table_next(node)) {
		struct perm *p = core_of(node, struct perm, node);

		if (address_same_ip(&p->pub.peer, peer))
			return p;
	}
	return NULL;
}

struct perm *perm_get(struct turn_server *s, struct alloc *a, const struct tp_addr *peer)
{
	struct perm *p = perm_find(s, a, peer);

	if (p)
		return p;
	if (a->perms.count >= TURN_PERMS_MAX || !table_reserve(&a->perms))
		return NULL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	if (!timer_claim(&s->timers)) {
		free(p);
		return NULL;
	}
	p->pub.peer = *peer;
	p->pub.peer.port = 0;
	p->timer.kind = TIMER_PERM;
	p->alloc = a;
	p->own = acl_own_ip(s->conf, peer);
	table_add(&a->perms, &p->node, hash_ip(s->key, peer));
	return p;
}

/* What tells a scan of the net from a client that tries its candidates. */
#define PERM_BURST_S	4

bool perm_admit(struct turn_server *s, struct alloc *a, unsigned int n, uint64_t now_ns)
{
	const struct turn_conf *conf = s->conf;
	uint64_t full_ns = a->peers_full_ns > now_ns ? a->peers_full_ns : now_ns;

	if (!n)
		return true;
	if (conf->new_peers_max &&
	    (a->peers >= conf->new_peers_max || n > conf->new_peers_max - a->peers))
		return false;
	if (conf->new_peers_rate) {
		full_ns += n * (TURN_NS_PER_S / conf->new_peers_rate);
		if (full_ns - now_ns > PERM_BURST_S * TURN_NS_PER_S)
			return false;
		a->peers_full_ns = full_ns;
	}
	a->peers += n;
	return true;
}

void perm_refresh(struct turn_server *s, struct perm *p, uint64_t expires_ns)
{
	struct chan *c;

	p->pub.expires_ns = expires_ns;
	timer_set(&s->timers, &p->timer, expires_ns);
	perm_keep(s, p);
	for (c = p->channels; c; c = c->next)
		chan_keep(s, c);
}

void perm_keep(struct turn_server *s, struct perm *p)
{
	const struct turn_relay *r = &p->alloc->pub.relay[alloc_index(p->pub.peer.family)];

	if (!p->pub.expires_ns)
		return;		/* over, kept for its channels */
	p->pub.lease_ns = p->pub.expires_ns;
	if (p->pub.lease_ns > r->expires_ns)
		p->pub.lease_ns = r->expires_ns;
	s->host->permission_kept(s->ctx, &p->alloc->pub, &p->pub);
}

void perm_tidy(struct turn_server *s, struct perm *p)
{
	if (p->pub.expires_ns || p->channels)
		return;
	timer_unclaim(&s->timers);
	table_remove(&p->alloc->perms, &p->node);
	free(p);
}

void perm_end(struct turn_server *s, struct perm *p, bool tell)
{
	timer_stop(&s->timers, &p->timer);
	if (p->pub.expires_ns && tell)
		s->host->permission_gone(s->ctx, &p->alloc->pub, &p->pub);
	p->pub.expires_ns = 0;
	p->pub.host = NULL;
	perm_tidy(s, p);
}

int perm_peer_allowed(const struct request *rq, const struct tp_addr *peer)
{
	if (!alloc_serves(rq->alloc, peer->family, rq->now.mono_ns))
		return 443;
	return acl_check_realm(rq->server->conf, rq->limits, peer);
}

/* All of them or none: the lifeless ones that were made so far go again. */
static int perm_install(struct request *rq, const struct tp_addr *peers, unsigned int n)
{
	struct turn_server *s = rq->server;
	uint64_t expires_ns = rq->now.mono_ns +
			      s->conf->permission_lifetime_s * TURN_NS_PER_S;
	unsigned int i, made, before = rq->alloc->perms.count;

	for (made = 0; made < n; made++) {
		if (!perm_get(s, rq->alloc, &peers[made]))
			goto undo;
	}
	if (!perm_admit(s, rq->alloc, rq->alloc->perms.count - before, rq->now.mono_ns))
		goto undo;
	for (i = 0; i < n; i++)
		perm_refresh(s, perm_find(s, rq->alloc, &peers[i]), expires_ns);
	return 0;
undo:
	for (i = 0; i < made; i++) {
		struct perm *p = perm_find(s, rq->alloc, &peers[i]);

		if (p)
			perm_tidy(s, p);
	}
	return 508;
}

int perm_request(struct request *rq)
{
	struct tp_addr peers[STUN_ATTRS_MAX], peer;
	unsigned int n = 0, i;
	size_t at = 0;
	int code;

	while ((code = stun_peer_next(rq->msg, &at, &peer)) > 0) {
		if (n == STUN_ATTRS_MAX)
			return 508;
		peers[n++] = peer;
	}
	if (code < 0 || !n)
		return 400;
	for (i = 0; i < n; i++) {
		code = perm_peer_allowed(rq, &peers[i]);
		if (code)
			return code;
	}
	return perm_install(rq, peers, n);
}
