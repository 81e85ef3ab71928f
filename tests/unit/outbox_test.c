// SPDX-License-Identifier: MIT
/* The queue of a slow connection: T14 of the bad input. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "net/outbox.h"

#define SIZE	1000

/* A message of SIZE bytes, all of them mark. */
static int add(struct outbox *box, uint8_t mark, bool media)
{
	uint8_t head[4], data[SIZE - 6];
	struct outbox_message m = {
		.head = head, .head_len = sizeof(head), .data = data, .data_len = sizeof(data),
		.pad = 2, .media = media,
	};
	size_t bytes;
	int dropped;

	memset(head, mark, sizeof(head));
	memset(data, mark, sizeof(data));
	dropped = outbox_add(box, &m, &bytes);
	if (dropped >= 0)
		assert_int_equal(bytes, dropped * SIZE);
	return dropped;
}

static uint8_t first(const struct outbox *box)
{
	uint8_t byte = 0;

	outbox_peek(box, &byte, 1);
	return byte;
}

static void in_order_by_any_pieces(void **state)
{
	struct outbox box = { 0 };
	uint8_t got[5 * SIZE], piece[777];
	size_t at = 0, n;

	(void)state;
	for (uint8_t i = 1; i <= 5; i++)
		assert_int_equal(add(&box, i, i & 1), 0);
	assert_int_equal(box.bytes, 5 * SIZE);
	assert_int_equal(box.answers, 2 * SIZE);
	while ((n = outbox_peek(&box, piece, sizeof(piece)))) {
		memcpy(got + at, piece, n);
		at += n;
		outbox_written(&box, n, 0);
	}
	assert_int_equal(at, sizeof(got));
	for (size_t i = 0; i < sizeof(got); i++)
		assert_int_equal(got[i], i % SIZE < SIZE - 2 ? i / SIZE + 1 : 0);
	assert_int_equal(box.bytes, 0);
	assert_int_equal(box.answers, 0);
	assert_null(box.head);
	assert_null(box.tail);
}

static void the_oldest_media_goes(void **state)
{
	struct outbox box = { 0 };
	unsigned int fit = OUTBOX_MAX / SIZE, dropped = 0;

	(void)state;
	assert_int_equal(add(&box, 200, false), 0);
	for (unsigned int i = 1; i < fit; i++)
		assert_int_equal(add(&box, (uint8_t)i, true), 0);
	for (unsigned int i = 0; i < 10; i++)
		dropped += (unsigned int)add(&box, 100, true);
	assert_int_equal(dropped, 10);
	assert_true(box.bytes <= OUTBOX_MAX);
	/* the answer is there still, and behind it the eleventh */
	assert_int_equal(first(&box), 200);
	outbox_written(&box, SIZE, 0);
	assert_int_equal(first(&box), 11);
	/* answers make room too, and go over the limit rather than being lost */
	for (unsigned int i = 0; i < 2 * fit; i++)
		assert_true(add(&box, 201, false) >= 0);
	assert_int_equal(box.answers, 2 * fit * SIZE);
	assert_int_equal(box.bytes, box.answers);
	/* then the new media is what goes */
	assert_int_equal(add(&box, 100, true), 1);
	assert_int_equal(box.bytes, box.answers);
	outbox_clear(&box);
	assert_int_equal(box.bytes, 0);
	assert_null(box.head);
}

static void what_has_begun_stays(void **state)
{
	struct outbox box = { 0 };
	unsigned int fit = OUTBOX_MAX / SIZE;
	size_t left;

	(void)state;
	for (unsigned int i = 0; i < fit; i++)
		assert_int_equal(add(&box, (uint8_t)(1 + i), true), 0);
	/* one byte of the first has left: not half a message */
	outbox_written(&box, 1, 0);
	assert_int_equal(add(&box, 100, true), 1);
	assert_int_equal(first(&box), 1);
	left = outbox_first(&box);
	assert_int_equal(left, SIZE - 1);
	/* the rest of it, and the next, are in a record that is made already */
	outbox_written(&box, 0, left + 1);
	for (unsigned int i = 0; i < 2 * fit; i++)
		assert_int_equal(add(&box, 101, true), 1);
	assert_int_equal(first(&box), 1);
	outbox_written(&box, left, 1);
	assert_int_equal(first(&box), 3);
	outbox_written(&box, SIZE, 0);
	assert_int_equal(first(&box), 101);
	outbox_clear(&box);
}

static void one_datagram_of_any_size_fits(void **state)
{
	static uint8_t data[65507];
	struct outbox box = { 0 };
	struct outbox_message m = { .head = data, .head_len = 48, .data = data,
				    .data_len = sizeof(data), .pad = 1, .media = true };
	size_t bytes;

	(void)state;
	assert_int_equal(outbox_add(&box, &m, &bytes), 0);
	assert_int_equal(outbox_add(&box, &m, &bytes), 1);
	assert_int_equal(bytes, 48 + sizeof(data) + 1);
	assert_int_equal(box.bytes, bytes);
	outbox_clear(&box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order_by_any_pieces),
		cmocka_unit_test(the_oldest_media_goes),
		cmocka_unit_test(what_has_begun_stays),
		cmocka_unit_test(one_datagram_of_any_size_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
