// SPDX-License-Identifier: MIT
/*
 * Random and damaged frames into the module and into the daemon's host of the relay core:
 * what the module relays is what the daemon would, byte for byte from the IP header on, what
 * it drops the daemon would for the same reason, and everything else arrives unchanged above
 * it, if IP has not ended it before. TEST_COUNT and TEST_SEED, as random_test has them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../dataplane/random.h"
#include "world_kmod.h"

#define ETH	14
#define HOP	3		/* that of the flows */
#define MTU	9000		/* nothing is to leave in fragments */
#define WORD(id, word, text) word,

static const char *const words[] = { TP_REASONS(WORD) "none" };

struct seen {
	unsigned long relayed[TP_R_BINDING + 1], dropped, passed, gone, left_out;
	unsigned long kept;	/* passed up or gone, though the daemon relayed it */
};

/* Identifications come of the rows' counts. */
static void level_rows(const struct world *user, const struct world *kernel)
{
	const struct tables *u = &user->tables, *k = &kernel->tables;

	for (uint32_t i = 0; i < u->meta->rows4; i++)
		u->rows4[i].row.packets = k->rows4[i].row.kmod_packets;
	for (uint32_t i = 0; i < u->meta->rows6; i++)
		u->rows6[i].row.packets = k->rows6[i].row.kmod_packets;
}

static bool same_packet(struct frame *a, struct frame *b)
{
	random_forget_txid(a);
	random_forget_txid(b);
	return a->len == b->len && !memcmp(a->b + ETH, b->b + ETH, a->len - ETH);
}

static bool is_tagged(const struct frame *f)
{
	uint16_t type = frame_get16(f, 12);

	return type == 0x8100 || type == 0x88a8;
}

static bool agree(struct world *user, struct world *kernel, const struct frame *in,
		  struct seen *seen)
{
	static struct frame out[2];
	enum tp_reason reason[2] = { TP_R_MAX, TP_R_MAX };
	enum world_verdict verdict;
	bool ok = true;

	level_rows(user, kernel);
	user->run(user, in, &out[0], &reason[0]);
	/* XDP's answer by ICMP: the module leaves that to the kernel */
	if (reason[0] == TP_R_TIME_EXCEEDED)
		reason[0] = TP_R_TTL;
	/* two fragments may make a packet, which is compared with neither; tags are taken
	 * off, or not, long before the module */
	if (reason[0] == TP_R_FRAGMENT || is_tagged(in)) {
		seen->left_out++;
		return true;
	}
	verdict = kernel->run(kernel, in, &out[1], &reason[1]);
	if (verdict == WORLD_REDIRECT) {
		ok = reason[0] == reason[1] && reason[0] <= TP_R_BINDING &&
		     same_packet(&out[0], &out[1]);
		seen->relayed[ok ? reason[0] : 0] += ok;
	} else if (verdict == WORLD_DROP) {
		ok = reason[0] == reason[1] && reason[0] >= TP_R_BAD_FRAME &&
		     reason[0] <= TP_R_REWRITE;
		seen->dropped += ok;
	} else if (verdict == WORLD_PASS) {
		ok = reason[1] > TP_R_BINDING && reason[1] < TP_R_BAD_FRAME &&
		     frame_equal(&out[1], in);
		seen->passed += ok;
	} else {
		seen->gone++;
	}
	seen->kept += verdict != WORLD_REDIRECT && reason[0] <= TP_R_BINDING;
	if (ok)
		return true;
	fprintf(stderr, "# user: %s; module: %s, verdict %d\n", words[reason[0]], words[reason[1]],
		verdict);
	frame_print("in", in);
	frame_print("out, user", &out[0]);
	frame_print("out, module", &out[1]);
	return false;
}

static unsigned long number(const char *env, unsigned long fallback)
{
	const char *text = getenv(env);

	return text ? strtoul(text, NULL, 0) : fallback;
}

static bool make_flows(struct random_flows *flows, struct world *user, struct world *kernel)
{
	struct tp_nexthop *hop = &user->tables.nexthops[HOP];

	if (!random_flows_make(flows, user, kernel) || system("ip link set tp0 mtu 9000"))
		return false;
	hop->mtu = MTU;
	hop->vlan_tci = 0;
	return true;
}

int main(void)
{
	unsigned long count = number("TEST_COUNT", 20000), bad = 0;
	uint64_t r = number("TEST_SEED", 20261121) | 1;
	static struct random_flows flows;
	static struct frame in;
	struct world user, kernel;
	static struct seen seen;
	const char *why = "";
	bool few;

	if (world_kmod(&kernel, &why) || world_user(&user) || !make_flows(&flows, &user, &kernel)) {
		printf("not ok 1 - set up: %s\n", why);
		return 1;
	}
	printf("1..2\n# %lu frames, seed %lu\n", count, (unsigned long)r);
	for (unsigned long i = 0; i < count && bad < 5; i++) {
		random_frame(&in, &flows, &r);
		in.b[6] &= 0xfe;	/* from a group: IP does not ask */
		bad += !agree(&user, &kernel, &in, &seen);
	}
	printf("# %lu to the peer, %lu to the client, %lu hairpin, %lu dropped, %lu passed up, "
	       "%lu ended by IP\n", seen.relayed[TP_R_TO_PEER], seen.relayed[TP_R_TO_CLIENT],
	       seen.relayed[TP_R_HAIRPIN], seen.dropped, seen.passed, seen.gone);
	printf("# %lu fragments and tagged ones left out, %lu not relayed that the daemon would\n",
	       seen.left_out, seen.kept);
	printf("%s 1 - the module and the daemon agree on every frame\n", bad ? "not ok" : "ok");
	/* a run that relays nothing would prove nothing */
	few = seen.relayed[TP_R_TO_PEER] < count / 50 || seen.relayed[TP_R_TO_CLIENT] < count / 50 ||
	      seen.relayed[TP_R_HAIRPIN] < count / 50 || seen.dropped < count / 100 ||
	      seen.passed < count / 50 || seen.kept > count / 100;
	printf("%s 2 - many frames were relayed, dropped and passed up\n", few ? "not ok" : "ok");
	world_close(&user);
	world_close(&kernel);
	return bad || few;
}
