// SPDX-License-Identifier: MIT
/*
 * Random dialogues of a few clients, peers and channels, with the clock moving
 * between them, against a model that knows the RFC's timers and nothing else.
 */
#include "turn_harness.h"

#define CLIENTS	4
#define IPS	5
#define PORTS	3
#define NUMBERS	6
#define STEPS	60000

struct model_chan {
	unsigned int ip, port;
	uint64_t until;
};

struct model {
	uint64_t alive;			/* until; 0 none */
	uint64_t perm[IPS];
	struct model_chan chan[NUMBERS];
	struct turn_relay *relay;
};

/* How often each outcome came up: a walk that never gets there proves nothing. */
static unsigned int seen[TP_R_MAX];

static uint32_t draw(struct world *w, uint32_t n)
{
	uint32_t r;

	host_random(w, &r, sizeof(r));
	return (uint32_t)((uint64_t)r * n >> 32);
}

static void peer_text(char *out, size_t size, unsigned int ip, unsigned int port)
{
	snprintf(out, size, "9.9.9.%u:%u", ip + 1, port + 1);
}

static bool alive(struct world *w, struct model *m)
{
	if (m->alive && m->alive <= w->now.mono_ns)
		memset(m, 0, sizeof(*m));
	return m->alive;
}

static void step_allocate(struct world *w, struct model *m)
{
	bool was = alive(w, m);
	int code = allocate(w);

	assert_int_equal(code, was ? 437 : 0);
	if (code)
		return;
	m->alive = w->now.mono_ns + 600 * S;
	m->relay = w->relay[0];
}

static void step_refresh(struct world *w, struct model *m)
{
	static const uint32_t lifetimes[] = { 0, 600, 700, 3600 };
	uint32_t lifetime = lifetimes[draw(w, 4)];
	bool was = alive(w, m);

	if (!lifetime && draw(w, 3))
		lifetime = 600;
	assert_int_equal(refresh(w, lifetime), was ? 0 : 437);
	if (was && lifetime)
		m->alive = w->now.mono_ns + lifetime * S;
	else if (was)
		memset(m, 0, sizeof(*m));
}

static void step_permit(struct world *w, struct model *m)
{
	unsigned int ip = draw(w, IPS);
	char peer[32];

	peer_text(peer, sizeof(peer), ip, draw(w, PORTS));
	assert_int_equal(permit(w, peer), alive(w, m) ? 0 : 437);
	if (m->alive)
		m->perm[ip] = w->now.mono_ns + 300 * S;
}

static void step_bind(struct world *w, struct model *m)
{
	unsigned int ip = draw(w, IPS), port = draw(w, PORTS), number = draw(w, NUMBERS), i;
	uint64_t now = w->now.mono_ns;
	int expected = alive(w, m) ? 0 : 437;
	char peer[32];

	for (i = 0; i < NUMBERS && m->alive; i++) {
		const struct model_chan *c = &m->chan[i];

		if (c->until > now && (i == number) != (c->ip == ip && c->port == port))
			expected = 400;
	}
	peer_text(peer, sizeof(peer), ip, port);
	assert_int_equal(bind_channel(w, (uint16_t)(0x4000 + number), peer), expected);
	if (expected)
		return;
	m->chan[number] = (struct model_chan){ ip, port, now + 600 * S };
	m->perm[ip] = now + 300 * S;
}

static void step_up(struct world *w, struct model *m)
{
	unsigned int number = draw(w, NUMBERS), ip = draw(w, IPS);
	const struct model_chan *c = &m->chan[number];
	uint64_t now = w->now.mono_ns;
	char peer[32];

	if (draw(w, 2)) {
		peer_text(peer, sizeof(peer), ip, 0);
		assert_int_equal(send_data(w, peer, "up"),
				 !alive(w, m) ? TP_R_NO_ALLOCATION :
				 m->perm[ip] > now ? TP_R_USER_TO_PEER : TP_R_NO_PERMISSION);
		seen[w->reason]++;
		return;
	}
	assert_int_equal(send_channel(w, (uint16_t)(0x4000 + number), "up"),
			 !alive(w, m) ? TP_R_NO_ALLOCATION :
			 c->until <= now ? TP_R_NO_CHANNEL :
			 m->perm[c->ip] > now ? TP_R_USER_TO_PEER : TP_R_NO_PERMISSION);
	seen[w->reason]++;
	if (w->reason != TP_R_USER_TO_PEER)
		return;
	peer_text(peer, sizeof(peer), c->ip, c->port);
	assert_peer_got(w, peer, "up");
	assert_true(address_equal(&w->peer_from, &m->relay->local));
}

static void step_down(struct world *w, struct model *m)
{
	unsigned int ip = draw(w, IPS), port = draw(w, PORTS), i;
	uint64_t now = w->now.mono_ns;
	unsigned int number = 0;
	struct tp_addr from;
	char peer[32];
	bool open;

	if (!alive(w, m))
		return;
	peer_text(peer, sizeof(peer), ip, port);
	from = addr(peer);
	for (i = 0; i < NUMBERS; i++) {
		const struct model_chan *c = &m->chan[i];

		if (c->until > now && c->ip == ip && c->port == port)
			number = 0x4000 + i;
	}
	open = m->perm[ip] > now;
	assert_int_equal(turn_from_peer(w->server, m->relay, &from, (const uint8_t *)"d", 1,
					w->now),
			 open ? TP_R_USER_TO_CLIENT : TP_R_NO_PERMISSION);
	seen[TP_R_USER_TO_CLIENT] += open;
	if (!open)
		return;
	assert_true(address_equal(&w->out_path.client, &w->path.client));
	assert_int_equal(w->out[0] << 8 | w->out[1], number ? number : 0x0017);
}

/* Sometimes every expiry has its tick, sometimes none has. */
static void step_time(struct world *w)
{
	static const uint64_t steps[] = { MS, S, 10 * S, 100 * S };
	uint64_t ns = steps[draw(w, 4)] * (1 + draw(w, 9)) / 3;

	if (draw(w, 2))
		pass(w, ns);
	else
		w->now.mono_ns += ns;
}

static void check_live(struct world *w, struct model *all)
{
	unsigned int i, allocs = 0, k, chans = 0;

	while (turn_tick(w->server, w->now) <= w->now.mono_ns)
		;
	for (i = 0; i < CLIENTS; i++) {
		allocs += alive(w, &all[i]);
		for (k = 0; k < NUMBERS; k++)
			chans += all[i].chan[k].until > w->now.mono_ns;
	}
	assert_int_equal(w->allocs, allocs);
	assert_int_equal(w->chans, chans);
	assert_int_equal(turn_shared_allocations(w->shared), allocs);
}

static void random_walk(struct world *w, uint64_t seed)
{
	struct model all[CLIENTS] = { 0 };
	unsigned int step;
	char from[32];

	memset(seen, 0, sizeof(seen));
	w->conf.stale_nonce_s = 0;
	w->seed = seed;
	print_message("# seed %llu\n", (unsigned long long)seed);
	for (step = 0; step < STEPS; step++) {
		unsigned int who = draw(w, CLIENTS);
		struct model *m = &all[who];

		snprintf(from, sizeof(from), "198.51.100.7:%u", 5000 + who);
		client(w, from);
		challenge(w);
		switch (draw(w, 16)) {
		case 0: step_allocate(w, m); break;
		case 1: step_refresh(w, m); break;
		case 2: step_permit(w, m); break;
		case 3: case 4: step_bind(w, m); break;
		case 5: step_time(w); break;
		case 6: check_live(w, all); break;
		case 7: case 8: case 9: case 10: step_up(w, m); break;
		default: step_down(w, m); break;
		}
	}
	check_live(w, all);
	assert_true(seen[TP_R_USER_TO_PEER] > 1000);
	assert_true(seen[TP_R_USER_TO_CLIENT] > 1000);
	assert_true(seen[TP_R_NO_PERMISSION] > 100);
	assert_true(seen[TP_R_NO_CHANNEL] > 100);
	assert_true(seen[TP_R_NO_ALLOCATION] > 100);
}

static void walk_1(void **state)
{
	random_walk(*state, 1);
}

static void walk_2(void **state)
{
	random_walk(*state, 20260726);
}

int main(void)
{
	const struct CMUnitTest tests[] = { T(walk_1), T(walk_2) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
