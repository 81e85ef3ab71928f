// SPDX-License-Identifier: MIT
/* How a case becomes tables and frames, and what is compared. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <turnpike/rows.h>
#include "cases.h"

#define BOUND		0x4001
#define HOP_INDEX	3

static const uint8_t mac_own[6] = { 2, 0, 0, 0, 0, 1 }, mac_gateway[6] = { 2, 0, 0, 0, 0, 0x99 };
static const uint8_t mac_out[6] = { 2, 0, 0, 0, 0, 2 }, mac_next[6] = { 2, 0, 0, 0, 0, 0x77 };

/* client, server, relayed, peer */
enum { CLIENT, SERVER, RELAYED, PEER };
static const char *const address4[] = { "192.0.2.10", "192.0.2.1", "192.0.2.2", "198.51.100.7" };
static const char *const address6[] = { "2001:db8:1::10", "2001:db8:2::1", "2001:db8:2::2",
					"2001:db8:ffff:1234:5678:9abc:def0:7" };
static const uint16_t ports[] = { 50000, 3478, 49152, 40000 };

static struct tp_addr transport(uint8_t family, int who)
{
	struct tp_addr a = { .family = family, .port = htons(ports[who]) };

	inet_pton(family == 4 ? AF_INET : AF_INET6,
		  family == 4 ? address4[who] : address6[who], a.ip);
	return a;
}

static void set_addresses(struct frame_spec *f, const struct tp_addr *src,
			  const struct tp_addr *dst)
{
	f->family = src->family;
	memcpy(f->src, src->ip, 16);
	memcpy(f->dst, dst->ip, 16);
	f->sport = ntohs(src->port);
	f->dport = ntohs(dst->port);
}

static void make_data(struct frame_spec *f, const struct dp_case *c)
{
	f->data_len = c->data_len;
	for (unsigned int i = 0; i < c->data_len; i++)
		f->data[i] = (uint8_t)(i * 37 + 11);
	if (c->data)
		memcpy(f->data, c->data, c->data_len < 4 ? c->data_len : 4);
}

static void make_in(struct frame_spec *f, const struct dp_case *c, const struct row_spec *row)
{
	memset(f, 0, sizeof(*f));
	memcpy(f->dmac, mac_own, 6);
	memcpy(f->smac, mac_gateway, 6);
	set_addresses(f, &row->src, &row->dst);
	make_data(f, c);
	f->vlans = c->vlans;
	f->tci[0] = f->tci[1] = c->tci ? c->tci : 0x0064;
	f->ttl = c->ttl ? c->ttl : 64;
	f->tos = c->tos ? c->tos : 0xb9;
	f->df = c->df;
	f->id = 0xbeef;
	f->flow_label = 0x12345;
	f->no_check = c->no_check && f->family == 4;
	f->check_error = c->check_error;
	if (!c->to_client)
		f->channel = c->channel ? c->channel : BOUND;
	f->pad = c->pad;
	f->surplus = c->surplus;
	f->trailer = c->trailer;
}

/* RFC 8656 sections 13 and 14: what the packet has to look like that leaves. */
static void make_out(struct frame_spec *f, const struct dp_case *c, const struct row_spec *row,
		     const struct frame_spec *in)
{
	size_t ip_len;

	memset(f, 0, sizeof(*f));
	memcpy(f->dmac, mac_next, 6);
	memcpy(f->smac, mac_out, 6);
	set_addresses(f, &row->out_src, &row->out_dst);
	make_data(f, c);
	f->vlans = c->vlan_out;
	f->tci[0] = 0x0123;
	f->ttl = (uint8_t)(in->ttl - 1);
	f->tos = in->tos;
	ip_len = (f->family == 4 ? 28U : 48U) + (c->to_client ? 4U : 0U) + c->data_len;
	f->df = in->family == 4 ? in->df : ip_len > 1260;
	f->no_check = in->no_check;
	f->check_error = in->check_error;
	f->channel = c->to_client ? BOUND : 0;
}

static uint32_t hop_ifindex(const struct world *world, enum case_hop hop)
{
	switch (hop) {
	case HOP_THERE:
		return world->there;
	case HOP_ELSEWHERE:
		return world->elsewhere;
	case HOP_UNKNOWN:
		return 0;
	default:
		return WORLD_HERE;
	}
}

void case_flow(const struct dp_case *c, struct case_flow *flow)
{
	uint8_t in = c->in == 6 ? 6 : 4, out = c->out == 6 ? 6 : 4;
	int64_t lease = c->lease_s ? c->lease_s : 1000;
	struct row_spec *row = &flow->row;
	size_t ip_len;

	memset(flow, 0, sizeof(*flow));
	row->kind = c->to_client ? TP_ROW_TO_CLIENT : TP_ROW_TO_PEER;
	row->src = transport(in, c->to_client ? PEER : CLIENT);
	row->dst = transport(in, c->to_client ? RELAYED : SERVER);
	row->out_src = transport(out, c->to_client ? SERVER : RELAYED);
	row->out_dst = transport(out, c->to_client ? CLIENT : PEER);
	row->channel = c->to_client ? 0 : BOUND;
	row->out_channel = c->to_client ? BOUND : 0;
	row->nexthop = c->hop == HOP_NONE ? 0 : c->hop == HOP_BEYOND ? 0xfffe : HOP_INDEX;
	row->expires_ns = world_now() + (uint64_t)(lease * 1000000000);
	make_in(&flow->in, c, row);
	make_out(&flow->out, c, row, &flow->in);
	ip_len = (out == 4 ? 28U : 48U) + (c->to_client ? 4U : 0U) + c->data_len;
	flow->hop.mtu = c->mtu_less ? (uint16_t)(ip_len - (size_t)c->mtu_less) : 1500;
	flow->hop.poke = c->poke;
	flow->hop.vlan_tci = c->vlan_out ? htons(0x0123) : 0;
	memcpy(flow->hop.dmac, mac_next, 6);
	memcpy(flow->hop.smac, mac_out, 6);
}

static struct tp_row *row_of(struct world *world, uint8_t family, uint32_t slot_1)
{
	return family == 4 ? &world->tables.rows4[slot_1 - 1].row :
			     &world->tables.rows6[slot_1 - 1].row;
}

uint32_t case_put(struct world *world, const struct dp_case *c, const struct case_flow *flow)
{
	struct tp_nexthop *hop = &world->tables.nexthops[HOP_INDEX];
	uint32_t slot_1 = 0;

	*hop = flow->hop;
	hop->ifindex = hop_ifindex(world, c->hop);
	hop->seq = c->hop_odd;
	if (world->headroom)
		world->headroom = c->headroom ? c->headroom : 256;
	world->set_own_mac(world, mac_own);
	if (c->no_row)
		return 0;
	slot_1 = rows_put(world->rows, &flow->row);
	if (slot_1 && c->row_odd)
		row_of(world, flow->row.src.family, slot_1)->seq |= 1;
	return slot_1;
}

void case_clear(struct world *world, const struct case_flow *flow, uint32_t slot_1)
{
	struct tp_count count = { 0 };

	if (slot_1)
		rows_del(world->rows, flow->row.src.family, slot_1, &count);
}

static bool fail(const struct world *world, const char *name, const char *what)
{
	fprintf(stderr, "# %s: %s: %s\n", world->name, name, what);
	return false;
}

/* Identification and flow label are the data path's choice: taken from what came
 * out, once it is clear that they are not copies (RFC 8656 sections 13.2, 14). */
static const char *take_choices(const struct frame *got, struct case_flow *flow)
{
	const uint8_t *ip = got->b + 14 + 4 * flow->out.vlans;

	if (got->len < 14 + 4 * flow->out.vlans + 20U)
		return "no IP packet came out";
	if (flow->out.family == 4) {
		flow->out.id = (uint16_t)(ip[4] << 8 | ip[5]);
		return flow->out.id == flow->in.id ? "identification was copied" : NULL;
	}
	flow->out.flow_label = (ip[1] & 0xfU) << 16 | (uint32_t)ip[2] << 8 | ip[3];
	return flow->out.flow_label == flow->in.flow_label ? "flow label was copied" : NULL;
}

static bool check_sent(const struct world *world, const struct dp_case *c, struct case_flow *flow,
		       const struct frame *got)
{
	const char *fault = take_choices(got, flow);
	static struct frame want, parsed;

	if (fault)
		return fail(world, c->name, fault);
	frame_build(&want, &flow->out);
	if (!frame_equal(got, &want)) {
		frame_print("want", &want);
		frame_print("got", got);
		return fail(world, c->name, "another packet came out");
	}
	parsed = *got;
	parsed.l3 = want.l3;
	parsed.l4 = want.l4;
	fault = frame_fault(&parsed, c->no_check ? 0 : c->check_error);
	return fault ? fail(world, c->name, fault) : true;
}

static bool check_counters(struct world *world, const struct dp_case *c,
			   const struct case_flow *flow, uint32_t slot_1, bool sent)
{
	struct tp_count count = { 0 };

	if (!slot_1)
		return true;
	rows_count(world->rows, flow->row.src.family, slot_1, &count);
	if (count.packets != sent || count.bytes != (sent ? c->data_len : 0U))
		return fail(world, c->name, "the row's counters are wrong");
	return true;
}

/* What this host does with such frames otherwise, see world.h. */
static struct dp_case suited(const struct world *world, const struct dp_case *c)
{
	struct dp_case s = *c;

	if (!world->skb)
		return s;
	if (c->vlans && (c->reason == TP_R_TO_PEER || c->reason == TP_R_TO_CLIENT))
		s.reason = TP_R_HEADROOM;
	return s;
}

static enum world_verdict verdict_wanted(const struct world *world, const struct dp_case *c)
{
	if (c->reason == TP_R_TO_PEER || c->reason == TP_R_TO_CLIENT)
		return c->hop == HOP_THERE || world->skb ? WORLD_REDIRECT : WORLD_TX;
	return c->reason >= TP_R_BAD_FRAME && c->reason <= TP_R_REWRITE ? WORLD_DROP : WORLD_PASS;
}

bool case_run(struct world *world, const struct dp_case *given)
{
	const struct dp_case suitable = suited(world, given), *c = &suitable;
	static const char *const words[] = {
#define WORD(id, word, text) word,
		TP_REASONS(WORD)
#undef WORD
		"none",
	};
	static struct frame in, got;
	static struct case_flow flow;
	enum world_verdict verdict, wanted = verdict_wanted(world, c);
	enum tp_reason reason = TP_R_MAX;
	uint32_t slot_1;
	bool ok;

	case_flow(c, &flow);
	if (world->skb)
		flow.out.vlans = 0;
	frame_build(&in, &flow.in);
	if (c->twist)
		c->twist(&in);
	slot_1 = case_put(world, c, &flow);
	if (!slot_1 && !c->no_row)
		return fail(world, c->name, "no room for the row");
	verdict = world->run(world, &in, &got, &reason);
	ok = reason == c->reason && verdict == wanted;
	if (!ok) {
		fprintf(stderr, "# reason %s, wanted %s; verdict %d, wanted %d\n", words[reason],
			words[c->reason], verdict, wanted);
		fail(world, c->name, "another reason or verdict");
	} else if (wanted == WORLD_TX || wanted == WORLD_REDIRECT) {
		ok = check_sent(world, c, &flow, &got);
	} else if (wanted == WORLD_PASS && !frame_equal(&in, &got)) {
		ok = fail(world, c->name, "the frame that is passed up was changed");
	}
	ok = ok && check_counters(world, c, &flow, slot_1, TP_R_MAX != reason &&
				  (wanted == WORLD_TX || wanted == WORLD_REDIRECT));
	case_clear(world, &flow, slot_1);
	return ok;
}
