// SPDX-License-Identifier: MIT
/* relay-device: the relay process, which has no privilege, binds its sockets to a device. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "net/device.h"
#include "net/tcp.h"
#include "net/udp.h"

#define NOBODY	65534

static const struct tp_addr any = { .family = 4 };

static bool is_on(int fd, const char *device)
{
	char name[16] = "";
	socklen_t len = sizeof(name);

	return fd >= 0 && !getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len) &&
	       !strcmp(name, device);
}

/* Its exit status is the line that is not true, 0 for none. */
#define HOLDS(what)	do { if (!(what)) _exit(__LINE__); } while (0)

static void as_nobody(void)
{
	int udp, tcp, off;

	HOLDS(!setresgid(NOBODY, NOBODY, NOBODY) && !setresuid(NOBODY, NOBODY, NOBODY));
	HOLDS(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	udp = udp_open_relay(&any, 0, "lo");
	HOLDS(is_on(udp, "lo"));
	/* one that has a device must keep it: the sign that there is no privilege left */
	HOLDS(device_bind(udp, "lo") == -EPERM);
	tcp = tcp_open_relay(&any, "lo");
	HOLDS(is_on(tcp, "lo"));
	HOLDS(udp_open_relay(&any, 0, "nowhere0") == -ENODEV);
	off = udp_open_relay(&any, 0, NULL);
	HOLDS(is_on(off, ""));
	_exit(0);
}

static void without_privilege(void **state)
{
	pid_t child;
	int status;

	(void)state;
	if (geteuid())
		skip();
	child = fork();
	assert_true(child >= 0);
	if (!child)
		as_nobody();
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(without_privilege) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
