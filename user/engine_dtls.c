// SPDX-License-Identifier: MIT
/*
 * Clients on DTLS (RFC 7350): one session for each client of each UDP listener. A message is
 * one record, both ways. Strangers are limited as those on TCP are, once they have shown
 * that they are where they say they are; until then nothing is kept of them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <utlist.h>
#include "address.h"
#include "engine_parts.h"
#include "net/crowd.h"
#include "net/dtls.h"

#define HALL_SHIFT	12
#define HALL_BUCKETS	(1U << HALL_SHIFT)
#define HALL_BYTES	(4 * 65536)	/* of messages and records that wait for their flush */
#define HANDSHAKE_NS	(10 * TURN_NS_PER_S)
#define SWEEP_NS	(TURN_NS_PER_S / 2)

/* Where records leave, and with which IP fields. */
struct way {
	struct engine_listener *listener;
	struct tp_addr client;
	uint8_t tos, ttl;
};

struct engine_dtls {
	struct engine_guest guest;
	struct engine_dtls *next_here;	/* of the same bucket */
	struct way way;
	struct dtls *io;
	struct event *timer;		/* until the handshake is over */
	struct engine *with;		/* has its allocation; NULL: nobody, or this one */
	bool over;
};

/* A worker's sessions. */
struct engine_hall {
	struct dtls_door *door;
	struct engine_guests guests;
	struct engine_dtls *buckets[HALL_BUCKETS];
	uint64_t seed;			/* so that nobody can choose addresses that meet */
	uint64_t swept_ns;
	bool broken;			/* some session with an allocation is over */
	size_t used;			/* of bytes */
	uint8_t bytes[HALL_BYTES];
	uint8_t message[DTLS_RECORD_MAX];	/* for a client, in one piece */
};

/* ---------------------------------------------------------------- bytes that wait */

/* What datagrams refer to stays until they have left. */
static uint8_t *room(struct engine *e, size_t len)
{
	struct engine_hall *hall = e->dtls;

	if (hall->used + len > HALL_BYTES) {
		udp_flush(e->tx);
		hall->used = 0;
	}
	return hall->bytes + hall->used;
}

static void on_emit(void *ctx, const uint8_t *datagram, size_t len)
{
	const struct way *way = ctx;
	struct engine *e = way->listener->leg.engine;
	uint8_t *at = room(e, len);

	memcpy(at, datagram, len);
	e->dtls->used += len;
	udp_send(e->tx, &(struct udp_datagram){
		.fd = way->listener->fd, .to = &way->client, .data = at, .data_len = len,
		.tos = way->tos, .ttl = way->ttl,
	});
}

/* ------------------------------------------------------------------ finding */

static struct engine_dtls **bucket(struct engine_hall *hall, const struct engine_listener *l,
				   const struct tp_addr *client)
{
	uint64_t words[2], hash = hall->seed;

	memcpy(words, client->ip, sizeof(words));
	hash = (hash ^ words[0]) * 0x9E3779B97F4A7C15ULL;
	hash = (hash ^ hash >> 32 ^ words[1]) * (hall->seed | 1);
	hash = (hash ^ hash >> 32 ^ ntohs(client->port) ^ (uint64_t)(uintptr_t)l << 16) *
	       0x9E3779B97F4A7C15ULL;
	return &hall->buckets[hash >> (64 - HALL_SHIFT)];
}

/* Where it is linked in, or would be. */
static struct engine_dtls **place(struct engine_listener *l, const struct tp_addr *client)
{
	struct engine_dtls **at = bucket(l->leg.engine->dtls, l, client);

	while (*at && ((*at)->way.listener != l || !address_equal(&(*at)->way.client, client)))
		at = &(*at)->next_here;
	return at;
}

/* All guests of the hall are sessions. */
static struct engine_dtls *session_of(struct engine_guest *g)
{
	return (struct engine_dtls *)g;
}

/* ------------------------------------------------------------- life and death */

/* Without telling core or client. */
static void session_free(struct engine_dtls *s)
{
	engine_guest_leave(&s->guest);
	*place(s->way.listener, &s->way.client) = s->next_here;
	if (s->timer)
		event_free(s->timer);
	dtls_free(s->io);
	free(s);
}

/* True: its allocation has ended with it. */
static bool session_end(struct engine_dtls *s, struct turn_now now)
{
	bool ended = !s->with && engine_guest_end(&s->guest, now);

	if (s->with)
		engine_far_ended(s->guest.leg.engine, s->with, &s->guest.path);
	s->way.tos = s->way.ttl = 0;
	dtls_finish(s->io);
	session_free(s);
	return ended;
}

/* To be ended as soon as nobody is at work with it. */
static void session_break(struct engine_dtls *s)
{
	s->over = true;
	s->guest.leg.engine->dtls->broken = true;
}

static void wait_for_flight(struct engine_dtls *s)
{
	struct engine_guest *g = &s->guest;
	struct timeval left;

	if (!s->timer)
		return;
	if (dtls_ready(s->io)) {
		event_free(s->timer);
		s->timer = NULL;
		g->deadline_ns = g->begun_ns + engine_patience(g->leg.engine, UINT64_MAX);
	} else if (dtls_patience(s->io, &left)) {
		event_add(s->timer, &left);
	}
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct engine_dtls *s = arg;
	struct engine *e = s->guest.leg.engine;

	(void)fd;
	(void)what;
	if (dtls_repeat(s->io))
		wait_for_flight(s);
	else
		session_end(s, engine_now());
	engine_flush(e);
}

static void dtls_leg_send(struct engine_leg *leg, const struct tp_addr *client,
			  const struct turn_out *out)
{
	struct engine_dtls *s = (struct engine_dtls *)leg;
	struct engine *e = leg->engine;
	size_t len = out->head_len + out->data_len + out->pad;
	uint8_t *at = e->dtls->message;
	int err;

	(void)client;
	if (s->over)
		return;
	if (len > DTLS_RECORD_MAX) {
		engine_count_one(e, TP_R_TOO_LONG, len);
		return;
	}
	memcpy(at, out->head, out->head_len);
	if (out->data_len)
		memcpy(at + out->head_len, out->data, out->data_len);
	memset(at + out->head_len + out->data_len, 0, out->pad);
	s->way.tos = out->data ? e->tos : 0;
	s->way.ttl = out->data ? e->ttl : 0;
	err = dtls_write(s->io, at, len);
	if (err && err != -EAGAIN)
		session_break(s);
}

static void dtls_leg_allocated(struct engine_leg *leg, const struct tp_addr *client, bool is)
{
	struct engine_dtls *s = (struct engine_dtls *)leg;

	s->with = NULL;
	engine_guest_allocated(leg, client, is);
}

static const struct engine_leg_ops dtls_leg = {
	.send = dtls_leg_send,
	.allocated = dtls_leg_allocated,
};

/* io becomes the session's. NULL: no memory. */
static struct engine_dtls *session_new(const struct way *way, struct dtls *io, uint64_t now_ns)
{
	struct engine *e = way->listener->leg.engine;
	struct engine_dtls *s = calloc(1, sizeof(*s)), **at;

	if (!s)
		return NULL;
	s->timer = evtimer_new(e->base, on_timer, s);
	if (!s->timer) {
		free(s);
		return NULL;
	}
	s->guest = (struct engine_guest){
		.leg = { .ops = &dtls_leg, .engine = e }, .counted = true,
		.path = {
			.client = way->client, .server = way->listener->addr,
			.transport = IPPROTO_UDP | TURN_SECURE, .socket = &s->guest.leg,
		},
		.begun_ns = now_ns, .deadline_ns = now_ns + engine_patience(e, HANDSHAKE_NS),
	};
	s->way = *way;
	s->way.tos = s->way.ttl = 0;
	s->io = io;
	dtls_send_to(io, &s->way);
	at = bucket(e->dtls, way->listener, &way->client);
	s->next_here = *at;
	*at = s;
	engine_guest_join(&s->guest, &e->dtls->guests);
	return s;
}

/* ---------------------------------------------------------------- what arrives */

/* What its datagram holds. False: it is over. */
static bool read_messages(struct engine_dtls *s, struct turn_now now)
{
	struct engine *e = s->guest.leg.engine;
	bool any = false;
	ssize_t n = 1;

	while (n > 0 && !s->over) {
		uint8_t *at = room(e, DTLS_RECORD_MAX);
		enum tp_reason reason;

		n = dtls_read(s->io, at, DTLS_RECORD_MAX);
		if (n <= 0)
			break;
		any = true;
		e->dtls->used += (size_t)n;
		reason = engine_from_client(e, &s->guest.path, at, (size_t)n, now);
		if (engine_guest_refused(&s->guest, reason))
			return false;
	}
	if (!any)
		engine_count_one(e, TP_R_DTLS, 0);
	return !s->over && n == -EAGAIN;
}

/* A session that begins, if that is what the datagram says. */
static struct engine_dtls *begin(struct way *way, const uint8_t *data, size_t len,
				 struct turn_now now)
{
	struct engine *e = way->listener->leg.engine;
	struct dtls_ends ends = { .client = way->client, .server = way->listener->addr };
	struct dtls *io = dtls_knock(e->dtls->door, &ends, data, len, now.mono_ns, way);
	struct engine_dtls *old, *s;

	if (!io)
		return NULL;
	/* it has forgotten the one before */
	old = *place(way->listener, &way->client);
	if (old)
		session_end(old, now);
	if (!crowd_enter(e->shared->crowd, &way->client, now.mono_ns)) {
		dtls_free(io);
		return NULL;
	}
	s = session_new(way, io, now.mono_ns);
	if (!s) {
		crowd_leave(e->shared->crowd, &way->client, now.mono_ns);
		dtls_free(io);
	}
	return s;
}

void engine_dtls_input(struct engine_listener *l, const struct tp_addr *client,
		       const uint8_t *data, size_t len, struct turn_now now)
{
	struct engine *e = l->leg.engine;
	struct way way = { .listener = l, .client = *client };
	struct engine_dtls *s = *place(l, client);

	e->now_ns = now.mono_ns;
	if (s && !dtls_is_another(s->io, data, len)) {
		dtls_feed(s->io, data, len);
	} else {
		s = begin(&way, data, len, now);
		if (!s) {
			engine_count_one(e, TP_R_DTLS, len);
			return;
		}
	}
	if (read_messages(s, now))
		wait_for_flight(s);
	else
		session_end(s, now);
}

static struct engine_dtls *session_at(struct engine *e, const struct turn_path *path)
{
	struct engine_listener *l = e->dtls ? engine_listener_of(e, &path->server) : NULL;

	return l ? *place(l, &path->client) : NULL;
}

bool engine_dtls_output(struct engine *e, const struct turn_path *path,
			const struct turn_out *out)
{
	struct engine_dtls *s = session_at(e, path);

	if (s)
		dtls_leg_send(&s->guest.leg, &path->client, out);
	return s;
}

bool engine_dtls_lend(struct engine *e, const struct turn_path *path, struct engine *with)
{
	struct engine_dtls *s = session_at(e, path);

	if (!s || s->over || (s->guest.allocated && s->with != with))
		return false;
	s->with = with;
	engine_guest_allocated(&s->guest.leg, &path->client, true);
	return true;
}

void engine_dtls_return(struct engine *e, const struct turn_path *path, struct engine *with)
{
	struct engine_dtls *s = session_at(e, path);

	if (s && s->with == with)
		dtls_leg_allocated(&s->guest.leg, &path->client, false);
}

/* Ends those that match; how many allocations with them. Not by the lists: where one ends,
 * another may become a stranger (RFC 8016). */
static unsigned int end_each(struct engine_hall *hall,
			     bool (*match)(const struct engine_dtls *s, const void *arg),
			     const void *arg)
{
	struct turn_now now = engine_now();
	unsigned int ended = 0;

	for (unsigned int i = 0; i < HALL_BUCKETS; i++) {
		struct engine_dtls *s, *next;

		for (s = hall->buckets[i]; s; s = next) {
			next = s->next_here;
			if (match(s, arg))
				ended += session_end(s, now);
		}
	}
	return ended;
}

static bool is_broken(const struct engine_dtls *s, const void *arg)
{
	(void)arg;
	return s->over;
}

/* NULL: of any. */
static bool is_of(const struct engine_dtls *s, const void *listener)
{
	return !listener || s->way.listener == listener;
}

void engine_dtls_sweep(struct engine *e, uint64_t now_ns)
{
	struct engine_hall *hall = e->dtls;
	struct engine_guest *g, *next;

	if (!hall || now_ns < hall->swept_ns + SWEEP_NS)
		return;
	hall->swept_ns = now_ns;
	if (hall->broken) {
		hall->broken = false;
		end_each(hall, is_broken, NULL);
	}
	/* those with an allocation have its lifetime */
	DL_FOREACH_SAFE(hall->guests.strangers, g, next)
		if (g->deadline_ns <= now_ns)
			session_end(session_of(g), engine_now());
	udp_flush(e->tx);
}

/* ------------------------------------------------------------------ the worker's */

int engine_dtls_open(struct engine *e)
{
	struct engine_hall *hall;

	if (e->shared->conf->no_dtls || !e->shared->tls)
		return 0;
	hall = calloc(1, sizeof(*hall));
	if (!hall)
		return -ENOMEM;
	e->dtls = hall;
	hall->door = dtls_door_new(e->shared->tls, on_emit);
	if (!hall->door || getrandom(&hall->seed, sizeof(hall->seed), 0) != sizeof(hall->seed))
		return -ENOMEM;
	return 0;
}

unsigned int engine_dtls_leave(struct engine *e, const struct engine_listener *l)
{
	unsigned int ended;

	if (!e->dtls)
		return 0;
	ended = end_each(e->dtls, is_of, l);
	udp_flush(e->tx);
	return ended;
}

static void close_all(struct engine_guest *list)
{
	struct engine_guest *g, *next;

	/* a client that is told asks the successor sooner */
	DL_FOREACH_SAFE(list, g, next) {
		struct engine_dtls *s = session_of(g);

		s->way.tos = s->way.ttl = 0;
		dtls_finish(s->io);
		session_free(s);
	}
}

/* Nobody is in it any more. */
static void hall_free(struct engine *e)
{
	if (!e->dtls)
		return;
	udp_flush(e->tx);
	dtls_door_free(e->dtls->door);
	free(e->dtls);
	e->dtls = NULL;
}

void engine_dtls_close(struct engine *e)
{
	if (!e->dtls)
		return;
	close_all(e->dtls->guests.strangers);
	close_all(e->dtls->guests.clients);
	hall_free(e);
}

int engine_dtls_renew(struct engine *e, unsigned int *ended)
{
	if (!e->shared->conf->no_dtls)
		return e->dtls ? 0 : engine_dtls_open(e);
	*ended += engine_dtls_leave(e, NULL);
	hall_free(e);
	return 0;
}
