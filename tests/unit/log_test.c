// SPDX-License-Identifier: MIT
/* A log that nobody reads, or that cannot be written, stops nothing (E14 of the bad input). */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "log.h"

#define LINES	3000
#define PATIENCE_S	60

static void to_stderr(int fd, unsigned int from, unsigned int n)
{
	int was = dup(2);

	assert_true(was >= 0 && dup2(fd, 2) == 2);
	for (unsigned int i = from; i < from + n; i++)
		log_warning("line %u %0100d", i, 0);
	assert_int_equal(dup2(was, 2), 2);
	close(was);
}

/* What there is to read, ended by a NUL. */
static char *taken(int fd)
{
	char *text = calloc(1, 1 << 20);
	size_t len = 0;
	ssize_t n;

	assert_non_null(text);
	while ((n = read(fd, text + len, (1 << 20) - 1 - len)) > 0)
		len += (size_t)n;
	return text;
}

static unsigned int lines_of(const char *text)
{
	unsigned int n = 0;

	for (; (text = strchr(text, '\n')); text++)
		n++;
	return n;
}

static void nobody_reads(void **state)
{
	unsigned int fit;
	char *text, want[64];
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	alarm(PATIENCE_S);		/* it would wait for ever */
	to_stderr(ends[1], 0, LINES);
	alarm(0);
	text = taken(ends[0]);
	fit = lines_of(text);
	assert_in_range(fit, 100, LINES - 100);
	snprintf(want, sizeof(want), "warning: line %u ", fit - 1);
	assert_non_null(strstr(text, want));	/* the first ones, without a gap */
	free(text);
	to_stderr(ends[1], LINES, 2);
	text = taken(ends[0]);
	assert_int_equal(lines_of(text), 3);
	snprintf(want, sizeof(want), "warning: log: %u lines lost", LINES - fit);
	assert_non_null(strstr(text, want));
	assert_non_null(strstr(text, "line 3001 "));
	free(text);
	close(ends[0]);
	close(ends[1]);
}

static void disk_is_full(void **state)
{
	struct conf conf = { .log_file = (char *)(uintptr_t)"/dev/full" };

	(void)state;
	conf.log_level = LEVEL_INFO;
	assert_int_equal(log_open(&conf), 0);
	for (unsigned int i = 0; i < LINES; i++)
		log_warning("line %u", i);
	log_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_reads),
		cmocka_unit_test(disk_is_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
