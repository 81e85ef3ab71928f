/* SPDX-License-Identifier: MIT */
/*
 * The user database at work: a thread that looks up what workers ask for, and keeps what
 * is known of realms. Workers never wait for it; it wakes them.
 */
#ifndef TP_USERS_H
#define TP_USERS_H

#include <sys/types.h>
#include "config.h"

struct users;

/* In the keeper: the file is there (made where it was not), and uid can read it. 0, or -1
 * after a line in the log. */
int users_prepare(const struct conf *conf, uid_t uid, gid_t gid);
/* The same for the command: only makes it, with that group. */
int users_make_file(const struct conf *conf, gid_t gid, char *why);

/* NULL: no memory. conf has a database; what is needed of it is copied. */
struct users *users_new(const struct conf *conf);
/* Before users_start(): wake is called from the database's thread whenever somebody may have
 * an answer, or users_realms() something new. */
bool users_watch(struct users *users, void (*wake)(void *arg), void *arg);
int users_start(struct users *users);		/* 0 or -errno */
void users_stop(struct users *users);		/* waits for the thread; it wakes nobody after */
void users_free(struct users *users);

/* The database does not answer now; from any thread. */
bool users_away(struct users *users);

/* For turn_shared_source(); the context is users. */
extern const struct turn_source users_source;

/* What is known of realms, NULL: nothing yet. It stays until users_realms_put(). */
const struct turn_realms *users_realms_get(struct users *users);
void users_realms_put(struct users *users, const struct turn_realms *realms);

#endif
