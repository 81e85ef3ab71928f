// SPDX-License-Identifier: MIT
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>
#include "address.h"
#include "log.h"
#include "metrics.h"
#include "net/tls.h"

#define REQUEST_MAX	8192
#define TIMEOUT_S	10
#define PORTS_FULL	95		/* percent of the relay ports: not ready for more */

struct metrics {
	struct evhttp *http;
	struct tls_store *tls;		/* NULL: plain HTTP */
	const struct control_sources *from;
};

static void reply_text(struct evhttp_request *request, int code, const char *reason,
		       const char *text)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	struct evbuffer *body = evbuffer_new();

	evhttp_add_header(headers, "Content-Type", "text/plain; charset=utf-8");
	if (body)
		evbuffer_add(body, text, strlen(text));
	evhttp_send_reply(request, code, reason, body);
	if (body)
		evbuffer_free(body);
}

/* So it goes on where on_connection() had no memory. */
static bool without_tls(const struct metrics *m, struct evhttp_request *request)
{
	struct evhttp_connection *connection = evhttp_request_get_connection(request);

	return m->tls && !bufferevent_openssl_get_ssl(
		evhttp_connection_get_bufferevent(connection));
}

static void on_metrics(struct evhttp_request *request, void *arg)
{
	const struct metrics *m = arg;
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	struct evbuffer *body = evbuffer_new();
	char *text = NULL;
	size_t size = 0;
	FILE *out = without_tls(m, request) ? NULL : open_memstream(&text, &size);

	if (out) {
		metrics_text(m->from, out);
		fclose(out);
	}
	if (!body || !text || evbuffer_add(body, text, size)) {
		evhttp_send_error(request, HTTP_INTERNAL, "out of memory");
	} else {
		evhttp_add_header(headers, "Content-Type",
				  "text/plain; version=0.0.4; charset=utf-8");
		evhttp_send_reply(request, HTTP_OK, "OK", body);
	}
	free(text);
	if (body)
		evbuffer_free(body);
}

static void on_alive(struct evhttp_request *request, void *arg)
{
	(void)arg;
	reply_text(request, HTTP_OK, "OK", "ok\n");
}

/* A load balancer is to send new clients elsewhere. */
static void on_ready(struct evhttp_request *request, void *arg)
{
	const struct metrics *m = arg;
	const struct control_sources *from = m->from;
	const struct turn_conf *turn = &from->shared->conf->turn;
	unsigned int total = (turn->max_port - turn->min_port + 1u) * turn->n_relays;
	unsigned int used = turn_shared_ports(from->shared->turn);

	if (from->draining(from->operator))
		reply_text(request, HTTP_SERVUNAVAIL, "Service Unavailable", "draining\n");
	else if (total && (uint64_t)used * 100 > (uint64_t)total * PORTS_FULL)
		reply_text(request, HTTP_SERVUNAVAIL, "Service Unavailable",
			   "relay ports used up\n");
	else
		reply_text(request, HTTP_OK, "OK", "ready\n");
}

static struct bufferevent *on_connection(struct event_base *base, void *arg)
{
	struct metrics *m = arg;
	SSL *ssl = tls_accept(m->tls, TLS_STREAM);

	return ssl ? bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING,
						    BEV_OPT_CLOSE_ON_FREE) : NULL;
}

static bool listen_on(struct evhttp *http, const struct tp_addr *addr, uint16_t port)
{
	struct tp_addr ip = *addr;
	char text[ADDRESS_TEXT];

	ip.port = 0;
	if (evhttp_bind_socket(http, address_text(&ip, text), port)) {
		log_error("prometheus: cannot listen on %s port %u: %s", text, port,
			  strerror(errno));
		return false;
	}
	log_info("metrics address=%s port=%u", text, port);
	return true;
}

/* True as well where none is wanted. */
static bool use_tls(struct metrics *m, const struct conf *conf)
{
	struct tls_fault fault;

	if (!conf->prometheus_tls)
		return true;
	m->tls = tls_store_new(&conf->metrics_tls, &fault);
	if (m->tls)
		evhttp_set_bevcb(m->http, on_connection, m);
	else
		log_error("prometheus-tls: %s", fault.text);
	return m->tls;
}

/* Every address, of both families where there are both. */
static bool listen_on_all(struct evhttp *http, uint16_t port)
{
	static const struct tp_addr any[2] = { { .family = 6 }, { .family = 4 } };

	return evhttp_bind_socket(http, "::", port) == 0 || listen_on(http, &any[1], port);
}

struct metrics *metrics_new(struct event_base *base, const struct control_sources *sources)
{
	const struct conf *conf = sources->shared->conf;
	struct metrics *m = calloc(1, sizeof(*m));
	bool listening;

	if (!m)
		return NULL;
	m->from = sources;
	m->http = evhttp_new(base);
	if (!m->http || !use_tls(m, conf))
		goto fail;
	evhttp_set_allowed_methods(m->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_max_headers_size(m->http, REQUEST_MAX);
	evhttp_set_max_body_size(m->http, REQUEST_MAX);
	evhttp_set_timeout(m->http, TIMEOUT_S);
	evhttp_set_cb(m->http, conf->prometheus_path, on_metrics, m);
	evhttp_set_cb(m->http, "/", on_alive, m);
	evhttp_set_cb(m->http, "/livez", on_alive, m);
	evhttp_set_cb(m->http, "/readyz", on_ready, m);
	listening = !conf->prometheus_address.n && listen_on_all(m->http, conf->prometheus_port);
	for (unsigned int i = 0; i < conf->prometheus_address.n; i++)
		listening |= listen_on(m->http, &conf->prometheus_address.v[i],
				       conf->prometheus_port);
	if (listening)
		return m;
fail:
	metrics_free(m);
	return NULL;
}

bool metrics_renew(struct metrics *m, const struct conf *next)
{
	struct tls_fault fault;

	return !m || !m->tls || !tls_store_replace(m->tls, &next->metrics_tls, &fault);
}

void metrics_free(struct metrics *m)
{
	if (!m)
		return;
	if (m->http)
		evhttp_free(m->http);
	tls_store_free(m->tls);
	free(m);
}
