/* SPDX-License-Identifier: MIT */
/*
 * DTLS 1.2 (RFC 6347) without sockets: datagrams go in, datagrams come out through a function.
 * A door answers strangers and keeps nothing of them; what has shown that it is where it
 * says it is becomes a session.
 */
#ifndef TP_NET_DTLS_H
#define TP_NET_DTLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>
#include <turnpike/tables.h>
#include "net/tls.h"

#define DTLS_RECORD_MAX	16384		/* bytes of a message: one record each way */

/* RFC 7983: the first byte of a datagram says what is in it. */
static inline bool dtls_is_for(uint8_t first)
{
	return first >= 20 && first <= 63;
}

/* One datagram for the client of this session, or of the datagram at the door. It is
 * copied before this returns. */
typedef void (*dtls_emit)(void *ctx, const uint8_t *datagram, size_t len);

/* Who talks: a cookie is good for nobody else. */
struct dtls_ends {
	struct tp_addr client, server;
};

/* One thread's. NULL: no DTLS in the store, or no memory. */
struct dtls_door;
struct dtls_door *dtls_door_new(struct tls_store *store, dtls_emit emit);
void dtls_door_free(struct dtls_door *door);	/* after its sessions */

/*
 * A stranger's ClientHello. Without a good cookie it is answered with one through
 * emit(ctx), or with nothing at all, and NULL is returned. With it: the session, which emits
 * to ctx as well, and has that datagram as its first input.
 */
struct dtls;
struct dtls *dtls_knock(struct dtls_door *door, const struct dtls_ends *ends,
			const uint8_t *datagram, size_t len, uint64_t now_ns, void *ctx);
void dtls_free(struct dtls *d);
/* Whom it emits to from now on. */
void dtls_send_to(struct dtls *d, void *ctx);

/* The next input, until dtls_read() says -EAGAIN. */
void dtls_feed(struct dtls *d, const uint8_t *datagram, size_t len);
/* One message of at most DTLS_RECORD_MAX bytes; 0: the client has closed; -EAGAIN: nothing
 * (more), of which the handshake may have made progress; -EPROTO: broken. */
ssize_t dtls_read(struct dtls *d, uint8_t *buf, size_t room);
/* 0; -EMSGSIZE: more than a record holds; -EPROTO: broken. */
int dtls_write(struct dtls *d, const uint8_t *message, size_t len);
/* The handshake is over. */
bool dtls_ready(const struct dtls *d);
/* A ClientHello other than that which this session began with, after its handshake: of a
 * client that has forgotten it (RFC 6347 section 4.2.8). */
bool dtls_is_another(const struct dtls *d, const uint8_t *datagram, size_t len);

/* When the handshake's last flight is to be repeated; false: never. */
bool dtls_patience(const struct dtls *d, struct timeval *left);
/* Now. False: it has been in vain for too long. */
bool dtls_repeat(struct dtls *d);
/* close_notify. */
void dtls_finish(struct dtls *d);

/* For the context of TLS_DATAGRAM: cookies are made and verified here. */
void dtls_use_cookies(SSL_CTX *ctx);

#endif
