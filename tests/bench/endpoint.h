/* SPDX-License-Identifier: MIT */
/* UDP sockets. Whatever goes wrong ends the program. */
#ifndef BENCH_ENDPOINT_H
#define BENCH_ENDPOINT_H

#include "address.h"

struct tp_addr endpoint_named(const char *text);	/* IP:PORT */
/* Bound to local, if not NULL, and connected to another, likewise. The caller closes it. */
int endpoint_open(const struct tp_addr *local, const struct tp_addr *to);

#endif
