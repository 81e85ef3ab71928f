// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>
#include <zlib.h>
#include "frame.h"

void frame_put16(struct frame *f, size_t at, uint16_t value)
{
	f->b[at] = (uint8_t)(value >> 8);
	f->b[at + 1] = (uint8_t)value;
}

uint16_t frame_get16(const struct frame *f, size_t at)
{
	return (uint16_t)(f->b[at] << 8 | f->b[at + 1]);
}

/* RFC 1071, the slow and obvious way. */
static uint32_t add_bytes(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		sum += (i & 1) ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

static uint8_t version(const struct frame *f)
{
	return f->b[f->l3] >> 4;
}

/* Sum of pseudo header and datagram; 0xffff where the checksum in it is right. */
static uint32_t udp_sum(const struct frame *f)
{
	uint16_t len = frame_get16(f, f->l4 + 4);
	size_t at = f->l3 + (version(f) == 4 ? 12 : 8), n = version(f) == 4 ? 8 : 32;
	uint8_t tail[4] = { (uint8_t)(len >> 8), (uint8_t)len, 0, 17 };
	uint32_t sum = add_bytes(0, f->b + at, n);

	return add_bytes(add_bytes(sum, tail, 4), f->b + f->l4, len);
}

static void fill(struct frame *f, uint8_t from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		f->b[f->len++] = (uint8_t)(from + i % 15);
}

void frame_fix_ip(struct frame *f)
{
	if (version(f) != 4)
		return;
	frame_put16(f, f->l3 + 10, 0);
	frame_put16(f, f->l3 + 10, (uint16_t)~add_bytes(0, f->b + f->l3, 20));
}

static void build_eth(struct frame *f, const struct frame_spec *s)
{
	memcpy(f->b, s->dmac, 6);
	memcpy(f->b + 6, s->smac, 6);
	f->l3 = 14 + 4 * s->vlans;
	for (unsigned int i = 0; i < s->vlans; i++) {
		/* 802.1ad outside of 802.1Q */
		frame_put16(f, 12 + 4 * i, s->vlans == 2 && !i ? 0x88a8 : 0x8100);
		frame_put16(f, 14 + 4 * i, s->tci[i]);
	}
	frame_put16(f, f->l3 - 2, s->family == 4 ? 0x0800 : 0x86dd);
}

static void build_ip(struct frame *f, const struct frame_spec *s, size_t payload)
{
	uint8_t *ip = f->b + f->l3;

	if (s->family == 4) {
		ip[0] = 0x45;
		ip[1] = s->tos;
		frame_put16(f, f->l3 + 2, (uint16_t)(20 + payload));
		frame_put16(f, f->l3 + 4, s->id);
		frame_put16(f, f->l3 + 6, s->df ? 0x4000 : 0);
		ip[8] = s->ttl;
		ip[9] = 17;
		memcpy(ip + 12, s->src, 4);
		memcpy(ip + 16, s->dst, 4);
		f->l4 = f->l3 + 20;
		frame_fix_ip(f);
		return;
	}
	ip[0] = (uint8_t)(0x60 | s->tos >> 4);
	ip[1] = (uint8_t)(s->tos << 4 | s->flow_label >> 16);
	frame_put16(f, f->l3 + 2, (uint16_t)s->flow_label);
	frame_put16(f, f->l3 + 4, (uint16_t)payload);
	ip[6] = 17;
	ip[7] = s->ttl;
	memcpy(ip + 8, s->src, 16);
	memcpy(ip + 24, s->dst, 16);
	f->l4 = f->l3 + 40;
}

/* error added to a checksum, in ones-complement arithmetic, 0 written as 0xffff */
static uint16_t wrong_by(uint32_t check, uint16_t error)
{
	check += error;
	check = (check & 0xffff) + (check >> 16);
	return check ? (uint16_t)check : 0xffff;
}

static void put16(struct frame *f, uint16_t value)
{
	frame_put16(f, f->len, value);
	f->len += 2;
}

static void put_attr(struct frame *f, uint16_t type, const uint8_t *value, uint16_t len,
		     uint8_t padding)
{
	put16(f, type);
	put16(f, len);
	memcpy(f->b + f->len, value, len);
	f->len += len;
	for (; len % 4; len++)
		f->b[f->len++] = padding;
}

/* RFC 8489 section 14.2 */
static void put_peer(struct frame *f, const struct frame_spec *s)
{
	uint8_t mask[16] = { 0x21, 0x12, 0xa4, 0x42 }, value[20] = { 0 };
	uint16_t n = s->peer_family == 4 ? 4 : 16;

	memcpy(mask + 4, s->txid, 12);
	value[1] = s->peer_family == 4 ? 1 : 2;
	value[2] = (uint8_t)(s->peer_port >> 8) ^ mask[0];
	value[3] = (uint8_t)s->peer_port ^ mask[1];
	for (uint16_t i = 0; i < n; i++)
		value[4 + i] = s->peer[i] ^ mask[i];
	put_attr(f, 0x0012, value, (uint16_t)(4 + n), 0);
}

static void put_stun(struct frame *f, const struct frame_spec *s)
{
	size_t at = f->len;

	put16(f, s->stun);
	f->len += 2;
	memcpy(f->b + f->len, "\x21\x12\xa4\x42", 4);
	memcpy(f->b + f->len + 4, s->txid, 12);
	f->len += 16;
	if (!s->data_first)
		put_peer(f, s);
	if (s->extra)
		put_attr(f, s->extra, s->txid, 4, 0);
	if (s->dont_fragment)
		put_attr(f, 0x001a, s->txid, 0, 0);
	put_attr(f, 0x0013, s->data, s->data_len, s->padding);
	if (s->data_first)
		put_peer(f, s);
	if (s->software)
		put_attr(f, 0x8022, s->data, s->software, s->padding);
	frame_put16(f, at + 2, (uint16_t)(f->len - at - 20 + (s->fingerprint ? 8 : 0)));
	if (s->fingerprint) {
		uint32_t crc = (uint32_t)crc32(0, f->b + at, (uInt)(f->len - at)) ^ 0x5354554e;
		uint8_t value[4] = { (uint8_t)(crc >> 24), (uint8_t)(crc >> 16),
				     (uint8_t)(crc >> 8), (uint8_t)crc };

		put_attr(f, 0x8028, value, 4, 0);
	}
}

bool frame_is_data(const struct frame *f)
{
	return f->len >= f->l4 + 8 + 36 && frame_get16(f, f->l4 + 8) == 0x0017 &&
	       !memcmp(f->b + f->l4 + 12, "\x21\x12\xa4\x42", 4);
}

void frame_set_txid(struct frame *f, const uint8_t txid[12])
{
	uint8_t *old = f->b + f->l4 + 16, *ip = f->b + f->l4 + 8 + 32;
	uint32_t before = udp_sum(f), after;

	for (int i = 0; i < 12; i++) {
		if (f->b[f->l4 + 8 + 25] == 2)
			ip[i] ^= old[i] ^ txid[i];
		old[i] = txid[i];
	}
	if (!frame_get16(f, f->l4 + 6))
		return;
	/* wrong by as much as before */
	frame_put16(f, f->l4 + 6, 0);
	after = udp_sum(f);
	frame_put16(f, f->l4 + 6, wrong_by((uint16_t)~after, (uint16_t)(before % 0xffff)));
}

static void build_headers(struct frame *f, const struct frame_spec *s)
{
	size_t udp, at;

	build_eth(f, s);
	f->len = at = f->l4 = f->l3 + (s->family == 4 ? 28U : 48U);
	if (s->channel) {
		put16(f, s->channel);
		put16(f, s->data_len);
	}
	if (s->stun) {
		put_stun(f, s);
	} else {
		memcpy(f->b + f->len, s->data, s->data_len);
		f->len += s->data_len;
	}
	fill(f, 0xa1, s->pad);
	udp = 8 + f->len - at;
	build_ip(f, s, udp + s->surplus);
	frame_put16(f, f->l4, s->sport);
	frame_put16(f, f->l4 + 2, s->dport);
	frame_put16(f, f->l4 + 4, (uint16_t)udp);
}

void frame_build(struct frame *f, const struct frame_spec *s)
{
	memset(f, 0, sizeof(*f));
	build_headers(f, s);
	if (!s->no_check)
		frame_put16(f, f->l4 + 6, wrong_by((uint16_t)~udp_sum(f), s->check_error));
	fill(f, 0xb1, s->surplus);
	fill(f, 0xc1, s->trailer);
}

const char *frame_fault(const struct frame *f, uint16_t error)
{
	uint16_t udp = frame_get16(f, f->l4 + 4), check = frame_get16(f, f->l4 + 6);
	uint16_t ip_len = frame_get16(f, f->l3 + 2);
	uint32_t sum;

	if (f->len < f->l4 + 8)
		return "frame too short";
	if (version(f) == 6)
		ip_len = (uint16_t)(frame_get16(f, f->l3 + 4) + 40);
	else if (add_bytes(0, f->b + f->l3, 20) != 0xffff)
		return "IPv4 header checksum";
	if (f->l3 + ip_len != f->len || f->l4 + udp != f->len)
		return "lengths of IP, UDP and frame differ";
	if (!check)
		return version(f) == 4 ? NULL : "UDP checksum 0 over IPv6";
	sum = udp_sum(f);
	/* what is 0xffff without an error is wrong by just as much with one */
	return sum % 0xffff == error % 0xffff ? NULL : "UDP checksum";
}

bool frame_equal(const struct frame *a, const struct frame *b)
{
	return a->len == b->len && !memcmp(a->b, b->b, a->len);
}

void frame_print(const char *what, const struct frame *f)
{
	fprintf(stderr, "# %s, %zu bytes:", what, f->len);
	for (size_t i = 0; i < f->len && i < 160; i++)
		fprintf(stderr, "%s%02x", i % 16 ? " " : "\n#   ", f->b[i]);
	fprintf(stderr, "\n");
}
