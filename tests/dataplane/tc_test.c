// SPDX-License-Identifier: MIT
/* The relay core as the tc program, through BPF_PROG_TEST_RUN. */
#include <errno.h>
#include <stdio.h>
#include "cases.h"

int main(void)
{
	struct world world;
	const char *why = "";
	int err = world_tc(&world, &why), failed;

	if (err == -EPERM) {
		printf("ok 1 - tc # SKIP %s\n", why);
		return 4;
	}
	if (err) {
		printf("not ok 1 - load: %s\n", why);
		return 1;
	}
	failed = suite_run(&world);
	world_close(&world);
	return failed != 0;
}
