// SPDX-License-Identifier: MIT
/*
 * Requests whose user is being looked up: copies, few, handed to the core again as soon as
 * the database has answered. The oldest goes where there is no room; its client asks again.
 */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include "address.h"
#include "engine_parts.h"
#include "log.h"
#include "users/users.h"

#define PARKED_MAX	256	/* of one worker */
#define PARKED_BYTES	2048	/* of one request: all that a user needs fits */

struct engine_parked {
	struct engine_parked *prev, *next;
	struct turn_path path;
	size_t len;
	uint8_t data[];
};

static void take(struct engine *e, struct engine_parked *p)
{
	DL_DELETE(e->parked, p);
	e->n_parked--;
}

static void put(struct engine *e, struct engine_parked *p)
{
	DL_APPEND(e->parked, p);
	e->n_parked++;
}

/* Taken out before. */
static void let_go(struct engine_parked *p)
{
	explicit_bzero(p->data, p->len);
	free(p);
}

/* A retransmission waits already. */
static bool is_parked(const struct engine *e, const struct turn_path *path, const uint8_t *data,
		      size_t len)
{
	const struct engine_parked *p;

	DL_FOREACH(e->parked, p) {
		if (p->len == len && !memcmp(p->data, data, len) &&
		    p->path.socket == path->socket &&
		    address_equal(&p->path.client, &path->client))
			return true;
	}
	return false;
}

bool engine_park(struct engine *e, const struct turn_path *path, const uint8_t *data, size_t len)
{
	struct engine_parked *p, *oldest = e->parked;

	if (len > PARKED_BYTES || is_parked(e, path, data, len))
		return false;
	p = malloc(sizeof(*p) + len);
	if (!p)
		return false;
	if (e->n_parked == PARKED_MAX) {
		engine_count_one(e, TP_R_STUN_LIMITED, oldest->len);
		take(e, oldest);
		let_go(oldest);
	}
	p->path = *path;
	p->len = len;
	memcpy(p->data, data, len);
	put(e, p);
	return true;
}

/* One at a time, since an answer may end a connection, and what else is parked of it. */
void engine_parked_retry(struct engine *e)
{
	unsigned int n = e->n_parked;
	struct engine_parked *p;
	struct turn_now now;

	if (!n)
		return;
	now = engine_now();
	while (n-- && (p = e->parked)) {
		enum tp_reason reason;

		take(e, p);
		reason = turn_from_client(e->server, &p->path, p->data, p->len, now);
		if (reason == TURN_LATER) {
			put(e, p);
			continue;
		}
		if (reason != TP_R_MAX)
			engine_count_one(e, reason, p->len);
		let_go(p);
	}
	engine_flush(e);
}

void engine_parked_forget(struct engine *e, const struct engine_leg *leg)
{
	struct engine_parked *p, *next;

	DL_FOREACH_SAFE(e->parked, p, next) {
		if (leg && p->path.socket != leg)
			continue;
		take(e, p);
		let_go(p);
	}
}

/* ------------------------------------------------- the database's thread wakes us */

static void on_database(evutil_socket_t fd, short what, void *arg)
{
	struct engine *e = arg;
	const struct turn_realms *old = e->realms;
	unsigned int ended = 0;

	(void)fd;
	(void)what;
	e->realms = users_realms_get(e->shared->users);
	if (e->realms != old)
		ended = turn_server_realms(e->server, e->realms);
	if (ended)
		log_info("userdb: peers are denied: ended=%u", ended);
	users_realms_put(e->shared->users, old);
	engine_parked_retry(e);
}

static void wake(void *arg)
{
	struct engine *e = arg;

	event_active(e->database, 0, 0);
}

bool engine_use_users(struct engine *e)
{
	if (!e->shared->users)
		return true;
	e->database = event_new(e->base, -1, 0, on_database, e);
	return e->database && users_watch(e->shared->users, wake, e);
}
