// SPDX-License-Identifier: MIT
#include <event2/event.h>
#include <event2/thread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "dataplane/listeners.h"
#include "log.h"
#include "net/crowd.h"
#include "net/tls.h"
#include "relay_parts.h"
#include "users/statsdb.h"
#include "users/users.h"

static void on_sigterm(evutil_socket_t fd, short what, void *arg)
{
	struct relay *r = arg;

	(void)fd;
	(void)what;
	event_base_loopbreak(r->base);
}

static void on_netlink(evutil_socket_t fd, short what, void *arg)
{
	struct relay *r = arg;

	(void)fd;
	(void)what;
	nexthops_read(r->hops);
}

static void on_poke(evutil_socket_t fd, short what, void *arg)
{
	struct relay *r = arg;

	(void)fd;
	(void)what;
	nexthops_poke(r->hops);
}

static void on_moved(void *ctx, const struct tp_addr *src, const struct tp_addr *dst,
		     uint16_t nexthop)
{
	struct relay *r = ctx;

	flows_moved(r->shared.flows, src, dst, nexthop);
}

static void on_renew(evutil_socket_t fd, short what, void *arg)
{
	struct relay *r = arg;

	(void)fd;
	(void)what;
	listeners_put(r->rows, r->conf, clock_mono_ns());
}

/* Before the engines, which it wakes. */
static bool open_users(struct relay *r)
{
	if (r->conf->redis_statsdb) {
		r->shared.statsdb = statsdb_new(r->conf->redis_statsdb);
		if (!r->shared.statsdb)
			return false;
	}
	if (r->conf->userdb == USERDB_NONE)
		return true;
	r->shared.users = users_new(r->conf);
	if (r->shared.users)
		turn_shared_source(r->shared.turn, &users_source, r->shared.users);
	return r->shared.users;
}

static bool open_tables(struct relay *r)
{
	struct tables *tables = &r->setup->dataplane->tables;

	r->shared.conf = r->conf;
	r->shared.tc = r->setup->dataplane->tc != NULL;
	r->shared.tables = tables;
	r->shared.turn = turn_shared_new(&r->conf->turn);
	if (r->shared.turn)
		turn_shared_ticket_key(r->shared.turn, tables->meta->hash_seed,
				       sizeof(tables->meta->hash_seed));
	r->shared.journal = journal_new(tables);
	if (tables->kernel) {
		r->rows = rows_new(tables);
		r->hops = nexthops_new(tables, on_moved, r);
		if (!r->rows || !r->hops)
			return false;
	}
	r->shared.flows = flows_new(tables, r->shared.journal, r->rows, r->hops,
				    &r->conf->turn);
	r->limits = limits_new(tables, &r->conf->turn);
	if (!r->shared.turn || !r->shared.journal || !r->shared.flows || !r->limits)
		return false;
	flows_use_limits(r->shared.flows, r->limits);
	return true;
}

/* The rate limit of strangers' requests is that of their connections, too. */
static bool open_streams(struct relay *r)
{
	const struct conf *conf = r->conf;
	struct tls_fault fault;

	r->shared.crowd = crowd_new(crowd_most(conf->max_allocations),
				    conf->turn.unauthorized_rps != 0);
	if (!r->shared.crowd)
		return false;
	if (conf->no_tls && conf->no_dtls)
		return true;
	r->shared.tls = tls_store_new(&conf->tls, &fault);
	if (!r->shared.tls)
		log_error("%s: %s", fault.directive, fault.text);
	return r->shared.tls;
}

static bool listen_all(const struct relay *r, unsigned int worker)
{
	for (int kind = 0; kind < SOCKETS_KINDS; kind++) {
		const struct sockets_of *of = &r->setup->sockets.of[kind];

		for (unsigned int i = 0; i < of->n; i++)
			if (engine_listen(r->engines[worker], (enum sockets_kind)kind,
					  &of->v[i].addr, of->v[i].fd[worker]))
				return false;
	}
	return true;
}

/* Everybody adopts before anybody serves: what is left over then is nobody's. */
static bool make_engines(struct relay *r)
{
	const struct conf *conf = r->conf;

	r->engines = calloc(conf->workers, sizeof(struct engine *));
	if (!r->engines)
		return false;
	r->shared.engines = r->engines;
	for (unsigned int i = 0; i < conf->workers; i++) {
		r->engines[i] = engine_new(&r->shared, i);
		if (!r->engines[i] || !listen_all(r, i) || engine_adopt(r->engines[i]))
			return false;
	}
	flows_sweep(r->shared.flows);
	return true;
}

static bool add_events(struct relay *r)
{
	static const struct timeval every = { .tv_sec = NEXTHOP_POKE_S };
	static const struct timeval renewal = { .tv_sec = LISTENERS_RENEW_S };

	r->sigterm = evsignal_new(r->base, SIGTERM, on_sigterm, r);
	if (!r->sigterm || event_add(r->sigterm, NULL))
		return false;
	if (!r->hops)
		return true;
	r->netlink = event_new(r->base, nexthops_fd(r->hops), EV_READ | EV_PERSIST, on_netlink, r);
	r->poke = event_new(r->base, -1, EV_PERSIST, on_poke, r);
	r->renew = event_new(r->base, -1, EV_PERSIST, on_renew, r);
	return r->netlink && !event_add(r->netlink, NULL) && r->poke &&
	       !event_add(r->poke, &every) && r->renew && !event_add(r->renew, &renewal);
}

static bool add_control(struct relay *r)
{
	r->sources = (struct control_sources){
		.shared = &r->shared, .dataplane = r->setup->dataplane,
		.engines = r->engines, .rows = r->rows, .started_ns = clock_mono_ns(),
		.operator = r, .reload = relay_reload, .drain = relay_drain, .kick = relay_kick,
		.draining = relay_draining,
	};
	r->control = control_new(r->base, r->setup->control_fd, &r->sources);
	/* nobody is to be left without a relay for want of a scrape */
	if (r->conf->prometheus)
		r->metrics = metrics_new(r->base, &r->sources);
	return r->control;
}

static bool start_engines(struct relay *r)
{
	if (r->shared.statsdb && statsdb_start(r->shared.statsdb))
		return false;
	if (r->shared.users && users_start(r->shared.users))
		return false;
	for (unsigned int i = 0; i < r->conf->workers; i++)
		if (engine_start(r->engines[i]))
			return false;
	return true;
}

static void relay_free(struct relay *r)
{
	users_stop(r->shared.users);
	for (unsigned int i = 0; r->engines && i < r->conf->workers; i++)
		if (r->engines[i])
			engine_stop(r->engines[i]);
	metrics_free(r->metrics);
	control_free(r->control);
	relay_operate_stop(r);
	sockets_close(&r->added);
	for (unsigned int i = 0; r->engines && i < r->conf->workers; i++)
		engine_free(r->engines[i]);
	free(r->engines);
	users_free(r->shared.users);
	statsdb_free(r->shared.statsdb);
	statsdb_free(r->former);
	flows_free(r->shared.flows);
	limits_free(r->limits);
	journal_free(r->shared.journal);
	turn_shared_free(r->shared.turn);
	crowd_free(r->shared.crowd);
	tls_store_free(r->shared.tls);
	if (r->renew)
		event_free(r->renew);
	if (r->poke)
		event_free(r->poke);
	if (r->netlink)
		event_free(r->netlink);
	if (r->sigterm)
		event_free(r->sigterm);
	nexthops_free(r->hops);
	rows_free(r->rows);
	if (r->base)
		event_base_free(r->base);
}

int relay_main(struct relay_setup *setup)
{
	struct relay r = {
		.setup = setup, .conf = *setup->conf,
		.added.workers = setup->sockets.workers,
	};
	int status = EXIT_FAILURE;

	evthread_use_pthreads();
	r.base = event_base_new();
	if (!r.base || !open_tables(&r) || !open_users(&r) || !open_streams(&r) ||
	    !make_engines(&r) || !add_events(&r) || !add_control(&r) ||
	    !relay_operate_start(&r) || !start_engines(&r)) {
		log_error("relay process cannot start: out of memory or threads");
		goto out;
	}
	if (r.rows && !listeners_put(r.rows, r.conf, clock_mono_ns()))
		log_warning("listeners: no room in the flow table: the daemon answers alone");
	log_info("relaying workers=%u", r.conf->workers);
	event_base_dispatch(r.base);
	status = EXIT_SUCCESS;
out:
	relay_free(&r);
	return status;
}
