// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <string.h>
#include <turnpike/wire.h>
#include "traffic.h"

#define ETH_LEN		14
#define UDP_LEN		8
#define STUN_LEN	20
#define BINDING_REQUEST	0x0001
#define SEND_INDICATION	0x0016

static const struct {
	const char *word;
	bool from_peer, to_client;
} ways[WAY_MAX] = {
#define WAY_WORD(id, word, from_peer, to_client) { word, from_peer, to_client },
	WAYS(WAY_WORD)
#undef WAY_WORD
};

enum way way_named(const char *word)
{
	int way = 0;

	while (way < WAY_MAX && strcmp(ways[way].word, word))
		way++;
	return (enum way)way;
}

bool way_from_peer(enum way way)
{
	return ways[way].from_peer;
}

bool way_to_client(enum way way)
{
	return ways[way].to_client;
}

static unsigned int l4_at(const struct traffic *t)
{
	return ETH_LEN + (t->server.family == 4 ? 20 : 40);
}

/* Header and attributes before the data of an indication: 20, 8 or 20, 4 + 4 */
static unsigned int indication_len(const struct traffic *t)
{
	return t->server.family == 4 ? 36 : 48;
}

/* A Binding request ends with its header, for which frame.c has no name. All of it is the
 * frame's head, since the answer is written all over it: filled up to whole words. */
static void binding(struct frame *f, const struct frame_spec *plain, unsigned int l4)
{
	static const uint8_t head[8] = { 0, BINDING_REQUEST, 0, 0, 0x21, 0x12, 0xa4, 0x42 };
	struct frame_spec spec = *plain;

	memset(spec.data, 7, STUN_LEN);
	memcpy(spec.data, head, sizeof(head));
	spec.data_len = STUN_LEN;
	spec.trailer = (uint16_t)(-(l4 + UDP_LEN + STUN_LEN) & 7);
	frame_build(f, &spec);
}

static void endpoints(const struct traffic *t, const struct traffic_flow *flow,
		      struct frame_spec *s)
{
	struct tp_addr from = t->client, to = t->server;

	from.port = htons(flow->port);
	if (way_from_peer(t->way)) {
		from = t->peer;
		to = flow->relayed;
		/* without a channel of its own: a Data indication */
		if (t->way == WAY_DATA)
			from.port = htons((uint16_t)(ntohs(from.port) - 1));
		else
			from.port = htons((uint16_t)(ntohs(from.port) + flow->channel -
						     TP_CHANNEL_MIN));
	}
	memcpy(s->src, from.ip, sizeof(s->src));
	memcpy(s->dst, to.ip, sizeof(s->dst));
	s->sport = ntohs(from.port);
	s->dport = ntohs(to.port);
}

void traffic_frame(const struct traffic *t, const struct traffic_flow *flow, struct frame *f)
{
	static struct frame_spec s;

	memset(&s, 0, sizeof(s));
	memcpy(s.dmac, t->dmac, 6);
	memcpy(s.smac, t->smac, 6);
	s.family = t->server.family;
	s.ttl = 64;
	endpoints(t, flow, &s);
	s.data_len = (uint16_t)t->payload;
	for (unsigned int i = 0; i < t->payload; i++)
		s.data[i] = (uint8_t)(i * 7 + 1);
	if (t->way == WAY_BINDING) {
		binding(f, &s, l4_at(t));
		return;
	}
	if (t->way == WAY_CHANNEL || t->way == WAY_HAIRPIN)
		s.channel = flow->channel;
	if (t->way == WAY_SEND) {
		s.stun = SEND_INDICATION;
		s.peer_family = t->peer.family;
		memcpy(s.peer, t->peer.ip, sizeof(s.peer));
		s.peer_port = (uint16_t)(ntohs(t->peer.port) - 1);
	}
	frame_build(f, &s);
}

unsigned int traffic_head(const struct traffic *t)
{
	unsigned int head = l4_at(t) + UDP_LEN + TP_CHANNEL_HDR_LEN;

	if (t->way == WAY_SEND)
		head = l4_at(t) + UDP_LEN + indication_len(t);
	if (t->way == WAY_BINDING)
		head = l4_at(t) + UDP_LEN + STUN_LEN;
	return (head + 7) & ~7U;
}

unsigned int traffic_arrives(const struct traffic *t, bool relayed)
{
	unsigned int plain = UDP_LEN + t->payload;

	switch (t->way) {
	case WAY_CHANNEL:
		return relayed ? plain : plain + TP_CHANNEL_HDR_LEN;
	case WAY_SEND:
		return relayed ? plain : plain + indication_len(t);
	case WAY_HAIRPIN:
		return plain + TP_CHANNEL_HDR_LEN;
	case WAY_WRAP:
		return relayed ? plain + TP_CHANNEL_HDR_LEN : plain;
	case WAY_DATA:
		return relayed ? plain + indication_len(t) : plain;
	default:
		return UDP_LEN + STUN_LEN;
	}
}
