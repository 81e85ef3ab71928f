/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets: of each address one for every worker. Both processes have them, each
 * its own descriptors; a reload adds and takes away whole addresses.
 */
#ifndef TP_SOCKETS_H
#define TP_SOCKETS_H

#include "config.h"

enum sockets_kind { SOCKETS_UDP, SOCKETS_UDP_PROXIED, SOCKETS_TCP, SOCKETS_KINDS };

struct sockets_at {
	struct tp_addr addr;
	int *fd;			/* [worker] */
};

struct sockets {
	unsigned int workers;
	struct sockets_of {
		struct sockets_at *v;
		unsigned int n;
	} of[SOCKETS_KINDS];
};

/* What a configuration listens on, by the kind of socket. */
const struct conf_addrs *sockets_wanted(const struct conf *conf, enum sockets_kind kind);
/* For people: "udp", "tcp", "tls", ... */
const char *sockets_word(const struct conf *conf, enum sockets_kind kind);

/* What address it was that could not be bound. */
struct sockets_fault {
	enum sockets_kind kind;
	struct tp_addr addr;
	int err;			/* -errno */
};

/* Opens what conf wants and known does not have (NULL: all of it). 0; or -errno, *fault, and
 * nothing in *added. */
int sockets_open(struct sockets *added, const struct sockets *known, const struct conf *conf,
		 struct sockets_fault *fault);
/* A tc program is to see their datagrams first. */
void sockets_refuse_gro(const struct sockets *sockets);
const struct sockets_at *sockets_find(const struct sockets *sockets, enum sockets_kind kind,
				      const struct tp_addr *addr);
/* Takes over fd[workers], in place of what it had. -ENOMEM: they are closed. */
int sockets_add(struct sockets *sockets, enum sockets_kind kind, const struct tp_addr *addr,
		const int *fd);
/* Closes what conf does not want; before that, gone() hears of each (may be NULL). */
void sockets_trim(struct sockets *sockets, const struct conf *conf,
		  void (*gone)(void *ctx, enum sockets_kind kind, const struct tp_addr *addr),
		  void *ctx);
/* Moves all of from into to; from is empty then. -ENOMEM: what did not fit is closed. */
int sockets_merge(struct sockets *to, struct sockets *from);
void sockets_close(struct sockets *sockets);

/* The message that hands one address over, its descriptors beside it: text to and fro. */
#define SOCKETS_TEXT	80
void sockets_write(char text[SOCKETS_TEXT], enum sockets_kind kind, const struct tp_addr *addr);
bool sockets_read(const char *text, enum sockets_kind *kind, struct tp_addr *addr);

#endif
