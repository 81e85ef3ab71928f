// SPDX-License-Identifier: MIT
/*
 * A chained hash table that is one chain within itself at first: most allocations have a
 * handful of channels, whose nodes a search looks through as soon as it would find buckets.
 */
#include <stdlib.h>
#include "turn/core.h"
#include "pure.h"

#define TABLE_CHAIN	4		/* nodes, before there are buckets */
#define TABLE_CHAIN_MAX	16		/* on average, where memory has run out */

static unsigned int table_chains(const struct table *t)
{
	return t->n_chains ? t->n_chains : 1;
}

static unsigned int table_index(const struct table *t, uint64_t hash)
{
	return (unsigned int)hash & (table_chains(t) - 1);
}

static struct table_node **table_bucket(struct table *t, uint64_t hash)
{
	return t->n_chains ? &t->chains[table_index(t, hash)] : &t->chain;
}

/* The first of these chains that is not empty. */
static struct table_node *table_from(const struct table *t, unsigned int i)
{
	struct table_node *const *chains = t->n_chains ? t->chains : &t->chain;

	for (; i < table_chains(t); i++) {
		if (chains[i])
			return chains[i];
	}
	return NULL;
}

struct table_node *table_any(const struct table *t)
{
	return t->count ? table_from(t, 0) : NULL;
}

struct table_node *table_after(const struct table *t, const struct table_node *node)
{
	return node->next ? node->next : table_from(t, table_index(t, node->hash) + 1);
}

static bool table_grow(struct table *t)
{
	unsigned int n = t->n_chains ? t->n_chains * 2 : 2 * TABLE_CHAIN;
	struct table_node **buckets = calloc(n, sizeof(*buckets)), *node, *next;
	struct table old = *t;

	if (!buckets)
		return false;
	t->chains = buckets;
	t->n_chains = n;
	table_each(&old, node, next) {
		struct table_node **head = table_bucket(t, node->hash);

		node->next = *head;
		*head = node;
	}
	if (old.n_chains)
		free(old.chains);
	return true;
}

bool table_reserve(struct table *t)
{
	if (t->count < (t->n_chains ? t->n_chains : TABLE_CHAIN))
		return true;
	return table_grow(t) || t->count < table_chains(t) * TABLE_CHAIN_MAX;
}

void table_add(struct table *t, struct table_node *node, uint64_t hash)
{
	struct table_node **head = table_bucket(t, hash);

	node->hash = hash;
	node->next = *head;
	*head = node;
	t->count++;
}

void table_remove(struct table *t, struct table_node *node)
{
	struct table_node **at = table_bucket(t, node->hash);

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	t->count--;
}

static struct table_node *same_hash(struct table_node *node, uint64_t hash)
{
	while (node && node->hash != hash)
		node = node->next;
	return node;
}

struct table_node *table_first(const struct table *t, uint64_t hash)
{
	return same_hash(t->n_chains ? t->chains[table_index(t, hash)] : t->chain, hash);
}

struct table_node *table_next(const struct table_node *node)
{
	return same_hash(node->next, node->hash);
}

void table_clear(struct table *t)
{
	if (t->n_chains)
		free(t->chains);
	*t = (struct table){ 0 };
}
