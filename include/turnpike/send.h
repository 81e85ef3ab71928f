/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Send indications of the usual form (RFC 8656 section 11.1): XOR-PEER-ADDRESS and
 * DATA in either order, perhaps DONT-FRAGMENT, SOFTWARE and FINGERPRINT. All else, also
 * what is malformed, is the daemon's.
 */
#ifndef TURNPIKE_SEND_H
#define TURNPIKE_SEND_H

#include <linux/types.h>
#include <turnpike/checksum.h>
#include <turnpike/crc.h>
#include <turnpike/host.h>
#include <turnpike/packet.h>
#include <turnpike/tables.h>
#include <turnpike/wire.h>
#include <turnpike/word.h>

#define TP_SEND_ATTRS	5
/* Longest message whose FINGERPRINT is checked here. */
#define TP_SEND_CRC_MAX	2048
/* Bytes before the data and, with padding, behind them: what the checksum costs. */
#define TP_SEND_AROUND	128

struct tp_send {
	__u8   family;		/* of the peer; 0: not seen yet */
	__u8   df;		/* DONT-FRAGMENT */
	__u16  port;		/* network byte order */
	__u32  before;		/* the DATA attribute's value begins here in the message */
	__u32  len;		/* of that value */
	__u32  fingerprint;	/* where that attribute begins, 0: there is none */
	__u32  ip[4];
};

/* A place in the frame. The BPF verifier follows a pointer that is masked after the
 * compiler has lost sight of the number. */
TP_INLINE __u8 *tp_place(struct tp_host *host, __u32 offset)
{
	__asm__ __volatile__("" : "+r"(offset));
	return tp_host_data(host) + (offset & 0x7fff);
}

/* RFC 8489 section 14.2; message is the offset of the STUN header in the frame. */
TP_INLINE int tp_send_peer(struct tp_host *host, __u32 message, const __u8 *value, __u32 len,
			   struct tp_send *send)
{
	const __u8 *end = tp_host_end(host), *mask = tp_place(host, message);
	int i;

	if (send->family || value + 8 > end || mask + TP_STUN_HDR_LEN > end)
		return 0;
	send->port = tp_load16(value + 2) ^ TP_N16(TP_STUN_COOKIE >> 16);
	send->ip[0] = tp_load32(value + 4) ^ TP_N32(TP_STUN_COOKIE);
	if (value[1] == 1 && len == 8) {
		send->family = 4;
		return 1;
	}
	if (value[1] != 2 || len != 20 || value + 20 > end)
		return 0;
	send->family = 6;
	for (i = 1; i < 4; i++)
		send->ip[i] = tp_load32(value + 4 + 4 * i) ^ tp_load32(mask + 4 + 4 * i);
	return 1;
}

/* One attribute; 0: not of the usual form. offset is where its value is in the message. */
TP_INLINE int tp_send_attr(struct tp_host *host, __u32 message, __u32 offset,
			   __u32 type, __u32 len, struct tp_send *send)
{
	switch (type) {
	case TP_ATTR_PEER:
		return tp_send_peer(host, message, tp_place(host, message + offset), len, send);
	case TP_ATTR_DATA:
		if (send->before)
			return 0;
		send->before = offset;
		send->len = len;
		return 1;
	case TP_ATTR_DF:
		send->df = 1;
		return !len;
	case TP_ATTR_FINGERPRINT:
		/* the last one: seen by its place at the end */
		send->fingerprint = offset - TP_STUN_ATTR_HDR_LEN;
		return len == 4;
	default:
		return type == TP_ATTR_SOFTWARE;
	}
}

/* Is the FINGERPRINT at this offset of the message true? Both are multiples of 4. */
TP_INLINE int tp_send_true(struct tp_host *host, __u32 message, __u32 bytes)
{
	const __u8 *at = tp_place(host, message), *end = tp_host_end(host);
	__u32 crc = 0xffffffff, i;

	for (i = 0; i < TP_SEND_CRC_MAX && i < bytes; i += 4) {
		if (at + 4 > end)
			return 0;
		/* the first byte in the low bits */
		crc ^= __builtin_bswap32(TP_N32(tp_load32(at)));
		crc = tp_host_crc(host, 768 + (crc & 0xff)) ^
		      tp_host_crc(host, 512 + ((crc >> 8) & 0xff)) ^
		      tp_host_crc(host, 256 + ((crc >> 16) & 0xff)) ^ tp_host_crc(host, crc >> 24);
		at += 4;
	}
	if (i != bytes || at + TP_STUN_ATTR_HDR_LEN + 4 > end)
		return 0;
	return TP_N32(tp_load32(at + TP_STUN_ATTR_HDR_LEN)) == (~crc ^ TP_CRC_XOR);
}

/* 1: of the usual form, and this is in it. */
TP_APART int tp_send_parse(struct tp_host *host, const struct tp_flow *flow,
			   struct tp_send *send)
{
	__u32 message = flow->headers, total = flow->udp_len - (__u32)sizeof(struct tp_udp_hdr);
	__u32 offset = TP_STUN_HDR_LEN, type, len;
	const __u8 *end = tp_host_end(host), *at = tp_place(host, message);
	int i;

	__builtin_memset(send, 0, sizeof(*send));
	if (at + TP_STUN_HDR_LEN > end || total > TP_DATA_MAX || total < TP_STUN_HDR_LEN ||
	    (total & 3) ||
	    TP_N16(tp_load16(at + 2)) != total - TP_STUN_HDR_LEN)
		return 0;
	for (i = 0; i < TP_SEND_ATTRS && offset < total; i++) {
		at = tp_place(host, message + offset);
		if (at + TP_STUN_ATTR_HDR_LEN > end)
			return 0;
		type = TP_N16(tp_load16(at));
		len = TP_N16(tp_load16(at + 2));
		offset += TP_STUN_ATTR_HDR_LEN;
		if (offset + len > total || !tp_send_attr(host, message, offset, type, len, send))
			return 0;
		offset += (len + 3) & ~3U;
	}
	if (offset != total || !send->before || !send->family || !send->port)
		return 0;
	if (send->fingerprint && (send->fingerprint + TP_STUN_ATTR_HDR_LEN + 4 != total ||
				  !tp_send_true(host, message, send->fingerprint)))
		return 0;
	return send->before <= TP_SEND_AROUND &&
	       total - send->before - send->len <= TP_SEND_AROUND;
}

/* The sum of words from a place in the frame on; bytes is a multiple of 4. */
TP_INLINE __u64 tp_sum_at(struct tp_host *host, __u32 offset, __u32 bytes)
{
	const __u8 *end = tp_host_end(host), *at = tp_place(host, offset);
	__u64 sum = 0;
	__u32 i;

	for (i = 0; i < TP_SEND_AROUND; i += 4) {
		if (i >= bytes || at + 4 > end)
			break;
		sum += tp_load32(at);
		at += 4;
	}
	return sum;
}

/* What the bytes after the data add to the UDP sum: fewer than 4, then words. */
TP_INLINE __u64 tp_pad_sum(const __u8 *at, const __u8 *end, __u32 pad, __u32 offset)
{
	__u64 sum = 0;
	__u32 i;

	for (i = 0; i < TP_PAD_MAX; i++) {
		if (i >= pad || at + 1 > end)
			break;
		sum += tp_csum_byte(*at, offset + i);
		at++;
	}
	return sum;
}

/*
 * What is taken away around the data: header, attributes, padding, and their part of both
 * length fields. start is the first byte's offset in the frame. All data that this server
 * relays lie at an even offset, and so keep their sum.
 */
TP_APART __u64 tp_around_sum(struct tp_host *host, __u32 start, __u32 before, __u32 len,
			     __u32 after)
{
	__u32 pad = after < (-len & 3) ? after : (-len & 3), tail = start + before + len;
	__u64 sum;

	sum = tp_sum_at(host, start, before);
	sum += tp_pad_sum(tp_place(host, tail), tp_host_end(host), pad, len);
	sum += tp_sum_at(host, tail + pad, after - pad);
	return sum + TP_N16((__u16)(2 * (before + after)));
}

#endif
