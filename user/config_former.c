// SPDX-License-Identifier: MIT
/* Relay addresses and ports that a reload takes away: what is allocated there goes on. */
#include <stdlib.h>
#include "address.h"
#include "config_table.h"

void conf_add_former(struct turn_conf *turn, const struct turn_former *former)
{
	turn->former = reallocarray(turn->former, turn->n_former + 1, sizeof(*former));
	if (!turn->former)
		abort();
	turn->former[turn->n_former++] = *former;
}

static bool same_ip(const struct turn_relay_ip *a, const struct turn_relay_ip *b)
{
	return address_same_ip(&a->local, &b->local) &&
	       address_same_ip(&a->external, &b->external);
}

static bool covers(const struct turn_conf *turn, const struct turn_former *old)
{
	bool ports = turn->min_port <= old->min_port && turn->max_port >= old->max_port;

	for (unsigned int i = 0; ports && i < turn->n_relays; i++)
		if (same_ip(&turn->relays[i], &old->ip))
			return true;
	for (unsigned int i = 0; i < turn->n_former; i++) {
		const struct turn_former *f = &turn->former[i];

		if (same_ip(&f->ip, &old->ip) && f->min_port <= old->min_port &&
		    f->max_port >= old->max_port)
			return true;
	}
	return false;
}

void conf_keep_former(struct conf *next, const struct conf *running)
{
	const struct turn_conf *was = &running->turn;

	for (unsigned int i = 0; i < was->n_relays; i++) {
		struct turn_former old = { was->relays[i], was->min_port, was->max_port };

		if (!covers(&next->turn, &old))
			conf_add_former(&next->turn, &old);
	}
	for (unsigned int i = 0; i < was->n_former; i++)
		if (!covers(&next->turn, &was->former[i]))
			conf_add_former(&next->turn, &was->former[i]);
}

void conf_drop_former(struct conf *next,
		      bool (*left)(const void *ctx, const struct turn_former *former),
		      const void *ctx)
{
	struct turn_conf *turn = &next->turn;
	unsigned int kept = 0;

	for (unsigned int i = 0; i < turn->n_former; i++)
		if (left(ctx, &turn->former[i]))
			turn->former[kept++] = turn->former[i];
	turn->n_former = kept;
}
