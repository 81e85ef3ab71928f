// SPDX-License-Identifier: MIT
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>
#include "dataplane/xdp.h"
#include "world.h"

struct kernel {
	int prog, ports, macs;
	struct tp_count before[TP_R_MAX];
};

static char pins[64];

/* One system call for all reasons, all processors added up. */
static void read_stats(const struct world *world, struct tp_count stats[TP_R_MAX])
{
	if (tables_stats(&world->tables, stats))
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

static enum world_verdict run(struct world *world, const struct frame *in, struct frame *out,
			      enum tp_reason *reason)
{
	struct kernel *k = world->priv;
	struct xdp_md ctx = { .data_end = (__u32)in->len, .ingress_ifindex = WORLD_HERE };
	LIBBPF_OPTS(bpf_test_run_opts, opts,
		    .data_in = in->b, .data_size_in = (__u32)in->len,
		    .data_out = out->b, .data_size_out = sizeof(out->b),
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = 1);

	memset(out, 0, sizeof(*out));
	/* the kernel takes no frame without an Ethernet header */
	if (in->len < 14)
		return WORLD_CANNOT;
	if (bpf_prog_test_run_opts(k->prog, &opts)) {
		fprintf(stderr, "# test run: %s\n", strerror(errno));
		abort();
	}
	out->len = opts.data_size_out;
	*reason = counted(world, in->len);
	switch (opts.retval) {
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

/* Namespaces of this test's own, so that nothing is left behind however it ends. */
static const char *go_private(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS))
		return "no namespaces (needs root)";
	if (mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return "cannot make mounts private";
	snprintf(pins, sizeof(pins), "/tmp/turnpike-test-XXXXXX");
	if (!mkdtemp(pins))
		return "no temporary directory";
	if (mount("bpf", pins, "bpf", 0, NULL)) {
		rmdir(pins);
		return "cannot mount a bpf file system";
	}
	if (system("ip link set lo up && ip link add tp0 type veth peer name tp1"))
		return "cannot make a veth pair";
	return NULL;
}

static void leave(void)
{
	umount2(pins, MNT_DETACH);
	rmdir(pins);
}

int world_xdp(struct world *world, const char **why)
{
	static char text[XDP_WHY];
	struct tp_meta sizes = world_sizes();
	struct kernel *k = calloc(1, sizeof(*k));
	struct bpf_devmap_val port;
	struct xdp *xdp;
	char path[128];
	int err;

	memset(world, 0, sizeof(*world));
	*why = go_private();
	if (*why || !k)
		return -EPERM;
	atexit(leave);
	snprintf(path, sizeof(path), "%s/tp", pins);
	err = xdp_load(&xdp, path, &sizes, &world->tables, text);
	*why = text;
	if (err)
		return err;
	xdp_close(xdp);		/* the pins keep it */
	k->prog = open_pin("prog");
	k->ports = open_pin("tp_ports");
	k->macs = open_pin("tp_macs");
	world->there = if_nametoindex("tp0");
	world->elsewhere = if_nametoindex("tp1");
	port = (struct bpf_devmap_val){ .ifindex = world->there };
	if (bpf_map_update_elem(k->ports, &world->there, &port, BPF_ANY))
		return -errno;
	world->name = "xdp";
	world->run = run;
	world->set_own_mac = set_own_mac;
	world->priv = k;
	world->rows = rows_new(&world->tables);
	return world->rows ? 0 : -ENOMEM;
}
