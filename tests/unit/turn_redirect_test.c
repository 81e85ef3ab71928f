// SPDX-License-Identifier: MIT
/* 300 (Try Alternate) of RFC 8489 section 10, draining (G18), U34. */
#include "turn_harness.h"

static struct turn_alternate servers[8];

/* Names after a slash are domains. */
static void list(struct world *w, enum turn_alternates_for which, const char *const *texts)
{
	struct turn_alternates *l = &w->conf.alternates[which];

	l->v = &servers[2 * which];
	for (l->n = 0; *texts; texts++, l->n++) {
		l->v[l->n].addr = addr(*texts);
		l->v[l->n].domain = NULL;
	}
}

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

static bool is(const struct tp_addr *got, const char *text)
{
	struct tp_addr want = addr(text);

	return address_equal(got, &want);
}

/* How often, and where the first is. */
static unsigned int alternates(const struct world *w)
{
	const uint8_t *at = w->out + 20, *end = w->out + w->out_len;
	unsigned int n = 0;

	while (at < end) {
		n += at[0] == 0x80 && at[1] == 0x23;
		at += 4 + (((at[2] << 8 | at[3]) + 3) & ~3);
	}
	return n;
}

static void U34_only_who_authenticates(void **state)
{
	struct world *w = *state;

	list(w, ALTERNATES_ANY, LIST("203.0.113.1:3478", "203.0.113.2:3478"));
	begin(w, TURN_ALLOCATE);
	attr_u8(w, STUN_T_REQUESTED_TRANSPORT, 17);
	assert_int_equal(ask_plain(w), 401);
	assert_int_equal(alternates(w), 0);
	learn(w);
	w->password = "wrong";
	assert_int_equal(allocate(w), 401);
	w->password = "wonder";
	assert_int_equal(allocate(w), 300);
	assert_true(w->reply.has & STUN_BIT(MESSAGE_INTEGRITY));
	assert_int_equal(w->allocs, 0);
	/* nothing else is sent away */
	begin(w, STUN_BINDING);
	assert_int_equal(ask_plain(w), 0);
	assert_int_equal(refresh(w, -1), 437);
}

static void in_turn(void **state)
{
	struct world *w = *state;
	unsigned int i, first = 0;

	list(w, ALTERNATES_ANY, LIST("203.0.113.1:3478", "203.0.113.2:3479"));
	for (i = 0; i < 10; i++) {
		struct tp_addr before = w->reply.alternate;

		assert_int_equal(allocate(w), 300);
		assert_int_equal(alternates(w), 1);
		first += is(&w->reply.alternate, "203.0.113.1:3478");
		assert_false(i && address_equal(&before, &w->reply.alternate));
	}
	assert_int_equal(first, 5);
}

static void by_family(void **state)
{
	struct world *w = *state;

	list(w, ALTERNATES_ANY, LIST("[2600::1]:3478"));
	assert_int_equal(allocate(w), 0);		/* there is none for IPv4 */
	w->path.server = w->own[1];
	client(w, "[2001:db8:7::1]:5000");
	assert_int_equal(allocate(w), 300);
	assert_int_equal(alternates(w), 1);
	list(w, ALTERNATES_ANY, LIST("203.0.113.1:3478", "[2600::1]:3478"));
	assert_int_equal(allocate(w), 300);
	assert_true(is(&w->reply.alternate, "[2600::1]:3478"));	/* the first one counts */
	assert_int_equal(alternates(w), 2);
	w->path.server = w->own[0];
	client(w, "198.51.100.8:5000");
	assert_int_equal(allocate(w), 300);
	assert_true(is(&w->reply.alternate, "203.0.113.1:3478"));
	assert_int_equal(alternates(w), 2);
}

static void goes_to(struct world *w, uint8_t transport, const char *text)
{
	w->path.transport = transport;
	w->nonce_len = 0;
	if (text) {
		assert_int_equal(allocate(w), 300);
		assert_true(is(&w->reply.alternate, text));
	} else {
		assert_int_equal(allocate(w), 0);
		assert_int_equal(refresh(w, 0), 0);
	}
}

static void by_transport(void **state)
{
	struct world *w = *state;

	list(w, ALTERNATES_ANY, LIST("203.0.113.1:1"));
	goes_to(w, IPPROTO_UDP, "203.0.113.1:1");
	goes_to(w, IPPROTO_TCP, "203.0.113.1:1");
	goes_to(w, IPPROTO_TCP | TURN_SECURE, NULL);
	goes_to(w, IPPROTO_UDP | TURN_SECURE, NULL);
	list(w, ALTERNATES_UDP, LIST("203.0.113.2:2"));
	goes_to(w, IPPROTO_UDP, "203.0.113.2:2");
	goes_to(w, IPPROTO_TCP, "203.0.113.1:1");
	goes_to(w, IPPROTO_UDP | TURN_SECURE, "203.0.113.2:2");
	goes_to(w, IPPROTO_TCP | TURN_SECURE, NULL);
	list(w, ALTERNATES_TCP, LIST("203.0.113.3:3"));
	list(w, ALTERNATES_TLS, LIST("203.0.113.4:4"));
	goes_to(w, IPPROTO_UDP, "203.0.113.2:2");
	goes_to(w, IPPROTO_TCP, "203.0.113.3:3");
	goes_to(w, IPPROTO_UDP | TURN_SECURE, "203.0.113.4:4");
	goes_to(w, IPPROTO_TCP | TURN_SECURE, "203.0.113.4:4");
}

static bool domain_told(struct world *w, uint8_t transport, bool sha256)
{
	w->path.transport = transport;
	w->nonce_len = 0;
	w->sha256 = sha256;
	w->algorithm = sha256 ? STUN_ALG_SHA256 : STUN_ALG_NONE;
	assert_int_equal(allocate(w), 300);
	if (!(w->reply.has & STUN_BIT(ALTERNATE_DOMAIN)))
		return false;
	assert_int_equal(w->reply.alternate_domain.len, strlen("turn2.example.org"));
	assert_memory_equal(w->reply.alternate_domain.p, "turn2.example.org",
			    w->reply.alternate_domain.len);
	return true;
}

/* "If the transaction uses TLS or DTLS, [and] is authenticated by a MESSAGE-INTEGRITY-SHA256" */
static void domain(void **state)
{
	struct world *w = *state;
	unsigned int i;

	list(w, ALTERNATES_ANY, LIST("203.0.113.1:1"));
	list(w, ALTERNATES_TLS, LIST("203.0.113.4:4"));
	for (i = 0; i < 8; i++)
		servers[i].domain = (char *)(uintptr_t)"turn2.example.org";
	assert_true(domain_told(w, IPPROTO_TCP | TURN_SECURE, true));
	assert_true(domain_told(w, IPPROTO_UDP | TURN_SECURE, true));
	assert_false(domain_told(w, IPPROTO_TCP | TURN_SECURE, false));
	assert_false(domain_told(w, IPPROTO_TCP, true));
	servers[2 * ALTERNATES_TLS].domain = NULL;
	assert_false(domain_told(w, IPPROTO_TCP | TURN_SECURE, true));
}

static void G18_drain(void **state)
{
	struct world *w = *state;

	assert_int_equal(allocate(w), 0);
	turn_server_drain(w->server, true);
	list(w, ALTERNATES_ANY, LIST("203.0.113.1:3478"));
	/* what lives goes on, and its retransmitted Allocate is answered as before */
	assert_int_equal(refresh(w, 700), 0);
	assert_int_equal(bind_channel(w, 0x4000, "9.9.9.1:1"), 0);
	client(w, "198.51.100.8:5000");
	assert_int_equal(allocate(w), 300);
	w->conf.alternates[ALTERNATES_ANY].n = 0;
	assert_int_equal(allocate(w), 508);
	turn_server_drain(w->server, false);
	assert_int_equal(allocate(w), 0);
	assert_int_equal(w->allocs, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(U34_only_who_authenticates), T(in_turn), T(by_family), T(by_transport),
		T(domain), T(G18_drain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
