/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The contract between the daemon and the data paths: keys, rows, next hops,
 * counters, reasons and the journal. Every table is an array that the daemon
 * maps into its memory, so writing a row costs no system call and a daemon that
 * starts again finds everything where its predecessor left it.
 *
 * Addresses and ports are in network byte order. Times are CLOCK_MONOTONIC
 * nanoseconds (what bpf_ktime_get_coarse_ns() reads, a few milliseconds coarser).
 * Each field has one writer, named on its section:
 *   control    the daemon
 *   data       the data path that relays the packet (XDP, tc, module)
 */
#ifndef TURNPIKE_TABLES_H
#define TURNPIKE_TABLES_H

#include <linux/types.h>

/* Raised with every change of meaning or layout; tp_meta carries it, and a
 * program refuses tables of another version. */
#define TP_ABI_VERSION	9

/* ------------------------------------------------------------- addresses */

/* A transport address, or none (family 0). An IPv4 address is in ip[0..3]. */
struct tp_addr {
	__u8   family;		/* 0 none, 4, 6 */
	__u8   zero;
	__be16 port;
	__u8   ip[16];
};

/* ------------------------------------------------------------------ rows */

/*
 * What arrived: the datagram's own addresses and ports, and the channel number
 * where it carries one (0 where not), or one of enum tp_key_kind. Unused bytes are
 * zero: the whole key is hashed and compared.
 */
struct tp_key4 {
	__u8   saddr[4];
	__u8   daddr[4];
	__be16 sport;
	__be16 dport;
	__be16 channel;
	__u16  zero;
} __attribute__((aligned(8)));

struct tp_key6 {
	__u8   saddr[16];
	__u8   daddr[16];
	__be16 sport;
	__be16 dport;
	__be16 channel;
	__u16  zero;
} __attribute__((aligned(8)));

/* In the place of a channel number, which is 0x4000 at least. */
enum tp_key_kind {
	TP_KEY_PERMISSION = 1,	/* source: the peer's IP, port 0; destination: relayed address */
	TP_KEY_RELAYED,		/* source: zeros; destination: relayed address */
	TP_KEY_ALIAS,		/* source: an external IP of this host; all else zeros */
	TP_KEY_SEND4,		/* client to server, Send indication to an IPv4 peer */
	TP_KEY_SEND6 = 6,
};

enum tp_row_kind {
	TP_ROW_FREE = 0,	/* never used since the last sweep: a search ends here */
	TP_ROW_DEAD,		/* deleted: a search goes on, an insert may take it */
	TP_ROW_TO_PEER,		/* ChannelData from the client: strip, send to the peer */
	TP_ROW_TO_CLIENT,	/* datagram from the peer: add the header, send to the client */
	TP_ROW_SEND,		/* Send indication; out_s* is the relayed address, out_d* the same
				 * as other clients of this host know it (external-ip) */
	TP_ROW_PERMISSION,	/* datagram from this peer's IP: Data indication to the client;
				 * nexthop_up is the way to the peer */
	TP_ROW_RELAYED,		/* a relayed address: without a permission nothing gets in */
	TP_ROW_ALIAS,		/* out_s* is the address that is bound */
	TP_ROW_LISTENER,	/* one of the server's addresses: key without source or channel */
	TP_ROW_KINDS
};

/* tp_row.flags */
#define TP_ROW_BINDING		1	/* LISTENER: answer Binding requests */
#define TP_ROW_FINGERPRINT	2	/* LISTENER: always with FINGERPRINT */
#define TP_ROW_LIMITED		4	/* relaying: tp_limits has something to say of it */
#define TP_ROW_OUT6		8	/* what leaves is IPv6 */

/* What a TP_ROW_LISTENER says instead of outgoing addresses. */
#define TP_LISTENER_PORTS	6

struct tp_row_listener {
	__u32  request_ns;	/* between a stranger's requests; 0: no limit */
	__be16 port[TP_LISTENER_PORTS];	/* all that the server listens on; 0: none */
	__u8   zero[16];
};

/* Next hop: the peer is a relayed address of this host. The packet that would leave is
 * looked up as one that arrives, and never seen by anybody. */
#define TP_HOP_HERE		0xffff

/* Next hop of a TP_ROW_PERMISSION: the client is not on plain UDP, or behind a proxy, and
 * served by the daemon alone. */
#define TP_HOP_DAEMON		0xfffe

/* Next hop of a TP_ROW_RELAYED: some permission found no room in the table, so that not
 * finding one means nothing. */
#define TP_RELAYED_OPEN		1

/*
 * What to do with it. A row is valid while its seq is even and has not changed
 * between the first and the last read (see rows.h), and until expires_ns.
 */
struct tp_row {
	/* control */
	__u32  seq;		/* odd while the slot is being written */
	__u8   kind;		/* enum tp_row_kind */
	__u8   flags;		/* TP_ROW_* bits */
	__u16  nexthop;		/* index into tp_nexthops, or TP_HOP_*; 0 is never valid */
	__u64  expires_ns;	/* the lease */
	__u16  csum_delta;	/* checksum.h: what the rewrite adds to the UDP checksum */
	__be16 out_channel;	/* TO_CLIENT: the number to write; else 0 */
	__be16 out_sport;
	__be16 out_dport;
	struct {
		__u8 saddr[4];
		__u8 daddr[4];
	} out4;			/* without TP_ROW_OUT6 */
	/* data */
	__u64  packets;		/* relayed by this row */
	__u64  bytes;		/* application data, without the channel header */
	__u16  kmod_packets;	/* by the module, for identifications; counted by allocation */
	/* control */
	__u16  nexthop_up;	/* PERMISSION: index into tp_nexthops, or TP_HOP_HERE */
	__u32  alloc;		/* index into tp_allocs */
	union {
		struct tp_row_listener listener;	/* with TP_ROW_OUT6, whatever its own */
		struct {
			__u8 saddr[16];
			__u8 daddr[16];
		} out6;		/* with TP_ROW_OUT6 */
	};
};

/* Two adjacent cache lines. What relaying from IPv4 to IPv4 reads and writes is in the
 * first one: with many flows, lines are what a packet costs. */
struct tp_slot4 {
	struct tp_key4 key;
	struct tp_row  row;
	__u8   pad[24];
} __attribute__((aligned(8)));

struct tp_slot6 {
	struct tp_key6 key;
	struct tp_row  row;
} __attribute__((aligned(8)));

/* An open-addressed table of any size from TP_PROBE on: a key lives in one of the
 * TP_PROBE slots from tp_row_first() of its hash on, which is never too near the end. */
#define TP_PROBE	32

/* ------------------------------------------------------------- next hops */

/* Where a relayed packet goes on layer 2. Rows name it by index. */
struct tp_nexthop {
	/* control */
	__u32  seq;		/* odd while being written */
	__u32  ifindex;		/* 0: not known now, pass the packet up */
	__u8   dmac[6];
	__u8   smac[6];
	__u16  mtu;		/* largest IP packet, bytes */
	__be16 vlan_tci;	/* 0: untagged */
	/* control sets, data clears; not under seq. The kernel's neighbour entry has gone
	 * stale: one packet passes up, so that the daemon's sending makes the kernel ask. */
	__u32  poke;
	__u32  spare;
};

/* tp_macs: the MAC address of each interface that the program is attached to, at
 * the low bits of its ifindex. Where two meet, the second one's is not checked. */
#define TP_MACS		256

struct tp_mac {
	/* control */
	__u32 ifindex;		/* 0: none */
	__u32 zero;
	__u8  mac[8];		/* 6 bytes and two zeros */
} __attribute__((aligned(8)));

/* -------------------------------------------------------------- strangers */

/*
 * tp_strangers: how much was lately asked by clients that have not proved who they
 * are, by a secret hash of address and network. A fixed array: nothing is kept for a
 * stranger, and two that meet in one element share what it allows.
 */
#define TP_STRANGER_HOSTS	65536	/* elements for IPv4 addresses and IPv6 /64s */
#define TP_STRANGER_NETS	16384	/* behind them, for IPv4 /24s and IPv6 /48s */

struct tp_stranger {
	/* data; buckets as in limit.h */
	__u64  requests_ns;
	__u64  bindings_ns;	/* Binding requests have one of their own */
	__u64  errors_ns;	/* ICMP errors sent to there; addresses only */
};

/* ---------------------------------------------------------------- limits */

/*
 * How much an allocation, or all of a user's, may relay; each direction by itself.
 * tp_limits has those of allocations at their indexes, behind them as many for users,
 * and one more that allocations without an index share.
 */
#define TP_LIMIT_SHIFT	16
#define TP_LIMITS(allocs)	(2 * (allocs) + 1)

struct tp_limit {
	/* control; prices are ns << TP_LIMIT_SHIFT, 0: no limit */
	__u64  byte_price;	/* of a byte of application data */
	__u64  packet_price;
	__u32  user;		/* index of the user's limit; 0: none */
	__u32  zero;
	__u64  spare;
	/* data, and the daemon where it relays; buckets as in limit.h, client to peer first */
	__u64  bytes_ns[2];
	__u64  packets_ns[2];
} __attribute__((aligned(8)));

/* --------------------------------------------------------------- journal */

/* An allocation, as the daemon keeps it for its successor and as `turnpike
 * allocations` reads it. Slots are claimed by one worker and written by it. */
enum tp_alloc_state {
	TP_ALLOC_FREE = 0,
	TP_ALLOC_CLAIMED,	/* being written: not to be read */
	TP_ALLOC_LIVE,
};

#define TP_USER_SHOWN	64	/* bytes of a username kept for showing, with NUL */

/* Packets and bytes of application data in one direction by one path. */
struct tp_count {
	__u64 packets;
	__u64 bytes;
};

/* tp_kmod_counts: what the module has relayed, by index of the allocation. */
struct tp_kmod_count {
	/* data; zeroed by control when the allocation's slot is claimed */
	struct tp_count up;	/* client to peer */
	struct tp_count down;
};

struct tp_alloc {
	/* control */
	__u32  state;		/* enum tp_alloc_state */
	__u32  generation;	/* changes whenever the slot is claimed */
	__u64  created_ns;
	__u64  expires_ns[2];	/* [0] IPv4, [1] IPv6 relayed address; 0 = none */
	struct tp_addr client;
	struct tp_addr server;
	struct tp_addr relayed[2];	/* bound locally; [0] IPv4, [1] IPv6 */
	__u8   txid[12];	/* of the Allocate that made it (RFC 8656 section 7.2) */
	__u8   transport;	/* of the client's leg: IPPROTO_UDP or IPPROTO_TCP; with 0x80
				 * inside DTLS or TLS, with 0x40 closed, a mobile client's */
	__u8   tcp;		/* it relays TCP connections (RFC 6062), not datagrams */
	__u16  worker;
	__u8   user_id[32];	/* RFC 8489 section 14.4: SHA-256(username ":" realm) */
	char   user[TP_USER_SHOWN];
	struct tp_count slow_up;	/* client to peer, relayed by the daemon */
	struct tp_count slow_down;	/* peer to client, relayed by the daemon */
	struct tp_count fast_up;	/* of rows that are gone; live rows add theirs */
	struct tp_count fast_down;
	__u64  max_bps;		/* its part of bps-capacity, bytes/s; 0: no limit */
	__u32  row_send[2];	/* slot + 1 in the table of the client's family, 0 none; by the
				 * family of the relayed address, as the next one */
	__u32  row_relayed[2];	/* slot + 1 in the table of that family */
	__u8   open[2];		/* TP_RELAYED_OPEN for good */
	__u16  connections;	/* with peers, of those that are relayed by TCP */
	__u32  ticket;		/* RFC 8016: how often its client got one; 0: never */
	struct tp_addr proxy;	/* that passes on the client's datagrams; family 0: none */
	__u32  zero;
} __attribute__((aligned(8)));

/* A permission, and the channel bound to one of its peers if there is one. */
struct tp_binding {
	/* control */
	__u32  state;		/* enum tp_alloc_state */
	__u32  alloc;		/* index into tp_allocs */
	__u32  generation;	/* of that allocation: an older one is garbage */
	__be16 channel;		/* 0: a permission (peer.port is 0 then) */
	__u16  zero;
	__u64  expires_ns;	/* of the channel, or of the permission */
	struct tp_addr peer;
	__u32  row_up;		/* slot + 1 in the table of the client's family, 0 none */
	__u32  row_down;	/* slot + 1 in the table of the peer's family, 0 none; of a
				 * permission both directions' */
	__u32  zero2;
};

/* One entry of tp_meta: what the tables of this pin directory are. */
struct tp_meta {
	__u32 abi_version;
	__u32 rows4, rows6;		/* slots */
	__u32 nexthops, allocs, bindings;
	__u64 hash_seed[2];
	__u64 started_ns;
};

/* ---------------------------------------------------------------- reasons */

/*
 * Every packet that a data path sees is counted once, under one of these. The
 * list makes the enum, the words of the command line, the metric labels and
 * the tests' expectations: X(identifier, word, what it means).
 */
#define TP_REASONS(X) \
	X(TO_PEER,	"to_peer",	"relayed to the peer") \
	X(TO_CLIENT,	"to_client",	"relayed to the client") \
	X(HAIRPIN,	"hairpin",	"relayed from a client to a client of this host") \
	X(BINDING,	"binding",	"Binding request answered in place") \
	X(TOO_BIG,	"too_big",	"answered with ICMP: too large for the way out") \
	X(TIME_EXCEEDED, "time_exceeded", "answered with ICMP: TTL used up") \
	X(OTHER_MAC,	"other_mac",	"passed up: not to this interface's own MAC address") \
	X(NOT_UDP,	"not_udp",	"passed up: not UDP over IPv4 or IPv6") \
	X(FRAGMENT,	"fragment",	"passed up: IP fragment") \
	X(OPTIONS,	"options",	"passed up: IP options or extension headers") \
	X(NO_ROW,	"no_row",	"passed up: no flow of ours") \
	X(EXPIRED,	"expired",	"passed up: the row's lease is over") \
	X(BUSY,		"busy",		"passed up: the row changed while it was read") \
	X(NO_NEXTHOP,	"no_nexthop",	"passed up: next hop not known") \
	X(POKE,		"poke",		"passed up: the kernel is to ask for the neighbour") \
	X(MTU,		"mtu",		"passed up: larger than the way out takes") \
	X(TRAILING,	"trailing",	"passed up: more than 3 bytes after the ChannelData") \
	X(NO_CHECKSUM,	"no_checksum",	"passed up: no UDP checksum, or none yet") \
	X(HEADROOM,	"headroom",	"passed up: no room to grow head or tail") \
	X(SEND_FORM,	"send_form",	"passed up: Send indication with unusual attributes") \
	X(STREAM,	"stream",	"passed up: to a client on a stream, DTLS or a proxy") \
	X(BAD_FRAME,	"bad_frame",	"dropped: malformed Ethernet, IP or UDP header") \
	X(BAD_CHANNEL,	"bad_channel",	"dropped: ChannelData longer than its datagram") \
	X(STRANGER,	"stranger",	"dropped: too many requests without credentials") \
	X(UNASKED,	"unasked",	"dropped: STUN answer, to a server that asked nothing") \
	X(LIMIT,	"limit",	"dropped: above the limit of the allocation or its user") \
	X(TTL,		"ttl",		"dropped: TTL used up") \
	X(REFUSED,	"refused",	"dropped: peer without permission") \
	X(REWRITE,	"rewrite",	"dropped: rewrite failed half way") \
	/* the daemon */ \
	X(USER_TO_PEER,	"user_to_peer",	"relayed to the peer by the daemon") \
	X(USER_TO_CLIENT, "user_to_client", "relayed to the client by the daemon") \
	X(STUN_SUCCESS,	"stun_success",	"request answered with success") \
	X(STUN_ERROR,	"stun_error",	"request answered with an error") \
	X(CONNECT,	"connect",	"Connect request: answered when its peer has") \
	X(STUN_LIMITED,	"stun_limited",	"discarded: too many answers to this stranger") \
	X(STUN_IGNORED,	"stun_ignored",	"discarded: not a request to a server, or not its method") \
	X(BAD_STUN,	"bad_stun",	"discarded: malformed STUN message") \
	X(NOT_TURN,	"not_turn",	"discarded: neither STUN nor ChannelData") \
	X(NO_ALLOCATION, "no_allocation", "discarded: no allocation for this 5-tuple") \
	X(NO_CHANNEL,	"no_channel",	"discarded: channel not bound") \
	X(NO_PERMISSION, "no_permission", "discarded: peer without permission") \
	X(BAD_SEND,	"bad_send",	"discarded: Send indication incomplete or not allowed") \
	X(TOO_LONG,	"too_long",	"discarded: does not fit into a datagram") \
	X(ICMP_RELAYED,	"icmp_relayed",	"ICMP error reported to the client") \
	X(ICMP_IGNORED,	"icmp_ignored",	"ICMP error not for a permitted peer") \
	X(SEND_FAILED,	"send_failed",	"lost: the socket did not take it") \
	X(SLOW_CLIENT,	"slow_client",	"lost: the client's connection was too slow for it") \
	X(CLIENT_GONE,	"client_gone",	"discarded: the mobile client is between two connections") \
	X(DTLS,		"dtls",		"DTLS without a message in it: handshake, alert, garbage") \
	X(PROXY_UNTRUSTED, "proxy_untrusted", "discarded: udp-proxy-port, from no trusted proxy") \
	X(PROXY_HEADER,	"proxy_header",	"discarded: malformed PROXY header") \
	X(PROXY_UNKNOWN, "proxy_unknown", "discarded: from a proxy, for whom no header has said") \
	X(PROXY_OTHER,	"proxy_other",	"discarded: PROXY header for another client")

enum tp_reason {
#define TP_REASON_ENUM(id, word, text) TP_R_##id,
	TP_REASONS(TP_REASON_ENUM)
#undef TP_REASON_ENUM
	TP_R_MAX
};

/* Bytes of memory that a data path has for one packet (tp_scratch). */
#define TP_SCRATCH	448

/* tp_stats: a per-CPU array, reason -> this. Bytes are of the whole frame. tp_kmod_stats: the
 * same for the module, which sees what the others have passed up; bytes are of the IP packet. */

/* ---------------------------------------------------------------- layout */

_Static_assert(sizeof(struct tp_addr) == 20, "tp_addr");
_Static_assert(sizeof(struct tp_key4) == 16, "tp_key4");
_Static_assert(sizeof(struct tp_key6) == 40, "tp_key6");
_Static_assert(sizeof(struct tp_row) == 88, "tp_row");
_Static_assert(sizeof(struct tp_slot4) == 128, "tp_slot4");
_Static_assert(sizeof(struct tp_slot6) == 128, "tp_slot6");
_Static_assert(sizeof(struct tp_nexthop) == 32, "tp_nexthop");
_Static_assert(sizeof(struct tp_mac) == 16, "tp_mac");
_Static_assert(sizeof(struct tp_limit) == 64, "tp_limit");
_Static_assert(sizeof(struct tp_stranger) == 24, "tp_stranger");
_Static_assert(sizeof(struct tp_binding) == 56, "tp_binding");
_Static_assert(sizeof(struct tp_alloc) == 344, "tp_alloc");
_Static_assert(sizeof(struct tp_kmod_count) == 32, "tp_kmod_count");

#endif
