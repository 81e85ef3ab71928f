// SPDX-License-Identifier: MIT
#include "dataplane/sizes.h"

/* What this host has of one family of addresses. */
struct family {
	bool listens;			/* clients come by it */
	bool relays;			/* peers come by it */
};

static struct family family_of(const struct conf *conf, uint8_t family)
{
	struct family f = { 0 };

	for (unsigned int i = 0; i < conf->listen.n; i++)
		f.listens |= conf->listen.v[i].family == family;
	for (unsigned int i = 0; i < conf->turn.n_relays; i++)
		f.relays |= conf->turn.relays[i].local.family == family;
	return f;
}

static bool has(struct family f)
{
	return f.listens || f.relays;
}

/*
 * Rows are found by what arrives. By a client's family: one for each channel, and the Send
 * rows, of which an allocation has one for each of its relayed addresses. By a peer's: one
 * for each channel, the relayed address, and permissions, one for each allocation being
 * allowed for; the free half of the slots takes several times as many.
 */
static uint64_t rows_of(const struct conf *conf, struct family f, unsigned int relayed)
{
	uint64_t flows = conf->fast_path_flows, allocations = conf->max_allocations;
	uint64_t rows = conf->listen.n + conf->turn.n_relays;	/* listeners, aliases */

	if (f.listens)
		rows += flows + relayed * allocations;
	if (f.relays)
		rows += flows + 2 * allocations;
	return rows;
}

struct tp_meta sizes_of(const struct conf *conf)
{
	struct tp_meta sizes = tables_sizes(conf->fast_path_flows, conf->max_allocations);
	struct family v4 = family_of(conf, 4), v6 = family_of(conf, 6);
	unsigned int relayed = v4.relays + v6.relays;
	uint64_t rows4 = rows_of(conf, v4, relayed), rows6 = rows_of(conf, v6, relayed);

	if (conf->fast_path_ipv6_share && has(v4) && has(v6)) {
		rows4 = rows4 * (100 - conf->fast_path_ipv6_share) / 100;
		rows6 = rows6 * conf->fast_path_ipv6_share / 100;
	}
	sizes.rows4 = tables_slots(rows4);
	sizes.rows6 = tables_slots(rows6);
	return sizes;
}
