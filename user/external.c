// SPDX-License-Identifier: MIT
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include "address.h"
#include "external.h"
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

static int ask_for(struct conf *conf, const struct tp_addr *local)
{
	const char *where = conf_where_auto(conf), *fault;
	char from[ADDRESS_TEXT], text[ADDRESS_TEXT], why[MAPPING_WHY];
	struct tp_addr server, mapped;
	int err = -EHOSTUNREACH;

	address_text(local, from);
	fault = look_up(&server, conf->external_server, local->family);
	if (!fault) {
		server.port = server.port ? server.port : htons(STUN_PORT);
		err = mapping_ask(&mapped, local, &server, conf->relay_device, why);
		fault = err ? why : NULL;
	}
	if (fault) {
		log_error("%s: external-ip=auto: external-ip-server %s, asked from %s: %s; or give "
			  "external-ip=PUBLIC/%s", where ? where : "", conf->external_server, from,
			  fault, from);
		return err;
	}
	log_info("external address=%s local=%s server=%s", address_text(&mapped, text), from,
		 conf->external_server);
	conf_found_external(conf, local, &mapped);
	return 0;
}

int external_ask(struct conf *conf)
{
	struct conf_errors said_already = { 0 };

	if (!conf->external_auto)
		return 0;
	for (unsigned int i = 0; i < conf->turn.n_relays; i++) {
		const struct tp_addr *local = &conf->turn.relays[i].local;
		int err = conf_asks_external(conf, local) ? ask_for(conf, local) : 0;

		if (err)
			return err;
	}
	conf_resolve(conf, &said_already);
	return 0;
}
