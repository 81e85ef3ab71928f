/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Ones-complement arithmetic for header checksums (RFC 1071, RFC 1624), nothing
 * else. Sums are of 16-bit words as they lie in memory, so that no word needs
 * its bytes swapped; a number from the program goes in through tp_csum_number().
 *
 * A relayed packet's UDP checksum is updated, never computed anew: what was
 * wrong on the way in stays wrong by the same amount on the way out.
 */
#ifndef TURNPIKE_CHECKSUM_H
#define TURNPIKE_CHECKSUM_H

#include <linux/types.h>
#include <turnpike/word.h>

/* A field's 16 bits as they are on the wire: sums do not mind the byte order. */
#ifdef __CHECKER__
#define TP_CSUM_RAW(x)	((__attribute__((force)) __u16)(x))
#else
#define TP_CSUM_RAW(x)	((__u16)(x))
#endif

/* 0x0000 and 0xffff are the same number here; a sum of anything but zeros never
 * folds to 0x0000. */
static inline __u16 tp_csum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)sum;
}

/* A 16-bit number as the word it is in a packet, and back. */
static inline __u16 tp_csum_number(__u16 number)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return __builtin_bswap16(number);
#else
	return number;
#endif
}

/* What has to be added to take a word away. */
static inline __u16 tp_csum_minus(__u16 word)
{
	return (__u16)~word;
}

/* The sum of one byte at this offset of the summed area. */
static inline __u16 tp_csum_byte(__u8 byte, __u32 offset)
{
	return tp_csum_number((offset & 1) ? byte : (__u16)(byte << 8));
}

/* len is a constant multiple of 4. */
TP_INLINE __u64 tp_csum_words(const void *from, __u32 len)
{
	const __u8 *p = from;
	__u64 sum = 0;
	__u32 i;

	for (i = 0; i + 4 <= len; i += 4)
		sum += tp_load32(p + i);
	return sum;
}

/*
 * The checksum after sum has been added to what it covers. RFC 768: zero would
 * mean "none", all ones is the same number.
 */
static inline __u16 tp_csum_update(__u16 check, __u64 sum)
{
	__u16 out = (__u16)~tp_csum_fold(sum + (__u16)~check);

	return out ? out : 0xffff;
}

/* What one side of a row contributes; alen is 4 or 16, channel 0 where none. */
struct tp_csum_leg {
	const __u8 *saddr, *daddr;
	__u32  alen;
	__be16 sport, dport;
	__be16 channel;
};

static inline __u64 tp_csum_leg_sum(const struct tp_csum_leg *leg)
{
	__u64 sum = tp_csum_words(leg->saddr, leg->alen) + tp_csum_words(leg->daddr, leg->alen);

	/* The channel header makes the datagram 4 bytes longer, and the
	 * length is summed twice: in the UDP and in the pseudo header. */
	sum += TP_CSUM_RAW(leg->sport);
	sum += TP_CSUM_RAW(leg->dport);
	if (leg->channel)
		sum += (__u64)TP_CSUM_RAW(leg->channel) + tp_csum_number(2 * 4);
	return sum;
}

/*
 * tp_row.csum_delta: what the rewrite from in to out adds to the sum, but for
 * the Length field of the ChannelData header and for padding, which differ from
 * packet to packet. Never 0, so that no sum it is part of folds to 0.
 */
static inline __u16 tp_csum_delta(const struct tp_csum_leg *in, const struct tp_csum_leg *out)
{
	__u16 gone = tp_csum_fold(tp_csum_leg_sum(in));
	__u16 delta = tp_csum_fold(tp_csum_leg_sum(out) + tp_csum_minus(gone));

	return delta ? delta : 0xffff;
}

#endif
