/* SPDX-License-Identifier: MIT */
/* external-ip=auto: a STUN server is asked what the relay addresses are called outside. */
#ifndef TP_EXTERNAL_H
#define TP_EXTERNAL_H

#include <sys/types.h>
#include "config.h"

/* Of each relay address that nothing is written for, and puts the answers into force. Names are
 * looked up and answers read by a child that runs as uid and gid. 0; or -errno after the reason
 * was logged: without an answer no address is told at all. */
int external_ask(struct conf *conf, uid_t uid, gid_t gid);

#endif
