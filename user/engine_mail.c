// SPDX-License-Identifier: MIT
/*
 * Clients whose allocation lives with another worker than their datagrams come to (RFC 8016):
 * those datagrams on their way there. A DTLS session stays where its datagrams come; what
 * it holds goes there likewise, and what is for its client comes back. Bounded: what a worker
 * cannot take in is lost, as on a full socket.
 */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include "engine_parts.h"

#define MAIL_BYTES	(4U << 20)	/* waiting for one worker */

enum about {
	FROM_CLIENT,			/* to who has the allocation */
	SESSION_ENDED,
	TO_CLIENT,			/* to who has the DTLS session */
	ALLOCATED,
	NOT_ALLOCATED,
};

struct engine_letter {
	struct engine_letter *prev, *next;
	struct engine *from;
	enum about about;
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
	/* news, which nobody repeats, are few */
	fits = !letter->len || mail->bytes + letter->len + sizeof(*letter) <= MAIL_BYTES;
	if (fits) {
		mail->bytes += letter->len + sizeof(*letter);
		DL_APPEND(mail->letters, letter);
	}
	pthread_mutex_unlock(&mail->lock);
	return fits;
}

/* With room for so many bytes. NULL: no memory. */
static struct engine_letter *letter_new(struct engine *e, enum about about,
					const struct turn_path *path, size_t len)
{
	struct engine_letter *letter = malloc(sizeof(*letter) + len);

	if (!letter)
		return NULL;
	*letter = (struct engine_letter){
		.from = e, .about = about, .path = *path,
		.tos = e->tos, .ttl = e->ttl, .ttl_over = e->ttl_over, .len = len,
	};
	letter->path.socket = NULL;
	return letter;
}

/* Takes the letter, NULL too; len is what is counted where it is lost. */
static void post(struct engine *to, struct engine_letter *letter, struct engine *from, size_t len)
{
	if (!letter || !mail_put(&to->mail, letter)) {
		engine_count_one(from, TP_R_SEND_FAILED, len);
		free(letter);
		return;
	}
	event_active(to->mail.event, 0, 0);
}

static void post_news(struct engine *to, struct engine *from, enum about about,
		      const struct turn_path *path)
{
	post(to, letter_new(from, about, path, 0), from, 0);
}

bool engine_hand_over(void *ctx, unsigned int worker, const struct turn_path *path,
		      const uint8_t *data, size_t len)
{
	struct engine *e = ctx;
	struct engine_letter *letter;

	/* a stream moves as a whole, or not at all */
	if (turn_protocol(path->transport) != IPPROTO_UDP)
		return false;
	letter = letter_new(e, FROM_CLIENT, path, len);
	if (letter)
		memcpy(letter->data, data, len);
	post(e->shared->engines[worker], letter, e, len);
	return true;
}

void engine_far_ended(struct engine *e, struct engine *to, const struct turn_path *path)
{
	post_news(to, e, SESSION_ENDED, path);
}

/* ------------------------------------------------- the leg of a session elsewhere */

static struct turn_path path_of(const struct engine_leg *leg, const struct tp_addr *client)
{
	const struct engine_far *far = (const struct engine_far *)leg;

	return (struct turn_path){
		.client = *client, .server = far->server,
		.transport = IPPROTO_UDP | TURN_SECURE,
	};
}

/* Where the kernel brings its datagrams. */
static struct engine *engine_of(const struct engine_leg *leg, const struct tp_addr *client)
{
	const struct engine_shared *shared = leg->engine->shared;

	return shared->engines[udp_worker(client, shared->conf->workers)];
}

static void far_leg_send(struct engine_leg *leg, const struct tp_addr *client,
			 const struct turn_out *out)
{
	size_t len = out->head_len + out->data_len + out->pad;
	struct turn_path path = path_of(leg, client);
	struct engine_letter *letter = letter_new(leg->engine, TO_CLIENT, &path, len);

	if (letter) {
		memcpy(letter->data, out->head, out->head_len);
		if (out->data_len)
			memcpy(letter->data + out->head_len, out->data, out->data_len);
		memset(letter->data + out->head_len + out->data_len, 0, out->pad);
		letter->tos = out->data ? letter->tos : 0;
		letter->ttl = out->data ? letter->ttl : 0;
	}
	post(engine_of(leg, client), letter, leg->engine, len);
}

static void far_leg_allocated(struct engine_leg *leg, const struct tp_addr *client, bool is)
{
	struct turn_path path = path_of(leg, client);

	post_news(engine_of(leg, client), leg->engine, is ? ALLOCATED : NOT_ALLOCATED, &path);
}

const struct engine_leg_ops engine_far_leg = {
	.send = far_leg_send,
	.allocated = far_leg_allocated,
};

/* ------------------------------------------------------------------ reading */

static void from_client(struct engine *e, struct engine_letter *letter, struct turn_now now)
{
	letter->path.socket = engine_leg_of(e, &letter->path);
	if (letter->path.socket)
		engine_from_client(e, &letter->path, letter->data, letter->len, now);
	else				/* nobody listens there any more */
		engine_count_one(e, TP_R_SEND_FAILED, letter->len);
}

static void read_letter(struct engine *e, struct engine_letter *letter, struct turn_now now)
{
	const struct turn_out out = {
		.head = letter->data, .data = letter->data, .data_len = letter->len,
	};

	e->tos = letter->tos;
	e->ttl = letter->ttl;
	e->ttl_over = letter->ttl_over;
	switch (letter->about) {
	case FROM_CLIENT:
		from_client(e, letter, now);
		break;
	case SESSION_ENDED:
		turn_client_gone(e->server, &letter->path, now);
		break;
	case TO_CLIENT:
		if (!engine_dtls_output(e, &letter->path, &out))
			engine_count_one(e, TP_R_SEND_FAILED, letter->len);
		break;
	case ALLOCATED:
		if (!engine_dtls_lend(e, &letter->path, letter->from))
			post_news(letter->from, e, SESSION_ENDED, &letter->path);
		break;
	case NOT_ALLOCATED:
		engine_dtls_return(e, &letter->path, letter->from);
		break;
	}
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
	DL_FOREACH(letters, letter)
		read_letter(e, letter, now);
	/* what is queued refers to the letters */
	engine_flush(e);
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
