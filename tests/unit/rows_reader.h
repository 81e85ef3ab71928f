/* SPDX-License-Identifier: MIT */
/* A small table, flows by number, and a reader made of turnpike/rows.h as a data path is. */
#ifndef TP_TEST_ROWS_READER_H
#define TP_TEST_ROWS_READER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <turnpike/rows.h>
#include "address.h"
#include "dataplane/rows.h"

#ifndef READER_PAUSE
#define READER_PAUSE	0
#endif
#define SLOTS		251		/* not a power of two */

struct fixture {
	struct tables tables;
	struct rows *rows;
};

/* What a data path takes from a row. */
struct found {
	struct tp_row row;
	uint32_t slot_1;
	bool busy;
};

static inline int setup(void **state)
{
	struct tp_meta sizes = tables_sizes(1, 1);
	struct fixture *f = calloc(1, sizeof(*f));

	sizes.rows4 = sizes.rows6 = SLOTS;
	/* A bad day must come again. */
	sizes.hash_seed[0] = 0x0123456789abcdef;
	sizes.hash_seed[1] = 0xfedcba9876543210;
	assert_int_equal(tables_create(&f->tables, &sizes), 0);
	f->rows = rows_new(&f->tables);
	assert_non_null(f->rows);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	rows_free(f->rows);
	tables_close(&f->tables);
	free(f);
	return 0;
}

static inline uint32_t random_below(uint64_t *seed, uint32_t limit)
{
	*seed = *seed * 6364136223846793005U + 1442695040888963407U;
	return (uint32_t)(*seed >> 33) % limit;
}

static inline struct tp_addr address(uint8_t family, uint32_t number, uint16_t port)
{
	struct tp_addr a = { .family = family, .port = htons(port) };

	number = htonl(number);
	memcpy(a.ip + (family == 4 ? 0 : 12), &number, sizeof(number));
	return a;
}

/* The flow of a number: the key says number, what leaves says value. */
static inline struct row_spec flow(uint8_t family, uint32_t number, uint32_t value)
{
	struct row_spec s = {
		.src = address(family, 0x0a000000 + number, (uint16_t)(number * 7 + 1)),
		.dst = address(family, 0xc0000201, 3478),
		.channel = (uint16_t)(0x4000 + number % 3),
		.kind = TP_ROW_TO_PEER,
		.out_src = address(family, value, (uint16_t)value),
		.out_dst = address(family, value, (uint16_t)value),
		.nexthop = (uint16_t)value,
		.alloc = value,
		.expires_ns = value,
	};

	return s;
}

static inline void make_key4(const struct row_spec *s, struct tp_key4 *key)
{
	memset(key, 0, sizeof(*key));
	memcpy(key->saddr, s->src.ip, 4);
	memcpy(key->daddr, s->dst.ip, 4);
	key->sport = s->src.port;
	key->dport = s->dst.port;
	key->channel = htons(s->channel);
}

static inline void make_key6(const struct row_spec *s, struct tp_key6 *key)
{
	memset(key, 0, sizeof(*key));
	memcpy(key->saddr, s->src.ip, 16);
	memcpy(key->daddr, s->dst.ip, 16);
	key->sport = s->src.port;
	key->dport = s->dst.port;
	key->channel = htons(s->channel);
}

/* In two parts, so that a writer comes in between when the reader takes its time. */
static inline void copy_row(struct tp_row *to, const struct tp_row *from)
{
	size_t half = offsetof(struct tp_row, alloc);

	memcpy(to, from, half);
	for (volatile int i = 0; i < READER_PAUSE; i++)
		;
	memcpy((char *)to + half, (const char *)from + half, sizeof(*to) - half);
}

/* As a data path does it, with the functions of turnpike/rows.h. */
static inline bool look_up(const struct tables *t, const struct row_spec *s, struct found *found)
{
	bool v4 = s->src.family == 4;
	struct tp_key4 key4;
	struct tp_key6 key6;
	uint32_t first;

	make_key4(s, &key4);
	make_key6(s, &key6);
	first = v4 ? tp_row_first(tp_hash4(&key4, t->meta->hash_seed), t->meta->rows4) :
		     tp_row_first(tp_hash6(&key6, t->meta->hash_seed), t->meta->rows6);
	found->busy = false;
	for (uint32_t i = first; i < first + TP_PROBE; i++) {
		struct tp_row *row = v4 ? &t->rows4[i].row : &t->rows6[i].row;
		uint32_t seq = tp_seq_read(&row->seq);
		enum tp_probe probe = tp_row_probe(row, seq,
						   v4 ? tp_key4_equal(&t->rows4[i].key, &key4) :
							tp_key6_equal(&t->rows6[i].key, &key6));

		if (probe == TP_PROBE_END)
			return false;
		if (probe == TP_PROBE_NEXT)
			continue;
		copy_row(&found->row, row);
		found->slot_1 = i + 1;
		found->busy = (seq & 1) || tp_seq_changed(&row->seq, seq);
		return true;
	}
	return false;
}

static inline struct tp_row *row_of(const struct tables *t, uint8_t family, uint32_t slot_1)
{
	return family == 4 ? &t->rows4[slot_1 - 1].row : &t->rows6[slot_1 - 1].row;
}

#endif
