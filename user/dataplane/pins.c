// SPDX-License-Identifier: MIT
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "dataplane/pins.h"

int pins_path(char out[PATH_MAX], const char *dir, const char *prefix, const char *name)
{
	size_t from;
	int n = snprintf(out, PATH_MAX, "%s/%s", dir, prefix);

	if (n < 0 || n >= PATH_MAX)
		return -ENAMETOOLONG;
	from = (size_t)n;
	n = snprintf(out + from, PATH_MAX - from, "%s", name);
	if (n < 0 || (size_t)n >= PATH_MAX - from)
		return -ENAMETOOLONG;
	for (char *p = out + from; *p; p++) {
		if (*p == '.')
			*p = '~';
	}
	return 0;
}

int pins_make(const char *dir)
{
	bool made = !mkdir(dir, 0700);
	struct statfs fs;

	if (!made && errno != EEXIST)
		return errno == ENOENT ? -ENODEV : -errno;
	if (statfs(dir, &fs))
		return -errno;
	if (fs.f_type == BPF_FS_MAGIC)
		return 0;
	if (made)
		rmdir(dir);
	return -ENODEV;
}

int pins_replace(int fd, const char *dir, const char *name)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	int err;

	err = pins_path(path, dir, "", name);
	if (!err)
		err = pins_path(fresh, dir, "new_", name);
	if (err)
		return err;
	unlink(fresh);		/* of one that died here */
	if (bpf_obj_pin(fd, fresh))
		return -errno;
	if (!rename(fresh, path))
		return 0;
	err = -errno;
	unlink(fresh);
	return err;
}

bool pins_is_link(const char *name)
{
	return !strncmp(name, PINS_LINK, strlen(PINS_LINK));
}

static bool ours(const char *name)
{
	static const char *const prefixes[] = { PINS_LINK, PINS_TC, PINS_CLSACT, "tp_", "new_" };

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
			return true;
	}
	return !strcmp(name, PINS_PROG);
}

int pins_each(const char *dir, int (*found)(void *ctx, const char *dir, const char *name),
	      void *ctx)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	int err = 0;

	if (!d)
		return -errno;
	while (!err && (entry = readdir(d))) {
		if (ours(entry->d_name))
			err = found(ctx, dir, entry->d_name);
	}
	closedir(d);
	return err;
}
