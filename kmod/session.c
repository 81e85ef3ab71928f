// SPDX-License-Identifier: GPL-2.0
#include <linux/capability.h>
#include <linux/nsproxy.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "fault.h"
#include "hook.h"
#include "session.h"

/*
 * The namespace and the right to it are those of the opener: who gets the descriptor from
 * there on needs neither. Capabilities of a user namespace count for its networks alone, and
 * the device's mode keeps such users out anyway.
 */
static int session_open(struct inode *inode, struct file *file)
{
	struct net *net = current->nsproxy->net_ns;
	struct session *session;

	if (!ns_capable(net->user_ns, CAP_NET_ADMIN))
		return -EPERM;
	session = fault_here() ? NULL : kzalloc(sizeof(*session), GFP_KERNEL);
	if (!session)
		return -ENOMEM;
	mutex_init(&session->lock);
	session->net = get_net(net);
	file->private_data = session;
	return nonseekable_open(inode, file);
}

static int replace_tables(struct session *session, struct tables *fresh)
{
	struct tables *old;
	int err = 0;

	mutex_lock(&session->lock);
	old = rcu_replace_pointer(session->tables, fresh, lockdep_is_held(&session->lock));
	if (!old) {
		hook_describe(session);
		err = fault_here() ? -ENOMEM :
			nf_register_net_hooks(session->net, session->ops, SESSION_HOOKS);
		if (err) {
			/* one of them may have been there for a while */
			synchronize_net();
			old = rcu_replace_pointer(session->tables, NULL,
						  lockdep_is_held(&session->lock));
		}
	}
	mutex_unlock(&session->lock);
	synchronize_net();
	tables_put(old);
	return err;
}

static long set_tables(struct session *session, void __user *arg)
{
	struct turnpike_tables given;
	struct tables *fresh;

	if (copy_from_user(&given, arg, sizeof(given)))
		return -EFAULT;
	memset(given.why, 0, sizeof(given.why));
	fresh = tables_take(&given);
	if (!IS_ERR(fresh))
		return replace_tables(session, fresh);
	if (copy_to_user(arg, &given, sizeof(given)))
		return -EFAULT;
	return PTR_ERR(fresh);
}

static long session_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	if (cmd == TURNPIKE_SET_TABLES)
		return set_tables(file->private_data, (void __user *)arg);
	return -ENOTTY;
}

static int session_release(struct inode *inode, struct file *file)
{
	struct session *session = file->private_data;
	struct tables *tables = rcu_dereference_protected(session->tables, 1);

	if (tables) {
		nf_unregister_net_hooks(session->net, session->ops, SESSION_HOOKS);
		/* they may still run on other CPUs */
		synchronize_net();
		tables_put(tables);
	}
	put_net(session->net);
	mutex_destroy(&session->lock);
	kfree(session);
	return 0;
}

/* The owner keeps the module in place while any file is open. */
const struct file_operations session_fops = {
	.owner = THIS_MODULE,
	.open = session_open,
	.release = session_release,
	.unlocked_ioctl = session_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};
