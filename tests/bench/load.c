// SPDX-License-Identifier: MIT
/*
 * Many channels at a TURN server: allocates as so many clients, binds so many
 * channels for each to the peer's ports from a base upwards, and writes one line
 * for each channel: the client's port, the channel number in hexadecimal, and the
 * relayed address. With --hairpin every two clients are each other's peers. With more
 * than one job, so many clients are at it at a time. The allocations stay when it ends,
 * until the server lets them go.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "client.h"
#include "clock.h"
#include "die.h"

#define JOBS_MAX	64

struct load {
	struct client_side side;
	unsigned int clients, channels, jobs;
	bool hairpin;
	const char *flows_file;
	FILE *flows;
	unsigned long *transactions;	/* of each job, shared with it */
};

static void print_flows(const struct load *l, const struct client *c)
{
	char relayed[ADDRESS_TEXT];

	for (uint32_t i = 0; l->flows && i < l->channels; i++)
		fprintf(l->flows, "%u %x %s\n", c->port, TP_CHANNEL_MIN + i,
			address_text(&c->relayed, relayed));
}

static void run_client(struct load *l, uint32_t number, unsigned long *transactions)
{
	struct client c;

	client_open(&c, &l->side, number);
	client_allocate(&c);
	client_bind(&c, l->channels);
	print_flows(l, &c);
	*transactions += c.transactions;
	close(c.fd);
}

static void run_pair(struct load *l, uint32_t number, unsigned long *transactions)
{
	struct client c[2];

	for (int i = 0; i < 2; i++) {
		client_open(&c[i], &l->side, number + i);
		client_allocate(&c[i]);
	}
	for (int i = 0; i < 2; i++) {
		c[i].peer = c[!i].relayed;
		client_bind(&c[i], 1);
		print_flows(l, &c[i]);
		*transactions += c[i].transactions;
		close(c[i].fd);
	}
}

static void run_job(struct load *l, unsigned int job)
{
	for (uint32_t i = job; i < l->clients; i += l->jobs) {
		if (l->hairpin)
			run_pair(l, 2 * i, &l->transactions[job]);
		else
			run_client(l, i, &l->transactions[job]);
	}
}

/* True where all went well. */
static bool run_jobs(struct load *l)
{
	bool ok = true;
	int status;

	for (unsigned int job = 1; job < l->jobs; job++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork: %s", strerror(errno));
		if (pid)
			continue;
		run_job(l, job);
		exit(EXIT_SUCCESS);
	}
	run_job(l, 0);
	while (wait(&status) > 0)
		ok &= status == 0;
	return ok;
}

/* ------------------------------------------------------------------ options */

static void parse(struct load *l, int argc, char **argv)
{
	static const struct option options[] = {
		CLIENT_OPTIONS,
		{ "clients", required_argument, NULL, 'n' },
		{ "channels", required_argument, NULL, 'c' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "flows-file", required_argument, NULL, 'F' },
		{ "hairpin", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 }
	};
	bool ok = true;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'n': l->clients = (unsigned int)atoi(optarg); break;
		case 'c': l->channels = (unsigned int)atoi(optarg); break;
		case 'j': l->jobs = (unsigned int)atoi(optarg); break;
		case 'F': l->flows_file = optarg; break;
		case 'h': l->hairpin = true; break;
		default: ok &= client_option(&l->side, c, optarg);
		}
	}
	if (!ok || optind != argc || !client_told_all(&l->side) || !l->clients || !l->jobs ||
	    l->jobs > JOBS_MAX || (l->flows_file && l->jobs > 1) ||
	    (l->hairpin && l->channels != 1) ||
	    TP_CHANNEL_MIN + l->channels - 1 > TP_CHANNEL_MAX)
		die(CLIENT_USAGE "\n  [--clients N] [--channels N] [--jobs N] [--flows-file FILE] "
		    "[--hairpin]");
}

int main(int argc, char **argv)
{
	struct load load = { .clients = 1, .channels = 1, .jobs = 1 };
	unsigned long transactions = 0;
	uint64_t from;
	double seconds;

	parse(&load, argc, argv);
	load.transactions = mmap(NULL, JOBS_MAX * sizeof(*load.transactions),
				 PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (load.transactions == MAP_FAILED)
		die("out of memory");
	if (load.flows_file) {
		load.flows = fopen(load.flows_file, "we");
		if (!load.flows)
			die("%s: %s", load.flows_file, strerror(errno));
	}
	from = clock_mono_ns();
	if (!run_jobs(&load))
		die("not all clients were served");
	seconds = (double)(clock_mono_ns() - from) / CLOCK_NS_PER_S;
	if (load.flows && fclose(load.flows))
		die("%s: %s", load.flows_file, strerror(errno));
	for (unsigned int job = 0; job < load.jobs; job++)
		transactions += load.transactions[job];
	printf("%u channels, %.0f allocations/s, %.0f transactions/s\n",
	       load.clients * load.channels, load.clients / seconds,
	       (double)transactions / seconds);
	return EXIT_SUCCESS;
}
