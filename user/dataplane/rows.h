/* SPDX-License-Identifier: MIT */
/* Writing the flow tables. All workers share them; every call takes the writer's lock. */
#ifndef TP_DATAPLANE_ROWS_H
#define TP_DATAPLANE_ROWS_H

#include <stdbool.h>
#include <stdint.h>
#include "dataplane/tables.h"

/* One direction of a flow. What arrives: src, dst, channel; what leaves: the rest. */
struct row_spec {
	struct tp_addr src, dst;
	uint16_t channel;		/* host order; 0: none; or enum tp_key_kind */
	enum tp_row_kind kind;
	struct tp_addr out_src, out_dst;
	uint16_t out_channel;		/* host order; 0: none */
	uint16_t nexthop;		/* index; 0: known later, see rows_set_nexthop() */
	uint16_t nexthop_up;		/* of a permission: towards the peer */
	uint32_t alloc;			/* index into the journal */
	uint64_t expires_ns;
	uint16_t flags;			/* TP_ROW_* bits */
	struct tp_row_listener listener;	/* TP_ROW_LISTENER, for which nothing leaves */
};

struct rows;
struct rows *rows_new(struct tables *tables);
void rows_free(struct rows *rows);

/* Insert, or rewrite where the key is there already (its counters go on). Returns
 * slot + 1, or 0 where there is no room. */
uint32_t rows_put(struct rows *rows, const struct row_spec *spec);
/* slot_1 is what rows_put() returned and family that of spec.src. No packet is relayed by the
 * row after this returns (but for one that had passed its check); its counts are added to
 * *count. */
void rows_del(struct rows *rows, uint8_t family, uint32_t slot_1, struct tp_count *count);
void rows_set_nexthop(struct rows *rows, uint8_t family, uint32_t slot_1, uint16_t nexthop);
void rows_set_nexthop_up(struct rows *rows, uint8_t family, uint32_t slot_1, uint16_t nexthop);
/* TP_ROW_LIMITED, on or off. */
void rows_set_limited(struct rows *rows, uint8_t family, uint32_t slot_1, bool limited);
void rows_count(const struct rows *rows, uint8_t family, uint32_t slot_1, struct tp_count *count);
/* After a restart: delete every row that keep() does not want. */
void rows_sweep(struct rows *rows, bool (*keep)(void *ctx, uint8_t family, uint32_t slot_1),
		void *ctx);
/* Rows in use and slots there are, both families: for status. */
void rows_fill(const struct rows *rows, uint32_t used[2], uint32_t slots[2]);

#endif
