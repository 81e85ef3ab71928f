/* SPDX-License-Identifier: MIT */
/* For the tests of the configuration: a text read, and what was said about it. */
#ifndef TP_CONFIG_GIVEN_H
#define TP_CONFIG_GIVEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "address.h"
#include "config_table.h"

struct given {
	struct conf conf;
	struct conf_errors errors;
	char *said;
	size_t len;
};

/* The text as file "t", without conf_finish(). */
static inline void given_read(struct given *given, const char *text)
{
	unsigned int secret_line;
	FILE *in = tmpfile();

	assert_non_null(in);
	assert_int_equal(fwrite(text, 1, strlen(text), in), strlen(text));
	rewind(in);
	memset(given, 0, sizeof(*given));
	given->errors.out = open_memstream(&given->said, &given->len);
	conf_init(&given->conf);
	assert_int_equal(conf_read_stream(&given->conf, in, "t", &secret_line, &given->errors), 0);
	fclose(in);
	fflush(given->errors.out);
}

static inline void given_finish(struct given *given, const char *text)
{
	given_read(given, text);
	conf_finish(&given->conf, &given->errors);
	fflush(given->errors.out);
}

static inline void given_free(struct given *given)
{
	conf_free(&given->conf);
	fclose(given->errors.out);
	free(given->said);
}

static inline void said(const struct given *given, const char *words)
{
	if (!strstr(given->said, words))
		fail_msg("'%s' is not in:\n%s", words, given->said);
}

static inline void not_said(const struct given *given, const char *words)
{
	if (strstr(given->said, words))
		fail_msg("'%s' is in:\n%s", words, given->said);
}

#endif
