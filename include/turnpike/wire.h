/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * STUN (RFC 8489), TURN (RFC 8656) and ChannelData as they are on the wire.
 * Shared by the XDP program, the kernel module and the daemon; all multi-byte
 * fields are big-endian, as everywhere in these protocols.
 */
#ifndef TURNPIKE_WIRE_H
#define TURNPIKE_WIRE_H

#include <linux/types.h>

/*
 * RFC 8489 section 5, the STUN header:
 *
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |0 0|     STUN Message Type     |         Message Length        |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                         Magic Cookie                          |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                     Transaction ID (96 bits)                  |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
#define TP_STUN_HDR_LEN		20
#define TP_STUN_COOKIE		0x2112A442U
#define TP_STUN_TXID_LEN	12
#define TP_STUN_ATTR_HDR_LEN	4

struct tp_stun_hdr {
	__be16 type;		/* top two bits zero */
	__be16 length;		/* bytes after this header, a multiple of 4 */
	__be32 cookie;		/* TP_STUN_COOKIE */
	__u8   txid[TP_STUN_TXID_LEN];
};

struct tp_stun_attr {
	__be16 type;
	__be16 length;		/* of the value, without padding to 4 */
};

/* First two bytes of Send and Data indications (RFC 8656 section 17), and what is in them
 * (section 18, RFC 8489 section 18.3). */
#define TP_STUN_BINDING		0x0001
#define TP_STUN_SEND		0x0016
#define TP_STUN_DATA		0x0017
#define TP_ATTR_PEER		0x0012	/* XOR-PEER-ADDRESS */
#define TP_ATTR_DATA		0x0013
#define TP_ATTR_DF		0x001A	/* DONT-FRAGMENT */
#define TP_ATTR_SOFTWARE	0x8022
#define TP_ATTR_FINGERPRINT	0x8028

/*
 * RFC 8656 section 12.4, the ChannelData message:
 *
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |         Channel Number        |            Length             |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                       Application Data ...                    |
 */
#define TP_CHANNEL_HDR_LEN	4

struct tp_channel_hdr {
	__be16 number;
	__be16 length;		/* of the application data, bytes */
};

/*
 * RFC 8656 section 12: 0x4000 to 0x4FFF are channel numbers. RFC 5766 allowed
 * up to 0x7FFF; with rfc5766-channel-numbers turnpike does too.
 */
#define TP_CHANNEL_MIN		0x4000
#define TP_CHANNEL_MAX		0x4FFF
#define TP_CHANNEL_MAX_5766	0x7FFF

#endif
