/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Words at any address. BPF reads and writes them in one instruction where the
 * compiler, left alone, would go byte by byte; elsewhere memcpy() becomes just that.
 */
#ifndef TURNPIKE_WORD_H
#define TURNPIKE_WORD_H

#include <linux/types.h>

#define TP_INLINE	static inline __attribute__((always_inline))

#ifdef __bpf__
#define TP_LOAD(type, at)		(*(const type *)(at))
#define TP_STORE(type, at, value)	(*(type *)(at) = (value))
#else
#define TP_LOAD(type, at)						\
	({								\
		type word_;						\
		__builtin_memcpy(&word_, (at), sizeof(word_));		\
		word_;							\
	})
#define TP_STORE(type, at, value)					\
	do {								\
		type word_ = (value);					\
		__builtin_memcpy((at), &word_, sizeof(word_));		\
	} while (0)
#endif

TP_INLINE __u16 tp_load16(const void *at)
{
	return TP_LOAD(__u16, at);
}

TP_INLINE __u32 tp_load32(const void *at)
{
	return TP_LOAD(__u32, at);
}

TP_INLINE __u64 tp_load64(const void *at)
{
	return TP_LOAD(__u64, at);
}

TP_INLINE void tp_store32(void *at, __u32 value)
{
	TP_STORE(__u32, at, value);
}

TP_INLINE void tp_store64(void *at, __u64 value)
{
	TP_STORE(__u64, at, value);
}

#endif
