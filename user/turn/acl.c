// SPDX-License-Identifier: MIT
/*
 * The one gate for peers. Order: what no setting can allow, then allowed-peer-ip,
 * then denied-peer-ip, then this host's own addresses, then what is not a
 * global unicast address. Addresses that carry an IPv4 address inside are not
 * unpacked but refused: nobody needs them who can name the IPv4 address.
 */
#include <arpa/inet.h>
#include <string.h>
#include "address.h"
#include "turn/core.h"
#include "pure.h"

struct prefix {
	uint8_t ip[16];
	uint8_t bits;
};

/* The IANA registry of special-purpose addresses, and clouds' metadata services. */
static const struct prefix refused4[] = {
	{ { 0 }, 8 },			/* this network (RFC 791) */
	{ { 10 }, 8 },			/* private (RFC 1918) */
	{ { 100, 64 }, 10 },		/* carrier-grade NAT (RFC 6598) */
	{ { 127 }, 8 },			/* loopback */
	{ { 169, 254 }, 16 },		/* link-local (RFC 3927), metadata */
	{ { 172, 16 }, 12 },		/* private */
	{ { 192, 0, 0 }, 24 },		/* IETF protocols (RFC 6890) */
	{ { 192, 0, 2 }, 24 },		/* documentation (RFC 5737) */
	{ { 192, 88, 99 }, 24 },	/* 6to4 anycast (RFC 7526) */
	{ { 192, 168 }, 16 },		/* private */
	{ { 198, 18 }, 15 },		/* benchmarks (RFC 2544) */
	{ { 198, 51, 100 }, 24 },	/* documentation */
	{ { 203, 0, 113 }, 24 },	/* documentation */
	{ { 168, 63, 129, 16 }, 32 },	/* Azure's host agent */
	{ { 224 }, 4 },			/* multicast */
	{ { 240 }, 4 },			/* reserved, and broadcast */
};

/* Inside 2000::/3; everything outside of it is refused as a whole. */
static const struct prefix refused6[] = {
	{ { 0x20, 0x01 }, 32 },			/* Teredo (RFC 4380) */
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32 },	/* documentation (RFC 3849) */
	{ { 0x20, 0x02 }, 16 },			/* 6to4 (RFC 3056) */
};

static bool in_prefix(const uint8_t *ip, const struct prefix *p)
{
	unsigned int bytes = p->bits / 8, rest = p->bits % 8;

	if (memcmp(ip, p->ip, bytes))
		return false;
	return !rest || !((ip[bytes] ^ p->ip[bytes]) >> (8 - rest));
}

bool acl_listed(const struct turn_ranges *ranges, const struct tp_addr *a)
{
	size_t len = a->family == 4 ? 4 : 16;
	unsigned int i;

	for (i = 0; i < ranges->n; i++) {
		const struct turn_ip_range *r = &ranges->v[i];

		if (r->family == a->family && memcmp(a->ip, r->low, len) >= 0 &&
		    memcmp(a->ip, r->high, len) <= 0)
			return true;
	}
	return false;
}

static bool acl_multicast(const struct tp_addr *a)
{
	return a->family == 4 ? a->ip[0] >> 4 == 0xe : a->ip[0] == 0xff;
}

static bool acl_loopback(const struct tp_addr *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	return a->family == 4 ? a->ip[0] == 127 : !memcmp(a->ip, one, sizeof(one));
}

/* What would leave as something else than it says: unspecified addresses mean
 * this host to a socket, v4-mapped and v4-compatible ones mean IPv4. */
static bool acl_disguised(const struct tp_addr *a)
{
	static const uint8_t zero[12], mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (a->family == 4)
		return !memcmp(a->ip, zero, 4);
	return (!memcmp(a->ip, zero, 12) && !acl_loopback(a)) || !memcmp(a->ip, mapped, 12);
}

bool acl_special(const struct tp_addr *a)
{
	const struct prefix *list = a->family == 4 ? refused4 : refused6;
	size_t i, n = a->family == 4 ? sizeof(refused4) / sizeof(*list) :
				       sizeof(refused6) / sizeof(*list);

	if (a->family == 6 && a->ip[0] >> 5 != 1)
		return true;
	for (i = 0; i < n; i++) {
		if (in_prefix(a->ip, &list[i]))
			return true;
	}
	return false;
}

static bool acl_listens(const struct turn_conf *conf, const struct tp_addr *peer)
{
	unsigned int i;

	for (i = 0; i < conf->n_own; i++) {
		if (peer->port && address_equal(&conf->own[i], peer))
			return true;
	}
	return false;
}

/* One packet in, one from every station out. */
static bool acl_broadcast(const struct turn_conf *conf, const struct tp_addr *ip)
{
	unsigned int i;

	for (i = 0; i < conf->n_broadcasts; i++) {
		if (address_same_ip(&conf->broadcasts[i], ip))
			return true;
	}
	return false;
}

bool acl_own_ip(const struct turn_conf *conf, const struct tp_addr *ip)
{
	struct tp_addr any_port = *ip;
	unsigned int i;

	for (i = 0; i < conf->n_own; i++) {
		if (address_same_ip(&conf->own[i], ip))
			return true;
	}
	any_port.port = 0;
	return turn_relay_here(conf, &any_port);
}

int acl_check_realm(const struct turn_conf *conf, const struct turn_realm *realm,
		    const struct tp_addr *peer)
{
	if (peer->family != 4 && peer->family != 6)
		return 403;
	if (acl_disguised(peer) || acl_listens(conf, peer) || acl_broadcast(conf, peer))
		return 403;
	if (acl_multicast(peer) && !conf->multicast_peers)
		return 403;
	if (acl_listed(&conf->allowed, peer) || (realm && acl_listed(&realm->allowed, peer)))
		return 0;
	if (acl_listed(&conf->denied, peer) || (realm && acl_listed(&realm->denied, peer)))
		return 403;
	/* Relay to relay is how two clients of one server talk; anything else on this host is
	 * not what relaying is for. Port 0: any, the caller asks again. */
	if (acl_own_ip(conf, peer))
		return turn_relay_here(conf, peer) ? 0 : 403;
	if (acl_multicast(peer))
		return 0;
	if (acl_loopback(peer))
		return conf->allow_loopback_peers ? 0 : 403;
	return acl_special(peer) ? 403 : 0;
}

int acl_check(const struct turn_conf *conf, const struct tp_addr *peer)
{
	return acl_check_realm(conf, NULL, peer);
}
