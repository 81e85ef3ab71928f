/* SPDX-License-Identifier: MIT */
/* ICMP errors that the data paths answer with, and what they say about the way out. */
#ifndef TP_TEST_ICMP_H
#define TP_TEST_ICMP_H

#include "cases.h"

/* The error to this frame: mtu 0 is "time exceeded", else "too big". */
void icmp_build(struct frame *want, const struct frame *in, unsigned int mtu);

/* The MTU that is told is the largest that gets through, and what it takes to be told. */
bool icmp_mtu_run(struct world *world);
bool icmp_limit_run(struct world *world);

#endif
