// SPDX-License-Identifier: MIT
/*
 * The core and a database that answers, does not know, takes its time or is away; realms by
 * origin and listener with limits of their own; Binding with credentials.
 */
#include "turn_harness.h"

/* What the database says next, and what it was asked. */
static struct {
	enum turn_answer now, looked_up;	/* without and with look_up */
	uint8_t key[16];
	unsigned int asked, lookups;
	bool lasting, away;
	char realm[64], name[64];
} db;

static enum turn_answer db_ask(void *ctx, const struct turn_question *q,
			       struct turn_credential *out)
{
	(void)ctx;
	db.asked++;
	db.lookups += q->look_up;
	db.lasting = q->lasting;
	snprintf(db.realm, sizeof(db.realm), "%.*s", (int)q->realm.len, (const char *)q->realm.p);
	snprintf(db.name, sizeof(db.name), "%.*s", (int)q->name.len, (const char *)q->name.p);
	memcpy(out->md5_key, db.key, sizeof(db.key));
	return q->look_up ? db.looked_up : db.now;
}

static bool db_away(void *ctx, uint64_t now_ns)
{
	(void)ctx;
	(void)now_ns;
	return db.away;
}

static const struct turn_source source = { .ask = db_ask, .away = db_away };

static void db_key(const char *user, const char *realm, const char *password)
{
	struct stun_key key;

	stun_key_make(&key, STUN_ALG_MD5, str(user), str(realm), str(password));
	memcpy(db.key, key.bytes, 16);
}

static void db_world(struct world *w)
{
	memset(&db, 0, sizeof(db));
	w->conf.n_users = 0;
	w->conf.db_users = true;
	world_start(w);
	turn_shared_source(w->shared, &source, NULL);
	w->user = "bob";
	w->password = "builder";
	db_key("bob", REALM_TEXT, "builder");
}

static void a_user_of_the_database(void **state)
{
	struct world *w = *state;

	db_world(w);
	db.now = TURN_FOUND;
	assert_int_equal(allocate(w), 0);
	assert_string_equal(db.name, "bob");
	assert_string_equal(db.realm, REALM_TEXT);
	assert_false(db.lasting);
	assert_int_equal(permit(w, "9.9.9.9"), 0);
	assert_true(db.lasting);
	w->password = "wrong";
	assert_int_equal(refresh(w, 0), 401);
	w->password = "builder";
	db.now = TURN_NOBODY;
	assert_int_equal(refresh(w, -1), 401);
	db.now = TURN_FOUND;
	assert_int_equal(refresh(w, 0), 0);
}

/* Only MD5 is offered, and SHA-256 is not taken. */
static void only_md5(void **state)
{
	static const uint8_t md5[4] = { 0, 1, 0, 0 };
	struct world *w = *state;

	db_world(w);
	db.now = TURN_FOUND;
	challenge(w);
	assert_int_equal(w->reply.password_algorithms.len, 4);
	assert_memory_equal(w->reply.password_algorithms.p, md5, 4);
	/* "username anonymity" is not offered either */
	assert_memory_equal(w->nonce, "obMatJos2gAAA", 13);
	w->sha256 = true;
	assert_int_equal(allocate(w), 0);
	assert_int_equal(refresh(w, 0), 0);
}

static void not_yet_known(void **state)
{
	struct world *w = *state;
	unsigned int before;

	db_world(w);
	challenge(w);
	before = w->n_client;
	db.now = TURN_UNASKED;
	db.looked_up = TURN_PENDING;
	assert_int_equal(allocate(w), -1);
	assert_int_equal(w->reason, TURN_LATER);
	assert_int_equal(db.lookups, 1);
	/* the same datagram again: still not, then there */
	db.now = TURN_PENDING;
	assert_int_equal(ask_plain(w), -1);
	assert_int_equal(w->reason, TURN_LATER);
	assert_int_equal(w->n_client, before);
	db.now = TURN_FOUND;
	assert_int_equal(ask_plain(w), 0);
	assert_int_equal(w->allocs, 1);
	assert_int_equal(db.lookups, 1);
}

/* Nobody has others look up names for a nonce that is not his. */
static void no_lookup_without_a_nonce(void **state)
{
	struct world *w = *state;

	db_world(w);
	challenge(w);
	db.now = TURN_UNASKED;
	db.looked_up = TURN_PENDING;
	w->path.client = addr("198.51.100.9:5000");
	assert_int_equal(allocate(w), 438);
	assert_int_equal(db.lookups, 0);
	learn(w);
	assert_int_equal(allocate(w), -1);
	assert_int_equal(db.lookups, 1);
	/* but who is known is told in the RFC's order */
	w->path.client = addr("198.51.100.10:5000");
	db.now = TURN_FOUND;
	w->password = "wrong";
	assert_int_equal(allocate(w), 401);
}

static void lookups_at_the_rate_of_strangers(void **state)
{
	struct world *w = *state;
	unsigned int i, before;

	db_world(w);
	w->conf.unauthorized_rps = 10;
	challenge(w);
	db.now = TURN_UNASKED;
	db.looked_up = TURN_PENDING;
	for (i = 0; i < 200; i++)
		assert_int_equal(allocate(w), -1);
	assert_int_equal(w->reason, TP_R_STUN_LIMITED);
	assert_in_range(db.lookups, 10, 50);
	before = db.lookups;
	pass(w, S);
	for (i = 0; i < 100; i++)
		assert_int_equal(allocate(w), -1);
	assert_in_range(db.lookups - before, 5, 15);
	/* too much to do: nothing is said, and the client asks again */
	db.looked_up = TURN_UNASKED;
	pass(w, 10 * S);
	assert_int_equal(allocate(w), -1);
	assert_int_equal(w->reason, TP_R_STUN_LIMITED);
}

static void the_database_is_away(void **state)
{
	struct world *w = *state;

	db_world(w);
	db.now = TURN_AWAY;
	assert_int_equal(allocate(w), 500);
	assert_int_equal(w->allocs, 0);
	db.now = TURN_FOUND;
	assert_int_equal(allocate(w), 0);
	/* another user's name on the same 5-tuple is not a running allocation's */
	w->user = "eve";
	db.now = TURN_AWAY;
	assert_int_equal(refresh(w, -1), 500);
	assert_false(db.lasting);
}

/* ------------------------------------------------------------------ secrets */

static char *secrets_of_lab[] = { (char *)(uintptr_t)"north" };
static struct turn_ip_range denied_of_lab[] = {
	{ .family = 4, .low = { 9, 9, 9, 0 }, .high = { 9, 9, 9, 255 } },
};
static struct turn_realm realm_list[] = {
	{ .name = (char *)(uintptr_t)REALM_TEXT, .secrets = secrets_of_lab, .n_secrets = 1 },
	{ .name = (char *)(uintptr_t)"lab", .user_quota = 1, .max_bps = 4000,
	  .denied = { denied_of_lab, 1 } },
};
static struct turn_web_origin origin_list[] = {
	{ .origin = (char *)(uintptr_t)"https://lab.example", .realm = &realm_list[1] },
};
static const struct turn_realms realms = { realm_list, 2, origin_list, 1 };

static const char *rest_password(const char *secret, const char *name, bool sha256)
{
	static char out[45];
	uint8_t mac[32];
	unsigned int len = sha256 ? 32 : 20, i, bit, chars = (len * 8 + 5) / 6;
	static const char set[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	if (sha256)
		stun_hmac_sha256(mac, secret, strlen(secret), name, strlen(name));
	else
		stun_hmac_sha1(mac, secret, strlen(secret), name, strlen(name));
	memset(out, 0, sizeof(out));
	for (i = 0; i < chars; i++) {
		unsigned int v = 0;

		for (bit = i * 6; bit < i * 6 + 6; bit++)
			v = v << 1 | (bit < len * 8 ? mac[bit / 8] >> (7 - bit % 8) & 1 : 0);
		out[i] = set[v];
	}
	memset(out + chars, '=', (4 - chars % 4) % 4);
	return out;
}

static void secrets_of_the_database(void **state)
{
	struct world *w = *state;

	db_world(w);
	w->conf.db_users = false;
	w->conf.db_secrets = true;
	world_start(w);
	turn_shared_source(w->shared, &source, NULL);
	w->user = "1700000600:u";
	w->password = rest_password("north", w->user, false);
	/* nothing is known of it yet */
	assert_int_equal(allocate(w), 500);
	turn_server_realms(w->server, &realms);
	assert_int_equal(allocate(w), 0);
	w->password = rest_password("south", w->user, false);
	assert_int_equal(refresh(w, -1), 401);
	w->password = rest_password("north", w->user, true);
	assert_int_equal(refresh(w, -1), 0);
	db.away = true;
	assert_int_equal(refresh(w, -1), 0);
	client(w, "198.51.100.7:5001");
	assert_int_equal(allocate(w), 500);
	w->conf.n_secrets = 1;
	w->secrets[0] = (char *)(uintptr_t)"west";
	w->password = rest_password("west", w->user, false);
	assert_int_equal(allocate(w), 0);
}

/* -------------------------------------------------------------------- realms */

static bool reply_realm_is(const struct world *w, const char *realm)
{
	return w->reply.realm.len == strlen(realm) &&
	       !memcmp(w->reply.realm.p, realm, w->reply.realm.len);
}

static int challenge_of(struct world *w, const char *origin)
{
	int code;

	begin(w, TURN_ALLOCATE);
	if (origin)
		attr(w, STUN_T_ORIGIN, origin, strlen(origin));
	code = ask_plain(w);
	learn(w);
	return code;
}

/* U32: an origin that somebody forges says nothing about the next request. */
static void realms_by_origin(void **state)
{
	struct world *w = *state;

	db_world(w);
	db.now = TURN_FOUND;
	turn_server_realms(w->server, &realms);
	assert_int_equal(challenge_of(w, "https://lab.example"), 401);
	assert_true(reply_realm_is(w, "lab"));
	assert_int_equal(challenge_of(w, "https://other.example"), 401);
	assert_true(reply_realm_is(w, REALM_TEXT));
	/* the key of one realm is not that of another */
	w->realm = "lab";
	assert_int_equal(allocate(w), 401);
	db_key("bob", "lab", "builder");
	assert_int_equal(allocate(w), 0);
	assert_string_equal(db.realm, "lab");
	/* its peers, bandwidth and quota */
	assert_int_equal(permit(w, "9.9.9.9"), 403);
	assert_int_equal(permit(w, "9.9.8.9"), 0);
	assert_int_equal(w->relay[0]->alloc->max_bps, 4000);
	client(w, "198.51.100.7:5001");
	assert_int_equal(allocate(w), 486);
	/* a realm that nothing leads to */
	w->realm = "elsewhere";
	assert_int_equal(allocate(w), 401);
	w->realm = "lab";
	w->conf.check_origin = true;
	assert_int_equal(allocate(w), 401);
	assert_true(reply_realm_is(w, REALM_TEXT));
}

static void realms_by_listener(void **state)
{
	struct turn_listener_realm entry = { addr("192.0.2.2:3478"), (char *)(uintptr_t)"lab" };
	struct world *w = *state;

	w->conf.listener_realms = &entry;
	w->conf.n_listener_realms = 1;
	db_world(w);
	db.now = TURN_FOUND;
	assert_int_equal(challenge_of(w, NULL), 401);
	assert_true(reply_realm_is(w, REALM_TEXT));
	assert_int_equal(allocate(w), 0);
	w->path.server = addr("192.0.2.2:3478");
	client(w, "198.51.100.7:5001");
	assert_int_equal(challenge_of(w, NULL), 401);
	assert_true(reply_realm_is(w, "lab"));
	assert_int_equal(allocate(w), 401);
	w->realm = "lab";
	db_key("bob", "lab", "builder");
	assert_int_equal(allocate(w), 0);
}

static void binding_with_credentials(void **state)
{
	struct world *w = *state;

	w->conf.secure_stun = true;
	begin(w, STUN_BINDING);
	assert_int_equal(ask_plain(w), 401);
	learn(w);
	begin(w, STUN_BINDING);
	assert_int_equal(ask(w), 0);
	assert_true(w->reply.has & STUN_BIT(XOR_MAPPED_ADDRESS));
	w->password = "wrong";
	begin(w, STUN_BINDING);
	assert_int_equal(ask(w), 401);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_user_of_the_database),
		T(only_md5),
		T(not_yet_known),
		T(no_lookup_without_a_nonce),
		T(lookups_at_the_rate_of_strangers),
		T(the_database_is_away),
		T(secrets_of_the_database),
		T(realms_by_origin),
		T(realms_by_listener),
		T(binding_with_credentials),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
