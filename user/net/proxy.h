/* SPDX-License-Identifier: MIT */
/* The PROXY protocol, version 2: what a proxy says about whose connection, or datagram, it is. */
#ifndef TP_NET_PROXY_H
#define TP_NET_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <turnpike/tables.h>

#define PROXY_HEAD	16		/* bytes that say how long the header is */
#define PROXY_MAX	4096		/* of a header with everything in it (house) */

struct proxy_header {
	size_t len;			/* all of it, addresses and TLVs too */
	bool own;			/* the proxy's own, as its health checks */
	struct tp_addr client, server;	/* where it is not; of one family, IPv4 as such */
};

/* TLVs are skipped. 0; -EAGAIN: incomplete, out->len is how much there will be (PROXY_HEAD
 * where even that is not known yet); -EPROTO: no header that a TCP client can have. */
int proxy_parse(struct proxy_header *out, const uint8_t *p, size_t len);
/* The same for a datagram: 0; -ENOENT: it does not begin with a header; -EPROTO. */
int proxy_parse_datagram(struct proxy_header *out, const uint8_t *p, size_t len);

#endif
