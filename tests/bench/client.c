// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "client.h"

#define MESSAGE_MAX	1500
#define WINDOW		32		/* ChannelBinds under way */
#define RETRY_MS	200
#define TRIES_MAX	25		/* 5 s without an answer */

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("client: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(EXIT_FAILURE);
}

static struct tp_addr with_port(struct tp_addr addr, uint32_t port)
{
	if (port > UINT16_MAX)
		die("ports used up");
	addr.port = htons((uint16_t)port);
	return addr;
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
	/* a full socket buffer is one more lost packet */
	if (send(c->fd, w->buf, w->len, 0) < 0 && errno != EAGAIN && errno != ENOBUFS)
		die("send: %s", strerror(errno));
}

static void send_allocate(const struct client *c, uint32_t number)
{
	const uint8_t udp[4] = { 17 }, ipv6[4] = { 2 };
	uint8_t buf[MESSAGE_MAX];
	struct stun_writer w;

	begin(&w, buf, TURN_ALLOCATE, number);
	stun_put(&w, STUN_T_REQUESTED_TRANSPORT, udp, sizeof(udp));
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

/* False where nothing came in time. */
static bool receive(const struct client *c, struct stun_msg *msg, uint8_t buf[MESSAGE_MAX])
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, RETRY_MS) <= 0)
		return false;
	n = recv(c->fd, buf, MESSAGE_MAX, 0);
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

void client_open(struct client *c, const struct client_side *side, uint32_t number)
{
	struct tp_addr local = with_port(side->local, ntohs(side->local.port) + number);
	struct sockaddr_storage ss;
	socklen_t len = address_to_sockaddr(&local, &ss);

	memset(c, 0, sizeof(*c));
	c->side = side;
	c->peer = side->peer;
	c->port = ntohs(local.port);
	c->fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || bind(c->fd, (struct sockaddr *)&ss, len))
		die("port %u: %s", c->port, strerror(errno));
	len = address_to_sockaddr(&side->server, &ss);
	if (connect(c->fd, (struct sockaddr *)&ss, len))
		die("connect: %s", strerror(errno));
}
