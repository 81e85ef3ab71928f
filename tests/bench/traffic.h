/* SPDX-License-Identifier: MIT */
/* The frames that the generator sends: one for each flow of a file, by one way. */
#ifndef BENCH_TRAFFIC_H
#define BENCH_TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>
#include <turnpike/tables.h>
#include "../dataplane/frame.h"

/* Way through the relay: X(identifier, word, sent by the peer, counted at the client) */
#define WAYS(X) \
	X(CHANNEL,	"channel",	false,	false)	/* ChannelData to the peer */ \
	X(WRAP,		"wrap",		true,	true)	/* from the peer, as ChannelData */ \
	X(SEND,		"send",		false,	false)	/* Send indication to the peer */ \
	X(DATA,		"data",		true,	true)	/* from the peer, as Data indication */ \
	X(HAIRPIN,	"hairpin",	false,	true)	/* ChannelData from client to client */ \
	X(BINDING,	"binding",	false,	true)	/* STUN Binding, and its answer */

enum way {
#define WAY_ENUM(id, word, down, back) WAY_##id,
	WAYS(WAY_ENUM)
#undef WAY_ENUM
	WAY_MAX
};

/* WAY_MAX: there is no such way. */
enum way way_named(const char *word);
bool way_from_peer(enum way way);
bool way_to_client(enum way way);

struct traffic {
	enum way way;
	struct tp_addr client, server, peer;	/* ports: of the server and the peer */
	uint8_t dmac[6], smac[6];
	unsigned int payload;
};

/* One line of a file of flows, see load.c. */
struct traffic_flow {
	uint16_t port, channel;
	struct tp_addr relayed;		/* family 0: not said */
};

void traffic_frame(const struct traffic *t, const struct traffic_flow *flow, struct frame *f);
/* Bytes at the head of a frame that differ from flow to flow, or that a relay writes over. */
unsigned int traffic_head(const struct traffic *t);
/* Length in the UDP header of what arrives, through a relay or as it was sent. */
unsigned int traffic_arrives(const struct traffic *t, bool relayed);

#endif
