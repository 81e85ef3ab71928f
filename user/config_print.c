// SPDX-License-Identifier: MIT
/* The configuration as text: --check-config, --help and the sample file. */
#include <string.h>
#include "address.h"
#include "config_table.h"

static void print_addrs(FILE *out, const char *name, const struct conf_addrs *addrs)
{
	char text[ADDRESS_TEXT];

	for (unsigned int i = 0; i < addrs->n; i++)
		fprintf(out, "%s = %s\n", name, address_text(&addrs->v[i], text));
}

static void print_ranges(FILE *out, const char *name, const struct turn_ranges *ranges)
{
	for (unsigned int i = 0; i < ranges->n; i++) {
		const struct turn_ip_range *range = &ranges->v[i];
		struct tp_addr low = { .family = range->family };
		struct tp_addr high = { .family = range->family };
		char a[ADDRESS_TEXT], b[ADDRESS_TEXT];

		memcpy(low.ip, range->low, 16);
		memcpy(high.ip, range->high, 16);
		fprintf(out, "%s = %s", name, address_text(&low, a));
		if (!address_same_ip(&low, &high))
			fprintf(out, "-%s", address_text(&high, b));
		fputc('\n', out);
	}
}

static const char *yes(bool on)
{
	return on ? "yes" : "no";
}

/* 0 is no limit. */
static void print_limit(FILE *out, const char *name, uint32_t limit, const char *unit)
{
	if (limit)
		fprintf(out, "%s = %u %s\n", name, limit, unit);
	else
		fprintf(out, "%s = unlimited\n", name);
}

static void print_listeners(const struct conf *conf, FILE *out)
{
	const struct turn_conf *turn = &conf->turn;
	char a[ADDRESS_TEXT], b[ADDRESS_TEXT];

	fprintf(out, "# listeners and addresses\n");
	print_addrs(out, "listen", &conf->listen);
	print_addrs(out, "listen (UDP, proxies)", &conf->listen_proxied);
	print_addrs(out, "listen (TCP)", &conf->listen_tcp);
	for (unsigned int i = 0; i < turn->n_relays; i++) {
		const struct turn_relay_ip *relay = &turn->relays[i];

		fprintf(out, "relay = %s", address_text(&relay->local, a));
		if (!address_same_ip(&relay->local, &relay->external))
			fprintf(out, ", told as %s", address_text(&relay->external, b));
		else if (conf_asks_external(conf, &relay->local))
			fprintf(out, ", told as %s says at the start", conf->external_server);
		fputc('\n', out);
	}
	if (conf->listen_proxied.n)
		fprintf(out, "udp-proxy-timeout = %u seconds\n", conf->udp_proxy_timeout_s);
	if (conf->listening_device)
		fprintf(out, "listening-device = %s\n", conf->listening_device);
	if (conf->relay_device)
		fprintf(out, "relay-device = %s\n", conf->relay_device);
	fprintf(out, "relay ports = %u to %u\n", turn->min_port, turn->max_port);
	fprintf(out, "sock-buf-size = %u bytes\n", conf->sock_buf_size);
	if (conf->workers)
		fprintf(out, "relay-threads = %u\n", conf->workers);
	else
		fprintf(out, "relay-threads = one per CPU\n");
}

static void print_streams(const struct conf *conf, FILE *out)
{
	const struct tls_settings *tls = &conf->tls;

	fprintf(out, "# TCP, TLS and DTLS\n");
	fprintf(out, "plain TCP = %s\n", yes(!conf->no_tcp));
	fprintf(out, "TLS = %s\n", conf->no_tls ? "no" : tls->only_1_3 ? "1.3" : "1.2 and 1.3");
	fprintf(out, "DTLS = %s\n", conf->no_dtls ? "no" : "1.2");
	for (unsigned int i = 0; i < conf->cert.n && (!conf->no_tls || !conf->no_dtls); i++)
		fprintf(out, "cert = %s, pkey in %s\n", conf->cert.v[i],
			i < conf->pkey.n ? conf->pkey.v[i] : "the same file");
	fprintf(out, "CA-file = %s\n", conf->ca.n ? conf->ca.v[conf->ca.n - 1] : "none");
	fprintf(out, "cipher-list = %s\n", tls->ciphers ? tls->ciphers : "OpenSSL's default");
	fprintf(out, "ec-curve-name = %s\n", tls->groups ? tls->groups : "OpenSSL's default");
	fprintf(out, "max-allocate-timeout = %u s\n", conf->max_allocate_timeout_s);
	fprintf(out, "acme-redirect = %s\n", conf->acme_redirect ? conf->acme_redirect : "none");
	fprintf(out, "respond-http-unsupported = %s\n", yes(conf->http_unsupported));
}

static void print_dataplane(const struct conf *conf, FILE *out)
{
	static const char *const names[] = {
		[DATAPLANE_AUTO] = "auto", [DATAPLANE_XDP] = "xdp", [DATAPLANE_TC] = "tc",
		[DATAPLANE_USER] = "user",
	};

	fprintf(out, "# data plane\n");
	fprintf(out, "dataplane = %s\n", names[conf->dataplane]);
	fprintf(out, "pin-path = %s\n", conf->pin_path);
	fprintf(out, "fast-path-flows = %u channels\n", conf->fast_path_flows);
	if (conf->fast_path_ipv6_share)
		fprintf(out, "fast-path-ipv6-share = %u %%\n", conf->fast_path_ipv6_share);
	fprintf(out, "max-allocations = %u allocations\n", conf->max_allocations);
}

static void print_alternates(const struct turn_conf *turn, FILE *out)
{
	static const char *const names[ALTERNATES_LISTS] = {
		[ALTERNATES_ANY] = "alternate-server", [ALTERNATES_UDP] = "udp-alternate-server",
		[ALTERNATES_TCP] = "tcp-alternate-server",
		[ALTERNATES_TLS] = "tls-alternate-server",
	};
	char text[ADDRESS_TEXT];

	for (unsigned int i = 0; i < ALTERNATES_LISTS; i++)
		for (unsigned int j = 0; j < turn->alternates[i].n; j++) {
			const struct turn_alternate *a = &turn->alternates[i].v[j];

			fprintf(out, "%s = %s%s%s\n", names[i], address_text(&a->addr, text),
				a->domain ? "/" : "", a->domain ? a->domain : "");
		}
}

static void print_protocol(const struct turn_conf *turn, FILE *out)
{
	fprintf(out, "# protocol\n");
	fprintf(out, "stun-only = %s\n", yes(turn->stun_only));
	fprintf(out, "no-stun = %s\n", yes(turn->no_stun));
	fprintf(out, "fingerprint = %s\n", yes(turn->fingerprint));
	fprintf(out, "software-attribute = %s\n", turn->software ? turn->software : "no");
	fprintf(out, "rfc5766-channel-numbers = %s\n", yes(turn->channels_5766));
	fprintf(out, "UDP relay = %s\n", yes(!turn->no_udp_relay));
	fprintf(out, "tcp-relay = %s\n", yes(turn->tcp_relay));
	fprintf(out, "allocation-default-address-family = %s\n",
		turn->default_family == 4 ? "ipv4" : turn->default_family == 6 ? "ipv6" : "keep");
	fprintf(out, "mobility = %s\n", yes(turn->mobility));
	fprintf(out, "rfc5780 = %s\n", yes(turn->rfc5780));
	fprintf(out, "rfc3489-compatibility = %s\n", yes(turn->classic));
	fprintf(out, "stun-backward-compatibility = %s\n", yes(turn->mapped_address));
	print_alternates(turn, out);
	fprintf(out, "max-allocate-lifetime = %u s\n", turn->max_lifetime_s);
	fprintf(out, "channel-lifetime = %u s\n", turn->channel_lifetime_s);
	fprintf(out, "permission-lifetime = %u s\n", turn->permission_lifetime_s);
}

/* People write bits where bytes are meant: the line says both. */
static void print_bandwidth(FILE *out, const char *name, uint64_t bytes)
{
	if (bytes)
		fprintf(out, "%s = %llu bytes/s (%.3f Mbit/s)\n", name,
			(unsigned long long)bytes, (double)bytes * 8 / 1000000);
	else
		fprintf(out, "%s = unlimited\n", name);
}

static void print_database(const struct conf *conf, FILE *out)
{
	const struct turn_conf *turn = &conf->turn;
	char text[ADDRESS_TEXT];

	if (conf->userdb == USERDB_SQLITE)
		fprintf(out, "userdb = %s\n", conf->userdb_text);
	if (conf->userdb == USERDB_REDIS)
		fprintf(out, "redis-userdb = given\n");
	if (conf->userdb != USERDB_NONE)
		fprintf(out, "taken from it = %s%s%s%s\n", turn->db_users ? "users" : "secrets",
			turn->oauth ? ", token keys" : "",
			conf->no_dynamic_ip_list ? "" : ", peers",
			conf->no_dynamic_realms ? "" : ", realms");
	for (unsigned int i = 0; i < turn->n_listener_realms; i++)
		fprintf(out, "listener-realm = %s %s\n",
			address_text(&turn->listener_realms[i].listener, text),
			turn->listener_realms[i].realm);
	fprintf(out, "oauth = %s\n", yes(turn->oauth));
	fprintf(out, "secure-stun = %s\n", yes(turn->secure_stun));
}

static void print_auth(const struct conf *conf, FILE *out)
{
	const struct turn_conf *turn = &conf->turn;

	fprintf(out, "# authentication, limits and peers\n");
	fprintf(out, "relays for = %s\n", !conf_relays(conf) ? "nobody" :
		turn->no_auth ? "EVERYBODY" : "users with credentials");
	fprintf(out, "realm = %s\n", turn->realm ? turn->realm : "(not set)");
	fprintf(out, "users = %u\n", turn->n_users);
	fprintf(out, "secrets = %u\n", turn->n_secrets);
	print_database(conf, out);
	fprintf(out, "rest-api-separator = %c\n", turn->rest_separator);
	print_limit(out, "stale-nonce", turn->stale_nonce_s, "s");
	fprintf(out, "stateless-nonce-secret = %s\n",
		conf_where(conf, "stateless-nonce-secret") ? "given" : "random");
	print_limit(out, "unauthorized-ratelimit-rps", turn->unauthorized_rps,
		    "answers per second and address");
	print_limit(out, "user-quota", turn->user_quota, "allocations");
	print_limit(out, "total-quota", turn->total_quota, "allocations");
	print_bandwidth(out, "max-bps", turn->max_bps);
	print_bandwidth(out, "bps-capacity", turn->bps_capacity);
	print_bandwidth(out, "user-max-bps", turn->user_max_bps);
	print_limit(out, "max-pps", turn->max_pps, "packets per second");
	print_limit(out, "max-new-peers-per-second", turn->new_peers_rate, "IP addresses");
	print_limit(out, "max-new-peers", turn->new_peers_max, "IP addresses");
	print_ranges(out, "allowed-peer-ip", &turn->allowed);
	print_ranges(out, "denied-peer-ip", &turn->denied);
	fprintf(out, "no-multicast-peers = %s\n", yes(!turn->multicast_peers));
	fprintf(out, "allow-loopback-peers = %s\n", yes(turn->allow_loopback_peers));
}

void conf_print(const struct conf *conf, FILE *out)
{
	static const char *const levels[] = {
		[LEVEL_ERROR] = "error", [LEVEL_WARNING] = "warning",
		[LEVEL_INFO] = "info", [LEVEL_DEBUG] = "debug",
	};

	print_listeners(conf, out);
	print_streams(conf, out);
	print_dataplane(conf, out);
	print_protocol(&conf->turn, out);
	print_auth(conf, out);
	fprintf(out, "# log and process\n");
	fprintf(out, "log-file = %s\n", conf->log_file ? conf->log_file : "standard error");
	fprintf(out, "log-min-level = %s\n", levels[conf->log_level]);
	fprintf(out, "log-binding = %s\n", yes(conf->log_binding));
	fprintf(out, "time stamps = %s\n", conf->stamp ? conf->stamp : "ISO 8601, UTC");
	fprintf(out, "daemon = %s\n", yes(conf->daemon));
	fprintf(out, "control-socket = %s\n", conf->control_socket);
	fprintf(out, "pidfile = %s\n", conf->pidfile ? conf->pidfile : "none");
	fprintf(out, "proc-user = %s\n", conf->proc_user ? conf->proc_user : "(not set)");
	fprintf(out, "proc-group = %s\n", conf->proc_group ? conf->proc_group : "(not set)");
}

/* A heading is worth printing only above directives that work. */
static bool heads_something(size_t row)
{
	while (++row < conf_table_rows && conf_table[row].name)
		if (conf_table[row].state == CONF_WORKS)
			return true;
	return false;
}

void conf_sample(FILE *out)
{
	fprintf(out, "# turnpike.conf: see turnpike.conf(5). Keep it from others (chmod 640)\n"
		"# once it holds secrets.\n");
	for (size_t i = 0; i < conf_table_rows; i++) {
		const struct conf_directive *row = &conf_table[i];

		if (!row->name && heads_something(i))
			fprintf(out, "\n# ---- %s\n", row->help);
		if (!row->name || row->state != CONF_WORKS)
			continue;
		fprintf(out, "\n# %s%s\n", row->help,
			row->flags & CONF_REPEAT ? " (may be repeated)" : "");
		if (!row->arg)
			fprintf(out, "#%s\n", row->name);
		else
			fprintf(out, "#%s=%s\n", row->name, row->initial ? row->initial : row->arg);
	}
}

void conf_usage(FILE *out)
{
	for (size_t i = 0; i < conf_table_rows; i++) {
		const struct conf_directive *row = &conf_table[i];

		if (!row->name && heads_something(i))
			fprintf(out, "\n%s:\n", row->help);
		if (!row->name || row->state != CONF_WORKS)
			continue;
		fprintf(out, "  --%s%s%s%s%s\n", row->name,
			row->arg && *row->arg == '[' ? "" : row->arg ? "=" : "",
			row->arg ? row->arg : "",
			row->arg && row->initial ? "    default " : "",
			row->arg && row->initial ? row->initial : "");
		fprintf(out, "        %s\n", row->help);
	}
}
