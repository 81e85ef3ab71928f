// SPDX-License-Identifier: MIT
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include "address.h"
#include "net/device.h"
#include "net/mapping.h"
#include "stun/stun.h"
#include "turn/turn.h"

/* RFC 8489 section 6.2.1 with an RTO of 500 ms; its Rc of 7 and Rm of 16 would be 39.5 s */
static const int waits_ms[] = { 500, 1000, 2000, 2000 };

static int failed(char why[MAPPING_WHY], int err, const char *what)
{
	snprintf(why, MAPPING_WHY, "%s%s%s", what, *what ? ": " : "", strerror(-err));
	return err;
}

int mapping_read(struct tp_addr *mapped, const uint8_t *data, size_t len,
		 const uint8_t txid[TP_STUN_TXID_LEN], char why[MAPPING_WHY])
{
	struct stun_msg msg;

	if (stun_parse(&msg, data, len) != STUN_OK || msg.method != STUN_BINDING ||
	    memcmp(msg.txid, txid, sizeof(msg.txid)))
		return 0;
	if (msg.class == STUN_ERROR) {
		snprintf(why, MAPPING_WHY, "it answers with error %u", msg.error);
		return -EPROTO;
	}
	if (msg.class != STUN_SUCCESS)
		return 0;
	/* RFC 8489 section 6.3.3 */
	if (msg.n_unknown || !(msg.has & STUN_BIT(XOR_MAPPED_ADDRESS))) {
		snprintf(why, MAPPING_WHY, "its answer has %s", msg.n_unknown ?
			 "an attribute that is not known" : "no XOR-MAPPED-ADDRESS");
		return -EPROTO;
	}
	*mapped = msg.mapped;
	mapped->port = 0;
	return 1;
}

/* Connected: the kernel discards what others send. fd or -errno. */
static int open_socket(const struct tp_addr *local, const struct tp_addr *server,
		       const char *device)
{
	struct tp_addr from = *local;
	struct sockaddr_storage ss;
	socklen_t len;
	int fd = socket(local->family == 4 ? AF_INET : AF_INET6,
			SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	from.port = 0;
	len = address_to_sockaddr(&from, &ss);
	err = device_bind(fd, device);
	if (!err && bind(fd, (struct sockaddr *)&ss, len))
		err = -errno;
	len = address_to_sockaddr(server, &ss);
	if (!err && connect(fd, (struct sockaddr *)&ss, len))
		err = -errno;
	if (!err)
		return fd;
	close(fd);
	return err;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

struct question {
	int fd;
	uint8_t txid[TP_STUN_TXID_LEN];
	int err;		/* what ICMP said; anybody can say that, so it is no end */
	char *why;
};

/* As mapping_read(); 0: it is time to ask again. */
static int listen_until(struct question *q, int64_t end_ms, struct tp_addr *mapped)
{
	uint8_t data[2048];

	for (;;) {
		struct pollfd fd = { .fd = q->fd, .events = POLLIN };
		int64_t left = end_ms - now_ms();
		ssize_t len;
		int got;

		if (left <= 0)
			return 0;
		if (poll(&fd, 1, (int)left) <= 0)
			continue;
		len = recv(q->fd, data, sizeof(data), 0);
		if (len < 0 && errno != EAGAIN && errno != EINTR)
			q->err = -errno;
		got = len < 0 ? 0 : mapping_read(mapped, data, (size_t)len, q->txid, q->why);
		if (got)
			return got;
	}
}

static int ask(struct question *q, struct tp_addr *mapped)
{
	uint8_t request[TP_STUN_HDR_LEN + 8];
	struct stun_writer w;
	int got = 0;

	stun_begin(&w, request, sizeof(request), STUN_BINDING, STUN_REQUEST, q->txid);
	stun_put_fingerprint(&w);
	for (size_t i = 0; i < sizeof(waits_ms) / sizeof(*waits_ms) && !got; i++) {
		if (send(q->fd, request, w.len, 0) < 0)
			q->err = -errno;
		got = listen_until(q, now_ms() + waits_ms[i], mapped);
	}
	return got;
}

int mapping_ask(struct tp_addr *mapped, const struct tp_addr *local,
		const struct tp_addr *server, const char *device, char why[MAPPING_WHY])
{
	struct question q = { .why = why };
	char text[ADDRESS_TEXT];
	int got;

	/* RFC 8489 section 6: random, so that only who sees the request can answer it */
	if (getrandom(q.txid, sizeof(q.txid), 0) != sizeof(q.txid))
		return failed(why, -errno, "random numbers");
	q.fd = open_socket(local, server, device);
	if (q.fd < 0)
		return failed(why, q.fd, "");
	got = ask(&q, mapped);
	close(q.fd);
	if (got < 0)
		return got;
	if (!got)
		return failed(why, q.err ? q.err : -ETIMEDOUT, "it does not answer");
	if (mapped->family == local->family && !acl_special(mapped))
		return 0;
	address_text(mapped, text);
	snprintf(why, MAPPING_WHY, "it answers with %s, which is no public %s address: it may be "
		 "on this side of the NAT", text, local->family == 4 ? "IPv4" : "IPv6");
	return -EADDRNOTAVAIL;
}
