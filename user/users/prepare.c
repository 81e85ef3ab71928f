// SPDX-License-Identifier: MIT
/* The file of a SQLite database, before the unprivileged process needs it. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "log.h"
#include "users/sqlite.h"
#include "users/users.h"

/* Not for everybody: a key in it is as good as its password. */
int users_make_file(const struct conf *conf, gid_t gid, char *why)
{
	int fd = open(conf->userdb_text, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0640);

	if (fd < 0 && errno == EEXIST)
		return 0;
	if (fd < 0 || (geteuid() == 0 && fchown(fd, 0, gid))) {
		snprintf(why, DATABASE_WHY, "%.120s: %s", conf->userdb_text, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	close(fd);
	return sqlite_make(conf->userdb_text, why);
}

/* Asked by a child that has become that user: 0 or an errno. */
static int read_as(const char *path, uid_t uid, gid_t gid)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		if (geteuid() == 0 &&
		    (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid)))
			_exit(EPERM);
		_exit(open(path, O_RDONLY | O_CLOEXEC) < 0 ? errno : 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return ECHILD;
	return WEXITSTATUS(status);
}

int users_prepare(const struct conf *conf, uid_t uid, gid_t gid)
{
	char why[DATABASE_WHY];
	int err;

	if (conf->userdb != USERDB_SQLITE)
		return 0;
	if (users_make_file(conf, gid, why)) {
		log_error("userdb %s", why);
		return -1;
	}
	err = read_as(conf->userdb_text, uid, gid);
	if (!err)
		return 0;
	log_error("userdb %s: %s for the relay process (uid %u, gid %u): chgrp and chmod g+r it",
		  conf->userdb_text, strerror(err), (unsigned int)uid, (unsigned int)gid);
	return -1;
}
