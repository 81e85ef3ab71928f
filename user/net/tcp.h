/* SPDX-License-Identifier: MIT */
/* TCP sockets: listeners, opened by the keeper, and the connections that they accept; relayed
 * addresses (RFC 6062) and connections between them and peers. */
#ifndef TP_NET_TCP_H
#define TP_NET_TCP_H

#include <stdbool.h>
#include <stdint.h>
#include <turnpike/tables.h>

/* n listeners on one address, fds[i] for worker i; here and below a device that is NULL is
 * every one. 0 or -errno (none is left open). */
int tcp_open_listeners(int *fds, unsigned int n, const struct tp_addr *addr, const char *device);

struct tcp_accepted {
	int fd;				/* non-blocking */
	struct tp_addr client;
	uint8_t dscp;			/* of the client's SYN or ACK, in place: 0x00 to 0xfc */
};

/* 1; 0: nobody waits (any more); -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM: not now. */
int tcp_accept(int listener, struct tcp_accepted *out);

/* A listener that is alone on its address, but for tcp_connect() from there. -errno. */
int tcp_open_relay(const struct tp_addr *addr, const char *device);
/* A socket that is connecting; writable when that has ended, and tcp_error() says how. */
int tcp_connect(const struct tp_addr *from, const struct tp_addr *to, const char *device);
int tcp_error(int fd);		/* 0 or -errno */
/* It carries a byte stream now, whose reader may take its time. */
void tcp_carry(int fd);
/* Its end will be a reset: what was sent on it was not all. */
void tcp_abort(int fd);

#endif
