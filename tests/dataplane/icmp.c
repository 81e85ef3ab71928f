// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>
#include "icmp.h"

/* RFC 1071 over what a checksum field of 0 is in. */
static uint16_t check_of(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += (i & 1) ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* RFC 792, RFC 1191 section 4 */
static void build4(struct frame *f, const struct frame *in, size_t quoted, unsigned int mtu)
{
	uint8_t *ip = f->b + f->l3;

	ip[0] = 0x45;
	ip[1] = 0xc0;
	frame_put16(f, f->l3 + 2, (uint16_t)(28 + quoted));
	frame_put16(f, f->l3 + 6, 0x4000);
	ip[8] = 64;
	ip[9] = 1;
	memcpy(ip + 12, in->b + in->l3 + 16, 4);
	memcpy(ip + 16, in->b + in->l3 + 12, 4);
	frame_fix_ip(f);
	ip[20] = mtu ? 3 : 11;
	ip[21] = mtu ? 4 : 0;
	frame_put16(f, f->l4 + 6, (uint16_t)mtu);
	frame_put16(f, f->l4 + 2, check_of(0, f->b + f->l4, 8 + quoted));
}

/* RFC 4443 sections 2.3, 3.2 and 3.3 */
static void build6(struct frame *f, const struct frame *in, size_t quoted, unsigned int mtu)
{
	uint8_t *ip = f->b + f->l3;
	uint32_t pseudo = (uint32_t)(8 + quoted + 58);

	ip[0] = 0x60;
	frame_put16(f, f->l3 + 4, (uint16_t)(8 + quoted));
	ip[6] = 58;
	ip[7] = 64;
	memcpy(ip + 8, in->b + in->l3 + 24, 16);
	memcpy(ip + 24, in->b + in->l3 + 8, 16);
	ip[40] = mtu ? 2 : 3;
	frame_put16(f, f->l4 + 6, (uint16_t)mtu);
	for (size_t i = 8; i < 40; i += 2)
		pseudo += frame_get16(f, f->l3 + i);
	frame_put16(f, f->l4 + 2, check_of(pseudo, f->b + f->l4, 8 + quoted));
}

void icmp_build(struct frame *f, const struct frame *in, unsigned int mtu)
{
	bool six = in->b[in->l3] >> 4 == 6;
	size_t head = six ? 48 : 28, most = (six ? 1280 : 576) - head;
	size_t len = six ? frame_get16(in, in->l3 + 4) + 40U : frame_get16(in, in->l3 + 2);
	size_t quoted = (len < most ? len : most) & ~(size_t)3;

	memset(f, 0, sizeof(*f));
	memcpy(f->b, in->b + 6, 6);
	memcpy(f->b + 6, in->b, 6);
	memcpy(f->b + 12, in->b + 12, in->l3 - 12);
	f->l3 = in->l3;
	f->l4 = in->l3 + head - 8;
	f->len = f->l3 + head + quoted;
	memcpy(f->b + f->l3 + head, in->b + in->l3, quoted);
	(six ? build6 : build4)(f, in, quoted, mtu);
}

/* ---------------------------------------------------------------------- MTU */

struct way {
	const char *name;
	bool send, to_client, indication, hairpin;
};

/* IP and UDP headers, and what is between them and the data. */
static unsigned int size_of(uint8_t family, unsigned int around, unsigned int data)
{
	return (family == 4 ? 28 : 48) + around + data;
}

/* Bytes around the data of what leaves, as in the frames of case_run.c. */
static unsigned int put_around(const struct dp_case *c, unsigned int data)
{
	uint8_t mid = c->hairpin ? c->mid : c->in;

	if (c->indication)
		return (mid == 4 ? 36 : 48) + (-data & 3);
	return c->to_client || c->hairpin ? 4 : 0;
}

static unsigned int taken_around(const struct dp_case *c)
{
	uint8_t mid = c->hairpin ? c->mid : c->out;

	if (c->send)
		return mid == 4 ? 36 : 48;
	return c->to_client ? 0 : 4;
}

/* A datagram with so many bytes of data by this way; what it is answered with, or 0. */
static unsigned int told(struct world *world, const struct dp_case *c, unsigned int mtu,
			 enum tp_reason *reason)
{
	static struct frame in, got, want;
	static struct case_flow flow;
	unsigned int says = 0;
	uint32_t slot_1;

	case_flow(c, &flow);
	flow.hop.mtu = (uint16_t)mtu;
	frame_build(&in, &flow.in);
	world_forgive(world, &in);
	slot_1 = case_put(world, c, &flow);
	world->run(world, &in, &got, reason);
	if (*reason == TP_R_TOO_BIG) {
		says = frame_get16(&got, in.l3 + (flow.in.family == 4 ? 26 : 46));
		icmp_build(&want, &in, says);
		if (!frame_equal(&got, &want)) {
			frame_print("want", &want);
			frame_print("got", &got);
			says = 1;
		}
	}
	case_clear(world, &flow, slot_1);
	return says;
}

static bool is_relayed(enum tp_reason reason)
{
	return reason <= TP_R_HAIRPIN;
}

/* What sizes leave is worked out here from the RFCs, and what is told must be the most that
 * fits of those; peers are told of room for a Data indication instead. */
static bool one_mtu(struct world *world, struct dp_case c, unsigned int mtu)
{
	unsigned int data = 1, most, says, wants;
	enum tp_reason reason = TP_R_MAX;
	bool fits, answered;

	while (size_of(c.out, put_around(&c, data + 1), data + 1) <= mtu)
		data++;
	most = size_of(c.in, taken_around(&c), data);
	wants = c.to_client ? (mtu - 48 - (c.out == 4 ? 20 : 40) + (c.in == 4 ? 20 : 40)) & ~3U : most;
	answered = wants >= (c.in == 4 ? 68 : 1280);
	c.data_len = (uint16_t)data;
	says = told(world, &c, mtu, &reason);
	fits = is_relayed(reason) && !says;
	c.data_len = (uint16_t)(data + 1);
	says = told(world, &c, mtu, &reason);
	if (fits && answered && says == wants && wants <= most)
		return true;
	if (fits && !answered && reason == TP_R_MTU)
		return true;
	fprintf(stderr, "# %s, %s, in %u, mid %u, out %u, MTU %u: fits %d, says %u, wants %u, "
		"reason %d\n", world->name, c.name, c.in, c.mid, c.out, mtu, fits, says, wants,
		reason);
	return false;
}

bool icmp_mtu_run(struct world *world)
{
	static const struct way ways[] = {
		{ .name = "channel to peer" },
		{ .name = "peer to channel", .to_client = true },
		{ .name = "Send to peer", .send = true },
		{ .name = "peer by Data", .to_client = true, .indication = true },
		{ .name = "channel to channel", .hairpin = true },
		{ .name = "channel to Data", .hairpin = true, .indication = true },
		{ .name = "Send to channel", .hairpin = true, .send = true },
		{ .name = "Send to Data", .hairpin = true, .send = true, .indication = true },
	};
	static const unsigned int mtus[] = { 68 + 64, 576, 1279, 1280, 1281, 1332, 1499, 1500 };
	bool ok = true;

	for (unsigned int n = 0; n < 8 * 8 * 8; n++) {
		const struct way *w = &ways[n / 8 % 8];
		struct dp_case c = { .name = w->name, .send = w->send, .to_client = w->to_client,
				     .indication = w->indication, .hairpin = w->hairpin,
				     .in = n & 1 ? 6 : 4, .out = n & 2 ? 6 : 4,
				     .mid = n & 4 ? 6 : 4, .df = true };

		ok &= one_mtu(world, c, mtus[n / 64]);
	}
	return ok;
}

/* -------------------------------------------------------------------- limit */

/* Above the rate a packet is what it was before: passed up, or dropped. */
static bool limit(struct world *world, struct dp_case c, enum tp_reason answered,
		  enum tp_reason beyond)
{
	unsigned int n = 0, other = 0;
	static struct frame in, got;
	static struct case_flow flow;
	enum tp_reason reason;
	uint32_t slot_1;

	case_flow(&c, &flow);
	frame_build(&in, &flow.in);
	world_forgive(world, &in);
	slot_1 = case_put(world, &c, &flow);
	for (unsigned int i = 0; i < 60; i++) {
		world->run(world, &in, &got, &reason);
		n += reason == answered;
		other += reason != answered && reason != beyond;
		if (reason == TP_R_MTU && !frame_equal(&in, &got))
			other++;
	}
	case_clear(world, &flow, slot_1);
	/* a slow machine may take seconds */
	if (n >= 10 && n < 50 && !other)
		return true;
	fprintf(stderr, "# %s: %s, in %u: %u answered, %u otherwise\n", world->name, c.name, c.in,
		n, other);
	return false;
}

bool icmp_limit_run(struct world *world)
{
	bool ok = true;

	for (unsigned int i = 0; i < 2; i++) {
		struct dp_case big = { .name = "rate of too big", .in = i ? 6 : 4, .out = i ? 6 : 4,
				       .data_len = 1400, .mtu_less = 1, .df = true };
		struct dp_case ttl = { .name = "rate of time exceeded", .in = i ? 6 : 4, .ttl = 1 };

		ok &= limit(world, big, TP_R_TOO_BIG, TP_R_MTU);
		ok &= limit(world, ttl, TP_R_TIME_EXCEEDED, TP_R_TTL);
	}
	return ok;
}
