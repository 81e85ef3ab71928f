// SPDX-License-Identifier: MIT
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "dataplane/journal.h"

/* Records in use, and where the next claim looks first: claims go round the table, so
 * that one is found at once while the table is not nearly full, and a record that was
 * freed rests for as long as it can. */
struct pool {
	uint32_t size;
	uint32_t used;
	uint32_t cursor;
};

struct journal {
	struct tp_alloc *allocs;
	struct tp_binding *bindings;
	struct tp_kmod_count *kmod_counts;
	struct pool alloc_pool;
	struct pool binding_pool;
};

static uint32_t state_of(const uint32_t *state)
{
	return __atomic_load_n(state, __ATOMIC_ACQUIRE);
}

static uint32_t *alloc_state(struct journal *j, uint32_t i)
{
	return &j->allocs[i].state;
}

static uint32_t *binding_state(struct journal *j, uint32_t i)
{
	return &j->bindings[i].state;
}

static void count_used(struct journal *j, struct pool *pool,
		       uint32_t *(*state)(struct journal *j, uint32_t i))
{
	pool->used = 0;
	pool->cursor = 0;
	for (uint32_t i = 0; i < pool->size; i++)
		pool->used += state_of(state(j, i)) != TP_ALLOC_FREE;
}

struct journal *journal_new(struct tables *tables)
{
	struct journal *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->allocs = tables->allocs;
	j->bindings = tables->bindings;
	j->kmod_counts = tables->kmod_counts;
	j->alloc_pool.size = tables->allocs ? tables->meta->allocs : 0;
	j->binding_pool.size = tables->bindings ? tables->meta->bindings : 0;
	count_used(j, &j->alloc_pool, alloc_state);
	count_used(j, &j->binding_pool, binding_state);
	return j;
}

void journal_free(struct journal *j)
{
	free(j);
}

/* Takes one of the pool's records. The index, or pool->size where all are taken. */
static uint32_t claim(struct journal *j, struct pool *pool,
		      uint32_t *(*state)(struct journal *j, uint32_t i))
{
	uint32_t used = __atomic_add_fetch(&pool->used, 1, __ATOMIC_RELAXED);

	if (used > pool->size)
		goto full;
	/* Counted in, so a record is free or becomes so; others may take it and free one
	 * behind the cursor, which is why the search may go round more than once. */
	for (uint64_t tries = 0; tries < 4 * (uint64_t)pool->size; tries++) {
		uint32_t at = __atomic_fetch_add(&pool->cursor, 1, __ATOMIC_RELAXED) % pool->size;
		uint32_t *s = state(j, at), expected = TP_ALLOC_FREE;

		if (state_of(s) == TP_ALLOC_FREE &&
		    __atomic_compare_exchange_n(s, &expected, TP_ALLOC_CLAIMED, false,
						__ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			return at;
	}
full:
	__atomic_sub_fetch(&pool->used, 1, __ATOMIC_RELAXED);
	return pool->size;
}

static void release(struct pool *pool, uint32_t *state)
{
	__atomic_store_n(state, TP_ALLOC_FREE, __ATOMIC_RELEASE);
	__atomic_sub_fetch(&pool->used, 1, __ATOMIC_RELAXED);
}

struct tp_alloc *journal_claim_alloc(struct journal *j)
{
	uint32_t i = claim(j, &j->alloc_pool, alloc_state);
	struct tp_alloc *a;

	if (i == j->alloc_pool.size)
		return NULL;
	a = &j->allocs[i];
	/* Never set back, not even for a moment: a process killed here must not bring an older
	 * generation's bindings to life. 0 is what a zeroed binding says. */
	if (!++a->generation)
		a->generation = 1;
	memset((char *)a + offsetof(struct tp_alloc, created_ns), 0,
	       sizeof(*a) - offsetof(struct tp_alloc, created_ns));
	if (j->kmod_counts)
		memset(&j->kmod_counts[i], 0, sizeof(j->kmod_counts[i]));
	return a;
}

struct tp_binding *journal_claim_binding(struct journal *j, const struct tp_alloc *owner)
{
	uint32_t i = claim(j, &j->binding_pool, binding_state);
	struct tp_binding *b;

	if (i == j->binding_pool.size)
		return NULL;
	b = &j->bindings[i];
	memset((char *)b + sizeof(b->state), 0, sizeof(*b) - sizeof(b->state));
	b->alloc = journal_index(j, owner);
	b->generation = owner->generation;
	return b;
}

void journal_publish(uint32_t *state)
{
	__atomic_store_n(state, TP_ALLOC_LIVE, __ATOMIC_RELEASE);
}

void journal_free_alloc(struct journal *j, struct tp_alloc *alloc)
{
	release(&j->alloc_pool, &alloc->state);
}

void journal_free_binding(struct journal *j, struct tp_binding *binding)
{
	release(&j->binding_pool, &binding->state);
}

uint32_t journal_index(const struct journal *j, const struct tp_alloc *alloc)
{
	return (uint32_t)(alloc - j->allocs);
}

struct tp_alloc *journal_next_alloc(struct journal *j, uint32_t *at)
{
	while (*at < j->alloc_pool.size) {
		struct tp_alloc *a = &j->allocs[(*at)++];

		if (state_of(&a->state) == TP_ALLOC_LIVE)
			return a;
	}
	return NULL;
}

static bool has_owner(const struct journal *j, const struct tp_binding *b)
{
	const struct tp_alloc *a;

	if (b->alloc >= j->alloc_pool.size)
		return false;
	a = &j->allocs[b->alloc];
	return state_of(&a->state) == TP_ALLOC_LIVE && a->generation == b->generation;
}

struct tp_binding *journal_next_binding(struct journal *j, uint32_t *at)
{
	while (*at < j->binding_pool.size) {
		struct tp_binding *b = &j->bindings[(*at)++];

		if (state_of(&b->state) == TP_ALLOC_LIVE && has_owner(j, b))
			return b;
	}
	return NULL;
}

void journal_sweep(struct journal *j)
{
	for (uint32_t i = 0; i < j->alloc_pool.size; i++) {
		struct tp_alloc *a = &j->allocs[i];
		uint32_t state = state_of(&a->state);

		if (state != TP_ALLOC_FREE && state != TP_ALLOC_LIVE)
			release(&j->alloc_pool, &a->state);
	}
	for (uint32_t i = 0; i < j->binding_pool.size; i++) {
		struct tp_binding *b = &j->bindings[i];
		uint32_t state = state_of(&b->state);

		if (state == TP_ALLOC_FREE || (state == TP_ALLOC_LIVE && has_owner(j, b)))
			continue;
		release(&j->binding_pool, &b->state);
	}
}
