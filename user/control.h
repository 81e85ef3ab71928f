/* SPDX-License-Identifier: MIT */
/*
 * The control socket of the `turnpike` command: a Unix stream socket, one JSON
 * line in ({"cmd":"status"}), one JSON object out, closed. Served by the relay
 * process's main thread; who may connect is the socket file's permission.
 */
#ifndef TP_CONTROL_H
#define TP_CONTROL_H

#include <event2/event.h>
#include <jansson.h>
#include "config.h"
#include "dataplane/dataplane.h"
#include "engine.h"

struct control;
struct control_reply;

/* What answers are made of; all borrowed. */
struct control_sources {
	const struct engine_shared *shared;
	const struct dataplane *dataplane;
	struct engine **engines;
	const struct rows *rows;	/* NULL with dataplane user */
	uint64_t started_ns;		/* CLOCK_MONOTONIC */

	/* What the operator may ask for, called with operator. What they return is the
	 * answer; reload's comes by control_reply(). {"error": text} where it fails. */
	void *operator;
	void (*reload)(void *operator, struct control_reply *reply);
	json_t *(*drain)(void *operator, const json_t *request);
	json_t *(*kick)(void *operator, const json_t *request);
	bool (*draining)(const void *operator);
};

/* Answers, and takes both over. Whoever asked may be gone meanwhile. */
void control_reply(struct control_reply *reply, json_t *answer);

/* fd is a listening socket, from control_listen(); it and sources stay the caller's. */
struct control *control_new(struct event_base *base, int fd, const struct control_sources *sources);
void control_free(struct control *control);

/* The directory that the socket is in, where it is missing. 0 or -errno. */
int control_make_parent(const char *path);
/* In the keeper: the socket file, readable by group. fd, or -errno. */
int control_listen(const char *path, gid_t group);

#endif
