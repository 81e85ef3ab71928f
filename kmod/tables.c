// SPDX-License-Identifier: GPL-2.0
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "compat.h"
#include "fault.h"
#include "tables.h"

COMPAT_IMPORT_BPF;

static const struct {
	const char *name;
	enum bpf_map_type type;
	u32 value_size;
} layout[TURNPIKE_MAPS] = {
	[TURNPIKE_META] = { "tp_meta", BPF_MAP_TYPE_ARRAY, sizeof(struct tp_meta) },
	[TURNPIKE_ROWS4] = { "tp_rows4", BPF_MAP_TYPE_ARRAY, sizeof(struct tp_slot4) },
	[TURNPIKE_ROWS6] = { "tp_rows6", BPF_MAP_TYPE_ARRAY, sizeof(struct tp_slot6) },
	[TURNPIKE_LIMITS] = { "tp_limits", BPF_MAP_TYPE_ARRAY, sizeof(struct tp_limit) },
	[TURNPIKE_COUNTS] = { "tp_kmod_counts", BPF_MAP_TYPE_ARRAY,
			      sizeof(struct tp_kmod_count) },
	[TURNPIKE_STATS] = { "tp_kmod_stats", BPF_MAP_TYPE_PERCPU_ARRAY,
			     sizeof(struct tp_count) },
};

static int complain(struct turnpike_tables *given, int err, const char *name, const char *what)
{
	snprintf(given->why, sizeof(given->why), "%s: %s", name, what);
	return err;
}

/*
 * bpf_map_get() does not ask how the descriptor was opened, and this module writes. The file
 * is held meanwhile, so that it is the one that was looked at.
 */
static int take_map(struct tables *t, struct turnpike_tables *given, int i)
{
	struct file *file = fget(given->fd[i]);
	struct bpf_map *map;
	int err = -EBADF;

	if (!file)
		return complain(given, err, layout[i].name, "not a descriptor");
	map = bpf_map_get(given->fd[i]);
	if (IS_ERR(map)) {
		fput(file);
		return complain(given, err, layout[i].name, "not a descriptor of a BPF map");
	}
	if (file->private_data != map)
		err = complain(given, -EBADF, layout[i].name, "changed meanwhile");
	else if (!(file->f_mode & FMODE_CAN_WRITE) || (file->f_mode & FMODE_READ) == 0)
		err = complain(given, -EACCES, layout[i].name, "not open for reading and writing");
	else if (map->map_type != layout[i].type)
		err = complain(given, -EINVAL, layout[i].name, "a map of another type");
	else if (map->key_size != sizeof(u32) || map->value_size != layout[i].value_size)
		err = complain(given, -EINVAL, layout[i].name, "elements of another size");
	else
		err = 0;
	fput(file);
	if (err)
		bpf_map_put(map);
	else
		t->map[i] = map;
	return err;
}

static void *elements(const struct tables *t, int i)
{
	return container_of(t->map[i], struct bpf_array, map)->value;
}

/* Readers compare their index with what was checked here. */
static int check_sizes(struct tables *t, struct turnpike_tables *given)
{
	const struct tp_meta *there = elements(t, TURNPIKE_META);
	u32 rows4 = t->map[TURNPIKE_ROWS4]->max_entries;
	u32 rows6 = t->map[TURNPIKE_ROWS6]->max_entries;
	u32 version = READ_ONCE(there->abi_version);

	if (given->abi_version != TP_ABI_VERSION || version != TP_ABI_VERSION) {
		snprintf(given->why, sizeof(given->why),
			 "ABI version: the module has %u, the daemon %u, its tables %u",
			 TP_ABI_VERSION, given->abi_version, version);
		return -EPROTO;
	}
	/* a search begins where it has TP_PROBE slots before it */
	if (rows4 < TP_PROBE || rows4 != READ_ONCE(there->rows4))
		return complain(given, -EINVAL, "tp_rows4", "another size than tp_meta says");
	if (rows6 < TP_PROBE || rows6 != READ_ONCE(there->rows6))
		return complain(given, -EINVAL, "tp_rows6", "another size than tp_meta says");
	if (t->map[TURNPIKE_STATS]->max_entries != TP_R_MAX)
		return complain(given, -EINVAL, "tp_kmod_stats", "another number of reasons");
	t->n_rows4 = rows4;
	t->n_rows6 = rows6;
	t->seed[0] = READ_ONCE(there->hash_seed[0]);
	t->seed[1] = READ_ONCE(there->hash_seed[1]);
	return 0;
}

static int copy_ports(struct tables *t, struct turnpike_tables *given)
{
	u8 *bytes = fault_here() ? ERR_PTR(-ENOMEM) :
		memdup_user(u64_to_user_ptr(given->ports), TURNPIKE_PORT_BYTES);
	u32 port;

	if (IS_ERR(bytes))
		return complain(given, PTR_ERR(bytes), "ports", "not readable");
	for (port = 0; port < 8 * TURNPIKE_PORT_BYTES; port++) {
		if (bytes[port / 8] & (1 << port % 8))
			__set_bit((__force u16)htons(port), t->ports);
	}
	kfree(bytes);
	return 0;
}

struct tables *tables_take(struct turnpike_tables *given)
{
	struct tables *t = fault_here() ? NULL : kvzalloc(sizeof(*t), GFP_KERNEL);
	int err = 0, i;

	if (!t)
		return ERR_PTR(-ENOMEM);
	for (i = 0; i < TURNPIKE_MAPS && !err; i++)
		err = take_map(t, given, i);
	if (!err)
		err = check_sizes(t, given);
	if (!err)
		err = copy_ports(t, given);
	if (err) {
		tables_put(t);
		return ERR_PTR(err);
	}
	t->rows4 = elements(t, TURNPIKE_ROWS4);
	t->rows6 = elements(t, TURNPIKE_ROWS6);
	t->limits = elements(t, TURNPIKE_LIMITS);
	t->n_limits = t->map[TURNPIKE_LIMITS]->max_entries;
	t->counts = elements(t, TURNPIKE_COUNTS);
	t->n_counts = t->map[TURNPIKE_COUNTS]->max_entries;
	t->stats = container_of(t->map[TURNPIKE_STATS], struct bpf_array, map);
	return t;
}

void tables_put(struct tables *t)
{
	int i;

	if (!t)
		return;
	for (i = 0; i < TURNPIKE_MAPS; i++) {
		if (t->map[i])
			bpf_map_put(t->map[i]);
	}
	kvfree(t);
}
