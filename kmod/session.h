/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TURNPIKE_SESSION_H
#define TURNPIKE_SESSION_H

#include <linux/fs.h>
#include <linux/mutex.h>
#include <linux/netfilter.h>
#include <net/net_namespace.h>
#include "tables.h"

#define SESSION_HOOKS	2		/* IPv4, IPv6 */

/* An open file of /dev/turnpike. */
struct session {
	struct net *net;		/* of whoever opened it; a reference */
	struct mutex lock;		/* of what follows, for writers */
	struct tables __rcu *tables;	/* NULL until they are given: there are no hooks */
	struct nf_hook_ops ops[SESSION_HOOKS];
};

extern const struct file_operations session_fops;

#endif
