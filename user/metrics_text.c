// SPDX-License-Identifier: MIT
/*
 * What is exported. Every series is there from the start, at 0, and none is labelled by
 * allocation: their number would have no bound. By user only where that is asked for, and then
 * for those with most traffic.
 */
#include <netinet/in.h>
#include <string.h>
#include <time.h>
#include "metrics.h"
#include "report.h"

#define USERS_MOST	20

enum transport { UDP, TCP, TLS, DTLS, TRANSPORTS };

static const char *const transport_words[] = { "UDP", "TCP", "TLS", "DTLS" };

/* What a scrape is made from. */
struct sample {
	const struct control_sources *from;
	uint64_t now_ns;		/* CLOCK_MONOTONIC */
	struct tp_count counts[TP_R_MAX], kmod[TP_R_MAX];	/* the module's apart */
	unsigned int allocations[TRANSPORTS];
	struct tp_count up, down;	/* client to peer, peer to client; kernel and daemon */
};

static void head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void one(FILE *out, const char *name, const char *type, const char *help, uint64_t value)
{
	head(out, name, type, help);
	fprintf(out, "%s %llu\n", name, (unsigned long long)value);
}

static enum transport transport_of(uint8_t transport)
{
	bool secure = transport & TURN_SECURE;

	if (turn_protocol(transport) == IPPROTO_TCP)
		return secure ? TLS : TCP;
	return secure ? DTLS : UDP;
}

static void add(struct tp_count *sum, const struct tp_count *c)
{
	sum->packets += c->packets;
	sum->bytes += c->bytes;
}

static void take_sample(struct sample *s, const struct control_sources *from)
{
	const struct tables *tables = from->shared->tables;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	*s = (struct sample){
		.from = from,
		.now_ns = (uint64_t)now.tv_sec * TURN_NS_PER_S + (uint64_t)now.tv_nsec,
	};
	tables_stats(tables->stats_fd, s->counts);
	tables_stats(tables->kmod_stats_fd, s->kmod);
	for (unsigned int i = 0; i < from->shared->conf->workers; i++)
		engine_count(from->engines[i], s->counts);
	for (uint32_t i = 0; i < tables->meta->allocs; i++)
		if (tables->allocs[i].state == TP_ALLOC_LIVE)
			s->allocations[transport_of(tables->allocs[i].transport)]++;
	add(&s->up, &s->counts[TP_R_TO_PEER]);
	add(&s->up, &s->counts[TP_R_HAIRPIN]);
	add(&s->up, &s->counts[TP_R_USER_TO_PEER]);
	add(&s->down, &s->counts[TP_R_TO_CLIENT]);
	add(&s->down, &s->counts[TP_R_HAIRPIN]);
	add(&s->down, &s->counts[TP_R_USER_TO_CLIENT]);
	add(&s->up, &s->kmod[TP_R_TO_PEER]);
	add(&s->up, &s->kmod[TP_R_HAIRPIN]);
	add(&s->down, &s->kmod[TP_R_TO_CLIENT]);
	add(&s->down, &s->kmod[TP_R_HAIRPIN]);
}

/* A label's value: the quote, the backslash and the line's end are escaped. */
static void label(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		if (*text == '\n')
			fputs("\\n", out);
		else
			fputc(*text, out);
	}
}

/* ----------------------------------------------------------- coturn's names */

/* Received and sent as the server sees it: peer_sent is what came from clients. */
static void traffic(FILE *out, const struct sample *s)
{
	const char *realm = s->from->shared->conf->turn.realm;
	const struct {
		const char *suffix, *help;
		uint64_t value;
	} series[] = {
		{ "rcvp", "packets from clients that were relayed", s->up.packets },
		{ "rcvb", "bytes from clients that were relayed", s->up.bytes },
		{ "sentp", "packets relayed to clients", s->down.packets },
		{ "sentb", "bytes relayed to clients", s->down.bytes },
		{ "peer_rcvp", "packets from peers that were relayed", s->down.packets },
		{ "peer_rcvb", "bytes from peers that were relayed", s->down.bytes },
		{ "peer_sentp", "packets relayed to peers", s->up.packets },
		{ "peer_sentb", "bytes relayed to peers", s->up.bytes },
	};
	char name[64];

	for (size_t i = 0; i < sizeof(series) / sizeof(*series); i++) {
		snprintf(name, sizeof(name), "turn_traffic_%s", series[i].suffix);
		head(out, name, "counter", series[i].help);
		fprintf(out, "%s{realm=\"", name);
		label(out, realm ? realm : "");
		fprintf(out, "\"} %llu\n", (unsigned long long)series[i].value);
		snprintf(name, sizeof(name), "turn_total_traffic_%s", series[i].suffix);
		one(out, name, "counter", series[i].help, series[i].value);
	}
}

static void allocations(FILE *out, const struct sample *s)
{
	head(out, "turn_total_allocations", "gauge", "allocations there are now");
	for (unsigned int i = 0; i < TRANSPORTS; i++)
		fprintf(out, "turn_total_allocations{type=\"%s\"} %u\n", transport_words[i],
			s->allocations[i]);
}

static bool is_drop(const char *meaning)
{
	return !strncmp(meaning, "dropped", 7) || !strncmp(meaning, "discarded", 9) ||
	       !strncmp(meaning, "lost", 4);
}

/* -------------------------------------------------------------- our own names */

/* The daemon counts again what the kernel passed up, so what was only passed is a series of
 * its own and not part of the packets. */
static void reasons(FILE *out, const struct sample *s)
{
	static const struct {
		const char *word, *meaning;
	} all[] = {
#define REASON_TEXT(id, word, text) { word, text },
		TP_REASONS(REASON_TEXT)
#undef REASON_TEXT
	};
	uint64_t seen = 0, dropped = 0;

	head(out, "turnpike_packets_total", "counter",
	     "packets by what became of them; those passed up by the kernel appear again");
	for (unsigned int i = 0; i < TP_R_MAX; i++) {
		fprintf(out, "turnpike_packets_total{reason=\"%s\"} %llu\n", all[i].word,
			(unsigned long long)s->counts[i].packets);
		if (strncmp(all[i].meaning, "passed up", 9))
			seen += s->counts[i].packets + s->kmod[i].packets;
		if (is_drop(all[i].meaning))
			dropped += s->counts[i].packets + s->kmod[i].packets;
	}
	if (s->from->dataplane->module)
		head(out, "turnpike_module_packets_total", "counter", "those of the kernel module");
	for (unsigned int i = 0; i < TP_R_MAX && s->from->dataplane->module; i++)
		fprintf(out, "turnpike_module_packets_total{reason=\"%s\"} %llu\n", all[i].word,
			(unsigned long long)s->kmod[i].packets);
	head(out, "turnpike_bytes_total", "counter", "their bytes");
	for (unsigned int i = 0; i < TP_R_MAX; i++)
		fprintf(out, "turnpike_bytes_total{reason=\"%s\"} %llu\n", all[i].word,
			(unsigned long long)s->counts[i].bytes);
	one(out, "turn_packet_processed", "counter", "packets that were ours to handle", seen);
	one(out, "turn_packet_dropped", "counter", "packets of those that were dropped", dropped);
}

static void ports(FILE *out, const struct sample *s)
{
	const struct turn_conf *turn = &s->from->shared->conf->turn;
	unsigned int used = turn_shared_ports(s->from->shared->turn);
	unsigned int total = (turn->max_port - turn->min_port + 1u) * turn->n_relays;

	head(out, "turnpike_relay_ports", "gauge", "relay ports by state");
	fprintf(out, "turnpike_relay_ports{state=\"used\"} %u\n", used);
	fprintf(out, "turnpike_relay_ports{state=\"free\"} %u\n", total - used);
}

static void rows(FILE *out, const struct sample *s)
{
	uint32_t used[2] = { 0 }, slots[2] = { 0 };
	uint64_t journal, full;

	if (s->from->rows)
		rows_fill(s->from->rows, used, slots);
	flows_full(s->from->shared->flows, &journal, &full);
	head(out, "turnpike_map_entries", "gauge", "rows in the kernel's tables");
	for (unsigned int i = 0; i < 2; i++)
		fprintf(out, "turnpike_map_entries{map=\"rows%u\"} %u\n", i ? 6 : 4, used[i]);
	head(out, "turnpike_map_capacity", "gauge", "rows that they have room for");
	for (unsigned int i = 0; i < 2; i++)
		fprintf(out, "turnpike_map_capacity{map=\"rows%u\"} %u\n", i ? 6 : 4, slots[i]);
	one(out, "turnpike_flows_without_row_total", "counter",
	    "flows that the daemon relays because the tables were full", full);
}

static void interfaces(FILE *out, const struct sample *s)
{
	const struct dataplane *dp = s->from->dataplane;

	head(out, "turnpike_attached", "gauge", "how packets are relayed by interface");
	for (unsigned int i = 0; i < dp->n; i++) {
		fputs("turnpike_attached{ifname=\"", out);
		label(out, dp->interfaces[i].name);
		fprintf(out, "\",mode=\"%s\"} 1\n", dataplane_mode_word(dp->interfaces[i].mode));
	}
}

static void user_series(FILE *out, const json_t *users, const char *name, const char *labels,
			const char *key)
{
	const json_t *user;
	size_t i;

	json_array_foreach(users, i, user) {
		fprintf(out, "%s{user=\"", name);
		label(out, json_string_value(json_object_get(user, "user")));
		fprintf(out, "\"%s} %lld\n", labels,
			json_integer_value(json_object_get(user, key)));
	}
}

/* Gauges: they fall when an allocation ends. */
static void users(FILE *out, const struct sample *s)
{
	json_t *top = report_users(s->from->shared->tables, s->now_ns, USERS_MOST);

	if (!top)
		return;
	head(out, "turnpike_user_allocations", "gauge",
	     "allocations there are now, of the users with most traffic");
	user_series(out, top, "turnpike_user_allocations", "", "allocations");
	head(out, "turnpike_user_bytes", "gauge", "bytes that those allocations have relayed");
	user_series(out, top, "turnpike_user_bytes", ",direction=\"up\"", "up");
	user_series(out, top, "turnpike_user_bytes", ",direction=\"down\"", "down");
	json_decref(top);
}

void metrics_text(const struct control_sources *sources, FILE *out)
{
	struct sample s;

	take_sample(&s, sources);
	head(out, "turnpike_build_info", "gauge", "1, and what runs");
	fputs("turnpike_build_info{version=\"", out);
	label(out, TURNPIKE_VERSION);
	fputs("\"} 1\n", out);
	one(out, "turnpike_uptime_seconds", "gauge", "of the relay process",
	    (s.now_ns - sources->started_ns) / TURN_NS_PER_S);
	one(out, "turnpike_draining", "gauge", "1 while new allocations are refused",
	    sources->draining(sources->operator));
	allocations(out, &s);
	traffic(out, &s);
	reasons(out, &s);
	ports(out, &s);
	rows(out, &s);
	interfaces(out, &s);
	if (sources->shared->conf->prometheus_users)
		users(out, &s);
}
