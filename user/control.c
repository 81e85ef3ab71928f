// SPDX-License-Identifier: MIT
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "address.h"
#include "clock.h"
#include "control.h"
#include "log.h"
#include "net/crowd.h"
#include "report.h"
#include "users/users.h"

#define REQUEST_MAX	4096
#define TIMEOUT_S	10

struct control {
	struct evconnlistener *listener;
	const struct control_sources *from;
};

/* An answer that is not there yet. */
struct control_reply {
	struct bufferevent *bev;	/* NULL: nobody waits any more */
};

/* ------------------------------------------------------------------ answers */

static json_t *texts(const struct tp_addr *addrs, unsigned int n)
{
	json_t *list = json_array();
	char text[ADDRESS_TEXT];

	for (unsigned int i = 0; i < n; i++)
		json_array_append_new(list, json_string(address_text(&addrs[i], text)));
	return list;
}

static json_t *relay_texts(const struct turn_conf *conf)
{
	json_t *list = json_array();
	char text[ADDRESS_TEXT];

	for (unsigned int i = 0; i < conf->n_relays; i++)
		json_array_append_new(list, json_string(address_text(&conf->relays[i].external,
								     text)));
	return list;
}

static json_t *dataplane_status(const struct dataplane *dp, const struct conf *conf)
{
	json_t *interfaces = json_array();

	for (unsigned int i = 0; i < dp->n; i++)
		json_array_append_new(interfaces, json_pack("{s:s,s:s,s:s}",
			"name", dp->interfaces[i].name,
			"xdp", dataplane_mode_word(dp->interfaces[i].mode),
			"why", dp->interfaces[i].why));
	return json_pack("{s:s,s:s,s:b,s:s,s:o}", "mode", dataplane_word(dp->mode),
			 "wanted", dataplane_word(conf->dataplane),
			 "module", dp->module, "why", dp->why, "interfaces", interfaces);
}

/* Connections of clients without an allocation; the others are counted by allocations. */
static json_t *streams_status(const struct control_sources *from)
{
	const struct conf *conf = from->shared->conf;
	unsigned int strangers;
	uint64_t refused;

	crowd_count(from->shared->crowd, &strangers, &refused);
	return json_pack("{s:o,s:b,s:b,s:b,s:i,s:I}",
		"listening", texts(conf->listen_tcp.v, conf->listen_tcp.n),
		"tcp", !conf->no_tcp, "tls", !conf->no_tls, "dtls", !conf->no_dtls,
		"strangers", (int)strangers, "refused", (json_int_t)refused);
}

static json_t *auth_status(const struct control_sources *from)
{
	static const char *const kinds[] = {
		[USERDB_NONE] = "none", [USERDB_SQLITE] = "sqlite", [USERDB_REDIS] = "redis",
	};
	const struct conf *conf = from->shared->conf;
	const struct turn_conf *turn = &conf->turn;
	bool away = from->shared->users && users_away(from->shared->users);

	return json_pack("{s:b,s:i,s:i,s:s,s:s,s:b}", "relays", turn_conf_relays(turn),
			 "users", (int)turn->n_users, "secrets", (int)turn->n_secrets,
			 "realm", turn->realm ? turn->realm : "",
			 "userdb", kinds[conf->userdb], "userdb_away", away);
}

static json_t *answer_status(const struct control_sources *from)
{
	const struct conf *conf = from->shared->conf;
	const struct turn_conf *turn = &conf->turn;
	uint32_t used[2] = { 0 }, slots[2] = { 0 };
	uint64_t full_journal, full_rows;
	unsigned int ports = (turn->max_port - turn->min_port + 1u) * turn->n_relays;

	flows_full(from->shared->flows, &full_journal, &full_rows);
	if (from->rows)
		rows_fill(from->rows, used, slots);
	return json_pack("{s:s,s:i,s:I,s:o,s:o,s:o,s:o,s:{s:i,s:i},s:i,s:{s:i,s:i,s:i,s:i,s:I,s:I},"
			 "s:i,s:o,s:o}",
		"version", TURNPIKE_VERSION, "pid", (int)getpid(),
		"uptime_s", (json_int_t)((clock_mono_ns() - from->started_ns) / TURN_NS_PER_S),
		"dataplane", dataplane_status(from->dataplane, conf),
		"listening", texts(conf->listen.v, conf->listen.n),
		"proxied", texts(conf->listen_proxied.v, conf->listen_proxied.n),
		"relay", relay_texts(turn),
		"ports", "used", (int)turn_shared_ports(from->shared->turn), "total", (int)ports,
		"allocations", (int)turn_shared_allocations(from->shared->turn),
		"rows", "used4", (int)used[0], "slots4", (int)slots[0],
		"used6", (int)used[1], "slots6", (int)slots[1],
		"without_row", (json_int_t)full_rows, "without_journal", (json_int_t)full_journal,
		"workers", (int)conf->workers, "streams", streams_status(from),
		"auth", auth_status(from));
}

static json_t *answer_stats(const struct control_sources *from)
{
	struct tp_count counts[TP_R_MAX] = { 0 };

	for (unsigned int i = 0; i < from->shared->conf->workers; i++)
		engine_count(from->engines[i], counts);
	return report_stats(from->shared->tables, counts);
}

static json_t *answer_allocations(const struct control_sources *from)
{
	return report_allocations(from->shared->tables, clock_mono_ns());
}

static const struct {
	const char *cmd;
	json_t *(*answer)(const struct control_sources *from);
} answers[] = {
	{ "status", answer_status },
	{ "stats", answer_stats },
	{ "allocations", answer_allocations },
};

/* NULL: it comes later. */
static json_t *answer(const struct control_sources *from, const json_t *request,
		      struct control_reply *later)
{
	const char *cmd = json_string_value(json_object_get(request, "cmd"));

	for (size_t i = 0; cmd && i < sizeof(answers) / sizeof(*answers); i++)
		if (!strcmp(cmd, answers[i].cmd))
			return answers[i].answer(from);
	if (cmd && !strcmp(cmd, "drain"))
		return from->drain(from->operator, request);
	if (cmd && !strcmp(cmd, "kick"))
		return from->kick(from->operator, request);
	if (!cmd || strcmp(cmd, "reload"))
		return json_pack("{s:s}", "error", cmd ? "unknown command" : "not a request");
	from->reload(from->operator, later);
	return NULL;
}

/* ------------------------------------------------------------------- socket */

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)what;
	(void)arg;
	bufferevent_free(bev);
}

static void on_written(struct bufferevent *bev, void *arg)
{
	(void)arg;
	bufferevent_free(bev);
}

static void on_gone(struct bufferevent *bev, short what, void *arg)
{
	struct control_reply *reply = arg;

	(void)what;
	reply->bev = NULL;
	bufferevent_free(bev);
}

void control_reply(struct control_reply *reply, json_t *answered)
{
	char *text = json_dumps(answered, JSON_COMPACT);

	json_decref(answered);
	if (reply->bev) {
		bufferevent_setcb(reply->bev, NULL, on_written, on_event, NULL);
		if (text)
			evbuffer_add_printf(bufferevent_get_output(reply->bev), "%s\n", text);
		else
			bufferevent_free(reply->bev);
	}
	free(text);
	free(reply);
}

static void on_request(struct bufferevent *bev, void *arg)
{
	const struct control *c = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	char *line = evbuffer_readln(in, NULL, EVBUFFER_EOL_LF);
	struct control_reply *reply;
	json_t *request, *answered;

	if (!line) {
		if (evbuffer_get_length(in) > REQUEST_MAX)
			bufferevent_free(bev);
		return;
	}
	reply = calloc(1, sizeof(*reply));
	if (!reply) {
		free(line);
		bufferevent_free(bev);
		return;
	}
	reply->bev = bev;
	bufferevent_disable(bev, EV_READ);
	bufferevent_setcb(bev, NULL, NULL, on_gone, reply);
	request = json_loads(line, 0, NULL);
	free(line);
	answered = answer(c->from, request, reply);
	json_decref(request);
	if (answered)
		control_reply(reply, answered);
}

static void on_connection(struct evconnlistener *listener, evutil_socket_t fd,
			  struct sockaddr *sa, int len, void *arg)
{
	struct timeval timeout = { .tv_sec = TIMEOUT_S };
	struct bufferevent *bev = bufferevent_socket_new(evconnlistener_get_base(listener), fd,
							 BEV_OPT_CLOSE_ON_FREE);

	(void)sa;
	(void)len;
	if (!bev) {
		close(fd);
		return;
	}
	bufferevent_setcb(bev, on_request, NULL, on_event, arg);
	bufferevent_set_timeouts(bev, &timeout, &timeout);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
}

struct control *control_new(struct event_base *base, int fd, const struct control_sources *sources)
{
	struct control *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->from = sources;
	c->listener = evconnlistener_new(base, on_connection, c, LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (!c->listener) {
		free(c);
		return NULL;
	}
	return c;
}

void control_free(struct control *c)
{
	if (!c)
		return;
	evconnlistener_free(c->listener);
	free(c);
}

int control_make_parent(const char *path)
{
	char dir[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return 0;
	*slash = 0;
	return mkdir(dir, 0755) && errno != EEXIST ? -errno : 0;
}

int control_listen(const char *path, gid_t group)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(un.sun_path))
		return -ENAMETOOLONG;
	strcpy(un.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	unlink(path);			/* the lock says that nobody listens there */
	if (bind(fd, (struct sockaddr *)&un, sizeof(un)) || chmod(path, 0660) ||
	    (geteuid() == 0 && chown(path, 0, group)) || listen(fd, 16)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}
