// SPDX-License-Identifier: MIT
/*
 * external-ip inside the host: a client names another one's relayed address as it
 * was told, by the external address, which no socket here is bound to and which
 * the router may not send back.
 */
#include <arpa/inet.h>
#include <string.h>
#include "address.h"
#include "turn/core.h"
#include "pure.h"

static void set_ip(struct tp_addr *addr, const struct tp_addr *ip)
{
	memcpy(addr->ip, ip->ip, sizeof(addr->ip));
}

struct tp_addr alias_inside(const struct turn_conf *conf, const struct tp_addr *peer)
{
	struct tp_addr addr = *peer;
	unsigned int i;

	for (i = 0; i < conf->n_relays; i++) {
		if (!address_same_ip(&conf->relays[i].external, peer))
			continue;
		set_ip(&addr, &conf->relays[i].local);
		break;
	}
	return addr;
}

struct tp_addr alias_outside(const struct turn_conf *conf, const struct tp_addr *peer)
{
	unsigned int i, port = ntohs(peer->port);
	struct tp_addr addr = *peer;

	/* another socket of this host is not a relayed address */
	if (port && (port < conf->min_port || port > conf->max_port))
		return addr;
	for (i = 0; i < conf->n_relays; i++) {
		if (!address_same_ip(&conf->relays[i].local, peer))
			continue;
		set_ip(&addr, &conf->relays[i].external);
		break;
	}
	return addr;
}
