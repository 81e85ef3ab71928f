// SPDX-License-Identifier: MIT
/*
 * What comes to a listening address: requests built here, answers compared with
 * those of the daemon's own core.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cases.h"
#include "listener.h"
#include "stun/stun.h"
#include "turn/turn.h"

static const uint8_t mac_own[6] = { 2, 0, 0, 0, 0, 1 }, mac_client[6] = { 2, 0, 0, 0, 0, 0x99 };
static const uint8_t txid[12] = "\x01\x23\x45\x67\x89\xab\xcd\xef\xfe\xdc\xba\x98";

/* ------------------------------------------------------------ attributes */

static void software(struct stun_writer *w) { stun_put(w, 0x8022, "pj 2.14", 7); }
static void future(struct stun_writer *w) { stun_put(w, 0xc001, "\1\2\3", 3); }
static void required(struct stun_writer *w) { stun_put_u32(w, 0x7ffe, 0); }
static void unnamed_optional(struct stun_writer *w) { stun_put_u32(w, 0x8000, 1); }
static void fingerprint(struct stun_writer *w) { stun_put_fingerprint(w); }
static void empty_future(struct stun_writer *w) { stun_put(w, 0x9000, NULL, 0); }

static void software_fingerprint(struct stun_writer *w)
{
	software(w);
	fingerprint(w);
}

static void three_and_fingerprint(struct stun_writer *w)
{
	for (int i = 0; i < 3; i++)
		empty_future(w);
	fingerprint(w);
}

static void five(struct stun_writer *w)
{
	for (int i = 0; i < 5; i++)
		empty_future(w);
}

static void longest(struct stun_writer *w)
{
	static const char text[61] = "";

	stun_put(w, 0x8022, text, 60);
}

static void too_long(struct stun_writer *w)
{
	static const char text[61] = "";

	stun_put(w, 0x8022, text, 61);
}

static void fingerprint_first(struct stun_writer *w)
{
	fingerprint(w);
	software(w);
}

static void bad_fingerprint(struct stun_writer *w)
{
	fingerprint(w);
	w->buf[w->len - 1] ^= 1;
}

static void integrity(struct stun_writer *w)
{
	struct stun_key key = { .bytes = "key", .len = 16, .algorithm = STUN_ALG_MD5 };

	stun_put_mi(w, &key);
}

static void integrity_fingerprint(struct stun_writer *w)
{
	integrity(w);
	fingerprint(w);
}

static void integrity256(struct stun_writer *w)
{
	struct stun_key key = { .bytes = "key", .len = 32, .algorithm = STUN_ALG_SHA256 };

	stun_put_mi_sha256(w, &key);
}

static void integrity256_fingerprint(struct stun_writer *w)
{
	integrity256(w);
	fingerprint(w);
}

/* ------------------------------------------------------------- the cases */

static void longer(struct frame_spec *f) { f->data_len += 4; }
static void length_more(struct frame_spec *f) { f->data[3] += 4; }
static void length_odd(struct frame_spec *f) { f->data[3] += 2; f->data_len += 2; }
static void cookie(struct frame_spec *f) { f->data[4] ^= 1; }
static void short_header(struct frame_spec *f) { f->data_len = 19; }
static void first_bits(struct frame_spec *f) { f->data[0] |= 0x80; }
static void wrong_check(struct frame_spec *f) { f->check_error = 0x1357; }
static void no_check(struct frame_spec *f) { f->no_check = true; }
static void own_port(struct frame_spec *f) { f->sport = 3478; }
static void other_own_port(struct frame_spec *f) { f->sport = 443; }
static void port_0(struct frame_spec *f) { f->sport = 0; }
static void other_port(struct frame_spec *f) { f->dport = 3479; }
static void from_0(struct frame_spec *f) { memset(f->src, 0, 16); }
static void from_0_port_0(struct frame_spec *f) { memset(f->src, 0, 16); f->sport = 0; }
static void other_station(struct frame_spec *f) { f->dmac[5] ^= 0x40; }
static void own_smac(struct frame_spec *f) { memcpy(f->smac, f->dmac, 6); }
static void surplus(struct frame_spec *f) { f->surplus = 9; }
static void trailer(struct frame_spec *f) { f->trailer = 30; }
static void one_tag(struct frame_spec *f) { f->vlans = 1; f->tci[0] = 0x2064; }
static void two_tags(struct frame_spec *f) { f->vlans = 2; f->tci[0] = f->tci[1] = 0x2064; }
static void marked(struct frame_spec *f) { f->tos = 0xb9; f->ttl = 1; f->id = 7; f->df = true; }

#define ANSWERED	.reason = TP_R_BINDING
#define UP		.reason = TP_R_NO_ROW

const struct listener_case listener_cases[] = {
	{ "Binding", ANSWERED },
	{ "Binding, own marks are not copied", ANSWERED, .change = marked },
	{ "Binding, one tag", ANSWERED, .change = one_tag },
	{ "Binding, two tags", ANSWERED, .change = two_tags },
	{ "Binding, bytes behind the datagram", ANSWERED, .change = surplus },
	{ "Binding, bytes behind the packet", ANSWERED, .change = trailer },
	{ "Binding, SOFTWARE", ANSWERED, .put = software },
	{ "Binding, unknown optional attribute", ANSWERED, .put = future },
	{ "Binding, FINGERPRINT", ANSWERED, .put = fingerprint },
	{ "Binding, SOFTWARE and FINGERPRINT", ANSWERED, .put = software_fingerprint },
	{ "Binding, four attributes", ANSWERED, .put = three_and_fingerprint },
	{ "Binding, longest", ANSWERED, .put = longest },
	{ "Binding, FINGERPRINT as configured", ANSWERED, .fingerprint = true },
	{ "Binding, both", ANSWERED, .fingerprint = true, .put = software_fingerprint },
	{ "Binding, no UDP checksum", .reason = TP_R_BINDING, .reason6 = TP_R_BAD_FRAME,
	  .change = no_check },
	{ "Binding, five attributes", UP, .put = five },
	{ "Binding, longer", UP, .put = too_long },
	{ "Binding, required attribute", UP, .put = required },
	{ "Binding, attribute that the daemon checks", UP, .put = unnamed_optional },
	{ "Binding, FINGERPRINT not last", UP, .put = fingerprint_first },
	{ "Binding, wrong FINGERPRINT", UP, .put = bad_fingerprint },
	{ "Binding, MESSAGE-INTEGRITY", UP, .put = integrity },
	{ "Binding, bytes behind the message", UP, .change = longer },
	{ "Binding, wrong length", UP, .change = length_more },
	{ "Binding, odd length", UP, .change = length_odd },
	{ "Binding, wrong UDP checksum", UP, .change = wrong_check },
	{ "Binding, wrong cookie", UP, .change = cookie },
	{ "Binding, cut", UP, .change = short_header },
	{ "Binding, not STUN", UP, .change = first_bits },
	{ "Binding from the server's own port", UP, .change = own_port },
	{ "Binding from another port of the server", UP, .change = other_own_port },
	{ "Binding from port 0", UP, .change = port_0 },
	{ "Binding from 0.0.0.0", UP, .change = from_0 },
	{ "Binding from 0.0.0.0, port 0", UP, .change = from_0_port_0 },
	{ "Binding to another port", UP, .change = other_port },
	{ "Binding to another station", .reason = TP_R_OTHER_MAC, .change = other_station },
	{ "Binding from the own station", .reason = TP_R_BAD_FRAME, .change = own_smac },
	{ "Binding, switched off", UP, .silent = true },
	{ "Binding, lease over", UP, .lease_s = -1 },
	{ "Binding indication", UP, .type = 0x0011 },
	{ "Binding success", .reason = TP_R_UNASKED, .type = 0x0101 },
	{ "Binding error", .reason = TP_R_UNASKED, .type = 0x0111 },
	{ "Allocate success", .reason = TP_R_UNASKED, .type = 0x0103 },
	{ "Allocate success to another port", UP, .type = 0x0103, .change = other_port },
	{ "Allocate", UP, .type = 0x0003 },
	{ "unknown method like Binding", UP, .type = 0x2001 },
	{ "Allocate, MESSAGE-INTEGRITY", UP, .type = 0x0003, .put = integrity },
};

const size_t listener_cases_n = sizeof(listener_cases) / sizeof(listener_cases[0]);

/* ------------------------------------------------------------ the daemon's answer */

struct answer {
	uint8_t b[256];
	size_t len;
};

static void to_client(void *ctx, const struct turn_path *path, const struct turn_out *out)
{
	struct answer *answer = ctx;

	(void)path;
	answer->len = out->head_len;
	memcpy(answer->b, out->head, out->head_len);
}

static void random_bytes(void *ctx, void *buf, size_t len)
{
	(void)ctx;
	memset(buf, 5, len);
}

/* What the core answers to the payload of the frame; false: nothing. */
static bool ask_core(const struct frame_spec *f, bool always, struct answer *answer)
{
	static const struct turn_host host = { .to_client = to_client, .random = random_bytes };
	struct turn_conf conf = { .fingerprint = always };
	struct turn_shared *shared = turn_shared_new(&conf);
	struct turn_server *server = turn_server_new(&conf, shared, &host, answer);
	struct turn_now now = { .mono_ns = 1, .wall_s = 1 };
	struct turn_path path = { .transport = IPPROTO_UDP };

	path.client.family = path.server.family = f->family;
	memcpy(path.client.ip, f->src, 16);
	memcpy(path.server.ip, f->dst, 16);
	path.client.port = htons(f->sport);
	path.server.port = htons(f->dport);
	answer->len = 0;
	turn_from_client(server, &path, f->data, f->data_len, now);
	turn_server_free(server);
	turn_shared_free(shared);
	return answer->len;
}

/* ------------------------------------------------------------------ running */

void listener_request(struct frame_spec *f, uint8_t family, uint16_t type,
		      void (*put)(struct stun_writer *w))
{
	struct stun_writer w;

	memset(f, 0, sizeof(*f));
	memcpy(f->dmac, mac_own, 6);
	memcpy(f->smac, mac_client, 6);
	f->family = family;
	inet_pton(family == 4 ? AF_INET : AF_INET6, family == 4 ? "192.0.2.10" : "2001:db8:1::10",
		  f->src);
	inet_pton(family == 4 ? AF_INET : AF_INET6, family == 4 ? "192.0.2.1" : "2001:db8:2::1",
		  f->dst);
	f->sport = 50000;
	f->dport = 3478;
	f->ttl = 57;
	stun_begin(&w, f->data, 1024, STUN_BINDING, STUN_REQUEST, txid);
	f->data[0] = (uint8_t)(type >> 8);
	f->data[1] = (uint8_t)type;
	if (put)
		put(&w);
	f->data_len = (uint16_t)w.len;
}

uint32_t listener_put(struct world *world, uint8_t family, const struct listener_case *c,
		      uint32_t request_ns)
{
	struct row_spec row = { .kind = TP_ROW_LISTENER, .listener.request_ns = request_ns };
	struct frame_spec f;

	listener_request(&f, family, 1, NULL);
	row.src.family = row.dst.family = family;
	memcpy(row.dst.ip, f.dst, 16);
	row.dst.port = htons(f.dport);
	row.expires_ns = world_now() +
			 (uint64_t)((c->lease_s ? c->lease_s : 100000) * 1000000000LL);
	row.flags = (uint16_t)((c->silent ? 0 : TP_ROW_BINDING) |
			       (c->fingerprint ? TP_ROW_FINGERPRINT : 0));
	row.listener.port[0] = htons(3478);
	row.listener.port[TP_LISTENER_PORTS - 1] = htons(443);
	world->set_own_mac(world, mac_own);
	return rows_put(world->rows, &row);
}

/* The answer's frame: sent back the way that the request came. */
static void turn_round(struct frame_spec *out, const struct frame_spec *in,
		       const struct answer *answer)
{
	memset(out, 0, sizeof(*out));
	memcpy(out->dmac, in->smac, 6);
	memcpy(out->smac, in->dmac, 6);
	out->vlans = in->vlans;
	memcpy(out->tci, in->tci, sizeof(out->tci));
	out->family = in->family;
	memcpy(out->src, in->dst, 16);
	memcpy(out->dst, in->src, 16);
	out->sport = in->dport;
	out->dport = in->sport;
	out->ttl = 64;
	out->df = in->family == 4;
	memcpy(out->data, answer->b, answer->len);
	out->data_len = (uint16_t)answer->len;
}

static bool answered_right(const struct frame_spec *in, const struct listener_case *c,
			   const struct frame *got)
{
	static struct frame_spec out;
	static struct frame want;
	struct answer answer;

	if (!ask_core(in, c->fingerprint, &answer)) {
		fprintf(stderr, "# the daemon would not answer\n");
		return false;
	}
	turn_round(&out, in, &answer);
	frame_build(&want, &out);
	if (frame_equal(&want, got))
		return true;
	frame_print("want", &want);
	frame_print("got", got);
	return false;
}

bool listener_case_run(struct world *world, const struct listener_case *c, uint8_t family)
{
	enum tp_reason reason = TP_R_MAX, wanted = c->reason;
	struct tp_count count = { 0 };
	static struct frame_spec f;
	static struct frame in, got;
	enum world_verdict verdict;
	uint32_t slot_1;
	bool ok;

	if (family == 6 && c->reason6)
		wanted = c->reason6;
	slot_1 = listener_put(world, family, c, 0);
	listener_request(&f, family, c->type ? c->type : 1, c->put);
	if (c->change)
		c->change(&f);
	frame_build(&in, &f);
	verdict = world->run(world, &in, &got, &reason);
	ok = slot_1 && reason == wanted;
	if (wanted == TP_R_BINDING)
		ok = ok && verdict == WORLD_TX && answered_right(&f, c, &got);
	else if (wanted == TP_R_UNASKED || wanted == TP_R_BAD_FRAME)
		ok = ok && verdict == WORLD_DROP;
	else
		ok = ok && verdict == WORLD_PASS && frame_equal(&in, &got);
	if (!ok)
		fprintf(stderr, "# %s: %s, IPv%u: reason %d, wanted %d; verdict %d\n", world->name,
			c->name, family, reason, wanted, verdict);
	rows_del(world->rows, family, slot_1, &count);
	return ok;
}

/* -------------------------------------------------------------------- limits */

/* How many of n requests from this place pass (are not dropped); host 0: one for all,
 * else they come from so many addresses of one network in turn. */
static unsigned int pass(struct world *world, uint8_t family, uint16_t type, unsigned int n,
			 unsigned int net, unsigned int hosts)
{
	static struct frame_spec f;
	static struct frame in, got;
	unsigned int passed = 0;

	listener_request(&f, family, type, NULL);
	f.src[family == 4 ? 2 : 5] = (uint8_t)net;
	for (unsigned int i = 0; i < n; i++) {
		enum tp_reason reason = TP_R_MAX;

		/* 0 and 255 are avoided; another interface identifier is the same host */
		if (family == 4)
			f.src[3] = (uint8_t)(1 + i % hosts);
		else
			f.src[7] = (uint8_t)(1 + i % hosts), f.src[15] = (uint8_t)i;
		frame_build(&in, &f);
		if (world->run(world, &in, &got, &reason) != WORLD_DROP)
			passed++;
		else if (reason != TP_R_STRANGER)
			return ~0U;
	}
	return passed;
}

/* The data path's clock is coarse: 10 ms at most, at either end. */
#define CLOCK_TICKS_NS	20000000

/* Buckets fill while the test runs, which takes its time on an emulated machine. */
static bool about(const struct world *world, const char *what, unsigned int got, unsigned int want,
		  uint64_t per_second)
{
	static uint64_t last;
	uint64_t now = world_now(), most = want + 1;

	most += last ? per_second * (now - last + CLOCK_TICKS_NS) / 1000000000 : 0;
	last = now;
	if (got >= want && got <= most)
		return true;
	fprintf(stderr, "# %s: %s: %u passed, wanted %u to %llu\n", world->name, what, got, want,
		(unsigned long long)most);
	return false;
}

bool listener_limits_run(struct world *world, uint8_t family)
{
	static const struct listener_case c = { .name = "limits" };
	/* where nobody has been: the table of strangers outlives a case */
	static unsigned int net = 100;
	const uint32_t slow = 100000000;	/* ns: 10 a second, 40 at once */
	uint32_t slot_1 = listener_put(world, family, &c, slow);
	struct tp_count count = { 0 };
	unsigned int n = net;
	bool ok;

	net += 10;
	/* so that the first, too, knows since when */
	about(world, "start", 0, 0, 0);
	ok = about(world, "one address", pass(world, family, 3, 200, n, 1), 41, 10);
	ok &= about(world, "its neighbour", pass(world, family, 3, 10, n, 2), 5, 10);
	ok &= about(world, "another network", pass(world, family, 3, 200, n + 1, 1), 41, 10);
	ok &= about(world, "100 hosts", pass(world, family, 3, 1000, n + 2, 100), 401, 100);
	ok &= about(world, "Binding", pass(world, family, 1, 3000, n, 1), 2561, 640);
	rows_del(world->rows, family, slot_1, &count);
	slot_1 = listener_put(world, family, &c, 0);
	ok &= about(world, "no limit", pass(world, family, 3, 200, n, 1), 200, 0);
	rows_del(world->rows, family, slot_1, &count);
	return ok;
}

/* Who brings integrity attributes is the daemon's to judge. */
bool listener_integrity_run(struct world *world, uint8_t family)
{
	static void (*const put[])(struct stun_writer *w) = {
		integrity, integrity_fingerprint, integrity256, integrity256_fingerprint,
	};
	static const struct listener_case c = { .name = "integrity" };
	uint32_t slot_1 = listener_put(world, family, &c, 1000000000);
	struct tp_count count = { 0 };
	static struct frame_spec f;
	static struct frame in, got;
	enum tp_reason reason = TP_R_MAX;
	bool ok = true;

	for (unsigned int i = 0; i < 80; i++) {
		listener_request(&f, family, 3, put[i % 4]);
		f.src[family == 4 ? 2 : 5] = 90;
		frame_build(&in, &f);
		ok &= world->run(world, &in, &got, &reason) == WORLD_PASS && reason == TP_R_NO_ROW;
	}
	rows_del(world->rows, family, slot_1, &count);
	return ok;
}
