// SPDX-License-Identifier: MIT
/* Headers of the PROXY protocol, version 2. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "net/proxy.h"

struct text {
	size_t len;
	uint8_t p[PROXY_MAX + 100];
};

static struct text header(uint8_t command, uint8_t family, size_t tlvs)
{
	struct text t = { .len = PROXY_HEAD };
	size_t ip = family >> 4 == 1 ? 4 : family >> 4 == 2 ? 16 : 0;

	memcpy(t.p, "\x0d\x0a\x0d\x0a\0\x0d\x0a\x51\x55\x49\x54\x0a", 12);
	t.p[12] = command;
	t.p[13] = family;
	if (ip) {
		memset(t.p + 16, 1, ip);
		memset(t.p + 16 + ip, 2, ip);
		memcpy(t.p + 16 + 2 * ip, "\x03\xe8\x0d\x96", 4);
		t.len += 2 * ip + 4;
	}
	memset(t.p + t.len, 0xee, tlvs);
	t.len += tlvs;
	t.p[14] = (uint8_t)((t.len - PROXY_HEAD) >> 8);
	t.p[15] = (uint8_t)(t.len - PROXY_HEAD);
	return t;
}

typedef int (*parser_fn)(struct proxy_header *out, const uint8_t *p, size_t len);

/* From memory that ends where the text does, for AddressSanitizer. */
static int parse_by(parser_fn parser, struct proxy_header *out, const struct text *t, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	int err;

	assert_non_null(copy);
	memcpy(copy, t->p, len);
	err = parser(out, copy, len);
	free(copy);
	return err;
}

static int parse(struct proxy_header *out, const struct text *t, size_t len)
{
	return parse_by(proxy_parse, out, t, len);
}

static int parse_datagram(struct proxy_header *out, const struct text *t, size_t len)
{
	return parse_by(proxy_parse_datagram, out, t, len);
}

static void addresses_of_both_families(void **state)
{
	static const uint8_t families[] = { 0x11, 0x21 };
	struct proxy_header h;

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		for (size_t tlvs = 0; tlvs < 300; tlvs += 37) {
			struct text t = header(0x21, families[i], tlvs);

			for (size_t len = 0; len < t.len; len++) {
				assert_int_equal(parse(&h, &t, len), -EAGAIN);
				assert_int_equal(h.len, len < PROXY_HEAD ? PROXY_HEAD : t.len);
			}
			assert_int_equal(parse(&h, &t, t.len), 0);
			assert_int_equal(h.len, t.len);
			assert_false(h.own);
			assert_int_equal(h.client.family, i ? 6 : 4);
			assert_int_equal(h.client.ip[i ? 15 : 3], 1);
			assert_int_equal(h.server.ip[i ? 15 : 3], 2);
			assert_int_equal(ntohs(h.client.port), 1000);
			assert_int_equal(ntohs(h.server.port), 3478);
			/* what follows is not its */
			assert_int_equal(parse(&h, &t, t.len + 50), 0);
			assert_int_equal(h.len, t.len);
		}
	}
}

static void connections_of_the_proxys_own(void **state)
{
	static const uint8_t kinds[][2] = { { 0x20, 0 }, { 0x20, 0x11 }, { 0x20, 0x77 }, { 0x21, 0 } };
	struct proxy_header h;

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		struct text t = header(kinds[i][0], kinds[i][1], 10);

		assert_int_equal(parse(&h, &t, t.len), 0);
		assert_true(h.own);
		assert_int_equal(h.client.family, 0);
	}
}

static void what_is_no_header(void **state)
{
	struct text good = header(0x21, 0x11, 0), t;
	struct proxy_header h;

	(void)state;
	for (unsigned int i = 0; i < 12; i++) {		/* at the first byte that is wrong */
		t = good;
		t.p[i] ^= 1;
		assert_int_equal(parse(&h, &t, i + 1), -EPROTO);
	}
	for (unsigned int b = 0; b < 256; b++) {
		t = good;
		t.p[12] = (uint8_t)b;
		assert_int_equal(parse(&h, &t, t.len), b == 0x20 || b == 0x21 ? 0 : -EPROTO);
		t = good;
		t.p[13] = (uint8_t)b;
		assert_int_equal(parse(&h, &t, t.len), b == 0x11 || !b ? 0 : -EPROTO);
	}
	t = header(0x21, 0x21, 0);
	t.p[15]--;
	assert_int_equal(parse(&h, &t, t.len), -EPROTO);
	t = good;
	t.p[15] = 11;
	assert_int_equal(parse(&h, &t, t.len), -EPROTO);
	t = good;
	t.p[24] = t.p[25] = 0;
	assert_int_equal(parse(&h, &t, t.len), -EPROTO);
	t = header(0x21, 0x11, PROXY_MAX - PROXY_HEAD - 12);
	assert_int_equal(parse(&h, &t, t.len), 0);
	t = header(0x21, 0x11, PROXY_MAX - PROXY_HEAD - 11);
	assert_int_equal(parse(&h, &t, PROXY_HEAD), -EPROTO);
}

static void ipv4_as_ipv6(void **state)
{
	struct text t = header(0x21, 0x22, 0);
	struct proxy_header h;

	(void)state;
	for (unsigned int end = 0; end < 2; end++) {
		memset(t.p + PROXY_HEAD + 16 * end, 0, 10);
		memset(t.p + PROXY_HEAD + 16 * end + 10, 0xff, 2);
		assert_int_equal(parse_datagram(&h, &t, t.len), 0);
		/* as long as one end is IPv6 it is */
		assert_int_equal(h.client.family, end ? 4 : 6);
		assert_int_equal(h.server.family, end ? 4 : 6);
	}
	assert_memory_equal(h.client.ip, "\1\1\1\1\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_memory_equal(h.server.ip, "\2\2\2\2\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_int_equal(ntohs(h.client.port), 1000);
	assert_int_equal(ntohs(h.server.port), 3478);
}

/* A datagram has all of its header in it, or none. */
static void before_datagrams(void **state)
{
	static const uint8_t families[] = { 0x12, 0x22 };
	struct proxy_header h;
	struct text t;

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		t = header(0x21, families[i], 40);
		for (size_t len = 0; len < t.len; len++)
			assert_int_equal(parse_datagram(&h, &t, len), len < 12 ? -ENOENT : -EPROTO);
		assert_int_equal(parse_datagram(&h, &t, t.len), 0);
		assert_int_equal(parse_datagram(&h, &t, t.len + 20), 0);
		assert_int_equal(h.len, t.len);
		assert_int_equal(h.client.family, i ? 6 : 4);
		assert_int_equal(ntohs(h.client.port), 1000);
		/* nor does a stream have such a one */
		assert_int_equal(parse(&h, &t, t.len), -EPROTO);
		t.p[15] = (uint8_t)(2 * (i ? 16 : 4) + 3);
		assert_int_equal(parse_datagram(&h, &t, t.len), -EPROTO);
	}
	for (unsigned int i = 0; i < 12; i++) {
		t = header(0x21, 0x12, 0);
		t.p[i] ^= 1;
		assert_int_equal(parse_datagram(&h, &t, t.len), -ENOENT);
	}
	for (unsigned int b = 0; b < 256; b++) {
		t = header(0x21, 0x12, 0);
		t.p[13] = (uint8_t)b;
		assert_int_equal(parse_datagram(&h, &t, t.len), b == 0x12 || !b ? 0 : -EPROTO);
		assert_int_equal(h.own, !b);
		t.p[12] = 0x20;
		assert_int_equal(parse_datagram(&h, &t, t.len), 0);
		assert_true(h.own);
		t.p[13] = 0x12;
		t.p[12] = (uint8_t)b;
		assert_int_equal(parse_datagram(&h, &t, t.len),
				 b == 0x20 || b == 0x21 ? 0 : -EPROTO);
	}
	t = header(0x21, 0x12, 0);
	memset(t.p + PROXY_HEAD + 8, 0, 2);
	assert_int_equal(parse_datagram(&h, &t, t.len), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_of_both_families),
		cmocka_unit_test(connections_of_the_proxys_own),
		cmocka_unit_test(what_is_no_header),
		cmocka_unit_test(before_datagrams),
		cmocka_unit_test(ipv4_as_ipv6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
