// SPDX-License-Identifier: MIT
/*
 * What is tried against the core as a whole: replays, floods, messages twice and in any order,
 * what answers cost and what they betray (H8, U27, X19, L31, E1, E14, G14, G15; TH12).
 */
#include <dlfcn.h>
#include <openssl/evp.h>
#include "turn_harness.h"

/* ------------------------------------------------------------ RFC 3489 in DTLS */

/* RFC 8489 section 11: never over DTLS; a request gets a 500, an indication nothing. */
static void H8_no_cookie_inside_dtls(void **state)
{
	struct world *w = *state;

	w->path.transport = IPPROTO_UDP | TURN_SECURE;
	for (unsigned int class = STUN_ERROR + 1; class-- > STUN_REQUEST; ) {
		begin_class(w, STUN_BINDING, (enum stun_class)class);
		memset(w->buf + 4, 0x55, 4);
		w->n_client = 0;
		w->reason = turn_from_client(w->server, &w->path, w->buf, w->w.len, w->now);
		assert_int_equal(w->n_client, class == STUN_REQUEST);
		assert_int_equal(w->reason, class == STUN_REQUEST ? TP_R_STUN_ERROR :
								    TP_R_STUN_IGNORED);
	}
	assert_int_equal(stun_parse_classic(&w->reply, w->out, w->out_len), STUN_OK);
	assert_int_equal(w->reply.class, STUN_ERROR);
	assert_int_equal(w->reply.error, 500);
	assert_memory_equal(w->out + 4, w->buf + 4, 16);
	/* what is no message at all is not answered, nor is a request on plain UDP */
	begin(w, STUN_BINDING);
	memset(w->buf + 4, 0x55, 4);
	w->n_client = 0;
	assert_int_equal(turn_from_client(w->server, &w->path, w->buf, w->w.len - 1, w->now),
			 TP_R_BAD_STUN);
	w->path.transport = IPPROTO_UDP;
	assert_int_equal(turn_from_client(w->server, &w->path, w->buf, w->w.len, w->now),
			 TP_R_BAD_STUN);
	assert_int_equal(w->n_client, 0);
	w->path.transport = IPPROTO_UDP | TURN_SECURE;
	begin(w, STUN_BINDING);
	assert_int_equal(ask_plain(w), 0);
	w->path.transport = IPPROTO_UDP;
}

/* ------------------------------------------------------------------ replays */

/*
 * A known limit of the long-term mechanism: who reads the wire and forges the source may say
 * again what was said, until the nonce is stale.
 */
static void U27_replayed_refresh(void **state)
{
	struct world *w = *state;
	uint8_t captured[512];
	size_t len;

	assert_int_equal(allocate(w), 0);
	assert_int_equal(refresh(w, 0), 0);
	len = w->w.len;
	memcpy(captured, w->buf, len);
	assert_int_equal(allocate(w), 0);
	assert_int_equal(give(w, captured, len), 0);
	assert_int_equal(w->allocs, 0);
	pass(w, 601 * S);
	w->nonce_len = 0;
	assert_int_equal(allocate(w), 0);
	assert_int_equal(give(w, captured, len), 438);
	assert_int_equal(w->allocs, 1);
	/* from elsewhere it was never good for anything */
	w->path.client = addr("198.51.100.7:5001");
	assert_int_equal(give(w, captured, len), 438);
}

static void L31_connection_gone_at_once(void **state)
{
	struct world *w = *state;

	w->path.transport = IPPROTO_TCP;
	assert_int_equal(allocate(w), 0);
	turn_client_gone(w->server, &w->path, w->now);
	assert_int_equal(w->allocs + w->sockets, 0);
	turn_client_gone(w->server, &w->path, w->now);
	assert_int_equal(allocate(w), 0);
}

/* -------------------------------------------------- twice, and in any order */

#define MESSAGES	9

struct message {
	uint8_t bytes[512];
	size_t len;
};

static void keep(struct world *w, struct message *m)
{
	sign_names(w);
	sign_mi(w);
	assert_in_range(w->w.len, 1, sizeof(m->bytes));
	memcpy(m->bytes, w->buf, w->w.len);
	m->len = w->w.len;
}

static void compose(struct world *w, struct message *m)
{
	static const char *const peers[] = { "9.9.9.1:1", "9.9.9.2:2" };

	for (unsigned int i = 0; i < 2; i++, m++) {
		allocate_begin(w);
		keep(w, m);
	}
	for (unsigned int i = 0; i < 2; i++, m++) {
		begin(w, TURN_CREATE_PERMISSION);
		attr_peer(w, peers[i]);
		keep(w, m);
	}
	for (unsigned int i = 0; i < 4; i++, m++) {	/* G4: one of each pair can be */
		begin(w, TURN_CHANNEL_BIND);
		attr_channel(w, (uint16_t)(0x4000 + i / 2));
		attr_peer(w, peers[i % 2]);
		keep(w, m);
	}
	begin(w, TURN_REFRESH);
	stun_put_u32(&w->w, STUN_T_LIFETIME, 0);
	keep(w, m);
}

static unsigned int below(uint64_t *seed, unsigned int n)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned int)(*seed >> 33) % n;
}

/* Whatever comes when, some of it twice, the server is in a state that makes sense. */
static void G14_G15_any_order(void **state)
{
	struct world *w = *state;
	struct message *m = calloc(MESSAGES, sizeof(*m));
	unsigned int allocated = 0, bound = 0;
	uint64_t seed = 20260101;

	assert_non_null(m);
	for (unsigned int round = 0; round < 400; round++) {
		w->nonce_len = 0;
		compose(w, m);
		for (unsigned int n = 0; n < 3 * MESSAGES; n++) {
			const struct message *one = &m[below(&seed, MESSAGES)];
			int code = give(w, one->bytes, one->len);

			assert_true(code == 0 || code == 437 || code == 400);
			/* as if once: nothing happens between, so the answer is the same, but
			 * that what is gone is gone (R3) */
			if (one != &m[MESSAGES - 1])
				assert_int_equal(give(w, one->bytes, one->len), code);
			assert_in_range(w->allocs, 0, 1);
			assert_in_range(w->chans, 0, 2 * w->allocs);
			assert_in_range(w->perms, 0, 2 * w->allocs);
			assert_int_equal(w->sockets, w->allocs);
			allocated += w->allocs;
			bound += w->chans == 2;
		}
		w->nonce_len = 0;
		challenge(w);
		refresh(w, 0);
		assert_int_equal(w->allocs + w->chans + w->perms, 0);
		pass(w, 61 * S);
	}
	assert_true(allocated > 1000 && bound > 100);
	free(m);
}

/* ---------------------------------------------------- what answers may cost */

/* No answer to a request needs more than IPv4's least MTU (RFC 8489 section 6.1), DTLS's own
 * bytes included, whatever the request has in it. */
static void fits(struct world *w, int code)
{
	assert_int_equal(ask_plain(w), code);
	assert_in_range(w->out_len, 20, 576 - 20 - 8 - 37);
}

static void X19_answers_fit(void **state)
{
	struct world *w = *state;
	unsigned int i;

	w->conf.software = (char *)(uintptr_t)"turnpike of the longest name that it has";
	w->conf.fingerprint = true;
	w->conf.mapped_address = true;
	w->path.client = addr("[2001:db8:1:2:3:4:5:6]:5000");
	w->path.server = addr("[2001:db8::1]:3478");
	world_start(w);
	begin(w, TURN_ALLOCATE);
	fits(w, 401);
	learn(w);
	w->algorithm = STUN_ALG_SHA256;
	w->sha256 = true;
	allocate_begin(w);
	attr_u8(w, STUN_T_ADDITIONAL_ADDRESS_FAMILY, 2);
	sign_names(w);
	sign_mi(w);
	fits(w, 0);
	begin(w, TURN_REFRESH);
	for (i = 0; i < 500; i++)
		attr(w, (uint16_t)(0x4000 + i), "", 0);
	sign_names(w);
	sign_mi(w);
	fits(w, 420);
	begin(w, STUN_BINDING);
	fits(w, 0);
	assert_int_equal(refresh(w, 0), 0);
}

/* A stranger's requests from anywhere leave nothing behind, and few lines in the log. */
static void E1_E14_strangers(void **state)
{
	struct world *w = *state;
	uint64_t seed = 1;
	char from[32];
	unsigned int i;

	challenge(w);
	for (i = 0; i < 20000; i++) {
		snprintf(from, sizeof(from), "%u.%u.%u.%u:%u", 11 + below(&seed, 80),
			 below(&seed, 256), below(&seed, 256), below(&seed, 256),
			 1024 + below(&seed, 60000));
		w->path.client = addr(from);
		begin(w, TURN_ALLOCATE);
		attr_u8(w, STUN_T_REQUESTED_TRANSPORT, 17);
		assert_int_equal(i & 1 ? ask_plain(w) : ask_signed(w), i & 1 ? 401 : 438);
	}
	w->password = "guessed";
	for (i = 0; i < 1000; i++) {
		begin(w, TURN_ALLOCATE);
		assert_int_equal(ask_signed(w), 401);
	}
	assert_int_equal(w->allocs + w->sockets, 0);
	assert_int_equal(turn_shared_ports(w->shared), 0);
	assert_int_equal(w->notes, 10);
	pass(w, S);
	begin(w, TURN_ALLOCATE);
	assert_int_equal(ask_signed(w), 401);
	assert_int_equal(w->notes, 12);		/* and how many were not shown */
	assert_true(turn_tick(w->server, w->now) == UINT64_MAX);
}

/* ------------------------------------------------------- what time betrays */

/* The work that takes time, counted: the library calls these, and libcrypto's follow. */
static struct work {
	unsigned int macs, digests;
	size_t bytes;
} work;

#define NEXT(name) static __typeof__(&name) next; \
	if (!next) \
		*(void **)&next = dlsym(RTLD_NEXT, #name)

int EVP_MAC_update(EVP_MAC_CTX *ctx, const unsigned char *data, size_t len)
{
	NEXT(EVP_MAC_update);
	work.bytes += len;
	return next(ctx, data, len);
}

int EVP_MAC_final(EVP_MAC_CTX *ctx, unsigned char *out, size_t *len, size_t size)
{
	NEXT(EVP_MAC_final);
	work.macs++;
	return next(ctx, out, len, size);
}

int EVP_DigestFinal_ex(EVP_MD_CTX *ctx, unsigned char *out, unsigned int *len)
{
	NEXT(EVP_DigestFinal_ex);
	work.digests++;
	return next(ctx, out, len);
}

static struct work refused(struct world *w, const char *user, enum stun_algorithm algorithm)
{
	w->user = user;
	w->algorithm = algorithm;
	w->sha256 = algorithm == STUN_ALG_SHA256;
	allocate_begin(w);
	sign_names(w);
	sign_mi(w);
	memset(&work, 0, sizeof(work));
	assert_int_equal(ask_plain(w), 401);
	return work;
}

/* TH12: who asks for names learns nothing from how long he is refused. */
static void same_work(struct world *w, const char *user, enum stun_algorithm algorithm)
{
	struct work known = refused(w, user, algorithm);
	struct work nobody = refused(w, "mallo", algorithm);

	assert_int_equal(known.macs, nobody.macs);
	assert_int_equal(known.digests, nobody.digests);
	assert_int_equal(known.bytes, nobody.bytes);
	assert_true(nobody.macs >= 2 && nobody.digests >= 1);
}

static void U5_U6_the_same_work(void **state)
{
	struct world *w = *state;

	challenge(w);
	w->password = "guessed";
	same_work(w, "alice", STUN_ALG_NONE);
	same_work(w, "alice", STUN_ALG_SHA256);
	/* one of whom only the MD5 key is known: SHA-256 is not offered then */
	w->users[2] = (struct turn_user){ .name = (char *)(uintptr_t)"keyed",
					  .has_md5_key = true };
	w->conf.n_users = 3;
	world_start(w);
	same_work(w, "keyed", STUN_ALG_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(H8_no_cookie_inside_dtls), T(U27_replayed_refresh),
		T(L31_connection_gone_at_once), T(G14_G15_any_order), T(X19_answers_fit),
		T(E1_E14_strangers), T(U5_U6_the_same_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
