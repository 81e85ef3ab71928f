/* SPDX-License-Identifier: MIT */
/*
 * Credentials that are kept elsewhere (a database), as the TURN core sees them: questions
 * that are answered at once or not yet, and what is known of realms. Nothing here waits.
 */
#ifndef TP_TURN_SOURCE_H
#define TP_TURN_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include "stun/stun.h"

/* An inclusive range of addresses of one family. */
struct turn_ip_range {
	uint8_t family;			/* 4 or 6 */
	uint8_t low[16], high[16];	/* network order; IPv4 in the first 4 bytes */
};

struct turn_ranges {
	struct turn_ip_range *v;
	unsigned int n;
};

/* What an authorization server and we share, by its kid (RFC 7635 section 4.1). */
struct turn_token_key {
	char *kid;			/* NULL in an answer: the question had it */
	uint8_t key[32];
	uint8_t key_len;		/* 32, or 16 for AES-128 alone */
	bool aes128;			/* A128GCM, otherwise A256GCM */
	uint64_t from_s, until_s;	/* Unix time; until_s 0: for ever */
};

enum turn_ask { TURN_ASK_USER, TURN_ASK_TOKEN_KEY };

enum turn_answer {
	TURN_FOUND,
	TURN_NOBODY,			/* there is no such name */
	TURN_UNASKED,			/* nobody looks, or can look, it up */
	TURN_PENDING,			/* it is being looked up: come again */
	TURN_AWAY,			/* the database does not answer */
};

struct turn_question {
	enum turn_ask kind;
	struct stun_bytes realm;	/* of a user */
	struct stun_bytes name;		/* a user's, or a kid */
	bool look_up;			/* where it is not known: begin to */
	bool lasting;			/* of a running allocation: while the database is
					 * away, what was known last will do */
	uint64_t now_ns;		/* CLOCK_MONOTONIC */
};

struct turn_credential {
	uint8_t md5_key[16];		/* of a user */
	struct turn_token_key token;	/* of a kid */
};

/* Thread safe; the calls return at once. */
struct turn_source {
	enum turn_answer (*ask)(void *ctx, const struct turn_question *q,
				struct turn_credential *out);
	/* What struct turn_realms says may no longer be true. */
	bool (*away)(void *ctx, uint64_t now_ns);
};

/* What a database says of one realm. */
struct turn_realm {
	char *name;
	char **secrets;
	unsigned int n_secrets;
	uint32_t user_quota, total_quota;	/* 0: as configured */
	uint64_t max_bps;			/* likewise */
	struct turn_ranges allowed, denied;	/* besides the configured ones */
};

struct turn_web_origin {
	char *origin;			/* ORIGIN's value */
	const struct turn_realm *realm;
};

/* A snapshot of it all; never changed. */
struct turn_realms {
	struct turn_realm *v;		/* never moved: origins point there */
	unsigned int n;
	struct turn_web_origin *origins;
	unsigned int n_origins;
};

#endif
