/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tables of include/turnpike/tables.h as BPF maps. The loader sets the
 * sizes and pins them, or gives the program those that are pinned already.
 */
#ifndef TURNPIKE_MAPS_BPF_H
#define TURNPIKE_MAPS_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <turnpike/tables.h>

/* An XDP program has seen, and counted, what reaches tc by this interface. */
#define TP_WAY_AFTER_XDP	1

/* An array that the daemon maps into its memory. */
#define TP_TABLE(name, element)					\
	struct {						\
		__uint(type, BPF_MAP_TYPE_ARRAY);		\
		__uint(map_flags, BPF_F_MMAPABLE);		\
		__uint(max_entries, 1);				\
		__type(key, __u32);				\
		__type(value, element);				\
	} name SEC(".maps")

TP_TABLE(tp_meta, struct tp_meta);
TP_TABLE(tp_rows4, struct tp_slot4);
TP_TABLE(tp_rows6, struct tp_slot6);
TP_TABLE(tp_nexthops, struct tp_nexthop);
TP_TABLE(tp_allocs, struct tp_alloc);
TP_TABLE(tp_bindings, struct tp_binding);
TP_TABLE(tp_limits, struct tp_limit);
TP_TABLE(tp_kmod_counts, struct tp_kmod_count);

/* by hash; read and written by the data path alone */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TP_STRANGER_HOSTS + TP_STRANGER_NETS);
	__type(key, __u32);
	__type(value, struct tp_stranger);
} tp_strangers SEC(".maps");

/* enum tp_reason -> what this CPU saw of it; written by the data path */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TP_R_MAX);
	__type(key, __u32);
	__type(value, struct tp_count);
} tp_stats SEC(".maps");

/* the same of the module's; here so that it is made and pinned with the others */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TP_R_MAX);
	__type(key, __u32);
	__type(value, struct tp_count);
} tp_kmod_stats SEC(".maps");

/* ifindex -> the same, for each interface that turnpike is attached to */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct bpf_devmap_val);
} tp_ports SEC(".maps");

/* ifindex -> TP_WAY_*: interfaces that the tc program may send by; written by the loader */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u32);
} tp_ways SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TP_MACS);
	__type(key, __u32);
	__type(value, struct tp_mac);
} tp_macs SEC(".maps");

/* what is worked out about a packet on a detour: more than a program's stack holds */
struct tp_scratch {
	__u64 words[TP_SCRATCH / 8];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tp_scratch);
} tp_scratch SEC(".maps");

#endif
