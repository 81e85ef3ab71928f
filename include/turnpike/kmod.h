/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the daemon says to the kernel module. One open file of /dev/turnpike is one
 * session: the module relays in the network namespace of whoever opened it, by the
 * tables that it was handed, until the last descriptor of that file is closed.
 */
#ifndef TURNPIKE_KMOD_H
#define TURNPIKE_KMOD_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define TURNPIKE_DEVICE	"/dev/turnpike"

/* Which BPF map is which in turnpike_tables.fd. All are arrays, stats one of each CPU. */
enum turnpike_map {
	TURNPIKE_META,
	TURNPIKE_ROWS4,
	TURNPIKE_ROWS6,
	TURNPIKE_LIMITS,
	TURNPIKE_COUNTS,	/* tp_kmod_counts */
	TURNPIKE_STATS,		/* tp_kmod_stats */
	TURNPIKE_MAPS
};

#define TURNPIKE_PORT_BYTES	8192	/* a bit for each port, the lowest first */
#define TURNPIKE_WHY		96

struct turnpike_tables {
	__u32 abi_version;		/* TP_ABI_VERSION */
	__s32 fd[TURNPIKE_MAPS];	/* open for reading and writing */
	__u32 zero;
	__u64 ports;			/* address of TURNPIKE_PORT_BYTES: local UDP ports that
					 * are looked at; all others are passed up at once */
	char  why[TURNPIKE_WHY];	/* out: what is wrong with it */
};

/*
 * Relay by these tables from now on, instead of those of before, without a gap. On an error,
 * those of before stay: EPROTO another ABI version, EBADF not a descriptor of a map, EACCES
 * one without the right to write, EINVAL a map that is not this table.
 */
#define TURNPIKE_SET_TABLES	_IOWR(0xb7, 1, struct turnpike_tables)

#endif
