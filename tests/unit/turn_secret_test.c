// SPDX-License-Identifier: MIT
/* Other credentials: time-limited (U24, U33), hashed keys, none; answers to strangers. */
#include "turn_harness.h"

/* base64(HMAC-SHA1(secret, name)), with the reference of RFC 4648 by hand */
static const char *rest_password(const char *secret, const char *name)
{
	static const char set[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static char out[29];
	uint8_t mac[21] = { 0 };
	unsigned int i, bit;

	stun_hmac_sha1(mac, secret, strlen(secret), name, strlen(name));
	for (i = 0; i < 27; i++) {
		unsigned int v = 0;

		for (bit = i * 6; bit < i * 6 + 6; bit++)
			v = v << 1 | (mac[bit / 8] >> (7 - bit % 8) & 1);
		out[i] = set[v];
	}
	out[27] = '=';
	return out;
}

static void rest_world(struct world *w)
{
	w->secrets[0] = (char *)(uintptr_t)"north";
	w->secrets[1] = (char *)(uintptr_t)"south";
	w->conf.n_secrets = 2;
	w->conf.n_users = 0;
	world_start(w);
}

static int ask_rest(struct world *w, const char *secret, const char *name)
{
	w->user = name;
	w->password = rest_password(secret, name);
	return allocate(w);
}

static void U24_time_limited(void **state)
{
	struct world *w = *state;
	char digits[760];

	rest_world(w);
	assert_int_equal(ask_rest(w, "north", "1699999999:u"), 401);
	assert_non_null(strstr(w->note, "reason=expired"));
	assert_int_equal(ask_rest(w, "north", ":u"), 401);
	assert_int_equal(ask_rest(w, "north", "u"), 401);
	assert_int_equal(ask_rest(w, "north", "-1700000600:u"), 401);
	assert_int_equal(ask_rest(w, "north", "9223372036854775808:u"), 401);
	assert_int_equal(ask_rest(w, "north", "1700000600;u"), 401);
	/* 2^64 and a little: must not come round to this year */
	assert_int_equal(ask_rest(w, "north", "18446744075409552216:u"), 401);
	memset(digits, '9', sizeof(digits));
	digits[759] = 0;
	assert_int_equal(ask_rest(w, "north", digits), 401);
	assert_int_equal(ask_rest(w, "west", "1700000600:u"), 401);
	assert_int_equal(w->allocs, 0);
	assert_int_equal(ask_rest(w, "north", "1700000600:u"), 0);
	/* U33: a second secret, while one takes over from the other */
	client(w, "198.51.100.7:5001");
	assert_int_equal(ask_rest(w, "south", "1700000600"), 0);
	w->conf.n_secrets = 1;
	assert_int_equal(refresh(w, 0), 401);
	w->conf.n_secrets = 2;
	assert_int_equal(refresh(w, 0), 0);
}

static void U24_live_allocation(void **state)
{
	struct world *w = *state;

	rest_world(w);
	w->conf.stale_nonce_s = 0;
	assert_int_equal(ask_rest(w, "north", "1700000060:u"), 0);
	pass(w, 100 * S);
	assert_int_equal(refresh(w, -1), 0);
	assert_int_equal(permit(w, "9.9.9.9"), 0);
	/* renewed credentials are the same user, others are not */
	w->user = "1700009999:u";
	w->password = rest_password("north", w->user);
	assert_int_equal(refresh(w, -1), 0);
	w->user = "1700009999:v";
	w->password = rest_password("north", w->user);
	assert_int_equal(refresh(w, -1), 441);
	w->user = "1700000060:v";
	w->password = rest_password("north", w->user);
	assert_int_equal(refresh(w, -1), 401);
	/* over for a new one */
	client(w, "198.51.100.7:5001");
	assert_int_equal(ask_rest(w, "north", "1700000060:u"), 401);
}

static void U24_last_second(void **state)
{
	struct world *w = *state;

	rest_world(w);
	assert_int_equal(ask_rest(w, "north", "1700000000:u"), 0);
	w->now.wall_s++;
	client(w, "198.51.100.7:5001");
	assert_int_equal(ask_rest(w, "north", "1700000000:u"), 401);
}

static void U24_user_is_not_static(void **state)
{
	struct world *w = *state;

	rest_world(w);
	w->users[0].name = (char *)(uintptr_t)"u";
	w->conf.n_users = 2;
	world_start(w);
	assert_int_equal(ask_rest(w, "north", "1700000600:u"), 0);
	w->user = "u";
	w->password = "wonder";
	assert_int_equal(refresh(w, 0), 441);
}

/* one: 0 none, else PASSWORD-ALGORITHM; list: PASSWORD-ALGORITHMS */
static int ask_algorithms(struct world *w, unsigned int one, const void *list, size_t list_len)
{
	const uint8_t algorithm[4] = { (uint8_t)(one >> 8), (uint8_t)one };

	begin(w, TURN_ALLOCATE);
	attr_u8(w, STUN_T_REQUESTED_TRANSPORT, 17);
	sign_names(w);
	if (one)
		attr(w, STUN_T_PASSWORD_ALGORITHM, algorithm, 4);
	if (list)
		attr(w, STUN_T_PASSWORD_ALGORITHMS, list, list_len);
	stun_key_make(&w->key, one == 2 ? STUN_ALG_SHA256 : STUN_ALG_MD5, str(w->user),
		      str(w->realm), str(w->password));
	stun_put_mi_sha256(&w->w, &w->key);
	return ask_plain(w);
}

static void U30_U31_flood(void **state)
{
	struct world *w = *state;
	unsigned int i, answers = 0;

	w->conf.unauthorized_rps = 10;
	challenge(w);
	for (i = 0; i < 1000; i++) {
		begin(w, TURN_ALLOCATE);
		if (i & 1) {
			w->password = "wrong";
			sign_names(w);
			sign_mi(w);
		}
		answers += ask_plain(w) == 401;
		assert_true(w->n_client == answers + 1 || w->reason == TP_R_STUN_LIMITED);
	}
	assert_int_equal(answers, 39);		/* four seconds' worth, one spent */
	/* who has credentials is none of them */
	w->password = "wonder";
	assert_int_equal(allocate(w), 0);
	for (i = 0; i < 100; i++)
		assert_int_equal(bind_channel(w, 1, "9.9.9.9:9"), 400);
	begin(w, STUN_BINDING);
	assert_int_equal(ask_plain(w), 0);
	pass(w, S);
	for (answers = i = 0; i < 100; i++) {
		begin(w, TURN_ALLOCATE);
		answers += ask_plain(w) == 401;
	}
	assert_in_range(answers, 9, 11);
	/* by TCP nobody else can be answered, and nobody asks again */
	w->path.transport = IPPROTO_TCP;
	for (answers = i = 0; i < 100; i++) {
		begin(w, TURN_ALLOCATE);
		answers += ask_plain(w) == 401;
	}
	assert_int_equal(answers, 100);
	w->path.transport = IPPROTO_UDP;
	/* and another address is another matter */
	client(w, "203.0.113.9:4000");
	challenge(w);
	assert_true(w->notes <= 11);
}

static void E2_carpet(void **state)
{
	struct world *w = *state;
	unsigned int i, answers = 0;

	w->conf.unauthorized_rps = 10;
	for (i = 0; i < 256 * 40; i++) {
		w->path.client.ip[3] = (uint8_t)i;
		begin(w, TURN_ALLOCATE);
		answers += ask_plain(w) == 401;
	}
	assert_int_equal(answers, 400);
	client(w, "[2001:db8:1:1::1]:4000");
	for (answers = i = 0; i < 100; i++) {
		w->path.client.ip[15] = (uint8_t)i;	/* one /64 */
		begin(w, TURN_ALLOCATE);
		answers += ask_plain(w) == 401;
	}
	assert_int_equal(answers, 40);
}

static void A32_note_is_escaped(void **state)
{
	static const char odd[] = "a\"b\\c\r\n\033[2J\0%n\xff";
	struct world *w = *state;
	unsigned int i;

	challenge(w);
	assert_int_equal(ask_name(w, odd, sizeof(odd) - 1), 401);
	assert_non_null(strstr(w->note, "user=\"a\\x22b\\x5cc\\x0d\\x0a\\x1b[2J\\x00%n\\xff\" "));
	for (i = 0; i < 100; i++)
		assert_int_equal(ask_name(w, odd, 1), 401);
	assert_int_equal(w->notes, 10);
	pass(w, S);
	assert_int_equal(ask_name(w, odd, 1), 401);
	assert_int_equal(w->notes, 12);
}

static void hashed_key(void **state)
{
	struct world *w = *state;
	struct stun_key key;

	stun_key_make(&key, STUN_ALG_MD5, str("alice"), str(REALM_TEXT), str("wonder"));
	w->users[0].password = NULL;
	w->users[0].has_md5_key = true;
	memcpy(w->users[0].md5_key, key.bytes, 16);
	world_start(w);
	challenge(w);
	/* SHA-256 is not offered where it could not work */
	assert_int_equal(w->reply.password_algorithms.len, 4);
	assert_memory_equal(w->reply.password_algorithms.p, "\0\1\0\0", 4);
	assert_int_equal(ask_algorithms(w, 2, stun_password_algorithms, 8), 400);
	assert_int_equal(ask_algorithms(w, 1, "\0\1\0\0", 4), 0);
	assert_int_equal(refresh(w, 0), 0);
	assert_int_equal(allocate(w), 0);
	w->password = "other";
	assert_int_equal(refresh(w, 0), 401);
}

static void no_credentials(void **state)
{
	struct world *w = *state;

	w->conf.n_users = 0;
	world_start(w);
	assert_false(turn_conf_relays(&w->conf));
	begin(w, STUN_BINDING);
	assert_int_equal(ask_plain(w), 0);
	begin(w, TURN_ALLOCATE);
	attr_u8(w, STUN_T_REQUESTED_TRANSPORT, 17);
	assert_int_equal(ask_plain(w), 403);
	w->conf.n_users = 2;
	w->conf.stun_only = true;
	begin(w, TURN_ALLOCATE);
	assert_int_equal(ask_plain(w), 403);
	w->conf.stun_only = false;
	w->conf.no_stun = true;
	begin(w, STUN_BINDING);
	assert_int_equal(ask_plain(w), -1);
}

static void no_auth(void **state)
{
	struct world *w = *state;

	w->conf.n_users = 0;
	w->conf.no_auth = true;
	w->conf.user_quota = 1;
	world_start(w);
	begin(w, TURN_ALLOCATE);
	attr_u8(w, STUN_T_REQUESTED_TRANSPORT, 17);
	assert_int_equal(ask_plain(w), 0);
	assert_int_equal(w->reply.has & STUN_BIT(MESSAGE_INTEGRITY), 0);
	/* H26: credentials nobody asked for */
	w->nonce_len = 1;
	begin(w, TURN_REFRESH);
	assert_int_equal(ask_signed(w), 0);
	client(w, "198.51.100.7:5001");
	begin(w, TURN_ALLOCATE);
	attr_u8(w, STUN_T_REQUESTED_TRANSPORT, 17);
	assert_int_equal(ask_plain(w), 0);
}

static void K11_software(void **state)
{
	struct world *w = *state;

	assert_int_equal(allocate(w), 0);
	assert_false(w->reply.has & STUN_BIT(SOFTWARE));
	w->conf.software = (char *)(uintptr_t)"turnpike";
	assert_int_equal(refresh(w, -1), 0);
	assert_true(w->reply.has & STUN_BIT(SOFTWARE));
	assert_int_equal(refresh(w, 0), 0);
	assert_int_equal(refresh(w, 0), 437);
	assert_true(w->reply.has & STUN_BIT(SOFTWARE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(U24_time_limited), T(U24_live_allocation), T(U24_last_second),
		T(U24_user_is_not_static), T(U30_U31_flood), T(E2_carpet),
		T(A32_note_is_escaped), T(hashed_key), T(no_credentials), T(no_auth),
		T(K11_software),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
