// SPDX-License-Identifier: MIT
/* The relay core as the tc program, through BPF_PROG_TEST_RUN. */
#include "cases.h"

int main(void)
{
	return suite_main(world_tc);
}
