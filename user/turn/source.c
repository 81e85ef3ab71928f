// SPDX-License-Identifier: MIT
/*
 * Asking a database on a client's behalf. What is known costs nothing; a lookup is for
 * those who hold a nonce that was made for their address, at the rate of strangers, so
 * that nobody can have others work for forged datagrams.
 */
#include "turn/core.h"
#include "pure.h"

/* The answer to somebody who may have a lookup begun. */
static enum turn_answer source_look_up(const struct request *rq, struct turn_question *q,
				       struct turn_credential *out, int *code)
{
	const struct turn_shared *shared = rq->server->shared;
	/* Only over UDP does a client ask again. */
	int busy = rq->path->transport == TURN_UDP ? AUTH_DROP : 500;
	enum turn_answer answer;

	if (!nonce_valid(rq->server->conf, rq->path, rq->now.mono_ns / TURN_NS_PER_S,
			 rq->msg->nonce)) {
		*code = 438;	/* before section 9.2.4 has its turn for it (house) */
		return TURN_UNASKED;
	}
	if (!ratelimit_allows(rq->server->shared, &rq->path->client, rq->now.mono_ns)) {
		*code = busy;
		return TURN_UNASKED;
	}
	q->look_up = true;
	answer = shared->source->ask(shared->source_ctx, q, out);
	if (answer == TURN_UNASKED)
		*code = busy;			/* there is too much to do already */
	return answer;
}

int source_ask(const struct request *rq, struct turn_question *q, enum turn_answer *answer,
	       struct turn_credential *out)
{
	const struct turn_shared *shared = rq->server->shared;
	int code = 0;

	*answer = TURN_NOBODY;
	if (!shared->source)
		return 0;
	q->now_ns = rq->now.mono_ns;
	*answer = shared->source->ask(shared->source_ctx, q, out);
	if (*answer == TURN_UNASKED)
		*answer = source_look_up(rq, q, out, &code);
	if (*answer == TURN_PENDING)
		return AUTH_LATER;
	return *answer == TURN_AWAY ? 500 : code;
}

bool source_away(const struct request *rq)
{
	const struct turn_shared *shared = rq->server->shared;

	return !rq->server->realms || !shared->source ||
	       shared->source->away(shared->source_ctx, rq->now.mono_ns);
}
