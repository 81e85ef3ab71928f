// SPDX-License-Identifier: MIT
/*
 * Datagrams of clients whose allocation lives with another worker (RFC 8016), on their
 * way there. Bounded: what a worker cannot take in is lost, as on a full socket.
 */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include "engine_parts.h"

#define MAIL_BYTES	(4U << 20)	/* waiting for one worker */

struct engine_letter {
	struct engine_letter *prev, *next;
	struct turn_path path;		/* without a leg: the reader has its own */
	uint8_t tos, ttl;
	bool ttl_over;
	size_t len;
	uint8_t data[];
};

static bool mail_put(struct engine_mail *mail, struct engine_letter *letter)
{
	bool fits;

	pthread_mutex_lock(&mail->lock);
	fits = mail->bytes + letter->len + sizeof(*letter) <= MAIL_BYTES;
	if (fits) {
		mail->bytes += letter->len + sizeof(*letter);
		DL_APPEND(mail->letters, letter);
	}
	pthread_mutex_unlock(&mail->lock);
	return fits;
}

bool engine_hand_over(void *ctx, unsigned int worker, const struct turn_path *path,
		      const uint8_t *data, size_t len)
{
	struct engine *e = ctx, *to = e->shared->engines[worker];
	struct engine_letter *letter;

	/* a connection is its worker's */
	if (path->transport != IPPROTO_UDP)
		return false;
	letter = malloc(sizeof(*letter) + len);
	if (letter) {
		*letter = (struct engine_letter){
			.path = *path, .tos = e->tos, .ttl = e->ttl,
			.ttl_over = e->ttl_over, .len = len,
		};
		memcpy(letter->data, data, len);
		letter->path.socket = NULL;
	}
	if (!letter || !mail_put(&to->mail, letter)) {
		engine_count_one(e, TP_R_SEND_FAILED, len);
		free(letter);
		return true;
	}
	event_active(to->mail.event, 0, 0);
	return true;
}

static void on_mail(evutil_socket_t fd, short what, void *arg)
{
	struct engine *e = arg;
	struct engine_letter *letters, *letter, *next;
	struct turn_now now = engine_now();

	(void)fd;
	(void)what;
	pthread_mutex_lock(&e->mail.lock);
	letters = e->mail.letters;
	e->mail.letters = NULL;
	e->mail.bytes = 0;
	pthread_mutex_unlock(&e->mail.lock);
	e->now_ns = now.mono_ns;
	DL_FOREACH(letters, letter) {
		e->tos = letter->tos;
		e->ttl = letter->ttl;
		e->ttl_over = letter->ttl_over;
		letter->path.socket = engine_leg_of(e, &letter->path.server);
		if (!letter->path.socket) {	/* nobody listens there any more */
			engine_count_one(e, TP_R_SEND_FAILED, letter->len);
			continue;
		}
		engine_from_client(e, &letter->path, letter->data, letter->len, now);
	}
	/* what is queued refers to the letters */
	udp_flush(e->tx);
	DL_FOREACH_SAFE(letters, letter, next)
		free(letter);
}

int engine_mail_open(struct engine *e)
{
	pthread_mutex_init(&e->mail.lock, NULL);
	e->mail.event = event_new(e->base, -1, 0, on_mail, e);
	return e->mail.event ? 0 : -1;
}

void engine_mail_close(struct engine *e)
{
	struct engine_letter *letter, *next;

	if (!e->mail.event)
		return;
	event_free(e->mail.event);
	DL_FOREACH_SAFE(e->mail.letters, letter, next)
		free(letter);
	pthread_mutex_destroy(&e->mail.lock);
}
