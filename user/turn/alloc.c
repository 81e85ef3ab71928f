// SPDX-License-Identifier: MIT
/* Allocations: found by 5-tuple, with one or two relayed addresses each. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include "address.h"
#include "turn/core.h"
#include "pure.h"

bool path_same(const struct turn_path *a, const struct turn_path *b)
{
	return a->transport == b->transport && address_equal(&a->client, &b->client) &&
	       address_equal(&a->server, &b->server) && address_equal(&a->proxy, &b->proxy);
}

bool path_by(const struct turn_path *path, const struct tp_addr *listener)
{
	return path_by_udp(path) && !path_gone(path) &&
	       address_equal(&path->server, listener);
}

struct alloc *alloc_find(struct turn_server *s, const struct turn_path *path, uint64_t now_ns)
{
	struct table_node *node = table_first(&s->allocs, hash_path(s->key, path));

	for (; node; node = table_next(node)) {
		struct alloc *a = core_of(node, struct alloc, node);

		if (path_same(&a->pub.path, path))
			return alloc_alive(s, a, now_ns) ? a : NULL;
	}
	if (s->coming.count) {
		struct alloc *a = mobility_coming(s, path);

		return a && alloc_alive(s, a, now_ns) ? a : NULL;
	}
	return NULL;
}

bool alloc_alive(struct turn_server *s, struct alloc *a, uint64_t now_ns)
{
	return a->timer.due_ns > now_ns || alloc_expire(s, a, now_ns);
}

struct alloc *alloc_new(const struct turn_path *path, const char *user)
{
	size_t user_size = strlen(user) + 1;
	struct alloc *a = calloc(1, sizeof(*a) + user_size);

	if (!a)
		return NULL;
	memcpy(a->user, user, user_size);
	a->pub.user = a->user;
	a->pub.path = *path;
	a->timer.kind = TIMER_ALLOC;
	return a;
}

bool alloc_realm(struct alloc *a, const char *realm)
{
	size_t size = realm ? strlen(realm) + 1 : 0;
	char *copy = size ? calloc(1, size) : NULL;

	if (size && !copy)
		return false;
	if (size)
		memcpy(copy, realm, size);
	free(a->realm);
	a->pub.realm = a->realm = copy;
	return true;
}

static void alloc_rearm(struct turn_server *s, struct alloc *a)
{
	uint64_t due_ns = UINT64_MAX;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		const struct turn_relay *r = &a->pub.relay[i];

		if (r->local.family && r->expires_ns < due_ns)
			due_ns = r->expires_ns;
	}
	timer_set(&s->timers, &a->timer, due_ns);
}

int alloc_relay(struct turn_server *s, struct alloc *a, struct pool *pool, uint16_t port,
		uint64_t expires_ns)
{
	unsigned int i = alloc_index(pool->local.family);
	struct turn_relay *r = &a->pub.relay[i];
	int err;

	r->local = pool->local;
	r->local.port = htons(port);
	r->external = pool->external;
	r->external.port = htons(port);
	r->expires_ns = expires_ns;
	r->alloc = &a->pub;
	err = s->host->relay_open(s->ctx, r);
	if (err)
		memset(r, 0, sizeof(*r));
	else
		a->pool[i] = pool;
	return err;
}

/* RFC 7635 section 9: what follows on a request with a token comes without, and is signed
 * with the key in it. */
bool alloc_session(struct alloc *a, const struct auth *auth)
{
	if (!auth->token)
		return true;
	if (!a->session)
		a->session = malloc(sizeof(*a->session));
	if (a->session)
		*a->session = auth->key;
	return a->session;
}

bool alloc_add(struct turn_server *s, struct alloc *a)
{
	if (!table_reserve(&s->allocs) || !timer_claim(&s->timers))
		return false;
	table_add(&s->allocs, &a->node, hash_path(s->key, &a->pub.path));
	alloc_rearm(s, a);
	return true;
}

void alloc_rename(struct turn_server *s, struct alloc *a, const struct turn_path *path)
{
	table_remove(&s->allocs, &a->node);
	a->pub.path = *path;
	table_add(&s->allocs, &a->node, hash_path(s->key, path));
}

void alloc_lifetime(struct turn_server *s, struct alloc *a, unsigned int i, uint64_t expires_ns)
{
	struct table_node *node, *next;

	a->pub.relay[i].expires_ns = expires_ns;
	alloc_rearm(s, a);
	table_each(&a->perms, node, next) {
		struct perm *p = core_of(node, struct perm, node);

		if (alloc_index(p->pub.peer.family) == i)
			perm_keep(s, p);
	}
	table_each(&a->by_number, node, next) {
		struct chan *c = core_of(node, struct chan, by_number);

		if (alloc_index(c->pub.peer.family) == i)
			chan_keep(s, c);
	}
}

bool alloc_serves(const struct alloc *a, uint8_t family, uint64_t now_ns)
{
	const struct turn_relay *r = &a->pub.relay[alloc_index(family)];

	return r->local.family && r->local.family == family && r->expires_ns > now_ns;
}

/* Frees the channels and permissions of one family of peers, or of both (0). */
static void alloc_strip(struct turn_server *s, struct alloc *a, uint8_t family, bool tell)
{
	struct table_node *node, *next;

	table_each(&a->by_number, node, next) {
		struct chan *c = core_of(node, struct chan, by_number);

		if (!family || c->pub.peer.family == family)
			chan_free(s, c, tell);
	}
	table_each(&a->perms, node, next) {
		struct perm *p = core_of(node, struct perm, node);

		if (!family || p->pub.peer.family == family)
			perm_end(s, p, tell);
	}
}

static void alloc_close(struct turn_server *s, struct alloc *a, unsigned int i, uint64_t now_ns)
{
	struct turn_relay *r = &a->pub.relay[i];

	if (!r->local.family)
		return;
	s->host->relay_close(s->ctx, r);
	port_give(a->pool[i], ntohs(r->local.port), now_ns + TURN_REST_NS);
	memset(r, 0, sizeof(*r));
}

static void alloc_unlink(struct turn_server *s, struct alloc *a)
{
	if (!a->timer.place)
		return;
	timer_stop(&s->timers, &a->timer);
	timer_unclaim(&s->timers);
	table_remove(&s->allocs, &a->node);
}

static void alloc_release(struct turn_server *s, struct alloc *a, bool tell)
{
	mobility_free(s, a, tell);
	table_clear(&a->perms);
	table_clear(&a->by_number);
	table_clear(&a->by_peer);
	if (a->session)
		explicit_bzero(a->session, sizeof(*a->session));
	free(a->session);
	free(a->realm);
	free(a);
}

void alloc_free(struct turn_server *s, struct alloc *a, uint64_t now_ns)
{
	bool known = a->timer.place;

	conn_end_all(s, a, 0);
	alloc_strip(s, a, 0, true);
	alloc_unlink(s, a);
	if (known)
		s->host->alloc_gone(s->ctx, &a->pub);
	alloc_close(s, a, 0, now_ns);
	alloc_close(s, a, 1, now_ns);
	quota_release(s->shared, &a->charge);
	quota_bandwidth_release(s->shared, a);
	alloc_release(s, a, true);
}

void alloc_forget(struct turn_server *s, struct alloc *a)
{
	conn_forget_all(s, a);
	alloc_strip(s, a, 0, false);
	alloc_unlink(s, a);
	alloc_release(s, a, false);
}

void alloc_drop(struct turn_server *s, struct alloc *a, unsigned int i, uint64_t now_ns)
{
	if (!a->pub.relay[!i].local.family) {
		alloc_free(s, a, now_ns);
		return;
	}
	conn_end_all(s, a, a->pub.relay[i].local.family);
	alloc_strip(s, a, a->pub.relay[i].local.family, true);
	alloc_close(s, a, i, now_ns);
	alloc_rearm(s, a);
	s->host->alloc_kept(s->ctx, &a->pub);
}

bool alloc_expire(struct turn_server *s, struct alloc *a, uint64_t now_ns)
{
	bool over[2], alive = false;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		bool there = a->pub.relay[i].local.family;

		over[i] = there && a->pub.relay[i].expires_ns <= now_ns;
		alive |= there && !over[i];
	}
	if (!alive) {
		alloc_free(s, a, now_ns);
		return false;
	}
	if (over[0] || over[1])
		alloc_drop(s, a, over[1], now_ns);
	return true;
}
