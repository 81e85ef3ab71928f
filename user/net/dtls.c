// SPDX-License-Identifier: MIT
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "clock.h"
#include "net/dtls.h"

#define COOKIE_LEN	20
#define KEY_LEN		32
#define KEY_LIFE_NS	(60 * CLOCK_NS_PER_S)	/* the one before it is good for as long again */
/* What a datagram may hold on any way that IPv6 may take, less IPv6 and UDP headers. */
#define FLIGHT_BYTES	(1280 - 48)

/* RFC 6347 sections 4.1 and 4.2.2 */
#define RECORD_HEADER	13
#define MESSAGE_HEADER	12
#define HANDSHAKE	22
#define CLIENT_HELLO	1
#define HELLO_RANDOM	(RECORD_HEADER + MESSAGE_HEADER + 2)
#define RANDOM_LEN	32

struct dtls_door {
	struct tls_store *store;
	dtls_emit emit;
	BIO_METHOD *method;
	BIO_ADDR *nobody;		/* OpenSSL wants to write an address */
	struct dtls *next;		/* whoever gets in will be this one */
	uint8_t key[2][KEY_LEN];	/* now, and before */
	uint64_t turned_ns;		/* when key[0] was made */
};

struct dtls {
	SSL *ssl;
	const struct dtls_door *door;
	struct dtls_ends ends;
	void *ctx;
	const uint8_t *in;		/* NULL: has been read */
	size_t in_len;
	uint8_t random[RANDOM_LEN];	/* of the ClientHello that it began with */
};

/* ------------------------------------------------------------------ datagrams */

/* Bytes that do not fit are lost, as they would be from a socket. */
static int bio_read(BIO *bio, char *buf, int room)
{
	struct dtls *d = BIO_get_data(bio);
	size_t len = d->in_len < (size_t)room ? d->in_len : (size_t)room;

	BIO_clear_retry_flags(bio);
	if (!d->in) {
		BIO_set_retry_read(bio);
		return -1;
	}
	memcpy(buf, d->in, len);
	d->in = NULL;
	return (int)len;
}

static int bio_write(BIO *bio, const char *buf, int len)
{
	struct dtls *d = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	d->door->emit(d->ctx, (const uint8_t *)buf, (size_t)len);
	return len;
}

static long bio_ctrl(BIO *bio, int what, long number, void *p)
{
	(void)bio;
	(void)number;
	(void)p;
	return what == BIO_CTRL_FLUSH || what == BIO_CTRL_DUP;
}

static BIO_METHOD *make_method(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "datagrams");

	if (!method)
		return NULL;
	BIO_meth_set_read(method, bio_read);
	BIO_meth_set_write(method, bio_write);
	BIO_meth_set_ctrl(method, bio_ctrl);
	return method;
}

/* -------------------------------------------------------------------- cookies */

static void put_end(uint8_t *to, const struct tp_addr *end)
{
	to[0] = end->family;
	memcpy(to + 1, end->ip, 16);
	memcpy(to + 17, &end->port, 2);
}

static bool cookie_by(const struct dtls *d, unsigned int which, uint8_t cookie[COOKIE_LEN])
{
	uint8_t text[2 * 19], mac[EVP_MAX_MD_SIZE];

	put_end(text, &d->ends.client);
	put_end(text + 19, &d->ends.server);
	if (!HMAC(EVP_sha256(), d->door->key[which], KEY_LEN, text, sizeof(text), mac, NULL))
		return false;
	memcpy(cookie, mac, COOKIE_LEN);
	return true;
}

static int on_cookie(SSL *ssl, unsigned char *cookie, unsigned int *len)
{
	*len = COOKIE_LEN;
	return cookie_by(SSL_get_app_data(ssl), 0, cookie);
}

static int on_cookie_shown(SSL *ssl, const unsigned char *cookie, unsigned int len)
{
	uint8_t good[COOKIE_LEN];

	for (unsigned int i = 0; len == COOKIE_LEN && i < 2; i++)
		if (cookie_by(SSL_get_app_data(ssl), i, good) &&
		    !CRYPTO_memcmp(good, cookie, COOKIE_LEN))
			return 1;
	return 0;
}

void dtls_use_cookies(SSL_CTX *ctx)
{
	SSL_CTX_set_cookie_generate_cb(ctx, on_cookie);
	SSL_CTX_set_cookie_verify_cb(ctx, on_cookie_shown);
}

static bool new_key(struct dtls_door *door, uint64_t now_ns)
{
	memcpy(door->key[1], door->key[0], KEY_LEN);
	door->turned_ns = now_ns;
	return getrandom(door->key[0], KEY_LEN, 0) == KEY_LEN;
}

/* ------------------------------------------------------------------- the door */

static struct dtls *session_new(const struct dtls_door *door)
{
	struct dtls *d = calloc(1, sizeof(*d));
	BIO *bio;

	if (!d)
		return NULL;
	d->door = door;
	d->ssl = tls_accept(door->store, TLS_DATAGRAM);
	bio = d->ssl ? BIO_new(door->method) : NULL;
	if (!bio) {
		dtls_free(d);
		return NULL;
	}
	BIO_set_data(bio, d);
	BIO_set_init(bio, 1);
	SSL_set_bio(d->ssl, bio, bio);
	SSL_set_app_data(d->ssl, d);
	SSL_set_options(d->ssl, SSL_OP_NO_QUERY_MTU);
	SSL_set_mtu(d->ssl, FLIGHT_BYTES);
	return d;
}

struct dtls_door *dtls_door_new(struct tls_store *store, dtls_emit emit)
{
	struct dtls_door *door = calloc(1, sizeof(*door));

	if (!door)
		return NULL;
	door->store = store;
	door->emit = emit;
	door->method = make_method();
	door->nobody = BIO_ADDR_new();
	/* twice: a key of zeros would be anybody's */
	if (door->method && door->nobody && new_key(door, 0) && new_key(door, 0))
		door->next = session_new(door);
	if (door->next)
		return door;
	dtls_door_free(door);
	return NULL;
}

void dtls_door_free(struct dtls_door *door)
{
	if (!door)
		return;
	dtls_free(door->next);
	BIO_ADDR_free(door->nobody);
	BIO_meth_free(door->method);
	OPENSSL_cleanse(door->key, sizeof(door->key));
	free(door);
}

/* Certificates may have been replaced since it was made. */
static bool renew(struct dtls_door *door)
{
	SSL_CTX *now = tls_context(door->store, TLS_DATAGRAM);

	if (door->next && now == SSL_get_SSL_CTX(door->next->ssl)) {
		SSL_CTX_free(now);
		return true;
	}
	SSL_CTX_free(now);
	dtls_free(door->next);
	door->next = session_new(door);
	return door->next;
}

/* Worth knocking with: a ClientHello, or the beginning of one. */
static bool is_hello(const uint8_t *p, size_t len)
{
	/* epoch 0; what carries no random is no beginning either */
	return len >= HELLO_RANDOM + RANDOM_LEN && p[0] == HANDSHAKE && !p[3] && !p[4] &&
	       p[RECORD_HEADER] == CLIENT_HELLO;
}

struct dtls *dtls_knock(struct dtls_door *door, const struct dtls_ends *ends,
			const uint8_t *datagram, size_t len, uint64_t now_ns, void *ctx)
{
	struct dtls *d;
	int ret;

	if (now_ns >= door->turned_ns + KEY_LIFE_NS && !new_key(door, now_ns))
		return NULL;
	if (!is_hello(datagram, len) || !renew(door))
		return NULL;
	d = door->next;
	d->ends = *ends;
	d->ctx = ctx;
	dtls_feed(d, datagram, len);
	ERR_clear_error();
	ret = DTLSv1_listen(d->ssl, door->nobody);
	ERR_clear_error();
	d->in = NULL;
	if (ret <= 0)
		return NULL;
	memcpy(d->random, datagram + HELLO_RANDOM, RANDOM_LEN);
	door->next = NULL;
	return d;
}

/* ------------------------------------------------------------------- sessions */

void dtls_free(struct dtls *d)
{
	if (!d)
		return;
	SSL_free(d->ssl);
	free(d);
}

void dtls_send_to(struct dtls *d, void *ctx)
{
	d->ctx = ctx;
}

void dtls_feed(struct dtls *d, const uint8_t *datagram, size_t len)
{
	d->in = len ? datagram : NULL;	/* nothing would be the end of a file */
	d->in_len = len;
}

/* Why an operation of OpenSSL gave nothing: 0 for the end, or -errno. */
static int failure(const struct dtls *d, int ret)
{
	int error = SSL_get_error(d->ssl, ret);

	ERR_clear_error();
	switch (error) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	}
	return -EPROTO;
}

ssize_t dtls_read(struct dtls *d, uint8_t *buf, size_t room)
{
	int n;

	ERR_clear_error();
	n = SSL_read(d->ssl, buf, (int)room);
	return n > 0 ? n : failure(d, n);
}

int dtls_write(struct dtls *d, const uint8_t *message, size_t len)
{
	int n;

	if (len > DTLS_RECORD_MAX)
		return -EMSGSIZE;
	ERR_clear_error();
	n = SSL_write(d->ssl, message, (int)len);
	if (n > 0)
		return 0;
	n = failure(d, n);
	return n ? n : -EPROTO;
}

bool dtls_ready(const struct dtls *d)
{
	return SSL_is_init_finished(d->ssl);
}

bool dtls_is_another(const struct dtls *d, const uint8_t *datagram, size_t len)
{
	return dtls_ready(d) && is_hello(datagram, len) &&
	       memcmp(datagram + HELLO_RANDOM, d->random, RANDOM_LEN);
}

bool dtls_patience(const struct dtls *d, struct timeval *left)
{
	return DTLSv1_get_timeout(d->ssl, left) == 1;
}

bool dtls_repeat(struct dtls *d)
{
	int ret;

	ERR_clear_error();
	ret = (int)DTLSv1_handle_timeout(d->ssl);
	ERR_clear_error();
	return ret >= 0;
}

void dtls_finish(struct dtls *d)
{
	if (!dtls_ready(d))
		return;
	ERR_clear_error();
	SSL_shutdown(d->ssl);
	ERR_clear_error();
}
