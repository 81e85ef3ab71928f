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
/* For going through all: chains 0 to table_chains() - 1, which adding changes. */
unsigned int table_chains(const struct table *t);
struct table_node *table_chain(const struct table *t, unsigned int i);
/* Any node, or NULL: for taking a table apart. */
struct table_node *table_any(const struct table *t);
void table_clear(struct table *t);	/* frees the buckets, not the nodes */

#define core_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#endif
