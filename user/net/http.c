// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>
#include "net/http.h"

#define CHALLENGE	"GET /.well-known/acme-challenge/"
#define TOKEN_MAX	128

int http_begins(const uint8_t *p, size_t have)
{
	static const char *const methods[] = {
		"GET ", "HEAD ", "POST ", "PUT ", "OPTIONS ", "CONNECT ", "DELETE ", "PATCH ",
	};
	int known = 0;

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		size_t len = strlen(methods[i]);

		if (memcmp(p, methods[i], have < len ? have : len))
			continue;
		if (have >= len)
			return 1;
		known = -1;
	}
	return known;
}

bool http_whole(const uint8_t *p, size_t have)
{
	return memmem(p, have, "\r\n\r\n", 4) || memmem(p, have, "\n\n", 2);
}

/* RFC 8555 section 8.3: the token is base64url. 0: none. */
static size_t token_len(const uint8_t *p, size_t have)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789-_";
	size_t n = 0;

	while (n < have && p[n] && memchr(letters, p[n], sizeof(letters) - 1))
		n++;
	return n < have && p[n] == ' ' && n <= TOKEN_MAX ? n : 0;
}

size_t http_answer(char out[HTTP_ANSWER_MAX], const uint8_t *p, size_t have, const char *redirect)
{
	static const char bad[] =
		"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n"
		"Content-Length: 35\r\n\r\nThis is a TURN server; no HTTP here";
	size_t prefix = strlen(CHALLENGE), token = 0;
	int len = HTTP_ANSWER_MAX;

	if (redirect && have > prefix && !memcmp(p, CHALLENGE, prefix))
		token = token_len(p + prefix, have - prefix);
	if (token)
		len = snprintf(out, HTTP_ANSWER_MAX,
			       "HTTP/1.1 302 Found\r\nLocation: %s%.*s\r\nConnection: close\r\n"
			       "Content-Length: 0\r\n\r\n", redirect, (int)token,
			       (const char *)p + prefix);
	if (len < HTTP_ANSWER_MAX)
		return (size_t)len;
	memcpy(out, bad, sizeof(bad));
	return sizeof(bad) - 1;
}
