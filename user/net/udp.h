/* SPDX-License-Identifier: MIT */
/*
 * UDP in batches: sockets, receiving (recvmmsg, UDP GRO) and sending (sendmmsg,
 * UDP GSO). Listeners are opened by the keeper and steered, so that one client
 * always meets the same worker, also after a restart.
 */
#ifndef TP_NET_UDP_H
#define TP_NET_UDP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <turnpike/tables.h>

/* ---------------------------------------------------------------- sockets */

/* A non-blocking socket for one relayed transport address: may be fragmented,
 * reports ICMP errors. addr without port: the kernel's choice; device NULL: every one.
 * fd or -errno. */
int udp_open_relay(const struct tp_addr *addr, unsigned int buf_size, const char *device);
/* The kernel must not merge datagrams for this socket, which a tc program is to see first. */
void udp_refuse_gro(int fd);
/* n listeners on one address, fds[i] for worker i. 0 or -errno (none is left open). */
int udp_open_listeners(int *fds, unsigned int n, const struct tp_addr *addr,
		       unsigned int buf_size, const char *device);
/*
 * What becomes of an IP packet that is too large is a property of the socket. Only
 * UDP_WHOLE sets DF. At rest an IPv4 socket knows the link's MTU alone
 * (IP_PMTUDISC_OMIT), since without DF it is only then that Linux reports
 * "fragmentation needed" (RFC 8656 section 11.5): what a route's smaller MTU may
 * concern is sent UDP_BY_ROUTE. IPv6 tells in any case.
 */
enum udp_cutting { UDP_AT_REST, UDP_BY_ROUTE, UDP_WHOLE };
#define UDP_FITS_ROUTE	(1280 - 28)	/* payload that fits wherever IPv6 would, too */
void udp_set_cutting(int fd, uint8_t family, enum udp_cutting cutting);
/* Which of n workers gets this client's datagrams. */
unsigned int udp_worker(const struct tp_addr *client, unsigned int n);

/* -------------------------------------------------------------- receiving */

#define UDP_BATCH	32
#define UDP_MAX		65536

/* One receive of possibly several datagrams of one sender (GRO): data is cut
 * every segment bytes; the last piece may be shorter. */
struct udp_received {
	struct tp_addr from;
	const uint8_t *data;
	size_t len;
	size_t segment;			/* len where there is one datagram */
	uint8_t tos;			/* DSCP and ECN */
	uint8_t ttl;			/* or hop limit; 0: not known */
};

struct udp_rx;
struct udp_rx *udp_rx_new(void);
void udp_rx_free(struct udp_rx *rx);
/* Up to UDP_BATCH entries of *out, valid until the next call; 0 where there is nothing, or -errno
 * of the socket's pending error. */
int udp_receive(struct udp_rx *rx, int fd, const struct udp_received **out);

/* An ICMP error about a datagram that this socket sent. */
struct udp_icmp {
	struct tp_addr peer;		/* the datagram's destination */
	uint8_t type, code;
	uint32_t data;			/* the 4 bytes after the ICMP checksum, host order */
};
/* 1 and *icmp, or 0 where the error queue has no more. Errors of local origin are skipped. */
int udp_receive_icmp(int fd, struct udp_icmp *icmp);

/* ---------------------------------------------------------------- sending */

/* A datagram to send. head and tail bytes are copied, data is referred to until the flush. */
struct udp_datagram {
	int fd;
	const struct tp_addr *to;
	const uint8_t *head;
	size_t head_len;		/* UDP_HEAD_MAX at most where there is data */
	const uint8_t *data;
	size_t data_len;
	size_t pad;			/* zero bytes at the end, 0..3 */
	uint8_t tos;			/* DSCP and ECN */
	uint8_t ttl;			/* or hop limit; 0: the host's default */
	bool dont_fragment;
	uint8_t reason;			/* what came in is counted under, and its bytes */
	uint32_t counted;
};

#define UDP_HEAD_MAX	128

struct udp_tx;
struct udp_tx *udp_tx_new(void);
void udp_tx_free(struct udp_tx *tx);
/* Queue; flushes by itself when full. */
void udp_send(struct udp_tx *tx, const struct udp_datagram *d);
/* Send what is queued. Call before the received data that it refers to goes. */
void udp_flush(struct udp_tx *tx);
/* What sockets did not take is counted as TP_R_SEND_FAILED instead of its reason. */
void udp_count_lost(const struct udp_tx *tx, struct tp_count counts[TP_R_MAX]);

#endif
