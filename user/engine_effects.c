// SPDX-License-Identifier: MIT
/* The effects of the TURN core, carried out. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include <utlist.h>
#include "engine_parts.h"
#include "log.h"
#include "net/tcp.h"

static int open_relay(struct engine *e, const struct turn_relay *relay)
{
	const struct conf *conf = e->shared->conf;
	int fd;

	if (relay->alloc->tcp)
		return tcp_open_relay(&relay->local, conf->relay_device);
	fd = udp_open_relay(&relay->local, conf->sock_buf_size, conf->relay_device);
	if (fd >= 0 && e->shared->tc)
		udp_refuse_gro(fd);
	return fd;
}

static int host_relay_open(void *ctx, struct turn_relay *relay)
{
	struct engine *e = ctx;
	struct engine_relay *r = calloc(1, sizeof(*r));
	int err = -ENOMEM;

	if (!r)
		return -ENOMEM;
	r->engine = e;
	r->relay = relay;
	r->fd = open_relay(e, relay);
	if (r->fd < 0) {
		err = r->fd;
		goto out_free;
	}
	if (event_assign(&r->event, e->base, r->fd, EV_READ | EV_PERSIST,
			 relay->alloc->tcp ? engine_on_peers : engine_on_relay, r) ||
	    event_add(&r->event, NULL))
		goto out_close;
	relay->host = r;
	DL_APPEND(e->relays, r);
	return 0;

out_close:
	close(r->fd);
out_free:
	free(r);
	return err;
}

static void host_relay_close(void *ctx, struct turn_relay *relay)
{
	struct engine *e = ctx;
	struct engine_relay *r = relay->host;

	if (!r)
		return;
	udp_flush(e->tx);		/* what is queued names the descriptor */
	DL_DELETE(e->relays, r);
	event_del(&r->event);
	close(r->fd);
	relay->host = NULL;
	r->relay = NULL;
	if (e->reading != r)
		free(r);
}

/* S23: what is above the limit is discarded, the rest flows. */
static bool may_relay(struct engine *e, const struct turn_relay *relay, bool up, size_t len)
{
	e->over_limit = !flows_allow(e->shared->flows, relay->alloc, up, len, e->now_ns);
	return !e->over_limit;
}

/* What the input is counted under that this is sent for: the STUN class says it (RFC 8489
 * section 5), where it is not data. */
static uint8_t reason_of(const struct turn_out *out)
{
	if (out->data)
		return TP_R_USER_TO_CLIENT;
	if (!(out->head[0] & 1))
		return TP_R_ICMP_RELAYED;
	return out->head[1] & 0x10 ? TP_R_STUN_ERROR : TP_R_STUN_SUCCESS;
}

static void udp_leg_send(struct engine_leg *leg, const struct tp_addr *to,
			 const struct turn_out *out)
{
	const struct engine_listener *l = (const struct engine_listener *)leg;
	struct engine *e = leg->engine;
	bool relayed = out->data;

	udp_send(e->tx, &(struct udp_datagram){
		.fd = l->fd, .to = to,
		.head = out->head, .head_len = out->head_len,
		.data = out->data, .data_len = out->data_len, .pad = out->pad,
		.tos = relayed ? e->tos : 0, .ttl = relayed ? e->ttl : 0,
		.reason = reason_of(out), .counted = e->bytes,
	});
}

const struct engine_leg_ops engine_udp_leg = { .send = udp_leg_send };

static void host_to_client(void *ctx, const struct turn_path *path, const struct turn_out *out)
{
	struct engine *e = ctx;
	struct engine_leg *leg = path->socket;

	if (out->data &&
	    (e->ttl_over || !may_relay(e, e->reading->relay, false, out->data_len)))
		return;
	if (leg)		/* its connection may be gone, and it may come back (RFC 8016) */
		leg->ops->send(leg, turn_path_to(path), out);
}

static void host_to_client_from(void *ctx, const struct tp_addr *server,
				const struct tp_addr *client, const struct turn_out *out)
{
	struct engine_listener *l = engine_listener_of(ctx, server);

	if (l)
		udp_leg_send(&l->leg, client, out);
}

static void host_to_peer(void *ctx, struct turn_relay *relay, const struct tp_addr *peer,
			 const uint8_t *data, size_t len, unsigned int flags)
{
	struct engine *e = ctx;
	const struct engine_relay *r = relay->host;

	if (!r || e->ttl_over || !may_relay(e, relay, true, len))
		return;
	udp_send(e->tx, &(struct udp_datagram){
		.fd = r->fd, .to = peer, .data = data, .data_len = len,
		.tos = e->tos, .ttl = e->ttl,
		.dont_fragment = flags & TURN_SEND_DF,
		.reason = TP_R_USER_TO_PEER, .counted = e->bytes,
	});
	flows_count(relay->alloc, true, len);
}

static void host_client_comes(void *ctx, const struct turn_path *path, bool comes)
{
	struct engine_leg *leg = path->socket;

	(void)ctx;
	if (leg && leg->ops->allocated)
		leg->ops->allocated(leg, &path->client, comes);
}

static void host_alloc_kept(void *ctx, struct turn_alloc *alloc)
{
	struct engine *e = ctx;
	bool known = alloc->host;

	host_client_comes(e, &alloc->path, true);
	flows_keep_alloc(e->shared->flows, alloc, e->worker);
	engine_tell(e, alloc, known ? STATSDB_REFRESHED : STATSDB_NEW);
}

static void host_alloc_limited(void *ctx, struct turn_alloc *alloc)
{
	struct engine *e = ctx;

	flows_limit(e->shared->flows, alloc);
}

static void host_channel_kept(void *ctx, struct turn_alloc *alloc, struct turn_channel *channel)
{
	struct engine *e = ctx;

	flows_keep_channel(e->shared->flows, alloc, channel);
}

static void host_permission_kept(void *ctx, struct turn_alloc *alloc,
				 struct turn_permission *permission)
{
	struct engine *e = ctx;

	flows_keep_permission(e->shared->flows, alloc, permission);
}

static void host_alloc_parked(void *ctx, struct turn_alloc *alloc)
{
	struct engine *e = ctx;

	/* it moves: its connection, if it had one, may go without it */
	host_client_comes(e, &alloc->path, false);
	flows_park_alloc(e->shared->flows, alloc);
}

static void host_channel_parked(void *ctx, struct turn_alloc *alloc, struct turn_channel *channel)
{
	struct engine *e = ctx;

	flows_park_channel(e->shared->flows, alloc, channel);
}

static void host_permission_parked(void *ctx, struct turn_alloc *alloc,
				   struct turn_permission *permission)
{
	struct engine *e = ctx;

	flows_park_permission(e->shared->flows, alloc, permission);
}

static void host_channel_gone(void *ctx, struct turn_alloc *alloc, struct turn_channel *channel)
{
	struct engine *e = ctx;

	flows_drop_channel(e->shared->flows, alloc, channel);
}

static void host_permission_gone(void *ctx, struct turn_alloc *alloc,
				 struct turn_permission *permission)
{
	struct engine *e = ctx;

	flows_drop_permission(e->shared->flows, alloc, permission);
}

static void host_alloc_gone(void *ctx, struct turn_alloc *alloc)
{
	struct engine *e = ctx;

	if (e->shared->statsdb && alloc->host)	/* so that its rows have counted all */
		flows_park_alloc(e->shared->flows, alloc);
	engine_tell(e, alloc, STATSDB_DELETED);
	flows_drop_alloc(e->shared->flows, alloc);
	host_client_comes(e, &alloc->path, false);
}

static void host_random(void *ctx, void *buf, size_t len)
{
	uint8_t *p = buf;

	(void)ctx;
	while (len) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0 && errno != EINTR) {
			/* E18: never weak random */
			log_error("getrandom: %s", strerror(errno));
			abort();
		}
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
}

static void host_note(void *ctx, const char *line)
{
	(void)ctx;
	log_info("%s", line);
}

const struct turn_host engine_host = {
	.relay_open = host_relay_open,
	.relay_close = host_relay_close,
	.to_client = host_to_client,
	.to_client_from = host_to_client_from,
	.to_peer = host_to_peer,
	.client_comes = host_client_comes,
	.hand_over = engine_hand_over,
	.alloc_kept = host_alloc_kept,
	.alloc_limited = host_alloc_limited,
	.channel_kept = host_channel_kept,
	.permission_kept = host_permission_kept,
	.alloc_parked = host_alloc_parked,
	.channel_parked = host_channel_parked,
	.permission_parked = host_permission_parked,
	.channel_gone = host_channel_gone,
	.permission_gone = host_permission_gone,
	.alloc_gone = host_alloc_gone,
	.tcp_connect = engine_tcp_connect,
	.tcp_bind = engine_tcp_bind,
	.tcp_close = engine_tcp_close,
	.random = host_random,
	.note = host_note,
};
