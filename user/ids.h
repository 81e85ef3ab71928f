/* SPDX-License-Identifier: MIT */
/* Whom the relay process runs as. */
#ifndef TP_IDS_H
#define TP_IDS_H

#include <sys/types.h>
#include "config.h"

#define IDS_WHY	128

/* proc-user and proc-group, or turnpike, or nobody; unprivileged, as we are. 0 or -errno,
 * and why. */
int ids_find(const struct conf *conf, uid_t *uid, gid_t *gid, char why[IDS_WHY]);

#endif
