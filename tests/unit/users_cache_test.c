// SPDX-License-Identifier: MIT
/* What workers and the database's thread see of the cache, with a clock of the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "users/cache.h"

#define S	TURN_NS_PER_S

static struct cache *cache;
static struct lookup batch[CACHE_QUEUE_MAX + 1];
static struct turn_credential got;
static uint64_t now;

static int setup(void **state)
{
	(void)state;
	now = 1000 * S;
	cache = cache_new();
	return !cache;
}

static int teardown(void **state)
{
	(void)state;
	cache_free(cache);
	return 0;
}

static struct stun_bytes text(const char *s)
{
	return (struct stun_bytes){ (const uint8_t *)s, strlen(s) };
}

static enum turn_answer ask_full(const char *realm, const char *name, bool look_up, bool lasting)
{
	struct turn_question q = {
		.kind = TURN_ASK_USER, .realm = text(realm), .name = text(name),
		.look_up = look_up, .lasting = lasting, .now_ns = now,
	};

	memset(&got, 0, sizeof(got));
	return cache_ask(cache, &q, &got);
}

static enum turn_answer ask(const char *name)
{
	return ask_full("lab", name, true, false);
}

static unsigned int take(void)
{
	return cache_take(cache, batch, CACHE_QUEUE_MAX + 1, 0);
}

static void answer(unsigned int i, bool found, uint8_t key)
{
	batch[i].found = found;
	memset(batch[i].credential.md5_key, key, 16);
	cache_answer(cache, &batch[i], now);
}

static void learn(const char *name, uint8_t key)
{
	assert_int_equal(ask(name), TURN_PENDING);
	assert_int_equal(take(), 1);
	answer(0, true, key);
}

static void a_lookup_and_its_answer(void **state)
{
	(void)state;
	assert_int_equal(ask_full("lab", "bob", false, false), TURN_UNASKED);
	assert_int_equal(take(), 0);
	assert_int_equal(ask("bob"), TURN_PENDING);
	assert_int_equal(ask("bob"), TURN_PENDING);
	assert_int_equal(ask("carol"), TURN_PENDING);
	assert_int_equal(take(), 2);
	assert_string_equal(batch[0].name, "bob");
	assert_string_equal(batch[0].realm, "lab");
	assert_int_equal(take(), 0);
	answer(0, true, 7);
	answer(1, false, 0);
	assert_int_equal(ask_full("lab", "bob", false, false), TURN_FOUND);
	assert_int_equal(got.md5_key[15], 7);
	assert_int_equal(ask("carol"), TURN_NOBODY);
}

/* Realm and name are apart, and kinds are. */
static void names_are_not_mixed_up(void **state)
{
	struct turn_question q = { .kind = TURN_ASK_TOKEN_KEY, .name = text("bob"),
				   .now_ns = now };

	(void)state;
	learn("bob", 1);
	assert_int_equal(ask_full("la", "bbob", false, false), TURN_UNASKED);
	assert_int_equal(ask_full("", "bob", false, false), TURN_UNASKED);
	assert_int_equal(cache_ask(cache, &q, &got), TURN_UNASKED);
	assert_int_equal(ask(""), TURN_NOBODY);
}

static void too_long_a_name_is_nobody(void **state)
{
	char name[CACHE_NAME_MAX + 2];

	(void)state;
	memset(name, 'x', sizeof(name));
	name[CACHE_NAME_MAX + 1] = 0;
	assert_int_equal(ask(name), TURN_NOBODY);
	name[CACHE_NAME_MAX] = 0;
	assert_int_equal(ask(name), TURN_PENDING);
}

static void known_users_never_wait(void **state)
{
	(void)state;
	learn("bob", 1);
	now += CACHE_FRESH_NS;
	assert_int_equal(ask("bob"), TURN_FOUND);	/* and is looked up again */
	assert_int_equal(take(), 1);
	now += CACHE_STALE_NS - CACHE_FRESH_NS - 1;
	answer(0, true, 2);
	assert_int_equal(ask("bob"), TURN_FOUND);
	assert_int_equal(got.md5_key[0], 2);
	now += CACHE_STALE_NS;
	assert_int_equal(ask("bob"), TURN_PENDING);	/* nobody asked for so long */
}

static void removed_users_are_out(void **state)
{
	(void)state;
	learn("bob", 1);
	now += CACHE_FRESH_NS;
	assert_int_equal(ask("bob"), TURN_FOUND);
	assert_int_equal(take(), 1);
	answer(0, false, 0);
	assert_int_equal(ask("bob"), TURN_NOBODY);
	now += CACHE_NEGATIVE_NS;
	assert_int_equal(ask_full("lab", "bob", false, false), TURN_UNASKED);
	assert_int_equal(ask("bob"), TURN_PENDING);
	assert_int_equal(take(), 1);
	answer(0, true, 3);
	assert_int_equal(ask("bob"), TURN_FOUND);
}

/* A change of the database: what was asked before it says nothing. */
static void a_change_is_seen_at_once(void **state)
{
	(void)state;
	learn("bob", 1);
	assert_int_equal(ask("carol"), TURN_PENDING);
	assert_int_equal(take(), 1);
	cache_changed(cache);
	answer(0, false, 0);
	assert_int_equal(ask("carol"), TURN_PENDING);
	assert_int_equal(ask("bob"), TURN_PENDING);
	assert_int_equal(take(), 2);
	assert_int_equal(ask("bob"), TURN_PENDING);	/* not the old key while it is asked for */
	answer(0, true, 5);
	answer(1, false, 0);
	assert_int_equal(ask("carol"), TURN_FOUND);
	assert_int_equal(ask("bob"), TURN_NOBODY);
}

static void away_and_back(void **state)
{
	(void)state;
	assert_true(cache_away(cache, now));
	cache_heard(cache, now);
	assert_false(cache_away(cache, now + CACHE_STALE_NS));
	assert_true(cache_away(cache, now + CACHE_STALE_NS + 1));
	learn("bob", 1);
	assert_int_equal(ask("dora"), TURN_PENDING);
	cache_lost(cache);
	assert_int_equal(take(), 0);
	assert_int_equal(ask("dora"), TURN_AWAY);
	assert_int_equal(ask("bob"), TURN_FOUND);
	now += CACHE_STALE_NS;
	assert_int_equal(ask("bob"), TURN_AWAY);
	assert_int_equal(ask_full("lab", "bob", true, true), TURN_FOUND);	/* who has one */
	assert_int_equal(got.md5_key[0], 1);
	now += 3600 * S;
	assert_int_equal(ask_full("lab", "bob", true, true), TURN_FOUND);
	assert_int_equal(ask_full("lab", "dora", true, true), TURN_AWAY);
	cache_heard(cache, now);
	assert_int_equal(ask("dora"), TURN_PENDING);
	assert_int_equal(ask_full("lab", "bob", true, true), TURN_PENDING);
	assert_int_equal(take(), 2);
}

/* E15: an answer that never comes. */
static void patience(void **state)
{
	(void)state;
	learn("bob", 1);
	now += CACHE_STALE_NS;
	assert_int_equal(ask("bob"), TURN_PENDING);
	assert_int_equal(ask("dora"), TURN_PENDING);
	assert_int_equal(take(), 2);
	now += CACHE_PATIENCE_NS;
	assert_int_equal(ask("dora"), TURN_PENDING);
	now++;
	assert_int_equal(ask("dora"), TURN_AWAY);
	assert_int_equal(ask("bob"), TURN_AWAY);
	assert_int_equal(ask_full("lab", "bob", true, true), TURN_FOUND);
	assert_int_equal(take(), 0);
	answer(1, true, 4);			/* late, and good */
	assert_int_equal(ask("dora"), TURN_FOUND);
}

static void the_queue_is_bounded(void **state)
{
	char name[32];
	unsigned int i;

	(void)state;
	for (i = 0; i < CACHE_QUEUE_MAX; i++) {
		snprintf(name, sizeof(name), "user%u", i);
		assert_int_equal(ask(name), TURN_PENDING);
	}
	assert_int_equal(ask("one more"), TURN_UNASKED);
	assert_int_equal(ask("user0"), TURN_PENDING);
	assert_int_equal(take(), CACHE_QUEUE_MAX);
	assert_int_equal(ask("one more"), TURN_PENDING);
}

/* Strangers' names push out each other, and no user who is there. */
static void strangers_are_bounded(void **state)
{
	char name[32];
	unsigned int i;

	(void)state;
	learn("bob", 1);
	for (i = 0; i < CACHE_OTHERS_MAX + 10; i++) {
		snprintf(name, sizeof(name), "user%u", i);
		assert_int_equal(ask(name), TURN_PENDING);
		assert_int_equal(take(), 1);
		answer(0, false, 0);
	}
	assert_int_equal(ask_full("lab", "user0", false, false), TURN_UNASKED);
	assert_int_equal(ask_full("lab", name, false, false), TURN_NOBODY);
	assert_int_equal(ask("bob"), TURN_FOUND);
}

static void known_users_are_bounded(void **state)
{
	char name[32];
	unsigned int i;

	(void)state;
	learn("bob", 1);
	learn("carol", 1);
	for (i = 0; i < CACHE_KNOWN_MAX - 1; i++) {
		snprintf(name, sizeof(name), "user%u", i);
		if (i == 100)
			assert_int_equal(ask("bob"), TURN_FOUND);
		learn(name, 1);
	}
	assert_int_equal(ask_full("lab", "carol", false, false), TURN_UNASKED);
	assert_int_equal(ask_full("lab", "bob", false, false), TURN_FOUND);
}

/* The answer to a question that had to make room is no trouble. */
static void forgotten_meanwhile(void **state)
{
	static struct lookup first;
	char name[32];
	unsigned int i;

	(void)state;
	assert_int_equal(ask("first"), TURN_PENDING);
	assert_int_equal(take(), 1);
	first = batch[0];
	for (i = 0; i < CACHE_OTHERS_MAX; i++) {
		snprintf(name, sizeof(name), "user%u", i);
		assert_int_equal(ask(name), TURN_PENDING);
		if (i % 100 == 0)
			take();
	}
	first.found = true;
	cache_answer(cache, &first, now);
	assert_int_equal(ask_full("lab", "first", false, false), TURN_UNASKED);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_lookup_and_its_answer),
		T(names_are_not_mixed_up),
		T(too_long_a_name_is_nobody),
		T(known_users_never_wait),
		T(removed_users_are_out),
		T(a_change_is_seen_at_once),
		T(away_and_back),
		T(patience),
		T(the_queue_is_bounded),
		T(strangers_are_bounded),
		T(known_users_are_bounded),
		T(forgotten_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
