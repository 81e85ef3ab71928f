// SPDX-License-Identifier: MIT
/*
 * Datagrams are collected and leave in as few system calls as their order allows: those in a row
 * for one socket in one sendmmsg(), and those in a row for one destination and of
 * one size as one message that the kernel cuts (UDP_SEGMENT).
 */
#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include "address.h"
#include "net/udp.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#define TX_DATAGRAMS	128
#define TX_SEGMENTS	64		/* the kernel's UDP_MAX_SEGMENTS */
#define TX_GSO_BYTES	60000
#define TX_IOV		3		/* head, data, pad */
/* segment size, DSCP and ECN, TTL */
#define TX_CONTROL	(CMSG_SPACE(sizeof(uint16_t)) + 2 * CMSG_SPACE(sizeof(int)))

/* One message: a datagram, or several equal ones to be cut by the kernel. */
struct tx_message {
	int fd;
	struct tp_addr to;
	unsigned int first, n;		/* datagrams of the batch */
	size_t segment, bytes;
	bool closed;			/* ends with a shorter one: takes no more */
	uint8_t tos, ttl;
};

struct udp_tx {
	struct mmsghdr mmsg[TX_DATAGRAMS];
	struct tx_message messages[TX_DATAGRAMS];
	struct sockaddr_storage names[TX_DATAGRAMS];
	uint8_t control[TX_DATAGRAMS][TX_CONTROL] __attribute__((aligned(8)));
	struct iovec iov[TX_DATAGRAMS * TX_IOV];
	uint8_t heads[TX_DATAGRAMS][UDP_HEAD_MAX];
	unsigned int n_messages, n_datagrams;
	bool no_gso;			/* the way out has no checksum offload (EIO) */
	/* of each datagram, and of those that were lost */
	uint8_t reason[TX_DATAGRAMS];
	uint32_t counted[TX_DATAGRAMS];
	struct tp_count lost[TP_R_MAX];
};

static const uint8_t zeros[4];

struct udp_tx *udp_tx_new(void)
{
	return calloc(1, sizeof(struct udp_tx));
}

void udp_tx_free(struct udp_tx *tx)
{
	free(tx);
}

void udp_count_lost(const struct udp_tx *tx, struct tp_count counts[TP_R_MAX])
{
	struct tp_count *failed = &counts[TP_R_SEND_FAILED];

	for (unsigned int i = 0; i < TP_R_MAX; i++) {
		uint64_t packets = __atomic_load_n(&tx->lost[i].packets, __ATOMIC_RELAXED);
		uint64_t bytes = __atomic_load_n(&tx->lost[i].bytes, __ATOMIC_RELAXED);

		/* a socket may know before the worker has counted the packet at all */
		if (packets > counts[i].packets || bytes > counts[i].bytes)
			continue;
		counts[i].packets -= packets;
		counts[i].bytes -= bytes;
		failed->packets += packets;
		failed->bytes += bytes;
	}
}

static void lose(struct udp_tx *tx, unsigned int slot)
{
	struct tp_count *c = &tx->lost[tx->reason[slot]];

	__atomic_store_n(&c->packets, c->packets + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&c->bytes, c->bytes + tx->counted[slot], __ATOMIC_RELAXED);
}

/* An ICMP error that waits on the socket is reported by the next call, which
 * sends nothing; a second try does. */
static bool transient(int err)
{
	return err == ECONNREFUSED || err == EHOSTUNREACH || err == ENETUNREACH || err == EINTR ||
	       err == EMSGSIZE;
}

static bool send_one(int fd, const struct msghdr *msg)
{
	if (sendmsg(fd, msg, MSG_DONTWAIT) >= 0)
		return true;
	return transient(errno) && sendmsg(fd, msg, MSG_DONTWAIT) >= 0;
}

/* msg_control has room for TX_CONTROL bytes; msg_controllen is what is used of it. */
static void add_control(struct msghdr *msg, int level, int type, const void *value, size_t len)
{
	struct cmsghdr *c = (struct cmsghdr *)((uint8_t *)msg->msg_control + msg->msg_controllen);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), value, len);
	msg->msg_controllen += CMSG_SPACE(len);
}

static void set_ip_fields(struct msghdr *msg, uint8_t family, uint8_t tos, uint8_t ttl)
{
	int tos_value = tos, ttl_value = ttl;
	bool v4 = family == 4;

	if (tos)
		add_control(msg, v4 ? SOL_IP : SOL_IPV6, v4 ? IP_TOS : IPV6_TCLASS,
			    &tos_value, sizeof(tos_value));
	if (ttl)
		add_control(msg, v4 ? SOL_IP : SOL_IPV6, v4 ? IP_TTL : IPV6_HOPLIMIT,
			    &ttl_value, sizeof(ttl_value));
}

/* The datagrams of a message one by one: where the kernel does not cut. */
static void send_apart(struct udp_tx *tx, const struct tx_message *m, const struct msghdr *msg)
{
	uint8_t control[TX_CONTROL] __attribute__((aligned(8)));

	for (unsigned int i = 0; i < m->n; i++) {
		struct msghdr one = {
			.msg_name = msg->msg_name, .msg_namelen = msg->msg_namelen,
			.msg_iov = &tx->iov[(m->first + i) * TX_IOV], .msg_iovlen = TX_IOV,
			.msg_control = control,
		};

		set_ip_fields(&one, m->to.family, m->tos, m->ttl);
		if (!send_one(m->fd, &one))
			lose(tx, m->first + i);
	}
}

static void prepare(struct udp_tx *tx, unsigned int i)
{
	struct tx_message *m = &tx->messages[i];
	struct msghdr *msg = &tx->mmsg[i].msg_hdr;
	uint16_t segment = (uint16_t)m->segment;

	*msg = (struct msghdr){
		.msg_name = &tx->names[i],
		.msg_namelen = address_to_sockaddr(&m->to, &tx->names[i]),
		.msg_iov = &tx->iov[m->first * TX_IOV],
		.msg_iovlen = (size_t)m->n * TX_IOV,
		.msg_control = tx->control[i],
	};
	set_ip_fields(msg, m->to.family, m->tos, m->ttl);
	if (m->n > 1)
		add_control(msg, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment));
}

/* Messages [from, to) have one socket. */
static void send_run(struct udp_tx *tx, unsigned int from, unsigned int to)
{
	while (from < to) {
		struct tx_message *m = &tx->messages[from];
		int n = sendmmsg(m->fd, &tx->mmsg[from], to - from, MSG_DONTWAIT);

		if (n > 0) {
			from += (unsigned int)n;
			continue;
		}
		if (m->n > 1) {
			/* others are about these datagrams: too large for the way, say */
			if (errno == EIO || errno == EOPNOTSUPP)
				tx->no_gso = true;
			send_apart(tx, m, &tx->mmsg[from].msg_hdr);
		} else if (!transient(errno) || !send_one(m->fd, &tx->mmsg[from].msg_hdr)) {
			lose(tx, m->first);
		}
		from++;
	}
}

/* Messages [from, to) have one socket, and so one family. */
static bool concerns_route(const struct udp_tx *tx, unsigned int from, unsigned int to)
{
	if (tx->messages[from].to.family != 4)
		return false;
	for (; from < to; from++)
		if (tx->messages[from].segment > UDP_FITS_ROUTE)
			return true;
	return false;
}

static void send_socket(struct udp_tx *tx, unsigned int from, unsigned int to)
{
	const struct tx_message *m = &tx->messages[from];
	bool by_route = concerns_route(tx, from, to);

	if (by_route)
		udp_set_cutting(m->fd, m->to.family, UDP_BY_ROUTE);
	send_run(tx, from, to);
	if (by_route)
		udp_set_cutting(m->fd, m->to.family, UDP_AT_REST);
}

void udp_flush(struct udp_tx *tx)
{
	unsigned int from = 0;

	for (unsigned int i = 0; i < tx->n_messages; i++)
		prepare(tx, i);
	for (unsigned int i = 1; i <= tx->n_messages; i++) {
		if (i < tx->n_messages && tx->messages[i].fd == tx->messages[from].fd)
			continue;
		send_socket(tx, from, i);
		from = i;
	}
	tx->n_messages = tx->n_datagrams = 0;
}

/* DF is a property of the socket, so such a datagram goes alone. */
static void send_unfragmented(struct udp_tx *tx, const struct udp_datagram *d, unsigned int slot)
{
	const struct tp_addr *to = d->to;
	uint8_t control[TX_CONTROL] __attribute__((aligned(8)));
	struct sockaddr_storage ss;
	struct msghdr msg = {
		.msg_name = &ss, .msg_namelen = address_to_sockaddr(to, &ss),
		.msg_iov = &tx->iov[slot * TX_IOV], .msg_iovlen = TX_IOV,
		.msg_control = control,
	};

	set_ip_fields(&msg, to->family, d->tos, d->ttl);
	udp_set_cutting(d->fd, to->family, UDP_WHOLE);
	if (!send_one(d->fd, &msg))
		lose(tx, slot);
	udp_set_cutting(d->fd, to->family, UDP_AT_REST);
}

static bool fits(const struct udp_tx *tx, const struct tx_message *m, const struct udp_datagram *d,
		 size_t size)
{
	return !tx->no_gso && !m->closed && m->n < TX_SEGMENTS && m->fd == d->fd && size &&
	       size <= m->segment && m->tos == d->tos && m->ttl == d->ttl &&
	       m->bytes + size <= TX_GSO_BYTES && address_equal(&m->to, d->to);
}

void udp_send(struct udp_tx *tx, const struct udp_datagram *d)
{
	size_t size = d->head_len + d->data_len + d->pad;
	struct tx_message *m;
	unsigned int slot;

	if (tx->n_datagrams == TX_DATAGRAMS || d->dont_fragment || d->head_len > UDP_HEAD_MAX)
		udp_flush(tx);
	slot = tx->n_datagrams;
	tx->reason[slot] = d->reason;
	tx->counted[slot] = d->counted;
	tx->iov[slot * TX_IOV] = (struct iovec){ tx->heads[slot], d->head_len };
	tx->iov[slot * TX_IOV + 1] = (struct iovec){ (void *)(uintptr_t)d->data, d->data_len };
	tx->iov[slot * TX_IOV + 2] = (struct iovec){ (void *)(uintptr_t)zeros, d->pad };
	if (d->head_len > UDP_HEAD_MAX)
		tx->iov[slot * TX_IOV].iov_base = (void *)(uintptr_t)d->head;
	else if (d->head_len)
		memcpy(tx->heads[slot], d->head, d->head_len);
	if (d->dont_fragment) {
		send_unfragmented(tx, d, slot);
		return;
	}
	tx->n_datagrams++;
	m = tx->n_messages ? &tx->messages[tx->n_messages - 1] : NULL;
	if (m && fits(tx, m, d, size)) {
		m->n++;
		m->bytes += size;
		m->closed = size < m->segment;
	} else {
		tx->messages[tx->n_messages++] = (struct tx_message){
			.fd = d->fd, .to = *d->to, .first = slot, .n = 1,
			.segment = size, .bytes = size, .tos = d->tos, .ttl = d->ttl,
		};
	}
	/* a long head is the caller's and goes with its call */
	if (d->head_len > UDP_HEAD_MAX)
		udp_flush(tx);
}
