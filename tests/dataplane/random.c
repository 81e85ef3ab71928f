// SPDX-License-Identifier: MIT
#include <string.h>
#include "listener.h"
#include "random.h"

/* xorshift64*, so that a seed means the same everywhere */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dU;
}

static unsigned int below(uint64_t *r, unsigned int n)
{
	return (unsigned int)(next_random(r) >> 33) % n;
}

/* Everything that is no channel to a peer elsewhere, by three families. */
static void choose_detour(struct dp_case *c, unsigned int i)
{
	unsigned int way = i / 8;

	c->in = i & 1 ? 6 : 4;
	c->out = i & 2 ? 6 : 4;
	c->mid = i & 4 ? 6 : 4;
	c->vlan_out = i % 3 == 0;
	c->relayed = (uint16_t)(i % 3);
	c->send = way == 0 || way >= 4;
	c->to_client = way == 1;
	c->hairpin = way >= 2;
	c->indication = way & 1;
	c->alias = i % 5 == 0;
	c->no_permission = i % 11 == 7;
}

static bool put_both(struct random_flows *f, unsigned int i, struct world *user, struct world *xdp)
{
	f->slot_1[0][i] = case_put(user, &f->c[i], &f->flow[i]);
	f->slot_1[1][i] = case_put(xdp, &f->c[i], &f->flow[i]);
	return f->slot_1[0][i] && f->slot_1[0][i] == f->slot_1[1][i];
}

/* Each client has a port of its own; the relayed addresses they share. */
static bool make_detours(struct random_flows *f, struct world *user, struct world *xdp)
{
	for (unsigned int i = RANDOM_PLAIN; i < RANDOM_FLOWS; i++) {
		struct case_flow *flow = &f->flow[i];

		choose_detour(&f->c[i], i - RANDOM_PLAIN);
		case_flow(&f->c[i], flow);
		if (!f->c[i].to_client) {
			flow->in.sport = (uint16_t)(0x2000 + i);
			flow->row.src.port = (uint16_t)((0x2000 + i) >> 8 | (0x2000 + i) << 8);
		}
		if (!put_both(f, i, user, xdp))
			return false;
	}
	return true;
}

/* All directions, three ways out (but for a host whose ways are the kernel's), with and
 * without tag; one lease in eight is over. */
bool random_flows_make(struct random_flows *f, struct world *user, struct world *kernel)
{
	for (unsigned int i = 0; i < RANDOM_PLAIN; i++) {
		struct dp_case *c = &f->c[i];
		struct case_flow *flow = &f->flow[i];

		c->to_client = i & 1;
		c->in = i & 2 ? 6 : 4;
		c->out = i & 4 ? 6 : 4;
		c->vlan_out = i % 3 == 0;
		c->lease_s = i % 8 == 5 ? -1 : 0;
		case_flow(c, flow);
		flow->row.src.port = (uint16_t)(0x1000 + i);
		flow->in.sport = (uint16_t)((0x1000 + i) >> 8 | (0x1000 + i) << 8);
		if (!kernel->stack)
			flow->row.nexthop = (uint16_t)(i % 5);	/* 0, 1, 4: not there */
		if (!put_both(f, i, user, kernel))
			return false;
	}
	/* the tc program leaves listeners to the daemon */
	for (unsigned int i = 0; i < 4 && !kernel->skb; i++) {
		static const struct listener_case plain = { .name = "plain" };

		if (!listener_put(i & 1 ? kernel : user, i & 2 ? 4 : 6, &plain, 0))
			return false;
	}
	user->tables.nexthops[2] = kernel->tables.nexthops[2] = user->tables.nexthops[3];
	user->tables.nexthops[2].ifindex = user->there;
	kernel->tables.nexthops[2].ifindex = kernel->there;
	user->tables.nexthops[2].vlan_tci = kernel->tables.nexthops[2].vlan_tci = 0;
	return make_detours(f, user, kernel);
}

static void vary(struct frame_spec *s, uint64_t *r)
{
	s->data_len = (uint16_t)below(r, below(r, 8) ? 64 : 1600);
	for (unsigned int i = 0; i < s->data_len; i++)
		s->data[i] = (uint8_t)next_random(r);
	s->vlans = below(r, 4) ? 0 : below(r, 3);
	s->tci[0] = (uint16_t)next_random(r);
	s->tci[1] = (uint16_t)next_random(r);
	s->ttl = below(r, 8) ? 64 : (uint8_t)below(r, 4);
	s->tos = (uint8_t)next_random(r);
	s->df = below(r, 2);
	s->no_check = s->family == 4 && !below(r, 4);
	s->check_error = below(r, 4) ? 0 : (uint16_t)next_random(r);
	s->pad = s->channel && !below(r, 2) ? (uint16_t)below(r, 6) : 0;
	if (s->stun) {
		s->data_first = below(r, 2);
		s->dont_fragment = !below(r, 4);
		s->fingerprint = below(r, 2);
		s->software = below(r, 2) ? 0 : (uint16_t)below(r, 40);
		s->pad = below(r, 16) ? 0 : (uint16_t)below(r, 9);
	}
	s->surplus = below(r, 4) ? 0 : (uint16_t)below(r, 40);
	s->trailer = below(r, 4) ? 0 : (uint16_t)below(r, 40);
}

/* Damage: bits anywhere, or bytes in the headers; another length. */
static void damage(struct frame *f, uint64_t *r)
{
	unsigned int n = below(r, 4);
	bool fix = below(r, 2);

	for (unsigned int i = 0; i < n; i++) {
		size_t at = below(r, (unsigned int)f->len);

		if (below(r, 2))
			at = below(r, below(r, 2) ? 70 : 130) % f->len;
		if (below(r, 2))
			f->b[at] = (uint8_t)next_random(r);
		else
			f->b[at] ^= (uint8_t)(1U << below(r, 8));
	}
	/* so that damage of an IPv4 header gets past its checksum */
	if (fix && f->len >= f->l3 + 20)
		frame_fix_ip(f);
	if (!below(r, 6))
		f->len = 14 + below(r, (unsigned int)f->len - 13);
	else if (!below(r, 6))
		f->len += below(r, 64);
}

/* To the listener: requests near to what is answered in place. */
static void make_stun(struct frame_spec *s, uint64_t *r)
{
	static const uint16_t types[] = { 1, 1, 1, 3, 0x11, 0x101, 0x111 };
	static uint8_t value[64];
	struct stun_writer w;

	listener_request(s, below(r, 2) ? 4 : 6, types[below(r, 7)], NULL);
	w = (struct stun_writer){ .buf = s->data, .cap = 512, .len = s->data_len };
	for (unsigned int n = below(r, 6); n > 0; n--)
		stun_put(&w, below(r, 8) ? 0x8022 : (uint16_t)next_random(r), value, below(r, 40));
	if (below(r, 2))
		stun_put_fingerprint(&w);
	s->data_len = (uint16_t)w.len;
	s->vlans = below(r, 3);
	s->no_check = s->family == 4 && !below(r, 8);
	s->check_error = below(r, 8) ? 0 : (uint16_t)next_random(r);
	s->trailer = (uint16_t)below(r, 8);
}

void random_frame(struct frame *f, const struct random_flows *flows, uint64_t *r)
{
	static struct frame_spec s;

	if (!below(r, 16)) {
		memset(f, 0, sizeof(*f));
		f->len = 14 + below(r, 200);
		for (size_t i = 0; i < f->len; i++)
			f->b[i] = (uint8_t)next_random(r);
		frame_put16(f, 12, below(r, 2) ? 0x0800 : 0x86dd);
		f->b[14] = below(r, 2) ? 0x45 : 0x60;
		return;
	}
	if (!below(r, 8)) {
		make_stun(&s, r);
	} else {
		s = flows->flow[below(r, RANDOM_FLOWS)].in;
		vary(&s, r);
	}
	frame_build(f, &s);
	if (below(r, 2))
		damage(f, r);
}

void random_forget_txid(struct frame *f)
{
	static const uint8_t none[12];
	size_t at = 12;

	while (frame_get16(f, at) == 0x8100)
		at += 4;
	f->l3 = at + 2;
	f->l4 = f->l3 + (frame_get16(f, at) == 0x0800 ? 20U : 40U);
	if (frame_is_data(f))
		frame_set_txid(f, none);
}
