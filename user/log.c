// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>
#include "log.h"

#define STAMP_TEXT	128

/* Opened once at the start, before there are threads. A reload changes the level, and what
 * the file's descriptor stands for. */
static struct {
	FILE *file;			/* NULL: stderr */
	char *path;
	int level;			/* enum conf_level; atomic */
	bool syslog;
	char *stamp;			/* strftime()'s format and %f; NULL: ISO 8601, UTC */
	unsigned int lost;		/* lines since somebody read the last one; atomic */
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

int log_open(const struct conf *conf)
{
	const char *target = conf->log_file;

	log_close();
	log_level(conf->log_level);
	sink.stamp = conf->stamp ? strdup(conf->stamp) : NULL;
	if (conf->syslog) {
		openlog("turnpiked", LOG_PID, conf->syslog_facility);
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
	free(sink.stamp);
	sink.path = NULL;
	sink.stamp = NULL;
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

/* strftime() does not know %f: milliseconds, as coturn has it. */
static void stamp_as_told(char *buf, size_t len, const struct timespec *now)
{
	const char *at = sink.stamp, *next;
	char format[2 * STAMP_TEXT];
	size_t n = 0;
	struct tm tm;

	for (; *at && n + 4 < sizeof(format); at = next) {
		next = at + (*at == '%' && at[1] ? 2 : 1);
		if (at[0] == '%' && at[1] == 'f') {
			n += (size_t)snprintf(format + n, sizeof(format) - n, "%03ld",
					      now->tv_nsec / 1000000);
			continue;
		}
		memcpy(format + n, at, (size_t)(next - at));
		n += (size_t)(next - at);
	}
	format[n] = 0;
	localtime_r(&now->tv_sec, &tm);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"	/* it is the operator's */
	buf[strftime(buf, len, format, &tm)] = 0;
#pragma GCC diagnostic pop
}

static void stamp_make(char *buf, size_t len)
{
	struct timespec now;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	if (sink.stamp) {
		stamp_as_told(buf, len, &now);
		return;
	}
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(buf, len, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, len - n, ".%03ldZ", now.tv_nsec / 1000000);
}

/* Clients do not wait for a pipe or a socket that nobody reads. */
static bool has_room(FILE *out)
{
	struct pollfd p = { .fd = fileno(out), .events = POLLOUT };

	return poll(&p, 1, 0) != 0;
}

static void put(enum conf_level level, const char *line)
{
	FILE *out = sink.file ? sink.file : stderr;
	char stamp[STAMP_TEXT];
	unsigned int lost;

	if (!has_room(out)) {
		__atomic_add_fetch(&sink.lost, 1, __ATOMIC_RELAXED);
		return;
	}
	stamp_make(stamp, sizeof(stamp));
	lost = __atomic_exchange_n(&sink.lost, 0, __ATOMIC_RELAXED);
	if (lost)
		fprintf(out, "%s warning: log: %u lines lost, nobody read it\n", stamp, lost);
	fprintf(out, "%s %s: %s\n", stamp, levels[level].word, line);
}

void log_line(enum conf_level level, const char *format, ...)
{
	char line[1024];
	va_list args;

	if (!log_enabled(level))
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (sink.syslog)
		syslog(levels[level].priority, "%s", line);
	else
		put(level, line);
}
