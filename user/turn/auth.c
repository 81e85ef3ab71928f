// SPDX-License-Identifier: MIT
/*
 * The long-term credential mechanism, server side (RFC 8489 section 9.2.4, whose
 * checks are made in its order), with static users and with time-limited
 * credentials: name "timestamp:userid", password base64(HMAC-SHA1(secret, name)).
 */
#include <string.h>
#include "turn/core.h"
#include "pure.h"

/* Who the request says it is. */
struct claim {
	struct stun_bytes name;		/* empty with an unknown USERHASH */
	const struct turn_user *user;	/* a static one, or NULL */
	bool timed;			/* the name has the time-limited form */
	uint64_t until_s;
	struct stun_bytes own;		/* the name without its timestamp */
};

static bool has(const struct request *rq, uint64_t bits)
{
	return rq->msg->has & bits;
}

static struct stun_bytes text(const char *s)
{
	return (struct stun_bytes){ (const uint8_t *)s, s ? strlen(s) : 0 };
}

size_t auth_base64(char *out, const uint8_t *in, size_t len)
{
	static const char set[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t i, n = 0;

	for (i = 0; i < len; i += 3) {
		uint32_t v = (uint32_t)in[i] << 16;

		if (i + 1 < len)
			v |= (uint32_t)in[i + 1] << 8;
		if (i + 2 < len)
			v |= in[i + 2];
		out[n++] = set[v >> 18];
		out[n++] = set[v >> 12 & 63];
		out[n++] = i + 1 < len ? set[v >> 6 & 63] : '=';
		out[n++] = i + 2 < len ? set[v & 63] : '=';
	}
	out[n] = 0;
	return n;
}

/* Is everything there that an authenticated request needs? */
static int auth_complete(const struct request *rq)
{
	const uint64_t integrity = STUN_BIT(MESSAGE_INTEGRITY) |
				   STUN_BIT(MESSAGE_INTEGRITY_SHA256);

	if (!((rq->msg->has | rq->msg->bad) & integrity))
		return 401;
	if (rq->msg->bad & AUTH_ATTRS)
		return 400;
	if (!has(rq, STUN_BIT(USERNAME) | STUN_BIT(USERHASH)) || !has(rq, STUN_BIT(REALM)) ||
	    !has(rq, STUN_BIT(NONCE)))
		return 400;
	return 0;
}

static bool algorithm_offered(const struct turn_shared *shared, uint16_t algorithm)
{
	size_t i;

	for (i = 0; i + 4 <= shared->algorithms_len; i += 4) {
		if ((shared->algorithms[i] << 8 | shared->algorithms[i + 1]) == algorithm)
			return true;
	}
	return false;
}

/* Bid-down protection: what the client saw must be what we sent. */
static int auth_algorithm(const struct request *rq, enum stun_algorithm *algorithm)
{
	const struct turn_shared *shared = rq->server->shared;
	const struct stun_msg *m = rq->msg;
	bool one = has(rq, STUN_BIT(PASSWORD_ALGORITHM));
	bool list = has(rq, STUN_BIT(PASSWORD_ALGORITHMS));

	*algorithm = STUN_ALG_MD5;
	if (!one && !list)
		return 0;
	if (nonce_has_algorithms(m->nonce)) {
		if (!one || !list)
			return 400;
		if (m->password_algorithms.len != shared->algorithms_len ||
		    memcmp(m->password_algorithms.p, shared->algorithms, shared->algorithms_len))
			return 400;
	}
	if (one && !algorithm_offered(shared, m->alg_raw))
		return 400;
	if (one)
		*algorithm = (enum stun_algorithm)m->alg_raw;
	return 0;
}

/* "1700000000:alice" or "1700000000" (bounds: 19 digits, a positive int64). */
static bool auth_timed(const struct turn_conf *conf, struct claim *claim)
{
	struct stun_bytes name = claim->name;
	char separator = conf->rest_separator ? conf->rest_separator : ':';
	uint64_t value = 0;
	size_t i;

	for (i = 0; i < name.len && name.p[i] >= '0' && name.p[i] <= '9'; i++) {
		if (i == 19)
			return false;
		value = value * 10 + (name.p[i] - '0');
	}
	if (!i || value > INT64_MAX)
		return false;
	if (i < name.len && name.p[i] != (uint8_t)separator)
		return false;
	claim->until_s = value;
	/* With the separator, so that it is nobody's static name. */
	claim->own = (struct stun_bytes){ name.p + i, name.len - i };
	if (!claim->own.len)
		claim->own = name;
	return true;
}

static void auth_claim(const struct request *rq, struct claim *claim)
{
	const struct turn_server *s = rq->server;
	const struct stun_msg *m = rq->msg;
	struct stun_bytes realm = text(s->conf->realm);

	memset(claim, 0, sizeof(*claim));
	if (m->realm.len != realm.len || memcmp(m->realm.p, realm.p, realm.len))
		return;
	if (has(rq, STUN_BIT(USERNAME))) {
		claim->name = m->username;
		claim->user = user_by_name(s->shared, claim->name);
		if (!claim->user && s->conf->n_secrets)
			claim->timed = auth_timed(s->conf, claim);
	} else {
		claim->user = user_by_hash(s->shared, m->userhash.p);
		if (claim->user)
			claim->name = text(claim->user->name);
	}
	if (!claim->timed)
		claim->own = claim->name;
}

static bool auth_verify(const struct request *rq, const struct stun_key *key)
{
	if (has(rq, STUN_BIT(MESSAGE_INTEGRITY_SHA256)))
		return stun_check_mi_sha256(rq->msg, key);
	return stun_check_mi(rq->msg, key);
}

static bool auth_static(const struct request *rq, const struct claim *claim,
			enum stun_algorithm algorithm, struct stun_key *key)
{
	const struct turn_user *user = claim->user;
	bool usable = user->password || (user->has_md5_key && algorithm == STUN_ALG_MD5);

	if (user->password || !usable) {
		stun_key_make(key, algorithm, claim->name, text(rq->server->conf->realm),
			      text(user->password ? user->password : ""));
	} else {
		memset(key, 0, sizeof(*key));
		memcpy(key->bytes, user->md5_key, sizeof(user->md5_key));
		key->len = sizeof(user->md5_key);
		key->algorithm = STUN_ALG_MD5;
	}
	return auth_verify(rq, key) && usable;
}

static bool auth_secrets(const struct request *rq, const struct claim *claim,
			 enum stun_algorithm algorithm, struct stun_key *key)
{
	const struct turn_conf *conf = rq->server->conf;
	unsigned int i;

	for (i = 0; i < conf->n_secrets; i++) {
		uint8_t mac[20];
		char password[29];
		size_t len;

		stun_hmac_sha1(mac, conf->secrets[i], strlen(conf->secrets[i]),
			       claim->name.p, claim->name.len);
		len = auth_base64(password, mac, sizeof(mac));
		stun_key_make(key, algorithm, claim->name, text(conf->realm),
			      (struct stun_bytes){ (const uint8_t *)password, len });
		if (auth_verify(rq, key))
			return true;
	}
	return false;
}

/* An unknown user costs the same as a wrong password: no oracle (TH12). */
static bool auth_nobody(const struct request *rq, enum stun_algorithm algorithm)
{
	struct stun_key key;

	stun_key_make(&key, algorithm, rq->msg->username, text(rq->server->conf->realm),
		      rq->msg->nonce);
	(void)auth_verify(rq, &key);
	return false;
}

static void auth_identity(struct request *rq, const struct claim *claim)
{
	struct auth *auth = &rq->auth;
	size_t len = claim->name.len;

	stun_userhash(auth->user_id, claim->own, text(rq->server->conf->realm));
	if (len > sizeof(auth->user) - 1)
		len = sizeof(auth->user) - 1;
	memcpy(auth->user, claim->name.p, len);
	auth->user[len] = 0;
}

/* The time limit is for new allocations: who has one keeps it (U24, house). */
static bool auth_in_time(const struct request *rq, const struct claim *claim)
{
	if (!claim->timed || rq->now.wall_s <= claim->until_s)
		return true;
	return rq->alloc && !memcmp(rq->alloc->pub.user_id, rq->auth.user_id,
				    sizeof(rq->auth.user_id));
}

static int auth_refuse(struct request *rq, const char *reason)
{
	note_auth(rq, reason);
	return 401;
}

int auth_check(struct request *rq)
{
	const struct turn_server *s = rq->server;
	enum stun_algorithm algorithm;
	struct claim claim;
	bool right;
	int code;

	if (s->conf->no_auth)
		return 0;
	code = auth_complete(rq);
	if (!code)
		code = auth_algorithm(rq, &algorithm);
	if (code)
		return code;
	auth_claim(rq, &claim);
	if (claim.user)
		right = auth_static(rq, &claim, algorithm, &rq->auth.key);
	else if (claim.timed)
		right = auth_secrets(rq, &claim, algorithm, &rq->auth.key);
	else
		right = auth_nobody(rq, algorithm);
	if (!right)
		return auth_refuse(rq, claim.user || claim.timed ? "bad-integrity" :
								   "unknown-user");
	auth_identity(rq, &claim);
	if (!auth_in_time(rq, &claim))
		return auth_refuse(rq, "expired");
	rq->auth.proved = true;
	if (!nonce_valid(s->conf, rq->path, rq->now.mono_ns / TURN_NS_PER_S, rq->msg->nonce))
		return 438;
	/* MI-SHA256 unless the request knows nothing of RFC 8489 (section 9.2.4, end). */
	rq->auth.integrity = has(rq, STUN_BIT(MESSAGE_INTEGRITY_SHA256) |
				     STUN_BIT(PASSWORD_ALGORITHM)) ? AUTH_MI_SHA256 : AUTH_MI;
	return 0;
}
