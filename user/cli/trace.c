// SPDX-License-Identifier: MIT
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "address.h"
#include "cli/cli.h"
#include "clock.h"
#include "dataplane/tracer.h"
#include "report.h"

#define ROUND_NS	100000000ULL	/* how often signals, time and programs are looked at */

struct run {
	const struct cli *cli;
	struct trace_show show;
	sigset_t signals;
	uint64_t shown;
	uint64_t round_ns;		/* CLOCK_MONOTONIC: end of this round */
	uint64_t end_ns;		/* and of all; 0: open */
};

/* ----------------------------------------------------------------- options */

static bool parse_number(uint64_t *number, const char *name, const char *text)
{
	char *end;

	*number = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && *number && *number <= UINT32_MAX)
		return true;
	fprintf(stderr, "turnpike: --%s %s is not a number from 1 up\n", name, text);
	return false;
}

static bool parse_address(struct tp_addr *addr, const char *name, const char *text)
{
	if (address_parse_port(addr, text))
		return true;
	fprintf(stderr, "turnpike: --%s %s is not an address or address:port\n", name, text);
	return false;
}

static bool add_reason(struct tp_trace_filter *filter, const char *word, size_t len)
{
	for (unsigned int i = 0; i < TP_TRACE_REASONS; i++) {
		const char *known = report_reason(i);

		if (strlen(known) == len && !strncmp(known, word, len)) {
			filter->reasons |= 1ULL << i;
			return true;
		}
	}
	fprintf(stderr, "turnpike: --reason %.*s: the kernel counts nothing by that name; "
		"see turnpike stats --all\n", (int)len, word);
	return false;
}

static bool add_reasons(struct tp_trace_filter *filter, const char *list)
{
	for (;;) {
		size_t len = strcspn(list, ",");

		if (!add_reason(filter, list, len))
			return false;
		if (!list[len])
			return true;
		list += len + 1;
	}
}

bool trace_option(struct cli *cli, int option, const char *value)
{
	struct tp_trace_filter *filter = &cli->trace.filter;
	uint64_t sample;

	switch (option) {
	case OPT_CLIENT:
		return parse_address(&filter->client, "client", value);
	case OPT_PEER:
		return parse_address(&filter->peer, "peer", value);
	case OPT_REASON:
		return add_reasons(filter, value);
	case OPT_SAMPLE:
		if (!parse_number(&sample, "sample", value))
			return false;
		filter->sample = (uint32_t)sample;
		return true;
	case OPT_COUNT:
		return parse_number(&cli->trace.count, "count", value);
	case OPT_SECONDS:
		return parse_number(&cli->trace.seconds, "seconds", value);
	case OPT_HEX:
		filter->heads = 1;
		return true;
	default:
		return false;
	}
}

/* ------------------------------------------------------------------- a run */

static bool has_enough(const struct run *run)
{
	return run->cli->trace.count && run->shown >= run->cli->trace.count;
}

/* By its own count, time or a signal; whoever reads the output and ends, ends us (SIGPIPE). */
static bool is_over(const struct run *run)
{
	const struct timespec none = { 0 };

	return has_enough(run) || ferror(stdout) ||
	       (run->end_ns && clock_mono_ns() >= run->end_ns) ||
	       sigtimedwait(&run->signals, NULL, &none) > 0;
}

static int found(void *ctx, const struct tp_trace *event)
{
	struct run *run = ctx;

	if (has_enough(run))
		return 1;
	trace_show(&run->show, event);
	run->shown++;
	return has_enough(run) || clock_mono_ns() >= run->round_ns;
}

static int explain(const struct cli *cli, int err)
{
	switch (-err) {
	case ENOENT:
		fprintf(stderr, "turnpike: no programs in %s: nothing is relayed in the kernel "
			"(no daemon, or dataplane=user)\n", cli->pin_path);
		return CLI_NO_DAEMON;
	case EBUSY:
		fprintf(stderr, "turnpike: another turnpike trace is running: one at a time\n");
		return CLI_FAILED;
	case EPROTO:
		fprintf(stderr, "turnpike: %s: made by another version\n", cli->pin_path);
		return CLI_FAILED;
	case EPERM:
	case EACCES:
		fprintf(stderr, "turnpike: %s: not permitted: trace takes root\n", cli->pin_path);
		return CLI_FAILED;
	default:
		fprintf(stderr, "turnpike: %s: %s\n", cli->pin_path, strerror(-err));
		return CLI_FAILED;
	}
}

static int watch(struct run *run, struct tracer *tracer)
{
	int err = 0;

	while (!err && !is_over(run)) {
		run->round_ns = clock_mono_ns() + ROUND_NS;
		err = tracer_poll(tracer, (int)(ROUND_NS / 1000000));
		fflush(stdout);
		if (err)
			break;
		err = tracer_follow(tracer);
		if (err > 0) {
			fputs("turnpike: the daemon has loaded its programs anew\n", stderr);
			err = 0;
		}
	}
	return err;
}

int trace_run(const struct cli *cli)
{
	struct run run = { .cli = cli };
	struct tp_trace_filter filter = cli->trace.filter;
	struct tracer *tracer;
	int err, stopped;

	sigemptyset(&run.signals);
	sigaddset(&run.signals, SIGINT);
	sigaddset(&run.signals, SIGTERM);
	sigaddset(&run.signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &run.signals, NULL);
	if (!filter.reasons)
		filter.reasons = ~0ULL;
	trace_show_init(&run.show, cli);
	err = tracer_open(&tracer, cli->pin_path, &filter, found, &run);
	if (err)
		return explain(cli, err);
	fprintf(stderr, "turnpike: tracing the programs in %s\n", cli->pin_path);
	if (cli->trace.seconds)
		run.end_ns = clock_mono_ns() + cli->trace.seconds * CLOCK_NS_PER_S;
	err = watch(&run, tracer);
	run.round_ns = UINT64_MAX;
	stopped = tracer_stop(tracer);
	fflush(stdout);
	fprintf(stderr, "turnpike: %llu shown, %llu lost%s\n", (unsigned long long)run.shown,
		(unsigned long long)tracer_lost(tracer),
		tracer_lost(tracer) ? " for want of room: --sample shows fewer" : "");
	if (stopped)
		fprintf(stderr, "turnpike: the programs are not back in their places (%s): start "
			"turnpiked again, or turnpike trace\n", strerror(-stopped));
	tracer_close(tracer);
	if (err)
		return explain(cli, err);
	return stopped ? CLI_FAILED : CLI_OK;
}
