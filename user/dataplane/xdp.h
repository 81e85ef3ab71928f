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

enum xdp_mode {
	XDP_NONE,			/* the daemon */
	XDP_KMOD,			/* the module, see kmod.h */
	XDP_TC,				/* a filter of ours, see tc.h */
	XDP_NATIVE,			/* native XDP, by a pinned link of ours */
};

/* What became of one interface. */
struct xdp_interface {
	char name[IF_NAMESIZE];
	unsigned int ifindex;
	enum xdp_mode mode;		/* what relays packets that arrive here */
	bool redirects;			/* an XDP program elsewhere can send by it */
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
/* The same without the program, for who uses the tables alone; nothing can be attached then. */
int xdp_load_tables(struct xdp **out, const char *pin_path, const struct tp_meta *sizes,
		    struct tables *tables, char *why);
/* Native XDP on iface->ifindex, pinned as <pin_path>/link_<name>; a link of ours that is pinned
 * there is updated in place, without a gap. Another program on the interface is left alone, and
 * so is a driver that says it cannot redirect. Returns 0 and iface->mode XDP_NATIVE, or -errno
 * and XDP_NONE; iface->why is filled either way. */
int xdp_attach(struct xdp *xdp, struct xdp_interface *iface);
/* The map of this name. */
int xdp_map_fd(const struct xdp *xdp, const char *name);
const char *xdp_pin_path(const struct xdp *xdp);
/* Take links of interfaces off that are not in keep[] as XDP_NATIVE. */
void xdp_drop_others(struct xdp *xdp, const struct xdp_interface *keep, unsigned int n);
void xdp_close(struct xdp *xdp);	/* pins and attachments stay */

/* Remove every link and pin of ours under pin_path. Returns the number of links
 * removed, or -errno. */
int xdp_detach_all(const char *pin_path);

#endif
