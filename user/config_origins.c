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

bool conf_has_twin(const struct conf *conf, const struct conf_addrs *ips, unsigned int which)
{
	return conf->turn.rfc5780 && twin_of(conf, ips, which) != NO_TWIN;
}

static struct conf_port_pair port_pair(uint16_t port, uint16_t alternate)
{
	if (!alternate)
		alternate = port < UINT16_MAX ? port + 1 : port - 1;
	return (struct conf_port_pair){ port, alternate };
}

struct conf_port_pair conf_plain_ports(const struct conf *conf)
{
	return port_pair(conf->listening_port, conf->alt_listening_port);
}

struct conf_port_pair conf_secure_ports(const struct conf *conf)
{
	return port_pair(conf->tls_listening_port, conf->alt_tls_listening_port);
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

	if (!origin)			/* nothing listens by this transport */
		return;
	origin->other[1] = find(conf, ip, other);
	origin->other[2] = find(conf, twin, port);
	origin->other[3] = find(conf, twin, other);
}

static void link_corners(struct conf *conf, const struct tp_addr *ip, const struct tp_addr *twin,
			 struct conf_port_pair ports)
{
	link_corner(conf, ip, twin, ports.port, ports.alternate);
	link_corner(conf, ip, twin, ports.alternate, ports.port);
}

/* An address is one origin, whichever transports listen there. */
static void add_origins(struct conf *conf, const struct conf_addrs *listen)
{
	struct turn_conf *turn = &conf->turn;

	for (unsigned int i = 0; i < listen->n; i++) {
		struct turn_origin *origin = &turn->origins[turn->n_origins];

		if (find(conf, &listen->v[i], ntohs(listen->v[i].port)))
			continue;
		origin->local = listen->v[i];
		origin->external = conf_external_of(conf, &origin->local);
		origin->other[0] = origin;
		turn->n_origins++;
	}
}

/* RFC 5780 section 6: a pair of ports for UDP and TCP, and another one for TLS. */
static void check_pairs(const struct conf *conf, struct conf_errors *errors)
{
	struct conf_port_pair plain = conf_plain_ports(conf), secure = conf_secure_ports(conf);

	if ((conf->no_tls && conf->no_dtls) ||
	    (plain.port == secure.port && plain.alternate == secure.alternate))
		return;
	if (plain.port == secure.port || plain.port == secure.alternate ||
	    plain.alternate == secure.port || plain.alternate == secure.alternate)
		conf_report(errors, conf_where(conf, "rfc5780"), LEVEL_ERROR,
			    "rfc5780: the ports %u and %u, and %u and %u of TLS, are not four",
			    plain.port, plain.alternate, secure.port, secure.alternate);
}

void conf_find_origins(struct conf *conf, const struct conf_addrs *ips,
		       struct conf_errors *errors)
{
	struct turn_conf *turn = &conf->turn;
	unsigned int pairs = 0;

	free(turn->origins);
	turn->n_origins = 0;
	turn->origins = calloc(conf->listen.n + conf->listen_tcp.n + 1, sizeof(*turn->origins));
	if (!turn->origins)
		abort();
	add_origins(conf, &conf->listen);
	add_origins(conf, &conf->listen_tcp);
	for (unsigned int i = 0; i < ips->n; i++) {
		unsigned int twin = twin_of(conf, ips, i);

		if (twin == NO_TWIN)
			continue;
		link_corners(conf, &ips->v[i], &ips->v[twin], conf_plain_ports(conf));
		link_corners(conf, &ips->v[i], &ips->v[twin], conf_secure_ports(conf));
		pairs++;
	}
	check_pairs(conf, errors);
	if (!pairs)
		conf_report(errors, conf_where(conf, "rfc5780"), LEVEL_WARNING,
			    "rfc5780 needs two listening addresses of one family: clients "
			    "cannot learn how their NAT filters");
}
