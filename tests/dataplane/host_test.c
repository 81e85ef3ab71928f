// SPDX-License-Identifier: MIT
/* The relay core in a process, over a buffer, under the sanitizers. */
#include "cases.h"

int main(void)
{
	struct world world;
	int failed;

	if (world_user(&world))
		return 1;
	failed = suite_run(&world);
	world_close(&world);
	return failed != 0;
}
