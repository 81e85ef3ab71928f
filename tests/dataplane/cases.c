// SPDX-License-Identifier: MIT
/* The table itself; how a case is run is in case_run.c. */
#include <string.h>
#include "cases.h"

static void put_type(struct frame *f, uint16_t type)
{
	frame_put16(f, 12, type);
}

static void arp(struct frame *f) { put_type(f, 0x0806); }
static void lldp(struct frame *f) { put_type(f, 0x88cc); }
static void mpls(struct frame *f) { put_type(f, 0x8847); }
static void pppoe(struct frame *f) { put_type(f, 0x8864); }
static void unknown_type(struct frame *f) { put_type(f, 0x9999); }
static void llc(struct frame *f) { put_type(f, 0x0100); }
static void three_tags(struct frame *f) { frame_put16(f, 20, 0x8100); }

static void other_dmac(struct frame *f) { f->b[5] ^= 0x40; }
static void broadcast_dmac(struct frame *f) { memset(f->b, 0xff, 6); }
static void multicast_dmac(struct frame *f) { memcpy(f->b, "\x01\x00\x5e\x00\x00\x01", 6); }
static void multicast_smac(struct frame *f) { f->b[6] |= 1; }
static void zero_smac(struct frame *f) { memset(f->b + 6, 0, 6); }
static void own_smac(struct frame *f) { memcpy(f->b + 6, f->b, 6); }

static void set_version(struct frame *f, uint8_t version)
{
	f->b[f->l3] = (uint8_t)((f->b[f->l3] & 0xf) | version << 4);
	frame_fix_ip(f);
}

static void set_ihl(struct frame *f, uint8_t words)
{
	f->b[f->l3] = (uint8_t)(0x40 | words);
	frame_fix_ip(f);
}

static void version4(struct frame *f) { set_version(f, 4); }
static void version6(struct frame *f) { set_version(f, 6); }
static void ihl0(struct frame *f) { set_ihl(f, 0); }
static void ihl4(struct frame *f) { set_ihl(f, 4); }
static void ihl6(struct frame *f) { set_ihl(f, 6); }
static void ihl15(struct frame *f) { set_ihl(f, 15); }

static void set_ip_len(struct frame *f, size_t len)
{
	frame_put16(f, f->l3 + 2, (uint16_t)len);
	frame_fix_ip(f);
}

static void ip_len19(struct frame *f) { set_ip_len(f, 19); }
static void ip_len27(struct frame *f) { set_ip_len(f, 27); }
static void ip_len_over(struct frame *f) { set_ip_len(f, f->len - f->l3 + 1); }
static void ip_len_max(struct frame *f) { set_ip_len(f, 0xffff); }
static void bad_ip_check(struct frame *f) { f->b[f->l3 + 10] ^= 0x10; }

static void set_frag(struct frame *f, uint16_t frag)
{
	frame_put16(f, f->l3 + 6, frag);
	frame_fix_ip(f);
}

static void frag_first(struct frame *f) { set_frag(f, 0x2000); }
static void frag_middle(struct frame *f) { set_frag(f, 0x20b9); }
static void frag_last(struct frame *f) { set_frag(f, 0x00b9); }
static void frag_df(struct frame *f) { set_frag(f, 0x40b9); }

static void set_ttl(struct frame *f, uint8_t ttl)
{
	f->b[f->l3 + ((f->b[f->l3] >> 4) == 4 ? 8 : 7)] = ttl;
	frame_fix_ip(f);
}

static void ttl0(struct frame *f) { set_ttl(f, 0); }

static void set_proto(struct frame *f, uint8_t proto)
{
	f->b[f->l3 + ((f->b[f->l3] >> 4) == 4 ? 9 : 6)] = proto;
	frame_fix_ip(f);
}

static void tcp(struct frame *f) { set_proto(f, 6); }
static void icmp(struct frame *f) { set_proto(f, 1); }
static void udplite(struct frame *f) { set_proto(f, 136); }
static void hop_by_hop(struct frame *f) { set_proto(f, 0); }
static void dest_options(struct frame *f) { set_proto(f, 60); }
static void auth_header(struct frame *f) { set_proto(f, 51); }
static void esp(struct frame *f) { set_proto(f, 50); }
static void no_next(struct frame *f) { set_proto(f, 59); }
static void frag_header(struct frame *f) { set_proto(f, 44); }

static void routing(struct frame *f, uint8_t type)
{
	set_proto(f, 43);
	f->b[f->l4] = 17;
	f->b[f->l4 + 1] = 0;
	f->b[f->l4 + 2] = type;
}

static void routing0(struct frame *f) { routing(f, 0); }
static void routing2(struct frame *f) { routing(f, 2); }
static void payload0(struct frame *f) { frame_put16(f, f->l3 + 4, 0); }

static void payload_over(struct frame *f)
{
	frame_put16(f, f->l3 + 4, (uint16_t)(f->len - f->l4 + 1));
}

static void jumbogram(struct frame *f)
{
	payload0(f);
	set_proto(f, 0);
}

static void set_source(struct frame *f, const char *ip)
{
	bool v4 = f->b[f->l3] >> 4 == 4;

	memcpy(f->b + f->l3 + (v4 ? 12 : 8), ip, v4 ? 4 : 16);
	frame_fix_ip(f);
}

static void from_loopback(struct frame *f) { set_source(f, "\x7f\0\0\1"); }
static void from_multicast(struct frame *f) { set_source(f, "\xe0\0\0\1"); }
static void from_broadcast(struct frame *f) { set_source(f, "\xff\xff\xff\xff"); }
static void from_zero(struct frame *f) { set_source(f, "\0\0\0\0"); }
static void from_class_e(struct frame *f) { set_source(f, "\xf0\0\0\1"); }
static void from_loopback6(struct frame *f) { set_source(f, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"); }
static void from_any6(struct frame *f) { set_source(f, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"); }
static void from_mapped(struct frame *f) { set_source(f, "\0\0\0\0\0\0\0\0\0\0\xff\xff\1\2\3\4"); }

static void from_multicast6(struct frame *f)
{
	set_source(f, "\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1");
}

static void land(struct frame *f)
{
	bool v4 = f->b[f->l3] >> 4 == 4;

	memcpy(f->b + f->l4, f->b + f->l4 + 2, 2);
	set_source(f, (const char *)f->b + f->l3 + (v4 ? 16 : 24));
}

static void udp_len7(struct frame *f) { frame_put16(f, f->l4 + 4, 7); }
static void udp_len0(struct frame *f) { frame_put16(f, f->l4 + 4, 0); }

static void udp_len_over(struct frame *f)
{
	frame_put16(f, f->l4 + 4, (uint16_t)(f->len - f->l4 + 1));
}

static void check0(struct frame *f) { frame_put16(f, f->l4 + 6, 0); }
static void sport0(struct frame *f) { frame_put16(f, f->l4, 0); }
static void sport53(struct frame *f) { frame_put16(f, f->l4, 53); }
static void dport0(struct frame *f) { frame_put16(f, f->l4 + 2, 0); }
static void dport53(struct frame *f) { frame_put16(f, f->l4 + 2, 53); }
static void other_server(struct frame *f) { f->b[f->l3 + 19] ^= 1; frame_fix_ip(f); }

static void length_by_1(struct frame *f)
{
	frame_put16(f, f->l4 + 10, (uint16_t)(f->len - f->l4 - 11));
}

static void length_max(struct frame *f) { frame_put16(f, f->l4 + 10, 65000); }

/* The ChannelData length covers one byte less: a byte of padding that the sum has in it. */
static void length_short(struct frame *f)
{
	frame_put16(f, f->l4 + 10, (uint16_t)(f->len - f->l4 - 12 - 4));
}

/* A Send indication to an IPv4 peer of 42 bytes, whose peer is at 20 and whose DATA at 32. */
static uint8_t *send_at(struct frame *f, size_t at) { return f->b + f->l4 + 8 + at; }
static void no_peer(struct frame *f) { memcpy(send_at(f, 20), "\x80\x22", 2); }
static void no_data(struct frame *f) { memcpy(send_at(f, 32), "\x80\x22", 2); }
static void two_peers(struct frame *f) { memcpy(send_at(f, 32), "\0\x12", 2); }
static void two_data(struct frame *f) { memcpy(send_at(f, 20), "\0\x13", 2); }
static void peer_family3(struct frame *f) { *send_at(f, 25) = 3; }
static void peer_long(struct frame *f) { *send_at(f, 23) = 20; }
static void peer_port0(struct frame *f) { memcpy(send_at(f, 26), "\x21\x12", 2); }
static void stun_short(struct frame *f) { *send_at(f, 3) -= 4; }
static void stun_long(struct frame *f) { *send_at(f, 3) += 4; }
static void stun_odd(struct frame *f) { *send_at(f, 3) += 1; }
static void data_long(struct frame *f) { *send_at(f, 35) += 4; }
static void data_max(struct frame *f) { memcpy(send_at(f, 34), "\xff\xff", 2); }
static void data_swallows(struct frame *f) { *send_at(f, 23) += 14; }
static void fingerprint_off(struct frame *f) { f->b[f->len - 2] ^= 0x20; }
static void data_damaged(struct frame *f) { *send_at(f, 40) ^= 1; }
static void bad_cookie(struct frame *f) { *send_at(f, 7) ^= 1; }
static void send_request(struct frame *f) { *send_at(f, 1) = 6; }

/* IPv6, of whatever address: the client has no relayed address of that family. */
static void peer_family(struct frame *f)
{
	uint8_t *peer = send_at(f, 20);

	memmove(peer + 24, peer + 12, 4);
	peer[3] = 20;
	peer[5] = 2;
	peer[27] -= 12;		/* DATA is 12 bytes later, its value 12 shorter */
}

#define TO_CLIENT	.to_client = true, .reason = TP_R_TO_CLIENT
#define BIG(r)		.data_len = 1473, .reason = TP_R_##r
#define TOO_BIG(m)	BIG(TOO_BIG), .icmp_mtu = m
#define FAULT(r)	.data_len = 40, .reason = TP_R_##r

#define SEND(r)		.send = true, .data_len = 42, .reason = TP_R_##r
#define DATA_LEN(r, n)	.to_client = true, .indication = true, .data_len = n, .reason = TP_R_##r
#define DATA(r)		.to_client = true, .indication = true, .data_len = 40, .reason = TP_R_##r
#define HAIRPIN		.hairpin = true, .reason = TP_R_HAIRPIN

const struct dp_case dp_cases[] = {
	/* plain, and what the next hop and the lease decide */
	{ "to peer", .reason = TP_R_TO_PEER, .data_len = 160 },
	{ "to client", TO_CLIENT, .data_len = 160 },
	{ "to peer by another interface", .reason = TP_R_TO_PEER, .hop = HOP_THERE, .data_len = 9 },
	{ "to client by another interface", TO_CLIENT, .hop = HOP_THERE, .data_len = 9 },
	{ "interface not ours", FAULT(NO_NEXTHOP), .hop = HOP_ELSEWHERE },
	{ "next hop not known yet", FAULT(NO_NEXTHOP), .hop = HOP_UNKNOWN },
	{ "no next hop", FAULT(NO_NEXTHOP), .hop = HOP_NONE },
	{ "next hop beyond the table", FAULT(NO_NEXTHOP), .hop = HOP_BEYOND },
	{ "next hop being written", FAULT(BUSY), .hop_odd = true },
	{ "row being written", FAULT(BUSY), .row_odd = true },
	{ "poked", FAULT(POKE), .poke = true },
	{ "poked, to client by another interface", FAULT(POKE), .to_client = true, .poke = true,
	  .hop = HOP_THERE },
	{ "poked, next hop not known", FAULT(NO_NEXTHOP), .poke = true, .hop = HOP_UNKNOWN },
	{ "poked, answered", FAULT(TIME_EXCEEDED), .poke = true, .ttl = 1 },
	{ "poked, too large", FAULT(MTU), .poke = true, .mtu_less = 1 },
	{ "lease over", FAULT(EXPIRED), .lease_s = -1 },
	{ "lease over, to client", FAULT(EXPIRED), .to_client = true, .lease_s = -1 },
	{ "lease over, IPv6", FAULT(EXPIRED), .in = 6, .out = 6, .lease_s = -1 },
	{ "largest for the next hop", .reason = TP_R_TO_PEER, .data_len = 1472 },
	{ "N23 one byte too large", FAULT(MTU), .mtu_less = 1 },
	{ "N23 4 to 6 grows past the MTU", .reason = TP_R_MTU, .out = 6, .data_len = 1453 },
	{ "4 to 6 up to the MTU", .reason = TP_R_TO_PEER, .out = 6, .data_len = 1452 },
	{ "N23 wrap grows past the MTU", .reason = TP_R_MTU, .to_client = true, .data_len = 1469 },
	{ "wrap up to the MTU", TO_CLIENT, .data_len = 1468 },
	{ "N23 too big, DF", TOO_BIG(1504), .df = true },
	{ "N23 too big, no DF but IPv6 behind", BIG(MTU), .out = 6 },
	{ "N23 too big, DF, 4 to 6", TOO_BIG(1484), .out = 6, .df = true },
	{ "N23 too big, IPv6", TOO_BIG(1504), .in = 6, .out = 6 },
	{ "N23 too big, 6 to 4", TOO_BIG(1524), .in = 6 },
	{ "N23 too big, padded", TOO_BIG(1504), .df = true, .pad = 3 },
	{ "N23 too big, tagged", TOO_BIG(1504), .df = true, .vlans = 1 },
	{ "N23 too big, tagged twice, IPv6", TOO_BIG(1504), .in = 6, .out = 6, .vlans = 2 },
	{ "N23 too big, bytes behind", TOO_BIG(1504), .df = true, .surplus = 9, .trailer = 7 },
	{ "N23 too big, checksum wrong", TOO_BIG(1504), .df = true, .check_error = 0x1234 },
	{ "N23 too big, no checksum", TOO_BIG(1504), .df = true, .no_check = true },
	{ "N23 too big, to the client", TOO_BIG(1452), .df = true, .to_client = true },
	{ "N23 too big, out by another interface", TOO_BIG(1504), .df = true, .hop = HOP_THERE },
	{ "N23 too big, to another station", BIG(OTHER_MAC), .df = true,
	  .twist = other_dmac },
	{ "N23 too big, IPv6 below 1280", FAULT(MTU), .in = 6, .out = 6, .mtu_less = 1 },
	{ "N23 too big, no room for the error", BIG(MTU), .df = true, .headroom = 27 },
	{ "N23 too big, just room for the error", TOO_BIG(1504), .df = true, .headroom = 28 },
	{ "N30 no room for the header", FAULT(HEADROOM), .to_client = true, .headroom = 3 },
	{ "N30 just room enough", TO_CLIENT, .headroom = 28, .data_len = 1, .out = 6,
	  .vlan_out = true },

	/* N2, N35: not ours */
	{ "N2 ARP", FAULT(NOT_UDP), .twist = arp },
	{ "N2 LLDP", FAULT(NOT_UDP), .twist = lldp },
	{ "N2 MPLS", FAULT(NOT_UDP), .twist = mpls },
	{ "N2 PPPoE", FAULT(NOT_UDP), .twist = pppoe },
	{ "N2 unknown ethertype", FAULT(NOT_UDP), .twist = unknown_type },
	{ "N35 802.3 length", FAULT(NOT_UDP), .twist = llc },
	{ "TCP", FAULT(NOT_UDP), .twist = tcp },
	{ "ICMP", FAULT(NOT_UDP), .twist = icmp },
	{ "UDP-Lite", FAULT(NOT_UDP), .twist = udplite },
	{ "TCP over IPv6", FAULT(NOT_UDP), .in = 6, .twist = tcp },

	/* N3: VLAN */
	{ "N3 priority tag", .reason = TP_R_TO_PEER, .vlans = 1, .tci = 0x6000, .data_len = 40 },
	{ "N3 QinQ", .reason = TP_R_TO_PEER, .vlans = 2, .data_len = 40 },
	{ "N3 three tags", FAULT(NOT_UDP), .vlans = 2, .twist = three_tags },

	/* N4 to N6: addresses of stations */
	{ "N4 to another station", FAULT(OTHER_MAC), .twist = other_dmac },
	{ "N5 broadcast", FAULT(OTHER_MAC), .twist = broadcast_dmac },
	{ "N5 multicast", FAULT(OTHER_MAC), .twist = multicast_dmac },
	{ "N6 from multicast", FAULT(BAD_FRAME), .twist = multicast_smac },
	{ "N6 from zero", FAULT(BAD_FRAME), .twist = zero_smac },
	{ "N6 from own address", FAULT(BAD_FRAME), .twist = own_smac },
	{ "N6 not our flow", FAULT(NO_ROW), .no_row = true, .twist = zero_smac },

	/* N7 to N11: IPv4 header */
	{ "N7 version 6 in IPv4", FAULT(BAD_FRAME), .twist = version6 },
	{ "N7 version 4 in IPv6", FAULT(BAD_FRAME), .in = 6, .twist = version4 },
	{ "N7 IHL 0", FAULT(BAD_FRAME), .twist = ihl0 },
	{ "N7 IHL 4", FAULT(BAD_FRAME), .twist = ihl4 },
	{ "N7 IHL 6", FAULT(OPTIONS), .twist = ihl6 },
	{ "N7 IHL 15", FAULT(OPTIONS), .twist = ihl15 },
	{ "N8 length below the header", FAULT(BAD_FRAME), .twist = ip_len19 },
	{ "N8 length below a UDP header", FAULT(BAD_FRAME), .twist = ip_len27 },
	{ "N8 length past the frame", FAULT(BAD_FRAME), .twist = ip_len_over },
	{ "N8 length 65535", FAULT(BAD_FRAME), .twist = ip_len_max },
	{ "N8 frame longer", .reason = TP_R_TO_PEER, .data_len = 40, .trailer = 7 },
	{ "N9 wrong header checksum", FAULT(BAD_FRAME), .twist = bad_ip_check },
	{ "N9 not our flow", FAULT(NO_ROW), .no_row = true, .twist = bad_ip_check },
	{ "N10 first fragment", FAULT(FRAGMENT), .twist = frag_first },
	{ "N10 middle fragment like ChannelData", FAULT(FRAGMENT), .twist = frag_middle },
	{ "N10 last fragment like ChannelData", FAULT(FRAGMENT), .twist = frag_last },
	{ "N10 fragment with DF", FAULT(FRAGMENT), .twist = frag_df },
	{ "N10 fragment to client", FAULT(FRAGMENT), .to_client = true, .twist = frag_last },
	{ "N11 TTL 0", FAULT(TIME_EXCEEDED), .twist = ttl0 },
	{ "N11 TTL 1", FAULT(TIME_EXCEEDED), .ttl = 1 },
	{ "N11 TTL 1, no room for the answer", FAULT(TTL), .ttl = 1, .headroom = 27 },
	{ "N11 TTL 1, tagged, to the client", FAULT(TIME_EXCEEDED), .ttl = 1, .vlans = 1,
	  .to_client = true },
	{ "N11 TTL 1, 6 to 4", FAULT(TIME_EXCEEDED), .ttl = 1, .in = 6 },
	{ "N11 TTL 1 and too big", BIG(TIME_EXCEEDED), .ttl = 1, .df = true },
	{ "N11 TTL 2", .reason = TP_R_TO_PEER, .ttl = 2, .data_len = 40 },
	{ "N11 TTL 255", .reason = TP_R_TO_PEER, .ttl = 255, .data_len = 40 },
	{ "N11 hop limit 0", FAULT(TIME_EXCEEDED), .in = 6, .twist = ttl0 },
	{ "N11 hop limit 1", FAULT(TIME_EXCEEDED), .in = 6, .out = 6, .ttl = 1 },
	{ "N11 hop limit 2", TO_CLIENT, .in = 6, .out = 6, .ttl = 2, .data_len = 40 },

	/* N12, N18, N19: sources and ports that cannot be */
	{ "N12 from 127.0.0.1", FAULT(BAD_FRAME), .twist = from_loopback },
	{ "N12 from multicast", FAULT(BAD_FRAME), .twist = from_multicast },
	{ "N12 from broadcast", FAULT(BAD_FRAME), .twist = from_broadcast },
	{ "N12 from 0.0.0.0, as DHCP is", FAULT(NO_ROW), .twist = from_zero },
	{ "N12 from 240.0.0.1", FAULT(NO_ROW), .twist = from_class_e },
	{ "N12 from ::1", FAULT(BAD_FRAME), .in = 6, .twist = from_loopback6 },
	{ "N12 from ::", FAULT(NO_ROW), .in = 6, .twist = from_any6 },
	{ "N12 from ::ffff:1.2.3.4", FAULT(BAD_FRAME), .in = 6, .twist = from_mapped },
	{ "N12 from ff02::1", FAULT(BAD_FRAME), .in = 6, .twist = from_multicast6 },
	{ "N18 from port 0", FAULT(NO_ROW), .twist = sport0 },
	{ "N18 from port 53", FAULT(NO_ROW), .twist = sport53 },
	{ "N18 to port 0", FAULT(BAD_FRAME), .twist = dport0 },
	{ "N19 LAND", FAULT(BAD_FRAME), .twist = land },
	{ "N19 LAND over IPv6", FAULT(BAD_FRAME), .in = 6, .twist = land },
	{ "N32 other port", FAULT(NO_ROW), .twist = dport53 },
	{ "N32 other address", FAULT(NO_ROW), .twist = other_server },

	/* N13 to N17: UDP */
	{ "N13 UDP length 7", FAULT(BAD_FRAME), .twist = udp_len7 },
	{ "N13 UDP length 0", FAULT(BAD_FRAME), .twist = udp_len0 },
	{ "N13 UDP length past the packet", FAULT(BAD_FRAME), .twist = udp_len_over },
	{ "N13 UDP length past the packet, padded", FAULT(BAD_FRAME), .trailer = 9,
	  .twist = udp_len_over },
	{ "N13 surplus area", .reason = TP_R_TO_PEER, .data_len = 33, .surplus = 5 },
	{ "N13 surplus area, to client", TO_CLIENT, .in = 6, .data_len = 33, .surplus = 50 },
	{ "N15 checksum 0 over IPv6", FAULT(BAD_FRAME), .in = 6, .twist = check0 },
	{ "N15 to client", FAULT(BAD_FRAME), .in = 6, .to_client = true, .twist = check0 },
	{ "N15 not our flow", FAULT(NO_ROW), .in = 6, .no_row = true, .twist = check0 },
	{ "N16 wrong by 1", .reason = TP_R_TO_PEER, .data_len = 40, .check_error = 1 },
	{ "N16 wrong by 256", TO_CLIENT, .data_len = 41, .check_error = 256 },
	{ "N16 wrong, 4 to 6, padding", .reason = TP_R_TO_PEER, .out = 6, .data_len = 41, .pad = 3,
	  .check_error = 0x8001 },
	{ "N22 checksum 0, 4 to 6", FAULT(NO_CHECKSUM), .out = 6, .no_check = true },

	/* N20, N21: IPv6 */
	{ "N20 hop by hop", FAULT(OPTIONS), .in = 6, .twist = hop_by_hop },
	{ "N20 destination options", FAULT(OPTIONS), .in = 6, .twist = dest_options },
	{ "N20 AH", FAULT(OPTIONS), .in = 6, .twist = auth_header },
	{ "N20 ESP", FAULT(NOT_UDP), .in = 6, .twist = esp },
	{ "N20 no next header", FAULT(NOT_UDP), .in = 6, .twist = no_next },
	{ "N20 fragment header", FAULT(FRAGMENT), .in = 6, .twist = frag_header },
	{ "N20 routing header 0", FAULT(BAD_FRAME), .in = 6, .twist = routing0 },
	{ "N20 routing header 2", FAULT(OPTIONS), .in = 6, .twist = routing2 },
	{ "N21 payload length 0", FAULT(BAD_FRAME), .in = 6, .twist = payload0 },
	{ "N21 payload length past the frame", FAULT(BAD_FRAME), .in = 6, .twist = payload_over },
	{ "N21 jumbogram", FAULT(BAD_FRAME), .in = 6, .twist = jumbogram },

	/* N24 to N26; every DSCP and ECN is in the suite */
	{ "N24 DF", .reason = TP_R_TO_PEER, .data_len = 40, .df = true },
	{ "N24 DF, to client", TO_CLIENT, .data_len = 40, .df = true },
	{ "6 to 4, 1260 bytes", .reason = TP_R_TO_PEER, .in = 6, .data_len = 1232 },
	{ "6 to 4, 1261 bytes", .reason = TP_R_TO_PEER, .in = 6, .data_len = 1233 },

	/* D: ChannelData */
	{ "D1 channel not bound", FAULT(NO_ROW), .channel = 0x4002 },
	{ "D1 no allocation", FAULT(NO_ROW), .no_row = true },
	{ "D2 channel 0x5000", FAULT(NO_ROW), .channel = 0x5000 },
	{ "D2 channel 0x8000", FAULT(NO_ROW), .channel = 0x8000 },
	{ "D2 channel 0xffff", FAULT(NO_ROW), .channel = 0xffff },
	{ "D3 length by 1 too large", FAULT(BAD_CHANNEL), .twist = length_by_1 },
	{ "D3 length 65000", FAULT(BAD_CHANNEL), .twist = length_max },
	{ "D3 empty, length by 1 too large", .reason = TP_R_BAD_CHANNEL, .twist = length_by_1 },
	{ "D5 4 trailing bytes", FAULT(TRAILING), .pad = 4 },
	{ "D5 4 trailing bytes by length", FAULT(TRAILING), .twist = length_short },
	{ "D5 200 trailing bytes", FAULT(TRAILING), .in = 6, .pad = 200 },
	{ "D6 empty", .reason = TP_R_TO_PEER },
	{ "D6 empty, 6 to 4", .reason = TP_R_TO_PEER, .in = 6 },
	{ "D6 empty, to client", TO_CLIENT },
	{ "D8 minimum frame", .reason = TP_R_TO_PEER, .trailer = 14 },
	{ "D8 minimum frame with data", .reason = TP_R_TO_PEER, .data_len = 3, .pad = 1, .trailer = 10 },
	{ "D8 minimum frame, to client", TO_CLIENT, .data_len = 2, .trailer = 16 },
	{ "D9 other source port", FAULT(NO_ROW), .twist = sport53 },
	{ "D15 ChannelData inside", .reason = TP_R_TO_PEER, .data_len = 40, .data = "\x40\x01\0\x24" },
	{ "peer's data look like ChannelData", TO_CLIENT, .data_len = 40, .data = "\x40\x01\0\x24" },
	{ "peer's data look like a bad one", TO_CLIENT, .data_len = 40, .data = "\x40\x01\xff\xff" },
	{ "peer's data look like STUN", TO_CLIENT, .data_len = 20, .data = "\0\1\0\0" },
	{ "D7 3 bytes, first 0x40", .no_row = true, .to_client = true, .reason = TP_R_NO_ROW,
	  .data_len = 3, .data = "\x40\1\2" },
	{ "D7 peer's 3 bytes, first 0x40", TO_CLIENT, .data_len = 3, .data = "\x40\1\2" },

	/* S: Send indications; the plain ones are in the suite, in every combination */
	{ "S2 no peer", SEND(SEND_FORM), .twist = no_peer },
	{ "S3 no DATA", SEND(SEND_FORM), .twist = no_data },
	{ "S5 no permission", SEND(NO_ROW), .no_permission = true },
	{ "S1 no allocation", SEND(NO_ROW), .no_row = true },
	{ "S9 DONT-FRAGMENT", SEND(TO_PEER), .dont_fragment = true },
	{ "S9 DONT-FRAGMENT, 6 to 4", SEND(TO_PEER), .dont_fragment = true, .in = 6 },
	{ "S9 DONT-FRAGMENT, through IPv6", SEND(HAIRPIN), .hairpin = true, .mid = 6,
	  .dont_fragment = true },
	{ "S9 DONT-FRAGMENT, hairpin", SEND(HAIRPIN), .hairpin = true, .dont_fragment = true },
	{ "S11 two peers", SEND(SEND_FORM), .twist = two_peers },
	{ "two DATA", SEND(SEND_FORM), .twist = two_data },
	{ "S12 family of the other relayed address", SEND(NO_ROW), .twist = peer_family },
	{ "peer of family 3", SEND(SEND_FORM), .twist = peer_family3 },
	{ "peer of 20 bytes, IPv4", SEND(SEND_FORM), .twist = peer_long },
	{ "S16 peer port 0", SEND(SEND_FORM), .twist = peer_port0 },
	{ "S15 MESSAGE-INTEGRITY", SEND(SEND_FORM), .extra = 0x0008 },
	{ "FINGERPRINT", SEND(TO_PEER), .fingerprint = true },
	{ "FINGERPRINT, everything else", SEND(TO_PEER), .fingerprint = true, .software = 9,
	  .dont_fragment = true },
	{ "FINGERPRINT is wrong", SEND(SEND_FORM), .fingerprint = true, .twist = fingerprint_off },
	{ "FINGERPRINT, data are damaged", SEND(SEND_FORM), .fingerprint = true,
	  .twist = data_damaged },
	{ "FINGERPRINT not at the end", SEND(SEND_FORM), .extra = 0x8028 },
	{ "unknown attribute, required", SEND(SEND_FORM), .extra = 0x7777 },
	{ "unknown attribute, optional", SEND(SEND_FORM), .extra = 0x8777 },
	{ "DONT-FRAGMENT with a value", SEND(SEND_FORM), .extra = 0x001a },
	{ "SOFTWARE between", SEND(TO_PEER), .extra = 0x8022 },
	{ "SOFTWARE between, DATA first", SEND(TO_PEER), .extra = 0x8022, .data_first = true,
	  .software = 5 },
	{ "SOFTWARE of 100 bytes", SEND(TO_PEER), .software = 100 },
	{ "SOFTWARE too long for here", SEND(SEND_FORM), .software = 133 },
	{ "SOFTWARE too long for here, IPv6", SEND(SEND_FORM), .in = 6, .software = 133 },
	{ "STUN length too small", SEND(SEND_FORM), .twist = stun_short },
	{ "STUN length too large", SEND(SEND_FORM), .twist = stun_long },
	{ "STUN length no multiple of 4", SEND(SEND_FORM), .twist = stun_odd },
	{ "DATA length past the end", SEND(SEND_FORM), .twist = data_long },
	{ "DATA length 65535", SEND(SEND_FORM), .twist = data_max },
	{ "DATA length up to the end", SEND(SEND_FORM), .data_first = true, .twist = data_swallows },
	{ "wrong cookie", SEND(NO_ROW), .twist = bad_cookie },
	{ "5 bytes behind the message", SEND(SEND_FORM), .pad = 5 },
	{ "Send request", SEND(NO_ROW), .twist = send_request },
	{ "surplus area behind a Send", SEND(TO_PEER), .surplus = 6 },
	{ "Send, TTL 1", SEND(TIME_EXCEEDED), .ttl = 1 },
	{ "Send, checksum wrong", SEND(TO_PEER), .check_error = 0x1234 },
	{ "Send, checksum 0, 4 to 6", SEND(NO_CHECKSUM), .out = 6, .no_check = true },
	{ "Send to another station", SEND(OTHER_MAC), .twist = other_dmac },
	{ "Send, bad IPv4 checksum", SEND(BAD_FRAME), .twist = bad_ip_check },
	{ "Send, no next hop", SEND(NO_NEXTHOP), .hop = HOP_NONE },
	{ "Send, too large", SEND(MTU), .mtu_less = 1 },
	{ "Send by another interface", SEND(TO_PEER), .hop = HOP_THERE },
	{ "Send, lease over", SEND(EXPIRED), .lease_s = -1 },
	{ "Send, row being written", SEND(BUSY), .row_odd = true },
	{ "S20 Data of 0 bytes", DATA_LEN(TO_CLIENT, 0) },
	{ "S17 no permission", DATA(REFUSED), .no_permission = true, .relayed = 1 },
	{ "S17 no permission, IPv6", DATA(REFUSED), .no_permission = true, .relayed = 1, .in = 6 },
	{ "S17 the table was full", DATA(NO_ROW), .no_permission = true, .relayed = 2 },
	{ "S17 to another station", DATA(OTHER_MAC), .no_permission = true, .relayed = 1,
	  .twist = other_dmac },
	{ "S22 other port", DATA(TO_CLIENT), .relayed = 1 },
	{ "to a client on TCP", DATA(STREAM), .hop = HOP_DAEMON, .relayed = 1 },
	{ "to a client on TCP, IPv6, TTL 1", DATA(STREAM), .hop = HOP_DAEMON, .in = 6, .out = 6,
	  .ttl = 1 },
	{ "to a client on TCP, permission over", DATA(REFUSED), .hop = HOP_DAEMON, .relayed = 1,
	  .lease_s = -1 },
	{ "permission over", DATA(EXPIRED), .lease_s = -1 },
	{ "permission over, address known", DATA(REFUSED), .lease_s = -1, .relayed = 1 },
	{ "channel over, permission lives", DATA(TO_CLIENT), .channel_over = true },
	{ "channel over, permission lives, 6 to 4", DATA(TO_CLIENT), .channel_over = true, .in = 6 },
	{ "channel and permission over", DATA(EXPIRED), .channel_over = true, .no_permission = true },
	{ "S21 looks like a Send", DATA(TO_CLIENT), .data = "\0\x16\0\0" },
	{ "S21 looks like ChannelData", DATA(TO_CLIENT), .data = "\x40\1\0\4" },
	{ "Data, TTL 1", DATA(TIME_EXCEEDED), .ttl = 1 },
	{ "Data, too large", DATA(MTU), .mtu_less = 1 },
	{ "Data, checksum 0, 4 to 6", DATA(NO_CHECKSUM), .out = 6, .no_check = true },
	{ "Data, no room before", DATA(HEADROOM), .headroom = 35 },
	{ "Data, no room behind", DATA_LEN(HEADROOM, 5), .tailroom = 3 },
	{ "Data, just room behind", DATA_LEN(TO_CLIENT, 5), .tailroom = 4 },
	{ "Data, trailer is room", DATA_LEN(TO_CLIENT, 5), .tailroom = 1, .trailer = 3 },
	{ "Data, trailer is half of it", DATA_LEN(HEADROOM, 5), .tailroom = 2, .trailer = 1 },

	/* client to client */
	{ "hairpin, no permission", .hairpin = true, .indication = true, .no_permission = true,
	  .relayed = 1, FAULT(REFUSED) },
	{ "hairpin, no allocation", .hairpin = true, .indication = true, .no_permission = true,
	  FAULT(NO_ROW) },
	{ "hairpin to a client on TCP", .hairpin = true, .indication = true, .hop = HOP_DAEMON,
	  FAULT(STREAM) },
	{ "hairpin, 3 bytes of padding", HAIRPIN, .data_len = 5, .pad = 3 },
	{ "hairpin, 4 trailing bytes", .hairpin = true, .pad = 4, FAULT(TRAILING) },
	{ "hairpin, length by 1 too large", .hairpin = true, .twist = length_by_1,
	  FAULT(BAD_CHANNEL) },
	{ "hairpin, TTL 1", .hairpin = true, .ttl = 1, FAULT(TIME_EXCEEDED) },
	{ "hairpin, TTL 2", HAIRPIN, .ttl = 2, .data_len = 6 },
	{ "hairpin, checksum 0 through IPv6", .hairpin = true, .mid = 6, .no_check = true,
	  FAULT(NO_CHECKSUM) },
	{ "hairpin, lease over", .hairpin = true, .lease_s = -1, FAULT(EXPIRED) },
	{ "hairpin, too large", .hairpin = true, .mtu_less = 1, FAULT(MTU) },
};

const size_t dp_cases_n = sizeof(dp_cases) / sizeof(dp_cases[0]);
