// SPDX-License-Identifier: MIT
#include <errno.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>
#include "net/stream.h"

int stream_first(const struct stream *s)
{
	uint8_t byte;
	ssize_t n = recv(s->fd, &byte, 1, MSG_PEEK);

	if (n > 0)
		return byte;
	return n ? -errno : -ECONNRESET;
}

int stream_secure(struct stream *s, struct tls_store *store)
{
	s->ssl = tls_accept(store, TLS_STREAM);
	if (s->ssl && SSL_set_fd(s->ssl, s->fd) == 1)
		return 0;
	ERR_clear_error();
	SSL_free(s->ssl);
	s->ssl = NULL;
	return -ENOMEM;
}

bool stream_ready(const struct stream *s)
{
	return !s->ssl || SSL_is_init_finished(s->ssl);
}

/* Why an operation of OpenSSL gave nothing: 0 for the end, or -errno. */
static int secure_error(struct stream *s, int ret)
{
	int saved = errno;

	switch (SSL_get_error(s->ssl, ret)) {
	case SSL_ERROR_WANT_READ:
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		s->wants_write = true;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		ERR_clear_error();
		return saved ? -saved : 0;
	}
	ERR_clear_error();
	return -EPROTO;
}

/* Each SSL_read() gives one record, and what one system call has brought can be many small ones:
 * their datagrams are to leave together. */
static ssize_t read_records(struct stream *s, uint8_t *buf, size_t len)
{
	size_t at = 0;

	if (s->over)
		return s->end;
	do {
		int n, err;

		ERR_clear_error();
		errno = 0;
		n = SSL_read(s->ssl, buf + at, (int)(len - at));
		if (n > 0) {
			at += (size_t)n;
			continue;
		}
		err = secure_error(s, n);
		if (err != -EAGAIN) {
			s->over = true;
			s->end = err;
		}
		return at ? (ssize_t)at : err;
	} while (at < len && SSL_has_pending(s->ssl));
	return (ssize_t)at;
}

ssize_t stream_read(struct stream *s, uint8_t *buf, size_t len)
{
	ssize_t n;

	s->wants_write = false;
	if (s->ssl)
		return read_records(s, buf, len);
	n = recv(s->fd, buf, len, 0);
	if (n >= 0)
		return n;
	return errno == EINTR ? -EAGAIN : -errno;
}

bool stream_pending(const struct stream *s)
{
	return s->over || (s->ssl && SSL_has_pending(s->ssl));
}

ssize_t stream_write(struct stream *s, const uint8_t *buf, size_t len, size_t *begun)
{
	ssize_t n;

	*begun = 0;
	if (s->ssl) {
		int err;

		ERR_clear_error();
		errno = 0;
		n = SSL_write(s->ssl, buf, (int)len);
		if (n > 0)
			return n;
		err = secure_error(s, (int)n);
		/* the record is made already: it leaves with these bytes or not at all */
		if (err == -EAGAIN)
			*begun = len;
		return err ? err : -EPIPE;
	}
	n = send(s->fd, buf, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n >= 0)
		return n;
	return errno == EINTR ? -EAGAIN : -errno;
}

void stream_finish(struct stream *s)
{
	if (s->ssl && SSL_is_init_finished(s->ssl)) {
		ERR_clear_error();
		SSL_shutdown(s->ssl);
		ERR_clear_error();
	}
	shutdown(s->fd, SHUT_WR);
}

void stream_close(struct stream *s)
{
	SSL_free(s->ssl);
	s->ssl = NULL;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}
