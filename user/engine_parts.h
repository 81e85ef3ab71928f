/* SPDX-License-Identifier: MIT */
/* What the files engine*.c share with each other and with nobody else. */
#ifndef TP_ENGINE_PARTS_H
#define TP_ENGINE_PARTS_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include "engine.h"
#include "net/outbox.h"
#include "net/stream.h"
#include "net/udp.h"
#include "users/statsdb.h"

struct engine_leg;
struct engine_parked;
struct engine_pipe;

/* How what is for a client leaves. */
struct engine_leg_ops {
	/* to: turn_path_to(). out is copied, or sent before the engine turns to its next input */
	void (*send)(struct engine_leg *leg, const struct tp_addr *to,
		     const struct turn_out *out);
	/* Whether an allocation is this client's now, be it that it only comes to it (RFC 8016).
	 * May be NULL. */
	void (*allocated)(struct engine_leg *leg, const struct tp_addr *client, bool is);
};

/* A client's leg, which turn_path.socket points to: a UDP listener, or one connection. */
struct engine_leg {
	const struct engine_leg_ops *ops;
	struct engine *engine;
};

/* A client whose leg is a connection of its own. */
struct engine_guest {
	struct engine_leg leg;
	struct engine_guest *prev, *next;
	struct engine_guests *among;
	struct turn_path path;
	bool allocated;			/* else a stranger */
	uint64_t begun_ns, deadline_ns;
	unsigned int refusals;		/* of requests, without an allocation */
	bool counted;			/* in the crowd, unless it has an allocation */
};

/* A worker's of one kind, by having an allocation. */
struct engine_guests {
	struct engine_guest *strangers, *clients;
};

/* The leg of those clients on DTLS of a listener whose sessions other workers have. */
struct engine_far {
	struct engine_leg leg;
	struct tp_addr server;
};

/* A UDP listener, the leg of all its clients without DTLS. */
struct engine_listener {
	struct engine_leg leg;
	struct engine_far far;
	struct engine_listener *prev, *next;
	struct event *event;
	struct tp_addr addr;
	bool proxied;			/* datagrams begin with a proxy's header */
	int fd;				/* not owned */
};

/* A TCP listener. */
struct engine_gate {
	struct engine_gate *prev, *next;
	struct engine *engine;
	struct event *event;
	struct tp_addr addr;
	bool shut;			/* no descriptors: to be tried again */
	int fd;				/* not owned */
};

/* One connection of a client, plain or TLS. */
struct engine_stream {
	struct engine_guest guest;
	struct engine_stream *next_dirty;
	struct stream io;
	struct event *readable, *writable;
	struct outbox out;
	uint8_t *rest;			/* begin of a message, or unread while answers wait */
	size_t rest_len;
	struct engine_pipe *pipe;	/* that it becomes the client's end of, when settled */
	struct engine *moves_to;	/* when settled */
	uint8_t dscp;
	bool headed;			/* a proxy's header comes first */
	bool known;			/* plain or TLS */
	bool spoken;			/* one whole message was read */
	bool waits;			/* reads no more before its answers have left */
	bool asked;			/* nor before its ConnectionBind request is answered */
	bool dirty;			/* on the worker's list of those to be settled */
	bool ending;			/* what is queued is written, then it is over */
	bool timed;			/* deadline_ns is that of its ending */
	bool finished;			/* all is written: waiting for the client's end */
	bool client_ended;
	bool dead;			/* to be freed as soon as it is settled */
};

/* One end of a TCP connection that is relayed (RFC 6062). */
struct engine_end {
	struct engine_pipe *pipe;
	struct stream io;
	struct event *readable, *writable;	/* NULL: this end is not there yet */
	uint8_t *rest;			/* of the other end, to be written to this one */
	size_t rest_len, rest_at;
	size_t begun;			/* bytes of it that stream_write() wants to see again */
	size_t unpaid;			/* bytes of it that wait for the allocation's limit */
	bool ended;			/* nothing more comes from there */
	bool finished;			/* nothing more goes there */
};

struct engine_pipe {
	struct engine_pipe *prev, *next;
	struct engine *engine;
	struct turn_connection *core;
	struct engine_stream *joining;	/* its client's end, until that is settled */
	struct engine_end client, peer;
	struct event *pace;		/* while something is unpaid; NULL: never was */
	uint64_t moved_ns;		/* when a byte was relayed last */
	bool connecting;
};

/* The socket of one relayed transport address. */
struct engine_relay {
	struct engine_relay *prev, *next;
	struct engine *engine;
	struct event event;		/* there are many: not by event_new() */
	struct turn_relay *relay;	/* NULL: closed while its input is handled */
	bool shut;			/* TCP, no descriptors: to be tried again */
	int fd;
};

/* What other workers hand over. */
struct engine_mail {
	pthread_mutex_t lock;
	struct engine_letter *letters;
	size_t bytes;
	struct event *event;
};

struct engine {
	const struct engine_shared *shared;
	unsigned int worker;
	struct turn_server *server;
	struct event_base *base;
	struct event *tick, *stop, *halt, *arrival;
	struct event *database;		/* made active when it has answered; NULL without */
	const struct turn_realms *realms;	/* held, of shared->users */
	struct engine_parked *parked;	/* the oldest first */
	unsigned int n_parked;
	struct udp_rx *rx;
	struct udp_tx *tx;
	struct engine_listener *listeners;
	struct proxied *proxied;	/* NULL: there was no listener for proxies yet */
	struct engine_gate *gates;
	struct engine_guests streams;
	struct engine_stream *dirty;
	struct engine_hall *dtls;	/* NULL: no DTLS */
	uint8_t *stream_bytes;		/* what is being read or written; ENGINE_STREAM_BYTES.
					 * NULL: there was no TCP listener yet */
	uint64_t swept_ns;
	struct engine_pipe *pipes;
	struct engine_relay *relays;	/* the open ones */
	struct engine_relay *reading;	/* whose input is being handled */
	uint8_t tos, ttl;		/* for what is relayed of that input */
	bool ttl_over;			/* nothing of it may be relayed */
	bool over_limit;		/* the allocation or its user has had enough */
	uint64_t now_ns;		/* when that input came */
	uint32_t bytes;			/* of it, as they are counted */
	pthread_t thread;
	bool running;
	pthread_mutex_t lock;		/* of these two */
	bool hold, held;		/* the main thread's wish, the worker's state */
	pthread_cond_t changed;
	struct engine_mail mail;
	pthread_mutex_t arrivals_lock;	/* of that */
	struct engine_guest *arrivals;	/* streams, from other workers */
	bool relays_shut;		/* some of them */
	struct tp_count counts[TP_R_MAX];	/* written by the worker, read by any */
};

struct turn_now engine_now(void);
/* Counts one packet of this many bytes; this worker's thread only. */
void engine_count_one(struct engine *engine, enum tp_reason reason, size_t bytes);
/* One datagram or frame of a client, handed to the core and counted. What the core relays
 * of it takes its IP fields from engine->tos, ttl, ttl_over and now_ns. The core's reason. */
enum tp_reason engine_from_client(struct engine *engine, const struct turn_path *path,
				  const uint8_t *data, size_t len, struct turn_now now);

/* What was queued for sockets leaves: at the end of every callback. */
void engine_flush(struct engine *engine);

/* Clients with a leg of their own. */
void engine_guest_join(struct engine_guest *guest, struct engine_guests *among);
void engine_guest_leave(struct engine_guest *guest);	/* without telling the core */
/* engine_leg_ops.allocated */
void engine_guest_allocated(struct engine_leg *leg, const struct tp_addr *client, bool is);
/* RFC 8656 section 5: the allocation goes with the client's end of the 5-tuple (true), unless
 * the client may come back (RFC 8016). */
bool engine_guest_end(struct engine_guest *guest, struct turn_now now);
/* With the core's reason for each request; true: it has been refused too often. */
bool engine_guest_refused(struct engine_guest *guest, enum tp_reason reason);

/* Connections: engine_gate.c makes them and looks after their time, engine_stream.c is
 * what one does. */
#define ENGINE_STREAM_BYTES	(2 * 65536)
/* How long a client may take to an allocation (max-allocate-timeout), and most_ns at most. */
uint64_t engine_patience(const struct engine *engine, uint64_t most_ns);
int engine_gate_open(struct engine *engine, const struct tp_addr *addr, int fd);
void engine_gate_close(struct engine *engine, const struct tp_addr *addr);
/* All of them, and all connections. */
void engine_gates_close(struct engine *engine);
/* Ends those whose time is over; about once a second. */
void engine_streams_sweep(struct engine *engine, uint64_t now_ns);
struct engine_stream *engine_stream_new(struct engine *engine, const struct tp_addr *server,
					int fd);
/* Without telling the core: when all of it goes. */
void engine_stream_free(struct engine_stream *s);
/* Ends it at the next settling. */
void engine_stream_kill(struct engine_stream *s);
/* Writes what is queued, and lets go what is over. */
void engine_streams_settle(struct engine *engine);
/* Those that other workers have sent. */
void engine_on_arrival(evutil_socket_t fd, short what, void *arg);	/* arg is the engine */

/* Connections with peers: engine_tcp.c makes them, engine_pipe.c carries bytes. */
/* arg is the engine_relay */
void engine_on_peers(evutil_socket_t fd, short what, void *arg);
int engine_tcp_connect(void *ctx, struct turn_connection *connection, const struct tp_addr *to);
int engine_tcp_bind(void *ctx, struct turn_connection *connection, const struct turn_path *path);
void engine_tcp_close(void *ctx, struct turn_connection *connection);
/* Ends what is half closed and silent; opens what was shut. */
void engine_tcp_sweep(struct engine *engine, uint64_t now_ns);
/* Without telling the core: when all of it goes. */
void engine_tcp_free(struct engine *engine);

/* NULL, and the descriptor is the caller's still; connecting: turn_connected() is told. */
struct engine_pipe *engine_pipe_new(struct engine *engine, int fd, bool connecting);
/* Between the two ends from now on; takes all of the stream. */
void engine_pipe_join(struct engine_pipe *pipe, struct engine_stream *stream);
void engine_pipe_free(struct engine_pipe *pipe);

void engine_listeners_close(struct engine *engine);
/* NULL: not ours. */
struct engine_listener *engine_listener_of(const struct engine *engine,
					   const struct tp_addr *addr);
/* The leg of a client by UDP, or of one on DTLS whose session another worker has. NULL: this
 * server address is not ours. */
struct engine_leg *engine_leg_of(struct engine *engine, const struct turn_path *path);

int engine_mail_open(struct engine *engine);	/* 0 or -1 */
void engine_mail_close(struct engine *engine);
/* turn_host.hand_over */
bool engine_hand_over(void *ctx, unsigned int worker, const struct turn_path *path,
		      const uint8_t *data, size_t len);
/* A DTLS session here has ended, whose allocation lives there. */
void engine_far_ended(struct engine *engine, struct engine *to, const struct turn_path *path);

/* Keep what the core will know later (TURN_LATER); false: it is lost. */
bool engine_park(struct engine *engine, const struct turn_path *path, const uint8_t *data,
		 size_t len);
void engine_parked_retry(struct engine *engine);
/* Before a leg is freed; NULL: all of them. */
void engine_parked_forget(struct engine *engine, const struct engine_leg *leg);
/* Ties the engine to the database, if there is one. False: no memory. */
bool engine_use_users(struct engine *engine);

/* Clients on DTLS, of the UDP listeners. */
int engine_dtls_open(struct engine *engine);
/* As the configuration is now; adds to *ended how many allocations are over. */
int engine_dtls_renew(struct engine *engine, unsigned int *ended);
/* Ends the sessions of this listener; how many allocations with them. NULL: of all. */
unsigned int engine_dtls_leave(struct engine *engine, const struct engine_listener *listener);
void engine_dtls_close(struct engine *engine);
void engine_dtls_sweep(struct engine *engine, uint64_t now_ns);
/* A datagram that RFC 7983 says is DTLS. */
void engine_dtls_input(struct engine_listener *listener, const struct tp_addr *client,
		       const uint8_t *data, size_t len, struct turn_now now);
/* For a client whose allocation another worker has. False: there is no such session. */
bool engine_dtls_output(struct engine *engine, const struct turn_path *path,
			const struct turn_out *out);
/* That worker has its allocation, or not any more. False: it cannot, there is no such session,
 * or it has an allocation. */
bool engine_dtls_lend(struct engine *engine, const struct turn_path *path, struct engine *with);
void engine_dtls_return(struct engine *engine, const struct turn_path *path, struct engine *with);

/* Clients behind proxies, on UDP. */
int engine_proxied_open(struct engine *engine);	/* 0 or -ENOMEM; also once more */
void engine_proxied_close(struct engine *engine);
/* As the configuration is now. */
void engine_proxied_renew(struct engine *engine);
void engine_proxied_sweep(struct engine *engine, uint64_t now_ns);
/* If it is of such a client: its proxy may not say so again. */
void engine_proxied_adopted(struct engine *engine, const struct turn_alloc *alloc);
void engine_proxied_input(struct engine_listener *listener, const struct tp_addr *proxy,
			  struct stun_bytes data, struct turn_now now);

/* redis-statsdb, if there is one. */
void engine_tell(const struct engine *engine, const struct turn_alloc *alloc,
		 enum statsdb_kind kind);

extern const struct turn_host engine_host;	/* ctx is the engine */
extern const struct engine_leg_ops engine_udp_leg, engine_far_leg;

/* Event callbacks; arg is the struct engine_listener or engine_relay. */
void engine_on_listener(evutil_socket_t fd, short what, void *arg);
void engine_on_relay(evutil_socket_t fd, short what, void *arg);
void engine_on_halt(evutil_socket_t fd, short what, void *arg);	/* arg is the engine */

#endif
