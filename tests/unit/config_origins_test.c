// SPDX-License-Identifier: MIT
/* The addresses of rfc5780, and the lists of alternate servers. */
#include "config_given.h"

static const struct turn_origin *origin(const struct given *g, const char *text)
{
	struct tp_addr addr;

	assert_true(address_parse_port(&addr, text));
	for (unsigned int i = 0; i < g->conf.turn.n_origins; i++)
		if (address_equal(&g->conf.turn.origins[i].local, &addr))
			return &g->conf.turn.origins[i];
	return NULL;
}

static void resolved(struct given *g, const char *text)
{
	given_finish(g, text);
	conf_resolve(&g->conf, &g->errors);
	fflush(g->errors.out);
}

static void assert_corners(const struct given *g, const char *const texts[4])
{
	for (unsigned int i = 0; i < 4; i++)
		for (unsigned int change = 0; change < 4; change++)
			assert_ptr_equal(origin(g, texts[i])->other[change],
					 origin(g, texts[i ^ change]));
}

static void two_and_two(void **state)
{
	static const char *const four[4] = {
		"192.0.2.1:3478", "192.0.2.1:3479", "192.0.2.2:3478", "192.0.2.2:3479",
	};
	static const char *const six[4] = {
		"[2600::1]:3478", "[2600::1]:3479", "[2600::2]:3478", "[2600::2]:3479",
	};
	struct given g;

	(void)state;
	resolved(&g, "rfc5780\nstun-only\nlistening-ip=192.0.2.1\nlistening-ip=2600::1\n"
		     "listening-ip=192.0.2.2\nlistening-ip=2600::2\nlistening-ip=192.0.2.3\n"
		     "listening-ip=127.0.0.1\naux-server=192.0.2.1:80\n");
	not_said(&g, "rfc5780");
	assert_corners(&g, four);
	assert_corners(&g, six);
	/* alone, and so not listened on twice */
	assert_null(origin(&g, "192.0.2.3:3478")->other[3]);
	assert_null(origin(&g, "127.0.0.1:3478")->other[1]);
	assert_null(origin(&g, "192.0.2.1:80")->other[2]);
	assert_ptr_equal(origin(&g, "192.0.2.3:3478")->other[0], origin(&g, "192.0.2.3:3478"));
	assert_null(origin(&g, "192.0.2.3:3479"));
	assert_int_equal(g.conf.listen.n, 6 + 4 + 1);
	given_free(&g);
}

static void ports(void **state)
{
	struct given g;

	(void)state;
	resolved(&g, "rfc5780\nstun-only\nlistening-port=443\nalt-listening-port=80\n"
		     "listening-ip=192.0.2.1\nlistening-ip=192.0.2.2\n");
	assert_non_null(origin(&g, "192.0.2.2:80"));
	assert_ptr_equal(origin(&g, "192.0.2.2:80")->other[3], origin(&g, "192.0.2.1:443"));
	given_free(&g);
	resolved(&g, "rfc5780\nstun-only\nlistening-port=65535\nlistening-ip=192.0.2.1\n"
		     "listening-ip=192.0.2.2\n");
	assert_non_null(origin(&g, "192.0.2.2:65534"));
	given_free(&g);
	given_finish(&g, "stun-only\nlistening-port=80\nalt-listening-port=80\n");
	said(&g, "t:3: error: alt-listening-port is the same");
	given_free(&g);
	/* without rfc5780 there is no second port */
	resolved(&g, "stun-only\nalt-listening-port=80\nlistening-ip=192.0.2.1\n"
		     "listening-ip=192.0.2.2\n");
	assert_int_equal(g.conf.listen.n, 2);
	assert_int_equal(g.conf.turn.n_origins, 0);
	given_free(&g);
}

/* A certificate's bytes are not looked at before conf_read_tls(). */
static void ports_of_tls(void **state)
{
	static const char *const four[4] = {
		"192.0.2.1:5349", "192.0.2.1:5350", "192.0.2.2:5349", "192.0.2.2:5350",
	};
	static const char *const two = "rfc5780\nstun-only\ncert=none.pem\n"
				       "listening-ip=192.0.2.1\nlistening-ip=192.0.2.2\n";
	struct given g;
	char text[256];

	(void)state;
	snprintf(text, sizeof(text), "%salt-listening-port=0\nalt-tls-listening-port=0\n", two);
	resolved(&g, text);
	assert_corners(&g, four);
	assert_int_equal(g.conf.listen.n, 4);
	assert_int_equal(g.conf.listen_tcp.n, 8);
	given_free(&g);
	snprintf(text, sizeof(text), "%salt-tls-listening-port=443\nno-tcp\ndtls\n", two);
	resolved(&g, text);
	assert_ptr_equal(origin(&g, "192.0.2.1:443")->other[3], origin(&g, "192.0.2.2:5349"));
	assert_int_equal(g.conf.listen.n, 8);
	assert_int_equal(g.conf.listen_tcp.n, 4);
	given_free(&g);
	/* one port for all is well, and so is its partner */
	snprintf(text, sizeof(text), "%slistening-port=443\ntls-listening-port=443\n", two);
	resolved(&g, text);
	assert_int_equal(g.errors.errors, 0);
	assert_int_equal(g.conf.listen_tcp.n, 4);
	given_free(&g);
	snprintf(text, sizeof(text), "%slistening-port=5348\n", two);
	resolved(&g, text);
	said(&g, "t:1: error: rfc5780: the ports 5348 and 5349, and 5349 and 5350");
	given_free(&g);
	given_finish(&g, "stun-only\nalt-tls-listening-port=5349\n");
	said(&g, "t:2: error: alt-tls-listening-port is the same");
	given_free(&g);
}

static void behind_a_nat(void **state)
{
	struct given g;
	struct tp_addr addr;

	(void)state;
	resolved(&g, "rfc5780\nstun-only\nlistening-ip=192.0.2.1\nlistening-ip=192.0.2.2\n"
		     "external-ip=203.0.113.1/192.0.2.1\nexternal-ip=203.0.113.2/192.0.2.2\n");
	assert_true(address_parse_port(&addr, "203.0.113.2:3479"));
	assert_true(address_equal(&origin(&g, "192.0.2.1:3478")->other[3]->external, &addr));
	given_free(&g);
	/* one public address is one address */
	resolved(&g, "rfc5780\nstun-only\nlistening-ip=192.0.2.1\nlistening-ip=192.0.2.2\n"
		     "external-ip=203.0.113.1\n");
	said(&g, "t:1: warning: rfc5780 needs two listening addresses");
	assert_null(origin(&g, "192.0.2.1:3478")->other[3]);
	assert_int_equal(g.conf.listen.n, 2);
	given_free(&g);
	resolved(&g, "stun-only\nrfc5780\nlistening-ip=192.0.2.1\nlistening-ip=2600::1\n");
	said(&g, "t:2: warning: rfc5780 needs");
	given_free(&g);
}

static void assert_alternate(const struct given *g, enum turn_alternates_for list,
			     unsigned int i, const char *text, const char *domain)
{
	const struct turn_alternate *a = &g->conf.turn.alternates[list].v[i];
	struct tp_addr addr;

	assert_true(address_parse_port(&addr, text));
	assert_in_range(i, 0, g->conf.turn.alternates[list].n - 1);
	assert_true(address_equal(&a->addr, &addr));
	assert_int_equal(a->domain != NULL, domain != NULL);
	if (domain)
		assert_string_equal(a->domain, domain);
}

static void alternates(void **state)
{
	struct given g;

	(void)state;
	given_finish(&g, "stun-only\nalternate-server=192.0.2.1\nalternate-server=192.0.2.2:80\n"
			 "tls-alternate-server=[2600::1]/turn.example.org\n"
			 "tls-alternate-server=2600::2\n"
			 "tcp-alternate-server=192.0.2.3:443\nudp-alternate-server=192.0.2.4\n");
	assert_string_equal(g.said, "");
	assert_alternate(&g, ALTERNATES_ANY, 0, "192.0.2.1:3478", NULL);
	assert_alternate(&g, ALTERNATES_ANY, 1, "192.0.2.2:80", NULL);
	assert_alternate(&g, ALTERNATES_TLS, 0, "[2600::1]:5349", "turn.example.org");
	assert_alternate(&g, ALTERNATES_TLS, 1, "[2600::2]:5349", NULL);
	assert_alternate(&g, ALTERNATES_TCP, 0, "192.0.2.3:443", NULL);
	assert_alternate(&g, ALTERNATES_UDP, 0, "192.0.2.4:3478", NULL);
	given_free(&g);
}

static void wrong_alternates(void **state)
{
	static const char *const wrong[] = {
		"", "turn.example.org", "192.0.2.1:0", "192.0.2.1:65536", "0.0.0.0:1", "::",
		"192.0.2.1:1/", "192.0.2.1:1/a b", "192.0.2.1:1/a/b", "/turn.example.org",
		"192.0.2.1,192.0.2.2",
	};
	char text[512], name[300];
	struct given g;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		snprintf(text, sizeof(text), "alternate-server=\"%s\"\n", wrong[i]);
		given_read(&g, text);
		said(&g, "t:1: error: alternate-server");
		assert_int_equal(g.errors.errors, 1);
		assert_int_equal(g.conf.turn.alternates[ALTERNATES_ANY].n, 0);
		given_free(&g);
	}
	for (size_t len = 255; len <= 256; len++) {
		memset(name, 'a', len);
		name[len] = 0;
		snprintf(text, sizeof(text), "tls-alternate-server=192.0.2.1/%s\n", name);
		given_read(&g, text);
		assert_int_equal(g.errors.errors, len == 256);
		given_free(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_and_two),
		cmocka_unit_test(ports),
		cmocka_unit_test(ports_of_tls),
		cmocka_unit_test(behind_a_nat),
		cmocka_unit_test(alternates),
		cmocka_unit_test(wrong_alternates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
