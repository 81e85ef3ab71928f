/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * CRC-32 as FINGERPRINT has it (RFC 8489 section 14.7; ITU-T V.42), four bytes at a
 * time: what a STUN message is made of. A CRC is linear, so that each table follows
 * from what it has for the eight single bits.
 */
#ifndef TURNPIKE_CRC_H
#define TURNPIKE_CRC_H

#include <linux/types.h>
#include <turnpike/word.h>

#define TP_CRC_BIT(n, bit, value)	((n) & (1U << (bit)) ? (value) : 0U)
#define TP_CRC_BITS(n, b0, b1, b2, b3, b4, b5, b6, b7) \
	(TP_CRC_BIT(n, 0, b0) ^ TP_CRC_BIT(n, 1, b1) ^ TP_CRC_BIT(n, 2, b2) ^ \
	 TP_CRC_BIT(n, 3, b3) ^ TP_CRC_BIT(n, 4, b4) ^ TP_CRC_BIT(n, 5, b5) ^ \
	 TP_CRC_BIT(n, 6, b6) ^ TP_CRC_BIT(n, 7, b7))
#define TP_CRC_0(n) TP_CRC_BITS(n, 0x77073096U, 0xee0e612cU, 0x076dc419U, 0x0edb8832U, \
	0x1db71064U, 0x3b6e20c8U, 0x76dc4190U, 0xedb88320U)
#define TP_CRC_1(n) TP_CRC_BITS(n, 0x191b3141U, 0x32366282U, 0x646cc504U, 0xc8d98a08U, \
	0x4ac21251U, 0x958424a2U, 0xf0794f05U, 0x3b83984bU)
#define TP_CRC_2(n) TP_CRC_BITS(n, 0x01c26a37U, 0x0384d46eU, 0x0709a8dcU, 0x0e1351b8U, \
	0x1c26a370U, 0x384d46e0U, 0x709a8dc0U, 0xe1351b80U)
#define TP_CRC_3(n) TP_CRC_BITS(n, 0xb8bc6765U, 0xaa09c88bU, 0x8f629757U, 0xc5b428efU, \
	0x5019579fU, 0xa032af3eU, 0x9b14583dU, 0xed59b63bU)
#define TP_CRC_X4(of, n)	of(n), of((n) + 1), of((n) + 2), of((n) + 3)
#define TP_CRC_X16(of, n) \
	TP_CRC_X4(of, n), TP_CRC_X4(of, (n) + 4), TP_CRC_X4(of, (n) + 8), TP_CRC_X4(of, (n) + 12)
#define TP_CRC_X64(of, n) \
	TP_CRC_X16(of, n), TP_CRC_X16(of, (n) + 16), TP_CRC_X16(of, (n) + 32), \
	TP_CRC_X16(of, (n) + 48)
#define TP_CRC_X256(of) \
	{ TP_CRC_X64(of, 0), TP_CRC_X64(of, 64), TP_CRC_X64(of, 128), TP_CRC_X64(of, 192) }

/* tp_crc_table[k][n]: what byte n does that k more bytes follow */
static const __u32 tp_crc_table[4][256] = {
	TP_CRC_X256(TP_CRC_0), TP_CRC_X256(TP_CRC_1), TP_CRC_X256(TP_CRC_2), TP_CRC_X256(TP_CRC_3),
};

#define TP_CRC_START	0xffffffffU
#define TP_FINGERPRINT_XOR	0x5354554eU

/* word as it lies in memory. The CRC is ~crc after the last one. */
TP_INLINE __u32 tp_crc_word(__u32 crc, __u32 word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap32(word);
#endif
	crc ^= word;
	return tp_crc_table[3][crc & 0xff] ^ tp_crc_table[2][crc >> 8 & 0xff] ^
	       tp_crc_table[1][crc >> 16 & 0xff] ^ tp_crc_table[0][crc >> 24];
}

#endif
