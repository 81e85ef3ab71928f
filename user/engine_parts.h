/* SPDX-License-Identifier: MIT */
/* What the files engine*.c share with each other and with nobody else. */
#ifndef TP_ENGINE_PARTS_H
#define TP_ENGINE_PARTS_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include "engine.h"
#include "net/udp.h"

struct engine_leg;

/* How what is for a client leaves. */
struct engine_leg_ops {
	/* out is copied, or sent before the engine turns to its next input */
	void (*send)(struct engine_leg *leg, const struct tp_addr *client,
		     const struct turn_out *out);
};

/* A client's leg, which turn_path.socket points to: a UDP listener, or one connection. */
struct engine_leg {
	const struct engine_leg_ops *ops;
	struct engine *engine;
};

/* A UDP listener, the leg of all its clients. */
struct engine_listener {
	struct engine_leg leg;
	struct event *event;
	struct tp_addr addr;
	int fd;				/* not owned */
};

/* The socket of one relayed transport address. */
struct engine_relay {
	struct engine_relay *prev, *next;
	struct engine *engine;
	struct event event;		/* there are many: not by event_new() */
	struct turn_relay *relay;	/* NULL: closed while its input is handled */
	int fd;
};

struct engine {
	const struct engine_shared *shared;
	unsigned int worker;
	struct turn_server *server;
	struct event_base *base;
	struct event *tick, *stop, *halt;
	struct udp_rx *rx;
	struct udp_tx *tx;
	struct engine_listener *listeners;
	struct engine_relay *relays;	/* the open ones */
	struct engine_relay *reading;	/* whose input is being handled */
	uint8_t tos, ttl;		/* for what is relayed of that input */
	bool ttl_over;			/* nothing of it may be relayed */
	bool over_limit;		/* the allocation or its user has had enough */
	uint64_t now_ns;		/* when that input came */
	pthread_t thread;
	bool running;
	pthread_mutex_t lock;		/* of these two */
	bool hold, held;		/* the main thread's wish, the worker's state */
	pthread_cond_t changed;
	struct tp_count counts[TP_R_MAX];	/* written by the worker, read by any */
};

struct turn_now engine_now(void);
/* Counts one packet of this many bytes; this worker's thread only. */
void engine_count_one(struct engine *engine, enum tp_reason reason, size_t bytes);
/* One datagram or frame of a client, handed to the core and counted. What the core relays
 * of it takes its IP fields from engine->tos, ttl, ttl_over and now_ns. */
void engine_from_client(struct engine *engine, const struct turn_path *path,
			const uint8_t *data, size_t len, struct turn_now now);

extern const struct turn_host engine_host;	/* ctx is the engine */
extern const struct engine_leg_ops engine_udp_leg;

/* Event callbacks; arg is the struct engine_listener or engine_relay. */
void engine_on_listener(evutil_socket_t fd, short what, void *arg);
void engine_on_relay(evutil_socket_t fd, short what, void *arg);
void engine_on_halt(evutil_socket_t fd, short what, void *arg);	/* arg is the engine */

#endif
