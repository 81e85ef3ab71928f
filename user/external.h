/* SPDX-License-Identifier: MIT */
/* external-ip=auto: a STUN server is asked what the relay addresses are called outside. */
#ifndef TP_EXTERNAL_H
#define TP_EXTERNAL_H

#include "config.h"

/* Of each relay address that nothing is written for, and puts the answers into force. Without
 * an answer no address is told at all: 0, or -errno after the reason was logged. */
int external_ask(struct conf *conf);

#endif
