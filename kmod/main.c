// SPDX-License-Identifier: GPL-2.0
/*
 * turnpike.ko: relays what reaches this host's sockets by the tables of turnpiked, where
 * neither XDP nor tc has done so before. See hook.c for where it sits, session.c for who
 * may ask for it.
 */
#include <linux/miscdevice.h>
#include <linux/module.h>
#include "session.h"

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "turnpike",
	.mode = 0600,
	.fops = &session_fops,
};

module_misc_device(device);

MODULE_DESCRIPTION("TURN relay by the tables of turnpiked");
MODULE_LICENSE("GPL");
