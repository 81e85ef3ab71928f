/* SPDX-License-Identifier: MIT */
/* What a network interface says of itself, as far as it matters to a data path. */
#ifndef TP_DATAPLANE_DEVICE_H
#define TP_DATAPLANE_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#define DEVICE_DRIVER		33

/* enum netdev_xdp_act of <linux/netdev.h> */
#define DEVICE_XDP_BASIC	(1ULL << 0)	/* drop, pass, send back */
#define DEVICE_XDP_REDIRECT	(1ULL << 1)	/* to others */
#define DEVICE_XDP_XMIT		(1ULL << 2)	/* from others */

/* The name of its driver, or "unknown". */
void device_driver(const char *name, char driver[DEVICE_DRIVER]);
int device_mtu(const char *name);
/* Whether its frames begin with an Ethernet header; mac is filled if so. */
bool device_is_ethernet(const char *name, uint8_t mac[6]);
/* DEVICE_XDP_*, as the driver has them now. 0, or -errno: before Linux 6.3 nothing tells. */
int device_xdp_features(unsigned int ifindex, uint64_t *features);

#endif
