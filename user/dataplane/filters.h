/* SPDX-License-Identifier: MIT */
/* The clsact qdisc of an interface, and which BPF filters hang on it. */
#ifndef TP_DATAPLANE_FILTERS_H
#define TP_DATAPLANE_FILTERS_H

#include <stdint.h>

#define FILTERS_NAME	64		/* with its NUL */

struct filter {
	uint32_t handle;
	uint16_t priority;
	char name[FILTERS_NAME];	/* of a BPF filter; libbpf's are "program:[id]" */
};

enum filters_hook { FILTERS_INGRESS, FILTERS_EGRESS };

/* 0: made; -EEXIST: there is one, or an ingress qdisc, which does as well. -errno. */
int filters_make_hook(unsigned int ifindex);
/* Takes the qdisc away, with all that hangs on it. 0 or -errno. */
int filters_remove_hook(unsigned int ifindex);
/* Calls found() for each filter; none where there is no qdisc. 0 or -errno. */
int filters_each(unsigned int ifindex, enum filters_hook hook,
		 void (*found)(void *ctx, const struct filter *filter), void *ctx);

#endif
