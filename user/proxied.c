// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <utlist.h>
#include "address.h"
#include "proxied.h"
#include "turn/table.h"

#define SWEEP_MOST	4096
#define SWEEP_NS	1000000000ULL

/* A port and its client. */
struct place {
	struct table_node node;
	struct place *prev, *next;	/* of the line, by looked_ns */
	struct proxied_port port;
	struct tp_addr client;
	uint64_t seen_ns;		/* when its last datagram came */
	uint64_t looked_ns;		/* when it was asked last whether it may go */
};

struct proxied {
	struct proxied_host host;
	struct table places;
	struct place *line;
	uint64_t keep_ns;
};

struct proxied *proxied_new(const struct proxied_host *host)
{
	struct proxied *t = calloc(1, sizeof(*t));

	if (t)
		t->host = *host;
	return t;
}

static void drop(struct proxied *t, struct place *p)
{
	table_remove(&t->places, &p->node);
	DL_DELETE(t->line, p);
	free(p);
}

void proxied_free(struct proxied *t)
{
	struct place *p, *next;

	if (!t)
		return;
	DL_FOREACH_SAFE(t->line, p, next)
		drop(t, p);
	table_clear(&t->places);
	free(t);
}

void proxied_keep(struct proxied *t, uint64_t keep_ns)
{
	t->keep_ns = keep_ns;
}

unsigned int proxied_count(const struct proxied *t)
{
	return t->places.count;
}

/* Only proxies, who are trusted, choose what is hashed: that needs no secret. */
static uint64_t hash_of(const struct proxied_port *port)
{
	static const uint64_t key[2];

	return hash_bytes(key, port, sizeof(*port));
}

static struct place *find(const struct proxied *t, const struct proxied_port *port)
{
	struct table_node *node = table_first(&t->places, hash_of(port));

	for (; node; node = table_next(node)) {
		struct place *p = core_of(node, struct place, node);

		if (address_equal(&p->port.proxy, &port->proxy) &&
		    address_equal(&p->port.server, &port->server))
			return p;
	}
	return NULL;
}

static bool is_fresh(const struct proxied *t, const struct place *p, uint64_t now_ns)
{
	return now_ns < p->seen_ns + t->keep_ns;
}

static bool is_needed(const struct proxied *t, const struct place *p)
{
	return t->host.needed(t->host.ctx, &p->port, &p->client);
}

static void put_off(struct proxied *t, struct place *p, uint64_t now_ns)
{
	p->looked_ns = now_ns;
	DL_DELETE(t->line, p);
	DL_APPEND(t->line, p);
}

/* The first that is not needed goes, however fresh. Those that are needed are behind it then, so
 * that the next search is short. */
static bool make_room(struct proxied *t, uint64_t now_ns)
{
	for (unsigned int left = proxied_count(t); left; left--) {
		struct place *p = t->line;

		if (!is_needed(t, p)) {
			drop(t, p);
			return true;
		}
		put_off(t, p, now_ns);
	}
	return false;
}

static void add(struct proxied *t, const struct proxied_port *port, const struct tp_addr *client,
		uint64_t now_ns)
{
	struct place *p;

	if (proxied_count(t) >= t->host.most && !make_room(t, now_ns))
		return;
	p = calloc(1, sizeof(*p));
	if (!p || !table_reserve(&t->places)) {
		free(p);
		return;
	}
	p->port = *port;
	p->client = *client;
	p->seen_ns = p->looked_ns = now_ns;
	table_add(&t->places, &p->node, hash_of(port));
	DL_APPEND(t->line, p);
}

int proxied_named(struct proxied *t, const struct proxied_port *port,
		  const struct tp_addr *client, uint64_t now_ns, struct tp_addr *before)
{
	struct place *p = find(t, port);
	bool other;

	if (!p) {
		add(t, port, client, now_ns);
		return 0;
	}
	other = !address_equal(&p->client, client);
	if (other && is_fresh(t, p, now_ns))
		return -EBUSY;
	*before = p->client;
	p->client = *client;
	p->seen_ns = now_ns;
	return other;
}

const struct tp_addr *proxied_client(struct proxied *t, const struct proxied_port *port,
				     uint64_t now_ns)
{
	struct place *p = find(t, port);

	if (!p || !t->keep_ns || (!is_fresh(t, p, now_ns) && !is_needed(t, p)))
		return NULL;
	p->seen_ns = now_ns;
	return &p->client;
}

void proxied_sweep(struct proxied *t, uint64_t now_ns)
{
	uint64_t rest_ns = t->keep_ns > SWEEP_NS ? t->keep_ns : SWEEP_NS;

	for (unsigned int left = SWEEP_MOST; left && t->line; left--) {
		struct place *p = t->line;

		if (now_ns < p->looked_ns + rest_ns)
			return;
		if (is_fresh(t, p, now_ns) || is_needed(t, p))
			put_off(t, p, now_ns);
		else
			drop(t, p);
	}
}
