/* SPDX-License-Identifier: MIT */
/*
 * What the tables say, as JSON: for the control socket, and for the command
 * line where the daemon is down and only the pinned tables are left.
 */
#ifndef TP_REPORT_H
#define TP_REPORT_H

#include <jansson.h>
#include <stdint.h>
#include "dataplane/tables.h"

/* Its word, below TP_R_MAX. */
const char *report_reason(enum tp_reason reason);

/*
 * { "daemon": bool, "reasons": [ { "reason", "meaning", "packets", "bytes",
 *   "kmod": { "packets", "bytes" } } ] }, the module's apart from all others',
 * in the order of TP_REASONS, kernel and daemon summed. user_counts has TP_R_MAX
 * entries, or is NULL where the daemon is down: then its reasons are left out.
 */
json_t *report_stats(const struct tables *tables, const struct tp_count *user_counts);

/* { "allocations": [ … ] }: those alive at now_ns (CLOCK_MONOTONIC), with their channels and
 * permissions. May be called while workers write: what changes under its eyes is left out. */
json_t *report_allocations(const struct tables *tables, uint64_t now_ns);

/*
 * [ { "user", "allocations", "up", "down" } ], the bytes of all allocations of each user: those
 * who have most of them, first, and no more than so many. No name is there twice. NULL: no
 * memory.
 */
json_t *report_users(const struct tables *tables, uint64_t now_ns, unsigned int most);

#endif
