// SPDX-License-Identifier: MIT
/* The one gate for peers: P5 in every encoding, settings, and random addresses. */
#include "turn_harness.h"

/* P5, and one of each range that is refused by default; with port 9. */
static const char *const refused[] = {
	"127.0.0.1", "127.1.2.3", "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255",
	"100.64.0.1", "100.127.255.255", "172.16.0.1", "172.31.255.255", "192.0.0.1",
	"192.0.2.9", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.19.255.255",
	"198.51.100.9", "203.0.113.9", "169.254.169.254", "168.63.129.16",
	"100.100.100.200", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
	"::1", "::", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:9.9.9.9", "::9.9.9.9",
	"::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::909:909", "64:ff9b:1::7f00:1",
	"100::1", "2002:7f00:1::", "2002:909:909::1", "2001:0::1", "2001:0:909:909::1",
	"2001:db8::9", "fe80::1", "febf::1", "fec0::1", "fc00::1", "fd00:ec2::254",
	"fdff::1", "ff02::1", "ff0e::1", "::5efe:127.0.0.1", "4000::1", "8000::1",
};

static const char *const passed[] = {
	"9.9.9.9", "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
	"126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255",
	"172.32.0.0", "192.0.1.0", "192.0.3.0", "192.88.98.255", "192.88.100.0",
	"192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "203.0.112.255",
	"203.0.114.0", "223.255.255.255", "168.63.129.15", "168.63.129.17",
	"2000::1", "2001:1::1", "2001:db7::1", "2001:db9::1", "2003::1", "2600::1",
	"3fff:ffff:ffff:ffff::1",
};

static struct tp_addr peer_addr(const char *text)
{
	struct tp_addr a;

	assert_true(address_parse(&a, text));
	a.port = htons(9);
	return a;
}

/* CreatePermission, ChannelBind and Send with this peer. */
static void three_ways(struct world *w, const struct tp_addr *peer, int code)
{
	unsigned int sent = w->n_peer;
	uint16_t number = (uint16_t)(0x4000 + w->chans);

	begin(w, TURN_CREATE_PERMISSION);
	stun_put_xor_addr(&w->w, STUN_T_XOR_PEER_ADDRESS, peer);
	assert_int_equal(ask(w), code);
	begin_class(w, TURN_SEND, STUN_INDICATION);
	stun_put_xor_addr(&w->w, STUN_T_XOR_PEER_ADDRESS, peer);
	attr(w, STUN_T_DATA, "x", 1);
	assert_int_equal(ask_plain(w), -1);
	assert_int_equal(w->n_peer - sent, code ? 0 : 1);
	begin(w, TURN_CHANNEL_BIND);
	attr_channel(w, number);
	stun_put_xor_addr(&w->w, STUN_T_XOR_PEER_ADDRESS, peer);
	assert_int_equal(ask(w), code);
}

static void P5_encodings(void **state)
{
	struct world *w = *state;
	unsigned int i;

	assert_int_equal(allocate_attr(w, STUN_T_ADDITIONAL_ADDRESS_FAMILY, 2), 0);
	for (i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		struct tp_addr a = peer_addr(refused[i]);

		three_ways(w, &a, 403);
	}
	assert_int_equal(w->perms + w->chans, 0);
	for (i = 0; i < sizeof(passed) / sizeof(*passed); i++) {
		struct tp_addr a = peer_addr(passed[i]);

		three_ways(w, &a, 0);
	}
}

/* Lists of their own, as first and last address: nothing shared with acl.c. */
static const char *const oracle4[][2] = {
	{ "0.0.0.0", "0.255.255.255" }, { "10.0.0.0", "10.255.255.255" },
	{ "100.64.0.0", "100.127.255.255" }, { "127.0.0.0", "127.255.255.255" },
	{ "168.63.129.16", "168.63.129.16" }, { "169.254.0.0", "169.254.255.255" },
	{ "172.16.0.0", "172.31.255.255" }, { "192.0.0.0", "192.0.0.255" },
	{ "192.0.2.0", "192.0.2.255" }, { "192.88.99.0", "192.88.99.255" },
	{ "192.168.0.0", "192.168.255.255" }, { "198.18.0.0", "198.19.255.255" },
	{ "198.51.100.0", "198.51.100.255" }, { "203.0.113.0", "203.0.113.255" },
	{ "224.0.0.0", "255.255.255.255" },
};

static const char *const oracle6[][2] = {
	{ "::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	{ "2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff" },
	{ "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff" },
	{ "2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	{ "4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
};

static bool between(const struct tp_addr *a, const char *const range[2])
{
	struct tp_addr low = peer_addr(range[0]), high = peer_addr(range[1]);
	size_t i, n = address_len(a);

	for (i = 0; i < n && a->ip[i] == low.ip[i]; i++)
		;
	if (i < n && a->ip[i] < low.ip[i])
		return false;
	for (i = 0; i < n && a->ip[i] == high.ip[i]; i++)
		;
	return i == n || a->ip[i] < high.ip[i];
}

static bool oracle(const struct tp_addr *a)
{
	size_t i;

	if (a->family == 4) {
		for (i = 0; i < sizeof(oracle4) / sizeof(*oracle4); i++)
			if (between(a, oracle4[i]))
				return false;
		return true;
	}
	for (i = 0; i < sizeof(oracle6) / sizeof(*oracle6); i++)
		if (between(a, oracle6[i]))
			return false;
	return true;
}

/* Random, near an end of a range, or a range's address in an IPv6 coat. */
static struct tp_addr generate(struct world *w, unsigned int n)
{
	struct tp_addr a = { .family = n & 1 ? 6 : 4, .port = htons(9) };
	size_t n4 = sizeof(oracle4) / sizeof(*oracle4), n6 = sizeof(oracle6) / sizeof(*oracle6);
	uint8_t r[4];
	int i;

	host_random(w, a.ip, address_len(&a));
	host_random(w, r, sizeof(r));
	if (n % 8 < 2)
		return a;
	if (n % 8 < 6) {
		a = peer_addr(a.family == 4 ? oracle4[r[0] % n4][r[1] & 1] :
					      oracle6[r[0] % n6][r[1] & 1]);
		/* one more, one less, or a bit turned */
		i = (int)address_len(&a) - 1;
		if (r[2] % 3 == 0)
			while (i >= 0 && !++a.ip[i--])
				;
		else if (r[2] % 3 == 1)
			while (i >= 0 && !a.ip[i]--)
				i--;
		else
			a.ip[r[3] % address_len(&a)] ^= (uint8_t)(1 << r[2] % 8);
		return a;
	}
	if (a.family == 6) {
		static const char *const coats[] = { "::", "::ffff:0.0.0.0", "64:ff9b::",
						     "2002::", "2001::", "::ffff:0:0.0.0.0" };
		struct tp_addr in = peer_addr(oracle4[r[0] % n4][r[1] & 1]);

		a = peer_addr(coats[r[2] % 6]);
		memcpy(a.ip + (r[2] % 6 == 3 ? 2 : 12), in.ip, 4);
	}
	return a;
}

static void TH1_oracle(void **state)
{
	struct world *w = *state;
	unsigned int i, pass_count = 0;

	w->conf.n_own = 0;
	w->conf.n_relays = 0;
	for (i = 0; i < 100000; i++) {
		struct tp_addr a = generate(w, i);
		bool good = oracle(&a);
		char text[ADDRESS_TEXT];

		pass_count += good;
		if ((acl_check(&w->conf, &a) == 0) != good)
			fail_msg("%s: %d", address_text(&a, text), acl_check(&w->conf, &a));
	}
	/* the generator must reach both sides */
	assert_in_range(pass_count, 10000, 90000);
	w->conf.n_relays = 2;
}

static int check(struct world *w, const char *peer)
{
	struct tp_addr a = addr(peer);

	return acl_check(&w->conf, &a);
}

static void allowed_beats_denied(void **state)
{
	struct world *w = *state;

	range(&w->denied[0], "9.0.0.0", "9.255.255.255");
	range(&w->denied[1], "2600::", "2600:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	w->conf.denied.n = 2;
	assert_int_equal(check(w, "9.9.9.9:9"), 403);
	assert_int_equal(check(w, "8.255.255.255:9"), 0);
	assert_int_equal(check(w, "10.0.0.0:9"), 403);
	assert_int_equal(check(w, "[2600::1]:9"), 403);
	assert_int_equal(check(w, "[2601::1]:9"), 0);
	range(&w->allowed[0], "9.9.9.9", "9.9.9.9");
	range(&w->allowed[1], "10.1.0.0", "10.1.0.255");
	w->conf.allowed.n = 2;
	assert_int_equal(check(w, "9.9.9.9:9"), 0);
	assert_int_equal(check(w, "9.9.9.8:9"), 403);
	assert_int_equal(check(w, "10.1.0.255:9"), 0);
	assert_int_equal(check(w, "10.1.1.0:9"), 403);
	/* v4-mapped never stands for the IPv4 address */
	assert_int_equal(check(w, "[::ffff:10.1.0.1]:9"), 403);
	range(&w->allowed[0], "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	assert_int_equal(check(w, "[::ffff:10.2.0.1]:9"), 403);
	assert_int_equal(check(w, "[::10.2.0.1]:9"), 403);
	assert_int_equal(check(w, "[::]:9"), 403);
	assert_int_equal(check(w, "[fd00::1]:9"), 0);
}

static void loopback_and_multicast(void **state)
{
	struct world *w = *state;

	w->conf.allow_loopback_peers = true;
	assert_int_equal(check(w, "127.0.0.1:9"), 0);
	assert_int_equal(check(w, "[::1]:9"), 0);
	assert_int_equal(check(w, "10.0.0.1:9"), 403);
	assert_int_equal(check(w, "[::127.0.0.1]:9"), 403);
	range(&w->allowed[0], "224.0.0.0", "239.255.255.255");
	w->conf.allowed.n = 1;
	assert_int_equal(check(w, "224.0.0.1:9"), 403);
	w->conf.multicast_peers = true;
	assert_int_equal(check(w, "224.0.0.1:9"), 0);
	assert_int_equal(check(w, "[ff0e::1]:9"), 0);
}

static void P13_P14_K9_own(void **state)
{
	struct world *w = *state;

	w->relays[0].local = addr("10.0.0.1");
	w->relays[0].external = addr("5.5.5.5");
	w->own[0] = addr("10.0.0.1:3478");
	w->own[2] = addr("10.0.0.2:3478");	/* listens only */
	w->conf.n_own = 3;
	/* relay to relay, though private, inside and outside */
	assert_int_equal(check(w, "10.0.0.1:49152"), 0);
	assert_int_equal(check(w, "10.0.0.1:65535"), 0);
	assert_int_equal(check(w, "10.0.0.1"), 0);
	assert_int_equal(check(w, "5.5.5.5:50000"), 0);
	assert_int_equal(check(w, "10.0.0.1:49151"), 403);
	assert_int_equal(check(w, "10.0.0.1:3478"), 403);
	assert_int_equal(check(w, "5.5.5.5:22"), 403);
	assert_int_equal(check(w, "10.0.0.2:50000"), 403);
	assert_int_equal(check(w, "10.0.0.2"), 403);
	assert_int_equal(check(w, "10.0.0.3:50000"), 403);
	/* no setting makes the server a peer of itself */
	range(&w->allowed[0], "10.0.0.0", "10.0.0.255");
	w->conf.allowed.n = 1;
	assert_int_equal(check(w, "10.0.0.1:3478"), 403);
	assert_int_equal(check(w, "10.0.0.2:3478"), 403);
	assert_int_equal(check(w, "10.0.0.2:80"), 0);
	assert_int_equal(check(w, "10.0.0.3:50000"), 0);
	/* denied by name beats being a relay address */
	w->conf.allowed.n = 0;
	range(&w->denied[0], "5.5.5.5", "5.5.5.5");
	w->conf.denied.n = 1;
	assert_int_equal(check(w, "5.5.5.5:50000"), 403);
}

/* What every station of a network of this host would take. */
static void broadcasts(void **state)
{
	struct tp_addr all[2] = { addr("11.0.2.255"), addr("11.0.2.0") };
	struct world *w = *state;

	assert_int_equal(check(w, "11.0.2.255:9"), 0);
	w->conf.broadcasts = all;
	w->conf.n_broadcasts = 2;
	assert_int_equal(check(w, "11.0.2.255:9"), 403);
	assert_int_equal(check(w, "11.0.2.0:9"), 403);
	assert_int_equal(check(w, "11.0.2.0"), 403);
	assert_int_equal(check(w, "11.0.2.254:9"), 0);
	/* whoever allows the network means its hosts */
	range(&w->allowed[0], "11.0.2.0", "11.0.2.255");
	w->conf.allowed.n = 1;
	assert_int_equal(check(w, "11.0.2.255:9"), 403);
	assert_int_equal(check(w, "11.0.2.7:9"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(P5_encodings), T(TH1_oracle), T(allowed_beats_denied),
		T(loopback_and_multicast), T(P13_P14_K9_own), T(broadcasts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
