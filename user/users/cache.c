// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <utlist.h>
#include "turn/table.h"
#include "users/cache.h"

#define KEY_MAX	(1 + CACHE_REALM_MAX + 1 + CACHE_NAME_MAX)

enum state { STATE_NEW, STATE_KNOWN, STATE_NOBODY };

struct entry {
	struct table_node node;
	struct entry *prev, *next;	/* in known or others, the latest use first */
	struct entry *before, *after;	/* in the queue */
	enum state state;
	bool queued;			/* to be taken */
	bool pending;			/* queued or taken, and not answered yet */
	unsigned int generation;	/* of the database, when it was asked */
	unsigned int taken;		/* the same of the lookup that is under way */
	uint64_t asked_ns, checked_ns;
	struct turn_credential credential;
	size_t realm_len, key_len;
	uint8_t key[];			/* kind, realm, NUL, name */
};

struct cache {
	pthread_mutex_t lock;
	pthread_cond_t wake;		/* of cache_take() */
	uint64_t hash_key[2];
	struct table table;
	struct entry *known, *others, *queue;
	unsigned int n_known, n_others, n_queue;
	unsigned int generation;
	uint64_t heard_ns;		/* 0: never */
	bool lost, stop;
};

/* ------------------------------------------------------------------ entries */

static size_t make_key(uint8_t key[KEY_MAX], enum turn_ask kind, struct stun_bytes realm,
		       struct stun_bytes name)
{
	key[0] = (uint8_t)kind;
	if (realm.len)
		memcpy(key + 1, realm.p, realm.len);
	key[1 + realm.len] = 0;
	memcpy(key + 2 + realm.len, name.p, name.len);
	return 2 + realm.len + name.len;
}

static struct entry *find(const struct cache *c, const uint8_t *key, size_t len)
{
	struct table_node *node = table_first(&c->table, hash_bytes(c->hash_key, key, len));

	for (; node; node = table_next(node)) {
		struct entry *e = core_of(node, struct entry, node);

		if (e->key_len == len && !memcmp(e->key, key, len))
			return e;
	}
	return NULL;
}

static void unlist(struct cache *c, struct entry *e)
{
	if (e->state == STATE_KNOWN) {
		DL_DELETE(c->known, e);
		c->n_known--;
	} else {
		DL_DELETE(c->others, e);
		c->n_others--;
	}
}

static void enlist(struct cache *c, struct entry *e)
{
	if (e->state == STATE_KNOWN) {
		DL_PREPEND(c->known, e);
		c->n_known++;
	} else {
		DL_PREPEND(c->others, e);
		c->n_others++;
	}
}

static void dequeue(struct cache *c, struct entry *e)
{
	if (!e->queued)
		return;
	DL_DELETE2(c->queue, e, before, after);
	c->n_queue--;
	e->queued = false;
}

static void forget(struct cache *c, struct entry *e)
{
	dequeue(c, e);
	unlist(c, e);
	table_remove(&c->table, &e->node);
	explicit_bzero(&e->credential, sizeof(e->credential));
	free(e);
}

static struct entry *make(struct cache *c, const uint8_t *key, size_t len, size_t realm_len)
{
	struct entry *e;

	while (c->n_others >= CACHE_OTHERS_MAX)
		forget(c, c->others->prev);
	if (!table_reserve(&c->table))
		return NULL;
	e = calloc(1, sizeof(*e) + len);
	if (!e)
		return NULL;
	memcpy(e->key, key, len);
	e->key_len = len;
	e->realm_len = realm_len;
	table_add(&c->table, &e->node, hash_bytes(c->hash_key, key, len));
	enlist(c, e);
	return e;
}

/* ------------------------------------------------------------------- asking */

/* False: there is too much to do already. */
static bool enqueue(struct cache *c, struct entry *e, uint64_t now_ns)
{
	if (e->pending)
		return true;
	if (c->n_queue >= CACHE_QUEUE_MAX)
		return false;
	e->pending = e->queued = true;
	e->asked_ns = now_ns;
	DL_APPEND2(c->queue, e, before, after);
	c->n_queue++;
	pthread_cond_signal(&c->wake);
	return true;
}

static enum turn_answer know(struct cache *c, struct entry *e, struct turn_credential *out)
{
	unlist(c, e);
	enlist(c, e);
	*out = e->credential;
	return TURN_FOUND;
}

static enum turn_answer ask_known(struct cache *c, struct entry *e,
				  const struct turn_question *q, struct turn_credential *out)
{
	bool current = e->generation == c->generation;
	uint64_t age = q->now_ns - e->checked_ns;

	if (current && age < CACHE_FRESH_NS)
		return know(c, e, out);
	if (c->lost || (e->pending && q->now_ns - e->asked_ns > CACHE_PATIENCE_NS))
		return q->lasting || (current && age < CACHE_STALE_NS) ? know(c, e, out) :
									 TURN_AWAY;
	if (!enqueue(c, e, q->now_ns))
		return current && age < CACHE_STALE_NS ? know(c, e, out) : TURN_UNASKED;
	return current && age < CACHE_STALE_NS ? know(c, e, out) : TURN_PENDING;
}

static enum turn_answer ask_other(struct cache *c, struct entry *e, const struct turn_question *q)
{
	if (e->state == STATE_NOBODY && e->generation == c->generation &&
	    q->now_ns - e->checked_ns < CACHE_NEGATIVE_NS)
		return TURN_NOBODY;
	if (c->lost || (e->pending && q->now_ns - e->asked_ns > CACHE_PATIENCE_NS))
		return TURN_AWAY;
	if (e->pending)
		return TURN_PENDING;
	return q->look_up && enqueue(c, e, q->now_ns) ? TURN_PENDING : TURN_UNASKED;
}

static enum turn_answer ask_stranger(struct cache *c, const struct turn_question *q,
				     const uint8_t *key, size_t len)
{
	struct entry *e;

	if (c->lost)
		return TURN_AWAY;
	if (!q->look_up || c->n_queue >= CACHE_QUEUE_MAX)
		return TURN_UNASKED;
	e = make(c, key, len, q->realm.len);
	return e && enqueue(c, e, q->now_ns) ? TURN_PENDING : TURN_UNASKED;
}

enum turn_answer cache_ask(struct cache *c, const struct turn_question *q,
			   struct turn_credential *out)
{
	enum turn_answer answer;
	uint8_t key[KEY_MAX];
	struct entry *e;
	size_t len;

	if (!q->name.len || q->name.len > CACHE_NAME_MAX || q->realm.len > CACHE_REALM_MAX)
		return TURN_NOBODY;
	len = make_key(key, q->kind, q->realm, q->name);
	pthread_mutex_lock(&c->lock);
	e = find(c, key, len);
	if (!e)
		answer = ask_stranger(c, q, key, len);
	else if (e->state == STATE_KNOWN)
		answer = ask_known(c, e, q, out);
	else
		answer = ask_other(c, e, q);
	pthread_mutex_unlock(&c->lock);
	return answer;
}

bool cache_away(struct cache *c, uint64_t now_ns)
{
	bool away;

	pthread_mutex_lock(&c->lock);
	away = !c->heard_ns || (now_ns > c->heard_ns && now_ns - c->heard_ns > CACHE_STALE_NS);
	pthread_mutex_unlock(&c->lock);
	return away;
}

bool cache_is_lost(struct cache *c)
{
	bool lost;

	pthread_mutex_lock(&c->lock);
	lost = c->lost;
	pthread_mutex_unlock(&c->lock);
	return lost;
}

/* ---------------------------------------------------- the database's thread */

static void take(struct cache *c, struct entry *e, struct lookup *l)
{
	size_t name_at = 2 + e->realm_len;

	dequeue(c, e);
	e->taken = c->generation;
	l->kind = (enum turn_ask)e->key[0];
	l->found = false;
	l->realm_len = e->realm_len;
	memcpy(l->realm, e->key + 1, e->realm_len + 1);		/* with its NUL */
	l->name_len = e->key_len - name_at;
	memcpy(l->name, e->key + name_at, l->name_len);
	l->name[l->name_len] = 0;
}

unsigned int cache_take(struct cache *c, struct lookup *v, unsigned int max, uint64_t wait_ns)
{
	struct timespec until;
	unsigned int n = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	wait_ns += (uint64_t)until.tv_nsec;
	until.tv_sec += (time_t)(wait_ns / TURN_NS_PER_S);
	until.tv_nsec = (long)(wait_ns % TURN_NS_PER_S);
	pthread_mutex_lock(&c->lock);
	while (!c->queue && !c->stop && !pthread_cond_timedwait(&c->wake, &c->lock, &until))
		;
	while (c->queue && !c->stop && n < max)
		take(c, c->queue, &v[n++]);
	pthread_mutex_unlock(&c->lock);
	return n;
}

void cache_stop(struct cache *c)
{
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
}

static void learn(struct cache *c, struct entry *e, const struct lookup *l, uint64_t now_ns)
{
	unlist(c, e);
	e->state = l->found ? STATE_KNOWN : STATE_NOBODY;
	explicit_bzero(&e->credential, sizeof(e->credential));
	if (l->found)
		e->credential = l->credential;
	e->checked_ns = now_ns;
	e->generation = e->taken;
	e->pending = false;
	dequeue(c, e);
	enlist(c, e);
	while (c->n_known > CACHE_KNOWN_MAX)
		forget(c, c->known->prev);
	while (c->n_others > CACHE_OTHERS_MAX)
		forget(c, c->others->prev);
}

void cache_answer(struct cache *c, const struct lookup *l, uint64_t now_ns)
{
	uint8_t key[KEY_MAX];
	size_t len = make_key(key, l->kind,
			      (struct stun_bytes){ (const uint8_t *)l->realm, l->realm_len },
			      (struct stun_bytes){ (const uint8_t *)l->name, l->name_len });
	struct entry *e;

	pthread_mutex_lock(&c->lock);
	e = find(c, key, len);
	if (e)			/* else it had to make room meanwhile */
		learn(c, e, l, now_ns);
	pthread_mutex_unlock(&c->lock);
}

void cache_heard(struct cache *c, uint64_t now_ns)
{
	pthread_mutex_lock(&c->lock);
	c->heard_ns = now_ns;
	c->lost = false;
	pthread_mutex_unlock(&c->lock);
}

void cache_lost(struct cache *c)
{
	struct entry *e, *next;

	pthread_mutex_lock(&c->lock);
	c->lost = true;
	DL_FOREACH(c->known, e) {
		dequeue(c, e);
		e->pending = false;
	}
	DL_FOREACH_SAFE(c->others, e, next) {
		if (e->pending)
			forget(c, e);
	}
	pthread_mutex_unlock(&c->lock);
}

void cache_changed(struct cache *c)
{
	pthread_mutex_lock(&c->lock);
	c->generation++;
	pthread_mutex_unlock(&c->lock);
}

struct cache *cache_new(void)
{
	struct cache *c = calloc(1, sizeof(*c));
	pthread_condattr_t attr;

	if (!c)
		return NULL;
	if (getrandom(c->hash_key, sizeof(c->hash_key), 0) != sizeof(c->hash_key)) {
		free(c);
		return NULL;
	}
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->wake, &attr);
	pthread_condattr_destroy(&attr);
	return c;
}

void cache_free(struct cache *c)
{
	if (!c)
		return;
	while (c->known)
		forget(c, c->known);
	while (c->others)
		forget(c, c->others);
	table_clear(&c->table);
	pthread_cond_destroy(&c->wake);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
