// SPDX-License-Identifier: MIT
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "clock.h"
#include "dataplane/constants.h"
#include "dataplane/pins.h"
#include "dataplane/swap.h"
#include "dataplane/tables.h"
#include "dataplane/tracer.h"
/* generated */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"
#include "turnpike_trace.skel.h"
#include "turnpike_trace_tc.skel.h"
#pragma GCC diagnostic pop

#define LEASE_NS	(10 * CLOCK_NS_PER_S)

struct tracer {
	char pin_path[PATH_MAX];
	struct tp_trace_filter filter;
	tracer_found found;
	void *ctx;
	int lock_fd;			/* the directory of pins */
	/* NULL and -1 where nothing is traced */
	struct turnpike_trace_bpf *xdp;		/* NULL also where no place is XDP's */
	struct turnpike_trace_tc_bpf *tc;	/* or tc's */
	struct bpf_object *maps;		/* the one of them that has made our maps */
	struct tp_trace_control *control;
	struct ring_buffer *events;
	pid_t guard;
	int guard_fd;			/* it waits for this to be closed */
	uint64_t lost;			/* by programs that are gone */
};

/* ---------------------------------------------------------------- loading */

static bool is_own(const struct bpf_map *map)
{
	return !strncmp(bpf_map__name(map), "tp_trace_", strlen("tp_trace_")) ||
	       !strcmp(bpf_map__name(map), "tp_work");
}

/* The tables are those that are pinned; ours are the first object's. */
static int share_map(const struct tracer *t, struct bpf_map *map)
{
	char path[PATH_MAX];
	int fd, err;

	if (is_own(map)) {
		fd = t->maps ? bpf_object__find_map_fd_by_name(t->maps, bpf_map__name(map)) : -1;
		return fd < 0 ? 0 : bpf_map__reuse_fd(map, fd);
	}
	err = pins_path(path, t->pin_path, "", bpf_map__name(map));
	if (err)
		return err;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -errno;
	err = bpf_map__reuse_fd(map, fd);
	close(fd);
	return err;
}

static int load_object(struct tracer *t, struct bpf_object *obj)
{
	struct bpf_map *map;
	int err = 0;

	bpf_object__for_each_map(map, obj) {
		if (!err && !bpf_map__is_internal(map))
			err = share_map(t, map);
	}
	err = err ? err : bpf_object__load(obj);
	if (!err && !t->maps)
		t->maps = obj;
	return err;
}

static int load_xdp(struct tracer *t, const struct tp_meta *meta)
{
	t->xdp = turnpike_trace_bpf__open();
	if (!t->xdp)
		return -errno;
	CONSTANTS_SET(t->xdp->rodata, meta);
	return load_object(t, t->xdp->obj);
}

static int load_tc(struct tracer *t, const struct tp_meta *meta)
{
	t->tc = turnpike_trace_tc_bpf__open();
	if (!t->tc)
		return -errno;
	CONSTANTS_SET(t->tc->rodata, meta);
	return load_object(t, t->tc->obj);
}

/* What the places need: the verifier takes a second for each. */
static int load(struct tracer *t)
{
	struct tables tables;
	bool xdp, tc;
	int err = tables_open_pinned(&tables, t->pin_path, false);

	if (err)
		return err;
	err = swap_places(t->pin_path, &xdp, &tc);
	if (!err && xdp)
		err = load_xdp(t, tables.meta);
	if (!err && tc)
		err = load_tc(t, tables.meta);
	tables_close(&tables);
	return err;
}

static int own_map(const struct tracer *t, const char *name)
{
	return bpf_object__find_map_fd_by_name(t->maps, name);
}

/* ----------------------------------------------------------------- control */

static int event_seen(void *ctx, void *data, size_t size)
{
	struct tracer *t = ctx;
	struct tp_trace event = { 0 };

	memcpy(&event, data, size < sizeof(event) ? size : sizeof(event));
	if (!t->filter.heads)
		event.head_len = 0;
	/* an error is what ends the round */
	return t->found(t->ctx, &event) ? -ECANCELED : 0;
}

static void renew(const struct tracer *t)
{
	__atomic_store_n(&t->control->until_ns, clock_mono_ns() + LEASE_NS, __ATOMIC_RELAXED);
}

static int open_control(struct tracer *t)
{
	void *p = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED,
		       own_map(t, "tp_trace_control"), 0);

	if (p == MAP_FAILED)
		return -errno;
	t->control = p;
	t->control->filter = t->filter;
	renew(t);
	t->events = ring_buffer__new(own_map(t, "tp_trace_events"), event_seen, t, NULL);
	return t->events ? 0 : -errno;
}

/* ------------------------------------------------------------------- guard */

/* Signals are for the tracer; whatever ends that one ends the wait. */
static void __attribute__((noreturn)) guard_main(const struct tracer *t, int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	char byte;

	setsid();
	for (int sig = 1; sig < SIGRTMIN; sig++)
		signal(sig, SIG_IGN);
	/* who waits for the end of the tracer's output is not to wait for us */
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	while (read(fd, &byte, 1) < 0 && errno == EINTR)
		;
	_exit(swap_back(t->pin_path) ? EXIT_FAILURE : EXIT_SUCCESS);
}

static int start_guard(struct tracer *t)
{
	int fds[2], err;

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	t->guard = fork();
	if (!t->guard) {
		close(fds[1]);
		guard_main(t, fds[0]);
	}
	err = t->guard < 0 ? -errno : 0;
	close(fds[0]);
	if (err)
		close(fds[1]);
	else
		t->guard_fd = fds[1];
	return err;
}

/* It puts the programs back; if it could not, or is no more, we do. */
static int end_guard(struct tracer *t)
{
	int status;

	if (t->guard <= 0)
		return 0;
	close(t->guard_fd);
	while (waitpid(t->guard, &status, 0) < 0)
		if (errno != EINTR) {
			status = -1;
			break;
		}
	t->guard = -1;
	return status ? swap_back(t->pin_path) : 0;
}

/* ----------------------------------------------------------------- tracing */

static struct swap programs(const struct tracer *t)
{
	return (struct swap){
		.xdp_fd = t->xdp ? bpf_program__fd(t->xdp->progs.tp_trace_xdp) : -1,
		.tc_fd = t->tc ? bpf_program__fd(t->tc->progs.tp_trace_tc) : -1,
	};
}

static int start(struct tracer *t)
{
	struct swap swap;
	int err = load(t);

	err = err ? err : open_control(t);
	err = err ? err : start_guard(t);
	if (err)
		return err;
	swap = programs(t);
	err = swap_in(&swap, t->pin_path);
	if (err > 0)
		return 0;
	return err ? err : -ENOENT;
}

static int stop(struct tracer *t)
{
	int err = end_guard(t);

	while (t->events && ring_buffer__consume(t->events) > 0)
		;
	ring_buffer__free(t->events);
	if (t->control) {
		t->lost += t->control->lost;
		munmap(t->control, (size_t)sysconf(_SC_PAGESIZE));
	}
	turnpike_trace_tc_bpf__destroy(t->tc);
	turnpike_trace_bpf__destroy(t->xdp);
	t->events = NULL;
	t->control = NULL;
	t->tc = NULL;
	t->xdp = NULL;
	t->maps = NULL;
	return err;
}

int tracer_follow(struct tracer *t)
{
	struct swap swap;
	int err;

	if (t->maps) {
		swap = programs(t);
		err = swap_is_in(&swap, t->pin_path);
		if (err == 1)
			return 0;
	}
	stop(t);
	err = start(t);
	if (!err)
		return 1;
	stop(t);
	return err;
}

/* --------------------------------------------------------------- the tracer */

static int take_lock(struct tracer *t)
{
	t->lock_fd = open(t->pin_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->lock_fd < 0)
		return -errno;
	/* the guard has it, too: it is free when the programs are back */
	return flock(t->lock_fd, LOCK_EX | LOCK_NB) ? -EBUSY : 0;
}

int tracer_open(struct tracer **out, const char *pin_path, const struct tp_trace_filter *filter,
		tracer_found found, void *ctx)
{
	struct tracer *t = calloc(1, sizeof(*t));
	int err = -ENAMETOOLONG;

	if (!t)
		return -ENOMEM;
	*t = (struct tracer){ .filter = *filter, .found = found, .ctx = ctx,
			      .lock_fd = -1, .guard = -1 };
	if (snprintf(t->pin_path, PATH_MAX, "%s", pin_path) < PATH_MAX)
		err = take_lock(t);
	err = err ? err : start(t);
	if (err) {
		tracer_close(t);
		return err;
	}
	*out = t;
	return 0;
}

int tracer_poll(struct tracer *t, int timeout_ms)
{
	int n;

	if (!t->events)
		return -ENOENT;
	renew(t);
	n = ring_buffer__poll(t->events, timeout_ms);
	return n >= 0 || n == -ECANCELED || n == -EINTR ? 0 : n;
}

int tracer_stop(struct tracer *t)
{
	return stop(t);
}

uint64_t tracer_lost(const struct tracer *t)
{
	return t->lost + (t->control ? t->control->lost : 0);
}

void tracer_close(struct tracer *t)
{
	if (!t)
		return;
	stop(t);
	if (t->lock_fd >= 0)
		close(t->lock_fd);
	free(t);
}
