// SPDX-License-Identifier: MIT
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "net/dtls.h"
#include "net/tls.h"

/* One certificate as OpenSSL has it. */
struct tls_identity {
	X509 *cert;
	EVP_PKEY *key;
	STACK_OF(X509) *chain;
};

/* All of a context's certificates; the contexts that use it own it together. */
struct tls_identities {
	unsigned int refs;
	unsigned int n;
	struct tls_identity v[];
};

struct tls_store {
	pthread_mutex_t lock;
	SSL_CTX *contexts[2];		/* by enum tls_kind */
};

/* As in the extension (RFC 7301 section 3.1), ours first. */
static const char *const protocols[] = {
	[TLS_FOR_STUN] = "\x09stun.turn\x12stun.nat-discovery",	/* RFC 7443 section 2 */
	[TLS_FOR_HTTP] = "\x08http/1.1",
};

static const uint8_t session_context[] = "turnpike";

/* ------------------------------------------------------------------- faults */

/* text, and what OpenSSL has to say about it. */
static void fail(struct tls_fault *fault, const char *directive, unsigned int index,
		 const char *text)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	fault->directive = directive;
	fault->index = index;
	snprintf(fault->text, sizeof(fault->text), "%s%s%s", text, reason ? ": " : "",
		 reason ? reason : "");
	ERR_clear_error();
}

/* --------------------------------------------------------------- identities */

static void identities_put(struct tls_identities *all)
{
	if (!all || __atomic_sub_fetch(&all->refs, 1, __ATOMIC_ACQ_REL))
		return;
	for (unsigned int i = 0; i < all->n; i++) {
		X509_free(all->v[i].cert);
		EVP_PKEY_free(all->v[i].key);
		sk_X509_pop_free(all->v[i].chain, X509_free);
	}
	free(all);
}

static void on_context_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl,
			    void *argp)
{
	(void)parent;
	(void)ad;
	(void)idx;
	(void)argl;
	(void)argp;
	identities_put(ptr);
}

/* Where a context keeps its identities; OpenSSL gives out such a number once. */
static int slot_number;

static void take_slot(void)
{
	slot_number = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, on_context_free);
}

static int identities_slot(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, take_slot);
	return slot_number;
}

static BIO *reader(const struct tls_text *text)
{
	return BIO_new_mem_buf(text->p, text->len > INT32_MAX ? 0 : (int)text->len);
}

/* OpenSSL would ask the terminal. */
static int give_password(char *buf, int size, int rwflag, void *password)
{
	size_t len = password ? strlen(password) : 0;

	(void)rwflag;
	if (!len || len > (size_t)size)
		return -1;
	memcpy(buf, password, len);
	return (int)len;
}

static bool read_chain(struct tls_identity *id, const struct tls_text *text)
{
	BIO *in = reader(text);
	X509 *more;

	id->cert = in ? PEM_read_bio_X509(in, NULL, give_password, NULL) : NULL;
	id->chain = sk_X509_new_null();
	while (id->cert && id->chain && (more = PEM_read_bio_X509(in, NULL, give_password, NULL))) {
		if (sk_X509_push(id->chain, more) <= 0)
			X509_free(more);
	}
	BIO_free(in);
	if (!id->cert || !id->chain)
		return false;
	ERR_clear_error();		/* that there were no more */
	return true;
}

static bool read_key(struct tls_identity *id, const struct tls_pair *pair, const char *password)
{
	BIO *in = reader(pair->key.len ? &pair->key : &pair->cert);

	if (!in)
		return false;
	id->key = PEM_read_bio_PrivateKey(in, NULL, give_password, (void *)(uintptr_t)password);
	BIO_free(in);
	return id->key;
}

static struct tls_identities *identities_new(const struct tls_settings *settings,
					     struct tls_fault *fault)
{
	unsigned int n = settings->n_pairs;
	struct tls_identities *all = calloc(1, sizeof(*all) + n * sizeof(all->v[0]));

	if (!all) {
		fail(fault, "cert", 0, "out of memory");
		return NULL;
	}
	all->refs = 1;
	for (unsigned int i = 0; i < n; i++) {
		const struct tls_pair *pair = &settings->pairs[i];
		struct tls_identity *id = &all->v[i];

		all->n++;
		if (!read_chain(id, &pair->cert)) {
			fail(fault, "cert", i, "holds no certificate in PEM");
			goto out;
		}
		if (!read_key(id, pair, settings->password)) {
			fail(fault, pair->key.len ? "pkey" : "cert", i,
			     "holds no key in PEM that can be read");
			goto out;
		}
		if (!X509_check_private_key(id->cert, id->key)) {
			fail(fault, pair->key.len ? "pkey" : "cert", i,
			     "is not the key of the certificate");
			goto out;
		}
	}
	return all;
out:
	identities_put(all);
	return NULL;
}

static bool use(SSL *ssl, const struct tls_identity *id)
{
	return SSL_use_cert_and_key(ssl, id->cert, id->key, id->chain, 1) == 1;
}

/* The ClientHello has been read: which certificates are for it. */
static int on_certificate(SSL *ssl, void *arg)
{
	const struct tls_identities *all = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl),
							       identities_slot());
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	int used[8];
	unsigned int n = 0, i, k;

	(void)arg;
	if (!all || !all->n)
		return 0;
	/* RSA beside ECDSA: one of each kind, for OpenSSL to choose from */
	for (i = all->n; name && i-- && n < sizeof(used) / sizeof(used[0]);) {
		int kind = EVP_PKEY_get_base_id(all->v[i].key);

		for (k = 0; k < n && used[k] != kind; k++)
			;
		if (k < n || X509_check_host(all->v[i].cert, name, 0, 0, NULL) != 1)
			continue;
		if (!use(ssl, &all->v[i]))
			return 0;
		used[n++] = kind;
	}
	return n || use(ssl, &all->v[all->n - 1]);
}

/* ----------------------------------------------------------------- contexts */

/* RFC 7301 section 3.2: offered, but nothing of ours is a fatal alert. */
static int on_protocols(SSL *ssl, const unsigned char **out, unsigned char *out_len,
			const unsigned char *in, unsigned int in_len, void *arg)
{
	const char *ours = *(const char *const *)arg;
	unsigned char *chosen;

	(void)ssl;
	if (SSL_select_next_proto(&chosen, out_len, (const unsigned char *)ours,
				  (unsigned int)strlen(ours), in, in_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static bool use_ca(SSL_CTX *ctx, const struct tls_text *ca)
{
	X509_STORE *trusted = SSL_CTX_get_cert_store(ctx);
	BIO *in = reader(ca);
	unsigned int n = 0;
	X509 *cert;

	while (in && (cert = PEM_read_bio_X509(in, NULL, give_password, NULL))) {
		if (X509_STORE_add_cert(trusted, cert) && SSL_CTX_add_client_CA(ctx, cert))
			n++;
		X509_free(cert);
	}
	BIO_free(in);
	if (!n)
		return false;
	ERR_clear_error();
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	return true;
}

static void set_options(SSL_CTX *ctx)
{
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
			    SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* memory of a connection that is idle: next to none */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
			 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_dh_auto(ctx, 1);
	/* tickets are the client's to keep; we keep nothing */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_id_context(ctx, session_context, sizeof(session_context) - 1);
	SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_cert_cb(ctx, on_certificate, NULL);
}

static bool apply(SSL_CTX *ctx, const struct tls_settings *settings, struct tls_fault *fault)
{
	if (settings->ciphers && !SSL_CTX_set_cipher_list(ctx, settings->ciphers)) {
		fail(fault, "cipher-list", 0, "names no cipher that OpenSSL has");
		return false;
	}
	if (settings->groups && !SSL_CTX_set1_groups_list(ctx, settings->groups)) {
		fail(fault, "ec-curve-name", 0, "names no curve that OpenSSL has");
		return false;
	}
	if (settings->ca.len && !use_ca(ctx, &settings->ca)) {
		fail(fault, "CA-file", 0, "holds no certificate in PEM");
		return false;
	}
	return true;
}

/* Takes one reference to all. */
static SSL_CTX *context_new(enum tls_kind kind, const struct tls_settings *settings,
			    struct tls_identities *all, struct tls_fault *fault)
{
	bool stream = kind == TLS_STREAM;
	SSL_CTX *ctx = SSL_CTX_new(stream ? TLS_server_method() : DTLS_server_method());
	int least = !stream ? DTLS1_2_VERSION : settings->only_1_3 ? TLS1_3_VERSION :
		    TLS1_2_VERSION;

	__atomic_add_fetch(&all->refs, 1, __ATOMIC_RELAXED);
	if (!ctx || !SSL_CTX_set_ex_data(ctx, identities_slot(), all)) {
		identities_put(all);
		fail(fault, "cert", 0, "no OpenSSL context");
		goto out;
	}
	if (!SSL_CTX_set_min_proto_version(ctx, least)) {
		fail(fault, "no-tlsv1_2", 0, "is not possible with this OpenSSL");
		goto out;
	}
	set_options(ctx);
	SSL_CTX_set_alpn_select_cb(ctx, on_protocols,
				   (void *)(uintptr_t)&protocols[settings->use]);
	if (!stream)
		dtls_use_cookies(ctx);
	else if (settings->use == TLS_FOR_STUN)	/* two records in one system call */
		SSL_CTX_set_read_ahead(ctx, 1);
	if (apply(ctx, settings, fault))
		return ctx;
out:
	SSL_CTX_free(ctx);
	return NULL;
}

static int contexts_new(SSL_CTX *contexts[2], const struct tls_settings *settings,
			struct tls_fault *fault)
{
	bool datagrams = settings->use == TLS_FOR_STUN && !settings->only_1_3;
	struct tls_identities *all;

	contexts[TLS_STREAM] = contexts[TLS_DATAGRAM] = NULL;
	ERR_clear_error();
	if (!settings->n_pairs) {
		fail(fault, "cert", 0, "no certificate is given");
		return -EINVAL;
	}
	all = identities_new(settings, fault);
	if (!all)
		return -EINVAL;
	contexts[TLS_STREAM] = context_new(TLS_STREAM, settings, all, fault);
	if (contexts[TLS_STREAM] && datagrams)
		contexts[TLS_DATAGRAM] = context_new(TLS_DATAGRAM, settings, all, fault);
	identities_put(all);
	if (contexts[TLS_STREAM] && (contexts[TLS_DATAGRAM] || !datagrams))
		return 0;
	SSL_CTX_free(contexts[TLS_STREAM]);
	return -EINVAL;
}

/* -------------------------------------------------------------------- store */

struct tls_store *tls_store_new(const struct tls_settings *settings, struct tls_fault *fault)
{
	struct tls_store *store = calloc(1, sizeof(*store));

	if (!store) {
		fail(fault, "cert", 0, "out of memory");
		return NULL;
	}
	if (contexts_new(store->contexts, settings, fault)) {
		free(store);
		return NULL;
	}
	pthread_mutex_init(&store->lock, NULL);
	return store;
}

void tls_store_free(struct tls_store *store)
{
	if (!store)
		return;
	SSL_CTX_free(store->contexts[TLS_STREAM]);
	SSL_CTX_free(store->contexts[TLS_DATAGRAM]);
	pthread_mutex_destroy(&store->lock);
	free(store);
}

int tls_store_replace(struct tls_store *store, const struct tls_settings *settings,
		      struct tls_fault *fault)
{
	SSL_CTX *contexts[2], *old[2];
	int err = contexts_new(contexts, settings, fault);

	if (err)
		return err;
	pthread_mutex_lock(&store->lock);
	memcpy(old, store->contexts, sizeof(old));
	memcpy(store->contexts, contexts, sizeof(contexts));
	pthread_mutex_unlock(&store->lock);
	SSL_CTX_free(old[TLS_STREAM]);
	SSL_CTX_free(old[TLS_DATAGRAM]);
	return 0;
}

SSL_CTX *tls_context(struct tls_store *store, enum tls_kind kind)
{
	SSL_CTX *ctx;

	pthread_mutex_lock(&store->lock);
	ctx = store->contexts[kind];
	if (ctx)
		SSL_CTX_up_ref(ctx);
	pthread_mutex_unlock(&store->lock);
	return ctx;
}

SSL *tls_accept(struct tls_store *store, enum tls_kind kind)
{
	SSL_CTX *ctx = tls_context(store, kind);
	SSL *ssl = ctx ? SSL_new(ctx) : NULL;

	SSL_CTX_free(ctx);		/* ssl has a reference of its own */
	if (ssl)
		SSL_set_accept_state(ssl);
	return ssl;
}

int tls_lifetime(const struct tls_text *cert, int64_t *left_s, bool *early)
{
	BIO *in = reader(cert);
	X509 *x = in ? PEM_read_bio_X509(in, NULL, give_password, NULL) : NULL;
	int days, seconds, err = -EINVAL;

	if (x && ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(x))) {
		*left_s = (int64_t)days * 86400 + seconds;
		*early = X509_cmp_current_time(X509_get0_notBefore(x)) > 0;
		err = 0;
	}
	X509_free(x);
	BIO_free(in);
	ERR_clear_error();
	return err;
}
