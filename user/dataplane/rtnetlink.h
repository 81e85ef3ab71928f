/* SPDX-License-Identifier: MIT */
/* What is asked of the kernel's routing and what it tells by itself, as plain structs. */
#ifndef TP_DATAPLANE_RTNETLINK_H
#define TP_DATAPLANE_RTNETLINK_H

#include <stdbool.h>
#include <stdint.h>
#include <turnpike/tables.h>

struct rt_route {
	bool usable;			/* unicast, without encapsulation */
	uint32_t ifindex;
	struct tp_addr gateway;		/* family 0: the destination is on the link */
	uint32_t mtu;			/* configured on the route; 0: the link's */
};

struct rt_link {
	uint32_t ifindex;
	bool gone;
	bool ether;			/* Ethernet, 6-byte address; VLANs by 802.1Q only */
	bool up;			/* administratively and in operation */
	bool vlan;			/* on top of parent, which gets the frames tagged */
	uint16_t vlan_id;
	uint32_t parent;		/* ifindex; 0: none, or in another namespace */
	uint32_t mtu;
	uint8_t mac[6];
};

struct rt_neighbour {
	uint32_t ifindex;
	struct tp_addr addr;
	bool known;			/* mac may be used */
	bool stale;			/* known, but not confirmed for some time */
	uint8_t mac[6];
};

/* What a change of the routes concerns: destinations in this prefix, or (family 0) any. */
struct rt_prefix {
	struct tp_addr addr;
	uint8_t length;
};

struct rt_handler {
	void (*link)(void *ctx, const struct rt_link *link);
	void (*neighbour)(void *ctx, const struct rt_neighbour *neighbour);
	void (*routes)(void *ctx, const struct rt_prefix *prefix);
};

struct rtnetlink;
/* For requests, or (events) subscribed to what concerns next hops and never blocking.
 * NULL with errno. A request socket is used by one thread at a time. */
struct rtnetlink *rtnetlink_open(bool events);
void rtnetlink_close(struct rtnetlink *r);
int rtnetlink_fd(const struct rtnetlink *r);

/* 0 or -errno; an address that cannot be reached is 0 and not usable. */
int rtnetlink_route(struct rtnetlink *r, const struct tp_addr *src, const struct tp_addr *dst,
		    struct rt_route *route);
/* 0 or -errno; a neighbour that the kernel does not have is 0 and not known. */
int rtnetlink_neighbour(struct rtnetlink *r, uint32_t ifindex, const struct tp_addr *addr,
			struct rt_neighbour *neighbour);
/* Calls handler->link for every link. 0 or -errno. */
int rtnetlink_links(struct rtnetlink *r, const struct rt_handler *handler, void *ctx);
/* Returns when the kernel is done with what it was changing about links. */
void rtnetlink_settle(struct rtnetlink *r);
/* Reads what there is; -ENOBUFS: some of it was lost. */
int rtnetlink_events(struct rtnetlink *r, const struct rt_handler *handler, void *ctx);

#endif
