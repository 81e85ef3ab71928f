/* SPDX-License-Identifier: MIT */
/* The keeper's side of the kernel module: hand it the tables, and hold it. */
#ifndef TP_DATAPLANE_KMOD_H
#define TP_DATAPLANE_KMOD_H

#include <stdint.h>
#include <turnpike/kmod.h>
#include "dataplane/tables.h"

/* Local UDP ports that the module looks at. */
struct kmod_ports {
	uint8_t bits[TURNPIKE_PORT_BYTES];
};

/* Ports in host byte order, both included. */
void kmod_ports_add(struct kmod_ports *ports, uint16_t from, uint16_t to);

/* What the module is told of them, which it refers to. */
struct turnpike_tables kmod_tables(const struct tables *tables, const struct kmod_ports *ports);

/*
 * The module relays in this network namespace from now on, until the descriptor and its
 * copies are closed. The descriptor, or -errno and in why (XDP_WHY bytes) what is missing.
 * kmod_set(): with other ports from now on; 0 or -errno.
 */
int kmod_set(int fd, const struct tables *tables, const struct kmod_ports *ports, char *why);
int kmod_open(const struct tables *tables, const struct kmod_ports *ports, char *why);

#endif
