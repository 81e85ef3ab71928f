/* SPDX-License-Identifier: MIT */
/* The table of directives, and what the files config*.c share. */
#ifndef TP_CONFIG_TABLE_H
#define TP_CONFIG_TABLE_H

#include <stddef.h>
#include "config.h"

/* What a directive does in this release. */
enum conf_state {
	CONF_WORKS,
	CONF_SILENT,	/* accepted: already so, or long gone; nothing to say */
	CONF_INFO,	/* accepted without effect, said at level info */
	CONF_WARN,	/* accepted without effect, and somebody will miss it */
	CONF_REFUSED,	/* ignoring it would lock users out or weaken security */
};

#define CONF_REPEAT	1	/* may be given several times; otherwise the last one wins */
#define CONF_SECRET	2	/* the value is never shown, the file not for everybody */
#define CONF_GUARD	4	/* authentication, access control, limits: a misspelling stops */
#define CONF_RELOAD	8	/* takes effect while the server runs, too */

/* One directive being set. */
struct conf_line {
	struct conf *conf;
	const struct conf_directive *directive;
	const char *value;		/* "" where none was given */
	const char *where;
	struct conf_errors *errors;
};

struct conf_directive {
	const char *name;		/* NULL: a heading, text in help */
	const char *arg;		/* what the value is, for --help; NULL: boolean */
	enum conf_state state;
	unsigned int flags;
	void (*set)(const struct conf_line *line);	/* CONF_WORKS only */
	size_t offset;			/* in struct conf, for the general setters */
	uint32_t min, max;		/* of numbers */
	const char *initial;		/* default, parsed by conf_init(); NULL: nothing to set */
	const char *help;		/* CONF_WORKS: what it does; otherwise why it does not */
};

extern const struct conf_directive conf_table[];
extern const size_t conf_table_rows;

const struct conf_directive *conf_find(const char *name);
/* Where the directive was given, NULL if it was not. */
const char *conf_where(const struct conf *conf, const char *name);

/* The same of the index-th value of a repeatable directive; conf_place() says so
 * when one is appended. */
struct conf_place {
	const struct conf_directive *directive;
	unsigned int index;
	char *where;
};

struct conf_given {
	char *name, *value, *where;
};

void conf_given_add(struct conf *conf, const char *name, const char *value, const char *where);
void conf_given_free(struct conf *conf);	/* files as well */

struct conf_file {
	char *path, *bytes;
	size_t len;
	bool world_readable;
};

/* The file that a directive names; NULL, and reported, where it cannot be read. The
 * configuration keeps it until it is freed or the next file is read. */
const struct conf_file *conf_file(const struct conf_line *line, const char *path);

/* The directive that names this certificate or key; NULL: it is neither. (config_tls.c) */
const char *conf_tls_directive(const struct conf *conf, const char *path);

void conf_place(const struct conf_line *line, unsigned int index);
const char *conf_where_nth(const struct conf *conf, const char *name, unsigned int index);

/* A name that the table does not have: what was meant (NULL: no idea), and
 * whether going on without it could weaken the server. */
const char *conf_meant(const char *name);
bool conf_guards(const char *name);

/* "where: error: text"; where may be NULL. Never pass a secret's value. */
void conf_report(struct conf_errors *errors, const char *where, enum conf_level level,
		 const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Everything of conf_read() but the opening; name is for messages. Returns 0 or
 * -errno. *secret_line becomes the first line that holds a secret, 0 for none. */
int conf_read_stream(struct conf *conf, FILE *in, const char *name,
		     unsigned int *secret_line, struct conf_errors *errors);
/* True if others than owner and group may read the regular file behind in. */
bool conf_world_readable(FILE *in);

/* coturn's booleans: 1, 0, or -1 for neither. */
int conf_bool(const char *value);
/* True if the ports low to high meet the range (ip_local_port_range) outside of
 * the reserved ones (ip_local_reserved_ports), both in the kernel's format. */
bool conf_ports_clash(uint16_t low, uint16_t high, const char *range, const char *reserved);

/* True if the server would relay for anybody. */
bool conf_relays(const struct conf *conf);
/* What clients are told instead of a local address (external-ip). */
struct tp_addr conf_external_of(const struct conf *conf, const struct tp_addr *local);
/* Of a running server (external-ip=auto), which does not ask again. */
void conf_keep_external(struct conf *next, const struct conf *running);
/* With external-ip=auto, of every relay address; false, and reported: there is a new one. */
bool conf_external_known(const struct conf *conf, struct conf_errors *errors);
void conf_check_external(const struct conf *conf, struct conf_errors *errors);
bool conf_is_domain(const char *name);
bool conf_loopback(const struct tp_addr *addr);
/* With rfc5780 (config_origins.c): the ports of a listening address, the second one for those
 * that have a partner; and then what belongs together. */
struct conf_port_pair {
	uint16_t port, alternate;	/* host order */
};

struct conf_port_pair conf_plain_ports(const struct conf *conf);
struct conf_port_pair conf_secure_ports(const struct conf *conf);
bool conf_has_twin(const struct conf *conf, const struct conf_addrs *ips, unsigned int which);
void conf_find_origins(struct conf *conf, const struct conf_addrs *ips,
		       struct conf_errors *errors);
/* max_allocations where it was not given: what the quota or the ports allow. */
void conf_derive_allocations(struct conf *conf, unsigned int n_relays);

/* Where running relays and next does not (config_former.c). */
void conf_keep_former(struct conf *next, const struct conf *running);
void conf_add_former(struct turn_conf *turn, const struct turn_former *former);

/* Setters (config_value.c). */
void conf_set_bool(const struct conf_line *line);
void conf_set_not(const struct conf_line *line);
void conf_set_number(const struct conf_line *line);	/* uint32_t, min to max */
void conf_set_bandwidth(const struct conf_line *line);	/* uint64_t, bytes/s */
void conf_set_port(const struct conf_line *line);	/* uint16_t, host order */
void conf_set_alt_port(const struct conf_line *line);	/* the same, or 0 */
void conf_set_text(const struct conf_line *line);	/* char *; empty: NULL */
void conf_set_char(const struct conf_line *line);
void conf_set_address(const struct conf_line *line);	/* appends to conf_addrs */
void conf_set_endpoint(const struct conf_line *line);	/* the same, with a port */
void conf_set_alternate(const struct conf_line *line);	/* appends to turn_alternates */
void conf_set_external(const struct conf_line *line);
void conf_set_external_server(const struct conf_line *line);
void conf_set_file(const struct conf_line *line);	/* appends to conf_files */
void conf_set_ranges(const struct conf_line *line);	/* appends to turn_ranges */
void conf_set_family(const struct conf_line *line);
void conf_set_keep_family(const struct conf_line *line);
void conf_set_threads(const struct conf_line *line);
void conf_set_stale_nonce(const struct conf_line *line);
void conf_set_rate_limit(const struct conf_line *line);
void conf_set_software(const struct conf_line *line);
void conf_set_dataplane(const struct conf_line *line);
void conf_set_log_file(const struct conf_line *line);
void conf_set_facility(const struct conf_line *line);
void conf_set_stamp(const struct conf_line *line);
void conf_set_log_level(const struct conf_line *line);
void conf_set_accepted(const struct conf_line *line);	/* boolean, nothing to store */

void conf_set_include(const struct conf_line *line);	/* config_include.c */

/* Setters of what authenticates (config_secret.c). */
void conf_set_realm(const struct conf_line *line);
void conf_set_user(const struct conf_line *line);
void conf_set_secret(const struct conf_line *line);
void conf_set_secret_file(const struct conf_line *line);
void conf_set_nonce_secret(const struct conf_line *line);
void conf_set_password(const struct conf_line *line);	/* char *, wiped */

/* Setters of databases, realms and token keys (config_users.c). */
void conf_set_sqlite(const struct conf_line *line);
void conf_set_redis(const struct conf_line *line);
void conf_set_statsdb(const struct conf_line *line);
void conf_set_listener_realm(const struct conf_line *line);
void conf_set_token_key(const struct conf_line *line);
void conf_free_users(struct conf *conf);	/* what they have made; wipes secrets */

#endif
