/* SPDX-License-Identifier: MIT */
/*
 * A trace of what the pinned XDP and tc programs do, with or without a daemon. While it runs,
 * tracing forms of them are in their places (swap.h). One tracer at a time.
 *
 * Two things see to it that none stays there. A process beside this one, the guard, puts the
 * programs back as soon as this one has ended, however it did. And the tracing programs have a
 * lease: should both be killed, they do what the others do and no more, until the next tracer
 * or a start of the daemon replaces them.
 */
#ifndef TP_DATAPLANE_TRACER_H
#define TP_DATAPLANE_TRACER_H

#include <stdint.h>
#include <turnpike/trace.h>

struct tracer;

/* One packet; head_len is 0 where no head was asked for. Not 0: enough for now. */
typedef int (*tracer_found)(void *ctx, const struct tp_trace *event);

/*
 * 0, or -errno: -ENOENT there are no programs under pin_path, -EBUSY another tracer, -EPROTO
 * tables of another version, -EPERM or -EACCES not permitted; all else is the kernel's refusal.
 */
int tracer_open(struct tracer **out, const char *pin_path, const struct tp_trace_filter *filter,
		tracer_found found, void *ctx);
/* Wait for packets and hand over those that are there, until found() has enough. To be called
 * every second at least: it renews the lease. 0 or -errno. */
int tracer_poll(struct tracer *tracer, int timeout_ms);
/* 1: a daemon had put other programs there, and those are traced from now on; 0: nothing has
 * changed; -errno as above: nothing is traced any more. */
int tracer_follow(struct tracer *tracer);
/* Put the programs back, and hand over what was seen until then. 0 or -errno. */
int tracer_stop(struct tracer *tracer);
/* Packets that were to be handed over and were not, for want of room. */
uint64_t tracer_lost(const struct tracer *tracer);
void tracer_close(struct tracer *tracer);

#endif
