// SPDX-License-Identifier: MIT
/*
 * Instructions for each datagram, where the clock counts them (QEMU's -icount, one processor).
 *   kmod drop IP:PORT                               a socket that takes nothing
 *   kmod run LOCAL PEER SERVER DROP USER PASSWORD    addresses as IP:PORT
 * run sends to DROP, and by channel through the relay to PEER, a socket of its own; in rounds,
 * each of as many datagrams, singly and as super-packets. It prints lines of
 *   CASE SIZE NS_SENT NS_DRAINED
 * for each datagram: until the last one was sent, and from then on until the last had arrived.
 * What a relay in the kernel does is in the first, a daemon's part in the second.
 */
#include <errno.h>
#include <linux/filter.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "client.h"
#include "clock.h"
#include "die.h"
#include "endpoint.h"

#define BATCH		32	/* datagrams of a round */
#define SEGMENTS	16	/* of a super-packet */
#define ROUNDS		100
#define WARM_UP		20

static int drop_main(const char *where)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = { .len = 1, .filter = &nothing };
	struct tp_addr addr = endpoint_named(where);
	int fd = endpoint_open(&addr, NULL);

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)))
		die("filter: %s", strerror(errno));
	pause();
	return 0;
}

struct run {
	const char *name;
	int fd;			/* connected */
	int peer;		/* where it arrives; -1: nowhere */
	unsigned int size;	/* application data */
	unsigned int header;	/* 4: ChannelData */
	unsigned int segments;	/* of a super-packet; 1: none */
};

static void send_round(const struct run *r, const uint8_t *packet)
{
	size_t len = (size_t)(r->size + r->header) * r->segments;

	for (unsigned int i = 0; i < BATCH / r->segments; i++)
		if (send(r->fd, packet, len, 0) != (ssize_t)len)
			die("send: %s", strerror(errno));
}

static void drain(const struct run *r)
{
	static uint8_t buf[65536];
	size_t got = 0;

	while (got < (size_t)BATCH * r->size) {
		ssize_t n = recv(r->peer, buf, sizeof(buf), 0);

		if (n <= 0)
			die("%s %u: lost after %zu bytes of a round", r->name, r->size, got);
		got += (size_t)n;
	}
}

static void measure(const struct run *r)
{
	static uint8_t packet[65536];
	int segment = r->segments > 1 ? (int)(r->size + r->header) : 0;
	uint64_t sent = 0, drained = 0, start;
	uint8_t *at = packet;

	for (unsigned int i = 0; i < r->segments; i++, at += r->size + r->header) {
		memset(at, 0xa5, r->size + r->header);
		if (r->header)
			memcpy(at, (uint8_t[]){ 0x40, 0, (uint8_t)(r->size >> 8),
						(uint8_t)r->size }, 4);
	}
	if (setsockopt(r->fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)))
		die("UDP_SEGMENT: %s", strerror(errno));
	for (int i = -WARM_UP; i < ROUNDS; i++) {
		start = clock_mono_ns();
		send_round(r, packet);
		if (i >= 0)
			sent += clock_mono_ns() - start;
		start = clock_mono_ns();
		if (r->peer >= 0)
			drain(r);
		if (i >= 0)
			drained += clock_mono_ns() - start;
	}
	printf("%s %u %llu %llu\n", r->name, r->size,
	       (unsigned long long)(sent / (ROUNDS * BATCH)),
	       (unsigned long long)(drained / (ROUNDS * BATCH)));
}

static int run_main(char **argv)
{
	static const unsigned int sizes[] = { 160, 1200 };
	struct client_side side = {
		.local = endpoint_named(argv[0]), .peer = endpoint_named(argv[1]),
		.server = endpoint_named(argv[2]), .user = argv[4], .password = argv[5],
	};
	struct tp_addr drop = endpoint_named(argv[3]);
	struct timeval wait = { .tv_sec = 2 };
	struct client client;
	int peer = endpoint_open(&side.peer, NULL), other = endpoint_open(NULL, &drop), on = 1;

	setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	client_open(&client, &side, 0);
	client_allocate(&client);
	client_bind(&client, 1);
	for (int i = 0; i < 2; i++) {
		measure(&(struct run){ "drop", other, -1, sizes[i], 4, 1 });
		measure(&(struct run){ "single", client.fd, peer, sizes[i], 4, 1 });
	}
	measure(&(struct run){ "bulk-drop", other, -1, 1200, 4, SEGMENTS });
	measure(&(struct run){ "bulk", client.fd, peer, 1200, 4, SEGMENTS });
	setsockopt(peer, IPPROTO_UDP, UDP_GRO, &on, sizeof(on));
	measure(&(struct run){ "bulk-gro", client.fd, peer, 1200, 4, SEGMENTS });
	return 0;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 3 && !strcmp(argv[1], "drop"))
		return drop_main(argv[2]);
	if (argc == 8 && !strcmp(argv[1], "run"))
		return run_main(argv + 2);
	fprintf(stderr, "usage: see the beginning of tests/bench/kmod.c\n");
	return 2;
}
