// SPDX-License-Identifier: MIT
/* Setters: the text of one value into its field of struct conf. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>
#include "address.h"
#include "config_table.h"

static void *field(const struct conf_line *line)
{
	return (char *)line->conf + line->directive->offset;
}

static void *grown(void *v, unsigned int n, size_t size)
{
	v = reallocarray(v, n, size);
	if (!v)
		abort();
	return v;
}

/* The value is not a secret's: setters of those do not come here. */
static void refuse(const struct conf_line *line, const char *why)
{
	conf_report(line->errors, line->where, LEVEL_ERROR, "%s: '%.100s' %s",
		    line->directive->name, line->value, why);
}

/* 1, 0, or -1 (and an error). */
static int boolean(const struct conf_line *line)
{
	int on = conf_bool(line->value);

	if (on < 0)
		refuse(line, "is neither yes nor no");
	return on;
}

void conf_set_bool(const struct conf_line *line)
{
	int on = boolean(line);

	if (on >= 0)
		*(bool *)field(line) = on;
}

void conf_set_not(const struct conf_line *line)
{
	int on = boolean(line);

	if (on >= 0)
		*(bool *)field(line) = !on;
}

void conf_set_accepted(const struct conf_line *line)
{
	boolean(line);
}

static bool number(const struct conf_line *line, uint32_t *value)
{
	const struct conf_directive *directive = line->directive;
	unsigned long long parsed;
	char *end;

	errno = 0;
	parsed = strtoull(line->value, &end, 10);
	if (*line->value < '0' || *line->value > '9' || *end) {
		refuse(line, "is not a number");
		return false;
	}
	if (errno || parsed < directive->min || parsed > directive->max) {
		conf_report(line->errors, line->where, LEVEL_ERROR,
			    "%s: '%.100s' is not from %u to %u", directive->name, line->value,
			    directive->min, directive->max);
		return false;
	}
	*value = (uint32_t)parsed;
	return true;
}

void conf_set_number(const struct conf_line *line)
{
	number(line, field(line));
}

#define BANDWIDTH_MAX	1000000000000ULL	/* 8 Tbit/s */

void conf_set_bandwidth(const struct conf_line *line)
{
	unsigned long long parsed;
	char *end;

	errno = 0;
	parsed = strtoull(line->value, &end, 10);
	if (*line->value < '0' || *line->value > '9' || *end) {
		refuse(line, "is not a number of bytes per second");
		return;
	}
	if (errno || parsed > BANDWIDTH_MAX) {
		refuse(line, "is more than 1000000000000 bytes per second");
		return;
	}
	*(uint64_t *)field(line) = parsed;
}

static void set_port(const struct conf_line *line, uint16_t least)
{
	struct conf_directive bounds = *line->directive;
	struct conf_line bounded = *line;
	uint32_t port;

	bounds.min = least;
	bounds.max = 65535;
	bounded.directive = &bounds;
	if (number(&bounded, &port))
		*(uint16_t *)field(line) = (uint16_t)port;
}

void conf_set_port(const struct conf_line *line)
{
	set_port(line, 1);
}

void conf_set_alt_port(const struct conf_line *line)
{
	set_port(line, 0);
}

void conf_set_threads(const struct conf_line *line)
{
	uint32_t n;

	/* coturn's 0 is a single thread; ours in the struct is "as many as CPUs" */
	if (number(line, &n))
		line->conf->workers = n ? n : 1;
}

/* An empty one is none: what was there before goes too. */
void conf_set_file(const struct conf_line *line)
{
	struct conf_files *files = field(line);

	if (!*line->value) {
		while (files->n)
			free(files->v[--files->n]);
		return;
	}
	files->v = grown(files->v, files->n + 1, sizeof(*files->v));
	files->v[files->n] = strdup(line->value);
	if (!files->v[files->n])
		abort();
	conf_place(line, files->n++);
}

void conf_set_text(const struct conf_line *line)
{
	char **text = field(line);

	if (!*line->value && line->directive->initial) {
		refuse(line, "is empty");
		return;
	}
	free(*text);
	*text = *line->value ? strdup(line->value) : NULL;
}

void conf_set_char(const struct conf_line *line)
{
	if (strlen(line->value) != 1)
		refuse(line, "is not one character");
	else
		*(char *)field(line) = *line->value;
}

void conf_set_stale_nonce(const struct conf_line *line)
{
	if (*line->value)
		conf_set_number(line);
	else
		line->conf->turn.stale_nonce_s = 600;
}

/*
 * Limiting is on by default, with a limit of ours. What coturn's two directives
 * say does not depend on their order: "off" wins, a number wins over the 10 that
 * the bare word means.
 */
void conf_set_rate_limit(const struct conf_line *line)
{
	uint32_t *rps = &line->conf->turn.unauthorized_rps, value;
	int on;

	if (line->directive->arg) {
		bool off = conf_where(line->conf, "unauthorized-ratelimit") && !*rps;

		if (number(line, &value) && !off)
			*rps = value;
		return;
	}
	on = boolean(line);
	if (!on)
		*rps = 0;
	else if (on > 0 && !conf_where(line->conf, "unauthorized-ratelimit-rps"))
		*rps = 10;
}

void conf_set_software(const struct conf_line *line)
{
	bool inverse = line->directive->name[0] == 'n';
	int on = boolean(line);

	if (on < 0)
		return;
	free(line->conf->turn.software);
	line->conf->turn.software = on != inverse ? strdup("turnpike " TURNPIKE_VERSION) : NULL;
}

void conf_set_keep_family(const struct conf_line *line)
{
	int on = boolean(line);

	if (on >= 0)
		line->conf->turn.default_family = on ? 0 : 4;
}

/* Returns which of the words the value is, or -1 after an error. */
static int word(const struct conf_line *line, const char *const *words, int n)
{
	for (int i = 0; i < n; i++)
		if (!strcasecmp(line->value, words[i]))
			return i;
	conf_report(line->errors, line->where, LEVEL_ERROR, "%s: '%.100s' is not one of %s",
		    line->directive->name, line->value, line->directive->arg);
	return -1;
}

void conf_set_family(const struct conf_line *line)
{
	static const char *const words[] = { "keep", "ipv4", "ipv6" };
	static const uint8_t families[] = { 0, 4, 6 };
	int i = word(line, words, 3);

	if (i >= 0)
		line->conf->turn.default_family = families[i];
}

void conf_set_dataplane(const struct conf_line *line)
{
	static const char *const words[] = {
		[DATAPLANE_AUTO] = "auto", [DATAPLANE_XDP] = "xdp", [DATAPLANE_TC] = "tc",
		[DATAPLANE_KMOD] = "kmod", [DATAPLANE_USER] = "user",
	};
	int i = word(line, words, 5);

	if (i >= 0)
		line->conf->dataplane = i;
}

void conf_set_log_level(const struct conf_line *line)
{
	static const char *const words[] = {
		[LEVEL_ERROR] = "error", [LEVEL_WARNING] = "warning",
		[LEVEL_INFO] = "info", [LEVEL_DEBUG] = "debug",
	};
	int i = word(line, words, 4);

	if (i >= 0)
		line->conf->log_level = i;
}

void conf_set_log_file(const struct conf_line *line)
{
	const char *value = line->value;
	bool standard = !*value || !strcmp(value, "-") || !strcmp(value, "stdout") ||
			!strcmp(value, "stderr");

	free(line->conf->log_file);
	line->conf->log_file = standard ? NULL : strdup(value);
}

void conf_set_facility(const struct conf_line *line)
{
	static const struct {
		const char *name;
		int facility;
	} known[] = {
		{ "daemon", LOG_DAEMON }, { "user", LOG_USER }, { "auth", LOG_AUTH },
		{ "authpriv", LOG_AUTHPRIV }, { "local0", LOG_LOCAL0 }, { "local1", LOG_LOCAL1 },
		{ "local2", LOG_LOCAL2 }, { "local3", LOG_LOCAL3 }, { "local4", LOG_LOCAL4 },
		{ "local5", LOG_LOCAL5 }, { "local6", LOG_LOCAL6 }, { "local7", LOG_LOCAL7 },
	};
	const char *name = line->value;

	if (!strncasecmp(name, "LOG_", 4))	/* as coturn has it */
		name += 4;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcasecmp(name, known[i].name))
			continue;
		line->conf->syslog_facility = known[i].facility;
		return;
	}
	refuse(line, "is not a facility that is known");
}

#define STAMP_MAX	48	/* bytes of the format */

void conf_set_stamp(const struct conf_line *line)
{
	if (strlen(line->value) > STAMP_MAX)
		refuse(line, "is longer than 48 characters");
	else
		conf_set_text(line);
}

/* -------------------------------------------------------------- addresses */

static void append(const struct conf_line *line, const struct tp_addr *addr)
{
	struct conf_addrs *addrs = field(line);

	conf_place(line, addrs->n);
	addrs->v = grown(addrs->v, addrs->n + 1, sizeof(*addrs->v));
	addrs->v[addrs->n++] = *addr;
}

void conf_set_address(const struct conf_line *line)
{
	struct tp_addr addr;

	if (address_parse(&addr, line->value))
		append(line, &addr);
	else
		refuse(line, "is not an IP address");
}

void conf_set_endpoint(const struct conf_line *line)
{
	struct tp_addr addr;

	if (address_parse_port(&addr, line->value) && addr.port)
		append(line, &addr);
	else
		refuse(line, "is not an address with a port");
}

static bool unspecified(const struct tp_addr *addr)
{
	static const uint8_t zero[16];

	return !memcmp(addr->ip, zero, sizeof(zero));
}

void conf_set_alternate(const struct conf_line *line)
{
	struct turn_alternates *list = field(line);
	struct turn_alternate new = { 0 };
	char *text = strdup(line->value), *slash = strchr(text, '/');

	if (slash)
		*slash++ = 0;
	if (!address_parse_port(&new.addr, text) || unspecified(&new.addr)) {
		refuse(line, "is not IP[:PORT][/NAME]; names are not looked up");
	} else if (slash && !conf_is_domain(slash)) {
		refuse(line, "does not end in a domain name");
	} else {
		if (!new.addr.port)
			new.addr.port = htons(*line->directive->name == 't' &&
					      line->directive->name[1] == 'l' ? 5349 : 3478);
		new.domain = slash ? strdup(slash) : NULL;
		conf_place(line, list->n);
		list->v = grown(list->v, list->n + 1, sizeof(new));
		list->v[list->n++] = new;
	}
	free(text);
}

/* ----------------------------------------------------------------- ranges */

/* An address with /len: the first and the last one under that prefix. False if the
 * length is none, or bits beyond it are set (which may be a slip of the pen). */
static bool prefix_range(struct turn_ip_range *range, const struct tp_addr *addr,
			 const char *len)
{
	unsigned int bits = (unsigned int)address_len(addr) * 8;
	unsigned long n;
	char *end;

	n = strtoul(len, &end, 10);
	if (*len < '0' || *len > '9' || *end || n > bits)
		return false;
	range->family = addr->family;
	memcpy(range->low, addr->ip, 16);
	memcpy(range->high, addr->ip, 16);
	for (unsigned int i = (unsigned int)n; i < bits; i++) {
		uint8_t bit = (uint8_t)(0x80 >> i % 8);

		if (range->low[i / 8] & bit)
			return false;
		range->high[i / 8] |= bit;
	}
	return true;
}

/*
 * The peer gate sees v4-mapped addresses as IPv4: so must its rules. All of them at once
 * (Matrix tells people to deny that) are the disguise itself, which is refused anyway, and
 * not every IPv4 address there is.
 */
static void unmap(struct turn_ip_range *range)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t first[4], last[4] = { 0xff, 0xff, 0xff, 0xff };

	if (range->family != 6 || memcmp(range->low, mapped, 12) ||
	    memcmp(range->high, mapped, 12))
		return;
	if (!memcmp(range->low + 12, first, 4) && !memcmp(range->high + 12, last, 4))
		return;
	range->family = 4;
	memmove(range->low, range->low + 12, 4);
	memmove(range->high, range->high + 12, 4);
	memset(range->low + 4, 0, 12);
	memset(range->high + 4, 0, 12);
}

static char *stripped(char *text)
{
	size_t len;

	text += strspn(text, " \t");
	for (len = strlen(text); len && strchr(" \t", text[len - 1]); )
		text[--len] = 0;
	return text;
}

/* Returns what is wrong with the text, or NULL. */
static const char *parse_range(struct turn_ip_range *range, char *text)
{
	struct tp_addr low, high;
	char *cut = strpbrk(text, "-/");
	char sign = cut ? *cut : 0;

	memset(range, 0, sizeof(*range));
	if (cut)
		*cut++ = 0;
	if (!address_parse(&low, stripped(text)))
		return "is not an address, a range low-high or a network address/bits";
	if (sign == '/') {
		if (!prefix_range(range, &low, stripped(cut)))
			return "has a prefix length that does not fit the address";
		unmap(range);
		return NULL;
	}
	high = low;
	if (cut && !address_parse(&high, stripped(cut)))
		return "does not end in an address";
	if (low.family != high.family)
		return "has addresses of two families";
	if (memcmp(low.ip, high.ip, 16) > 0)
		return "has its ends the wrong way round";
	range->family = low.family;
	memcpy(range->low, low.ip, 16);
	memcpy(range->high, high.ip, 16);
	unmap(range);
	return NULL;
}

const char *conf_parse_range(struct turn_ip_range *range, const char *text)
{
	char copy[2 * ADDRESS_TEXT];

	if (strlen(text) >= sizeof(copy))
		return "is too long";
	strcpy(copy, text);
	return parse_range(range, copy);
}

void conf_set_ranges(const struct conf_line *line)
{
	struct turn_ranges *ranges = field(line);
	struct turn_ip_range range;
	const char *fault;

	/* the word stands for what is denied here without asking */
	if (!strcmp(line->value, "recommended") && ranges == &line->conf->turn.denied)
		return;
	fault = conf_parse_range(&range, line->value);
	if (fault) {
		refuse(line, fault);
		return;
	}
	conf_place(line, ranges->n);
	ranges->v = grown(ranges->v, ranges->n + 1, sizeof(range));
	ranges->v[ranges->n++] = range;
}
