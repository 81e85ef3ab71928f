// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "address.h"
#include "net/tcp.h"
#include "net/udp.h"
#include "sockets.h"

static const char *const kinds[SOCKETS_KINDS] = {
	[SOCKETS_UDP] = "udp", [SOCKETS_UDP_PROXIED] = "udp-proxy", [SOCKETS_TCP] = "tcp",
};

const struct conf_addrs *sockets_wanted(const struct conf *conf, enum sockets_kind kind)
{
	const struct conf_addrs *const wanted[SOCKETS_KINDS] = {
		[SOCKETS_UDP] = &conf->listen,
		[SOCKETS_UDP_PROXIED] = &conf->listen_proxied,
		[SOCKETS_TCP] = &conf->listen_tcp,
	};

	return wanted[kind];
}

const char *sockets_word(const struct conf *conf, enum sockets_kind kind)
{
	if (kind == SOCKETS_UDP)
		return conf->no_dtls ? "udp" : conf->no_udp ? "dtls" : "udp,dtls";
	if (kind == SOCKETS_UDP_PROXIED)
		return kinds[kind];
	return conf->no_tls ? "tcp" : conf->no_tcp ? "tls" : "tcp,tls";
}

const struct sockets_at *sockets_find(const struct sockets *s, enum sockets_kind kind,
				      const struct tp_addr *addr)
{
	for (unsigned int i = 0; s && i < s->of[kind].n; i++)
		if (address_equal(&s->of[kind].v[i].addr, addr))
			return &s->of[kind].v[i];
	return NULL;
}

static void close_all(const int *fd, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		close(fd[i]);
}

/* The place of this address, emptied or new; NULL: no memory. */
static int *place(struct sockets *s, enum sockets_kind kind, const struct tp_addr *addr)
{
	const struct sockets_at *known = sockets_find(s, kind, addr);
	struct sockets_of *of = &s->of[kind];
	struct sockets_at *v;
	int *fd;

	if (known) {
		close_all(known->fd, s->workers);
		return known->fd;
	}
	fd = calloc(s->workers, sizeof(*fd));
	v = fd ? reallocarray(of->v, of->n + 1, sizeof(*v)) : NULL;
	if (!v) {
		free(fd);
		return NULL;
	}
	of->v = v;
	v[of->n++] = (struct sockets_at){ *addr, fd };
	return fd;
}

int sockets_add(struct sockets *s, enum sockets_kind kind, const struct tp_addr *addr,
		const int *fd)
{
	int *to = place(s, kind, addr);

	if (!to) {
		close_all(fd, s->workers);
		return -ENOMEM;
	}
	memcpy(to, fd, s->workers * sizeof(*fd));
	return 0;
}

static int open_one(struct sockets *s, enum sockets_kind kind, const struct tp_addr *addr,
		    const struct conf *conf)
{
	int *fd = calloc(s->workers, sizeof(*fd));
	int err = -ENOMEM;

	if (fd && kind == SOCKETS_TCP)
		err = tcp_open_listeners(fd, s->workers, addr, conf->listening_device);
	else if (fd)
		err = udp_open_listeners(fd, s->workers, addr, conf->sock_buf_size,
					 conf->listening_device);
	if (!err)
		err = sockets_add(s, kind, addr, fd);
	free(fd);
	return err;
}

int sockets_open(struct sockets *added, const struct sockets *known, const struct conf *conf,
		 struct sockets_fault *fault)
{
	*added = (struct sockets){ .workers = conf->workers };
	for (int kind = 0; kind < SOCKETS_KINDS; kind++) {
		const struct conf_addrs *wanted = sockets_wanted(conf, (enum sockets_kind)kind);

		for (unsigned int i = 0; i < wanted->n; i++) {
			fault->kind = (enum sockets_kind)kind;
			fault->addr = wanted->v[i];
			if (sockets_find(known, fault->kind, &fault->addr))
				continue;
			fault->err = open_one(added, fault->kind, &fault->addr, conf);
			if (fault->err) {
				sockets_close(added);
				return fault->err;
			}
		}
	}
	return 0;
}

void sockets_refuse_gro(const struct sockets *s)
{
	const struct sockets_of *of = &s->of[SOCKETS_UDP];

	/* merged, they would go past the filter, and ahead of or behind their flow's others */
	for (unsigned int i = 0; i < of->n; i++)
		for (unsigned int w = 0; w < s->workers; w++)
			udp_refuse_gro(of->v[i].fd[w]);
}

static bool wants(const struct conf_addrs *wanted, const struct tp_addr *addr)
{
	for (unsigned int i = 0; i < wanted->n; i++)
		if (address_equal(&wanted->v[i], addr))
			return true;
	return false;
}

void sockets_trim(struct sockets *s, const struct conf *conf,
		  void (*gone)(void *ctx, enum sockets_kind kind, const struct tp_addr *addr),
		  void *ctx)
{
	for (int k = 0; k < SOCKETS_KINDS; k++) {
		enum sockets_kind kind = (enum sockets_kind)k;
		struct sockets_of *of = &s->of[kind];
		unsigned int kept = 0;

		for (unsigned int i = 0; i < of->n; i++) {
			struct sockets_at at = of->v[i];

			if (wants(sockets_wanted(conf, kind), &at.addr)) {
				of->v[kept++] = at;
				continue;
			}
			if (gone)
				gone(ctx, kind, &at.addr);
			close_all(at.fd, s->workers);
			free(at.fd);
		}
		of->n = kept;
	}
}

int sockets_merge(struct sockets *to, struct sockets *from)
{
	int err = 0;

	for (int kind = 0; kind < SOCKETS_KINDS; kind++) {
		struct sockets_of *of = &from->of[kind];

		for (unsigned int i = 0; i < of->n; i++) {
			err |= sockets_add(to, (enum sockets_kind)kind, &of->v[i].addr,
					   of->v[i].fd);
			free(of->v[i].fd);
		}
		free(of->v);
		*of = (struct sockets_of){ 0 };
	}
	return err ? -ENOMEM : 0;
}

void sockets_close(struct sockets *s)
{
	for (int kind = 0; kind < SOCKETS_KINDS; kind++) {
		struct sockets_of *of = &s->of[kind];

		for (unsigned int i = 0; i < of->n; i++) {
			close_all(of->v[i].fd, s->workers);
			free(of->v[i].fd);
		}
		free(of->v);
		*of = (struct sockets_of){ 0 };
	}
}

void sockets_write(char text[SOCKETS_TEXT], enum sockets_kind kind, const struct tp_addr *addr)
{
	char where[ADDRESS_TEXT];

	snprintf(text, SOCKETS_TEXT, "%s %s", kinds[kind], address_text(addr, where));
}

bool sockets_read(const char *text, enum sockets_kind *kind, struct tp_addr *addr)
{
	for (int k = 0; k < SOCKETS_KINDS; k++) {
		size_t len = strlen(kinds[k]);

		if (strncmp(text, kinds[k], len) || text[len] != ' ')
			continue;
		*kind = (enum sockets_kind)k;
		return address_parse_port(addr, text + len + 1);
	}
	return false;
}
