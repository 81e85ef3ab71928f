// SPDX-License-Identifier: MIT
/*
 * One client's datagrams go to one worker, whatever queue they come in by (L3, G3): the filter
 * in the kernel and the daemon's own reckoning are the same, so that what the core believes
 * about a 5-tuple is believed by one thread alone.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "address.h"
#include "net/udp.h"

#define MOST	8
#define CLIENTS	200

static struct tp_addr name_of(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct tp_addr addr;

	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	assert_true(address_from_sockaddr(&addr, (struct sockaddr *)&ss));
	return addr;
}

/* Which of them has something to read, and takes it; n: none. */
static unsigned int heard(const int *fds, unsigned int n)
{
	struct pollfd p[MOST];
	char byte;

	for (unsigned int i = 0; i < n; i++)
		p[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	if (poll(p, n, 5000) != 1)
		return n;
	for (unsigned int i = 0; i < n; i++) {
		if (p[i].revents && recv(fds[i], &byte, 1, 0) == 1)
			return i;
	}
	return n;
}

/* A port that nobody has now. */
static struct tp_addr free_port(const char *ip)
{
	struct tp_addr addr;
	int fd;

	assert_true(address_parse(&addr, ip));
	fd = udp_open_relay(&addr, 0, NULL);
	if (fd < 0)
		skip();				/* a host without IPv6 */
	addr = name_of(fd);
	close(fd);
	return addr;
}

static void one_worker_each(const char *ip, unsigned int n)
{
	struct tp_addr to = free_port(ip), from;
	unsigned int got[MOST] = { 0 }, worker, busy = 0;
	struct sockaddr_storage ss;
	socklen_t len = address_to_sockaddr(&to, &ss);
	int fds[MOST], fd;

	assert_int_equal(udp_open_listeners(fds, n, &to, 0, NULL), 0);
	for (unsigned int i = 0; i < CLIENTS; i++) {
		assert_true(address_parse(&from, ip));
		fd = udp_open_relay(&from, 0, NULL);
		assert_true(fd >= 0);
		from = name_of(fd);
		for (unsigned int k = 0; k < 3; k++) {
			assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&ss, len), 1);
			worker = heard(fds, n);
			assert_int_equal(worker, udp_worker(&from, n));
		}
		got[worker]++;
		close(fd);
	}
	for (unsigned int i = 0; i < n; i++) {
		busy += got[i] != 0;
		close(fds[i]);
	}
	assert_int_equal(busy, n);
}

static void ipv4(void **state)
{
	(void)state;
	one_worker_each("127.0.0.1", 1);
	one_worker_each("127.0.0.1", 2);
	one_worker_each("127.0.0.1", 7);
}

static void ipv6(void **state)
{
	(void)state;
	one_worker_each("::1", 2);
	one_worker_each("::1", 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4),
		cmocka_unit_test(ipv6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
