/* SPDX-License-Identifier: MIT */
/* Random and damaged frames, and flows that some of them belong to. */
#ifndef TP_TEST_RANDOM_H
#define TP_TEST_RANDOM_H

#include "cases.h"

#define RANDOM_PLAIN	24
#define RANDOM_FLOWS	(RANDOM_PLAIN + 6 * 8)

struct random_flows {
	struct dp_case c[RANDOM_FLOWS];
	struct case_flow flow[RANDOM_FLOWS];
	uint32_t slot_1[2][RANDOM_FLOWS];	/* user, kernel */
};

/* The same rows in both worlds. */
bool random_flows_make(struct random_flows *f, struct world *user, struct world *kernel);
/* One frame; r is the generator's state, not 0. */
void random_frame(struct frame *f, const struct random_flows *flows, uint64_t *r);
/* Transaction ids are random: take them out of what is compared. */
void random_forget_txid(struct frame *f);

#endif
