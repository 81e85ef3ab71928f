// SPDX-License-Identifier: MIT
/*
 * `turnpike user` and `turnpike secret`: the users and shared secrets of the database that
 * the configuration names. Passwords come from standard input, and none is ever shown.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include "cli/cli.h"
#include "ids.h"
#include "stun/stun.h"
#include "users/database.h"
#include "users/users.h"

#define TEXT_MAX	1024

struct place {
	struct conf conf;
	const struct database_ops *ops;
	struct database *db;
	const char *realm;
	char why[DATABASE_WHY];
};

/* ------------------------------------------------------------- the database */

static int read_conf(const struct cli *cli, struct conf *conf)
{
	bool given = cli->userdb || cli->redis_userdb;
	struct conf_errors errors = { .out = fopen("/dev/null", "we") };
	int err = 0;

	conf_init(conf);
	if (!given || !access(cli->config, R_OK))
		err = conf_read(conf, cli->config, &errors);
	if (cli->userdb)
		conf_set(conf, "userdb", cli->userdb, "--userdb", &errors);
	if (cli->redis_userdb)
		conf_set(conf, "redis-userdb", cli->redis_userdb, "--redis-userdb", &errors);
	conf_finish(conf, &errors);
	if (errors.out)
		fclose(errors.out);
	if (err)
		fprintf(stderr, "turnpike: %s: %s\n", cli->config, strerror(-err));
	return err;
}

static int complain(const struct place *p)
{
	fprintf(stderr, "turnpike: %s\n", p->why);
	return CLI_FAILED;
}

static bool open_place(const struct cli *cli, struct place *p)
{
	uid_t uid;
	gid_t gid;

	if (read_conf(cli, &p->conf))
		return false;
	p->ops = database_ops(&p->conf);
	p->realm = cli->realm ? cli->realm : p->conf.turn.realm;
	if (!p->ops) {
		fprintf(stderr, "turnpike: %s names no userdb or redis-userdb; "
				"give --userdb PATH or --redis-userdb OPTIONS\n", cli->config);
		return false;
	}
	if (p->conf.userdb == USERDB_SQLITE &&
	    (ids_find(&p->conf, &uid, &gid, p->why) ||
	     users_make_file(&p->conf, gid, p->why))) {
		complain(p);
		return false;
	}
	p->db = p->ops->open(&p->conf, true, p->why);
	if (!p->db)
		complain(p);
	return p->db;
}

static void close_place(struct place *p)
{
	if (p->db)
		p->ops->close(p->db);
	conf_free(&p->conf);
}

/* ------------------------------------------------------------------- secrets */

/* A line of standard input; of a terminal without showing it. */
static bool read_line(const char *prompt, char text[TEXT_MAX])
{
	struct termios shown, hidden;
	bool terminal = !tcgetattr(STDIN_FILENO, &shown), ok;

	if (terminal) {
		fputs(prompt, stderr);
		hidden = shown;
		hidden.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
	}
	ok = fgets(text, TEXT_MAX, stdin);
	if (terminal) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
		fputc('\n', stderr);
	}
	if (!ok)
		*text = 0;
	text[strcspn(text, "\r\n")] = 0;
	return *text;
}

static bool ask(const char *what, char text[TEXT_MAX])
{
	char again[TEXT_MAX], prompt[64];
	bool same = true;

	snprintf(prompt, sizeof(prompt), "%s: ", what);
	if (!read_line(prompt, text)) {
		fprintf(stderr, "turnpike: no %s on standard input\n", what);
		return false;
	}
	if (isatty(STDIN_FILENO)) {
		snprintf(prompt, sizeof(prompt), "%s again: ", what);
		same = read_line(prompt, again) && !strcmp(text, again);
		OPENSSL_cleanse(again, sizeof(again));
	}
	if (!same)
		fprintf(stderr, "turnpike: the two are not the same\n");
	return same;
}

static struct stun_bytes bytes(const char *text)
{
	return (struct stun_bytes){ (const uint8_t *)text, strlen(text) };
}

/* ------------------------------------------------------------------ commands */

static int user_add(struct place *p, const char *name)
{
	char password[TEXT_MAX], hex[DATABASE_KEY];
	struct stun_key key;
	int rc;

	if (!ask("password", password))
		return CLI_FAILED;
	stun_key_make(&key, STUN_ALG_MD5, bytes(name), bytes(p->realm), bytes(password));
	for (unsigned int i = 0; i < 16; i++)
		snprintf(hex + 2 * i, 3, "%02x", key.bytes[i]);
	rc = p->ops->set_user(p->db, p->realm, name, hex, p->why);
	OPENSSL_cleanse(password, sizeof(password));
	OPENSSL_cleanse(&key, sizeof(key));
	OPENSSL_cleanse(hex, sizeof(hex));
	return rc < 0 ? complain(p) : CLI_OK;
}

static int user_delete(struct place *p, const char *name)
{
	int rc = p->ops->delete_user(p->db, p->realm, name, p->why);

	if (rc > 0)
		snprintf(p->why, sizeof(p->why), "there is no user %.100s in realm %.100s", name,
			 p->realm);
	return rc ? complain(p) : CLI_OK;
}

static void list_one(void *arg, const char *realm, const char *name)
{
	json_array_append_new(arg, json_pack("{s:s,s:s}", "realm", realm, "user", name));
}

static int user_list(const struct cli *cli, struct place *p)
{
	json_t *list = json_array(), *user;
	size_t i;
	int rc = p->ops->list_users(p->db, cli->realm, list_one, list, p->why);

	if (rc) {
		json_decref(list);
		return complain(p);
	}
	if (cli->json) {
		json_dumpf(list, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		json_array_foreach(list, i, user)
			printf("%-24s  %s\n", json_string_value(json_object_get(user, "realm")),
			       json_string_value(json_object_get(user, "user")));
	}
	json_decref(list);
	return CLI_OK;
}

/* del takes it from standard input, too: a secret on a command line is everybody's. */
static int secret_change(struct place *p, bool add)
{
	char secret[TEXT_MAX];
	int rc;

	if (!ask("secret", secret))
		return CLI_FAILED;
	rc = add ? p->ops->set_secret(p->db, p->realm, secret, p->why) :
		   p->ops->delete_secret(p->db, p->realm, secret, p->why);
	OPENSSL_cleanse(secret, sizeof(secret));
	if (rc > 0)
		snprintf(p->why, sizeof(p->why), "realm %.100s does not have that secret",
			 p->realm);
	return rc ? complain(p) : CLI_OK;
}

static int secret_list(const struct cli *cli, struct place *p)
{
	unsigned int n = 0;

	if (p->ops->count_secrets(p->db, p->realm, &n, p->why))
		return complain(p);
	if (cli->json)
		printf("{\"realm\": \"%s\", \"secrets\": %u}\n", p->realm, n);
	else
		printf("%-24s  %u secret%s\n", p->realm, n, n == 1 ? "" : "s");
	return CLI_OK;
}

int user_run(const struct cli *cli)
{
	const char *verb = cli->n_args > 0 ? cli->args[0] : "";
	const char *name = cli->n_args > 1 ? cli->args[1] : NULL;
	bool list = !strcmp(verb, "list"), add = !strcmp(verb, "add"), del = !strcmp(verb, "del");
	struct place p = { .ops = NULL };
	int status = CLI_FAILED;

	if (name ? (!add && !del) || !*name || strlen(name) > CACHE_NAME_MAX : !list) {
		fputs("usage: turnpike user add NAME | del NAME | list\n", stderr);
		return CLI_USAGE;
	}
	if (open_place(cli, &p))
		status = list ? user_list(cli, &p) : add ? user_add(&p, name) :
							   user_delete(&p, name);
	close_place(&p);
	return status;
}

int secret_run(const struct cli *cli)
{
	const char *verb = cli->n_args == 1 ? cli->args[0] : "";
	bool list = !strcmp(verb, "list"), add = !strcmp(verb, "add"), del = !strcmp(verb, "del");
	struct place p = { .ops = NULL };
	int status = CLI_FAILED;

	if (!list && !add && !del) {
		fputs("usage: turnpike secret add | del | list\n", stderr);
		return CLI_USAGE;
	}
	if (open_place(cli, &p))
		status = list ? secret_list(cli, &p) : secret_change(&p, add);
	close_place(&p);
	return status;
}
