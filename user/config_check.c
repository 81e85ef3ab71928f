// SPDX-License-Identifier: MIT
/* After the last directive: what contradicts itself, and what follows from it. */
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "address.h"
#include "config_table.h"

#define MOST_ALLOCATIONS	65536	/* unless max-allocations asks for more */

bool conf_relays(const struct conf *conf)
{
	const struct turn_conf *turn = &conf->turn;

	return !turn->stun_only && (turn->no_auth || turn->n_users || turn->n_secrets ||
				     turn->n_token_keys || conf->userdb != USERDB_NONE);
}

void conf_derive_allocations(struct conf *conf, unsigned int n_relays)
{
	const struct turn_conf *turn = &conf->turn;
	uint64_t most = turn->max_port >= turn->min_port ? turn->max_port - turn->min_port + 1 : 1;

	if (conf_where(conf, "max-allocations"))
		return;
	most *= n_relays ? n_relays : 1;
	if (most > MOST_ALLOCATIONS)
		most = MOST_ALLOCATIONS;
	conf->max_allocations = turn->total_quota ? turn->total_quota : (uint32_t)most;
}

/* The first of the directives that was given: where to point. */
static const char *given(const struct conf *conf, const char *const *names)
{
	while (*names) {
		const char *where = conf_where(conf, *names++);

		if (where)
			return where;
	}
	return NULL;
}

static void check_auth(const struct conf *conf, struct conf_errors *errors)
{
	static const char *const credentials[] = {
		"lt-cred-mech", "use-auth-secret", "user", "static-auth-secret",
		"static-auth-secret-file", "userdb", "db", "redis-userdb", "oauth-key", NULL
	};
	const struct turn_conf *turn = &conf->turn;
	bool asked = conf->lt_cred_mech || conf->use_auth_secret;
	bool database = conf->userdb != USERDB_NONE;
	bool any = asked || turn->n_users || turn->n_secrets || database || turn->n_token_keys;

	if (turn->no_auth && any)
		conf_report(errors, conf_where(conf, "no-auth"), LEVEL_ERROR,
			    "no-auth contradicts the credentials of %s", given(conf, credentials));
	if (turn->stun_only) {
		if (any || turn->no_auth)
			conf_report(errors, conf_where(conf, "stun-only"), LEVEL_WARNING,
				    "stun-only: nothing is relayed, credentials have no use");
		return;
	}
	if (conf->use_auth_secret && !turn->n_secrets && !database)
		conf_report(errors, conf_where(conf, "use-auth-secret"), LEVEL_ERROR,
			    "use-auth-secret without a static-auth-secret: nobody could log in");
	else if (asked && !turn->n_users && !turn->n_secrets && !database && !turn->oauth)
		conf_report(errors, conf_where(conf, "lt-cred-mech"), LEVEL_ERROR,
			    "lt-cred-mech without user, static-auth-secret or userdb: "
			    "nobody could log in");
	if (turn->no_auth && turn->mobility)
		conf_report(errors, conf_where(conf, "mobility"), LEVEL_WARNING,
			    "mobility needs credentials: with no-auth nobody gets a ticket");
	if (turn->no_auth)
		conf_report(errors, conf_where(conf, "no-auth"), LEVEL_WARNING,
			    "no-auth: ANYBODY WHO REACHES THIS SERVER CAN RELAY THROUGH IT");
	else if (!any)
		conf_report(errors, NULL, LEVEL_INFO,
			    "no credentials are configured: STUN is answered, TURN is refused");
}

/* Like coturn: the domain name of the host, else its name. */
static char *default_realm(void)
{
	char domain[256] = "";
	struct utsname uts;
	const char *dot;

	if (uname(&uts))
		return strdup("turnpike");
	dot = strchr(uts.nodename, '.');
	if (dot && dot[1])
		return strdup(dot + 1);
	if (!getdomainname(domain, sizeof(domain) - 1) && *domain && strcmp(domain, "(none)"))
		return strdup(domain);
	return strdup(*uts.nodename ? uts.nodename : "turnpike");
}

static void check_realm(struct conf *conf, struct conf_errors *errors)
{
	struct turn_conf *turn = &conf->turn;
	bool keys = false;

	if (turn->realm)
		return;
	turn->realm = default_realm();
	if (!turn->realm)
		abort();
	for (unsigned int i = 0; i < turn->n_users; i++)
		keys |= turn->users[i].has_md5_key;
	if (keys)
		conf_report(errors, conf_where(conf, "user"), LEVEL_WARNING,
			    "user with a key, but no realm: the key is good for one realm only, "
			    "and it is now %s", turn->realm);
	else if (conf_relays(conf))
		conf_report(errors, NULL, LEVEL_INFO, "no realm given: it is %s", turn->realm);
}

static void check_ports(const struct conf *conf, struct conf_errors *errors)
{
	const struct turn_conf *turn = &conf->turn;
	const char *const names[] = { "max-port", "min-port", NULL };
	const char *where = given(conf, names);

	if (turn->min_port > turn->max_port)
		conf_report(errors, where, LEVEL_ERROR,
			    "min-port %u is greater than max-port %u",
			    turn->min_port, turn->max_port);
	else if (conf->listening_port >= turn->min_port && conf->listening_port <= turn->max_port)
		conf_report(errors, where ? where : conf_where(conf, "listening-port"),
			    LEVEL_WARNING, "the relay ports %u to %u include listening-port %u",
			    turn->min_port, turn->max_port, conf->listening_port);
	if (conf->alt_listening_port == conf->listening_port)
		conf_report(errors, conf_where(conf, "alt-listening-port"), LEVEL_ERROR,
			    "alt-listening-port is the same as listening-port %u",
			    conf->listening_port);
	if (conf->alt_tls_listening_port == conf->tls_listening_port)
		conf_report(errors, conf_where(conf, "alt-tls-listening-port"), LEVEL_ERROR,
			    "alt-tls-listening-port is the same as tls-listening-port %u",
			    conf->tls_listening_port);
	if (conf->no_udp && conf->no_tcp && conf->no_tls && conf->no_dtls)
		conf_report(errors, conf_where(conf, "no-udp"), LEVEL_ERROR,
			    "no-udp leaves no listener: there is neither TCP nor TLS");
	if (turn->stun_only && turn->no_stun)
		conf_report(errors, conf_where(conf, "no-stun"), LEVEL_ERROR,
			    "stun-only and no-stun leave nothing to do");
}

static char *range_text(const struct turn_ip_range *range, char *buf, size_t len)
{
	struct tp_addr low = { .family = range->family }, high = { .family = range->family };
	char from[ADDRESS_TEXT], to[ADDRESS_TEXT];

	memcpy(low.ip, range->low, 16);
	memcpy(high.ip, range->high, 16);
	if (address_same_ip(&low, &high))
		snprintf(buf, len, "%s", address_text(&low, from));
	else
		snprintf(buf, len, "%s-%s", address_text(&low, from), address_text(&high, to));
	return buf;
}

static bool covers(const struct turn_ip_range *a, const struct turn_ip_range *b)
{
	return a->family == b->family && memcmp(a->low, b->low, 16) <= 0 &&
	       memcmp(a->high, b->high, 16) >= 0;
}

static bool covers_all(const struct turn_ip_range *range)
{
	size_t len = range->family == 4 ? 4 : 16;

	for (size_t i = 0; i < len; i++)
		if (range->low[i] || range->high[i] != 0xff)
			return false;
	return true;
}

/* An allowed range wins over a denied one (coturn's rule). */
static void check_peers(const struct conf *conf, struct conf_errors *errors)
{
	const struct turn_ranges *allowed = &conf->turn.allowed, *denied = &conf->turn.denied;
	char a[2 * ADDRESS_TEXT], d[2 * ADDRESS_TEXT];

	for (unsigned int i = 0; i < allowed->n; i++) {
		const struct turn_ip_range *range = &allowed->v[i];
		const char *where = conf_where_nth(conf, "allowed-peer-ip", i);

		if (covers_all(range))
			conf_report(errors, where, LEVEL_WARNING,
				    "allowed-peer-ip %s allows every IPv%u address, private ones "
				    "too, whatever denied-peer-ip says",
				    range_text(range, a, sizeof(a)), range->family);
		for (unsigned int j = 0; j < denied->n; j++)
			if (!covers_all(range) && covers(range, &denied->v[j]))
				conf_report(errors, where, LEVEL_WARNING,
					    "allowed-peer-ip %s voids denied-peer-ip %s",
					    range_text(range, a, sizeof(a)),
					    range_text(&denied->v[j], d, sizeof(d)));
	}
}

/* As in coturn: with use-auth-secret the database gives secrets, otherwise users. */
static void check_database(struct conf *conf, struct conf_errors *errors)
{
	struct turn_conf *turn = &conf->turn;
	bool database = conf->userdb != USERDB_NONE;

	turn->db_secrets = database && (conf->use_auth_secret || turn->n_secrets);
	turn->db_users = database && !turn->db_secrets;
	if (turn->oauth && !database && !turn->n_token_keys)
		conf_report(errors, conf_where(conf, "oauth"), LEVEL_ERROR,
			    "oauth without a user database or an oauth-key: no token could be "
			    "read");
	if (turn->n_token_keys && !turn->oauth)
		conf_report(errors, conf_where(conf, "oauth-key"), LEVEL_ERROR,
			    "oauth-key without oauth: no token would be taken");
	if (turn->secure_stun && (turn->no_auth || turn->no_stun || !conf_relays(conf)))
		conf_report(errors, conf_where(conf, "secure-stun"), LEVEL_ERROR,
			    "secure-stun needs credentials, and Binding requests to protect");
}

static void check_lifetimes(struct conf *conf, struct conf_errors *errors)
{
	struct turn_conf *turn = &conf->turn;

	if (turn->default_lifetime_s > turn->max_lifetime_s)
		turn->default_lifetime_s = turn->max_lifetime_s;
	if (turn->channel_lifetime_s != 600)
		conf_report(errors, conf_where(conf, "channel-lifetime"), LEVEL_WARNING,
			    "channel-lifetime: RFC 8656 says 600 s, and clients rely on it");
	if (turn->permission_lifetime_s != 300)
		conf_report(errors, conf_where(conf, "permission-lifetime"), LEVEL_WARNING,
			    "permission-lifetime: RFC 8656 says 300 s, and clients rely on it");
}

/* Many a file has bits there. */
static void say_bandwidth(const struct conf *conf, const char *name, uint64_t bytes,
			  struct conf_errors *errors)
{
	if (bytes)
		conf_report(errors, conf_where(conf, name), LEVEL_INFO,
			    "%s %llu is in bytes per second: %.3f Mbit/s", name,
			    (unsigned long long)bytes, (double)bytes * 8 / 1e6);
}

static void check_bandwidth(const struct conf *conf, struct conf_errors *errors)
{
	const struct turn_conf *turn = &conf->turn;

	say_bandwidth(conf, "max-bps", turn->max_bps, errors);
	say_bandwidth(conf, "bps-capacity", turn->bps_capacity, errors);
	say_bandwidth(conf, "user-max-bps", turn->user_max_bps, errors);

	/* coturn would say nothing and limit nothing */
	if (turn->bps_capacity && !turn->max_bps)
		conf_report(errors, conf_where(conf, "bps-capacity"), LEVEL_ERROR,
			    "bps-capacity without max-bps limits nothing: it is given out in "
			    "parts of max-bps");
	if (turn->user_max_bps && turn->no_auth)
		conf_report(errors, conf_where(conf, "user-max-bps"), LEVEL_WARNING,
			    "user-max-bps with no-auth: everybody is one user");
}

static void check_metrics(const struct conf *conf, struct conf_errors *errors)
{
	if (conf->prometheus && conf->prometheus_path && *conf->prometheus_path != '/')
		conf_report(errors, conf_where(conf, "prometheus-path"), LEVEL_ERROR,
			    "prometheus-path does not begin with a slash");
	if (conf->prometheus && !conf->prometheus_path)
		conf_report(errors, conf_where(conf, "prometheus-path"), LEVEL_ERROR,
			    "prometheus-path is empty");
	if (conf->prometheus && conf->prometheus_tls && !conf->prometheus_cert.n && !conf->cert.n)
		conf_report(errors, conf_where(conf, "prometheus-tls"), LEVEL_ERROR,
			    "prometheus-tls without prometheus-cert or cert");
}

/* What a header says is believed, so it matters who says it. taken: by clients without one. */
static void check_proxy_port(const struct conf *conf, struct conf_errors *errors,
			     const char *name, uint16_t port, bool taken)
{
	const char *where = conf_where(conf, name);

	if (!port)
		return;
	if (!conf->trusted_proxies.n)
		conf_report(errors, where, LEVEL_ERROR,
			    "%s without trusted-proxy-ip: nobody would be served there", name);
	if (taken)
		conf_report(errors, where, LEVEL_ERROR,
			    "%s %u is taken by clients without a proxy", name, port);
}

static void check_proxy(const struct conf *conf, struct conf_errors *errors)
{
	uint16_t tcp = conf->tcp_proxy_port, udp = conf->udp_proxy_port;

	check_proxy_port(conf, errors, "tcp-proxy-port", tcp,
			 tcp == conf->listening_port || tcp == conf->tls_listening_port);
	check_proxy_port(conf, errors, "udp-proxy-port", udp,
			 udp == conf->listening_port ||
			 (!conf->no_dtls && udp == conf->tls_listening_port));
	if (udp && conf->no_udp)
		conf_report(errors, conf_where(conf, "udp-proxy-port"), LEVEL_WARNING,
			    "no-udp: udp-proxy-port is off");
}

/* Off unless it is asked for, as in coturn since 4.17: few clients speak it. */
static void settle_dtls(struct conf *conf, struct conf_errors *errors)
{
	const char *where = conf_where(conf, "dtls");

	conf->no_dtls = conf->no_dtls || !conf->dtls;
	if (conf->no_dtls)
		return;
	conf->no_dtls = !conf->cert.n || conf->tls.only_1_3;
	if (!conf->cert.n)
		conf_report(errors, where, LEVEL_WARNING, "no cert is given: DTLS is off");
	else if (conf->no_dtls)
		conf_report(errors, where, LEVEL_WARNING,
			    "no-tlsv1_2: DTLS is off, since there is no 1.3 of it here");
}

/* Like coturn, which starts without TLS then. */
static void settle_tls(struct conf *conf, struct conf_errors *errors)
{
	if (conf->no_tls)
		return;
	/* copied along with no-tlsv1 and no-tlsv1_1, which are so anyhow */
	if (conf->cert.n && conf->tls.only_1_3)
		conf_report(errors, conf_where(conf, "no-tlsv1_2"), LEVEL_INFO,
			    "no-tlsv1_2: clients without TLS 1.3 cannot connect; 1.0 and 1.1 are "
			    "off without it");
	if (conf->cert.n)
		return;
	conf->no_tls = true;
	if (conf->pkey.n || conf->ca.n)
		conf_report(errors, conf_where(conf, conf->pkey.n ? "pkey" : "CA-file"),
			    LEVEL_WARNING, "no cert is given: TLS is off");
	else if (conf_where(conf, "tls-listening-port"))
		conf_report(errors, conf_where(conf, "tls-listening-port"), LEVEL_INFO,
			    "no cert is given: TLS is off");
}

static void settle_log(struct conf *conf)
{
	if (!conf_where(conf, "log-min-level") && conf->very_verbose)
		conf->log_level = LEVEL_DEBUG;
	if (conf->log_file && !strcmp(conf->log_file, "syslog"))
		conf->syslog = true;
	/* there will be no standard error */
	conf->syslog |= conf->daemon && !conf->log_file;
	if (conf->syslog && (!conf->log_file || strcmp(conf->log_file, "syslog"))) {
		free(conf->log_file);
		conf->log_file = strdup("syslog");
	}
}

static void settle_classic(struct conf *conf)
{
	conf->turn.mapped_address = conf->stun_backward_compatibility;
	conf->turn.classic = conf->stun_backward_compatibility || conf->rfc3489_compatibility;
}

static void check_relaying(const struct conf *conf, struct conf_errors *errors)
{
	if (conf->turn.no_udp_relay && !conf->turn.tcp_relay && !conf->turn.stun_only)
		conf_report(errors, conf_where(conf, "no-udp-relay"), LEVEL_ERROR,
			    "no-udp-relay without tcp-relay leaves nothing to relay: say "
			    "tcp-relay, or stun-only");
}

static void check_names(const struct conf *conf, struct conf_errors *errors)
{
	if (conf->strict && conf->unknown)
		conf_report(errors, conf_where(conf, "strict-config"), LEVEL_ERROR,
			    "strict-config: %u unknown directive%s", conf->unknown,
			    conf->unknown == 1 ? "" : "s");
}

void conf_finish(struct conf *conf, struct conf_errors *errors)
{
	settle_dtls(conf, errors);
	check_names(conf, errors);
	check_relaying(conf, errors);
	settle_tls(conf, errors);
	check_proxy(conf, errors);
	conf_check_external(conf, errors);
	check_auth(conf, errors);
	check_database(conf, errors);
	check_realm(conf, errors);
	check_ports(conf, errors);
	check_peers(conf, errors);
	check_lifetimes(conf, errors);
	check_bandwidth(conf, errors);
	check_metrics(conf, errors);
	settle_log(conf);
	settle_classic(conf);
	if (!conf->workers)
		conf->workers = conf->cpus;
	conf_derive_allocations(conf, conf->relay_ip.n);
}
