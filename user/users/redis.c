// SPDX-License-Identifier: MIT
/*
 * coturn's keys in Redis. One connection, blocking, of the database's thread: what is asked
 * for together goes in one pipeline, so that a batch costs one round trip.
 */
#include <stdlib.h>
#include <string.h>
#include "users/realms.h"
#include "users/redis_link.h"

#define REALMS_POLLS	2	/* every so many polls; the origins, which cost a scan, every */
#define ORIGINS_POLLS	30

_Static_assert(REDIS_WHY == DATABASE_WHY, "reasons are handed on");

struct database {
	const struct conf *conf;
	struct redis_options options;
	redisContext *link;		/* NULL: not connected */
	char **origins;			/* pairs of origin and realm, of the last scan */
	unsigned int n_origins;
	unsigned int polls;		/* since the connection was made */
};

static void free_origins(struct database *db)
{
	for (unsigned int i = 0; i < db->n_origins; i++)
		free(db->origins[i]);
	free(db->origins);
	db->origins = NULL;
	db->n_origins = 0;
}

static void redis_drop(struct database *db)
{
	if (db->link)
		redisFree(db->link);
	db->link = NULL;
	db->polls = 0;
}

static int redis_reach(struct database *db, char *why)
{
	if (!db->link)
		db->link = redis_connect(&db->options, why);
	return db->link ? 0 : -1;
}

static struct database *redis_open(const struct conf *conf, bool writing, char *why)
{
	struct database *db = calloc(1, sizeof(*db));
	const char *fault;

	if (!db) {
		strcpy(why, "no memory");
		return NULL;
	}
	db->conf = conf;
	fault = redis_options_parse(&db->options, conf->userdb_text);
	if (fault)
		snprintf(why, DATABASE_WHY, "redis-userdb %s", fault);
	if (!fault && (!writing || !redis_reach(db, why)))
		return db;
	free(db);
	return NULL;
}

static void redis_close(struct database *db)
{
	if (!db)
		return;
	redis_drop(db);
	free_origins(db);
	explicit_bzero(&db->options, sizeof(db->options));
	free(db);
}

/* ------------------------------------------------------------------ look-ups */

static void ask_for(redisContext *link, const struct lookup *l)
{
	if (l->kind == TURN_ASK_USER)
		redisAppendCommand(link, "GET turn/realm/%b/user/%b/key", l->realm, l->realm_len,
				   l->name, l->name_len);
	else
		redisAppendCommand(link, "HGETALL turn/oauth/kid/%b", l->name, l->name_len);
}

static const char *field(const redisReply *reply, const char *name)
{
	for (size_t i = 0; i + 1 < reply->elements; i += 2)
		if (reply->element[i]->str && !strcmp(reply->element[i]->str, name))
			return reply->element[i + 1]->str;
	return NULL;
}

static void take_answer(struct lookup *l, const redisReply *reply)
{
	if (l->kind == TURN_ASK_USER)
		l->found = reply->type == REDIS_REPLY_STRING &&
			   database_key(l->credential.md5_key, reply->str);
	else
		l->found = reply->type == REDIS_REPLY_ARRAY && reply->elements &&
			   database_token_key(&l->credential.token, field(reply, "ikm_key"),
					      field(reply, "timestamp"), field(reply, "lifetime"),
					      field(reply, "as_rs_alg"));
}

static int redis_look_up(struct database *db, struct lookup *v, unsigned int n, char *why)
{
	if (redis_reach(db, why))
		return -1;
	for (unsigned int i = 0; i < n; i++)
		ask_for(db->link, &v[i]);
	for (unsigned int i = 0; i < n; i++) {
		redisReply *reply = redis_next(db->link, why);

		if (!reply) {
			redis_drop(db);
			return -1;
		}
		take_answer(&v[i], reply);
		freeReplyObject(reply);
	}
	return 0;
}

/* -------------------------------------------------------------------- realms */

/* One realm's settings: what is asked, and what becomes of the answer. */
static void take_secret(struct realms *r, const char *realm, const char *value)
{
	realms_secret(r, realm, value);
}

static void take_allowed(struct realms *r, const char *realm, const char *value)
{
	realms_range(r, realm, true, value);
}

static void take_denied(struct realms *r, const char *realm, const char *value)
{
	realms_range(r, realm, false, value);
}

static void take_max_bps(struct realms *r, const char *realm, const char *value)
{
	realms_option(r, realm, "max-bps", value);
}

static void take_total_quota(struct realms *r, const char *realm, const char *value)
{
	realms_option(r, realm, "total-quota", value);
}

static void take_user_quota(struct realms *r, const char *realm, const char *value)
{
	realms_option(r, realm, "user-quota", value);
}

static const struct {
	const char *command;		/* with the realm's name in it */
	enum { ALWAYS, DYNAMIC_REALMS, DYNAMIC_IPS } when;
	void (*take)(struct realms *r, const char *realm, const char *value);
} settings[] = {
	{ "SMEMBERS turn/realm/%s/secret", ALWAYS, take_secret },
	{ "SMEMBERS turn/realm/%s/allowed-peer-ip", DYNAMIC_IPS, take_allowed },
	{ "SMEMBERS turn/realm/%s/denied-peer-ip", DYNAMIC_IPS, take_denied },
	{ "GET turn/realm/%s/max-bps", DYNAMIC_REALMS, take_max_bps },
	{ "GET turn/realm/%s/total-quota", DYNAMIC_REALMS, take_total_quota },
	{ "GET turn/realm/%s/user-quota", DYNAMIC_REALMS, take_user_quota },
};

static bool wanted(const struct conf *conf, size_t i)
{
	return !(settings[i].when == DYNAMIC_REALMS && conf->no_dynamic_realms) &&
	       !(settings[i].when == DYNAMIC_IPS && conf->no_dynamic_ip_list);
}

static int by_text(const void *a, const void *b)
{
	const redisReply *const *x = a, *const *y = b;

	return strcmp((*x)->str ? (*x)->str : "", (*y)->str ? (*y)->str : "");
}

/* Sets come in any order; sorted, two of the same are the same. */
static void take_setting(struct realms *r, const char *realm, size_t i, redisReply *reply)
{
	if (reply->type == REDIS_REPLY_STRING)
		settings[i].take(r, realm, reply->str);
	if (reply->type != REDIS_REPLY_ARRAY || !reply->elements)
		return;
	qsort(reply->element, reply->elements, sizeof(*reply->element), by_text);
	for (size_t k = 0; k < reply->elements; k++)
		if (reply->element[k]->str)
			settings[i].take(r, realm, reply->element[k]->str);
}

static int read_realm(struct database *db, struct realms *r, const char *name, char *why)
{
	const size_t n = sizeof(settings) / sizeof(*settings);
	char *realm = strdup(name);	/* the realms may move */
	int err = realm ? 0 : -1;

	for (size_t i = 0; i < n && !err; i++)
		if (wanted(db->conf, i))
			redisAppendCommand(db->link, settings[i].command, realm);
	for (size_t i = 0; i < n && !err; i++) {
		redisReply *reply;

		if (!wanted(db->conf, i))
			continue;
		reply = redis_next(db->link, why);
		if (!reply) {
			err = -1;
			break;
		}
		take_setting(r, realm, i, reply);
		freeReplyObject(reply);
	}
	free(realm);
	return err;
}

static bool keep_origin(struct database *db, const char *origin, const char *realm)
{
	char **v = reallocarray(db->origins, db->n_origins + 2, sizeof(*v));

	if (!v)
		return false;
	db->origins = v;
	v[db->n_origins++] = strdup(origin);
	v[db->n_origins++] = strdup(realm);
	return v[db->n_origins - 2] && v[db->n_origins - 1];
}

static int read_origin(struct database *db, const char *key, char *why)
{
	redisReply *reply = redis_ask(db->link, why, "GET %s", key);
	int err = reply ? 0 : -1;

	if (reply && reply->type == REDIS_REPLY_STRING &&
	    !keep_origin(db, key + strlen("turn/origin/"), reply->str))
		err = -1;
	if (reply)
		freeReplyObject(reply);
	return err;
}

/* KEYS, as coturn does it, would have Redis stop for everybody else. */
static int scan_origins(struct database *db, char *why)
{
	char cursor[32] = "0";
	int err = 0;

	free_origins(db);
	do {
		redisReply *reply = redis_ask(db->link, why,
					      "SCAN %s MATCH turn/origin/* COUNT 1000", cursor);

		if (!reply || reply->elements != 2 || !reply->element[0]->str)
			err = -1;
		if (!err)
			snprintf(cursor, sizeof(cursor), "%s", reply->element[0]->str);
		for (size_t i = 0; !err && i < reply->element[1]->elements; i++)
			err = read_origin(db, reply->element[1]->element[i]->str, why);
		if (reply)
			freeReplyObject(reply);
	} while (!err && strcmp(cursor, "0"));
	return err;
}

static struct turn_realms *read_realms(struct database *db, char *why)
{
	struct realms *r = realms_new(db->conf, why);
	const char *name;
	int err = 0;

	if (!r)
		return NULL;
	for (unsigned int i = 0; i < db->n_origins; i += 2)
		realms_origin(r, db->origins[i], db->origins[i + 1]);
	for (unsigned int i = 0; !err && (name = realms_name(r, i)); i++)
		err = read_realm(db, r, name, why);
	if (!err)
		return realms_finish(r);
	realms_abandon(r);
	return NULL;
}

static int redis_poll(struct database *db, struct turn_realms **realms, char *why)
{
	redisReply *reply;

	*realms = NULL;
	if (redis_reach(db, why))
		return -1;
	reply = redis_ask(db->link, why, "PING");
	if (!reply)
		goto lost;
	freeReplyObject(reply);
	if (!db->conf->no_dynamic_realms && db->polls % ORIGINS_POLLS == 0 &&
	    scan_origins(db, why))
		goto lost;
	if (db->polls++ % REALMS_POLLS)
		return 0;
	*realms = read_realms(db, why);
	if (*realms)
		return 0;
lost:
	redis_drop(db);
	return -1;
}

/* ------------------------------------------------------------------- writing */

/* A command that answers with a number: 0, 1 where it is 0, or -1. */
static int changed(redisReply *reply)
{
	int rc;

	if (!reply)
		return -1;
	rc = reply->type == REDIS_REPLY_INTEGER && !reply->integer;
	freeReplyObject(reply);
	return rc;
}

static int redis_set_user(struct database *db, const char *realm, const char *name,
			  const char *key, char *why)
{
	return changed(redis_ask(db->link, why, "SET turn/realm/%s/user/%s/key %s", realm, name,
				 key));
}

static int redis_delete_user(struct database *db, const char *realm, const char *name, char *why)
{
	return changed(redis_ask(db->link, why, "DEL turn/realm/%s/user/%s/key", realm, name));
}

static int redis_set_secret(struct database *db, const char *realm, const char *secret, char *why)
{
	return changed(redis_ask(db->link, why, "SADD turn/realm/%s/secret %s", realm,
				 secret)) < 0 ? -1 : 0;
}

static int redis_delete_secret(struct database *db, const char *realm, const char *secret,
			       char *why)
{
	return changed(redis_ask(db->link, why, "SREM turn/realm/%s/secret %s", realm, secret));
}

/* "turn/realm/R/user/U/key"; a realm has no "/user/" in it. */
static void show_key(char *key, const char *realm,
		     void (*show)(void *arg, const char *realm, const char *name), void *arg)
{
	char *in = key + strlen("turn/realm/"), *user = strstr(in, "/user/");
	size_t len = strlen(key);

	if (!user || len < 4 || strcmp(key + len - 4, "/key"))
		return;
	*user = 0;
	user += strlen("/user/");
	key[len - 4] = 0;
	if (!realm || !strcmp(in, realm))
		show(arg, in, user);
}

static int redis_list_users(struct database *db, const char *realm,
			    void (*show)(void *arg, const char *realm, const char *name),
			    void *arg, char *why)
{
	char cursor[32] = "0";

	do {
		redisReply *reply = redis_ask(db->link, why, "SCAN %s MATCH %s COUNT 1000", cursor,
					      "turn/realm/*/user/*/key");

		if (!reply)
			return -1;
		if (reply->elements != 2 || !reply->element[0]->str) {
			freeReplyObject(reply);
			return -1;
		}
		snprintf(cursor, sizeof(cursor), "%s", reply->element[0]->str);
		for (size_t i = 0; i < reply->element[1]->elements; i++)
			show_key(reply->element[1]->element[i]->str, realm, show, arg);
		freeReplyObject(reply);
	} while (strcmp(cursor, "0"));
	return 0;
}

static int redis_count_secrets(struct database *db, const char *realm, unsigned int *n, char *why)
{
	redisReply *reply = redis_ask(db->link, why, "SCARD turn/realm/%s/secret", realm);

	if (!reply)
		return -1;
	*n = (unsigned int)reply->integer;
	freeReplyObject(reply);
	return 0;
}

const struct database_ops redis_ops = {
	.open = redis_open,
	.close = redis_close,
	.look_up = redis_look_up,
	.poll = redis_poll,
	.set_user = redis_set_user,
	.delete_user = redis_delete_user,
	.set_secret = redis_set_secret,
	.delete_secret = redis_delete_secret,
	.list_users = redis_list_users,
	.count_secrets = redis_count_secrets,
};
