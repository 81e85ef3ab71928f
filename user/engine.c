// SPDX-License-Identifier: MIT
#include <event2/event.h>
#include <event2/thread.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>
#include "clock.h"
#include "engine_parts.h"
#include "users/users.h"

#define TICK_NS		TURN_NS_PER_S	/* the longest sleep of the core's timers */

struct turn_now engine_now(void)
{
	return (struct turn_now){
		.mono_ns = clock_mono_ns(), .wall_s = clock_wall_ns() / CLOCK_NS_PER_S,
	};
}

void engine_count_one(struct engine *e, enum tp_reason reason, size_t bytes)
{
	struct tp_count *c = &e->counts[reason];

	__atomic_store_n(&c->packets, c->packets + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&c->bytes, c->bytes + bytes, __ATOMIC_RELAXED);
}

void engine_count(const struct engine *e, struct tp_count counts[TP_R_MAX])
{
	for (unsigned int i = 0; i < TP_R_MAX; i++) {
		counts[i].packets += __atomic_load_n(&e->counts[i].packets, __ATOMIC_RELAXED);
		counts[i].bytes += __atomic_load_n(&e->counts[i].bytes, __ATOMIC_RELAXED);
	}
	udp_count_lost(e->tx, counts);
}

void engine_flush(struct engine *e)
{
	udp_flush(e->tx);
	engine_streams_settle(e);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct engine *e = arg;
	struct turn_now now = engine_now();
	uint64_t next = turn_tick(e->server, now), wait = TICK_NS;
	struct timeval tv;

	(void)fd;
	(void)what;
	engine_parked_retry(e);		/* whose patience may be over */
	engine_flush(e);
	engine_streams_sweep(e, now.mono_ns);
	engine_dtls_sweep(e, now.mono_ns);
	engine_proxied_sweep(e, now.mono_ns);
	if (next < now.mono_ns + wait)
		wait = next > now.mono_ns ? next - now.mono_ns : 1000;
	tv.tv_sec = (time_t)(wait / TURN_NS_PER_S);
	tv.tv_usec = (suseconds_t)(wait % TURN_NS_PER_S / 1000);
	event_add(e->tick, &tv);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
	struct engine *e = arg;

	(void)fd;
	(void)what;
	event_base_loopbreak(e->base);
}

/* ------------------------------------------------------------------ making */

struct engine *engine_new(const struct engine_shared *shared, unsigned int worker)
{
	struct engine *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->shared = shared;
	e->worker = worker;
	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->changed, NULL);
	pthread_mutex_init(&e->arrivals_lock, NULL);
	e->base = event_base_new();
	e->rx = udp_rx_new();
	e->tx = udp_tx_new();
	if (!e->base || !e->rx || !e->tx)
		goto fail;
	if (engine_mail_open(e))
		goto fail;
	e->server = turn_server_new(&shared->conf->turn, shared->turn, &engine_host, e);
	e->tick = event_new(e->base, -1, 0, on_tick, e);
	e->stop = event_new(e->base, -1, 0, on_stop, e);
	e->halt = event_new(e->base, -1, 0, engine_on_halt, e);
	e->arrival = event_new(e->base, -1, 0, engine_on_arrival, e);
	if (!e->server || !e->tick || !e->stop || !e->halt || !e->arrival ||
	    !engine_use_users(e) || engine_dtls_open(e))
		goto fail;
	turn_server_number(e->server, worker, shared->conf->workers);
	return e;

fail:
	engine_free(e);
	return NULL;
}

static void *engine_main(void *arg)
{
	struct engine *e = arg;

	on_tick(-1, 0, e);
	event_base_dispatch(e->base);
	return NULL;
}

int engine_start(struct engine *e)
{
	int err = pthread_create(&e->thread, NULL, engine_main, e);

	e->running = !err;
	return -err;
}

void engine_stop(struct engine *e)
{
	if (!e->running)
		return;
	event_active(e->stop, 0, 0);
	pthread_join(e->thread, NULL);
	e->running = false;
}

void engine_free(struct engine *e)
{
	struct engine_relay *r, *next;

	if (!e)
		return;
	engine_gates_close(e);
	engine_dtls_close(e);
	engine_parked_forget(e, NULL);
	if (e->realms)
		users_realms_put(e->shared->users, e->realms);
	if (e->database)
		event_free(e->database);
	engine_tcp_free(e);
	if (e->server)
		turn_server_abandon(e->server);
	DL_FOREACH_SAFE(e->relays, r, next) {
		event_del(&r->event);
		close(r->fd);
		free(r);
	}
	engine_listeners_close(e);
	engine_proxied_close(e);
	engine_mail_close(e);
	if (e->tick)
		event_free(e->tick);
	if (e->stop)
		event_free(e->stop);
	if (e->halt)
		event_free(e->halt);
	if (e->arrival)
		event_free(e->arrival);
	if (e->base)
		event_base_free(e->base);
	udp_rx_free(e->rx);
	udp_tx_free(e->tx);
	pthread_cond_destroy(&e->changed);
	pthread_mutex_destroy(&e->lock);
	pthread_mutex_destroy(&e->arrivals_lock);
	free(e);
}
