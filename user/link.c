// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "link.h"

int link_open(int ends[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) ?
	       -errno : 0;
}

int link_send(int end, enum link_kind kind, const char *text, const int *fds, unsigned int n_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(LINK_FDS * sizeof(int))];
	} control = { 0 };
	size_t len = text ? strlen(text) : 0;
	char empty[] = "";
	struct iovec iov[] = {
		{ &kind, sizeof(kind) },
		{ text ? (void *)(size_t)text : empty, len < LINK_TEXT ? len : LINK_TEXT - 1 },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	if (n_fds > LINK_FDS)
		return -EINVAL;
	if (n_fds) {
		struct cmsghdr *c;

		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	return sendmsg(end, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void take_fds(struct msghdr *msg, struct link_message *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		message->n_fds = (unsigned int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(message->fd, CMSG_DATA(c), message->n_fds * sizeof(int));
	}
}

int link_receive(int end, struct link_message *message)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(LINK_FDS * sizeof(int))];
	} control;
	struct iovec iov[] = {
		{ &message->kind, sizeof(message->kind) },
		{ message->text, LINK_TEXT - 1 },
	};
	struct msghdr msg = {
		.msg_iov = iov, .msg_iovlen = 2,
		.msg_control = control.bytes, .msg_controllen = sizeof(control),
	};
	ssize_t len = recvmsg(end, &msg, MSG_CMSG_CLOEXEC);

	message->n_fds = 0;
	if (len < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (len == 0)
		return -EPIPE;
	take_fds(&msg, message);
	if ((size_t)len < sizeof(message->kind))
		return -EPROTO;
	message->text[(size_t)len - sizeof(message->kind)] = 0;
	return 1;
}
