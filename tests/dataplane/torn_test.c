// SPDX-License-Identifier: MIT
/*
 * A writer changes rows as fast as it can while frames go through both hosts of
 * the relay core. What comes out must be all of one content or all of the other
 * (a right checksum proves the difference that belongs to it), or the frame is
 * passed up; a slot that gets another key never relays the old key's frames.
 * TEST_MS is how long each part goes on; where the machine is so busy that neither thread met
 * the other's work in that time, longer, but not for ever.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cases.h"

#define RACE_MAX_NS	(30 * 1000000000ULL)

struct writer {
	struct world *world;
	struct case_flow flow[2];
	bool reuse;			/* delete one, insert the other; else rewrite in place */
	atomic_bool stop;
};

struct result {
	unsigned long content[2], busy, none, wrong;
};

static void *write_rows(void *arg)
{
	struct writer *w = arg;
	uint8_t family = w->flow[0].row.src.family;
	struct tp_count count = { 0 };
	uint32_t slot_1;

	for (unsigned int n = 0; !atomic_load_explicit(&w->stop, memory_order_relaxed); n++) {
		slot_1 = rows_put(w->world->rows, &w->flow[n & 1].row);
		if (w->reuse)
			rows_del(w->world->rows, family, slot_1, &count);
	}
	return NULL;
}

/* Is got the frame that this flow makes of its own? */
static bool made_by(const struct frame *got, const struct case_flow *flow)
{
	static struct frame want;
	static struct frame_spec s;

	s = flow->out;
	if (s.family == 4)
		s.id = frame_get16(got, 18);
	else
		s.flow_label = (got->b[15] & 0xfU) << 16 | (uint32_t)got->b[16] << 8 | got->b[17];
	frame_build(&want, &s);
	return frame_equal(got, &want);
}

/* Both contents, or the row and its absence, were seen: it was a race. */
static bool raced(const struct writer *w, const struct result *res)
{
	return res->content[0] && (w->reuse ? res->none : res->content[1]);
}

static void watch(struct writer *w, struct result *res, uint64_t ns)
{
	uint64_t start = world_now(), took = 0;
	static struct frame in, got;
	enum tp_reason reason;

	frame_build(&in, &w->flow[0].in);
	while (took < ns || (took < RACE_MAX_NS && !raced(w, res))) {
		for (int i = 0; i < 500; i++) {
			w->world->run(w->world, &in, &got, &reason);
			if (reason == TP_R_BUSY)
				res->busy++;
			else if (reason == TP_R_NO_ROW)
				res->none++;
			else if (reason != TP_R_TO_PEER)
				res->wrong++;
			else if (made_by(&got, &w->flow[0]))
				res->content[0]++;
			else if (!w->reuse && made_by(&got, &w->flow[1]))
				res->content[1]++;
			else
				res->wrong++;
		}
		took = world_now() - start;
	}
}

/* Gives the second flow a key that is put into the slot of the first one. */
static void share_slot(struct writer *w)
{
	struct rows *rows = w->world->rows;
	struct row_spec *one = &w->flow[0].row, *other = &w->flow[1].row;
	struct tp_count count = { 0 };
	uint32_t slot_1 = rows_put(rows, one), found = 0;

	rows_del(rows, one->src.family, slot_1, &count);
	for (unsigned int port = 1; found != slot_1 && port < 65536; port++) {
		other->src.port = (uint16_t)port;
		found = rows_put(rows, other);
		rows_del(rows, other->src.family, found, &count);
	}
	if (found != slot_1)
		abort();
}

static void prepare(struct writer *w, uint8_t family)
{
	struct dp_case c = { .in = family, .out = family, .data_len = 8 };
	struct tp_addr *dst;

	case_flow(&c, &w->flow[0]);
	case_clear(w->world, &w->flow[0], case_put(w->world, &c, &w->flow[0]));
	w->flow[1] = w->flow[0];
	/* every field of what goes out is another one */
	dst = &w->flow[1].row.out_dst;
	for (int i = 0; i < 16; i++) {
		dst->ip[i] ^= 0x55;
		w->flow[1].row.out_src.ip[i] ^= 0x33;
	}
	dst->port ^= 0x1234;
	w->flow[1].row.out_src.port ^= 0x4321;
	memcpy(w->flow[1].out.src, w->flow[1].row.out_src.ip, 16);
	memcpy(w->flow[1].out.dst, dst->ip, 16);
	w->flow[1].out.sport = (uint16_t)(w->flow[0].out.sport ^ 0x2143);
	w->flow[1].out.dport = (uint16_t)(w->flow[0].out.dport ^ 0x3412);
	if (w->reuse)
		share_slot(w);
}

/* One TAP line. */
static bool stress(struct world *world, int n, uint8_t family, bool reuse, unsigned int ms)
{
	struct writer w = { .world = world, .reuse = reuse };
	struct result res = { 0 };
	pthread_t thread;
	bool ok;

	prepare(&w, family);
	if (pthread_create(&thread, NULL, write_rows, &w))
		abort();
	watch(&w, &res, ms * 1000000ULL);
	atomic_store(&w.stop, true);
	pthread_join(thread, NULL);
	ok = !res.wrong && raced(&w, &res);
	printf("%s %d - %s, IPv%d: %s\n", ok ? "ok" : "not ok", n, world->name, family,
	       reuse ? "slot used again" : "row rewritten");
	printf("# one %lu, other %lu, busy %lu, no row %lu, wrong %lu\n", res.content[0],
	       res.content[1], res.busy, res.none, res.wrong);
	fflush(stdout);
	return ok;
}

int main(void)
{
	const char *text = getenv("TEST_MS");
	unsigned int ms = text ? (unsigned int)atoi(text) : 800;
	struct world world[2];
	const char *why = "";
	int err = world_xdp(&world[1], &why), worlds = err == -EPERM ? 1 : 2, n = 1;
	bool ok = true;

	if ((err && err != -EPERM) || world_user(&world[0])) {
		printf("not ok 1 - set up: %s\n", why);
		return 1;
	}
	printf("1..%d\n", worlds * 4);
	for (int i = 0; i < worlds; i++) {
		for (int k = 0; k < 4; k++)
			ok &= stress(&world[i], n++, k & 1 ? 6 : 4, k & 2, ms);
		world_close(&world[i]);
	}
	if (worlds == 1)
		printf("# the XDP program was left out: %s\n", why);
	return !ok;
}
