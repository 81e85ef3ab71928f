// SPDX-License-Identifier: MIT
/*
 * turnpiked: options, configuration, then the keeper.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "background.h"
#include "config.h"
#include "keeper.h"
#include "log.h"

#define DEFAULT_CONF	"/etc/turnpike/turnpike.conf"

struct options {
	const char *file;		/* -c, or the default where it exists */
	bool no_file;			/* -n */
	bool check;			/* --check-config */
};

static void usage(FILE *out)
{
	fprintf(out,
		"usage: turnpiked [-c FILE | -n] [-o] [--check-config] [--DIRECTIVE[=VALUE] ...]\n"
		"  -c FILE           read this configuration (default " DEFAULT_CONF ")\n"
		"  -n                read no configuration file\n"
		"  -o                into the background when everything is open (--daemon)\n"
		"  --check-config    say what is in force and what is wrong, then exit\n"
		"  --sample-config   print a configuration file with every directive\n"
		"  --version, --help\n"
		"Directives, as in the file; those given here override it:\n");
	conf_usage(out);
}

/* Options that print something and end the program. */
static bool is_print_option(const char *arg)
{
	if (!strcmp(arg, "--help") || !strcmp(arg, "-h"))
		usage(stdout);
	else if (!strcmp(arg, "--sample-config"))
		conf_sample(stdout);
	else if (!strcmp(arg, "--version"))
		puts("turnpiked " TURNPIKE_VERSION);
	else
		return false;
	return true;
}

static bool parse_options(int argc, char **argv, struct options *o)
{
	for (int i = 1; i < argc; i++) {
		const char *arg = argv[i];

		if (is_print_option(arg))
			exit(EXIT_SUCCESS);
		if (!strcmp(arg, "-n"))
			o->no_file = true;
		else if (!strcmp(arg, "--check-config"))
			o->check = true;
		else if (!strcmp(arg, "-c") && i + 1 < argc)
			o->file = argv[++i];
		else if (strcmp(arg, "-o") && (strncmp(arg, "--", 2) || !arg[2]))
			return false;
	}
	if (!o->file && !o->no_file && !access(DEFAULT_CONF, F_OK))
		o->file = DEFAULT_CONF;
	return true;
}

static void say_what_is_missing(const struct conf *conf)
{
	if (turn_conf_relays(&conf->turn) || conf->turn.stun_only)
		return;
	log_warning("no credentials configured: answering STUN, refusing TURN; set "
		    "static-auth-secret=SECRET (then: turnpike credentials) or "
		    "user=NAME:PASSWORD, and realm=DOMAIN");
}

int main(int argc, char **argv)
{
	struct conf_errors errors = { .out = stderr };
	struct options options = { 0 };
	struct conf_source source = { .argc = argc, .argv = argv };
	struct conf *conf = malloc(sizeof(*conf));
	int status = EXIT_FAILURE, ready = -1, err;

	if (!conf)
		return status;
	if (!parse_options(argc, argv, &options)) {
		usage(stderr);
		free(conf);
		return 2;
	}
	source.file = options.no_file ? NULL : options.file;
	conf_load(conf, &source, &errors);
	if (options.check)
		conf_print(conf, stdout);
	if (errors.errors) {
		fprintf(stderr, "turnpiked: %u error%s in the configuration\n", errors.errors,
			errors.errors == 1 ? "" : "s");
		goto out;
	}
	if (options.check) {
		status = EXIT_SUCCESS;
		goto out;
	}
	err = log_open(conf);
	if (err) {
		fprintf(stderr, "log-file %s: %s\n", conf->log_file, strerror(-err));
		goto out;
	}
	log_info("turnpiked version=" TURNPIKE_VERSION " config=%s",
		 source.file ? source.file : "none");
	say_what_is_missing(conf);
	if (conf->daemon)
		ready = background_start();
	if (conf->daemon && ready < 0)
		log_error("daemon: %s", strerror(-ready));
	else
		status = keeper_main(&conf, &source, ready);
	log_close();
out:
	conf_free(conf);
	free(conf);
	return status;
}
