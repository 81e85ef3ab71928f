// SPDX-License-Identifier: GPL-2.0
/*
 * The XDP program with another layout of its rows: a kernel hash map with the row inside
 * the element, in the place of the open-addressed table. For IPv4 flows on the straight
 * way; all else finds its rows where the daemon keeps them. Only to be measured: nobody
 * writes to the hash map, so that what its elements' reuse would take is not paid here.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* As host.bpf.h has it for a CPU that keeps the order of reads. */
#define TP_RMB()	barrier()
#define TP_HOST_API	static __always_inline
#define tp_find4	tp_find4_table
#include <turnpike/plan.h>
#undef tp_find4
#undef TP_HOST_API
#undef TP_RMB

/* the loader sets the size, and whether elements are made beforehand */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct tp_key4);
	__type(value, struct tp_row);
} bench_rows SEC(".maps");

static __always_inline enum tp_reason tp_find4(struct tp_host *host, const struct tp_key4 *key,
					       struct tp_plan *plan, struct tp_row **row)
{
	*row = bpf_map_lookup_elem(&bench_rows, key);
	(void)host;
	if (!*row)
		return TP_R_NO_ROW;
	plan->slot = 0;
	/* the hash is the map's own: the packet's identification starts at another number */
	return tp_plan_take(plan, *row, tp_seq_read(&(*row)->seq), 0) ? TP_R_NONE : TP_R_BUSY;
}

#include "turnpike.bpf.c"
