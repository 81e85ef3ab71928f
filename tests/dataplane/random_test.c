// SPDX-License-Identifier: MIT
/*
 * Random and damaged frames into the kernel's hosts of the relay core and into that of
 * the daemon, which must agree byte for byte: verdict, reason, frame, and the rows'
 * counters at the end. What tc sees otherwise in a test run is said in world.h.
 * random_test [count [seed]], or TEST_COUNT and TEST_SEED.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cases.h"
#include "listener.h"

#define PLAIN		24
#define FLOWS		(PLAIN + 6 * 8)
#define WORD(id, word, text) word,

static const char *const words[] = { TP_REASONS(WORD) "none" };

/* xorshift64*, so that a seed means the same everywhere */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dU;
}

static unsigned int below(uint64_t *r, unsigned int n)
{
	return (unsigned int)(next_random(r) >> 33) % n;
}

struct random_flows {
	struct dp_case c[FLOWS];
	struct case_flow flow[FLOWS];
	uint32_t slot_1[2][FLOWS];	/* user, kernel */
};

/* Everything that is no channel to a peer elsewhere, by three families. */
static void choose_detour(struct dp_case *c, unsigned int i)
{
	unsigned int way = i / 8;

	c->in = i & 1 ? 6 : 4;
	c->out = i & 2 ? 6 : 4;
	c->mid = i & 4 ? 6 : 4;
	c->vlan_out = i % 3 == 0;
	c->relayed = (uint16_t)(i % 3);
	c->send = way == 0 || way >= 4;
	c->to_client = way == 1;
	c->hairpin = way >= 2;
	c->indication = way & 1;
	c->alias = i % 5 == 0;
	c->no_permission = i % 11 == 7;
}

static bool put_both(struct random_flows *f, unsigned int i, struct world *user, struct world *xdp)
{
	f->slot_1[0][i] = case_put(user, &f->c[i], &f->flow[i]);
	f->slot_1[1][i] = case_put(xdp, &f->c[i], &f->flow[i]);
	return f->slot_1[0][i] && f->slot_1[0][i] == f->slot_1[1][i];
}

/* Each client has a port of its own; the relayed addresses they share. */
static bool make_detours(struct random_flows *f, struct world *user, struct world *xdp)
{
	for (unsigned int i = PLAIN; i < FLOWS; i++) {
		struct case_flow *flow = &f->flow[i];

		choose_detour(&f->c[i], i - PLAIN);
		case_flow(&f->c[i], flow);
		if (!f->c[i].to_client) {
			flow->in.sport = (uint16_t)(0x2000 + i);
			flow->row.src.port = (uint16_t)((0x2000 + i) >> 8 | (0x2000 + i) << 8);
		}
		if (!put_both(f, i, user, xdp))
			return false;
	}
	return true;
}

/* All directions, three ways out, with and without tag; one lease in eight is over. */
static bool make_flows(struct random_flows *f, struct world *user, struct world *kernel)
{
	for (unsigned int i = 0; i < PLAIN; i++) {
		struct dp_case *c = &f->c[i];
		struct case_flow *flow = &f->flow[i];

		c->to_client = i & 1;
		c->in = i & 2 ? 6 : 4;
		c->out = i & 4 ? 6 : 4;
		c->vlan_out = i % 3 == 0;
		c->lease_s = i % 8 == 5 ? -1 : 0;
		case_flow(c, flow);
		flow->row.src.port = (uint16_t)(0x1000 + i);
		flow->in.sport = (uint16_t)((0x1000 + i) >> 8 | (0x1000 + i) << 8);
		flow->row.nexthop = (uint16_t)(i % 5);	/* 0, 1, 4: not there */
		if (!put_both(f, i, user, kernel))
			return false;
	}
	/* the tc program leaves listeners to the daemon */
	for (unsigned int i = 0; i < 4 && !kernel->skb; i++) {
		static const struct listener_case plain = { .name = "plain" };

		if (!listener_put(i & 1 ? kernel : user, i & 2 ? 4 : 6, &plain, 0))
			return false;
	}
	user->tables.nexthops[2] = kernel->tables.nexthops[2] = user->tables.nexthops[3];
	user->tables.nexthops[2].ifindex = user->there;
	kernel->tables.nexthops[2].ifindex = kernel->there;
	user->tables.nexthops[2].vlan_tci = kernel->tables.nexthops[2].vlan_tci = 0;
	return make_detours(f, user, kernel);
}

static void vary(struct frame_spec *s, uint64_t *r)
{
	s->data_len = (uint16_t)below(r, below(r, 8) ? 64 : 1600);
	for (unsigned int i = 0; i < s->data_len; i++)
		s->data[i] = (uint8_t)next_random(r);
	s->vlans = below(r, 4) ? 0 : below(r, 3);
	s->tci[0] = (uint16_t)next_random(r);
	s->tci[1] = (uint16_t)next_random(r);
	s->ttl = below(r, 8) ? 64 : (uint8_t)below(r, 4);
	s->tos = (uint8_t)next_random(r);
	s->df = below(r, 2);
	s->no_check = s->family == 4 && !below(r, 4);
	s->check_error = below(r, 4) ? 0 : (uint16_t)next_random(r);
	s->pad = s->channel && !below(r, 2) ? (uint16_t)below(r, 6) : 0;
	if (s->stun) {
		s->data_first = below(r, 2);
		s->dont_fragment = !below(r, 4);
		s->fingerprint = below(r, 2);
		s->software = below(r, 2) ? 0 : (uint16_t)below(r, 40);
		s->pad = below(r, 16) ? 0 : (uint16_t)below(r, 9);
	}
	s->surplus = below(r, 4) ? 0 : (uint16_t)below(r, 40);
	s->trailer = below(r, 4) ? 0 : (uint16_t)below(r, 40);
}

/* Damage: bits anywhere, or bytes in the headers; another length. */
static void damage(struct frame *f, uint64_t *r)
{
	unsigned int n = below(r, 4);
	bool fix = below(r, 2);

	for (unsigned int i = 0; i < n; i++) {
		size_t at = below(r, (unsigned int)f->len);

		if (below(r, 2))
			at = below(r, below(r, 2) ? 70 : 130) % f->len;
		if (below(r, 2))
			f->b[at] = (uint8_t)next_random(r);
		else
			f->b[at] ^= (uint8_t)(1U << below(r, 8));
	}
	/* so that damage of an IPv4 header gets past its checksum */
	if (fix && f->len >= f->l3 + 20)
		frame_fix_ip(f);
	if (!below(r, 6))
		f->len = 14 + below(r, (unsigned int)f->len - 13);
	else if (!below(r, 6))
		f->len += below(r, 64);
}

/* To the listener: requests near to what is answered in place. */
static void make_stun(struct frame_spec *s, uint64_t *r)
{
	static const uint16_t types[] = { 1, 1, 1, 3, 0x11, 0x101, 0x111 };
	static uint8_t value[64];
	struct stun_writer w;

	listener_request(s, below(r, 2) ? 4 : 6, types[below(r, 7)], NULL);
	w = (struct stun_writer){ .buf = s->data, .cap = 512, .len = s->data_len };
	for (unsigned int n = below(r, 6); n > 0; n--)
		stun_put(&w, below(r, 8) ? 0x8022 : (uint16_t)next_random(r), value, below(r, 40));
	if (below(r, 2))
		stun_put_fingerprint(&w);
	s->data_len = (uint16_t)w.len;
	s->vlans = below(r, 3);
	s->no_check = s->family == 4 && !below(r, 8);
	s->check_error = below(r, 8) ? 0 : (uint16_t)next_random(r);
	s->trailer = (uint16_t)below(r, 8);
}

static void make_frame(struct frame *f, const struct random_flows *flows, uint64_t *r)
{
	static struct frame_spec s;

	if (!below(r, 16)) {
		memset(f, 0, sizeof(*f));
		f->len = 14 + below(r, 200);
		for (size_t i = 0; i < f->len; i++)
			f->b[i] = (uint8_t)next_random(r);
		frame_put16(f, 12, below(r, 2) ? 0x0800 : 0x86dd);
		f->b[14] = below(r, 2) ? 0x45 : 0x60;
		return;
	}
	if (!below(r, 8)) {
		make_stun(&s, r);
	} else {
		s = flows->flow[below(r, FLOWS)].in;
		vary(&s, r);
	}
	frame_build(f, &s);
	if (below(r, 2))
		damage(f, r);
}

/* The frame without the tag that an sk_buff carries apart. */
static void untag(struct frame *f)
{
	if (f->len < 18 || frame_get16(f, 12) != 0x8100)
		return;
	memmove(f->b + 12, f->b + 16, f->len - 16);
	f->len -= 4;
}

/* From the daemon's answer to that of an sk_buff, as world.h says. */
static void suit(const struct frame *in, struct frame *out, enum tp_reason *reason,
		 enum world_verdict *verdict)
{
	uint16_t type = frame_get16(in, 12);

	if (*reason == TP_R_TOO_BIG || *reason == TP_R_TIME_EXCEEDED) {
		*reason = *reason == TP_R_TOO_BIG ? TP_R_MTU : TP_R_TTL;
		*verdict = *reason == TP_R_TTL ? WORLD_DROP : WORLD_PASS;
		*out = *in;
		return;
	}
	if (*reason > TP_R_HAIRPIN)
		return;
	*verdict = WORLD_REDIRECT;
	untag(out);
	if (type != 0x8100 && type != 0x88a8)
		return;
	*reason = TP_R_HEADROOM;
	*verdict = WORLD_PASS;
	*out = *in;
}

/* Transaction ids are random: take them out of what is compared. */
static void forget_txid(struct frame *f)
{
	static const uint8_t none[12];
	size_t at = 12;

	while (frame_get16(f, at) == 0x8100)
		at += 4;
	f->l3 = at + 2;
	f->l4 = f->l3 + (frame_get16(f, at) == 0x0800 ? 20U : 40U);
	if (frame_is_data(f))
		frame_set_txid(f, none);
}

static bool agree(struct world *user, struct world *kernel, const struct frame *in,
		  unsigned long seen[TP_R_MAX + 1])
{
	static struct frame out[2];
	enum tp_reason reason[2] = { TP_R_MAX, TP_R_MAX };
	enum world_verdict verdict[2];

	/* two clocks are never at one with a rate */
	world_forgive(user, in);
	world_forgive(kernel, in);
	verdict[1] = kernel->run(kernel, in, &out[1], &reason[1]);
	if (verdict[1] == WORLD_CANNOT)
		return true;
	verdict[0] = user->run(user, in, &out[0], &reason[0]);
	if (kernel->skb)
		suit(in, &out[0], &reason[0], &verdict[0]);
	seen[reason[0]]++;
	if (reason[0] <= TP_R_HAIRPIN && reason[1] <= TP_R_HAIRPIN) {
		forget_txid(&out[0]);
		forget_txid(&out[1]);
	}
	if (reason[0] == reason[1] && verdict[0] == verdict[1] && reason[0] != TP_R_MAX &&
	    frame_equal(&out[0], &out[1]))
		return true;
	fprintf(stderr, "# user: %s, verdict %d; %s: %s, verdict %d\n", words[reason[0]],
		verdict[0], kernel->name, words[reason[1]], verdict[1]);
	frame_print("in", in);
	frame_print("out, user", &out[0]);
	frame_print("out, kernel", &out[1]);
	return false;
}

/*
 * A tagged frame that tc did not relay was not counted by its row. Identifications
 * come of the rows' counts: all rows are set to the kernel's, and must stay the same.
 */
static void level_rows(const struct world *user, const struct world *kernel)
{
	const struct tables *u = &user->tables, *k = &kernel->tables;

	for (uint32_t i = 0; i < u->meta->rows4; i++) {
		u->rows4[i].row.packets = k->rows4[i].row.packets;
		u->rows4[i].row.bytes = k->rows4[i].row.bytes;
	}
	for (uint32_t i = 0; i < u->meta->rows6; i++) {
		u->rows6[i].row.packets = k->rows6[i].row.packets;
		u->rows6[i].row.bytes = k->rows6[i].row.bytes;
	}
}

static bool is_tagged(const struct frame *f)
{
	uint16_t type = frame_get16(f, 12);

	return type == 0x8100 || type == 0x88a8;
}

static bool counters_agree(struct world *user, struct world *kernel, const struct random_flows *f)
{
	for (unsigned int i = 0; i < FLOWS; i++) {
		uint8_t family = f->flow[i].row.src.family;
		struct tp_count a = { 0 }, b = { 0 };

		rows_count(user->rows, family, f->slot_1[0][i], &a);
		rows_count(kernel->rows, family, f->slot_1[1][i], &b);
		if (a.packets != b.packets || a.bytes != b.bytes)
			return false;
	}
	return true;
}

static unsigned long number(int argc, char **argv, int n, const char *env, unsigned long fallback)
{
	const char *text = argc > n ? argv[n] : getenv(env);

	return text ? strtoul(text, NULL, 0) : fallback;
}

/* Three TAP lines. */
static bool compare(struct world *user, struct world *kernel, unsigned long count, uint64_t r)
{
	unsigned long seen[TP_R_MAX + 1] = { 0 }, bad = 0;
	static int n = 1;
	static struct random_flows flows;
	static struct frame in;
	bool few, counted;

	if (!make_flows(&flows, user, kernel)) {
		printf("not ok %d - rows of %s\n", n++, kernel->name);
		return false;
	}
	for (unsigned long i = 0; i < count && bad < 5; i++) {
		make_frame(&in, &flows, &r);
		bad += !agree(user, kernel, &in, seen);
		if (kernel->skb && is_tagged(&in))
			level_rows(user, kernel);
	}
	for (int i = 0; i < TP_R_MAX; i++) {
		if (seen[i])
			printf("# %lu %s\n", seen[i], words[i]);
	}
	printf("%s %d - %s and the daemon agree on every frame\n", bad ? "not ok" : "ok", n++,
	       kernel->name);
	counted = counters_agree(user, kernel, &flows);
	printf("%s %d - the rows' counters agree\n", counted ? "ok" : "not ok", n++);
	/* a run that relays nothing would prove nothing */
	few = seen[TP_R_TO_PEER] < count / 50 || seen[TP_R_TO_CLIENT] < count / 50 ||
	      seen[TP_R_HAIRPIN] < count / 50 ||
	      (!kernel->skb && seen[TP_R_BINDING] < count / 200);
	printf("%s %d - many frames were relayed or answered\n", few ? "not ok" : "ok", n++);
	return !bad && counted && !few;
}

int main(int argc, char **argv)
{
	unsigned long count = number(argc, argv, 1, "TEST_COUNT", 100000);
	uint64_t r = number(argc, argv, 2, "TEST_SEED", 20261121) | 1;
	int (*const kernels[])(struct world *world, const char **why) = { world_xdp, world_tc };
	struct world user, kernel;
	const char *why = "";
	bool ok = true;
	int err;

	for (int i = 0; i < 2; i++) {
		err = kernels[i](&kernel, &why);
		if (err == -EPERM) {
			printf("1..0 # SKIP %s\n", why);
			return 4;
		}
		if (err || world_user(&user)) {
			printf("not ok - set up: %s\n", why);
			return 1;
		}
		if (!i)
			printf("1..6\n# %lu frames, seed %lu\n", count, (unsigned long)r);
		ok &= compare(&user, &kernel, count, r);
		world_close(&user);
		world_close(&kernel);
	}
	return !ok;
}
