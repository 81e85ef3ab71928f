/* SPDX-License-Identifier: MIT */
/* The constants of bpf/host.bpf.h, in the read-only data that a skeleton names. */
#ifndef TP_DATAPLANE_CONSTANTS_H
#define TP_DATAPLANE_CONSTANTS_H

#include <stdbool.h>
#include <string.h>
#include <sys/utsname.h>
#include <turnpike/tables.h>

/* The kernel's architecture counts, not this program's. */
static inline bool constants_weak_order(void)
{
	struct utsname host;

	return uname(&host) || !strstr(host.machine, "86");
}

/* Before the program is loaded; a macro, as each skeleton has a type of its own for them. */
#define CONSTANTS_SET(rodata, meta)					\
	do {								\
		(rodata)->tp_seed[0] = (meta)->hash_seed[0];		\
		(rodata)->tp_seed[1] = (meta)->hash_seed[1];		\
		(rodata)->tp_slots4 = (meta)->rows4;			\
		(rodata)->tp_slots6 = (meta)->rows6;			\
		(rodata)->tp_weak_order = constants_weak_order();	\
	} while (0)

#endif
