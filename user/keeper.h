/* SPDX-License-Identifier: MIT */
/*
 * The keeper: the small privileged parent. It opens what needs privilege (BPF, ports,
 * the control socket), takes no input from the network, and keeps a relay
 * process running that inherits all of it.
 */
#ifndef TP_KEEPER_H
#define TP_KEEPER_H

#include "config.h"

/*
 * Until SIGTERM (flows go on in the kernel until their leases end) or SIGINT (everything
 * is taken off). SIGHUP and SIGUSR2 read source again, SIGUSR1 drains; *conf (from
 * malloc(), the caller's) is what is in force then. ready (or -1) is for background_ready()
 * when everything is open. Returns the exit status.
 */
int keeper_main(struct conf **conf, const struct conf_source *source, int ready);

#endif
