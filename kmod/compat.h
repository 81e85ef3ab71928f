/* SPDX-License-Identifier: GPL-2.0 */
/* What differs between kernels, and nothing else: the only file that asks for a version. */
#ifndef TURNPIKE_COMPAT_H
#define TURNPIKE_COMPAT_H

#include <linux/module.h>
#include <linux/skbuff.h>
#include <linux/version.h>
#include <net/flow.h>
#include <net/inet_dscp.h>

/* bpf_map_get() is in a namespace of its own since 6.16, and in stable kernels that took that
 * over. To import one that does not exist is harmless. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#define COMPAT_IMPORT_BPF	MODULE_IMPORT_NS("BPF_INTERNAL")
#else
#define COMPAT_IMPORT_BPF	MODULE_IMPORT_NS(BPF_INTERNAL)
#endif

/* Pages that the CPU cannot see (devmem TCP) are not touched. */
static inline bool compat_frags_readable(const struct sk_buff *skb)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
	return skb_frags_readable(skb);
#else
	return true;
#endif
}

static inline void compat_flow_tos(struct flowi4 *fl4, u8 tos)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
	fl4->flowi4_dscp = inet_dsfield_to_dscp(tos);
#else
	fl4->flowi4_tos = tos & INET_DSCP_MASK;
#endif
}

#endif
