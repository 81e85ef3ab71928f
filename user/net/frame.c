// SPDX-License-Identifier: MIT
#include "net/frame.h"

#define COOKIE_END	8

static const uint8_t cookie[] = { 0x21, 0x12, 0xA4, 0x42 };

static enum frame_kind measured(struct frame *frame, size_t have)
{
	return have < frame->wire ? FRAME_PARTIAL : FRAME_WHOLE;
}

enum frame_kind frame_find(struct frame *frame, const uint8_t *p, size_t have,
			   uint8_t channels_end)
{
	bool stun = p[0] < 4;
	size_t length;

	if (!stun && (p[0] < 0x40 || p[0] > channels_end))
		return FRAME_GARBAGE;
	frame->wire = frame->len = 4;
	if (have < 4)
		return FRAME_PARTIAL;
	length = (size_t)p[2] << 8 | p[3];
	if (!stun) {
		frame->len = 4 + length;
		frame->wire = (frame->len + 3) & ~(size_t)3;
		return length > FRAME_DATA_MAX ? FRAME_GARBAGE : measured(frame, have);
	}
	/* RFC 8489 section 5 */
	if (length & 3)
		return FRAME_GARBAGE;
	for (size_t i = 4; i < COOKIE_END && i < have; i++)
		if (p[i] != cookie[i - 4])
			return FRAME_GARBAGE;
	frame->wire = frame->len = 20 + length;
	return measured(frame, have);
}
