// SPDX-License-Identifier: MIT
/* TCP connections: accepted, counted, and ended when their time is over. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>
#include "address.h"
#include "engine_parts.h"
#include "log.h"
#include "net/crowd.h"
#include "net/tcp.h"

#define ACCEPT_BATCH	64
#define SWEEP_NS	(TURN_NS_PER_S / 2)
#define FIRST_NS	(10 * TURN_NS_PER_S)	/* for a first byte, and for a handshake */

uint64_t engine_patience(const struct engine *e, uint64_t most_ns)
{
	uint64_t ns = e->shared->conf->max_allocate_timeout_s * TURN_NS_PER_S;

	return ns < most_ns ? ns : most_ns;
}

static void shut(struct engine_gate *gate, int err)
{
	/* T17: the listener would stay readable: rest until the next sweep */
	event_del(gate->event);
	gate->shut = true;
	log_warning("no more connections for now worker=%u: error %d", gate->engine->worker, -err);
}

/* Its connections begin with a proxy's header: by the configuration of now, since a port may
 * become one, or none any more. */
static bool is_proxied(const struct engine_gate *gate)
{
	uint16_t port = gate->engine->shared->conf->tcp_proxy_port;

	return port && ntohs(gate->addr.port) == port;
}

static void take(struct engine_gate *gate, const struct tcp_accepted *in, uint64_t now_ns)
{
	struct engine *e = gate->engine;
	bool proxied = is_proxied(gate);
	struct engine_stream *s;

	/* whose connection a proxy's is shows later */
	if (proxied ? !acl_listed(&e->shared->conf->trusted_proxies, &in->client) :
		      !crowd_enter(e->shared->crowd, &in->client, now_ns)) {
		close(in->fd);
		return;
	}
	s = engine_stream_new(e, &gate->addr, in->fd);
	if (!s) {
		if (!proxied)
			crowd_leave(e->shared->crowd, &in->client, now_ns);
		close(in->fd);
		return;
	}
	s->headed = proxied;
	s->guest.counted = !proxied;
	s->guest.path.client = in->client;
	s->dscp = in->dscp;
	s->guest.begun_ns = now_ns;
	s->guest.deadline_ns = now_ns + engine_patience(e, FIRST_NS);
}

static void on_gate(evutil_socket_t fd, short what, void *arg)
{
	struct engine_gate *gate = arg;
	struct tcp_accepted in;
	uint64_t now_ns = engine_now().mono_ns;
	int n = 1;

	(void)what;
	for (int i = 0; i < ACCEPT_BATCH && n > 0; i++) {
		n = tcp_accept(fd, &in);
		if (n > 0)
			take(gate, &in, now_ns);
	}
	if (n < 0)
		shut(gate, n);
}

int engine_gate_open(struct engine *e, const struct tp_addr *addr, int fd)
{
	struct engine_gate *gate = calloc(1, sizeof(*gate));

	if (!e->stream_bytes)
		e->stream_bytes = malloc(ENGINE_STREAM_BYTES);
	if (!gate || !e->stream_bytes)
		goto fail;
	*gate = (struct engine_gate){ .engine = e, .addr = *addr, .fd = fd };
	gate->event = event_new(e->base, fd, EV_READ | EV_PERSIST, on_gate, gate);
	if (!gate->event || event_add(gate->event, NULL))
		goto fail;
	DL_APPEND(e->gates, gate);
	return 0;

fail:
	if (gate && gate->event)
		event_free(gate->event);
	free(gate);
	return -ENOMEM;
}

static void gate_free(struct engine *e, struct engine_gate *gate)
{
	DL_DELETE(e->gates, gate);
	event_free(gate->event);
	free(gate);
}

void engine_gate_close(struct engine *e, const struct tp_addr *addr)
{
	struct engine_gate *gate, *next;

	DL_FOREACH_SAFE(e->gates, gate, next)
		if (address_equal(&gate->addr, addr))
			gate_free(e, gate);
}

void engine_gates_close(struct engine *e)
{
	struct engine_gate *gate, *next_gate;
	struct engine_guest *g, *next;

	DL_CONCAT(e->streams.strangers, e->arrivals);
	e->arrivals = NULL;
	DL_FOREACH_SAFE(e->streams.strangers, g, next)
		engine_stream_free((struct engine_stream *)g);
	DL_FOREACH_SAFE(e->streams.clients, g, next)
		engine_stream_free((struct engine_stream *)g);
	DL_FOREACH_SAFE(e->gates, gate, next_gate)
		gate_free(e, gate);
	free(e->stream_bytes);
}

void engine_streams_sweep(struct engine *e, uint64_t now_ns)
{
	struct engine_gate *gate;
	struct engine_guest *g;

	if (!e->stream_bytes || now_ns < e->swept_ns + SWEEP_NS)
		return;
	e->swept_ns = now_ns;
	/* those with an allocation have its lifetime */
	DL_FOREACH(e->streams.strangers, g)
		if (g->deadline_ns <= now_ns)
			engine_stream_kill((struct engine_stream *)g);
	DL_FOREACH(e->gates, gate)
		if (gate->shut && !event_add(gate->event, NULL))
			gate->shut = false;
	engine_tcp_sweep(e, now_ns);
	engine_streams_settle(e);
}
