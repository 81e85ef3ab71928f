// SPDX-License-Identifier: MIT
/* Reload, drain and kick: all workers stand still while one of them is carried out. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "address.h"
#include "clock.h"
#include "dataplane/listeners.h"
#include "link.h"
#include "log.h"
#include "net/crowd.h"
#include "net/tls.h"
#include "relay_parts.h"
#include "users/statsdb.h"

#define DRAIN_LOOK_S	1

static void hold(struct relay *r)
{
	for (unsigned int i = 0; i < r->conf->workers; i++)
		engine_hold(r->engines[i]);
}

static void go_on(struct relay *r)
{
	for (unsigned int i = 0; i < r->conf->workers; i++)
		engine_go_on(r->engines[i]);
}

/* ------------------------------------------------------------------- reload */

static void finish_reload(struct relay *r, json_t *answer)
{
	if (r->reloading)
		control_reply(r->reloading, answer);
	else
		json_decref(answer);
	r->reloading = NULL;
}

/* What a reload has ended. */
struct ended {
	unsigned int peers;		/* channels and permissions to denied ones */
	unsigned int allocations;	/* of listeners that are gone */
};

/* Connections keep the certificates that they began with. */
static bool put_tls(struct relay *r, const struct conf *next)
{
	struct tls_fault fault;

	if (next->no_tls && next->no_dtls)
		return true;		/* let go when nothing can fail any more */
	if (r->shared.tls)
		return !tls_store_replace(r->shared.tls, &next->tls, &fault);
	r->shared.tls = tls_store_new(&next->tls, &fault);
	return r->shared.tls;
}

static void drop_tls(struct relay *r, const struct conf *conf)
{
	if (!conf->no_tls || !conf->no_dtls)
		return;
	tls_store_free(r->shared.tls);
	r->shared.tls = NULL;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* Who is told of allocations from now on, if anybody else; false: no memory. */
static bool open_statsdb(const struct relay *r, const struct conf *next, struct statsdb **db)
{
	*db = r->shared.statsdb;
	if (same_text(next->redis_statsdb, r->conf->redis_statsdb))
		return true;
	*db = NULL;
	if (!next->redis_statsdb)
		return true;
	*db = statsdb_new(next->redis_statsdb);
	if (*db && !statsdb_start(*db))
		return true;
	statsdb_free(*db);
	return false;
}

/* The old one may take a while to say its last, if its Redis does not answer. */
static void put_statsdb(struct relay *r, struct statsdb *db)
{
	if (db == r->shared.statsdb)
		return;
	r->former = r->shared.statsdb;
	if (r->former)
		statsdb_end(r->former);
	r->shared.statsdb = db;
}

static void drop_statsdb(const struct relay *r, struct statsdb *db)
{
	if (db != r->shared.statsdb)
		statsdb_free(db);
}

/* The workers stand still: the flow tables' listeners at once, too, since what they may answer
 * can have changed. */
static bool put_held(struct relay *r, struct conf *next, struct ended *ended)
{
	struct statsdb *statsdb;

	if (!relay_listen(r, next) || !put_tls(r, next) || !metrics_renew(r->metrics, next) ||
	    !open_statsdb(r, next, &statsdb))
		return false;
	if (!flows_renew(r->shared.flows, &next->turn) ||
	    !turn_shared_renew(r->shared.turn, &next->turn)) {
		flows_renew(r->shared.flows, &r->conf->turn);
		drop_statsdb(r, statsdb);
		return false;
	}
	put_statsdb(r, statsdb);
	r->shared.conf = next;
	crowd_limit(r->shared.crowd, next->turn.unauthorized_rps != 0);
	ended->allocations = relay_deafen(r, next);
	for (unsigned int i = 0; i < next->workers; i++)
		ended->peers += engine_renew(r->engines[i], &ended->allocations);
	flows_mark(r->shared.flows);
	drop_tls(r, next);
	return true;
}

static bool put_conf(struct relay *r, struct conf *next, struct ended *ended)
{
	bool ok;

	hold(r);
	ok = put_held(r, next, ended);
	if (!ok) {			/* nothing of what has just come stays */
		relay_deafen(r, r->conf);
		drop_tls(r, r->conf);
	}
	go_on(r);
	return ok;
}

static void take_conf(struct relay *r, const struct link_message *message)
{
	struct conf *next = malloc(sizeof(*next)), *old = r->conf;
	uint64_t start_ns = clock_mono_ns();
	struct ended ended = { 0 };

	if (!next || message->n_fds < 1 || conf_image_read(next, message->fd[0], old)) {
		log_error("reload: could not be handed over: nothing has changed");
		finish_reload(r, json_pack("{s:s}", "error", "could not be handed over"));
		free(next);
		return;
	}
	statsdb_free(r->former);
	r->former = NULL;
	if (!put_conf(r, next, &ended)) {
		log_error("reload: out of memory: nothing has changed");
		finish_reload(r, json_pack("{s:s}", "error", "out of memory"));
		conf_free(next);
		free(next);
		return;
	}
	*r->setup->conf = r->conf = next;
	conf_free(old);
	free(old);
	log_level(next->log_level);
	if (r->rows && next->no_udp)
		listeners_drop(r->rows, &next->listen);
	if (r->rows)
		listeners_put(r->rows, next, clock_mono_ns());
	log_info("reloaded ms=%.1f ended=%u allocations=%u",
		 (double)(clock_mono_ns() - start_ns) / 1e6, ended.peers, ended.allocations);
	finish_reload(r, json_pack("{s:b,s:s,s:i,s:i}", "reloaded", 1, "messages", message->text,
				   "ended", (int)ended.peers,
				   "ended_allocations", (int)ended.allocations));
}

void relay_reload(void *ctx, struct control_reply *reply)
{
	struct relay *r = ctx;

	if (r->reloading)
		control_reply(reply, json_pack("{s:s}", "error", "a reload is under way"));
	else if (link_send(r->setup->link, LINK_RELOAD, NULL, NULL, 0))
		control_reply(reply, json_pack("{s:s}", "error", "the keeper does not listen"));
	else
		r->reloading = reply;
}

/* -------------------------------------------------------------------- drain */

static void set_draining(struct relay *r, bool on)
{
	static const struct timeval look = { .tv_sec = DRAIN_LOOK_S };

	r->draining = on;
	hold(r);
	for (unsigned int i = 0; i < r->conf->workers; i++)
		engine_drain(r->engines[i], on);
	go_on(r);
	if (on)
		event_add(r->drain, &look);
	else
		event_del(r->drain);
	log_info(on ? "draining: no new allocations" : "serving: new allocations again");
}

static bool everybody(const struct turn_alloc *alloc, const void *arg)
{
	(void)alloc;
	(void)arg;
	return true;
}

static unsigned int kick(struct relay *r,
			 bool (*match)(const struct turn_alloc *alloc, const void *arg),
			 const void *arg)
{
	unsigned int ended = 0;

	hold(r);
	for (unsigned int i = 0; i < r->conf->workers; i++)
		ended += engine_kick(r->engines[i], match, arg);
	go_on(r);
	return ended;
}

static void on_drain(evutil_socket_t fd, short what, void *arg)
{
	struct relay *r = arg;
	unsigned int left = turn_shared_allocations(r->shared.turn), ended;

	(void)fd;
	(void)what;
	if (left > r->conf->drain_min_allocations && r->deadline_ns &&
	    clock_mono_ns() >= r->deadline_ns) {
		ended = kick(r, everybody, NULL);
		log_info("drain deadline: ended allocations=%u", ended);
		left -= ended < left ? ended : left;
	}
	if (left > r->conf->drain_min_allocations)
		return;
	if (!link_send(r->setup->link, LINK_DRAINED, NULL, NULL, 0))
		event_del(r->drain);	/* else it is said again */
}

json_t *relay_drain(void *ctx, const json_t *request)
{
	struct relay *r = ctx;
	bool on = !json_is_true(json_object_get(request, "cancel"));
	json_int_t deadline_s = json_integer_value(json_object_get(request, "deadline_s"));

	if (deadline_s < 0 || deadline_s > UINT32_MAX)
		return json_pack("{s:s}", "error", "deadline_s is not a time");
	r->deadline_ns = on && deadline_s ?
			 clock_mono_ns() + (uint64_t)deadline_s * TURN_NS_PER_S : 0;
	/* a successor of this process, should it die, is to know */
	if (link_send(r->setup->link, on ? LINK_DRAIN : LINK_SERVE, NULL, NULL, 0))
		log_error("drain: the keeper does not listen, a successor would not know");
	set_draining(r, on);
	return json_pack("{s:b,s:i}", "draining", on, "allocations",
			 (int)turn_shared_allocations(r->shared.turn));
}

bool relay_draining(const void *ctx)
{
	const struct relay *r = ctx;

	return r->draining;
}

/* --------------------------------------------------------------------- kick */

struct whom {
	const char *user;
	struct tp_addr client;		/* family 0: none; port 0: whichever */
};

static bool is_whom(const struct turn_alloc *alloc, const void *arg)
{
	const struct whom *whom = arg;
	const struct tp_addr *client = &alloc->path.client;

	if (!whom->client.family)
		return !strcmp(alloc->user, whom->user);
	return whom->client.port ? address_equal(client, &whom->client) :
				   address_same_ip(client, &whom->client);
}

json_t *relay_kick(void *ctx, const json_t *request)
{
	struct relay *r = ctx;
	const char *user = json_string_value(json_object_get(request, "user"));
	const char *client = json_string_value(json_object_get(request, "client"));
	struct whom whom = { .user = user };
	unsigned int ended;

	if (!user == !client)
		return json_pack("{s:s}", "error", "kick wants a user or a client");
	if (client && !address_parse_port(&whom.client, client))
		return json_pack("{s:s}", "error", "client is not an address");
	ended = kick(r, is_whom, &whom);
	log_info("kicked %s=%s ended=%u", user ? "user" : "client", user ? user : client, ended);
	return json_pack("{s:i}", "ended", (int)ended);
}

/* --------------------------------------------------------------- interfaces */

static void take_interfaces(struct relay *r, const char *text)
{
	bool filters;

	if (!dataplane_read(r->setup->dataplane, text, &filters)) {
		log_error("interfaces: status shows what was");
		return;
	}
	if (!filters || r->shared.tc)
		return;
	hold(r);
	r->shared.tc = true;
	for (unsigned int i = 0; i < r->conf->workers; i++)
		engine_refuse_gro(r->engines[i]);
	go_on(r);
}

/* --------------------------------------------------------------------- link */

static void take_message(struct relay *r, const struct link_message *message)
{
	switch (message->kind) {
	case LINK_SOCKETS:
		relay_take_sockets(r, message);
		break;
	case LINK_INTERFACES:
		take_interfaces(r, message->text);
		break;
	case LINK_CONF:
		take_conf(r, message);
		if (message->n_fds > 1)
			log_use(message->fd[1]);
		if (message->n_fds > 0)
			close(message->fd[0]);
		link_send(r->setup->link, LINK_TAKEN, NULL, NULL, 0);
		break;
	case LINK_REFUSED:
		finish_reload(r, json_pack("{s:s,s:s}", "error", "the configuration is refused, "
					   "nothing has changed", "messages", message->text));
		break;
	case LINK_DRAIN:
		set_draining(r, true);
		break;
	default:
		break;
	}
}

static void on_link(evutil_socket_t fd, short what, void *arg)
{
	struct relay *r = arg;
	struct link_message message;
	int got;

	(void)what;
	while ((got = link_receive(fd, &message)) > 0)
		take_message(r, &message);
	if (got < 0)			/* PDEATHSIG says the rest */
		event_del(r->link);
}

bool relay_operate_start(struct relay *r)
{
	r->drain = event_new(r->base, -1, EV_PERSIST, on_drain, r);
	r->link = event_new(r->base, r->setup->link, EV_READ | EV_PERSIST, on_link, r);
	if (!r->drain || !r->link || event_add(r->link, NULL))
		return false;
	if (r->setup->draining)
		set_draining(r, true);
	return true;
}

void relay_operate_stop(struct relay *r)
{
	if (r->link)
		event_free(r->link);
	if (r->drain)
		event_free(r->drain);
}
