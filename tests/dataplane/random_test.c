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
#include "random.h"

#define WORD(id, word, text) word,

static const char *const words[] = { TP_REASONS(WORD) "none" };

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
		random_forget_txid(&out[0]);
		random_forget_txid(&out[1]);
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
	for (unsigned int i = 0; i < RANDOM_FLOWS; i++) {
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

	if (!random_flows_make(&flows, user, kernel)) {
		printf("not ok %d - rows of %s\n", n++, kernel->name);
		return false;
	}
	for (unsigned long i = 0; i < count && bad < 5; i++) {
		random_frame(&in, &flows, &r);
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
