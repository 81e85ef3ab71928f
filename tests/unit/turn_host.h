/* SPDX-License-Identifier: MIT */
/*
 * The world as its host sees it: a clock, sockets, and books about what the core
 * asked for. Used through turn_harness.h.
 */
#ifndef TEST_TURN_HOST_H
#define TEST_TURN_HOST_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "address.h"
#include "turn/turn.h"

#define S		TURN_NS_PER_S
#define MS		(S / 1000)
#define REALM_TEXT	"example.org"
#define PORTS_TRACKED	65536

struct world {
	struct turn_conf conf;
	struct turn_user users[4];
	char *secrets[2];
	struct turn_relay_ip relays[4];
	struct tp_addr own[4];
	struct turn_ip_range allowed[2], denied[2];

	struct turn_shared *shared;
	struct turn_server *server;
	struct turn_now now;

	/* the host's books */
	unsigned int allocs, chans, perms, sockets;
	uint64_t perm_lease_ns;		/* of the permission last kept */
	unsigned int limited;		/* allocations that got another max_bps */
	unsigned int allocs_kept, chans_kept, perms_kept, closes;
	uint64_t lease_ns;			/* of the channel kept last */
	uint64_t port_until[2][PORTS_TRACKED];	/* by family; UINT64_MAX: a socket is open */
	bool port_reserved[PORTS_TRACKED];	/* IPv4: held by a token, not resting */
	struct turn_relay *relay[2];		/* the last one opened */
	uint16_t bind_fails;			/* so many more relay_open() fail ... */
	int bind_error;				/* ... with this */
	/* TCP connections (RFC 6062) */
	unsigned int conns, conn_closes;
	struct turn_connection *conn;		/* the last one begun or accepted */
	struct tp_addr conn_to;
	int connect_error, join_error;
	struct turn_path join_path;
	uint64_t seed;
	bool random_constant;
	unsigned int notes;
	char note[1024];

	/* what went to the client and to peers */
	unsigned int n_client, n_peer;
	struct turn_path out_path;
	uint8_t out[70000];
	size_t out_len;
	struct stun_msg reply;
	struct tp_addr peer, peer_from;
	uint8_t peer_data[70000];
	size_t peer_len;
	unsigned int peer_flags;

	/* the client */
	struct turn_path path;
	const char *user, *password, *realm;
	char nonce[128];
	size_t nonce_len;
	enum stun_algorithm algorithm;		/* NONE: as RFC 5389 */
	bool sha256;				/* MESSAGE-INTEGRITY-SHA256 */
	uint32_t txid;
	uint8_t buf[70000];
	struct stun_writer w;
	struct stun_key key;
	enum tp_reason reason;
	unsigned int asked;

	struct turn_origin origins[6];
	__be16 answer_port;			/* where answers go; 0: the client's */
	struct turn_server *worker[2];		/* others that share; NULL: there are none */
	unsigned int handed_over;
	unsigned int parked;			/* now: rows that are off while a client moves */
	struct turn_path kept_path;		/* of the allocation kept last */
	struct turn_path comes_path;		/* that the core spoke of last */
	bool comes;				/* somebody comes by it */
};

static inline struct tp_addr addr(const char *text)
{
	struct tp_addr a;

	assert_true(address_parse_port(&a, text));
	return a;
}

static inline struct stun_bytes str(const char *s)
{
	return (struct stun_bytes){ (const uint8_t *)s, strlen(s) };
}

/* ------------------------------------------------------------ the host */

static inline int host_relay_open(void *ctx, struct turn_relay *r)
{
	struct world *w = ctx;
	unsigned int i = r->local.family == 6;
	uint64_t *until = &w->port_until[i][ntohs(r->local.port)];

	assert_true(r->local.family == 4 || r->local.family == 6);
	assert_in_range(ntohs(r->local.port), w->conf.min_port, w->conf.max_port);
	/* never a port that is in use or rests; of a pair both are free at first */
	if (i || !w->port_reserved[ntohs(r->local.port)])
		assert_true(*until <= w->now.mono_ns);
	assert_true(*until != UINT64_MAX);
	w->port_reserved[ntohs(r->local.port)] = false;
	if (w->bind_fails) {
		w->bind_fails--;
		if (w->bind_error == -EADDRINUSE)
			*until = w->now.mono_ns + 60 * S;
		return w->bind_error;
	}
	*until = UINT64_MAX;
	r->host = w;
	w->relay[i] = r;
	w->sockets++;
	return 0;
}

static inline void host_relay_close(void *ctx, struct turn_relay *r)
{
	struct world *w = ctx;

	assert_ptr_equal(r->host, w);
	w->port_until[r->local.family == 6][ntohs(r->local.port)] = w->now.mono_ns + 60 * S;
	w->sockets--;
	w->closes++;
}

static inline void host_to_client(void *ctx, const struct turn_path *path,
				  const struct turn_out *out)
{
	struct world *w = ctx;

	assert_in_range(out->head_len + out->data_len + out->pad, 0, sizeof(w->out));
	w->n_client++;
	w->out_path = *path;
	memcpy(w->out, out->head, out->head_len);
	if (out->data_len)
		memcpy(w->out + out->head_len, out->data, out->data_len);
	memset(w->out + out->head_len + out->data_len, 0, out->pad);
	w->out_len = out->head_len + out->data_len + out->pad;
}

static inline void host_to_client_from(void *ctx, const struct tp_addr *server,
				       const struct tp_addr *client, const struct turn_out *out)
{
	struct turn_path path = { .client = *client, .server = *server,
				  .transport = IPPROTO_UDP };

	host_to_client(ctx, &path, out);
}

static inline void host_to_peer(void *ctx, struct turn_relay *relay, const struct tp_addr *peer,
				const uint8_t *data, size_t len, unsigned int flags)
{
	struct world *w = ctx;

	assert_ptr_equal(relay->host, w);
	assert_int_equal(relay->local.family, peer->family);
	w->n_peer++;
	w->peer = *peer;
	w->peer_from = relay->local;
	memcpy(w->peer_data, data, len);
	w->peer_len = len;
	w->peer_flags = flags;
}

static inline void host_kept(struct world *w, void **host, unsigned int *live, unsigned int *kept)
{
	/* NULL where it is new; the record that it was adopted from, after a restart */
	if (*host != w)
		++*live;
	*host = w;
	++*kept;
}

static inline void host_gone(struct world *w, void **host, unsigned int *live)
{
	assert_ptr_equal(*host, w);
	*host = NULL;
	--*live;
}

static inline void host_alloc_kept(void *ctx, struct turn_alloc *a)
{
	struct world *w = ctx;

	host_kept(w, &a->host, &w->allocs, &w->allocs_kept);
	w->kept_path = a->path;
	/* its own rows come back last */
	assert_true(a->parked || !w->parked);
}

static inline void host_client_comes(void *ctx, const struct turn_path *path, bool comes)
{
	struct world *w = ctx;

	assert_int_equal(path->transport & TURN_GONE, 0);
	w->comes_path = *path;
	w->comes = comes;
}

static inline void host_alloc_limited(void *ctx, struct turn_alloc *a)
{
	struct world *w = ctx;

	assert_ptr_equal(a->host, w);
	w->limited++;
}

static inline bool host_hand_over(void *ctx, unsigned int worker, const struct turn_path *path,
				  const uint8_t *data, size_t len)
{
	struct world *w = ctx;

	assert_in_range(worker, 0, 1);
	assert_non_null(w->worker[worker]);
	assert_ptr_not_equal(w->worker[worker], w->server);
	w->handed_over++;
	w->reason = turn_from_client(w->worker[worker], path, data, len, w->now);
	return true;
}

static inline void host_alloc_parked(void *ctx, struct turn_alloc *a)
{
	struct world *w = ctx;

	assert_ptr_equal(a->host, w);
	assert_true(a->parked);
	assert_int_equal(w->parked, 0);
}

static inline void host_channel_parked(void *ctx, struct turn_alloc *a, struct turn_channel *c)
{
	struct world *w = ctx;

	assert_true(a->parked && c->host == w);
	w->parked++;
}

static inline void host_permission_parked(void *ctx, struct turn_alloc *a,
					  struct turn_permission *p)
{
	struct world *w = ctx;

	assert_true(a->parked && p->host == w);
	w->parked++;
}

static inline void host_channel_kept(void *ctx, struct turn_alloc *a, struct turn_channel *c)
{
	struct world *w = ctx;

	w->parked -= a->parked;
	host_kept(w, &c->host, &w->chans, &w->chans_kept);
	w->lease_ns = c->lease_ns;
}

static inline void host_permission_kept(void *ctx, struct turn_alloc *a,
					struct turn_permission *p)
{
	struct world *w = ctx;

	assert_int_equal(p->peer.port, 0);
	assert_true(p->lease_ns <= p->expires_ns);
	assert_true(p->lease_ns <= a->relay[p->peer.family == 6].expires_ns);
	w->perm_lease_ns = p->lease_ns;
	w->parked -= a->parked;
	host_kept(w, &p->host, &w->perms, &w->perms_kept);
}

static inline void host_channel_gone(void *ctx, struct turn_alloc *a, struct turn_channel *c)
{
	struct world *w = ctx;

	/* before the socket is closed, let alone its port another's (G6) */
	assert_true(a->relay[c->peer.family == 6].host == w);
	host_gone(w, &c->host, &w->chans);
}

static inline void host_permission_gone(void *ctx, struct turn_alloc *a,
					struct turn_permission *p)
{
	struct world *w = ctx;

	assert_true(a->relay[p->peer.family == 6].host == w);
	host_gone(w, &p->host, &w->perms);
}

static inline void host_alloc_gone(void *ctx, struct turn_alloc *a)
{
	struct world *w = ctx;

	host_gone(w, &a->host, &w->allocs);
}

static inline int host_tcp_connect(void *ctx, struct turn_connection *c, const struct tp_addr *to)
{
	struct world *w = ctx;

	assert_true(w->conf.tcp_relay && c->relay->alloc->tcp);
	assert_ptr_equal(c->relay->host, w);
	assert_int_equal(c->relay->local.family, to->family);
	w->conn_to = *to;
	if (w->connect_error)
		return w->connect_error;
	c->host = w;
	w->conn = c;
	w->conns++;
	return 0;
}

static inline int host_tcp_bind(void *ctx, struct turn_connection *c, const struct turn_path *path)
{
	struct world *w = ctx;

	assert_ptr_equal(c->host, w);
	w->join_path = *path;
	return w->join_error;
}

static inline void host_tcp_close(void *ctx, struct turn_connection *c)
{
	struct world *w = ctx;

	/* once, and before the relayed address is closed */
	assert_ptr_equal(c->host, w);
	assert_ptr_equal(c->relay->host, w);
	c->host = NULL;
	w->conns--;
	w->conn_closes++;
}

static inline void host_random(void *ctx, void *buf, size_t len)
{
	struct world *w = ctx;
	uint8_t *p = buf;
	size_t i;

	for (i = 0; i < len; i++) {
		w->seed = w->seed * 6364136223846793005ULL + 1442695040888963407ULL;
		p[i] = w->random_constant ? 0x42 : (uint8_t)(w->seed >> 56);
	}
}

static inline void host_note(void *ctx, const char *line)
{
	struct world *w = ctx;
	const char *p;

	for (p = line; *p; p++)
		assert_in_range(*p, 0x20, 0x7e);
	snprintf(w->note, sizeof(w->note), "%s", line);
	w->notes++;
}

static const struct turn_host fake_host = {
	.relay_open = host_relay_open,
	.relay_close = host_relay_close,
	.to_client = host_to_client,
	.to_client_from = host_to_client_from,
	.to_peer = host_to_peer,
	.client_comes = host_client_comes,
	.hand_over = host_hand_over,
	.alloc_parked = host_alloc_parked,
	.channel_parked = host_channel_parked,
	.permission_parked = host_permission_parked,
	.alloc_kept = host_alloc_kept,
	.alloc_limited = host_alloc_limited,
	.channel_kept = host_channel_kept,
	.permission_kept = host_permission_kept,
	.channel_gone = host_channel_gone,
	.permission_gone = host_permission_gone,
	.alloc_gone = host_alloc_gone,
	.tcp_connect = host_tcp_connect,
	.tcp_bind = host_tcp_bind,
	.tcp_close = host_tcp_close,
	.random = host_random,
	.note = host_note,
};

#endif
