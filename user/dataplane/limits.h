/* SPDX-License-Identifier: MIT */
/*
 * How much each allocation and each user may relay, as tp_limits has it: prices are
 * written here, buckets are charged by whichever data path relays, so that the fast
 * and the slow one share a budget. Shared by all workers; safe from any thread.
 */
#ifndef TP_DATAPLANE_LIMITS_H
#define TP_DATAPLANE_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include "dataplane/tables.h"
#include "turn/turn.h"

struct limits;
/* NULL: no memory. tables and conf are borrowed. */
struct limits *limits_new(struct tables *tables, const struct turn_conf *conf);
void limits_free(struct limits *limits);
/* Another configuration, while nobody else calls: what it says of all allocations holds at
 * once, what each one has is said by limits_price(). */
void limits_renew(struct limits *limits, const struct turn_conf *conf);

/* Whether the configuration limits all allocations. */
bool limits_any(const struct limits *limits);
/* An allocation's journal index, its user and its bytes/s (0: no limit); when it is made, or
 * adopted. limits_drop() exactly once for each index that was set. */
void limits_set(struct limits *limits, uint32_t alloc, const uint8_t user_id[32],
		uint64_t max_bps);
void limits_drop(struct limits *limits, uint32_t alloc);
/* It has other bytes/s now. */
void limits_price(struct limits *limits, uint32_t alloc, uint64_t max_bps);

#define LIMITS_NO_INDEX	UINT32_MAX	/* an allocation that the journal had no room for */
/* May the daemon relay so many bytes? Charges them if so. */
bool limits_take(struct limits *limits, uint32_t alloc, bool up, size_t bytes, uint64_t now_ns);

#endif
