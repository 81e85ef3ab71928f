/* SPDX-License-Identifier: MIT */
/* Where a message ends in a stream of STUN and ChannelData (RFC 8656 sections 12.4 and 12.5). */
#ifndef TP_NET_FRAME_H
#define TP_NET_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_MAX	(20 + 65532)	/* a STUN message; ChannelData is never longer */
#define FRAME_DATA_MAX	65527		/* of ChannelData: what fits into UDP over IPv6 */

enum frame_kind {
	FRAME_PARTIAL,			/* needs at least this many bytes in all */
	FRAME_WHOLE,
	FRAME_GARBAGE,			/* no such message: what follows cannot be understood */
};

struct frame {
	size_t len;			/* of the message, without padding */
	size_t wire;			/* what it takes up in the stream */
};

/* What p[0..have) begins with; have > 0. channels_end: the last first byte of ChannelData. */
enum frame_kind frame_find(struct frame *frame, const uint8_t *p, size_t have,
			   uint8_t channels_end);

#endif
