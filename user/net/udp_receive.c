// SPDX-License-Identifier: MIT
#include <errno.h>
#include <time.h>			/* errqueue.h needs struct timespec */
#include <linux/errqueue.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include "address.h"
#include "net/udp.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

struct udp_rx {
	struct mmsghdr msgs[UDP_BATCH];
	struct iovec iov[UDP_BATCH];
	struct sockaddr_storage names[UDP_BATCH];
	uint8_t control[UDP_BATCH][128];
	struct udp_received received[UDP_BATCH];
	uint8_t *data;			/* UDP_BATCH pieces of UDP_MAX bytes */
};

struct udp_rx *udp_rx_new(void)
{
	struct udp_rx *rx = calloc(1, sizeof(*rx));

	if (!rx)
		return NULL;
	rx->data = malloc((size_t)UDP_BATCH * UDP_MAX);
	if (!rx->data) {
		free(rx);
		return NULL;
	}
	for (unsigned int i = 0; i < UDP_BATCH; i++) {
		rx->iov[i].iov_base = rx->data + (size_t)i * UDP_MAX;
		rx->iov[i].iov_len = UDP_MAX;
	}
	return rx;
}

void udp_rx_free(struct udp_rx *rx)
{
	if (!rx)
		return;
	free(rx->data);
	free(rx);
}

/* Segment size, DSCP, ECN and TTL from the control messages. */
static void read_control(struct msghdr *msg, struct udp_received *r)
{
	r->segment = 0;
	r->tos = r->ttl = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		int value = 0;

		/* IP_TOS alone comes as one byte */
		if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_TOS) {
			r->tos = *CMSG_DATA(c);
			continue;
		}
		if (c->cmsg_len >= CMSG_LEN(sizeof(value)))
			memcpy(&value, CMSG_DATA(c), sizeof(value));
		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO)
			r->segment = (size_t)value;
		else if (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_TCLASS)
			r->tos = (uint8_t)value;
		else if ((c->cmsg_level == SOL_IP && c->cmsg_type == IP_TTL) ||
			 (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_HOPLIMIT))
			r->ttl = (uint8_t)value;
	}
	if (!r->segment)
		r->segment = r->len;
}

int udp_receive(struct udp_rx *rx, int fd, const struct udp_received **out)
{
	int n;

	for (unsigned int i = 0; i < UDP_BATCH; i++)
		rx->msgs[i].msg_hdr = (struct msghdr){
			.msg_name = &rx->names[i],
			.msg_namelen = sizeof(rx->names[i]),
			.msg_iov = &rx->iov[i],
			.msg_iovlen = 1,
			.msg_control = rx->control[i],
			.msg_controllen = sizeof(rx->control[i]),
		};
	n = recvmmsg(fd, rx->msgs, UDP_BATCH, MSG_DONTWAIT, NULL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		struct udp_received *r = &rx->received[i];

		address_from_sockaddr(&r->from, (struct sockaddr *)&rx->names[i]);
		r->data = rx->iov[i].iov_base;
		r->len = rx->msgs[i].msg_len;
		read_control(&rx->msgs[i].msg_hdr, r);
	}
	*out = rx->received;
	return n;
}

/* The four bytes behind the ICMP checksum that the kernel let through: the MTU. */
static uint32_t icmp_data(const struct sock_extended_err *ee)
{
	bool v4 = ee->ee_origin == SO_EE_ORIGIN_ICMP;
	bool too_big = v4 ? ee->ee_type == 3 && ee->ee_code == 4 : ee->ee_type == 2;

	return too_big ? ee->ee_info : 0;
}

int udp_receive_icmp(int fd, struct udp_icmp *icmp)
{
	struct sockaddr_storage name;
	uint8_t control[512], byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };

	for (;;) {
		struct msghdr msg = {
			.msg_name = &name, .msg_namelen = sizeof(name),
			.msg_iov = &iov, .msg_iovlen = 1,
			.msg_control = control, .msg_controllen = sizeof(control),
		};

		if (recvmsg(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			return 0;
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
			struct sock_extended_err ee;

			if (!(c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR) &&
			    !(c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_RECVERR))
				continue;
			memcpy(&ee, CMSG_DATA(c), sizeof(ee));
			if (ee.ee_origin != SO_EE_ORIGIN_ICMP && ee.ee_origin != SO_EE_ORIGIN_ICMP6)
				continue;
			if (!address_from_sockaddr(&icmp->peer, (struct sockaddr *)&name))
				continue;
			icmp->type = ee.ee_type;
			icmp->code = ee.ee_code;
			icmp->data = icmp_data(&ee);
			return 1;
		}
	}
}
