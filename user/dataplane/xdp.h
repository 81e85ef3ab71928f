/* SPDX-License-Identifier: MIT */
/*
 * The keeper's side of the XDP data path: load the program, make or take over
 * the pinned maps, attach to interfaces, and undo it. Runs as root, in the
 * keeper or in `turnpike detach`; the relay process never calls it.
 */
#ifndef TP_DATAPLANE_XDP_H
#define TP_DATAPLANE_XDP_H

#include <net/if.h>
#include <stdbool.h>
#include "dataplane/tables.h"

#define XDP_WHY		160

/* What became of one interface. */
struct xdp_interface {
	char name[IF_NAMESIZE];
	unsigned int ifindex;
	bool attached;			/* native XDP, by a pinned link of ours */
	char why[XDP_WHY];		/* what was taken, or why not more: for log and status */
};

struct xdp;

/*
 * Load, with maps of these sizes; where pin_path holds tables of the same ABI version and sizes
 * they are carried on with (with other sizes or another version: -EEXIST, why says what to do).
 * Fills tables (fds and mapping). why holds XDP_WHY bytes. 0 or -errno.
 */
int xdp_load(struct xdp **out, const char *pin_path, const struct tp_meta *sizes,
	     struct tables *tables, char *why);
/* Native XDP on iface->ifindex, pinned as <pin_path>/link_<name>; a link of ours that is pinned
 * there is updated in place, without a gap. Another program on the interface is left alone.
 * Returns 0 and iface->attached, or -errno; iface->why is filled either way. */
int xdp_attach(struct xdp *xdp, struct xdp_interface *iface);
/* Take links of interfaces that are not in keep[] off. */
void xdp_drop_others(struct xdp *xdp, const struct xdp_interface *keep, unsigned int n);
void xdp_close(struct xdp *xdp);	/* pins and attachments stay */

/* Remove every link and pin of ours under pin_path. Returns the number of links
 * removed, or -errno. */
int xdp_detach_all(const char *pin_path);

#endif
