// SPDX-License-Identifier: MIT
/* What changes a running daemon: reload, drain, kick. */
#include <string.h>
#include "address.h"
#include "cli/cli.h"

/* The answer, printed where that is all there is to say; NULL with *err set. */
static json_t *ask(const struct cli *cli, json_t *request, int *err)
{
	json_t *answer = ask_daemon(cli, request, err);

	if (!answer || !cli->json)
		return answer;
	json_dumpf(answer, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(answer);
	return NULL;
}

static json_int_t number(const json_t *answer, const char *key)
{
	return json_integer_value(json_object_get(answer, key));
}

int reload_run(const struct cli *cli)
{
	int err;
	json_t *answer = ask(cli, json_pack("{s:s}", "cmd", "reload"), &err);
	const char *messages;

	if (!answer)
		return err;
	messages = json_string_value(json_object_get(answer, "messages"));
	if (messages)
		fputs(messages, stdout);
	printf("reloaded");
	if (number(answer, "ended"))
		printf("; %d channels and permissions to denied peers ended",
		       (int)number(answer, "ended"));
	if (number(answer, "ended_allocations"))
		printf("; %d allocations of listeners that are gone ended",
		       (int)number(answer, "ended_allocations"));
	putchar('\n');
	json_decref(answer);
	return CLI_OK;
}

int drain_run(const struct cli *cli)
{
	int err;
	json_t *answer = ask(cli, json_pack("{s:s,s:b,s:I}", "cmd", "drain", "cancel", cli->cancel,
					    "deadline_s", (json_int_t)cli->deadline_s), &err);

	if (!answer)
		return err;
	if (cli->cancel)
		puts("new allocations are served again");
	else
		printf("draining: %d allocations to go, then the daemon ends\n",
		       (int)number(answer, "allocations"));
	json_decref(answer);
	return CLI_OK;
}

int kick_run(const struct cli *cli)
{
	const char *whom = cli->args[0];
	struct tp_addr addr;
	bool client = address_parse_port(&addr, whom);
	int err, ended;
	json_t *answer = ask(cli, json_pack("{s:s,s:s}", "cmd", "kick",
					    client ? "client" : "user", whom), &err);

	if (!answer)
		return err;
	ended = (int)number(answer, "ended");
	json_decref(answer);
	if (!ended) {
		fprintf(stderr, "turnpike: %s %s has no allocation\n", client ? "client" : "user",
			whom);
		return CLI_FAILED;
	}
	printf("%d allocation%s ended\n", ended, ended == 1 ? "" : "s");
	return CLI_OK;
}
