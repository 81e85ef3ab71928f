// SPDX-License-Identifier: MIT
/* A worker that stands still, so that the main thread can change what it works with. */
#include <utlist.h>
#include "engine_parts.h"
#include "log.h"

void engine_on_halt(evutil_socket_t fd, short what, void *arg)
{
	struct engine *e = arg;

	(void)fd;
	(void)what;
	pthread_mutex_lock(&e->lock);
	e->held = e->hold;
	pthread_cond_broadcast(&e->changed);
	while (e->hold)
		pthread_cond_wait(&e->changed, &e->lock);
	e->held = false;
	pthread_mutex_unlock(&e->lock);
}

void engine_hold(struct engine *e)
{
	if (!e->running)
		return;
	pthread_mutex_lock(&e->lock);
	e->hold = true;
	event_active(e->halt, 0, 0);
	while (!e->held)
		pthread_cond_wait(&e->changed, &e->lock);
	pthread_mutex_unlock(&e->lock);
}

void engine_go_on(struct engine *e)
{
	pthread_mutex_lock(&e->lock);
	e->hold = false;
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
}

static bool is_plain_udp(const struct turn_alloc *alloc, const void *arg)
{
	(void)arg;
	return alloc->path.transport == IPPROTO_UDP;
}

unsigned int engine_renew(struct engine *e, unsigned int *allocations)
{
	const struct conf *conf = e->shared->conf;
	unsigned int ended = turn_server_renew(e->server, &conf->turn);

	if (conf->no_udp)		/* what listens is there for DTLS */
		*allocations += turn_server_kick(e->server, is_plain_udp, NULL, engine_now());
	if (engine_dtls_renew(e, allocations))
		log_error("no DTLS: out of memory worker=%u", e->worker);

	engine_proxied_renew(e);
	engine_flush(e);
	return ended;
}

void engine_refuse_gro(struct engine *e)
{
	const struct engine_relay *r;

	DL_FOREACH(e->relays, r)
		if (r->relay && !r->relay->alloc->tcp)
			udp_refuse_gro(r->fd);
}

void engine_drain(struct engine *e, bool on)
{
	turn_server_drain(e->server, on);
}

unsigned int engine_kick(struct engine *e,
			 bool (*match)(const struct turn_alloc *alloc, const void *arg),
			 const void *arg)
{
	unsigned int ended = turn_server_kick(e->server, match, arg, engine_now());

	engine_flush(e);
	return ended;
}
