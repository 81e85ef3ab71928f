// SPDX-License-Identifier: MIT
/* Certificates and keys: from the files that are named into memory. */
#include <stdlib.h>
#include <string.h>
#include "config_table.h"

#define SOON_S		(7 * 86400)

static const struct conf_files *files_of(const struct conf *conf, const char *directive)
{
	return !strcmp(directive, "cert") ? &conf->cert :
	       !strcmp(directive, "pkey") ? &conf->pkey : &conf->ca;
}

/* The whole file; false: said why not. */
static bool read_text(struct conf *conf, struct tls_text *text, const char *directive,
		      unsigned int index, struct conf_errors *errors)
{
	const char *path = files_of(conf, directive)->v[index];
	const char *where = conf_where_nth(conf, directive, index);
	struct conf_line line = {
		.conf = conf, .directive = conf_find(directive), .errors = errors,
		.where = where ? where : directive,
	};
	const struct conf_file *file = conf_file(&line, path);

	if (file && !file->len)
		conf_report(errors, where, LEVEL_ERROR, "%s %.200s: is empty", directive, path);
	if (!file || !file->len)
		return false;
	*text = (struct tls_text){ .p = malloc(file->len), .len = file->len };
	if (!text->p)
		abort();
	memcpy(text->p, file->bytes, file->len);
	return true;
}

static bool read_pairs(struct conf *conf, struct conf_errors *errors)
{
	struct tls_settings *tls = &conf->tls;
	bool good = true;

	tls->pairs = calloc(conf->cert.n, sizeof(*tls->pairs));
	if (!tls->pairs)
		abort();
	tls->n_pairs = conf->cert.n;
	for (unsigned int i = 0; i < conf->cert.n; i++) {
		good &= read_text(conf, &tls->pairs[i].cert, "cert", i, errors);
		if (conf->pkey.n)
			good &= read_text(conf, &tls->pairs[i].key, "pkey", i, errors);
	}
	if (conf->ca.n)
		good &= read_text(conf, &tls->ca, "CA-file", conf->ca.n - 1, errors);
	return good;
}

static void report_fault(const struct conf *conf, const struct tls_fault *fault,
			 struct conf_errors *errors)
{
	const struct conf_files *files = files_of(conf, fault->directive);
	bool ca = files == &conf->ca;
	unsigned int index = ca && files->n ? files->n - 1 : fault->index;
	const char *where = conf_where_nth(conf, fault->directive, index);

	if (where)
		conf_report(errors, where, LEVEL_ERROR, "%s %.200s: %s", fault->directive,
			    files->v[index], fault->text);
	else
		conf_report(errors, conf_where(conf, fault->directive), LEVEL_ERROR, "%s: %s",
			    fault->directive, fault->text);
}

static void warn_dates(const struct conf *conf, struct conf_errors *errors)
{
	for (unsigned int i = 0; i < conf->cert.n; i++) {
		const char *where = conf_where_nth(conf, "cert", i), *file = conf->cert.v[i];
		int64_t left_s;
		bool early;

		if (tls_lifetime(&conf->tls.pairs[i].cert, &left_s, &early))
			continue;
		if (early)
			conf_report(errors, where, LEVEL_WARNING, "cert %.200s is not valid yet",
				    file);
		if (left_s < 0)
			conf_report(errors, where, LEVEL_WARNING,
				    "cert %.200s: expired %lld days ago", file,
				    (long long)-left_s / 86400);
		else if (left_s < SOON_S)
			conf_report(errors, where, LEVEL_WARNING,
				    "cert %.200s: expires in %lld days", file,
				    (long long)left_s / 86400);
	}
}

void conf_read_tls(struct conf *conf, struct conf_errors *errors)
{
	struct tls_store *store;
	struct tls_fault fault;

	if (conf->no_tls && conf->no_dtls)	/* said before, or asked for */
		return;
	if (conf->pkey.n && conf->pkey.n != conf->cert.n) {
		conf_report(errors, conf_where(conf, "pkey"), LEVEL_ERROR,
			    "there are %u cert, and %u pkey: one belongs to each", conf->cert.n,
			    conf->pkey.n);
		return;
	}
	if (!read_pairs(conf, errors))
		return;
	store = tls_store_new(&conf->tls, &fault);
	if (!store) {
		report_fault(conf, &fault, errors);
		return;
	}
	tls_store_free(store);
	warn_dates(conf, errors);
}
