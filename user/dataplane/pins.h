/* SPDX-License-Identifier: MIT */
/* The directory in a bpf file system that keeps maps, program and links alive. */
#ifndef TP_DATAPLANE_PINS_H
#define TP_DATAPLANE_PINS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define PINS_LINK	"link_"		/* and the interface's name */
#define PINS_TC		"tc_"		/* and an ifindex: our filter is there */
#define PINS_CLSACT	"clsact_"	/* and an ifindex: its qdisc is ours as well */
#define PINS_PROG	"prog"

/* Path of one pin. A bpf file system takes no '.' in names: an interface's becomes '~'.
 * 0 or -ENAMETOOLONG. */
int pins_path(char out[PATH_MAX], const char *dir, const char *prefix, const char *name);
/* Make the directory, mode 0700, where it is not there. -ENODEV: not in a bpf file system. */
int pins_make(const char *dir);
/* Pin fd at path in the place of what is there, without a moment of neither. 0 or -errno. */
int pins_replace(int fd, const char *dir, const char *name);
/* Call found() for each name that is ours. 0 or -errno; stops where found() is not 0. */
int pins_each(const char *dir, int (*found)(void *ctx, const char *dir, const char *name),
	      void *ctx);
bool pins_is_link(const char *name);

#endif
