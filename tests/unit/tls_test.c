// SPDX-License-Identifier: MIT
/* Certificates and contexts, against OpenSSL's own client (group X of the bad input). */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/err.h>
#include "certificate.h"
#include "net/tls.h"

#define DAY	86400

/* ------------------------------------------------------------ a conversation */

struct talk {
	SSL *client, *server;
	bool done;
	int alert;			/* what the client was told, 0: nothing */
};

static int alert_seen;			/* by on_info() of the one client at a time */

static void on_info(const SSL *ssl, int where, int ret)
{
	(void)ssl;
	if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT)
		alert_seen = ret & 0xff;
}

static void connect_pair(struct talk *t)
{
	BIO *a, *b;

	assert_true(BIO_new_bio_pair(&a, 1 << 16, &b, 1 << 16));
	SSL_set_bio(t->client, a, a);
	SSL_set_bio(t->server, b, b);
}

/* ctx: the client's, taken over. */
static struct talk talk(struct tls_store *store, SSL_CTX *ctx, const char *sni, const char *alpn)
{
	struct talk t = { .client = SSL_new(ctx), .server = tls_accept(store, TLS_STREAM) };
	bool c = false, s = false;

	SSL_CTX_free(ctx);
	assert_true(t.client && t.server);
	SSL_set_connect_state(t.client);
	SSL_set_info_callback(t.client, on_info);
	alert_seen = 0;
	if (sni)
		SSL_set_tlsext_host_name(t.client, sni);
	if (alpn)
		assert_int_equal(SSL_set_alpn_protos(t.client, (const uint8_t *)alpn,
						     (unsigned int)strlen(alpn)), 0);
	connect_pair(&t);
	for (int i = 0; i < 20; i++) {
		char byte;

		c = SSL_do_handshake(t.client) == 1;
		s = SSL_do_handshake(t.server) == 1;
		SSL_read(t.client, &byte, 1);	/* tickets, and late alerts */
	}
	t.done = c && s;
	t.alert = alert_seen;
	ERR_clear_error();
	return t;
}

static void hang_up(struct talk *t)
{
	SSL_free(t->client);
	SSL_free(t->server);
}

static SSL_CTX *client(int least, int most)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	assert_non_null(ctx);
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, least);
	SSL_CTX_set_max_proto_version(ctx, most);
	return ctx;
}

static SSL_CTX *any_client(void)
{
	return client(TLS1_VERSION, TLS1_3_VERSION);
}

static bool is_cert(const struct talk *t, const struct made *m)
{
	X509 *got = SSL_get1_peer_certificate(t->client);
	bool same = got && !X509_cmp(got, m->cert);

	X509_free(got);
	return same;
}

static struct tls_store *store_of(struct tls_pair *pairs, unsigned int n)
{
	struct tls_settings settings = { .pairs = pairs, .n_pairs = n };
	struct tls_fault fault = { 0 };
	struct tls_store *store = tls_store_new(&settings, &fault);

	if (!store)
		fail_msg("%s %u: %s", fault.directive, fault.index, fault.text);
	return store;
}

/* --------------------------------------------------------------------- SNI */

static void expect_cert(struct tls_store *store, int version, const char *sni,
			const struct made *want)
{
	struct talk t = talk(store, client(version, version), sni, NULL);

	if (!t.done || !is_cert(&t, want))
		fail_msg("version %x, name %s: %s", version, sni ? sni : "none",
			 t.done ? "another certificate" : "no connection");
	hang_up(&t);
}

static void the_name_chooses_the_certificate(void **state)
{
	struct made a = make(EC, "DNS:a.test", 0, DAY), w = make(EC, "DNS:*.wild.test", 0, DAY);
	struct made b = make(RSA_2048, "DNS:b.test,DNS:c.test", 0, DAY);
	struct tls_pair pairs[] = { a.pair, w.pair, b.pair };
	struct tls_store *store = store_of(pairs, 3);

	(void)state;
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		expect_cert(store, version, "a.test", &a);
		expect_cert(store, version, "A.Test", &a);
		expect_cert(store, version, "x.wild.test", &w);
		expect_cert(store, version, "b.test", &b);
		expect_cert(store, version, "c.test", &b);
		/* nobody's name, and no name: the last one */
		expect_cert(store, version, "nobody.test", &b);
		expect_cert(store, version, "x.y.wild.test", &b);
		expect_cert(store, version, NULL, &b);
	}
	tls_store_free(store);
	unmake(&a);
	unmake(&w);
	unmake(&b);
}

static void a_client_gets_the_kind_of_key_that_it_knows(void **state)
{
	struct made ec = make(EC, "DNS:a.test", 0, DAY), rsa = make(RSA_2048, "DNS:a.test", 0, DAY);
	struct made old = make(EC, "DNS:a.test", 0, DAY);
	struct tls_pair pairs[] = { old.pair, rsa.pair, ec.pair };
	struct tls_store *store = store_of(pairs, 3);
	SSL_CTX *ctx = client(TLS1_2_VERSION, TLS1_2_VERSION);
	struct talk t;

	(void)state;
	SSL_CTX_set_cipher_list(ctx, "aRSA");
	t = talk(store, ctx, "a.test", NULL);
	assert_true(t.done && is_cert(&t, &rsa));
	hang_up(&t);
	ctx = client(TLS1_2_VERSION, TLS1_2_VERSION);
	SSL_CTX_set_cipher_list(ctx, "aECDSA");
	t = talk(store, ctx, "a.test", NULL);
	assert_true(t.done && is_cert(&t, &ec));	/* of two, the later one */
	hang_up(&t);
	tls_store_free(store);
	unmake(&ec);
	unmake(&rsa);
	unmake(&old);
}

/* -------------------------------------------------------------------- ALPN */

static void protocols(void **state)
{
	static const struct {
		const char *offered, *chosen;
	} cases[] = {
		{ "\x09stun.turn", "stun.turn" },
		{ "\x12stun.nat-discovery", "stun.nat-discovery" },
		{ "\x12stun.nat-discovery\x09stun.turn", "stun.turn" },
		{ "\x08http/1.1\x09stun.turn", "stun.turn" },
		{ "\x08http/1.1", NULL },
		{ "\x02h2\x08http/1.1", NULL },
		{ "\x08stun.tur", NULL },
	};
	struct made m = make(EC, "DNS:a.test", 0, DAY);
	struct tls_store *store = store_of(&m.pair, 1);
	const unsigned char *got;
	unsigned int len;
	struct talk t;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		t = talk(store, any_client(), NULL, cases[i].offered);
		if (!cases[i].chosen) {
			assert_false(t.done);
			assert_int_equal(t.alert, SSL_AD_NO_APPLICATION_PROTOCOL);
			hang_up(&t);
			continue;
		}
		assert_true(t.done);
		SSL_get0_alpn_selected(t.client, &got, &len);
		assert_int_equal(len, strlen(cases[i].chosen));
		assert_memory_equal(got, cases[i].chosen, len);
		hang_up(&t);
	}
	t = talk(store, any_client(), NULL, NULL);
	assert_true(t.done);
	SSL_get0_alpn_selected(t.client, &got, &len);
	assert_int_equal(len, 0);
	hang_up(&t);
	tls_store_free(store);
	unmake(&m);
}

/* ---------------------------------------------------------------- versions */

static bool served(const struct tls_settings *settings, int least, int most, const char *ciphers)
{
	struct tls_fault fault;
	struct tls_store *store = tls_store_new(settings, &fault);
	SSL_CTX *ctx = client(least, most);
	struct talk t;
	bool done;

	assert_non_null(store);
	if (ciphers)
		assert_true(SSL_CTX_set_cipher_list(ctx, ciphers));
	t = talk(store, ctx, NULL, NULL);
	done = t.done;
	hang_up(&t);
	tls_store_free(store);
	return done;
}

/* X8, X9 */
static void old_versions_and_weak_ciphers_are_refused(void **state)
{
	struct made m = make(RSA_2048, "DNS:a.test", 0, DAY);
	struct tls_settings s = { .pairs = &m.pair, .n_pairs = 1 };

	(void)state;
	assert_false(served(&s, TLS1_VERSION, TLS1_1_VERSION, NULL));
	assert_true(served(&s, TLS1_2_VERSION, TLS1_2_VERSION, NULL));
	assert_true(served(&s, TLS1_3_VERSION, TLS1_3_VERSION, NULL));
	assert_false(served(&s, TLS1_2_VERSION, TLS1_2_VERSION, "eNULL:aNULL"));
	s.ciphers = (char *)(uintptr_t)"ECDHE-RSA-AES256-GCM-SHA384";
	assert_true(served(&s, TLS1_2_VERSION, TLS1_2_VERSION, NULL));
	assert_false(served(&s, TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-RSA-AES128-GCM-SHA256"));
	s.only_1_3 = true;
	assert_false(served(&s, TLS1_2_VERSION, TLS1_2_VERSION, NULL));
	assert_true(served(&s, TLS1_3_VERSION, TLS1_3_VERSION, NULL));
	unmake(&m);
}

static void datagrams_have_a_context_of_their_own(void **state)
{
	struct made m = make(EC, "DNS:a.test", 0, DAY);
	struct tls_settings s = { .pairs = &m.pair, .n_pairs = 1 };
	struct tls_fault fault;
	struct tls_store *store = tls_store_new(&s, &fault);
	SSL_CTX *ctx = tls_context(store, TLS_DATAGRAM);

	(void)state;
	assert_non_null(ctx);
	assert_int_equal(SSL_CTX_get_min_proto_version(ctx), DTLS1_2_VERSION);
	SSL_CTX_free(ctx);
	s.only_1_3 = true;
	assert_int_equal(tls_store_replace(store, &s, &fault), 0);
	assert_null(tls_context(store, TLS_DATAGRAM));
	assert_null(tls_accept(store, TLS_DATAGRAM));
	tls_store_free(store);
	unmake(&m);
}

/* ------------------------------------------------------------ certificates */

static void client_certificates(void **state)
{
	struct made m = make(EC, "DNS:a.test", 0, DAY), ca = make(EC, "DNS:client.test", 0, DAY);
	struct made other = make(EC, "DNS:other.test", 0, DAY);
	struct tls_settings s = { .pairs = &m.pair, .n_pairs = 1, .ca = ca.pair.cert };
	const struct made *shown[] = { NULL, &other, &ca };
	struct tls_fault fault;
	struct tls_store *store = tls_store_new(&s, &fault);

	(void)state;
	assert_non_null(store);
	for (size_t i = 0; i < 3; i++) {
		SSL_CTX *ctx = any_client();
		struct talk t;

		if (shown[i])
			assert_true(SSL_CTX_use_certificate(ctx, shown[i]->cert) &&
				    SSL_CTX_use_PrivateKey(ctx, shown[i]->key));
		t = talk(store, ctx, NULL, NULL);
		assert_int_equal(t.done && SSL_is_init_finished(t.server) && !t.alert, i == 2);
		hang_up(&t);
	}
	tls_store_free(store);
	unmake(&m);
	unmake(&ca);
	unmake(&other);
}

/* X18: nobody asked for it */
static void unasked_client_certificates(void **state)
{
	struct made m = make(EC, "DNS:a.test", 0, DAY), own = make(EC, "DNS:client.test", 0, DAY);
	struct tls_store *store = store_of(&m.pair, 1);

	(void)state;
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		SSL_CTX *ctx = client(version, version);
		struct talk t;

		assert_true(SSL_CTX_use_certificate(ctx, own.cert) &&
			    SSL_CTX_use_PrivateKey(ctx, own.key));
		t = talk(store, ctx, NULL, NULL);
		assert_true(t.done && !t.alert);
		assert_null(SSL_get0_peer_certificate(t.server));
		hang_up(&t);
	}
	tls_store_free(store);
	unmake(&m);
	unmake(&own);
}

/* X16 (RFC 8446 section 8): no request is taken before the handshake is over. */
static void no_early_data(void **state)
{
	struct made m = make(EC, "DNS:a.test", 0, DAY);
	struct tls_store *store = store_of(&m.pair, 1);
	struct talk t = talk(store, client(TLS1_3_VERSION, TLS1_3_VERSION), NULL, NULL);
	size_t written;

	(void)state;
	assert_true(t.done);
	assert_int_equal(SSL_get_max_early_data(t.server), 0);
	assert_int_equal(SSL_SESSION_get_max_early_data(SSL_get0_session(t.client)), 0);
	SSL_set_session(t.client, SSL_get0_session(t.client));
	assert_int_equal(SSL_clear(t.client), 1);
	assert_int_equal(SSL_write_early_data(t.client, "x", 1, &written), 0);
	ERR_clear_error();
	hang_up(&t);
	tls_store_free(store);
	unmake(&m);
}

/* X17 */
static void replaced_under_a_connection(void **state)
{
	struct made old = make(EC, "DNS:a.test", 0, DAY), new = make(EC, "DNS:a.test", 0, DAY);
	struct tls_settings s = { .pairs = &new.pair, .n_pairs = 1 };
	struct tls_store *store = store_of(&old.pair, 1);
	struct talk live = talk(store, any_client(), NULL, NULL), t;
	SSL *half = tls_accept(store, TLS_STREAM);
	struct tls_fault fault;
	char got[4];

	(void)state;
	assert_true(live.done && is_cert(&live, &old));
	assert_int_equal(tls_store_replace(store, &s, &fault), 0);
	t = talk(store, any_client(), "a.test", NULL);
	assert_true(t.done && is_cert(&t, &new));
	hang_up(&t);
	/* a bad one changes nothing */
	s.pairs = &(struct tls_pair){ .cert = new.pair.cert, .key = old.pair.key };
	assert_int_equal(tls_store_replace(store, &s, &fault), -EINVAL);
	assert_string_equal(fault.directive, "pkey");
	t = talk(store, any_client(), NULL, NULL);
	assert_true(t.done && is_cert(&t, &new));
	hang_up(&t);
	/* the one that began before goes on, also without the store */
	tls_store_free(store);
	assert_int_equal(SSL_write(live.server, "abc", 4), 4);
	assert_int_equal(SSL_read(live.client, got, 4), 4);
	assert_string_equal(got, "abc");
	t = (struct talk){ .client = SSL_new(SSL_get_SSL_CTX(live.client)), .server = half };
	connect_pair(&t);
	SSL_set_connect_state(t.client);
	for (int i = 0; i < 5; i++) {
		SSL_do_handshake(t.client);
		SSL_do_handshake(t.server);
	}
	assert_true(SSL_is_init_finished(t.server) && is_cert(&t, &old));
	hang_up(&t);
	hang_up(&live);
	unmake(&old);
	unmake(&new);
}

/* ------------------------------------------------------------------ faults */

static void fault_is(const struct tls_settings *s, const char *directive, unsigned int index)
{
	struct tls_fault fault = { 0 };
	struct tls_store *store = tls_store_new(s, &fault);

	assert_null(store);
	assert_string_equal(fault.directive, directive);
	assert_int_equal(fault.index, index);
	assert_true(*fault.text);
	/* nothing is left over that would be taken for the next connection's */
	assert_int_equal(ERR_peek_error(), 0);
}

static void what_is_wrong_is_named(void **state)
{
	struct made a = make(EC, "DNS:a.test", 0, DAY), b = make(EC, "DNS:b.test", 0, DAY);
	struct tls_text garbage = { .p = (char *)(uintptr_t)"garbage", .len = 7 };
	struct tls_pair pairs[2] = { a.pair, b.pair };
	struct tls_settings s = { .pairs = pairs };

	(void)state;
	fault_is(&s, "cert", 0);
	s.n_pairs = 2;
	pairs[1].key = a.pair.key;
	fault_is(&s, "pkey", 1);
	pairs[1].key = garbage;
	fault_is(&s, "pkey", 1);
	pairs[1] = b.pair;
	pairs[0].cert = garbage;
	fault_is(&s, "cert", 0);
	pairs[0].cert = a.pair.key;
	fault_is(&s, "cert", 0);
	/* no key anywhere */
	pairs[0] = (struct tls_pair){ .cert = a.pair.cert };
	fault_is(&s, "cert", 0);
	pairs[0] = a.pair;
	s.ciphers = (char *)(uintptr_t)"nonsense";
	fault_is(&s, "cipher-list", 0);
	s.ciphers = NULL;
	s.groups = (char *)(uintptr_t)"P-25";
	fault_is(&s, "ec-curve-name", 0);
	s.groups = (char *)(uintptr_t)"prime256v1:X25519";
	s.ca = garbage;
	fault_is(&s, "CA-file", 0);
	s.ca = b.pair.cert;
	tls_store_free(store_of(s.pairs, 2));
	unmake(&a);
	unmake(&b);
}

static void keys_with_a_password(void **state)
{
	struct made m = make(EC, "DNS:a.test", 0, DAY);
	BIO *out = BIO_new(BIO_s_mem());
	struct tls_pair pair = { .cert = m.pair.cert };
	struct tls_settings s = { .pairs = &pair, .n_pairs = 1 };
	struct tls_fault fault;
	struct tls_store *store;

	(void)state;
	PEM_write_bio_PrivateKey(out, m.key, EVP_aes_128_cbc(), (const uint8_t *)"hunter2", 7,
				 NULL, NULL);
	pair.key = text_of(out);
	fault_is(&s, "pkey", 0);
	s.password = (char *)(uintptr_t)"hunter3";
	fault_is(&s, "pkey", 0);
	s.password = (char *)(uintptr_t)"hunter2";
	store = tls_store_new(&s, &fault);
	assert_non_null(store);
	tls_store_free(store);
	free(pair.key.p);
	unmake(&m);
}

static void key_and_certificate_in_one_file(void **state)
{
	struct made m = make(EC, "DNS:a.test", 0, DAY);
	struct tls_pair both = { .cert.len = m.pair.cert.len + m.pair.key.len };
	struct tls_store *store;

	(void)state;
	both.cert.p = malloc(both.cert.len);
	assert_non_null(both.cert.p);
	memcpy(both.cert.p, m.pair.key.p, m.pair.key.len);
	memcpy(both.cert.p + m.pair.key.len, m.pair.cert.p, m.pair.cert.len);
	store = store_of(&both, 1);
	expect_cert(store, TLS1_3_VERSION, NULL, &m);
	tls_store_free(store);
	free(both.cert.p);
	unmake(&m);
}

static void lifetimes(void **state)
{
	struct made over = make(EC, "DNS:a.test", -10 * DAY, -2 * DAY);
	struct made early = make(EC, "DNS:a.test", DAY, 3 * DAY);
	struct tls_text garbage = { .p = (char *)(uintptr_t)"garbage", .len = 7 };
	int64_t left;
	bool is_early;

	(void)state;
	assert_int_equal(tls_lifetime(&over.pair.cert, &left, &is_early), 0);
	assert_true(left < -2 * DAY + 60 && left > -2 * DAY - 60 && !is_early);
	assert_int_equal(tls_lifetime(&early.pair.cert, &left, &is_early), 0);
	assert_true(left > 3 * DAY - 60 && is_early);
	assert_int_equal(tls_lifetime(&garbage, &left, &is_early), -EINVAL);
	unmake(&over);
	unmake(&early);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_name_chooses_the_certificate),
		cmocka_unit_test(a_client_gets_the_kind_of_key_that_it_knows),
		cmocka_unit_test(protocols),
		cmocka_unit_test(old_versions_and_weak_ciphers_are_refused),
		cmocka_unit_test(datagrams_have_a_context_of_their_own),
		cmocka_unit_test(client_certificates),
		cmocka_unit_test(unasked_client_certificates),
		cmocka_unit_test(no_early_data),
		cmocka_unit_test(replaced_under_a_connection),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(keys_with_a_password),
		cmocka_unit_test(key_and_certificate_in_one_file),
		cmocka_unit_test(lifetimes),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
