// SPDX-License-Identifier: MIT
/*
 * Another configuration. It is read and checked whole, and what is new to listen on is open,
 * before the relay process hears of it; one at a time.
 */
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "address.h"
#include "config_table.h"
#include "keeper_parts.h"
#include "link.h"
#include "log.h"

#define SLOW_MS	5000		/* for the relay process to take a message */

/* Errors and warnings of the configuration, for the log a line each. */
static void log_lines(const char *text)
{
	while (*text) {
		int len = (int)strcspn(text, "\n");

		log_warning("reload: %.*s", len, text);
		text += len;
		text += *text == '\n';
	}
}

/* ------------------------------------------------------------------ sockets */

static bool had_ip(const struct keeper *k, const struct sockets_fault *fault)
{
	const struct sockets_of *of = &k->setup.sockets.of[fault->kind];

	for (unsigned int i = 0; i < of->n; i++)
		if (address_same_ip(&of->v[i].addr, &fault->addr))
			return true;
	return false;
}

static const char *where_of(const struct conf *conf, const char *name,
			    const struct conf_addrs *written, const struct tp_addr *addr)
{
	for (unsigned int i = 0; i < written->n; i++)
		if (address_same_ip(&written->v[i], addr) &&
		    (!written->v[i].port || written->v[i].port == addr->port))
			return conf_where_nth(conf, name, i);
	return NULL;
}

/* The line that has brought an address about: its IP or, where that was there, its port. */
static const char *whose_line(const struct keeper *k, const struct conf *next,
			      const struct sockets_fault *fault)
{
	bool tls = fault->kind == SOCKETS_TCP &&
		   fault->addr.port == htons(next->tls_listening_port);
	const char *where = where_of(next, "aux-server", &next->aux_server, &fault->addr);

	if (!where && !had_ip(k, fault))
		where = where_of(next, "listening-ip", &next->listening_ip, &fault->addr);
	if (!where)
		where = conf_where(next, fault->kind == SOCKETS_UDP_PROXIED ? "udp-proxy-port" :
					 tls ? "tls-listening-port" : "listening-port");
	return where;
}

static int open_added(struct keeper *k, const struct conf *next, struct sockets *added,
		      struct conf_errors *errors)
{
	struct sockets_fault fault;
	char text[ADDRESS_TEXT];
	int err = sockets_open(added, &k->setup.sockets, next, &fault);

	if (err)
		conf_report(errors, whose_line(k, next, &fault), LEVEL_ERROR, "listen %s/%s: %s",
			    address_text(&fault.addr, text), sockets_word(next, fault.kind),
			    strerror(-err));
	if (!err && k->dataplane.tc)
		sockets_refuse_gro(added);
	return err;
}

/* --------------------------------------------------------------- interfaces */

/* To those that next brings the kernel's programs are attached now. */
static int attach_added(struct keeper *k, const struct conf *next, struct conf_errors *errors)
{
	bool had_tc = k->dataplane.tc;
	char why[XDP_WHY];
	int err = dataplane_renew(&k->dataplane, next, k->conf, why);

	if (err)
		conf_report(errors, conf_where(next, "dataplane"), LEVEL_ERROR, "dataplane=%s: %s",
			    dataplane_word(next->dataplane), why);
	else if (k->dataplane.tc && !had_tc)
		sockets_refuse_gro(&k->setup.sockets);
	return err;
}

/* So far as the journal says, which keeps what a successor would carry on. */
static bool is_left(const void *ctx, const struct turn_former *former)
{
	const struct tables *tables = ctx;

	for (uint32_t i = 0; i < tables->meta->allocs; i++) {
		const struct tp_alloc *a = &tables->allocs[i];

		for (unsigned int k = 0; k < 2 && a->state != TP_ALLOC_FREE; k++) {
			uint16_t port = ntohs(a->relayed[k].port);

			if (address_same_ip(&a->relayed[k], &former->ip.local) &&
			    port >= former->min_port && port <= former->max_port)
				return true;
		}
	}
	return false;
}

/* ------------------------------------------------------------------- sending */

static int send_patiently(const struct keeper *k, enum link_kind kind, const char *text,
			  const int *fds, unsigned int n_fds)
{
	struct pollfd room = { .fd = k->link, .events = POLLOUT };
	int err = link_send(k->link, kind, text, fds, n_fds);

	while (err == -EAGAIN && poll(&room, 1, SLOW_MS) > 0)
		err = link_send(k->link, kind, text, fds, n_fds);
	return err;
}

static int send_sockets(const struct keeper *k, const struct sockets *added)
{
	char text[SOCKETS_TEXT];
	int err = 0;

	for (int kind = 0; kind < SOCKETS_KINDS; kind++) {
		const struct sockets_of *of = &added->of[kind];

		for (unsigned int i = 0; i < of->n && !err; i++) {
			sockets_write(text, (enum sockets_kind)kind, &of->v[i].addr);
			err = send_patiently(k, LINK_SOCKETS, text, of->v[i].fd, added->workers);
		}
	}
	return err;
}

static int send_interfaces(const struct keeper *k)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int err;

	if (!out)
		return -ENOMEM;
	dataplane_write(&k->dataplane, out);
	fclose(out);
	err = send_patiently(k, LINK_INTERFACES, text, NULL, 0);
	free(text);
	return err;
}

static int send_conf(const struct keeper *k, const struct conf *next, const char *text)
{
	int fds[] = { conf_image_write(next), log_reopen() }, err;

	err = fds[0] < 0 ? fds[0] :
	      send_patiently(k, LINK_CONF, text, fds, fds[1] < 0 ? 1 : 2);
	if (fds[0] >= 0)
		close(fds[0]);
	return err;
}

/* ----------------------------------------------------------------- reloading */

static void log_gone(void *ctx, enum sockets_kind kind, const struct tp_addr *addr)
{
	const struct keeper *k = ctx;
	char text[ADDRESS_TEXT];

	log_info("listening no more address=%s proto=%s", address_text(addr, text),
		 kind == SOCKETS_UDP ? "udp" : sockets_word(k->conf, kind));
}

static void log_added(const struct sockets *added, const struct conf *next)
{
	char text[ADDRESS_TEXT];

	for (int kind = 0; kind < SOCKETS_KINDS; kind++)
		for (unsigned int i = 0; i < added->of[kind].n; i++)
			log_info("listening address=%s proto=%s",
				 address_text(&added->of[kind].v[i].addr, text),
				 sockets_word(next, (enum sockets_kind)kind));
}

/* The relay process is told: what it is told stands, also for one that comes after it. */
static int hand_over(struct keeper *k, struct conf *next, struct sockets *added,
		     const char *text)
{
	int err = send_sockets(k, added);

	if (!err)
		err = send_interfaces(k);
	if (!err)
		err = send_conf(k, next, text);
	if (err)
		return err;
	k->reloading = true;
	log_level(next->log_level);
	log_added(added, next);
	sockets_merge(&k->setup.sockets, added);
	sockets_trim(&k->setup.sockets, next, log_gone, k);
	conf_free(*k->running);
	free(*k->running);
	*k->running = next;
	k->conf = next;
	return 0;
}

static void refuse(const struct keeper *k, const struct conf_errors *errors, const char *text)
{
	log_lines(text);
	log_error("reload: refused, %u error%s: nothing has changed", errors->errors,
		  errors->errors == 1 ? "" : "s");
	/* who asked waits for it */
	send_patiently(k, LINK_REFUSED, text, NULL, 0);
}

/* Everything, or for a renewal what the certificates' files hold: -EALREADY if that is in force. */
static void reload(struct keeper *k, bool renewal)
{
	struct conf *next = malloc(sizeof(*next));
	struct sockets added = { .workers = k->conf->workers };
	struct conf_errors errors = { 0 };
	char *text = NULL;
	bool read;
	size_t size;
	int err;

	errors.out = open_memstream(&text, &size);
	if (!next || !errors.out) {
		log_error("reload: out of memory");
		free(next);
		return;
	}
	err = renewal ? conf_renew(next, k->conf, &errors) :
			conf_reload(next, k->source, k->conf, &errors);
	read = !err;
	if (read) {
		conf_drop_former(next, is_left, &k->dataplane.tables);
		/* certificates come to no interface, and none can refuse them */
		err = renewal ? 0 : attach_added(k, next, &errors);
	}
	if (read && !err)
		err = open_added(k, next, &added, &errors);
	fclose(errors.out);
	if (err && err != -EALREADY) {
		refuse(k, &errors, text);
	} else if (!err) {
		if (renewal)
			log_info("certificates have changed");
		else
			log_lines(text);
		err = hand_over(k, next, &added, text);
		if (err)
			log_error("reload: %s: nothing has changed", strerror(-err));
	}
	sockets_close(&added);
	if (err && read) {
		dataplane_trim(&k->dataplane, k->conf);
		conf_free(next);
	}
	if (err)
		free(next);
	free(text);
}

void keeper_reload(struct keeper *k)
{
	/* what the last one took away may still be open there */
	if (k->reloading)
		k->again = true;
	else
		reload(k, false);
}

void keeper_look(struct keeper *k)
{
	uint64_t stamp = conf_tls_stamp(k->conf);
	bool still = stamp == k->tls_seen;	/* else the key may be of another certificate */

	k->tls_seen = stamp;
	if (!still || stamp == k->tls_stamp || k->reloading)
		return;
	k->tls_stamp = stamp;
	reload(k, true);
}

void keeper_reloaded(struct keeper *k)
{
	bool again = k->again;

	if (k->reloading) {
		dataplane_trim(&k->dataplane, k->conf);
		send_interfaces(k);
	}
	k->reloading = k->again = false;
	if (again && k->link >= 0)
		reload(k, false);
}
