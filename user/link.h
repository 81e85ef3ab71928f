/* SPDX-License-Identifier: MIT */
/*
 * The wire between the keeper, which may read files and open ports, and the relay
 * process, which may not: messages with a text and descriptors, in order, whole.
 */
#ifndef TP_LINK_H
#define TP_LINK_H

#include <stdbool.h>
#include <stddef.h>

enum link_kind {
	LINK_RELOAD,		/* to the keeper: read the configuration again */
	LINK_REFUSED,		/* from it: what was read is wrong; text says what */
	LINK_SOCKETS,		/* from it, before LINK_CONF: an added listening address; text
				 * is sockets_write()'s, the descriptors are the workers' */
	LINK_CONF,		/* from it: conf_image_write()'s file and the log's descriptor,
				 * where there is a log file; text has warnings */
	LINK_INTERFACES,	/* from it: what relays where, now; text is dataplane_write()'s */
	LINK_TAKEN,		/* to it: LINK_CONF is done with, in force or not */
	LINK_DRAIN,		/* either way: take no new allocations … */
	LINK_SERVE,		/* … or do again */
	LINK_DRAINED,		/* to the keeper: nothing is left to do, end */
};

#define LINK_TEXT	16384	/* longer texts are cut */
#define LINK_FDS	128	/* as many as there can be workers */

struct link_message {
	enum link_kind kind;
	int fd[LINK_FDS];	/* the receiver's to close */
	unsigned int n_fds;
	char text[LINK_TEXT];	/* terminated */
};

/* Both ends are close-on-exec; 0 or -errno. */
int link_open(int ends[2]);
/* text may be NULL. Does not block; 0 or -errno (-EAGAIN: the other end is slow). */
int link_send(int end, enum link_kind kind, const char *text, const int *fds, unsigned int n_fds);
/* 1, 0 where there is none, or -errno (-EPIPE: the other end is gone). */
int link_receive(int end, struct link_message *message);

#endif
