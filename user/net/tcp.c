// SPDX-License-Identifier: MIT
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>
#include "address.h"
#include "net/device.h"
#include "net/tcp.h"

#define BACKLOG		1024
#define KEEP_IDLE_S	60		/* a client that is gone is found out by then ... */
#define KEEP_INTERVAL_S	15
#define KEEP_COUNT	4
#define USER_TIMEOUT_MS	60000		/* ... and one that takes nothing, by then */
#define NOT_SENT_BYTES	32768		/* what waits in the kernel cannot be dropped any more */
#define CARRY_BYTES	131072		/* of what is not dropped anyway */
#define PEERS_BACKLOG	64

static int option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

/* Connections inherit all of this. What is refused costs comfort, not correctness. */
static void set_options(int fd, uint8_t family)
{
	option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOT_SENT_BYTES);
	option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS);
	option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S);
	option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL_S);
	option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_COUNT);
	option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	if (family == 4)
		option(fd, IPPROTO_IP, IP_RECVTOS, 1);
	else
		option(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
}

/* A connection that nobody answers for is found out, however long its reader pauses. */
void tcp_carry(int fd)
{
	option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, CARRY_BYTES);
	option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 0);
	option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S);
	option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL_S);
	option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_COUNT);
	option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

static int tcp_bound(const struct tp_addr *addr, bool shared, const char *device)
{
	struct sockaddr_storage ss;
	socklen_t len = address_to_sockaddr(addr, &ss);
	int fd = socket(addr->family == 4 ? AF_INET : AF_INET6,
			SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	/* connections of a predecessor may still be in TIME_WAIT */
	option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (addr->family == 6)
		option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	err = shared ? option(fd, SOL_SOCKET, SO_REUSEPORT, 1) : 0;
	if (!err)
		err = device_bind(fd, device);
	if (!err && bind(fd, (struct sockaddr *)&ss, len))
		err = -errno;
	if (!err)
		return fd;
	close(fd);
	return err;
}

static int tcp_listener(const struct tp_addr *addr, const char *device)
{
	int fd = tcp_bound(addr, true, device), err;

	if (fd < 0)
		return fd;
	set_options(fd, addr->family);
	if (!listen(fd, BACKLOG))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int tcp_open_listeners(int *fds, unsigned int n, const struct tp_addr *addr, const char *device)
{
	/* SO_REUSEPORT would share the port with any other server of the same user */
	int err = tcp_bound(addr, false, device);
	unsigned int i;

	if (err < 0)
		return err;
	close(err);
	for (i = 0; i < n; i++) {
		fds[i] = tcp_listener(addr, device);
		if (fds[i] < 0)
			break;
	}
	if (i == n)
		return 0;
	err = fds[i];
	while (i--)
		close(fds[i]);
	return err;
}

/* RFC 8656 section 15: the DSCP of the connection, as it is known at its beginning. */
static uint8_t dscp_of(int fd, uint8_t family)
{
	uint8_t control[CMSG_SPACE(64)] __attribute__((aligned(8)));
	socklen_t len = sizeof(control);
	bool v4 = family == 4;
	struct msghdr msg = { .msg_control = control };
	int tos;

	if (getsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6,
		       v4 ? IP_PKTOPTIONS : IPV6_2292PKTOPTIONS, control, &len))
		return 0;
	msg.msg_controllen = len;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level != (v4 ? SOL_IP : SOL_IPV6) ||
		    c->cmsg_type != (v4 ? IP_TOS : IPV6_TCLASS))
			continue;
		if (c->cmsg_len < CMSG_LEN(sizeof(tos)))
			return *CMSG_DATA(c) & 0xfc;
		memcpy(&tos, CMSG_DATA(c), sizeof(tos));
		return (uint8_t)tos & 0xfc;
	}
	return 0;
}

static bool not_now(int err)
{
	return err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM;
}

int tcp_accept(int listener, struct tcp_accepted *out)
{
	struct sockaddr_storage ss;
	socklen_t len;

	do {				/* others are about a client that has left already */
		len = sizeof(ss);
		out->fd = accept4(listener, (struct sockaddr *)&ss, &len,
				  SOCK_NONBLOCK | SOCK_CLOEXEC);
	} while (out->fd < 0 && !not_now(errno) && errno != EAGAIN && errno != EINVAL &&
		 errno != EBADF);
	if (out->fd < 0)
		return not_now(errno) ? -errno : 0;
	address_from_sockaddr(&out->client, (struct sockaddr *)&ss);
	out->dscp = dscp_of(out->fd, out->client.family);
	/* RFC 8656 section 16: one DSCP for all of the connection, both ways */
	if (out->dscp && out->client.family == 4)
		option(out->fd, IPPROTO_IP, IP_TOS, out->dscp);
	else if (out->dscp)
		option(out->fd, IPPROTO_IPV6, IPV6_TCLASS, out->dscp);
	return 1;
}

int tcp_open_relay(const struct tp_addr *addr, const char *device)
{
	/* alone first, and only then shared: nobody else's listener is joined */
	int fd = tcp_bound(addr, false, device), err;

	if (fd < 0)
		return fd;
	err = option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	tcp_carry(fd);
	if (!err && listen(fd, PEERS_BACKLOG))
		err = -errno;
	if (!err)
		return fd;
	close(fd);
	return err;
}

int tcp_connect(const struct tp_addr *from, const struct tp_addr *to, const char *device)
{
	struct sockaddr_storage ss;
	socklen_t len = address_to_sockaddr(to, &ss);
	int fd = tcp_bound(from, true, device), err;

	if (fd < 0)
		return fd;
	tcp_carry(fd);
	if (!connect(fd, (struct sockaddr *)&ss, len) || errno == EINPROGRESS)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int tcp_error(int fd)
{
	socklen_t len = sizeof(int);
	int err;

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) ? -errno : -err;
}

void tcp_abort(int fd)
{
	const struct linger linger = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}
