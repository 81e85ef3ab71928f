// SPDX-License-Identifier: MIT
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include "users/redis_link.h"

#define TIMEOUT_S	2	/* without connect_timeout */
#define TIMEOUT_MAX_S	5	/* a thread waits that long; longer helps nobody */
#define ANSWER_S	2	/* to a command */

/* coturn's names, and what they fill in. */
static const struct {
	const char *name;
	size_t offset, size;		/* size 0: a number */
} names[] = {
#define TEXT(n, field) { n, offsetof(struct redis_options, field), \
			 sizeof(((struct redis_options *)NULL)->field) }
#define NUMBER(n, field) { n, offsetof(struct redis_options, field), 0 }
	TEXT("ip", host), TEXT("host", host), TEXT("hostaddr", host), TEXT("addr", host),
	TEXT("ipaddr", host), TEXT("path", host),
	TEXT("user", user), TEXT("uname", user), TEXT("name", user), TEXT("username", user),
	TEXT("password", password), TEXT("pwd", password), TEXT("passwd", password),
	TEXT("secret", password),
	NUMBER("port", port), NUMBER("p", port),
	NUMBER("dbname", database), NUMBER("db", database), NUMBER("database", database),
	NUMBER("connect_timeout", timeout_s), NUMBER("timeout", timeout_s),
#undef TEXT
#undef NUMBER
};

/* Digits alone: strtoul() takes signs and spaces, and a field is shorter than its result. */
static const char *set_number(unsigned int *field, const char *value)
{
	unsigned long n = strtoul(value, NULL, 10);

	if (!*value || value[strspn(value, "0123456789")] || n > UINT_MAX)
		return "holds a number that is none";
	*field = (unsigned int)n;
	return NULL;
}

static const char *set(struct redis_options *o, const char *name, const char *value)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		void *field = (char *)o + names[i].offset;

		if (strcmp(names[i].name, name))
			continue;
		if (!names[i].size)
			return set_number(field, value);
		if (strlen(value) >= names[i].size)
			return "holds a value that is too long";
		strcpy(field, value);
		return NULL;
	}
	return "holds an option that is not known: ip, port, dbname, user, password, "
	       "connect_timeout";
}

const char *redis_options_parse(struct redis_options *o, const char *text)
{
	char *copy = strdup(text), *at, *word, *value;
	const char *fault = NULL;

	*o = (struct redis_options){ .host = "127.0.0.1", .port = 6379, .timeout_s = TIMEOUT_S };
	if (!copy)
		return "could not be read: no memory";
	for (word = strtok_r(copy, " \t", &at); word && !fault; word = strtok_r(NULL, " \t", &at)) {
		value = strchr(word, '=');
		if (!value) {
			fault = "is not a list of name=value";
			break;
		}
		*value++ = 0;
		fault = set(o, word, value);
	}
	explicit_bzero(copy, strlen(text));
	free(copy);
	if (!fault && (!o->port || o->port > 65535))
		fault = "has a port that is none";
	if (o->timeout_s > TIMEOUT_MAX_S || !o->timeout_s)
		o->timeout_s = TIMEOUT_MAX_S;
	return fault;
}

redisReply *redis_next(redisContext *c, char why[REDIS_WHY])
{
	redisReply *reply = NULL;

	if (redisGetReply(c, (void **)&reply) == REDIS_OK && reply &&
	    reply->type != REDIS_REPLY_ERROR)
		return reply;
	/* what Redis says of a command does not hold its arguments, but for an unknown one */
	snprintf(why, REDIS_WHY, "redis: %.200s", reply ? reply->str :
		 *c->errstr ? c->errstr : "no answer");
	if (reply)
		freeReplyObject(reply);
	return NULL;
}

redisReply *redis_ask(redisContext *c, char why[REDIS_WHY], const char *format, ...)
{
	va_list args;
	int rc;

	va_start(args, format);
	rc = redisvAppendCommand(c, format, args);
	va_end(args);
	if (rc == REDIS_OK)
		return redis_next(c, why);
	snprintf(why, REDIS_WHY, "redis: no memory");
	return NULL;
}

static bool log_in(redisContext *c, const struct redis_options *o, char *why)
{
	redisReply *reply;

	if (*o->password) {
		reply = *o->user ? redis_ask(c, why, "AUTH %s %s", o->user, o->password) :
				   redis_ask(c, why, "AUTH %s", o->password);
		if (!reply)
			return false;
		freeReplyObject(reply);
	}
	reply = redis_ask(c, why, "SELECT %u", o->database);
	if (!reply)
		return false;
	freeReplyObject(reply);
	return true;
}

redisContext *redis_connect(const struct redis_options *o, char why[REDIS_WHY])
{
	struct timeval wait = { .tv_sec = o->timeout_s }, answer = { .tv_sec = ANSWER_S };
	redisContext *c = *o->host == '/' ? redisConnectUnixWithTimeout(o->host, wait) :
					    redisConnectWithTimeout(o->host, (int)o->port, wait);

	if (!c) {
		snprintf(why, REDIS_WHY, "redis: no memory");
		return NULL;
	}
	if (c->err)
		snprintf(why, REDIS_WHY, "redis %.100s: %.100s", o->host, c->errstr);
	else if (!redisSetTimeout(c, answer) && log_in(c, o, why))
		return c;
	redisFree(c);
	return NULL;
}
