// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "net/outbox.h"

struct outbox_item {
	struct outbox_item *next;
	size_t len, sent;
	bool media;
	uint8_t bytes[];
};

static void forget(struct outbox *box, struct outbox_item *item)
{
	size_t left = item->len - item->sent;

	box->bytes -= left;
	if (!item->media)
		box->answers -= left;
	free(item);
}

/* The oldest media of which nothing has left: its length, or 0 where there is none. */
static size_t drop_oldest(struct outbox *box)
{
	struct outbox_item *last = NULL, *item;
	size_t at = 0, len;

	for (item = box->head; item; last = item, item = item->next) {
		if (item->media && !item->sent && at >= box->begun)
			break;
		at += item->len - item->sent;
	}
	if (!item)
		return 0;
	if (last)
		last->next = item->next;
	else
		box->head = item->next;
	if (box->tail == item)
		box->tail = last;
	len = item->len;
	forget(box, item);
	return len;
}

int outbox_add(struct outbox *box, const struct outbox_message *m, size_t *bytes)
{
	size_t len = m->head_len + m->data_len + m->pad, gone;
	struct outbox_item *item;
	int dropped = 0;

	*bytes = 0;
	while (box->bytes + len > OUTBOX_MAX && (gone = drop_oldest(box))) {
		dropped++;
		*bytes += gone;
	}
	item = m->media && box->bytes + len > OUTBOX_MAX ? NULL : malloc(sizeof(*item) + len);
	if (!item && m->media) {
		*bytes += len;
		return dropped + 1;
	}
	if (!item)
		return -ENOMEM;
	item->next = NULL;
	item->len = len;
	item->sent = 0;
	item->media = m->media;
	memcpy(item->bytes, m->head, m->head_len);
	if (m->data_len)
		memcpy(item->bytes + m->head_len, m->data, m->data_len);
	memset(item->bytes + m->head_len + m->data_len, 0, m->pad);
	if (box->tail)
		box->tail->next = item;
	else
		box->head = item;
	box->tail = item;
	box->bytes += len;
	if (!m->media)
		box->answers += len;
	return dropped;
}

size_t outbox_first(const struct outbox *box)
{
	return box->head ? box->head->len - box->head->sent : 0;
}

size_t outbox_peek(const struct outbox *box, uint8_t *buf, size_t len)
{
	size_t at = 0;

	for (const struct outbox_item *i = box->head; i && at < len; i = i->next) {
		size_t n = i->len - i->sent;

		if (n > len - at)
			n = len - at;
		memcpy(buf + at, i->bytes + i->sent, n);
		at += n;
	}
	return at;
}

void outbox_written(struct outbox *box, size_t len, size_t begun)
{
	struct outbox_item *item;

	while ((item = box->head) && item->len - item->sent <= len) {
		len -= item->len - item->sent;
		box->head = item->next;
		if (!box->head)
			box->tail = NULL;
		forget(box, item);
	}
	if (item && len) {
		item->sent += len;
		box->bytes -= len;
		if (!item->media)
			box->answers -= len;
	}
	box->begun = begun;
}

void outbox_clear(struct outbox *box)
{
	outbox_written(box, box->bytes, 0);
}
