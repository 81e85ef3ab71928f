/* SPDX-License-Identifier: MIT */
/* A TURN client: allocates and binds channels. Whatever goes wrong ends the program. */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <getopt.h>
#include <openssl/ssl.h>
#include "address.h"
#include "stun/stun.h"

#define CLIENT_NONCE_MAX	764
#define CLIENT_REALM_MAX	764

enum client_transport { CLIENT_UDP, CLIENT_TCP, CLIENT_TLS };

/* Server, credentials, and the ports that are counted up from. */
struct client_side {
	struct tp_addr server, local, peer;
	const char *user, *password;
	uint32_t lifetime_s;		/* of allocations; 0: the server's choice */
	enum client_transport transport;
	SSL_CTX *tls;			/* for CLIENT_TLS: client_tls_new() */
};

/* What every program with clients is told about them, for getopt_long(). */
#define CLIENT_OPTIONS \
	{ "server", required_argument, NULL, 's' }, { "local", required_argument, NULL, 'l' }, \
	{ "peer", required_argument, NULL, 'p' }, { "user", required_argument, NULL, 'u' }, \
	{ "password", required_argument, NULL, 'w' }
#define CLIENT_USAGE \
	"--server IP:PORT --local IP:PORT --peer IP:PORT --user NAME --password TEXT"

/* False: it is none of these, or not an address. */
bool client_option(struct client_side *side, int option, const char *value);
bool client_told_all(const struct client_side *side);

struct client {
	const struct client_side *side;
	int fd;				/* connected to the server */
	SSL *ssl;			/* NULL: none */
	uint16_t port;			/* host order; 0: the kernel's choice */
	struct tp_addr peer;		/* side's, unless somebody says otherwise */
	struct tp_addr relayed;		/* by client_allocate() */
	char realm[CLIENT_REALM_MAX], nonce[CLIENT_NONCE_MAX];
	size_t realm_len, nonce_len;
	struct stun_key key;
	unsigned long transactions;	/* answered */
};

/* With one cipher, so that servers are compared and not their tastes; version at most. */
SSL_CTX *client_tls_new(int version);
/* A socket at local port + number (streams: at its address, any port). The caller closes
 * c->fd. */
void client_open(struct client *c, const struct client_side *side, uint32_t number);
void client_allocate(struct client *c);
/* So many channels from TP_CHANNEL_MIN on, to the peer's ports from its own on. */
void client_bind(struct client *c, uint32_t channels);
/* Sends a message, and waits for the same to come back. */
void client_echo(const struct client *c, const uint8_t *message, size_t len);

#endif
