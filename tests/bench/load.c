// SPDX-License-Identifier: MIT
/*
 * Many channels at a TURN server: allocates as so many clients, binds so many
 * channels for each to the peer's ports from a base upwards, and writes one line
 * for each channel: the client's port and the channel number in hexadecimal.
 * The allocations stay when it ends, until the server lets them go.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "address.h"
#include "stun/stun.h"

#define MESSAGE_MAX	1500
#define NONCE_MAX	764
#define REALM_MAX	764
#define WINDOW		32		/* ChannelBinds under way */
#define RETRY_MS	200
#define TRIES_MAX	25		/* 5 s without an answer */

struct load {
	struct tp_addr server, local, peer;	/* with the ports that are counted up from */
	unsigned int clients, channels;
	const char *user, *password, *flows_file;
	FILE *flows;
	unsigned long transactions;
};

struct client {
	const struct load *load;
	int fd;
	uint16_t port;			/* host order */
	char realm[REALM_MAX], nonce[NONCE_MAX];
	size_t realm_len, nonce_len;
	struct stun_key key;
};

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("load: ", stderr);
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
	const struct load *l = c->load;

	if (c->nonce_len) {
		stun_put(w, STUN_T_USERNAME, l->user, strlen(l->user));
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
	const uint8_t udp[4] = { 17 };
	uint8_t buf[MESSAGE_MAX];
	struct stun_writer w;

	begin(&w, buf, TURN_ALLOCATE, number);
	stun_put(&w, STUN_T_REQUESTED_TRANSPORT, udp, sizeof(udp));
	finish(c, &w);
}

static void send_bind(const struct client *c, uint32_t i)
{
	struct tp_addr peer = with_port(c->load->peer, ntohs(c->load->peer.port) + i);
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
	const struct load *l = c->load;
	struct stun_bytes user = { (const uint8_t *)l->user, strlen(l->user) };
	struct stun_bytes password = { (const uint8_t *)l->password, strlen(l->password) };

	if (msg->nonce.len >= NONCE_MAX || msg->realm.len >= REALM_MAX || !msg->nonce.len)
		die("challenge without realm and nonce");
	memcpy(c->realm, msg->realm.p, c->realm_len = msg->realm.len);
	memcpy(c->nonce, msg->nonce.p, c->nonce_len = msg->nonce.len);
	stun_key_make(&c->key, STUN_ALG_MD5, user, msg->realm, password);
}

/* ------------------------------------------------------------------- a client */

static void allocate(struct client *c, struct load *l)
{
	uint8_t buf[MESSAGE_MAX];
	struct stun_msg msg;
	uint32_t number = 0;
	bool refused = false;

	for (unsigned int i = 0; i < TRIES_MAX; i++) {
		send_allocate(c, number);
		if (!receive(c, &msg, buf) || number_of(&msg) != number)
			continue;
		l->transactions++;
		if (msg.class == STUN_SUCCESS)
			return;
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

static void bind_channels(struct client *c, struct load *l)
{
	bool *done = calloc(l->channels, sizeof(*done));

	if (!done)
		die("out of memory");
	for (uint32_t from = 0; from < l->channels; from += WINDOW) {
		uint32_t to = from + WINDOW < l->channels ? from + WINDOW : l->channels;
		unsigned int tries = 0;

		do {
			if (tries++ == TRIES_MAX)
				die("ChannelBind: no answer");
			for (uint32_t i = from; i < to; i++)
				if (!done[i])
					send_bind(c, i);
		} while (collect(c, done, from, to));
		l->transactions += to - from;
	}
	free(done);
}

static void run_client(struct load *l, uint32_t number)
{
	struct client c = { .load = l };
	struct tp_addr local = with_port(l->local, ntohs(l->local.port) + number);
	struct sockaddr_storage ss;
	socklen_t len = address_to_sockaddr(&local, &ss);

	c.port = ntohs(local.port);
	c.fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (c.fd < 0 || bind(c.fd, (struct sockaddr *)&ss, len))
		die("port %u: %s", c.port, strerror(errno));
	len = address_to_sockaddr(&l->server, &ss);
	if (connect(c.fd, (struct sockaddr *)&ss, len))
		die("connect: %s", strerror(errno));
	allocate(&c, l);
	bind_channels(&c, l);
	for (uint32_t i = 0; l->flows && i < l->channels; i++)
		fprintf(l->flows, "%u %x\n", c.port, TP_CHANNEL_MIN + i);
	close(c.fd);
}

/* ------------------------------------------------------------------ options */

static void usage(void)
{
	die("--server IP:PORT --local IP:PORT --peer IP:PORT --user NAME --password TEXT\n"
	    "  [--clients N] [--channels N] [--flows-file FILE]");
}

static void parse(struct load *l, int argc, char **argv)
{
	static const struct option options[] = {
		{ "server", required_argument, NULL, 's' },
		{ "local", required_argument, NULL, 'l' },
		{ "peer", required_argument, NULL, 'p' }, { "user", required_argument, NULL, 'u' },
		{ "password", required_argument, NULL, 'w' },
		{ "clients", required_argument, NULL, 'n' },
		{ "channels", required_argument, NULL, 'c' },
		{ "flows-file", required_argument, NULL, 'F' }, { NULL, 0, NULL, 0 }
	};
	bool ok = true;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 's': ok &= address_parse_port(&l->server, optarg); break;
		case 'l': ok &= address_parse_port(&l->local, optarg); break;
		case 'p': ok &= address_parse_port(&l->peer, optarg); break;
		case 'u': l->user = optarg; break;
		case 'w': l->password = optarg; break;
		case 'n': l->clients = (unsigned int)atoi(optarg); break;
		case 'c': l->channels = (unsigned int)atoi(optarg); break;
		case 'F': l->flows_file = optarg; break;
		default: usage();
		}
	}
	ok &= l->server.port && l->local.port && l->peer.port;
	if (!ok || optind != argc || !l->user || !l->password || !l->clients || !l->channels ||
	    TP_CHANNEL_MIN + l->channels - 1 > TP_CHANNEL_MAX)
		usage();
}

int main(int argc, char **argv)
{
	struct load load = { .clients = 1, .channels = 1 };
	struct timespec from, to;
	double seconds;

	parse(&load, argc, argv);
	if (load.flows_file) {
		load.flows = fopen(load.flows_file, "we");
		if (!load.flows)
			die("%s: %s", load.flows_file, strerror(errno));
	}
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (uint32_t i = 0; i < load.clients; i++)
		run_client(&load, i);
	clock_gettime(CLOCK_MONOTONIC, &to);
	if (load.flows && fclose(load.flows))
		die("%s: %s", load.flows_file, strerror(errno));
	seconds = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
	printf("%u channels, %.0f transactions/s\n", load.clients * load.channels,
	       (double)load.transactions / seconds);
	return EXIT_SUCCESS;
}
