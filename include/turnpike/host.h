/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What a host of the relay core (XDP program, module, daemon) supplies: struct
 * tp_host and the primitives below, with TP_HOST_API set to how it links them.
 */
#ifndef TURNPIKE_HOST_H
#define TURNPIKE_HOST_H

#include <linux/types.h>
#include <turnpike/tables.h>
#include <turnpike/word.h>

#ifndef TP_HOST_API
#define TP_HOST_API extern
#endif

struct tp_host;
/* The frame, from its Ethernet header; ask again after a change of head or tail. */
TP_HOST_API __u8 *tp_host_data(struct tp_host *host);
TP_HOST_API __u8 *tp_host_end(struct tp_host *host);
/* Make the head longer (or shorter: negative) for a packet of this family, which may be
 * another one than what came. 0, or not done. */
TP_HOST_API int tp_host_grow(struct tp_host *host, __s32 bytes, int family);
/* Cut bytes off the tail, or add some (of any value). 0, or not done. */
TP_HOST_API int tp_host_trim(struct tp_host *host, __u32 bytes);
TP_HOST_API int tp_host_extend(struct tp_host *host, __u32 bytes);
/* Table elements; NULL: there is no such one. */
TP_HOST_API __u32 tp_host_slots4(struct tp_host *host);	/* how many */
TP_HOST_API __u32 tp_host_slots6(struct tp_host *host);
TP_HOST_API struct tp_slot4 *tp_host_slot4(struct tp_host *host, __u32 index);
TP_HOST_API struct tp_slot6 *tp_host_slot6(struct tp_host *host, __u32 index);
#ifndef TP_HOST_ROUTED
TP_HOST_API struct tp_nexthop *tp_host_nexthop(struct tp_host *host, __u32 index);
#endif
TP_HOST_API struct tp_limit *tp_host_limit(struct tp_host *host, __u32 index);
TP_HOST_API void tp_host_seed(struct tp_host *host, __u64 seed[2]);
/* CLOCK_MONOTONIC, nanoseconds, a few milliseconds coarse. */
TP_HOST_API __u64 tp_host_now(struct tp_host *host);
#ifndef TP_HOST_ROUTED
/* Is this (as of tp_mac_at()) the receiving interface's address? 1 where that is not known. */
TP_HOST_API int tp_host_own_mac(struct tp_host *host, __u64 mac);
/* Prepare to send by this interface. 0, or it cannot be sent there. */
TP_HOST_API int tp_host_route(struct tp_host *host, __u32 ifindex);
/* Prepare to send by the interface that it came from; asked for with what answers in place. */
TP_HOST_API void tp_host_back(struct tp_host *host);
/* Index is below TP_STRANGER_HOSTS + TP_STRANGER_NETS. */
TP_HOST_API struct tp_stranger *tp_host_stranger(struct tp_host *host, __u32 index);
#else
/*
 * A host behind the kernel's receiving and before its sending half of IP (the module)
 * defines TP_HOST_ROUTED. Its packets begin with their IP header, which the kernel has
 * checked; routes and neighbours are the kernel's, and a row's next hop says no more than
 * that the peer is here (TP_HOP_HERE).
 */
struct tp_plan;
struct tp_row;
/* Prepare to send by the plan; with df not in fragments. TP_R_NONE, or why it cannot be. */
TP_HOST_API enum tp_reason tp_host_way(struct tp_host *host, const struct tp_plan *plan, int df);
/* Relayed by this row; len is of the application data. */
TP_HOST_API void tp_host_row_counted(struct tp_host *host, struct tp_row *row, __u32 len);
#endif
/* 32 bits that nobody outside can know beforehand. */
TP_HOST_API __u32 tp_host_random(struct tp_host *host);
/* TP_SCRATCH bytes that are this packet's alone: of any value at first, and the same ones
 * whenever they are asked for. NULL: none. */
struct tp_detour;
TP_HOST_API struct tp_detour *tp_host_scratch(struct tp_host *host);
/* tp_detour(), as a function of its own. */
TP_HOST_API enum tp_reason tp_host_detour(struct tp_host *host, int why);
/* A datagram of this family that no flow claims: tp_listener(), where the host wants it. */
TP_HOST_API enum tp_reason tp_host_unclaimed(struct tp_host *host, int in);
/* Not to be relayed for TP_R_MTU or TP_R_TTL, as the straight way found or a detour:
 * tp_error(), where the host wants it. That reason, where no error is sent. */
TP_HOST_API enum tp_reason tp_host_error(struct tp_host *host, int in, enum tp_reason reason,
					 int detoured);
TP_HOST_API void tp_host_count(struct tp_host *host, enum tp_reason reason, __u32 bytes);

/* What a reason means for the packet. */
#define TP_SENT(reason)		((reason) <= TP_R_TIME_EXCEEDED)
#define TP_DROPPED(reason)	((reason) >= TP_R_BAD_FRAME && (reason) <= TP_R_REWRITE)

/* Padding after the data of a ChannelData message over UDP that is dealt with
 * here (RFC 8656 section 12.5); more is the daemon's. */
#define TP_PAD_MAX	3

/* Application data of a packet that is relayed here; with headers it still is
 * below 2^15 bytes. No interface that this runs on takes more. */
#define TP_DATA_MAX	0x7f00

/* A function of its own: in BPF its stack frame is gone when it returns. */
#define TP_APART	static __attribute__((__noinline__, __unused__))

#endif
