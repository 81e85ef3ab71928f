// SPDX-License-Identifier: MIT
/*
 * echo FIRST_PORT LAST_PORT ADDRESS...: sends every datagram back that comes to one of these,
 * with room for those that come while somebody else has the processor. When the command
 * returns, its ports are open, and a process in the background serves them until it is ended.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "address.h"

#define SOCKETS_MAX	16

static int open_port(const char *ip, long port)
{
	const int room = 32 << 20;
	struct sockaddr_storage ss;
	struct tp_addr addr;
	char text[64];
	int fd;

	snprintf(text, sizeof(text), strchr(ip, ':') ? "[%s]:%ld" : "%s:%ld", ip, port);
	if (!address_parse_port(&addr, text))
		return -1;
	fd = socket(addr.family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (fd < 0 || bind(fd, (struct sockaddr *)&ss, address_to_sockaddr(&addr, &ss))) {
		perror(text);
		return -1;
	}
	return fd;
}

static void answer(int fd)
{
	static char data[65536];
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(fd, data, sizeof(data), MSG_DONTWAIT, (struct sockaddr *)&from, &len);

	if (n >= 0)
		sendto(fd, data, (size_t)n, 0, (struct sockaddr *)&from, len);
}

int main(int argc, char **argv)
{
	struct pollfd p[SOCKETS_MAX];
	nfds_t n = 0;

	if (argc < 4)
		return 2;
	for (int i = 3; i < argc; i++) {
		for (long port = atol(argv[1]); port <= atol(argv[2]); port++) {
			if (n == SOCKETS_MAX)
				return 2;
			p[n] = (struct pollfd){ .fd = open_port(argv[i], port), .events = POLLIN };
			if (p[n++].fd < 0)
				return 1;
		}
	}
	if (daemon(1, 0))
		return 1;
	while (poll(p, n, -1) > 0)
		for (nfds_t i = 0; i < n; i++)
			if (p[i].revents)
				answer(p[i].fd);
	return 1;
}
