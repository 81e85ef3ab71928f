/* SPDX-License-Identifier: MIT */
/* A connection to Redis, from coturn's string of options. */
#ifndef TP_USERS_REDIS_LINK_H
#define TP_USERS_REDIS_LINK_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>

#define REDIS_WHY	256	/* bytes of a reason; never with the password in it */

struct redis_options {
	char host[256];			/* from "/" on: a Unix socket */
	char user[128], password[256];	/* "": none */
	unsigned int port, database, timeout_s;
};

/* "ip=… dbname=… password=… port=… connect_timeout=…"; NULL, or what is wrong. */
const char *redis_options_parse(struct redis_options *options, const char *text);
/* Connected, logged in and in the right database; NULL, and why. */
redisContext *redis_connect(const struct redis_options *options, char why[REDIS_WHY]);
/* "%b"-safe: the command's words, as strings. NULL or an error reply: *why says so. */
redisReply *redis_ask(redisContext *c, char why[REDIS_WHY], const char *format, ...);
/* The next reply of a pipeline; NULL, and why: the connection is of no use any more. */
redisReply *redis_next(redisContext *c, char why[REDIS_WHY]);

#endif
