// SPDX-License-Identifier: MIT
/*
 * One client's connection: what it says is cut into messages for the core, what the core
 * says waits in a bounded queue. Nothing is freed where it is found to be over: it is
 * marked, and let go when the worker settles its connections at the end of a callback.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include "engine_parts.h"
#include "net/crowd.h"
#include "net/frame.h"
#include "net/http.h"
#include "net/proxy.h"

#define TLS_FIRST_BYTE	0x16		/* of a handshake record; no message of ours */
#define STRANGER_BYTES	4096		/* of a message, without an allocation */
#define READ_ROUNDS	4		/* then others have their turn */
#define WRITE_BYTES	65536
#define RECORD_BYTES	16384		/* of TLS, at most */
#define SILENT_NS	(30 * TURN_NS_PER_S)	/* from the start to the first whole message */
#define END_NS		(5 * TURN_NS_PER_S)	/* for the client to take what is left, and end */

static void mark(struct engine_stream *s)
{
	struct engine *e = s->guest.leg.engine;

	if (s->dirty)
		return;
	s->dirty = true;
	s->next_dirty = e->dirty;
	e->dirty = s;
}

void engine_stream_kill(struct engine_stream *s)
{
	s->dead = true;
	mark(s);
}

/* What is queued still leaves. */
static void end(struct engine_stream *s)
{
	s->ending = true;
	mark(s);
}

/* -------------------------------------------------------------- as the core sees it */

static void stream_leg_send(struct engine_leg *leg, const struct tp_addr *client,
			    const struct turn_out *out)
{
	struct engine_stream *s = (struct engine_stream *)leg;
	struct outbox_message m = {
		.head = out->head, .head_len = out->head_len,
		.data = out->data, .data_len = out->data_len, .pad = out->pad,
		.media = out->data != NULL,
	};
	size_t bytes;
	int dropped;

	(void)client;
	if (s->ending || s->dead)
		return;
	s->asked &= m.media;
	dropped = outbox_add(&s->out, &m, &bytes);
	for (int i = 0; i < dropped; i++)
		engine_count_one(leg->engine, TP_R_SLOW_CLIENT, i ? 0 : bytes);
	/* answers are never dropped: who lets so many of them wait does not read at all */
	if (dropped < 0 || s->out.answers > OUTBOX_MAX)
		s->dead = true;
	mark(s);
}

static const struct engine_leg_ops stream_leg = {
	.send = stream_leg_send,
	.allocated = engine_guest_allocated,
};

/* ------------------------------------------------------------------ reading */

/* RFC 6062. *worker has the connection. */
static bool binds(const struct engine_stream *s, const uint8_t *data, size_t len,
		  unsigned int *worker)
{
	const struct conf *conf = s->guest.leg.engine->shared->conf;

	return conf->turn.tcp_relay && !s->guest.allocated &&
	       turn_binds(data, len, conf->workers, worker);
}

/* RFC 8016. *worker has the allocation. */
static bool resumes(const struct engine_stream *s, const uint8_t *data, size_t len,
		    unsigned int *worker)
{
	return !s->guest.allocated &&
	       turn_resumes(s->guest.leg.engine->server, data, len, worker);
}

/* What is about a connection, or an allocation that the client comes back to, goes to the worker
 * that has it, and with it the whole stream, since all that belongs to an allocation is its
 * worker's alone. */
static bool is_elsewhere(struct engine_stream *s, const uint8_t *data, size_t len)
{
	struct engine *e = s->guest.leg.engine;
	unsigned int worker;

	if ((binds(s, data, len, &worker) || resumes(s, data, len, &worker)) &&
	    worker != e->worker)
		s->moves_to = e->shared->engines[worker];
	return s->moves_to;
}

static void message(struct engine_stream *s, const uint8_t *data, size_t len, struct turn_now now)
{
	struct engine *e = s->guest.leg.engine;
	enum tp_reason reason;
	unsigned int worker;

	if (!s->spoken && !s->guest.allocated)
		s->guest.deadline_ns = s->guest.begun_ns + engine_patience(e, UINT64_MAX);
	s->spoken = true;
	/* RFC 8656 section 15: the connection's DSCP, Not-ECT, a TTL of its own */
	e->tos = s->dscp;
	e->ttl = 0;
	e->ttl_over = false;
	e->now_ns = now.mono_ns;
	reason = engine_from_client(e, &s->guest.path, data, len, now);
	/* what comes behind it may be no message: to be seen when it is answered */
	if (reason == TURN_LATER && binds(s, data, len, &worker))
		s->asked = s->waits = true;
	if (engine_guest_refused(&s->guest, reason))
		end(s);
}

/* Somebody who takes this for a web server. True if that is what it is. */
static bool is_http(struct engine_stream *s, const uint8_t *p, size_t have)
{
	const struct conf *conf = s->guest.leg.engine->shared->conf;
	char answer[HTTP_ANSWER_MAX];
	struct outbox_message m = { .head = (const uint8_t *)answer };
	int begins;
	size_t none;

	if (s->spoken || (!conf->http_unsupported && !conf->acme_redirect))
		return false;
	begins = http_begins(p, have);
	if (begins <= 0)
		return begins < 0;
	if (!http_whole(p, have) && have < STRANGER_BYTES)
		return true;
	m.head_len = http_answer(answer, p, have, conf->acme_redirect);
	/* without respond-http-unsupported, only what is redirected is answered */
	if (conf->http_unsupported || strstr(answer, "Location:"))
		outbox_add(&s->out, &m, &none);
	end(s);
	return true;
}

/* Messages in p; how many bytes are done with. */
static size_t messages(struct engine_stream *s, const uint8_t *p, size_t have,
		       struct turn_now now)
{
	struct engine *e = s->guest.leg.engine;
	uint8_t channels_end = e->shared->conf->turn.channels_5766 ? 0x7f : 0x4f;
	struct frame frame;
	size_t at = 0;

	if (have && is_http(s, p, have))
		return s->ending ? have : 0;
	while (at < have && !s->dead && !s->ending && !s->pipe && !s->asked) {
		enum frame_kind kind = frame_find(&frame, p + at, have - at, channels_end);

		if (kind == FRAME_GARBAGE || (!s->guest.allocated && frame.wire > STRANGER_BYTES)) {
			engine_count_one(e, kind == FRAME_GARBAGE ? TP_R_NOT_TURN : TP_R_TOO_LONG,
					 have - at);
			end(s);
			return have;
		}
		s->waits = s->out.answers > OUTBOX_ANSWERS;
		if (kind == FRAME_PARTIAL || s->waits || is_elsewhere(s, p + at, frame.len))
			break;
		message(s, p + at, frame.len, now);
		at += frame.wire;
	}
	return at;
}

/* Keeps what is not done with for the next time. */
static void keep_rest(struct engine_stream *s, const uint8_t *p, size_t len)
{
	uint8_t *rest = NULL;

	if (len) {
		rest = realloc(s->rest, len);
		if (rest)
			memcpy(rest, p, len);
		else
			s->dead = true;
	}
	if (!rest) {
		free(s->rest);
		len = 0;
	}
	s->rest = rest;
	s->rest_len = len;
}

/* A proxy says whose connection this is. 0: it has; -EAGAIN: not yet; -errno: it is over. */
static int take_header(struct engine_stream *s)
{
	struct engine *e = s->guest.leg.engine;
	struct proxy_header header;
	size_t have = s->rest_len;
	int err = -EAGAIN;

	if (have)
		memcpy(e->stream_bytes, s->rest, have);
	for (header.len = PROXY_HEAD; err == -EAGAIN;) {
		ssize_t n;

		/* at most to its end: what follows may be for OpenSSL to read */
		err = proxy_parse(&header, e->stream_bytes, have);
		if (err != -EAGAIN)
			break;
		n = stream_read(&s->io, e->stream_bytes + have, header.len - have);
		if (n == -EAGAIN)
			break;
		if (n <= 0)
			return -ECONNRESET;
		have += (size_t)n;
	}
	keep_rest(s, e->stream_bytes, err ? have : 0);
	if (err)
		return s->dead ? -ENOMEM : err;
	if (!header.own) {
		s->guest.path.client = header.client;
		s->guest.path.server = header.server;
	}
	s->headed = false;
	s->guest.counted = crowd_enter(e->shared->crowd, &s->guest.path.client,
				       engine_now().mono_ns);
	return s->guest.counted ? 0 : -EBUSY;
}

/* False: it is over. */
static bool know(struct engine_stream *s)
{
	const struct engine_shared *shared = s->guest.leg.engine->shared;
	int first = s->headed ? take_header(s) : 0;

	if (!first)
		first = stream_first(&s->io);
	if (first == -EAGAIN)
		return true;
	if (first < 0)
		return false;
	s->known = true;
	if (first == TLS_FIRST_BYTE) {
		s->guest.path.transport |= TURN_SECURE;
		return !shared->conf->no_tls && !stream_secure(&s->io, shared->tls);
	}
	return !shared->conf->no_tcp;
}

static void client_ended(struct engine_stream *s, struct turn_now now)
{
	s->client_ended = true;
	event_del(s->readable);
	engine_guest_end(&s->guest, now);
	end(s);
}

/* One read and what is in it; false: nothing more for now. */
static bool read_round(struct engine_stream *s, struct turn_now now)
{
	struct engine *e = s->guest.leg.engine;
	size_t want = s->guest.allocated ? ENGINE_STREAM_BYTES - FRAME_MAX : STRANGER_BYTES;
	size_t have = s->rest_len, done;
	bool more;
	ssize_t n;

	if (have)
		memcpy(e->stream_bytes, s->rest, have);
	n = stream_read(&s->io, e->stream_bytes + have, want);
	if (n == -EAGAIN)
		return false;
	if (n <= 0) {
		if (n < 0)
			s->dead = true;
		client_ended(s, now);
		return false;
	}
	if (s->ending)			/* too late for questions */
		return true;
	have += (size_t)n;
	done = messages(s, e->stream_bytes, have, now);
	/* datagrams to peers are still in there */
	udp_flush(e->tx);
	more = (size_t)n == want || stream_pending(&s->io);
	keep_rest(s, e->stream_bytes + done, have - done);
	return more && !s->waits && !s->dead && !s->pipe && !s->moves_to;
}

static void read_stream(struct engine_stream *s)
{
	struct engine *e = s->guest.leg.engine;
	struct turn_now now = engine_now();
	int rounds = 0;

	if (!s->known && !know(s)) {
		s->dead = true;
		return;
	}
	while (s->known && !s->client_ended && read_round(s, now))
		if (++rounds == READ_ROUNDS) {
			event_active(s->readable, EV_READ, 0);
			break;
		}
	if (s->io.wants_write)
		event_add(s->writable, NULL);
	if (!s->spoken && stream_ready(&s->io))
		s->guest.deadline_ns = s->guest.begun_ns + engine_patience(e, SILENT_NS);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct engine_stream *s = arg;
	struct engine *e = s->guest.leg.engine;

	(void)fd;
	(void)what;
	read_stream(s);
	mark(s);
	engine_flush(e);
}

/* ------------------------------------------------------------------ writing */

/* A TLS record for each message: there are clients that take a record for one. What OpenSSL
 * has begun it wants to see again, and no more. */
static size_t write_size(const struct engine_stream *s)
{
	size_t first = outbox_first(&s->out);

	if (!s->io.ssl)
		return WRITE_BYTES;
	if (s->out.begun)
		return s->out.begun;
	return first < RECORD_BYTES ? first : RECORD_BYTES;
}

static void write_stream(struct engine_stream *s)
{
	uint8_t *buf = s->guest.leg.engine->stream_bytes;

	while (s->out.bytes && !s->dead) {
		size_t len = outbox_peek(&s->out, buf, write_size(s)), begun;
		ssize_t n;

		n = stream_write(&s->io, buf, len, &begun);
		if (n == -EAGAIN) {
			outbox_written(&s->out, 0, begun);
			event_add(s->writable, NULL);
			return;
		}
		if (n < 0)
			s->dead = true;
		else
			outbox_written(&s->out, (size_t)n, 0);
	}
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct engine_stream *s = arg;
	struct engine *e = s->guest.leg.engine;

	(void)fd;
	(void)what;
	if (s->io.wants_write)
		read_stream(s);
	mark(s);
	engine_flush(e);
}

/* There is room for answers again: what was read before them first. */
static void resume(struct engine_stream *s)
{
	struct engine *e = s->guest.leg.engine;
	size_t done;

	s->waits = false;
	if (!s->rest_len)
		return;
	memcpy(e->stream_bytes, s->rest, s->rest_len);
	done = messages(s, e->stream_bytes, s->rest_len, engine_now());
	udp_flush(e->tx);
	keep_rest(s, e->stream_bytes + done, s->rest_len - done);
}

/* -------------------------------------------------------------- life and death */

static bool watch(struct engine_stream *s)
{
	struct event_base *base = s->guest.leg.engine->base;

	s->readable = event_new(base, s->io.fd, EV_READ | EV_PERSIST, on_readable, s);
	s->writable = event_new(base, s->io.fd, EV_WRITE, on_writable, s);
	return s->readable && s->writable && !event_add(s->readable, NULL);
}

static void unwatch(struct engine_stream *s)
{
	if (s->readable)
		event_free(s->readable);
	if (s->writable)
		event_free(s->writable);
	s->readable = s->writable = NULL;
}

struct engine_stream *engine_stream_new(struct engine *e, const struct tp_addr *server, int fd)
{
	struct engine_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->guest.leg = (struct engine_leg){ .ops = &stream_leg, .engine = e };
	s->guest.path = (struct turn_path){
		.server = *server, .transport = IPPROTO_TCP, .socket = &s->guest.leg,
	};
	s->io.fd = fd;
	if (watch(s)) {
		engine_guest_join(&s->guest, &e->streams);
		return s;
	}
	unwatch(s);
	free(s);
	return NULL;
}

void engine_stream_free(struct engine_stream *s)
{
	struct engine *e = s->guest.leg.engine;

	engine_guest_leave(&s->guest);
	if (s->dirty)
		LL_DELETE2(e->dirty, s, next_dirty);
	unwatch(s);
	stream_close(&s->io);
	outbox_clear(&s->out);
	free(s->rest);
	free(s);
}

/* All is written: our side is closed, and the client's is waited for, so that what it
 * still sends does not make the kernel take back what it has not read. */
static void finish(struct engine_stream *s)
{
	stream_finish(&s->io);
	s->finished = true;
}

/* A stranger's, with all that it has read and not written. */
static void move(struct engine_stream *s)
{
	struct engine *e = s->guest.leg.engine, *to = s->moves_to;

	unwatch(s);
	engine_parked_forget(e, &s->guest.leg);
	DL_DELETE(e->streams.strangers, &s->guest);
	s->moves_to = NULL;
	s->guest.leg.engine = to;
	s->guest.among = &to->streams;
	pthread_mutex_lock(&to->arrivals_lock);
	DL_APPEND(to->arrivals, &s->guest);
	pthread_mutex_unlock(&to->arrivals_lock);
	event_active(to->arrival, 0, 0);
}

void engine_on_arrival(evutil_socket_t fd, short what, void *arg)
{
	struct engine_guest *list, *g, *next;
	struct engine *e = arg;

	(void)fd;
	(void)what;
	pthread_mutex_lock(&e->arrivals_lock);
	list = e->arrivals;
	e->arrivals = NULL;
	pthread_mutex_unlock(&e->arrivals_lock);
	DL_FOREACH_SAFE(list, g, next) {
		struct engine_stream *s = (struct engine_stream *)g;

		DL_DELETE(list, g);
		DL_APPEND(e->streams.strangers, g);
		mark(s);
		if (!watch(s)) {
			s->dead = true;
			continue;
		}
		resume(s);
		/* TLS may have read more than it has shown */
		event_active(s->readable, EV_READ, 0);
	}
	engine_flush(e);
}

static void listen_again(struct engine_stream *s)
{
	event_add(s->readable, NULL);
	/* the socket does not tell of what OpenSSL has read from it already */
	if (stream_pending(&s->io))
		event_active(s->readable, EV_READ, 0);
}

static void settle(struct engine_stream *s)
{
	struct turn_now now;

	write_stream(s);
	while (s->waits && !s->asked && !s->ending && !s->dead &&
	       s->out.answers < OUTBOX_ANSWERS) {
		resume(s);
		write_stream(s);
	}
	if (!s->dead && !s->ending && (s->pipe || s->moves_to)) {
		if (s->pipe)
			engine_pipe_join(s->pipe, s);
		else
			move(s);
		return;
	}
	if (s->waits)
		event_del(s->readable);
	else if (!s->client_ended && !event_pending(s->readable, EV_READ, NULL))
		listen_again(s);
	if (!s->dead && !s->ending)
		return;
	now = engine_now();
	engine_guest_end(&s->guest, now);
	if (s->pipe)
		turn_disconnected(s->guest.leg.engine->server, s->pipe->core);
	if (s->dead || (s->client_ended && !s->out.bytes)) {
		engine_stream_free(s);
		return;
	}
	if (!s->timed)
		s->guest.deadline_ns = now.mono_ns + END_NS;
	s->timed = true;
	if (!s->out.bytes && !s->finished)
		finish(s);
}

void engine_streams_settle(struct engine *e)
{
	struct engine_stream *s;

	while ((s = e->dirty)) {
		e->dirty = s->next_dirty;
		s->dirty = false;
		settle(s);
	}
}
