/* SPDX-License-Identifier: MIT */
/*
 * Which data path serves this host, decided once by the keeper: native XDP on
 * the interfaces that carry the listening and relay addresses, or the daemon.
 */
#ifndef TP_DATAPLANE_H
#define TP_DATAPLANE_H

#include "config.h"
#include "dataplane/tables.h"
#include "dataplane/xdp.h"

struct dataplane {
	enum conf_dataplane mode;	/* what is in force: DATAPLANE_XDP or DATAPLANE_USER */
	char why[XDP_WHY];		/* why not more; empty where all is as wanted */
	struct xdp_interface *interfaces;
	unsigned int n;
	struct tables tables;
	struct xdp *xdp;
};

/* 0, or -errno where dataplane=xdp cannot be had (why says what is missing)
 * or memory is short. Logs what it took and why. */
int dataplane_open(struct dataplane *dp, const struct conf *conf);
/* Pins and attachments stay. */
void dataplane_close(struct dataplane *dp);

#endif
