// SPDX-License-Identifier: MIT
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "ids.h"

int ids_find(const struct conf *conf, uid_t *uid, gid_t *gid, char why[IDS_WHY])
{
	const struct passwd *pw;
	const struct group *gr;

	*uid = geteuid();
	*gid = getegid();
	if (*uid)
		return 0;
	pw = getpwnam(conf->proc_user ? conf->proc_user : "turnpike");
	if (!pw && !conf->proc_user)
		pw = getpwnam("nobody");
	if (!pw || pw->pw_uid == 0) {
		snprintf(why, IDS_WHY, "proc-user: %.64s: no such unprivileged user",
			 conf->proc_user ? conf->proc_user : "nobody");
		return -ENOENT;
	}
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	if (!conf->proc_group)
		return 0;
	gr = getgrnam(conf->proc_group);
	if (!gr) {
		snprintf(why, IDS_WHY, "proc-group: %.64s: no such group", conf->proc_group);
		return -ENOENT;
	}
	*gid = gr->gr_gid;
	return 0;
}

bool ids_drop(uid_t uid, gid_t gid, pid_t parent)
{
	if (geteuid() == 0 &&
	    (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid)))
		return false;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return false;
	/* after the change of user, which clears it */
	prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	return getppid() == parent;
}
