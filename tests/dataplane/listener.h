/* SPDX-License-Identifier: MIT */
/* The listening addresses' part of the table of cases. */
#ifndef TP_TEST_LISTENER_H
#define TP_TEST_LISTENER_H

#include "stun/stun.h"
#include "world.h"

struct listener_case {
	const char *name;
	enum tp_reason reason, reason6;		/* reason6: over IPv6, where that differs */
	uint16_t type;				/* 0: Binding request */
	void (*put)(struct stun_writer *w);	/* its attributes */
	void (*change)(struct frame_spec *in);
	bool fingerprint, silent;		/* the row's flags */
	int lease_s;				/* 0: a day */
};

extern const struct listener_case listener_cases[];
extern const size_t listener_cases_n;

/* A STUN message to the listener, from a client's plain address. */
void listener_request(struct frame_spec *f, uint8_t family, uint16_t type,
		      void (*put)(struct stun_writer *w));
uint32_t listener_put(struct world *world, uint8_t family, const struct listener_case *c,
		      uint32_t request_ns);

/* False, with an explanation on stderr, where it went otherwise. */
bool listener_case_run(struct world *world, const struct listener_case *c, uint8_t family);
bool listener_limits_run(struct world *world, uint8_t family);
bool listener_integrity_run(struct world *world, uint8_t family);

#endif
