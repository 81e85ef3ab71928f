// SPDX-License-Identifier: MIT
/* A binary heap of what is due, earliest first; every timer knows its place. */
#include <stdlib.h>
#include "turn/core.h"
#include "pure.h"

bool timer_claim(struct timers *ts)
{
	unsigned int room = ts->room ? ts->room * 2 : 64;
	struct timer **heap;

	if (ts->claimed < ts->room) {
		ts->claimed++;
		return true;
	}
	heap = realloc(ts->heap, (room + 1) * sizeof(struct timer *));
	if (!heap)
		return false;
	ts->heap = heap;
	ts->room = room;
	ts->claimed++;
	return true;
}

void timer_unclaim(struct timers *ts)
{
	ts->claimed--;
}

static void put(struct timers *ts, struct timer *t, unsigned int place)
{
	ts->heap[place] = t;
	t->place = place;
}

/* Moves t from its place, which is treated as empty, to where it belongs. */
static void settle(struct timers *ts, struct timer *t, unsigned int place)
{
	while (place > 1 && t->due_ns < ts->heap[place / 2]->due_ns) {
		put(ts, ts->heap[place / 2], place);
		place /= 2;
	}
	for (;;) {
		unsigned int child = place * 2;

		if (child > ts->n)
			break;
		if (child < ts->n && ts->heap[child + 1]->due_ns < ts->heap[child]->due_ns)
			child++;
		if (t->due_ns <= ts->heap[child]->due_ns)
			break;
		put(ts, ts->heap[child], place);
		place = child;
	}
	put(ts, t, place);
}

void timer_set(struct timers *ts, struct timer *t, uint64_t due_ns)
{
	t->due_ns = due_ns;
	settle(ts, t, t->place ? t->place : ++ts->n);
}

void timer_stop(struct timers *ts, struct timer *t)
{
	unsigned int place = t->place;
	struct timer *last;

	if (!place)
		return;
	t->place = 0;
	last = ts->heap[ts->n--];
	if (last != t)
		settle(ts, last, place);
}

struct timer *timer_earliest(const struct timers *ts)
{
	return ts->n ? ts->heap[1] : NULL;
}
