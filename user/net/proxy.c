// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>
#include "net/proxy.h"

#define VERSION_LOCAL	0x20
#define VERSION_PROXY	0x21
#define UNSPEC		0x00
#define INET		0x10
#define INET6		0x20
#define STREAM		0x01
#define DGRAM		0x02

static const uint8_t signature[12] = "\r\n\r\n\0\r\nQUIT\n";
static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static struct tp_addr end_of(uint8_t family, const uint8_t *ip, const uint8_t *port)
{
	struct tp_addr addr = { .family = family };

	memcpy(addr.ip, ip, family == 4 ? 4 : 16);
	memcpy(&addr.port, port, sizeof(addr.port));
	return addr;
}

/* RFC 4291 section 2.5.5.2: what a proxy whose sockets are for both families knows of IPv4. */
static bool is_mapped(const struct tp_addr *addr)
{
	return addr->family == 6 && !memcmp(addr->ip, mapped, sizeof(mapped));
}

static struct tp_addr unmapped(const struct tp_addr *addr)
{
	return end_of(4, addr->ip + sizeof(mapped), (const uint8_t *)&addr->port);
}

static int parse(struct proxy_header *out, uint8_t protocol, const uint8_t *p, size_t len)
{
	size_t known = len < sizeof(signature) ? len : sizeof(signature), rest, ip;
	uint8_t family;

	*out = (struct proxy_header){ .len = PROXY_HEAD };
	if (memcmp(p, signature, known))
		return -EPROTO;
	if (len < PROXY_HEAD)
		return -EAGAIN;
	rest = (size_t)(p[14] << 8 | p[15]);
	out->len += rest;
	if (out->len > PROXY_MAX || (p[12] != VERSION_LOCAL && p[12] != VERSION_PROXY))
		return -EPROTO;
	out->own = p[12] == VERSION_LOCAL || p[13] == UNSPEC;
	family = p[13] == (INET | protocol) ? 4 : 6;
	ip = family == 4 ? 4 : 16;
	if (!out->own && ((family == 6 && p[13] != (INET6 | protocol)) || rest < 2 * ip + 4))
		return -EPROTO;
	if (len < out->len)
		return -EAGAIN;
	if (out->own)
		return 0;
	p += PROXY_HEAD;
	out->client = end_of(family, p, p + 2 * ip);
	out->server = end_of(family, p + ip, p + 2 * ip + 2);
	if (is_mapped(&out->client) && is_mapped(&out->server)) {
		out->client = unmapped(&out->client);
		out->server = unmapped(&out->server);
	}
	/* nobody comes from port 0 */
	return out->client.port && out->server.port ? 0 : -EPROTO;
}

int proxy_parse(struct proxy_header *out, const uint8_t *p, size_t len)
{
	return parse(out, STREAM, p, len);
}

int proxy_parse_datagram(struct proxy_header *out, const uint8_t *p, size_t len)
{
	int err;

	if (len < sizeof(signature) || memcmp(p, signature, sizeof(signature)))
		return -ENOENT;
	err = parse(out, DGRAM, p, len);
	return err == -EAGAIN ? -EPROTO : err;
}
