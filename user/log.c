// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>
#include "log.h"

/* Opened once at the start, before there are threads. A reload changes the level, and what
 * the file's descriptor stands for. */
static struct {
	FILE *file;			/* NULL: stderr */
	char *path;
	int level;			/* enum conf_level; atomic */
	bool syslog;
} sink = { .level = LEVEL_INFO };

static const struct {
	const char *word;
	int priority;			/* syslog(3) */
} levels[] = {
	[LEVEL_ERROR] = { "error", LOG_ERR },
	[LEVEL_WARNING] = { "warning", LOG_WARNING },
	[LEVEL_INFO] = { "info", LOG_INFO },
	[LEVEL_DEBUG] = { "debug", LOG_DEBUG },
};

int log_open(const char *target, enum conf_level level)
{
	log_close();
	log_level(level);
	if (target && !strcmp(target, "syslog")) {
		openlog("turnpiked", LOG_PID, LOG_DAEMON);
		sink.syslog = true;
	} else if (target) {
		sink.file = fopen(target, "ae");
		if (!sink.file)
			return -errno;
		setvbuf(sink.file, NULL, _IOLBF, 0);
		sink.path = strdup(target);
	}
	return 0;
}

void log_close(void)
{
	if (sink.file)
		fclose(sink.file);
	if (sink.syslog)
		closelog();
	free(sink.path);
	sink.path = NULL;
	sink.file = NULL;
	sink.syslog = false;
}

void log_level(enum conf_level level)
{
	__atomic_store_n(&sink.level, (int)level, __ATOMIC_RELAXED);
}

int log_reopen(void)
{
	int fd;

	if (!sink.path)
		return -1;
	fd = open(sink.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (fd < 0) {
		log_error("log-file %s: %s", sink.path, strerror(errno));
		return -errno;
	}
	log_use(fd);
	return fileno(sink.file);
}

void log_use(int fd)
{
	/* atomic: other threads write to one file or the other */
	if (sink.file)
		dup3(fd, fileno(sink.file), O_CLOEXEC);
	close(fd);
}

bool log_enabled(enum conf_level level)
{
	return (int)level <= __atomic_load_n(&sink.level, __ATOMIC_RELAXED);
}

void log_line(enum conf_level level, const char *format, ...)
{
	FILE *out = sink.file ? sink.file : stderr;
	char line[1024], stamp[32];
	struct timespec now;
	struct tm tm;
	va_list args;

	if (!log_enabled(level))
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (sink.syslog) {
		syslog(levels[level].priority, "%s", line);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	fprintf(out, "%s.%03ldZ %s: %s\n", stamp, now.tv_nsec / 1000000, levels[level].word, line);
}
