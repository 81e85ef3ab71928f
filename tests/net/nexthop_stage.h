/* SPDX-License-Identifier: MIT */
/*
 * Where nexthop_test plays: two network namespaces without names that go away with the
 * program, joined by veth pairs: tpnh0 - tpnh1 and tpnh2 - tpnh3. The code under test runs
 * without privilege, the commands that change the network with it.
 */
#ifndef TP_TEST_NEXTHOP_STAGE_H
#define TP_TEST_NEXTHOP_STAGE_H

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "address.h"
#include "dataplane/nexthop.h"

#define NOBODY		65534
#define DEADLINE_MS	1000
#define MOVES_MAX	64

#define OUR_MAC		"02:00:00:77:00:01"
#define PEER_MAC	"02:00:00:77:00:02"
#define PEER_NEW_MAC	"02:00:00:77:00:99"
#define BACKUP_MAC	"02:00:00:79:00:02"

unsigned int if_nametoindex(const char *name);	/* net/if.h and linux/if.h do not mix */

struct move {
	char src[ADDRESS_TEXT], dst[ADDRESS_TEXT];
	uint16_t index;
};

struct test {
	struct tables tables;
	struct nexthops *n;
	pid_t peer;			/* holds the other namespace */
	struct move moves[MOVES_MAX];
	unsigned int n_moves;
	unsigned int number, failed;
	bool bad;			/* the test that runs */
};

static inline void plan(struct test *t, const char *what)
{
	printf("%sok %u - %s\n", t->bad ? "not " : "", ++t->number, what);
	fflush(stdout);
	t->failed += t->bad;
	t->bad = false;
}

static inline void skip(struct test *t, const char *what, const char *why)
{
	printf("ok %u - %s # SKIP %s\n", ++t->number, what, why);
}

static inline bool expect(struct test *t, bool good, const char *text, int line)
{
	if (!good) {
		printf("# line %d: %s\n", line, text);
		t->bad = true;
	}
	return good;
}
#define EXPECT(t, what)	expect(t, what, #what, __LINE__)

/* Runs a command with the privilege that the code under test does not have. */
__attribute__((format(printf, 2, 3)))
static inline void run(struct test *t, const char *format, ...)
{
	char command[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	if (seteuid(0))
		abort();
	if (system(command)) {
		printf("# failed: %s\n", command);
		t->bad = true;
	}
	if (seteuid(NOBODY))
		abort();
}

static inline struct tp_addr addr(const char *text)
{
	struct tp_addr a = { 0 };

	if (*text && !address_parse(&a, text))
		abort();
	return a;
}

static inline uint16_t find_from(struct test *t, const char *src, const char *dst)
{
	struct tp_addr s = addr(src), d = addr(dst);

	d.port = htons(1234);		/* must not matter */
	return nexthop_find(t->n, &s, &d);
}

static inline uint16_t find(struct test *t, const char *dst)
{
	return find_from(t, "", dst);
}

static inline void put_from(struct test *t, const char *src, const char *dst)
{
	struct tp_addr s = addr(src), d = addr(dst);

	nexthop_put(t->n, &s, &d);
}

static inline void put(struct test *t, const char *dst)
{
	put_from(t, "", dst);
}

/* A datagram of this host, for which the kernel has to find the neighbour. */
static inline void poke(const char *dst)
{
	struct tp_addr a = addr(dst);
	struct sockaddr_storage ss;
	socklen_t len;
	int fd;

	a.port = htons(9);
	len = address_to_sockaddr(&a, &ss);
	fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sendto(fd, "", 1, 0, (struct sockaddr *)&ss, len) < 0)
		printf("# sendto %s: %s\n", dst, strerror(errno));
	close(fd);
}

static inline void moved(void *ctx, const struct tp_addr *src, const struct tp_addr *dst,
			 uint16_t index)
{
	struct test *t = ctx;
	struct move *m = &t->moves[t->n_moves % MOVES_MAX];

	address_text(src, m->src);
	address_text(dst, m->dst);
	m->index = index;
	t->n_moves++;
}

/* The last index that dst was moved to since the list was emptied, or -1. */
static inline int moved_to(const struct test *t, const char *dst)
{
	int index = -1;

	for (unsigned int i = 0; i < t->n_moves && i < MOVES_MAX; i++) {
		if (!strcmp(t->moves[i].dst, dst))
			index = t->moves[i].index;
	}
	return index;
}

static inline long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Serves events for at most this long; true when there were some. */
static inline bool serve(struct test *t, int ms)
{
	struct pollfd p = { .fd = nexthops_fd(t->n), .events = POLLIN };

	if (poll(&p, 1, ms) <= 0)
		return false;
	nexthops_read(t->n);
	return true;
}

#define WITHIN(t, condition)	do {						\
		long until_ = now_ms() + DEADLINE_MS;				\
		while (!(condition) && now_ms() < until_)			\
			serve(t, 10);						\
		expect(t, condition, #condition " within a second", __LINE__);	\
	} while (0)

static inline void settle(struct test *t)
{
	while (serve(t, 50))
		;
	t->n_moves = 0;
}

static inline bool is_mac(const uint8_t mac[6], const char *text)
{
	char have[18];

	snprintf(have, sizeof(have), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	return !strcmp(have, text);
}

static inline bool goes(const struct test *t, int index, const char *dev, const char *dmac)
{
	const struct tp_nexthop *e;

	if (index <= 0)
		return false;
	e = &t->tables.nexthops[index];
	return !(e->seq & 1) && e->ifindex && e->ifindex == if_nametoindex(dev) &&
	       is_mac(e->dmac, dmac);
}

static inline bool unknown(const struct test *t, uint16_t index)
{
	return index && !t->tables.nexthops[index].ifindex;
}

static inline pid_t make_peer(void)
{
	int ready[2];
	char c;
	pid_t pid;

	if (pipe(ready))
		return -1;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!unshare(CLONE_NEWNET) && write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	if (pid > 0 && read(ready[0], &c, 1) != 1)
		pid = -1;
	close(ready[0]);
	return pid;
}

static inline void make_links(struct test *t)
{
	run(t, "ip link set lo up && ip link add tpnh0 type veth peer name tpnh1 && "
	       "ip link add tpnh2 type veth peer name tpnh3 && ip link set tpnh0 address " OUR_MAC
	       " && ip link set tpnh1 address " PEER_MAC " && ip link set tpnh3 address " BACKUP_MAC
	       " && ip link set tpnh1 netns %d && ip link set tpnh3 netns %d", t->peer, t->peer);
	run(t, "nsenter --net=/proc/%d/ns/net sh -c 'ip link set lo up && "
	       "ip addr add 10.77.0.2/21 dev tpnh1 && ip addr add 10.77.0.3/21 dev tpnh1 && "
	       "ip addr add fd77::2/64 dev tpnh1 nodad && "
	       "ip addr add fd77::3/64 dev tpnh1 nodad && ip addr add 10.79.0.2/24 dev tpnh3 && "
	       "ip link set tpnh1 up && ip link set tpnh3 up'",
	    t->peer);
	run(t, "ip addr add 10.77.0.1/24 dev tpnh0 && ip addr add fd77::1/64 dev tpnh0 nodad && "
	       "ip addr add 10.79.0.1/24 dev tpnh2 && ip link set tpnh0 up && "
	       "ip link set tpnh2 up");
	run(t, "ip route add 192.0.2.0/24 via 10.77.0.2 && "
	       "ip -6 route add 2001:db8::/64 via fd77::2 && "
	       "ip route add 198.51.100.0/24 via inet6 fd77::2");
}

#endif
