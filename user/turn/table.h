/* SPDX-License-Identifier: MIT */
/* A keyed hash, and a chained table of nodes that are embedded in what they find. Pure. */
#ifndef TP_TURN_TABLE_H
#define TP_TURN_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* SipHash-1-3: who cannot guess the key cannot make collisions. */
uint64_t hash_bytes(const uint64_t key[2], const void *data, size_t len);

struct table_node {
	struct table_node *next;
	uint64_t hash;
};

struct table {
	union {
		struct table_node *chain;	/* while n_chains is 0 */
		struct table_node **chains;
	};
	unsigned int n_chains, count;
};

void table_add(struct table *t, struct table_node *node, uint64_t hash);
void table_remove(struct table *t, struct table_node *node);
struct table_node *table_first(const struct table *t, uint64_t hash);
struct table_node *table_next(const struct table_node *node);
/* Makes room for one more. False: there is no memory, and chains are long already. */
bool table_reserve(struct table *t);
/* Any node, or NULL: for taking a table apart. */
struct table_node *table_any(const struct table *t);
/* Another one than those before it, or NULL; adding changes which. */
struct table_node *table_after(const struct table *t, const struct table_node *node);
/* All nodes; the one at hand may be removed. */
#define table_each(t, node, next) \
	for ((node) = table_any(t); \
	     (node) && ((next) = table_after(t, node), true); (node) = (next))
void table_clear(struct table *t);	/* frees the buckets, not the nodes */

#define core_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#endif
