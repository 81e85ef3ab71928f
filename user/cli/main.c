// SPDX-License-Identifier: MIT
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include "cli/cli.h"

#define DEFAULT_SOCKET	"/run/turnpike/control.sock"
#define DEFAULT_PINS	"/sys/fs/bpf/turnpike"
#define DEFAULT_CONFIG	"/etc/turnpike/turnpike.conf"
#define DEFAULT_TTL_S	86400

static const struct command {
	const char *name, *help;
	/* Either shows the daemon's answer to a question of the command's name … */
	void (*show)(const struct cli *cli, const json_t *answer);
	bool from_pins;			/* the tables can answer too */
	/* … or does something. */
	int (*run)(const struct cli *cli);
	int n_args;			/* what it wants behind its name; -1: it sees for itself */
} commands[] = {
	{ "status", "what the server is doing, on which interfaces and addresses",
	  .show = show_status },
	{ "stats", "packets and bytes by what became of them",
	  .show = show_stats, .from_pins = true },
	{ "allocations", "who relays through this server, one line each",
	  .show = show_allocations, .from_pins = true },
	{ "reload", "read the configuration again", .run = reload_run },
	{ "drain", "take no new allocations, end when the last one has ended", .run = drain_run },
	{ "kick", "end the allocations of a user, or of a client by its address",
	  .run = kick_run, .n_args = 1 },
	{ "trace", "packets as the kernel's path sees them, one line each", .run = trace_run },
	{ "credentials", "make a username and a password that are valid for a time",
	  .run = credentials_run },
	{ "user", "add NAME, del NAME or list: users of the database",
	  .run = user_run, .n_args = -1 },
	{ "secret", "add, del or list: shared secrets of the database",
	  .run = secret_run, .n_args = -1 },
	{ "detach", "take our programs and tables out of the kernel", .run = detach_run },
};

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "all", no_argument, NULL, 'a' },
	{ "channels", no_argument, NULL, 'c' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ "socket", required_argument, NULL, OPT_SOCKET },
	{ "pin-path", required_argument, NULL, OPT_PINS },
	{ "config", required_argument, NULL, OPT_CONFIG },
	{ "secret-file", required_argument, NULL, OPT_SECRET },
	{ "ttl", required_argument, NULL, OPT_TTL },
	{ "user", required_argument, NULL, OPT_USER },
	{ "host", required_argument, NULL, OPT_HOST },
	{ "sha256", no_argument, NULL, OPT_SHA256 },
	{ "realm", required_argument, NULL, OPT_REALM },
	{ "userdb", required_argument, NULL, OPT_USERDB },
	{ "redis-userdb", required_argument, NULL, OPT_REDIS },
	{ "deadline", required_argument, NULL, OPT_DEADLINE },
	{ "cancel", no_argument, NULL, OPT_CANCEL },
	{ "client", required_argument, NULL, OPT_CLIENT },
	{ "peer", required_argument, NULL, OPT_PEER },
	{ "reason", required_argument, NULL, OPT_REASON },
	{ "sample", required_argument, NULL, OPT_SAMPLE },
	{ "count", required_argument, NULL, OPT_COUNT },
	{ "seconds", required_argument, NULL, OPT_SECONDS },
	{ "hex", no_argument, NULL, OPT_HEX },
	{ NULL, 0, NULL, 0 }
};

static void usage(FILE *out)
{
	fputs("usage: turnpike [OPTIONS] COMMAND [WHOM]\n\n", out);
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		fprintf(out, "  %-12s  %s\n", commands[i].name, commands[i].help);
	fputs("\n"
	      "  --json              JSON instead of text\n"
	      "  --socket PATH       the daemon's socket (" DEFAULT_SOCKET ")\n"
	      "  --pin-path PATH     the pinned tables (" DEFAULT_PINS ")\n"
	      "  --help, --version\n"
	      "stats:\n"
	      "  --all               also what never happened\n"
	      "allocations:\n"
	      "  --channels          channels and permissions below each allocation\n"
	      "drain:\n"
	      "  --deadline TIME     end what is left by then: 600, 30m, 24h\n"
	      "  --cancel            serve again\n"
	      "trace (all that is given must hold; Ctrl-C ends it):\n"
	      "  --client ADDRESS    of this client: an address, or address:port\n"
	      "  --peer ADDRESS      of this peer\n"
	      "  --reason WORD,...   with these reasons, as in stats\n"
	      "  --sample N          one in N, at random\n"
	      "  --count N           end after N packets\n"
	      "  --seconds N         end after N seconds\n"
	      "  --hex               the first bytes, too\n"
	      "credentials:\n"
	      "  --config FILE       where the secret is (" DEFAULT_CONFIG ")\n"
	      "  --secret-file FILE  or the secret alone, on the first line\n"
	      "  --ttl TIME          how long: 600, 30m, 24h, 7d (86400 seconds)\n"
	      "  --user NAME         whom for (turnpike)\n"
	      "  --host NAME         the server's name or address, for the URIs\n"
	      "  --sha256            the password by HMAC-SHA256 instead of HMAC-SHA1\n"
	      "user, secret (what is secret is read from standard input):\n"
	      "  --config FILE       where the database is named\n"
	      "  --realm REALM       whose; list: all of them (the configuration's)\n"
	      "  --userdb PATH       another SQLite file\n"
	      "  --redis-userdb OPTIONS  another Redis\n"
	      "\n"
	      "Exit status: 0 done, 1 failed, 2 wrong usage, 3 daemon not reachable.\n"
	      "stats and allocations are read from the pinned tables where the daemon is down.\n",
	      out);
}

/* Seconds, or with a unit; 0 where it is neither. */
static uint64_t parse_time(const char *text)
{
	static const struct {
		const char *unit;
		uint64_t seconds;
	} units[] = { { "", 1 }, { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 } };
	char *end;
	uint64_t value = strtoull(text, &end, 10);

	if (*text < '0' || *text > '9' || value > UINT32_MAX)
		return 0;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (!strcmp(end, units[i].unit))
			return value * units[i].seconds;
	return 0;
}

static bool parse_option(struct cli *cli, int option)
{
	switch (option) {
	case 'j':
		cli->json = true;
		return true;
	case 'a':
		cli->all = true;
		return true;
	case 'c':
		cli->channels = true;
		return true;
	case OPT_SOCKET:
		cli->socket = optarg;
		return true;
	case OPT_PINS:
		cli->pin_path = optarg;
		return true;
	case OPT_CONFIG:
		cli->config = optarg;
		return true;
	case OPT_SECRET:
		cli->secret_file = optarg;
		return true;
	case OPT_TTL:
		cli->ttl_s = parse_time(optarg);
		if (!cli->ttl_s)
			fprintf(stderr, "turnpike: --ttl %s is not a time\n", optarg);
		return cli->ttl_s;
	case OPT_DEADLINE:
		cli->deadline_s = parse_time(optarg);
		if (!cli->deadline_s)
			fprintf(stderr, "turnpike: --deadline %s is not a time\n", optarg);
		return cli->deadline_s;
	case OPT_CANCEL:
		cli->cancel = true;
		return true;
	case OPT_USER:
		cli->user = optarg;
		return true;
	case OPT_HOST:
		cli->host = optarg;
		return true;
	case OPT_SHA256:
		cli->sha256 = true;
		return true;
	case OPT_REALM:
		cli->realm = optarg;
		return true;
	case OPT_USERDB:
		cli->userdb = optarg;
		return true;
	case OPT_REDIS:
		cli->redis_userdb = optarg;
		return true;
	default:
		return trace_option(cli, option, optarg);
	}
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	fprintf(stderr, "turnpike: no command %s; see turnpike --help\n", name);
	return NULL;
}

static int ask_and_show(const struct cli *cli, const struct command *command)
{
	int err;
	json_t *answer = ask_daemon(cli, json_pack("{s:s}", "cmd", command->name), &err);

	if (!answer && err == CLI_NO_DAEMON && command->from_pins)
		answer = ask_pins(cli, command->name, &err);
	if (!answer)
		return err;
	if (cli->json) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		command->show(cli, answer);
	}
	json_decref(answer);
	return CLI_OK;
}

int main(int argc, char **argv)
{
	struct cli cli = {
		.socket = DEFAULT_SOCKET, .pin_path = DEFAULT_PINS, .config = DEFAULT_CONFIG,
		.user = "turnpike", .ttl_s = DEFAULT_TTL_S,
	};
	const struct command *command;
	int option, status;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h') {
			usage(stdout);
			return CLI_OK;
		}
		if (option == 'V') {
			puts("turnpike " TURNPIKE_VERSION);
			return CLI_OK;
		}
		if (!parse_option(&cli, option))
			return CLI_USAGE;
	}
	if (optind >= argc) {
		usage(stderr);
		return CLI_USAGE;
	}
	command = find(argv[optind]);
	if (!command)
		return CLI_USAGE;
	cli.args = argv + optind + 1;
	cli.n_args = argc - optind - 1;
	if (command->n_args >= 0 && cli.n_args != command->n_args) {
		usage(stderr);
		return CLI_USAGE;
	}
	status = command->run ? command->run(&cli) : ask_and_show(&cli, command);
	if (fflush(stdout) || ferror(stdout))
		return CLI_FAILED;
	return status;
}
