// SPDX-License-Identifier: MIT
#include <string.h>
#include "dataplane/listeners.h"

/* False: there are more than a row can name. */
static bool list_ports(const struct conf_addrs *listen, __be16 port[TP_LISTENER_PORTS])
{
	unsigned int n = 0, i, k;

	for (i = 0; i < listen->n; i++) {
		for (k = 0; k < n && port[k] != listen->v[i].port; k++)
			;
		if (k < n)
			continue;
		if (n == TP_LISTENER_PORTS)
			return false;
		port[n++] = listen->v[i].port;
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

bool listeners_put(struct rows *rows, const struct conf *conf, uint64_t now_ns)
{
	struct row_spec spec = {
		.kind = TP_ROW_LISTENER, .flags = flags_of(conf),
		.expires_ns = now_ns + LISTENERS_LEASE_S * TURN_NS_PER_S,
	};
	bool all = true;

	if (conf->turn.unauthorized_rps)
		spec.listener.request_ns = (uint32_t)(TURN_NS_PER_S / conf->turn.unauthorized_rps);
	if (!list_ports(&conf->listen, spec.listener.port))
		spec.flags = 0;
	for (unsigned int i = 0; i < conf->listen.n; i++) {
		spec.dst = conf->listen.v[i];
		memset(&spec.src, 0, sizeof(spec.src));
		spec.src.family = spec.dst.family;
		all &= rows_put(rows, &spec) != 0;
	}
	return all;
}
