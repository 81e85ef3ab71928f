// SPDX-License-Identifier: MIT
/* Configuration files that bring others. */
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include "config_table.h"

#define DEPTH_MAX	8

/* A name without a slash at its front is beside the file that names it; the caller's. */
static char *path_beside(const char *where, const char *name)
{
	const char *colon = strrchr(where, ':'), *slash = NULL;
	char *path;

	/* "/etc/turnpike/turnpike.conf:12"; "--include" is no file */
	if (*name != '/' && colon)
		slash = memrchr(where, '/', (size_t)(colon - where));
	if (asprintf(&path, "%.*s%s", slash ? (int)(slash - where + 1) : 0, where, name) < 0)
		abort();
	return path;
}

static void read_one(const struct conf_line *line, const char *path)
{
	int err = conf_read(line->conf, path, line->errors);

	if (err)
		conf_report(line->errors, line->where, LEVEL_ERROR, "include %.200s: %s", path,
			    strerror(-err));
}

void conf_set_include(const struct conf_line *line)
{
	struct conf *conf = line->conf;
	glob_t found = { 0 };
	char *path;

	/* in an image, what it brought is there line by line */
	if (conf->sealed || !*line->value)
		return;
	if (conf->include_depth == DEPTH_MAX) {
		conf_report(line->errors, line->where, LEVEL_ERROR,
			    "include %.200s: files in files, %u deep: do they name each other?",
			    line->value, DEPTH_MAX);
		return;
	}
	conf->include_depth++;
	path = path_beside(line->where, line->value);
	/* sorted; a pattern that nothing matches is fine, a file that is missing is not */
	switch (glob(path, GLOB_NOMAGIC, NULL, &found)) {
	case 0:
		for (size_t i = 0; i < found.gl_pathc; i++)
			read_one(line, found.gl_pathv[i]);
		break;
	case GLOB_NOMATCH:
		break;
	default:
		conf_report(line->errors, line->where, LEVEL_ERROR,
			    "include %.200s: cannot be read", path);
	}
	globfree(&found);
	free(path);
	conf->include_depth--;
}
