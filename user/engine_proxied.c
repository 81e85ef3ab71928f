// SPDX-License-Identifier: MIT
/*
 * UDP listeners for proxies, whose datagrams begin with a header that says which client they are
 * of (PROXY protocol, version 2). Behind it everything is as with other clients on UDP, but that
 * what is for the client goes to the proxy; the kernel relays nothing of it.
 */
#include <errno.h>
#include <netinet/in.h>
#include "engine_parts.h"
#include "net/proxy.h"
#include "proxied.h"

/* Ports beside those whose clients have an allocation, of one worker. */
#define PORTS_MOST	65536

static struct turn_path path_of(const struct proxied_port *port, const struct tp_addr *client,
				struct engine_leg *leg)
{
	return (struct turn_path){
		.client = *client, .server = port->server, .proxy = port->proxy,
		.transport = IPPROTO_UDP, .socket = leg,
	};
}

static bool is_needed(void *ctx, const struct proxied_port *port, const struct tp_addr *client)
{
	struct engine *e = ctx;
	struct turn_path path = path_of(port, client, NULL);

	return turn_client_known(e->server, &path, engine_now());
}

int engine_proxied_open(struct engine *e)
{
	const struct proxied_host host = {
		.needed = is_needed, .ctx = e,
		.most = PORTS_MOST + e->shared->conf->max_allocations,
	};

	if (!e->proxied)
		e->proxied = proxied_new(&host);
	engine_proxied_renew(e);
	return e->proxied ? 0 : -ENOMEM;
}

void engine_proxied_renew(struct engine *e)
{
	if (e->proxied)
		proxied_keep(e->proxied,
			     e->shared->conf->udp_proxy_timeout_s * TURN_NS_PER_S);
}

void engine_proxied_close(struct engine *e)
{
	proxied_free(e->proxied);
}

void engine_proxied_sweep(struct engine *e, uint64_t now_ns)
{
	if (e->proxied)
		proxied_sweep(e->proxied, now_ns);
}

/* TP_R_MAX, or why the header's word does not count. */
static enum tp_reason named(struct engine_listener *l, const struct proxied_port *port,
			    const struct tp_addr *client, struct turn_now now)
{
	struct engine *e = l->leg.engine;
	struct tp_addr before;
	struct turn_path path;
	int changed = proxied_named(e->proxied, port, client, now.mono_ns, &before);

	if (changed < 0)
		return TP_R_PROXY_OTHER;
	if (changed) {
		path = path_of(port, &before, &l->leg);
		turn_client_gone(e->server, &path, now);
	}
	return TP_R_MAX;
}

void engine_proxied_adopted(struct engine *e, const struct turn_alloc *alloc)
{
	const struct turn_path *path = &alloc->path;
	const struct proxied_port port = { .proxy = path->proxy, .server = path->server };
	struct tp_addr before;

	if (path->proxy.family)
		proxied_named(e->proxied, &port, &path->client, engine_now().mono_ns, &before);
}

/* Whose datagram it is, and where what the client sent begins. TP_R_MAX, or why it is dropped. */
static enum tp_reason whose(struct engine_listener *l, const struct proxied_port *port,
			    struct stun_bytes *data, struct tp_addr *client, struct turn_now now)
{
	struct engine *e = l->leg.engine;
	const struct tp_addr *known;
	struct proxy_header header;
	int err;

	if (!acl_listed(&e->shared->conf->trusted_proxies, &port->proxy))
		return TP_R_PROXY_UNTRUSTED;
	err = proxy_parse_datagram(&header, data->p, data->len);
	if (err == -ENOENT) {
		known = proxied_client(e->proxied, port, now.mono_ns);
		if (!known)
			return TP_R_PROXY_UNKNOWN;
		*client = *known;
		return TP_R_MAX;
	}
	if (err)
		return TP_R_PROXY_HEADER;
	data->p += header.len;
	data->len -= header.len;
	*client = header.own ? port->proxy : header.client;
	return named(l, port, client, now);
}

void engine_proxied_input(struct engine_listener *l, const struct tp_addr *proxy,
			  struct stun_bytes data, struct turn_now now)
{
	const struct proxied_port port = { .proxy = *proxy, .server = l->addr };
	size_t len = data.len;
	struct turn_path path;
	struct tp_addr client;
	enum tp_reason reason = whose(l, &port, &data, &client, now);

	if (reason != TP_R_MAX) {
		engine_count_one(l->leg.engine, reason, len);
		return;
	}
	path = path_of(&port, &client, &l->leg);
	engine_from_client(l->leg.engine, &path, data.p, data.len, now);
}
