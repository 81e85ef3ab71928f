/* SPDX-License-Identifier: MIT */
/*
 * The journal (tp_allocs, tp_bindings): what a successor needs to carry on, and
 * what `turnpike allocations` shows. Slots are claimed by any worker and then
 * written by that worker alone.
 */
#ifndef TP_DATAPLANE_JOURNAL_H
#define TP_DATAPLANE_JOURNAL_H

#include <stdint.h>
#include "dataplane/tables.h"

struct journal;
struct journal *journal_new(struct tables *tables);
void journal_free(struct journal *j);

/* A zeroed record in state TP_ALLOC_CLAIMED with a new generation, or NULL when
 * full. The caller fills it and then calls journal_publish(). */
struct tp_alloc *journal_claim_alloc(struct journal *j);
struct tp_binding *journal_claim_binding(struct journal *j, const struct tp_alloc *owner);
void journal_publish(uint32_t *state);		/* &record->state -> TP_ALLOC_LIVE */
void journal_free_alloc(struct journal *j, struct tp_alloc *alloc);
void journal_free_binding(struct journal *j, struct tp_binding *binding);
uint32_t journal_index(const struct journal *j, const struct tp_alloc *alloc);

/* Walk live records: *at is 0 at first; NULL at the end. */
struct tp_alloc *journal_next_alloc(struct journal *j, uint32_t *at);
/* Live bindings whose allocation is live and of the same generation. */
struct tp_binding *journal_next_binding(struct journal *j, uint32_t *at);
/* After adoption: free records left half written or without an owner. */
void journal_sweep(struct journal *j);

#endif
