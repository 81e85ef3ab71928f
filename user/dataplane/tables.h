/* SPDX-License-Identifier: MIT */
/*
 * The tables of include/turnpike/tables.h as this process sees them: mapped
 * into memory, whether they are BPF arrays (dataplane xdp) or plain shared
 * memory (dataplane user, where only the journal is used). The keeper makes
 * them; the relay process inherits the file descriptors and needs no privilege.
 */
#ifndef TP_DATAPLANE_TABLES_H
#define TP_DATAPLANE_TABLES_H

#include <stdbool.h>
#include <stdint.h>
#include <turnpike/tables.h>

/* The name is the BPF map's and its pin's: tp_<name>. X(name, element type). */
#define TABLES(X) \
	X(meta,		struct tp_meta) \
	X(rows4,	struct tp_slot4) \
	X(rows6,	struct tp_slot6) \
	X(nexthops,	struct tp_nexthop) \
	X(allocs,	struct tp_alloc) \
	X(bindings,	struct tp_binding) \
	X(limits,	struct tp_limit) \
	X(kmod_counts,	struct tp_kmod_count)

enum table_id {
#define TABLE_ENUM(name, type) TABLE_##name,
	TABLES(TABLE_ENUM)
#undef TABLE_ENUM
	TABLE_MAX
};

struct tables {
#define TABLE_FIELD(name, type) type *name;
	TABLES(TABLE_FIELD)
#undef TABLE_FIELD
	int fd[TABLE_MAX];		/* -1 where there is none */
	int stats_fd;			/* tp_stats, per-CPU array; -1 with dataplane user */
	int kmod_stats_fd;		/* tp_kmod_stats, likewise */
	bool kernel;			/* BPF arrays: rows and next hops are in use */
};

/* Sizes for so many, each table of rows for all of them. */
struct tp_meta tables_sizes(uint32_t flows, uint32_t allocations);
/* Of a table that so many rows nearly always find room in. */
uint32_t tables_slots(uint64_t rows);
/* Plain shared memory with these sizes, zeroed, meta filled in. 0 or -errno. */
int tables_create(struct tables *t, const struct tp_meta *sizes);
/* Map what t->fd[] names; sizes are read from the meta table, whose ABI version
 * and sizes must be right (-EPROTO). Rows may be missing (fd -1). */
int tables_map(struct tables *t);
/* Open the pins under path read-only or read-write and map them. -ENOENT: none there. */
int tables_open_pinned(struct tables *t, const char *path, bool writable);
void tables_close(struct tables *t);	/* unmaps and closes; the pins stay */

/* Sum of the per-CPU counters of such a map by reason. Zeros where fd is -1. */
int tables_stats(int fd, struct tp_count stats[TP_R_MAX]);

#endif
