// SPDX-License-Identifier: MIT
/*
 * A SQLite file with coturn's schema. The relay process only reads it; the file is made by
 * the keeper or the command. All text is bound, never pasted.
 */
#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "users/realms.h"
#include "users/sqlite.h"

#define BUSY_MS		1000

/* coturn's, so that turnadmin and turnserver can go on using the file */
static const char schema[] =
	"CREATE TABLE IF NOT EXISTS turnusers_lt (realm varchar(127) default '', "
	"name varchar(512), hmackey char(128), PRIMARY KEY (realm,name));"
	"CREATE TABLE IF NOT EXISTS turn_secret (realm varchar(127) default '', "
	"value varchar(127), primary key (realm,value));"
	"CREATE TABLE IF NOT EXISTS allowed_peer_ip (realm varchar(127) default '', "
	"ip_range varchar(256), primary key (realm,ip_range));"
	"CREATE TABLE IF NOT EXISTS denied_peer_ip (realm varchar(127) default '', "
	"ip_range varchar(256), primary key (realm,ip_range));"
	"CREATE TABLE IF NOT EXISTS turn_origin_to_realm (origin varchar(127), "
	"realm varchar(127), primary key (origin));"
	"CREATE TABLE IF NOT EXISTS turn_realm_option (realm varchar(127) default '', "
	"opt varchar(32), value varchar(128), primary key (realm,opt));"
	"CREATE TABLE IF NOT EXISTS oauth_key (kid varchar(128), ikm_key varchar(256), "
	"timestamp bigint default 0, lifetime integer default 0, "
	"as_rs_alg varchar(64) default '', realm varchar(127) default '', primary key (kid));"
	"CREATE TABLE IF NOT EXISTS admin_user (name varchar(32), realm varchar(127), "
	"password varchar(127), primary key (name));";

struct database {
	const struct conf *conf;
	sqlite3 *file;			/* NULL: not open */
	sqlite3_stmt *user, *token_key, *version;
	bool writing;
	dev_t dev;			/* of the file that is open: it may be replaced */
	ino_t ino;
	sqlite3_int64 seen;		/* its data_version */
	bool polled;
};

/* ------------------------------------------------------------------ opening */

static int fail(const struct database *db, char *why)
{
	snprintf(why, DATABASE_WHY, "%.120s: %.120s", db->conf->userdb_text,
		 db->file ? sqlite3_errmsg(db->file) : "no memory");
	return -1;
}

static void sqlite_shut(struct database *db)
{
	sqlite3_finalize(db->user);
	sqlite3_finalize(db->token_key);
	sqlite3_finalize(db->version);
	db->user = db->token_key = db->version = NULL;
	sqlite3_close(db->file);
	db->file = NULL;
	db->polled = false;
}

static sqlite3_stmt *prepared(struct database *db, const char *sql)
{
	sqlite3_stmt *stmt = NULL;

	sqlite3_prepare_v2(db->file, sql, -1, &stmt, NULL);
	return stmt;
}

static int sqlite_connect(struct database *db, char *why)
{
	int flags = db->writing ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE :
				  SQLITE_OPEN_READONLY;
	struct stat st = { 0 };

	if (stat(db->conf->userdb_text, &st) && !db->writing) {
		snprintf(why, DATABASE_WHY, "%.120s: %s", db->conf->userdb_text, strerror(errno));
		sqlite_shut(db);
		return -1;
	}
	if (db->file && st.st_dev == db->dev && st.st_ino == db->ino)
		return 0;
	sqlite_shut(db);
	if (sqlite3_open_v2(db->conf->userdb_text, &db->file, flags | SQLITE_OPEN_NOMUTEX, NULL))
		goto out;
	db->dev = st.st_dev;
	db->ino = st.st_ino;
	sqlite3_busy_timeout(db->file, BUSY_MS);
	if (db->writing && sqlite3_exec(db->file, schema, NULL, NULL, NULL))
		goto out;
	db->user = prepared(db, "select hmackey from turnusers_lt where realm=? and name=?");
	db->version = db->user ? prepared(db, "pragma data_version") : NULL;
	/* turndb files of old do not have that table */
	db->token_key = prepared(db, "select ikm_key,timestamp,lifetime,as_rs_alg "
				     "from oauth_key where kid=?");
	if (db->user && db->version)
		return 0;
out:
	fail(db, why);
	sqlite_shut(db);
	return -1;
}

static struct database *sqlite_open(const struct conf *conf, bool writing, char *why)
{
	struct database *db = calloc(1, sizeof(*db));

	if (!db) {
		strcpy(why, "no memory");
		return NULL;
	}
	db->conf = conf;
	db->writing = writing;
	if (writing && sqlite_connect(db, why)) {
		free(db);
		return NULL;
	}
	return db;
}

static void sqlite_close(struct database *db)
{
	if (db)
		sqlite_shut(db);
	free(db);
}

int sqlite_make(const char *path, char *why)
{
	struct conf conf = { .userdb = USERDB_SQLITE };
	struct database *db;

	if (asprintf(&conf.userdb_text, "%s", path) < 0)
		return -1;
	db = sqlite_open(&conf, true, why);
	sqlite_close(db);
	free(conf.userdb_text);
	return db ? 0 : -1;
}

/* ------------------------------------------------------------------ reading */

static const char *column(sqlite3_stmt *stmt, int i)
{
	return (const char *)sqlite3_column_text(stmt, i);
}

static int look_up_user(struct database *db, struct lookup *l)
{
	const char *hex;
	int rc;

	sqlite3_bind_text(db->user, 1, l->realm, (int)l->realm_len, SQLITE_STATIC);
	sqlite3_bind_text(db->user, 2, l->name, (int)l->name_len, SQLITE_STATIC);
	rc = sqlite3_step(db->user);
	hex = rc == SQLITE_ROW ? column(db->user, 0) : NULL;
	l->found = hex && database_key(l->credential.md5_key, hex);
	sqlite3_reset(db->user);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : -1;
}

static int look_up_token_key(struct database *db, struct lookup *l)
{
	sqlite3_stmt *stmt = db->token_key;
	int rc;

	if (!stmt)
		return 0;
	sqlite3_bind_text(stmt, 1, l->name, (int)l->name_len, SQLITE_STATIC);
	rc = sqlite3_step(stmt);
	l->found = rc == SQLITE_ROW &&
		   database_token_key(&l->credential.token, column(stmt, 0), column(stmt, 1),
				      column(stmt, 2), column(stmt, 3));
	sqlite3_reset(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : -1;
}

static int sqlite_look_up(struct database *db, struct lookup *v, unsigned int n, char *why)
{
	if (sqlite_connect(db, why))
		return -1;
	for (unsigned int i = 0; i < n; i++) {
		int err = v[i].kind == TURN_ASK_USER ? look_up_user(db, &v[i]) :
						       look_up_token_key(db, &v[i]);

		if (err)
			return fail(db, why);
	}
	return 0;
}

/* Every row of a query with at most three columns, "" for NULL. */
static int each_row(struct database *db, const char *sql, struct realms *r,
		    void (*row)(struct realms *r, const char *const column[3]))
{
	sqlite3_stmt *stmt = prepared(db, sql);
	int rc;

	if (!stmt)
		return -1;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		const char *columns[3];

		for (int i = 0; i < 3; i++) {
			columns[i] = i < sqlite3_column_count(stmt) ? column(stmt, i) : NULL;
			if (!columns[i])
				columns[i] = "";
		}
		row(r, columns);
	}
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE ? 0 : -1;
}

static void row_secret(struct realms *r, const char *const c[3])
{
	realms_secret(r, c[0], c[1]);
}

static void row_allowed(struct realms *r, const char *const c[3])
{
	realms_range(r, c[0], true, c[1]);
}

static void row_denied(struct realms *r, const char *const c[3])
{
	realms_range(r, c[0], false, c[1]);
}

static void row_origin(struct realms *r, const char *const c[3])
{
	realms_origin(r, c[0], c[1]);
}

static void row_option(struct realms *r, const char *const c[3])
{
	realms_option(r, c[0], c[1], c[2]);
}

static struct turn_realms *read_realms(struct database *db, char *why)
{
	const struct conf *conf = db->conf;
	struct realms *r = realms_new(conf, why);
	int err = 0;

	if (!r)
		return NULL;
	err |= each_row(db, "select realm,value from turn_secret order by realm,value", r,
			row_secret);
	if (!conf->no_dynamic_realms) {
		err |= each_row(db, "select origin,realm from turn_origin_to_realm", r,
				row_origin);
		err |= each_row(db, "select realm,opt,value from turn_realm_option", r,
				row_option);
	}
	if (!conf->no_dynamic_ip_list) {
		err |= each_row(db, "select realm,ip_range from allowed_peer_ip", r, row_allowed);
		err |= each_row(db, "select realm,ip_range from denied_peer_ip", r, row_denied);
	}
	if (!err)
		return realms_finish(r);
	realms_abandon(r);
	fail(db, why);
	return NULL;
}

/* data_version changes when somebody else has written: a look at the file's header. */
static int sqlite_poll(struct database *db, struct turn_realms **realms, char *why)
{
	sqlite3_int64 version;
	int rc;

	*realms = NULL;
	if (sqlite_connect(db, why))
		return -1;
	rc = sqlite3_step(db->version);
	version = rc == SQLITE_ROW ? sqlite3_column_int64(db->version, 0) : 0;
	sqlite3_reset(db->version);
	if (rc != SQLITE_ROW)
		return fail(db, why);
	if (db->polled && version == db->seen)
		return 0;
	*realms = read_realms(db, why);
	if (!*realms)
		return -1;
	db->polled = true;
	db->seen = version;
	return 1;
}

/* ------------------------------------------------------------------ writing */

/* A statement with up to three texts: 0, 1 where it touched no row, or -1. */
static int change(struct database *db, const char *sql, const char *const text[3], char *why)
{
	sqlite3_stmt *stmt = prepared(db, sql);
	int rc;

	if (!stmt)
		return fail(db, why);
	for (int i = 0; i < 3 && text[i]; i++)
		sqlite3_bind_text(stmt, i + 1, text[i], -1, SQLITE_STATIC);
	rc = sqlite3_step(stmt);
	sqlite3_finalize(stmt);
	if (rc != SQLITE_DONE)
		return fail(db, why);
	return sqlite3_changes(db->file) ? 0 : 1;
}

static int sqlite_set_user(struct database *db, const char *realm, const char *name,
			   const char *key, char *why)
{
	const char *const text[3] = { realm, name, key };

	return change(db, "insert or replace into turnusers_lt (realm,name,hmackey) "
			  "values (?,?,?)", text, why);
}

static int sqlite_delete_user(struct database *db, const char *realm, const char *name, char *why)
{
	const char *const text[3] = { realm, name, NULL };

	return change(db, "delete from turnusers_lt where realm=? and name=?", text, why);
}

static int sqlite_set_secret(struct database *db, const char *realm, const char *secret,
			     char *why)
{
	const char *const text[3] = { realm, secret, NULL };

	return change(db, "insert or replace into turn_secret (realm,value) values (?,?)", text,
		      why);
}

static int sqlite_delete_secret(struct database *db, const char *realm, const char *secret,
				char *why)
{
	const char *const text[3] = { realm, secret, NULL };

	return change(db, "delete from turn_secret where realm=? and value=?", text, why);
}

static int sqlite_list_users(struct database *db, const char *realm,
			     void (*show)(void *arg, const char *realm, const char *name),
			     void *arg, char *why)
{
	sqlite3_stmt *stmt = prepared(db, "select realm,name from turnusers_lt "
					  "where ?1 is null or realm=?1 order by realm,name");
	int rc;

	if (!stmt)
		return fail(db, why);
	if (realm)
		sqlite3_bind_text(stmt, 1, realm, -1, SQLITE_STATIC);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
		show(arg, column(stmt, 0), column(stmt, 1));
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE ? 0 : fail(db, why);
}

static int sqlite_count_secrets(struct database *db, const char *realm, unsigned int *n,
				char *why)
{
	sqlite3_stmt *stmt = prepared(db, "select count(*) from turn_secret where realm=?");
	int rc;

	if (!stmt)
		return fail(db, why);
	sqlite3_bind_text(stmt, 1, realm, -1, SQLITE_STATIC);
	rc = sqlite3_step(stmt);
	*n = rc == SQLITE_ROW ? (unsigned int)sqlite3_column_int(stmt, 0) : 0;
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW ? 0 : fail(db, why);
}

const struct database_ops sqlite_ops = {
	.open = sqlite_open,
	.close = sqlite_close,
	.look_up = sqlite_look_up,
	.poll = sqlite_poll,
	.set_user = sqlite_set_user,
	.delete_user = sqlite_delete_user,
	.set_secret = sqlite_set_secret,
	.delete_secret = sqlite_delete_secret,
	.list_users = sqlite_list_users,
	.count_secrets = sqlite_count_secrets,
};
