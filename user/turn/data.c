// SPDX-License-Identifier: MIT
/*
 * Application data both ways: Send and Data indications (RFC 8656 section 11),
 * ChannelData (section 12) and ICMP errors (section 11.5). No allocation of
 * memory, and data is never copied.
 */
#include <arpa/inet.h>
#include <string.h>
#include "turn/core.h"
#include "pure.h"

/* The largest payload of a UDP datagram of this family, without jumbograms. */
static size_t data_max(uint8_t family)
{
	return family == 4 ? 65535 - 20 - 8 : 65535 - 8;
}

static bool perm_alive(const struct perm *p, uint64_t now_ns)
{
	return p && p->pub.expires_ns > now_ns;
}

static enum tp_reason data_to_peer(struct turn_server *s, struct alloc *a,
				   const struct tp_addr *peer, struct stun_bytes data,
				   unsigned int flags)
{
	struct tp_addr to = alias_inside(s->shared, peer);

	if (data.len > data_max(peer->family))
		return TP_R_TOO_LONG;
	s->host->to_peer(s->ctx, &a->pub.relay[alloc_index(peer->family)], &to, data.p,
			 data.len, flags);
	return TP_R_USER_TO_PEER;
}

/* RFC 8656 section 12.6. What follows the stated length is padding. */
enum tp_reason data_channel(struct turn_server *s, const struct turn_path *path,
			    const uint8_t *data, size_t len, uint64_t now_ns)
{
	struct tp_channel_hdr hdr;
	struct stun_bytes payload;
	struct alloc *a;
	struct chan *c;

	if (len < sizeof(hdr))
		return TP_R_BAD_CHANNEL;
	memcpy(&hdr, data, sizeof(hdr));
	payload.p = data + sizeof(hdr);
	payload.len = ntohs(hdr.length);
	if (payload.len > len - sizeof(hdr))
		return TP_R_BAD_CHANNEL;
	a = alloc_find(s, path, now_ns);
	if (!a)
		return TP_R_NO_ALLOCATION;
	c = chan_by_number(s, a, ntohs(hdr.number));
	if (!c || c->pub.expires_ns <= now_ns)
		return TP_R_NO_CHANNEL;
	/* The RFC leaves this direction open; both data paths want a permission. */
	if (!perm_alive(c->perm, now_ns))
		return TP_R_NO_PERMISSION;
	mobility_arrived(s, a, path, now_ns);
	return data_to_peer(s, a, &c->pub.peer, payload, 0);
}

/*
 * RFC 8656 sections 13 and 14: between UDP legs, DONT-FRAGMENT counts from IPv4 to
 * IPv4 and must be ignored elsewhere. Section 15: from a stream it counts.
 */
static unsigned int send_flags(const struct turn_path *path, const struct stun_msg *m)
{
	if (!(m->has & STUN_BIT(DONT_FRAGMENT)))
		return 0;
	if (path_by_udp(path) && (turn_path_to(path)->family == 6 || m->peer.family == 6))
		return 0;
	return TURN_SEND_DF;
}

/* RFC 8656 section 11.2; never authenticated (section 5). */
enum tp_reason data_send(struct turn_server *s, const struct turn_path *path,
			 const struct stun_msg *m, uint64_t now_ns)
{
	const uint64_t needed = STUN_BIT(XOR_PEER_ADDRESS) | STUN_BIT(DATA);
	const uint64_t used = needed | STUN_BIT(DONT_FRAGMENT);
	const struct perm *p;
	struct alloc *a;

	a = alloc_find(s, path, now_ns);
	if (!a)
		return TP_R_NO_ALLOCATION;
	if ((m->has & needed) != needed || (m->bad & used) || m->n_unknown || !m->peer.port)
		return TP_R_BAD_SEND;
	if (a->pub.tcp || !alloc_serves(a, m->peer.family, now_ns))
		return TP_R_BAD_SEND;
	p = perm_find(s, a, &m->peer);
	if (!perm_alive(p, now_ns))
		return TP_R_NO_PERMISSION;
	/* Having a permission means that the address passed; on this host the port counts. */
	if (p->own && acl_check(s->conf, &m->peer))
		return TP_R_BAD_SEND;
	mobility_arrived(s, a, path, now_ns);
	return data_to_peer(s, a, &m->peer, m->data, send_flags(path, m));
}

static bool data_fits(const struct turn_path *path, const struct turn_out *out)
{
	size_t len = out->head_len + out->data_len + out->pad;

	/* One record of DTLS; a frame's own length field has 16 bits. */
	if (path->transport & TURN_SECURE && path_by_udp(path))
		return len <= TURN_RECORD_MAX;
	return len <= (path_by_udp(path) ? data_max(turn_path_to(path)->family) : 65535);
}

/* RFC 8656 section 12.5: over UDP there is no padding, over a stream there is. */
static enum tp_reason data_as_channel(struct turn_server *s, const struct alloc *a,
				      const struct chan *c, struct stun_bytes data)
{
	struct tp_channel_hdr hdr = { htons(c->pub.number), htons((uint16_t)data.len) };
	struct turn_out out = {
		.head = (const uint8_t *)&hdr, .head_len = sizeof(hdr),
		.data = data.p, .data_len = data.len,
		.pad = path_by_udp(&a->pub.path) ? 0 : -data.len & 3,
	};

	if (data.len > UINT16_MAX || !data_fits(&a->pub.path, &out))
		return TP_R_TOO_LONG;
	s->host->to_client(s->ctx, &a->pub.path, &out);
	return TP_R_USER_TO_CLIENT;
}

/* RFC 8656 section 11.3. Only the head is written: the length in it counts the
 * data that the host appends. */
static enum tp_reason data_as_indication(struct turn_server *s, const struct alloc *a,
					 const struct tp_addr *peer, struct stun_bytes data)
{
	uint8_t head[64], txid[TP_STUN_TXID_LEN];
	struct tp_stun_attr attr = { htons(STUN_T_DATA), htons((uint16_t)data.len) };
	struct turn_out out = {
		.head = head, .data = data.p, .data_len = data.len, .pad = -data.len & 3,
	};
	struct stun_writer w;
	__be16 length;

	server_txid(s, txid);
	stun_begin(&w, head, sizeof(head) - sizeof(attr), TURN_DATA, STUN_INDICATION, txid);
	stun_put_xor_addr(&w, STUN_T_XOR_PEER_ADDRESS, peer);
	memcpy(head + w.len, &attr, sizeof(attr));
	out.head_len = w.len + sizeof(attr);
	if (data.len > UINT16_MAX || w.overflow || !data_fits(&a->pub.path, &out))
		return TP_R_TOO_LONG;
	length = htons((uint16_t)(out.head_len + out.data_len + out.pad - TP_STUN_HDR_LEN));
	memcpy(head + offsetof(struct tp_stun_hdr, length), &length, sizeof(length));
	s->host->to_client(s->ctx, &a->pub.path, &out);
	return TP_R_USER_TO_CLIENT;
}

enum tp_reason turn_from_peer(struct turn_server *s, struct turn_relay *relay,
			      const struct tp_addr *from, const uint8_t *data, size_t len,
			      struct turn_now now)
{
	struct tp_addr seen = alias_outside(s->shared, from), *peer = &seen;
	struct stun_bytes bytes = { data, len };
	const struct chan *c = NULL;
	const struct perm *p;
	struct alloc *a;

	if (!relay->local.family || relay->expires_ns <= now.mono_ns)
		return TP_R_NO_ALLOCATION;
	a = core_of(relay->alloc, struct alloc, pub);
	p = perm_find(s, a, peer);
	if (!perm_alive(p, now.mono_ns))
		return TP_R_NO_PERMISSION;
	if (!mobility_follow(s, a, now.mono_ns))
		return TP_R_CLIENT_GONE;
	if (p->channels)
		c = chan_by_peer(s, a, peer);
	if (c && c->pub.expires_ns > now.mono_ns)
		return data_as_channel(s, a, c, bytes);
	return data_as_indication(s, a, peer, bytes);
}

/* RFC 8656 section 11.5: only these are for the client. */
static bool icmp_reported(uint8_t family, uint8_t type)
{
	return family == 4 ? type == 3 || type == 11 : type >= 1 && type <= 3;
}

/* House limit: errors can be forged, and need not be reported one by one. */
#define ICMP_PER_SECOND	10

static bool icmp_allowed(struct alloc *a, uint64_t now_ns)
{
	if (a->icmp_s != now_ns / TURN_NS_PER_S) {
		a->icmp_s = now_ns / TURN_NS_PER_S;
		a->icmp_count = 0;
	}
	return a->icmp_count++ < ICMP_PER_SECOND;
}

/* RFC 8656 section 18.13: 16 reserved bits, 7 of type, 9 of code, 32 of data,
 * which is the MTU of "too big" and "fragmentation needed" and else zero. */
static void icmp_value(uint8_t out[8], uint8_t family, uint8_t type, uint8_t code, uint32_t data)
{
	bool mtu = family == 4 ? type == 3 && code == 4 : type == 2;
	__be32 words[2] = { htonl((uint32_t)type << 9 | code), htonl(mtu ? data : 0) };

	memcpy(out, words, sizeof(words));
}

enum tp_reason turn_icmp(struct turn_server *s, struct turn_relay *relay,
			 const struct tp_addr *to, uint8_t type, uint8_t code,
			 uint32_t data, struct turn_now now)
{
	struct tp_addr seen = alias_outside(s->shared, to), *peer = &seen;
	uint8_t buf[128], txid[TP_STUN_TXID_LEN], value[8];
	struct turn_out out = { .head = buf };
	struct stun_writer w;
	struct alloc *a;

	if (!relay->local.family || relay->expires_ns <= now.mono_ns)
		return TP_R_ICMP_IGNORED;
	a = core_of(relay->alloc, struct alloc, pub);
	if (!icmp_reported(relay->local.family, type) ||
	    !perm_alive(perm_find(s, a, peer), now.mono_ns) ||
	    !mobility_follow(s, a, now.mono_ns) || !icmp_allowed(a, now.mono_ns))
		return TP_R_ICMP_IGNORED;
	server_txid(s, txid);
	stun_begin(&w, buf, sizeof(buf), TURN_DATA, STUN_INDICATION, txid);
	stun_put_xor_addr(&w, STUN_T_XOR_PEER_ADDRESS, peer);
	icmp_value(value, relay->local.family, type, code, data);
	stun_put(&w, STUN_T_ICMP, value, sizeof(value));
	out.head_len = w.len;
	s->host->to_client(s->ctx, &a->pub.path, &out);
	return TP_R_ICMP_RELAYED;
}
