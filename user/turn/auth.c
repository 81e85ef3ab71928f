// SPDX-License-Identifier: MIT
/*
 * The long-term credential mechanism, server side (RFC 8489 section 9.2.4, whose
 * checks are made in its order): users of the configuration and of the database,
 * time-limited credentials (name "timestamp:userid", password the base64 of
 * HMAC-SHA1 or HMAC-SHA256 of the name under a shared secret), and third-party tokens (RFC 7635).
 */
#include <string.h>
#include "turn/core.h"
#include "pure.h"

enum claim_kind {
	CLAIM_NOBODY,
	CLAIM_USER,			/* of the configuration */
	CLAIM_STORED,			/* of the database */
	CLAIM_TIMED,			/* the name has the time-limited form */
	CLAIM_TOKEN,			/* a token of RFC 7635 */
	CLAIM_SESSION,			/* of the token that the allocation was made with */
};

/* Who the request says it is. */
struct claim {
	enum claim_kind kind;
	struct stun_bytes name;		/* empty with an unknown USERHASH */
	const struct turn_user *user;
	uint8_t md5_key[16];		/* of a stored user */
	struct token token;
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

	if (!conf->n_secrets && !conf->db_secrets)
		return false;
	for (i = 0; i < name.len && name.p[i] >= '0' && name.p[i] <= '9'; i++) {
		if (i == 19)
			return false;
		value = value * 10 + (name.p[i] - '0');
	}
	if (!i || value > INT64_MAX)
		return false;
	if (i < name.len && name.p[i] != (uint8_t)separator)
		return false;
	claim->kind = CLAIM_TIMED;
	claim->until_s = value;
	/* With the separator, so that it is nobody's static name. */
	claim->own = (struct stun_bytes){ name.p + i, name.len - i };
	if (!claim->own.len)
		claim->own = name;
	return true;
}

/* Of the running allocation's own user? */
static bool auth_lasting(const struct request *rq, struct stun_bytes name)
{
	uint8_t id[32];

	if (!rq->alloc)
		return false;
	stun_userhash(id, name, text(rq->realm));
	return !memcmp(rq->alloc->pub.user_id, id, sizeof(id));
}

static int claim_stored(const struct request *rq, struct claim *claim)
{
	struct turn_question q = {
		.kind = TURN_ASK_USER, .realm = text(rq->realm), .name = claim->name,
		.lasting = auth_lasting(rq, claim->name),
	};
	struct turn_credential found;
	enum turn_answer answer;
	int code;

	if (!rq->server->conf->db_users)
		return 0;
	code = source_ask(rq, &q, &answer, &found);
	if (code || answer != TURN_FOUND)
		return code;
	claim->kind = CLAIM_STORED;
	memcpy(claim->md5_key, found.md5_key, sizeof(claim->md5_key));
	explicit_bzero(&found, sizeof(found));
	return 0;
}

static const struct turn_token_key *token_key(const struct turn_conf *conf, struct stun_bytes kid)
{
	unsigned int i;

	for (i = 0; i < conf->n_token_keys; i++) {
		const char *name = conf->token_keys[i].kid;

		if (strlen(name) == kid.len && !memcmp(name, kid.p, kid.len))
			return &conf->token_keys[i];
	}
	return NULL;
}

/* RFC 7635 section 7: the kid is in USERNAME. */
static int claim_token(const struct request *rq, struct claim *claim)
{
	const struct turn_conf *conf = rq->server->conf;
	const struct turn_token_key *key = token_key(conf, claim->name);
	struct turn_question q = { .kind = TURN_ASK_TOKEN_KEY, .name = claim->name };
	struct turn_credential found;
	enum turn_answer answer = TURN_NOBODY;
	int code = 0;

	if (!key) {
		code = source_ask(rq, &q, &answer, &found);
		key = answer == TURN_FOUND ? &found.token : NULL;
	}
	if (!code && key && rq->now.wall_s >= key->from_s &&
	    (!key->until_s || rq->now.wall_s <= key->until_s) &&
	    token_open(&claim->token, key, text(server_name(conf)), rq->msg->access_token))
		claim->kind = CLAIM_TOKEN;
	explicit_bzero(&found, sizeof(found));
	return code;
}

static int claim_name(const struct request *rq, struct claim *claim)
{
	const struct turn_server *s = rq->server;

	claim->name = claim->own = rq->msg->username;
	if (has(rq, STUN_BIT(ACCESS_TOKEN)))
		return claim_token(rq, claim);
	/* The configuration's users are in its realm. */
	if (!strcmp(rq->realm, s->conf->realm))
		claim->user = user_by_name(s->shared, claim->name);
	if (claim->user)
		claim->kind = CLAIM_USER;
	else if (rq->alloc && rq->alloc->session)
		claim->kind = CLAIM_SESSION;
	else if (!auth_timed(s->conf, claim))
		return claim_stored(rq, claim);
	return 0;
}

static int auth_claim(const struct request *rq, struct claim *claim)
{
	const struct stun_msg *m = rq->msg;
	struct stun_bytes realm = text(rq->realm);

	memset(claim, 0, sizeof(*claim));
	if (m->realm.len != realm.len || memcmp(m->realm.p, realm.p, realm.len))
		return 0;
	if (has(rq, STUN_BIT(USERNAME)))
		return claim_name(rq, claim);
	if (!strcmp(rq->realm, rq->server->conf->realm))
		claim->user = user_by_hash(rq->server->shared, m->userhash.p);
	if (claim->user) {
		claim->kind = CLAIM_USER;
		claim->name = claim->own = text(claim->user->name);
	}
	return 0;
}

static bool auth_verify(const struct request *rq, const struct stun_key *key)
{
	if (has(rq, STUN_BIT(MESSAGE_INTEGRITY_SHA256)))
		return stun_check_mi_sha256(rq->msg, key);
	return stun_check_mi(rq->msg, key);
}

static bool auth_user(const struct request *rq, const struct claim *claim,
		      enum stun_algorithm algorithm, struct stun_key *key)
{
	const struct turn_user *user = claim->user;
	const uint8_t *md5_key = claim->md5_key;
	bool usable = algorithm == STUN_ALG_MD5;
	const char *password = NULL;

	if (user) {
		md5_key = user->md5_key;
		usable = user->has_md5_key && usable;
		password = user->password;
	}
	/* The same work for a key that is known as for a name that is not (TH12). */
	stun_key_make(key, algorithm, claim->name, text(rq->realm), text(password));
	if (!password && usable)
		stun_key_from(key, STUN_ALG_MD5, md5_key, 16);
	return auth_verify(rq, key) && (password || usable);
}

/* One secret, with either hash. */
static bool auth_secret(const struct request *rq, const struct claim *claim, const char *secret,
			enum stun_algorithm algorithm, struct stun_key *key)
{
	uint8_t mac[32];
	char password[45];
	size_t len;

	stun_hmac_sha1(mac, secret, strlen(secret), claim->name.p, claim->name.len);
	len = auth_base64(password, mac, 20);
	stun_key_make(key, algorithm, claim->name, text(rq->realm),
		      (struct stun_bytes){ (const uint8_t *)password, len });
	if (auth_verify(rq, key))
		return true;
	stun_hmac_sha256(mac, secret, strlen(secret), claim->name.p, claim->name.len);
	len = auth_base64(password, mac, 32);
	stun_key_make(key, algorithm, claim->name, text(rq->realm),
		      (struct stun_bytes){ (const uint8_t *)password, len });
	return auth_verify(rq, key);
}

/* 0, 401, or 500 where only the database could tell, or where only it vouches for somebody
 * new and may have changed its mind. */
static int auth_secrets(const struct request *rq, const struct claim *claim,
			enum stun_algorithm algorithm, struct stun_key *key)
{
	const struct turn_conf *conf = rq->server->conf;
	const struct turn_realm *realm = rq->limits;
	bool right = false;
	unsigned int i;

	for (i = 0; i < conf->n_secrets; i++) {
		if (auth_secret(rq, claim, conf->secrets[i], algorithm, key))
			return 0;
	}
	if (!conf->db_secrets)
		return 401;
	for (i = 0; !right && realm && i < realm->n_secrets; i++)
		right = auth_secret(rq, claim, realm->secrets[i], algorithm, key);
	if (right && auth_lasting(rq, claim->own))
		return 0;
	return source_away(rq) ? 500 : right ? 0 : 401;
}

/*
 * RFC 7635 section 5: the session key itself. A longer one than SHA-1's serves
 * HMAC-SHA1 as its hash (appendix B). coturn, client and server, takes the first 16
 * bytes of whatever key there is; still as many bits as AES-128 has.
 */
static bool auth_token_key(const struct request *rq, const struct token *token,
			   struct stun_key *key)
{
	uint8_t hash[20];

	stun_key_from(key, STUN_ALG_NONE, token->mac_key, token->mac_key_len);
	if (auth_verify(rq, key))
		return true;
	if (has(rq, STUN_BIT(MESSAGE_INTEGRITY_SHA256)))
		return false;
	if (token->mac_key_len > sizeof(hash)) {
		stun_sha1(hash, token->mac_key, token->mac_key_len);
		stun_key_from(key, STUN_ALG_NONE, hash, sizeof(hash));
		if (auth_verify(rq, key))
			return true;
	}
	stun_key_from(key, STUN_ALG_NONE, token->mac_key, 16);
	return auth_verify(rq, key);
}

static int auth_token(struct request *rq, const struct claim *claim)
{
	uint32_t left_s = token_left(&claim->token, rq->now.wall_s);

	if (!auth_token_key(rq, &claim->token, &rq->auth.key) || !left_s)
		return 401;
	rq->auth.token = true;
	rq->auth.lifetime_s = left_s;
	return 0;
}

static int auth_session(struct request *rq)
{
	rq->auth.key = *rq->alloc->session;
	return auth_verify(rq, &rq->auth.key) ? 0 : 401;
}

/* An unknown user costs the same as a wrong password: no oracle (TH12). */
static int auth_nobody(const struct request *rq, enum stun_algorithm algorithm)
{
	struct stun_key key;

	stun_key_make(&key, algorithm, rq->msg->username, text(rq->realm), rq->msg->nonce);
	(void)auth_verify(rq, &key);
	return 401;
}

/* Is the integrity that of whom the request names? */
static int auth_prove(struct request *rq, const struct claim *claim,
		      enum stun_algorithm algorithm)
{
	switch (claim->kind) {
	case CLAIM_USER:
	case CLAIM_STORED:
		return auth_user(rq, claim, algorithm, &rq->auth.key) ? 0 : 401;
	case CLAIM_TIMED:
		return auth_secrets(rq, claim, algorithm, &rq->auth.key);
	case CLAIM_TOKEN:
		return auth_token(rq, claim);
	case CLAIM_SESSION:
		return auth_session(rq);
	case CLAIM_NOBODY:
		break;
	}
	return auth_nobody(rq, algorithm);
}

static void auth_identity(struct request *rq, const struct claim *claim)
{
	/* A token vouches for somebody, but does not say whom, and the next one may be of
	 * another kid (RFC 7635 section 9): all of them are one user, with a name that
	 * nobody else has. */
	static const uint8_t anybody[] = { REALM_TOKEN_USER };
	bool token = claim->kind == CLAIM_TOKEN || claim->kind == CLAIM_SESSION;
	struct stun_bytes own = token ? (struct stun_bytes){ anybody, sizeof(anybody) } :
					claim->own;
	struct auth *auth = &rq->auth;
	size_t len = claim->name.len;

	stun_userhash(auth->user_id, own, text(rq->realm));
	if (len > sizeof(auth->user) - 1)
		len = sizeof(auth->user) - 1;
	memcpy(auth->user, claim->name.p, len);
	auth->user[len] = 0;
}

/* The time limit is for new allocations: who has one keeps it (U24, house). */
static bool auth_in_time(const struct request *rq, const struct claim *claim)
{
	if (claim->kind != CLAIM_TIMED || rq->now.wall_s <= claim->until_s)
		return true;
	return rq->alloc && !memcmp(rq->alloc->pub.user_id, rq->auth.user_id,
				    sizeof(rq->auth.user_id));
}

static int auth_refuse(struct request *rq, int code, const char *reason)
{
	if (code == 401)
		note_auth(rq, reason);
	return code;
}

/* Everything but whether the request is complete, and the nonce. */
static int auth_identify(struct request *rq, enum stun_algorithm algorithm)
{
	struct claim claim;
	int code = auth_claim(rq, &claim);

	if (code)
		return code;
	code = auth_prove(rq, &claim, algorithm);
	explicit_bzero(claim.md5_key, sizeof(claim.md5_key));
	explicit_bzero(&claim.token, sizeof(claim.token));
	if (code)
		return auth_refuse(rq, code, claim.kind == CLAIM_NOBODY ? "unknown-user" :
								  "bad-integrity");
	auth_identity(rq, &claim);
	return auth_in_time(rq, &claim) ? 0 : auth_refuse(rq, 401, "expired");
}

int auth_check(struct request *rq)
{
	const struct turn_server *s = rq->server;
	enum stun_algorithm algorithm;
	int code;

	if (s->conf->no_auth)
		return 0;
	code = auth_complete(rq);
	if (!code)
		code = auth_algorithm(rq, &algorithm);
	if (!code)
		code = auth_identify(rq, algorithm);
	if (code)
		return code;
	rq->auth.proved = true;
	if (!nonce_valid(s->conf, rq->path, rq->now.mono_ns / TURN_NS_PER_S, rq->msg->nonce))
		return 438;
	/* MI-SHA256 unless the request knows nothing of RFC 8489 (section 9.2.4, end). */
	rq->auth.integrity = has(rq, STUN_BIT(MESSAGE_INTEGRITY_SHA256) |
				     STUN_BIT(PASSWORD_ALGORITHM)) ? AUTH_MI_SHA256 : AUTH_MI;
	return 0;
}
