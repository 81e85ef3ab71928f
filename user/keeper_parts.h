/* SPDX-License-Identifier: MIT */
/* What the files keeper*.c share with each other and with nobody else. */
#ifndef TP_KEEPER_PARTS_H
#define TP_KEEPER_PARTS_H

#include <signal.h>
#include <sys/types.h>
#include "config.h"
#include "dataplane/dataplane.h"
#include "relay.h"

struct keeper {
	struct conf **running;		/* the caller's, replaced by a reload */
	const struct conf *conf;	/* it */
	const struct conf_source *source;
	struct dataplane dataplane;
	struct relay_setup setup;
	uid_t uid;			/* of the relay process */
	gid_t gid;
	int lock_fd;
	int signal_fd;
	int link;			/* to the relay process; -1: there is none */
	pid_t relay;
	bool reloading;			/* it has not said yet that it is done */
	bool again;			/* and the next one waits for that */
	uint64_t tls_stamp;		/* of the certificates that were taken, or refused */
	uint64_t tls_seen;		/* of those that were there at the last look */
	sigset_t signals;
};

/* Reads the configuration again and hands it, and what is new to listen on, to the relay
 * process. */
void keeper_reload(struct keeper *k);
/* Every KEEPER_LOOK_MS: certificates that were written anew are taken when they lie still. */
#define KEEPER_LOOK_MS	5000
void keeper_look(struct keeper *k);
/* The relay process is done with that, or has ended. */
void keeper_reloaded(struct keeper *k);

#endif
