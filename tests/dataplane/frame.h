/* SPDX-License-Identifier: MIT */
/*
 * Frames for the tests of the data paths: built from a description and checked,
 * with checksum code of their own that shares nothing with checksum.h.
 */
#ifndef TP_TEST_FRAME_H
#define TP_TEST_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_MAX	5200

struct frame {
	uint8_t b[FRAME_MAX];
	size_t len;
	size_t l3, l4;		/* offsets of the IP and the UDP header */
};

/* Numbers in host order; addresses as in a packet, IPv4 in the first 4 bytes. */
struct frame_spec {
	uint8_t dmac[6], smac[6];
	unsigned int vlans;		/* 0, 1, 2 */
	uint16_t tci[2];
	uint8_t family;			/* 4, 6 */
	uint8_t src[16], dst[16];
	uint16_t sport, dport;
	uint8_t ttl, tos;
	bool df;
	uint16_t id;
	uint32_t flow_label;
	bool no_check;			/* UDP checksum 0 */
	uint16_t check_error;		/* by how much the UDP checksum is wrong */
	uint16_t channel;		/* 0: no ChannelData header */
	uint16_t stun;			/* type of the STUN message around the data; 0: none */
	uint8_t txid[12];
	uint8_t peer_family, peer[16];	/* XOR-PEER-ADDRESS */
	uint16_t peer_port;
	bool data_first;		/* DATA before XOR-PEER-ADDRESS */
	bool dont_fragment;
	uint16_t software;		/* bytes of SOFTWARE at the end */
	uint16_t extra;			/* type of an attribute of 4 bytes between the two */
	bool fingerprint;		/* at the very end */
	uint8_t padding;		/* what attributes are padded with */
	uint8_t data[FRAME_MAX];
	uint16_t data_len;
	uint16_t pad;			/* bytes 0xa1.. behind the data, in the datagram */
	uint16_t surplus;		/* bytes 0xb1.. behind the datagram, in the packet */
	uint16_t trailer;		/* bytes 0xc1.. behind the packet, in the frame */
};

void frame_build(struct frame *f, const struct frame_spec *spec);
void frame_put16(struct frame *f, size_t at, uint16_t value);
uint16_t frame_get16(const struct frame *f, size_t at);
/* IPv4 header checksum (sets it right) after a change of the header. */
void frame_fix_ip(struct frame *f);
/* NULL where the frame is plain UDP with right lengths and checksums, else what is
 * wrong. error is by how much the UDP checksum has to be wrong. */
const char *frame_fault(const struct frame *f, uint16_t error);
bool frame_equal(const struct frame *a, const struct frame *b);
/* Give a Data indication this transaction id, everything else staying true. */
void frame_set_txid(struct frame *f, const uint8_t txid[12]);
bool frame_is_data(const struct frame *f);
/* Hex on stderr, for a failed test. */
void frame_print(const char *what, const struct frame *f);

#endif
