/* SPDX-License-Identifier: MIT */
/*
 * redis-statsdb: what becomes of allocations, told to Redis under coturn's names. A thread of
 * its own publishes; workers leave what they have to say in a bounded queue, and never wait.
 */
#ifndef TP_USERS_STATSDB_H
#define TP_USERS_STATSDB_H

#include <turnpike/tables.h>
#include "turn/turn.h"

#define STATSDB_QUEUE	4096		/* events; what does not fit is lost, counted and logged */
#define STATSDB_REALM	128		/* bytes of a realm; longer ones are cut */

enum statsdb_kind { STATSDB_NEW, STATSDB_REFRESHED, STATSDB_DELETED };

struct statsdb_event {
	enum statsdb_kind kind;
	uint64_t id;
	char realm[STATSDB_REALM];	/* "": none */
	char user[TP_USER_SHOWN];
	uint32_t lifetime_s;
	uint8_t transport;		/* as in turn_path */
	struct tp_addr local, remote;	/* the server's end and the client's */
	struct tp_count up, down;	/* client to peer and back, since it was made */
};

struct statsdb;
/* options as redis-userdb's, checked before. NULL: no memory. */
struct statsdb *statsdb_new(const char *options);
int statsdb_start(struct statsdb *db);		/* its thread; 0 or -errno */
/* From any thread; does not wait. */
void statsdb_tell(struct statsdb *db, const struct statsdb_event *event);
/* Nothing more is told: the thread publishes what is queued, if Redis answers, and ends. */
void statsdb_end(struct statsdb *db);
/* Ends it, if it has not been, and waits for it. May be NULL. */
void statsdb_free(struct statsdb *db);

#endif
