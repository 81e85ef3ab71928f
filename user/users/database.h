/* SPDX-License-Identifier: MIT */
/* What every kind of user database can do. Calls block; one thread at a time. */
#ifndef TP_USERS_DATABASE_H
#define TP_USERS_DATABASE_H

#include "config.h"
#include "users/cache.h"

#define DATABASE_WHY	256	/* bytes of a reason; never with a secret in it */
#define DATABASE_KEY	33	/* hex MD5 and its NUL, as coturn keeps keys */

struct database;

/* Where a call returns -1, why says what went wrong, and the next one tries anew. */
struct database_ops {
	/* For reading, or (the command) for writing, when what is missing is made. */
	struct database *(*open)(const struct conf *conf, bool writing, char *why);
	void (*close)(struct database *db);

	int (*look_up)(struct database *db, struct lookup *v, unsigned int n, char *why);
	/* Once a second. 1: something has changed, and *realms is new (the caller's);
	 * 0: *realms is NULL or new, and what is known of users may be believed. */
	int (*poll)(struct database *db, struct turn_realms **realms, char *why);

	/* 0, or 1 where there is nothing to delete. */
	int (*set_user)(struct database *db, const char *realm, const char *name,
			const char *key, char *why);
	int (*delete_user)(struct database *db, const char *realm, const char *name, char *why);
	int (*set_secret)(struct database *db, const char *realm, const char *secret, char *why);
	int (*delete_secret)(struct database *db, const char *realm, const char *secret,
			     char *why);
	/* of every realm where realm is NULL */
	int (*list_users)(struct database *db, const char *realm,
			  void (*show)(void *arg, const char *realm, const char *name),
			  void *arg, char *why);
	int (*count_secrets)(struct database *db, const char *realm, unsigned int *n, char *why);
};

extern const struct database_ops sqlite_ops, redis_ops;

/* The one that is configured; NULL: none. */
const struct database_ops *database_ops(const struct conf *conf);
/* 32 hexadecimal digits; false: something else. */
bool database_key(uint8_t key[16], const char *hex);
/* A row of coturn's oauth_key; NULL: no such field. False: of no use. */
bool database_token_key(struct turn_token_key *key, const char *ikm_key, const char *timestamp,
			const char *lifetime, const char *algorithm);

#endif
