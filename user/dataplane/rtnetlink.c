// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include "dataplane/rtnetlink.h"

#define REQUEST_MAX	256		/* the longest request that is made here */
#define RECEIVE_MAX	32768		/* what the kernel fills in a dump at most */
#define EVENTS_BUFFER	(1 << 20)
#define READS_MAX	1024

struct rtnetlink {
	struct mnl_socket *socket;
	uint32_t sequence;
	char buf[RECEIVE_MAX];
};

/* Attributes of one message by number, those that are too high for the array left out. */
struct attributes {
	const struct nlattr **at;
	unsigned int max;
};

static const unsigned int groups[] = {
	RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
	/* What changes ways without a word about routes: rules, nexthop objects and an address
	 * that goes away. */
	RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, RTNLGRP_NEXTHOP,
	RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
};

/* --------------------------------------------------------------- parsing */

static int collect(const struct nlattr *attr, void *data)
{
	struct attributes *a = data;
	unsigned int type = mnl_attr_get_type(attr);

	if (type <= a->max)
		a->at[type] = attr;
	return MNL_CB_OK;
}

static void parse_message(const struct nlmsghdr *nlh, size_t header, const struct nlattr **at,
			  unsigned int max)
{
	struct attributes a = { at, max };

	memset(at, 0, sizeof(*at) * (max + 1));
	mnl_attr_parse(nlh, (unsigned int)header, collect, &a);
}

static void parse_nested(const struct nlattr *nest, const struct nlattr **at, unsigned int max)
{
	struct attributes a = { at, max };

	memset(at, 0, sizeof(*at) * (max + 1));
	mnl_attr_parse_nested(nest, collect, &a);
}

static uint32_t number(const struct nlattr *attr)
{
	if (!attr || mnl_attr_get_payload_len(attr) < sizeof(uint32_t))
		return 0;
	return mnl_attr_get_u32(attr);
}

static bool set_address(struct tp_addr *addr, int family, const void *ip, size_t len)
{
	size_t need = family == AF_INET ? 4 : 16;

	memset(addr, 0, sizeof(*addr));
	if ((family != AF_INET && family != AF_INET6) || len < need)
		return false;
	addr->family = family == AF_INET ? 4 : 6;
	memcpy(addr->ip, ip, need);
	return true;
}

static bool attr_address(struct tp_addr *addr, int family, const struct nlattr *attr)
{
	return set_address(addr, family, mnl_attr_get_payload(attr),
			   mnl_attr_get_payload_len(attr));
}

/* RTA_GATEWAY has the route's family, RTA_VIA one of its own (IPv4 by an IPv6 gateway). */
static bool parse_gateway(const struct rtmsg *rtm, const struct nlattr **at, struct tp_addr *gw)
{
	const struct rtvia *via;

	if (at[RTA_GATEWAY])
		return attr_address(gw, rtm->rtm_family, at[RTA_GATEWAY]);
	if (!at[RTA_VIA])
		return true;
	if (mnl_attr_get_payload_len(at[RTA_VIA]) < sizeof(*via))
		return false;
	via = mnl_attr_get_payload(at[RTA_VIA]);
	return set_address(gw, via->rtvia_family, via->rtvia_addr,
			   mnl_attr_get_payload_len(at[RTA_VIA]) - sizeof(*via));
}

/* A path MTU that was learned has an end of life; it concerns the host's own datagrams, while
 * a relay's too long ones are answered by the router that cannot pass them on. */
static uint32_t parse_mtu(const struct nlattr **at)
{
	const struct nlattr *metric[RTAX_MTU + 1];
	const struct rta_cacheinfo *cache;

	if (at[RTA_CACHEINFO] && mnl_attr_get_payload_len(at[RTA_CACHEINFO]) >= sizeof(*cache)) {
		cache = mnl_attr_get_payload(at[RTA_CACHEINFO]);
		if (cache->rta_expires)
			return 0;
	}
	if (!at[RTA_METRICS])
		return 0;
	parse_nested(at[RTA_METRICS], metric, RTAX_MTU);
	return number(metric[RTAX_MTU]);
}

static int parse_route(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *at[RTA_MAX + 1];
	struct rt_route *route = data;
	const struct rtmsg *rtm;

	if (nlh->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm))
		return MNL_CB_OK;
	rtm = mnl_nlmsg_get_payload(nlh);
	parse_message(nlh, sizeof(*rtm), at, RTA_MAX);
	route->ifindex = number(at[RTA_OIF]);
	route->mtu = parse_mtu(at);
	route->usable = rtm->rtm_type == RTN_UNICAST && route->ifindex &&
			!at[RTA_ENCAP_TYPE] && !at[RTA_NEWDST] &&
			parse_gateway(rtm, at, &route->gateway);
	return MNL_CB_STOP;
}

static void parse_kind(const struct nlattr *info, struct rt_link *link)
{
	const struct nlattr *at[IFLA_INFO_DATA + 1], *data[IFLA_VLAN_PROTOCOL + 1];

	parse_nested(info, at, IFLA_INFO_DATA);
	if (!at[IFLA_INFO_KIND] || !at[IFLA_INFO_DATA] ||
	    strcmp(mnl_attr_get_str(at[IFLA_INFO_KIND]), "vlan"))
		return;
	link->vlan = true;
	parse_nested(at[IFLA_INFO_DATA], data, IFLA_VLAN_PROTOCOL);
	if (!data[IFLA_VLAN_ID] || !data[IFLA_VLAN_PROTOCOL] ||
	    *(const __be16 *)mnl_attr_get_payload(data[IFLA_VLAN_PROTOCOL]) != htons(ETH_P_8021Q))
		link->ether = false;
	else
		link->vlan_id = mnl_attr_get_u16(data[IFLA_VLAN_ID]);
}

static bool parse_link(const struct nlmsghdr *nlh, struct rt_link *link)
{
	const struct nlattr *at[IFLA_LINK_NETNSID + 1];
	const struct ifinfomsg *ifi;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifi))
		return false;
	ifi = mnl_nlmsg_get_payload(nlh);
	/* A bridge tells about its ports here, too; that is not the link's own message. */
	if (ifi->ifi_family != AF_UNSPEC)
		return false;
	memset(link, 0, sizeof(*link));
	parse_message(nlh, sizeof(*ifi), at, IFLA_LINK_NETNSID);
	link->ifindex = (uint32_t)ifi->ifi_index;
	link->gone = nlh->nlmsg_type == RTM_DELLINK;
	link->up = (ifi->ifi_flags & IFF_UP) && (ifi->ifi_flags & IFF_RUNNING);
	link->mtu = number(at[IFLA_MTU]);
	link->ether = ifi->ifi_type == ARPHRD_ETHER && !(ifi->ifi_flags & IFF_LOOPBACK) &&
		      at[IFLA_ADDRESS] && mnl_attr_get_payload_len(at[IFLA_ADDRESS]) == 6;
	if (link->ether)
		memcpy(link->mac, mnl_attr_get_payload(at[IFLA_ADDRESS]), 6);
	if (at[IFLA_LINK] && !at[IFLA_LINK_NETNSID])
		link->parent = number(at[IFLA_LINK]);
	if (at[IFLA_LINKINFO])
		parse_kind(at[IFLA_LINKINFO], link);
	return true;
}

static bool parse_neighbour(const struct nlmsghdr *nlh, struct rt_neighbour *neighbour)
{
	const uint16_t valid = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT |
			       NUD_NOARP;
	const struct nlattr *at[NDA_LLADDR + 1];
	const struct ndmsg *ndm;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*ndm))
		return false;
	ndm = mnl_nlmsg_get_payload(nlh);
	parse_message(nlh, sizeof(*ndm), at, NDA_LLADDR);
	/* AF_BRIDGE: a forwarding database; proxies are what this host answers for. */
	if (!at[NDA_DST] || (ndm->ndm_flags & NTF_PROXY) ||
	    !attr_address(&neighbour->addr, ndm->ndm_family, at[NDA_DST]))
		return false;
	neighbour->ifindex = (uint32_t)ndm->ndm_ifindex;
	neighbour->known = nlh->nlmsg_type == RTM_NEWNEIGH && (ndm->ndm_state & valid) &&
			   at[NDA_LLADDR] && mnl_attr_get_payload_len(at[NDA_LLADDR]) == 6;
	neighbour->stale = neighbour->known && (ndm->ndm_state & NUD_STALE);
	memset(neighbour->mac, 0, 6);
	if (neighbour->known)
		memcpy(neighbour->mac, mnl_attr_get_payload(at[NDA_LLADDR]), 6);
	return true;
}

static void parse_prefix(const struct nlmsghdr *nlh, struct rt_prefix *prefix)
{
	const struct nlattr *at[RTA_DST + 1];
	const struct rtmsg *rtm;

	memset(prefix, 0, sizeof(*prefix));
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm))
		return;
	rtm = mnl_nlmsg_get_payload(nlh);
	parse_message(nlh, sizeof(*rtm), at, RTA_DST);
	prefix->length = rtm->rtm_dst_len;
	if (at[RTA_DST])
		attr_address(&prefix->addr, rtm->rtm_family, at[RTA_DST]);
	else if (rtm->rtm_family == AF_INET || rtm->rtm_family == AF_INET6)
		prefix->addr.family = rtm->rtm_family == AF_INET ? 4 : 6;
}

/* -------------------------------------------------------------- requests */

struct rtnetlink *rtnetlink_open(bool events)
{
	struct rtnetlink *r = calloc(1, sizeof(*r));
	int size = EVENTS_BUFFER;

	if (!r)
		return NULL;
	r->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | (events ? SOCK_NONBLOCK : 0));
	if (!r->socket || mnl_socket_bind(r->socket, 0, MNL_SOCKET_AUTOPID))
		goto fail;
	if (!events)
		return r;
	/* As much as the system's limit allows; what does not fit costs a resync. */
	setsockopt(mnl_socket_get_fd(r->socket), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		int group = (int)groups[i], err;

		err = mnl_socket_setsockopt(r->socket, NETLINK_ADD_MEMBERSHIP, &group,
					    sizeof(group));
		if (err && group != RTNLGRP_NEXTHOP)	/* since Linux 5.3 */
			goto fail;
	}
	return r;
fail:
	rtnetlink_close(r);
	return NULL;
}

void rtnetlink_close(struct rtnetlink *r)
{
	int error = errno;

	if (!r)
		return;
	if (r->socket)
		mnl_socket_close(r->socket);
	free(r);
	errno = error;
}

int rtnetlink_fd(const struct rtnetlink *r)
{
	return mnl_socket_get_fd(r->socket);
}

/* Sends one request and gives what comes back to parse() until its end. The kernel answers
 * before the send returns, so nothing is waited for. */
static int ask(struct rtnetlink *r, struct nlmsghdr *nlh, mnl_cb_t parse, void *data)
{
	unsigned int port = mnl_socket_get_portid(r->socket);
	ssize_t n;
	int more;

	/* The rest of an answer that was given up with an error. */
	while (recv(mnl_socket_get_fd(r->socket), r->buf, sizeof(r->buf), MSG_DONTWAIT) > 0)
		;
	nlh->nlmsg_seq = ++r->sequence;
	if (mnl_socket_sendto(r->socket, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(r->socket, r->buf, sizeof(r->buf));
		if (n < 0 && errno == EINTR) {
			more = MNL_CB_OK;
			continue;
		}
		if (n < 0)
			return -errno;
		more = mnl_cb_run(r->buf, (size_t)n, nlh->nlmsg_seq, port, parse, data);
	} while (more == MNL_CB_OK);
	return more < 0 ? -errno : 0;
}

static void put_address(struct nlmsghdr *nlh, uint16_t type, const struct tp_addr *addr)
{
	mnl_attr_put(nlh, type, addr->family == 4 ? 4 : 16, addr->ip);
}

int rtnetlink_route(struct rtnetlink *r, const struct tp_addr *src, const struct tp_addr *dst,
		    struct rt_route *route)
{
	uint8_t bits = dst->family == 4 ? 32 : 128;
	char buf[REQUEST_MAX] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rtm;
	int err;

	memset(route, 0, sizeof(*route));
	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = dst->family == 4 ? AF_INET : AF_INET6;
	rtm->rtm_dst_len = bits;
	put_address(nlh, RTA_DST, dst);
	if (src->family == dst->family) {
		rtm->rtm_src_len = bits;
		put_address(nlh, RTA_SRC, src);
	}
	mnl_attr_put_u8(nlh, RTA_IP_PROTO, IPPROTO_UDP);
	err = ask(r, nlh, parse_route, route);
	switch (-err) {
	case ENETUNREACH:
	case EHOSTUNREACH:
	case EACCES:		/* prohibit */
	case EAGAIN:		/* throw */
	case EINVAL:		/* blackhole, or a source that is not this host's any more */
	case ESRCH:
	case ENODEV:
		return 0;
	}
	return err;
}

static int parse_answered_neighbour(const struct nlmsghdr *nlh, void *data)
{
	if (nlh->nlmsg_type != RTM_NEWNEIGH)
		return MNL_CB_OK;
	parse_neighbour(nlh, data);
	return MNL_CB_STOP;
}

int rtnetlink_neighbour(struct rtnetlink *r, uint32_t ifindex, const struct tp_addr *addr,
			struct rt_neighbour *neighbour)
{
	char buf[REQUEST_MAX] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ndmsg *ndm;
	int err;

	memset(neighbour, 0, sizeof(*neighbour));
	nlh->nlmsg_type = RTM_GETNEIGH;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
	ndm->ndm_family = addr->family == 4 ? AF_INET : AF_INET6;
	ndm->ndm_ifindex = (int)ifindex;
	put_address(nlh, NDA_DST, addr);
	err = ask(r, nlh, parse_answered_neighbour, neighbour);
	return err == -ENOENT || err == -ENODEV ? 0 : err;
}

struct dispatch {
	const struct rt_handler *handler;
	void *ctx;
};

static int dispatch_message(const struct nlmsghdr *nlh, void *data)
{
	const struct dispatch *d = data;
	struct rt_neighbour neighbour;
	struct rt_prefix prefix = { 0 };
	struct rt_link link;

	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		if (parse_link(nlh, &link))
			d->handler->link(d->ctx, &link);
		break;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		if (parse_neighbour(nlh, &neighbour))
			d->handler->neighbour(d->ctx, &neighbour);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		parse_prefix(nlh, &prefix);
		d->handler->routes(d->ctx, &prefix);
		break;
	case RTM_NEWRULE:
	case RTM_DELRULE:
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
	case RTM_DELADDR:
		d->handler->routes(d->ctx, &prefix);
		break;
	}
	return MNL_CB_OK;
}

static int dump_links(struct rtnetlink *r, struct dispatch *d)
{
	char buf[REQUEST_MAX] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi;

	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_family = AF_UNSPEC;
	return ask(r, nlh, dispatch_message, d);
}

int rtnetlink_links(struct rtnetlink *r, const struct rt_handler *handler, void *ctx)
{
	struct dispatch d = { handler, ctx };
	int err, tries = 0;

	/* EINTR: the links changed during the dump, which may be incomplete. */
	do {
		err = dump_links(r, &d);
	} while (err == -EINTR && ++tries < 16);
	return err;
}

static int ignore_message(const struct nlmsghdr *nlh, void *data)
{
	(void)nlh;
	(void)data;
	return MNL_CB_STOP;
}

void rtnetlink_settle(struct rtnetlink *r)
{
	char buf[REQUEST_MAX] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi;

	/* The question does not matter: it is answered under the lock that changes hold. */
	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_index = 1;
	ask(r, nlh, ignore_message, NULL);
}

int rtnetlink_events(struct rtnetlink *r, const struct rt_handler *handler, void *ctx)
{
	struct dispatch d = { handler, ctx };
	bool lost = false;
	ssize_t n;

	/* Not for ever: what comes later makes the descriptor readable again. */
	for (int reads = 0; reads < READS_MAX; reads++) {
		n = mnl_socket_recvfrom(r->socket, r->buf, sizeof(r->buf));
		if (n >= 0) {
			mnl_cb_run(r->buf, (size_t)n, 0, 0, dispatch_message, &d);
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN)
			break;
		if (errno != ENOBUFS && errno != ENOSPC)
			return -errno;
		lost = true;
	}
	return lost ? -ENOBUFS : 0;
}
