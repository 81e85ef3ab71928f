/* SPDX-License-Identifier: GPL-2.0 */
/* The daemon's tables: BPF arrays whose elements are read in place. */
#ifndef TURNPIKE_TABLES_KMOD_H
#define TURNPIKE_TABLES_KMOD_H

#include <linux/bpf.h>
#include <turnpike/kmod.h>
#include <turnpike/tables.h>

/* Changed by nobody once it is published; the elements are the daemon's to write. */
struct tables {
	struct tp_slot4 *rows4;
	struct tp_slot6 *rows6;
	struct tp_limit *limits;
	struct tp_kmod_count *counts;
	struct bpf_array *stats;
	u32 n_rows4, n_rows6, n_limits, n_counts;
	u64 seed[2];
	struct bpf_map *map[TURNPIKE_MAPS];	/* a reference to each */
	DECLARE_BITMAP(ports, 1 << 16);		/* by the number that network order makes */
};

/* Checks all of it and takes references. ERR_PTR, and why in given->why. */
struct tables *tables_take(struct turnpike_tables *given);
/* No reader is left, or ever was. */
void tables_put(struct tables *tables);

static inline bool tables_has_port(const struct tables *t, __be16 port)
{
	return test_bit((__force u16)port, t->ports);
}

static inline void tables_count(const struct tables *t, enum tp_reason reason, u32 packets,
				u64 bytes)
{
	struct tp_count *count = this_cpu_ptr((struct tp_count __percpu *)t->stats->pptrs[reason]);

	count->packets += packets;
	count->bytes += bytes;
}

#endif
