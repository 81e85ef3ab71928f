// SPDX-License-Identifier: MIT
/* Static users, found by name or by USERHASH. Built of a configuration, then only read. */
#include <stdlib.h>
#include <string.h>
#include "turn/core.h"
#include "pure.h"

static struct stun_bytes text(const char *s)
{
	return (struct stun_bytes){ (const uint8_t *)s, s ? strlen(s) : 0 };
}

bool user_index(struct turn_shared *shared)
{
	const struct turn_conf *conf = shared->conf;
	unsigned int i;

	shared->users.v = calloc(conf->n_users ? conf->n_users : 1, sizeof(*shared->users.v));
	if (!shared->users.v)
		return false;
	for (i = 0; i < conf->n_users; i++) {
		struct user *u = &shared->users.v[i];
		struct stun_bytes name = text(conf->users[i].name);

		u->conf = &conf->users[i];
		/* An empty name authorises nobody; of two the first counts. */
		if (!name.len || user_by_name(shared, name))
			continue;
		if (!table_reserve(&shared->users.by_name) ||
		    !table_reserve(&shared->users.by_hash))
			return false;
		stun_userhash(u->userhash, name, text(conf->realm));
		table_add(&shared->users.by_name, &u->by_name,
			  hash_bytes(shared->key, name.p, name.len));
		table_add(&shared->users.by_hash, &u->by_hash,
			  hash_bytes(shared->key, u->userhash, sizeof(u->userhash)));
	}
	return true;
}

void user_unindex(struct users *users)
{
	table_clear(&users->by_name);
	table_clear(&users->by_hash);
	free(users->v);
	users->v = NULL;
}

const struct turn_user *user_by_name(const struct turn_shared *shared, struct stun_bytes name)
{
	uint64_t hash = hash_bytes(shared->key, name.p, name.len);
	struct table_node *node = table_first(&shared->users.by_name, hash);

	for (; node; node = table_next(node)) {
		const struct turn_user *user = core_of(node, struct user, by_name)->conf;

		if (strlen(user->name) == name.len && !memcmp(user->name, name.p, name.len))
			return user;
	}
	return NULL;
}

const struct turn_user *user_by_hash(const struct turn_shared *shared, const uint8_t hash[32])
{
	struct table_node *node = table_first(&shared->users.by_hash,
					      hash_bytes(shared->key, hash, 32));

	for (; node; node = table_next(node)) {
		struct user *user = core_of(node, struct user, by_hash);

		if (!memcmp(user->userhash, hash, 32))
			return user->conf;
	}
	return NULL;
}
