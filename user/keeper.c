// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "address.h"
#include "background.h"
#include "clock.h"
#include "control.h"
#include "dataplane/listeners.h"
#include "external.h"
#include "ids.h"
#include "keeper.h"
#include "keeper_parts.h"
#include "link.h"
#include "log.h"
#include "net/crowd.h"
#include "users/users.h"
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#define SHORT_LIFE_S	2		/* a relay process that ends sooner is failing */
#define RETRY_S		1

/* ---------------------------------------------------------------- preparing */

static int find_user(struct keeper *k)
{
	char why[IDS_WHY];
	int err = ids_find(k->conf, &k->uid, &k->gid, why);

	if (err)
		log_error("%s", why);
	return err;
}

/* One keeper for a control socket: a second would share its ports (SO_REUSEPORT). */
static int take_lock(struct keeper *k)
{
	char path[128];

	snprintf(path, sizeof(path), "%s.lock", k->conf->control_socket);
	k->lock_fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	if (k->lock_fd < 0) {
		log_error("%s: %s", path, strerror(errno));
		return -errno;
	}
	if (flock(k->lock_fd, LOCK_EX | LOCK_NB)) {
		log_error("%s: another turnpiked is running", path);
		return -EBUSY;
	}
	return 0;
}

static int open_control(struct keeper *k)
{
	k->setup.control_fd = control_listen(k->conf->control_socket, k->gid);
	if (k->setup.control_fd >= 0)
		return 0;
	log_error("control-socket %s: %s", k->conf->control_socket,
		  strerror(-k->setup.control_fd));
	return k->setup.control_fd;
}

static int open_listeners(struct keeper *k)
{
	struct sockets_fault fault;
	char text[ADDRESS_TEXT];
	int err = sockets_open(&k->setup.sockets, NULL, k->conf, &fault);

	for (int kind = 0; kind < SOCKETS_KINDS && !err; kind++) {
		const struct sockets_of *of = &k->setup.sockets.of[kind];

		for (unsigned int i = 0; i < of->n; i++)
			log_info("listening address=%s proto=%s",
				 address_text(&of->v[i].addr, text),
				 sockets_word(k->conf, (enum sockets_kind)kind));
	}
	if (err)
		log_error("listen %s/%s: %s", address_text(&fault.addr, text),
			  sockets_word(k->conf, fault.kind), strerror(-err));
	return err;
}

static int write_pidfile(const char *path)
{
	FILE *f = fopen(path, "we");

	if (!f) {
		log_error("pidfile %s: %s", path, strerror(errno));
		return -errno;
	}
	fprintf(f, "%d\n", (int)getpid());
	fclose(f);
	return 0;
}

/* Every allocation is a descriptor, with a connection two; and the relay process cannot
 * raise this itself. */
static void raise_descriptors(const struct conf *conf)
{
	struct rlimit limit;
	rlim_t want = conf->max_allocations * 2 + crowd_most(conf->max_allocations) + 1024;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= want)
		return;
	limit.rlim_cur = want;
	if (limit.rlim_max < want)
		limit.rlim_max = want;
	if (!setrlimit(RLIMIT_NOFILE, &limit))
		return;
	getrlimit(RLIMIT_NOFILE, &limit);
	log_warning("descriptors limit=%llu wanted=%llu: fewer allocations will fit",
		    (unsigned long long)limit.rlim_max, (unsigned long long)want);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int prepare(struct keeper *k)
{
	int err = find_user(k);

	if (!err)
		err = users_prepare(k->conf, k->uid, k->gid);
	if (!err)
		err = external_ask(*k->running, k->uid, k->gid);
	if (!err)
		err = open_control(k);
	if (!err)
		err = open_listeners(k);
	if (err)
		return err;
	raise_descriptors(k->conf);
	err = dataplane_open(&k->dataplane, k->conf);
	if (err) {
		log_error("dataplane=%s: %s", dataplane_word(k->conf->dataplane),
			  k->dataplane.why[0] ? k->dataplane.why : strerror(-err));
		return err;
	}
	k->setup.dataplane = &k->dataplane;
	if (k->dataplane.tc)
		sockets_refuse_gro(&k->setup.sockets);
	return k->conf->pidfile ? write_pidfile(k->conf->pidfile) : 0;
}

/* --------------------------------------------------------- the relay process */

static int run_relay(struct keeper *k, pid_t keeper)
{
	int status;

	signal(SIGINT, SIG_IGN);	/* a terminal's Ctrl-C is the keeper's to handle */
	signal(SIGHUP, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_UNBLOCK, &k->signals, NULL);
	/* programs, links and the module are the keeper's; the tables are mapped */
	dataplane_leave(&k->dataplane);
	if (!ids_drop(k->uid, k->gid, keeper)) {
		log_error("relay process: cannot drop privileges: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	status = relay_main(&k->setup);
	log_close();
#ifdef __SANITIZE_ADDRESS__
	__lsan_do_leak_check();		/* _exit() leaves that out */
#endif
	return status;
}

static int start_relay(struct keeper *k)
{
	pid_t keeper = getpid();
	int ends[2], err = link_open(ends);

	if (err)
		return err;
	k->relay = fork();
	if (k->relay < 0) {
		err = -errno;
		close(ends[0]);
		close(ends[1]);
		return err;
	}
	if (!k->relay) {
		close(ends[0]);
		close(k->signal_fd);
		k->setup.link = ends[1];
		_exit(run_relay(k, keeper));
	}
	close(ends[1]);
	k->link = ends[0];
	return 0;
}

static void log_end(int status)
{
	if (WIFSIGNALED(status))
		log_error("relay process ended signal=%d: starting another", WTERMSIG(status));
	else
		log_error("relay process ended status=%d: starting another", WEXITSTATUS(status));
}

/* How it ended; SIGTERM first where it has not yet. */
static int end_relay(struct keeper *k)
{
	int status = 0;

	kill(k->relay, SIGTERM);
	while (waitpid(k->relay, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

/* ------------------------------------------------------------------- keeping */

enum keeper_next { GO_ON, END, RELAY_ENDED };

static enum keeper_next on_signal(struct keeper *k, int sig, int *status)
{
	switch (sig) {
	case SIGHUP:
	case SIGUSR2:
		keeper_reload(k);
		return GO_ON;
	case SIGUSR1:
		k->setup.draining = true;
		link_send(k->link, LINK_DRAIN, NULL, NULL, 0);
		return GO_ON;
	case SIGTERM:
	case SIGINT:
		*status = end_relay(k);
		if (sig == SIGINT && k->dataplane.mode != DATAPLANE_USER)
			dataplane_detach(k->conf->pin_path);
		return END;
	default:
		return waitpid(k->relay, status, WNOHANG) == k->relay ? RELAY_ENDED : GO_ON;
	}
}

static enum keeper_next on_link(struct keeper *k, int *status)
{
	struct link_message message;
	int err = link_receive(k->link, &message);

	if (err < 0) {			/* the child's end is next */
		close(k->link);
		k->link = -1;
	}
	if (err <= 0)
		return GO_ON;
	for (unsigned int i = 0; i < message.n_fds; i++)
		close(message.fd[i]);
	if (message.kind == LINK_RELOAD)
		keeper_reload(k);
	if (message.kind == LINK_TAKEN)
		keeper_reloaded(k);
	if (message.kind == LINK_DRAIN || message.kind == LINK_SERVE)
		k->setup.draining = message.kind == LINK_DRAIN;
	if (message.kind != LINK_DRAINED)
		return GO_ON;
	log_info("drained: ending");
	*status = end_relay(k);
	return END;
}

/* Until the relay process has ended, by itself or by us. */
static enum keeper_next watch(struct keeper *k, int *status)
{
	enum keeper_next next = GO_ON;

	while (next == GO_ON) {
		struct pollfd fds[] = {
			{ .fd = k->signal_fd, .events = POLLIN },
			{ .fd = k->link, .events = POLLIN },
		};
		struct signalfd_siginfo info;
		int n = poll(fds, 2, KEEPER_LOOK_MS);

		if (n < 0 && errno != EINTR)
			return END;
		if (!n)
			keeper_look(k);
		if (fds[1].revents)
			next = on_link(k, status);
		if (next == GO_ON && read(k->signal_fd, &info, sizeof(info)) == sizeof(info))
			next = on_signal(k, (int)info.ssi_signo, status);
	}
	if (k->link >= 0)
		close(k->link);
	k->link = -1;
	return next;
}

/* True if SIGTERM or SIGINT came meanwhile. */
static bool pause_before_retry(const sigset_t *signals, int *sig)
{
	struct timespec wait = { .tv_sec = RETRY_S };

	*sig = sigtimedwait(signals, NULL, &wait);
	return *sig == SIGTERM || *sig == SIGINT;
}

static int keep_running(struct keeper *k)
{
	for (;;) {
		uint64_t started = clock_mono_s();
		int sig, status = EXIT_FAILURE, err = start_relay(k);

		if (err) {
			log_error("relay process: %s", strerror(-err));
			return EXIT_FAILURE;
		}
		keeper_reloaded(k);
		if (watch(k, &status) == END)
			return status;
		log_end(status);
		if (clock_mono_s() - started < SHORT_LIFE_S &&
		    pause_before_retry(&k->signals, &sig)) {
			if (sig == SIGINT && k->dataplane.mode != DATAPLANE_USER)
				dataplane_detach(k->conf->pin_path);
			return EXIT_FAILURE;
		}
	}
}

/* The programs may stay, and what they answer by themselves stands for a server. There is no
 * relay process any more, so that the tables have one writer. */
static void fall_silent(const struct keeper *k)
{
	struct tables tables = k->dataplane.tables;
	struct rows *rows = tables.kernel ? rows_new(&tables) : NULL;

	if (rows)
		listeners_drop(rows, &k->conf->listen);
	rows_free(rows);
}

static int take_signals(struct keeper *k)
{
	static const int taken[] = { SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2 };

	sigemptyset(&k->signals);
	for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++)
		sigaddset(&k->signals, taken[i]);
	sigprocmask(SIG_BLOCK, &k->signals, NULL);
	k->signal_fd = signalfd(-1, &k->signals, SFD_CLOEXEC | SFD_NONBLOCK);
	return k->signal_fd < 0 ? -errno : 0;
}

int keeper_main(struct conf **conf, const struct conf_source *source, int ready)
{
	struct keeper k = {
		.running = conf, .conf = *conf, .source = source, .lock_fd = -1, .link = -1,
	};
	int status = EXIT_FAILURE;

	k.setup.conf = conf;
	k.tls_stamp = conf_tls_stamp(k.conf);
	if (take_signals(&k) || control_make_parent(k.conf->control_socket) || take_lock(&k) ||
	    prepare(&k))
		goto out;
	if (ready >= 0)
		background_ready(ready);
	status = keep_running(&k);
	fall_silent(&k);
	unlink(k.conf->control_socket);
	if (k.conf->pidfile)
		unlink(k.conf->pidfile);
	dataplane_close(&k.dataplane);
out:
	sockets_close(&k.setup.sockets);
	return status;
}
