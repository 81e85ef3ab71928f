// SPDX-License-Identifier: MIT
/* The relay core as the module, behind and before the kernel's own IP. */
#include <stdio.h>
#include "../dataplane/cases.h"
#include "world_kmod.h"

int main(void)
{
	struct world world;
	const char *why = "";
	int err = world_kmod(&world, &why), failed;

	if (err) {
		printf("not ok 1 - %s: %d\n", why, err);
		return 1;
	}
	failed = suite_run(&world);
	world_close(&world);
	return failed != 0;
}
