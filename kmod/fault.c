// SPDX-License-Identifier: GPL-2.0
#include <linux/atomic.h>
#include <linux/module.h>
#include "fault.h"

static unsigned int fault_every;
static atomic_t asked, failed;

/* Written: counts anew, so that a test says which one fails. */
static int set_every(const char *text, const struct kernel_param *param)
{
	int err = param_set_uint(text, param);

	if (err)
		return err;
	atomic_set(&asked, 0);
	atomic_set(&failed, 0);
	return 0;
}

static const struct kernel_param_ops every_ops = { .set = set_every, .get = param_get_uint };

static int get_failed(char *text, const struct kernel_param *param)
{
	return sprintf(text, "%d\n", atomic_read(&failed));
}

static const struct kernel_param_ops failed_ops = { .get = get_failed };

module_param_cb(fault_every, &every_ops, &fault_every, 0600);
MODULE_PARM_DESC(fault_every, "let every n-th allocation fail; 0: none");
module_param_cb(fault_count, &failed_ops, NULL, 0400);
MODULE_PARM_DESC(fault_count, "how many did, since fault_every was written");

bool fault_here(void)
{
	unsigned int every = READ_ONCE(fault_every);

	if (!every || (unsigned int)atomic_inc_return(&asked) % every)
		return false;
	atomic_inc(&failed);
	return true;
}
