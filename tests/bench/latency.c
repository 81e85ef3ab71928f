// SPDX-License-Identifier: MIT
/*
 * Round trips, one under way at a time, between a client and an echo.
 *   latency echo IP:PORT
 *   latency ping SECONDS direct LOCAL PEER                 straight to the echo
 *   latency ping SECONDS turn LOCAL PEER SERVER USER PASSWORD    by channel through a relay
 * addresses as IP:PORT. ping prints one line: P50 P99 P99.9 MAX COUNT LOST, microseconds.
 * Both ends run with real-time priority, so that beside a busy processor it is the relay
 * that waits for its turn, and not they.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "client.h"
#include "clock.h"
#include "die.h"
#include "endpoint.h"

#define PINGS_MAX	20000
#define WARM_UP		200
#define PAYLOAD		160
#define ECHO_BYTES	(8 << 20)	/* the echo is not to be what loses */
#define LOST_MS		200

static void echo(const char *at)
{
	struct tp_addr local = endpoint_named(at);
	int fd = endpoint_open(&local, NULL), room = ECHO_BYTES;
	struct sockaddr_storage from;
	uint8_t buf[2048];

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	for (;;) {
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);

		if (n >= 0)
			sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len);
	}
}

/* The packet is channel header, number, and filling; straight to the peer the header is
 * nothing but 4 bytes more. Returns ns, 0 where it was lost. */
static uint64_t ping(int fd, uint64_t number)
{
	uint8_t out[4 + PAYLOAD] = { TP_CHANNEL_MIN >> 8, TP_CHANNEL_MIN & 0xff, 0, PAYLOAD };
	uint8_t in[sizeof(out) + 1];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t from;

	memcpy(out + 4, &number, sizeof(number));
	from = clock_mono_ns();
	if (send(fd, out, sizeof(out), 0) != sizeof(out))
		die("send: %s", strerror(errno));
	while (poll(&p, 1, LOST_MS) > 0) {
		ssize_t n = recv(fd, in, sizeof(in), 0);
		uint64_t to = clock_mono_ns();

		/* late answers to what was given up have another number */
		if (n == sizeof(out) && !memcmp(in, out, sizeof(out)))
			return to - from;
		if (n < 0)
			die("receive: %s", strerror(errno));
	}
	return 0;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void measure(int fd, double seconds)
{
	static uint64_t ns[PINGS_MAX];
	uint64_t end = clock_mono_ns() + (uint64_t)(seconds * 1e9), number = 0;
	size_t n = 0, lost = 0;

	while (number < WARM_UP && clock_mono_ns() < end)
		ping(fd, number++);
	while (n < PINGS_MAX && clock_mono_ns() < end) {
		ns[n] = ping(fd, number++);
		if (ns[n])
			n++;
		else
			lost++;
	}
	if (!n)
		die("nothing came back, %zu lost", lost);
	qsort(ns, n, sizeof(*ns), by_value);
	printf("%.1f %.1f %.1f %.1f %zu %zu\n", (double)ns[n / 2] / 1e3,
	       (double)ns[n * 99 / 100] / 1e3, (double)ns[n * 999 / 1000] / 1e3,
	       (double)ns[n - 1] / 1e3, n, lost);
}

int main(int argc, char **argv)
{
	const struct sched_param rt = { .sched_priority = 1 };
	struct client_side side = { 0 };
	struct client client;
	double seconds;

	if (sched_setscheduler(0, SCHED_FIFO, &rt))
		fprintf(stderr, "latency: no real-time priority: %s\n", strerror(errno));
	if (argc == 3 && !strcmp(argv[1], "echo"))
		echo(argv[2]);
	if (argc < 6 || strcmp(argv[1], "ping"))
		die("echo IP:PORT | ping SECONDS direct|turn LOCAL PEER [SERVER USER PASSWORD]");
	seconds = atof(argv[2]);
	side.local = endpoint_named(argv[4]);
	side.peer = endpoint_named(argv[5]);
	if (!strcmp(argv[3], "direct")) {
		measure(endpoint_open(&side.local, &side.peer), seconds);
		return EXIT_SUCCESS;
	}
	if (argc != 9)
		die("turn LOCAL PEER SERVER USER PASSWORD");
	side.server = endpoint_named(argv[6]);
	side.user = argv[7];
	side.password = argv[8];
	client_open(&client, &side, 0);
	client_allocate(&client);
	client_bind(&client, 1);
	measure(client.fd, seconds);
	return EXIT_SUCCESS;
}
