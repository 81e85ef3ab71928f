/* SPDX-License-Identifier: MIT */
/*
 * The tracing programs in the place of those that are pinned, and back again: by the pinned
 * links and by tc's filters, one program for another, without a moment of neither. What a
 * daemon has put there meanwhile stays.
 */
#ifndef TP_DATAPLANE_SWAP_H
#define TP_DATAPLANE_SWAP_H

#include <stdbool.h>

/* Names of the tracing programs. */
#define SWAP_XDP	"tp_trace_xdp"
#define SWAP_TC		"tp_trace_tc"

/* Descriptors of the tracing programs; -1: none of that kind. */
struct swap {
	int xdp_fd, tc_fd;
};

/* Which kinds of places there are. 0 or -errno; -ENOENT: none. */
int swap_places(const char *pin_path, bool *xdp, bool *tc);
/* Put them in. How many places they are in, or -errno; then some may be in. */
int swap_in(const struct swap *swap, const char *pin_path);
/* Whether all places have them: 1 or 0, or -errno; -ENOENT: there are none. */
int swap_is_in(const struct swap *swap, const char *pin_path);
/* Put the pinned programs back wherever a tracing one is, this or another one. 0 or -errno. */
int swap_back(const char *pin_path);

#endif
