// SPDX-License-Identifier: MIT
/* Whose datagrams come from a proxy's port. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "address.h"
#include "proxied.h"

#define S	1000000000ULL
#define KEEP	(60 * S)
#define MOST	100

struct world {
	struct proxied *table;
	uint64_t now_ns;
	struct tp_addr before;		/* as proxied_named() said last */
	uint16_t busy_from, busy_to;	/* clients by these ports, host order, have an allocation */
};

static struct tp_addr addr(const char *text)
{
	struct tp_addr a;

	assert_true(address_parse_port(&a, text));
	return a;
}

static bool is_busy(void *ctx, const struct proxied_port *port, const struct tp_addr *client)
{
	const struct world *w = ctx;
	uint16_t at = (uint16_t)(client->port << 8 | client->port >> 8);

	assert_int_equal(port->server.family, 4);
	return at >= w->busy_from && at < w->busy_to;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct proxied_host host = { .needed = is_busy, .ctx = w, .most = MOST };

	assert_non_null(w);
	w->now_ns = 1000 * S;
	w->table = proxied_new(&host);
	assert_non_null(w->table);
	proxied_keep(w->table, KEEP);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	proxied_free(w->table);
	free(w);
	return 0;
}

static struct proxied_port port_of(unsigned int number)
{
	struct proxied_port port = { .proxy = addr("10.0.0.1:1"), .server = addr("10.0.0.9:4000") };

	port.proxy.port = (uint16_t)number;
	return port;
}

static int named(struct world *w, unsigned int port, const char *client)
{
	struct proxied_port p = port_of(port);
	struct tp_addr c = addr(client);

	return proxied_named(w->table, &p, &c, w->now_ns, &w->before);
}

/* Who it is, NULL for nobody. */
static const char *client_at(struct world *w, unsigned int port)
{
	static char text[ADDRESS_TEXT];
	struct proxied_port p = port_of(port);
	const struct tp_addr *c = proxied_client(w->table, &p, w->now_ns);

	return c ? address_text(c, text) : NULL;
}

static void first_header_counts_for_the_rest(void **state)
{
	struct world *w = *state;
	struct proxied_port other = port_of(1);

	assert_null(client_at(w, 1));
	assert_int_equal(named(w, 1, "8.8.8.8:8"), 0);
	assert_int_equal(named(w, 2, "[2a00::1]:8"), 0);
	assert_string_equal(client_at(w, 1), "8.8.8.8:8");
	assert_string_equal(client_at(w, 2), "[2a00::1]:8");
	assert_null(client_at(w, 3));
	other.server = addr("10.0.0.8:4000");
	assert_null(proxied_client(w->table, &other, w->now_ns));
	other = port_of(1);
	other.proxy.ip[3] = 2;
	assert_null(proxied_client(w->table, &other, w->now_ns));
	/* every datagram makes it last longer, with or without a header */
	w->now_ns += KEEP - 1;
	assert_string_equal(client_at(w, 1), "8.8.8.8:8");
	assert_int_equal(named(w, 2, "[2a00::1]:8"), 0);
	w->now_ns += KEEP - 1;
	assert_string_equal(client_at(w, 1), "8.8.8.8:8");
	assert_string_equal(client_at(w, 2), "[2a00::1]:8");
	w->now_ns += KEEP;
	assert_null(client_at(w, 1));
	assert_null(client_at(w, 2));
}

/* What a client puts before its second datagram, where the proxy has none there. */
static void no_lies_while_it_is_in_use(void **state)
{
	struct world *w = *state;

	assert_int_equal(named(w, 1, "8.8.8.8:8"), 0);
	assert_int_equal(named(w, 1, "8.8.8.8:9"), -EBUSY);
	assert_int_equal(named(w, 1, "8.8.8.9:8"), -EBUSY);
	assert_int_equal(named(w, 1, "[::8.8.8.8]:8"), -EBUSY);
	w->now_ns += KEEP - 1;
	/* and what is refused does not make it last */
	assert_int_equal(named(w, 1, "8.8.8.9:8"), -EBUSY);
	assert_string_equal(client_at(w, 1), "8.8.8.8:8");
	w->now_ns += KEEP - 1;
	assert_int_equal(named(w, 1, "8.8.8.9:8"), -EBUSY);
	w->now_ns++;
	assert_int_equal(named(w, 1, "8.8.8.9:8"), 1);
	assert_string_equal(address_text(&w->before, (char[ADDRESS_TEXT]){ 0 }), "8.8.8.8:8");
	assert_string_equal(client_at(w, 1), "8.8.8.9:8");
}

static void headers_on_every_datagram(void **state)
{
	struct world *w = *state;

	proxied_keep(w->table, 0);
	assert_int_equal(named(w, 1, "8.8.8.8:8"), 0);
	assert_null(client_at(w, 1));
	assert_int_equal(named(w, 1, "8.8.8.8:8"), 0);
	assert_int_equal(named(w, 1, "8.8.8.9:8"), 1);
	w->busy_from = 8;
	w->busy_to = 9;
	assert_null(client_at(w, 1));
	/* a reload */
	proxied_keep(w->table, KEEP);
	assert_string_equal(client_at(w, 1), "8.8.8.9:8");
}

/* Peers may talk for long while the client is silent. */
static void what_has_an_allocation_stays(void **state)
{
	struct world *w = *state;

	w->busy_from = 8;
	w->busy_to = 9;
	assert_int_equal(named(w, 1, "8.8.8.8:8"), 0);
	assert_int_equal(named(w, 2, "8.8.8.8:9"), 0);
	for (int i = 0; i < 5; i++) {
		w->now_ns += KEEP;
		proxied_sweep(w->table, w->now_ns);
		assert_int_equal(proxied_count(w->table), 1);
	}
	assert_string_equal(client_at(w, 1), "8.8.8.8:8");
	w->now_ns += KEEP - 1;
	w->busy_to = 8;
	proxied_sweep(w->table, w->now_ns);
	assert_int_equal(proxied_count(w->table), 1);
	w->now_ns += 2 * KEEP;
	proxied_sweep(w->table, w->now_ns);
	assert_int_equal(proxied_count(w->table), 0);
}

static void room_is_for_those_with_an_allocation(void **state)
{
	struct world *w = *state;
	char text[32];

	w->busy_from = 1000;
	w->busy_to = 1000 + MOST;
	for (unsigned int i = 0; i <= 10 * (MOST - 1); i++) {
		/* one with an allocation, nine strangers */
		snprintf(text, sizeof(text), "8.8.8.8:%u", i % 10 ? 5000 + i : 1000 + i / 10);
		assert_int_equal(named(w, i, text), 0);
		assert_string_equal(client_at(w, i), text);
		assert_true(proxied_count(w->table) <= MOST);
	}
	for (unsigned int i = 0; i < MOST; i++) {
		snprintf(text, sizeof(text), "8.8.8.8:%u", 1000 + i);
		assert_string_equal(client_at(w, 10 * i), text);
	}
	/* full of them: a stranger is served as long as it has headers */
	assert_int_equal(named(w, 9999, "8.8.8.8:7"), 0);
	assert_null(client_at(w, 9999));
	assert_int_equal(proxied_count(w->table), MOST);
	w->now_ns += 2 * KEEP;
	w->busy_to = w->busy_from;
	proxied_sweep(w->table, w->now_ns);
	assert_int_equal(proxied_count(w->table), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(first_header_counts_for_the_rest),
		T(no_lies_while_it_is_in_use),
		T(headers_on_every_datagram),
		T(what_has_an_allocation_stays),
		T(room_is_for_those_with_an_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
