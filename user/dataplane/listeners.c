// SPDX-License-Identifier: MIT
#include <string.h>
#include "dataplane/listeners.h"

/* Adds to port[]. False: there are more than a row can name. */
static bool list_ports(const struct conf_addrs *listen, __be16 port[TP_LISTENER_PORTS])
{
	unsigned int i, k;

	for (i = 0; i < listen->n; i++) {
		for (k = 0; k < TP_LISTENER_PORTS && port[k] && port[k] != listen->v[i].port; k++)
			;
		if (k == TP_LISTENER_PORTS)
			return false;
		port[k] = listen->v[i].port;
	}
	return true;
}

/* In place only where the answer would be the daemon's own, byte for byte, and where
 * nobody wants to read about it in the log. */
static uint16_t flags_of(const struct conf *conf)
{
	const struct turn_conf *turn = &conf->turn;

	if (turn->no_stun || turn->secure_stun || turn->software || conf->log_binding ||
	    turn->rfc5780 || turn->mapped_address)
		return 0;
	return TP_ROW_BINDING | (turn->fingerprint ? TP_ROW_FINGERPRINT : 0);
}

/* Slot + 1, or 0 without room. */
static uint32_t put(struct rows *rows, struct row_spec *spec, const struct tp_addr *addr)
{
	memset(&spec->src, 0, sizeof(spec->src));
	spec->src.family = addr->family;
	spec->dst = *addr;
	return rows_put(rows, spec);
}

bool listeners_put(struct rows *rows, const struct conf *conf, uint64_t now_ns)
{
	struct row_spec spec = {
		.kind = TP_ROW_LISTENER, .flags = flags_of(conf),
		.expires_ns = now_ns + LISTENERS_LEASE_S * TURN_NS_PER_S,
	};
	bool all = true;

	if (conf->no_udp)		/* what listens is there for DTLS */
		return true;
	if (conf->turn.unauthorized_rps)
		spec.listener.request_ns = (uint32_t)(TURN_NS_PER_S / conf->turn.unauthorized_rps);
	if (!list_ports(&conf->listen, spec.listener.port) ||
	    !list_ports(&conf->listen_proxied, spec.listener.port))
		spec.flags = 0;
	for (unsigned int i = 0; i < conf->listen.n; i++)
		all &= put(rows, &spec, &conf->listen.v[i]) != 0;
	return all;
}

void listeners_drop(struct rows *rows, const struct conf_addrs *listen)
{
	/* a row is found by its key, and by its key alone */
	struct row_spec over = { .kind = TP_ROW_LISTENER };
	struct tp_count none = { 0 };

	for (unsigned int i = 0; i < listen->n; i++) {
		const struct tp_addr *addr = &listen->v[i];

		rows_del(rows, addr->family, put(rows, &over, addr), &none);
	}
}
