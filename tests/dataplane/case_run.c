// SPDX-License-Identifier: MIT
/* How a case becomes tables and frames, and what is compared. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <turnpike/rows.h>
#include "cases.h"
#include "icmp.h"

#define BOUND		0x4001
#define BOUND2		0x4002
#define HOP_INDEX	3
#define LEASE_S		100000		/* ten million random frames take long */

static const uint8_t mac_own[6] = { 2, 0, 0, 0, 0, 1 }, mac_gateway[6] = { 2, 0, 0, 0, 0, 0x99 };
static const uint8_t mac_out[6] = { 2, 0, 0, 0, 0, 2 }, mac_next[6] = { 2, 0, 0, 0, 0, 0x77 };

/* client, server, relayed, peer; of another client; relayed ones from outside */
enum { CLIENT, SERVER, RELAYED, PEER, CLIENT2, RELAYED2, EXTERNAL, EXTERNAL2 };
static const char *const address4[] = { "192.0.2.10", "192.0.2.1", "192.0.2.2", "198.51.100.7",
					"192.0.2.99", "192.0.2.3", "203.0.113.2", "203.0.113.3" };
static const char *const address6[] = { "2001:db8:1::10", "2001:db8:2::1", "2001:db8:2::2",
					"2001:db8:ffff:1234:5678:9abc:def0:7", "2001:db8:1::99",
					"2001:db8:2::3", "2001:db8:e::2", "2001:db8:e::3" };
static const uint16_t ports[] = { 50000, 3478, 49152, 40000, 50001, 49153, 49152, 49153 };

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

static void set_peer(struct frame_spec *f, const struct tp_addr *peer)
{
	f->peer_family = peer->family;
	memcpy(f->peer, peer->ip, 16);
	f->peer_port = ntohs(peer->port);
}

static uint8_t mid_family(const struct dp_case *c)
{
	if (c->hairpin)
		return c->mid == 6 ? 6 : 4;
	return (c->to_client ? c->in : c->out) == 6 ? 6 : 4;
}

static void make_send(struct frame_spec *f, const struct dp_case *c)
{
	struct tp_addr peer = transport(mid_family(c), !c->hairpin ? PEER :
					c->alias ? EXTERNAL2 : RELAYED2);

	f->stun = 0x0016;
	memcpy(f->txid, "\x7a\x01\xffTransacti", 12);
	set_peer(f, &peer);
	f->data_first = c->data_first;
	f->dont_fragment = c->dont_fragment;
	f->software = c->software;
	f->extra = c->extra;
	f->fingerprint = c->fingerprint;
	f->padding = 0xd1;
}

/* Bytes between the UDP header and the data, and behind them. */
static size_t around(const struct dp_case *c)
{
	if (c->indication)
		return (mid_family(c) == 4 ? 36U : 48U) + (-(size_t)c->data_len & 3);
	return c->to_client || c->hairpin ? 4 : 0;
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
	if (!c->to_client && !c->send)
		f->channel = c->channel ? c->channel : BOUND;
	if (c->send)
		make_send(f, c);
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
	ip_len = (f->family == 4 ? 28U : 48U) + around(c) + c->data_len;
	f->df = in->family == 4 ? in->df : ip_len > 1260;
	if (c->hairpin && in->family == 6)
		f->df = 28U + c->data_len > 1260;
	/* RFC 8656 section 13.3 */
	if (in->family == 4)
		f->df |= c->dont_fragment;
	if (c->hairpin && mid_family(c) == 6)
		f->df = ip_len > 1260;
	f->no_check = in->no_check;
	f->check_error = in->check_error;
	f->channel = c->to_client ? BOUND : c->hairpin ? BOUND2 : 0;
	if (c->indication) {
		struct tp_addr peer = transport(mid_family(c), !c->hairpin ? PEER :
						c->alias ? EXTERNAL : RELAYED);

		f->channel = 0;
		f->stun = 0x0017;
		set_peer(f, &peer);
	}
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

static uint16_t hop_index(const struct dp_case *c)
{
	return c->hop == HOP_NONE ? 0 : c->hop == HOP_BEYOND ? 0xfffd :
	       c->hop == HOP_DAEMON ? TP_HOP_DAEMON : HOP_INDEX;
}

static struct row_spec *add_row(struct case_flow *flow, enum tp_row_kind kind)
{
	struct row_spec *row = &flow->more[flow->n_more++];

	row->kind = kind;
	row->expires_ns = world_now() + LEASE_S * 1000000000ULL;
	return row;
}

static void add_permission(const struct dp_case *c, struct case_flow *flow, struct tp_addr peer,
			   int relayed, int client)
{
	struct row_spec *row;

	if (c->no_permission)
		return;
	row = add_row(flow, TP_ROW_PERMISSION);
	peer.port = 0;
	row->channel = TP_KEY_PERMISSION;
	row->src = peer;
	row->dst = transport(peer.family, relayed);
	row->out_src = transport((client == CLIENT && !c->to_client ? c->in : c->out) == 6 ? 6 : 4,
				 SERVER);
	row->out_dst = transport(row->out_src.family, client);
	row->nexthop = client == CLIENT && !c->to_client ? 0 : hop_index(c);
	row->nexthop_up = c->hairpin ? TP_HOP_HERE : hop_index(c);
}

static void add_relayed(const struct dp_case *c, struct case_flow *flow, int who)
{
	struct row_spec *row;

	if (!c->relayed)
		return;
	row = add_row(flow, TP_ROW_RELAYED);
	row->channel = TP_KEY_RELAYED;
	row->src.family = mid_family(c);
	row->dst = row->out_src = row->out_dst = transport(row->src.family, who);
	row->nexthop = c->relayed == 2 ? TP_RELAYED_OPEN : 0;
}

static void add_alias(struct case_flow *flow, uint8_t family)
{
	struct row_spec *row = add_row(flow, TP_ROW_ALIAS);

	row->channel = TP_KEY_ALIAS;
	row->src = transport(family, EXTERNAL2);
	row->src.port = 0;
	row->dst.family = family;
	row->out_src = row->out_dst = transport(family, RELAYED2);
}

/* The rows of a Send indication from the client. */
static void detour_send(const struct dp_case *c, struct case_flow *flow)
{
	uint8_t mid = mid_family(c);
	struct tp_addr peer = transport(mid, !c->hairpin ? PEER : c->alias ? EXTERNAL2 : RELAYED2);

	flow->row.kind = TP_ROW_SEND;
	flow->row.channel = mid == 4 ? TP_KEY_SEND4 : TP_KEY_SEND6;
	flow->row.out_src = transport(mid, RELAYED);
	flow->row.out_dst = transport(mid, c->alias ? EXTERNAL : RELAYED);
	flow->row.nexthop = 0;
	add_permission(c, flow, peer, RELAYED, CLIENT);
	if (c->hairpin && c->alias)
		add_alias(flow, mid);
}

/* The rows that bring it to the other client. */
static const struct row_spec *detour_here(const struct dp_case *c, struct case_flow *flow)
{
	uint8_t mid = mid_family(c), out = c->out == 6 ? 6 : 4;
	struct tp_addr from = transport(mid, c->alias ? EXTERNAL : RELAYED);
	struct row_spec *row;

	if (!c->send) {
		flow->row.out_src = from;
		flow->row.out_dst = transport(mid, RELAYED2);
		flow->row.nexthop = TP_HOP_HERE;
	}
	add_relayed(c, flow, RELAYED2);
	if (c->indication) {
		add_permission(c, flow, from, RELAYED2, CLIENT2);
		flow->counted = !c->no_permission;
		return flow->counted ? &flow->more[flow->n_more - 1] : &flow->row;
	}
	row = add_row(flow, TP_ROW_TO_CLIENT);
	row->src = from;
	row->dst = transport(mid, RELAYED2);
	row->out_src = transport(out, SERVER);
	row->out_dst = transport(out, CLIENT2);
	row->out_channel = BOUND2;
	row->nexthop = hop_index(c);
	flow->counted = true;
	return row;
}

/* All rows of a case that one row does not say; the one whose addresses it leaves with. */
static const struct row_spec *detour(const struct dp_case *c, struct case_flow *flow)
{
	struct row_spec permission;

	if (c->send) {
		detour_send(c, flow);
		/* as the frame has to look that leaves for the peer */
		flow->leaves = flow->row;
		flow->leaves.out_dst = transport(mid_family(c), PEER);
	}
	if (c->hairpin)
		return detour_here(c, flow);
	if (c->send)
		return &flow->leaves;
	add_relayed(c, flow, RELAYED);
	if (!c->indication)
		return &flow->row;
	add_permission(c, flow, flow->row.src, RELAYED, CLIENT);
	flow->leaves = flow->row;
	if (c->channel_over)
		flow->row.expires_ns = world_now() - 1000000000;
	else if (c->no_permission)
		flow->row.src.port ^= 1;	/* another peer's channel */
	if (c->no_permission || c->channel_over) {
		flow->counted = !c->no_permission;
		return &flow->leaves;
	}
	/* there is no channel: the permission is the flow's row */
	permission = flow->more[--flow->n_more];
	permission.nexthop = flow->row.nexthop;
	permission.expires_ns = flow->row.expires_ns;
	flow->row = permission;
	return &flow->leaves;
}

void case_flow(const struct dp_case *c, struct case_flow *flow)
{
	uint8_t in = c->in == 6 ? 6 : 4, out = c->out == 6 ? 6 : 4;
	int64_t lease = c->lease_s ? c->lease_s : LEASE_S;
	struct row_spec *row = &flow->row;
	const struct row_spec *leaves;
	size_t ip_len;

	memset(flow, 0, sizeof(*flow));
	row->kind = c->to_client ? TP_ROW_TO_CLIENT : TP_ROW_TO_PEER;
	row->src = transport(in, c->to_client ? PEER : CLIENT);
	row->dst = transport(in, c->to_client ? RELAYED : SERVER);
	row->out_src = transport(out, c->to_client ? SERVER : RELAYED);
	row->out_dst = transport(out, c->to_client ? CLIENT : PEER);
	row->channel = c->to_client ? 0 : BOUND;
	row->out_channel = c->to_client ? BOUND : 0;
	row->nexthop = hop_index(c);
	row->expires_ns = world_now() + (uint64_t)(lease * 1000000000);
	leaves = row;
	if (c->send || c->indication || c->hairpin || c->relayed || c->channel_over)
		leaves = detour(c, flow);
	make_in(&flow->in, c, c->hairpin ? row : leaves);
	make_out(&flow->out, c, leaves, &flow->in);
	ip_len = (out == 4 ? 28U : 48U) + around(c) + c->data_len;
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
	if (world->headroom)
		world->tailroom = c->tailroom ? c->tailroom - 1 : 64;
	world->set_own_mac(world, mac_own);
	if (c->no_row)
		return 0;
	for (unsigned int i = 0; i < flow->n_more; i++)
		if (!rows_put(world->rows, &flow->more[i]))
			return 0;
	slot_1 = rows_put(world->rows, &flow->row);
	if (slot_1 && c->row_odd)
		row_of(world, flow->row.src.family, slot_1)->seq |= 1;
	return slot_1;
}

void case_clear(struct world *world, const struct case_flow *flow, uint32_t slot_1)
{
	struct tp_count count = { 0 };

	if (!slot_1)
		return;
	rows_del(world->rows, flow->row.src.family, slot_1, &count);
	for (unsigned int i = 0; i < flow->n_more; i++)
		rows_del(world->rows, flow->more[i].src.family,
			 rows_put(world->rows, &flow->more[i]), &count);
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
	const uint8_t *stun = ip + (flow->out.family == 4 ? 28 : 48);

	if (got->len < 14 + 4 * flow->out.vlans + 20U)
		return "no IP packet came out";
	if (flow->out.stun) {
		memcpy(flow->out.txid, stun + 8, 12);
		if (!memcmp(flow->out.txid, flow->in.txid, 12))
			return "transaction id is not random";
	}
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

/* The module's rows have no bytes: it counts those by allocation. */
static struct tp_count row_counted(struct world *world, const struct dp_case *c, uint8_t family,
				   uint32_t slot_1)
{
	struct tp_count count = { 0 };

	rows_count(world->rows, family, slot_1, &count);
	if (!world->stack)
		return count;
	count.packets += row_of(world, family, slot_1)->kmod_packets;
	count.bytes += count.packets * c->data_len;
	return count;
}

static bool check_counters(struct world *world, const struct dp_case *c,
			   const struct case_flow *flow, uint32_t slot_1, bool sent)
{
	const struct row_spec *row;
	struct tp_count count = { 0 };

	if (!slot_1)
		return true;
	count = row_counted(world, c, flow->row.src.family, slot_1);
	if (flow->row.kind == TP_ROW_TO_CLIENT && c->channel_over)
		count.packets += sent, count.bytes += sent ? c->data_len : 0U;
	if (count.packets != sent || count.bytes != (sent ? c->data_len : 0U))
		return fail(world, c->name, "the row's counters are wrong");
	if (!flow->counted)
		return true;
	row = &flow->more[flow->n_more - 1];
	count = row_counted(world, c, row->src.family, rows_put(world->rows, row));
	if (count.packets != sent || count.bytes != (sent ? c->data_len : 0U))
		return fail(world, c->name, "the other row's counters are wrong");
	return true;
}

/* What this host does with such frames otherwise, see world.h. */
static struct dp_case suited(const struct world *world, const struct dp_case *c)
{
	struct dp_case s = *c;

	if (!world->tells && s.reason == TP_R_TOO_BIG)
		s.reason = TP_R_MTU;
	else if (!world->tells && s.reason == TP_R_TIME_EXCEEDED)
		s.reason = TP_R_TTL;
	if (world->suited)
		world->suited(&s);
	if (!world->skb || world->stack)
		return s;
	if (c->vlans && c->reason <= TP_R_HAIRPIN)
		s.reason = TP_R_HEADROOM;
	return s;
}

static bool is_error(const struct dp_case *c)
{
	return c->reason == TP_R_TOO_BIG || c->reason == TP_R_TIME_EXCEEDED;
}

static bool check_error(const struct world *world, const struct dp_case *c,
			const struct frame *in, const struct frame *got)
{
	static struct frame want;

	icmp_build(&want, in, c->icmp_mtu);
	if (frame_equal(got, &want))
		return true;
	frame_print("want", &want);
	frame_print("got", got);
	return fail(world, c->name, "another ICMP error came out");
}

static enum world_verdict verdict_wanted(const struct world *world, const struct dp_case *c)
{
	if (c->reason == TP_R_MAX)
		return WORLD_GONE;
	if (c->reason <= TP_R_HAIRPIN)
		return c->hop == HOP_THERE || world->skb ? WORLD_REDIRECT : WORLD_TX;
	if (is_error(c))
		return WORLD_TX;
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
	if (world->stack)
		memcpy(flow.out.smac, mac_own, 6);
	frame_build(&in, &flow.in);
	if (c->twist)
		c->twist(&in);
	world_forgive(world, &in);
	slot_1 = case_put(world, c, &flow);
	if (!slot_1 && !c->no_row)
		return fail(world, c->name, "no room for the row");
	verdict = world->run(world, &in, &got, &reason);
	ok = reason == c->reason && verdict == wanted;
	if (!ok) {
		fprintf(stderr, "# reason %s, wanted %s; verdict %d, wanted %d\n", words[reason],
			words[c->reason], verdict, wanted);
		fail(world, c->name, "another reason or verdict");
	} else if (is_error(c)) {
		ok = check_error(world, c, &in, &got);
	} else if (wanted == WORLD_TX || wanted == WORLD_REDIRECT) {
		ok = check_sent(world, c, &flow, &got);
	} else if (wanted == WORLD_PASS && !frame_equal(&in, &got)) {
		ok = fail(world, c->name, "the frame that is passed up was changed");
	}
	ok = ok && check_counters(world, c, &flow, slot_1, reason <= TP_R_HAIRPIN);
	case_clear(world, &flow, slot_1);
	return ok;
}
