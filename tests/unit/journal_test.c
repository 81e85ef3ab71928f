// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "dataplane/journal.h"

#define ALLOCS		64
#define BINDINGS	256
#define THREADS		4
#define ROUNDS		50000

struct fixture {
	struct tables tables;
	struct journal *j;
};

static int setup(void **state)
{
	struct tp_meta sizes = tables_sizes(1, 1);
	struct fixture *f = calloc(1, sizeof(*f));

	sizes.allocs = ALLOCS;
	sizes.bindings = BINDINGS;
	assert_int_equal(tables_create(&f->tables, &sizes), 0);
	f->j = journal_new(&f->tables);
	assert_non_null(f->j);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	journal_free(f->j);
	tables_close(&f->tables);
	free(f);
	return 0;
}

static struct tp_alloc *live_alloc(struct journal *j)
{
	struct tp_alloc *a = journal_claim_alloc(j);

	if (a)
		journal_publish(&a->state);
	return a;
}

static struct tp_binding *live_binding(struct journal *j, const struct tp_alloc *owner)
{
	struct tp_binding *b = journal_claim_binding(j, owner);

	if (b)
		journal_publish(&b->state);
	return b;
}

static unsigned int count_allocs(struct journal *j)
{
	unsigned int n = 0;

	for (uint32_t at = 0; journal_next_alloc(j, &at);)
		n++;
	return n;
}

static unsigned int count_bindings(struct journal *j)
{
	unsigned int n = 0;

	for (uint32_t at = 0; journal_next_binding(j, &at);)
		n++;
	return n;
}

static void a_claimed_record_is_zeroed_and_has_a_new_generation(void **state)
{
	struct fixture *f = *state;
	uint32_t generation[ALLOCS] = { 0 };

	for (int round = 0; round < 3 * ALLOCS; round++) {
		struct tp_alloc *a = journal_claim_alloc(f->j), want;
		uint32_t i;

		assert_non_null(a);
		i = journal_index(f->j, a);
		assert_ptr_equal(a, &f->tables.allocs[i]);
		memset(&want, 0, sizeof(want));
		want.state = TP_ALLOC_CLAIMED;
		want.generation = generation[i] + 1;
		assert_memory_equal(a, &want, sizeof(want));
		generation[i] = a->generation;
		memset((char *)a + offsetof(struct tp_alloc, created_ns), 0xaa, 100);
		journal_publish(&a->state);
		journal_free_alloc(f->j, a);
	}
	f->tables.allocs[0].generation = UINT32_MAX;
	for (int i = 0; i < ALLOCS; i++)
		assert_int_not_equal(journal_claim_alloc(f->j)->generation, 0);
}

static void every_record_is_used_before_it_is_full(void **state)
{
	struct fixture *f = *state;
	struct tp_alloc *a[ALLOCS];
	struct tp_binding *b;

	for (int i = 0; i < ALLOCS; i++) {
		a[i] = live_alloc(f->j);
		assert_non_null(a[i]);
		for (int k = 0; k < i; k++)
			assert_ptr_not_equal(a[i], a[k]);
	}
	assert_null(journal_claim_alloc(f->j));
	assert_null(journal_claim_alloc(f->j));
	assert_int_equal(count_allocs(f->j), ALLOCS);
	journal_free_alloc(f->j, a[17]);
	assert_int_equal(count_allocs(f->j), ALLOCS - 1);
	assert_ptr_equal(live_alloc(f->j), a[17]);
	assert_null(journal_claim_alloc(f->j));

	for (int i = 0; i < BINDINGS; i++)
		assert_non_null(live_binding(f->j, a[i % ALLOCS]));
	assert_null(journal_claim_binding(f->j, a[0]));
	assert_int_equal(count_bindings(f->j), BINDINGS);
	b = &f->tables.bindings[200];
	journal_free_binding(f->j, b);
	assert_ptr_equal(live_binding(f->j, a[5]), b);
	assert_int_equal(b->alloc, journal_index(f->j, a[5]));
	assert_int_equal(b->generation, a[5]->generation);
}

static void walks_show_live_records_of_live_owners_only(void **state)
{
	struct fixture *f = *state;
	struct tp_alloc *a = live_alloc(f->j), *gone = live_alloc(f->j);
	struct tp_binding *mine = live_binding(f->j, a);
	uint32_t at = 0;

	assert_non_null(journal_claim_alloc(f->j));		/* half written */
	assert_non_null(journal_claim_binding(f->j, a));	/* half written */
	assert_non_null(live_binding(f->j, gone));
	assert_int_equal(count_allocs(f->j), 2);
	assert_int_equal(count_bindings(f->j), 2);
	journal_free_alloc(f->j, gone);
	assert_int_equal(count_bindings(f->j), 1);
	/* The same record, but another allocation. */
	do {
		gone = live_alloc(f->j);
	} while (gone != &f->tables.allocs[1] && (journal_free_alloc(f->j, gone), true));
	assert_int_equal(count_bindings(f->j), 1);
	assert_ptr_equal(journal_next_binding(f->j, &at), mine);
	assert_null(journal_next_binding(f->j, &at));
	assert_null(journal_next_binding(f->j, &at));
}

static void a_successor_sweeps_what_was_left_over(void **state)
{
	struct fixture *f = *state;
	struct tp_alloc *a = live_alloc(f->j), *half = journal_claim_alloc(f->j);
	struct tp_alloc *gone = live_alloc(f->j);
	struct tp_binding *b = live_binding(f->j, a);
	unsigned int n = 0;

	journal_claim_binding(f->j, a);
	live_binding(f->j, half);
	live_binding(f->j, gone);
	live_binding(f->j, a)->alloc = 4000000000U;
	journal_free_alloc(f->j, gone);
	f->tables.allocs[40].state = 77;

	journal_free(f->j);
	f->j = journal_new(&f->tables);
	journal_sweep(f->j);
	assert_int_equal(count_allocs(f->j), 1);
	assert_int_equal(count_bindings(f->j), 1);
	assert_int_equal(a->state, TP_ALLOC_LIVE);
	assert_int_equal(b->state, TP_ALLOC_LIVE);
	/* All others can be had again. */
	while (live_alloc(f->j))
		n++;
	assert_int_equal(n, ALLOCS - 1);
	for (n = 0; live_binding(f->j, a);)
		n++;
	assert_int_equal(n, BINDINGS - 1);
}

/* ---------------------------------------------------------------- threads */

struct worker {
	struct journal *j;
	uint16_t number;
	unsigned int claimed, stolen;
};

/* Holds a few records all the time; the mark in them must stay its own. */
static void *work(void *arg)
{
	struct tp_alloc *held[ALLOCS / THREADS] = { 0 };
	struct worker *w = arg;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		struct tp_alloc **place = &held[i % (ALLOCS / THREADS)];

		if (*place) {
			w->stolen += (*place)->worker != w->number;
			journal_free_alloc(w->j, *place);
		}
		*place = journal_claim_alloc(w->j);
		if (!*place)
			continue;
		w->claimed++;
		w->stolen += (*place)->worker != 0;
		(*place)->worker = w->number;
		journal_publish(&(*place)->state);
	}
	return NULL;
}

static void workers_never_get_the_same_record(void **state)
{
	struct worker w[THREADS] = { 0 };
	struct fixture *f = *state;
	pthread_t thread[THREADS];
	unsigned int n = 0;

	for (uint16_t i = 0; i < THREADS; i++) {
		w[i] = (struct worker){ .j = f->j, .number = (uint16_t)(i + 1) };
		assert_int_equal(pthread_create(&thread[i], NULL, work, &w[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		assert_int_equal(w[i].stolen, 0);
		/* Together they never hold more than there are. */
		assert_int_equal(w[i].claimed, ROUNDS);
		n += ALLOCS / THREADS;
	}
	assert_int_equal(count_allocs(f->j), n);
	assert_null(journal_claim_alloc(f->j));
}

#define T(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_claimed_record_is_zeroed_and_has_a_new_generation),
		T(every_record_is_used_before_it_is_full),
		T(walks_show_live_records_of_live_owners_only),
		T(a_successor_sweeps_what_was_left_over),
		T(workers_never_get_the_same_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
