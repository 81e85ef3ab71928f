// SPDX-License-Identifier: MIT
/*
 * The bytes of one TCP connection between a client and its peer (RFC 6062), carried both
 * ways. What one end does not take is kept, PIPE_BYTES at most, and until it is gone nothing
 * more is read at the other: so each end feels how slow the other is. An end of one direction
 * is passed on, the other direction lives; anything else that ends is reset at the other end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include "engine_parts.h"
#include "net/tcp.h"

#define PIPE_BYTES	65536
#define PIPE_ROUNDS	4		/* reads, then others have their turn */
#define RECORD_BYTES	16384		/* of TLS, at most */
#define PACE_MS		20		/* between two looks whether a limit allows more */

static void on_readable(evutil_socket_t fd, short what, void *arg);
static void on_writable(evutil_socket_t fd, short what, void *arg);
static void on_pace(evutil_socket_t fd, short what, void *arg);

static struct engine_end *other(struct engine_end *end)
{
	struct engine_pipe *p = end->pipe;

	return end == &p->client ? &p->peer : &p->client;
}

/* ------------------------------------------------------------ life and death */

static bool end_open(struct engine_end *end, struct engine_pipe *p, const struct stream *io)
{
	struct event_base *base = p->engine->base;

	end->pipe = p;
	end->io = *io;
	end->readable = event_new(base, io->fd, EV_READ | EV_PERSIST, on_readable, end);
	end->writable = event_new(base, io->fd, EV_WRITE, on_writable, end);
	return end->readable && end->writable;
}

static void end_close(struct engine_end *end, bool whole)
{
	if (end->readable)
		event_free(end->readable);
	if (end->writable)
		event_free(end->writable);
	free(end->rest);
	if (end->io.fd < 0)
		return;
	if (!whole)
		tcp_abort(end->io.fd);
	stream_close(&end->io);
}

struct engine_pipe *engine_pipe_new(struct engine *e, int fd, bool connecting)
{
	const struct stream io = { .fd = fd };
	struct engine_pipe *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->engine = e;
	p->client.io.fd = -1;
	p->connecting = connecting;
	/* until a client is there, its data waits in the kernel (Q10) */
	if (!end_open(&p->peer, p, &io) || (connecting && event_add(p->peer.writable, NULL))) {
		p->peer.io.fd = -1;
		end_close(&p->peer, true);
		free(p);
		return NULL;
	}
	DL_APPEND(e->pipes, p);
	return p;
}

void engine_pipe_free(struct engine_pipe *p)
{
	/* to whom nothing was relayed, nothing is missing */
	bool whole = !p->client.readable || (p->client.finished && p->peer.finished);

	DL_DELETE(p->engine->pipes, p);
	if (p->pace)
		event_free(p->pace);
	end_close(&p->client, whole);
	end_close(&p->peer, whole);
	free(p);
}

/* ------------------------------------------------------------------ writing */

/* How many bytes it took, or -errno. */
static ssize_t end_write(struct engine_end *to, const uint8_t *buf, size_t len)
{
	size_t at = 0;

	while (at < len) {
		size_t part = to->begun ? to->begun : len - at;
		ssize_t n;

		if (to->io.ssl && part > RECORD_BYTES)
			part = RECORD_BYTES;
		n = stream_write(&to->io, buf + at, part, &to->begun);
		if (n == -EAGAIN)
			break;
		if (n < 0)
			return n;
		at += (size_t)n;
	}
	return (ssize_t)at;
}

static void end_clear(struct engine_end *to)
{
	free(to->rest);
	to->rest = NULL;
	to->rest_len = to->rest_at = 0;
}

/* Keeps what was not written; false: no memory. */
static bool end_keep(struct engine_end *to, const uint8_t *buf, size_t len)
{
	to->rest = malloc(len);
	if (!to->rest)
		return false;
	memcpy(to->rest, buf, len);
	to->rest_len = len;
	to->rest_at = 0;
	return true;
}

static const struct turn_alloc *alloc_of(const struct engine_pipe *p)
{
	return p->core->relay->alloc;
}

/* S23, for a stream: nothing is discarded, it waits. */
static bool may_carry(struct engine_end *to, size_t bytes)
{
	static const struct timeval pace = { .tv_usec = PACE_MS * 1000 };
	struct engine_pipe *p = to->pipe;

	to->unpaid = bytes;
	if (flows_allow(p->engine->shared->flows, alloc_of(p), to == &p->peer, bytes,
			engine_now().mono_ns)) {
		to->unpaid = 0;
		return true;
	}
	if (!p->pace)
		p->pace = event_new(p->engine->base, -1, 0, on_pace, p);
	if (p->pace)
		event_add(p->pace, &pace);
	return false;
}

/* Writes what was kept; false: broken. */
static bool end_drain(struct engine_end *to)
{
	ssize_t n;

	if (!to->rest || (to->unpaid && !may_carry(to, to->unpaid)))
		return true;
	n = end_write(to, to->rest + to->rest_at, to->rest_len - to->rest_at);
	if (n < 0)
		return false;
	to->rest_at += (size_t)n;
	if (to->rest_at == to->rest_len)
		end_clear(to);
	else
		event_add(to->writable, NULL);
	return true;
}

/* ------------------------------------------------------------------ reading */

/* One read, on its way. 1, 0: there is nothing more for now, or -errno. */
static int end_read(struct engine_end *from)
{
	struct engine_end *to = other(from);
	struct engine_pipe *p = from->pipe;
	uint8_t *buf = p->engine->stream_bytes;
	ssize_t n = stream_read(&from->io, buf, PIPE_BYTES), done = 0;

	if (n == -EAGAIN)
		return 0;
	if (n < 0)
		return (int)n;
	p->moved_ns = engine_now().mono_ns;
	if (!n) {
		from->ended = true;
		return 0;
	}
	flows_count(p->core->relay->alloc, to == &p->peer, (size_t)n);
	if (may_carry(to, (size_t)n))
		done = end_write(to, buf, (size_t)n);
	if (done < 0)
		return (int)done;
	if (done < n && !end_keep(to, buf + done, (size_t)(n - done)))
		return -ENOMEM;
	if (done < n && !to->unpaid)
		event_add(to->writable, NULL);
	return 1;
}

/* One direction, as far as it goes now; false: broken. */
static bool end_flow(struct engine_end *from)
{
	struct engine_end *to = other(from);
	int rounds = 0, n = 1;

	if (!end_drain(to))
		return false;
	while (!to->rest && !from->ended && n > 0) {
		if (rounds++ == PIPE_ROUNDS) {
			event_active(from->readable, EV_READ, 0);
			break;
		}
		n = end_read(from);
		if (n < 0)
			return false;
	}
	if (from->ended && !to->rest && !to->finished) {
		stream_finish(&to->io);
		to->finished = true;
	}
	if (to->rest || from->ended)
		event_del(from->readable);
	else
		event_add(from->readable, NULL);
	if (from->io.wants_write)
		event_add(from->writable, NULL);
	return true;
}

static void pump(struct engine_pipe *p)
{
	struct engine *e = p->engine;

	if (!end_flow(&p->client) || !end_flow(&p->peer) ||
	    (p->client.finished && p->peer.finished))
		turn_disconnected(e->server, p->core);
	engine_flush(e);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct engine_end *end = arg;

	(void)fd;
	(void)what;
	pump(end->pipe);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct engine_end *end = arg;
	struct engine_pipe *p = end->pipe;
	struct engine *e = p->engine;

	(void)what;
	if (!p->connecting) {
		pump(p);
		return;
	}
	p->connecting = false;
	turn_connected(e->server, p->core, !tcp_error(fd), engine_now());
	engine_flush(e);
}

static void on_pace(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	pump(arg);
}

/* ------------------------------------------------------------------ joining */

/* What the client has not read yet of what was said to it as messages. */
static bool take_answers(struct engine_end *client, struct outbox *out)
{
	if (!out->bytes)
		return true;
	client->rest = malloc(out->bytes);
	if (!client->rest)
		return false;
	client->rest_len = outbox_peek(out, client->rest, out->bytes);
	client->begun = out->begun;
	return true;
}

void engine_pipe_join(struct engine_pipe *p, struct engine_stream *s)
{
	struct engine *e = p->engine;
	const struct stream io = s->io;
	bool fit;

	p->joining = NULL;
	s->pipe = NULL;
	fit = take_answers(&p->client, &s->out);
	if (s->rest_len) {			/* behind the request came data already */
		p->peer.rest = s->rest;
		p->peer.rest_len = p->peer.unpaid = s->rest_len;
		flows_count(p->core->relay->alloc, true, s->rest_len);
		s->rest = NULL;
	}
	s->io = (struct stream){ .fd = -1 };
	engine_stream_free(s);
	tcp_carry(io.fd);
	p->moved_ns = engine_now().mono_ns;
	if (!end_open(&p->client, p, &io))
		fit = false;
	if (fit && end_flow(&p->client) && end_flow(&p->peer))
		return;
	turn_disconnected(e->server, p->core);
}
