// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include "cli/cli.h"
#include "clock.h"
#include "dataplane/tables.h"
#include "report.h"

#define TIMEOUT_S	10

/* --------------------------------------------------------------- the daemon */

static int connect_to(const char *path)
{
	const struct timeval timeout = { .tv_sec = TIMEOUT_S };
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	strcpy(sun.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun))) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

/* Takes request over. */
static int send_request(int fd, json_t *request)
{
	char *line = json_dumps(request, JSON_COMPACT);
	int err = line ? 0 : -ENOMEM;

	json_decref(request);
	if (line && dprintf(fd, "%s\n", line) < 0)
		err = -errno;
	free(line);
	return err;
}

/* NULL where it is not one JSON object, or says that it is an error. */
static json_t *read_answer(int fd)
{
	json_error_t error;
	json_t *answer = json_loadfd(fd, 0, &error);
	const char *text = json_string_value(json_object_get(answer, "error"));

	if (!answer)
		fprintf(stderr, "turnpike: the daemon's answer is not JSON: %s\n", error.text);
	if (!text)
		return answer;
	fprintf(stderr, "turnpike: the daemon says: %s\n", text);
	text = json_string_value(json_object_get(answer, "messages"));
	if (text)
		fputs(text, stderr);
	json_decref(answer);
	return NULL;
}

json_t *ask_daemon(const struct cli *cli, json_t *request, int *err)
{
	json_t *answer = NULL;
	int fd = connect_to(cli->socket), sent;

	*err = CLI_NO_DAEMON;
	if (fd < 0) {
		fprintf(stderr, "turnpike: daemon not reachable at %s: %s\n", cli->socket,
			strerror(-fd));
		json_decref(request);
		return NULL;
	}
	sent = send_request(fd, request);
	if (sent)
		fprintf(stderr, "turnpike: %s: %s\n", cli->socket, strerror(-sent));
	else
		answer = read_answer(fd);
	*err = answer ? CLI_OK : CLI_FAILED;
	close(fd);
	return answer;
}

/* ----------------------------------------------------------------- the pins */

json_t *ask_pins(const struct cli *cli, const char *cmd, int *err)
{
	struct tables tables;
	json_t *answer;
	int rc = tables_open_pinned(&tables, cli->pin_path, false);

	*err = CLI_NO_DAEMON;
	if (rc) {
		fprintf(stderr, "turnpike: no tables to read in %s either: %s\n", cli->pin_path,
			rc == -EPROTO ? "made by another version" : strerror(-rc));
		return NULL;
	}
	fprintf(stderr, "turnpike: read from the tables in %s\n", cli->pin_path);
	answer = !strcmp(cmd, "stats") ? report_stats(&tables, NULL) :
					 report_allocations(&tables, clock_mono_ns());
	tables_close(&tables);
	*err = answer ? CLI_OK : CLI_FAILED;
	if (!answer)
		fprintf(stderr, "turnpike: the tables in %s cannot be read\n", cli->pin_path);
	return answer;
}
