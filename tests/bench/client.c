// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "client.h"
#include "die.h"
#include "endpoint.h"

#define MESSAGE_MAX	1500
#define WINDOW		32		/* ChannelBinds under way */
#define RETRY_MS	200
#define RECEIVE_BYTES	(8 << 20)	/* what waits while others have our core is not lost */
#define TRIES_MAX	25		/* 5 s without an answer */

static struct tp_addr with_port(struct tp_addr addr, uint32_t port)
{
	if (port > UINT16_MAX)
		die("ports used up");
	addr.port = htons((uint16_t)port);
	return addr;
}

/* ------------------------------------------------------------------- options */

bool client_option(struct client_side *side, int option, const char *value)
{
	switch (option) {
	case 's': return address_parse_port(&side->server, value);
	case 'l': return address_parse_port(&side->local, value);
	case 'p': return address_parse_port(&side->peer, value);
	case 'u': return (side->user = value);
	case 'w': return (side->password = value);
	default: return false;
	}
}

bool client_told_all(const struct client_side *side)
{
	return side->server.port && side->local.port && side->peer.port && side->user &&
	       side->password;
}

/* ------------------------------------------------------------------ messages */

/* The request's number is in its transaction ID. */
static void begin(struct stun_writer *w, uint8_t *buf, uint16_t method, uint32_t number)
{
	uint8_t txid[TP_STUN_TXID_LEN] = "turnpike";

	memcpy(txid + 8, &number, sizeof(number));
	stun_begin(w, buf, MESSAGE_MAX, method, STUN_REQUEST, txid);
}

static uint32_t number_of(const struct stun_msg *msg)
{
	uint32_t number;

	memcpy(&number, msg->txid + 8, sizeof(number));
	return number;
}

static void send_message(const struct client *c, const uint8_t *buf, size_t len)
{
	if (c->ssl && SSL_write(c->ssl, buf, (int)len) != (int)len)
		die("SSL_write");
	/* a full socket buffer is one more lost packet */
	if (!c->ssl && send(c->fd, buf, len, 0) < 0 && errno != EAGAIN && errno != ENOBUFS)
		die("send: %s", strerror(errno));
}

static void finish(const struct client *c, struct stun_writer *w)
{
	const struct client_side *s = c->side;

	if (c->nonce_len) {
		stun_put(w, STUN_T_USERNAME, s->user, strlen(s->user));
		stun_put(w, STUN_T_REALM, c->realm, c->realm_len);
		stun_put(w, STUN_T_NONCE, c->nonce, c->nonce_len);
		stun_put_mi(w, &c->key);
	}
	if (w->overflow)
		die("request too long");
	send_message(c, w->buf, w->len);
}

static void send_allocate(const struct client *c, uint32_t number)
{
	const uint8_t udp[4] = { 17 }, ipv6[4] = { 2 };
	uint8_t buf[MESSAGE_MAX];
	struct stun_writer w;

	begin(&w, buf, TURN_ALLOCATE, number);
	stun_put(&w, STUN_T_REQUESTED_TRANSPORT, udp, sizeof(udp));
	if (c->side->lifetime_s)
		stun_put_u32(&w, STUN_T_LIFETIME, c->side->lifetime_s);
	if (c->side->peer.family == 6)
		stun_put(&w, STUN_T_REQUESTED_ADDRESS_FAMILY, ipv6, sizeof(ipv6));
	finish(c, &w);
}

static void send_bind(const struct client *c, uint32_t i)
{
	struct tp_addr peer = with_port(c->peer, ntohs(c->peer.port) + i);
	uint8_t buf[MESSAGE_MAX];
	struct stun_writer w;

	begin(&w, buf, TURN_CHANNEL_BIND, i);
	stun_put_u32(&w, STUN_T_CHANNEL_NUMBER, (TP_CHANNEL_MIN + i) << 16);
	stun_put_xor_addr(&w, STUN_T_XOR_PEER_ADDRESS, &peer);
	finish(c, &w);
}

static void read_bytes(const struct client *c, uint8_t *buf, size_t len)
{
	while (len) {
		ssize_t n = c->ssl ? SSL_read(c->ssl, buf, (int)len) : recv(c->fd, buf, len, 0);

		if (n <= 0)
			die("the server ended the connection");
		buf += n;
		len -= (size_t)n;
	}
}

/* The whole of one STUN message of a stream. */
static ssize_t read_message(const struct client *c, uint8_t buf[MESSAGE_MAX])
{
	size_t len;

	read_bytes(c, buf, 4);
	len = 20 + ((size_t)buf[2] << 8 | buf[3]);
	if (len > MESSAGE_MAX)
		die("a message of %zu bytes", len);
	read_bytes(c, buf + 4, len - 4);
	return (ssize_t)len;
}

/* False where nothing came in time. */
static bool wait_for(const struct client *c)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	/* nothing is lost in a stream: no need to ask again */
	int ms = c->side->transport == CLIENT_UDP ? RETRY_MS : RETRY_MS * TRIES_MAX;

	return (c->ssl && SSL_has_pending(c->ssl)) || poll(&p, 1, ms) > 0;
}

static bool receive(const struct client *c, struct stun_msg *msg, uint8_t buf[MESSAGE_MAX])
{
	ssize_t n;

	if (!wait_for(c))
		return false;
	if (c->side->transport == CLIENT_UDP)
		n = recv(c->fd, buf, MESSAGE_MAX, 0);
	else
		n = read_message(c, buf);
	if (n < 0)
		die("server: %s", strerror(errno));
	return stun_parse(msg, buf, (size_t)n) == STUN_OK;
}

/* 401 and 438: remember what to answer with. */
static void challenged(struct client *c, const struct stun_msg *msg)
{
	const struct client_side *s = c->side;
	struct stun_bytes user = { (const uint8_t *)s->user, strlen(s->user) };
	struct stun_bytes password = { (const uint8_t *)s->password, strlen(s->password) };

	if (msg->nonce.len >= CLIENT_NONCE_MAX || msg->realm.len >= CLIENT_REALM_MAX ||
	    !msg->nonce.len)
		die("challenge without realm and nonce");
	memcpy(c->realm, msg->realm.p, c->realm_len = msg->realm.len);
	memcpy(c->nonce, msg->nonce.p, c->nonce_len = msg->nonce.len);
	stun_key_make(&c->key, STUN_ALG_MD5, user, msg->realm, password);
}

/* ------------------------------------------------------------------- a client */

void client_allocate(struct client *c)
{
	uint8_t buf[MESSAGE_MAX];
	struct stun_msg msg;
	uint32_t number = 0;
	bool refused = false;

	for (unsigned int i = 0; i < TRIES_MAX; i++) {
		send_allocate(c, number);
		if (!receive(c, &msg, buf) || number_of(&msg) != number)
			continue;
		c->transactions++;
		if (msg.class == STUN_SUCCESS) {
			c->relayed = msg.relayed;
			return;
		}
		if (msg.error == 438 || (msg.error == 401 && !refused))
			challenged(c, &msg);
		else
			die("Allocate from port %u: %u at try %u", c->port, msg.error, i);
		refused = msg.error == 401;
		number++;
	}
	die("Allocate: no answer");
}

/* Answers of one batch; done[] says which requests are over. */
static unsigned int collect(struct client *c, bool *done, uint32_t from, uint32_t to)
{
	uint8_t buf[MESSAGE_MAX];
	unsigned int left = 0;
	struct stun_msg msg;

	for (uint32_t i = from; i < to; i++)
		left += !done[i];
	while (left && receive(c, &msg, buf)) {
		uint32_t i = number_of(&msg);

		if (msg.method != TURN_CHANNEL_BIND || i < from || i >= to || done[i])
			continue;
		if (msg.class == STUN_SUCCESS) {
			done[i] = true;
			left--;
			continue;
		}
		if (msg.error != 438)
			die("ChannelBind: %u", msg.error);
		challenged(c, &msg);
		send_bind(c, i);
	}
	return left;
}

void client_bind(struct client *c, uint32_t channels)
{
	bool *done = calloc(channels, sizeof(*done));

	if (!done)
		die("out of memory");
	for (uint32_t from = 0; from < channels; from += WINDOW) {
		uint32_t to = from + WINDOW < channels ? from + WINDOW : channels;
		unsigned int tries = 0;

		do {
			if (tries++ == TRIES_MAX)
				die("ChannelBind: no answer");
			for (uint32_t i = from; i < to; i++)
				if (!done[i])
					send_bind(c, i);
		} while (collect(c, done, from, to));
		c->transactions += to - from;
	}
	free(done);
}

void client_echo(const struct client *c, const uint8_t *message, size_t len)
{
	uint8_t back[MESSAGE_MAX];

	if (len > sizeof(back))
		die("a message of %zu bytes", len);
	send_message(c, message, len);
	if (!wait_for(c))
		die("no echo");
	read_bytes(c, back, len);
	if (memcmp(back, message, len))
		die("another echo than was sent");
}

/* ------------------------------------------------------------------- sockets */

SSL_CTX *client_tls_new(int version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx || !SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) ||
	    !SSL_CTX_set_max_proto_version(ctx, version) ||
	    !SSL_CTX_set_cipher_list(ctx, "ECDHE+AES128+AESGCM") ||
	    !SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256"))
		die("no OpenSSL context");
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return ctx;
}

static void open_datagram(struct client *c, uint32_t number)
{
	const struct client_side *side = c->side;
	struct tp_addr local = with_port(side->local, ntohs(side->local.port) + number);
	int room = RECEIVE_BYTES;

	c->port = ntohs(local.port);
	c->fd = endpoint_open(&local, &side->server);
	/* the limit may stand as it is where this is not allowed */
	setsockopt(c->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
}

static void open_stream(struct client *c)
{
	struct tp_addr local = with_port(c->side->local, 0);
	struct sockaddr_storage ss;
	socklen_t len = address_to_sockaddr(&local, &ss);
	int on = 1;

	c->fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* ports are chosen by connect(), which may use one for several servers */
	if (c->fd < 0 || setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) ||
	    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) ||
	    bind(c->fd, (struct sockaddr *)&ss, len))
		die("socket: %s", strerror(errno));
	len = address_to_sockaddr(&c->side->server, &ss);
	if (connect(c->fd, (struct sockaddr *)&ss, len))
		die("connect: %s", strerror(errno));
}

static void begin_tls(struct client *c)
{
	c->ssl = SSL_new(c->side->tls);
	if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1 || SSL_connect(c->ssl) != 1)
		die("no TLS: %s", ERR_error_string(ERR_get_error(), NULL));
}

void client_open(struct client *c, const struct client_side *side, uint32_t number)
{
	memset(c, 0, sizeof(*c));
	c->side = side;
	c->peer = side->peer;
	if (side->transport == CLIENT_UDP)
		open_datagram(c, number);
	else
		open_stream(c);
	if (side->transport == CLIENT_TLS)
		begin_tls(c);
}
