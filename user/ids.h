/* SPDX-License-Identifier: MIT */
/* Whom the processes run as that talk to the network. */
#ifndef TP_IDS_H
#define TP_IDS_H

#include <sys/types.h>
#include "config.h"

#define IDS_WHY	128

/* proc-user and proc-group, or turnpike, or nobody; unprivileged, as we are. 0 or -errno,
 * and why. */
int ids_find(const struct conf *conf, uid_t *uid, gid_t *gid, char why[IDS_WHY]);

/* In a child of parent: no way back, no capability, no new privilege, no core with keys in it,
 * and SIGTERM when parent ends. False (and errno), also where it has ended already. */
bool ids_drop(uid_t uid, gid_t gid, pid_t parent);

#endif
