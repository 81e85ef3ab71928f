/* SPDX-License-Identifier: MIT */
/*
 * The Prometheus exporter: /metrics (coturn's turn_* names with live values, and
 * turnpike_*), / (coturn's "ok"), /livez and /readyz. Served by the relay
 * process's main thread.
 */
#ifndef TP_METRICS_H
#define TP_METRICS_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdio.h>
#include "control.h"

struct metrics;

/* What the configuration asks for, on every address of it. NULL where that is impossible:
 * said in the log. sources is borrowed. */
struct metrics *metrics_new(struct event_base *base, const struct control_sources *sources);
void metrics_free(struct metrics *metrics);
/* The certificates of next, for who connects from now on. False: nothing has changed. */
bool metrics_renew(struct metrics *metrics, const struct conf *next);

/* The exposition format, version 0.0.4. */
void metrics_text(const struct control_sources *sources, FILE *out);

#endif
