/* SPDX-License-Identifier: MIT */
/*
 * The interfaces that packets may leave by, as the programs know them: tp_ports for the
 * XDP program, tp_ways for that of tc, and tp_macs, the addresses that are their own.
 */
#ifndef TP_DATAPLANE_PORTS_H
#define TP_DATAPLANE_PORTS_H

#include "dataplane/xdp.h"

#define PORTS_AFTER_XDP	1		/* TP_WAY_AFTER_XDP of bpf/maps.bpf.h */

/* Packets may leave by this interface from now on, and arrive at its address only;
 * redirects: by XDP's redirection, too. 0 or -errno. */
int ports_open(struct xdp *xdp, const char *name, unsigned int ifindex, bool redirects);
/* What tc gets of this interface has been counted by XDP before. 0 or -errno. */
int ports_after_xdp(struct xdp *xdp, unsigned int ifindex);
void ports_close(struct xdp *xdp, unsigned int ifindex);

#endif
