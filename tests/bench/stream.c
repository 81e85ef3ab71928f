// SPDX-License-Identifier: MIT
/*
 * Clients that stay: on UDP, TCP or TLS, each with an allocation and a channel to its
 * peer. Says "ready", and then sends ChannelData by all of them in turn at one rate in all,
 * each message in a write (and a TLS record) of its own, or holds them until its input ends.
 * For each line of input it asks all whether they are there: each binds its channel anew, and
 * a message to the peer, who echoes, has to come back. Then it says "alive N".
 *   stream OPTION...      one line at the end: "sent N received N seconds S gap_ms G"
 *   stream sink IP:PORT   a socket that nobody reads: the kernel counts and drops
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "client.h"
#include "clock.h"
#include "die.h"
#include "endpoint.h"

#define PAUSE_NS	200000		/* where nothing is due, or nobody takes more */
#define LINGER_NS	(CLOCK_NS_PER_S / 2)	/* for what is still on its way back */
#define LIFETIME_S	3600		/* nobody refreshes */
#define PAYLOAD_MAX	1400
#define READ_BYTES	65536

struct stream_load {
	struct client_side side;
	unsigned int n, payload;
	uint64_t rate;			/* messages/s of all; 0: as fast as they are taken */
	double seconds;			/* 0: only hold them */
	struct client *clients;
	uint8_t message[TP_CHANNEL_HDR_LEN + PAYLOAD_MAX];
	size_t message_len;
	uint64_t sent, bytes_back, last_ns, gap_ns;
};

static void rest(void)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };

	nanosleep(&pause, NULL);
}

/* What an operation on a client gave, where it is not an end: 0 for "not now". */
static size_t taken(const struct client *c, ssize_t n)
{
	if (n > 0)
		return (size_t)n;
	if (c->ssl) {
		int err = SSL_get_error(c->ssl, (int)n);

		if (err == SSL_ERROR_WANT_WRITE || err == SSL_ERROR_WANT_READ)
			return 0;
	} else if (n < 0 && (errno == EAGAIN || errno == ENOBUFS)) {
		return 0;
	}
	die("a connection has ended");
}

/* False: its buffers are full. A part of a message blocks for the rest of it. */
static bool send_one(struct stream_load *l, const struct client *c)
{
	size_t at = 0, n;

	do {
		const uint8_t *p = l->message + at;
		size_t len = l->message_len - at;

		n = taken(c, c->ssl ? SSL_write(c->ssl, p, (int)len) : send(c->fd, p, len, 0));
		if (!at && !n)
			return false;
		if (!n)
			rest();
		at += n;
	} while (at < l->message_len);
	l->sent++;
	return true;
}

static void collect(struct stream_load *l)
{
	uint8_t buf[READ_BYTES];

	for (unsigned int i = 0; i < l->n; i++) {
		const struct client *c = &l->clients[i];
		size_t n;

		while ((n = taken(c, c->ssl ? SSL_read(c->ssl, buf, sizeof(buf)) :
				  recv(c->fd, buf, sizeof(buf), 0)))) {
			uint64_t now = clock_mono_ns();

			if (l->last_ns && now - l->last_ns > l->gap_ns)
				l->gap_ns = now - l->last_ns;
			l->last_ns = now;
			l->bytes_back += n;
		}
	}
}

static void run(struct stream_load *l)
{
	uint64_t start = clock_mono_ns(), length = (uint64_t)(l->seconds * 1e9), spent, end;
	unsigned int next = 0, full = 0;

	while ((spent = clock_mono_ns() - start) < length) {
		uint64_t due = l->rate ? (uint64_t)((double)spent * (double)l->rate / 1e9) :
			       UINT64_MAX;

		if (l->sent >= due || full == l->n) {
			if (l->rate)
				collect(l);
			rest();
			full = 0;
			continue;
		}
		full = send_one(l, &l->clients[next]) ? 0 : full + 1;
		next = (next + 1) % l->n;
	}
	end = clock_mono_ns();
	while (l->rate && clock_mono_ns() < end + LINGER_NS) {
		collect(l);
		rest();
	}
	printf("sent %llu received %llu seconds %.3f gap_ms %.1f\n", (unsigned long long)l->sent,
	       (unsigned long long)(l->bytes_back / l->message_len),
	       (double)(end - start) / 1e9, (double)l->gap_ns / 1e6);
}

static void do_not_block(const struct stream_load *l)
{
	for (unsigned int i = 0; i < l->n; i++)
		if (fcntl(l->clients[i].fd, F_SETFL, O_NONBLOCK))
			die("fcntl: %s", strerror(errno));
}

static void hold(const struct stream_load *l)
{
	int byte;

	while ((byte = getchar()) != EOF) {
		if (byte != '\n')
			continue;
		for (unsigned int i = 0; i < l->n; i++) {
			client_bind(&l->clients[i], 1);
			client_echo(&l->clients[i], l->message, l->message_len);
		}
		printf("alive %u\n", l->n);
		fflush(stdout);
	}
}

static void open_clients(struct stream_load *l)
{
	l->clients = calloc(l->n, sizeof(*l->clients));
	if (!l->clients)
		die("out of memory");
	for (unsigned int i = 0; i < l->n; i++) {
		struct client *c = &l->clients[i];

		client_open(c, &l->side, i);
		client_allocate(c);
		client_bind(c, 1);
	}
	puts("ready");
	fflush(stdout);
}

static int sink(const char *where)
{
	struct tp_addr addr = endpoint_named(where);
	int fd = endpoint_open(&addr, NULL), least = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least)))
		die("%s: %s", where, strerror(errno));
	for (;;)
		pause();
}

/* ------------------------------------------------------------------ options */

static bool set_transport(struct client_side *side, const char *word)
{
	static const struct {
		const char *word;
		enum client_transport transport;
		int version;
	} all[] = {
		{ "udp", CLIENT_UDP, 0 }, { "tcp", CLIENT_TCP, 0 },
		{ "tls", CLIENT_TLS, TLS1_3_VERSION }, { "tls1.2", CLIENT_TLS, TLS1_2_VERSION },
	};

	for (unsigned int i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (strcmp(word, all[i].word))
			continue;
		side->transport = all[i].transport;
		side->tls = all[i].version ? client_tls_new(all[i].version) : NULL;
		return true;
	}
	return false;
}

static void parse(struct stream_load *l, int argc, char **argv)
{
	static const struct option options[] = {
		CLIENT_OPTIONS,
		{ "transport", required_argument, NULL, 't' },
		{ "clients", required_argument, NULL, 'n' },
		{ "payload", required_argument, NULL, 'b' },
		{ "rate", required_argument, NULL, 'r' },
		{ "seconds", required_argument, NULL, 'S' }, { NULL, 0, NULL, 0 }
	};
	bool ok = true;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 't': ok &= set_transport(&l->side, optarg); break;
		case 'n': l->n = (unsigned int)atoi(optarg); break;
		case 'b': l->payload = (unsigned int)atoi(optarg); break;
		case 'r': l->rate = strtoull(optarg, NULL, 10); break;
		case 'S': l->seconds = atof(optarg); break;
		default: ok &= client_option(&l->side, c, optarg);
		}
	}
	if (!ok || optind != argc || !client_told_all(&l->side) || !l->n || !l->payload ||
	    l->payload % 4 || l->payload > PAYLOAD_MAX)
		die(CLIENT_USAGE "\n"
		    "  [--transport udp|tcp|tls|tls1.2] [--clients N] [--payload BYTES (of 4)]\n"
		    "  [--rate N] [--seconds S]\n  or: sink IP:PORT");
}

int main(int argc, char **argv)
{
	struct stream_load l = { .side.lifetime_s = LIFETIME_S, .n = 1, .payload = 160 };

	if (argc == 3 && !strcmp(argv[1], "sink"))
		return sink(argv[2]);
	parse(&l, argc, argv);
	l.message[0] = TP_CHANNEL_MIN >> 8;
	l.message[1] = TP_CHANNEL_MIN & 0xff;
	l.message[2] = (uint8_t)(l.payload >> 8);
	l.message[3] = (uint8_t)l.payload;
	l.message_len = TP_CHANNEL_HDR_LEN + l.payload;
	open_clients(&l);
	if (l.seconds > 0) {
		do_not_block(&l);
		run(&l);
	} else {
		hold(&l);
	}
	return EXIT_SUCCESS;
}
