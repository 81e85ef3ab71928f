// SPDX-License-Identifier: MIT
/*
 * Mobility (RFC 8016): an allocation goes on under another client address.
 *
 * A ticket is 128 bits that only who has the key can make, and a check word: a handle
 * (RFC 8016 appendix A), so that there is nothing in it to read. What it is made of is in the
 * journal, so that a successor of this process can make it as well. The check word
 * only tells tickets of allocations that are gone (437) from what never was one (400).
 *
 * The worker that has the allocation keeps it; others hand over to it what comes from the
 * client's new address. A successor adopts it where that address belongs.
 *
 * Section 3.2.2 asks no client to stay with its transport: UDP, TCP, TLS and DTLS may follow
 * each other. Between the end of one connection and the next there is nobody to send to
 * ("break before make"): then the path has TURN_GONE, and is equal to nobody's.
 */
#include <stdlib.h>
#include <string.h>
#include "turn/core.h"
#include "pure.h"

#define TICKET_HANDLE	16
#define SPENT_NS	(30 * TURN_NS_PER_S)	/* section 3.2.2: for retransmissions */
/* House: thousands of rows may have to change with a move, so that one a second must do. */
#define SETTLE_NS	TURN_NS_PER_S
#define SETTLE_BURST	8

struct mobility {
	struct alloc *alloc;
	struct home ticket[2];		/* [valid]: the present one; [!valid]: the one before */
	struct home place[2];		/* [at]: where it has moved to; [!at]: where it goes */
	unsigned int valid, at;
	struct table_node node;		/* turn_server.coming, while next is there */
	struct turn_path next;		/* where the client comes to; family 0: nowhere */
	uint8_t txid[TP_STUN_TXID_LEN];	/* of the Refresh that spent the ticket */
	uint64_t spent_until_ns;
	uint64_t settled_ns;		/* when a whole burst of moves will be due again */
};

bool mobility_allowed(const struct turn_conf *conf)
{
	/* section 5: never without authentication */
	return conf->mobility && !conf->no_auth;
}

/* ------------------------------------------------------------ tickets */

void turn_shared_ticket_key(struct turn_shared *shared, const void *secret, size_t len)
{
	stun_hmac_sha256(shared->ticket_key, secret, len, "tickets", 7);
}

static void ticket_mac(const struct turn_shared *shared, uint8_t mac[32], const void *text,
		       size_t len)
{
	stun_hmac_sha256(mac, shared->ticket_key, sizeof(shared->ticket_key), text, len);
}

static void ticket_check(const struct turn_shared *shared, const uint8_t ticket[TURN_TICKET_LEN],
			 uint8_t check[TURN_TICKET_LEN - TICKET_HANDLE])
{
	uint8_t mac[32];

	ticket_mac(shared, mac, ticket, TICKET_HANDLE);
	memcpy(check, mac, TURN_TICKET_LEN - TICKET_HANDLE);
}

/* The serial-th ticket of an allocation. */
static void ticket_name(const struct turn_shared *shared, const struct alloc *a, uint32_t serial,
			uint8_t name[HOME_NAME])
{
	struct {
		uint8_t user_id[32], txid[TP_STUN_TXID_LEN];
		uint32_t serial;
		uint64_t created_ns;
	} of;
	uint8_t mac[32], ticket[TURN_TICKET_LEN];

	_Static_assert(sizeof(of) == 32 + TP_STUN_TXID_LEN + 4 + 8, "no padding");
	memcpy(of.user_id, a->pub.user_id, sizeof(of.user_id));
	memcpy(of.txid, a->pub.txid, sizeof(of.txid));
	of.serial = serial;
	of.created_ns = a->pub.created_ns;
	ticket_mac(shared, mac, &of, sizeof(of));
	memcpy(ticket, mac, TICKET_HANDLE);
	ticket_check(shared, ticket, ticket + TICKET_HANDLE);
	home_name_ticket(name, ticket);
}

static bool ticket_ours(const struct turn_shared *shared, struct stun_bytes ticket)
{
	uint8_t check[TURN_TICKET_LEN - TICKET_HANDLE];

	if (ticket.len != TURN_TICKET_LEN)
		return false;
	ticket_check(shared, ticket.p, check);
	return stun_equal(check, ticket.p + TICKET_HANDLE, sizeof(check));
}

static bool ticket_is(const struct home *home, struct stun_bytes ticket)
{
	uint8_t name[HOME_NAME];

	home_name_ticket(name, ticket.p);
	return home->listed && stun_equal(home->name, name, HOME_NAME);
}

bool mobility_give(struct turn_server *s, struct alloc *a, uint32_t serial)
{
	struct mobility *m = calloc(1, sizeof(*m));
	unsigned int i;

	if (!m)
		return false;
	m->alloc = a;
	for (i = 0; i < 2; i++) {
		m->ticket[i].alloc = m->place[i].alloc = a;
		m->ticket[i].worker = m->place[i].worker = s->worker;
	}
	ticket_name(s->shared, a, serial, m->ticket[0].name);
	if (!home_add(s->shared, &m->ticket[0])) {
		free(m);
		return false;
	}
	a->pub.ticket = serial;
	a->mobility = m;
	return true;
}

static void next_forget(struct turn_server *s, struct mobility *m)
{
	if (!m->next.client.family)
		return;
	table_remove(&s->coming, &m->node);
	home_remove(s->shared, &m->place[!m->at]);
	memset(&m->next, 0, sizeof(m->next));
}

/* And who came there is told. */
static void next_leave(struct turn_server *s, struct mobility *m)
{
	struct turn_path next = m->next;

	if (!next.client.family)
		return;
	next_forget(s, m);
	s->host->client_comes(s->ctx, &next, false);
}

void mobility_free(struct turn_server *s, struct alloc *a, bool tell)
{
	struct mobility *m = a->mobility;

	if (!m)
		return;
	if (tell)
		next_leave(s, m);
	next_forget(s, m);
	home_remove(s->shared, &m->ticket[0]);
	home_remove(s->shared, &m->ticket[1]);
	home_remove(s->shared, &m->place[m->at]);
	free(m);
	a->mobility = NULL;
}

/* ------------------------------------------------------------ finding */

struct alloc *mobility_coming(const struct turn_server *s, const struct turn_path *path)
{
	struct table_node *node = table_first(&s->coming, hash_path(s->key, path));

	for (; node; node = table_next(node)) {
		struct mobility *m = core_of(node, struct mobility, node);

		if (path_same(&m->next, path))
			return m->alloc;
	}
	return NULL;
}

struct alloc *mobility_claimed(struct turn_server *s, const struct stun_msg *msg,
			       uint64_t now_ns)
{
	uint8_t name[HOME_NAME];
	unsigned int worker;
	struct alloc *a;

	if (msg->ticket.len != TURN_TICKET_LEN)
		return NULL;
	home_name_ticket(name, msg->ticket.p);
	if (!home_find(s, name, &worker, &a) || !a)
		return NULL;
	return alloc_alive(s, a, now_ns) ? a : NULL;
}

bool turn_resumes(struct turn_server *server, const uint8_t *data, size_t len,
		  unsigned int *worker)
{
	uint8_t name[HOME_NAME];
	struct stun_msg msg;
	struct alloc *a;

	if (!mobility_allowed(server->conf) || len < TP_STUN_HDR_LEN ||
	    data[0] || data[1] != TURN_REFRESH ||
	    stun_parse(&msg, data, len) != STUN_OK || msg.ticket.len != TURN_TICKET_LEN)
		return false;
	home_name_ticket(name, msg.ticket.p);
	return home_find(server, name, worker, &a);
}

bool mobility_elsewhere(struct turn_server *s, const struct turn_path *path,
			const struct stun_msg *ticket, struct stun_bytes data,
			enum tp_reason *reason, uint64_t now_ns)
{
	uint8_t name[HOME_NAME];
	unsigned int worker;
	struct alloc *a;

	if (ticket ? ticket->ticket.len != TURN_TICKET_LEN :
		     !__atomic_load_n(&s->shared->places, __ATOMIC_RELAXED))
		return false;
	if (alloc_find(s, path, now_ns))
		return false;
	if (ticket)
		home_name_ticket(name, ticket->ticket.p);
	else
		home_name_path(name, path);
	if (!home_find(s, name, &worker, &a) || worker == s->worker)
		return false;
	*reason = TP_R_MAX;		/* counted where it goes */
	return s->host->hand_over(s->ctx, worker, path, data.p, data.len);
}

/* ------------------------------------------------------------ requests */

/* "The old ticket can only be used for the purposes of retransmission." */
static bool repeated(const struct request *rq, const struct mobility *m)
{
	const struct turn_path *to = m->next.client.family ? &m->next : &m->alloc->pub.path;

	return ticket_is(&m->ticket[!m->valid], rq->msg->ticket) &&
	       rq->now.mono_ns < m->spent_until_ns &&
	       !memcmp(m->txid, rq->msg->txid, sizeof(m->txid)) && path_same(to, rq->path);
}

int mobility_check(const struct request *rq)
{
	const struct alloc *a = rq->alloc;

	if (!mobility_allowed(rq->server->conf))
		return 405;
	if (!a)
		return ticket_ours(rq->server->shared, rq->msg->ticket) ? 437 : 400;
	if (repeated(rq, a->mobility))
		return 0;
	if (!ticket_is(&a->mobility->ticket[a->mobility->valid], rq->msg->ticket))
		return 400;
	if (path_same(&a->pub.path, rq->path) || path_same(&a->mobility->next, rq->path))
		return 400;
	return 0;
}

void mobility_put(struct request *rq, const struct alloc *a)
{
	const struct mobility *m = a->mobility;

	if (m)
		stun_put(&rq->w, STUN_T_MOBILITY_TICKET, home_ticket(&m->ticket[m->valid]),
			 TURN_TICKET_LEN);
}

/* Notes where the client comes to; one that it had come to before is forgotten. */
static bool next_set(struct turn_server *s, struct mobility *m, const struct turn_path *path)
{
	struct home *place = &m->place[!m->at];

	next_leave(s, m);
	home_name_path(place->name, path);
	if (!table_reserve(&s->coming) || !home_add(s->shared, place))
		return false;
	m->next = *path;
	table_add(&s->coming, &m->node, hash_path(s->key, path));
	s->host->client_comes(s->ctx, path, true);
	return true;
}

/* The next ticket, beside the present one. */
static bool ticket_renew(struct turn_server *s, struct alloc *a, struct mobility *m)
{
	struct home *home = &m->ticket[!m->valid];

	home_remove(s->shared, home);
	ticket_name(s->shared, a, a->pub.ticket + 1, home->name);
	return home_add(s->shared, home);
}

/* The 5-tuple is another allocation's, here or with another worker. */
static bool taken(struct turn_server *s, const struct turn_path *path, uint64_t now_ns)
{
	uint8_t name[HOME_NAME];
	unsigned int worker;
	struct alloc *a;

	home_name_path(name, path);
	return alloc_find(s, path, now_ns) || home_find(s, name, &worker, &a);
}

bool turn_client_known(struct turn_server *server, const struct turn_path *path,
		       struct turn_now now)
{
	return taken(server, path, now.mono_ns);
}

int mobility_move(struct request *rq)
{
	struct turn_server *s = rq->server;
	struct alloc *a = rq->alloc;
	struct mobility *m = a->mobility;

	if (repeated(rq, m)) {
		mobility_put(rq, a);
		return 0;
	}
	if (taken(s, rq->path, rq->now.mono_ns))
		return 437;
	if (!ticket_renew(s, a, m))
		return 508;
	if (!next_set(s, m, rq->path)) {
		home_remove(s->shared, &m->ticket[!m->valid]);
		return 508;
	}
	m->valid = !m->valid;
	a->pub.ticket++;
	memcpy(m->txid, rq->msg->txid, sizeof(m->txid));
	m->spent_until_ns = rq->now.mono_ns + SPENT_NS;
	mobility_put(rq, a);
	mobility_follow(s, a, rq->now.mono_ns);
	return 0;
}

/* ------------------------------------------------------------ moving */

static void move_each(struct turn_server *s, struct alloc *a, bool park)
{
	struct table_node *node, *next;

	table_each(&a->perms, node, next) {
		struct perm *p = core_of(node, struct perm, node);

		if (!p->pub.expires_ns)
			continue;
		if (park)
			s->host->permission_parked(s->ctx, &a->pub, &p->pub);
		else
			s->host->permission_kept(s->ctx, &a->pub, &p->pub);
	}
	table_each(&a->by_number, node, next) {
		struct chan *c = core_of(node, struct chan, by_number);

		if (park)
			s->host->channel_parked(s->ctx, &a->pub, &c->pub);
		else
			s->host->channel_kept(s->ctx, &a->pub, &c->pub);
	}
}

/* The client is at the next path, the one before is nobody's. */
static void settle(struct turn_server *s, struct alloc *a, const struct turn_path *path)
{
	struct mobility *m = a->mobility;

	a->pub.parked = true;
	s->host->alloc_parked(s->ctx, &a->pub);
	move_each(s, a, true);
	table_remove(&s->coming, &m->node);
	alloc_rename(s, a, path);
	memset(&m->next, 0, sizeof(m->next));
	home_remove(s->shared, &m->place[m->at]);
	m->at = !m->at;
	s->host->alloc_kept(s->ctx, &a->pub);
	move_each(s, a, false);
	a->pub.parked = false;
	s->host->alloc_kept(s->ctx, &a->pub);
}

/* Until it may move, its data is relayed by either path, and its peers' by the old one. */
static bool may_settle(struct mobility *m, uint64_t now_ns)
{
	uint64_t settled_ns = m->settled_ns > now_ns ? m->settled_ns : now_ns;

	if (settled_ns - now_ns > (SETTLE_BURST - 1) * SETTLE_NS)
		return false;
	m->settled_ns = settled_ns + SETTLE_NS;
	return true;
}

void mobility_arrived(struct turn_server *s, struct alloc *a, const struct turn_path *path,
		      uint64_t now_ns)
{
	struct mobility *m = a->mobility;

	if (m && m->next.client.family && path_same(&m->next, path) && may_settle(m, now_ns))
		settle(s, a, path);	/* a connection may be another one since */
}

bool mobility_follow(struct turn_server *s, struct alloc *a, uint64_t now_ns)
{
	struct mobility *m = a->mobility;
	struct turn_path next;

	if (!path_gone(&a->pub.path))
		return true;
	if (!m->next.client.family || !may_settle(m, now_ns))
		return false;
	next = m->next;
	settle(s, a, &next);
	return true;
}

static void leave(struct turn_server *s, struct alloc *a)
{
	struct turn_path old = a->pub.path;
	struct turn_path nowhere = path_on(&old, NULL);

	nowhere.transport |= TURN_GONE;
	home_remove(s->shared, &a->mobility->place[a->mobility->at]);
	/* of a connection the kernel relays nothing: no row knows its path */
	alloc_rename(s, a, &nowhere);
	s->host->client_comes(s->ctx, &old, false);
	s->host->alloc_kept(s->ctx, &a->pub);
}

void mobility_leave(struct turn_server *s, struct alloc *a, const struct tp_addr *listener,
		    uint64_t now_ns)
{
	struct mobility *m = a->mobility;

	if (!m)
		return;
	if (m->next.client.family && path_by(&m->next, listener))
		next_leave(s, m);
	if (a->pub.path.transport & TURN_SECURE && path_by(&a->pub.path, listener)) {
		leave(s, a);
		mobility_follow(s, a, now_ns);
	}
}

bool turn_client_gone(struct turn_server *server, const struct turn_path *path,
		      struct turn_now now)
{
	struct alloc *a = alloc_find(server, path, now.mono_ns);

	if (!a)
		return false;
	if (!a->mobility) {
		alloc_free(server, a, now.mono_ns);
		return true;
	}
	if (path_same(&a->pub.path, path)) {
		leave(server, a);
		mobility_follow(server, a, now.mono_ns);
	} else {
		next_leave(server, a->mobility);
	}
	return false;
}
