// SPDX-License-Identifier: MIT
/*
 * The tc program on what only a kernel makes of a frame: an sk_buff with its tag taken
 * out of the data, with data beyond the linear part, with a checksum that is not computed
 * yet. The frames come through a TAP device of this test's own, which the filter is on,
 * and what is relayed goes back by it.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <cmocka.h>
#include "cases.h"

#define TAP		"tptap"
#define GSO_UDP_L4	5		/* VIRTIO_NET_HDR_GSO_UDP_L4 */

static struct world world;
static int tap;

struct wire {
	struct virtio_net_hdr vnet;
	uint8_t b[FRAME_MAX];
} __attribute__((packed));

/* A next hop's station, which nothing but the relay sends to. */
static const uint8_t mac_next[6] = { 2, 0, 0, 0, 0, 0x77 };

static bool put(const struct virtio_net_hdr *vnet, const struct frame *f)
{
	static struct wire w;

	w.vnet = *vnet;
	memcpy(w.b, f->b, f->len);
	return write(tap, &w, sizeof(w.vnet) + f->len) == (ssize_t)(sizeof(w.vnet) + f->len);
}

/* Until something relayed comes, or nothing more. */
static bool get(struct frame *f, struct virtio_net_hdr *vnet, int ms)
{
	struct pollfd p = { .fd = tap, .events = POLLIN };
	static struct wire w;
	ssize_t n;

	while (poll(&p, 1, ms) == 1) {
		n = read(tap, &w, sizeof(w));
		if (n < (ssize_t)sizeof(w.vnet) + 14 || memcmp(w.b, mac_next, 6))
			continue;
		memset(f, 0, sizeof(*f));
		f->len = (size_t)n - sizeof(w.vnet);
		memcpy(f->b, w.b, f->len);
		*vnet = w.vnet;
		return true;
	}
	return false;
}

static uint64_t counted(enum tp_reason reason)
{
	struct tp_count stats[TP_R_MAX];

	assert_int_equal(tables_stats(world.tables.stats_fd, stats), 0);
	return stats[reason].packets;
}

/* The frame that has to come out, with what the data path may choose taken from got. */
static bool is_right(struct case_flow *flow, const struct frame *got)
{
	const uint8_t *ip = got->b + 14 + 4 * flow->out.vlans;
	static struct frame want;

	if (flow->out.family == 4)
		flow->out.id = (uint16_t)(ip[4] << 8 | ip[5]);
	else
		flow->out.flow_label = (ip[1] & 0xfU) << 16 | (uint32_t)ip[2] << 8 | ip[3];
	frame_build(&want, &flow->out);
	if (frame_equal(got, &want))
		return true;
	frame_print("want", &want);
	frame_print("got", got);
	return false;
}

/* One frame of this case, with this header of the TAP device; c->reason says what of it. */
static void one(const struct dp_case *c, struct virtio_net_hdr vnet)
{
	bool sent = c->reason == TP_R_TO_PEER || c->reason == TP_R_TO_CLIENT;
	static struct case_flow flow;
	static struct frame in, got;
	uint64_t before;
	uint32_t slot_1;

	case_flow(c, &flow);
	flow.hop.mtu = 9000;
	slot_1 = case_put(&world, c, &flow);
	assert_int_not_equal(slot_1, 0);
	frame_build(&in, &flow.in);
	if (vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		vnet.csum_start = (__virtio16)in.l4;
		vnet.csum_offset = 6;
	}
	before = counted(c->reason);
	assert_true(put(&vnet, &in));
	assert_int_equal(get(&got, &vnet, sent ? 1000 : 30), sent);
	assert_int_equal(counted(c->reason), before + 1);
	if (sent) {
		assert_true(is_right(&flow, &got));
		assert_int_equal(vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM, 0);
	}
	case_clear(&world, &flow, slot_1);
}

/* Both directions and all families. */
static void all(struct dp_case c, struct virtio_net_hdr vnet)
{
	bool relayed = c.reason == TP_R_TO_PEER;

	c.hop = HOP_THERE;
	for (unsigned int n = 0; n < 8; n++) {
		c.to_client = n & 1;
		c.in = n & 2 ? 6 : 4;
		c.out = n & 4 ? 6 : 4;
		if (relayed)
			c.reason = c.to_client ? TP_R_TO_CLIENT : TP_R_TO_PEER;
		one(&c, vnet);
	}
}

static void plain(void **state)
{
	(void)state;
	for (uint16_t len = 0; len < 9; len++)
		all((struct dp_case){ .reason = TP_R_TO_PEER, .data_len = len, .trailer = 5 },
		    (struct virtio_net_hdr){ 0 });
	all((struct dp_case){ .reason = TP_R_TO_PEER, .data_len = 999, .check_error = 77 },
	    (struct virtio_net_hdr){ 0 });
}

static void tags(void **state)
{
	(void)state;
	for (unsigned int n = 0; n < 4; n++)
		all((struct dp_case){ .reason = TP_R_TO_PEER, .data_len = 40, .vlans = n & 1,
				      .vlan_out = n & 2 }, (struct virtio_net_hdr){ 0 });
	/* the second is in the data */
	all((struct dp_case){ .reason = TP_R_HEADROOM, .data_len = 40, .vlans = 2 },
	    (struct virtio_net_hdr){ 0 });
}

/* More than a page, so that the kernel puts it into fragments. */
static void not_linear(void **state)
{
	(void)state;
	all((struct dp_case){ .reason = TP_R_TO_PEER, .data_len = 5001, .trailer = 3 },
	    (struct virtio_net_hdr){ .hdr_len = 64 });
}

static void checksum_verified(void **state)
{
	(void)state;
	all((struct dp_case){ .reason = TP_R_TO_PEER, .data_len = 333 },
	    (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_DATA_VALID });
}

/* N29: what virtio and veth leave to the network card to compute */
static void checksum_due(void **state)
{
	(void)state;
	all((struct dp_case){ .reason = TP_R_NO_CHECKSUM, .data_len = 333 },
	    (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM });
	/* and the next one is relayed as before */
	checksum_verified(state);
}

/* N28 */
static void merged(void **state)
{
	struct virtio_net_hdr vnet = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = GSO_UDP_L4, .hdr_len = 42,
		.gso_size = 100, .csum_start = 34, .csum_offset = 6,
	};
	struct dp_case c = { .reason = TP_R_MTU, .data_len = 396, .hop = HOP_THERE };
	static struct case_flow flow;
	static struct frame in;

	(void)state;
	case_flow(&c, &flow);
	frame_build(&in, &flow.in);
	if (!put(&vnet, &in) && errno == EINVAL)
		skip();		/* since Linux 6.2 */
	one(&c, vnet);
}

/* ------------------------------------------------------- a sum of the whole */

/*
 * A tunnel whose datagrams have a checksum gives what was in it CHECKSUM_COMPLETE. Frames
 * come by the tunnel "tpvx" and leave by the TAP device.
 */
static const char *make_tunnel(void)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = world.prog, .handle = 1, .priority = 2);

	if (system("ip address add 192.0.2.200/24 dev " TAP " && "
		   "ip link add tpvx type vxlan id 7 dstport 4789 local 192.0.2.200 udpcsum "
		   "2>/dev/null && ip link set tpvx address 02:00:00:00:00:01 mtu 9000 up"))
		return "no vxlan";
	hook.ifindex = (int)if_nametoindex("tpvx");
	return bpf_tc_hook_create(&hook) || bpf_tc_attach(&hook, &opts) ? "cannot attach" : NULL;
}

static void wrap_frame(struct frame *f, const struct frame *inner)
{
	static const uint8_t vxlan[8] = { 8, 0, 0, 0, 0, 0, 7, 0 };
	static struct frame_spec s;

	s = (struct frame_spec){
		.dmac = { 2, 0, 0, 0, 0, 1 }, .smac = { 2, 0, 0, 0, 0, 0x55 }, .family = 4,
		.src = { 192, 0, 2, 99 }, .dst = { 192, 0, 2, 200 }, .sport = 5555,
		.dport = 4789, .ttl = 64, .data_len = (uint16_t)(sizeof(vxlan) + inner->len),
	};
	memcpy(s.data, vxlan, sizeof(vxlan));
	memcpy(s.data + sizeof(vxlan), inner->b, inner->len);
	frame_build(f, &s);
}

/* A filter that drops what is CHECKSUM_COMPLETE, the only case where this helper works. */
static int load_dropper(void)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = 0 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_csum_update },
		{ .code = BPF_JMP | BPF_JSGE | BPF_K, .dst_reg = 0, .off = 2, .imm = 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = -1 },
		{ .code = BPF_JMP | BPF_EXIT },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 2 },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "drop_complete", "GPL", insns,
			     sizeof(insns) / sizeof(*insns), NULL);
}

static void set_dropper(int prog, const char *name, enum bpf_tc_attach_point where, bool on)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .attach_point = where,
		    .ifindex = (int)if_nametoindex(name));
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 1);

	if (on)
		opts.prog_fd = prog;
	assert_int_equal(on ? bpf_tc_attach(&hook, &opts) : bpf_tc_detach(&hook, &opts), 0);
}

/* The case's frame in a tunnel, and the row for it: its slot + 1. */
static uint32_t make_wrapped(const struct dp_case *c, struct case_flow *flow, struct frame *outer)
{
	static struct frame inner;

	case_flow(c, flow);
	frame_build(&inner, &flow->in);
	wrap_frame(outer, &inner);
	return case_put(&world, c, flow);
}

static void sum_of_the_whole(void **state)
{
	/* nothing is trimmed, which would be the end of the sum by itself */
	struct dp_case c = { .hop = HOP_THERE, .data_len = 300 };
	static struct frame outer, got;
	static struct case_flow flow;
	struct virtio_net_hdr vnet = { 0 };
	const char *why = make_tunnel();
	int dropper = load_dropper();
	uint32_t slot_1;

	(void)state;
	if (why && !strcmp(why, "no vxlan"))
		skip();
	assert_null(why);
	assert_true(dropper >= 0);
	slot_1 = make_wrapped(&c, &flow, &outer);
	assert_true(put(&vnet, &outer));
	assert_true(get(&got, &vnet, 1000));
	/* it has such a sum when it comes */
	vnet = (struct virtio_net_hdr){ 0 };
	set_dropper(dropper, "tpvx", BPF_TC_INGRESS, true);
	assert_true(put(&vnet, &outer));
	assert_false(get(&got, &vnet, 50));
	set_dropper(dropper, "tpvx", BPF_TC_INGRESS, false);
	/* and none when it goes */
	set_dropper(dropper, TAP, BPF_TC_EGRESS, true);
	for (unsigned int i = 0; i < 8; i++) {
		vnet = (struct virtio_net_hdr){ 0 };
		case_clear(&world, &flow, slot_1);
		c.to_client = i & 1;
		c.in = i & 2 ? 6 : 4;
		c.out = i & 4 ? 6 : 4;
		slot_1 = make_wrapped(&c, &flow, &outer);
		assert_true(put(&vnet, &outer));
		assert_true(get(&got, &vnet, 1000));
		assert_true(is_right(&flow, &got));
	}
	set_dropper(dropper, TAP, BPF_TC_EGRESS, false);
	case_clear(&world, &flow, slot_1);
}

static const char *make_tap(void)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, .ifr_name = TAP };
	LIBBPF_OPTS(bpf_tc_hook, hook, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = world.prog);
	__u32 ifindex, plain_way = 0;

	tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (tap < 0 || ioctl(tap, TUNSETIFF, &ifr) || ioctl(tap, TUNSETOFFLOAD, TUN_F_CSUM))
		return "no TAP device";
	if (system("sysctl -qw net.ipv6.conf." TAP ".disable_ipv6=1;"
		   "ip link set " TAP " address 02:00:00:00:00:01 mtu 9000 up"))
		return "cannot set the TAP device up";
	world.there = ifindex = if_nametoindex(TAP);
	hook.ifindex = (int)ifindex;
	if (bpf_map_update_elem(world.ways, &ifindex, &plain_way, BPF_ANY) ||
	    bpf_tc_hook_create(&hook) || bpf_tc_attach(&hook, &opts))
		return "cannot attach";
	return NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain), cmocka_unit_test(tags), cmocka_unit_test(not_linear),
		cmocka_unit_test(checksum_verified), cmocka_unit_test(checksum_due),
		cmocka_unit_test(merged), cmocka_unit_test(sum_of_the_whole),
	};
	const char *why = "";
	int err = world_tc(&world, &why), failed;

	if (!err)
		why = make_tap();
	if (err == -EPERM || (why && !strcmp(why, "no TAP device"))) {
		printf("1..0 # SKIP %s\n", why);
		return 4;
	}
	if (err || why) {
		printf("not ok 1 - set up: %s\n", why);
		return 1;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	world_close(&world);
	return failed != 0;
}
