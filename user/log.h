/* SPDX-License-Identifier: MIT */
/* One line per event, key=value, to stderr (the journal), a file or syslog. */
#ifndef TP_LOG_H
#define TP_LOG_H

#include <stdbool.h>
#include "config.h"

/* As the configuration says. Returns 0 or -errno. */
int log_open(const struct conf *conf);
void log_close(void);
void log_level(enum conf_level level);
/* A log file that was moved away is made anew, for this process. Its descriptor (borrowed)
 * for log_use() in another one; -1 where the log is no file, or -errno. */
int log_reopen(void);
/* From now on to this descriptor, which is taken over. */
void log_use(int fd);
bool log_enabled(enum conf_level level);

#define log_error(...)		log_line(LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...)	log_line(LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)		log_line(LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)		log_line(LEVEL_DEBUG, __VA_ARGS__)

void log_line(enum conf_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
