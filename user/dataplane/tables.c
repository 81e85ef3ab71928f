// SPDX-License-Identifier: MIT
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include "clock.h"
#include "dataplane/tables.h"

#define ROWS_MIN	(4 * TP_PROBE)
#define ROWS_MAX	(1U << 24)	/* 2 GiB of 128-byte slots */
#define SLOTS_PER_ROW	2
#define NEXTHOPS_MIN	256U
#define NEXTHOPS_MAX	32768U		/* an index has 16 bits */
#define BINDINGS_PER_ALLOC	4

static const struct {
	const char *name;
	uint32_t size;			/* of an element, bytes */
} layout[TABLE_MAX] = {
#define TABLE_LAYOUT(name, type) { "tp_" #name, sizeof(type) },
	TABLES(TABLE_LAYOUT)
#undef TABLE_LAYOUT
};

static uint32_t within(uint64_t n, uint32_t min, uint32_t max)
{
	return n < min ? min : n > max ? max : (uint32_t)n;
}

/* Elements of a table; 0: the table is not there. */
static uint32_t entries(const struct tp_meta *meta, enum table_id id)
{
	switch (id) {
	case TABLE_meta:
		return 1;
	case TABLE_rows4:
		return meta->rows4;
	case TABLE_rows6:
		return meta->rows6;
	case TABLE_nexthops:
		return meta->nexthops;
	case TABLE_allocs:
		return meta->allocs;
	case TABLE_bindings:
		return meta->bindings;
	case TABLE_limits:
		return TP_LIMITS(meta->allocs);
	case TABLE_kmod_counts:
		return meta->allocs;
	case TABLE_MAX:
		break;
	}
	return 0;
}

/* What the kernel maps of a BPF array, too: whole pages. */
static size_t length(const struct tp_meta *meta, enum table_id id)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return ((size_t)entries(meta, id) * layout[id].size + page - 1) & ~(page - 1);
}

static void *address(const struct tables *t, enum table_id id)
{
	switch (id) {
#define TABLE_CASE(name, type)		\
	case TABLE_##name:		\
		return t->name;
	TABLES(TABLE_CASE)
#undef TABLE_CASE
	case TABLE_MAX:
		break;
	}
	return NULL;
}

static void set_address(struct tables *t, enum table_id id, void *p)
{
	switch (id) {
#define TABLE_CASE(name, type)		\
	case TABLE_##name:		\
		t->name = p;		\
		break;
	TABLES(TABLE_CASE)
#undef TABLE_CASE
	case TABLE_MAX:
		break;
	}
}

static void clear(struct tables *t)
{
	memset(t, 0, sizeof(*t));
	for (int id = 0; id < TABLE_MAX; id++)
		t->fd[id] = -1;
	t->stats_fd = -1;
	t->kmod_stats_fd = -1;
}

/* A key finds a free slot within TP_PROBE nearly always, and is found in the second one at
 * the latest on average, while half of the slots are free. */
uint32_t tables_slots(uint64_t rows)
{
	return within(rows * SLOTS_PER_ROW + TP_PROBE - 1, ROWS_MIN, ROWS_MAX);
}

struct tp_meta tables_sizes(uint32_t flows, uint32_t allocations)
{
	struct tp_meta m = { .abi_version = TP_ABI_VERSION };

	/* A flow is two rows, an allocation up to three of its own in one table and one for each
	 * permission, which are as many here. All may be of one family. */
	m.rows4 = tables_slots((uint64_t)flows * 2 + (uint64_t)allocations * 4);
	m.rows6 = m.rows4;
	m.nexthops = within(flows, NEXTHOPS_MIN, NEXTHOPS_MAX);
	m.allocs = allocations ? allocations : 1;
	if (m.allocs > UINT32_MAX / 64)
		m.allocs = UINT32_MAX / 64;
	m.bindings = m.allocs * BINDINGS_PER_ALLOC + (flows < ROWS_MAX ? flows : ROWS_MAX);
	if (getrandom(m.hash_seed, sizeof(m.hash_seed), 0) != sizeof(m.hash_seed))
		abort();	/* never so for so few bytes; a known seed invites collisions */
	m.started_ns = clock_mono_ns();
	return m;
}

static bool sizes_ok(const struct tp_meta *m)
{
	bool rows = m->rows4 >= TP_PROBE && m->rows6 >= TP_PROBE;

	return m->abi_version == TP_ABI_VERSION && rows && m->nexthops <= UINT16_MAX + 1U;
}

/* Whether the descriptor holds exactly this many elements of this table. */
static bool holds(int fd, enum table_id id, const struct tp_meta *meta, bool *kernel)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);
	struct stat st;

	if (fstat(fd, &st))
		return false;
	*kernel = !S_ISREG(st.st_mode);
	if (!*kernel)
		return (uint64_t)st.st_size == length(meta, id);
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return false;
	return info.type == BPF_MAP_TYPE_ARRAY && (info.map_flags & BPF_F_MMAPABLE) &&
	       info.value_size == layout[id].size && info.max_entries == entries(meta, id);
}

static int map_one(struct tables *t, enum table_id id, const struct tp_meta *meta, int prot)
{
	void *p;

	p = mmap(NULL, length(meta, id), prot, MAP_SHARED, t->fd[id], 0);
	if (p == MAP_FAILED)
		return -errno;
	set_address(t, id, p);
	return 0;
}

static void unmap(struct tables *t)
{
	if (!t->meta)
		return;
	/* meta is the first of them and says how long the others are, so it goes last. */
	for (int id = TABLE_MAX - 1; id >= 0; id--) {
		void *p = address(t, id);

		if (p)
			munmap(p, length(t->meta, id));
		if (id != TABLE_meta)
			set_address(t, id, NULL);
	}
	t->meta = NULL;
}

static int map_all(struct tables *t, int prot)
{
	struct tp_meta any = { 0 };
	int err;

	for (int id = 0; id < TABLE_MAX; id++)
		set_address(t, id, NULL);
	if (t->fd[TABLE_meta] < 0 || !holds(t->fd[TABLE_meta], TABLE_meta, &any, &t->kernel))
		return -EPROTO;
	err = map_one(t, TABLE_meta, &any, prot);
	if (err)
		return err;
	if (!sizes_ok(t->meta)) {
		err = -EPROTO;
		goto out;
	}
	for (int id = TABLE_meta + 1; id < TABLE_MAX; id++) {
		bool kernel, may_miss = id == TABLE_rows4 || id == TABLE_rows6;

		if (t->fd[id] < 0 && (may_miss || !entries(t->meta, id)))
			continue;
		err = -EPROTO;
		if (t->fd[id] < 0 || !entries(t->meta, id) ||
		    !holds(t->fd[id], id, t->meta, &kernel) || kernel != t->kernel)
			goto out;
		err = map_one(t, id, t->meta, prot);
		if (err)
			goto out;
	}
	return 0;
out:
	unmap(t);
	return err;
}

int tables_map(struct tables *t)
{
	int flags = fcntl(t->fd[TABLE_meta], F_GETFL);
	bool writable = flags >= 0 && (flags & O_ACCMODE) == O_RDWR;

	return map_all(t, writable ? PROT_READ | PROT_WRITE : PROT_READ);
}

static int create_one(struct tables *t, enum table_id id, const struct tp_meta *sizes)
{
	int fd = memfd_create(layout[id].name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	t->fd[id] = fd;
	if (ftruncate(fd, (off_t)length(sizes, id)))
		return -errno;
	/* A process that holds the descriptor must not be able to make another one fault. */
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return -errno;
	return 0;
}

int tables_create(struct tables *t, const struct tp_meta *sizes)
{
	struct tp_meta meta = *sizes;
	int err = -EINVAL;

	clear(t);
	if (!sizes_ok(&meta))
		return err;
	for (int id = 0; id < TABLE_MAX; id++) {
		if (!entries(&meta, id))
			continue;
		err = create_one(t, id, &meta);
		if (err)
			goto out;
	}
	err = -EIO;
	if (pwrite(t->fd[TABLE_meta], &meta, sizeof(meta), 0) != sizeof(meta))
		goto out;
	err = tables_map(t);
out:
	if (err)
		tables_close(t);
	return err;
}

/* Always for reading and writing: the kernel does not map what is open for reading only. */
static int open_pin(const char *path, const char *name)
{
	char pin[4096];
	int fd;

	if (snprintf(pin, sizeof(pin), "%s/%s", path, name) >= (int)sizeof(pin))
		return -ENAMETOOLONG;
	fd = bpf_obj_get(pin);
	return fd < 0 ? -errno : fd;
}

int tables_open_pinned(struct tables *t, const char *path, bool writable)
{
	int err = 0;

	clear(t);
	for (int id = 0; id < TABLE_MAX; id++) {
		t->fd[id] = open_pin(path, layout[id].name);
		if (t->fd[id] >= 0)
			continue;
		err = t->fd[id];
		/* Some of them is not none: a set that was never finished. */
		if (err == -ENOENT && id != TABLE_meta)
			err = -EPROTO;
		goto out;
	}
	t->stats_fd = open_pin(path, "tp_stats");
	t->kmod_stats_fd = open_pin(path, "tp_kmod_stats");
	err = t->stats_fd < 0 ? t->stats_fd : t->kmod_stats_fd < 0 ? t->kmod_stats_fd : 0;
	if (err) {
		err = err == -ENOENT ? -EPROTO : err;
		goto out;
	}
	err = map_all(t, writable ? PROT_READ | PROT_WRITE : PROT_READ);
out:
	if (err)
		tables_close(t);
	return err;
}

void tables_close(struct tables *t)
{
	unmap(t);
	for (int id = 0; id < TABLE_MAX; id++) {
		if (t->fd[id] >= 0)
			close(t->fd[id]);
	}
	if (t->stats_fd >= 0)
		close(t->stats_fd);
	if (t->kmod_stats_fd >= 0)
		close(t->kmod_stats_fd);
	clear(t);
}

int tables_stats(int fd, struct tp_count stats[TP_R_MAX])
{
	int cpus = libbpf_num_possible_cpus(), err = 0;
	struct tp_count *values;

	memset(stats, 0, sizeof(stats[0]) * TP_R_MAX);
	if (fd < 0)
		return 0;
	if (cpus < 0)
		return cpus;
	values = calloc((size_t)cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	for (uint32_t reason = 0; reason < TP_R_MAX; reason++) {
		if (bpf_map_lookup_elem(fd, &reason, values)) {
			err = -errno;
			break;
		}
		for (int cpu = 0; cpu < cpus; cpu++) {
			stats[reason].packets += values[cpu].packets;
			stats[reason].bytes += values[cpu].bytes;
		}
	}
	free(values);
	return err;
}
