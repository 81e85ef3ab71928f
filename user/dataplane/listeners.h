/* SPDX-License-Identifier: MIT */
/* The listening addresses as rows, so that the kernel answers STUN and limits strangers. */
#ifndef TP_DATAPLANE_LISTENERS_H
#define TP_DATAPLANE_LISTENERS_H

#include "config.h"
#include "dataplane/rows.h"

#define LISTENERS_LEASE_S	30	/* a dead daemon's address answers for so long */
#define LISTENERS_RENEW_S	10

/* Takes these out: where nobody listens any more nothing is answered. */
void listeners_drop(struct rows *rows, const struct conf_addrs *listen);
/* Writes or renews them all. False: one found no room; the daemon serves it alone. */
bool listeners_put(struct rows *rows, const struct conf *conf, uint64_t now_ns);

#endif
