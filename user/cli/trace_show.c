// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <net/if.h>
#include <string.h>
#include <time.h>
#include "address.h"
#include "cli/cli.h"
#include "clock.h"
#include "report.h"

#define TIME_TEXT	32		/* "2026-11-21T08:37:32.123456Z" and its NUL */
#define CHANNEL_TEXT	8		/* "0x4000" and its NUL */
#define HEX_COLUMNS	16

static const char *const paths[] = { [TP_TRACE_XDP] = "xdp", [TP_TRACE_TC] = "tc" };

static const char *const verdicts[] = {
	[TP_TRACE_SENT] = "sent", [TP_TRACE_PASSED] = "passed", [TP_TRACE_DROPPED] = "dropped",
};

void trace_show_init(struct trace_show *show, const struct cli *cli)
{
	memset(show, 0, sizeof(*show));
	show->json = cli->json;
	show->epoch_ns = clock_wall_ns() - clock_mono_ns();
}

/* ------------------------------------------------------------------- words */

/* UTC, as in the daemon's log, to the microsecond. */
static char *time_text(char buf[TIME_TEXT], const struct trace_show *show, uint64_t time_ns)
{
	uint64_t wall = show->epoch_ns + time_ns;
	time_t seconds = (time_t)(wall / CLOCK_NS_PER_S);
	struct tm tm;
	size_t at;

	gmtime_r(&seconds, &tm);
	at = strftime(buf, TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + at, TIME_TEXT - at, ".%06uZ", (unsigned int)(wall % CLOCK_NS_PER_S / 1000));
	return buf;
}

/* As this network namespace knows it; asking for each packet would cost more than the rest. */
static const char *interface(struct trace_show *show, uint32_t ifindex)
{
	struct trace_name *known = &show->names[ifindex % TRACE_NAMES];

	if (known->ifindex == ifindex)
		return known->name;
	known->ifindex = ifindex;
	if (!if_indextoname(ifindex, known->name))
		snprintf(known->name, sizeof(known->name), "#%u", ifindex);
	return known->name;
}

static char *end_text(char buf[ADDRESS_TEXT], const struct tp_addr *addr)
{
	if (addr->family)
		return address_text(addr, buf);
	return strcpy(buf, "-");
}

/* What goes to a client was a peer's data before, which may begin with anything; and what
 * goes to a peer is a client's. */
static bool has_channel(const struct tp_trace *event, const struct tp_trace_packet *p)
{
	if (!p->channel)
		return false;
	return p == &event->in ? event->reason != TP_R_TO_CLIENT : event->reason != TP_R_TO_PEER;
}

static char *channel_text(char buf[CHANNEL_TEXT], const struct tp_trace_packet *p)
{
	snprintf(buf, CHANNEL_TEXT, "0x%04x", ntohs(p->channel));
	return buf;
}

/* -------------------------------------------------------------------- text */

static void show_packet(const struct tp_trace *event, const struct tp_trace_packet *p,
			uint32_t len)
{
	char source[ADDRESS_TEXT], destination[ADDRESS_TEXT], channel[CHANNEL_TEXT];

	printf(" %s -> %s len %u", end_text(source, &p->source),
	       end_text(destination, &p->destination), len);
	if (has_channel(event, p))
		printf(" channel %s", channel_text(channel, p));
	if (p->protocol && p->protocol != IPPROTO_UDP)
		printf(" protocol %u", p->protocol);
}

static void show_hex(const struct tp_trace *event)
{
	for (unsigned int i = 0; i < event->head_len; i++) {
		if (i % HEX_COLUMNS == 0)
			printf("%s\t%04x ", i ? "\n" : "", i);
		printf(" %02x", event->head[i]);
	}
	if (event->head_len)
		putchar('\n');
}

static void show_text(struct trace_show *show, const struct tp_trace *event)
{
	char when[TIME_TEXT];

	printf("%s %s %s %s %s", time_text(when, show, event->time_ns),
	       interface(show, event->ifindex), paths[event->path], verdicts[event->verdict],
	       report_reason(event->reason));
	show_packet(event, &event->in, event->len);
	if (event->verdict == TP_TRACE_SENT) {
		fputs(" as", stdout);
		show_packet(event, &event->out, event->out_len);
	}
	putchar('\n');
	show_hex(event);
}

/* -------------------------------------------------------------------- JSON */

static json_t *json_packet(const struct tp_trace *event, const struct tp_trace_packet *p,
			   uint32_t len)
{
	char buf[ADDRESS_TEXT], channel[CHANNEL_TEXT];
	json_t *object = json_pack("{s:I}", "length", (json_int_t)len);

	if (p->source.family) {
		json_object_set_new(object, "source", json_string(address_text(&p->source, buf)));
		json_object_set_new(object, "destination",
				    json_string(address_text(&p->destination, buf)));
		json_object_set_new(object, "protocol", json_integer(p->protocol));
	}
	if (has_channel(event, p))
		json_object_set_new(object, "channel", json_string(channel_text(channel, p)));
	return object;
}

static void show_json(struct trace_show *show, const struct tp_trace *event)
{
	char when[TIME_TEXT], hex[2 * TP_TRACE_HEAD + 1];
	json_t *line = json_pack("{s:s,s:s,s:s,s:s,s:s,s:o}",
		"time", time_text(when, show, event->time_ns),
		"interface", interface(show, event->ifindex), "path", paths[event->path],
		"verdict", verdicts[event->verdict], "reason", report_reason(event->reason),
		"packet", json_packet(event, &event->in, event->len));

	if (event->verdict == TP_TRACE_SENT)
		json_object_set_new(line, "sent", json_packet(event, &event->out, event->out_len));
	for (unsigned int i = 0; i < event->head_len; i++)
		snprintf(hex + 2 * i, 3, "%02x", event->head[i]);
	if (event->head_len)
		json_object_set_new(line, "head", json_string(hex));
	json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(line);
}

void trace_show(struct trace_show *show, const struct tp_trace *event)
{
	if (event->path > TP_TRACE_TC || event->verdict > TP_TRACE_DROPPED ||
	    event->reason >= TP_R_MAX || event->head_len > TP_TRACE_HEAD)
		return;		/* not by these programs */
	if (show->json)
		show_json(show, event);
	else
		show_text(show, event);
}
