/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What `turnpike trace` and the tracing forms of the XDP and the tc program agree on. */
#ifndef TURNPIKE_TRACE_H
#define TURNPIKE_TRACE_H

#include <linux/types.h>
#include <turnpike/tables.h>

/* Bytes of a frame that are kept: all headers up to a ChannelData header, and some data. */
#define TP_TRACE_HEAD	128

/* Reasons that a data path in the kernel counts; the rest are the daemon's. */
#define TP_TRACE_REASONS	TP_R_USER_TO_PEER

enum tp_trace_path { TP_TRACE_XDP, TP_TRACE_TC };

enum tp_trace_verdict { TP_TRACE_SENT, TP_TRACE_PASSED, TP_TRACE_DROPPED };

/* One end of what happens to a packet; what it has not got is 0. */
struct tp_trace_packet {
	struct tp_addr source, destination;
	__be16 channel;		/* of what looks like one ChannelData message */
	__u8   protocol;	/* of IP */
	__u8   zero;
};

struct tp_trace {
	__u64  time_ns;		/* CLOCK_MONOTONIC */
	__u32  ifindex;		/* where it came in */
	__u32  len;		/* the frame's, as it came */
	__u32  out_len;		/* and as it left */
	__u8   path;		/* enum tp_trace_path */
	__u8   verdict;		/* enum tp_trace_verdict */
	__u8   reason;		/* enum tp_reason */
	__u8   head_len;
	struct tp_trace_packet in;
	struct tp_trace_packet out;	/* of one that was sent */
	__u8   head[TP_TRACE_HEAD];	/* as it came; left off where nobody asked for it */
};

/* Which packets. An address of family 0 is any; so is its port 0. */
struct tp_trace_filter {
	struct tp_addr client, peer;
	__u64  reasons;		/* bit by enum tp_reason */
	__u32  sample;		/* one in so many, at random */
	__u32  heads;		/* tp_trace.head is wanted */
};

/* The one element of tp_trace_control, which the command maps into its memory. */
struct tp_trace_control {
	/* command */
	__u64  until_ns;	/* CLOCK_MONOTONIC: a lease; after it nothing is traced */
	struct tp_trace_filter filter;
	/* programs */
	__u64  lost;		/* found no room in tp_trace_events */
};

_Static_assert(sizeof(struct tp_trace_packet) == 44, "tp_trace_packet");
_Static_assert(sizeof(struct tp_trace) == 240, "tp_trace");
_Static_assert(TP_R_MAX <= 64, "tp_trace_filter.reasons");

#endif
