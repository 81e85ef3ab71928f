// SPDX-License-Identifier: MIT
/*
 * libFuzzer: what a connection may begin with, and how it is cut into messages. Every prefix is
 * given in memory that ends with it; what is said of one must hold for every longer one, since
 * a client's bytes come in pieces of any size (T1 and T3 of the bad input). The first byte says
 * which channel numbers there are.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/frame.h"
#include "net/http.h"
#include "net/proxy.h"

#define EVERY_PREFIX	200		/* beyond them one in 61 */
#define SIZE_MAX_USEFUL	(FRAME_MAX + 1000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x) do { if (!(x)) abort(); } while (0)

static uint8_t *copy_of(const uint8_t *p, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	CHECK(copy);
	memcpy(copy, p, len);
	return copy;
}

static size_t next_prefix(size_t n, size_t size)
{
	size_t next = n + (n < EVERY_PREFIX ? 1 : 61);

	return n < size && next > size ? size : next;
}

static enum frame_kind find(struct frame *f, const uint8_t *p, size_t have, uint8_t channels_end)
{
	uint8_t *copy = copy_of(p, have);
	enum frame_kind kind;

	memset(f, 0, sizeof(*f));
	kind = frame_find(f, copy, have, channels_end);
	free(copy);
	if (kind == FRAME_GARBAGE)
		return kind;
	CHECK(f->len <= f->wire && f->wire - f->len < 4 && f->len <= FRAME_MAX);
	CHECK(f->wire >= 4 && (kind == FRAME_WHOLE) == (have >= 4 && f->wire <= have));
	return kind;
}

/* How long the first message is; 0: there is no whole one. */
static size_t check_message(const uint8_t *p, size_t size, uint8_t channels_end)
{
	enum frame_kind kind = FRAME_PARTIAL, whole;
	struct frame f, end;

	whole = find(&end, p, size, channels_end);
	for (size_t n = 1; n <= size; n = next_prefix(n, size)) {
		enum frame_kind was = kind;

		kind = find(&f, p, n, channels_end);
		/* a message that is whole stays the same one, garbage stays garbage */
		CHECK(kind == was || was == FRAME_PARTIAL);
		CHECK(kind != FRAME_WHOLE || (whole == FRAME_WHOLE && f.wire == end.wire &&
					      f.len == end.len));
		CHECK(kind != FRAME_PARTIAL || whole == FRAME_GARBAGE || f.wire <= end.wire);
	}
	return whole == FRAME_WHOLE ? end.wire : 0;
}

static void check_http(const uint8_t *p, size_t size)
{
	static const char url[] = "http://acme.example/c/";
	char out[HTTP_ANSWER_MAX + 1];
	unsigned int lines = 0;
	int known = -1;
	size_t len;

	for (size_t n = 1; n <= size && n < 40; n++) {
		uint8_t *copy = copy_of(p, n);
		int now = http_begins(copy, n);

		free(copy);
		CHECK(now >= -1 && now <= 1 && (known < 0 || now == known));
		known = now;
	}
	len = http_answer(out, p, size, url);
	CHECK(len > 0 && len <= HTTP_ANSWER_MAX);
	out[len] = 0;
	CHECK(strlen(out) == len);
	CHECK(!strncmp(out, "HTTP/1.1 400 ", 13) || !strncmp(out, "HTTP/1.1 302 ", 13));
	/* nobody's header but ours */
	for (const char *at = out; (at = strchr(at, '\n')); at++)
		lines++;
	CHECK(lines == 5);
	if (http_whole(p, size))
		CHECK(memchr(p, '\n', size));
}

static void check_proxy(const uint8_t *p, size_t size)
{
	struct proxy_header h, end;
	int last = -EAGAIN, err, whole = proxy_parse(&end, p, size);

	for (size_t n = 0; n <= size; n = next_prefix(n, size)) {
		uint8_t *copy = copy_of(p, n);

		err = proxy_parse(&h, copy, n);
		free(copy);
		CHECK(err == 0 || err == -EAGAIN || err == -EPROTO);
		CHECK(err == last || last == -EAGAIN);
		CHECK(err != -EAGAIN || (h.len > n && h.len <= PROXY_MAX));
		last = err;
		if (err)
			continue;
		CHECK(h.len >= PROXY_HEAD && h.len <= n && h.len <= PROXY_MAX);
		CHECK(!whole && h.len == end.len && h.own == end.own);
		CHECK(h.own || (h.client.family == h.server.family && h.client.port &&
				h.server.port));
		CHECK(h.own || h.client.family == 4 || h.client.family == 6);
	}
}

static void check_proxied(const uint8_t *p, size_t size)
{
	uint8_t *copy = copy_of(p, size);
	struct proxy_header h;
	int err = proxy_parse_datagram(&h, copy, size);

	free(copy);
	CHECK(err == 0 || err == -ENOENT || err == -EPROTO);
	CHECK(err || (h.len >= PROXY_HEAD && h.len <= size && h.len <= PROXY_MAX));
	CHECK(err || h.own || (h.client.port && (h.client.family == 4 || h.client.family == 6)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t channels_end;
	size_t taken;

	if (size < 2 || size > SIZE_MAX_USEFUL)
		return 0;
	channels_end = *data & 1 ? 0x7f : 0x4f;
	data++;
	size--;
	check_http(data, size);
	check_proxy(data, size);
	check_proxied(data, size);
	while (size && (taken = check_message(data, size, channels_end))) {
		data += taken;
		size -= taken;
	}
	return 0;
}
