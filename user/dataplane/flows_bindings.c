// SPDX-License-Identifier: MIT
/* Channels and permissions, in the journal and as rows. */
#include <arpa/inet.h>
#include <string.h>
#include "dataplane/flows_parts.h"

/* What keeps it in the journal, *host; NULL: there is no room. */
static struct tp_binding *claim(struct flows *flows, const struct turn_alloc *alloc, void **host)
{
	if (*host)
		return *host;
	*host = journal_claim_binding(flows->journal, alloc->host);
	if (!*host)
		flows_count_full(&flows->journal_full);
	return *host;
}

static void give_back(struct flows *flows, void **host)
{
	pthread_mutex_lock(&flows->lock);
	journal_free_binding(flows->journal, *host);
	pthread_mutex_unlock(&flows->lock);
	*host = NULL;
}

/* ---------------------------------------------------------------- channels */

static const struct turn_relay *relay_of(const struct turn_alloc *alloc, const struct tp_addr *peer)
{
	return &alloc->relay[peer->family == 6];
}

/* Each row holds one reference to the next hop of the addresses that it sends with. */
static uint32_t put_row(struct flows *flows, struct row_spec *spec, uint32_t slot_1)
{
	bool here = spec->nexthop == TP_HOP_HERE;
	uint32_t slot;

	if (!here)
		spec->nexthop = nexthop_find(flows->hops, &spec->out_src, &spec->out_dst);
	slot = rows_put(flows->rows, spec);
	if (!here && (slot_1 || !slot))
		nexthop_put(flows->hops, &spec->out_src, &spec->out_dst);
	if (!slot)
		flows_count_full(&flows->rows_full);
	return slot;
}

static void put_rows(struct flows *flows, const struct turn_alloc *alloc,
		     const struct turn_channel *channel, struct tp_binding *saved)
{
	const struct turn_relay *relay = relay_of(alloc, &channel->peer);
	uint16_t flags = flows_row_flags(flows, alloc->host);
	struct row_spec up = {
		.kind = TP_ROW_TO_PEER, .flags = flags,
		.src = alloc->path.client, .dst = alloc->path.server, .channel = channel->number,
		.out_src = relay->local, .out_dst = channel->peer,
		.alloc = saved->alloc, .expires_ns = channel->lease_ns,
	};
	struct row_spec down = {
		.kind = TP_ROW_TO_CLIENT, .flags = flags,
		.src = channel->peer, .dst = relay->local,
		.out_src = alloc->path.server, .out_dst = alloc->path.client,
		.out_channel = channel->number,
		.alloc = saved->alloc, .expires_ns = channel->lease_ns,
	};
	const struct turn_relay_ip *here = flows_relay_here(flows, &channel->peer);

	if (here) {
		/* as it would look if it came to the other relayed address from outside */
		up.nexthop = TP_HOP_HERE;
		up.out_src = relay->external;
		memcpy(up.out_dst.ip, here->local.ip, sizeof(up.out_dst.ip));
	}
	saved->row_up = put_row(flows, &up, saved->row_up);
	saved->row_down = put_row(flows, &down, saved->row_down);
}

static void drop_rows(struct flows *flows, const struct turn_alloc *alloc,
		      const struct tp_addr *peer, struct tp_binding *saved)
{
	struct tp_alloc *owner = alloc->host;

	if (saved->row_up) {
		flows_drop_row(flows, alloc->path.client.family, &saved->row_up, &owner->fast_up);
		if (!flows_relay_here(flows, peer))
			nexthop_put(flows->hops, &relay_of(alloc, peer)->local, peer);
	}
	if (saved->row_down) {
		flows_drop_row(flows, peer->family, &saved->row_down, &owner->fast_down);
		nexthop_put(flows->hops, &alloc->path.server, &alloc->path.client);
	}
}

void flows_keep_channel(struct flows *flows, struct turn_alloc *alloc,
			struct turn_channel *channel)
{
	struct tp_binding *saved;

	if (!alloc->host)
		return;
	saved = claim(flows, alloc, &channel->host);
	if (!saved)
		return;
	pthread_mutex_lock(&flows->lock);
	saved->channel = htons(channel->number);
	saved->peer = channel->peer;
	saved->expires_ns = channel->expires_ns;
	if (flows->rows && flows_is_relayed(alloc->path.transport, &alloc->path.proxy))
		put_rows(flows, alloc, channel, saved);
	journal_publish(&saved->state);
	pthread_mutex_unlock(&flows->lock);
}

void flows_park_channel(struct flows *flows, struct turn_alloc *alloc,
			struct turn_channel *channel)
{
	if (!channel->host || !flows->rows)
		return;
	pthread_mutex_lock(&flows->lock);
	drop_rows(flows, alloc, &channel->peer, channel->host);
	pthread_mutex_unlock(&flows->lock);
}

void flows_drop_channel(struct flows *flows, struct turn_alloc *alloc,
			struct turn_channel *channel)
{
	if (!channel->host)
		return;
	flows_park_channel(flows, alloc, channel);
	give_back(flows, &channel->host);
}

/* ------------------------------------------------------------- permissions */

static void put_pass(struct flows *flows, const struct turn_alloc *alloc,
		     const struct turn_permission *permission, struct tp_binding *saved)
{
	const struct turn_relay *relay = relay_of(alloc, &permission->peer);
	struct row_spec spec = {
		.kind = TP_ROW_PERMISSION, .channel = TP_KEY_PERMISSION,
		.src = permission->peer, .dst = relay->local,
		.out_src = alloc->path.server, .out_dst = *turn_path_to(&alloc->path),
		.nexthop = TP_HOP_DAEMON,
		.alloc = saved->alloc, .expires_ns = permission->lease_ns,
	};

	saved->row_down = rows_put(flows->rows, &spec);
	if (!saved->row_down)
		flows_count_full(&flows->rows_full);
}

/* The row holds references to both ways' next hops. */
static void put_permission(struct flows *flows, const struct turn_alloc *alloc,
			   const struct turn_permission *permission, struct tp_binding *saved)
{
	const struct turn_relay *relay = relay_of(alloc, &permission->peer);
	const struct turn_path *path = &alloc->path;
	bool here = flows_relay_here(flows, &permission->peer), again = saved->row_down;
	struct row_spec spec = {
		.kind = TP_ROW_PERMISSION, .channel = TP_KEY_PERMISSION,
		.flags = flows_row_flags(flows, alloc->host),
		.src = permission->peer, .dst = relay->local,
		.out_src = path->server, .out_dst = path->client,
		.nexthop = nexthop_find(flows->hops, &path->server, &path->client),
		.nexthop_up = TP_HOP_HERE,
		.alloc = saved->alloc, .expires_ns = permission->lease_ns,
	};

	if (!here)
		spec.nexthop_up = nexthop_find(flows->hops, &relay->local, &permission->peer);
	saved->row_down = rows_put(flows->rows, &spec);
	if (again || !saved->row_down) {
		nexthop_put(flows->hops, &path->server, &path->client);
		if (!here)
			nexthop_put(flows->hops, &relay->local, &permission->peer);
	}
	if (!saved->row_down)
		flows_count_full(&flows->rows_full);
}

static void drop_permission(struct flows *flows, const struct turn_alloc *alloc,
			    const struct tp_addr *peer, struct tp_binding *saved)
{
	struct tp_alloc *owner = alloc->host;

	if (!saved->row_down)
		return;
	flows_drop_row(flows, peer->family, &saved->row_down, &owner->fast_down);
	if (!flows_is_relayed(alloc->path.transport, &alloc->path.proxy))
		return;
	nexthop_put(flows->hops, &alloc->path.server, &alloc->path.client);
	if (!flows_relay_here(flows, peer))
		nexthop_put(flows->hops, &relay_of(alloc, peer)->local, peer);
}

void flows_keep_permission(struct flows *flows, struct turn_alloc *alloc,
			   struct turn_permission *permission)
{
	unsigned int i = permission->peer.family == 6;
	struct tp_binding *saved;

	if (!alloc->host)
		return;
	saved = claim(flows, alloc, &permission->host);
	if (!saved) {
		if (flows_has_rows(flows, alloc))
			flows_open_relayed(flows, alloc, i);
		return;
	}
	pthread_mutex_lock(&flows->lock);
	saved->peer = permission->peer;
	saved->expires_ns = permission->expires_ns;
	if (flows_has_rows(flows, alloc)) {
		if (flows_is_relayed(alloc->path.transport, &alloc->path.proxy))
			put_permission(flows, alloc, permission, saved);
		else
			put_pass(flows, alloc, permission, saved);
		if (!saved->row_down)
			flows_open_relayed(flows, alloc, i);
	}
	journal_publish(&saved->state);
	pthread_mutex_unlock(&flows->lock);
}

void flows_park_permission(struct flows *flows, struct turn_alloc *alloc,
			   struct turn_permission *permission)
{
	if (!permission->host || !flows_has_rows(flows, alloc))
		return;
	pthread_mutex_lock(&flows->lock);
	drop_permission(flows, alloc, &permission->peer, permission->host);
	pthread_mutex_unlock(&flows->lock);
}

void flows_drop_permission(struct flows *flows, struct turn_alloc *alloc,
			   struct turn_permission *permission)
{
	if (!permission->host)
		return;
	flows_park_permission(flows, alloc, permission);
	give_back(flows, &permission->host);
}
