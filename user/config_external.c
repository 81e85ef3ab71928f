// SPDX-License-Identifier: MIT
/* external-ip: the addresses that clients are told, as written or as a STUN server says. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "address.h"
#include "config_table.h"

#define EXTERNAL_AUTO	UINT_MAX	/* the place of "auto" among the directive's values */

static void refuse(const struct conf_line *line, const char *why)
{
	conf_report(line->errors, line->where, LEVEL_ERROR, "%s: '%.100s' %s",
		    line->directive->name, line->value, why);
}

static bool unspecified(const struct tp_addr *addr)
{
	static const uint8_t zero[16];

	return !memcmp(addr->ip, zero, sizeof(zero));
}

static void append(struct conf_external **list, unsigned int *n, const struct conf_external *new)
{
	*list = reallocarray(*list, *n + 1, sizeof(*new));
	if (!*list)
		abort();
	(*list)[(*n)++] = *new;
}

static bool external_taken(const struct conf_line *line, const struct conf_external *new)
{
	const struct conf *conf = line->conf;

	for (unsigned int i = 0; i < conf->n_external; i++) {
		const struct conf_external *old = &conf->external[i];

		if (!new->private.family && !old->private.family &&
		    new->public.family == old->public.family) {
			refuse(line, "is the second one of its family without a private address");
			return true;
		}
		if (new->private.family && address_same_ip(&new->private, &old->private)) {
			refuse(line, "gives its private address a second public one");
			return true;
		}
	}
	return false;
}

void conf_set_external(const struct conf_line *line)
{
	struct conf *conf = line->conf;
	struct conf_external new = { 0 };
	char text[2 * ADDRESS_TEXT];
	char *slash;

	if (!strcmp(line->value, "auto")) {
		conf_place(line, EXTERNAL_AUTO);
		conf->external_auto = true;
		return;
	}
	if (strlen(line->value) >= sizeof(text)) {
		refuse(line, "is not an IP address");
		return;
	}
	strcpy(text, line->value);
	slash = strchr(text, '/');
	if (slash)
		*slash++ = 0;
	if (!address_parse(&new.public, text) || (slash && !address_parse(&new.private, slash))) {
		refuse(line, "is not PUBLIC, PUBLIC/PRIVATE or auto; names are not looked up");
		return;
	}
	if (slash && new.public.family != new.private.family) {
		refuse(line, "has addresses of two families");
		return;
	}
	if (unspecified(&new.public) || (slash && unspecified(&new.private))) {
		refuse(line, "has an unspecified address");
		return;
	}
	if (external_taken(line, &new))
		return;
	conf_place(line, conf->n_external);
	append(&conf->external, &conf->n_external, &new);
}

/* RFC 8489 section 14.16 on domain names: letters, digits, hyphens and dots, 255 at most. */
bool conf_is_domain(const char *name)
{
	size_t len = strlen(name);

	return len && len <= 255 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "0123456789-.") == len;
}

/* HOST[:PORT]: host is the whole of it where that is an address. */
static bool is_server(const char *text)
{
	char name[256 + sizeof(":65535")], *colon, *end;
	struct tp_addr addr;
	unsigned long port;

	if (address_parse_port(&addr, text))
		return !unspecified(&addr);
	if (strlen(text) >= sizeof(name))
		return false;
	strcpy(name, text);
	colon = strchr(name, ':');
	if (!colon)
		return conf_is_domain(name);
	*colon++ = 0;
	port = strtoul(colon, &end, 10);
	return conf_is_domain(name) && *colon >= '0' && *colon <= '9' && !*end && port &&
	       port <= 65535;
}

void conf_set_external_server(const struct conf_line *line)
{
	if (is_server(line->value))
		conf_set_text(line);
	else
		refuse(line, "is not HOST or HOST:PORT");
}

/* ---------------------------------------------------------------- what holds */

/* What is written for this address: its own pair, else the one of the whole family. */
static const struct conf_external *written_for(const struct conf *conf,
					       const struct tp_addr *local)
{
	const struct conf_external *found = NULL;

	for (unsigned int i = 0; i < conf->n_external; i++) {
		const struct conf_external *external = &conf->external[i];

		if (external->private.family && address_same_ip(&external->private, local))
			return external;
		if (!external->private.family && external->public.family == local->family &&
		    !conf_loopback(local))
			found = external;
	}
	return found;
}

struct tp_addr conf_external_of(const struct conf *conf, const struct tp_addr *local)
{
	const struct conf_external *external = written_for(conf, local);
	struct tp_addr told;

	for (unsigned int i = 0; conf->external_auto && !external && i < conf->n_found; i++)
		if (address_same_ip(&conf->found[i].private, local))
			external = &conf->found[i];
	told = external ? external->public : *local;
	told.port = local->port;
	return told;
}

bool conf_asks_external(const struct conf *conf, const struct tp_addr *local)
{
	return conf->external_auto && !conf_loopback(local) && !written_for(conf, local);
}

void conf_found_external(struct conf *conf, const struct tp_addr *local,
			 const struct tp_addr *public)
{
	append(&conf->found, &conf->n_found,
	       &(struct conf_external){ .public = *public, .private = *local });
}

void conf_keep_external(struct conf *next, const struct conf *running)
{
	for (unsigned int i = 0; i < running->n_found; i++)
		append(&next->found, &next->n_found, &running->found[i]);
}

static bool is_found(const struct conf *conf, const struct tp_addr *local)
{
	for (unsigned int i = 0; i < conf->n_found; i++)
		if (address_same_ip(&conf->found[i].private, local))
			return true;
	return false;
}

bool conf_external_known(const struct conf *conf, struct conf_errors *errors)
{
	char text[ADDRESS_TEXT];
	bool known = true;

	for (unsigned int i = 0; i < conf->turn.n_relays; i++) {
		const struct tp_addr *local = &conf->turn.relays[i].local;

		if (!conf_asks_external(conf, local) || is_found(conf, local))
			continue;
		conf_report(errors, conf_where_auto(conf), LEVEL_ERROR,
			    "external-ip=auto: what %s is outside is asked for at the next start "
			    "only", address_text(local, text));
		known = false;
	}
	return known;
}

const char *conf_where_auto(const struct conf *conf)
{
	return conf_where_nth(conf, "external-ip", EXTERNAL_AUTO);
}

void conf_check_external(const struct conf *conf, struct conf_errors *errors)
{
	if (conf->external_auto && !conf->external_server)
		conf_report(errors, conf_where_auto(conf), LEVEL_ERROR,
			    "external-ip=auto without external-ip-server: there is nobody to ask");
	else if (conf->external_server && !conf->external_auto)
		conf_report(errors, conf_where(conf, "external-ip-server"), LEVEL_WARNING,
			    "external-ip-server without external-ip=auto is not asked");
}
