/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The flow tables: hash, search and the sequence protocol. This file is the only
 * one that knows how a row is found.
 *
 * Protocol. The daemon is the one writer. It makes row.seq odd, writes key and
 * row, and makes seq even again (tp_seq_write_begin/end). A reader takes seq,
 * copies what it needs, and takes seq again: an odd or a changed number means
 * that the copy may be a mix and must not be used. A deleted row keeps its key
 * and becomes TP_ROW_DEAD, so that searches go on past it; only a sweep of the
 * whole chain may make it TP_ROW_FREE.
 */
#ifndef TURNPIKE_ROWS_H
#define TURNPIKE_ROWS_H

#include <linux/types.h>
#include <turnpike/tables.h>

#define TP_READ(x)	(*(const volatile __typeof__(x) *)&(x))
#define TP_WRITE(x, v)	(*(volatile __typeof__(x) *)&(x) = (v))

/* Orders reads before it with reads after it. The BPF host brings its own. */
#ifndef TP_RMB
#if defined(__KERNEL__)
#define TP_RMB()	smp_rmb()
#elif defined(__bpf__)
#define TP_RMB()	__asm__ __volatile__("" ::: "memory")
#else
#define TP_RMB()	__atomic_thread_fence(__ATOMIC_ACQUIRE)
#endif
#endif

/* ------------------------------------------------------------------ hash */

/*
 * NH (Black et al., UMAC): with a secret seed two different keys meet with
 * probability 2^-32 whoever chose them, for two multiplications. The mixing
 * afterwards spreads that over all bits; it is a bijection and loses nothing.
 */
static inline __u64 tp_hash_nh(const __u32 word[4], const __u64 seed[2])
{
	__u64 a = (__u32)(word[0] + (__u32)seed[0]);
	__u64 b = (__u32)(word[1] + (__u32)(seed[0] >> 32));
	__u64 c = (__u32)(word[2] + (__u32)seed[1]);
	__u64 d = (__u32)(word[3] + (__u32)(seed[1] >> 32));

	return a * b + c * d;
}

static inline __u64 tp_hash_mix(__u64 h)
{
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdULL;
	h ^= h >> 33;
	h *= 0xc4ceb9fe1a85ec53ULL;
	return h ^ (h >> 33);
}

/* seed is tp_meta.hash_seed. */
static inline __u64 tp_hash4(const struct tp_key4 *key, const __u64 seed[2])
{
	__u32 word[4];

	__builtin_memcpy(word, key, sizeof(word));
	return tp_hash_mix(tp_hash_nh(word, seed));
}

static inline __u64 tp_hash6(const struct tp_key6 *key, const __u64 seed[2])
{
	__u32 word[12] = { 0 };
	__u64 h;

	__builtin_memcpy(word, key, sizeof(*key));
	h = tp_hash_mix(tp_hash_nh(word, seed));
	h = tp_hash_mix(tp_hash_nh(word + 4, seed) + h * seed[1]);
	return tp_hash_mix(tp_hash_nh(word + 8, seed) + h * seed[0]);
}

/*
 * The slot where the search for a key begins, in a table of so many: one multiplication
 * where a mask would want powers of two. It takes the upper 28 bits of the hash, which are
 * the first that tp_hash_mix() is done with, and which nobody outside gets to see.
 */
static inline __u32 tp_row_first(__u64 hash, __u32 slots)
{
	return (__u32)((hash >> 36) * (slots - TP_PROBE + 1) >> 28);
}

/* -------------------------------------------------------------- sequence */

/* Returns the number to give to tp_seq_changed(); odd: being written. */
static inline __u32 tp_seq_read(const __u32 *seq)
{
	__u32 now = TP_READ(*seq);

	TP_RMB();
	return now;
}

static inline int tp_seq_changed(const __u32 *seq, __u32 before)
{
	TP_RMB();
	return TP_READ(*seq) != before;
}

#if !defined(__bpf__) && !defined(__KERNEL__)
/* The daemon's side; the caller holds the writer's lock. A number left odd by a
 * daemon that died half way is made even by the next writer's end. */
static inline void tp_seq_write_begin(__u32 *seq)
{
	__atomic_store_n(seq, *seq | 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static inline void tp_seq_write_end(__u32 *seq)
{
	__atomic_store_n(seq, (*seq | 1) + 1, __ATOMIC_RELEASE);
}
#endif

/* ---------------------------------------------------------------- search */

static inline int tp_key4_equal(const struct tp_key4 *a, const struct tp_key4 *b)
{
	__u64 x[2], y[2];

	__builtin_memcpy(x, a, sizeof(x));
	__builtin_memcpy(y, b, sizeof(y));
	return !((x[0] ^ y[0]) | (x[1] ^ y[1]));
}

static inline int tp_key6_equal(const struct tp_key6 *a, const struct tp_key6 *b)
{
	__u64 x[5], y[5];

	__builtin_memcpy(x, a, sizeof(x));
	__builtin_memcpy(y, b, sizeof(y));
	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (x[4] ^ y[4]));
}

/* What one slot says about a key. */
enum tp_probe {
	TP_PROBE_NEXT,		/* another key, or deleted: look further */
	TP_PROBE_END,		/* never used: the key is not in the table */
	TP_PROBE_HIT,
};

/* seq comes from tp_seq_read(); a hit still has to pass tp_seq_changed(). */
static inline enum tp_probe tp_row_probe(const struct tp_row *row, __u32 seq, int equal)
{
	__u8 kind = TP_READ(row->kind);

	if (kind == TP_ROW_FREE && !(seq & 1))
		return TP_PROBE_END;
	if (!equal || kind == TP_ROW_FREE || kind == TP_ROW_DEAD)
		return TP_PROBE_NEXT;
	return TP_PROBE_HIT;
}

#endif
