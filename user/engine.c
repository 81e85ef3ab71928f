// SPDX-License-Identifier: MIT
#include <errno.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>
#include "address.h"
#include "engine.h"
#include "log.h"
#include "net/udp.h"

#define ICMP_BATCH	64
#define TICK_NS		TURN_NS_PER_S	/* the longest sleep of the core's timers */

struct engine_listener {
	struct engine *engine;
	struct event *event;
	struct tp_addr addr;
	int fd;				/* not owned */
};

/* The socket of one relayed transport address. */
struct engine_relay {
	struct engine_relay *prev, *next;
	struct engine *engine;
	struct event *event;
	struct turn_relay *relay;	/* NULL: closed while its input is handled */
	int fd;
};

struct engine {
	const struct engine_shared *shared;
	unsigned int worker;
	struct turn_server *server;
	struct event_base *base;
	struct event *tick, *stop;
	struct udp_rx *rx;
	struct udp_tx *tx;
	struct engine_listener *listeners;
	struct engine_relay *relays;	/* the open ones */
	struct engine_relay *reading;	/* whose input is being handled */
	uint8_t tos, ttl;		/* for what is relayed of that input */
	bool ttl_over;			/* nothing of it may be relayed */
	pthread_t thread;
	bool running;
	struct tp_count counts[TP_R_MAX];	/* written by the worker, read by any */
};

static struct turn_now engine_now(void)
{
	struct timespec mono, wall;

	clock_gettime(CLOCK_MONOTONIC, &mono);
	clock_gettime(CLOCK_REALTIME, &wall);
	return (struct turn_now){
		.mono_ns = (uint64_t)mono.tv_sec * TURN_NS_PER_S + (uint64_t)mono.tv_nsec,
		.wall_s = (uint64_t)wall.tv_sec,
	};
}

static void count(struct engine *e, enum tp_reason reason, size_t bytes)
{
	struct tp_count *c = &e->counts[reason];

	__atomic_store_n(&c->packets, c->packets + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&c->bytes, c->bytes + bytes, __ATOMIC_RELAXED);
}

void engine_count(const struct engine *e, struct tp_count counts[TP_R_MAX])
{
	for (unsigned int i = 0; i < TP_R_MAX; i++) {
		counts[i].packets += __atomic_load_n(&e->counts[i].packets, __ATOMIC_RELAXED);
		counts[i].bytes += __atomic_load_n(&e->counts[i].bytes, __ATOMIC_RELAXED);
	}
	counts[TP_R_SEND_FAILED].packets += udp_lost(e->tx);
}

/* ------------------------------------------------------- the core's effects */

static void on_relay(evutil_socket_t fd, short what, void *arg);

static int host_relay_open(void *ctx, struct turn_relay *relay)
{
	struct engine *e = ctx;
	struct engine_relay *r = calloc(1, sizeof(*r));
	int err = -ENOMEM;

	if (!r)
		return -ENOMEM;
	r->engine = e;
	r->relay = relay;
	r->fd = udp_open_relay(&relay->local, e->shared->conf->sock_buf_size);
	if (r->fd < 0) {
		err = r->fd;
		goto out_free;
	}
	if (e->shared->tc)
		udp_refuse_gro(r->fd);
	r->event = event_new(e->base, r->fd, EV_READ | EV_PERSIST, on_relay, r);
	if (!r->event || event_add(r->event, NULL))
		goto out_close;
	relay->host = r;
	DL_APPEND(e->relays, r);
	return 0;

out_close:
	if (r->event)
		event_free(r->event);
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
	event_free(r->event);
	close(r->fd);
	relay->host = NULL;
	r->relay = NULL;
	if (e->reading != r)
		free(r);
}

static void host_to_client(void *ctx, const struct turn_path *path, const struct turn_out *out)
{
	struct engine *e = ctx;
	const struct engine_listener *l = path->socket;
	bool relayed = out->data;

	if (relayed && e->ttl_over)
		return;
	udp_send(e->tx, &(struct udp_datagram){
		.fd = l->fd, .to = &path->client,
		.head = out->head, .head_len = out->head_len,
		.data = out->data, .data_len = out->data_len, .pad = out->pad,
		.tos = relayed ? e->tos : 0, .ttl = relayed ? e->ttl : 0,
	});
}

static void host_to_peer(void *ctx, struct turn_relay *relay, const struct tp_addr *peer,
			 const uint8_t *data, size_t len, unsigned int flags)
{
	struct engine *e = ctx;
	const struct engine_relay *r = relay->host;

	if (!r || e->ttl_over)
		return;
	udp_send(e->tx, &(struct udp_datagram){
		.fd = r->fd, .to = peer, .data = data, .data_len = len,
		.tos = e->tos, .ttl = e->ttl,
		.dont_fragment = flags & TURN_SEND_DF,
	});
	flows_count(relay->alloc, true, len);
}

static void host_alloc_kept(void *ctx, struct turn_alloc *alloc)
{
	struct engine *e = ctx;

	flows_keep_alloc(e->shared->flows, alloc, e->worker);
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

	flows_drop_alloc(e->shared->flows, alloc);
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

static const struct turn_host engine_host = {
	.relay_open = host_relay_open,
	.relay_close = host_relay_close,
	.to_client = host_to_client,
	.to_peer = host_to_peer,
	.alloc_kept = host_alloc_kept,
	.channel_kept = host_channel_kept,
	.permission_kept = host_permission_kept,
	.channel_gone = host_channel_gone,
	.permission_gone = host_permission_gone,
	.alloc_gone = host_alloc_gone,
	.random = host_random,
	.note = host_note,
};

/* ------------------------------------------------------------------- input */

/*
 * RFC 8656 sections 13 and 14: DSCP and ECN are copied. The server acts as a
 * router on the TTL, so that a loop of relays ends.
 */
static void take_ip_fields(struct engine *e, const struct udp_received *in)
{
	e->tos = in->tos;
	e->ttl = in->ttl ? in->ttl - 1 : 0;
	e->ttl_over = in->ttl == 1;
}

/* What the core relayed, the TTL may have kept back. */
static void count_input(struct engine *e, enum tp_reason reason, size_t bytes)
{
	bool relayed = reason == TP_R_USER_TO_PEER || reason == TP_R_USER_TO_CLIENT;

	count(e, relayed && e->ttl_over ? TP_R_TTL : reason, bytes);
}

static void on_listener(evutil_socket_t fd, short what, void *arg)
{
	struct engine_listener *l = arg;
	struct engine *e = l->engine;
	const struct udp_received *in;
	struct turn_now now = engine_now();
	int n = udp_receive(e->rx, fd, &in);

	(void)what;
	for (int i = 0; i < n; i++) {
		struct turn_path path = {
			.client = in[i].from, .server = l->addr,
			.transport = IPPROTO_UDP, .socket = l,
		};
		size_t at = 0;

		take_ip_fields(e, &in[i]);
		do {			/* an empty datagram is one, too */
			size_t len = in[i].len - at;

			if (len > in[i].segment)
				len = in[i].segment;
			count_input(e, turn_from_client(e->server, &path, in[i].data + at, len,
							now), len);
			at += len;
		} while (at < in[i].len);
	}
	udp_flush(e->tx);
}

static void from_peer(struct engine *e, struct engine_relay *r, const struct udp_received *in,
		      struct turn_now now)
{
	size_t at = 0;

	take_ip_fields(e, in);
	do {
		size_t len = in->len - at;
		enum tp_reason reason;

		if (!r->relay)
			return;
		if (len > in->segment)
			len = in->segment;
		reason = turn_from_peer(e->server, r->relay, &in->from, in->data + at, len, now);
		count_input(e, reason, len);
		if (reason == TP_R_USER_TO_CLIENT && r->relay && !e->ttl_over)
			flows_count(r->relay->alloc, false, len);
		at += len;
	} while (at < in->len);
}

static void icmp_errors(struct engine *e, struct engine_relay *r, struct turn_now now)
{
	struct udp_icmp icmp;

	/* Not for ever: what is left makes the descriptor readable again. */
	for (int i = 0; i < ICMP_BATCH && r->relay && udp_receive_icmp(r->fd, &icmp); i++)
		count(e, turn_icmp(e->server, r->relay, &icmp.peer, icmp.type, icmp.code,
				   icmp.data, now), 0);
}

static void on_relay(evutil_socket_t fd, short what, void *arg)
{
	struct engine_relay *r = arg;
	struct engine *e = r->engine;
	const struct udp_received *in;
	struct turn_now now = engine_now();
	int n = udp_receive(e->rx, fd, &in);

	(void)what;
	e->reading = r;
	for (int i = 0; i < n; i++)
		from_peer(e, r, &in[i], now);
	/* Nothing to read: then it was the error queue that woke us. */
	if (n <= 0)
		icmp_errors(e, r, now);
	udp_flush(e->tx);
	e->reading = NULL;
	if (!r->relay)
		free(r);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct engine *e = arg;
	struct turn_now now = engine_now();
	uint64_t next = turn_tick(e->server, now), wait = TICK_NS;
	struct timeval tv;

	(void)fd;
	(void)what;
	udp_flush(e->tx);
	if (next < now.mono_ns + wait)
		wait = next > now.mono_ns ? next - now.mono_ns : 1000;
	tv.tv_sec = (time_t)(wait / TURN_NS_PER_S);
	tv.tv_usec = (suseconds_t)(wait % TURN_NS_PER_S / 1000);
	event_add(e->tick, &tv);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
	struct engine *e = arg;

	(void)fd;
	(void)what;
	event_base_loopbreak(e->base);
}

/* ------------------------------------------------------------------ making */

static int add_listeners(struct engine *e, const int *fds)
{
	const struct conf_addrs *listen = &e->shared->conf->listen;

	e->listeners = calloc(listen->n, sizeof(*e->listeners));
	if (listen->n && !e->listeners)
		return -ENOMEM;
	for (unsigned int i = 0; i < listen->n; i++) {
		struct engine_listener *l = &e->listeners[i];

		*l = (struct engine_listener){ .engine = e, .fd = fds[i], .addr = listen->v[i] };
		l->event = event_new(e->base, l->fd, EV_READ | EV_PERSIST, on_listener, l);
		if (!l->event || event_add(l->event, NULL))
			return -ENOMEM;
	}
	return 0;
}

struct engine *engine_new(const struct engine_shared *shared, unsigned int worker,
			  const int *listeners)
{
	struct engine *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->shared = shared;
	e->worker = worker;
	e->base = event_base_new();
	e->rx = udp_rx_new();
	e->tx = udp_tx_new();
	if (!e->base || !e->rx || !e->tx)
		goto fail;
	e->server = turn_server_new(&shared->conf->turn, shared->turn, &engine_host, e);
	e->tick = event_new(e->base, -1, 0, on_tick, e);
	e->stop = event_new(e->base, -1, 0, on_stop, e);
	if (!e->server || !e->tick || !e->stop || add_listeners(e, listeners))
		goto fail;
	return e;

fail:
	engine_free(e);
	return NULL;
}

static void *engine_main(void *arg)
{
	struct engine *e = arg;

	on_tick(-1, 0, e);
	event_base_dispatch(e->base);
	return NULL;
}

int engine_start(struct engine *e)
{
	int err = pthread_create(&e->thread, NULL, engine_main, e);

	e->running = !err;
	return -err;
}

void engine_stop(struct engine *e)
{
	if (!e->running)
		return;
	event_active(e->stop, 0, 0);
	pthread_join(e->thread, NULL);
	e->running = false;
}

void engine_free(struct engine *e)
{
	struct engine_relay *r, *next;

	if (!e)
		return;
	if (e->server)
		turn_server_abandon(e->server);
	DL_FOREACH_SAFE(e->relays, r, next) {
		event_free(r->event);
		close(r->fd);
		free(r);
	}
	for (unsigned int i = 0; e->listeners && i < e->shared->conf->listen.n; i++)
		if (e->listeners[i].event)
			event_free(e->listeners[i].event);
	free(e->listeners);
	if (e->tick)
		event_free(e->tick);
	if (e->stop)
		event_free(e->stop);
	if (e->base)
		event_base_free(e->base);
	udp_rx_free(e->rx);
	udp_tx_free(e->tx);
	free(e);
}

/* ---------------------------------------------------------------- adoption */

static struct engine_listener *listener_of(struct engine *e, const struct tp_addr *server)
{
	for (unsigned int i = 0; i < e->shared->conf->listen.n; i++)
		if (address_equal(&e->listeners[i].addr, server))
			return &e->listeners[i];
	return NULL;
}

static bool is_mine(const struct engine *e, const struct tp_alloc *saved)
{
	return saved->transport == IPPROTO_UDP &&
	       udp_worker(&saved->client, e->shared->conf->workers) == e->worker;
}

/* adopted[] is by the journal's index. */
static void adopt_bindings(struct engine *e, struct turn_alloc **adopted, bool channels,
			   struct turn_now now)
{
	struct journal *j = e->shared->journal;
	struct tp_binding *b;
	uint32_t at = 0;

	while ((b = journal_next_binding(j, &at))) {
		struct turn_alloc *alloc = adopted[b->alloc];

		if (!alloc || (b->channel != 0) != channels)
			continue;
		/* the rows are found again by their keys */
		b->row_up = b->row_down = 0;
		if (turn_adopt_binding(e->server, alloc, b, now))
			journal_free_binding(j, b);
	}
}

int engine_adopt(struct engine *e)
{
	struct journal *j = e->shared->journal;
	struct turn_alloc **adopted = calloc(e->shared->tables->meta->allocs, sizeof(*adopted));
	struct turn_now now = engine_now();
	unsigned int n = 0, over = 0;
	struct tp_alloc *saved;
	uint32_t at = 0;

	if (!adopted)
		return -ENOMEM;
	while ((saved = journal_next_alloc(j, &at))) {
		struct engine_listener *l = listener_of(e, &saved->server);
		struct turn_alloc *alloc;

		if (!is_mine(e, saved))
			continue;
		/* the rows are found again by their keys */
		memset(saved->row_send, 0, sizeof(saved->row_send));
		memset(saved->row_relayed, 0, sizeof(saved->row_relayed));
		alloc = l ? turn_adopt(e->server, saved, l, now) : NULL;
		if (alloc) {
			flows_keep_alloc(e->shared->flows, alloc, e->worker);
			adopted[journal_index(j, saved)] = alloc;
			n++;
		} else {
			journal_free_alloc(j, saved);
			over++;
		}
	}
	adopt_bindings(e, adopted, false, now);
	adopt_bindings(e, adopted, true, now);
	free(adopted);
	if (n || over)
		log_info("adopted worker=%u allocations=%u over=%u", e->worker, n, over);
	return 0;
}
