// SPDX-License-Identifier: MIT
#include <string.h>
#include "cli/cli.h"
#include "dataplane/dataplane.h"

int detach_run(const struct cli *cli)
{
	int n = dataplane_detach(cli->pin_path);

	if (n < 0) {
		fprintf(stderr, "turnpike: %s: %s\n", cli->pin_path, strerror(-n));
		return CLI_FAILED;
	}
	if (cli->json)
		printf("{ \"detached\": %d }\n", n);
	else
		printf("taken off %d interface%s; nothing of ours is left in %s\n", n,
		       n == 1 ? "" : "s", cli->pin_path);
	return CLI_OK;
}
