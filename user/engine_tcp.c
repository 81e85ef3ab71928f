// SPDX-License-Identifier: MIT
/* TCP allocations (RFC 6062): peers that connect to relayed addresses, and are connected to. */
#include <errno.h>
#include <unistd.h>
#include <utlist.h>
#include "engine_parts.h"
#include "log.h"
#include "net/tcp.h"

#define ACCEPT_BATCH	16
#define HALF_NS		(60 * TURN_NS_PER_S)	/* silence, of what one side has ended */

static void take(struct engine_relay *r, const struct tcp_accepted *in, struct turn_now now)
{
	struct engine *e = r->engine;
	struct engine_pipe *p = engine_pipe_new(e, in->fd, false);

	if (!p) {
		close(in->fd);
		return;
	}
	p->core = turn_accepted(e->server, r->relay, &in->client, p, now);
	if (p->core)
		flows_count_connection(r->relay->alloc, 1);
	else
		engine_pipe_free(p);
}

void engine_on_peers(evutil_socket_t fd, short what, void *arg)
{
	struct engine_relay *r = arg;
	struct engine *e = r->engine;
	struct turn_now now = engine_now();
	struct tcp_accepted in;
	int n = 1;

	(void)what;
	for (int i = 0; i < ACCEPT_BATCH && n > 0; i++) {
		n = tcp_accept(fd, &in);
		if (n > 0)
			take(r, &in, now);
	}
	if (n < 0) {
		/* T17: it would stay readable: rest until the next sweep */
		event_del(&r->event);
		r->shut = e->relays_shut = true;
		log_warning("no more peers for now worker=%u: error %d", e->worker, -n);
	}
	engine_flush(e);
}

int engine_tcp_connect(void *ctx, struct turn_connection *c, const struct tp_addr *to)
{
	struct engine *e = ctx;
	int fd = tcp_connect(&c->relay->local, to, e->shared->conf->relay_device);
	struct engine_pipe *p;

	if (fd < 0)
		return fd;
	p = engine_pipe_new(e, fd, true);
	if (!p) {
		close(fd);
		return -ENOMEM;
	}
	p->core = c;
	c->host = p;
	flows_count_connection(c->relay->alloc, 1);
	return 0;
}

int engine_tcp_bind(void *ctx, struct turn_connection *c, const struct turn_path *path)
{
	struct engine_stream *s = path->socket;	/* TCP: all of these legs are streams */
	struct engine_pipe *p = c->host;

	(void)ctx;
	if (s->pipe)
		return -EBUSY;
	s->pipe = p;
	p->joining = s;
	return 0;
}

void engine_tcp_close(void *ctx, struct turn_connection *c)
{
	struct engine_pipe *p = c->host;

	(void)ctx;
	flows_count_connection(c->relay->alloc, -1);
	c->host = NULL;
	if (p->joining) {
		p->joining->pipe = NULL;
		engine_stream_kill(p->joining);
	}
	engine_pipe_free(p);
}

static void open_shut(struct engine *e)
{
	struct engine_relay *r;

	e->relays_shut = false;
	DL_FOREACH(e->relays, r) {
		if (!r->shut)
			continue;
		r->shut = event_add(&r->event, NULL) != 0;
		e->relays_shut |= r->shut;
	}
}

void engine_tcp_sweep(struct engine *e, uint64_t now_ns)
{
	struct engine_pipe *p, *next;

	DL_FOREACH_SAFE(e->pipes, p, next)
		if ((p->client.ended || p->peer.ended) && p->moved_ns + HALF_NS <= now_ns)
			turn_disconnected(e->server, p->core);
	if (e->relays_shut)
		open_shut(e);
}

void engine_tcp_free(struct engine *e)
{
	struct engine_pipe *p, *next;

	DL_FOREACH_SAFE(e->pipes, p, next)
		engine_pipe_free(p);
}
