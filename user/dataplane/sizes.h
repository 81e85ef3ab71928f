/* SPDX-License-Identifier: MIT */
/* How large the tables have to be for what the configuration lets happen. */
#ifndef TP_DATAPLANE_SIZES_H
#define TP_DATAPLANE_SIZES_H

#include "config.h"
#include "dataplane/tables.h"

/* With a fresh seed. Listeners and relay addresses have to be resolved. */
struct tp_meta sizes_of(const struct conf *conf);

#endif
