/* SPDX-License-Identifier: MIT */
/*
 * The module as a host of the relay core: frames go in by a TAP device, through the kernel's
 * receiving half of IP, and come out by it, through its sending half. In a network namespace of
 * its own, in a virtual machine only: the module has to be loaded.
 */
#ifndef TP_TEST_WORLD_KMOD_H
#define TP_TEST_WORLD_KMOD_H

#include "dataplane/kmod.h"
#include "../dataplane/world.h"

/* Loads the module if need be. 0, or -errno with why. */
int world_kmod(struct world *world, const char **why);
/* The session, which is the caller's to close. */
int world_kmod_session(struct world *world);
/* The module's counters since the last call: the one reason that a packet was counted under,
 * or TP_R_MAX. Aborts where it was more than one packet. */
enum tp_reason world_kmod_counted(struct world *world, uint64_t *bytes);
/* Frames that have come out since: at most n, UDP only (fragments of it, too). */
unsigned int world_kmod_out(struct world *world, struct frame *out, unsigned int n);
/* BPF maps of this name that there are. */
unsigned int world_kmod_maps(const char *name);
/* Pages that nobody uses, those that processors keep at hand among them. */
long world_kmod_free_pages(void);
/* Let every n-th allocation of the module fail from now on; false: not built for that. */
bool world_kmod_fault(unsigned int every);
/* How many did since. */
unsigned int world_kmod_faults(void);
void world_kmod_in(struct world *world, const struct frame *in);

#endif
