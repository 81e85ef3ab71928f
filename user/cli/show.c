// SPDX-License-Identifier: MIT
#include <string.h>
#include "cli/cli.h"

#define AMOUNT	16		/* "1023.9 Gi" fits, with its NUL */
#define LINE	256

static const char *text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

static json_int_t number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* "999", "1.2M": three digits are enough to read; --json has them all. */
static char *amount(char buf[AMOUNT], json_int_t value)
{
	static const char units[] = " kMGTPE";
	double shown = (double)value;
	unsigned int unit = 0;

	while (shown >= 999.5 && units[unit + 1]) {
		shown /= 1000;
		unit++;
	}
	if (!unit)
		snprintf(buf, AMOUNT, "%d", (int)value);
	else
		snprintf(buf, AMOUNT, "%.*f%c", shown < 9.95 ? 1 : 0, shown, units[unit]);
	return buf;
}

/* "59s", "12m30s", "3h07m", "5d02h". */
static char *duration(char buf[AMOUNT], json_int_t s)
{
	int days = (int)(s / 86400), hours = (int)(s / 3600 % 24), minutes = (int)(s / 60 % 60);

	if (days)
		snprintf(buf, AMOUNT, "%dd%02dh", days, hours);
	else if (hours)
		snprintf(buf, AMOUNT, "%dh%02dm", hours, minutes);
	else if (minutes)
		snprintf(buf, AMOUNT, "%dm%02ds", minutes, (int)(s % 60));
	else
		snprintf(buf, AMOUNT, "%ds", (int)s);
	return buf;
}

/* ------------------------------------------------------------------- status */

static void show_list(const char *label, const json_t *list)
{
	size_t n = json_array_size(list);

	for (size_t i = 0; i < n; i++)
		printf("%-12s %s\n", i ? "" : label, json_string_value(json_array_get(list, i)));
	if (!n)
		printf("%-12s none\n", label);
}

static void show_streams(const json_t *streams)
{
	bool tcp = json_is_true(json_object_get(streams, "tcp"));
	bool tls = json_is_true(json_object_get(streams, "tls"));

	if (!tcp && !tls)
		return;
	show_list(tcp && tls ? "TCP and TLS" : tcp ? "TCP" : "TLS",
		  json_object_get(streams, "listening"));
	printf("%-12s %lld connections without an allocation, %lld refused\n", "",
	       number(streams, "strangers"), number(streams, "refused"));
}

static void show_dataplane(const json_t *dp)
{
	const json_t *interface;
	size_t i;

	printf("%-12s %s (wanted: %s)", "data plane", text(dp, "mode"), text(dp, "wanted"));
	if (json_is_true(json_object_get(dp, "module")))
		printf(", module");
	printf("%s%s\n", *text(dp, "why") ? ": " : "", text(dp, "why"));
	json_array_foreach(json_object_get(dp, "interfaces"), i, interface)
		printf("%-12s %-15s %-6s %s\n", "", text(interface, "name"),
		       text(interface, "xdp"), text(interface, "why"));
}

static void show_rows(const json_t *rows)
{
	printf("%-12s IPv4 %lld of %lld, IPv6 %lld of %lld", "flow rows",
	       number(rows, "used4"), number(rows, "slots4"),
	       number(rows, "used6"), number(rows, "slots6"));
	if (number(rows, "without_row"))
		printf("; %lld found no room and are relayed by the daemon",
		       number(rows, "without_row"));
	putchar('\n');
}

static void show_auth(const json_t *auth)
{
	if (!json_is_true(json_object_get(auth, "relays"))) {
		printf("%-12s no credentials configured: answers STUN, refuses TURN\n", "auth");
		return;
	}
	printf("%-12s realm %s, %lld users, %lld secrets\n", "auth", text(auth, "realm"),
	       number(auth, "users"), number(auth, "secrets"));
	if (strcmp(text(auth, "userdb"), "none"))
		printf("%-12s %s, %s\n", "userdb", text(auth, "userdb"),
		       json_is_true(json_object_get(auth, "userdb_away")) ?
		       "away: new allocations get error 500" : "answers");
}

void show_status(const struct cli *cli, const json_t *status)
{
	const json_t *ports = json_object_get(status, "ports");
	char buf[AMOUNT];

	(void)cli;
	printf("turnpiked %s, process %lld, up %s\n", text(status, "version"),
	       number(status, "pid"), duration(buf, number(status, "uptime_s")));
	show_dataplane(json_object_get(status, "dataplane"));
	show_list("UDP", json_object_get(status, "listening"));
	if (json_array_size(json_object_get(status, "proxied")))
		show_list("UDP, proxies", json_object_get(status, "proxied"));
	show_streams(json_object_get(status, "streams"));
	show_list("relay", json_object_get(status, "relay"));
	printf("%-12s %lld of %lld in use\n", "relay ports", number(ports, "used"),
	       number(ports, "total"));
	printf("%-12s %lld\n", "allocations", number(status, "allocations"));
	show_rows(json_object_get(status, "rows"));
	printf("%-12s %lld\n", "workers", number(status, "workers"));
	show_auth(json_object_get(status, "auth"));
}

/* -------------------------------------------------------------------- stats */

/* The module's are counted apart: it sees what the others have passed up. */
static bool show_reason(const struct cli *cli, const json_t *reason, const json_t *counted,
			const char *by)
{
	if (!number(counted, "packets") && !cli->all)
		return false;
	printf("%16lld %20lld  %-15s %s%s\n", number(counted, "packets"),
	       number(counted, "bytes"), text(reason, "reason"), by, text(reason, "meaning"));
	return true;
}

void show_stats(const struct cli *cli, const json_t *stats)
{
	const json_t *reason, *kmod;
	unsigned int shown = 0;
	size_t i;

	printf("%16s %20s  %-15s %s\n", "PACKETS", "BYTES", "REASON", "MEANING");
	json_array_foreach(json_object_get(stats, "reasons"), i, reason)
		shown += show_reason(cli, reason, reason, "");
	json_array_foreach(json_object_get(stats, "reasons"), i, reason) {
		kmod = json_object_get(reason, "kmod");
		if (number(kmod, "packets"))
			shown += show_reason(cli, reason, kmod, "module: ");
	}
	if (!shown)
		puts("nothing counted yet");
	if (!json_is_true(json_object_get(stats, "daemon")))
		puts("the daemon is down: only what the kernel counted");
}

/* -------------------------------------------------------------- allocations */

/* Packets of one direction by all paths, and which part of them the kernel relayed. */
static void traffic(char buf[LINE], const json_t *direction)
{
	const json_t *fast = json_object_get(direction, "fast");
	const json_t *kmod = json_object_get(direction, "kmod");
	const json_t *slow = json_object_get(direction, "slow");
	json_int_t kernel = number(fast, "packets") + number(kmod, "packets");
	json_int_t packets = kernel + number(slow, "packets");
	char p[AMOUNT], b[AMOUNT], share[AMOUNT] = "-";

	if (packets)
		snprintf(share, sizeof(share), "%d%%", (int)(kernel * 100 / packets));
	snprintf(buf, LINE, "%6s %6sB %4s", amount(p, packets),
		 amount(b, number(fast, "bytes") + number(kmod, "bytes") + number(slow, "bytes")),
		 share);
}

/* Every list element, separated by commas, as far as they fit. */
static char *joined(char buf[LINE], const json_t *list)
{
	size_t i, at = 0;
	const json_t *v;

	*buf = 0;
	json_array_foreach(list, i, v) {
		int n = snprintf(buf + at, LINE - at, "%s%s", i ? "," : "", json_string_value(v));

		if (n < 0 || at + (size_t)n >= LINE)
			break;
		at += (size_t)n;
	}
	return buf;
}

static void show_channels(const json_t *alloc)
{
	const json_t *c;
	char up[AMOUNT], down[AMOUNT], left[AMOUNT];
	size_t i;

	json_array_foreach(json_object_get(alloc, "channels"), i, c)
		printf("    channel %s  %-28s expires %-8s up %6s down %6s %s\n", text(c, "number"),
		       text(c, "peer"), duration(left, number(c, "expires_s")),
		       amount(up, number(json_object_get(c, "up"), "packets")),
		       amount(down, number(json_object_get(c, "down"), "packets")),
		       json_is_true(json_object_get(c, "fast")) ? "kernel" : "daemon");
	json_array_foreach(json_object_get(alloc, "permissions"), i, c)
		printf("    permission      %-28s expires %s\n", text(c, "peer"),
		       duration(left, number(c, "expires_s")));
}

/* Those that relay TCP say so. */
static char *relayed(char buf[LINE], const json_t *alloc)
{
	size_t len;

	joined(buf, json_object_get(alloc, "relayed"));
	len = strlen(buf);
	if (!strcmp(text(alloc, "relayed_by"), "tcp"))
		snprintf(buf + len, LINE - len, "/tcp");
	return buf;
}

/* The greatest width of what is to stand in a column, at least least. */
static int width(int least, const char *shown)
{
	int n = (int)strlen(shown);

	return n > least ? n : least;
}

/* And the way by which it comes. */
static const char *client_text(char buf[LINE], const json_t *alloc)
{
	const char *proxy = text(alloc, "proxy");

	snprintf(buf, LINE, "%s%s%s", text(alloc, "client"), *proxy ? " via " : "", proxy);
	return buf;
}

/* RFC 8016: between two connections; the client's address is its last one. */
static const char *transport_text(const json_t *alloc)
{
	return json_is_true(json_object_get(alloc, "gone")) ? "gone" : text(alloc, "transport");
}

void show_allocations(const struct cli *cli, const json_t *answer)
{
	const json_t *list = json_object_get(answer, "allocations"), *a;
	int client = 6, relay = 7, user = 4;
	char buf[LINE], up[LINE], down[LINE], left[AMOUNT], age[AMOUNT], who[LINE];
	size_t i;

	json_array_foreach(list, i, a) {
		client = width(client, client_text(who, a));
		relay = width(relay, relayed(buf, a));
		user = width(user, text(a, "user"));
	}
	printf("%-*s %-4s %-*s %-*s %8s %8s %5s | %6s %7s %4s | %6s %7s %4s\n", client, "CLIENT",
	       "BY", relay, "RELAYED", user, "USER", "EXPIRES", "AGE", "CHANS", "UP", "", "KERN",
	       "DOWN", "", "KERN");
	json_array_foreach(list, i, a) {
		traffic(up, json_object_get(a, "up"));
		traffic(down, json_object_get(a, "down"));
		printf("%-*s %-4s %-*s %-*s %8s %8s %5zu | %s | %s\n", client,
		       client_text(who, a), transport_text(a), relay, relayed(buf, a), user,
		       text(a, "user"),
		       duration(left, number(a, "expires_s")), duration(age, number(a, "age_s")),
		       json_array_size(json_object_get(a, "channels")) +
			       (size_t)number(a, "connections"), up, down);
		if (cli->channels)
			show_channels(a);
	}
}
