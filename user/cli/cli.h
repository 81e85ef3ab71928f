/* SPDX-License-Identifier: MIT */
/*
 * The `turnpike` command: main.c reads options and finds the subcommand, ask.c
 * gets what is to be shown, show.c writes it for people.
 */
#ifndef TP_CLI_H
#define TP_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_NO_DAEMON = 3,	/* and nothing that could answer in its place */
};

/* Options; strings are argv's. */
struct cli {
	const char *socket, *pin_path;
	bool json;
	bool all;			/* --all: stats also of what never happened */
	bool channels;			/* --channels: one line for each below its allocation */
	/* credentials */
	const char *config, *secret_file, *user, *host;
	uint64_t ttl_s;
	/* drain */
	uint64_t deadline_s;		/* 0: none */
	bool cancel;
	char **args;			/* what follows the command, n_args of them */
	int n_args;
};

/* The daemon's answer to request (taken over, {"cmd": …}); NULL, and *err (enum cli_exit) and
 * a line on stderr. */
json_t *ask_daemon(const struct cli *cli, json_t *request, int *err);
/* The same from the pinned tables, for stats and allocations. */
json_t *ask_pins(const struct cli *cli, const char *cmd, int *err);

void show_status(const struct cli *cli, const json_t *status);
void show_stats(const struct cli *cli, const json_t *stats);
void show_allocations(const struct cli *cli, const json_t *answer);

int credentials_run(const struct cli *cli);
int detach_run(const struct cli *cli);
int reload_run(const struct cli *cli);
int drain_run(const struct cli *cli);
int kick_run(const struct cli *cli);

#endif
