// SPDX-License-Identifier: MIT
/* Listeners that a reload adds and takes away, in the relay process. */
#include <stdlib.h>
#include <unistd.h>
#include "dataplane/listeners.h"
#include "link.h"
#include "log.h"
#include "relay_parts.h"

void relay_take_sockets(struct relay *r, const struct link_message *message)
{
	enum sockets_kind kind;
	struct tp_addr addr;

	if (message->n_fds == r->added.workers && sockets_read(message->text, &kind, &addr) &&
	    !sockets_find(&r->setup->sockets, kind, &addr)) {
		if (sockets_add(&r->added, kind, &addr, message->fd))
			log_error("reload: out of memory for sockets");
		return;
	}
	for (unsigned int i = 0; i < message->n_fds; i++)
		close(message->fd[i]);
}

static bool has_all(const struct relay *r, const struct conf *conf)
{
	for (int kind = 0; kind < SOCKETS_KINDS; kind++) {
		const struct conf_addrs *wanted = sockets_wanted(conf, (enum sockets_kind)kind);

		for (unsigned int i = 0; i < wanted->n; i++)
			if (!sockets_find(&r->setup->sockets, (enum sockets_kind)kind,
					  &wanted->v[i]))
				return false;
	}
	return true;
}

static bool listen_one(const struct relay *r, enum sockets_kind kind, const struct sockets_at *at)
{
	for (unsigned int i = 0; i < r->added.workers; i++)
		if (engine_listen(r->engines[i], kind, &at->addr, at->fd[i]))
			return false;
	return true;
}

bool relay_listen(struct relay *r, const struct conf *next)
{
	bool ok = true;

	/* what an earlier one, which came to nothing, has left */
	sockets_trim(&r->added, next, NULL, NULL);
	for (int kind = 0; kind < SOCKETS_KINDS; kind++) {
		const struct sockets_of *of = &r->added.of[kind];

		for (unsigned int i = 0; i < of->n; i++)
			ok = ok && listen_one(r, (enum sockets_kind)kind, &of->v[i]);
	}
	if (ok)
		return !sockets_merge(&r->setup->sockets, &r->added) && has_all(r, next);
	sockets_merge(&r->setup->sockets, &r->added);
	return false;
}

struct leaving {
	struct relay *r;
	unsigned int ended;
};

static void leave(void *ctx, enum sockets_kind kind, const struct tp_addr *addr)
{
	struct tp_addr gone = *addr;
	const struct conf_addrs list = { &gone, 1 };
	struct leaving *leaving = ctx;
	struct relay *r = leaving->r;

	for (unsigned int i = 0; i < r->setup->sockets.workers; i++)
		leaving->ended += engine_deafen(r->engines[i], kind, addr);
	if (kind == SOCKETS_UDP && r->rows)
		listeners_drop(r->rows, &list);
}

unsigned int relay_deafen(struct relay *r, const struct conf *conf)
{
	struct leaving leaving = { .r = r };

	sockets_trim(&r->setup->sockets, conf, leave, &leaving);
	return leaving.ended;
}
