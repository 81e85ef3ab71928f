// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include "fault.h"
#include "pieces.h"

int pieces_begin(struct pieces *p, u32 headers, u32 copy)
{
	int err = -ENOMEM;

	memset(p, 0, sizeof(*p));
	p->room = copy;
	if (fault_here())
		return err;
	if (copy)
		p->skb = alloc_skb_with_frags(headers, copy, PAGE_ALLOC_COSTLY_ORDER, &err,
					      GFP_ATOMIC);
	else
		p->skb = alloc_skb(headers, GFP_ATOMIC);
	if (!p->skb)
		return err;
	skb_reserve(p->skb, headers);
	if (copy) {
		p->skb->len = copy;
		p->skb->data_len = copy;
	}
	return 0;
}

void pieces_drop(struct pieces *p)
{
	if (p->small)
		put_page(p->small);
	p->small = NULL;
	kfree_skb(p->skb);
	p->skb = NULL;
}

/* Frags have references of their own. */
struct sk_buff *pieces_end(struct pieces *p)
{
	if (p->small)
		put_page(p->small);
	p->small = NULL;
	return p->skb;
}

/* One frag more, or the last one longer; takes a reference. */
static int add_page(struct pieces *p, struct page *page, u32 offset, u32 len)
{
	struct sk_buff *skb = p->skb;
	int n = skb_shinfo(skb)->nr_frags;

	if (skb_can_coalesce(skb, n, page, offset)) {
		skb_frag_size_add(&skb_shinfo(skb)->frags[n - 1], len);
	} else {
		if (n == MAX_SKB_FRAGS)
			return -EMSGSIZE;
		get_page(page);
		skb_fill_page_desc(skb, n, page, offset, len);
	}
	skb->len += len;
	skb->data_len += len;
	skb->truesize += len;
	return 0;
}

int pieces_put(struct pieces *p, const void *bytes, u32 len)
{
	u32 at;

	if (p->room) {
		if (skb_store_bits(p->skb, p->copied, bytes, len))
			return -EFAULT;
		p->copied += len;
		return 0;
	}
	if (!p->small && !fault_here())
		p->small = alloc_page(GFP_ATOMIC);
	if (!p->small)
		return -ENOMEM;
	at = p->small_at;
	if (at + len > PAGE_SIZE)
		return -EMSGSIZE;
	memcpy(page_address(p->small) + at, bytes, len);
	p->small_at += len;
	return add_page(p, p->small, at, len);
}

/* From one sk_buff's pages to another's, through no buffer on the stack larger than this. */
static int copy(struct pieces *p, const struct sk_buff *from, u32 offset, u32 len)
{
	u8 chunk[256];
	u32 n;

	for (; len; len -= n, offset += n) {
		n = min_t(u32, len, sizeof(chunk));
		if (skb_copy_bits(from, offset, chunk, n) || pieces_put(p, chunk, n))
			return -EFAULT;
	}
	return 0;
}

/* The part that lies before its frags: in a page where the head is one, else copied. */
static int share_head(struct pieces *p, struct sk_buff *from, u32 offset, u32 len)
{
	const u8 *at = from->data + offset;
	struct page *page;

	if (!from->head_frag)
		return pieces_put(p, at, len);
	page = virt_to_head_page(at);
	return add_page(p, page, at - (u8 *)page_address(page), len);
}

int pieces_share(struct pieces *p, struct sk_buff *from, u32 offset, u32 len)
{
	u32 start = skb_headlen(from), size, n;
	int i, err = 0;

	if (p->room)
		return copy(p, from, offset, len);
	if (skb_has_frag_list(from))
		return -EMSGSIZE;
	if (offset < start) {
		n = min(len, start - offset);
		err = share_head(p, from, offset, n);
		offset += n;
		len -= n;
	}
	for (i = 0; i < skb_shinfo(from)->nr_frags && len && !err; i++) {
		const skb_frag_t *frag = &skb_shinfo(from)->frags[i];

		size = skb_frag_size(frag);
		if (offset < start + size) {
			n = min(len, start + size - offset);
			err = add_page(p, skb_frag_page(frag),
				       skb_frag_off(frag) + offset - start, n);
			offset += n;
			len -= n;
		}
		start += size;
	}
	return err ? err : len ? -EFAULT : 0;
}
