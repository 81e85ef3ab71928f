// SPDX-License-Identifier: MIT
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>
#include "dataplane/tc.h"
#include "world.h"

struct kernel {
	int prog, macs;
	struct tp_count before[TP_R_MAX];
};

static char pins[64];		/* of the world that is being made */

/* One system call for all reasons, all processors added up. */
static void read_stats(const struct world *world, struct tp_count stats[TP_R_MAX])
{
	if (tables_stats(world->tables.stats_fd, stats))
		abort();
}

static enum tp_reason counted(struct world *world, size_t bytes)
{
	struct kernel *k = world->priv;
	struct tp_count now[TP_R_MAX];
	enum tp_reason found = TP_R_MAX;

	read_stats(world, now);
	for (int r = 0; r < TP_R_MAX; r++) {
		if (now[r].packets == k->before[r].packets)
			continue;
		/* one packet, one reason, all its bytes */
		if (found != TP_R_MAX || now[r].packets != k->before[r].packets + 1 ||
		    now[r].bytes != k->before[r].bytes + bytes)
			abort();
		found = (enum tp_reason)r;
	}
	memcpy(k->before, now, sizeof(now));
	return found;
}

static enum world_verdict xdp_verdict(__u32 action)
{
	switch (action) {
	case XDP_PASS:
		return WORLD_PASS;
	case XDP_TX:
		return WORLD_TX;
	case XDP_REDIRECT:
		return WORLD_REDIRECT;
	default:
		return WORLD_DROP;
	}
}

static enum world_verdict tc_verdict(__u32 action)
{
	if (action == (__u32)TC_ACT_UNSPEC)
		return WORLD_PASS;
	return action == TC_ACT_REDIRECT ? WORLD_REDIRECT : WORLD_DROP;
}

/* The kernel takes no frame without an Ethernet header, nor, since some 6.x, an sk_buff
 * whose protocol is IP without a header of that. */
static size_t least(const struct world *world, const struct frame *in)
{
	uint16_t type = frame_get16(in, 12);

	if (!world->skb || in->len < 14)
		return 14;
	return type == 0x0800 ? 34 : type == 0x86dd ? 54 : 14;
}

static enum world_verdict run(struct world *world, const struct frame *in, struct frame *out,
			      enum tp_reason *reason)
{
	struct kernel *k = world->priv;
	struct xdp_md xdp = { .data_end = (__u32)in->len, .ingress_ifindex = WORLD_HERE };
	struct __sk_buff skb = { .ifindex = WORLD_HERE };
	LIBBPF_OPTS(bpf_test_run_opts, opts,
		    .data_in = in->b, .data_size_in = (__u32)in->len,
		    .data_out = out->b, .data_size_out = sizeof(out->b), .repeat = 1);

	opts.ctx_in = world->skb ? (void *)&skb : (void *)&xdp;
	opts.ctx_size_in = world->skb ? sizeof(skb) : sizeof(xdp);
	memset(out, 0, sizeof(*out));
	if (in->len < least(world, in))
		return WORLD_CANNOT;
	if (bpf_prog_test_run_opts(k->prog, &opts)) {
		fprintf(stderr, "# test run: %s\n", strerror(errno));
		abort();
	}
	out->len = opts.data_size_out;
	*reason = counted(world, in->len);
	return world->skb ? tc_verdict(opts.retval) : xdp_verdict(opts.retval);
}

static void set_own_mac(struct world *world, const uint8_t mac[6])
{
	struct kernel *k = world->priv;
	__u32 slot = WORLD_HERE;
	struct tp_mac own = { .ifindex = WORLD_HERE };

	memcpy(own.mac, mac, 6);
	if (!memcmp(mac, "\0\0\0\0\0", 6))
		own.ifindex = 0;
	if (bpf_map_update_elem(k->macs, &slot, &own, BPF_ANY))
		abort();
}

static int open_pin(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/tp/%s", pins, name);
	return bpf_obj_get(path);
}

/* The mount goes with the namespace; programs and maps stay by their descriptors. */
static void leave(void)
{
	umount2(pins, MNT_DETACH);
	rmdir(pins);
}

/* Namespaces of this test's own, so that nothing is left behind however it ends. */
static const char *go_private(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS))
		return "no namespaces (needs root)";
	if (mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return "cannot make mounts private";
	snprintf(pins, sizeof(pins), "/tmp/turnpike-test-XXXXXX");
	if (!mkdtemp(pins)) {
		pins[0] = '\0';
		return "no temporary directory";
	}
	if (mount("bpf", pins, "bpf", 0, NULL))
		return "cannot mount a bpf file system";
	if (system("ip link set lo up && ip link add tp0 type veth peer name tp1"))
		return "cannot make a veth pair";
	return NULL;
}


/* The tc program comes with its filter, here on an interface that nothing uses. */
static int load_tc(struct world *world, struct xdp *xdp, char *why)
{
	struct xdp_interface iface = { .name = "tp0", .ifindex = world->there };
	struct tc *tc;
	char name[32];
	int err = tc_load(&tc, xdp, world->tables.meta, why);

	if (err)
		return err;
	err = tc_attach(tc, &iface, false);
	snprintf(why, XDP_WHY, "%s", iface.why);
	tc_close(tc);
	snprintf(name, sizeof(name), "tc_%u", world->there);
	((struct kernel *)world->priv)->prog = open_pin(name);
	return err;
}

/* Frames may leave by HERE, which is this namespace's loopback, and by THERE. */
static int open_ways(struct world *world)
{
	struct bpf_devmap_val port = { .ifindex = world->there };
	int ways = open_pin("tp_ways"), ports = open_pin("tp_ports");
	__u32 here = WORLD_HERE, there = world->there, plain = 0;

	if (bpf_map_update_elem(ports, &there, &port, BPF_ANY) ||
	    bpf_map_update_elem(ways, &here, &plain, BPF_ANY) ||
	    bpf_map_update_elem(ways, &there, &plain, BPF_ANY))
		return -errno;
	close(ports);
	world->ways = ways;
	return 0;
}

static int open_world(struct world *world, const char **why, bool skb)
{
	static char text[XDP_WHY];
	struct tp_meta sizes = world_sizes();
	struct kernel *k = calloc(1, sizeof(*k));
	struct xdp *xdp;
	char path[128];
	int err;

	memset(world, 0, sizeof(*world));
	*why = go_private();
	if (*why || !k)
		return -EPERM;
	world->skb = skb;
	world->name = skb ? "tc" : "xdp";
	world->tells = !skb;
	world->run = run;
	world->set_own_mac = set_own_mac;
	world->priv = k;
	world->there = if_nametoindex("tp0");
	world->elsewhere = if_nametoindex("tp1");
	snprintf(path, sizeof(path), "%s/tp", pins);
	err = xdp_load(&xdp, path, &sizes, &world->tables, text);
	*why = text;
	if (err)
		return err;
	err = skb ? load_tc(world, xdp, text) : 0;
	xdp_close(xdp);		/* the pins keep it */
	if (err)
		return err;
	if (!skb)
		k->prog = open_pin("prog");
	world->prog = k->prog;
	k->macs = open_pin("tp_macs");
	world->strangers_fd = open_pin("tp_strangers");
	err = open_ways(world);
	if (err)
		return err;
	world->rows = rows_new(&world->tables);
	return world->rows ? 0 : -ENOMEM;
}

static int open_and_leave(struct world *world, const char **why, bool skb)
{
	int err = open_world(world, why, skb);

	if (pins[0])
		leave();
	return err;
}

int world_xdp(struct world *world, const char **why)
{
	return open_and_leave(world, why, false);
}

int world_tc(struct world *world, const char **why)
{
	return open_and_leave(world, why, true);
}
