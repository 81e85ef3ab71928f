// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "address.h"

size_t address_len(const struct tp_addr *addr)
{
	return addr->family == 4 ? 4 : addr->family == 6 ? 16 : 0;
}

bool address_parse(struct tp_addr *addr, const char *ip)
{
	memset(addr, 0, sizeof(*addr));
	if (inet_pton(AF_INET, ip, addr->ip) == 1)
		addr->family = 4;
	else if (inet_pton(AF_INET6, ip, addr->ip) == 1)
		addr->family = 6;
	return addr->family;
}

static bool parse_port(__be16 *port, const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || value < 1 || value > 65535)
		return false;
	*port = htons((uint16_t)value);
	return true;
}

bool address_parse_port(struct tp_addr *addr, const char *text)
{
	char ip[ADDRESS_TEXT];
	const char *port = NULL;
	size_t len;

	if (*text == '[') {
		const char *close = strchr(text, ']');

		if (!close || (close[1] && close[1] != ':'))
			return false;
		port = close[1] ? close + 2 : NULL;
		len = (size_t)(close - ++text);
	} else {
		const char *colon = strchr(text, ':');

		/* more than one colon is an IPv6 address without a port */
		if (colon && !strchr(colon + 1, ':')) {
			port = colon + 1;
			len = (size_t)(colon - text);
		} else {
			len = strlen(text);
		}
	}
	if (len >= sizeof(ip))
		return false;
	memcpy(ip, text, len);
	ip[len] = 0;
	if (!address_parse(addr, ip))
		return false;
	return !port || parse_port(&addr->port, port);
}

char *address_text(const struct tp_addr *addr, char *buf)
{
	char ip[INET6_ADDRSTRLEN];
	int af = addr->family == 4 ? AF_INET : AF_INET6;

	if (!addr->family) {
		strcpy(buf, "none");
		return buf;
	}
	inet_ntop(af, addr->ip, ip, sizeof(ip));
	if (!addr->port)
		strcpy(buf, ip);
	else
		snprintf(buf, ADDRESS_TEXT, af == AF_INET ? "%s:%u" : "[%s]:%u", ip,
			 ntohs(addr->port));
	return buf;
}

bool address_from_sockaddr(struct tp_addr *addr, const struct sockaddr *sa)
{
	memset(addr, 0, sizeof(*addr));
	if (sa->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, sa, sizeof(in));
		addr->family = 4;
		addr->port = in.sin_port;
		memcpy(addr->ip, &in.sin_addr, 4);
	} else if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof(in6));
		addr->family = 6;
		addr->port = in6.sin6_port;
		memcpy(addr->ip, &in6.sin6_addr, 16);
	}
	return addr->family;
}

socklen_t address_to_sockaddr(const struct tp_addr *addr, struct sockaddr_storage *ss)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	if (addr->family == 4) {
		in->sin_family = AF_INET;
		in->sin_port = addr->port;
		memcpy(&in->sin_addr, addr->ip, 4);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = addr->port;
	memcpy(&in6->sin6_addr, addr->ip, 16);
	return sizeof(*in6);
}

bool address_equal(const struct tp_addr *a, const struct tp_addr *b)
{
	return a->port == b->port && address_same_ip(a, b);
}

bool address_same_ip(const struct tp_addr *a, const struct tp_addr *b)
{
	return a->family == b->family && !memcmp(a->ip, b->ip, address_len(a));
}
