// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* after the headers that it needs */
#include <cmocka.h>
#include "address.h"

static void parses_addresses(void **state)
{
	static const struct {
		const char *text;
		uint8_t family;
	} cases[] = {
		{ "192.0.2.1", 4 }, { "0.0.0.0", 4 }, { "255.255.255.255", 4 },
		{ "2001:db8::1", 6 }, { "::", 6 }, { "::ffff:192.0.2.1", 6 },
		{ "", 0 }, { "192.0.2", 0 }, { "192.0.2.256", 0 }, { "192.0.2.1 ", 0 },
		{ " 192.0.2.1", 0 }, { "192.0.2.1:3478", 0 }, { "[2001:db8::1]", 0 },
		{ "fe80::1%eth0", 0 }, { "2001:db8:::1", 0 }, { "example.org", 0 },
		{ "0x7f.1", 0 }, { "1", 0 },
	};
	struct tp_addr addr;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&addr, 0xaa, sizeof(addr));
		assert_int_equal(address_parse(&addr, cases[i].text), cases[i].family != 0);
		assert_int_equal(addr.family, cases[i].family);
		assert_int_equal(addr.port, 0);
	}
	address_parse(&addr, "192.0.2.1");
	assert_memory_equal(addr.ip, "\xc0\x00\x02\x01\0\0\0\0\0\0\0\0\0\0\0\0", 16);
}

static void parses_ports(void **state)
{
	static const struct {
		const char *text;
		uint8_t family;
		uint16_t port;
	} cases[] = {
		{ "192.0.2.1:3478", 4, 3478 }, { "192.0.2.1", 4, 0 },
		{ "192.0.2.1:1", 4, 1 }, { "192.0.2.1:65535", 4, 65535 },
		{ "[2001:db8::1]:443", 6, 443 }, { "[2001:db8::1]", 6, 0 },
		{ "2001:db8::1", 6, 0 },
		{ "192.0.2.1:", 0, 0 }, { "192.0.2.1:0", 0, 0 }, { "192.0.2.1:65536", 0, 0 },
		{ "192.0.2.1:+1", 0, 0 }, { "192.0.2.1: 1", 0, 0 }, { "192.0.2.1:1x", 0, 0 },
		{ "192.0.2.1:99999999999999999999", 0, 0 },
		{ "[2001:db8::1", 0, 0 }, { "[2001:db8::1]443", 0, 0 },
		{ "[2001:db8::1]:", 0, 0 }, { "[]:1", 0, 0 }, { ":1", 0, 0 }, { "", 0, 0 },
		{ "name:1", 0, 0 },
		{ "1111111111111111111111111111111111111111111111111111111111111111111:1", 0, 0 },
	};
	struct tp_addr addr;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool good = address_parse_port(&addr, cases[i].text);

		assert_int_equal(good, cases[i].family != 0);
		if (!good)
			continue;
		assert_int_equal(addr.family, cases[i].family);
		assert_int_equal(ntohs(addr.port), cases[i].port);
	}
}

static void writes_what_it_reads(void **state)
{
	static const char *const texts[] = {
		"192.0.2.1", "192.0.2.1:3478", "2001:db8::1", "[2001:db8::1]:65535",
		"[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535", "::",
	};
	char text[ADDRESS_TEXT];
	struct tp_addr addr, again;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_true(address_parse_port(&addr, texts[i]));
		address_text(&addr, text);
		assert_true(address_parse_port(&again, text));
		assert_true(address_equal(&addr, &again));
	}
	assert_true(address_parse_port(&addr, "[2001:db8::1]:80"));
	assert_string_equal(address_text(&addr, text), "[2001:db8::1]:80");
	memset(&addr, 0, sizeof(addr));
	assert_string_equal(address_text(&addr, text), "none");
}

static void survives_sockaddr(void **state)
{
	static const char *const texts[] = { "192.0.2.1:3478", "[2001:db8::1]:3478" };
	struct sockaddr_storage ss;
	struct tp_addr addr, again;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_true(address_parse_port(&addr, texts[i]));
		assert_int_equal(address_to_sockaddr(&addr, &ss),
				 i ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
		assert_true(address_from_sockaddr(&again, (struct sockaddr *)&ss));
		assert_memory_equal(&addr, &again, sizeof(addr));
	}
	ss.ss_family = AF_UNIX;
	assert_false(address_from_sockaddr(&again, (struct sockaddr *)&ss));
	assert_int_equal(again.family, 0);
}

static void compares(void **state)
{
	struct tp_addr a, b, six;

	(void)state;
	address_parse_port(&a, "192.0.2.1:1");
	address_parse_port(&b, "192.0.2.1:2");
	address_parse(&six, "c000:201::");	/* the same first bytes */
	assert_true(address_same_ip(&a, &b));
	assert_false(address_equal(&a, &b));
	assert_false(address_same_ip(&a, &six));
	b.port = a.port;
	assert_true(address_equal(&a, &b));
	b.ip[3] = 9;
	assert_false(address_same_ip(&a, &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_addresses),
		cmocka_unit_test(parses_ports),
		cmocka_unit_test(writes_what_it_reads),
		cmocka_unit_test(survives_sockaddr),
		cmocka_unit_test(compares),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
