// SPDX-License-Identifier: MIT
/* DTLS without sockets, against OpenSSL's own client (group X of the bad input). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <openssl/err.h>
#include "certificate.h"
#include "net/dtls.h"

#define DAY	86400
#define S	1000000000ULL
#define MOST	64

/* What the server has sent, datagram by datagram. */
struct wire {
	unsigned int n;
	size_t len[MOST];
	uint8_t bytes[MOST][2048];
};

struct stage {
	struct made made;
	struct tls_store *store;
	struct dtls_door *door;
	struct dtls_ends ends;
	struct wire wire;
	SSL_CTX *ctx;
	SSL *client;
	struct dtls *server;
};

static void on_emit(void *ctx, const uint8_t *datagram, size_t len)
{
	struct wire *w = ctx;

	assert_true(w->n < MOST && len <= sizeof(w->bytes[0]));
	memcpy(w->bytes[w->n], datagram, len);
	w->len[w->n++] = len;
}

static SSL *client_new(SSL_CTX *ctx)
{
	SSL *client = SSL_new(ctx);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());

	BIO_set_mem_eof_return(in, -1);
	SSL_set_bio(client, in, out);
	SSL_set_options(client, SSL_OP_NO_QUERY_MTU);
	SSL_set_mtu(client, 1200);
	SSL_set_connect_state(client);
	return client;
}

static int set_up(void **state)
{
	struct stage *t = calloc(1, sizeof(*t));
	struct tls_settings settings = { .n_pairs = 1 };
	struct tls_fault fault;

	t->made = make(EC, "DNS:a.test", -DAY, DAY);
	settings.pairs = &t->made.pair;
	t->store = tls_store_new(&settings, &fault);
	t->door = dtls_door_new(t->store, on_emit);
	assert_non_null(t->door);
	t->ends.client = (struct tp_addr){ .family = 4, .ip = { 11, 0, 1, 2 }, .port = 1000 };
	t->ends.server = (struct tp_addr){ .family = 4, .ip = { 11, 0, 1, 1 }, .port = 3478 };
	t->ctx = SSL_CTX_new(DTLS_client_method());
	t->client = client_new(t->ctx);
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct stage *t = *state;

	dtls_free(t->server);
	dtls_door_free(t->door);
	SSL_free(t->client);
	SSL_CTX_free(t->ctx);
	tls_store_free(t->store);
	unmake(&t->made);
	free(t);
	return 0;
}

/* One record that the client has for the server; 0: it has none. */
static size_t record(SSL *client, uint8_t *buf)
{
	BIO *out = SSL_get_wbio(client);
	size_t len;

	if (BIO_read(out, buf, 13) != 13)
		return 0;
	len = (size_t)(buf[11] << 8 | buf[12]);
	assert_int_equal(BIO_read(out, buf + 13, (int)len), len);
	return 13 + len;
}

static void to_client(struct stage *t)
{
	for (unsigned int i = 0; i < t->wire.n; i++)
		BIO_write(SSL_get_rbio(t->client), t->wire.bytes[i], (int)t->wire.len[i]);
	t->wire.n = 0;
}

static struct dtls *knock(struct stage *t, const uint8_t *hello, size_t len, uint64_t now_ns)
{
	t->wire.n = 0;
	return dtls_knock(t->door, &t->ends, hello, len, now_ns, &t->wire);
}

/* The ClientHello with the cookie that answers the first one. */
static size_t hello_with_cookie(struct stage *t, uint8_t *hello)
{
	size_t len;

	SSL_do_handshake(t->client);
	len = record(t->client, hello);
	assert_null(knock(t, hello, len, S));
	assert_int_equal(t->wire.n, 1);
	/* X1: no amplification */
	assert_true(t->wire.len[0] <= len);
	assert_int_equal(t->wire.bytes[0][13], 3);	/* HelloVerifyRequest */
	to_client(t);
	SSL_do_handshake(t->client);
	return record(t->client, hello);
}

static ssize_t to_server(struct stage *t, uint8_t *got)
{
	uint8_t buf[2048];
	ssize_t n = -EAGAIN;
	size_t len;

	while ((len = record(t->client, buf))) {
		dtls_feed(t->server, buf, len);
		n = dtls_read(t->server, got, DTLS_RECORD_MAX);
	}
	return n;
}

static void shake_hands(struct stage *t)
{
	uint8_t hello[2048];
	static uint8_t got[DTLS_RECORD_MAX];
	size_t len = hello_with_cookie(t, hello);

	t->server = knock(t, hello, len, S);
	assert_non_null(t->server);
	assert_int_equal(dtls_read(t->server, got, sizeof(got)), -EAGAIN);
	for (int i = 0; i < 8 && !SSL_is_init_finished(t->client); i++) {
		to_client(t);
		SSL_do_handshake(t->client);
		assert_int_equal(to_server(t, got), -EAGAIN);
	}
	to_client(t);
	SSL_do_handshake(t->client);
	assert_true(SSL_is_init_finished(t->client) && dtls_ready(t->server));
}

/* The client says it, and the server reads it. */
static void hears(struct stage *t, const char *text)
{
	static uint8_t got[DTLS_RECORD_MAX];

	assert_int_equal(SSL_write(t->client, text, (int)strlen(text)), strlen(text));
	assert_int_equal(to_server(t, got), strlen(text));
	assert_memory_equal(got, text, strlen(text));
}

/* ------------------------------------------------------------------ tests */

static void messages_both_ways_and_the_end(void **state)
{
	struct stage *t = *state;
	char got[100];
	uint8_t none[100];
	struct timeval left;

	shake_hands(t);
	assert_false(dtls_patience(t->server, &left));
	hears(t, "up");
	assert_int_equal(dtls_write(t->server, (const uint8_t *)"down", 4), 0);
	assert_int_equal(t->wire.n, 1);
	to_client(t);
	assert_int_equal(SSL_read(t->client, got, sizeof(got)), 4);
	assert_memory_equal(got, "down", 4);
	SSL_shutdown(t->client);
	assert_int_equal(to_server(t, none), 0);
	dtls_finish(t->server);
	assert_int_equal(t->wire.n, 1);
}

static void a_message_is_one_record_or_none(void **state)
{
	struct stage *t = *state;
	static uint8_t large[DTLS_RECORD_MAX + 1];

	shake_hands(t);
	assert_int_equal(dtls_write(t->server, large, sizeof(large)), -EMSGSIZE);
	assert_int_equal(t->wire.n, 0);
	assert_int_equal(dtls_write(t->server, large, 1500), 0);
	assert_int_equal(t->wire.n, 1);
}

static void a_cookie_is_good_for_one_client_and_a_while(void **state)
{
	struct stage *t = *state;
	uint8_t hello[2048];
	size_t len = hello_with_cookie(t, hello);
	struct dtls_ends own = t->ends;

	/* X2 */
	t->ends.client.port++;
	assert_null(knock(t, hello, len, S));
	assert_int_equal(t->wire.n, 1);
	t->ends = own;
	t->ends.client.ip[3]++;
	assert_null(knock(t, hello, len, S));
	t->ends = own;
	t->ends.server.port++;
	assert_null(knock(t, hello, len, S));
	t->ends = own;
	/* the key is another one, but the one before counts, too */
	t->server = knock(t, hello, len, 62 * S);
	assert_non_null(t->server);
	assert_null(knock(t, hello, len, 124 * S));
	assert_int_equal(t->wire.n, 1);
	assert_true(t->wire.len[0] <= len);
}

static void a_changed_cookie_is_none(void **state)
{
	struct stage *t = *state;
	uint8_t hello[2048];
	size_t len = hello_with_cookie(t, hello), at = 13 + 12 + 2 + 32 + 1 + 1;

	for (unsigned int i = 0; i < 20; i++) {
		hello[at + i] ^= 1;
		assert_null(knock(t, hello, len, S));
		assert_int_equal(t->wire.n, 1);
		hello[at + i] ^= 1;
	}
	t->server = knock(t, hello, len, S);
	assert_non_null(t->server);
}

static void strangers_are_not_answered_unless_they_greet(void **state)
{
	struct stage *t = *state;
	uint8_t hello[2048], bad[2048];
	size_t len;

	SSL_do_handshake(t->client);
	len = record(t->client, hello);
	for (unsigned int type = 0; type < 256; type++) {	/* X5 */
		memcpy(bad, hello, len);
		bad[0] = (uint8_t)type;
		assert_null(knock(t, bad, len, S));
		assert_int_equal(t->wire.n, type == 22);
	}
	for (size_t cut = 0; cut < len; cut++) {
		assert_null(knock(t, hello, cut, S));
		assert_int_equal(t->wire.n, 0);
	}
	memcpy(bad, hello, len);
	bad[4] = 1;			/* an epoch that cannot be */
	assert_null(knock(t, bad, len, S));
	assert_int_equal(t->wire.n, 0);
	memcpy(bad, hello, len);	/* X3: so many bytes to come */
	memset(bad + 14, 0xff, 3);
	assert_null(knock(t, bad, len, S));
	assert_true(t->wire.n <= 1 && (!t->wire.n || t->wire.len[0] <= len));
	memcpy(bad, hello, len);	/* not the first fragment */
	bad[21] = 9;
	assert_null(knock(t, bad, len, S));
	assert_int_equal(t->wire.n, 0);
	assert_null(knock(t, hello, len, S));
	assert_int_equal(t->wire.n, 1);
}

/* X7, X12, X13: what is not of the session does nothing to it. */
static void a_session_survives_garbage(void **state)
{
	struct stage *t = *state;
	static const uint8_t alert[] = { 21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40 };
	static uint8_t got[DTLS_RECORD_MAX];
	uint8_t old[2048], junk[200];
	size_t len;

	shake_hands(t);
	SSL_write(t->client, "once", 4);
	len = record(t->client, old);
	dtls_feed(t->server, old, len);
	assert_int_equal(dtls_read(t->server, got, sizeof(got)), 4);
	dtls_feed(t->server, old, len);
	assert_int_equal(dtls_read(t->server, got, sizeof(got)), -EAGAIN);
	dtls_feed(t->server, alert, sizeof(alert));
	assert_int_equal(dtls_read(t->server, got, sizeof(got)), -EAGAIN);
	for (unsigned int type = 20; type < 64; type++) {
		memset(junk, (int)type, sizeof(junk));
		memcpy(junk + 1, "\xfe\xfd\0\1\0\0\0\0\1\0\0", 11);
		junk[12] = sizeof(junk) - 13;
		dtls_feed(t->server, junk, sizeof(junk));
		assert_int_equal(dtls_read(t->server, got, sizeof(got)), -EAGAIN);
		dtls_feed(t->server, junk, type - 20);
		assert_int_equal(dtls_read(t->server, got, sizeof(got)), -EAGAIN);
	}
	hears(t, "still there");
}

static void order_does_not_matter(void **state)
{
	struct stage *t = *state;
	uint8_t first[2048], second[2048], got[100];
	size_t len1, len2;

	shake_hands(t);
	SSL_write(t->client, "1", 1);
	len1 = record(t->client, first);
	SSL_write(t->client, "2", 1);
	len2 = record(t->client, second);
	dtls_feed(t->server, second, len2);
	assert_int_equal(dtls_read(t->server, got, sizeof(got)), 1);
	assert_int_equal(got[0], '2');
	dtls_feed(t->server, first, len1);
	assert_int_equal(dtls_read(t->server, got, sizeof(got)), 1);
	assert_int_equal(got[0], '1');
}

static void a_lost_flight_is_repeated(void **state)
{
	struct stage *t = *state;
	uint8_t hello[2048], got[100];
	size_t len = hello_with_cookie(t, hello);
	struct timeval left;
	unsigned int flight;

	t->server = knock(t, hello, len, S);
	assert_non_null(t->server);
	assert_int_equal(dtls_read(t->server, got, sizeof(got)), -EAGAIN);
	flight = t->wire.n;
	assert_true(flight > 0);
	t->wire.n = 0;
	assert_true(dtls_patience(t->server, &left));
	assert_true(dtls_repeat(t->server));
	assert_int_equal(t->wire.n, 0);	/* too early */
	usleep((useconds_t)(left.tv_sec * 1000000 + left.tv_usec + 20000));
	assert_true(dtls_repeat(t->server));
	assert_true(t->wire.n >= flight);
	to_client(t);
	SSL_do_handshake(t->client);
	assert_int_equal(to_server(t, got), -EAGAIN);
	assert_true(dtls_ready(t->server));
}

/* RFC 6347 section 4.2.8 */
static void a_client_that_forgot_is_another(void **state)
{
	struct stage *t = *state;
	SSL *again = client_new(t->ctx);
	uint8_t own[2048], hello[2048];
	size_t own_len = hello_with_cookie(t, own), len;

	SSL_do_handshake(again);
	len = record(again, hello);
	t->server = knock(t, own, own_len, S);
	assert_false(dtls_is_another(t->server, hello, len));	/* not before it is ready */
	dtls_free(t->server);
	SSL_free(t->client);
	t->client = client_new(t->ctx);
	shake_hands(t);
	assert_true(dtls_is_another(t->server, hello, len));
	assert_false(dtls_is_another(t->server, (const uint8_t *)"\x17", 1));
	SSL_free(again);
}

static void certificates_are_replaced_at_the_door(void **state)
{
	struct stage *t = *state;
	struct made other = make(EC, "DNS:b.test", -DAY, DAY);
	struct tls_settings settings = { .pairs = &other.pair, .n_pairs = 1 };
	struct tls_fault fault;
	X509 *seen;

	assert_int_equal(tls_store_replace(t->store, &settings, &fault), 0);
	shake_hands(t);
	seen = SSL_get1_peer_certificate(t->client);
	assert_int_equal(X509_cmp(seen, other.cert), 0);
	X509_free(seen);
	unmake(&other);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(messages_both_ways_and_the_end),
		TEST(a_message_is_one_record_or_none),
		TEST(a_cookie_is_good_for_one_client_and_a_while),
		TEST(a_changed_cookie_is_none),
		TEST(strangers_are_not_answered_unless_they_greet),
		TEST(a_session_survives_garbage),
		TEST(order_does_not_matter),
		TEST(a_lost_flight_is_repeated),
		TEST(a_client_that_forgot_is_another),
		TEST(certificates_are_replaced_at_the_door),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
