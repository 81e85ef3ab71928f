// SPDX-License-Identifier: MIT
/*
 * What becomes of every directive of coturn 4.17.1 (143), of older versions (12)
 * and of ours. The lists are written down here by hand: a directive that is
 * added, lost or changed must be so here as well.
 */
#include "config_given.h"

static const char *const work[] = {
	"listening-port", "listening-ip", "relay-ip", "external-ip", "min-port", "max-port",
	"aux-server", "sock-buf-size", "relay-threads", "cpus", "no-udp", "stun-only", "no-stun",
	"lt-cred-mech", "use-auth-secret", "static-auth-secret", "rest-api-separator", "user",
	"realm", "no-auth", "stale-nonce", "stateless-nonce", "stateless-nonce-secret",
	"fingerprint", "unauthorized-ratelimit", "unauthorized-ratelimit-rps", "user-quota",
	"total-quota", "max-bps", "bps-capacity", "max-allocate-lifetime", "channel-lifetime", "permission-lifetime",
	"denied-peer-ip", "allowed-peer-ip", "no-multicast-peers", "allow-loopback-peers",
	"verbose", "Verbose", "log-file", "no-stdout-log", "syslog", "log-min-level",
	"log-binding", "pidfile", "proc-user", "proc-group", "rfc5766-channel-numbers",
	"keep-address-family", "allocation-default-address-family", "software-attribute",
	"no-software-attribute", "mobility", "rfc5780", "alt-listening-port",
	"alt-tls-listening-port", "include-reason-string",
	"stun-backward-compatibility", "rfc3489-compatibility", "alternate-server",
	"udp-alternate-server", "tcp-alternate-server", "tls-alternate-server",
	"tls-listening-port", "no-tcp", "no-tls", "no-dtls", "dtls",
	"tcp-proxy-port", "listening-device", "relay-device",
	"max-allocate-timeout", "cert", "pkey", "pkey-pwd", "cipher-list", "CA-file", "no-tlsv1_2",
	"ec-curve-name", "acme-redirect", "respond-http-unsupported",
	"server-name", "secure-stun", "oauth", "check-origin-consistency",
	"userdb", "db", "redis-userdb", "redis-statsdb", "no-dynamic-ip-list", "no-dynamic-realms",
	/* ours */
	"external-ip-server", "udp-proxy-port", "udp-proxy-timeout", "trusted-proxy-ip",
	"static-auth-secret-file", "dataplane", "pin-path", "fast-path-flows",
	"fast-path-ipv6-share",
	"max-allocations", "control-socket", "max-pps", "user-max-bps",
	"drain-min-allocations", "prometheus", "prometheus-port", "prometheus-address",
	"prometheus-path", "prometheus-username-labels", "prometheus-tls", "prometheus-cert",
	"prometheus-key",
	"max-new-peers-per-second", "max-new-peers",
	"listener-realm", "oauth-key", "tcp-relay", "no-tcp-relay", "no-udp-relay",
	"include", "strict-config",
	"syslog-facility", "new-log-timestamp-format", "daemon",
};

static const char *const silent[] = {
	"udp-recvmmsg", "simple-log",
	"new-log-timestamp", "no-cli", "no-rfc5780", "response-origin-only-with-rfc5780",
	"drop-invalid-packets", "no-auth-pings",
	/* of older versions */
	"no-tlsv1", "no-tlsv1_1", "no-sslv2", "no-sslv3", "no-loopback-peers", "dh2066", "prod",
	"ne", "no-stun-backward-compatibility", "no-http", "sha256", "st-cred-mech",
};

static const char *const told[] = {
	"udp-self-balance", "udp-recvmmsg-log", "udp-sendmmsg-log", "udp-gso",
	"dh-file", "raw-public-keys", "version", "cli", "cli-ip", "cli-port", "cli-password", "cli-max-output-sessions",
	"drop-invalid-packets-log",
};

static const char *const warned[] = {
	"tlsv1", "tlsv1_1", "dh566",
	"dh1066", "web-admin",
	"web-admin-ip", "web-admin-port", "web-admin-listen-on-workers",
	"multiplex-peer-port", "multiplex-peer-max-peers", "secret-key-file",
};

static const char *const refused[] = {
	"multiplex-peer",
	"psql-userdb", "sql-userdb", "mysql-userdb",
	"mongo-userdb", "server-relay",
};

static const struct {
	const char *const *names;
	size_t n;
	enum conf_state state;
	const char *word;	/* how the line begins that says so */
} groups[] = {
#define LIST(l)	l, sizeof(l) / sizeof(l[0])
	{ LIST(work), CONF_WORKS, NULL },
	{ LIST(silent), CONF_SILENT, NULL },
	{ LIST(told), CONF_INFO, "t:1: info: " },
	{ LIST(warned), CONF_WARN, "t:1: warning: " },
	{ LIST(refused), CONF_REFUSED, "t:1: error: " },
};

#define GROUPS	(sizeof(groups) / sizeof(groups[0]))

static void every_directive_has_its_state(void **state)
{
	size_t named = 0, listed = 0;

	(void)state;
	for (size_t i = 0; i < conf_table_rows; i++)
		named += conf_table[i].name != NULL;
	for (size_t g = 0; g < GROUPS; g++) {
		listed += groups[g].n;
		for (size_t i = 0; i < groups[g].n; i++) {
			const struct conf_directive *row = conf_find(groups[g].names[i]);

			if (!row || row->state != groups[g].state)
				fail_msg("%s: missing, or in another state",
					 groups[g].names[i]);
			assert_true((row->state == CONF_WORKS) == (row->set != NULL));
			assert_true(row->state == CONF_SILENT || row->help != NULL);
		}
	}
	assert_int_equal(listed, 143 + 12 + 20);
	assert_int_equal(named, listed);
}

static void what_does_not_work_says_so_once(void **state)
{
	(void)state;
	for (size_t g = 1; g < GROUPS; g++) {
		for (size_t i = 0; i < groups[g].n; i++) {
			struct given given;
			char text[128];

			snprintf(text, sizeof(text), "%s=1\n", groups[g].names[i]);
			given_read(&given, text);
			if (groups[g].word) {
				said(&given, groups[g].word);
				said(&given, groups[g].names[i]);
				assert_ptr_equal(strchr(given.said, '\n') + 1,
						 given.said + given.len);
			} else {
				assert_string_equal(given.said, "");
			}
			assert_int_equal(given.errors.errors, groups[g].state == CONF_REFUSED);
			assert_int_equal(given.errors.warnings, groups[g].state == CONF_WARN);
			given_free(&given);
		}
	}
}

static void switched_off_is_fine(void **state)
{
	struct given g;

	(void)state;
	given_read(&g, "secure-stun=no\noauth=0\nmax-bps=0\nbps-capacity 0\nuserdb=\n"
		       "mobility=off\nmysql-userdb\nprometheus=false\ncert=\n");
	assert_string_equal(g.said, "");
	given_free(&g);
}

static void unknown_names(void **state)
{
	static const struct {
		const char *name, *words;
		bool stops;
	} cases[] = {
		{ "relay-port-range", "did you mean min-port and max-port?", false },
		{ "proc-quota", "did you mean total-quota?", false },
		{ "turn-port", "did you mean listening-port?", false },
		{ "external_ip", "did you mean external-ip?", false },
		{ "no-anonymous", "that is the default", false },
		{ "no-daemon", "did you mean ", false },
		{ "no-stale-nonce-check", "did you mean stale-nonce=0?", false },
		{ "listening_port", "did you mean listening-port?", false },
		{ "fingerprints", "did you mean fingerprint?", false },
		{ "Fingerprint", "did you mean fingerprint?", false },
		{ "colour-of-the-shed", "'colour-of-the-shed', ignored\n", false },
		{ "denied-peers", "did you mean denied-peer-ip?", true },
		{ "deny-ip", "looks like", true },
		{ "no-multicast-peer", "did you mean no-multicast-peers?", true },
		{ "static-auth-secrt", "did you mean static-auth-secret?", true },
		{ "users", "did you mean user?", true },
		{ "lt-cred-mec", "did you mean lt-cred-mech?", true },
		{ "realms", "did you mean realm?", true },
		{ "stale_nonce", "did you mean stale-nonce?", true },
		{ "max-bsp", "did you mean max-bps?", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct given g;
		char text[128];

		snprintf(text, sizeof(text), "\n%s=hunter2\n", cases[i].name);
		given_read(&g, text);
		said(&g, cases[i].stops ? "t:2: error: unknown directive" :
					  "t:2: warning: unknown directive");
		said(&g, cases[i].words);
		not_said(&g, "hunter2");
		assert_int_equal(g.errors.errors, cases[i].stops);
		assert_int_equal(g.errors.warnings, !cases[i].stops);
		given_free(&g);
	}
}

static void all_faults_at_once(void **state)
{
	struct given g;

	(void)state;
	given_read(&g, "listening-port=99999\n# fine\nfingerprint=perhaps\nred=1\n"
		       "denied-peer-ip=10.0.0.0/99\nuser=x\npsql-userdb=host=db\nweb-admin\n");
	assert_int_equal(g.errors.errors, 5);
	assert_int_equal(g.errors.warnings, 2);
	said(&g, "t:1: error: listening-port");
	said(&g, "t:3: error: fingerprint");
	said(&g, "t:4: warning: unknown directive 'red'");
	said(&g, "t:5: error: denied-peer-ip");
	said(&g, "t:6: error: user ");
	said(&g, "t:7: error: psql-userdb");
	said(&g, "t:8: warning: web-admin");
	assert_true(strstr(g.said, "t:1:") < strstr(g.said, "t:8:"));
	given_free(&g);
}

static void sample_and_usage_name_what_works(void **state)
{
	size_t len, help_len;
	char *sample, *help, find[64];
	FILE *out = open_memstream(&sample, &len);
	FILE *help_out = open_memstream(&help, &help_len);

	(void)state;
	conf_sample(out);
	conf_usage(help_out);
	fclose(out);
	fclose(help_out);
	for (size_t g = 0; g < GROUPS; g++) {
		for (size_t i = 0; i < groups[g].n; i++) {
			bool works = groups[g].state == CONF_WORKS;
			const char *tail = conf_find(groups[g].names[i])->arg ? "=" : "\n";

			snprintf(find, sizeof(find), "\n#%s%s", groups[g].names[i], tail);
			assert_int_equal(strstr(sample, find) != NULL, works);
			snprintf(find, sizeof(find), "  --%s", groups[g].names[i]);
			if (works)
				assert_non_null(strstr(help, find));
		}
	}
	free(sample);
	free(help);
}

/* The sample's defaults, taken as written, are the defaults. */
static void sample_changes_nothing(void **state)
{
	size_t len;
	char *sample;
	FILE *out = open_memstream(&sample, &len);
	struct given g, d;

	(void)state;
	conf_sample(out);
	fclose(out);
	given_finish(&d, "");
	given_finish(&g, sample);
	assert_int_equal(g.errors.errors + g.errors.warnings, 0);
	given_free(&g);
	given_read(&g, "");
	for (char *line = strtok(sample, "\n"); line; line = strtok(NULL, "\n")) {
		char *equals = strchr(line, '=');
		const struct conf_directive *row;

		if (*line != '#' || line[1] == ' ' || !equals)
			continue;
		*equals = 0;
		row = conf_find(line + 1);
		assert_non_null(row);
		if (row->initial)
			conf_set(&g.conf, line + 1, equals + 1, "sample", &g.errors);
	}
	assert_int_equal(g.errors.errors, 0);
	assert_int_equal(g.conf.listening_port, d.conf.listening_port);
	assert_int_equal(g.conf.sock_buf_size, d.conf.sock_buf_size);
	assert_int_equal(g.conf.turn.max_lifetime_s, d.conf.turn.max_lifetime_s);
	assert_int_equal(g.conf.turn.unauthorized_rps, d.conf.turn.unauthorized_rps);
	assert_string_equal(g.conf.pin_path, d.conf.pin_path);
	given_free(&g);
	given_free(&d);
	free(sample);
}

/* Every directive that works is in the manual, and no other is said to. */
static void manual_names_what_works(void **state)
{
	FILE *in = fopen("user/man/turnpike.conf.5", "r");
	char *text = NULL, find[80];
	size_t size = 0, items = 0;

	(void)state;
	assert_non_null(in);
	assert_true(getdelim(&text, &size, '\0', in) > 0);
	fclose(in);
	for (size_t i = 0; i < sizeof(work) / sizeof(work[0]); i++) {
		snprintf(find, sizeof(find), "\n.It Ic %s\n", work[i]);
		if (strstr(text, find))
			continue;
		find[strlen(find) - 1] = ' ';
		if (!strstr(text, find))
			fail_msg("turnpike.conf.5 does not describe %s", work[i]);
	}
	for (char *at = text; (at = strstr(at, "\n.It Ic ")); at++)
		items++;
	assert_int_equal(items, sizeof(work) / sizeof(work[0]));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_directive_has_its_state),
		cmocka_unit_test(what_does_not_work_says_so_once),
		cmocka_unit_test(switched_off_is_fine),
		cmocka_unit_test(unknown_names),
		cmocka_unit_test(all_faults_at_once),
		cmocka_unit_test(sample_and_usage_name_what_works),
		cmocka_unit_test(sample_changes_nothing),
		cmocka_unit_test(manual_names_what_works),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
