/* SPDX-License-Identifier: MIT */
/*
 * What a database said lately about users and token keys. Workers ask, and never wait;
 * the database's thread takes what is to be looked up and brings the answers. Thread
 * safe. The clock is the caller's (CLOCK_MONOTONIC, ns).
 */
#ifndef TP_USERS_CACHE_H
#define TP_USERS_CACHE_H

#include "turn/turn.h"

/*
 * A known user is believed for FRESH; until STALE he is believed still, and looked up again
 * meanwhile; then the answer is waited for. So whoever is removed or changed is out after
 * STALE at the latest, and nobody who comes all the time ever waits. A name that was not
 * there is looked for again after NEGATIVE.
 */
#define CACHE_FRESH_NS		(2 * TURN_NS_PER_S)
#define CACHE_STALE_NS		(5 * TURN_NS_PER_S)
#define CACHE_NEGATIVE_NS	TURN_NS_PER_S
#define CACHE_PATIENCE_NS	(2 * TURN_NS_PER_S)	/* for an answer; then it is away */

#define CACHE_KNOWN_MAX		65536	/* names that are there: the least used goes */
#define CACHE_OTHERS_MAX	4096	/* names that are not, or are being looked up */
#define CACHE_QUEUE_MAX		1024	/* lookups asked for and not begun */

#define CACHE_NAME_MAX		512	/* bytes: coturn's varchar(512) */
#define CACHE_REALM_MAX		763	/* RFC 8489 section 14.9 */

struct cache;

/* One question for the database, and its answer. */
struct lookup {
	enum turn_ask kind;
	size_t realm_len, name_len;
	char realm[CACHE_REALM_MAX + 1];	/* NUL at the end, and perhaps in it */
	char name[CACHE_NAME_MAX + 1];
	bool found;
	struct turn_credential credential;
};

struct cache *cache_new(void);
void cache_free(struct cache *cache);		/* wipes keys */

enum turn_answer cache_ask(struct cache *cache, const struct turn_question *q,
			   struct turn_credential *out);
/* No word of the database for CACHE_STALE_NS. */
bool cache_away(struct cache *cache, uint64_t now_ns);

/* It was tried last, and did not answer. */
bool cache_is_lost(struct cache *cache);

/* For the database's thread. */

/* Up to max lookups; waits wait_ns for the first. 0: none came, or cache_stop(). */
unsigned int cache_take(struct cache *cache, struct lookup *v, unsigned int max,
			uint64_t wait_ns);
void cache_stop(struct cache *cache);		/* from any thread: cache_take() returns at once */
void cache_answer(struct cache *cache, const struct lookup *lookup, uint64_t now_ns);
/* The database answers (to anything) … */
void cache_heard(struct cache *cache, uint64_t now_ns);
/* … or does not: nothing more is taken, and who is not known is told so. */
void cache_lost(struct cache *cache);
/* The database has changed: nothing of what is known may be believed unasked. */
void cache_changed(struct cache *cache);

#endif
