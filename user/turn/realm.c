// SPDX-License-Identifier: MIT
/*
 * Which realm a request belongs to: that of its ORIGIN (draft-ietf-tram-stun-origin), else
 * that of the listener, else the one for all. Nothing is remembered: a client that named
 * its origin once and was told the realm proves by that realm's key that it belongs there.
 */
#include <string.h>
#include "address.h"
#include "turn/core.h"
#include "pure.h"

static bool same(const char *text, struct stun_bytes bytes)
{
	return strlen(text) == bytes.len && !memcmp(text, bytes.p, bytes.len);
}

const struct turn_realm *realm_find(const struct turn_server *s, struct stun_bytes name)
{
	unsigned int i;

	for (i = 0; s->realms && i < s->realms->n; i++) {
		if (same(s->realms->v[i].name, name))
			return &s->realms->v[i];
	}
	return NULL;
}

static const struct turn_realm *realm_of_origin(const struct turn_server *s,
						struct stun_bytes origin)
{
	unsigned int i;

	for (i = 0; s->realms && i < s->realms->n_origins; i++) {
		if (same(s->realms->origins[i].origin, origin))
			return s->realms->origins[i].realm;
	}
	return NULL;
}

/* One that some origin leads to. */
static const struct turn_realm *realm_of_origins(const struct turn_server *s,
						 struct stun_bytes name)
{
	unsigned int i;

	for (i = 0; s->realms && i < s->realms->n_origins; i++) {
		if (same(s->realms->origins[i].realm->name, name))
			return s->realms->origins[i].realm;
	}
	return NULL;
}

static bool realm_made(const struct turn_alloc *alloc, const char *realm)
{
	static const uint8_t token[] = { REALM_TOKEN_USER };
	struct stun_bytes user = { (const uint8_t *)alloc->user, strlen(alloc->user) };
	struct stun_bytes own = user, all = { (const uint8_t *)realm, strlen(realm) };
	struct stun_bytes names[3];
	uint8_t id[32];
	unsigned int i;

	while (own.len && *own.p >= '0' && *own.p <= '9') {
		own.p++;
		own.len--;
	}
	names[0] = user;
	names[1] = own;
	names[2] = (struct stun_bytes){ token, sizeof(token) };
	for (i = 0; i < 3; i++) {
		stun_userhash(id, names[i], all);
		if (!memcmp(id, alloc->user_id, sizeof(id)))
			return true;
	}
	return false;
}

const char *realm_by_user(const struct turn_server *s, const struct turn_alloc *alloc)
{
	const struct turn_conf *conf = s->conf;
	unsigned int i;

	if (conf->realm && realm_made(alloc, conf->realm))
		return conf->realm;
	for (i = 0; i < conf->n_listener_realms; i++) {
		if (realm_made(alloc, conf->listener_realms[i].realm))
			return conf->listener_realms[i].realm;
	}
	for (i = 0; s->realms && i < s->realms->n; i++) {
		if (realm_made(alloc, s->realms->v[i].name))
			return s->realms->v[i].name;
	}
	return NULL;
}

static const char *realm_of_listener(const struct turn_conf *conf, const struct tp_addr *server)
{
	unsigned int i;

	for (i = 0; i < conf->n_listener_realms; i++) {
		const struct turn_listener_realm *l = &conf->listener_realms[i];

		if (address_same_ip(&l->listener, server) &&
		    (!l->listener.port || l->listener.port == server->port))
			return l->realm;
	}
	return conf->realm;
}

void realm_choose(struct request *rq)
{
	const struct turn_server *s = rq->server;
	const struct stun_msg *m = rq->msg;
	const struct turn_realm *realm = NULL;

	rq->realm = realm_of_listener(s->conf, &rq->path->server);
	if (m->has & STUN_BIT(ORIGIN))
		realm = realm_of_origin(s, m->web_origin);
	else if (!s->conf->check_origin && (m->has & STUN_BIT(REALM)) &&
		 !same(rq->realm, m->realm))
		realm = realm_of_origins(s, m->realm);
	if (realm)
		rq->realm = realm->name;
	else
		realm = realm_find(s, (struct stun_bytes){ (const uint8_t *)rq->realm,
							   strlen(rq->realm) });
	rq->limits = realm;
}
