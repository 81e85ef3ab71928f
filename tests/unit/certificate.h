/* SPDX-License-Identifier: MIT */
/* Certificates for tests, made on the spot. */
#ifndef TP_TEST_CERTIFICATE_H
#define TP_TEST_CERTIFICATE_H

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include "net/tls.h"

enum kind { EC, RSA_2048 };

struct made {
	EVP_PKEY *key;
	X509 *cert;
	struct tls_pair pair;
};

static struct tls_text text_of(BIO *out)
{
	struct tls_text text;
	char *p;
	long len = BIO_get_mem_data(out, &p);

	text.p = malloc((size_t)len);
	assert_non_null(text.p);
	memcpy(text.p, p, (size_t)len);
	text.len = (size_t)len;
	BIO_free(out);
	return text;
}

static void name(X509 *cert, const char *names)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
	X509_NAME *subject = X509_get_subject_name(cert);

	assert_non_null(ext);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const uint8_t *)names, -1, -1, 0);
	X509_set_issuer_name(cert, subject);
	X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
}

/* A self-signed certificate for these names that ends in so many seconds. */
static struct made make(enum kind kind, const char *names, long from_s, long to_s)
{
	struct made m = { .key = kind == EC ? EVP_EC_gen("P-256") : EVP_RSA_gen(2048),
			  .cert = X509_new() };
	BIO *cert = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_mem());

	assert_true(m.key && m.cert);
	X509_set_version(m.cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(m.cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(m.cert), from_s);
	X509_gmtime_adj(X509_getm_notAfter(m.cert), to_s);
	X509_set_pubkey(m.cert, m.key);
	name(m.cert, names);
	assert_true(X509_sign(m.cert, m.key, EVP_sha256()) > 0);
	PEM_write_bio_X509(cert, m.cert);
	PEM_write_bio_PrivateKey(key, m.key, NULL, NULL, 0, NULL, NULL);
	m.pair.cert = text_of(cert);
	m.pair.key = text_of(key);
	return m;
}

static void unmake(struct made *m)
{
	EVP_PKEY_free(m->key);
	X509_free(m->cert);
	free(m->pair.cert.p);
	free(m->pair.key.p);
}

#endif
