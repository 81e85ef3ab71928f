// SPDX-License-Identifier: MIT
/* A configuration read again, and carried to another process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "certificate.h"
#include "config.h"

static char dir[] = "/tmp/turnpike-reload-XXXXXX";
static char path[64], secrets[64];
static char arg0[] = "turnpiked", arg1[] = "--listening-ip=127.0.0.1", arg2[] = "--realm=here";
static char *args[] = { arg0, arg1, arg2, NULL };
static const struct conf_source source = { .file = path, .argc = 3, .argv = args };

static void write_file(const char *name, const char *text)
{
	FILE *out = fopen(name, "w");

	assert_non_null(out);
	fputs(text, out);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(chmod(name, 0640), 0);
}

static void start(struct conf *conf, const char *text)
{
	struct conf_errors errors = { 0 };

	write_file(path, text);
	conf_load(conf, &source, &errors);
	assert_int_equal(errors.errors, 0);
}

/* What a reload to this text says; *next as it returned. */
static char *reload(struct conf *next, const struct conf *running, const char *text, int expect)
{
	struct conf_errors errors = { 0 };
	char *said = NULL;
	size_t size;

	write_file(path, text);
	errors.out = open_memstream(&said, &size);
	assert_int_equal(conf_reload(next, &source, running, &errors), expect);
	fclose(errors.out);
	return said;
}

static void test_users_change(void **state)
{
	struct conf running, next;
	char *said;

	(void)state;
	start(&running, "user=alice:secret\n");
	said = reload(&next, &running, "user=bob:builder\nuser-quota=7\n", 0);
	assert_null(strstr(said, "next start"));
	assert_int_equal(next.turn.n_users, 1);
	assert_string_equal(next.turn.users[0].name, "bob");
	assert_int_equal(next.turn.user_quota, 7);
	/* nonces that are out stay good */
	assert_memory_equal(next.turn.nonce_key, running.turn.nonce_key, 32);
	free(said);
	conf_free(&next);
	conf_free(&running);
}

static void test_what_waits_is_kept_and_said(void **state)
{
	struct conf running, next;
	char *said, *where;

	(void)state;
	start(&running, "user=alice:secret\nsock-buf-size=50000\npidfile=/run/here\n");
	said = reload(&next, &running, "user=alice:secret\nsock-buf-size=40000\n", 0);
	assert_non_null(strstr(said, ":2: warning: sock-buf-size: takes effect at the next start"));
	where = strstr(said, "pidfile is not given any more: takes effect");
	assert_non_null(where);
	assert_int_equal(next.sock_buf_size, 50000);
	assert_string_equal(next.pidfile, "/run/here");
	free(said);
	conf_free(&next);
	conf_free(&running);
}

/* K10 */
static void test_bad_file_changes_nothing(void **state)
{
	struct conf running, next;
	char *said;

	(void)state;
	start(&running, "user=alice:secret\n");
	said = reload(&next, &running, "user=alice:secret\ndenied-peer-ip=10.0.0.0/33\n", -22);
	assert_non_null(strstr(said, ":2: error:"));
	free(said);
	/* both are right by themselves, but no-auth needs the users gone */
	said = reload(&next, &running, "user=alice:secret\nno-auth\n", -22);
	assert_non_null(strstr(said, "contradicts"));
	free(said);
	conf_free(&running);
}

/* The other process must not, and need not, read a file. */
static void test_image_carries_files(void **state)
{
	struct conf running, next, carried;
	char text[128];
	char *said;
	int fd;

	(void)state;
	start(&running, "user=alice:secret\n");
	write_file(secrets, "first\n\nsecond\r\n");
	snprintf(text, sizeof(text), "static-auth-secret-file=%s\nfingerprint\n", secrets);
	said = reload(&next, &running, text, 0);
	assert_int_equal(unlink(secrets), 0);
	fd = conf_image_write(&next);
	assert_true(fd >= 0);
	assert_int_equal(conf_image_read(&carried, fd, &running), 0);
	close(fd);
	assert_int_equal(carried.turn.n_secrets, 2);
	assert_string_equal(carried.turn.secrets[0], "first");
	assert_string_equal(carried.turn.secrets[1], "second");
	assert_int_equal(carried.turn.n_users, 0);
	assert_true(carried.turn.fingerprint);
	assert_int_equal(carried.listen.n, running.listen.n);
	free(said);
	conf_free(&carried);
	conf_free(&next);
	conf_free(&running);
}

/* Both processes come to the same listeners, whatever the host's addresses are meanwhile. */
static void test_listeners_follow(void **state)
{
	struct tp_addr seen = { .family = 4, .ip = { 11, 0, 9, 9 } };
	struct conf running, next, carried;
	char *said;
	int fd;

	(void)state;
	start(&running, "user=alice:secret\n");
	said = reload(&next, &running, "user=alice:secret\nlistening-port=4000\n"
		      "aux-server=0.0.0.0:5000\nno-tcp\n", 0);
	assert_null(strstr(said, "next start"));
	assert_int_equal(next.listen.v[0].port, htons(4000));
	assert_int_equal(next.listen_tcp.n, 0);
	assert_true(next.host.n > 0);
	/* what the sender has seen counts, not what the receiver would */
	next.host.v[0] = seen;
	fd = conf_image_write(&next);
	assert_int_equal(conf_image_read(&carried, fd, &running), 0);
	close(fd);
	assert_int_equal(carried.listen.n, next.listen.n);
	assert_memory_equal(&carried.host.v[0], &seen, sizeof(seen));
	seen.port = htons(5000);
	assert_memory_equal(&carried.listen.v[1], &seen, sizeof(seen));
	assert_int_equal(carried.turn.n_broadcasts, next.turn.n_broadcasts);
	free(said);
	conf_free(&carried);
	conf_free(&next);
	conf_free(&running);
}

static bool is_left(const void *ctx, const struct turn_former *former)
{
	return former->min_port == *(const uint16_t *)ctx;
}

static void is_former(const struct conf *conf, unsigned int i, uint16_t min_port, uint8_t last)
{
	assert_true(i < conf->turn.n_former);
	assert_int_equal(conf->turn.former[i].min_port, min_port);
	assert_int_equal(conf->turn.former[i].ip.local.ip[3], last);
}

/* Where allocations may be left is remembered from reload to reload, and carried along. */
static void test_relays_change(void **state)
{
	static const uint16_t port = 50000;
	struct conf running, next, third, carried, torn;
	char *said;
	int fd;

	(void)state;
	start(&running, "user=alice:secret\nmin-port=50000\nmax-port=50100\n"
	      "relay-ip=127.0.0.2\nrelay-ip=127.0.0.3\n");
	said = reload(&next, &running, "user=alice:secret\nmin-port=49000\nmax-port=50100\n"
		      "relay-ip=127.0.0.3\n", 0);
	assert_null(strstr(said, "next start"));
	free(said);
	assert_int_equal(next.turn.n_relays, 1);
	assert_int_equal(next.turn.min_port, 49000);
	assert_int_equal(next.turn.n_former, 1);	/* the other one has no port less */
	is_former(&next, 0, 50000, 2);
	free(reload(&third, &next, "user=alice:secret\nmin-port=60000\nrelay-ip=127.0.0.3\n"
		    "external-ip=192.0.2.1\n", 0));
	assert_int_equal(third.turn.n_former, 2);
	is_former(&third, 0, 49000, 3);
	is_former(&third, 1, 50000, 2);
	fd = conf_image_write(&third);
	assert_int_equal(conf_image_read(&carried, fd, &next), 0);
	/* torn within the second of them */
	assert_int_equal(ftruncate(fd, lseek(fd, 0, SEEK_END) - 3), 0);
	lseek(fd, 0, SEEK_SET);
	assert_int_not_equal(conf_image_read(&torn, fd, &next), 0);
	close(fd);
	assert_int_equal(carried.turn.n_former, 2);
	assert_memory_equal(carried.turn.former, third.turn.former,
			    2 * sizeof(*third.turn.former));
	conf_drop_former(&third, is_left, &port);
	assert_int_equal(third.turn.n_former, 1);
	is_former(&third, 0, 50000, 2);
	conf_free(&carried);
	conf_free(&third);
	conf_free(&next);
	conf_free(&running);
}

/* Nobody would be asked. */
static void test_new_address_with_auto_is_refused(void **state)
{
	static const char text[] = "user=alice:secret\nexternal-ip=auto\n"
		"external-ip-server=stun.example.org\nrelay-ip=198.51.100.2\n";
	struct tp_addr local = { .family = 4, .ip = { 198, 51, 100, 2 } };
	struct tp_addr public = { .family = 4, .ip = { 192, 0, 2, 2 } };
	struct conf running, next;
	char more[sizeof(text) + 32];
	char *said;

	(void)state;
	start(&running, text);
	conf_found_external(&running, &local, &public);
	free(reload(&next, &running, text, 0));
	assert_memory_equal(&next.turn.relays[0].external, &public, sizeof(public));
	conf_free(&next);
	snprintf(more, sizeof(more), "%srelay-ip=198.51.100.1\n", text);
	said = reload(&next, &running, more, -22);
	assert_non_null(strstr(said, ":2: error: external-ip=auto: what 198.51.100.1 is outside"));
	free(said);
	conf_free(&running);
}

static void test_torn_image_is_refused(void **state)
{
	struct conf running, carried;
	off_t size;
	int fd;

	(void)state;
	start(&running, "user=alice:secret\nrealm=there\n");
	fd = conf_image_write(&running);
	size = lseek(fd, 0, SEEK_END);
	assert_int_equal(ftruncate(fd, size - 3), 0);
	lseek(fd, 0, SEEK_SET);
	assert_int_not_equal(conf_image_read(&carried, fd, &running), 0);
	close(fd);
	conf_free(&running);
}

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/conf", dir);
	snprintf(secrets, sizeof(secrets), "%s/secrets", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

/* Certificate and key as the file secrets: another one each time, however coarse its times. */
static void write_cert(void)
{
	struct made m = make(EC, "DNS:a.test", 0, 86400 * 30);
	char name[sizeof(secrets) + 4];
	FILE *out;

	snprintf(name, sizeof(name), "%s.new", secrets);
	out = fopen(name, "w");
	assert_non_null(out);
	fwrite(m.pair.cert.p, 1, m.pair.cert.len, out);
	fwrite(m.pair.key.p, 1, m.pair.key.len, out);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(rename(name, secrets), 0);
	unmake(&m);
}

static void cannot_renew(const struct conf *running, const char *why)
{
	struct conf_errors errors = { 0 };
	struct conf next;
	char *text;
	size_t size;

	errors.out = open_memstream(&text, &size);
	assert_true(conf_renew(&next, running, &errors) < 0);
	fclose(errors.out);
	assert_non_null(strstr(text, why));
	free(text);
}

/* What is in the certificates' files, and nothing else that has changed. */
static void test_certificates_are_renewed(void **state)
{
	struct conf_errors errors = { 0 };
	struct conf running, next;
	uint64_t stamp;
	char text[256];

	(void)state;
	write_cert();
	snprintf(text, sizeof(text), "stun-only\nuser-quota=3\ncert=%s\n", secrets);
	start(&running, text);
	stamp = conf_tls_stamp(&running);
	assert_int_equal(conf_renew(&next, &running, &errors), -EALREADY);
	assert_true(stamp == conf_tls_stamp(&running));
	write_file(path, "user-quota=7\n");
	write_cert();
	assert_true(stamp != conf_tls_stamp(&running));
	assert_int_equal(conf_renew(&next, &running, &errors), 0);
	assert_int_equal(next.turn.user_quota, 3);
	assert_int_equal(next.tls.n_pairs, 1);
	assert_true(next.tls.pairs[0].cert.len != running.tls.pairs[0].cert.len ||
		    memcmp(next.tls.pairs[0].cert.p, running.tls.pairs[0].cert.p,
			   next.tls.pairs[0].cert.len));
	conf_free(&next);
	write_file(secrets, "rubbish");
	cannot_renew(&running, "holds no certificate");
	unlink(secrets);
	cannot_renew(&running, "No such file");
	conf_free(&running);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_users_change),
		cmocka_unit_test(test_what_waits_is_kept_and_said),
		cmocka_unit_test(test_bad_file_changes_nothing),
		cmocka_unit_test(test_image_carries_files),
		cmocka_unit_test(test_listeners_follow),
		cmocka_unit_test(test_relays_change),
		cmocka_unit_test(test_new_address_with_auto_is_refused),
		cmocka_unit_test(test_torn_image_is_refused),
		cmocka_unit_test(test_certificates_are_renewed),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
