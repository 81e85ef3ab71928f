// SPDX-License-Identifier: MIT
#include <errno.h>
#include <linux/filter.h>
#include <netinet/udp.h>
#include <unistd.h>
#include "address.h"
#include "net/device.h"
#include "net/udp.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

static int option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

void udp_set_cutting(int fd, uint8_t family, enum udp_cutting cutting)
{
	static const int v4[] = { IP_PMTUDISC_OMIT, IP_PMTUDISC_DONT, IP_PMTUDISC_PROBE };
	static const int v6[] = { IPV6_PMTUDISC_DONT, IPV6_PMTUDISC_DONT, IPV6_PMTUDISC_PROBE };

	if (family == 4)
		option(fd, IPPROTO_IP, IP_MTU_DISCOVER, v4[cutting]);
	else
		option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, v6[cutting]);
}

static int udp_socket(const struct tp_addr *addr, unsigned int buf_size)
{
	int fd = socket(addr->family == 4 ? AF_INET : AF_INET6,
			SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	/* RFC 8656 sections 13 and 14 want these of the incoming packet. */
	if (addr->family == 6) {
		option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
		option(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
		option(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
	} else {
		option(fd, IPPROTO_IP, IP_RECVTOS, 1);
		option(fd, IPPROTO_IP, IP_RECVTTL, 1);
	}
	/* RFC 8656 sections 13 and 14: DF of what came in is not known here, and then counts
	 * as 0. */
	udp_set_cutting(fd, addr->family, UDP_AT_REST);
	/* What these refuse costs speed, not correctness. */
	option(fd, IPPROTO_UDP, UDP_GRO, 1);
	if (buf_size) {
		option(fd, SOL_SOCKET, SO_RCVBUF, (int)buf_size);
		option(fd, SOL_SOCKET, SO_SNDBUF, (int)buf_size);
	}
	return fd;
}

void udp_refuse_gro(int fd)
{
	option(fd, IPPROTO_UDP, UDP_GRO, 0);
}

static int udp_bind(int fd, const struct tp_addr *addr, const char *device)
{
	struct sockaddr_storage ss;
	socklen_t len = address_to_sockaddr(addr, &ss);
	int err = device_bind(fd, device);

	if (err)
		return err;
	return bind(fd, (struct sockaddr *)&ss, len) ? -errno : 0;
}

int udp_open_relay(const struct tp_addr *addr, unsigned int buf_size, const char *device)
{
	int fd = udp_socket(addr, buf_size), err;

	if (fd < 0)
		return fd;
	if (addr->family == 4)
		err = option(fd, IPPROTO_IP, IP_RECVERR, 1);
	else
		err = option(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
	if (!err)
		err = udp_bind(fd, addr, device);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

/*
 * The steering of a SO_REUSEPORT group, in the kernel as classic BPF and here
 * for adoption. It depends on the client's address and port alone, so that a
 * successor with another number of workers still knows whose client is whose.
 */
#define STEER_PORT	0x85EBCA6BU
#define STEER_MIX	0x9E3779B1U

static uint32_t load_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

unsigned int udp_worker(const struct tp_addr *client, unsigned int n)
{
	uint32_t hash = 0;

	for (size_t i = 0; i < address_len(client); i += 4)
		hash ^= load_be32(client->ip + i);
	hash ^= ntohs(client->port) * STEER_PORT;
	return ((hash * STEER_MIX) >> 16) % n;
}

static int udp_steer(int fd, uint8_t family, unsigned int n)
{
	const __u32 net = (__u32)SKF_NET_OFF;
	struct sock_filter v4[] = {
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, net),	/* X = IP header length */
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, net),	/* source port */
		BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, STEER_PORT),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, net + 12),	/* source address */
		BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
		BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, STEER_MIX),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 16),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, n),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct sock_filter v6[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, net + 40),	/* source port */
		BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, STEER_PORT),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, net + 8),	/* source address */
		BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, net + 12),
		BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, net + 16),
		BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, net + 20),
		BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
		BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, STEER_MIX),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 16),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, n),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct sock_fprog prog = {
		.len = family == 4 ? sizeof(v4) / sizeof(*v4) : sizeof(v6) / sizeof(*v6),
		.filter = family == 4 ? v4 : v6,
	};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof(prog)) ?
		-errno : 0;
}

/* SO_REUSEPORT would share the port with any other server of the same user. */
static int udp_is_free(const struct tp_addr *addr, const char *device)
{
	int fd = udp_socket(addr, 0), err;

	if (fd < 0)
		return fd;
	err = udp_bind(fd, addr, device);
	close(fd);
	return err;
}

int udp_open_listeners(int *fds, unsigned int n, const struct tp_addr *addr,
		       unsigned int buf_size, const char *device)
{
	unsigned int i;
	int err = udp_is_free(addr, device);

	if (err)
		return err;
	for (i = 0; i < n; i++) {
		fds[i] = udp_socket(addr, buf_size);
		if (fds[i] < 0) {
			err = fds[i];
			break;
		}
		err = option(fds[i], SOL_SOCKET, SO_REUSEPORT, 1);
		if (!err)
			err = udp_bind(fds[i], addr, device);
		/* after the bind: the group exists, and index 0 is this socket */
		if (!err && i == 0)
			err = udp_steer(fds[i], addr->family, n);
		if (err) {
			close(fds[i]);
			break;
		}
	}
	if (!err)
		return 0;
	while (i--)
		close(fds[i]);
	return err;
}
