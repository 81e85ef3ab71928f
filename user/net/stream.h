/* SPDX-License-Identifier: MIT */
/* The bytes of one connection, plain or inside TLS; nothing here blocks. */
#ifndef TP_NET_STREAM_H
#define TP_NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "net/tls.h"

struct stream {
	int fd;
	SSL *ssl;			/* NULL: plain */
	bool wants_write;		/* reading goes on when the socket can be written */
	bool over;			/* what came before has been read: ... */
	int end;			/* ... stream_read() says this next */
};

/* The first byte that waits, or -EAGAIN, -ECONNRESET (also: closed), another -errno. */
int stream_first(const struct stream *s);
/* From now on TLS, as the server; 0 or -ENOMEM. The handshake is made while reading. */
int stream_secure(struct stream *s, struct tls_store *store);
/* Plain, or the handshake is over. */
bool stream_ready(const struct stream *s);
/* Bytes, of as many records as are there; 0: the other side has finished; -EAGAIN; -EPROTO or
 * another -errno: broken. */
ssize_t stream_read(struct stream *s, uint8_t *buf, size_t len);
/* True if stream_read() has bytes, or an end, that make nothing readable. */
bool stream_pending(const struct stream *s);
/* Bytes taken; -EAGAIN: then the next call must begin with the same len bytes where *begun is
 * len; -errno: broken. */
ssize_t stream_write(struct stream *s, const uint8_t *buf, size_t len, size_t *begun);
/* No more will be written. */
void stream_finish(struct stream *s);
void stream_close(struct stream *s);

#endif
