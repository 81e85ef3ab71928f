/* SPDX-License-Identifier: MIT */
/*
 * Certificates and OpenSSL contexts, for TLS and DTLS alike. Everything is made from
 * bytes in memory: who reads the files is root, who uses them is not.
 */
#ifndef TP_NET_TLS_H
#define TP_NET_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls_text {
	char *p;
	size_t len;
};

/* A certificate with its chain, and its key. */
struct tls_pair {
	struct tls_text cert;		/* PEM: the server's own, then the chain */
	struct tls_text key;		/* PEM; len 0: the key is in cert */
};

/* What is spoken inside decides which protocols are agreed on (ALPN), and whether there is DTLS. */
enum tls_use { TLS_FOR_STUN, TLS_FOR_HTTP };

/* A client that names a server gets the last pair whose certificate has that name (of each
 * kind of key), all others the last pair. */
struct tls_settings {
	struct tls_pair *pairs;
	unsigned int n_pairs;
	struct tls_text ca;		/* PEM; len 0: clients are not asked for certificates */
	char *password;			/* of the keys; NULL: none */
	char *ciphers;			/* TLS 1.2, OpenSSL's notation; NULL: its default */
	char *groups;			/* for the key exchange; NULL: OpenSSL's default */
	bool only_1_3;			/* then there is no DTLS: it ends with 1.2 here */
	enum tls_use use;
};

/* What is wrong with settings, by the directive that gave them. Never shows a secret. */
struct tls_fault {
	const char *directive;		/* "cert", "pkey", "CA-file", "cipher-list", ... */
	unsigned int index;		/* of the pair, for the first two */
	char text[160];
};

/* Seconds until the certificate's end (negative: over), and whether it is not valid yet.
 * 0 or -EINVAL. */
int tls_lifetime(const struct tls_text *cert, int64_t *left_s, bool *early);

enum tls_kind { TLS_STREAM, TLS_DATAGRAM };

/*
 * The certificates in force. Any thread may use and replace them; connections keep the
 * context that they began with. settings are not kept.
 */
struct tls_store;
/* NULL and *fault where the settings are wrong. */
struct tls_store *tls_store_new(const struct tls_settings *settings, struct tls_fault *fault);
void tls_store_free(struct tls_store *store);
/* 0; or -EINVAL and *fault, with nothing changed. */
int tls_store_replace(struct tls_store *store, const struct tls_settings *settings,
		      struct tls_fault *fault);
/* The caller's reference: SSL_CTX_free(). NULL where that kind is not served. */
SSL_CTX *tls_context(struct tls_store *store, enum tls_kind kind);
/* A server's end of a connection, waiting for its ClientHello. NULL: kind not served, or
 * no memory. */
SSL *tls_accept(struct tls_store *store, enum tls_kind kind);

#endif
