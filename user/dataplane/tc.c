// SPDX-License-Identifier: MIT
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "dataplane/constants.h"
#include "dataplane/device.h"
#include "dataplane/filters.h"
#include "dataplane/pins.h"
#include "dataplane/ports.h"
#include "dataplane/swap.h"
#include "dataplane/tc.h"
#include "log.h"
/* generated */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"
#include "turnpike_tc.skel.h"
#pragma GCC diagnostic pop

struct tc {
	struct turnpike_tc_bpf *bpf;
	struct xdp *xdp;		/* borrowed */
};

/* ---------------------------------------------------------------- loading */

static int share_maps(struct tc *tc)
{
	struct bpf_map *map;
	int err;

	bpf_object__for_each_map(map, tc->bpf->obj) {
		if (bpf_map__is_internal(map))
			continue;
		err = bpf_map__reuse_fd(map, xdp_map_fd(tc->xdp, bpf_map__name(map)));
		if (err)
			return err;
	}
	return 0;
}

int tc_load(struct tc **out, struct xdp *xdp, const struct tp_meta *meta, char *why)
{
	struct tc *tc = calloc(1, sizeof(*tc));
	int err = -ENOMEM;

	if (!tc)
		goto out;
	tc->xdp = xdp;
	tc->bpf = turnpike_tc_bpf__open();
	if (!tc->bpf) {
		err = -errno;
		goto out;
	}
	CONSTANTS_SET(tc->bpf->rodata, meta);
	err = share_maps(tc);
	err = err ? err : turnpike_tc_bpf__load(tc->bpf);
	if (!err) {
		*out = tc;
		return 0;
	}
out:
	snprintf(why, XDP_WHY, "the tc program cannot be loaded (%s; details in the log)",
		 strerror(-err));
	tc_close(tc);
	return err;
}

void tc_close(struct tc *tc)
{
	if (!tc)
		return;
	turnpike_tc_bpf__destroy(tc->bpf);
	free(tc);
}

/* ------------------------------------------------------------ what is there */

struct there {
	unsigned int all;
	struct filter at;		/* in our place; priority 0: free */
};

static void look_at(void *ctx, const struct filter *filter)
{
	struct there *there = ctx;

	there->all++;
	if (filter->handle == TC_HANDLE && filter->priority == TC_PRIORITY)
		there->at = *filter;
}

static int look(unsigned int ifindex, struct there *there)
{
	memset(there, 0, sizeof(*there));
	return filters_each(ifindex, FILTERS_INGRESS, look_at, there);
}

/* By its name: to look at the program itself takes CAP_SYS_ADMIN, which the unit does without. */
static bool is_ours(const struct filter *filter)
{
	return !strncmp(filter->name, TC_PROG ":", strlen(TC_PROG ":")) ||
	       !strncmp(filter->name, SWAP_TC ":", strlen(SWAP_TC ":"));
}

int tc_filter(unsigned int ifindex, char name[FILTERS_NAME])
{
	struct there there;
	int err = look(ifindex, &there);

	if (err)
		return err;
	if (!there.at.priority || !is_ours(&there.at))
		return -ENOENT;
	memcpy(name, there.at.name, FILTERS_NAME);
	return 0;
}

/* -------------------------------------------------------------- attaching */

static void explain(struct xdp_interface *iface, int err)
{
	char before[XDP_WHY];
	const char *text = strerror(-err);

	if (err == -ENOENT || err == -EINVAL || err == -EOPNOTSUPP)
		text = "the kernel has no sch_ingress or cls_bpf (CONFIG_NET_SCH_INGRESS, "
			"CONFIG_NET_CLS_BPF)";
	else if (err == -EADDRINUSE)
		text = "another filter has our place (tc filter show dev ... ingress)";
	else if (err == -EPFNOSUPPORT)
		text = "frames without an Ethernet header";
	memcpy(before, iface->why, sizeof(before));
	snprintf(iface->why, XDP_WHY, "%.80s%sno tc: %.70s", before, before[0] ? "; " : "", text);
}

static int pin_path_of(char path[PATH_MAX], const char *dir, const char *prefix,
		       unsigned int ifindex)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", ifindex);
	return pins_path(path, dir, prefix, number);
}

static int note(const struct tc *tc, const char *prefix, unsigned int ifindex)
{
	char number[16];

	snprintf(number, sizeof(number), "%s%u", prefix, ifindex);
	return pins_replace(bpf_program__fd(tc->bpf->progs.turnpike_tc),
			    xdp_pin_path(tc->xdp), number);
}

static int put_filter(unsigned int ifindex, int prog_fd, bool replace)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY,
		    .prog_fd = prog_fd,
		    .flags = replace ? BPF_TC_F_REPLACE : 0);

	return bpf_tc_attach(&hook, &opts);
}

int tc_put(unsigned int ifindex, int prog_fd)
{
	return put_filter(ifindex, prog_fd, true);
}

/* Notes come first: whoever dies here leaves a note too many, never one too few. */
static int attach(const struct tc *tc, const struct xdp_interface *iface, bool *kept)
{
	struct there there;
	uint8_t mac[6];
	int err;

	if (!device_is_ethernet(iface->name, mac))
		return -EPFNOSUPPORT;
	err = look(iface->ifindex, &there);
	if (err)
		return err;
	*kept = there.at.priority != 0;
	if (*kept && !is_ours(&there.at))
		return -EADDRINUSE;
	err = note(tc, PINS_TC, iface->ifindex);
	if (err)
		return err;
	err = filters_make_hook(iface->ifindex);
	if (!err)
		err = note(tc, PINS_CLSACT, iface->ifindex);
	if (err && err != -EEXIST)
		return err;
	return put_filter(iface->ifindex, bpf_program__fd(tc->bpf->progs.turnpike_tc), *kept);
}

int tc_attach(struct tc *tc, struct xdp_interface *iface, bool after_xdp)
{
	char before[XDP_WHY];
	bool kept = false;
	int err = attach(tc, iface, &kept);

	if (after_xdp)
		return err ? err : ports_after_xdp(tc->xdp, iface->ifindex);
	if (!err)
		err = ports_open(tc->xdp, iface->name, iface->ifindex, iface->redirects);
	if (err) {
		explain(iface, err);
		return err;
	}
	iface->mode = XDP_TC;
	memcpy(before, iface->why, sizeof(before));
	snprintf(iface->why, XDP_WHY, "tc%s%s%.110s", kept ? ", taken over without a gap" : "",
		 before[0] ? "; no native XDP: " : "", before);
	return 0;
}

/* -------------------------------------------------------------- detaching */

/* The qdisc goes only if nobody else uses it by now. */
static void remove_hook(unsigned int ifindex)
{
	struct there in = { 0 }, out = { 0 };

	if (!filters_each(ifindex, FILTERS_INGRESS, look_at, &in) && !in.all &&
	    !filters_each(ifindex, FILTERS_EGRESS, look_at, &out) && !out.all)
		filters_remove_hook(ifindex);
}

/* 1: there was one of ours and it is gone; 0: there was none; -errno. */
static int remove_filter(unsigned int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY);
	struct there there;
	int err = look(ifindex, &there);

	if (err == -ENODEV)
		return 0;
	if (err || !there.at.priority || !is_ours(&there.at))
		return err;
	err = bpf_tc_detach(&hook, &opts);
	return err ? err : 1;
}

struct removal {
	const unsigned int *keep;
	unsigned int n;
	int removed;
};

static int remove_noted(void *ctx, const char *dir, const char *name)
{
	struct removal *removal = ctx;
	char path[PATH_MAX];
	unsigned int ifindex;
	int err;

	if (strncmp(name, PINS_TC, strlen(PINS_TC)))
		return 0;
	ifindex = (unsigned int)strtoul(name + strlen(PINS_TC), NULL, 10);
	for (unsigned int i = 0; i < removal->n; i++) {
		if (removal->keep[i] == ifindex)
			return 0;
	}
	err = remove_filter(ifindex);
	if (err < 0)
		return err;
	removal->removed += err;
	if (!pin_path_of(path, dir, PINS_CLSACT, ifindex) && !access(path, F_OK)) {
		remove_hook(ifindex);
		unlink(path);
	}
	if (!pin_path_of(path, dir, PINS_TC, ifindex))
		unlink(path);
	log_info("event=detached pin=%s", name);
	return 0;
}

int tc_detach(const char *pin_path, const unsigned int *keep, unsigned int n)
{
	struct removal removal = { .keep = keep, .n = n };
	int err = pins_each(pin_path, remove_noted, &removal);

	return err ? err : removal.removed;
}
