// SPDX-License-Identifier: MIT
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include "address.h"
#include "clock.h"
#include "log.h"
#include "users/redis_link.h"
#include "users/statsdb.h"

#define BATCH		64
#define RETRY_S		1
#define LOG_EVERY_S	10		/* while Redis is away */
#define NAME_MAX_	(STATSDB_REALM + TP_USER_SHOWN + 96)
#define VALUE_MAX	256

/* What of an allocation has been published, for the differences. */
struct told {
	uint64_t id;
	struct tp_count up, down;
	UT_hash_handle hh;
};

struct statsdb {
	struct redis_options options;
	redisContext *link;		/* NULL: not connected */
	struct told *told;
	uint64_t tried_s, logged_s;
	pthread_t thread;
	bool running;

	pthread_mutex_t lock;		/* of what follows */
	pthread_cond_t changed;
	struct statsdb_event *queue;	/* a ring of STATSDB_QUEUE */
	unsigned int first, n;
	uint64_t lost;
	bool stop;
};

/* ------------------------------------------------------------------- queue */

void statsdb_tell(struct statsdb *db, const struct statsdb_event *event)
{
	pthread_mutex_lock(&db->lock);
	if (db->n < STATSDB_QUEUE)
		db->queue[(db->first + db->n++) % STATSDB_QUEUE] = *event;
	else
		db->lost++;
	pthread_cond_signal(&db->changed);
	pthread_mutex_unlock(&db->lock);
}

/* Waits for some; 0: it is to end. */
static unsigned int take(struct statsdb *db, struct statsdb_event *batch)
{
	unsigned int n = 0;

	pthread_mutex_lock(&db->lock);
	while (!db->n && !db->stop)
		pthread_cond_wait(&db->changed, &db->lock);
	while (n < BATCH && db->n) {
		batch[n++] = db->queue[db->first];
		db->first = (db->first + 1) % STATSDB_QUEUE;
		db->n--;
	}
	pthread_mutex_unlock(&db->lock);
	return n;
}

static void lose(struct statsdb *db, unsigned int n)
{
	pthread_mutex_lock(&db->lock);
	db->lost += n;
	pthread_mutex_unlock(&db->lock);
}

/* --------------------------------------------------------------- publishing */

static const char *type_of(uint8_t transport)
{
	bool secure = transport & TURN_SECURE;

	if (turn_protocol(transport) == IPPROTO_TCP)
		return secure ? "TLS/TCP" : "TCP";
	return secure ? "DTLS" : "UDP";
}

/* turn/realm/R/user/U/allocation/ID/LAST, without a realm turn/user/... */
static char *key_of(char key[NAME_MAX_], const struct statsdb_event *e, const char *last)
{
	snprintf(key, NAME_MAX_, "turn/%s%s%suser/%s/allocation/%018" PRIu64 "/%s",
		 *e->realm ? "realm/" : "", e->realm, *e->realm ? "/" : "", e->user, e->id, last);
	return key;
}

static unsigned int publish(struct statsdb *db, const struct statsdb_event *e, const char *last,
			    const char *value)
{
	char key[NAME_MAX_];

	return redisAppendCommand(db->link, "PUBLISH %s %s", key_of(key, e, last), value) ==
	       REDIS_OK;
}

/* Seen from one side: what came in from there, and what was sent there. */
static unsigned int publish_counts(struct statsdb *db, const struct statsdb_event *e,
				   const char *last, const struct tp_count *in,
				   const struct tp_count *out)
{
	char value[VALUE_MAX];

	snprintf(value, sizeof(value), "rcvp=%" PRIu64 ", rcvb=%" PRIu64 ", sentp=%" PRIu64
		 ", sentb=%" PRIu64, (uint64_t)in->packets, (uint64_t)in->bytes,
		 (uint64_t)out->packets, (uint64_t)out->bytes);
	return publish(db, e, last, value);
}

static struct tp_count since(const struct tp_count *now, const struct tp_count *then)
{
	struct tp_count d = { .packets = now->packets - then->packets,
			      .bytes = now->bytes - then->bytes };

	return d;
}

static unsigned int publish_traffic(struct statsdb *db, const struct statsdb_event *e)
{
	struct tp_count up, down;
	unsigned int n = 0;
	struct told *told;

	HASH_FIND(hh, db->told, &e->id, sizeof(e->id), told);
	if (!told) {
		told = calloc(1, sizeof(*told));
		if (!told)
			return 0;
		told->id = e->id;
		/* somebody before us has told of what was carried on */
		if (e->kind == STATSDB_REFRESHED) {
			told->up = e->up;
			told->down = e->down;
		}
		HASH_ADD(hh, db->told, id, sizeof(told->id), told);
	}
	up = since(&e->up, &told->up);
	down = since(&e->down, &told->down);
	told->up = e->up;
	told->down = e->down;
	if (up.packets || down.packets) {
		n += publish_counts(db, e, "traffic", &up, &down);
		n += publish_counts(db, e, "traffic/peer", &down, &up);
	}
	if (e->kind == STATSDB_DELETED) {
		HASH_DEL(db->told, told);
		free(told);
	}
	return n;
}

static unsigned int publish_status(struct statsdb *db, const struct statsdb_event *e)
{
	char key[NAME_MAX_], value[VALUE_MAX], local[ADDRESS_TEXT], remote[ADDRESS_TEXT];
	bool secure = e->transport & TURN_SECURE;

	key_of(key, e, "status");
	if (e->kind == STATSDB_DELETED)
		return (redisAppendCommand(db->link, "DEL %s", key) == REDIS_OK) +
		       publish(db, e, "status", "deleted");
	snprintf(value, sizeof(value), "%s lifetime=%u, type=%s, local=%s, remote=%s, ssl=%s",
		 e->kind == STATSDB_NEW ? "new" : "refreshed", e->lifetime_s,
		 type_of(e->transport), address_text(&e->local, local),
		 address_text(&e->remote, remote), secure ? "TLS" : "NONE");
	return (redisAppendCommand(db->link, "SET %s %s", key, value) == REDIS_OK) +
	       publish(db, e, "status", value);
}

static unsigned int publish_event(struct statsdb *db, const struct statsdb_event *e)
{
	unsigned int n = publish_traffic(db, e);

	if (e->kind == STATSDB_DELETED) {
		n += publish_counts(db, e, "total_traffic", &e->up, &e->down);
		n += publish_counts(db, e, "total_traffic/peer", &e->down, &e->up);
	}
	return n + publish_status(db, e);
}

/* ------------------------------------------------------------------- thread */

static void away(struct statsdb *db, const char *why)
{
	uint64_t now = clock_mono_s();
	uint64_t lost;

	if (db->link)
		redisFree(db->link);
	db->link = NULL;
	if (db->logged_s && now - db->logged_s < LOG_EVERY_S)
		return;
	db->logged_s = now;
	pthread_mutex_lock(&db->lock);
	lost = db->lost;
	pthread_mutex_unlock(&db->lock);
	log_error("redis-statsdb: away: %s: lost events=%" PRIu64, why, lost);
}

static bool reach(struct statsdb *db)
{
	char why[REDIS_WHY];
	uint64_t now = clock_mono_s();

	if (db->link)
		return true;
	if (db->tried_s && now - db->tried_s < RETRY_S)
		return false;
	db->tried_s = now;
	db->link = redis_connect(&db->options, why);
	if (!db->link)
		away(db, why);
	else
		log_info("redis-statsdb: connected");
	return db->link;
}

static void publish_all(struct statsdb *db, const struct statsdb_event *v, unsigned int n)
{
	char why[REDIS_WHY];
	unsigned int answers = 0;

	if (!reach(db)) {
		lose(db, n);
		return;
	}
	for (unsigned int i = 0; i < n; i++)
		answers += publish_event(db, &v[i]);
	while (answers--) {
		redisReply *reply = redis_next(db->link, why);

		if (!reply) {
			lose(db, n);
			away(db, why);
			return;
		}
		freeReplyObject(reply);
	}
}

static void *statsdb_main(void *arg)
{
	struct statsdb *db = arg;
	struct statsdb_event *batch = calloc(BATCH, sizeof(*batch));
	unsigned int n;

	while (batch && (n = take(db, batch)))
		publish_all(db, batch, n);
	free(batch);
	return NULL;
}

struct statsdb *statsdb_new(const char *options)
{
	struct statsdb *db = calloc(1, sizeof(*db));

	if (!db)
		return NULL;
	pthread_mutex_init(&db->lock, NULL);
	pthread_cond_init(&db->changed, NULL);
	db->queue = calloc(STATSDB_QUEUE, sizeof(*db->queue));
	if (db->queue && !redis_options_parse(&db->options, options))
		return db;
	statsdb_free(db);
	return NULL;
}

int statsdb_start(struct statsdb *db)
{
	int err = pthread_create(&db->thread, NULL, statsdb_main, db);

	db->running = !err;
	return -err;
}

void statsdb_end(struct statsdb *db)
{
	pthread_mutex_lock(&db->lock);
	db->stop = true;
	pthread_cond_signal(&db->changed);
	pthread_mutex_unlock(&db->lock);
}

void statsdb_free(struct statsdb *db)
{
	struct told *told, *next;

	if (!db)
		return;
	if (db->running) {
		statsdb_end(db);
		pthread_join(db->thread, NULL);
	}
	told = db->told;
	HASH_CLEAR(hh, db->told);
	for (; told; told = next) {
		next = told->hh.next;
		free(told);
	}
	if (db->link)
		redisFree(db->link);
	explicit_bzero(&db->options, sizeof(db->options));
	pthread_cond_destroy(&db->changed);
	pthread_mutex_destroy(&db->lock);
	free(db->queue);
	free(db);
}
