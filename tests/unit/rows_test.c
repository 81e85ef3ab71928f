// SPDX-License-Identifier: MIT
#include "rows_reader.h"
#include <turnpike/checksum.h>

#define KEYS		400		/* more than there are slots: windows get full */
#define STEPS		1000000

/* ----------------------------------------------------------------- plain */

static void a_row_says_what_its_spec_said(void **state)
{
	struct fixture *f = *state;

	for (uint8_t family = 4; family <= 6; family += 2) {
		struct row_spec s = flow(family, 5, 77);
		size_t len = family == 4 ? 4 : 16;
		struct found found;
		uint32_t slot;
		const char *out;

		s.kind = TP_ROW_TO_CLIENT;
		s.channel = 0;
		s.out_channel = 0x4abc;
		s.out_dst.port = htons(78);
		slot = rows_put(f->rows, &s);
		assert_int_not_equal(slot, 0);
		assert_true(look_up(&f->tables, &s, &found));
		assert_int_equal(found.slot_1, slot);
		assert_false(found.busy);
		assert_int_equal(found.row.kind, TP_ROW_TO_CLIENT);
		assert_int_equal(found.row.flags, family == 6 ? TP_ROW_OUT6 : 0);
		assert_int_equal(found.row.nexthop, 77);
		assert_int_equal(found.row.expires_ns, 77);
		assert_int_equal(found.row.alloc, 77);
		assert_int_equal(found.row.out_sport, htons(77));
		assert_int_equal(found.row.out_dport, htons(78));
		assert_int_equal(found.row.out_channel, htons(0x4abc));
		out = family == 6 ? (const char *)&found.row.out6 : (const char *)&found.row.out4;
		assert_memory_equal(out, s.out_src.ip, len);
		assert_memory_equal(out + len, s.out_dst.ip, len);
		s.channel = 0x4000;
		assert_false(look_up(&f->tables, &s, &found));
	}
}

static void a_rewrite_keeps_the_counters_and_a_new_row_does_not(void **state)
{
	struct fixture *f = *state;
	struct row_spec s = flow(4, 1, 10);
	struct tp_count count = { 1, 2 };
	struct found found;
	uint32_t slot = rows_put(f->rows, &s);

	row_of(&f->tables, 4, slot)->packets = 3;
	row_of(&f->tables, 4, slot)->bytes = 300;
	s = flow(4, 1, 11);
	assert_int_equal(rows_put(f->rows, &s), slot);
	assert_true(look_up(&f->tables, &s, &found));
	assert_int_equal(found.row.alloc, 11);
	rows_count(f->rows, 4, slot, &count);
	assert_int_equal(count.packets, 4);
	assert_int_equal(count.bytes, 302);

	rows_del(f->rows, 4, slot, &count);
	assert_int_equal(count.packets, 7);
	assert_int_equal(count.bytes, 602);
	assert_false(look_up(&f->tables, &s, &found));
	rows_del(f->rows, 4, slot, &count);	/* not twice */
	assert_int_equal(count.packets, 7);

	assert_int_equal(rows_put(f->rows, &s), slot);
	assert_true(look_up(&f->tables, &s, &found));
	assert_int_equal(found.row.packets, 0);
	assert_int_equal(found.row.bytes, 0);
}

static void a_refresh_turns_no_reader_away(void **state)
{
	struct fixture *f = *state;
	struct row_spec s = flow(6, 1, 10);
	uint32_t slot = rows_put(f->rows, &s), seq = row_of(&f->tables, 6, slot)->seq;

	s.expires_ns = 999;
	s.nexthop = 12;
	assert_int_equal(rows_put(f->rows, &s), slot);
	assert_int_equal(row_of(&f->tables, 6, slot)->expires_ns, 999);
	assert_int_equal(row_of(&f->tables, 6, slot)->nexthop, 12);
	assert_int_equal(row_of(&f->tables, 6, slot)->seq, seq);
	rows_set_nexthop(f->rows, 6, slot, 13);
	assert_int_equal(row_of(&f->tables, 6, slot)->nexthop, 13);
	s.out_channel = 0x4001;
	s.kind = TP_ROW_TO_CLIENT;
	assert_int_equal(rows_put(f->rows, &s), slot);
	assert_int_not_equal(row_of(&f->tables, 6, slot)->seq, seq);
}

static void nonsense_is_refused(void **state)
{
	struct fixture *f = *state;
	struct tp_count count = { 0 };
	struct row_spec s = flow(4, 1, 10);

	s.dst.family = 6;
	assert_int_equal(rows_put(f->rows, &s), 0);
	s = flow(4, 1, 10);
	s.out_dst.family = 6;
	assert_int_equal(rows_put(f->rows, &s), 0);
	s = flow(4, 1, 10);
	s.src.family = 0;
	assert_int_equal(rows_put(f->rows, &s), 0);
	s = flow(4, 1, 10);
	s.kind = TP_ROW_DEAD;
	assert_int_equal(rows_put(f->rows, &s), 0);
	rows_del(f->rows, 4, 0, &count);
	rows_del(f->rows, 4, SLOTS + 1, &count);
	rows_set_nexthop(f->rows, 9, 1, 1);
	assert_int_equal(count.packets, 0);
}

/* -------------------------------------------------------------- checksum */

/* RFC 768, of a datagram with this payload (even length), as a sum of words. */
static uint64_t datagram_sum(const struct tp_addr *src, const struct tp_addr *dst,
			     const void *payload, uint32_t len)
{
	uint32_t alen = src->family == 4 ? 4 : 16;

	return tp_csum_words(src->ip, alen) + tp_csum_words(dst->ip, alen) + src->port +
	       dst->port + tp_csum_number(17) + 2 * (uint64_t)tp_csum_number((uint16_t)(8 + len)) +
	       tp_csum_words(payload, len);
}

static void the_checksum_difference_is_right(void **state)
{
	static const struct {
		uint8_t in, out;
	} families[] = { { 4, 4 }, { 4, 6 }, { 6, 4 }, { 6, 6 } };
	struct fixture *f = *state;
	uint8_t payload[4 + 10] = { 0x40, 0x11, 0, 10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };

	for (size_t i = 0; i < 4; i++) {
		struct row_spec s = flow(families[i].in, 9, 1234567);
		uint16_t before, after, want;
		struct found found;

		s.channel = 0x4011;
		s.out_src = address(families[i].out, 0xc6336407, 49152);
		s.out_dst = address(families[i].out, 0xcb007109, 50001);
		assert_int_not_equal(rows_put(f->rows, &s), 0);
		assert_true(look_up(&f->tables, &s, &found));
		before = (uint16_t)~tp_csum_fold(datagram_sum(&s.src, &s.dst, payload, 14));
		want = (uint16_t)~tp_csum_fold(datagram_sum(&s.out_src, &s.out_dst, payload + 4,
							    10));
		/* The Length field of the channel header is the packet's own. */
		after = tp_csum_update(before, (uint64_t)found.row.csum_delta +
					       tp_csum_minus(tp_csum_number(10)));
		assert_int_equal(after, want);
	}
}

/* ----------------------------------------------------------------- model */

struct model {
	uint32_t slot_1[KEYS];		/* 0: not in the table */
	uint32_t value[KEYS];
	uint32_t seq[SLOTS];
	uint32_t in_use, full;
};

static void check_sequence(const struct fixture *f, uint8_t family, struct model *m)
{
	for (uint32_t i = 0; i < SLOTS; i++) {
		uint32_t seq = row_of(&f->tables, family, i + 1)->seq;

		assert_int_equal(seq & 1, 0);
		assert_true((int32_t)(seq - m->seq[i]) >= 0);
		m->seq[i] = seq;
	}
}

/* Whether every slot that the key may be in has a row in use. */
/* E9: what does not fit is refused, and nothing that lives is put out for it. */
static bool window_full(const struct fixture *f, const struct row_spec *s)
{
	struct tp_key4 k4;
	struct tp_key6 k6;
	uint64_t hash;

	make_key4(s, &k4);
	make_key6(s, &k6);
	hash = s->src.family == 4 ? tp_hash4(&k4, f->tables.meta->hash_seed) :
				    tp_hash6(&k6, f->tables.meta->hash_seed);
	for (uint32_t n = 0; n < TP_PROBE; n++) {
		uint32_t i = tp_row_first(hash, SLOTS) + n;

		if (row_of(&f->tables, s->src.family, i + 1)->kind < TP_ROW_TO_PEER)
			return false;
	}
	return true;
}

static void check_all(const struct fixture *f, uint8_t family, struct model *m)
{
	uint32_t used[2], slots[2];

	for (uint32_t k = 0; k < KEYS; k++) {
		struct row_spec s = flow(family, k, 0);
		struct found found;

		assert_int_equal(look_up(&f->tables, &s, &found), m->slot_1[k] != 0);
		if (!m->slot_1[k])
			continue;
		assert_int_equal(found.slot_1, m->slot_1[k]);
		assert_int_equal(found.row.alloc, m->value[k]);
	}
	rows_fill(f->rows, used, slots);
	assert_int_equal(used[family == 6], m->in_use);
	assert_int_equal(slots[family == 6], SLOTS);
	check_sequence(f, family, m);
}

static void model_put(const struct fixture *f, uint8_t family, struct model *m, uint32_t k,
		      uint32_t value)
{
	struct row_spec s = flow(family, k, value);
	bool full = !m->slot_1[k] && window_full(f, &s);
	uint32_t slot = rows_put(f->rows, &s);

	assert_int_equal(slot == 0, full);
	m->full += full;
	if (full)
		return;
	if (m->slot_1[k])
		assert_int_equal(slot, m->slot_1[k]);
	m->in_use += !m->slot_1[k];
	m->slot_1[k] = slot;
	m->value[k] = value;
}

static void model_del(const struct fixture *f, uint8_t family, struct model *m, uint32_t k)
{
	struct tp_count count = { 0 };

	if (!m->slot_1[k])
		return;
	rows_del(f->rows, family, m->slot_1[k], &count);
	m->slot_1[k] = 0;
	m->in_use--;
}

static void run_model(struct fixture *f, uint8_t family)
{
	struct model *m = calloc(1, sizeof(*m));
	uint64_t seed = 42 + family;

	for (uint32_t step = 0; step < STEPS / 2; step++) {
		uint32_t k = random_below(&seed, KEYS);
		struct row_spec s = flow(family, k, 0);
		struct found found;

		/* The table fills and empties in turns, with new tombstones all the time. */
		if (random_below(&seed, 100) < (step / 5000 % 2 ? 70 : 45))
			model_put(f, family, m, k, step);
		else
			model_del(f, family, m, k);
		assert_int_equal(look_up(&f->tables, &s, &found), m->slot_1[k] != 0);
		if (step % 5000 == 0) {
			check_all(f, family, m);
			/* A successor finds the same. */
			rows_free(f->rows);
			f->rows = rows_new(&f->tables);
			check_all(f, family, m);
		}
	}
	assert_true(m->full > 1000);
	for (uint32_t k = 0; k < KEYS; k++)
		model_del(f, family, m, k);
	check_all(f, family, m);
	free(m);
}

static void random_steps_agree_with_a_model(void **state)
{
	run_model(*state, 4);
	run_model(*state, 6);
}

/* -------------------------------------------------------------- successor */

static void what_a_killed_writer_left_half_done_is_dead(void **state)
{
	struct fixture *f = *state;
	uint32_t used[2], slots[2], seq, slot;
	struct row_spec s = flow(4, 3, 30), t = flow(4, 4, 40);
	struct found found;
	struct tp_row *row;

	slot = rows_put(f->rows, &s);
	assert_int_not_equal(rows_put(f->rows, &t), 0);
	row = row_of(&f->tables, 4, slot);
	tp_seq_write_begin(&row->seq);
	seq = row->seq;
	assert_true(look_up(&f->tables, &s, &found));
	assert_true(found.busy);
	rows_free(f->rows);
	f->rows = rows_new(&f->tables);
	assert_false(look_up(&f->tables, &s, &found));
	assert_true(look_up(&f->tables, &t, &found));
	assert_int_equal(row->seq & 1, 0);
	assert_true((int32_t)(row->seq - seq) > 0);
	rows_fill(f->rows, used, slots);
	assert_int_equal(used[0], 1);
	assert_int_not_equal(rows_put(f->rows, &s), 0);
	assert_true(look_up(&f->tables, &s, &found));
	assert_false(found.busy);
}

static bool keep_even(void *ctx, uint8_t family, uint32_t slot_1)
{
	const struct fixture *f = ctx;

	return row_of(&f->tables, family, slot_1)->alloc % 2 == 0;
}

static void a_sweep_deletes_what_is_not_wanted(void **state)
{
	struct fixture *f = *state;
	uint32_t used[2], slots[2];

	for (uint32_t k = 0; k < 100; k++) {
		struct row_spec four = flow(4, k, k), six = flow(6, k, k + 1);

		assert_int_not_equal(rows_put(f->rows, &four), 0);
		assert_int_not_equal(rows_put(f->rows, &six), 0);
	}
	rows_sweep(f->rows, keep_even, f);
	for (uint32_t k = 0; k < 100; k++) {
		struct row_spec four = flow(4, k, k), six = flow(6, k, k + 1);
		struct found found;

		assert_int_equal(look_up(&f->tables, &four, &found), k % 2 == 0);
		assert_int_equal(look_up(&f->tables, &six, &found), k % 2 == 1);
	}
	rows_fill(f->rows, used, slots);
	assert_int_equal(used[0], 50);
	assert_int_equal(used[1], 50);
}

static void a_table_emptied_has_no_tombstones_left_to_walk(void **state)
{
	struct fixture *f = *state;
	struct tp_count count = { 0 };
	uint32_t slot[100];

	for (uint32_t k = 0; k < 100; k++) {
		struct row_spec s = flow(4, k, k);

		slot[k] = rows_put(f->rows, &s);
	}
	for (uint32_t k = 0; k < 100; k++)
		rows_del(f->rows, 4, slot[k], &count);
	for (uint32_t i = 1; i <= SLOTS; i++)
		assert_int_equal(row_of(&f->tables, 4, i)->kind, TP_ROW_FREE);
}

#define T(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_row_says_what_its_spec_said),
		T(a_rewrite_keeps_the_counters_and_a_new_row_does_not),
		T(a_refresh_turns_no_reader_away),
		T(nonsense_is_refused),
		T(the_checksum_difference_is_right),
		T(random_steps_agree_with_a_model),
		T(what_a_killed_writer_left_half_done_is_dead),
		T(a_sweep_deletes_what_is_not_wanted),
		T(a_table_emptied_has_no_tombstones_left_to_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
