// SPDX-License-Identifier: MIT
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "world.h"

#define TP_HOST_API	static inline
#include <turnpike/forward.h>
#include <turnpike/error.h>
#include <turnpike/listener.h>

/* The frame ends with its allocation, so that the sanitizer sees a read past it. */
struct tp_host {
	struct world *world;
	__u8 *buffer, *data, *end;
	__u8 *mac;
	int verdict;
	struct tp_count count[TP_R_MAX];
	__u64 scratch[TP_SCRATCH / 8];
};

static inline __u8 *tp_host_data(struct tp_host *host)
{
	return host->data;
}

static inline __u8 *tp_host_end(struct tp_host *host)
{
	return host->end;
}

static inline int tp_host_grow(struct tp_host *host, __s32 bytes, int family)
{
	(void)family;
	if (bytes > host->data - host->buffer || bytes < host->data - host->end)
		return -1;
	host->data -= bytes;
	return 0;
}

static inline int tp_host_trim(struct tp_host *host, __u32 bytes)
{
	if (bytes > tp_distance(host->data, host->end))
		return -1;
	host->end -= bytes;
	return 0;
}

static inline int tp_host_extend(struct tp_host *host, __u32 bytes)
{
	size_t head = (size_t)(host->data - host->buffer), len = tp_distance(host->data, host->end);

	if (bytes > host->world->tailroom)
		return -1;
	host->buffer = realloc(host->buffer, head + len + bytes);
	if (!host->buffer)
		abort();
	host->data = host->buffer + head;
	host->end = host->data + len + bytes;
	memset(host->end - bytes, 0xee, bytes);
	return 0;
}

static inline __u32 tp_host_slots4(struct tp_host *host)
{
	return host->world->tables.meta->rows4;
}

static inline __u32 tp_host_slots6(struct tp_host *host)
{
	return host->world->tables.meta->rows6;
}

static inline struct tp_slot4 *tp_host_slot4(struct tp_host *host, __u32 index)
{
	const struct tables *t = &host->world->tables;

	return index < t->meta->rows4 ? &t->rows4[index] : NULL;
}

static inline struct tp_slot6 *tp_host_slot6(struct tp_host *host, __u32 index)
{
	const struct tables *t = &host->world->tables;

	return index < t->meta->rows6 ? &t->rows6[index] : NULL;
}

static inline struct tp_nexthop *tp_host_nexthop(struct tp_host *host, __u32 index)
{
	const struct tables *t = &host->world->tables;

	return index < t->meta->nexthops ? &t->nexthops[index] : NULL;
}

static inline struct tp_limit *tp_host_limit(struct tp_host *host, __u32 index)
{
	const struct tables *t = &host->world->tables;

	return index < TP_LIMITS(t->meta->allocs) ? &t->limits[index] : NULL;
}

static inline void tp_host_seed(struct tp_host *host, __u64 seed[2])
{
	memcpy(seed, host->world->tables.meta->hash_seed, 2 * sizeof(seed[0]));
}

static inline __u64 tp_host_now(struct tp_host *host)
{
	(void)host;
	return world_now();
}

static inline int tp_host_own_mac(struct tp_host *host, __u64 mac)
{
	const __u8 *own = host->world->priv;

	return !memcmp(own, "\0\0\0\0\0", 6) || !memcmp(own, &mac, 6);
}

static inline int tp_host_route(struct tp_host *host, __u32 ifindex)
{
	host->verdict = ifindex == WORLD_HERE ? WORLD_TX : WORLD_REDIRECT;
	return ifindex != WORLD_HERE && ifindex != host->world->there;
}

static inline __u32 tp_host_random(struct tp_host *host)
{
	(void)host;
	return (__u32)rand();
}

static inline struct tp_detour *tp_host_scratch(struct tp_host *host)
{
	return (struct tp_detour *)host->scratch;
}

static inline struct tp_stranger *tp_host_stranger(struct tp_host *host, __u32 index)
{
	return &host->world->strangers[index];
}

static inline void tp_host_back(struct tp_host *host)
{
	host->verdict = WORLD_TX;
}

static inline enum tp_reason tp_host_error(struct tp_host *host, int in, enum tp_reason reason,
					   int detoured)
{
	return tp_error(host, in, reason, detoured);
}

static inline enum tp_reason tp_host_detour(struct tp_host *host, int why)
{
	return tp_detour(host, why);
}

static inline enum tp_reason tp_host_unclaimed(struct tp_host *host, int in)
{
	struct tp_listener_work work;

	return tp_listener(host, in, &work);
}

static inline void tp_host_count(struct tp_host *host, enum tp_reason reason, __u32 bytes)
{
	host->count[reason].packets++;
	host->count[reason].bytes += bytes;
}

static enum world_verdict run(struct world *world, const struct frame *in, struct frame *out,
			      enum tp_reason *reason)
{
	struct tp_host host = { .world = world };

	host.buffer = malloc(world->headroom + in->len);
	if (!host.buffer)
		abort();
	host.data = host.buffer + world->headroom;
	host.end = host.data + in->len;
	memcpy(host.data, in->b, in->len);
	memset(host.scratch, 0x5a, sizeof(host.scratch));
	*reason = tp_forward(&host);
	if (host.count[*reason].packets != 1 || host.count[*reason].bytes != in->len)
		abort();
	memset(out, 0, sizeof(*out));
	out->len = tp_distance(host.data, host.end);
	memcpy(out->b, host.data, out->len);
	free(host.buffer);
	if (TP_SENT(*reason))
		return (enum world_verdict)host.verdict;
	return TP_DROPPED(*reason) ? WORLD_DROP : WORLD_PASS;
}

static void set_own_mac(struct world *world, const uint8_t mac[6])
{
	memcpy(world->priv, mac, 6);
}

void world_forgive(struct world *world, const struct frame *in)
{
	struct tp_stranger none = { 0 };
	struct tp_flow flow = { 0 };
	__u32 index;
	int family;

	if (!world->tells || tp_parse(in->b, in->b + in->len, &flow, &family) != TP_R_NONE)
		return;
	index = tp_stranger_host(world->tables.meta->hash_seed, &flow, family);
	if (world->strangers)
		world->strangers[index].errors_ns = 0;
	else if (bpf_map_update_elem(world->strangers_fd, &index, &none, BPF_ANY))
		abort();
}

struct tp_meta world_sizes(void)
{
	struct tp_meta m = tables_sizes(64, 16);

	m.hash_seed[0] = 0x243f6a8885a308d3U;
	m.hash_seed[1] = 0x13198a2e03707344U;
	return m;
}

uint64_t world_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

int world_user(struct world *world)
{
	struct tp_meta sizes = world_sizes();
	int err;

	memset(world, 0, sizeof(*world));
	world->name = "user";
	world->tells = true;
	world->headroom = 256;
	world->tailroom = 64;
	world->there = 2;
	world->elsewhere = 99;
	world->run = run;
	world->set_own_mac = set_own_mac;
	world->priv = calloc(1, 8);
	world->strangers = calloc(TP_STRANGER_HOSTS + TP_STRANGER_NETS, sizeof(struct tp_stranger));
	if (!world->priv || !world->strangers)
		return -ENOMEM;
	err = tables_create(&world->tables, &sizes);
	if (err)
		return err;
	world->rows = rows_new(&world->tables);
	return world->rows ? 0 : -ENOMEM;
}

void world_close(struct world *world)
{
	rows_free(world->rows);
	tables_close(&world->tables);
	free(world->priv);
	free(world->strangers);
	world->priv = NULL;
	world->strangers = NULL;
}
