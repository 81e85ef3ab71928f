// SPDX-License-Identifier: MIT
/*
 * A chained hash table that starts with four buckets: most allocations have a
 * handful of channels, and what is small must not cost a page.
 */
#include <stdlib.h>
#include "turn/core.h"
#include "pure.h"

static struct table_node **table_bucket(const struct table *t, uint64_t hash)
{
	return &t->buckets[hash & (t->n_buckets - 1)];
}

bool table_reserve(struct table *t)
{
	unsigned int n = t->n_buckets ? t->n_buckets * 2 : 4;
	struct table old = *t;
	struct table_node *node, *next;
	unsigned int i;

	if (t->count < t->n_buckets)
		return true;
	t->buckets = calloc(n, sizeof(*t->buckets));
	if (!t->buckets) {
		t->buckets = old.buckets;	/* longer chains, still right */
		return t->buckets;
	}
	t->n_buckets = n;
	for (i = 0; i < old.n_buckets; i++) {
		for (node = old.buckets[i]; node; node = next) {
			struct table_node **head = table_bucket(t, node->hash);

			next = node->next;
			node->next = *head;
			*head = node;
		}
	}
	free(old.buckets);
	return true;
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
	return t->n_buckets ? same_hash(*table_bucket(t, hash), hash) : NULL;
}

struct table_node *table_next(const struct table_node *node)
{
	return same_hash(node->next, node->hash);
}

struct table_node *table_any(const struct table *t)
{
	unsigned int i;

	for (i = 0; t->count && i < t->n_buckets; i++) {
		if (t->buckets[i])
			return t->buckets[i];
	}
	return NULL;
}

void table_clear(struct table *t)
{
	free(t->buckets);
	t->buckets = NULL;
	t->n_buckets = 0;
	t->count = 0;
}
