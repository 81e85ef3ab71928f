/* SPDX-License-Identifier: MIT */
/*
 * The configuration: coturn's turnserver.conf syntax and names, and our own
 * directives. Read whole and checked before anything starts; never changed
 * afterwards. One table (config_table.c) gives parsing, --help, the sample file
 * and the manual page.
 */
#ifndef TP_CONFIG_H
#define TP_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "net/tls.h"
#include "turn/turn.h"

enum conf_dataplane { DATAPLANE_AUTO, DATAPLANE_XDP, DATAPLANE_TC, DATAPLANE_KMOD,
		      DATAPLANE_USER };
enum conf_userdb { USERDB_NONE, USERDB_SQLITE, USERDB_REDIS };
enum conf_level { LEVEL_ERROR, LEVEL_WARNING, LEVEL_INFO, LEVEL_DEBUG };

struct conf_addrs {
	struct tp_addr *v;
	unsigned int n;
};

/* public[/private] of external-ip; private.family is 0 where only one was given */
struct conf_external {
	struct tp_addr public, private;
};

/* Names of files, in order. */
struct conf_files {
	char **v;
	unsigned int n;
};

struct conf {
	struct turn_conf turn;		/* relays and own are filled by conf_resolve() */

	/* listeners */
	uint16_t listening_port;	/* host order, 3478 */
	uint16_t alt_listening_port;	/* of RFC 5780; 0: the one after listening_port */
	uint16_t alt_tls_listening_port;	/* likewise; 0: after tls_listening_port */
	struct conf_addrs listening_ip;	/* as written, port 0; none: every address */
	struct conf_addrs aux_server;	/* ip:port */
	struct conf_addrs relay_ip;	/* as written; none: the listening addresses */
	char *listening_device, *relay_device;	/* NULL: every one */
	struct conf_external *external;
	unsigned int n_external;
	struct conf_addrs host;		/* what this host has, port 0; seen by conf_resolve() */
	bool external_auto;
	char *external_server;		/* HOST[:PORT] to ask then */
	struct conf_external *found;	/* what it said */
	unsigned int n_found;
	struct conf_addrs listen;	/* what to bind by UDP; filled by conf_resolve() */
	struct conf_addrs listen_tcp;	/* likewise; each takes plain and TLS, as far as allowed */
	struct conf_addrs listen_proxied;	/* likewise, by UDP for proxies */
	uint16_t tls_listening_port;	/* host order, 5349 */
	uint16_t tcp_proxy_port;	/* host order; 0: none */
	uint16_t udp_proxy_port;	/* likewise */
	uint32_t udp_proxy_timeout_s;	/* a proxy's, 60; 0: headers are on all datagrams */
	struct turn_ranges trusted_proxies;	/* who may speak there */
	bool no_udp, no_tcp;
	bool no_tls;			/* asked for, or there is no certificate */
	bool dtls;			/* as written */
	bool no_dtls;			/* not asked for, or there is no certificate */
	uint32_t drain_min_allocations;	/* where draining ends */
	unsigned int workers;		/* relay-threads; 0: one per CPU */
	unsigned int sock_buf_size;	/* bytes */

	/* connections */
	uint32_t max_allocate_timeout_s;	/* without an allocation */
	char *acme_redirect;		/* URL; NULL: none */
	bool http_unsupported;		/* HTTP is answered, with 400 */

	/* TLS */
	struct conf_files cert, pkey;	/* PEM, in pairs */
	struct conf_files ca;		/* CA-file; the last one counts */
	struct tls_settings tls;	/* of clients; PEM filled in by conf_read_tls() */

	/* data plane (turnpike's own directives) */
	enum conf_dataplane dataplane;
	char *pin_path;			/* /sys/fs/bpf/turnpike */
	uint32_t fast_path_flows;	/* channels that fit into the kernel's tables */
	uint32_t fast_path_ipv6_share;	/* percent of their rows; 0: each family has room for all */
	uint32_t max_allocations;	/* journal slots; derived where not given */

	/* metrics */
	bool prometheus;
	uint16_t prometheus_port;	/* host order, 9641 */
	struct conf_addrs prometheus_address;	/* port 0; none: every address */
	char *prometheus_path;		/* /metrics */
	bool prometheus_users;		/* metrics by user, for some of them */
	bool prometheus_tls;
	struct conf_files prometheus_cert, prometheus_key;	/* in pairs; none: cert, pkey */
	struct tls_settings metrics_tls;	/* like tls, but for the pairs */

	/* user databases */
	enum conf_userdb userdb;
	char *userdb_text;		/* the file, or coturn's options for Redis: a secret */
	char *redis_statsdb;		/* such options, NULL: nothing is published */
	bool no_dynamic_ip_list, no_dynamic_realms;

	/* process */
	char *control_socket;		/* /run/turnpike/control.sock */
	char *proc_user, *proc_group;	/* whom the relay process runs as */
	char *pidfile;			/* NULL: none */
	char *log_file;			/* NULL: stderr; "syslog" */
	bool syslog;
	enum conf_level log_level;
	bool log_binding;
	int syslog_facility;		/* LOG_DAEMON */
	char *stamp;			/* strftime()'s format and %f; NULL: ISO 8601, UTC */
	bool daemon;			/* into the background */

	/* as written; conf_finish() draws its conclusions from them */
	bool lt_cred_mech, use_auth_secret;
	bool stun_backward_compatibility, rfc3489_compatibility;
	bool verbose, very_verbose;
	unsigned int cpus;
	bool strict;
	unsigned int unknown;		/* directives of no known name */
	unsigned int include_depth;
	/* per row of the table: "file:line" or "--name" that set it last, NULL: nobody */
	char **where;
	struct conf_place *places;	/* and of each value of the repeatable ones */
	unsigned int n_places;
	struct conf_given *given;	/* every directive, in order; config_image.c */
	unsigned int n_given;
	struct conf_file *files;	/* those that directives name, as they were read */
	unsigned int n_files;
	bool sealed;			/* no file is read any more */
};

/* Where a configuration comes from. */
struct conf_source {
	const char *file;		/* NULL: none */
	int argc;			/* main()'s: --NAME[=VALUE] override the file */
	char **argv;
};

/* What conf_read() found wrong, in the order of the lines. */
struct conf_errors {
	unsigned int errors, warnings;
	FILE *out;			/* "file:line: error: text" lines go here */
};

/* Defaults: everything as if no file had been given. */
void conf_init(struct conf *conf);
void conf_free(struct conf *conf);	/* wipes secrets */

/* All of it: defaults, file, command line, checks, this host's addresses. */
void conf_load(struct conf *conf, const struct conf_source *source, struct conf_errors *errors);

/*
 * Reading it again while the server runs. conf_reload(), where the files may be read:
 * 0 with *next, or -EINVAL with what is wrong in errors and *next untouched. What cannot
 * change before the next start is as in running, and said. conf_image_write() gives a
 * memory file with everything to make that configuration from, or -errno; holding it
 * another process makes the same one with conf_image_read(). 0 or -errno.
 *
 * Relay addresses and ports of before that next does not have are in next->turn.former, until
 * conf_drop_former() hears that nothing is left there.
 */
int conf_reload(struct conf *next, const struct conf_source *source, const struct conf *running,
		struct conf_errors *errors);
void conf_drop_former(struct conf *next,
		      bool (*left)(const void *ctx, const struct turn_former *former),
		      const void *ctx);
int conf_image_write(const struct conf *conf);
/* The running configuration with what its certificates' files hold now: as conf_reload(), or
 * -EALREADY if they hold what it has. */
int conf_renew(struct conf *next, const struct conf *running, struct conf_errors *errors);
int conf_image_read(struct conf *next, int fd, const struct conf *running);

/* Read a file into conf, reporting every line's fault to errors. Returns 0, or
 * -errno where the file cannot be read at all. */
int conf_read(struct conf *conf, const char *path, struct conf_errors *errors);
/* One directive; where is "file:line" or "--name". value may be NULL. */
void conf_set(struct conf *conf, const char *name, const char *value, const char *where,
	      struct conf_errors *errors);
/* After the last directive: contradictions, missing realm, derived values. */
void conf_finish(struct conf *conf, struct conf_errors *errors);
/* Which addresses this host has decides the listeners and relay addresses where
 * the file names none. Looks at the interfaces; needs no privilege. */
void conf_resolve(struct conf *conf, struct conf_errors *errors);

/* external-ip=auto: is a STUN server to be asked for what clients are told instead of this
 * address? Its answer counts from the next conf_resolve() on. */
bool conf_asks_external(const struct conf *conf, const struct tp_addr *local);
void conf_found_external(struct conf *conf, const struct tp_addr *local,
			 const struct tp_addr *public);
const char *conf_where_auto(const struct conf *conf);

/* Certificates and keys, from their files into conf->tls and metrics_tls, checked; no_tls is final
 * by then. */
void conf_read_tls(struct conf *conf, struct conf_errors *errors);

/* Another number when one of those files has been written anew. */
uint64_t conf_tls_stamp(const struct conf *conf);

/* "192.0.2.1", "192.0.2.1-192.0.2.9" or "192.0.2.0/24": NULL, or what is wrong with it. */
const char *conf_parse_range(struct turn_ip_range *range, const char *text);

/* --check-config: what is in force, with units; secrets are not shown. */
void conf_print(const struct conf *conf, FILE *out);
/* The sample file, and the options for --help, from the same table. */
void conf_sample(FILE *out);
void conf_usage(FILE *out);

#endif
