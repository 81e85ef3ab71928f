/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Allocations that fail when a test says so: Debian's kernels have no fault injection. Built
 * in with `make TP_FAULT=y`, for tests only.
 */
#ifndef TURNPIKE_FAULT_H
#define TURNPIKE_FAULT_H

#include <linux/types.h>

#ifdef TP_FAULT
/* Asked before each allocation: whether that one is to fail. */
bool fault_here(void);
#else
static inline bool fault_here(void)
{
	return false;
}
#endif

#endif
