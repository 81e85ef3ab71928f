/* SPDX-License-Identifier: MIT */
/* How a local address looks from outside: asked of a STUN server (RFC 8489 section 12). */
#ifndef TP_NET_MAPPING_H
#define TP_NET_MAPPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <turnpike/tables.h>
#include <turnpike/wire.h>

#define MAPPING_WHY	192

/* Takes 5.5 s at most. 0, or -errno and the reason in why. mapped has no port. device may be
 * NULL. */
int mapping_ask(struct tp_addr *mapped, const struct tp_addr *local,
		const struct tp_addr *server, const char *device, char why[MAPPING_WHY]);

/* One datagram of that server. 1: the answer; 0: something else, to be ignored; -EPROTO: the
 * transaction has failed, and why. */
int mapping_read(struct tp_addr *mapped, const uint8_t *data, size_t len,
		 const uint8_t txid[TP_STUN_TXID_LEN], char why[MAPPING_WHY]);

#endif
