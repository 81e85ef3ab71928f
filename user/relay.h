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
	const struct conf *conf;
	struct dataplane *dataplane;
	int *listeners;			/* [worker * conf->listen.n + address] */
	int control_fd;
};

/* The whole life of the process; returns its exit status. */
int relay_main(const struct relay_setup *setup);

#endif
