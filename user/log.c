// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>
#include "log.h"

/* Opened once at the start, before there are threads; only read afterwards. */
static struct {
	FILE *file;			/* NULL: stderr */
	enum conf_level level;
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
	sink.level = level;
	if (target && !strcmp(target, "syslog")) {
		openlog("turnpiked", LOG_PID, LOG_DAEMON);
		sink.syslog = true;
	} else if (target) {
		sink.file = fopen(target, "ae");
		if (!sink.file)
			return -errno;
		setvbuf(sink.file, NULL, _IOLBF, 0);
	}
	return 0;
}

void log_close(void)
{
	if (sink.file)
		fclose(sink.file);
	if (sink.syslog)
		closelog();
	sink.file = NULL;
	sink.syslog = false;
}

bool log_enabled(enum conf_level level)
{
	return level <= sink.level;
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
