// SPDX-License-Identifier: MIT
/*
 * One measurement: packets of given flows from the lab's client to its peer, or by
 * another way of traffic.h, for some seconds, counted where they arrive. Prints one line:
 *   OFFERED ARRIVED NS_PER_PACKET OTHERS
 * packets/s put in and arrived; processor nanoseconds per packet, which are the
 * softirq time of the generator's core per packet offered (there packets are
 * received, and counted) and the time of the processes named per packet relayed;
 * and the number of UDP packets of a length that no relayed packet has.
 * With --ports "sent PACKETS" follows and for each UDP source port that arrived a line
 * PORT PACKETS, the warm-up among them.
 * The generator has real-time priority where it is not the only processor's: other
 * work on the machine would be measured with it.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "address.h"
#include "bench.h"
#include "clock.h"
#include "die.h"
#include "traffic.h"
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"	/* in what bpftool generates */
#include "bench/bench.skel.h"
#pragma GCC diagnostic pop

#define BATCH_PACKETS	1000000		/* a call costs 20 ms to set up */
#define BATCH_FRAMES	64
#define WARM_UP_S	0.1
#define PACED_SECONDS	0.1		/* of a call with a rate */
#define PACED_FRAMES	16
#define PAYLOAD_MAX	1400
#define PIDS_MAX	64
#define BINDING_SUCCESS	0x0101

struct bench {
	/* options */
	const char *lab, *flows_file;
	enum { RELAY_DAEMON, RELAY_FORWARD, RELAY_NONE, RELAY_REFLECT } relay;
	bool ports;
	unsigned int n_flows, rate, cpu;
	double seconds;
	int pids[PIDS_MAX];
	unsigned int n_pids;

	struct bench_bpf *skel;
	struct bpf_link *forwarder;
	const char *end_host;		/* where packets are counted */
	int end_if, end_before;		/* its program otherwise, -1: none */
	unsigned int client_if, in_if, out_if, peer_if;
	__u8 client_mac[6], in_mac[6], out_mac[6], peer_mac[6];
	struct traffic traffic;
	struct frame frame;		/* of one flow: what follows the head is in all of them */
};

struct sample {
	double at_s, softirq_s, process_s;
	struct bench_count count;
	__u64 sent;
};

/* ---------------------------------------------------------------- interfaces */

static void enter(const struct bench *b, const char *host)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s-%s", b->lab, host);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die("%s: %s", path, strerror(errno));
	close(fd);
}

static unsigned int interface(const char *name, __u8 mac[6])
{
	struct ifreq ifr = { 0 };
	unsigned int ifindex = if_nametoindex(name);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strncpy(ifr.ifr_name, name, IF_NAMESIZE - 1);
	if (!ifindex || ioctl(fd, SIOCGIFHWADDR, &ifr))
		die("%s: %s", name, strerror(errno));
	memcpy(mac, ifr.ifr_hwaddr.sa_data, 6);
	close(fd);
	return ifindex;
}

static void find_interfaces(struct bench *b)
{
	bool down = way_from_peer(b->traffic.way);

	enter(b, "client");
	b->client_if = interface("eth0", b->client_mac);
	enter(b, "peer");
	b->peer_if = interface("eth0", b->peer_mac);
	enter(b, "relay");
	b->in_if = interface("toclient", b->in_mac);
	b->out_if = interface("topeer", b->out_mac);
	memcpy(b->traffic.smac, down ? b->peer_mac : b->client_mac, 6);
	memcpy(b->traffic.dmac, down ? b->out_mac : b->in_mac, 6);
}

/* --------------------------------------------------------------------- flows */

/* Fisher and Yates: one after the other in a shuffled table is random order to the relay. */
static void shuffle(struct traffic_flow *flows, unsigned int n)
{
	struct traffic_flow tmp;

	srandom(1);
	for (unsigned int i = n - 1; i > 0; i--) {
		unsigned int j = (unsigned int)random() % (i + 1);

		tmp = flows[i];
		flows[i] = flows[j];
		flows[j] = tmp;
	}
}

/* The file has a client's port, a channel number and perhaps a relayed address on each
 * line, see load.c. */
static void read_flow(const struct bench *b, FILE *f, struct traffic_flow *flow)
{
	char line[128], relayed[64] = "";
	unsigned int port, channel;

	if (!fgets(line, sizeof(line), f) ||
	    sscanf(line, "%u %x %63s", &port, &channel, relayed) < 2)
		die("%s: fewer than %u flows", b->flows_file, b->n_flows);
	*flow = (struct traffic_flow){ .port = (uint16_t)port, .channel = (uint16_t)channel };
	if (*relayed && !address_parse_port(&flow->relayed, relayed))
		die("%s: %s", b->flows_file, relayed);
	if (way_from_peer(b->traffic.way) && !flow->relayed.family)
		die("%s: without relayed addresses", b->flows_file);
}

static void read_flows(struct bench *b)
{
	struct traffic_flow *flows = calloc(b->n_flows, sizeof(*flows));
	FILE *f = fopen(b->flows_file, "re");

	if (!f || !flows)
		die("%s: %s", b->flows_file, strerror(errno));
	for (__u32 i = 0; i < b->n_flows; i++)
		read_flow(b, f, &flows[i]);
	fclose(f);
	shuffle(flows, b->n_flows);
	for (__u32 i = 0; i < b->n_flows; i++) {
		traffic_frame(&b->traffic, &flows[i], &b->frame);
		if (bpf_map_update_elem(bpf_map__fd(b->skel->maps.bench_flows), &i, b->frame.b, 0))
			die("flow table: %s", strerror(errno));
	}
	free(flows);
}

/* ------------------------------------------------------------------- programs */

static void load(struct bench *b)
{
	bool relayed = b->relay == RELAY_DAEMON, down = way_from_peer(b->traffic.way);
	unsigned int head = traffic_head(&b->traffic);
	__u8 hop[12];

	memcpy(hop, b->peer_mac, 6);
	memcpy(hop + 6, b->out_mac, 6);
	b->skel = bench_bpf__open();
	if (!b->skel)
		die("open: %s", strerror(errno));
	b->skel->rodata->n_flows = b->n_flows;
	b->skel->rodata->n_words = head / 8;
	b->skel->rodata->family = b->traffic.server.family;
	b->skel->rodata->by_port = b->ports;
	b->skel->rodata->out_ifindex = down ? b->peer_if : b->client_if;
	b->skel->rodata->gap_ns = b->rate ? 1000000000U / b->rate : 0;
	b->skel->rodata->want_len = (__u16)traffic_arrives(&b->traffic, relayed);
	if (b->traffic.way == WAY_BINDING && relayed)
		b->skel->rodata->want_type = BINDING_SUCCESS;
	memcpy((void *)b->skel->rodata->next_hop, hop, sizeof(hop));
	/* all elements' heads and no more: they are read one after the other */
	if (bpf_map__set_max_entries(b->skel->maps.bench_flows, b->n_flows) ||
	    bpf_map__set_value_size(b->skel->maps.bench_flows, head) ||
	    bench_bpf__load(b->skel))
		die("load: %s", strerror(errno));
}

/* Where the packets end: the counter takes the place of the program that is there. */
static void attach_counter(struct bench *b)
{
	bool back = b->relay == RELAY_REFLECT ||
		    (b->relay == RELAY_DAEMON && way_to_client(b->traffic.way));
	__u32 id;

	b->end_host = back ? "client" : "peer";
	b->end_if = (int)(back ? b->client_if : b->peer_if);
	enter(b, b->end_host);
	if (bpf_xdp_query_id(b->end_if, XDP_FLAGS_DRV_MODE, &id))
		die("program at the %s: %s", b->end_host, strerror(errno));
	b->end_before = id ? bpf_prog_get_fd_by_id(id) : -1;
	if (bpf_xdp_attach(b->end_if, bpf_program__fd(b->skel->progs.count), XDP_FLAGS_DRV_MODE,
			   NULL))
		die("counter at the %s: %s", b->end_host, strerror(errno));
}

static void detach_counter(const struct bench *b)
{
	enter(b, b->end_host);
	if (bpf_xdp_attach(b->end_if, b->end_before, XDP_FLAGS_DRV_MODE, NULL))
		die("program at the %s: %s", b->end_host, strerror(errno));
}

static void attach(struct bench *b)
{
	struct bpf_program *prog = b->skel->progs.forward;
	__u32 zero = 0;

	attach_counter(b);
	enter(b, "relay");
	if (b->relay == RELAY_DAEMON)
		return;
	if (b->relay == RELAY_NONE)
		prog = b->skel->progs.count;
	if (b->relay == RELAY_REFLECT)
		prog = b->skel->progs.reflect;
	if (bpf_map_update_elem(bpf_map__fd(b->skel->maps.bench_out), &zero, &b->out_if, 0))
		die("devmap: %s", strerror(errno));
	b->forwarder = bpf_program__attach_xdp(prog, (int)b->in_if);
	if (!b->forwarder)
		die("program on the relay: %s", strerror(errno));
}

static void generate(struct bench *b, double seconds)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts,
		.data_in = b->frame.b, .data_size_in = (__u32)b->frame.len,
		.repeat = b->rate ? (int)(b->rate * PACED_SECONDS) + 1 : BATCH_PACKETS,
		.flags = BPF_F_TEST_XDP_LIVE_FRAMES,
		.batch_size = b->rate ? PACED_FRAMES : BATCH_FRAMES);
	uint64_t now = clock_mono_ns(), end = now + (uint64_t)(seconds * CLOCK_NS_PER_S);

	b->skel->bss->next_ns = now;
	do {
		if (bpf_prog_test_run_opts(bpf_program__fd(b->skel->progs.generate), &opts))
			die("generator: %s", strerror(errno));
	} while (clock_mono_ns() < end);
}

/* -------------------------------------------------------------------- measure */

static double softirq_seconds(unsigned int cpu)
{
	unsigned long long v[7] = { 0 };
	char line[512], name[16];
	FILE *f = fopen("/proc/stat", "re");

	snprintf(name, sizeof(name), "cpu%u ", cpu);
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			sscanf(line, "%*s %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2],
			       &v[3], &v[4], &v[5], &v[6]);
	if (f)
		fclose(f);
	return (double)(v[5] + v[6]) / (double)sysconf(_SC_CLK_TCK);
}

/* User and system time of a process and what it runs; 0 where it is gone. */
static double process_seconds(int pid)
{
	unsigned long long user = 0, system = 0;
	char path[64], line[1024], *p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	p = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	if (p)
		sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu",
		       &user, &system);
	fclose(f);
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static void take(const struct bench *b, struct sample *s)
{
	int n = libbpf_num_possible_cpus();
	struct bench_count *counts = calloc(n > 0 ? (size_t)n : 1, sizeof(*counts));
	__u32 zero = 0;

	memset(s, 0, sizeof(*s));
	if (!counts || bpf_map_lookup_elem(bpf_map__fd(b->skel->maps.bench_counts), &zero, counts))
		die("counters: %s", strerror(errno));
	for (int i = 0; i < n; i++) {
		s->count.wanted += counts[i].wanted;
		s->count.others += counts[i].others;
	}
	free(counts);
	s->sent = b->skel->bss->sent;
	s->softirq_s = softirq_seconds(b->cpu);
	for (unsigned int i = 0; i < b->n_pids; i++)
		s->process_s += process_seconds(b->pids[i]);
	s->at_s = (double)clock_mono_ns() / CLOCK_NS_PER_S;
}

static void measure(struct bench *b)
{
	struct sample before, after;
	double seconds, offered, arrived, cost = 0;

	enter(b, way_from_peer(b->traffic.way) ? "peer" : "client");
	generate(b, WARM_UP_S);		/* caches warm, next hops known */
	take(b, &before);
	generate(b, b->seconds);
	take(b, &after);
	seconds = after.at_s - before.at_s;
	offered = (double)(after.sent - before.sent);
	arrived = (double)(after.count.wanted - before.count.wanted);
	if (arrived > 0)
		cost = (after.softirq_s - before.softirq_s) / offered +
		       (after.process_s - before.process_s) / arrived;
	printf("%.0f %.0f %.0f %llu\n", offered / seconds, arrived / seconds, cost * 1e9,
	       after.count.others - before.count.others);
}

static void print_ports(const struct bench *b)
{
	__u64 n;

	printf("sent %llu\n", b->skel->bss->sent);
	for (__u32 port = 0; port < BENCH_PORTS; port++) {
		if (bpf_map_lookup_elem(bpf_map__fd(b->skel->maps.bench_ports), &port, &n))
			die("ports: %s", strerror(errno));
		if (n)
			printf("%u %llu\n", port, n);
	}
}

/* Not on the only processor: relays in user space would not get their turn. */
static void go_real_time(void)
{
	struct sched_param param = { .sched_priority = 1 };

	if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
		sched_setscheduler(0, SCHED_FIFO, &param);
}

/* -------------------------------------------------------------------- options */

static void usage(void)
{
	die("--lab NAME --client IP --server IP:PORT --peer IP:PORT --flows-file FILE --flows N\n"
	    "  --payload BYTES [--way channel|wrap|send|data|hairpin|binding] [--seconds S]\n"
	    "  [--rate PACKETS/S] [--cpu N] [--ports] [--forward | --none | --reflect] [PID...]");
}

static bool complete(const struct bench *b)
{
	const struct traffic *t = &b->traffic;

	return b->lab && b->flows_file && b->n_flows && t->payload >= 32 &&
	       t->payload <= PAYLOAD_MAX && b->seconds > 0 && t->way < WAY_MAX &&
	       t->server.port && t->peer.port && t->client.family == t->server.family;
}

static void parse(struct bench *b, int argc, char **argv)
{
	static const struct option options[] = {
		{ "lab", required_argument, NULL, 'l' }, { "client", required_argument, NULL, 'c' },
		{ "server", required_argument, NULL, 's' },
		{ "peer", required_argument, NULL, 'P' },
		{ "flows-file", required_argument, NULL, 'F' },
		{ "flows", required_argument, NULL, 'n' },
		{ "payload", required_argument, NULL, 'p' },
		{ "seconds", required_argument, NULL, 't' },
		{ "rate", required_argument, NULL, 'r' }, { "cpu", required_argument, NULL, 'C' },
		{ "forward", no_argument, NULL, 'w' }, { "none", no_argument, NULL, 'x' },
		{ "reflect", no_argument, NULL, 'e' }, { "way", required_argument, NULL, 'W' },
		{ "ports", no_argument, NULL, 'o' },
		{ NULL, 0, NULL, 0 }
	};
	struct traffic *t = &b->traffic;
	bool ok = true;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'l': b->lab = optarg; break;
		case 'c': ok &= address_parse(&t->client, optarg); break;
		case 's': ok &= address_parse_port(&t->server, optarg); break;
		case 'P': ok &= address_parse_port(&t->peer, optarg); break;
		case 'F': b->flows_file = optarg; break;
		case 'n': b->n_flows = (unsigned int)atoi(optarg); break;
		case 'p': t->payload = (unsigned int)atoi(optarg); break;
		case 't': b->seconds = atof(optarg); break;
		case 'r': b->rate = (unsigned int)atoi(optarg); break;
		case 'C': b->cpu = (unsigned int)atoi(optarg); break;
		case 'w': b->relay = RELAY_FORWARD; break;
		case 'x': b->relay = RELAY_NONE; break;
		case 'e': b->relay = RELAY_REFLECT; break;
		case 'W': t->way = way_named(optarg); break;
		case 'o': b->ports = true; break;
		default: usage();
		}
	}
	while (optind < argc && b->n_pids < PIDS_MAX)
		b->pids[b->n_pids++] = atoi(argv[optind++]);
	if (!ok || !complete(b))
		usage();
}

int main(int argc, char **argv)
{
	static struct bench b = { .seconds = 2 };
	cpu_set_t cpus;

	parse(&b, argc, argv);
	CPU_ZERO(&cpus);
	CPU_SET(b.cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		die("cpu %u: %s", b.cpu, strerror(errno));
	find_interfaces(&b);
	load(&b);
	read_flows(&b);
	attach(&b);
	go_real_time();
	measure(&b);
	if (b.ports)
		print_ports(&b);
	bpf_link__destroy(b.forwarder);
	detach_counter(&b);
	bench_bpf__destroy(b.skel);
	return EXIT_SUCCESS;
}
