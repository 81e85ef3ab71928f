// SPDX-License-Identifier: MIT
/*
 * Time-limited credentials as in draft-uberti-behave-turn-rest: the username is
 * the Unix time until which it is valid and a name; the password is the base64
 * of HMAC-SHA1(secret, username), or of HMAC-SHA256.
 */
#include <errno.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "address.h"
#include "cli/cli.h"
#include "config.h"
#include "stun/stun.h"

#define SECRET_MAX	1024
#define HMAC_LEN	32	/* of SHA-256; SHA-1's has 20 */
#define PASSWORD_TEXT	(4 * ((HMAC_LEN + 2) / 3) + 1)
#define USERNAME_MAX	513	/* RFC 8489 section 14.3, bytes: fewer than this */

/* What the pair is made of. */
struct source {
	char secret[SECRET_MAX];
	char separator;
	uint16_t port;
	json_t *hosts;			/* as they stand in a URI */
};

/* --------------------------------------------------------------- the secret */

static int read_secret_file(struct source *s, const char *path)
{
	FILE *f = fopen(path, "re");

	if (!f) {
		fprintf(stderr, "turnpike: %s: %s\n", path, strerror(errno));
		return -1;
	}
	if (!fgets(s->secret, sizeof(s->secret), f))
		*s->secret = 0;
	fclose(f);
	s->secret[strcspn(s->secret, "\r\n")] = 0;
	if (*s->secret)
		return 0;
	fprintf(stderr, "turnpike: %s: no secret on the first line\n", path);
	return -1;
}

/* The address in a URI: IPv6 in brackets, no port. */
static void add_host(json_t *hosts, const struct tp_addr *addr)
{
	struct tp_addr without_port = *addr;
	char text[ADDRESS_TEXT];

	without_port.port = 0;
	address_text(&without_port, text);
	json_array_append_new(hosts, addr->family == 6 ? json_sprintf("[%s]", text) :
							 json_string(text));
}

static int read_config(struct source *s, const char *path)
{
	struct conf_errors errors = { .out = fopen("/dev/null", "we") };
	struct conf conf;
	int err;

	if (!errors.out)
		return -1;
	conf_init(&conf);
	err = conf_read(&conf, path, &errors);
	if (!err) {
		conf_finish(&conf, &errors);
		conf_resolve(&conf, &errors);
	}
	fclose(errors.out);
	if (err) {
		fprintf(stderr, "turnpike: %s: %s\n", path, strerror(-err));
	} else if (!conf.turn.n_secrets || strlen(conf.turn.secrets[0]) >= SECRET_MAX) {
		fprintf(stderr, "turnpike: %s: no static-auth-secret in it\n", path);
		err = -ENOENT;
	} else {
		strcpy(s->secret, conf.turn.secrets[0]);
		s->separator = conf.turn.rest_separator;
		s->port = conf.listening_port;
		for (unsigned int i = 0; i < conf.turn.n_relays; i++)
			add_host(s->hosts, &conf.turn.relays[i].external);
	}
	conf_free(&conf);
	return err ? -1 : 0;
}

/* ----------------------------------------------------------------- the pair */

static json_t *uris(const struct source *s)
{
	json_t *list = json_array(), *host;
	size_t i;

	json_array_foreach(s->hosts, i, host)
		json_array_append_new(list, json_sprintf("turn:%s:%u?transport=udp",
							 json_string_value(host), s->port));
	return list;
}

static json_t *make(const struct cli *cli, const struct source *s)
{
	uint64_t expiry = (uint64_t)time(NULL) + cli->ttl_s;
	char username[USERNAME_MAX], password[PASSWORD_TEXT];
	uint8_t hmac[HMAC_LEN];
	int len = snprintf(username, sizeof(username), "%" PRIu64 "%c%s", expiry, s->separator,
			   cli->user);

	if (len < 0 || (size_t)len >= sizeof(username)) {
		fputs("turnpike: --user is too long\n", stderr);
		return NULL;
	}
	if (cli->sha256)
		stun_hmac_sha256(hmac, s->secret, strlen(s->secret), username, (size_t)len);
	else
		stun_hmac_sha1(hmac, s->secret, strlen(s->secret), username, (size_t)len);
	EVP_EncodeBlock((unsigned char *)password, hmac, cli->sha256 ? 32 : 20);
	return json_pack("{s:s,s:s,s:I,s:o}", "username", username, "password", password,
			 "ttl", (json_int_t)cli->ttl_s, "uris", uris(s));
}

static void print(const struct cli *cli, const json_t *pair)
{
	const json_t *uri;
	size_t i;

	if (cli->json) {
		json_dumpf(pair, stdout, JSON_INDENT(2));
		putchar('\n');
		return;
	}
	printf("username  %s\n", json_string_value(json_object_get(pair, "username")));
	printf("password  %s\n", json_string_value(json_object_get(pair, "password")));
	printf("ttl       %lld\n", json_integer_value(json_object_get(pair, "ttl")));
	json_array_foreach(json_object_get(pair, "uris"), i, uri)
		printf("uri       %s\n", json_string_value(uri));
}

int credentials_run(const struct cli *cli)
{
	struct source s = { .separator = ':', .port = 3478, .hosts = json_array() };
	int err = cli->secret_file ? read_secret_file(&s, cli->secret_file) :
				     read_config(&s, cli->config);
	json_t *pair = NULL;

	if (err)
		goto out;
	if (cli->host) {
		json_array_clear(s.hosts);
		json_array_append_new(s.hosts, json_string(cli->host));
	}
	pair = make(cli, &s);
	if (pair)
		print(cli, pair);
out:
	OPENSSL_cleanse(s.secret, sizeof(s.secret));
	json_decref(s.hosts);
	json_decref(pair);
	return pair ? CLI_OK : CLI_FAILED;
}
