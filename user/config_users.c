// SPDX-License-Identifier: MIT
/* Setters of user databases, realms and token keys. No message of this file shows a secret. */
#include <stdlib.h>
#include <string.h>
#include "address.h"
#include "config_table.h"
#include "users/database.h"
#include "users/redis_link.h"

static void refuse(const struct conf_line *line, const char *why)
{
	conf_report(line->errors, line->where, LEVEL_ERROR, "%s %s", line->directive->name, why);
}

static void *grown(void *v, unsigned int n, size_t size)
{
	v = reallocarray(v, n, size);
	if (!v)
		abort();
	return v;
}

/* coturn has one database as well, the one that was named last. */
static void set_database(const struct conf_line *line, enum conf_userdb kind)
{
	struct conf *conf = line->conf;

	if (!*line->value)
		return;
	if (conf->userdb != USERDB_NONE && conf->userdb != kind)
		conf_report(line->errors, line->where, LEVEL_WARNING,
			    "%s: another user database was given before; the last one wins",
			    line->directive->name);
	if (conf->userdb_text)
		explicit_bzero(conf->userdb_text, strlen(conf->userdb_text));
	free(conf->userdb_text);
	conf->userdb_text = strdup(line->value);
	if (!conf->userdb_text)
		abort();
	conf->userdb = kind;
}

void conf_set_sqlite(const struct conf_line *line)
{
	set_database(line, USERDB_SQLITE);
}

static bool redis_options_good(const struct conf_line *line)
{
	struct redis_options options;
	const char *fault = redis_options_parse(&options, line->value);

	explicit_bzero(&options, sizeof(options));
	if (fault)
		refuse(line, fault);
	return !fault;
}

void conf_set_redis(const struct conf_line *line)
{
	if (redis_options_good(line))
		set_database(line, USERDB_REDIS);
}

void conf_set_statsdb(const struct conf_line *line)
{
	struct conf *conf = line->conf;

	if (!redis_options_good(line))
		return;
	if (conf->redis_statsdb)
		explicit_bzero(conf->redis_statsdb, strlen(conf->redis_statsdb));
	free(conf->redis_statsdb);
	conf->redis_statsdb = strdup(line->value);
	if (!conf->redis_statsdb)
		abort();
}

/* "192.0.2.1:3478 north.example" */
void conf_set_listener_realm(const struct conf_line *line)
{
	struct turn_conf *turn = &line->conf->turn;
	struct turn_listener_realm entry;
	size_t len = strcspn(line->value, " \t");
	const char *realm = line->value + len + strspn(line->value + len, " \t");
	char address[ADDRESS_TEXT];

	if (len < sizeof(address)) {
		memcpy(address, line->value, len);
		address[len] = 0;
	}
	if (len >= sizeof(address) || !*realm || strpbrk(realm, "\"\\") ||
	    strlen(realm) > CACHE_REALM_MAX ||
	    (!address_parse(&entry.listener, address) &&
	     !address_parse_port(&entry.listener, address))) {
		refuse(line, "is not IP[:PORT] REALM");
		return;
	}
	entry.realm = strdup(realm);
	if (!entry.realm)
		abort();
	turn->listener_realms = grown(turn->listener_realms, turn->n_listener_realms + 1,
				      sizeof(entry));
	turn->listener_realms[turn->n_listener_realms++] = entry;
}

/* "KID:A256GCM:BASE64" */
void conf_set_token_key(const struct conf_line *line)
{
	struct turn_conf *turn = &line->conf->turn;
	char *copy = strdup(line->value), *at, *kid, *algorithm, *key;
	struct turn_token_key entry = { 0 };

	if (!copy)
		abort();
	kid = strtok_r(copy, ":", &at);
	algorithm = kid ? strtok_r(NULL, ":", &at) : NULL;
	key = algorithm ? strtok_r(NULL, ":", &at) : NULL;
	if (!key || !database_token_key(&entry, key, NULL, NULL, algorithm)) {
		refuse(line, "is not KID:A256GCM:KEY or KID:A128GCM:KEY with 32 or 16 bytes of "
			     "key in base64");
		goto out;
	}
	entry.kid = strdup(kid);
	if (!entry.kid)
		abort();
	turn->token_keys = grown(turn->token_keys, turn->n_token_keys + 1, sizeof(entry));
	turn->token_keys[turn->n_token_keys++] = entry;
out:
	explicit_bzero(&entry, sizeof(entry));
	explicit_bzero(copy, strlen(line->value));
	free(copy);
}

void conf_free_users(struct conf *conf)
{
	struct turn_conf *turn = &conf->turn;

	for (unsigned int i = 0; i < turn->n_listener_realms; i++)
		free(turn->listener_realms[i].realm);
	free(turn->listener_realms);
	for (unsigned int i = 0; i < turn->n_token_keys; i++) {
		free(turn->token_keys[i].kid);
		explicit_bzero(&turn->token_keys[i], sizeof(turn->token_keys[i]));
	}
	free(turn->token_keys);
	free(turn->server_name);
	if (conf->userdb_text)
		explicit_bzero(conf->userdb_text, strlen(conf->userdb_text));
	free(conf->userdb_text);
	if (conf->redis_statsdb)
		explicit_bzero(conf->redis_statsdb, strlen(conf->redis_statsdb));
	free(conf->redis_statsdb);
}
