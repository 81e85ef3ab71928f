// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "log.h"
#include "users/realms.h"
#include "users/users.h"

#define BATCH		64
#define POLL_NS		TURN_NS_PER_S
#define LOG_EVERY_NS	(10 * TURN_NS_PER_S)	/* while the database is away */

struct watcher {
	void (*wake)(void *arg);
	void *arg;
};

/* A snapshot that is in use; the current one has one use more. */
struct held {
	struct turn_realms *realms;
	unsigned int uses;
	struct held *next;
};

struct users {
	struct conf conf;		/* of ours: a reload frees the one that was given */
	const struct database_ops *ops;
	struct database *db;
	struct cache *cache;
	struct lookup *batch;		/* BATCH of them */
	struct watcher *watchers;
	unsigned int n_watchers;
	uint64_t poll_ns;		/* when to poll next */
	uint64_t logged_ns;
	bool lost, ever;
	char why[DATABASE_WHY];
	bool stop;			/* atomic */
	pthread_t thread;
	bool running;

	pthread_mutex_t lock;		/* of what follows */
	struct held *held;		/* the current one first */
};

static void wake_all(const struct users *u)
{
	for (unsigned int i = 0; i < u->n_watchers; i++)
		u->watchers[i].wake(u->watchers[i].arg);
}

/* ------------------------------------------------------------------- realms */

static void unuse(struct users *u, struct held *h)
{
	struct held **at = &u->held;

	if (--h->uses)
		return;
	while (*at != h)
		at = &(*at)->next;
	*at = h->next;
	turn_realms_free(h->realms);
	free(h);
}

const struct turn_realms *users_realms_get(struct users *u)
{
	const struct turn_realms *realms = NULL;

	pthread_mutex_lock(&u->lock);
	if (u->held) {
		u->held->uses++;
		realms = u->held->realms;
	}
	pthread_mutex_unlock(&u->lock);
	return realms;
}

void users_realms_put(struct users *u, const struct turn_realms *realms)
{
	struct held *h;

	pthread_mutex_lock(&u->lock);
	for (h = u->held; h; h = h->next) {
		if (h->realms == realms) {
			unuse(u, h);
			break;
		}
	}
	pthread_mutex_unlock(&u->lock);
}

/* Takes it. True if it differs from what was known. */
static bool publish(struct users *u, struct turn_realms *realms)
{
	struct held *h = calloc(1, sizeof(*h)), *old;
	bool differs;

	pthread_mutex_lock(&u->lock);
	old = u->held;
	differs = h && (!old || !realms_equal(old->realms, realms));
	if (differs) {
		*h = (struct held){ .realms = realms, .uses = 1, .next = old };
		u->held = h;
		if (old)
			unuse(u, old);
	}
	pthread_mutex_unlock(&u->lock);
	if (!differs) {
		turn_realms_free(realms);
		free(h);
	}
	return differs;
}

/* --------------------------------------------------------------- the thread */

static void found(struct users *u)
{
	cache_heard(u->cache, clock_mono_ns());
	if (u->lost)
		log_warning("userdb: it answers again");
	else if (!u->ever)
		log_info("userdb: connected");
	u->lost = false;
	u->ever = true;
}

/* Whoever waits gets 500 (E15); allocations go on with what was known last. */
static void lost(struct users *u)
{
	uint64_t now = clock_mono_ns();

	cache_lost(u->cache);
	if (!u->lost || now - u->logged_ns >= LOG_EVERY_NS) {
		log_error("userdb: away: %s: new allocations get error 500, those that run go on",
			  u->why);
		u->logged_ns = now;
	}
	u->lost = true;
	wake_all(u);
}

static void poll(struct users *u)
{
	struct turn_realms *realms;
	int rc = u->ops->poll(u->db, &realms, u->why);

	u->poll_ns = clock_mono_ns() + POLL_NS;
	if (rc < 0) {
		lost(u);
		return;
	}
	if (rc)
		cache_changed(u->cache);
	found(u);
	if (realms && publish(u, realms))
		wake_all(u);
}

static void look_up(struct users *u, unsigned int n)
{
	if (u->ops->look_up(u->db, u->batch, n, u->why)) {
		u->poll_ns = clock_mono_ns() + POLL_NS;
		lost(u);
		return;
	}
	found(u);
	for (unsigned int i = 0; i < n; i++) {
		cache_answer(u->cache, &u->batch[i], clock_mono_ns());
		explicit_bzero(&u->batch[i].credential, sizeof(u->batch[i].credential));
	}
	wake_all(u);
}

static void *users_main(void *arg)
{
	struct users *u = arg;

	while (!__atomic_load_n(&u->stop, __ATOMIC_RELAXED)) {
		uint64_t now = clock_mono_ns();
		unsigned int n;

		if (now >= u->poll_ns) {
			poll(u);
			continue;
		}
		n = cache_take(u->cache, u->batch, BATCH, u->poll_ns - now);
		if (n)
			look_up(u, n);
	}
	return NULL;
}

/* ------------------------------------------------------------------- making */

bool users_away(struct users *u)
{
	return cache_is_lost(u->cache) || cache_away(u->cache, clock_mono_ns());
}

static enum turn_answer source_ask(void *ctx, const struct turn_question *q,
				   struct turn_credential *out)
{
	const struct users *u = ctx;

	return cache_ask(u->cache, q, out);
}

static bool source_away(void *ctx, uint64_t now)
{
	const struct users *u = ctx;

	return cache_away(u->cache, now);
}

const struct turn_source users_source = { .ask = source_ask, .away = source_away };

/* What a database looks at; none of it changes while the server runs. */
static bool copy_conf(struct conf *to, const struct conf *from)
{
	const struct turn_conf *turn = &from->turn;
	size_t size = sizeof(*turn->listener_realms);

	to->userdb = from->userdb;
	to->no_dynamic_ip_list = from->no_dynamic_ip_list;
	to->no_dynamic_realms = from->no_dynamic_realms;
	to->userdb_text = strdup(from->userdb_text);
	to->turn.realm = strdup(turn->realm);
	to->turn.listener_realms = calloc(turn->n_listener_realms + 1, size);
	if (!to->userdb_text || !to->turn.realm || !to->turn.listener_realms)
		return false;
	for (unsigned int i = 0; i < turn->n_listener_realms; i++) {
		char *realm = strdup(turn->listener_realms[i].realm);

		if (!realm)
			return false;
		to->turn.listener_realms[to->turn.n_listener_realms++].realm = realm;
	}
	return true;
}

struct users *users_new(const struct conf *conf)
{
	struct users *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	pthread_mutex_init(&u->lock, NULL);
	u->ops = database_ops(conf);
	u->cache = cache_new();
	u->batch = calloc(BATCH, sizeof(*u->batch));
	if (copy_conf(&u->conf, conf))
		u->db = u->ops->open(&u->conf, false, u->why);
	if (u->cache && u->batch && u->db)
		return u;
	users_free(u);
	return NULL;
}

bool users_watch(struct users *u, void (*wake)(void *arg), void *arg)
{
	struct watcher *v = reallocarray(u->watchers, u->n_watchers + 1, sizeof(*v));

	if (!v)
		return false;
	u->watchers = v;
	v[u->n_watchers++] = (struct watcher){ wake, arg };
	return true;
}

int users_start(struct users *u)
{
	int err = pthread_create(&u->thread, NULL, users_main, u);

	u->running = !err;
	return -err;
}

void users_stop(struct users *u)
{
	if (!u || !u->running)
		return;
	__atomic_store_n(&u->stop, true, __ATOMIC_RELAXED);
	cache_stop(u->cache);
	pthread_join(u->thread, NULL);
	u->running = false;
}

void users_free(struct users *u)
{
	if (!u)
		return;
	users_stop(u);
	if (u->db)
		u->ops->close(u->db);
	while (u->held) {
		u->held->uses = 1;
		unuse(u, u->held);
	}
	cache_free(u->cache);
	conf_free(&u->conf);
	free(u->batch);
	free(u->watchers);
	pthread_mutex_destroy(&u->lock);
	free(u);
}
