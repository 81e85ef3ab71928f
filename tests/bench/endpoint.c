// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include "die.h"
#include "endpoint.h"

typedef int (*socket_call)(int fd, const struct sockaddr *sa, socklen_t len);

struct tp_addr endpoint_named(const char *text)
{
	struct tp_addr addr;

	if (!address_parse_port(&addr, text))
		die("%s: not IP:PORT", text);
	return addr;
}

static void call(socket_call what, const char *name, int fd, const struct tp_addr *addr)
{
	struct sockaddr_storage ss;
	socklen_t len = address_to_sockaddr(addr, &ss);
	char text[ADDRESS_TEXT];

	if (what(fd, (struct sockaddr *)&ss, len))
		die("%s %s: %s", name, address_text(addr, text), strerror(errno));
}

int endpoint_open(const struct tp_addr *local, const struct tp_addr *to)
{
	int family = (local ? local : to)->family == 4 ? AF_INET : AF_INET6;
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket: %s", strerror(errno));
	if (local)
		call(bind, "bind", fd, local);
	if (to)
		call(connect, "connect", fd, to);
	return fd;
}
