/* SPDX-License-Identifier: MIT */
/*
 * The `turnpike` command: main.c reads options and finds the subcommand, ask.c
 * gets what is to be shown, show.c writes it for people; trace.c has what is traced,
 * trace_show.c writes that.
 */
#ifndef TP_CLI_H
#define TP_CLI_H

#include <jansson.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <turnpike/trace.h>

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
	bool sha256;			/* --sha256: HMAC-SHA256 makes the password */
	/* user, secret */
	const char *realm, *userdb, *redis_userdb;
	struct {
		struct tp_trace_filter filter;	/* reasons 0: all */
		uint64_t count, seconds;	/* 0: until a signal */
	} trace;
};

/* Options without a letter. */
enum cli_option {
	OPT_SOCKET = 256, OPT_PINS, OPT_CONFIG, OPT_SECRET, OPT_TTL, OPT_USER, OPT_HOST,
	OPT_DEADLINE, OPT_CANCEL,
	OPT_SHA256, OPT_REALM, OPT_USERDB, OPT_REDIS,
	OPT_CLIENT, OPT_PEER, OPT_REASON, OPT_SAMPLE, OPT_COUNT, OPT_SECONDS, OPT_HEX,
};

/* The daemon's answer to request (taken over, {"cmd": …}); NULL, and *err (enum cli_exit) and
 * a line on stderr. */
json_t *ask_daemon(const struct cli *cli, json_t *request, int *err);
/* The same from the pinned tables, for stats and allocations. */
json_t *ask_pins(const struct cli *cli, const char *cmd, int *err);

void show_status(const struct cli *cli, const json_t *status);
void show_stats(const struct cli *cli, const json_t *stats);
void show_allocations(const struct cli *cli, const json_t *answer);

/* What has been found out for writing lines of packets. */
#define TRACE_NAMES	16

struct trace_show {
	bool json;
	uint64_t epoch_ns;		/* Unix time where CLOCK_MONOTONIC is 0 */
	struct trace_name {
		uint32_t ifindex;
		char name[IF_NAMESIZE];
	} names[TRACE_NAMES];		/* by the low bits of ifindex */
};

void trace_show_init(struct trace_show *show, const struct cli *cli);
void trace_show(struct trace_show *show, const struct tp_trace *event);
/* Whether option is one of trace's, and its value good; a line on stderr says what is not. */
bool trace_option(struct cli *cli, int option, const char *value);

int trace_run(const struct cli *cli);
int user_run(const struct cli *cli);
int secret_run(const struct cli *cli);
int credentials_run(const struct cli *cli);
int detach_run(const struct cli *cli);
int reload_run(const struct cli *cli);
int drain_run(const struct cli *cli);
int kick_run(const struct cli *cli);

#endif
