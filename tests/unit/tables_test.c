// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>
#include "dataplane/tables.h"

static struct tp_meta small(void)
{
	struct tp_meta sizes = tables_sizes(10, 10);

	sizes.rows6 = 128;
	return sizes;
}

static void sizes_hold_what_was_asked_for(void **state)
{
	static const uint32_t flows[] = { 0, 1, 100, 65536, 100000, 10000000, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(flows) / sizeof(flows[0]); i++) {
		struct tp_meta m = tables_sizes(flows[i], flows[i]);

		assert_int_equal(m.abi_version, TP_ABI_VERSION);
		assert_true(m.rows4 >= TP_PROBE && m.rows6 >= TP_PROBE);
		assert_true(m.nexthops > 1 && m.nexthops <= 65536);
		assert_true(m.allocs > 0);
		assert_true(m.bindings >= m.allocs);
		if (flows[i] > 100000)		/* more than fits into memory is cut */
			continue;
		/* a flow's two and an allocation's four rows, and as many slots free */
		assert_true(m.rows4 >= 12 * flows[i] && m.rows6 >= 12 * flows[i]);
		assert_true(m.allocs >= flows[i]);
	}
	assert_int_not_equal(tables_sizes(1, 1).hash_seed[0], tables_sizes(1, 1).hash_seed[0]);
}

static void tables_are_zeroed_writable_and_say_their_sizes(void **state)
{
	struct tp_meta sizes = small();
	struct tables t;

	(void)state;
	assert_int_equal(tables_create(&t, &sizes), 0);
	assert_false(t.kernel);
	assert_int_equal(t.stats_fd, -1);
	assert_memory_equal(t.meta, &sizes, sizeof(sizes));
	for (uint32_t i = 0; i < sizes.rows4; i++)
		assert_int_equal(t.rows4[i].row.kind, TP_ROW_FREE);
	t.rows4[sizes.rows4 - 1].row.seq = 2;
	t.rows6[sizes.rows6 - 1].row.seq = 2;
	t.nexthops[sizes.nexthops - 1].seq = 2;
	t.allocs[sizes.allocs - 1].state = 2;
	t.bindings[sizes.bindings - 1].state = 2;
	tables_close(&t);
	assert_null(t.meta);
	assert_int_equal(t.fd[TABLE_meta], -1);
}

/* What the relay process does with the descriptors it inherits. */
static void inherit(struct tables *to, const struct tables *from)
{
	memset(to, 0, sizeof(*to));
	to->stats_fd = to->kmod_stats_fd = -1;
	for (int id = 0; id < TABLE_MAX; id++)
		to->fd[id] = from->fd[id] < 0 ? -1 : dup(from->fd[id]);
}

static void another_mapping_shows_the_same(void **state)
{
	struct tp_meta sizes = small();
	struct tables t, u;

	(void)state;
	assert_int_equal(tables_create(&t, &sizes), 0);
	inherit(&u, &t);
	assert_int_equal(tables_map(&u), 0);
	t.allocs[3].worker = 7;
	assert_int_equal(u.allocs[3].worker, 7);
	u.rows6[5].row.alloc = 9;
	assert_int_equal(t.rows6[5].row.alloc, 9);
	tables_close(&u);

	inherit(&u, &t);
	close(u.fd[TABLE_rows4]);
	close(u.fd[TABLE_rows6]);
	u.fd[TABLE_rows4] = u.fd[TABLE_rows6] = -1;
	assert_int_equal(tables_map(&u), 0);
	assert_null(u.rows4);
	assert_null(u.rows6);
	assert_non_null(u.bindings);
	tables_close(&u);
	tables_close(&t);
}

static void a_reader_maps_read_only(void **state)
{
	struct tp_meta sizes = small();
	struct tables t, u;
	char path[64];

	(void)state;
	assert_int_equal(tables_create(&t, &sizes), 0);
	inherit(&u, &t);
	for (int id = 0; id < TABLE_MAX; id++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", t.fd[id]);
		close(u.fd[id]);
		u.fd[id] = open(path, O_RDONLY | O_CLOEXEC);
		assert_true(u.fd[id] >= 0);
	}
	assert_int_equal(tables_map(&u), 0);
	assert_int_equal(u.meta->allocs, sizes.allocs);
	/* Still read only when somebody asks for more. */
	assert_int_equal(mprotect(u.meta, 4096, PROT_READ | PROT_WRITE), -1);
	tables_close(&u);
	tables_close(&t);
}

static void wrong_tables_are_refused(void **state)
{
	struct tp_meta sizes = small();
	struct tables t, u;
	uint32_t was;

	(void)state;
	assert_int_equal(tables_create(&t, &sizes), 0);

#define REFUSED(what, value)	do {				\
		was = t.meta->what;				\
		t.meta->what = (value);				\
		inherit(&u, &t);				\
		assert_int_equal(tables_map(&u), -EPROTO);	\
		assert_null(u.meta);				\
		tables_close(&u);				\
		t.meta->what = was;				\
	} while (0)
	REFUSED(abi_version, TP_ABI_VERSION + 1);
	REFUSED(rows4, sizes.rows4 * 2);
	REFUSED(rows4, sizes.rows4 - 32);
	REFUSED(rows6, 0);
	REFUSED(nexthops, 1000000);
	REFUSED(allocs, sizes.allocs * 100);
	REFUSED(bindings, 0);
#undef REFUSED

	inherit(&u, &t);
	close(u.fd[TABLE_allocs]);
	u.fd[TABLE_allocs] = -1;
	assert_int_equal(tables_map(&u), -EPROTO);
	tables_close(&u);
	/* Something else altogether. */
	inherit(&u, &t);
	close(u.fd[TABLE_bindings]);
	u.fd[TABLE_bindings] = open("/dev/null", O_RDWR);
	assert_int_equal(tables_map(&u), -EPROTO);
	tables_close(&u);
	tables_close(&t);

	sizes.rows4 = TP_PROBE - 1;
	assert_int_equal(tables_create(&t, &sizes), -EINVAL);
}

static void nobody_can_cut_a_table_under_another(void **state)
{
	struct tp_meta sizes = small();
	struct tables t;

	(void)state;
	assert_int_equal(tables_create(&t, &sizes), 0);
	for (int id = 0; id < TABLE_MAX; id++) {
		assert_int_equal(ftruncate(t.fd[id], 0), -1);
		assert_int_equal(errno, EPERM);
		assert_int_equal(ftruncate(t.fd[id], 1 << 30), -1);
	}
	tables_close(&t);
}

static void no_statistics_are_zeros(void **state)
{
	struct tp_count stats[TP_R_MAX], zero[TP_R_MAX] = { 0 };
	struct tp_meta sizes = small();
	struct tables t;

	(void)state;
	assert_int_equal(tables_create(&t, &sizes), 0);
	memset(stats, 0xff, sizeof(stats));
	assert_int_equal(tables_stats(t.stats_fd, stats), 0);
	assert_memory_equal(stats, zero, sizeof(zero));
	tables_close(&t);
}

static void a_directory_without_pins_is_not_there(void **state)
{
	struct tables t;

	(void)state;
	assert_int_equal(tables_open_pinned(&t, "/nowhere/at/all", false), -ENOENT);
	assert_int_equal(t.fd[TABLE_meta], -1);
}

/* ------------------------------------------------------------ BPF arrays */

#define PINS	"/tmp"		/* in this program's own mount namespace, under a bpffs */

static int make_pin(const char *name, enum bpf_map_type type, uint32_t size, uint32_t entries)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts,
		    .map_flags = type == BPF_MAP_TYPE_ARRAY ? BPF_F_MMAPABLE : 0);
	char path[64];
	int fd = bpf_map_create(type, name, sizeof(uint32_t), size, entries, &opts);

	snprintf(path, sizeof(path), PINS "/%s", name);
	if (fd >= 0 && bpf_obj_pin(fd, path)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void make_pins(const struct tp_meta *m)
{
	uint32_t zero = 0;
	int meta = make_pin("tp_meta", BPF_MAP_TYPE_ARRAY, sizeof(*m), 1);

	assert_true(meta >= 0);
	assert_int_equal(bpf_map_update_elem(meta, &zero, m, BPF_ANY), 0);
	close(meta);
#define PIN(name, type, entries) \
	assert_int_equal(close(make_pin(name, BPF_MAP_TYPE_ARRAY, sizeof(type), entries)), 0)
	PIN("tp_rows4", struct tp_slot4, m->rows4);
	PIN("tp_rows6", struct tp_slot6, m->rows6);
	PIN("tp_nexthops", struct tp_nexthop, m->nexthops);
	PIN("tp_allocs", struct tp_alloc, m->allocs);
	PIN("tp_bindings", struct tp_binding, m->bindings);
	PIN("tp_limits", struct tp_limit, TP_LIMITS(m->allocs));
	PIN("tp_kmod_counts", struct tp_kmod_count, m->allocs);
#undef PIN
}

static int set_up_pins(void **state)
{
	static bool there = true;
	struct tp_meta sizes = small();

	*state = NULL;
	if (geteuid() || unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return 0;
	if (mount("bpf", PINS, "bpf", 0, NULL))
		return 0;
	make_pins(&sizes);
	*state = &there;
	return 0;
}

static int take_down_pins(void **state)
{
	return *state && umount(PINS) ? -1 : 0;
}

/* By what the kernel says of the mapping. */
static bool may_write(const void *at)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long from, to;
	char line[512], mode[5] = "";

	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) == 3 &&
		    from <= (uintptr_t)at && (uintptr_t)at < to)
			break;
	}
	fclose(maps);
	return mode[1] == 'w';
}

static void pinned_arrays_are_mapped_and_counters_summed(void **state)
{
	int cpus = libbpf_num_possible_cpus(), stats_fd, kmod_fd;
	struct tp_count stats[TP_R_MAX], *values;
	uint32_t reason = TP_R_EXPIRED, last;
	struct tp_alloc alloc;
	struct tables t, u;

	if (!*state)
		skip();
	/* Without the counters the set is not whole. */
	assert_int_equal(tables_open_pinned(&t, PINS, true), -EPROTO);
	stats_fd = make_pin("tp_stats", BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(struct tp_count),
			    TP_R_MAX);
	assert_true(stats_fd >= 0);
	assert_int_equal(tables_open_pinned(&t, PINS, true), -EPROTO);
	kmod_fd = make_pin("tp_kmod_stats", BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(struct tp_count),
			   TP_R_MAX);
	assert_true(kmod_fd >= 0);
	assert_int_equal(tables_open_pinned(&t, PINS, true), 0);
	assert_true(t.kernel);
	last = t.meta->allocs - 1;
	t.allocs[last].worker = 77;
	assert_int_equal(bpf_map_lookup_elem(t.fd[TABLE_allocs], &last, &alloc), 0);
	assert_int_equal(alloc.worker, 77);

	values = calloc((size_t)cpus, sizeof(*values));
	for (int i = 0; i < cpus; i++)
		values[i] = (struct tp_count){ (uint64_t)i + 1, 100 * ((uint64_t)i + 1) };
	assert_int_equal(bpf_map_update_elem(stats_fd, &reason, values, BPF_ANY), 0);
	free(values);
	assert_int_equal(tables_open_pinned(&u, PINS, false), 0);
	assert_int_equal(tables_stats(u.stats_fd, stats), 0);
	assert_int_equal(stats[TP_R_EXPIRED].packets, cpus * (cpus + 1) / 2);
	assert_int_equal(stats[TP_R_EXPIRED].bytes, 100 * cpus * (cpus + 1) / 2);
	assert_int_equal(stats[TP_R_NO_ROW].packets, 0);
	assert_int_equal(u.allocs[last].worker, 77);
	assert_false(may_write(u.allocs));
	assert_true(may_write(t.allocs));
	tables_close(&u);

	/* The relay process: descriptors and no privilege. */
	inherit(&u, &t);
	u.stats_fd = dup(t.stats_fd);
	assert_int_equal(seteuid(65534), 0);
	assert_int_equal(tables_map(&u), 0);
	assert_true(u.kernel);
	u.allocs[last].worker = 78;
	assert_int_equal(tables_stats(u.stats_fd, stats), 0);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(stats[TP_R_EXPIRED].packets, cpus * (cpus + 1) / 2);
	assert_int_equal(t.allocs[last].worker, 78);
	tables_close(&u);
	tables_close(&t);
	close(stats_fd);
	close(kmod_fd);
}

static void pinned_arrays_of_another_kind_are_refused(void **state)
{
	struct tp_meta sizes = small();
	struct tables t;

	if (!*state)
		skip();
	assert_true(make_pin("tp_stats", BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(struct tp_count),
			     TP_R_MAX) >= 0);
	assert_true(make_pin("tp_kmod_stats", BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(struct tp_count),
			     TP_R_MAX) >= 0);
	assert_int_equal(unlink(PINS "/tp_rows6"), 0);
	assert_int_equal(tables_open_pinned(&t, PINS, true), -EPROTO);
	assert_true(make_pin("tp_rows6", BPF_MAP_TYPE_ARRAY, 128, sizes.rows6 * 2) >= 0);
	assert_int_equal(tables_open_pinned(&t, PINS, true), -EPROTO);
	unlink(PINS "/tp_rows6");
	assert_true(make_pin("tp_rows6", BPF_MAP_TYPE_ARRAY, 120, sizes.rows6) >= 0);
	assert_int_equal(tables_open_pinned(&t, PINS, true), -EPROTO);
	unlink(PINS "/tp_rows6");
	assert_true(make_pin("tp_rows6", BPF_MAP_TYPE_ARRAY, 128, sizes.rows6) >= 0);
	assert_int_equal(tables_open_pinned(&t, PINS, true), 0);
	t.meta->abi_version++;
	tables_close(&t);
	assert_int_equal(tables_open_pinned(&t, PINS, true), -EPROTO);
	unlink(PINS "/tp_meta");
	assert_int_equal(tables_open_pinned(&t, PINS, true), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_hold_what_was_asked_for),
		cmocka_unit_test(tables_are_zeroed_writable_and_say_their_sizes),
		cmocka_unit_test(another_mapping_shows_the_same),
		cmocka_unit_test(a_reader_maps_read_only),
		cmocka_unit_test(wrong_tables_are_refused),
		cmocka_unit_test(nobody_can_cut_a_table_under_another),
		cmocka_unit_test(no_statistics_are_zeros),
		cmocka_unit_test(a_directory_without_pins_is_not_there),
		cmocka_unit_test_setup_teardown(pinned_arrays_are_mapped_and_counters_summed,
						set_up_pins, take_down_pins),
		cmocka_unit_test_setup_teardown(pinned_arrays_of_another_kind_are_refused,
						set_up_pins, take_down_pins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
