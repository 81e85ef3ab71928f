/* SPDX-License-Identifier: MIT */
#ifndef TP_TEST_LIMIT_H
#define TP_TEST_LIMIT_H

#include "world.h"

/* False, with an explanation on stderr, where it went otherwise. */
bool limit_run(struct world *world);
/* The same of Send and Data indications and hairpins. */
bool limit_detours_run(struct world *world);

#endif
