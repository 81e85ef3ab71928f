// SPDX-License-Identifier: MIT
/* Limits of allocations and users: how many of a flow's packets pass at once. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include "cases.h"
#include "clock.h"
#include "limit.h"

#define ALLOC	3

/* Prices of tables.h for so many bytes or packets a second. */
static uint64_t price(uint64_t per_second)
{
	return per_second ? (1000000000ULL << TP_LIMIT_SHIFT) / per_second : 0;
}

struct limited {
	const char *name;
	uint64_t bps, pps, user_bps;
	bool flagless;
	unsigned int up, down;		/* how many of 200 packets of 100 bytes pass */
	unsigned int up_again;		/* then, of another allocation of the same user */
};

/* One more than the burst of a second: what is not yet over passes, and pays. */
static const struct limited cases[] = {
	{ "no limit", 0, 0, 0, false, 200, 200, 200 },
	{ "bytes", 5000, 0, 0, false, 51, 51, 51 },
	{ "packets", 0, 30, 0, false, 31, 31, 31 },
	{ "both, packets less", 5000, 30, 0, false, 31, 31, 31 },
	{ "both, bytes less", 5000, 150, 0, false, 51, 51, 51 },
	{ "user", 0, 0, 7000, false, 71, 71, 0 },
	{ "allocation within user", 5000, 0, 7000, false, 51, 51, 20 },
	{ "less than a packet a second", 10, 0, 0, false, 1, 1, 1 },
	{ "row without the flag", 10, 1, 10, true, 200, 200, 200 },
};

/* The data path's clock moves with the ticks, which a busy machine has late: what it has not
 * had yet when the test begins, buckets have in it. */
static uint64_t begin(void)
{
	return clock_ns(CLOCK_MONOTONIC_COARSE);
}

static unsigned int pass_flow(struct world *world, const struct dp_case *c,
			      const struct case_flow *flow)
{
	static struct frame in, got;
	unsigned int passed = 0;
	uint32_t slot_1;

	slot_1 = case_put(world, c, flow);
	frame_build(&in, &flow->in);
	for (unsigned int i = 0; i < 200; i++) {
		enum tp_reason reason = TP_R_MAX;
		enum world_verdict verdict = world->run(world, &in, &got, &reason);

		if ((verdict == WORLD_TX || verdict == WORLD_REDIRECT) && reason != TP_R_LIMIT)
			passed++;
		else if (verdict != WORLD_DROP || reason != TP_R_LIMIT)
			return ~0U;
	}
	case_clear(world, flow, slot_1);
	return passed;
}

static unsigned int pass(struct world *world, const struct limited *l, bool to_client,
			 uint32_t alloc)
{
	struct dp_case c = { .name = l->name, .to_client = to_client, .data_len = 100,
			     .in = to_client ? 6 : 4, .out = to_client ? 4 : 6 };
	static struct case_flow flow;

	case_flow(&c, &flow);
	flow.row.alloc = alloc;
	flow.row.flags = l->flagless ? 0 : TP_ROW_LIMITED;
	return pass_flow(world, &c, &flow);
}

/* Buckets fill while the test runs, which takes its time on an emulated machine. */
static bool about(const struct world *world, const struct limited *l, uint64_t start_ns,
		  unsigned int got, unsigned int want)
{
	uint64_t rate = l->bps / 100 + l->pps + l->user_bps / 100;
	uint64_t most = want + 1 + rate * (world_now() - start_ns) / 1000000000;

	if (got >= want && got <= most)
		return true;
	fprintf(stderr, "# %s: limit, %s: %u passed, wanted %u to %llu\n", world->name, l->name,
		got, want, (unsigned long long)most);
	return false;
}

/* Those that take more than one row: ALLOC is the sender's, ALLOC + 1 that of whoever gets
 * it. Who pays, and that the other one does not. */
static const struct detour {
	struct dp_case c;
	bool up, down;
} detours[] = {
	{ { .name = "Send", .send = true }, true, false },
	{ { .name = "Send, IPv6 to 4", .send = true, .in = 6 }, true, false },
	{ { .name = "Send, IPv4 to 6", .send = true, .out = 6 }, true, false },
	{ { .name = "Data", .to_client = true, .indication = true }, false, true },
	{ { .name = "Data, IPv6", .to_client = true, .indication = true, .in = 6, .out = 6 },
	  false, true },
	{ { .name = "hairpin, channels", .hairpin = true, .in = 6 }, true, true },
	{ { .name = "hairpin, indications", .hairpin = true, .send = true, .indication = true,
	    .mid = 6, .out = 6 }, true, true },
};

static bool paid(const struct tp_limit *limit, int way)
{
	return limit->bytes_ns[way] && !limit->bytes_ns[!way];
}

/* 100 bytes of data, whatever the headers: 50 packets and one. */
static bool detour_run(struct world *world, const struct detour *d, bool down)
{
	static const struct limited l = { "detour", 5000, 0, 0, false, 51, 51, 51 };
	static const struct limited none = { "detour of others", 0, 0, 0, false, 200, 200, 200 };
	struct tp_limit *t = world->tables.limits;
	const struct limited *limited = (down ? d->down : d->up) ? &l : &none;
	static struct case_flow flow;
	struct dp_case c = d->c;
	uint64_t start = begin();
	bool ok;

	c.data_len = 100;
	case_flow(&c, &flow);
	flow.row.alloc = d->up ? ALLOC : ALLOC + 1;
	flow.row.flags = TP_ROW_LIMITED;
	for (unsigned int i = 0; i < flow.n_more; i++) {
		/* the sender's permission is not asked */
		flow.more[i].alloc = ALLOC + 1;
		flow.more[i].flags = TP_ROW_LIMITED;
	}
	memset(t, 0, TP_LIMITS(world->tables.meta->allocs) * sizeof(*t));
	t[ALLOC + down].byte_price = price(l.bps);
	ok = about(world, limited, start, pass_flow(world, &c, &flow), limited->up);
	ok &= paid(&t[ALLOC + down], down) == (limited == &l);
	if (!ok)
		fprintf(stderr, "# %s: limit, %s, %s\n", world->name, c.name, down ? "down" : "up");
	return ok;
}

bool limit_detours_run(struct world *world)
{
	bool ok = true;

	for (unsigned int i = 0; i < sizeof(detours) / sizeof(detours[0]); i++) {
		ok &= detour_run(world, &detours[i], false);
		ok &= detour_run(world, &detours[i], true);
	}
	memset(world->tables.limits, 0,
	       TP_LIMITS(world->tables.meta->allocs) * sizeof(struct tp_limit));
	return ok;
}

bool limit_run(struct world *world)
{
	struct tp_limit *t = world->tables.limits;
	uint32_t user = world->tables.meta->allocs + 2;
	bool ok = true;

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct limited *l = &cases[i];
		uint64_t start = begin();

		t[ALLOC] = (struct tp_limit){ .byte_price = price(l->bps),
					      .packet_price = price(l->pps),
					      .user = l->user_bps ? user : 0 };
		t[ALLOC + 1] = t[ALLOC];
		t[user] = (struct tp_limit){ .byte_price = price(l->user_bps) };
		ok &= about(world, l, start, pass(world, l, false, ALLOC), l->up);
		ok &= about(world, l, start, pass(world, l, true, ALLOC), l->down);
		ok &= about(world, l, start, pass(world, l, false, ALLOC + 1), l->up_again);
	}
	/* beyond the table: there is none */
	ok &= about(world, &cases[0], begin(), pass(world, &cases[0], false, 1U << 20), 200);
	memset(t, 0, TP_LIMITS(world->tables.meta->allocs) * sizeof(*t));
	return ok;
}
