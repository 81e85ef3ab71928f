// SPDX-License-Identifier: MIT
/* The grammar, and every value's way into struct conf. */
#include <arpa/inet.h>
#include <sys/stat.h>
#include <unistd.h>
#include "config_given.h"

static void defaults(void **state)
{
	struct given g;

	(void)state;
	given_finish(&g, "");
	assert_int_equal(g.errors.errors, 0);
	assert_int_equal(g.errors.warnings, 0);
	said(&g, "STUN is answered, TURN is refused");
	assert_int_equal(g.conf.listening_port, 3478);
	assert_int_equal(g.conf.turn.min_port, 49152);
	assert_int_equal(g.conf.turn.max_port, 65535);
	assert_int_equal(g.conf.turn.max_lifetime_s, 3600);
	assert_int_equal(g.conf.turn.default_lifetime_s, 600);
	assert_int_equal(g.conf.turn.channel_lifetime_s, 600);
	assert_int_equal(g.conf.turn.permission_lifetime_s, 300);
	assert_int_equal(g.conf.turn.stale_nonce_s, 600);
	assert_int_equal(g.conf.turn.default_family, 4);
	assert_int_equal(g.conf.turn.rest_separator, ':');
	assert_int_equal(g.conf.fast_path_flows, 16384);
	assert_int_equal(g.conf.max_allocations, 16384);
	assert_int_equal(g.conf.log_level, LEVEL_INFO);
	assert_int_equal(g.conf.dataplane, DATAPLANE_AUTO);
	assert_string_equal(g.conf.control_socket, "/run/turnpike/control.sock");
	assert_false(g.conf.turn.no_auth);
	assert_false(g.conf.turn.multicast_peers);
	assert_false(g.conf.turn.allow_loopback_peers);
	assert_null(g.conf.turn.software);
	assert_null(g.conf.log_file);
	assert_non_null(g.conf.turn.realm);
	assert_true(*g.conf.turn.realm);
	given_free(&g);
}

/* What the line makes of the secret, byte for byte. */
static void splits_lines_as_coturn_does(void **state)
{
	static const struct {
		const char *line, *secret;
	} cases[] = {
		{ "static-auth-secret=abc", "abc" },
		{ "static-auth-secret abc", "abc" },
		{ "static-auth-secret\tabc", "abc" },
		{ "static-auth-secret  = \t =abc", "abc" },
		{ "static-auth-secret==abc", "abc" },
		{ "  \tstatic-auth-secret=abc", "abc" },
		{ "static-auth-secret=abc=", "abc=" },
		{ "static-auth-secret=abc \t \r", "abc" },
		{ "static-auth-secret=a b", "a b" },
		{ "static-auth-secret=\"abc\"", "abc" },
		{ "static-auth-secret=\" abc \"", " abc " },
		{ "static-auth-secret=\"abc\"  \r", "abc" },
		{ "static-auth-secret=\"abc", "abc" },
		{ "static-auth-secret=abc\"", "abc\"" },
		{ "static-auth-secret=a#b", "a#b" },
		{ "static-auth-secret=\"a #b\"", "a #b" },
		{ "static-auth-secret=\"a #b\" # c", "a #b" },
		{ "static-auth-secret=\"a\"b\"", "a\"b" },
		{ "static-auth-secret=abc # c", "abc" },
		{ "static-auth-secret=abc\t#c", "abc" },
		{ "static-auth-secret=abc;", "abc;" },
		{ "\xef\xbb\xbfstatic-auth-secret=abc", "abc" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct given g;

		given_read(&g, cases[i].line);
		assert_int_equal(g.conf.turn.n_secrets, 1);
		assert_string_equal(g.conf.turn.secrets[0], cases[i].secret);
		assert_int_equal(g.errors.errors, 0);
		given_free(&g);
	}
}

static void comments(void **state)
{
	struct given g;

	(void)state;
	given_read(&g, "# realm=a\n \t# realm=b\n#\n\n   \nuser-quota=12 # 4 streams\n"
		       "fingerprint # yes\nlt-cred-mech #no\ntotal-quota=7#8\n");
	assert_null(g.conf.turn.realm);
	assert_int_equal(g.conf.turn.user_quota, 12);
	assert_true(g.conf.turn.fingerprint);
	assert_true(g.conf.lt_cred_mech);
	assert_int_equal(g.errors.errors, 1);
	said(&g, "t:9: error: total-quota: '7#8' is not a number");
	given_free(&g);

	given_read(&g, "static-auth-secret=abc #def\nstatic-auth-secret=\"ghi #jkl\"\n");
	assert_int_equal(g.errors.warnings, 1);
	said(&g, "t:1: warning: static-auth-secret");
	not_said(&g, "abc");
	not_said(&g, "def");
	given_free(&g);
}

static void semicolons_and_nul(void **state)
{
	unsigned int secret_line;
	struct given g;
	char text[] = "fingerprint\nno-st\0un\nstun-only\n";
	FILE *in;

	(void)state;
	given_read(&g, "user-quota=12;\n");
	said(&g, "t:1: warning: the ';'");
	said(&g, "t:1: error: user-quota");
	given_free(&g);

	given_read(&g, "");
	in = fmemopen(text, sizeof(text) - 1, "r");
	conf_read_stream(&g.conf, in, "n", &secret_line, &g.errors);
	fclose(in);
	fflush(g.errors.out);
	assert_int_equal(g.errors.errors, 1);
	said(&g, "n:2: error: the line holds a NUL byte");
	assert_true(g.conf.turn.stun_only);
	given_free(&g);
}

static void booleans(void **state)
{
	static const struct {
		const char *value;
		int is;
	} cases[] = {
		{ "", 1 }, { "1", 1 }, { "9x", 1 }, { "y", 1 }, { "Yes", 1 }, { "true", 1 },
		{ "T", 1 }, { "on", 1 }, { "On", 1 }, { "ON", 1 },
		{ "0", 0 }, { "n", 0 }, { "No", 0 }, { "none", 0 }, { "false", 0 }, { "F", 0 },
		{ "off", 0 }, { "Off", 0 }, { "OFF", 0 }, { "0x1", 0 },
		{ "oN", -1 }, { "oFF", -1 }, { "o", -1 }, { "maybe", -1 }, { "-1", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct given g;

		given_read(&g, "");
		conf_set(&g.conf, "fingerprint", cases[i].value, "--fingerprint", &g.errors);
		fflush(g.errors.out);
		assert_int_equal(conf_bool(cases[i].value), cases[i].is);
		assert_int_equal(g.conf.turn.fingerprint, cases[i].is == 1);
		assert_int_equal(g.errors.errors, cases[i].is < 0);
		if (cases[i].is < 0)
			said(&g, "--fingerprint: error: ");
		given_free(&g);
	}
}

static void inverse_booleans(void **state)
{
	struct given g;

	(void)state;
	given_read(&g, "no-multicast-peers=no\nkeep-address-family\nsoftware-attribute\n");
	assert_true(g.conf.turn.multicast_peers);
	assert_int_equal(g.conf.turn.default_family, 0);
	assert_non_null(g.conf.turn.software);
	conf_set(&g.conf, "no-multicast-peers", NULL, "--no-multicast-peers", &g.errors);
	assert_false(g.conf.turn.multicast_peers);
	conf_set(&g.conf, "no-software-attribute", NULL, "--no-software-attribute", &g.errors);
	assert_null(g.conf.turn.software);
	conf_set(&g.conf, "software-attribute", "off", "--software-attribute", &g.errors);
	assert_null(g.conf.turn.software);
	given_free(&g);
}

static void last_one_wins(void **state)
{
	struct given g;

	(void)state;
	given_read(&g, "listening-port=1\nrealm=a\nlistening-port=2\nrealm=b\n"
		       "listening-ip=192.0.2.1\nlistening-ip=2001:db8::1\n"
		       "static-auth-secret=a\nstatic-auth-secret=b\nstatic-auth-secret=a\n"
		       "denied-peer-ip=192.0.2.1\ndenied-peer-ip=192.0.2.2\n");
	assert_int_equal(g.conf.listening_port, 2);
	assert_string_equal(g.conf.turn.realm, "b");
	assert_int_equal(g.errors.warnings, 2);
	said(&g, "t:3: warning: listening-port was given before at t:1; the last one wins");
	said(&g, "t:4: warning: realm was given before at t:2");
	assert_int_equal(g.conf.listening_ip.n, 2);
	assert_int_equal(g.conf.turn.n_secrets, 2);
	assert_int_equal(g.conf.turn.denied.n, 2);
	conf_set(&g.conf, "realm", "c", "--realm", &g.errors);
	assert_string_equal(g.conf.turn.realm, "c");
	assert_int_equal(g.errors.warnings, 2);
	given_free(&g);
}

static void numbers_and_ports(void **state)
{
	static const char *const bad[] = {
		"listening-port=0", "listening-port=65536", "listening-port=-1",
		"listening-port=", "listening-port", "listening-port=3478x", "min-port=0x10",
		"max-port=99999999999999999999999", "user-quota=-1", "user-quota= +1",
		"total-quota=1.5", "sock-buf-size=1", "relay-threads=129", "cpus=ten",
		"max-allocate-lifetime=0", "stale-nonce=x", "fast-path-flows=1",
		"max-allocations=0", "allocation-default-address-family=ipv5",
		"dataplane=dpdk", "log-min-level=loud", "rest-api-separator=::",
		"rest-api-separator=", "pin-path=", "control-socket=", "realm=", "realm=a\"b",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct given g;

		given_read(&g, bad[i]);
		if (g.errors.errors != 1)
			fail_msg("%s: %u errors\n%s", bad[i], g.errors.errors, g.said);
		said(&g, "t:1: error: ");
		given_free(&g);
	}
}

static void dataplanes(void **state)
{
	static const enum conf_dataplane wanted[] = {
		DATAPLANE_AUTO, DATAPLANE_XDP, DATAPLANE_TC, DATAPLANE_KMOD, DATAPLANE_USER,
	};
	static const char *const lines[] = {
		"dataplane=auto\n", "dataplane=xdp\n", "dataplane=tc\n", "dataplane=kmod\n",
		"dataplane=user\n",
	};
	struct given g;

	(void)state;
	for (int i = 0; i < 5; i++) {
		given_finish(&g, lines[i]);
		assert_int_equal(g.errors.errors, 0);
		assert_int_equal(g.conf.dataplane, wanted[i]);
		given_free(&g);
	}
}

static void values(void **state)
{
	struct given g;

	(void)state;
	given_finish(&g, "user=u:p\nlistening-port=443\nmin-port=50000\nmax-port=50009\n"
		     "stale-nonce\nrelay-threads=0\nallocation-default-address-family=IPv6\n"
		     "dataplane=user\nlog-file=/tmp/x.log\npidfile=\nproc-user=nobody\n"
		     "unauthorized-ratelimit\nmax-allocate-lifetime=300\nVerbose\n"
		     "aux-server=[2001:db8::1]:80\nrest-api-separator=|\nrealm=example.org\n");
	assert_int_equal(g.errors.errors, 0);
	assert_int_equal(g.conf.listening_port, 443);
	assert_int_equal(g.conf.turn.min_port, 50000);
	assert_int_equal(g.conf.turn.max_port, 50009);
	assert_int_equal(g.conf.turn.stale_nonce_s, 600);
	assert_int_equal(g.conf.workers, 1);
	assert_int_equal(g.conf.turn.default_family, 6);
	assert_int_equal(g.conf.dataplane, DATAPLANE_USER);
	assert_string_equal(g.conf.log_file, "/tmp/x.log");
	assert_null(g.conf.pidfile);
	assert_string_equal(g.conf.proc_user, "nobody");
	assert_int_equal(g.conf.turn.unauthorized_rps, 10);
	assert_int_equal(g.conf.turn.max_lifetime_s, 300);
	assert_int_equal(g.conf.turn.default_lifetime_s, 300);
	assert_int_equal(g.conf.log_level, LEVEL_DEBUG);
	assert_int_equal(ntohs(g.conf.aux_server.v[0].port), 80);
	assert_int_equal(g.conf.turn.rest_separator, '|');
	assert_int_equal(g.conf.max_allocations, 10);
	given_free(&g);
}

static void rate_limit_in_any_order(void **state)
{
	static const struct {
		const char *text;
		unsigned int rps;
	} cases[] = {
		{ "", 100 }, { "unauthorized-ratelimit", 10 },
		{ "unauthorized-ratelimit=off", 0 }, { "unauthorized-ratelimit-rps=7", 7 },
		{ "unauthorized-ratelimit\nunauthorized-ratelimit-rps=7", 7 },
		{ "unauthorized-ratelimit-rps=7\nunauthorized-ratelimit", 7 },
		{ "unauthorized-ratelimit=no\nunauthorized-ratelimit-rps=7", 0 },
		{ "unauthorized-ratelimit-rps=7\nunauthorized-ratelimit=no", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct given g;

		given_read(&g, cases[i].text);
		assert_int_equal(g.conf.turn.unauthorized_rps, cases[i].rps);
		given_free(&g);
	}
}

static void logs(void **state)
{
	static const struct {
		const char *text, *file;
		enum conf_level level;
	} cases[] = {
		{ "log-file=stdout", NULL, LEVEL_INFO }, { "log-file=-", NULL, LEVEL_INFO },
		{ "log-file=syslog", "syslog", LEVEL_INFO }, { "syslog", "syslog", LEVEL_INFO },
		{ "log-file=/a\nsyslog", "syslog", LEVEL_INFO },
		{ "log-min-level=error", NULL, LEVEL_ERROR },
		{ "log-min-level=warning\nVerbose", NULL, LEVEL_WARNING },
		{ "verbose", NULL, LEVEL_INFO }, { "log-min-level=DEBUG", NULL, LEVEL_DEBUG },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct given g;

		given_finish(&g, cases[i].text);
		assert_int_equal(g.conf.log_level, cases[i].level);
		assert_int_equal(g.conf.syslog, cases[i].file != NULL);
		if (cases[i].file)
			assert_string_equal(g.conf.log_file, cases[i].file);
		else
			assert_null(g.conf.log_file);
		given_free(&g);
	}
}

static void external_addresses(void **state)
{
	static const char *const bad[] = {
		"external-ip=example.org", "external-ip=192.0.2.1/", "external-ip=/10.0.0.1",
		"external-ip=192.0.2.1/2001:db8::1", "external-ip=0.0.0.0", "external-ip=",
		"external-ip=192.0.2.1\nexternal-ip=192.0.2.2",
		"external-ip=192.0.2.1/10.0.0.1\nexternal-ip=192.0.2.2/10.0.0.1",
		"listening-ip=eth0", "relay-ip=192.0.2.1:80", "aux-server=192.0.2.1",
		"aux-server=192.0.2.1:70000",
	};
	struct given g;

	(void)state;
	given_read(&g, "external-ip=192.0.2.1\nexternal-ip=2001:db8::1\n"
		       "external-ip=192.0.2.2/10.0.0.2\nexternal-ip=192.0.2.3/10.0.0.3\n");
	assert_int_equal(g.errors.errors, 0);
	assert_int_equal(g.conf.n_external, 4);
	assert_int_equal(g.conf.external[0].private.family, 0);
	assert_int_equal(g.conf.external[2].private.ip[3], 2);
	given_free(&g);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		given_read(&g, bad[i]);
		if (g.errors.errors != 1)
			fail_msg("%s: %u errors\n%s", bad[i], g.errors.errors, g.said);
		given_free(&g);
	}
}

static void peer_ranges(void **state)
{
	static const struct {
		const char *text, *low, *high;
	} cases[] = {
		{ "192.0.2.1", "192.0.2.1", "192.0.2.1" },
		{ "10.0.0.0-10.255.255.255", "10.0.0.0", "10.255.255.255" },
		{ "10.0.0.0 - 10.0.0.9", "10.0.0.0", "10.0.0.9" },
		{ "10.0.0.0/8", "10.0.0.0", "10.255.255.255" },
		{ "0.0.0.0/0", "0.0.0.0", "255.255.255.255" },
		{ "192.0.2.1/32", "192.0.2.1", "192.0.2.1" },
		{ "192.0.2.128/25", "192.0.2.128", "192.0.2.255" },
		{ "fc00::/7", "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
		{ "::1/128", "::1", "::1" },
		{ "2001:db8::1-2001:db8::ff", "2001:db8::1", "2001:db8::ff" },
		{ "::ffff:10.0.0.0/104", "10.0.0.0", "10.255.255.255" },
		{ "::ffff:10.0.0.1-::ffff:10.0.0.2", "10.0.0.1", "10.0.0.2" },
		{ "::ffff:0.0.0.0-::ffff:255.255.255.255", "::ffff:0.0.0.0",
		  "::ffff:255.255.255.255" },
		{ "::ffff:0.0.0.0/96", "::ffff:0.0.0.0", "::ffff:255.255.255.255" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tp_addr low, high;
		struct given g;

		given_read(&g, "");
		conf_set(&g.conf, "denied-peer-ip", cases[i].text, "x", &g.errors);
		assert_int_equal(g.errors.errors, 0);
		assert_int_equal(g.conf.turn.denied.n, 1);
		assert_true(address_parse(&low, cases[i].low));
		assert_true(address_parse(&high, cases[i].high));
		assert_int_equal(g.conf.turn.denied.v[0].family, low.family);
		assert_memory_equal(g.conf.turn.denied.v[0].low, low.ip, 16);
		assert_memory_equal(g.conf.turn.denied.v[0].high, high.ip, 16);
		given_free(&g);
	}
}

/* K1: a rule that is not understood must stop the start, whoever else reads it. */
static void bad_ranges_stop(void **state)
{
	static const char *const bad[] = {
		"", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.1/8", "10.0.0.0/8x",
		"10.0.0.0/255.0.0.0", "10.0.0.9-10.0.0.1", "10.0.0.1-2001:db8::1", "10.0.0.1-",
		"-10.0.0.1", "10.0.0", "10.0.0.256", "fc00::/129", "fe80::1%eth0", "localhost",
		"10.0.0.0-10.0.0.1-10.0.0.2", "10.0.0.0/8,192.168.0.0/16", "10.*",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct given g;
		char text[128];

		snprintf(text, sizeof(text), "fingerprint\ndenied-peer-ip=%s\n"
			 "allowed-peer-ip=%s\n", bad[i], bad[i]);
		given_read(&g, text);
		if (g.errors.errors != 2)
			fail_msg("%s: %u errors\n%s", bad[i], g.errors.errors, g.said);
		said(&g, "t:2: error: denied-peer-ip");
		said(&g, "t:3: error: allowed-peer-ip");
		assert_int_equal(g.conf.turn.denied.n + g.conf.turn.allowed.n, 0);
		given_free(&g);
	}
}

static void users(void **state)
{
	static const char *const bad[] = {
		"user=hunter2", "user=hunter2:", "user=:hunter2", "user=", "user=x:0xhunter2",
		"user=x:0x0123456789abcdef0123456789abcde",
		"user=x:0x0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		"static-auth-secret=", "stateless-nonce-secret=",
	};
	static const uint8_t key[16] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
					 0xFE, 0xDC, 0xBA, 0x98, 0x76, 0x54, 0x32, 0x10 };
	struct given g;

	(void)state;
	given_read(&g, "user=a:b:c\nuser=k:0x0123456789abcdefFEDCBA9876543210\nuser=a:d\n");
	assert_int_equal(g.errors.errors, 0);
	assert_int_equal(g.conf.turn.n_users, 2);
	assert_string_equal(g.conf.turn.users[0].name, "a");
	assert_string_equal(g.conf.turn.users[0].password, "d");
	said(&g, "t:3: warning: user 'a' was given before");
	assert_true(g.conf.turn.users[1].has_md5_key);
	assert_null(g.conf.turn.users[1].password);
	assert_memory_equal(g.conf.turn.users[1].md5_key, key, 16);
	given_free(&g);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		given_read(&g, bad[i]);
		assert_int_equal(g.errors.errors, 1);
		said(&g, "t:1: error: ");
		not_said(&g, "hunter2");
		not_said(&g, "0123456789abcdef");
		given_free(&g);
	}
	given_read(&g, "user=a:x:y # z\n");
	assert_string_equal(g.conf.turn.users[0].password, "x:y");
	given_free(&g);
}

static void nonce_keys(void **state)
{
	struct given a, b, c, d;

	(void)state;
	given_read(&a, "stateless-nonce-secret=one\n");
	given_read(&b, "stateless-nonce-secret=one\n");
	given_read(&c, "stateless-nonce-secret=two\n");
	given_read(&d, "");
	assert_memory_equal(a.conf.turn.nonce_key, b.conf.turn.nonce_key, 32);
	assert_memory_not_equal(a.conf.turn.nonce_key, c.conf.turn.nonce_key, 32);
	assert_memory_not_equal(a.conf.turn.nonce_key, d.conf.turn.nonce_key, 32);
	given_free(&a);
	given_read(&a, "");
	assert_memory_not_equal(a.conf.turn.nonce_key, d.conf.turn.nonce_key, 32);
	given_free(&a);
	given_free(&b);
	given_free(&c);
	given_free(&d);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	fputs(text, out);
	fclose(out);
	assert_int_equal(chmod(path, mode), 0);
}

/* K2 */
static void files_for_everybody(void **state)
{
	char dir[] = "/tmp/conftestXXXXXX", path[64], other[64], text[128];
	struct given g;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/a", dir);
	snprintf(other, sizeof(other), "%s/b", dir);

	given_read(&g, "");
	write_file(path, "realm=a\nuser=u:hunter2\n", 0644);
	assert_int_equal(conf_read(&g.conf, path, &g.errors), 0);
	fflush(g.errors.out);
	assert_int_equal(g.errors.errors, 1);
	said(&g, "a:2: error: a secret in a file that everybody may read: chmod 640 ");
	not_said(&g, "hunter2");
	given_free(&g);

	given_read(&g, "");
	write_file(path, "realm=a\nuser=u:hunter2\n", 0640);
	assert_int_equal(conf_read(&g.conf, path, &g.errors), 0);
	write_file(path, "fingerprint\n", 0644);
	assert_int_equal(conf_read(&g.conf, path, &g.errors), 0);
	assert_int_equal(g.errors.errors, 0);

	write_file(other, "first\n\n second \r\n", 0600);
	snprintf(text, sizeof(text), "static-auth-secret-file=%s\n", other);
	write_file(path, text, 0644);
	assert_int_equal(conf_read(&g.conf, path, &g.errors), 0);
	assert_int_equal(g.errors.errors, 0);
	assert_int_equal(g.conf.turn.n_secrets, 2);
	assert_string_equal(g.conf.turn.secrets[1], " second ");
	assert_int_equal(chmod(other, 0644), 0);
	assert_int_equal(conf_read(&g.conf, path, &g.errors), 0);
	assert_int_equal(g.errors.errors, 1);
	write_file(other, "\n", 0600);
	assert_int_equal(conf_read(&g.conf, path, &g.errors), 0);
	assert_int_equal(g.errors.errors, 2);
	unlink(other);
	assert_int_equal(conf_read(&g.conf, path, &g.errors), 0);
	assert_int_equal(g.errors.errors, 3);
	unlink(path);
	assert_int_equal(conf_read(&g.conf, path, &g.errors), -2 /* ENOENT */);
	assert_true(conf_read(&g.conf, dir, &g.errors) < 0);
	given_free(&g);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(splits_lines_as_coturn_does),
		cmocka_unit_test(comments),
		cmocka_unit_test(semicolons_and_nul),
		cmocka_unit_test(booleans),
		cmocka_unit_test(inverse_booleans),
		cmocka_unit_test(last_one_wins),
		cmocka_unit_test(numbers_and_ports),
		cmocka_unit_test(values),
		cmocka_unit_test(dataplanes),
		cmocka_unit_test(rate_limit_in_any_order),
		cmocka_unit_test(logs),
		cmocka_unit_test(external_addresses),
		cmocka_unit_test(peer_ranges),
		cmocka_unit_test(bad_ranges_stop),
		cmocka_unit_test(users),
		cmocka_unit_test(nonce_keys),
		cmocka_unit_test(files_for_everybody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
