// SPDX-License-Identifier: MIT
/* Lines for operators (and for fail2ban): few, stable, and safe to print. */
#include <stdio.h>
#include <string.h>
#include "address.h"
#include "turn/core.h"
#include "pure.h"

#define NOTES_PER_SECOND	10
#define NOTE_SHOWN		128	/* bytes of a name that are shown */

/* Printable ASCII as it is; everything else, quotes and backslash as \xNN. */
static void note_escape(char *out, struct stun_bytes in)
{
	size_t i, n = in.len < NOTE_SHOWN ? in.len : NOTE_SHOWN;

	for (i = 0; i < n; i++) {
		uint8_t c = in.p[i];

		if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\')
			*out++ = (char)c;
		else
			out += sprintf(out, "\\x%02x", c);
	}
	strcpy(out, in.len > n ? "..." : "");
}

static bool note_allowed(struct turn_server *s, uint64_t now_ns)
{
	uint64_t now_s = now_ns / TURN_NS_PER_S;
	char line[80];

	if (s->note_s != now_s) {
		s->note_s = now_s;
		s->note_lines = 0;
		if (s->note_dropped) {
			snprintf(line, sizeof(line), "auth failed: %u more not shown",
				 s->note_dropped);
			s->host->note(s->ctx, line);
			s->note_dropped = 0;
		}
	}
	if (s->note_lines++ < NOTES_PER_SECOND)
		return true;
	s->note_dropped++;
	return false;
}

static const char *note_transport(uint8_t transport)
{
	bool secure = transport & TURN_SECURE;

	if (turn_protocol(transport) == TURN_UDP)
		return secure ? "dtls" : "udp";
	return secure ? "tls" : "tcp";
}

void note_auth(struct request *rq, const char *reason)
{
	const struct stun_msg *m = rq->msg;
	char client[ADDRESS_TEXT], user[4 * NOTE_SHOWN + 4], realm[4 * NOTE_SHOWN + 4];
	char line[sizeof(client) + sizeof(user) + sizeof(realm) + 128];

	if (!note_allowed(rq->server, rq->now.mono_ns))
		return;
	note_escape(user, m->has & STUN_BIT(USERNAME) ? m->username : m->userhash);
	note_escape(realm, m->realm);
	snprintf(line, sizeof(line),
		 "auth failed: client=%s proto=%s user=\"%s\" realm=\"%s\" reason=%s code=401",
		 address_text(&rq->path->client, client), note_transport(rq->path->transport),
		 user, realm, reason);
	rq->server->host->note(rq->server->ctx, line);
}
