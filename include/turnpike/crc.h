/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * CRC-32 of FINGERPRINT (RFC 8489 section 14.7, the polynomial of IEEE 802.3), four
 * bytes at a time. The tables are made by whoever loads the data path.
 */
#ifndef TURNPIKE_CRC_H
#define TURNPIKE_CRC_H

#include <linux/types.h>
#include <turnpike/tables.h>

#define TP_CRC_POLYNOMIAL	0xedb88320U	/* bits reversed */
#define TP_CRC_XOR		0x5354554eU

#ifndef __bpf__
/* table[256 * k + b]: the byte b and k zero bytes behind it */
static inline void tp_crc_fill(__u32 table[TP_CRC_TABLE])
{
	__u32 b, k, crc;

	for (b = 0; b < 256; b++) {
		crc = b;
		for (k = 0; k < 8; k++)
			crc = (crc >> 1) ^ ((crc & 1) ? TP_CRC_POLYNOMIAL : 0);
		table[b] = crc;
	}
	for (b = 256; b < TP_CRC_TABLE; b++)
		table[b] = (table[b - 256] >> 8) ^ table[table[b - 256] & 0xff];
}
#endif

#endif
