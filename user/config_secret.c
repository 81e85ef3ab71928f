// SPDX-License-Identifier: MIT
/* Setters of what authenticates. No message of this file shows a value. */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include "config_table.h"

#define NAME_MAX_BYTES	508	/* RFC 8489 section 14.3: fewer than 509 */
#define REALM_MAX_BYTES	763	/* RFC 8489 section 14.9 */

static void refuse(const struct conf_line *line, const char *why)
{
	conf_report(line->errors, line->where, LEVEL_ERROR, "%s %s", line->directive->name, why);
}

void conf_set_realm(const struct conf_line *line)
{
	struct turn_conf *turn = &line->conf->turn;
	const char *c;

	if (!*line->value) {
		refuse(line, "is empty");
		return;
	}
	if (strlen(line->value) > REALM_MAX_BYTES) {
		refuse(line, "is longer than 763 bytes");
		return;
	}
	/* RFC 8489 section 14.9: the inside of a quoted-string */
	for (c = line->value; *c && *c != '"' && *c != '\\' && (unsigned char)*c >= ' '; c++)
		;
	if (*c) {
		refuse(line, "holds a quote, a backslash or a control character");
		return;
	}
	free(turn->realm);
	turn->realm = strdup(line->value);
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The key of name:0xKEY. Returns what is wrong with it, or NULL. */
static const char *parse_key(uint8_t key[16], const char *hex)
{
	size_t len = strspn(hex, "0123456789abcdefABCDEF");

	if (hex[len])
		return "has a key (0x...) that is not hexadecimal";
	if (len == 64)
		return "has a SHA-256 key, which is not supported: give the MD5 key or the "
		       "password";
	if (len != 32)
		return "has a key (0x...) that does not have 32 hexadecimal digits";
	for (size_t i = 0; i < 16; i++)
		key[i] = (uint8_t)((unsigned int)nibble(hex[2 * i]) << 4 |
				   (unsigned int)nibble(hex[2 * i + 1]));
	return NULL;
}

static void free_user(struct turn_user *user)
{
	free(user->name);
	if (user->password)
		explicit_bzero(user->password, strlen(user->password));
	free(user->password);
	explicit_bzero(user->md5_key, sizeof(user->md5_key));
}

static void add_user(const struct conf_line *line, const struct turn_user *user)
{
	struct turn_conf *turn = &line->conf->turn;

	for (unsigned int i = 0; i < turn->n_users; i++) {
		if (strcmp(turn->users[i].name, user->name))
			continue;
		conf_report(line->errors, line->where, LEVEL_WARNING,
			    "user '%.100s' was given before; the last one wins", user->name);
		free_user(&turn->users[i]);
		turn->users[i] = *user;
		return;
	}
	turn->users = reallocarray(turn->users, turn->n_users + 1, sizeof(*user));
	if (!turn->users)
		abort();
	turn->users[turn->n_users++] = *user;
}

/*
 * coturn reads users after everything else, because it makes keys from the realm
 * at once. Ours are made when the realm is final, so the order does not matter.
 */
void conf_set_user(const struct conf_line *line)
{
	const char *colon = strchr(line->value, ':');
	struct turn_user user = { 0 };
	const char *fault = NULL;

	if (!colon || colon == line->value || !colon[1]) {
		refuse(line, "is not NAME:PASSWORD or NAME:0xKEY");
		return;
	}
	if (colon - line->value > NAME_MAX_BYTES) {
		refuse(line, "has a name longer than 508 bytes");
		return;
	}
	if (colon[1] == '0' && (colon[2] == 'x' || colon[2] == 'X')) {
		fault = parse_key(user.md5_key, colon + 3);
		user.has_md5_key = true;
	}
	if (fault) {
		refuse(line, fault);
		return;
	}
	user.name = strndup(line->value, (size_t)(colon - line->value));
	if (!user.has_md5_key)
		user.password = strdup(colon + 1);
	if (!user.name || (!user.has_md5_key && !user.password))
		abort();
	add_user(line, &user);
}

static void add_secret(struct turn_conf *turn, const char *secret)
{
	for (unsigned int i = 0; i < turn->n_secrets; i++)
		if (!strcmp(turn->secrets[i], secret))
			return;
	turn->secrets = reallocarray(turn->secrets, turn->n_secrets + 1, sizeof(*turn->secrets));
	if (!turn->secrets)
		abort();
	turn->secrets[turn->n_secrets] = strdup(secret);
	if (!turn->secrets[turn->n_secrets++])
		abort();
}

void conf_set_secret(const struct conf_line *line)
{
	if (*line->value)
		add_secret(&line->conf->turn, line->value);
	else
		refuse(line, "is empty");
}

/* One secret on each line, to its end; empty lines do not count. */
void conf_set_secret_file(const struct conf_line *line)
{
	const struct conf_file *file = conf_file(line, line->value);
	unsigned int n = 0;

	if (!file)
		return;
	for (size_t at = 0; at < file->len; at++) {
		size_t len = 0;
		char *text;

		while (at + len < file->len && !strchr("\r\n", file->bytes[at + len]))
			len++;
		text = strndup(file->bytes + at, len);
		if (!text)
			abort();
		if (*text) {
			add_secret(&line->conf->turn, text);
			n++;
		}
		explicit_bzero(text, strlen(text));
		free(text);
		at += len;
	}
	if (!n)
		conf_report(line->errors, line->where, LEVEL_ERROR, "%s: %.200s holds no secret",
			    line->directive->name, line->value);
	else if (file->world_readable)
		conf_report(line->errors, line->where, LEVEL_ERROR,
			    "a secret in a file that everybody may read: chmod 640 %.200s",
			    line->value);
}

/* The key is made from the secret by HMAC, so that neither shows the other. */
void conf_set_nonce_secret(const struct conf_line *line)
{
	static const unsigned char label[] = "turnpike nonce key";
	struct turn_conf *turn = &line->conf->turn;
	unsigned int len = sizeof(turn->nonce_key);

	if (!*line->value) {
		refuse(line, "is empty");
		return;
	}
	if (!HMAC(EVP_sha256(), line->value, (int)strlen(line->value), label, sizeof(label) - 1,
		  turn->nonce_key, &len))
		refuse(line, "could not be hashed");
}

void conf_set_password(const struct conf_line *line)
{
	char **text = (char **)(void *)((char *)line->conf + line->directive->offset);

	if (*text)
		explicit_bzero(*text, strlen(*text));
	free(*text);
	*text = *line->value ? strdup(line->value) : NULL;
}
