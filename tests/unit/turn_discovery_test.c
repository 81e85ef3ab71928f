// SPDX-License-Identifier: MIT
/* NAT behaviour discovery (RFC 5780), and Binding requests of RFC 3489. */
#include "turn_harness.h"

static const char *const corners[2][2] = {
	{ "192.0.2.1:3478", "192.0.2.1:3479" },
	{ "192.0.2.2:3478", "192.0.2.2:3479" },
};

/* Two IPs with two ports each, behind a NAT as 203.0.113.x; a third IP is alone. */
static void discovery(struct world *w)
{
	unsigned int i, k, c;

	for (i = 0; i < 2; i++) {
		for (k = 0; k < 2; k++) {
			struct turn_origin *o = &w->origins[2 * i + k];

			o->local = o->external = addr(corners[i][k]);
			memcpy(o->external.ip, "\xcb\x00\x71", 3);
			for (c = 0; c < 4; c++)
				o->other[c] = &w->origins[2 * (i ^ c >> 1) + (k ^ (c & 1))];
		}
	}
	w->origins[4].local = w->origins[4].external = addr("192.0.2.3:3478");
	w->origins[4].other[0] = &w->origins[4];
	w->conf.origins = w->origins;
	w->conf.n_origins = 5;
	w->conf.rfc5780 = true;
}

static bool is(const struct tp_addr *got, const char *text)
{
	struct tp_addr want = addr(text);

	return address_equal(got, &want);
}

static int change(struct world *w, uint32_t bits)
{
	begin(w, STUN_BINDING);
	stun_put_u32(&w->w, STUN_T_CHANGE_REQUEST, bits);
	return ask_plain(w);
}

static void public_of(char *text, const char *local)
{
	sprintf(text, "203.0.113.%s", local + strlen("192.0.2."));
}

/* Table 1 of section 6.1, for each of the four addresses asked. */
static void table_1(void **state)
{
	struct world *w = *state;
	unsigned int i, k, bits;
	char text[32];

	discovery(w);
	for (i = 0; i < 2; i++) {
		for (k = 0; k < 2; k++) {
			for (bits = 0; bits < 8; bits += 2) {
				const char *from = corners[i ^ (bits >> 2)][k ^ (bits >> 1 & 1)];

				w->path.server = addr(corners[i][k]);
				/* the other bits mean nothing */
				assert_int_equal(change(w, bits | (k ? 0xfffffff9 : 0)), 0);
				assert_true(is(&w->out_path.server, from));
				public_of(text, from);
				assert_true(is(&w->reply.origin, text));
				public_of(text, corners[!i][!k]);
				assert_true(is(&w->reply.other, text));
				assert_true(address_equal(&w->reply.mapped, &w->path.client));
				assert_true(address_equal(&w->reply.plain_mapped,
							  &w->path.client));
			}
		}
	}
}

static void plain_request(void **state)
{
	struct world *w = *state;

	discovery(w);
	begin(w, STUN_BINDING);
	assert_int_equal(ask_plain(w), 0);
	assert_true(is(&w->out_path.server, corners[0][0]));
	assert_true(is(&w->reply.origin, "203.0.113.1:3478"));
	assert_true(is(&w->reply.other, "203.0.113.2:3479"));
	/* nothing of it elsewhere */
	assert_int_equal(allocate(w), 0);
	assert_false(w->reply.has & (STUN_BIT(RESPONSE_ORIGIN) | STUN_BIT(OTHER_ADDRESS) |
				     STUN_BIT(MAPPED_ADDRESS)));
}

static void assert_unknown(struct world *w, uint16_t type)
{
	const uint8_t want[] = { 0, 0x0a, 0, 2, (uint8_t)(type >> 8), (uint8_t)type };

	assert_true(w->reply.has & STUN_BIT(UNKNOWN_ATTRIBUTES));
	assert_non_null(memmem(w->out, w->out_len, want, sizeof(want)));
	assert_false(w->reply.has & (STUN_BIT(RESPONSE_ORIGIN) | STUN_BIT(OTHER_ADDRESS)));
}

/* "MUST NOT include an OTHER-ADDRESS attribute ... and MUST respond with a 420" */
static void no_second_address(void **state)
{
	struct world *w = *state;

	discovery(w);
	w->path.server = addr("192.0.2.3:3478");
	begin(w, STUN_BINDING);
	assert_int_equal(ask_plain(w), 0);
	assert_true(is(&w->reply.origin, "192.0.2.3:3478"));
	assert_false(w->reply.has & STUN_BIT(OTHER_ADDRESS));
	assert_int_equal(change(w, 0), 420);
	assert_unknown(w, STUN_T_CHANGE_REQUEST);
	/* section 5: the rest works "where servers do not have multiple IP addresses" */
	begin(w, STUN_BINDING);
	attr_len(w, STUN_T_PADDING, 100);
	assert_int_equal(ask_plain(w), 0);
	assert_int_equal(w->reply.padding.len, 100);
}

static void streams(void **state)
{
	struct world *w = *state;

	discovery(w);
	w->path.transport = IPPROTO_TCP;
	assert_int_equal(change(w, 2), 420);
	assert_unknown(w, STUN_T_CHANGE_REQUEST);
	begin(w, STUN_BINDING);
	attr_len(w, STUN_T_PADDING, 8);
	assert_int_equal(ask_plain(w), 420);
	assert_unknown(w, STUN_T_PADDING);
	/* mapping can be tested: section 3.1 */
	begin(w, STUN_BINDING);
	assert_int_equal(ask_plain(w), 0);
	assert_true(is(&w->reply.other, "203.0.113.2:3479"));
}

static int respond_to(struct world *w, uint16_t port, bool padding)
{
	const uint8_t value[4] = { (uint8_t)(port >> 8), (uint8_t)port };

	begin(w, STUN_BINDING);
	attr(w, STUN_T_RESPONSE_PORT, value, padding ? 2 : 4);
	if (padding)
		attr_len(w, STUN_T_PADDING, 4);
	return ask_plain(w);
}

static void response_port(void **state)
{
	struct world *w = *state;

	discovery(w);
	w->answer_port = htons(9999);
	assert_int_equal(respond_to(w, 9999, false), 0);
	assert_true(address_equal(&w->reply.mapped, &w->path.client));
	/* and errors to where the request came from */
	w->answer_port = 0;
	assert_int_equal(respond_to(w, 9999, true), 400);
	assert_int_equal(respond_to(w, 0, false), 400);
	begin(w, STUN_BINDING);
	attr_len(w, STUN_T_RESPONSE_PORT, 1);
	assert_int_equal(ask_plain(w), 400);
	/* not to ourselves */
	w->path.client = w->own[0];
	w->path.client.port = htons(5000);
	assert_int_equal(respond_to(w, ntohs(w->own[0].port), false), 403);
}

/* RFC 5780 section 6.1; never larger than what asked for it. */
static void padding(void **state)
{
	static const struct {
		size_t asked, got;
	} cases[] = { { 0, 0 }, { 1, 4 }, { 1472, 1472 }, { 1500, 1500 }, { 1501, 1500 },
		      { 60000, 1500 } };
	struct world *w = *state;
	size_t i;

	discovery(w);
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		begin(w, STUN_BINDING);
		attr_len(w, STUN_T_PADDING, cases[i].asked);
		assert_int_equal(ask_plain(w), 0);
		assert_true(w->reply.has & STUN_BIT(PADDING));
		assert_int_equal(w->reply.padding.len, cases[i].got);
	}
}

/* Sections 3.1 and 4.3 are for connections, too: the answer goes by the one that asked. */
static void by_connection(void **state)
{
	static const uint8_t transports[] = {
		IPPROTO_TCP, IPPROTO_TCP | TURN_SECURE, IPPROTO_UDP | TURN_SECURE,
	};
	struct world *w = *state;
	unsigned int i;

	discovery(w);
	for (i = 0; i < sizeof(transports); i++) {
		w->path.transport = transports[i];
		begin(w, STUN_BINDING);
		assert_int_equal(ask_plain(w), 0);
		assert_int_equal(w->out_path.transport, transports[i]);
		assert_true(is(&w->reply.origin, "203.0.113.1:3478"));
		assert_true(is(&w->reply.other, "203.0.113.2:3479"));
		assert_int_equal(change(w, 0), 420);
		assert_int_equal(w->out_path.transport, transports[i]);
	}
}

static void other_methods(void **state)
{
	struct world *w = *state;

	/* off: unknown everywhere; on: known and not expected (A31) */
	allocate_begin(w);
	stun_put_u32(&w->w, STUN_T_CHANGE_REQUEST, 6);
	assert_int_equal(ask(w), 420);
	discovery(w);
	allocate_begin(w);
	stun_put_u32(&w->w, STUN_T_CHANGE_REQUEST, 6);
	assert_int_equal(ask(w), 0);
	assert_true(is(&w->out_path.server, corners[0][0]));
}

/* ------------------------------------------------------------ RFC 3489 */

#define CLASSIC_ID	"0123456789abcdef"

/* A message of RFC 3489 from what was begun. -1: no answer, 0 or the code. */
static int ask_classic(struct world *w)
{
	unsigned int before = w->n_client;

	memcpy(w->buf + 4, CLASSIC_ID, 16);
	w->reason = turn_from_client(w->server, &w->path, w->buf, w->w.len, w->now);
	if (w->n_client == before)
		return -1;
	assert_memory_equal(w->out + 4, CLASSIC_ID, 16);
	assert_int_equal(stun_parse_classic(&w->reply, w->out, w->out_len), STUN_OK);
	assert_true(address_equal(&w->out_path.client, &w->path.client));
	assert_int_equal(w->reason, w->reply.class == STUN_SUCCESS ? TP_R_STUN_SUCCESS :
								    TP_R_STUN_ERROR);
	return w->reply.class == STUN_SUCCESS ? 0 : w->reply.error;
}

static bool names(const struct world *w, uint16_t type, const char *text)
{
	struct tp_addr a = addr(text);
	uint8_t want[12] = { (uint8_t)(type >> 8), (uint8_t)type, 0, 8, 0, 1 };

	memcpy(want + 6, &a.port, 2);
	memcpy(want + 8, a.ip, 4);
	return memmem(w->out, w->out_len, want, sizeof(want));
}

static void classic_off(void **state)
{
	struct world *w = *state;

	begin(w, STUN_BINDING);
	assert_int_equal(ask_classic(w), -1);
	assert_int_equal(w->reason, TP_R_BAD_STUN);
}

static void classic_alone(void **state)
{
	struct world *w = *state;

	w->conf.classic = true;
	w->conf.fingerprint = true;
	begin(w, STUN_BINDING);
	assert_int_equal(ask_classic(w), 0);
	/* MAPPED-ADDRESS and nothing else */
	assert_int_equal(w->out_len, 20 + 12);
	assert_true(address_equal(&w->reply.plain_mapped, &w->path.client));
	begin(w, STUN_BINDING);
	stun_put_u32(&w->w, STUN_T_CHANGE_REQUEST, 0);
	assert_int_equal(ask_classic(w), 420);
	/* section 11.2.10: twice, to make the number even */
	assert_non_null(memmem(w->out, w->out_len, "\0\x0a\0\4\0\3\0\3", 8));
	begin(w, STUN_BINDING);
	attr_len(w, 0x7ff0, 4);
	attr_len(w, 0x7ff1, 4);
	attr_len(w, 0xfff0, 4);
	assert_int_equal(ask_classic(w), 420);
	assert_non_null(memmem(w->out, w->out_len, "\0\x0a\0\4\x7f\xf0\x7f\xf1", 8));
	/* what is modern stays so */
	w->conf.fingerprint = false;
	begin(w, STUN_BINDING);
	assert_int_equal(ask_plain(w), 0);
	assert_int_equal(w->out_len, 32);
	w->conf.mapped_address = true;
	begin(w, STUN_BINDING);
	assert_int_equal(ask_plain(w), 0);
	assert_true(address_equal(&w->reply.plain_mapped, &w->reply.mapped));
}

static void classic_changes(void **state)
{
	struct world *w = *state;
	unsigned int bits;
	char text[32];

	discovery(w);
	w->conf.classic = true;
	for (bits = 0; bits < 8; bits += 2) {
		const char *from = corners[bits >> 2][bits >> 1 & 1];

		begin(w, STUN_BINDING);
		stun_put_u32(&w->w, STUN_T_CHANGE_REQUEST, bits);
		assert_int_equal(ask_classic(w), 0);
		assert_true(is(&w->out_path.server, from));
		public_of(text, from);
		assert_true(names(w, STUN_T_SOURCE_ADDRESS, text));
		assert_true(names(w, STUN_T_CHANGED_ADDRESS, "203.0.113.2:3479"));
		assert_true(names(w, STUN_T_MAPPED_ADDRESS, "198.51.100.7:5000"));
		assert_int_equal(w->out_len, 20 + 3 * 12);
	}
	/* RFC 5780's own are not of that time */
	begin(w, STUN_BINDING);
	attr_len(w, STUN_T_PADDING, 4);
	assert_int_equal(ask_classic(w), 420);
}

static void classic_ignored(void **state)
{
	static const uint8_t victim[8] = { 0, 1, 0, 80, 9, 9, 9, 9 };
	struct world *w = *state;
	size_t len;

	discovery(w);
	w->conf.classic = true;
	begin(w, STUN_BINDING);
	attr(w, 0x0002, victim, 8);				/* H24 */
	assert_int_equal(ask_classic(w), -1);
	begin_class(w, STUN_BINDING, STUN_INDICATION);
	assert_int_equal(ask_classic(w), -1);
	begin_class(w, STUN_BINDING, STUN_SUCCESS);
	assert_int_equal(ask_classic(w), -1);
	begin(w, TURN_ALLOCATE);
	assert_int_equal(ask_classic(w), -1);
	begin(w, 0x002);					/* Shared Secret */
	assert_int_equal(ask_classic(w), -1);
	begin(w, STUN_BINDING);
	attr_len(w, STUN_T_CHANGE_REQUEST, 3);
	assert_int_equal(ask_classic(w), -1);
	for (len = 1; len < 20; len++) {
		begin(w, STUN_BINDING);
		w->w.len = len;
		assert_int_equal(ask_classic(w), -1);
	}
	w->path.client = w->own[0];
	begin(w, STUN_BINDING);
	assert_int_equal(ask_classic(w), -1);
	client(w, "198.51.100.7:5000");
	w->path.transport = IPPROTO_TCP;
	begin(w, STUN_BINDING);
	assert_int_equal(ask_classic(w), -1);
	w->path.transport = IPPROTO_UDP;
	w->conf.no_stun = true;
	begin(w, STUN_BINDING);
	assert_int_equal(ask_classic(w), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(table_1), T(plain_request), T(no_second_address), T(streams), T(response_port),
		T(padding), T(other_methods), T(by_connection), T(classic_off), T(classic_alone),
		T(classic_changes), T(classic_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
