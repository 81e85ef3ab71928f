/* SPDX-License-Identifier: MIT */
/* What the files relay*.c share with each other and with nobody else. */
#ifndef TP_RELAY_PARTS_H
#define TP_RELAY_PARTS_H

#include <event2/event.h>
#include "control.h"
#include "dataplane/flows.h"
#include "dataplane/limits.h"
#include "engine.h"
#include "metrics.h"
#include "relay.h"

struct relay {
	struct relay_setup *setup;
	struct conf *conf;		/* *setup->conf */
	struct event_base *base;
	struct event *sigterm, *netlink, *renew, *poke, *link, *drain;
	struct rows *rows;		/* NULL with dataplane user */
	struct nexthops *hops;		/* likewise */
	struct limits *limits;
	struct statsdb *former;		/* shared.statsdb before the last reload, ended */
	struct engine_shared shared;
	struct engine **engines;
	struct control_sources sources;
	struct control *control;
	struct metrics *metrics;	/* NULL: none */
	struct sockets added;		/* come from the keeper, for the next configuration */
	struct control_reply *reloading;	/* who asked for it; NULL: nobody who waits */
	bool draining;
	uint64_t deadline_ns;		/* of draining, CLOCK_MONOTONIC; 0: none */
};

/* relay_listen.c: listeners that come and go. */
struct link_message;
/* Keeps what the keeper sends until the configuration comes that wants it. */
void relay_take_sockets(struct relay *r, const struct link_message *message);
/* While the workers stand still: they listen at what has come and next wants, too. False: no
 * memory; relay_deafen() takes back what was done. */
bool relay_listen(struct relay *r, const struct conf *next);
/* They listen no more at what conf does not want. How many allocations have ended. */
unsigned int relay_deafen(struct relay *r, const struct conf *conf);

/* relay_operate.c: what operators ask for while it runs. ctx is the relay. */
bool relay_operate_start(struct relay *r);	/* false: out of memory */
void relay_operate_stop(struct relay *r);
void relay_reload(void *ctx, struct control_reply *reply);
json_t *relay_drain(void *ctx, const json_t *request);
json_t *relay_kick(void *ctx, const json_t *request);
bool relay_draining(const void *ctx);

#endif
