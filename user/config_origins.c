// SPDX-License-Identifier: MIT
/* The four addresses of NAT behaviour discovery (RFC 5780): two IPs with two ports each. */
#include <arpa/inet.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "address.h"
#include "config_table.h"

#define NO_TWIN	UINT_MAX

/* The loopback pairs with nothing but itself. */
static bool same_kind(const struct tp_addr *a, const struct tp_addr *b)
{
	return a->family == b->family && conf_loopback(a) == conf_loopback(b);
}

/* The first and the second IP of a family belong together, the third and the fourth... */
static unsigned int twin_of(const struct conf *conf, const struct conf_addrs *ips,
			    unsigned int which)
{
	unsigned int place = 0, i, n = 0;
	struct tp_addr mine, other;

	for (i = 0; i < which; i++)
		place += same_kind(&ips->v[i], &ips->v[which]);
	for (i = 0; i < ips->n; i++) {
		if (!same_kind(&ips->v[i], &ips->v[which]) || n++ != (place ^ 1))
			continue;
		/* behind one public address they are one */
		mine = conf_external_of(conf, &ips->v[which]);
		other = conf_external_of(conf, &ips->v[i]);
		return address_same_ip(&mine, &other) ? NO_TWIN : i;
	}
	return NO_TWIN;
}

static uint16_t alt_port(const struct conf *conf)
{
	unsigned int next = conf->listening_port + 1u;

	if (conf->alt_listening_port)
		return conf->alt_listening_port;
	return next > UINT16_MAX ? conf->listening_port - 1 : (uint16_t)next;
}

void conf_add_alt_ports(struct conf *conf, const struct conf_addrs *ips,
			void (*add)(struct conf_addrs *list, const struct tp_addr *addr))
{
	for (unsigned int i = 0; i < ips->n; i++) {
		struct tp_addr addr = ips->v[i];

		addr.port = htons(alt_port(conf));
		if (twin_of(conf, ips, i) != NO_TWIN)
			add(&conf->listen, &addr);
	}
}

static struct turn_origin *find(struct conf *conf, const struct tp_addr *ip, uint16_t port)
{
	struct tp_addr addr = *ip;

	addr.port = htons(port);
	for (unsigned int i = 0; i < conf->turn.n_origins; i++)
		if (address_equal(&conf->turn.origins[i].local, &addr))
			return &conf->turn.origins[i];
	return NULL;
}

/* One of the four: the port that it has, and the other one. */
static void link_corner(struct conf *conf, const struct tp_addr *ip, const struct tp_addr *twin,
			uint16_t port, uint16_t other)
{
	struct turn_origin *origin = find(conf, ip, port);

	origin->other[1] = find(conf, ip, other);
	origin->other[2] = find(conf, twin, port);
	origin->other[3] = find(conf, twin, other);
}

void conf_find_origins(struct conf *conf, const struct conf_addrs *ips,
		       struct conf_errors *errors)
{
	struct turn_conf *turn = &conf->turn;
	uint16_t port = conf->listening_port, alt = alt_port(conf);
	unsigned int pairs = 0;

	free(turn->origins);
	turn->origins = calloc(conf->listen.n + 1, sizeof(*turn->origins));
	if (!turn->origins)
		abort();
	turn->n_origins = conf->listen.n;
	for (unsigned int i = 0; i < conf->listen.n; i++) {
		struct turn_origin *origin = &turn->origins[i];

		origin->local = conf->listen.v[i];
		origin->external = conf_external_of(conf, &origin->local);
		origin->other[0] = origin;
	}
	for (unsigned int i = 0; i < ips->n; i++) {
		unsigned int twin = twin_of(conf, ips, i);

		if (twin == NO_TWIN)
			continue;
		link_corner(conf, &ips->v[i], &ips->v[twin], port, alt);
		link_corner(conf, &ips->v[i], &ips->v[twin], alt, port);
		pairs++;
	}
	if (!pairs)
		conf_report(errors, conf_where(conf, "rfc5780"), LEVEL_WARNING,
			    "rfc5780 needs two listening addresses of one family: clients "
			    "cannot learn how their NAT filters");
}
