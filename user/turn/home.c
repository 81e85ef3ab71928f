// SPDX-License-Identifier: MIT
/*
 * Clients are steered to workers by their address, so one that has moved may arrive at
 * another worker than its allocation's: here every worker can see whose it is.
 */
#include <string.h>
#include "turn/core.h"
#include "pure.h"

enum home_kind { HOME_TICKET = 1, HOME_PLACE };

static uint8_t *put_addr(uint8_t *out, const struct tp_addr *a)
{
	out[0] = a->family;
	memcpy(out + 1, &a->port, 2);
	memcpy(out + 3, a->ip, a->family == 4 ? 4 : 16);
	return out + 19;
}

void home_name_path(uint8_t name[HOME_NAME], const struct turn_path *path)
{
	memset(name, 0, HOME_NAME);
	name[0] = HOME_PLACE;
	name[1] = path->transport;
	put_addr(put_addr(put_addr(name + 2, &path->client), &path->server), &path->proxy);
}

void home_name_ticket(uint8_t name[HOME_NAME], const uint8_t ticket[TURN_TICKET_LEN])
{
	memset(name, 0, HOME_NAME);
	name[0] = HOME_TICKET;
	memcpy(name + 1, ticket, TURN_TICKET_LEN);
}

const uint8_t *home_ticket(const struct home *home)
{
	return home->name + 1;
}

_Static_assert(HOME_NAME == 2 + 3 * 19, "home_name_path() fills it");

static struct home *home_lookup(const struct turn_shared *shared, const uint8_t name[HOME_NAME],
				uint64_t hash)
{
	struct table_node *node = table_first(&shared->homes, hash);

	for (; node; node = table_next(node)) {
		struct home *home = core_of(node, struct home, node);

		if (!memcmp(home->name, name, HOME_NAME))
			return home;
	}
	return NULL;
}

bool home_add(struct turn_shared *shared, struct home *home)
{
	uint64_t hash = hash_bytes(shared->key, home->name, HOME_NAME);

	pthread_mutex_lock(&shared->homes_lock);
	if (!home_lookup(shared, home->name, hash) && table_reserve(&shared->homes)) {
		table_add(&shared->homes, &home->node, hash);
		home->listed = true;
		if (home->name[0] == HOME_PLACE)
			__atomic_add_fetch(&shared->places, 1, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&shared->homes_lock);
	return home->listed;
}

void home_remove(struct turn_shared *shared, struct home *home)
{
	if (!home->listed)
		return;
	pthread_mutex_lock(&shared->homes_lock);
	table_remove(&shared->homes, &home->node);
	home->listed = false;
	if (home->name[0] == HOME_PLACE)
		__atomic_sub_fetch(&shared->places, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&shared->homes_lock);
}

bool home_find(struct turn_server *s, const uint8_t name[HOME_NAME], unsigned int *worker,
	       struct alloc **alloc)
{
	uint64_t hash = hash_bytes(s->shared->key, name, HOME_NAME);
	const struct home *home;

	*alloc = NULL;
	pthread_mutex_lock(&s->shared->homes_lock);
	home = home_lookup(s->shared, name, hash);
	if (home) {
		*worker = home->worker;
		if (*worker == s->worker)
			*alloc = home->alloc;
	}
	pthread_mutex_unlock(&s->shared->homes_lock);
	return home;
}
