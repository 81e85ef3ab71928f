// SPDX-License-Identifier: MIT
/* Names that the table does not have: what was meant, and is it dangerous. */
#include <string.h>
#include "config_table.h"

#define LONGEST	40

/* Names that do not exist anywhere, and yet are found in the wild. */
static const struct {
	const char *name, *meant;
} mistaken[] = {
	{ "relay-port-range", "min-port and max-port" },
	{ "no-anonymous", "nothing: that is the default" },
	{ "proc-quota", "total-quota" },
	{ "no-daemon", "nothing: it stays in the foreground" },
	{ "no-stale-nonce-check", "stale-nonce=0" },
	{ "turn-port", "listening-port" },
	{ "external_ip", "external-ip" },
};

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* How many letters to insert, delete or replace (Levenshtein). '_' is as good as
 * '-'. LONGEST or more: too far to matter. */
static size_t distance(const char *a, const char *b)
{
	size_t row[LONGEST + 1], len = strlen(b);

	if (strlen(a) > LONGEST || len > LONGEST)
		return LONGEST;
	for (size_t j = 0; j <= len; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		char c = a[i] == '_' ? '-' : a[i];
		size_t corner = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < len; j++) {
			size_t replaced = corner + (c != b[j]);

			corner = row[j + 1];
			row[j + 1] = least(replaced, least(row[j], row[j + 1]) + 1);
		}
	}
	return row[len];
}

/* The nearest directive, if it is near for a name of its length. */
static const struct conf_directive *nearest(const char *name)
{
	const struct conf_directive *found = NULL;
	size_t best = LONGEST;

	for (size_t i = 0; i < conf_table_rows; i++) {
		size_t far;

		if (!conf_table[i].name)
			continue;
		far = distance(name, conf_table[i].name);
		if (far < best && far <= 3 && far * 3 <= strlen(conf_table[i].name)) {
			best = far;
			found = &conf_table[i];
		}
	}
	return found;
}

const char *conf_meant(const char *name)
{
	const struct conf_directive *near;

	for (size_t i = 0; i < sizeof(mistaken) / sizeof(mistaken[0]); i++)
		if (!strcmp(name, mistaken[i].name))
			return mistaken[i].meant;
	near = nearest(name);
	return near ? near->name : NULL;
}

bool conf_guards(const char *name)
{
	static const char *const parts[] = {
		"peer", "deny", "denied", "allow", "auth", "secret", "user", "cred", "passw",
		"acl", "permit", "forbid", "block", "quota", "limit", "bps",
	};
	const struct conf_directive *near;

	/* no server ever had these: leaving them out changes nothing */
	for (size_t i = 0; i < sizeof(mistaken) / sizeof(mistaken[0]); i++)
		if (!strcmp(name, mistaken[i].name))
			return false;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (strcasestr(name, parts[i]))
			return true;
	near = nearest(name);
	return near && near->flags & CONF_GUARD;
}
