// SPDX-License-Identifier: MIT
/* Two workers at once share ports, quotas and reservations. */
#include <pthread.h>
#include "turn_harness.h"

#define ROUNDS	4000
#define PORTS	64

/* Which worker has the socket of a port; two at once would be the fault. */
static unsigned int owner[PORTS_TRACKED];
static unsigned int clashes;
static uint64_t clock_ns = 2000 * S;	/* of both */

static int owning_open(void *ctx, struct turn_relay *r)
{
	if (__atomic_exchange_n(&owner[ntohs(r->local.port)], 1, __ATOMIC_ACQ_REL))
		__atomic_fetch_add(&clashes, 1, __ATOMIC_RELAXED);
	return host_relay_open(ctx, r);
}

static void owning_close(void *ctx, struct turn_relay *r)
{
	__atomic_store_n(&owner[ntohs(r->local.port)], 0, __ATOMIC_RELEASE);
	host_relay_close(ctx, r);
}

/* Nothing here asserts what may differ from run to run: assertions belong to
 * the main thread. */
static void *work(void *arg)
{
	struct world *w = arg;
	unsigned int i, j;
	char from[32];

	for (i = 0; i < ROUNDS / 10; i++) {
		w->now.mono_ns = __atomic_add_fetch(&clock_ns, 61 * S, __ATOMIC_RELAXED);
		for (j = 0; j < 10; j++) {
			uint8_t pair = j & 1 ? 0x80 : 0;

			snprintf(from, sizeof(from), "198.51.100.7:%u", 5000 + j);
			client(w, from);
			allocate_begin(w);
			attr(w, STUN_T_EVEN_PORT, &pair, 1);
			ask_signed(w);
		}
		for (j = 0; j < 10; j++) {
			snprintf(from, sizeof(from), "198.51.100.7:%u", 5000 + j);
			client(w, from);
			challenge(w);
			begin(w, TURN_REFRESH);
			stun_put_u32(&w->w, STUN_T_LIFETIME, 0);
			ask_signed(w);
		}
		memset(w->port_until, 0, sizeof(w->port_until));
	}
	return NULL;
}

static void workers_share(void **state)
{
	struct world *w = *state;
	struct world *other = malloc(sizeof(*other));
	struct turn_host host = fake_host;
	pthread_t thread;

	host.relay_open = owning_open;
	host.relay_close = owning_close;
	w->conf.min_port = 50000;
	w->conf.max_port = 50000 + PORTS - 1;
	w->conf.user_quota = 15;
	world_start(w);
	turn_server_free(w->server);
	w->server = turn_server_new(&w->conf, w->shared, &host, w);
	memcpy(other, w, sizeof(*other));
	other->seed = 99;
	other->path.server = addr("192.0.2.1:3479");
	other->server = turn_server_new(&w->conf, w->shared, &host, other);
	assert_int_equal(pthread_create(&thread, NULL, work, other), 0);
	work(w);
	pthread_join(thread, NULL);
	assert_int_equal(clashes, 0);
	assert_int_equal(w->allocs, 0);
	assert_int_equal(other->allocs, 0);
	assert_int_equal(turn_shared_allocations(w->shared), 0);
	/* each did get something */
	assert_in_range(w->allocs_kept, ROUNDS / 10, ROUNDS * 2);
	assert_in_range(other->allocs_kept, ROUNDS / 10, ROUNDS * 2);
	turn_server_free(other->server);
	free(other);
	memset(w->port_until, 0, sizeof(w->port_until));
	w->now.mono_ns = clock_ns;		/* the later of both */
	pass(w, 100 * S);
	assert_int_equal(turn_shared_ports(w->shared), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { T(workers_share) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
