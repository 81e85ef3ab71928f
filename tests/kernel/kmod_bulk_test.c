// SPDX-License-Identifier: MIT
/*
 * Super-packets through the module: a client and a peer in one network namespace, the relay in
 * another, a veth pair between them that takes UDP segmentation.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/udp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include "../dataplane/world.h"
#include "address.h"
#include "dataplane/kmod.h"
#include "dataplane/rows.h"
#include "dataplane/xdp.h"
#include "world_kmod.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT	103
#endif
#ifndef UDP_GRO
#define UDP_GRO		104
#endif
#define PINS		"/sys/fs/bpf/tp_bulk_test"
#define CHANNEL		0x4001
#define MAX		65536

enum { CLIENT, SERVER, RELAYED, PEER };
static const char *const text4[] = { "192.0.2.10", "192.0.2.1", "192.0.2.2", "192.0.2.20" };
static const char *const text6[] = { "2001:db8:2::10", "2001:db8:2::1", "2001:db8:2::2",
				     "2001:db8:2::20" };
static const uint16_t ports[] = { 50000, 3478, 49152, 40000 };

static struct tables tables;
static struct rows *rows;
static int relay_ns, other_ns, session;
static uint8_t sent[MAX], got[MAX];
static bool offloaded = true;		/* what leaves the relay may be merged */

static struct tp_addr transport(int family, int who)
{
	struct tp_addr a = { .family = (__u8)family, .port = htons(ports[who]) };

	inet_pton(family == 4 ? AF_INET : AF_INET6, family == 4 ? text4[who] : text6[who], a.ip);
	return a;
}

/* ------------------------------------------------------------------ the place */

static int open_ns(void)
{
	return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

static void in_ns(int ns)
{
	assert_int_equal(setns(ns, CLONE_NEWNET), 0);
}

static void run(const char *command)
{
	if (system(command))
		fail_msg("%s", command);
}

static void load_module(void)
{
	char command[512];

	if (!access(TURNPIKE_DEVICE, F_OK))
		return;
	snprintf(command, sizeof(command), "insmod %s", getenv("TEST_KMOD"));
	run(command);
}

static int make_place(void **state)
{
	struct tp_meta sizes = world_sizes();
	struct kmod_ports bits = { { 0 } };
	char why[XDP_WHY] = "", command[256];
	struct xdp *xdp;

	(void)state;
	load_module();
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	other_ns = open_ns();
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	relay_ns = open_ns();
	snprintf(command, sizeof(command),
		 "ip link add r0 type veth peer name c0 netns /proc/%d/fd/%d", (int)getpid(),
		 other_ns);
	run(command);
	run("ip link set lo up && ip link set r0 up && for a in 1 2; do "
	    "ip addr add 192.0.2.$a/24 dev r0 && ip addr add 2001:db8:2::$a/64 dev r0 nodad; done");
	in_ns(other_ns);
	run("ip link set lo up && ip link set c0 up && for a in 10 20; do "
	    "ip addr add 192.0.2.$a/24 dev c0 && ip addr add 2001:db8:2::$a/64 dev c0 nodad; done");
	in_ns(relay_ns);
	if (xdp_load_tables(&xdp, PINS, &sizes, &tables, why))
		fail_msg("tables: %s", why);
	xdp_close(xdp);
	xdp_detach_all(PINS);
	kmod_ports_add(&bits, 3478, 3478);
	kmod_ports_add(&bits, 49152, 65535);
	session = kmod_open(&tables, &bits, why);
	if (session < 0)
		fail_msg("module: %s", why);
	rows = rows_new(&tables);
	return rows ? 0 : -1;
}

static int udp_socket(int ns, int family, int who)
{
	struct tp_addr addr = transport(family, who);
	struct sockaddr_storage sa;
	socklen_t len = address_to_sockaddr(&addr, &sa);
	struct timeval wait = { .tv_sec = 0, .tv_usec = 300000 };
	int fd;

	in_ns(ns);
	fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	in_ns(relay_ns);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	return fd;
}

static void put_rows(int client, int peer)
{
	struct row_spec up = {
		.kind = TP_ROW_TO_PEER, .channel = CHANNEL, .nexthop = 0,
		.src = transport(client, CLIENT), .dst = transport(client, SERVER),
		.out_src = transport(peer, RELAYED), .out_dst = transport(peer, PEER),
		.expires_ns = world_now() + 1000000000000,
	};
	struct row_spec down = {
		.kind = TP_ROW_TO_CLIENT, .out_channel = CHANNEL,
		.src = transport(peer, PEER), .dst = transport(peer, RELAYED),
		.out_src = transport(client, SERVER), .out_dst = transport(client, CLIENT),
		.expires_ns = world_now() + 1000000000000,
	};

	assert_true(rows_put(rows, &up));
	assert_true(rows_put(rows, &down));
}

/* -------------------------------------------------------------------- traffic */

struct bulk {
	int client, peer;		/* families */
	bool to_client, gro;
	unsigned int n;			/* datagrams */
	uint16_t size, last;		/* application data; last 0: as size */
	uint16_t pad;
	int odd;			/* this datagram (from 1) says another channel */
	int shorter;			/* this one says one byte less */
	bool passed_up;
};

static uint16_t data_len(const struct bulk *b, unsigned int i)
{
	return i + 1 == b->n && b->last ? b->last : b->size;
}

static size_t put_data(const struct bulk *b, unsigned int i, uint8_t *at)
{
	uint16_t len = data_len(b, i);

	for (uint16_t k = 0; k < len; k++)
		at[k] = (uint8_t)(k * 7 + i * 31 + len);
	return len;
}

static size_t put_channel(const struct bulk *b, unsigned int i, uint8_t *at)
{
	unsigned int len = data_len(b, i);
	uint16_t channel = b->odd == (int)i + 1 ? CHANNEL + 1 : CHANNEL;

	if (b->shorter == (int)i + 1)
		len--;
	at[0] = (uint8_t)(channel >> 8);
	at[1] = (uint8_t)channel;
	at[2] = (uint8_t)(len >> 8);
	at[3] = (uint8_t)len;
	len = data_len(b, i);
	put_data(b, i, at + 4);
	memset(at + 4 + len, 0xa1, b->pad);
	return 4U + len + b->pad;
}

static void send_bulk(const struct bulk *b, int fd, int family, int to)
{
	struct tp_addr addr = transport(family, to);
	struct sockaddr_storage sa;
	socklen_t salen = address_to_sockaddr(&addr, &sa);
	int segment = b->n < 2 ? 0 : b->to_client ? b->size : 4 + b->size + b->pad;
	size_t len = 0;

	for (unsigned int i = 0; i < b->n; i++)
		len += b->to_client ? put_data(b, i, sent + len) : put_channel(b, i, sent + len);
	assert_int_equal(setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)), 0);
	assert_int_equal(sendto(fd, sent, len, 0, (struct sockaddr *)&sa, salen), len);
}

/* Everything that arrives, in one piece or in many; *pieces counts the receives. */
static size_t receive(int fd, size_t want, unsigned int *pieces)
{
	size_t len = 0;
	ssize_t n;

	for (*pieces = 0; len < want; ++*pieces, len += (size_t)n) {
		n = recv(fd, got + len, sizeof(got) - len, 0);
		if (n <= 0)
			break;
	}
	return len;
}

static uint64_t counted(enum tp_reason reason)
{
	struct tp_count stats[TP_R_MAX];

	assert_int_equal(tables_stats(tables.kmod_stats_fd, stats), 0);
	return stats[reason].packets;
}

static void bulk_run(const struct bulk *b)
{
	static uint8_t want[MAX];
	int in = b->to_client ? b->peer : b->client, out = b->to_client ? b->client : b->peer;
	int from = udp_socket(other_ns, in, b->to_client ? PEER : CLIENT);
	int here = udp_socket(relay_ns, in, b->to_client ? RELAYED : SERVER);
	int to = udp_socket(other_ns, out, b->to_client ? CLIENT : PEER), on = b->gro;
	enum tp_reason reason = b->to_client ? TP_R_TO_CLIENT : TP_R_TO_PEER;
	struct tp_count *count = b->to_client ? &tables.kmod_counts[0].down :
						&tables.kmod_counts[0].up;
	struct tp_count before = *count;
	uint64_t up = counted(TP_R_MTU), relayed = counted(reason);
	unsigned int pieces;
	size_t len = 0, data = 0;

	put_rows(b->client, b->peer);
	setsockopt(to, IPPROTO_UDP, UDP_GRO, &on, sizeof(on));
	send_bulk(b, from, in, b->to_client ? RELAYED : SERVER);
	for (unsigned int i = 0; i < b->n; i++) {
		len += b->to_client ? put_channel(b, i, want + len) : put_data(b, i, want + len);
		data += data_len(b, i);
	}
	if (b->passed_up) {
		assert_true(receive(here, b->n, &pieces) > 0);
		assert_int_equal(counted(TP_R_MTU) - up, b->n);
		assert_int_equal(counted(reason), relayed);
	} else {
		assert_int_equal(receive(to, len, &pieces), len);
		assert_memory_equal(want, got, len);
		if (offloaded)
			assert_int_equal(pieces, b->gro ? 1 : b->n);
		assert_int_equal(counted(reason) - relayed, b->n);
		assert_int_equal(count->packets - before.packets, b->n);
		assert_int_equal(count->bytes - before.bytes, data);
	}
	close(from);
	close(here);
	close(to);
}

/* Every pair of families, both ways, few and many, merged at the end or not. */
static void relayed_whole(void **state)
{
	static const uint16_t sizes[] = { 1, 160, 1200 };
	static const unsigned int numbers[] = { 2, 8, 9, 16, 40 };

	(void)state;
	for (unsigned int k = 0; k < 2 * 2 * 2 * 2 * 3 * 5; k++) {
		unsigned int n = k;
		struct bulk b = { 0 };

		b.client = n % 2 ? 6 : 4; n /= 2;
		b.peer = n % 2 ? 6 : 4; n /= 2;
		b.to_client = n % 2; n /= 2;
		b.gro = n % 2; n /= 2;
		b.size = sizes[n % 3]; n /= 3;
		b.n = numbers[n];
		b.last = k % 3 && b.size > 1 ? (uint16_t)(b.size / 2) : 0;
		b.pad = b.to_client ? 0 : (uint16_t)(k % 4);
		/* the padding of a shorter last one would be that of another length */
		if (b.n * (b.size + 8U) > 65000)
			continue;
		bulk_run(&b);
	}
}

static void passed_up(void **state)
{
	static const struct bulk cases[] = {
		{ .client = 4, .peer = 4, .n = 16, .size = 160, .odd = 16, .passed_up = true },
		{ .client = 4, .peer = 4, .n = 16, .size = 160, .odd = 2, .passed_up = true },
		{ .client = 6, .peer = 4, .n = 16, .size = 160, .shorter = 3, .passed_up = true },
		{ .client = 4, .peer = 4, .n = 4, .size = 160, .pad = 4, .passed_up = true },
		/* larger than the way out, once the header is there */
		{ .client = 4, .peer = 4, .to_client = true, .n = 4, .size = 1470,
		  .passed_up = true },
		{ .client = 6, .peer = 4, .to_client = true, .n = 4, .size = 1460,
		  .passed_up = true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		bulk_run(&cases[i]);
}

/* Datagrams that GRO merges on their way in: each is relayed, merged or not. */
static void merged_by_gro(void **state)
{
	struct bulk b = { .client = 4, .peer = 6, .n = 1, .size = 300 };
	int from, here, to, on = 1;
	uint64_t relayed = counted(TP_R_TO_PEER), merged = 0;
	unsigned int pieces;

	(void)state;
	in_ns(other_ns);
	run("ethtool -K c0 tx off >/dev/null");
	in_ns(relay_ns);
	/* held for a while, so that there is something to merge */
	run("ethtool -K r0 gro on >/dev/null && mkdir -p /tmp/sys && mount -t sysfs sys /tmp/sys && "
	    "echo 20000000 >/tmp/sys/class/net/r0/gro_flush_timeout && "
	    "echo 10 >/tmp/sys/class/net/r0/napi_defer_hard_irqs");
	put_rows(b.client, b.peer);
	from = udp_socket(other_ns, 4, CLIENT);
	here = udp_socket(relay_ns, 4, SERVER);
	to = udp_socket(other_ns, 6, PEER);
	assert_int_equal(setsockopt(here, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)), 0);
	assert_int_equal(setsockopt(to, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)), 0);
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 20; i++)
			send_bulk(&b, from, 4, SERVER);
		assert_int_equal(receive(to, 20 * 300, &pieces), 20 * 300);
		merged += 20 - pieces;
	}
	printf("# %lu of 1000 arrived merged\n", (unsigned long)merged);
	assert_true(merged > 0);
	assert_int_equal(counted(TP_R_TO_PEER) - relayed, 1000);
	in_ns(other_ns);
	run("ethtool -K c0 tx on >/dev/null");
	in_ns(relay_ns);
	close(from);
	close(here);
	close(to);
}

/* Taken apart, and summed, before the device: what it leaves undone is done by then. */
static void without_offload(void **state)
{
	offloaded = false;
	run("ethtool -K r0 tx-udp-segmentation off >/dev/null");
	relayed_whole(state);
	run("ethtool -K r0 tx off >/dev/null");
	relayed_whole(state);
	run("ethtool -K r0 tx on tx-udp-segmentation on >/dev/null");
}

/* ------------------------------------------------------------- out of memory */

/* How many more were counted as this, since the last call. */
static uint64_t counted_since(enum tp_reason reason)
{
	static uint64_t last[TP_R_MAX];
	uint64_t now = counted(reason), more = now - last[reason];

	last[reason] = now;
	return more;
}

/* All of it is relayed, or all of it reaches the socket here, under a name. */
static void arrives_once(const struct bulk *b, int here, int to, size_t len)
{
	enum tp_reason reason = b->to_client ? TP_R_TO_CLIENT : TP_R_TO_PEER;
	uint64_t relayed = 0, up = 0;
	unsigned int pieces;
	size_t sum = 0;

	/* another processor may still be at it */
	for (int i = 0; i < 500 && relayed + up < b->n; i++) {
		usleep(i ? 1000 : 0);
		relayed += counted_since(reason);
		up += counted_since(TP_R_HEADROOM) + counted_since(TP_R_NO_NEXTHOP);
	}
	if (relayed + up != b->n || (relayed && up))
		fail_msg("%u datagrams: %lu relayed, %lu passed up", b->n, (unsigned long)relayed,
			 (unsigned long)up);
	for (unsigned int i = 0; i < b->n; i++)
		sum += b->to_client == !!relayed ? data_len(b, i) + 4U : data_len(b, i);
	if (up) {
		assert_int_equal(receive(here, len, &pieces), len);
		assert_memory_equal(sent, got, len);
		return;
	}
	assert_int_equal(receive(to, sum, &pieces), sum);
}

/* Each allocation fails, in turn. Returns how many did in all. */
static unsigned int bulk_faults(const struct bulk *b)
{
	int in = b->to_client ? b->peer : b->client, out = b->to_client ? b->client : b->peer;
	int from = udp_socket(other_ns, in, b->to_client ? PEER : CLIENT);
	int here = udp_socket(relay_ns, in, b->to_client ? RELAYED : SERVER);
	int to = udp_socket(other_ns, out, b->to_client ? CLIENT : PEER);
	size_t len = (size_t)b->n * (b->size + (b->to_client ? 0U : 4U));
	unsigned int failed = 1, sum = 0;

	put_rows(b->client, b->peer);
	for (unsigned int n = 1; failed; n++) {
		assert_true(n < 20);
		assert_true(world_kmod_fault(n));
		send_bulk(b, from, in, b->to_client ? RELAYED : SERVER);
		arrives_once(b, here, to, len);
		failed = world_kmod_faults();
		sum += failed;
	}
	assert_true(world_kmod_fault(0));
	close(from);
	close(here);
	close(to);
	return sum;
}

/* Shared pages, and copied ones. The first round is to warm up. */
static void out_of_memory(void **state)
{
	static const unsigned int numbers[] = { 4, 16, 40 };
	unsigned int failed = 0, before = 0;
	long pages = world_kmod_free_pages();

	(void)state;
	for (unsigned int k = 0; k < 5 * 24; k++) {
		struct bulk b = { .client = k & 1 ? 6 : 4, .peer = k & 2 ? 6 : 4,
				  .to_client = k & 4, .n = numbers[k / 8 % 3], .size = 1200 };

		if (k == 24)
			pages = world_kmod_free_pages(), before = failed;
		failed += bulk_faults(&b);
	}
	pages -= world_kmod_free_pages();
	printf("# %u failures, %ld pages more\n", failed - before, pages);
	assert_true(failed > 200);
	assert_true(pages < (long)(failed - before) / 12);
}

int main(void)
{
	const struct CMUnitTest faults[] = { cmocka_unit_test(out_of_memory) };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(relayed_whole),
		cmocka_unit_test(passed_up),
		cmocka_unit_test(without_offload),
		cmocka_unit_test(merged_by_gro),
	};

	if (world_kmod_fault(0))
		return cmocka_run_group_tests(faults, make_place, NULL) != 0;
	return cmocka_run_group_tests(tests, make_place, NULL) != 0;
}
