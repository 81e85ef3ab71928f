// SPDX-License-Identifier: MIT
/* Reading: lines into names and values, and those into struct conf. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include "config_table.h"

void conf_report(struct conf_errors *errors, const char *where, enum conf_level level,
		 const char *format, ...)
{
	static const char *const words[] = {
		[LEVEL_ERROR] = "error", [LEVEL_WARNING] = "warning",
		[LEVEL_INFO] = "info", [LEVEL_DEBUG] = "debug",
	};
	va_list args;

	errors->errors += level == LEVEL_ERROR;
	errors->warnings += level == LEVEL_WARNING;
	if (!errors->out)
		return;
	fprintf(errors->out, "%s%s%s: ", where ? where : "", where ? ": " : "", words[level]);
	va_start(args, format);
	vfprintf(errors->out, format, args);
	va_end(args);
	fputc('\n', errors->out);
}

int conf_bool(const char *value)
{
	switch (*value) {
	case '\0':
	case 'y': case 'Y': case 't': case 'T':
	case '1' ... '9':
		return 1;
	case '0':
	case 'n': case 'N': case 'f': case 'F':
		return 0;
	}
	if (!strcmp(value, "on") || !strcmp(value, "On") || !strcmp(value, "ON"))
		return 1;
	if (!strcmp(value, "off") || !strcmp(value, "Off") || !strcmp(value, "OFF"))
		return 0;
	return -1;
}

void conf_init(struct conf *conf)
{
	struct conf_errors errors = { .out = stderr };
	struct conf_line line = { .conf = conf, .where = "default", .errors = &errors };

	memset(conf, 0, sizeof(*conf));
	conf->where = calloc(conf_table_rows, sizeof(*conf->where));
	if (!conf->where)
		abort();
	conf->turn.default_lifetime_s = 600;	/* RFC 8656 section 3.2 */
	/* fails only where the kernel has no entropy yet and we were interrupted */
	if (getrandom(conf->turn.nonce_key, sizeof(conf->turn.nonce_key), 0) !=
	    sizeof(conf->turn.nonce_key))
		abort();
	for (size_t i = 0; i < conf_table_rows; i++) {
		line.directive = &conf_table[i];
		line.value = conf_table[i].initial;
		if (line.value)
			conf_table[i].set(&line);
	}
	if (errors.errors)			/* the table contradicts itself */
		abort();
}

static void wipe(char *text)
{
	if (!text)
		return;
	explicit_bzero(text, strlen(text));
	free(text);
}

static void free_files(struct conf_files *files)
{
	while (files->n)
		free(files->v[--files->n]);
	free(files->v);
}

static void wipe_bytes(struct tls_text *text)
{
	if (text->p)
		explicit_bzero(text->p, text->len);
	free(text->p);
}

static void free_pairs(struct tls_settings *tls)
{
	for (unsigned int i = 0; i < tls->n_pairs; i++) {
		wipe_bytes(&tls->pairs[i].cert);
		wipe_bytes(&tls->pairs[i].key);
	}
	free(tls->pairs);
}

static void free_tls(struct conf *conf)
{
	struct tls_settings *tls = &conf->tls;

	free_pairs(tls);
	free_pairs(&conf->metrics_tls);
	free(tls->ca.p);
	wipe(tls->password);
	free(tls->ciphers);
	free(tls->groups);
	free_files(&conf->cert);
	free_files(&conf->pkey);
	free_files(&conf->ca);
	free_files(&conf->prometheus_cert);
	free_files(&conf->prometheus_key);
	free(conf->acme_redirect);
}

void conf_free(struct conf *conf)
{
	struct turn_conf *turn = &conf->turn;

	for (unsigned int i = 0; i < turn->n_users; i++) {
		free(turn->users[i].name);
		wipe(turn->users[i].password);
		explicit_bzero(turn->users[i].md5_key, sizeof(turn->users[i].md5_key));
	}
	for (unsigned int i = 0; i < turn->n_secrets; i++)
		wipe(turn->secrets[i]);
	explicit_bzero(turn->nonce_key, sizeof(turn->nonce_key));
	for (size_t i = 0; conf->where && i < conf_table_rows; i++)
		free(conf->where[i]);
	free(conf->where);
	for (unsigned int i = 0; i < conf->n_places; i++)
		free(conf->places[i].where);
	free(conf->places);
	conf_given_free(conf);
	conf_free_users(conf);
	free(turn->users);
	free(turn->secrets);
	free(turn->realm);
	free(turn->software);
	free(turn->relays);
	free(turn->former);
	free(turn->allowed.v);
	free(turn->denied.v);
	free(turn->own);
	free(turn->origins);
	for (unsigned int i = 0; i < ALTERNATES_LISTS; i++) {
		for (unsigned int j = 0; j < turn->alternates[i].n; j++)
			free(turn->alternates[i].v[j].domain);
		free(turn->alternates[i].v);
	}
	free(turn->broadcasts);
	free(conf->listening_ip.v);
	free(conf->aux_server.v);
	free(conf->trusted_proxies.v);
	free(conf->relay_ip.v);
	free(conf->host.v);
	free(conf->listening_device);
	free(conf->relay_device);
	free(conf->listen.v);
	free(conf->listen_tcp.v);
	free(conf->listen_proxied.v);
	free_tls(conf);
	free(conf->external);
	free(conf->external_server);
	free(conf->found);
	free(conf->prometheus_address.v);
	free(conf->prometheus_path);
	free(conf->pin_path);
	free(conf->control_socket);
	free(conf->proc_user);
	free(conf->proc_group);
	free(conf->pidfile);
	free(conf->log_file);
	free(conf->stamp);
	memset(conf, 0, sizeof(*conf));
}

/* A feature that we do not have, switched off: nothing to complain about. */
static bool is_off(const struct conf_directive *directive, const char *value)
{
	if (!directive->arg)
		return conf_bool(value) == 0;
	return !*value || !strcmp(value, "0");
}

static void report_unknown(const char *name, const char *where, struct conf_errors *errors)
{
	bool guards = conf_guards(name);
	const char *meant = conf_meant(name);
	char shown[48];
	size_t i;

	for (i = 0; name[i] && i < sizeof(shown) - 1; i++)
		shown[i] = name[i] > ' ' && name[i] < 0x7f ? name[i] : '?';
	shown[i] = 0;
	conf_report(errors, where, guards ? LEVEL_ERROR : LEVEL_WARNING,
		    "unknown directive '%s'%s%s%s%s", shown,
		    guards ? ", which looks like authentication, access control or a limit" :
			     ", ignored",
		    meant ? "; did you mean " : "", meant ? meant : "", meant ? "?" : "");
}

/* Both places in the same file: the text before the line number is the same. */
static bool same_file(const char *a, const char *b)
{
	const char *end = strrchr(a, ':');

	return end && !strncmp(a, b, (size_t)(end - a + 1));
}

static void remember(struct conf *conf, const struct conf_directive *directive,
		     const char *where, struct conf_errors *errors)
{
	char **old = &conf->where[directive - conf_table];

	if (*old && !(directive->flags & CONF_REPEAT) && same_file(*old, where))
		conf_report(errors, where, LEVEL_WARNING,
			    "%s was given before at %s; the last one wins", directive->name, *old);
	free(*old);
	*old = strdup(where);
}

void conf_place(const struct conf_line *line, unsigned int index)
{
	struct conf *conf = line->conf;
	struct conf_place place = { line->directive, index, strdup(line->where) };

	conf->places = reallocarray(conf->places, conf->n_places + 1, sizeof(place));
	if (!conf->places || !place.where)
		abort();
	conf->places[conf->n_places++] = place;
}

const char *conf_where_nth(const struct conf *conf, const char *name, unsigned int index)
{
	const struct conf_directive *directive = conf_find(name);

	for (unsigned int i = 0; i < conf->n_places; i++)
		if (conf->places[i].directive == directive && conf->places[i].index == index)
			return conf->places[i].where;
	return NULL;
}

void conf_set(struct conf *conf, const char *name, const char *value, const char *where,
	      struct conf_errors *errors)
{
	const struct conf_directive *directive = conf_find(name);
	struct conf_line line = {
		.conf = conf, .directive = directive, .value = value ? value : "",
		.where = where ? where : "command line", .errors = errors,
	};

	if (!directive) {
		conf->unknown++;
		report_unknown(name, line.where, errors);
		return;
	}
	conf_given_add(conf, name, line.value, line.where);
	switch (directive->state) {
	case CONF_WORKS:
		directive->set(&line);
		break;
	case CONF_SILENT:
		break;
	case CONF_INFO:
	case CONF_WARN:
	case CONF_REFUSED:
		if (is_off(directive, line.value))
			break;
		conf_report(errors, line.where, directive->state == CONF_REFUSED ? LEVEL_ERROR :
			    directive->state == CONF_WARN ? LEVEL_WARNING : LEVEL_INFO,
			    "%s%s: %s", directive->name,
			    directive->state == CONF_REFUSED ? "" : " has no effect",
			    directive->help);
		break;
	}
	remember(conf, directive, line.where, errors);
}

/* ------------------------------------------------------------------ lines */

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

static void trim(char *text)
{
	size_t len = strlen(text);

	while (len && (blank(text[len - 1]) || text[len - 1] == '\n' || text[len - 1] == '\r'))
		text[--len] = 0;
}

/* Cut a comment off: '#' after a blank (ours; coturn takes it for the value's).
 * True if there was one. */
static bool cut_comment(char *text)
{
	for (char *at = text; *at; at++) {
		if (*at != '#' || (at > text && !blank(at[-1])))
			continue;
		*at = 0;
		trim(text);
		return true;
	}
	return false;
}

/* text begins with a quote, which goes, and so does the one at the end. A comment
 * may follow that one; within the quotes '#' is the value's. */
static char *unquote(char *text)
{
	size_t len = strlen(++text);

	if (len && text[len - 1] == '"') {
		text[len - 1] = 0;
		return text;
	}
	for (char *at = text; (at = strchr(at, '"')); at++) {
		char *next = at + 1;

		while (blank(*next))
			next++;
		if (next > at + 1 && *next == '#') {
			*at = 0;
			break;
		}
	}
	return text;
}

/* Split text as coturn does: a name, any run of blanks and '=', the value. Returns
 * the value, "" for none, and whether a comment was cut off it without quotes. */
static char *split_line(char *text, bool *cut)
{
	char *value = text + strcspn(text, " \t=");

	*cut = false;
	if (!*value)
		return value;
	*value++ = 0;
	while (blank(*value) || *value == '=')
		value++;
	if (*value == '"')
		return unquote(value);
	*cut = cut_comment(value);
	return value;
}

/* Returns whether the line held a secret. */
static bool read_line(struct conf *conf, char *text, const char *where,
		      struct conf_errors *errors)
{
	const struct conf_directive *directive;
	size_t len;
	char *value;
	bool cut;

	trim(text);
	while (blank(*text))
		text++;
	if (!*text || *text == '#')
		return false;
	len = strlen(text);
	if (text[len - 1] == ';')
		conf_report(errors, where, LEVEL_WARNING,
			    "the ';' at the end is taken as part of the line");
	value = split_line(text, &cut);
	directive = conf_find(text);
	if (cut && directive && directive->flags & CONF_SECRET)
		conf_report(errors, where, LEVEL_WARNING,
			    "%s: what follows ' #' is taken as a comment; "
			    "put the value into quotes if it belongs to it", text);
	conf_set(conf, text, value, where, errors);
	return directive && directive->flags & CONF_SECRET && *value;
}

int conf_read_stream(struct conf *conf, FILE *in, const char *name,
		     unsigned int *secret_line, struct conf_errors *errors)
{
	char *text = NULL, *where = NULL;
	unsigned int number = 0;
	size_t size = 0;
	ssize_t len;
	int err = 0;

	*secret_line = 0;
	while (errno = 0, (len = getline(&text, &size, in)) >= 0) {
		char *from = text;

		if (asprintf(&where, "%s:%u", name, ++number) < 0)
			abort();
		if (number == 1 && !strncmp(from, "\xef\xbb\xbf", 3))
			from += 3;		/* a byte order mark */
		if (strlen(text) != (size_t)len)
			conf_report(errors, where, LEVEL_ERROR, "the line holds a NUL byte");
		else if (read_line(conf, from, where, errors) && !*secret_line)
			*secret_line = number;
		free(where);
		explicit_bzero(text, size);
	}
	if (ferror(in))
		err = errno ? -errno : -EIO;
	free(text);
	return err;
}

bool conf_world_readable(FILE *in)
{
	struct stat st;
	int fd = fileno(in);

	return fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_mode & S_IROTH;
}

int conf_read(struct conf *conf, const char *path, struct conf_errors *errors)
{
	FILE *in = fopen(path, "re");
	unsigned int secret_line;
	char *where;
	int err;

	if (!in)
		return -errno;
	err = conf_read_stream(conf, in, path, &secret_line, errors);
	if (!err && secret_line && conf_world_readable(in)) {
		if (asprintf(&where, "%s:%u", path, secret_line) < 0)
			abort();
		conf_report(errors, where, LEVEL_ERROR,
			    "a secret in a file that everybody may read: chmod 640 %s", path);
		free(where);
	}
	fclose(in);
	return err;
}

/* ----------------------------------------------------------- all of it */

static void set_arguments(struct conf *conf, const struct conf_source *source,
			  struct conf_errors *errors)
{
	for (int i = 1; i < source->argc; i++) {
		char name[64], where[72];
		const char *arg = source->argv[i], *equal;
		size_t len;

		if (!strcmp(arg, "-c"))
			i++;
		if (!strcmp(arg, "-o"))
			conf_set(conf, "daemon", NULL, arg, errors);
		if (strncmp(arg, "--", 2) || !strcmp(arg, "--check-config"))
			continue;
		equal = strchr(arg, '=');
		len = equal ? (size_t)(equal - arg - 2) : strlen(arg + 2);
		if (len >= sizeof(name))
			len = sizeof(name) - 1;
		memcpy(name, arg + 2, len);
		name[len] = 0;
		snprintf(where, sizeof(where), "--%s", name);
		conf_set(conf, name, equal ? equal + 1 : NULL, where, errors);
	}
}

void conf_load(struct conf *conf, const struct conf_source *source, struct conf_errors *errors)
{
	int err = 0;

	conf_init(conf);
	if (source->file)
		err = conf_read(conf, source->file, errors);
	if (err)
		conf_report(errors, source->file, LEVEL_ERROR, "%s", strerror(-err));
	set_arguments(conf, source, errors);
	conf_finish(conf, errors);
	conf_resolve(conf, errors);
	conf_read_tls(conf, errors);
	if (!conf->workers)
		conf->workers = (unsigned int)get_nprocs();
}
