// SPDX-License-Identifier: MIT
/* Contradictions, what follows from a configuration, and what the host adds. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include "config_given.h"

/* What conf_finish() says of a text: errors and warnings, and a piece of it. */
static const struct {
	const char *text;
	unsigned int errors, warnings;
	const char *words;
} contradictions[] = {
	{ "lt-cred-mech\n", 1, 0, "t:1: error: lt-cred-mech without" },
	{ "use-auth-secret\n", 1, 0, "t:1: error: use-auth-secret without" },
	{ "use-auth-secret\nuser=a:b\n", 1, 0, "t:1: error: use-auth-secret without" },
	{ "lt-cred-mech\nuser=a:b\nrealm=r\n", 0, 0, "" },
	{ "lt-cred-mech\nuse-auth-secret\nstatic-auth-secret=x\nrealm=r\n", 0, 0, "" },
	{ "static-auth-secret=x\nrealm=r\n", 0, 0, "" },
	{ "static-auth-secret=x\n", 0, 0, "info: no realm given: it is " },
	{ "lt-cred-mech=no\n", 0, 0, "TURN is refused" },
	{ "realm=\nlt-cred-mech\nuser=a:b\n", 1, 0, "t:1: error: realm is empty" },
	{ "no-auth\n", 0, 1, "t:1: warning: no-auth: ANYBODY" },
	{ "no-auth=no\n", 0, 0, "TURN is refused" },
	{ "lt-cred-mech\nuser=a:b\nrealm=r\nno-auth\n", 1, 1,
	  "t:4: error: no-auth contradicts the credentials of t:1" },
	{ "no-auth\nstatic-auth-secret=x\nrealm=r\n", 1, 1, "of t:2" },
	{ "stun-only\nuser=a:b\n", 0, 1, "t:1: warning: stun-only" },
	{ "stun-only\nlt-cred-mech\n", 0, 1, "t:1: warning: stun-only" },
	{ "stun-only\n", 0, 0, "" },
	{ "stun-only\nno-stun\n", 1, 0, "t:2: error: stun-only and no-stun" },
	{ "no-udp\nno-tcp\n", 1, 0, "t:1: error: no-udp leaves no listener" },
	{ "no-udp\n", 0, 0, "" },
	{ "no-udp-relay\n", 1, 0, "t:1: error: no-udp-relay without tcp-relay" },
	{ "tcp-relay\nno-udp-relay\n", 0, 0, "" },
	{ "no-udp\nno-tcp\ncert=c\n", 0, 0, "" },
	{ "no-udp\nno-tcp\ncert=c\nno-tls\n", 1, 0, "t:1: error: no-udp leaves no listener" },
	{ "pkey=k\n", 0, 1, "t:1: warning: no cert is given: TLS is off" },
	{ "CA-file=k\n", 0, 1, "t:1: warning: no cert is given: TLS is off" },
	{ "tls-listening-port=443\n", 0, 0, "t:1: info: no cert is given: TLS is off" },
	{ "min-port=5000\nmax-port=4000\n", 1, 0, "t:2: error: min-port 5000" },
	{ "max-port=4000\n", 1, 0, "t:1: error: min-port 49152" },
	{ "min-port=3000\nmax-port=4000\n", 0, 1, "include listening-port 3478" },
	{ "min-port=3479\nmax-port=4000\n", 0, 0, "" },
	{ "user=a:0x00112233445566778899aabbccddeeff\n", 0, 1, "good for one realm only" },
	{ "allowed-peer-ip=0.0.0.0-255.255.255.255\ndenied-peer-ip=10.0.0.0/8\n", 0, 1,
	  "t:1: warning: allowed-peer-ip 0.0.0.0-255.255.255.255 allows every IPv4" },
	{ "allowed-peer-ip=::/0\n", 0, 1, "allows every IPv6" },
	{ "denied-peer-ip=10.1.0.0/16\nallowed-peer-ip=10.0.0.0/8\n", 0, 1,
	  "t:2: warning: allowed-peer-ip 10.0.0.0-10.255.255.255 voids denied-peer-ip "
	  "10.1.0.0-10.1.255.255" },
	{ "denied-peer-ip=10.1.0.0/16\nallowed-peer-ip=10.0.0.0/8\nallowed-peer-ip=11.0.0.1\n",
	  0, 1, "t:2: warning: allowed-peer-ip 10.0.0.0" },
	{ "denied-peer-ip=10.0.0.0/8\nallowed-peer-ip=10.1.2.3\n", 0, 0, "" },
	{ "stun-only\nmax-bps=3000000\n", 0, 0, "t:2: info: max-bps 3000000 is in bytes per second: "
	  "24.000 Mbit/s" },
	{ "stun-only\nmax-bps=125\nbps-capacity=125000000\n", 0, 0,
	  "t:3: info: bps-capacity 125000000 is in bytes per second: 1000.000 Mbit/s" },
	{ "stun-only\ncert=c\nno-tlsv1_2\n", 0, 0, "t:3: info: no-tlsv1_2: clients without TLS 1.3" },
	{ "stun-only\nprometheus\nprometheus-tls\n", 1, 0,
	  "t:3: error: prometheus-tls without prometheus-cert or cert" },
	{ "channel-lifetime=10\npermission-lifetime=10\n", 0, 2, "RFC 8656 says 600 s" },
};

/* K3, K4 and half of K5 */
static void contradictions_are_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(contradictions) / sizeof(contradictions[0]); i++) {
		struct given g;

		given_finish(&g, contradictions[i].text);
		if (g.errors.errors != contradictions[i].errors ||
		    g.errors.warnings != contradictions[i].warnings)
			fail_msg("%s: %u errors, %u warnings\n%s", contradictions[i].text,
				 g.errors.errors, g.errors.warnings, g.said);
		said(&g, contradictions[i].words);
		given_free(&g);
	}
}

static void allocations_are_derived(void **state)
{
	static const struct {
		const char *text;
		unsigned int n;
	} cases[] = {
		{ "", 16384 }, { "min-port=50000\nmax-port=50099", 100 },
		{ "min-port=50000\nmax-port=50099\nrelay-ip=192.0.2.1\nrelay-ip=192.0.2.2", 200 },
		{ "min-port=1024\nrelay-ip=192.0.2.1\nrelay-ip=192.0.2.2", 65536 },
		{ "total-quota=1200", 1200 }, { "total-quota=0", 16384 },
		{ "total-quota=1200\nmax-allocations=99", 99 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct given g;

		given_finish(&g, cases[i].text);
		assert_int_equal(g.conf.max_allocations, cases[i].n);
		given_free(&g);
	}
}

static unsigned int own_listeners(const struct conf *conf)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < conf->turn.n_own; i++)
		n += conf->turn.own[i].port != 0;
	return n;
}

/* Whatever this host is called, no peer may be: also where nothing listens there. */
static void owns_host(const struct conf *conf)
{
	struct ifaddrs *list;
	struct tp_addr addr;

	assert_int_equal(getifaddrs(&list), 0);
	for (struct ifaddrs *i = list; i; i = i->ifa_next) {
		bool found = false;

		if (!i->ifa_addr || !(i->ifa_flags & IFF_UP) || (i->ifa_flags & IFF_LOOPBACK) ||
		    !address_from_sockaddr(&addr, i->ifa_addr) ||
		    (addr.family == 6 && addr.ip[0] == 0xfe))
			continue;
		for (unsigned int j = 0; j < conf->turn.n_own; j++)
			found |= address_same_ip(&conf->turn.own[j], &addr);
		assert_true(found);
	}
	freeifaddrs(list);
}

static void resolves_what_is_written(void **state)
{
	struct tp_addr addr;
	struct given g;

	(void)state;
	given_finish(&g, "user=a:b\nrealm=r\nlistening-ip=127.0.0.1\nlistening-ip=192.0.2.7\n"
			 "listening-ip=2001:db8::7\nlistening-port=3479\n"
			 "aux-server=127.0.0.1:80\naux-server=127.0.0.1:3479\n"
			 "external-ip=198.51.100.9\nexternal-ip=2001:db8::9\n"
			 "external-ip=198.51.100.8/192.0.2.8\n");
	conf_resolve(&g.conf, &g.errors);
	fflush(g.errors.out);
	assert_int_equal(g.conf.listen.n, 4);		/* the second aux-server is one of them */
	address_parse_port(&addr, "127.0.0.1:80");
	assert_true(address_equal(&g.conf.listen.v[3], &addr));
	address_parse_port(&addr, "[2001:db8::7]:3479");
	assert_true(address_equal(&g.conf.listen.v[2], &addr));
	/* loopback relays nothing where there is something better */
	assert_int_equal(g.conf.turn.n_relays, 2);
	address_parse(&addr, "192.0.2.7");
	assert_true(address_equal(&g.conf.turn.relays[0].local, &addr));
	address_parse(&addr, "198.51.100.9");
	assert_true(address_equal(&g.conf.turn.relays[0].external, &addr));
	address_parse(&addr, "2001:db8::9");
	assert_true(address_equal(&g.conf.turn.relays[1].external, &addr));
	/* listeners, and what they are called outside */
	assert_int_equal(own_listeners(&g.conf), 6);
	owns_host(&g.conf);
	address_parse_port(&addr, "198.51.100.9:3479");
	assert_true(address_equal(&g.conf.turn.own[2], &addr));
	said(&g, "t:4: warning: listening-ip 192.0.2.7: no interface");
	said(&g, "t:5: warning: listening-ip 2001:db8::7: no interface");
	said(&g, "external-ip 198.51.100.8 belongs to no relay address");
	not_said(&g, "listening-ip 127.0.0.1");
	conf_resolve(&g.conf, &g.errors);
	assert_int_equal(g.conf.listen.n, 4);
	assert_int_equal(g.conf.turn.n_relays, 2);
	given_free(&g);
}

static void ports_for_proxies(void **state)
{
	static const struct {
		const char *text, *said;
	} wrong[] = {
		{ "udp-proxy-port=4000\n",
		  "t:1: error: udp-proxy-port without trusted-proxy-ip" },
		{ "tcp-proxy-port=4000\n",
		  "t:1: error: tcp-proxy-port without trusted-proxy-ip" },
		{ "udp-proxy-port=3478\ntrusted-proxy-ip=10.0.0.1\n",
		  "t:1: error: udp-proxy-port 3478 is taken by clients without a proxy" },
		{ "tcp-proxy-port=5349\ntrusted-proxy-ip=10.0.0.1\n",
		  "t:1: error: tcp-proxy-port 5349 is taken by clients without a proxy" },
		{ "udp-proxy-port=4000\ntrusted-proxy-ip=10.0.0.1\nno-udp\n",
		  "t:1: warning: no-udp: udp-proxy-port is off" },
		{ "udp-proxy-timeout=86401\n", "t:1: error: udp-proxy-timeout" },
	};
	struct tp_addr addr;
	struct given g;
	bool found = false;

	(void)state;
	for (unsigned int i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		given_finish(&g, wrong[i].text);
		said(&g, wrong[i].said);
		given_free(&g);
	}
	given_finish(&g, "user=a:b\nrealm=r\nlistening-ip=127.0.0.1\nudp-proxy-port=4000\n"
			 "tcp-proxy-port=4000\ntrusted-proxy-ip=10.0.0.1\n");
	conf_resolve(&g.conf, &g.errors);
	assert_int_equal(g.errors.errors, 0);
	assert_int_equal(g.conf.udp_proxy_timeout_s, 60);
	assert_int_equal(g.conf.listen.n, 1);
	assert_int_equal(g.conf.listen_proxied.n, 1);
	address_parse_port(&addr, "127.0.0.1:4000");
	assert_true(address_equal(&g.conf.listen_proxied.v[0], &addr));
	/* whoever is a client here must not be able to write headers to it */
	for (unsigned int i = 0; i < g.conf.turn.n_own; i++)
		found |= address_equal(&g.conf.turn.own[i], &addr);
	assert_true(found);
	given_free(&g);
}

static void pairs_external_addresses(void **state)
{
	struct tp_addr addr;
	struct given g;

	(void)state;
	given_finish(&g, "user=a:b\nrealm=r\nlistening-ip=127.0.0.1\nrelay-ip=192.0.2.1\n"
			 "relay-ip=192.0.2.2\nrelay-ip=127.0.0.1\n"
			 "external-ip=198.51.100.1/192.0.2.1\nexternal-ip=198.51.100.2\n");
	conf_resolve(&g.conf, &g.errors);
	fflush(g.errors.out);
	assert_int_equal(g.conf.turn.n_relays, 3);
	address_parse(&addr, "198.51.100.1");
	assert_true(address_equal(&g.conf.turn.relays[0].external, &addr));
	address_parse(&addr, "198.51.100.2");
	assert_true(address_equal(&g.conf.turn.relays[1].external, &addr));
	address_parse(&addr, "127.0.0.1");
	assert_true(address_equal(&g.conf.turn.relays[2].external, &addr));
	not_said(&g, "stands for");
	given_free(&g);

	given_finish(&g, "user=a:b\nrealm=r\nlistening-ip=127.0.0.1\nrelay-ip=192.0.2.1\n"
			 "relay-ip=192.0.2.2\nexternal-ip=198.51.100.2\n");
	conf_resolve(&g.conf, &g.errors);
	fflush(g.errors.out);
	said(&g, "t:6: warning: external-ip 198.51.100.2 stands for 2 relay addresses");
	given_free(&g);
}

static void resolves_the_host(void **state)
{
	struct tp_addr loopback;
	bool found = false;
	struct given g;

	(void)state;
	address_parse_port(&loopback, "127.0.0.1:3478");
	given_finish(&g, "listening-ip=0.0.0.0\n");
	conf_resolve(&g.conf, &g.errors);
	for (unsigned int i = 0; i < g.conf.listen.n; i++) {
		const struct tp_addr *addr = &g.conf.listen.v[i];

		assert_int_equal(addr->family, 4);
		assert_int_not_equal(addr->ip[0], 0);
		assert_false(addr->ip[0] == 169 && addr->ip[1] == 254);
		found |= address_equal(addr, &loopback);
	}
	assert_true(found);
	assert_true(g.conf.turn.n_relays > 0);
	given_free(&g);

	given_finish(&g, "proc-user=no-such-user-here\nproc-group=no-such-group-here\n");
	conf_resolve(&g.conf, &g.errors);
	fflush(g.errors.out);
	assert_int_equal(g.errors.errors, 2);
	said(&g, "t:1: error: proc-user");
	said(&g, "t:2: error: proc-group");
	given_free(&g);
}

/* K5 */
static void ephemeral_ports(void **state)
{
	static const struct {
		uint16_t low, high;
		const char *range, *reserved;
		bool clash;
	} cases[] = {
		{ 49152, 65535, "32768\t60999\n", "\n", true },
		{ 61000, 65535, "32768\t60999\n", "\n", false },
		{ 1024, 32767, "32768\t60999\n", "", false },
		{ 1024, 32768, "32768\t60999\n", "", true },
		{ 49152, 65535, "32768\t60999\n", "49152-65535\n", false },
		{ 49152, 65535, "32768\t60999\n", "80,49152-60999\n", false },
		{ 49152, 65535, "32768\t60999\n", "49152-60998\n", true },
		{ 49152, 65535, "32768\t60999\n", "49152-60998,60999\n", false },
		{ 65535, 65535, "32768\t65535\n", "", true },
		{ 49152, 65535, "", "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(conf_ports_clash(cases[i].low, cases[i].high, cases[i].range,
						  cases[i].reserved), cases[i].clash);
}

static void printing_shows_no_secret(void **state)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	struct given g;

	(void)state;
	given_finish(&g, "user=alice:hunter2\nstatic-auth-secret=swordfish\nrealm=r\n"
			 "stateless-nonce-secret=xyzzy\nstale-nonce=60\nuser-quota=12\n"
			 "denied-peer-ip=192.0.2.0/24\nlistening-ip=127.0.0.1\n");
	conf_resolve(&g.conf, &g.errors);
	conf_print(&g.conf, out);
	fclose(out);
	fflush(g.errors.out);
	assert_non_null(strstr(text, "listen = 127.0.0.1:3478\n"));
	assert_non_null(strstr(text, "users = 1\n"));
	assert_non_null(strstr(text, "secrets = 1\n"));
	assert_non_null(strstr(text, "stale-nonce = 60 s\n"));
	assert_non_null(strstr(text, "user-quota = 12 allocations\n"));
	assert_non_null(strstr(text, "total-quota = unlimited\n"));
	assert_non_null(strstr(text, "denied-peer-ip = 192.0.2.0-192.0.2.255\n"));
	assert_non_null(strstr(text, "stateless-nonce-secret = given\n"));
	assert_null(strstr(text, "hunter2"));
	assert_null(strstr(text, "swordfish"));
	assert_null(strstr(text, "xyzzy"));
	not_said(&g, "hunter2");
	not_said(&g, "swordfish");
	free(text);
	given_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contradictions_are_named),
		cmocka_unit_test(allocations_are_derived),
		cmocka_unit_test(resolves_what_is_written),
		cmocka_unit_test(ports_for_proxies),
		cmocka_unit_test(pairs_external_addresses),
		cmocka_unit_test(resolves_the_host),
		cmocka_unit_test(ephemeral_ports),
		cmocka_unit_test(printing_shows_no_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
