// SPDX-License-Identifier: MIT
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "dataplane/xdp.h"
#include "../dataplane/cases.h"
#include "world_kmod.h"

#define PINS	"/sys/fs/bpf/tp_kmod_test"
#define FAULTS	"/sys/module/turnpike/parameters/"

struct kernel {
	int tap, raw4, raw6, session;
	struct tp_count before[TP_R_MAX];
};

/* ------------------------------------------------------------------- packets */

enum tp_reason world_kmod_counted(struct world *world, uint64_t *bytes)
{
	struct kernel *k = world->priv;
	struct tp_count now[TP_R_MAX];
	enum tp_reason found = TP_R_MAX;

	if (tables_stats(world->tables.kmod_stats_fd, now))
		abort();
	for (int r = 0; r < TP_R_MAX; r++) {
		if (now[r].packets == k->before[r].packets)
			continue;
		if (found != TP_R_MAX || now[r].packets != k->before[r].packets + 1)
			abort();
		*bytes = now[r].bytes - k->before[r].bytes;
		found = (enum tp_reason)r;
	}
	memcpy(k->before, now, sizeof(now));
	return found;
}

int world_kmod_session(struct world *world)
{
	return ((struct kernel *)world->priv)->session;
}

static bool is_udp(const struct frame *f)
{
	uint16_t type = frame_get16(f, 12);

	return (type == 0x0800 && f->b[23] == 17) ||
	       (type == 0x86dd && (f->b[20] == 17 || f->b[20] == 44));
}

/* The kernel answers what it passed up to no socket with ICMP: that is not looked at. */
unsigned int world_kmod_out(struct world *world, struct frame *out, unsigned int n)
{
	struct kernel *k = world->priv;
	unsigned int got = 0;
	struct frame f;
	ssize_t len;

	for (;;) {
		memset(&f, 0, sizeof(f));
		len = read(k->tap, f.b, sizeof(f.b));
		if (len < 0)
			return got;
		f.len = (size_t)len;
		if (!is_udp(&f))
			continue;
		if (got == n)
			abort();
		out[got++] = f;
	}
}

void world_kmod_in(struct world *world, const struct frame *in)
{
	struct kernel *k = world->priv;

	/* what is shorter than an Ethernet header is refused */
	if (write(k->tap, in->b, in->len) < 0 && in->len >= 14)
		abort();
}

/* What was passed up is seen by raw sockets: IPv4 from its IP header on, IPv6 without. */
static bool passed_up(struct kernel *k, const struct frame *in, bool *changed)
{
	static uint8_t got[FRAME_MAX];
	bool v6 = frame_get16(in, 12) == 0x86dd;
	size_t skip = v6 ? 54 : 14;
	ssize_t n = recv(v6 ? k->raw6 : k->raw4, got, sizeof(got), MSG_DONTWAIT);

	*changed = n > 0 && (skip + (size_t)n > in->len || memcmp(in->b + skip, got, (size_t)n));
	return n > 0;
}

static enum world_verdict run(struct world *world, const struct frame *in, struct frame *out,
			      enum tp_reason *reason)
{
	struct kernel *k = world->priv;
	bool sent, up, changed;
	uint64_t bytes;

	world_kmod_in(world, in);
	*reason = world_kmod_counted(world, &bytes);
	memset(out, 0, sizeof(*out));
	sent = world_kmod_out(world, out, 1);
	up = passed_up(k, in, &changed);
	if (sent && up)
		abort();
	if (sent)
		return WORLD_REDIRECT;
	if (*reason == TP_R_MAX)
		return WORLD_GONE;
	if (up && !changed)
		*out = *in;
	return up ? WORLD_PASS : WORLD_DROP;
}

static void set_own_mac(struct world *world, const uint8_t mac[6])
{
	(void)world;
	(void)mac;
}

/* ------------------------------------------------------------------ counters */

unsigned int world_kmod_maps(const char *name)
{
	struct bpf_map_info info;
	__u32 id = 0, len;
	unsigned int n = 0;

	while (!bpf_map_get_next_id(id, &id)) {
		int fd = bpf_map_get_fd_by_id(id);

		len = sizeof(info);
		memset(&info, 0, sizeof(info));
		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len))
			n += !strcmp(info.name, name);
		close(fd);
	}
	return n;
}

long world_kmod_free_pages(void)
{
	FILE *f = fopen("/proc/zoneinfo", "r");
	char line[256];
	long sum = 0, n;

	if (!f)
		abort();
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, " pages free %ld", &n) == 1 || sscanf(line, " count: %ld", &n) == 1)
			sum += n;
	}
	fclose(f);
	return sum;
}

bool world_kmod_fault(unsigned int every)
{
	FILE *f = fopen(FAULTS "fault_every", "w");

	if (!f)
		return false;
	fprintf(f, "%u\n", every);
	if (fclose(f))
		abort();
	return true;
}

unsigned int world_kmod_faults(void)
{
	FILE *f = fopen(FAULTS "fault_count", "r");
	unsigned int n;

	if (!f || fscanf(f, "%u", &n) != 1)
		abort();
	fclose(f);
	return n;
}

/* ------------------------------------------- what the kernel does of its own */

/* Frames that end before the module, as those on their way past a stack of IP do. */
static const char *const gone[] = {
	"N9 not our flow", "N12 from 0.0.0.0, as DHCP is", "N18 to port 0", "N19 LAND",
	"N32 other port", "N32 other address", "Send, bad IPv4 checksum",
};

/* Malformed for the relay core and for a socket, but not for IP. */
static const char *const malformed[] = {
	"N12 from ::ffff", "N13", "N15", "N19 LAND over IPv6",
};

static bool is_in(const char *name, const char *const list[], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!strncmp(name, list[i], strlen(list[i])))
			return true;
	}
	return false;
}

static enum tp_reason relayed(const struct dp_case *c)
{
	return c->hairpin ? TP_R_HAIRPIN : c->to_client ? TP_R_TO_CLIENT : TP_R_TO_PEER;
}

/* Frames to many stations are IP's, but never the relay's. */
static bool to_many(const struct dp_case *c)
{
	return !strcmp(c->name, "N5 broadcast") || !strcmp(c->name, "N5 multicast");
}

/* Next hops are the kernel's, and so are MAC addresses and tags. */
static void suited(struct dp_case *c)
{
	bool hop = c->hop != HOP_HERE || c->poke || c->hop_odd;

	c->vlans = 0;
	c->vlan_out = false;
	if ((hop && (c->reason == TP_R_NO_NEXTHOP || c->reason == TP_R_POKE ||
		     c->reason == TP_R_BUSY)) || (c->mtu_less && c->reason == TP_R_MTU))
		c->reason = relayed(c);
	/* without DF it leaves in fragments: a test of its own */
	if (c->reason == TP_R_MTU)
		c->df = true;
	if (c->reason == TP_R_NOT_UDP || (c->reason == TP_R_OTHER_MAC && !to_many(c)) ||
	    c->reason == TP_R_FRAGMENT || c->reason == TP_R_OPTIONS)
		c->reason = TP_R_MAX;
	if (c->reason == TP_R_BAD_FRAME && !strncmp(c->name, "N6 ", 3))
		c->reason = relayed(c);
	if (c->reason == TP_R_BAD_FRAME &&
	    !is_in(c->name, malformed, sizeof(malformed) / sizeof(malformed[0])))
		c->reason = TP_R_MAX;
	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
		if (!strcmp(c->name, gone[i]))
			c->reason = TP_R_MAX;
	}
}

/* -------------------------------------------------------------- the place */

static const char *const place[] = {
	"echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter",
	"echo 0 >/proc/sys/net/ipv4/conf/tp0/rp_filter",
	"echo 0 >/proc/sys/net/ipv6/conf/all/router_solicitations",
	"echo 0 >/proc/sys/net/ipv6/conf/tp0/router_solicitations",
	"echo 1 >/proc/sys/net/ipv6/conf/tp0/addr_gen_mode",
	"ip link set lo up",
	"ip link set tp0 address 02:00:00:00:00:01 up",
	"for a in 1 2 3; do ip addr add 192.0.2.$a/24 dev tp0 && "
	"ip addr add 2001:db8:2::$a/64 dev tp0 nodad; done",
	"for a in 10 99 254; do ip neigh add 192.0.2.$a lladdr 02:00:00:00:00:77 "
	"nud permanent dev tp0; done",
	"ip neigh add 2001:db8:2::fe lladdr 02:00:00:00:00:77 nud permanent dev tp0",
	"ip route add default via 192.0.2.254",
	"ip -6 route add default via 2001:db8:2::fe",
};

static int open_tap(void)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	strcpy(ifr.ifr_name, "tp0");
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr))
		return -errno;
	return fd;
}

static int make_place(struct kernel *k, const char **why)
{
	*why = "no network namespace";
	if (unshare(CLONE_NEWNET))
		return -errno;
	*why = "no TAP device";
	k->tap = open_tap();
	if (k->tap < 0)
		return k->tap;
	for (size_t i = 0; i < sizeof(place) / sizeof(place[0]); i++) {
		*why = place[i];
		if (system(place[i]))
			return -EIO;
	}
	*why = "no raw sockets";
	k->raw4 = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP);
	k->raw6 = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP);
	return k->raw4 < 0 || k->raw6 < 0 ? -errno : 0;
}

static int load_module(const char **why)
{
	const char *path = getenv("TEST_KMOD");
	char command[512];

	*why = "TEST_KMOD does not name the module";
	if (!access(TURNPIKE_DEVICE, F_OK))
		return 0;
	if (!path)
		return -ENOENT;
	snprintf(command, sizeof(command), "insmod %s", path);
	*why = "insmod failed";
	return system(command) ? -EIO : 0;
}

int world_kmod(struct world *world, const char **why)
{
	static struct kmod_ports ports;
	static char text[XDP_WHY];
	struct tp_meta sizes = world_sizes();
	struct kernel *k = calloc(1, sizeof(*k));
	struct xdp *xdp;
	int err;

	memset(world, 0, sizeof(*world));
	if (!k)
		return -ENOMEM;
	world->priv = k;
	world->skb = true;
	world->stack = true;
	world->name = "kmod";
	world->run = run;
	world->suited = suited;
	world->set_own_mac = set_own_mac;
	err = load_module(why);
	err = err ? err : make_place(k, why);
	if (err)
		return err;
	*why = text;
	err = xdp_load_tables(&xdp, PINS, &sizes, &world->tables, text);
	if (err)
		return err;
	xdp_close(xdp);
	xdp_detach_all(PINS);		/* the tables' descriptors keep them */
	kmod_ports_add(&ports, 3478, 3478);
	kmod_ports_add(&ports, 49152, 65535);
	k->session = kmod_open(&world->tables, &ports, text);
	if (k->session < 0)
		return k->session;
	world->rows = rows_new(&world->tables);
	return world->rows ? 0 : -ENOMEM;
}
