/* SPDX-License-Identifier: MIT */
/* struct tp_addr to and from text and sockaddr. */
#ifndef TP_ADDRESS_H
#define TP_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <turnpike/tables.h>

#define ADDRESS_TEXT	64		/* "[2001:db8::1]:65535" and its NUL fit */

/* ip is "192.0.2.1" or "2001:db8::1", without port or brackets. */
bool address_parse(struct tp_addr *addr, const char *ip);
/* "192.0.2.1:3478", "[2001:db8::1]:3478"; the port may be missing (0 then). */
bool address_parse_port(struct tp_addr *addr, const char *text);
/* Into buf (ADDRESS_TEXT bytes), which is returned: with port, or without where it is 0. */
char *address_text(const struct tp_addr *addr, char *buf);

bool address_from_sockaddr(struct tp_addr *addr, const struct sockaddr *sa);
socklen_t address_to_sockaddr(const struct tp_addr *addr, struct sockaddr_storage *ss);

bool address_equal(const struct tp_addr *a, const struct tp_addr *b);	/* with port */
bool address_same_ip(const struct tp_addr *a, const struct tp_addr *b);
/* Bytes of the family's address: 4 or 16; 0 for none. */
size_t address_len(const struct tp_addr *addr);

#endif
