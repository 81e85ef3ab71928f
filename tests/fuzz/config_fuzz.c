// SPDX-License-Identifier: MIT
/*
 * libFuzzer: any bytes as a configuration file. It must neither crash nor leak,
 * and what it accepts without an error must hold together.
 *
 *	clang -g -O1 -fsanitize=fuzzer,address,undefined ... -o build/tests/fuzz/config_fuzz
 *	build/tests/fuzz/config_fuzz tests/fuzz/corpus/config
 */
#include <stdlib.h>
#include <string.h>
#include "config_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_ranges(const struct turn_ranges *ranges)
{
	for (unsigned int i = 0; i < ranges->n; i++) {
		require(ranges->v[i].family == 4 || ranges->v[i].family == 6);
		require(memcmp(ranges->v[i].low, ranges->v[i].high, 16) <= 0);
	}
}

static void check(const struct conf *conf)
{
	const struct turn_conf *turn = &conf->turn;

	require(turn->realm && *turn->realm);
	require(turn->min_port && turn->min_port <= turn->max_port);
	require(conf->listening_port && conf->max_allocations && conf->fast_path_flows);
	require(conf->pin_path && conf->control_socket);
	require(turn->default_lifetime_s && turn->default_lifetime_s <= turn->max_lifetime_s);
	for (unsigned int i = 0; i < turn->n_users; i++)
		require(*turn->users[i].name &&
			(turn->users[i].has_md5_key != !!turn->users[i].password));
	for (unsigned int i = 0; i < turn->n_secrets; i++)
		require(*turn->secrets[i]);
	check_ranges(&turn->allowed);
	check_ranges(&turn->denied);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char other_file[] = "auth-secret-file";
	struct conf_errors errors = { 0 };
	unsigned int secret_line;
	struct conf conf;
	FILE *in, *out;

	/* opens what it names, which is not for a fuzzer to choose */
	if (!size || memmem(data, size, other_file, sizeof(other_file) - 1))
		return 0;
	in = fmemopen((void *)(uintptr_t)data, size, "r");
	out = fopen("/dev/null", "w");
	if (!in || !out)
		abort();
	errors.out = out;
	conf_init(&conf);
	conf.sealed = true;		/* no include */
	conf_read_stream(&conf, in, "fuzz", &secret_line, &errors);
	conf_finish(&conf, &errors);
	if (!errors.errors)
		check(&conf);
	conf_print(&conf, out);
	conf_free(&conf);
	fclose(in);
	fclose(out);
	return 0;
}
