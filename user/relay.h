/* SPDX-License-Identifier: MIT */
/*
 * The relay process: unprivileged, threads and loops. It starts from what the keeper
 * opened, adopts what its predecessor left, and runs until SIGTERM.
 */
#ifndef TP_RELAY_H
#define TP_RELAY_H

#include "config.h"
#include "dataplane/dataplane.h"
#include "sockets.h"

struct relay_setup {
	struct conf **conf;		/* the process's own copy, which a reload replaces */
	struct dataplane *dataplane;
	struct sockets sockets;		/* of what conf listens on */
	int control_fd;
	int link;			/* to the keeper */
	bool draining;			/* a predecessor was told to */
};

/* The whole life of the process; returns its exit status. */
int relay_main(struct relay_setup *setup);

#endif
