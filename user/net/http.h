/* SPDX-License-Identifier: MIT */
/* Browsers and certificate authorities that knock at a TURN port. */
#ifndef TP_NET_HTTP_H
#define TP_NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_ANSWER_MAX	1024

/* What a connection's first bytes begin with: 1 an HTTP request, 0 not, -1 too few to know. */
int http_begins(const uint8_t *p, size_t have);
/* True if the request's head is there to its end. */
bool http_whole(const uint8_t *p, size_t have);
/*
 * The answer to it: to what is under /.well-known/acme-challenge/ on to redirect where that is
 * given (coturn's acme-redirect: the token is put behind it), else 400. Its length.
 */
size_t http_answer(char out[HTTP_ANSWER_MAX], const uint8_t *p, size_t have,
		   const char *redirect);

#endif
