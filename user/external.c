// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "address.h"
#include "external.h"
#include "ids.h"
#include "log.h"
#include "net/mapping.h"

#define STUN_PORT	3478	/* RFC 8489 section 18.6 */

/* The server's first address of that family. NULL, or what went wrong. */
static const char *look_up(struct tp_addr *server, const char *text, uint8_t family)
{
	const struct addrinfo hints = {
		.ai_family = family == 4 ? AF_INET : AF_INET6, .ai_socktype = SOCK_DGRAM,
	};
	char name[NI_MAXHOST], *port;
	struct addrinfo *found;
	int err;

	if (address_parse_port(server, text))
		return server->family == family ? NULL : "it is an address of another family";
	snprintf(name, sizeof(name), "%s", text);
	port = strchr(name, ':');
	if (port)
		*port++ = 0;
	err = getaddrinfo(name, port, &hints, &found);
	if (err)
		return err == EAI_SYSTEM ? strerror(errno) : gai_strerror(err);
	address_from_sockaddr(server, found->ai_addr);
	freeaddrinfo(found);
	return NULL;
}

/* False after the reason was logged. */
static bool ask_for(const struct conf *conf, const struct tp_addr *local, struct tp_addr *mapped)
{
	const char *where = conf_where_auto(conf), *fault;
	char from[ADDRESS_TEXT], why[MAPPING_WHY];
	struct tp_addr server;

	address_text(local, from);
	fault = look_up(&server, conf->external_server, local->family);
	if (!fault) {
		server.port = server.port ? server.port : htons(STUN_PORT);
		if (!mapping_ask(mapped, local, &server, conf->relay_device, why))
			return true;
		fault = why;
	}
	log_error("%s: external-ip=auto: external-ip-server %s, asked from %s: %s; or give "
		  "external-ip=PUBLIC/%s", where ? where : "", conf->external_server, from, fault,
		  from);
	return false;
}

/* The child's life: an answer for each address that is asked for, in order. */
static int ask_all(const struct conf *conf, int out)
{
	for (unsigned int i = 0; i < conf->turn.n_relays; i++) {
		const struct tp_addr *local = &conf->turn.relays[i].local;
		struct tp_addr mapped;

		if (!conf_asks_external(conf, local))
			continue;
		if (!ask_for(conf, local, &mapped) ||
		    write(out, &mapped, sizeof(mapped)) != sizeof(mapped))
			return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

/* It is believed nothing that could not be an answer. */
static bool take_all(struct conf *conf, int in)
{
	char from[ADDRESS_TEXT], text[ADDRESS_TEXT];

	for (unsigned int i = 0; i < conf->turn.n_relays; i++) {
		const struct tp_addr *local = &conf->turn.relays[i].local;
		struct tp_addr mapped;

		if (!conf_asks_external(conf, local))
			continue;
		if (read(in, &mapped, sizeof(mapped)) != sizeof(mapped) ||
		    mapped.family != local->family || acl_special(&mapped))
			return false;
		log_info("external address=%s local=%s server=%s", address_text(&mapped, text),
			 address_text(local, from), conf->external_server);
		conf_found_external(conf, local, &mapped);
	}
	return true;
}

static int child_main(const struct conf *conf, uid_t uid, gid_t gid, int out, pid_t parent)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (ids_drop(uid, gid, parent))
		return ask_all(conf, out);
	log_error("external-ip=auto: cannot drop privileges: %s", strerror(errno));
	return EXIT_FAILURE;
}

int external_ask(struct conf *conf, uid_t uid, gid_t gid)
{
	struct conf_errors said_already = { 0 };
	pid_t parent = getpid(), child;
	int ends[2], status = 0;
	bool all;

	if (!conf->external_auto)
		return 0;
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	child = fork();
	if (!child)
		_exit(child_main(conf, uid, gid, ends[1], parent));
	close(ends[1]);
	all = child > 0 && take_all(conf, ends[0]);
	close(ends[0]);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (!all || status) {
		log_error("external-ip=auto: no start without the public addresses");
		return -EHOSTUNREACH;
	}
	conf_resolve(conf, &said_already);
	return 0;
}
