// SPDX-License-Identifier: MIT
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include "dataplane/device.h"
#include "dataplane/ports.h"

/* Of two interfaces that share a slot, the first has it. */
static int set_mac(struct xdp *xdp, const char *name, __u32 ifindex)
{
	int macs = xdp_map_fd(xdp, "tp_macs");
	struct tp_mac own = { .ifindex = ifindex }, there;
	__u32 slot = ifindex % TP_MACS;

	if (!device_is_ethernet(name, own.mac))
		return 0;
	if (!bpf_map_lookup_elem(macs, &slot, &there) && there.ifindex &&
	    there.ifindex != ifindex)
		return 0;
	return bpf_map_update_elem(macs, &slot, &own, BPF_ANY) ? -errno : 0;
}

int ports_open(struct xdp *xdp, const char *name, unsigned int ifindex, bool redirects)
{
	struct bpf_devmap_val port = { .ifindex = ifindex };
	int ports = xdp_map_fd(xdp, "tp_ports");
	__u32 key = ifindex, plain = 0;

	if (bpf_map_update_elem(xdp_map_fd(xdp, "tp_ways"), &key, &plain, BPF_ANY))
		return -errno;
	if (!redirects)
		bpf_map_delete_elem(ports, &key);
	else if (bpf_map_update_elem(ports, &key, &port, BPF_ANY))
		return -errno;
	return set_mac(xdp, name, key);
}

int ports_after_xdp(struct xdp *xdp, unsigned int ifindex)
{
	__u32 key = ifindex, way = PORTS_AFTER_XDP;

	return bpf_map_update_elem(xdp_map_fd(xdp, "tp_ways"), &key, &way, BPF_ANY) ? -errno : 0;
}

void ports_close(struct xdp *xdp, unsigned int ifindex)
{
	int macs = xdp_map_fd(xdp, "tp_macs");
	__u32 key = ifindex, slot = ifindex % TP_MACS;
	struct tp_mac there, none = { 0 };

	bpf_map_delete_elem(xdp_map_fd(xdp, "tp_ports"), &key);
	bpf_map_delete_elem(xdp_map_fd(xdp, "tp_ways"), &key);
	if (!bpf_map_lookup_elem(macs, &slot, &there) && there.ifindex == ifindex)
		bpf_map_update_elem(macs, &slot, &none, BPF_ANY);
}
