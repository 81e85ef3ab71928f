// SPDX-License-Identifier: MIT
/* The relay core as the XDP program, through BPF_PROG_TEST_RUN. */
#include "cases.h"

int main(void)
{
	return suite_main(world_xdp);
}
