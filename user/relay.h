/* SPDX-License-Identifier: MIT */
/*
 * The relay process: unprivileged, threads and loops. It starts from what the keeper
 * opened, adopts what its predecessor left, and runs until SIGTERM.
 */
#ifndef TP_RELAY_H
#define TP_RELAY_H

#include "config.h"
#include "dataplane/dataplane.h"

struct relay_setup {
	struct conf **conf;		/* the process's own copy, which a reload replaces */
	struct dataplane *dataplane;
	int *listeners;			/* [worker * conf->listen.n + address] */
	int *gates;			/* TCP: [worker * conf->listen_tcp.n + address] */
	int control_fd;
	int link;			/* to the keeper */
	bool draining;			/* a predecessor was told to */
};

/* The whole life of the process; returns its exit status. */
int relay_main(const struct relay_setup *setup);

#endif
