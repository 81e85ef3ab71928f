// SPDX-License-Identifier: MIT
/* Authentication with long-term credentials: group U. */
#include "turn_harness.h"

static void U1_no_integrity(void **state)
{
	struct world *w = *state;

	begin(w, TURN_ALLOCATE);
	attr_u8(w, STUN_T_REQUESTED_TRANSPORT, 17);
	assert_int_equal(ask_plain(w), 401);
	check_answer(w, 401);
	assert_int_equal(w->reply.realm.len, strlen(REALM_TEXT));
	assert_memory_equal(w->reply.realm.p, REALM_TEXT, strlen(REALM_TEXT));
	/* both features: password algorithms and username anonymity */
	assert_memory_equal(w->reply.nonce.p, "obMatJos2wAAA", 13);
	assert_int_equal(w->reply.password_algorithms.len, 8);
	assert_int_equal(w->notes, 0);		/* asking is no failure */
}

/* U2, U3 and U4 */
static void U2_to_U4_incomplete(void **state)
{
	struct world *w = *state;
	unsigned int missing;

	challenge(w);
	for (missing = 0; missing < 3; missing++) {
		begin(w, TURN_ALLOCATE);
		attr_u8(w, STUN_T_REQUESTED_TRANSPORT, 17);
		if (missing != 0)
			attr(w, STUN_T_USERNAME, "alice", 5);
		if (missing != 1)
			attr(w, STUN_T_REALM, w->realm, strlen(w->realm));
		if (missing != 2)
			attr(w, STUN_T_NONCE, w->nonce, w->nonce_len);
		sign_mi(w);
		assert_int_equal(ask_plain(w), 400);
		assert_int_equal(w->reply.has, STUN_BIT(ERROR_CODE));
	}
}

static void U5_unknown_user(void **state)
{
	struct world *w = *state;
	size_t len;

	w->user = "mallo";
	assert_int_equal(allocate(w), 401);
	assert_non_null(strstr(w->note, "auth failed: client=198.51.100.7:5000 proto=udp "
			       "user=\"mallo\" realm=\"example.org\" "
			       "reason=unknown-user code=401"));
	len = w->out_len;
	/* U6: a wrong password looks the same */
	w->user = "alice";
	w->password = "wrong";
	assert_int_equal(allocate(w), 401);
	assert_int_equal(w->out_len, len);
	assert_non_null(strstr(w->note, "reason=bad-integrity"));
}

static void U6_bit_flips(void **state)
{
	struct world *w = *state;
	unsigned int bit;

	allocate_begin(w);
	sign_names(w);
	sign_mi(w);
	for (bit = 0; bit < 160; bit++) {
		uint8_t *p = w->buf + w->w.len - 20 + bit / 8;

		*p ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(ask_plain(w), 401);
		*p ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(ask_plain(w), 0);
}

static void U7_U8_stale(void **state)
{
	struct world *w = *state;
	char old[128];

	challenge(w);
	memcpy(old, w->nonce, sizeof(old));
	pass(w, 600 * S);
	assert_int_equal(allocate(w), 0);
	pass(w, 1 * S);
	assert_int_equal(refresh(w, -1), 438);
	w->password = "wrong";
	assert_int_equal(refresh(w, -1), 401);			/* U8 */
	w->password = "wonder";
	assert_int_equal(refresh(w, -1), 438);
	learn(w);
	assert_memory_not_equal(old, w->nonce, w->nonce_len);
	assert_int_equal(refresh(w, -1), 0);
	/* U28: the allocation outlives its nonces */
	assert_int_equal(refresh(w, 3600), 0);
	pass(w, 3599 * S);
	assert_int_equal(refresh(w, -1), 438);
	assert_int_equal(w->allocs, 1);
}

static void U9_U26_other_client(void **state)
{
	static const char *const others[] = { "198.51.100.7:5001", "198.51.100.8:5000" };
	struct world *w = *state;
	unsigned int i;

	challenge(w);
	for (i = 0; i < 2; i++) {
		w->path.client = addr(others[i]);
		assert_int_equal(allocate(w), 438);
	}
	w->path.client = addr("198.51.100.7:5000");
	w->path.server.port = htons(3479);
	assert_int_equal(allocate(w), 438);
	w->path.server.port = htons(3478);
	w->path.transport = IPPROTO_TCP;
	assert_int_equal(allocate(w), 438);
	w->path.transport = IPPROTO_UDP;
	assert_int_equal(allocate(w), 0);
}

static void U10_U12_nonce_altered(void **state)
{
	struct world *w = *state;
	size_t i;

	challenge(w);
	for (i = 0; i < w->nonce_len; i++) {
		char was = w->nonce[i];

		w->nonce[i] = was == 'x' ? 'y' : 'x';
		assert_int_equal(allocate(w), 438);
		w->nonce[i] = was;
	}
	w->nonce_len--;
	assert_int_equal(allocate(w), 438);
	w->nonce_len++;
	memmove(w->nonce, w->nonce + 13, w->nonce_len -= 13);	/* U12: no cookie */
	assert_int_equal(allocate(w), 438);
	w->algorithm = STUN_ALG_SHA256;		/* and nobody is taken down a step */
	w->sha256 = true;
	assert_int_equal(allocate(w), 438);
}

static void U10_future_and_restart(void **state)
{
	struct world *w = *state;

	challenge(w);
	w->now.mono_ns -= 2 * S;
	assert_int_equal(allocate(w), 438);
	w->conf.stale_nonce_s = 0;		/* never stale is not from the future */
	assert_int_equal(allocate(w), 438);
	w->now.mono_ns += 2 * S;
	w->conf.nonce_key[0] ^= 1;
	assert_int_equal(allocate(w), 438);
}

static void U11_nonce_length(void **state)
{
	static const uint16_t lengths[] = { 0, 1, 127, 128, 509, 763, 764, 2000 };
	struct world *w = *state;
	unsigned int i;

	for (i = 0; i < 8; i++) {
		begin(w, TURN_ALLOCATE);
		attr_u8(w, STUN_T_REQUESTED_TRANSPORT, 17);
		attr(w, STUN_T_USERNAME, w->user, strlen(w->user));
		attr(w, STUN_T_REALM, w->realm, strlen(w->realm));
		attr_len(w, STUN_T_NONCE, lengths[i]);
		sign_mi(w);
		assert_int_equal(ask_plain(w), lengths[i] > 763 ? 400 : 438);
	}
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

static void U13_to_U16_algorithms(void **state)
{
	static const uint8_t right[8] = { 0, 2, 0, 0, 0, 1, 0, 0 };
	static const uint8_t turned[8] = { 0, 1, 0, 0, 0, 2, 0, 0 };
	static const uint8_t more[12] = { 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0 };
	static const uint8_t overrun[8] = { 0, 2, 0, 9, 0, 1, 0, 0 };
	struct world *w = *state;

	challenge(w);
	assert_memory_equal(w->reply.password_algorithms.p, right, 8);
	assert_int_equal(ask_algorithms(w, 2, NULL, 0), 400);		/* U13 */
	assert_int_equal(ask_algorithms(w, 0, right, 8), 400);
	assert_int_equal(ask_algorithms(w, 1, right + 4, 4), 400);	/* U14 */
	assert_int_equal(ask_algorithms(w, 2, turned, 8), 400);
	assert_int_equal(ask_algorithms(w, 2, more, 12), 400);
	assert_int_equal(ask_algorithms(w, 3, right, 8), 400);		/* U15 */
	assert_int_equal(ask_algorithms(w, 0xffff, right, 8), 400);
	assert_int_equal(ask_algorithms(w, 2, overrun, 8), 400);	/* U16 */
	assert_int_equal(w->allocs, 0);
	assert_int_equal(ask_algorithms(w, 1, right, 8), 0);
	assert_true(stun_check_mi_sha256(&w->reply, &w->key));
	client(w, "198.51.100.7:5001");
	challenge(w);
	assert_int_equal(ask_algorithms(w, 2, right, 8), 0);
	assert_true(stun_check_mi_sha256(&w->reply, &w->key));
}

static void both_integrities(struct world *w, bool sha1_right, bool sha256_right, int expected)
{
	allocate_begin(w);
	w->algorithm = STUN_ALG_SHA256;
	sign_names(w);
	sign_key(w);
	stun_put_mi(&w->w, &w->key);
	if (!sha1_right)
		w->buf[w->w.len - 1] ^= 1;
	stun_put_mi_sha256(&w->w, &w->key);
	if (!sha256_right)
		w->buf[w->w.len - 1] ^= 1;
	assert_int_equal(ask_plain(w), expected);
}

static void U17_U18_both(void **state)
{
	struct world *w = *state;

	both_integrities(w, true, false, 401);
	both_integrities(w, false, true, 0);
	assert_int_equal(w->reply.has & STUN_BIT(MESSAGE_INTEGRITY), 0);
	assert_true(stun_check_mi_sha256(&w->reply, &w->key));
}

static void U19_kind_of_answer(void **state)
{
	struct world *w = *state;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		w->sha256 = i > 0;
		w->algorithm = i == 2 ? STUN_ALG_SHA256 : STUN_ALG_NONE;
		client(w, i == 0 ? "198.51.100.7:1" : i == 1 ? "198.51.100.7:2" :
		       "198.51.100.7:3");
		assert_int_equal(allocate(w), 0);
		assert_int_equal(!!(w->reply.has & STUN_BIT(MESSAGE_INTEGRITY)), i == 0);
		/* errors too */
		assert_int_equal(bind_channel(w, 1, "9.9.9.9:9"), 400);
		assert_int_equal(!!(w->reply.has & STUN_BIT(MESSAGE_INTEGRITY)), i == 0);
		assert_int_equal(!!(w->reply.has & STUN_BIT(MESSAGE_INTEGRITY_SHA256)), i > 0);
	}
}

static void U20_username_length(void **state)
{
	static const uint16_t lengths[] = { 509, 513, 763, 764, 65000 };
	struct world *w = *state;
	unsigned int i;

	challenge(w);
	for (i = 0; i < 5; i++) {
		begin(w, TURN_ALLOCATE);
		attr_u8(w, STUN_T_REQUESTED_TRANSPORT, 17);
		attr_len(w, STUN_T_USERNAME, lengths[i]);
		attr(w, STUN_T_REALM, w->realm, strlen(w->realm));
		attr(w, STUN_T_NONCE, w->nonce, w->nonce_len);
		sign_mi(w);
		assert_int_equal(ask_plain(w), lengths[i] > 763 ? 400 : 401);
	}
}

static void U21_U35_near_names(void **state)
{
	struct world *w = *state;

	challenge(w);
	assert_int_equal(ask_name(w, "alice\0", 6), 401);
	assert_int_equal(ask_name(w, "\"alice\"", 7), 401);
	assert_int_equal(ask_name(w, "alice ", 6), 401);
	assert_int_equal(ask_name(w, "Alice", 5), 401);
	assert_int_equal(ask_name(w, "alic", 4), 401);
	assert_int_equal(ask_name(w, "", 0), 401);			/* U35 */
	assert_int_equal(ask_name(w, "alice", 5), 0);
}

static void U35_empty_account(void **state)
{
	struct world *w = *state;

	w->users[0].name = (char *)(uintptr_t)"";
	world_start(w);
	challenge(w);
	assert_int_equal(ask_name(w, "", 0), 401);
}

static void U22_realm(void **state)
{
	struct world *w = *state;

	w->realm = "example.net";
	assert_int_equal(allocate(w), 401);
	w->realm = "";
	assert_int_equal(allocate(w), 401);
	w->realm = REALM_TEXT;
	assert_int_equal(allocate(w), 0);
}

static int ask_userhash(struct world *w, const char *user)
{
	uint8_t hash[32];

	stun_userhash(hash, str(user), str(REALM_TEXT));
	challenge(w);
	begin(w, TURN_ALLOCATE);
	attr_u8(w, STUN_T_REQUESTED_TRANSPORT, 17);
	attr(w, STUN_T_USERHASH, hash, 32);
	attr(w, STUN_T_REALM, w->realm, strlen(w->realm));
	attr(w, STUN_T_NONCE, w->nonce, w->nonce_len);
	attr(w, STUN_T_PASSWORD_ALGORITHM, (uint8_t[]){ 0, 2, 0, 0 }, 4);
	attr(w, STUN_T_PASSWORD_ALGORITHMS, stun_password_algorithms, 8);
	stun_key_make(&w->key, STUN_ALG_SHA256, str(user), str(w->realm), str(w->password));
	stun_put_mi_sha256(&w->w, &w->key);
	return ask_plain(w);
}

static void U23_userhash(void **state)
{
	struct world *w = *state;

	assert_int_equal(ask_userhash(w, "mallory"), 401);
	assert_int_equal(ask_userhash(w, "alice"), 0);
	/* the same account as by name */
	assert_int_equal(refresh(w, -1), 0);
}

static void U23_not_offered(void **state)
{
	struct world *w = *state;

	w->secrets[0] = (char *)(uintptr_t)"north";
	w->conf.n_secrets = 1;
	w->conf.n_users = 0;
	world_start(w);
	assert_int_equal(ask_userhash(w, "1700000100:alice"), 401);
	assert_memory_equal(w->nonce, "obMatJos2gAAA", 13);
}

static void U25_other_user(void **state)
{
	struct world *w = *state;

	assert_int_equal(allocate(w), 0);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.9:9"), 0);
	w->user = "bob";
	w->password = "builder";
	assert_int_equal(refresh(w, 0), 441);
	assert_int_equal(permit(w, "9.9.9.8"), 441);
	assert_int_equal(bind_channel(w, 0x4001, "9.9.9.8:9"), 441);
	assert_int_equal(allocate(w), 437);				/* L25 */
	assert_int_equal(w->allocs, 1);
	assert_int_equal(w->chans, 1);
	assert_int_equal(w->perms, 1);
}

static void U29_access_token(void **state)
{
	struct world *w = *state;

	allocate_begin(w);
	attr_len(w, 0x001b, 64);
	assert_int_equal(ask(w), 420);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(U1_no_integrity), T(U2_to_U4_incomplete), T(U5_unknown_user), T(U6_bit_flips),
		T(U7_U8_stale), T(U9_U26_other_client), T(U10_U12_nonce_altered),
		T(U10_future_and_restart), T(U11_nonce_length), T(U13_to_U16_algorithms),
		T(U17_U18_both), T(U19_kind_of_answer), T(U20_username_length),
		T(U21_U35_near_names), T(U35_empty_account), T(U22_realm), T(U23_userhash),
		T(U23_not_offered), T(U25_other_user), T(U29_access_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
