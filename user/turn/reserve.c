// SPDX-License-Identifier: MIT
/*
 * Reservations of EVEN-PORT with R=1 (RFC 8656 section 7.2). A reserved port is
 * held by its free_at alone: nobody has to clean up after a token that is never
 * used. Its socket is opened by the worker that claims it.
 */
#include <string.h>
#include "turn/core.h"
#include "pure.h"

#define TOKEN_DRAWS	4

static struct reservation *reserve_find(struct turn_shared *shared, const uint8_t token[8],
					uint64_t now_ns)
{
	unsigned int i;

	for (i = 0; i < RESERVE_SLOTS; i++) {
		struct reservation *r = &shared->reservations[i];

		if (r->expires_ns > now_ns && !memcmp(r->token, token, sizeof(r->token)))
			return r;
	}
	return NULL;
}

/* A slot for one more of this user's; NULL if all, or all of theirs, are taken. */
static struct reservation *reserve_slot(struct turn_shared *shared, const uint8_t user_id[32],
					uint64_t now_ns)
{
	struct reservation *slot = NULL;
	unsigned int i, own = 0;

	for (i = 0; i < RESERVE_SLOTS; i++) {
		struct reservation *r = &shared->reservations[i];

		if (r->expires_ns <= now_ns)
			slot = r;
		else if (!memcmp(r->user_id, user_id, 32))
			own++;
	}
	return own < RESERVE_PER_USER ? slot : NULL;
}

bool reserve_make(struct turn_server *s, const uint8_t user_id[32], struct pool *pool,
		  uint16_t port, uint64_t now_ns, uint8_t token[8])
{
	struct turn_shared *shared = s->shared;
	struct reservation *slot;
	uint8_t draws[TOKEN_DRAWS][8];
	unsigned int i;
	bool made = false;

	s->host->random(s->ctx, draws, sizeof(draws));
	pthread_mutex_lock(&shared->lock);
	slot = reserve_slot(shared, user_id, now_ns);
	for (i = 0; slot && i < TOKEN_DRAWS && reserve_find(shared, draws[i], now_ns); i++)
		;
	if (!slot || i == TOKEN_DRAWS)
		goto out;
	memcpy(slot->token, draws[i], sizeof(slot->token));
	memcpy(slot->user_id, user_id, 32);
	slot->pool = pool;
	slot->port = port;
	slot->expires_ns = now_ns + TURN_RESERVE_NS;
	port_give(pool, port, slot->expires_ns);
	memcpy(token, slot->token, sizeof(slot->token));
	made = true;
out:
	pthread_mutex_unlock(&shared->lock);
	return made;
}

uint16_t reserve_claim(struct turn_shared *shared, const uint8_t user_id[32],
		       const uint8_t token[8], uint64_t now_ns, struct pool **pool)
{
	struct reservation *r;
	uint16_t port = 0;

	pthread_mutex_lock(&shared->lock);
	r = reserve_find(shared, token, now_ns);
	/* The port may have gone to a worker whose clock is a little ahead. */
	if (r && !memcmp(r->user_id, user_id, 32) &&
	    port_take_reserved(r->pool, r->port, r->expires_ns)) {
		port = r->port;
		*pool = r->pool;
		r->expires_ns = 0;
	}
	pthread_mutex_unlock(&shared->lock);
	return port;
}
