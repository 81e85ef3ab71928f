/* SPDX-License-Identifier: MIT */
/*
 * The keeper: the small privileged parent. It opens what needs privilege (BPF, ports,
 * the control socket), takes no input from the network, and keeps a relay
 * process running that inherits all of it.
 */
#ifndef TP_KEEPER_H
#define TP_KEEPER_H

#include "config.h"

/* Until SIGTERM (flows go on in the kernel until their leases end) or SIGINT
 * (everything is taken off). Returns the exit status. */
int keeper_main(const struct conf *conf);

#endif
