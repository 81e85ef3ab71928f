// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "address.h"
#include "clock.h"
#include "report.h"
#include "turn/turn.h"

#define CHANNEL_TEXT	8		/* "0x4000" and its NUL */

struct directions {
	struct tp_count up, down;
};

/* ------------------------------------------------------------------- reasons */

static const struct {
	const char *word, *text;
} reasons[TP_R_MAX] = {
#define REASON_TEXT(id, word, text) { word, text },
	TP_REASONS(REASON_TEXT)
#undef REASON_TEXT
};

const char *report_reason(enum tp_reason reason)
{
	return reasons[reason].word;
}

static json_t *count(const struct tp_count *c)
{
	return json_pack("{s:I,s:I}", "packets", (json_int_t)c->packets,
			 "bytes", (json_int_t)c->bytes);
}

static bool is_daemons(enum tp_reason reason)
{
	return reason >= TP_R_USER_TO_PEER;
}

json_t *report_stats(const struct tables *tables, const struct tp_count *user_counts)
{
	struct tp_count counts[TP_R_MAX] = { 0 }, kmod[TP_R_MAX] = { 0 };
	json_t *list;

	if (tables_stats(tables->stats_fd, counts) || tables_stats(tables->kmod_stats_fd, kmod))
		return NULL;
	list = json_array();
	for (unsigned int i = 0; i < TP_R_MAX; i++) {
		if (user_counts) {
			counts[i].packets += user_counts[i].packets;
			counts[i].bytes += user_counts[i].bytes;
		} else if (is_daemons(i)) {
			continue;
		}
		json_array_append_new(list, json_pack("{s:s,s:s,s:I,s:I,s:o}",
			"reason", reasons[i].word, "meaning", reasons[i].text,
			"packets", (json_int_t)counts[i].packets,
			"bytes", (json_int_t)counts[i].bytes, "kmod", count(&kmod[i])));
	}
	return json_pack("{s:b,s:o}", "daemon", user_counts != NULL, "reasons", list);
}

/* --------------------------------------------------------------------- words */

/* Length of the printable UTF-8 character at p, 0 where there is none: control
 * characters (also U+0080 to U+009F) must not reach a terminal. */
static size_t printable(const unsigned char *p, size_t left)
{
	size_t len = *p < 0x80 ? 1 : *p < 0xE0 ? 2 : *p < 0xF0 ? 3 : 4;
	json_t *probe;

	if (*p < 0x20 || *p == 0x7F || len > left)
		return 0;
	if (*p == 0xC2 && p[1] < 0xA0)
		return 0;
	/* jansson refuses what is not UTF-8 */
	probe = json_stringn((const char *)p, len);
	json_decref(probe);
	return probe ? len : 0;
}

/* Names are the client's bytes: what is not printable is written \xNN. */
static json_t *name(const char *bytes, size_t size)
{
	char text[4 * TP_USER_SHOWN + 1];
	size_t len = strnlen(bytes, size), at = 0;

	for (size_t i = 0; i < len;) {
		size_t n = printable((const unsigned char *)bytes + i, len - i);

		if (n) {
			memcpy(text + at, bytes + i, n);
			at += n;
			i += n;
			continue;
		}
		at += (size_t)sprintf(text + at, "\\x%02x", (unsigned char)bytes[i++]);
	}
	return json_stringn(text, at);
}

static json_t *address(const struct tp_addr *addr)
{
	char text[ADDRESS_TEXT];

	return json_string(address_text(addr, text));
}

static json_int_t seconds_left(uint64_t expires_ns, uint64_t now_ns)
{
	return expires_ns > now_ns ? (json_int_t)((expires_ns - now_ns) / CLOCK_NS_PER_S) : 0;
}

static json_t *paths(const struct tp_count *fast, const struct tp_count *kmod,
		     const struct tp_count *slow)
{
	return json_pack("{s:o,s:o,s:o}", "fast", count(fast), "kmod", count(kmod),
			 "slow", count(slow));
}

static void add(struct tp_count *sum, const struct tp_count *c)
{
	sum->packets += c->packets;
	sum->bytes += c->bytes;
}

/* -------------------------------------------------------------- what is there */

/* Copies a record that is live and was not claimed anew meanwhile. */
static bool copy_alloc(const struct tables *t, uint32_t i, struct tp_alloc *out)
{
	const struct tp_alloc *a = &t->allocs[i];

	if (__atomic_load_n(&a->state, __ATOMIC_ACQUIRE) != TP_ALLOC_LIVE)
		return false;
	*out = *a;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&a->state, __ATOMIC_RELAXED) == TP_ALLOC_LIVE &&
	       __atomic_load_n(&a->generation, __ATOMIC_RELAXED) == out->generation;
}

static bool copy_binding(const struct tables *t, uint32_t i, struct tp_binding *out)
{
	const struct tp_binding *b = &t->bindings[i];

	if (__atomic_load_n(&b->state, __ATOMIC_ACQUIRE) != TP_ALLOC_LIVE)
		return false;
	*out = *b;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&b->state, __ATOMIC_RELAXED) == TP_ALLOC_LIVE;
}

static struct tp_count row_count(const struct tables *t, uint8_t family, uint32_t slot_1,
				 uint32_t alloc)
{
	uint32_t slots = family == 4 ? t->meta->rows4 : t->meta->rows6;
	const struct tp_row *row;

	if (!slot_1 || slot_1 > slots || !(family == 4 ? (void *)t->rows4 : (void *)t->rows6))
		return (struct tp_count){ 0 };
	row = family == 4 ? &t->rows4[slot_1 - 1].row : &t->rows6[slot_1 - 1].row;
	if (row->alloc != alloc || row->kind < TP_ROW_TO_PEER)
		return (struct tp_count){ 0 };
	return (struct tp_count){ .packets = row->packets, .bytes = row->bytes };
}

/* ---------------------------------------------------------------- allocations */

/* What belongs to one allocation while bindings are walked. */
struct entry {
	struct tp_alloc alloc;
	struct tp_kmod_count kmod;
	json_t *channels, *permissions;	/* NULL: counted only */
	struct directions rows;
	bool live;
};

static void add_channel(const struct tables *t, struct entry *e, const struct tp_binding *b,
			uint64_t now_ns)
{
	struct tp_count up = row_count(t, e->alloc.client.family, b->row_up, b->alloc);
	struct tp_count down = row_count(t, b->peer.family, b->row_down, b->alloc);
	char number[CHANNEL_TEXT];

	add(&e->rows.up, &up);
	add(&e->rows.down, &down);
	if (!e->channels)
		return;
	snprintf(number, sizeof(number), "0x%04x", ntohs(b->channel));
	json_array_append_new(e->channels, json_pack("{s:s,s:o,s:I,s:b,s:o,s:o}",
		"number", number, "peer", address(&b->peer),
		"expires_s", seconds_left(b->expires_ns, now_ns),
		"fast", b->row_up && b->row_down, "up", count(&up), "down", count(&down)));
}

static void add_permission(const struct tables *t, struct entry *e, const struct tp_binding *b,
			   uint64_t now_ns)
{
	struct tp_count down = row_count(t, b->peer.family, b->row_down, b->alloc);

	add(&e->rows.down, &down);
	if (!e->permissions)
		return;
	json_array_append_new(e->permissions, json_pack("{s:o,s:I}", "peer", address(&b->peer),
		"expires_s", seconds_left(b->expires_ns, now_ns)));
}

static void add_bindings(const struct tables *t, struct entry *entries, uint64_t now_ns)
{
	struct tp_binding b;

	for (uint32_t i = 0; i < t->meta->bindings; i++) {
		struct entry *e;

		if (!copy_binding(t, i, &b) || b.alloc >= t->meta->allocs ||
		    b.expires_ns <= now_ns)
			continue;
		e = &entries[b.alloc];
		if (!e->live || e->alloc.generation != b.generation)
			continue;
		if (b.channel)
			add_channel(t, e, &b, now_ns);
		else
			add_permission(t, e, &b, now_ns);
	}
}

static const char *transport(uint8_t leg)
{
	bool secure = leg & TURN_SECURE;

	if (turn_protocol(leg) == IPPROTO_TCP)
		return secure ? "tls" : "tcp";
	return secure ? "dtls" : "udp";
}

static json_t *relayed(const struct tp_alloc *a, uint64_t now_ns)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < 2; i++)
		if (a->relayed[i].family && a->expires_ns[i] > now_ns)
			json_array_append_new(list, address(&a->relayed[i]));
	return list;
}

/* Takes over the entry's lists. */
static json_t *allocation(const struct entry *e, uint64_t now_ns)
{
	const struct tp_alloc *a = &e->alloc;
	struct directions fast = { .up = a->fast_up, .down = a->fast_down };
	uint64_t last = a->expires_ns[0] > a->expires_ns[1] ? a->expires_ns[0] : a->expires_ns[1];

	add(&fast.up, &e->rows.up);
	add(&fast.down, &e->rows.down);
	return json_pack("{s:o,s:o*,s:o,s:s,s:b,s:o,s:s,s:i,s:o,s:I,s:I,s:i,s:o,s:o,s:o,s:o}",
		"client", address(&a->client),
		"proxy", a->proxy.family ? address(&a->proxy) : NULL,
		"server", address(&a->server),
		"transport", transport(a->transport), "gone", a->transport & TURN_GONE,
		"relayed", relayed(a, now_ns), "relayed_by", a->tcp ? "tcp" : "udp",
		"connections", a->connections, "user", name(a->user, sizeof(a->user)),
		"expires_s", seconds_left(last, now_ns),
		"age_s", seconds_left(now_ns, a->created_ns), "worker", a->worker,
		"channels", e->channels, "permissions", e->permissions,
		"up", paths(&fast.up, &e->kmod.up, &a->slow_up),
		"down", paths(&fast.down, &e->kmod.down, &a->slow_down));
}

/* One for each record, or NULL: no memory. */
static struct entry *entries_new(const struct tables *tables, uint64_t now_ns, bool lists)
{
	uint32_t n = tables->meta->allocs;
	struct entry *entries = calloc(n ? n : 1, sizeof(*entries));

	for (uint32_t i = 0; entries && i < n; i++) {
		struct entry *e = &entries[i];

		if (!copy_alloc(tables, i, &e->alloc) ||
		    (e->alloc.expires_ns[0] <= now_ns && e->alloc.expires_ns[1] <= now_ns))
			continue;
		e->live = true;
		e->kmod = tables->kmod_counts[i];
		e->channels = lists ? json_array() : NULL;
		e->permissions = lists ? json_array() : NULL;
		for (unsigned int f = 0; f < 2; f++) {
			struct tp_count up = row_count(tables, e->alloc.client.family,
						       e->alloc.row_send[f], i);

			add(&e->rows.up, &up);
		}
	}
	if (entries)
		add_bindings(tables, entries, now_ns);
	return entries;
}

json_t *report_allocations(const struct tables *tables, uint64_t now_ns)
{
	struct entry *entries = entries_new(tables, now_ns, true);
	json_t *list;

	if (!entries)
		return NULL;
	list = json_array();
	for (uint32_t i = 0; i < tables->meta->allocs; i++)
		if (entries[i].live)
			json_array_append_new(list, allocation(&entries[i], now_ns));
	free(entries);
	return json_pack("{s:o}", "allocations", list);
}

/* ---------------------------------------------------------------------- users */

struct user {
	const struct tp_alloc *first;
	unsigned int allocations;
	uint64_t up, down;		/* bytes */
};

static int by_user(const void *a, const void *b)
{
	const struct user *x = a, *y = b;

	return strncmp(x->first->user, y->first->user, sizeof(x->first->user));
}

static int by_bytes(const void *a, const void *b)
{
	const struct user *x = a, *y = b;
	uint64_t bytes_x = x->up + x->down, bytes_y = y->up + y->down;

	return (bytes_x < bytes_y) - (bytes_x > bytes_y);
}

static unsigned int users_of(const struct entry *entries, uint32_t n, struct user *users)
{
	unsigned int found = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct entry *e = &entries[i];
		const struct tp_alloc *a = &e->alloc;

		if (!e->live)
			continue;
		users[found++] = (struct user){
			.first = a, .allocations = 1,
			.up = a->fast_up.bytes + a->slow_up.bytes + e->rows.up.bytes +
			      e->kmod.up.bytes,
			.down = a->fast_down.bytes + a->slow_down.bytes + e->rows.down.bytes +
				e->kmod.down.bytes,
		};
	}
	return found;
}

/* Sorted by user: one of each is left. */
static unsigned int merge(struct user *users, unsigned int n)
{
	unsigned int last = 0;

	for (unsigned int i = 1; i < n; i++) {
		if (by_user(&users[last], &users[i])) {
			users[++last] = users[i];
			continue;
		}
		users[last].allocations++;
		users[last].up += users[i].up;
		users[last].down += users[i].down;
	}
	return n ? last + 1 : 0;
}

/* Adds it unless its name, as it is written, is that of one before. */
static void add_user(json_t *list, const struct user *u)
{
	json_t *shown = name(u->first->user, sizeof(u->first->user));
	const json_t *other;
	size_t i;

	json_array_foreach(list, i, other) {
		if (!json_equal(json_object_get(other, "user"), shown))
			continue;
		json_decref(shown);
		return;
	}
	json_array_append_new(list, json_pack("{s:o,s:i,s:I,s:I}", "user", shown,
		"allocations", (int)u->allocations, "up", (json_int_t)u->up,
		"down", (json_int_t)u->down));
}

json_t *report_users(const struct tables *tables, uint64_t now_ns, unsigned int most)
{
	uint32_t records = tables->meta->allocs;
	struct entry *entries = entries_new(tables, now_ns, false);
	struct user *users = calloc(records ? records : 1, sizeof(*users));
	json_t *list = entries && users ? json_array() : NULL;
	unsigned int n = 0;

	if (list) {
		n = users_of(entries, records, users);
		qsort(users, n, sizeof(*users), by_user);
		n = merge(users, n);
		qsort(users, n, sizeof(*users), by_bytes);
	}
	for (unsigned int i = 0; i < n && i < most; i++)
		add_user(list, &users[i]);
	free(users);
	free(entries);
	return list;
}
