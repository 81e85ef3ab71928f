// SPDX-License-Identifier: MIT
/* Messages in a stream: where each ends, and what is none (group T of the bad input). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "net/frame.h"
#include "net/http.h"

static const uint8_t stun[] = {
	0x00, 0x01, 0x00, 0x08, 0x21, 0x12, 0xA4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
	0x80, 0x22, 0x00, 0x04, 't', 'e', 's', 't',
};

/* Every prefix in memory of its own, so that reading beyond it is found. */
static enum frame_kind prefix(struct frame *frame, const uint8_t *p, size_t len)
{
	uint8_t *copy = malloc(len);
	enum frame_kind kind;

	assert_non_null(copy);
	memcpy(copy, p, len);
	kind = frame_find(frame, copy, len, 0x4f);
	free(copy);
	return kind;
}

static void stun_is_whole_at_its_end_only(void **state)
{
	struct frame f;

	(void)state;
	for (size_t n = 1; n < sizeof(stun); n++)
		assert_int_equal(prefix(&f, stun, n), FRAME_PARTIAL);
	assert_int_equal(prefix(&f, stun, sizeof(stun)), FRAME_WHOLE);
	assert_int_equal(f.len, sizeof(stun));
	assert_int_equal(f.wire, sizeof(stun));
}

/* T4 */
static void channel_data_takes_its_padding(void **state)
{
	uint8_t p[16] = { 0x40, 0x01, 0, 0, 'a', 'b', 'c', 'd', 'e', 0xff, 0xff, 0xff, 'n' };
	struct frame f;

	(void)state;
	for (size_t length = 0; length <= 8; length++) {
		size_t wire = 4 + (length + 3) / 4 * 4;

		p[3] = (uint8_t)length;
		for (size_t n = 1; n < wire; n++)
			assert_int_equal(prefix(&f, p, n), FRAME_PARTIAL);
		assert_int_equal(prefix(&f, p, wire), FRAME_WHOLE);
		assert_int_equal(f.len, 4 + length);
		assert_int_equal(f.wire, wire);
	}
}

static void partial_says_what_it_will_take(void **state)
{
	static const uint8_t large[] = { 0, 3, 0xff, 0xfc }, data[] = { 0x4f, 0, 0x10, 1 };
	struct frame f;

	(void)state;
	assert_int_equal(prefix(&f, large, 4), FRAME_PARTIAL);
	assert_int_equal(f.wire, FRAME_MAX);
	assert_int_equal(prefix(&f, data, 4), FRAME_PARTIAL);
	assert_int_equal(f.wire, 4 + 0x1004);
}

/* T6, T7, T9 */
static void garbage(void **state)
{
	static const uint8_t unaligned[] = { 0, 1, 0, 6 }, cookie[] = { 0, 1, 0, 0, 0x21, 0x13 };
	static const uint8_t tls[] = { 0x16, 3, 1 }, ssh[] = "SSH-2.0", huge[] = { 0x40, 0, 0xff, 0xf8 };
	struct frame f;

	(void)state;
	assert_int_equal(prefix(&f, unaligned, 4), FRAME_GARBAGE);
	assert_int_equal(prefix(&f, cookie, 5), FRAME_PARTIAL);
	assert_int_equal(prefix(&f, cookie, 6), FRAME_GARBAGE);
	assert_int_equal(prefix(&f, tls, 3), FRAME_GARBAGE);
	assert_int_equal(prefix(&f, ssh, 7), FRAME_GARBAGE);
	assert_int_equal(prefix(&f, huge, 4), FRAME_GARBAGE);
	for (unsigned int byte = 0; byte < 256; byte++) {
		uint8_t p = (uint8_t)byte;
		bool ours = byte < 4 || (byte >= 0x40 && byte <= 0x4f);

		assert_int_equal(frame_find(&f, &p, 1, 0x4f), ours ? FRAME_PARTIAL : FRAME_GARBAGE);
	}
	assert_int_equal(frame_find(&f, (const uint8_t *)"\x7f", 1, 0x7f), FRAME_PARTIAL);
	assert_int_equal(frame_find(&f, (const uint8_t *)"\x80", 1, 0x7f), FRAME_GARBAGE);
}

/* ------------------------------------------------------------------- HTTP */

static const uint8_t *bytes(const char *text)
{
	return (const uint8_t *)text;
}

static void http_is_told_from_messages(void **state)
{
	(void)state;
	assert_int_equal(http_begins(bytes("G"), 1), -1);
	assert_int_equal(http_begins(bytes("GET"), 3), -1);
	assert_int_equal(http_begins(bytes("GET "), 4), 1);
	assert_int_equal(http_begins(bytes("GEM "), 4), 0);
	assert_int_equal(http_begins(bytes("\x40\1\0\4"), 4), 0);
	assert_int_equal(http_begins(stun, sizeof(stun)), 0);
	assert_false(http_whole(bytes("GET / HTTP/1.1\r\n"), 16));
	assert_true(http_whole(bytes("GET / HTTP/1.1\r\n\r\n"), 18));
}

static void answer_is(const char *request, const char *redirect, const char *want)
{
	char out[HTTP_ANSWER_MAX + 1];
	size_t len = http_answer(out, bytes(request), strlen(request), redirect);

	assert_true(len > 0 && len <= HTTP_ANSWER_MAX);
	out[len] = 0;
	if (strncmp(out, want, strlen(want)))
		fail_msg("%s: %s", request, out);
}

static void challenges_are_redirected_and_nothing_else(void **state)
{
	static const char url[] = "http://acme.example/c/";
	char *request, *redirect;

	(void)state;
	answer_is("GET /.well-known/acme-challenge/aZ09_- HTTP/1.1\r\n\r\n", url,
		  "HTTP/1.1 302 Found\r\nLocation: http://acme.example/c/aZ09_-\r\n");
	answer_is("GET /.well-known/acme-challenge/aZ09_- HTTP/1.1\r\n\r\n", NULL, "HTTP/1.1 400 ");
	answer_is("GET /.well-known/acme-challenge/ HTTP/1.1\r\n\r\n", url, "HTTP/1.1 400 ");
	answer_is("GET /.well-known/acme-challenge/a/../b HTTP/1.1\r\n\r\n", url, "HTTP/1.1 400 ");
	answer_is("GET /.well-known/acme-challenge/a\r\nSet-Cookie: x HTTP/1.1\r\n\r\n", url,
		  "HTTP/1.1 400 ");
	answer_is("POST /.well-known/acme-challenge/a HTTP/1.1\r\n\r\n", url, "HTTP/1.1 400 ");
	/* neither too long a token nor too long a URL */
	request = calloc(1, 2000);
	redirect = calloc(1, 2000);
	assert_true(request && redirect);
	strcpy(request, "GET /.well-known/acme-challenge/");
	memset(request + strlen(request), 'a', 1000);
	strcat(request, " HTTP/1.1\r\n\r\n");
	answer_is(request, url, "HTTP/1.1 400 ");
	memset(redirect, 'u', 1900);
	answer_is("GET /.well-known/acme-challenge/a HTTP/1.1\r\n\r\n", redirect, "HTTP/1.1 400 ");
	free(request);
	free(redirect);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stun_is_whole_at_its_end_only),
		cmocka_unit_test(channel_data_takes_its_padding),
		cmocka_unit_test(partial_says_what_it_will_take),
		cmocka_unit_test(garbage),
		cmocka_unit_test(http_is_told_from_messages),
		cmocka_unit_test(challenges_are_redirected_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
