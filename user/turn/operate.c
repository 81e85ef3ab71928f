// SPDX-License-Identifier: MIT
/* What operators do to a server that runs: another configuration, ending allocations. */
#include <stdlib.h>
#include <string.h>
#include "turn/core.h"
#include "pure.h"

bool turn_shared_renew(struct turn_shared *shared, const struct turn_conf *conf)
{
	const struct turn_conf *running = shared->conf;
	struct users users = shared->users;
	struct pools pools;

	if (!pool_list(&pools, &shared->pools, conf))
		return false;
	shared->conf = conf;
	memset(&shared->users, 0, sizeof(shared->users));
	if (!user_index(shared)) {
		user_unindex(&shared->users);
		shared->conf = running;
		shared->users = users;
		pool_unlist(&pools, &shared->pools);
		return false;
	}
	user_unindex(&users);
	free(shared->pools.v);
	shared->pools = pools;
	shared_algorithms(shared);
	return true;
}

/* What the database says of its realm, as far as either is known. */
static const struct turn_realm *operate_realm(const struct turn_server *s, const struct alloc *a)
{
	if (!a->realm)
		return NULL;
	return realm_find(s, (struct stun_bytes){ (const uint8_t *)a->realm, strlen(a->realm) });
}

/* What its realm's database says counts; where that is not known, any realm's may let in. */
static bool operate_denied(const struct turn_server *s, const struct alloc *a,
			   const struct tp_addr *peer)
{
	unsigned int i;

	if (a->realm)
		return acl_check_realm(s->conf, operate_realm(s, a), peer);
	if (!acl_check(s->conf, peer))
		return false;
	for (i = 0; s->realms && i < s->realms->n; i++) {
		if (!acl_check_realm(s->conf, &s->realms->v[i], peer))
			return false;
	}
	return true;
}

static unsigned int operate_conns(struct turn_server *s, struct alloc *a)
{
	struct conn *c, *next;
	unsigned int ended = 0;

	for (c = a->conns; c; c = next) {
		next = c->next;
		if (!operate_denied(s, a, &c->pub.peer))
			continue;
		conn_end(s, c, 403);
		ended++;
	}
	return ended;
}

/* A rule that got stricter ends what goes on, here and in the kernel's tables. */
static unsigned int operate_gate(struct turn_server *s, struct alloc *a)
{
	struct table_node *node, *next;
	unsigned int ended = 0;

	table_each(&a->by_number, node, next) {
		struct chan *c = core_of(node, struct chan, by_number);

		if (!operate_denied(s, a, &c->pub.peer))
			continue;
		chan_free(s, c, true);
		ended++;
	}
	table_each(&a->perms, node, next) {
		struct perm *p = core_of(node, struct perm, node);

		p->own = acl_own_ip(s->conf, &p->pub.peer);
		if (!operate_denied(s, a, &p->pub.peer))
			continue;
		perm_end(s, p, true);
		ended++;
	}
	return ended + operate_conns(s, a);
}

static unsigned int operate_gates(struct turn_server *s, bool limits)
{
	struct table_node *node, *next;
	unsigned int ended = 0;

	table_each(&s->allocs, node, next) {
		struct alloc *a = core_of(node, struct alloc, node);

		/* adopted, perhaps before the database had said which realms there are */
		if (!a->realm)
			alloc_realm(a, realm_by_user(s, &a->pub));
		ended += operate_gate(s, a);
		if (limits && quota_bandwidth_renew(s->shared, operate_realm(s, a), a))
			s->host->alloc_limited(s->ctx, &a->pub);
	}
	return ended;
}

unsigned int turn_server_renew(struct turn_server *server, const struct turn_conf *conf)
{
	server->conf = conf;
	return operate_gates(server, true);
}

unsigned int turn_server_realms(struct turn_server *server, const struct turn_realms *realms)
{
	server->realms = realms;
	return operate_gates(server, false);
}

unsigned int turn_server_kick(struct turn_server *server,
			      bool (*match)(const struct turn_alloc *alloc, const void *arg),
			      const void *arg, struct turn_now now)
{
	struct table_node *node, *next;
	unsigned int ended = 0;

	table_each(&server->allocs, node, next) {
		struct alloc *a = core_of(node, struct alloc, node);

		if (!match(&a->pub, arg))
			continue;
		alloc_free(server, a, now.mono_ns);
		ended++;
	}
	return ended;
}

static bool operate_by(const struct turn_alloc *alloc, const void *arg)
{
	return path_by(&alloc->path, arg);
}

unsigned int turn_server_deafen(struct turn_server *server, const struct tp_addr *listener,
				struct turn_now now)
{
	struct table_node *node, *next;

	/* who leaves is met again, and has left */
	table_each(&server->allocs, node, next)
		mobility_leave(server, core_of(node, struct alloc, node), listener, now.mono_ns);
	return turn_server_kick(server, operate_by, listener, now);
}
