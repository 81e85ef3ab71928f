/* SPDX-License-Identifier: MIT */
/* A client with a ticket (RFC 8016), on top of turn_harness.h. */
#ifndef TEST_TURN_MOBILE_H
#define TEST_TURN_MOBILE_H

#include "turn_harness.h"

#define HOME	"198.51.100.7:5000"
#define AWAY	"203.0.113.9:6000"
#define FAR	"203.0.113.10:6000"
#define PEER	"9.9.9.1:1000"

struct ticket {
	uint8_t bytes[64];
	size_t len;
};

static inline struct ticket got(const struct world *w)
{
	struct ticket t = { .len = w->reply.ticket.len };

	assert_true(w->reply.has & STUN_BIT(MOBILITY_TICKET));
	assert_int_equal(t.len, TURN_TICKET_LEN);
	memcpy(t.bytes, w->reply.ticket.p, t.len);
	return t;
}

static inline bool same(const struct ticket *a, const struct ticket *b)
{
	return !memcmp(a->bytes, b->bytes, a->len);
}

static inline int allocate_mobile(struct world *w)
{
	allocate_begin(w);
	attr_len(w, STUN_T_MOBILITY_TICKET, 0);
	return ask(w);
}

/* An allocation with a permission and a channel. */
static inline struct ticket start(struct world *w)
{
	struct ticket t;

	w->conf.mobility = true;
	assert_int_equal(allocate_mobile(w), 0);
	t = got(w);
	assert_int_equal(bind_channel(w, 0x4000, PEER), 0);
	assert_int_equal(permit(w, "9.9.9.2"), 0);
	return t;
}

static inline void resume_begin(struct world *w, const struct ticket *t)
{
	if (!w->nonce_len)
		challenge(w);
	begin(w, TURN_REFRESH);
	attr(w, STUN_T_MOBILITY_TICKET, t->bytes, t->len);
}

static inline int resume(struct world *w, const struct ticket *t)
{
	resume_begin(w, t);
	return ask(w);
}

/* Its own user's, and only where the configuration has mobility. */
static inline void assert_needs_owner(struct world *w, const struct ticket *t)
{
	w->user = "bob";
	w->password = "builder";
	assert_int_equal(resume(w, t), 441);
	w->user = "alice";
	w->password = "wonder";
	w->conf.mobility = false;
	assert_int_equal(resume(w, t), 405);
	w->conf.mobility = true;
}

static inline void go(struct world *w, const char *to)
{
	client(w, to);
	challenge(w);
}

#endif
