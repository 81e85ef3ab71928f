/* SPDX-License-Identifier: MIT */
/* A struct turn_realms in the making, row by row of a database. */
#ifndef TP_USERS_REALMS_H
#define TP_USERS_REALMS_H

#include "users/database.h"

struct realms;

/* With the configured realms in it. Of what goes wrong from here on why (DATABASE_WHY bytes,
 * which outlive it) gets the first, and realms_finish() fails. NULL: no memory. */
struct realms *realms_new(const struct conf *conf, char *why);
void realms_secret(struct realms *r, const char *realm, const char *secret);
/* realm "": of every one. What is not a range is a failure. */
void realms_range(struct realms *r, const char *realm, bool allowed, const char *text);
/* coturn's words: max-bps, total-quota, user-quota. */
void realms_option(struct realms *r, const char *realm, const char *option, const char *value);
void realms_origin(struct realms *r, const char *origin, const char *realm);
/* The n-th realm's name; NULL: there are no more. */
const char *realms_name(const struct realms *r, unsigned int n);
/* Frees r. NULL: it is not whole. */
struct turn_realms *realms_finish(struct realms *r);
void realms_abandon(struct realms *r);
bool realms_equal(const struct turn_realms *a, const struct turn_realms *b);
void turn_realms_free(struct turn_realms *realms);	/* wipes secrets */

#endif
