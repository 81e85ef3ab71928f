// SPDX-License-Identifier: MIT
/*
 * Swaps a running daemon's XDP program on one interface for one that has the IPv4 rows in a
 * kernel hash map (layout.bpf.c), and back.
 *   layout PINS INTERFACE
 * Copies the rows as they are at the start, and says "ready". Then each line of input names
 * the layout to use, and is answered by itself: table (the daemon's own program), prealloc
 * or malloc (the hash map's elements made beforehand, or allocated one by one). At the end
 * of input the daemon's program is put back.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "dataplane/tables.h"
#include "die.h"
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"	/* in what bpftool generates */
#include "bench/layout.skel.h"
#pragma GCC diagnostic pop

/* -1 where it is not there. */
static int pin(const char *dir, const char *prefix, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s%s", dir, prefix, name);
	return bpf_obj_get(path);
}

static void fill(int map, const struct tables *t)
{
	for (__u32 i = 0; i < t->meta->rows4; i++) {
		const struct tp_slot4 *slot = &t->rows4[i];

		if (slot->row.kind <= TP_ROW_DEAD)
			continue;
		if (bpf_map_update_elem(map, &slot->key, &slot->row, BPF_ANY))
			die("row %u: %s", i, strerror(errno));
	}
}

/* The daemon's tables and constants, as its loader gives them to its own program. */
static int load(const char *dir, const struct tables *t, __u32 flags)
{
	struct layout_bpf *skel = layout_bpf__open();
	struct bpf_map *map;

	if (!skel)
		die("open: %s", strerror(errno));
	bpf_object__for_each_map(map, skel->obj) {
		const char *name = bpf_map__name(map);
		int fd = strncmp(name, "tp_", 3) ? -1 : pin(dir, "", name);

		if (fd >= 0 && bpf_map__reuse_fd(map, fd))
			die("%s: %s", name, strerror(errno));
	}
	memcpy((void *)skel->rodata->tp_seed, t->meta->hash_seed, sizeof(t->meta->hash_seed));
	skel->rodata->tp_slots4 = t->meta->rows4;
	skel->rodata->tp_slots6 = t->meta->rows6;
	/* half of the table's slots are free */
	if (bpf_map__set_max_entries(skel->maps.bench_rows, t->meta->rows4 / 2) ||
	    bpf_map__set_map_flags(skel->maps.bench_rows, flags) || layout_bpf__load(skel))
		die("load: %s", strerror(errno));
	fill(bpf_map__fd(skel->maps.bench_rows), t);
	return bpf_program__fd(skel->progs.turnpike_xdp);
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "table", "prealloc", "malloc" };
	struct tables t;
	char line[32];
	int link, progs[3];

	if (argc != 3)
		die("PINS INTERFACE");
	link = pin(argv[1], "link_", argv[2]);
	progs[0] = pin(argv[1], "", "prog");
	if (link < 0 || progs[0] < 0 || tables_open_pinned(&t, argv[1], false))
		die("%s: no tables, or not attached to %s", argv[1], argv[2]);
	progs[1] = load(argv[1], &t, 0);
	progs[2] = load(argv[1], &t, BPF_F_NO_PREALLOC);
	setlinebuf(stdout);
	puts("ready");
	while (fgets(line, sizeof(line), stdin)) {
		size_t i = 0;

		line[strcspn(line, "\n")] = '\0';
		while (i < 3 && strcmp(names[i], line))
			i++;
		if (i == 3 || bpf_link_update(link, progs[i], NULL))
			die("%s: %s", line, i == 3 ? "no such layout" : strerror(errno));
		puts(line);
	}
	if (bpf_link_update(link, progs[0], NULL))
		die("back: %s", strerror(errno));
	return EXIT_SUCCESS;
}
