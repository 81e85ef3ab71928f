// SPDX-License-Identifier: GPL-2.0
/*
 * What the bench runs beside a relay: a generator at the client, a counter at
 * the peer, and the least that a forwarder can do as the measure of the path.
 * IP without options only: it is the bench's own traffic.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "bench.h"

#define SPINS_MAX	8192	/* of the pacing loop, about 20 ns each */

const volatile __u32 n_flows = 1;
const volatile __u32 n_words = 1;	/* generate: of a frame's head */
const volatile __u8 family = 4;
const volatile __u8 by_port;		/* count: by source port as well */
const volatile __u32 out_ifindex;	/* generate: the client's interface */
const volatile __u32 gap_ns;		/* generate: between packets; 0: as fast as it goes */
const volatile __u16 want_len;		/* count: length in the UDP header, bytes */
const volatile __u16 want_type;		/* count: of a STUN message; 0: by length */
const volatile __u16 pass_port = BENCH_ECHO_PORT; /* count: not ours, somebody is listening */
const volatile __u8 next_hop[12];	/* forward: destination and source MAC */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct bench_flow));
} bench_flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bench_count);
} bench_counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BENCH_PORTS);
	__type(key, __u32);
	__type(value, __u64);
} bench_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} bench_out SEC(".maps");

/* The generator runs on one CPU. */
__u64 sent, next_ns;
__u32 at;

static int until_next(__u32 i, void *ctx)
{
	return bpf_ktime_get_ns() >= next_ns;
}

/* Half a gap to one and a half: a fixed one gets into step with the clock tick, which is
 * what processor time is measured by. */
static void pace(void)
{
	bpf_loop(SPINS_MAX, until_next, NULL, 0);
	next_ns += gap_ns / 2 + bpf_get_prandom_u32() % gap_ns;
}

/* A recycled frame carries what the relay made of it: the headers are written whole each time. */
SEC("xdp") int generate(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 i = at;
	const __u64 *from = bpf_map_lookup_elem(&bench_flows, &i);
	__u64 *to = data;

	at = i + 1 < n_flows ? i + 1 : 0;
	if (!from || data + n_words * sizeof(*to) > end)
		return XDP_ABORTED;
#pragma unroll
	for (i = 0; i < BENCH_WORDS_MAX; i++)
		if (i < n_words)
			to[i] = from[i];
	if (gap_ns)
		pace();
	sent++;
	return bpf_redirect(out_ifindex, 0);
}

static struct udphdr *bench_udp(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct ipv6hdr *ip6 = (void *)(eth + 1);
	struct udphdr *udp = (void *)(ip + 1);

	if (family == 6) {
		udp = (void *)(ip6 + 1);
		if ((void *)(udp + 1) > end || eth->h_proto != bpf_htons(ETH_P_IPV6) ||
		    ip6->nexthdr != IPPROTO_UDP)
			return NULL;
		return udp;
	}
	if ((void *)(udp + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP) ||
	    ip->ihl != 5 || ip->protocol != IPPROTO_UDP)
		return NULL;
	return udp;
}

static void count_port(const struct udphdr *udp)
{
	__u32 port = bpf_ntohs(udp->source);
	__u64 *n = bpf_map_lookup_elem(&bench_ports, &port);

	if (n)
		(*n)++;
}

static int is_wanted(struct xdp_md *ctx, const struct udphdr *udp)
{
	const __be16 *type = (const void *)(udp + 1);

	if (!want_type)
		return bpf_ntohs(udp->len) == want_len;
	if ((void *)(type + 1) > (void *)(long)ctx->data_end)
		return 0;
	return bpf_ntohs(*type) == want_type;
}

SEC("xdp") int count(struct xdp_md *ctx)
{
	struct udphdr *udp = bench_udp(ctx);
	struct bench_count *c;
	__u32 zero = 0;

	if (!udp || bpf_ntohs(udp->dest) == pass_port)
		return XDP_PASS;
	c = bpf_map_lookup_elem(&bench_counts, &zero);
	if (!c)
		return XDP_ABORTED;
	if (by_port)
		count_port(udp);
	if (is_wanted(ctx, udp))
		c->wanted++;
	else
		c->others++;
	return XDP_DROP;
}

SEC("xdp") int forward(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;

	if (!bench_udp(ctx))
		return XDP_PASS;
	__builtin_memcpy(data, (const void *)next_hop, sizeof(next_hop));
	return bpf_redirect_map(&bench_out, 0, 0);
}

SEC("xdp") int reflect(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	__u8 mac[ETH_ALEN];

	if (!bench_udp(ctx))
		return XDP_PASS;
	/* bench_udp() has checked that it is there */
	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
	return XDP_TX;
}

char LICENSE[] SEC("license") = "GPL";
