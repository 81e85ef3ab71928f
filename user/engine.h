/* SPDX-License-Identifier: MIT */
/*
 * One worker: an event loop, its share of the listeners, a TURN core and that
 * core's effects carried out. The only file that knows turn/, net/ and
 * dataplane/ together.
 */
#ifndef TP_ENGINE_H
#define TP_ENGINE_H

#include "config.h"
#include "dataplane/flows.h"
#include "sockets.h"
#include "turn/turn.h"

struct engine;
struct users;
struct statsdb;

/* What all workers share; outlives them. */
struct engine_shared {
	const struct conf *conf;
	struct tables *tables;
	struct turn_shared *turn;
	struct journal *journal;
	struct flows *flows;
	struct crowd *crowd;
	struct tls_store *tls;		/* NULL: no TLS */
	struct engine **engines;	/* conf->workers of them, for handing clients over */
	struct users *users;		/* the database, NULL: there is none */
	struct statsdb *statsdb;	/* who is told of allocations, NULL: nobody */
	bool tc;			/* a tc program relays what arrives at relayed addresses */
};

/* Without listeners. */
struct engine *engine_new(const struct engine_shared *shared, unsigned int worker);
/* Before engine_start() or while it is held: one more listener. The socket stays the caller's.
 * 0 or -ENOMEM. */
int engine_listen(struct engine *engine, enum sockets_kind kind, const struct tp_addr *addr,
		  int fd);
/* And one less, likewise, before its socket is closed: the allocations of its UDP clients end
 * (returns how many), connections go on. */
unsigned int engine_deafen(struct engine *engine, enum sockets_kind kind,
			   const struct tp_addr *addr);
/* Before engine_start(): carry on the journal's allocations that are this worker's.
 * 0 or -ENOMEM. */
int engine_adopt(struct engine *engine);
int engine_start(struct engine *engine);	/* its thread; 0 or -errno */
void engine_stop(struct engine *engine);	/* from another thread; waits for it */
/* Kernel state and journal stay for the successor. */
void engine_free(struct engine *engine);

/*
 * From the main thread: the worker stands still between the two, and what it works with
 * may be changed: shared->conf by another one, of which engine_renew() then tells the
 * core (it returns how many channels and permissions have ended, and adds to
 * *allocations those whose transport is not served any more); whether there are new
 * allocations; allocations that match end (it returns how many).
 */
void engine_hold(struct engine *engine);
void engine_go_on(struct engine *engine);
unsigned int engine_renew(struct engine *engine, unsigned int *allocations);
/* A tc program is to see what comes to relayed addresses first. */
void engine_refuse_gro(struct engine *engine);
void engine_drain(struct engine *engine, bool on);
unsigned int engine_kick(struct engine *engine,
			 bool (*match)(const struct turn_alloc *alloc, const void *arg),
			 const void *arg);

/* Adds this worker's counters; from any thread. */
void engine_count(const struct engine *engine, struct tp_count counts[TP_R_MAX]);

#endif
