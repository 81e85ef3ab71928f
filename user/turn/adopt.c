// SPDX-License-Identifier: MIT
/* Carrying on the allocations of a predecessor, as the journal kept them. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include "address.h"
#include "turn/core.h"
#include "pure.h"

/* Of a relayed address that was bound here, or NULL: it is no relay address any more. */
static struct pool *adopt_pool(const struct turn_server *s, const struct tp_addr *local)
{
	const struct turn_relay_ip *ip = turn_relay_here(s->conf, local);

	if (!ip || !local->port || !address_same_ip(&ip->local, local))
		return NULL;
	return pool_of(&s->shared->pools, ip);
}

/* 0 or -errno; what is over or not ours any more is left out. */
static int adopt_relay(struct turn_server *s, struct alloc *a, const struct tp_alloc *saved,
		       unsigned int i, uint64_t now_ns)
{
	const struct tp_addr *local = &saved->relayed[i];
	uint16_t port = ntohs(local->port);
	struct pool *pool;
	int err;

	if (local->family != (i ? 6 : 4) || saved->expires_ns[i] <= now_ns)
		return -ENOENT;
	pool = adopt_pool(s, local);
	if (!pool)
		return -EADDRNOTAVAIL;
	if (!port_take_this(pool, port, now_ns))
		return -EADDRINUSE;
	err = alloc_relay(s, a, pool, port, saved->expires_ns[i]);
	if (err)
		port_give(pool, port, 0);
	return err;
}

void turn_forgo(struct turn_server *server, const struct tp_alloc *saved, struct turn_now now)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		uint16_t port = ntohs(saved->relayed[i].port);
		uint64_t end_ns = saved->expires_ns[i];
		struct pool *pool;

		if (end_ns > now.mono_ns)
			end_ns = now.mono_ns;
		pool = saved->relayed[i].family ? adopt_pool(server, &saved->relayed[i]) : NULL;
		if (pool && port_take_this(pool, port, now.mono_ns))
			port_give(pool, port, end_ns + TURN_REST_NS);
	}
}

static bool adopt_ticket(struct turn_server *s, struct alloc *a, const struct tp_alloc *saved)
{
	if (!mobility_allowed(s->conf) || !saved->ticket)
		return true;
	return mobility_give(s, a, saved->ticket);
}

struct turn_alloc *turn_adopt(struct turn_server *server, struct tp_alloc *saved,
			      void *listener, struct turn_now now)
{
	const struct turn_path on_record = {
		.client = saved->client, .server = saved->server, .proxy = saved->proxy,
		.transport = saved->transport,
	};
	struct turn_path path = path_on(&on_record, listener);
	char user[TP_USER_SHOWN] = "";
	struct alloc *a;
	int got;

	if (!turn_conf_relays(server->conf) || server->conf->stun_only ||
	    (path_gone(&path) ? !mobility_allowed(server->conf) || !saved->ticket :
				alloc_find(server, &path, now.mono_ns) != NULL))
		return NULL;
	memcpy(user, saved->user, sizeof(user) - 1);
	a = alloc_new(&path, user);
	if (!a)
		return NULL;
	memcpy(a->pub.txid, saved->txid, sizeof(a->pub.txid));
	memcpy(a->pub.user_id, saved->user_id, sizeof(a->pub.user_id));
	a->pub.created_ns = saved->created_ns;
	a->pub.host = saved;
	alloc_realm(a, realm_by_user(server, &a->pub));
	got = !adopt_relay(server, a, saved, 0, now.mono_ns);
	got += !adopt_relay(server, a, saved, 1, now.mono_ns);
	/* It was within the limits when it was made. */
	if (!got || quota_bandwidth(server->shared, NULL, saved, a) ||
	    quota_carry_on(server->shared, a->pub.user_id, &a->charge) ||
	    !adopt_ticket(server, a, saved) ||
	    !alloc_add(server, a)) {
		alloc_free(server, a, now.mono_ns);
		return NULL;
	}
	return &a->pub;
}

static int adopt_channel(struct turn_server *s, struct alloc *a, struct tp_binding *saved)
{
	uint16_t number = ntohs(saved->channel);
	struct chan *c;

	if (!chan_number_valid(s->conf, number) || !saved->peer.port)
		return -EINVAL;
	if (chan_by_number(s, a, number) || chan_by_peer(s, a, &saved->peer))
		return -EEXIST;
	c = chan_new(s, a, number, &saved->peer);
	if (!c)
		return -ENOMEM;
	c->pub.host = saved;
	chan_refresh(s, c, saved->expires_ns);
	return 0;
}

int turn_adopt_binding(struct turn_server *server, struct turn_alloc *alloc,
		       struct tp_binding *saved, struct turn_now now)
{
	struct alloc *a = core_of(alloc, struct alloc, pub);
	struct perm *p;

	if (saved->expires_ns <= now.mono_ns)
		return -ENOENT;
	if (!alloc_serves(a, saved->peer.family, now.mono_ns))
		return -EAFNOSUPPORT;
	if (acl_check(server->conf, &saved->peer))
		return -EACCES;
	if (saved->channel)
		return adopt_channel(server, a, saved);
	p = perm_get(server, a, &saved->peer);
	if (!p)
		return -ENOMEM;
	p->pub.host = saved;
	perm_refresh(server, p, saved->expires_ns);
	return 0;
}
