/* SPDX-License-Identifier: GPL-2.0 */
/* An sk_buff put together from pieces of another one, without copying them where it can be. */
#ifndef TURNPIKE_PIECES_H
#define TURNPIKE_PIECES_H

#include <linux/skbuff.h>

struct pieces {
	struct sk_buff *skb;
	u32 copied, room;	/* into pages of its own; room 0: what is shared is not copied */
	struct page *small;	/* where little things are, for frags */
	u32 small_at;
};

/*
 * headers bytes are reserved for what comes before the pieces. With copy that many bytes are
 * to be copied, else they are shared, and what does not fit into the frags is -EMSGSIZE.
 */
int pieces_begin(struct pieces *p, u32 headers, u32 copy);
/* Put these bytes next. */
int pieces_put(struct pieces *p, const void *bytes, u32 len);
/* Put these bytes of another sk_buff next. */
int pieces_share(struct pieces *p, struct sk_buff *from, u32 offset, u32 len);
/* The sk_buff, which is the caller's now. */
struct sk_buff *pieces_end(struct pieces *p);
/* Also after a failed pieces_begin(). */
void pieces_drop(struct pieces *p);

#endif
