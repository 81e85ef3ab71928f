/* SPDX-License-Identifier: MIT */
/*
 * Which data path serves this host, decided once by the keeper for each interface that
 * carries a listening or relay address: native XDP, else tc, else the module, which also
 * gets what those two have passed up, else the daemon.
 */
#ifndef TP_DATAPLANE_H
#define TP_DATAPLANE_H

#include <net/if.h>
#include "config.h"
#include "dataplane/tables.h"
#include "dataplane/tc.h"
#include "dataplane/xdp.h"

struct dataplane {
	enum conf_dataplane mode;	/* the best that is in force on any interface */
	char why[XDP_WHY];		/* why not more; empty where all is as wanted */
	struct xdp_interface *interfaces;
	unsigned int n;
	struct tables tables;
	struct xdp *xdp;
	struct tc *tc;			/* where any interface has its filter, else NULL */
	bool beside_xdp;		/* those with XDP have it, too */
	bool module;			/* it relays what is passed up */
	int kmod_fd;			/* as long as this is open; the keeper's, else -1 */
};

/* 0, or -errno where dataplane=xdp, tc or kmod cannot be had (why says what is missing)
 * or memory is short. Logs what it took and why. */
int dataplane_open(struct dataplane *dp, const struct conf *conf);
/*
 * While it relays: to the interfaces that next brings as well, before that is in force. 0, or
 * -errno where dataplane=xdp, tc or kmod cannot be had there: why says so, and what was
 * attached is off again.
 */
int dataplane_renew(struct dataplane *dp, const struct conf *next, const struct conf *running,
		    char why[XDP_WHY]);
/* And off those that conf does not use any more, when nothing else is in force. */
void dataplane_trim(struct dataplane *dp, const struct conf *conf);
/* Its interfaces and what serves them, for another process's copy: text to and fro. filters:
 * whether there is a tc. */
void dataplane_write(const struct dataplane *dp, FILE *out);
bool dataplane_read(struct dataplane *dp, const char *text, bool *filters);
/* Pins and attachments stay; the module lets go. */
void dataplane_close(struct dataplane *dp);
/* In a child: what is the keeper's alone. The tables stay. */
void dataplane_leave(struct dataplane *dp);
/* Take every program and pin of pin_path off. The number of interfaces' programs, or -errno. */
int dataplane_detach(const char *pin_path);

/* As in the configuration, and as in status. */
const char *dataplane_word(enum conf_dataplane which);
const char *dataplane_mode_word(enum xdp_mode mode);

#endif
