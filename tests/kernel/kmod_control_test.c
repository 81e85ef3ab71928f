// SPDX-License-Identifier: MIT
/* Who may open /dev/turnpike, and what it takes for tables. */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/capability.h>
#include <cmocka.h>
#include "world_kmod.h"

static const struct kmod_ports ports;
static struct world world;

static struct turnpike_tables right(void)
{
	return kmod_tables(&world.tables, &ports);
}

static int map(enum bpf_map_type type, __u32 key, __u32 value, __u32 entries)
{
	int fd = bpf_map_create(type, "tp_test", key, value, entries, NULL);

	assert_true(fd >= 0);
	return fd;
}

/* The module refuses, with this error, and says something of this. */
static void refused(int session, struct turnpike_tables *given, int err, const char *says)
{
	assert_int_equal(ioctl(session, TURNPIKE_SET_TABLES, given), -1);
	assert_int_equal(errno, err);
	if (!strstr(given->why, says))
		fail_msg("says \"%s\", not \"%s\"", given->why, says);
}

static int new_session(void)
{
	int fd = open(TURNPIKE_DEVICE, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void right_tables_are_taken(void **state)
{
	struct turnpike_tables given = right();
	int session = new_session();

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(ioctl(session, TURNPIKE_SET_TABLES, &given), 0);
	close(session);
}

static void wrong_descriptors(void **state)
{
	int session = new_session(), file = open("/proc/self/status", O_RDONLY);

	(void)state;
	for (int i = 0; i < TURNPIKE_MAPS; i++) {
		struct turnpike_tables given = right();

		given.fd[i] = -1;
		refused(session, &given, EBADF, "not a descriptor");
		given.fd[i] = 100000;
		refused(session, &given, EBADF, "not a descriptor");
		given.fd[i] = file;
		refused(session, &given, EBADF, "not a descriptor of a BPF map");
		given.fd[i] = session;
		refused(session, &given, EBADF, "not a descriptor of a BPF map");
	}
	close(file);
	close(session);
}

static void wrong_maps(void **state)
{
	int session = new_session();
	int hash = map(BPF_MAP_TYPE_HASH, 4, 128, 64);
	int array = map(BPF_MAP_TYPE_ARRAY, 4, 24, 64);
	int percpu = map(BPF_MAP_TYPE_PERCPU_ARRAY, 4, 16, 3);

	(void)state;
	for (int i = 0; i < TURNPIKE_MAPS; i++) {
		struct turnpike_tables given = right();

		given.fd[i] = hash;
		refused(session, &given, EINVAL, "another type");
		given.fd[i] = i == TURNPIKE_STATS ? percpu : array;
		refused(session, &given, EINVAL,
			i == TURNPIKE_STATS ? "number of reasons" : "another size");
		given = right();
		/* the two flow tables are of one shape */
		if (i == TURNPIKE_ROWS4)
			continue;
		given.fd[i] = right().fd[(i + 1) % TURNPIKE_MAPS];
		assert_int_equal(ioctl(session, TURNPIKE_SET_TABLES, &given), -1);
		assert_int_equal(errno, EINVAL);
	}
	close(hash);
	close(array);
	close(percpu);
	close(session);
}

static void wrong_sizes_and_version(void **state)
{
	struct turnpike_tables given = right();
	int session = new_session();
	int few = map(BPF_MAP_TYPE_ARRAY, 4, sizeof(struct tp_slot4), TP_PROBE - 1);
	int other = map(BPF_MAP_TYPE_ARRAY, 4, sizeof(struct tp_slot4),
			2 * world.tables.meta->rows4);

	(void)state;
	given.fd[TURNPIKE_ROWS4] = few;
	refused(session, &given, EINVAL, "tp_rows4");
	given.fd[TURNPIKE_ROWS4] = other;
	refused(session, &given, EINVAL, "tp_rows4");
	given = right();
	given.abi_version++;
	refused(session, &given, EPROTO, "ABI version");
	given = right();
	world.tables.meta->abi_version++;
	refused(session, &given, EPROTO, "ABI version");
	world.tables.meta->abi_version--;
	given.ports = 8;
	refused(session, &given, EFAULT, "ports");
	assert_int_equal(ioctl(session, TURNPIKE_SET_TABLES, NULL), -1);
	assert_int_equal(errno, EFAULT);
	assert_int_equal(ioctl(session, 0xb702, NULL), -1);
	assert_int_equal(errno, ENOTTY);
	close(few);
	close(other);
	close(session);
}

/* A descriptor that may only read or only write is not enough. */
static void wrong_rights(void **state)
{
	static const __u32 flags[] = { BPF_F_RDONLY, BPF_F_WRONLY };
	int session = new_session();

	(void)state;
	for (int i = 0; i < 2; i++) {
		LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = flags[i]);
		struct turnpike_tables given = right();
		int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "tp_test", 4, sizeof(struct tp_meta),
					1, &opts);

		assert_true(fd >= 0);
		given.fd[TURNPIKE_META] = fd;
		refused(session, &given, EACCES, "reading and writing");
		close(fd);
	}
	close(session);
}

/* What a child that gave something up gets from open(): 0 or errno. */
static int opened_without(bool uid, bool capability)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (capability && prctl(PR_CAPBSET_DROP, CAP_NET_ADMIN, 0, 0, 0))
			_exit(100);
		if (uid && setuid(65534))
			_exit(101);
		/* the bounding set counts from the next execve() on */
		if (capability)
			execlp("setpriv", "setpriv", "--bounding-set=-net_admin", "--inh-caps=-all",
			       "bash", "-c", "(exec 3<>" TURNPIKE_DEVICE ") 2>/dev/null || exit 1", NULL);
		_exit(open(TURNPIKE_DEVICE, O_RDWR) < 0 ? errno : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

static void who_may_open(void **state)
{
	(void)state;
	assert_int_equal(opened_without(false, false), 0);
	assert_int_equal(opened_without(true, false), EACCES);
	assert_int_equal(opened_without(false, true), 1);
}

/* The first user of a new user namespace has every right there, and none to the device. */
static void user_namespace(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		if (setuid(65534) || unshare(CLONE_NEWUSER | CLONE_NEWNET))
			_exit(EACCES);	/* not permitted here, which is as good */
		_exit(open(TURNPIKE_DEVICE, O_RDWR) < 0 ? errno : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), EACCES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(right_tables_are_taken),
		cmocka_unit_test(wrong_descriptors),
		cmocka_unit_test(wrong_maps),
		cmocka_unit_test(wrong_sizes_and_version),
		cmocka_unit_test(wrong_rights),
		cmocka_unit_test(who_may_open),
		cmocka_unit_test(user_namespace),
	};
	const char *why = "";

	if (world_kmod(&world, &why)) {
		printf("not ok 1 - %s\n", why);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
