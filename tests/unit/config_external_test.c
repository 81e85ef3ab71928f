// SPDX-License-Identifier: MIT
/* external-ip=auto and the devices, as configured; and what is an answer to the question. */
#include <errno.h>
#include "config_given.h"
#include "net/mapping.h"
#include "stun/stun.h"

static struct tp_addr addr(const char *text)
{
	struct tp_addr a;

	assert_true(address_parse_port(&a, text));
	return a;
}

static void is_told(const struct conf *conf, const char *local, const char *want)
{
	struct tp_addr from = addr(local), told = conf_external_of(conf, &from);
	char text[ADDRESS_TEXT];

	assert_string_equal(address_text(&told, text), want);
}

static void auto_needs_a_server(void **state)
{
	struct given g;

	(void)state;
	given_finish(&g, "realm=r\nexternal-ip=192.0.2.1/10.0.0.1\nexternal-ip=auto\n"
			 "external-ip=192.0.2.2/10.0.0.2\n");
	said(&g, "t:3: error: external-ip=auto without external-ip-server");
	assert_int_equal(g.errors.errors, 1);
	given_free(&g);
	given_finish(&g, "realm=r\nexternal-ip-server=stun.example.org\n");
	said(&g, "t:2: warning: external-ip-server without external-ip=auto");
	given_free(&g);
	given_finish(&g, "realm=r\nexternal-ip=auto\nexternal-ip-server=stun.example.org\n");
	not_said(&g, "external-ip");
	given_free(&g);
}

static void servers(void **state)
{
	static const char *const good[] = {
		"stun.example.org", "stun:1", "a-b.example:65535", "192.0.2.1", "192.0.2.1:19302",
		"2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:3478",
	};
	static const char *const bad[] = {
		"", "stun:", "stun:0", "stun:65536", "stun:x", "stun:1x", "stun:+1", "a b", "a_b",
		":3478", "0.0.0.0", "::", "[2001:db8::1", "[2001:db8::1]:", "stun://example.org",
		"stun:3478:3478",
	};
	struct given g;
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		snprintf(text, sizeof(text), "external-ip-server=%s\n", good[i]);
		given_read(&g, text);
		assert_string_equal(g.said, "");
		assert_string_equal(g.conf.external_server, good[i]);
		given_free(&g);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		snprintf(text, sizeof(text), "external-ip-server=\"%s\"\n", bad[i]);
		given_read(&g, text);
		said(&g, "t:1: error: external-ip-server: '");
		assert_null(g.conf.external_server);
		given_free(&g);
	}
}

static void what_is_asked_and_told(void **state)
{
	struct tp_addr pair = addr("10.0.0.1"), v4 = addr("10.0.0.2"), v6 = addr("fd00::2");
	struct tp_addr here = addr("127.0.0.1"), public = addr("192.0.2.9");
	struct conf next = { 0 };
	struct given g;

	(void)state;
	given_read(&g, "external-ip=auto\nexternal-ip=192.0.2.1/10.0.0.1\n"
		       "external-ip=2001:db8::1\n");
	assert_false(conf_asks_external(&g.conf, &pair));
	assert_false(conf_asks_external(&g.conf, &v6));
	assert_false(conf_asks_external(&g.conf, &here));
	assert_true(conf_asks_external(&g.conf, &v4));
	is_told(&g.conf, "10.0.0.2:7", "10.0.0.2:7");
	conf_found_external(&g.conf, &v4, &public);
	/* what is written counts all the same */
	conf_found_external(&g.conf, &pair, &public);
	is_told(&g.conf, "10.0.0.2:7", "192.0.2.9:7");
	is_told(&g.conf, "10.0.0.3:7", "10.0.0.3:7");
	is_told(&g.conf, "10.0.0.1:7", "192.0.2.1:7");
	is_told(&g.conf, "[fd00::2]:7", "[2001:db8::1]:7");
	conf_keep_external(&next, &g.conf);
	/* not where nothing is asked any more */
	is_told(&next, "10.0.0.2:7", "10.0.0.2:7");
	next.external_auto = true;
	is_told(&next, "10.0.0.2:7", "192.0.2.9:7");
	free(next.found);
	given_free(&g);
	given_read(&g, "external-ip=192.0.2.1/10.0.0.1\n");
	assert_false(conf_asks_external(&g.conf, &v4));
	given_free(&g);
}

static void devices(void **state)
{
	struct given g;

	(void)state;
	given_read(&g, "realm=r\nlistening-ip=127.0.0.1\nlistening-device=lo\n"
		       "relay-device=no-such-dev\n");
	conf_finish(&g.conf, &g.errors);
	conf_resolve(&g.conf, &g.errors);
	fflush(g.errors.out);
	said(&g, "t:4: error: relay-device: there is no interface 'no-such-dev'");
	not_said(&g, "listening-device");
	assert_int_equal(g.errors.errors, 1);
	given_free(&g);
}

/* --------------------------------------------------------------- the answer */

static const uint8_t txid[TP_STUN_TXID_LEN] = "twelve bytes";

static int read_answer(const struct stun_writer *w, struct tp_addr *mapped, char *why)
{
	return mapping_read(mapped, w->buf, w->len, txid, why);
}

static void answers(void **state)
{
	struct tp_addr public = addr("192.0.2.9:99"), mapped;
	uint8_t buf[256], other[TP_STUN_TXID_LEN] = "12 other one";
	char why[MAPPING_WHY], text[ADDRESS_TEXT];
	struct stun_writer w;

	(void)state;
	stun_begin(&w, buf, sizeof(buf), STUN_BINDING, STUN_SUCCESS, txid);
	stun_put_xor_addr(&w, STUN_T_XOR_MAPPED_ADDRESS, &public);
	assert_int_equal(read_answer(&w, &mapped, why), 1);
	assert_string_equal(address_text(&mapped, text), "192.0.2.9");
	for (size_t len = 0; len < w.len; len++)
		assert_int_equal(mapping_read(&mapped, buf, len, txid, why), 0);
	assert_int_equal(mapping_read(&mapped, buf, w.len, other, why), 0);
	stun_put(&w, 0x7777, NULL, 0);
	assert_int_equal(read_answer(&w, &mapped, why), -EPROTO);
	assert_string_equal(why, "its answer has an attribute that is not known");

	stun_begin(&w, buf, sizeof(buf), STUN_BINDING, STUN_SUCCESS, txid);
	stun_put_addr(&w, STUN_T_MAPPED_ADDRESS, &public);
	assert_int_equal(read_answer(&w, &mapped, why), -EPROTO);
	assert_string_equal(why, "its answer has no XOR-MAPPED-ADDRESS");
	stun_begin(&w, buf, sizeof(buf), STUN_BINDING, STUN_ERROR, txid);
	stun_put_error(&w, 420, "");
	assert_int_equal(read_answer(&w, &mapped, why), -EPROTO);
	assert_string_equal(why, "it answers with error 420");

	/* our own request, sent back, and another method's answer */
	stun_begin(&w, buf, sizeof(buf), STUN_BINDING, STUN_REQUEST, txid);
	assert_int_equal(read_answer(&w, &mapped, why), 0);
	stun_begin(&w, buf, sizeof(buf), TURN_ALLOCATE, STUN_SUCCESS, txid);
	stun_put_xor_addr(&w, STUN_T_XOR_MAPPED_ADDRESS, &public);
	assert_int_equal(read_answer(&w, &mapped, why), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(auto_needs_a_server),
		cmocka_unit_test(servers),
		cmocka_unit_test(what_is_asked_and_told),
		cmocka_unit_test(devices),
		cmocka_unit_test(answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
