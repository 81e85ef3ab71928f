// SPDX-License-Identifier: MIT
/* What is read from a SQLite file, and coturn's strings of options for Redis. */
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "users/realms.h"
#include "users/redis_link.h"
#include "users/sqlite.h"
#include "users/users.h"

#define KEY32	"MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="

static char path[64], why[DATABASE_WHY];
static struct conf conf;
static struct database *db;

static int setup(void **state)
{
	char *dir = strdup("/tmp/users_sqlite.XXXXXX");

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/turndb", dir);
	memset(&conf, 0, sizeof(conf));
	conf.turn.realm = (char *)(uintptr_t)"lab";
	conf.userdb = USERDB_SQLITE;
	conf.userdb_text = path;
	assert_int_equal(users_make_file(&conf, getegid(), why), 0);
	db = sqlite_ops.open(&conf, false, why);
	assert_non_null(db);
	*state = dir;
	return 0;
}

static int teardown(void **state)
{
	sqlite_ops.close(db);
	unlink(path);
	assert_int_equal(rmdir(*state), 0);
	free(*state);
	return 0;
}

static void write_sql(const char *sql)
{
	sqlite3 *file;

	assert_int_equal(sqlite3_open(path, &file), SQLITE_OK);
	assert_int_equal(sqlite3_exec(file, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(file);
}

static bool look_up(enum turn_ask kind, const char *name, struct turn_credential *out)
{
	static struct lookup l;

	memset(&l, 0, sizeof(l));
	l.kind = kind;
	strcpy(l.realm, "lab");
	l.realm_len = 3;
	strcpy(l.name, name);
	l.name_len = strlen(name);
	assert_int_equal(sqlite_ops.look_up(db, &l, 1, why), 0);
	*out = l.credential;
	return l.found;
}

static void users_and_keys(void **state)
{
	struct turn_credential c;

	(void)state;
	write_sql("insert into turnusers_lt values"
		  "('lab','bob','8D42188E68bdb2ffe92e4d02de8f4bf7'),('lab','short','8d42'),"
		  "('other','carol','8d42188e68bdb2ffe92e4d02de8f4bf7'),('lab','null',null),"
		  "('lab','long','8d42188e68bdb2ffe92e4d02de8f4bf700'),"
		  "('lab','x'' or ''1'' = ''1','8d42188e68bdb2ffe92e4d02de8f4bf7');");
	assert_true(look_up(TURN_ASK_USER, "bob", &c));
	assert_memory_equal(c.md5_key, "\x8d\x42\x18\x8e", 4);
	assert_false(look_up(TURN_ASK_USER, "Bob", &c));
	assert_false(look_up(TURN_ASK_USER, "carol", &c));
	assert_false(look_up(TURN_ASK_USER, "short", &c));
	assert_false(look_up(TURN_ASK_USER, "long", &c));
	assert_false(look_up(TURN_ASK_USER, "null", &c));
	assert_false(look_up(TURN_ASK_USER, "' or '1' = '1", &c));
	assert_true(look_up(TURN_ASK_USER, "x' or '1' = '1", &c));
}

static void token_keys(void **state)
{
	struct turn_credential c;

	(void)state;
	write_sql("insert into oauth_key (kid,ikm_key,timestamp,lifetime,as_rs_alg) values"
		  "('a','" KEY32 "',1000,60,'A256GCM'),('b','" KEY32 "',0,0,''),"
		  "('c','" KEY32 "',0,0,'A128GCM'),('d','" KEY32 "',0,0,'A256CBC-HS512'),"
		  "('e','MTIzNDU2',0,0,'A256GCM'),('f','not base64 at all!!!',0,0,''),"
		  "('g','MTIzNDU2Nzg5MDEyMzQ1Ng==',0,0,'A128GCM'),"
		  "('h','MTIzNDU2Nzg5MDEyMzQ1Ng==',0,0,'A256GCM'),('i','',0,0,''),"
		  "('j','MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEK',0,0,'A256GCM')");
	assert_true(look_up(TURN_ASK_TOKEN_KEY, "a", &c));
	assert_int_equal(c.token.from_s, 1000);
	assert_int_equal(c.token.until_s, 1060);
	assert_memory_equal(c.token.key, "12345678901234567890123456789012", 32);
	assert_true(look_up(TURN_ASK_TOKEN_KEY, "b", &c));
	assert_false(c.token.aes128);
	assert_int_equal(c.token.until_s, 0);
	assert_true(look_up(TURN_ASK_TOKEN_KEY, "c", &c));
	assert_true(c.token.aes128);
	assert_false(look_up(TURN_ASK_TOKEN_KEY, "d", &c));
	assert_false(look_up(TURN_ASK_TOKEN_KEY, "e", &c));
	assert_false(look_up(TURN_ASK_TOKEN_KEY, "f", &c));
	assert_true(look_up(TURN_ASK_TOKEN_KEY, "g", &c));
	assert_int_equal(c.token.key_len, 16);
	assert_false(look_up(TURN_ASK_TOKEN_KEY, "h", &c));
	assert_false(look_up(TURN_ASK_TOKEN_KEY, "i", &c));
	assert_true(look_up(TURN_ASK_TOKEN_KEY, "j", &c));
	assert_int_equal(c.token.key_len, 32);
}

static const struct turn_realm *realm(const struct turn_realms *r, const char *name)
{
	for (unsigned int i = 0; i < r->n; i++)
		if (!strcmp(r->v[i].name, name))
			return &r->v[i];
	fail_msg("no realm %s", name);
	return NULL;
}

static void what_is_known_of_realms(void **state)
{
	struct turn_realms *r, *again;

	(void)state;
	assert_int_equal(sqlite_ops.poll(db, &r, why), 1);
	assert_int_equal(r->n, 1);
	assert_int_equal(sqlite_ops.poll(db, &again, why), 0);
	assert_null(again);
	turn_realms_free(r);
	write_sql("insert into turn_secret values ('lab','north'),('lab','south'),('other','x');"
		  "insert into turn_origin_to_realm values ('https://a','other');"
		  "insert into turn_realm_option values ('other','user-quota','3'),"
		  "('other','total-quota','99'),('other','max-bps','64000');"
		  "insert into denied_peer_ip values ('','9.0.0.0-9.0.0.9'),('lab','8.8.8.8');"
		  "insert into allowed_peer_ip values ('other','10.0.0.1')");
	assert_int_equal(sqlite_ops.poll(db, &r, why), 1);
	assert_int_equal(realm(r, "lab")->n_secrets, 2);
	assert_string_equal(realm(r, "lab")->secrets[1], "south");
	assert_int_equal(realm(r, "lab")->denied.n, 2);
	assert_int_equal(realm(r, "other")->denied.n, 1);
	assert_int_equal(realm(r, "other")->allowed.n, 1);
	assert_int_equal(realm(r, "other")->user_quota, 3);
	assert_int_equal(realm(r, "other")->total_quota, 99);
	assert_int_equal(realm(r, "other")->max_bps, 64000);
	assert_int_equal(r->n_origins, 1);
	assert_ptr_equal(r->origins[0].realm, realm(r, "other"));
	assert_true(realms_equal(r, r));
	write_sql("update turn_secret set value='east' where value='south'");
	assert_int_equal(sqlite_ops.poll(db, &again, why), 1);
	assert_false(realms_equal(r, again));
	turn_realms_free(r);
	turn_realms_free(again);
	conf.no_dynamic_ip_list = conf.no_dynamic_realms = true;
	write_sql("delete from turn_secret where realm='other'");
	assert_int_equal(sqlite_ops.poll(db, &r, why), 1);
	assert_int_equal(r->n, 1);
	assert_int_equal(r->v[0].denied.n, 0);
	assert_int_equal(r->n_origins, 0);
	turn_realms_free(r);
}

static void a_range_that_is_none(void **state)
{
	struct turn_realms *r;

	(void)state;
	write_sql("insert into denied_peer_ip values ('','9.0.0.0-8.0.0.9')");
	assert_int_equal(sqlite_ops.poll(db, &r, why), -1);
	assert_non_null(strstr(why, "9.0.0.0-8.0.0.9"));
	write_sql("delete from denied_peer_ip");
	assert_int_equal(sqlite_ops.poll(db, &r, why), 1);
	turn_realms_free(r);
}

static void another_file_in_its_place(void **state)
{
	struct turn_credential c;
	char away[80];

	(void)state;
	write_sql("insert into turnusers_lt values"
		  "('lab','bob','8d42188e68bdb2ffe92e4d02de8f4bf7')");
	assert_true(look_up(TURN_ASK_USER, "bob", &c));
	snprintf(away, sizeof(away), "%s.away", path);
	assert_int_equal(rename(path, away), 0);
	assert_int_equal(users_make_file(&conf, getegid(), why), 0);
	assert_false(look_up(TURN_ASK_USER, "bob", &c));
	assert_int_equal(rename(away, path), 0);
	assert_true(look_up(TURN_ASK_USER, "bob", &c));
}

static void no_database_at_all(void **state)
{
	static struct lookup l;
	FILE *f;

	(void)state;
	assert_int_equal(truncate(path, 0), 0);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("this is not a database, and it is long enough to be none of the empty ones\n", f);
	fclose(f);
	assert_int_equal(sqlite_ops.look_up(db, &l, 1, why), -1);
	assert_non_null(strstr(why, "not a database"));
}

static void redis_options(void **state)
{
	struct redis_options o;

	(void)state;
	assert_null(redis_options_parse(&o, "ip=/run/redis/sock dbname=2  password=a=b port=17 "
					    "connect_timeout=30"));
	assert_string_equal(o.host, "/run/redis/sock");
	assert_string_equal(o.password, "a=b");
	assert_int_equal(o.database, 2);
	assert_int_equal(o.port, 17);
	assert_int_equal(o.timeout_s, 5);
	assert_null(redis_options_parse(&o, ""));
	assert_string_equal(o.host, "127.0.0.1");
	assert_int_equal(o.port, 6379);
	assert_non_null(redis_options_parse(&o, "port=66000"));
	assert_non_null(redis_options_parse(&o, "port=x"));
	assert_non_null(redis_options_parse(&o, "port=4294973675"));	/* 2^32 + 6379 */
	assert_non_null(redis_options_parse(&o, "dbname=-1"));
	assert_non_null(redis_options_parse(&o, "dbname="));
	assert_non_null(redis_options_parse(&o, "ip"));
	assert_non_null(redis_options_parse(&o, "colour=red"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(users_and_keys),
		T(token_keys),
		T(what_is_known_of_realms),
		T(a_range_that_is_none),
		T(another_file_in_its_place),
		T(no_database_at_all),
		cmocka_unit_test(redis_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
