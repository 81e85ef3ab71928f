/* SPDX-License-Identifier: MIT */
/*
 * What waits to be written to a stream: whole messages, in order. Where the other side is
 * slow, the oldest media goes to make room for new; answers are never dropped, and
 * nothing that has begun to leave.
 */
#ifndef TP_NET_OUTBOX_H
#define TP_NET_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUTBOX_MAX	(65 << 10)	/* bytes; one datagram of any size fits */
#define OUTBOX_ANSWERS	(16 << 10)	/* of answers: with more, no more questions are read */

struct outbox_item;

struct outbox {
	struct outbox_item *head, *tail;
	size_t bytes;			/* to be written */
	size_t answers;			/* of these, bytes of what is not media */
	size_t begun;			/* first bytes that were shown to outbox_peek()'s caller and
					 * that it cannot take back */
};

/* One message in three parts and zero bytes behind them. */
struct outbox_message {
	const uint8_t *head, *data;
	size_t head_len, data_len, pad;
	bool media;			/* may be dropped */
};

/* Copies it. How many messages were dropped (*bytes of them in all), perhaps this one; or
 * -ENOMEM, with an answer lost. */
int outbox_add(struct outbox *box, const struct outbox_message *message, size_t *bytes);
/* What is left of the first message; 0: nothing waits. */
size_t outbox_first(const struct outbox *box);
/* Copies up to len of the first bytes. */
size_t outbox_peek(const struct outbox *box, uint8_t *buf, size_t len);
/* That many have been written, and begun of those that follow must come next. */
void outbox_written(struct outbox *box, size_t len, size_t begun);
void outbox_clear(struct outbox *box);

#endif
