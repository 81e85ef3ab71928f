// SPDX-License-Identifier: MIT
/* What this host has: listeners and relay addresses that the file leaves open. */
#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include "address.h"
#include "config_table.h"

static void *grown(void *v, unsigned int n, size_t size)
{
	v = reallocarray(v, n, size);
	if (!v)
		abort();
	return v;
}

/* Appends what is not there yet. */
static void add(struct tp_addr **v, unsigned int *n, const struct tp_addr *addr)
{
	for (unsigned int i = 0; i < *n; i++)
		if (address_equal(&(*v)[i], addr))
			return;
	*v = grown(*v, *n + 1, sizeof(**v));
	(*v)[(*n)++] = *addr;
}

bool conf_loopback(const struct tp_addr *addr)
{
	static const uint8_t one[16] = { [15] = 1 };

	return addr->family == 4 ? addr->ip[0] == 127 : !memcmp(addr->ip, one, 16);
}

static bool link_local(const struct tp_addr *addr)
{
	if (addr->family == 4)
		return addr->ip[0] == 169 && addr->ip[1] == 254;
	return addr->ip[0] == 0xfe && (addr->ip[1] & 0xc0) == 0x80;
}

static bool unspecified(const struct tp_addr *addr)
{
	static const uint8_t zero[16];

	return !memcmp(addr->ip, zero, 16);
}

/*
 * What reaches every station of an interface's network: the address with all bits of the
 * host's part set, the one with none (RFC 1122 section 3.3.6), and what the interface has
 * been told instead.
 */
static void add_broadcasts(struct turn_conf *turn, const struct ifaddrs *at)
{
	struct tp_addr addr, mask, told;

	if (!(at->ifa_flags & IFF_BROADCAST) || !at->ifa_netmask ||
	    !address_from_sockaddr(&addr, at->ifa_addr) || addr.family != 4 ||
	    !address_from_sockaddr(&mask, at->ifa_netmask))
		return;
	/* RFC 3021: a link of two has none */
	if (mask.ip[3] >= 0xfe)
		return;
	/* one that was given without has its own address there (getifaddrs() of glibc) */
	if (at->ifa_broadaddr && address_from_sockaddr(&told, at->ifa_broadaddr) &&
	    told.family == 4 && !address_same_ip(&told, &addr))
		add(&turn->broadcasts, &turn->n_broadcasts, &told);
	for (int ones = 0; ones < 2; ones++) {
		for (int i = 0; i < 4; i++)
			addr.ip[i] = (uint8_t)(ones ? addr.ip[i] | ~mask.ip[i] :
					       addr.ip[i] & mask.ip[i]);
		add(&turn->broadcasts, &turn->n_broadcasts, &addr);
	}
}

/* The addresses of the interfaces that are up, and their networks' broadcasts; port 0. */
static int host_addresses(struct conf_addrs *host, struct turn_conf *turn)
{
	struct ifaddrs *list, *at;
	struct tp_addr addr;

	if (getifaddrs(&list))
		return -errno;
	for (at = list; at; at = at->ifa_next) {
		if (!(at->ifa_flags & IFF_UP) || !at->ifa_addr)
			continue;
		add_broadcasts(turn, at);
		if (address_from_sockaddr(&addr, at->ifa_addr) && !link_local(&addr))
			add(&host->v, &host->n, &addr);
	}
	freeifaddrs(list);
	return 0;
}

static bool has(const struct conf_addrs *host, const struct tp_addr *addr)
{
	for (unsigned int i = 0; i < host->n; i++)
		if (address_same_ip(&host->v[i], addr))
			return true;
	return false;
}

/* What is written (all of the host where nothing is), 0.0.0.0 and :: replaced by
 * the host's addresses of that family. */
static void expand(struct conf_addrs *out, const struct conf_addrs *written,
		   const struct conf_addrs *host)
{
	for (unsigned int i = 0; i < written->n; i++) {
		const struct tp_addr *addr = &written->v[i];

		if (!unspecified(addr)) {
			add(&out->v, &out->n, addr);
			continue;
		}
		for (unsigned int j = 0; j < host->n; j++)
			if (host->v[j].family == addr->family)
				add(&out->v, &out->n, &host->v[j]);
	}
	for (unsigned int i = 0; !written->n && i < host->n; i++)
		add(&out->v, &out->n, &host->v[i]);
}

static void warn_foreign(const struct conf *conf, const char *name,
			 const struct conf_addrs *host, struct conf_errors *errors)
{
	const struct conf_addrs *written = strcmp(name, "relay-ip") ? &conf->listening_ip :
					   &conf->relay_ip;
	char text[ADDRESS_TEXT];

	for (unsigned int i = 0; i < written->n; i++)
		if (!unspecified(&written->v[i]) && !has(host, &written->v[i]))
			conf_report(errors, conf_where_nth(conf, name, i), LEVEL_WARNING,
				    "%s %s: no interface that is up has this address", name,
				    address_text(&written->v[i], text));
}

static void listen_one(struct conf_addrs *out, const struct tp_addr *ip, uint16_t port)
{
	struct tp_addr addr = *ip;

	addr.port = htons(port);
	add(&out->v, &out->n, &addr);
}

static void listen_at(struct conf_addrs *out, const struct conf_addrs *ips, uint16_t port)
{
	for (unsigned int i = 0; i < ips->n; i++)
		listen_one(out, &ips->v[i], port);
}

static void listen_pair(struct conf_addrs *out, const struct conf *conf,
			const struct conf_addrs *ips, struct conf_port_pair ports)
{
	listen_at(out, ips, ports.port);
	for (unsigned int i = 0; i < ips->n; i++)
		if (conf_has_twin(conf, ips, i))
			listen_one(out, &ips->v[i], ports.alternate);
}

static void listen_aux(struct conf_addrs *out, const struct conf *conf,
		       const struct conf_addrs *host)
{
	for (unsigned int i = 0; i < conf->aux_server.n; i++) {
		struct conf_addrs one = { &conf->aux_server.v[i], 1 }, ips = { 0 };

		expand(&ips, &one, host);
		listen_at(out, &ips, ntohs(one.v->port));
		free(ips.v);
	}
}

static void resolve_listeners(struct conf *conf, const struct conf_addrs *ips,
			      const struct conf_addrs *host)
{
	struct conf_port_pair plain = conf_plain_ports(conf), secure = conf_secure_ports(conf);

	free(conf->listen.v);
	free(conf->listen_tcp.v);
	free(conf->listen_proxied.v);
	conf->listen = conf->listen_tcp = conf->listen_proxied = (struct conf_addrs){ 0 };
	if (!conf->no_udp || !conf->no_dtls) {
		listen_pair(&conf->listen, conf, ips, plain);
		listen_aux(&conf->listen, conf, host);
	}
	if (conf->udp_proxy_port && !conf->no_udp)
		listen_at(&conf->listen_proxied, ips, conf->udp_proxy_port);
	if (!conf->no_dtls)		/* RFC 7350 section 3 */
		listen_pair(&conf->listen, conf, ips, secure);
	if (!conf->no_tcp)
		listen_pair(&conf->listen_tcp, conf, ips, plain);
	if (!conf->no_tls)
		listen_pair(&conf->listen_tcp, conf, ips, secure);
	if (conf->tcp_proxy_port && (!conf->no_tcp || !conf->no_tls))
		listen_at(&conf->listen_tcp, ips, conf->tcp_proxy_port);
	if (!conf->no_tcp || !conf->no_tls)
		listen_aux(&conf->listen_tcp, conf, host);
}

static void resolve_relays(struct conf *conf, const struct conf_addrs *listen_ips,
			   const struct conf_addrs *host)
{
	const struct conf_addrs *written = conf->relay_ip.n ? &conf->relay_ip : listen_ips;
	struct turn_conf *turn = &conf->turn;
	struct conf_addrs ips = { 0 };
	bool real = false;

	if (conf->relay_ip.n || listen_ips->n)
		expand(&ips, written, host);
	for (unsigned int i = 0; i < ips.n; i++)
		real |= !conf_loopback(&ips.v[i]);
	free(turn->relays);
	turn->relays = NULL;
	turn->n_relays = 0;
	for (unsigned int i = 0; i < ips.n; i++) {
		struct turn_relay_ip relay = { .local = ips.v[i] };

		/* of no use to anybody else, and taken only where it was asked for */
		if (real && conf_loopback(&ips.v[i]) && !has(&conf->relay_ip, &ips.v[i]))
			continue;
		relay.external = conf_external_of(conf, &relay.local);
		turn->relays = grown(turn->relays, turn->n_relays + 1, sizeof(relay));
		turn->relays[turn->n_relays++] = relay;
	}
	free(ips.v);
}

static void add_own(struct conf *conf, const struct conf_addrs *listen)
{
	struct turn_conf *turn = &conf->turn;

	for (unsigned int i = 0; i < listen->n; i++) {
		struct tp_addr external = conf_external_of(conf, &listen->v[i]);

		add(&turn->own, &turn->n_own, &listen->v[i]);
		add(&turn->own, &turn->n_own, &external);
	}
}

/* Listeners by the names that clients know them by as well, and every other address of this
 * host: XDP bypasses its firewall. The loopback has a rule of its own (allow-loopback-peers). */
static void resolve_own(struct conf *conf, const struct conf_addrs *host)
{
	struct turn_conf *turn = &conf->turn;

	free(turn->own);
	turn->own = NULL;
	turn->n_own = 0;
	add_own(conf, &conf->listen);
	add_own(conf, &conf->listen_tcp);
	add_own(conf, &conf->listen_proxied);
	for (unsigned int i = 0; i < host->n; i++)
		if (!conf_loopback(&host->v[i]))
			add(&turn->own, &turn->n_own, &host->v[i]);
}

static void check_external(const struct conf *conf, struct conf_errors *errors)
{
	const struct turn_conf *turn = &conf->turn;
	char text[ADDRESS_TEXT];

	for (unsigned int i = 0; i < conf->n_external; i++) {
		const struct conf_external *external = &conf->external[i];
		const char *where = conf_where_nth(conf, "external-ip", i);
		unsigned int users = 0;

		for (unsigned int j = 0; j < turn->n_relays; j++)
			users += address_same_ip(&turn->relays[j].external, &external->public) &&
				 (!external->private.family ||
				  address_same_ip(&turn->relays[j].local, &external->private));
		if (!users)
			conf_report(errors, where, LEVEL_WARNING,
				    "external-ip %s belongs to no relay address",
				    address_text(&external->public, text));
		else if (users > 1)
			conf_report(errors, where, LEVEL_WARNING,
				    "external-ip %s stands for %u relay addresses: name one "
				    "relay-ip, or give PUBLIC/PRIVATE for each",
				    address_text(&external->public, text), users);
	}
}

/* "1,5-9\n": is port among them? */
static bool listed(const char *list, unsigned long port)
{
	while (*list >= '0' && *list <= '9') {
		char *end;
		unsigned long low = strtoul(list, &end, 10), high = low;

		if (*end == '-')
			high = strtoul(end + 1, &end, 10);
		if (port >= low && port <= high)
			return true;
		list = *end == ',' ? end + 1 : end;
	}
	return false;
}

bool conf_ports_clash(uint16_t low, uint16_t high, const char *range, const char *reserved)
{
	unsigned int first, last;

	if (sscanf(range, "%u %u", &first, &last) != 2)
		return false;
	for (unsigned int port = low; port <= high; port++)
		if (port >= first && port <= last && !listed(reserved, port))
			return true;
	return false;
}

/* A file of /proc; empty where it cannot be read. */
static char *setting(const char *path, char *buf, int len)
{
	FILE *in = fopen(path, "re");

	if (!in || !fgets(buf, len, in))
		*buf = 0;
	if (in)
		fclose(in);
	return buf;
}

static void check_ephemeral(const struct conf *conf, struct conf_errors *errors)
{
	const struct turn_conf *turn = &conf->turn;
	char range[64], reserved[4096];

	if (!conf_relays(conf))
		return;
	setting("/proc/sys/net/ipv4/ip_local_port_range", range, sizeof(range));
	setting("/proc/sys/net/ipv4/ip_local_reserved_ports", reserved, sizeof(reserved));
	if (conf_ports_clash(turn->min_port, turn->max_port, range, reserved))
		conf_report(errors, conf_where(conf, "min-port"), LEVEL_WARNING,
			    "other programs may take relay ports %u to %u: reserve them with "
			    "sysctl net.ipv4.ip_local_reserved_ports=%u-%u",
			    turn->min_port, turn->max_port, turn->min_port, turn->max_port);
}

/* Its addresses are not looked at: those of a VRF are with its members. */
static void check_device(const struct conf *conf, const char *name, const char *device,
			 struct conf_errors *errors)
{
	if (device && !conf->sealed && !if_nametoindex(device))
		conf_report(errors, conf_where(conf, name), LEVEL_ERROR,
			    "%s: there is no interface '%.100s'", name, device);
}

static void check_process(const struct conf *conf, struct conf_errors *errors)
{
	if (conf->proc_user && !getpwnam(conf->proc_user))
		conf_report(errors, conf_where(conf, "proc-user"), LEVEL_ERROR,
			    "proc-user: there is no user '%s'", conf->proc_user);
	if (conf->proc_group && !getgrnam(conf->proc_group))
		conf_report(errors, conf_where(conf, "proc-group"), LEVEL_ERROR,
			    "proc-group: there is no group '%s'", conf->proc_group);
}

/* A sealed one was given what the host has: two processes are to come to the same end. */
static void look_at_host(struct conf *conf, struct conf_errors *errors)
{
	int err;

	if (conf->sealed)
		return;
	free(conf->host.v);
	free(conf->turn.broadcasts);
	conf->host = (struct conf_addrs){ 0 };
	conf->turn.broadcasts = NULL;
	conf->turn.n_broadcasts = 0;
	err = host_addresses(&conf->host, &conf->turn);
	if (err)
		conf_report(errors, NULL, LEVEL_ERROR, "the host's addresses: %s", strerror(-err));
}

void conf_resolve(struct conf *conf, struct conf_errors *errors)
{
	const struct conf_addrs *host = &conf->host;
	struct conf_addrs ips = { 0 };

	look_at_host(conf, errors);
	expand(&ips, &conf->listening_ip, host);
	resolve_listeners(conf, &ips, host);
	resolve_relays(conf, &ips, host);
	resolve_own(conf, host);
	if (conf->turn.rfc5780)
		conf_find_origins(conf, &ips, errors);
	warn_foreign(conf, "listening-ip", host, errors);
	warn_foreign(conf, "relay-ip", host, errors);
	if (!ips.n && !conf->aux_server.n)
		conf_report(errors, conf_where(conf, "listening-ip"), LEVEL_ERROR,
			    "there is no address to listen on");
	if (conf_relays(conf)) {
		check_external(conf, errors);
		check_ephemeral(conf, errors);
	}
	check_device(conf, "listening-device", conf->listening_device, errors);
	check_device(conf, "relay-device", conf->relay_device, errors);
	check_process(conf, errors);
	conf_derive_allocations(conf, conf->turn.n_relays);
	free(ips.v);
}
