// SPDX-License-Identifier: MIT
/* What all workers share: the index of static users, port pools, counts. */
#include <stdlib.h>
#include <string.h>
#include "turn/core.h"
#include "pure.h"

bool turn_conf_relays(const struct turn_conf *conf)
{
	return conf->no_auth || conf->n_users || conf->n_secrets || conf->n_token_keys ||
	       turn_conf_asks(conf);
}

bool turn_conf_asks(const struct turn_conf *conf)
{
	return conf->db_users || conf->db_secrets;
}

/* A user of whom only the MD5 key is known, like those of coturn's databases, can never
 * use SHA-256, and a client that is offered it takes it: then only MD5 is offered. */
void shared_algorithms(struct turn_shared *shared)
{
	static const uint8_t md5_only[4] = { 0, STUN_ALG_MD5, 0, 0 };
	unsigned int i;
	bool all = !shared->conf->db_users;

	for (i = 0; i < shared->conf->n_users; i++)
		all &= shared->conf->users[i].password != NULL;
	shared->algorithms = all ? stun_password_algorithms : md5_only;
	shared->algorithms_len = all ? sizeof(stun_password_algorithms) : sizeof(md5_only);
}

struct turn_shared *turn_shared_new(const struct turn_conf *conf)
{
	struct turn_shared *shared = calloc(1, sizeof(*shared));
	static const struct pools none;
	uint8_t seed[32];

	if (!shared)
		return NULL;
	shared->conf = conf;
	pthread_mutex_init(&shared->lock, NULL);
	pthread_mutex_init(&shared->homes_lock, NULL);
	stun_hmac_sha256(seed, conf->nonce_key, sizeof(conf->nonce_key), "tables", 6);
	memcpy(shared->key, seed, sizeof(shared->key));
	turn_shared_ticket_key(shared, conf->nonce_key, sizeof(conf->nonce_key));
	shared_algorithms(shared);
	if (pool_list(&shared->pools, &none, conf) && user_index(shared))
		return shared;
	turn_shared_free(shared);
	return NULL;
}

void turn_shared_source(struct turn_shared *shared, const struct turn_source *source, void *ctx)
{
	shared->source = source;
	shared->source_ctx = ctx;
}

void turn_shared_free(struct turn_shared *shared)
{
	struct table_node *node;

	if (!shared)
		return;
	while ((node = table_any(&shared->quotas))) {
		table_remove(&shared->quotas, node);
		free(core_of(node, struct quota, node));
	}
	table_clear(&shared->quotas);
	user_unindex(&shared->users);
	table_clear(&shared->homes);
	pool_unlist(&shared->pools, NULL);
	pthread_mutex_destroy(&shared->lock);
	pthread_mutex_destroy(&shared->homes_lock);
	free(shared);
}
