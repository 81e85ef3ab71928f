// SPDX-License-Identifier: MIT
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "dataplane/filters.h"
#include "dataplane/pins.h"
#include "dataplane/swap.h"
#include "dataplane/tc.h"

#define TRIES	10		/* a daemon starts at the same time */

/* A walk over the places. */
struct walk {
	const struct swap *swap;
	/* 0, or -errno, which ends the walk */
	int (*link)(struct walk *walk, int link);
	int (*filter)(struct walk *walk, const char *pin, unsigned int ifindex);
	const char *dir;
	int places;			/* that there are */
	int links;			/* of them by links */
	int in;				/* of them with our programs */
};

static int open_pin(const char *dir, const char *name)
{
	char path[PATH_MAX];
	int fd, err = pins_path(path, dir, "", name);

	if (err)
		return err;
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

static __u32 id_of(int prog)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);

	return prog < 0 || bpf_obj_get_info_by_fd(prog, &info, &len) ? 0 : info.id;
}

static int at_pin(void *ctx, const char *dir, const char *name)
{
	struct walk *walk = ctx;
	int fd, err;

	if (!strncmp(name, PINS_TC, strlen(PINS_TC)))
		return walk->filter(walk, name,
				    (unsigned int)strtoul(name + strlen(PINS_TC), NULL, 10));
	if (!pins_is_link(name))
		return 0;
	fd = open_pin(dir, name);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;		/* taken off meanwhile */
	err = walk->link(walk, fd);
	close(fd);
	return err;
}

static int walk_places(struct walk *walk, const char *dir)
{
	walk->dir = dir;
	return pins_each(dir, at_pin, walk);
}

/* -------------------------------------------------------------- what is in */

/* The program's id, or 0 where the link is on no interface any more. */
static __u32 link_program(int link)
{
	struct bpf_link_info info = { 0 };
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(link, &info, &len) || !info.xdp.ifindex)
		return 0;
	return info.prog_id;
}

static int count_link(struct walk *walk, int link)
{
	walk->links += link_program(link) != 0;
	walk->places += link_program(link) != 0;
	return 0;
}

static int look_at_link(struct walk *walk, int link)
{
	__u32 id = link_program(link);

	walk->places += id != 0;
	walk->in += id && id == id_of(walk->swap->xdp_fd);
	return 0;
}

/* libbpf names a filter after its program, with the program's id. */
static void filter_name(char name[FILTERS_NAME], int prog)
{
	snprintf(name, FILTERS_NAME, "%s:[%u]", SWAP_TC, id_of(prog));
}

static int count_filter(struct walk *walk, const char *pin, unsigned int ifindex)
{
	char name[FILTERS_NAME];

	(void)pin;
	walk->places += !tc_filter(ifindex, name);
	return 0;
}

static int look_at_filter(struct walk *walk, const char *pin, unsigned int ifindex)
{
	char name[FILTERS_NAME], ours[FILTERS_NAME];

	(void)pin;
	if (tc_filter(ifindex, name))
		return 0;
	filter_name(ours, walk->swap->tc_fd);
	walk->places++;
	walk->in += !strcmp(name, ours);
	return 0;
}

int swap_is_in(const struct swap *swap, const char *pin_path)
{
	struct walk walk = { .swap = swap, .link = look_at_link, .filter = look_at_filter };
	int err = walk_places(&walk, pin_path);

	if (err)
		return err;
	return walk.places ? walk.places == walk.in : -ENOENT;
}

int swap_places(const char *pin_path, bool *xdp, bool *tc)
{
	struct walk walk = { .link = count_link, .filter = count_filter };
	int err = walk_places(&walk, pin_path);

	*xdp = walk.links;
	*tc = walk.places > walk.links;
	return err || walk.places ? err : -ENOENT;
}

/* ------------------------------------------------------------------ putting */

/* Only if the program that is there still is when it happens. */
static int replace(int link, __u32 id, int prog)
{
	LIBBPF_OPTS(bpf_link_update_opts, opts, .flags = BPF_F_REPLACE);
	int old = bpf_prog_get_fd_by_id(id), err;

	if (old < 0)
		return errno == ENOENT ? -EAGAIN : -errno;
	opts.old_prog_fd = (__u32)old;
	err = bpf_link_update(link, prog, &opts) ? -errno : 0;
	close(old);
	/* another program by now, or no interface */
	return err == -EPERM || err == -ENOLINK ? -EAGAIN : err;
}

static int put_into_link(struct walk *walk, int link)
{
	__u32 id = link_program(link);
	int err;

	if (!id || walk->swap->xdp_fd < 0)
		return 0;
	err = replace(link, id, walk->swap->xdp_fd);
	walk->in += !err;
	return err;
}

static int put_into_filter(struct walk *walk, const char *pin, unsigned int ifindex)
{
	char name[FILTERS_NAME];
	int err = tc_filter(ifindex, name);

	(void)pin;
	if (err || walk->swap->tc_fd < 0)
		return 0;
	err = tc_put(ifindex, walk->swap->tc_fd);
	walk->in += !err;
	return err;
}

int swap_in(const struct swap *swap, const char *pin_path)
{
	struct walk walk = { .swap = swap, .link = put_into_link, .filter = put_into_filter };
	int err;

	for (int i = 0; i < TRIES; i++) {
		walk.in = 0;
		err = walk_places(&walk, pin_path);
		if (err != -EAGAIN)
			break;
	}
	return err ? err : walk.in;
}

/* ------------------------------------------------------------- putting back */

static bool is_tracing(__u32 id)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);
	bool is;

	if (fd < 0)
		return false;
	is = !bpf_obj_get_info_by_fd(fd, &info, &len) && !strcmp(info.name, SWAP_XDP);
	close(fd);
	return is;
}

static int put_back_link(struct walk *walk, int link)
{
	__u32 id = link_program(link);
	int prog, err;

	if (!id || !is_tracing(id))
		return 0;
	prog = open_pin(walk->dir, PINS_PROG);
	if (prog < 0)
		return prog;
	err = replace(link, id, prog);
	close(prog);
	return err;
}

/*
 * A filter is replaced whatever it is. A daemon that puts its program there has pinned it
 * before, so that there is another one in the pin then.
 */
static int put_back_filter(struct walk *walk, const char *pin, unsigned int ifindex)
{
	char name[FILTERS_NAME];
	int prog, err;
	bool same;

	if (tc_filter(ifindex, name) || strncmp(name, SWAP_TC ":", strlen(SWAP_TC ":")))
		return 0;
	for (int i = 0; i < TRIES; i++) {
		int now;

		prog = open_pin(walk->dir, pin);
		if (prog < 0)
			return prog == -ENOENT ? 0 : prog;
		err = tc_put(ifindex, prog);
		now = open_pin(walk->dir, pin);
		same = now < 0 || id_of(now) == id_of(prog);
		close(prog);
		if (now >= 0)
			close(now);
		if (err || same)
			return err;
	}
	return -EAGAIN;
}

int swap_back(const char *pin_path)
{
	struct walk walk = { .link = put_back_link, .filter = put_back_filter };
	int err = 0;

	for (int i = 0; i < TRIES; i++) {
		err = walk_places(&walk, pin_path);
		if (err != -EAGAIN)
			break;
	}
	return err == -ENOENT ? 0 : err;
}
