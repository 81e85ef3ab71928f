/* SPDX-License-Identifier: MIT */
/*
 * The keeper's side of the tc data path: for interfaces without native XDP, the same relay
 * core as a filter at clsact ingress, over the maps that xdp.c has loaded or taken over.
 *
 * A filter, unlike a link, needs no pin to live. What is ours is written down beside the
 * other pins: tc_<ifindex>, and clsact_<ifindex> where the qdisc was made here, too.
 */
#ifndef TP_DATAPLANE_TC_H
#define TP_DATAPLANE_TC_H

#include "dataplane/filters.h"
#include "dataplane/xdp.h"

#define TC_PROG		"turnpike_tc"
/* Where our filter is: "tp" in ASCII, in front of the priorities that the kernel chooses. */
#define TC_HANDLE	0x7470
#define TC_PRIORITY	0x7470

struct tc;

/* why holds XDP_WHY bytes. 0 or -errno. */
int tc_load(struct tc **out, struct xdp *xdp, const struct tp_meta *meta, char *why);
/*
 * A filter on iface->ifindex; one of ours that is there is replaced in place, without a gap.
 * With after_xdp only beside the XDP program, for what that one cannot send; iface is left as
 * it is. Otherwise 0 and iface->mode XDP_TC, or -errno; iface->why gets what was taken or what
 * is missing, after what it says already. No other filter and no qdisc is ever changed.
 */
int tc_attach(struct tc *tc, struct xdp_interface *iface, bool after_xdp);
void tc_close(struct tc *tc);		/* filters stay */

/* The name of our filter on this interface: "program:[id]". -ENOENT: it has none. */
int tc_filter(unsigned int ifindex, char name[FILTERS_NAME]);
/* Replace it by one with this program. 0 or -errno. */
int tc_put(unsigned int ifindex, int prog_fd);

/* Take off our filters, of pin_path, except from the n interfaces in keep, and our pins for
 * them. The number of those removed, or -errno. */
int tc_detach(const char *pin_path, const unsigned int *keep, unsigned int n);

#endif
