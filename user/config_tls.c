// SPDX-License-Identifier: MIT
/* Certificates and keys: from the files that are named into memory. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "config_table.h"

#define SOON_S		(7 * 86400)

/* The directives that certificates and keys come from. */
struct tls_names {
	const char *cert, *pkey;
};

/* Of a directive that names files. */
static const struct conf_files *files_of(const struct conf *conf, const char *directive)
{
	return (const void *)((const char *)conf + conf_find(directive)->offset);
}

static const char *const file_names[] = {
	"cert", "pkey", "CA-file", "prometheus-cert", "prometheus-key",
};

#define FILE_NAMES	(sizeof(file_names) / sizeof(file_names[0]))

const char *conf_tls_directive(const struct conf *conf, const char *path)
{
	for (size_t i = 0; i < FILE_NAMES; i++) {
		const struct conf_files *files = files_of(conf, file_names[i]);

		for (unsigned int k = 0; k < files->n; k++)
			if (!strcmp(files->v[k], path))
				return file_names[i];
	}
	return NULL;
}

/* FNV-1a. */
static uint64_t mixed(uint64_t sum, uint64_t value)
{
	return (sum ^ value) * 0x100000001b3;
}

uint64_t conf_tls_stamp(const struct conf *conf)
{
	uint64_t sum = 0xcbf29ce484222325;
	struct stat st;

	for (size_t i = 0; i < FILE_NAMES; i++) {
		const struct conf_files *files = files_of(conf, file_names[i]);

		for (unsigned int k = 0; k < files->n; k++) {
			if (stat(files->v[k], &st))
				memset(&st, 0, sizeof(st));
			sum = mixed(mixed(sum, st.st_ino), (uint64_t)st.st_size);
			sum = mixed(mixed(sum, (uint64_t)st.st_mtim.tv_sec),
				    (uint64_t)st.st_mtim.tv_nsec);
		}
	}
	return sum;
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

static bool read_pairs(struct conf *conf, struct tls_settings *tls, const struct tls_names *names,
		       struct conf_errors *errors)
{
	unsigned int certs = files_of(conf, names->cert)->n, keys = files_of(conf, names->pkey)->n;
	bool good = true;

	if (keys && keys != certs) {
		conf_report(errors, conf_where(conf, names->pkey), LEVEL_ERROR,
			    "there are %u %s, and %u %s: one belongs to each", certs, names->cert,
			    keys, names->pkey);
		return false;
	}
	tls->pairs = calloc(certs, sizeof(*tls->pairs));
	if (!tls->pairs)
		abort();
	tls->n_pairs = certs;
	for (unsigned int i = 0; i < certs; i++) {
		good &= read_text(conf, &tls->pairs[i].cert, names->cert, i, errors);
		if (keys)
			good &= read_text(conf, &tls->pairs[i].key, names->pkey, i, errors);
	}
	return good;
}

static void report_fault(const struct conf *conf, const struct tls_names *names,
			 const struct tls_fault *fault, struct conf_errors *errors)
{
	const char *name = !strcmp(fault->directive, "cert") ? names->cert :
			   !strcmp(fault->directive, "pkey") ? names->pkey : fault->directive;
	unsigned int index = strcmp(name, "CA-file") ? fault->index : conf->ca.n - 1;
	const char *where = conf_where_nth(conf, name, index);

	if (where)
		conf_report(errors, where, LEVEL_ERROR, "%s %.200s: %s", name,
			    files_of(conf, name)->v[index], fault->text);
	else
		conf_report(errors, conf_where(conf, name), LEVEL_ERROR, "%s: %s", name,
			    fault->text);
}

static void warn_dates(const struct conf *conf, const struct tls_settings *tls,
		       const char *name, struct conf_errors *errors)
{
	for (unsigned int i = 0; i < tls->n_pairs; i++) {
		const char *where = conf_where_nth(conf, name, i);
		const char *file = files_of(conf, name)->v[i];
		int64_t left_s;
		bool early;

		if (tls_lifetime(&tls->pairs[i].cert, &left_s, &early))
			continue;
		if (early)
			conf_report(errors, where, LEVEL_WARNING, "%s %.200s is not valid yet",
				    name, file);
		if (left_s < 0)
			conf_report(errors, where, LEVEL_WARNING,
				    "%s %.200s: expired %lld days ago", name, file,
				    (long long)-left_s / 86400);
		else if (left_s < SOON_S)
			conf_report(errors, where, LEVEL_WARNING,
				    "%s %.200s: expires in %lld days", name, file,
				    (long long)left_s / 86400);
	}
}

static void check_settings(const struct conf *conf, const struct tls_settings *tls,
			   const struct tls_names *names, struct conf_errors *errors)
{
	struct tls_fault fault;
	struct tls_store *store = tls_store_new(tls, &fault);

	if (!store) {
		report_fault(conf, names, &fault, errors);
		return;
	}
	tls_store_free(store);
	warn_dates(conf, tls, names->cert, errors);
}

static void read_clients(struct conf *conf, struct conf_errors *errors)
{
	static const struct tls_names names = { "cert", "pkey" };
	bool good = read_pairs(conf, &conf->tls, &names, errors);

	if (conf->ca.n)
		good &= read_text(conf, &conf->tls.ca, "CA-file", conf->ca.n - 1, errors);
	if (good)
		check_settings(conf, &conf->tls, &names, errors);
}

/* Scrapers are not asked for certificates: CA-file is about clients. */
static void read_metrics(struct conf *conf, struct conf_errors *errors)
{
	const struct tls_names names = {
		conf->prometheus_cert.n ? "prometheus-cert" : "cert",
		conf->prometheus_key.n ? "prometheus-key" : "pkey",
	};
	struct tls_settings *tls = &conf->metrics_tls;

	*tls = (struct tls_settings){
		.password = conf->tls.password, .ciphers = conf->tls.ciphers,
		.groups = conf->tls.groups, .only_1_3 = conf->tls.only_1_3, .use = TLS_FOR_HTTP,
	};
	if (read_pairs(conf, tls, &names, errors))
		check_settings(conf, tls, &names, errors);
}

void conf_read_tls(struct conf *conf, struct conf_errors *errors)
{
	if (!conf->no_tls || !conf->no_dtls)	/* said before, or asked for */
		read_clients(conf, errors);
	if (conf->prometheus && conf->prometheus_tls &&
	    (conf->prometheus_cert.n || conf->cert.n))
		read_metrics(conf, errors);
}
