// SPDX-License-Identifier: MIT
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "dataplane/constants.h"
#include "dataplane/device.h"
#include "dataplane/pins.h"
#include "dataplane/ports.h"
#include "dataplane/xdp.h"
#include "log.h"
/* generated */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-qual"
#include "turnpike.skel.h"
#pragma GCC diagnostic pop

struct xdp {
	struct turnpike_bpf *bpf;
	char pin_path[PATH_MAX];
};

static int __attribute__((format(printf, 2, 0)))
libbpf_says(enum libbpf_print_level level, const char *format, va_list args)
{
	enum conf_level as = level == LIBBPF_WARN ? LEVEL_WARNING : LEVEL_DEBUG;
	char *text = NULL, *rest, *line;

	if (!log_enabled(as) || vasprintf(&text, format, args) < 0)
		return 0;
	/* the verifier's reasons come as one long text */
	rest = text;
	while ((line = strsep(&rest, "\n")))
		if (*line)
			log_line(as, "event=libbpf text=\"%s\"", line);
	free(text);
	return 0;
}

/* ---------------------------------------------------------------- loading */

static int remove_map(void *ctx, const char *dir, const char *name)
{
	char path[PATH_MAX];

	(void)ctx;
	if (!strncmp(name, "tp_", 3) && !pins_path(path, dir, "", name))
		unlink(path);
	return 0;
}

/*
 * Reads pinned tables' tp_meta. 0: there are tables to carry on with. -ENOENT: none, and what a
 * start that died half way left is gone.
 */
static int read_meta(const char *dir, struct tp_meta *meta)
{
	char path[PATH_MAX];
	__u32 zero = 0;
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	int fd, err;

	memset(meta, 0, sizeof(*meta));
	err = pins_path(path, dir, "", "tp_meta");
	if (err)
		return err;
	fd = bpf_obj_get(path);
	if (fd < 0)
		err = -errno;
	else if (bpf_obj_get_info_by_fd(fd, &info, &len))
		err = -errno;
	else if (info.value_size != sizeof(*meta))
		err = -EPROTO;
	else if (bpf_map_lookup_elem(fd, &zero, meta))
		err = -errno;
	else if (!meta->abi_version)	/* written last */
		err = -ENOENT;
	if (fd >= 0)
		close(fd);
	if (err == -ENOENT)
		pins_each(dir, remove_map, NULL);
	return err;
}

static bool same_sizes(const struct tp_meta *a, const struct tp_meta *b)
{
	return a->nexthops == b->nexthops && a->allocs == b->allocs && a->bindings == b->bindings;
}

/*
 * As many flows, but other rows for each family: the host got its first address of one, or
 * lost its last. No reason not to start; what finds no room the daemon relays.
 */
static void warn_of_rows(const char *dir, const struct tp_meta *meta, const struct tp_meta *sizes)
{
	if (meta->rows4 >= sizes->rows4 && meta->rows6 >= sizes->rows6)
		return;
	log_warning("tables in %s have %u slots for IPv4 and %u for IPv6, %u and %u are wanted: "
		    "flows that find no room take the slow path; 'turnpike detach' removes the "
		    "tables and ends their flows", dir, meta->rows4, meta->rows6, sizes->rows4,
		    sizes->rows6);
}

/* Decides between fresh tables and those that are pinned; *meta is what will be in force. */
static int choose_tables(const char *dir, const struct tp_meta *sizes, struct tp_meta *meta,
			 char *why)
{
	int err = read_meta(dir, meta);

	if (err == -ENOENT) {
		*meta = *sizes;
		return 0;
	}
	if (err == -EPROTO || (!err && meta->abi_version != TP_ABI_VERSION)) {
		snprintf(why, XDP_WHY, "tables in %s are of another version; 'turnpike detach' "
			 "removes them and ends their flows", dir);
		return -EEXIST;
	}
	if (err) {
		snprintf(why, XDP_WHY, "tables in %s: %s", dir, strerror(-err));
		return err;
	}
	if (!same_sizes(meta, sizes)) {
		snprintf(why, XDP_WHY, "tables in %s have other sizes (%u bindings, now %u); "
			 "'turnpike detach' removes them and ends their flows", dir,
			 meta->bindings, sizes->bindings);
		return -EEXIST;
	}
	warn_of_rows(dir, meta, sizes);
	return 0;
}

/*
 * A pinned map in the place of a new one. For libbpf's own check a devmap is never the one that
 * it made: the kernel adds a flag (BPF_F_RDONLY_PROG) that a program may not ask for.
 */
static int reuse_ports(struct bpf_map *map, const char *path)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	int fd = bpf_obj_get(path), err;

	if (fd < 0)
		return errno == ENOENT ? bpf_map__set_pin_path(map, path) : -errno;
	err = bpf_obj_get_info_by_fd(fd, &info, &len) ? -errno : 0;
	if (!err && (info.type != bpf_map__type(map) ||
		     info.value_size != bpf_map__value_size(map)))
		err = -EINVAL;
	err = err ? err : bpf_map__reuse_fd(map, fd);
	close(fd);
	return err;
}

/* Sizes and pins of the maps: libbpf takes a pinned one over and pins what is new. */
static int prepare_maps(struct xdp *xdp, const struct tp_meta *meta)
{
	struct turnpike_bpf *bpf = xdp->bpf;
	char path[PATH_MAX];
	struct bpf_map *map;
	int err;

	err = bpf_map__set_max_entries(bpf->maps.tp_rows4, meta->rows4);
	err = err ? err : bpf_map__set_max_entries(bpf->maps.tp_rows6, meta->rows6);
	err = err ? err : bpf_map__set_max_entries(bpf->maps.tp_nexthops, meta->nexthops);
	err = err ? err : bpf_map__set_max_entries(bpf->maps.tp_allocs, meta->allocs);
	err = err ? err : bpf_map__set_max_entries(bpf->maps.tp_bindings, meta->bindings);
	err = err ? err : bpf_map__set_max_entries(bpf->maps.tp_limits, TP_LIMITS(meta->allocs));
	err = err ? err : bpf_map__set_max_entries(bpf->maps.tp_kmod_counts, meta->allocs);
	bpf_object__for_each_map(map, bpf->obj) {
		if (err)
			return err;
		if (bpf_map__is_internal(map) || map == bpf->maps.tp_work)
			continue;
		err = pins_path(path, xdp->pin_path, "", bpf_map__name(map));
		if (!err && map == bpf->maps.tp_ports)
			err = reuse_ports(map, path);
		else if (!err)
			err = bpf_map__set_pin_path(map, path);
	}
	return err;
}

/* Descriptors of their own: the tables outlive struct xdp. */
static int fill_tables(struct xdp *xdp, const struct tp_meta *meta, struct tables *tables)
{
	struct turnpike_bpf *bpf = xdp->bpf;
	__u32 zero = 0;

	memset(tables, 0, sizeof(*tables));
#define FILL_FD(name, type) \
	tables->fd[TABLE_##name] = fcntl(bpf_map__fd(bpf->maps.tp_##name), F_DUPFD_CLOEXEC, 3);
	TABLES(FILL_FD)
#undef FILL_FD
	tables->stats_fd = fcntl(bpf_map__fd(bpf->maps.tp_stats), F_DUPFD_CLOEXEC, 3);
	tables->kmod_stats_fd = fcntl(bpf_map__fd(bpf->maps.tp_kmod_stats), F_DUPFD_CLOEXEC, 3);
	/* A table whose meta says its version is complete. */
	if (bpf_map_update_elem(bpf_map__fd(bpf->maps.tp_meta), &zero, meta, BPF_ANY))
		return -errno;
	return tables_map(tables);
}

static int open_and_load(struct xdp *xdp, const struct tp_meta *meta, char *why, bool program)
{
	int err;

	xdp->bpf = turnpike_bpf__open();
	if (!xdp->bpf) {
		err = -errno;
		snprintf(why, XDP_WHY, "BPF object: %s", strerror(-err));
		return err;
	}
	CONSTANTS_SET(xdp->bpf->rodata, meta);
	err = prepare_maps(xdp, meta);
	err = err ? err : bpf_program__set_autoload(xdp->bpf->progs.turnpike_xdp, program);
	err = err ? err : turnpike_bpf__load(xdp->bpf);
	if (err == -EPERM || err == -EACCES)
		snprintf(why, XDP_WHY, "loading BPF is not permitted or the verifier refused it: "
			 "root or CAP_BPF and CAP_NET_ADMIN needed; details in the log");
	else if (err)
		snprintf(why, XDP_WHY, "loading BPF: %s; details in the log", strerror(-err));
	return err;
}

static int make_directory(const char *dir, char *why)
{
	int err = pins_make(dir);

	if (err == -ENODEV)
		snprintf(why, XDP_WHY, "%s is not in a bpf file system: "
			 "mount -t bpf bpf /sys/fs/bpf", dir);
	else if (err)
		snprintf(why, XDP_WHY, "%s: %s", dir, strerror(-err));
	return err;
}

static int load(struct xdp **out, const char *pin_path, const struct tp_meta *sizes,
		struct tables *tables, char *why, bool program)
{
	struct xdp *xdp = calloc(1, sizeof(*xdp));
	struct tp_meta meta;
	int err;

	why[0] = '\0';
	if (!xdp)
		return -ENOMEM;
	libbpf_set_print(libbpf_says);
	err = -ENAMETOOLONG;
	if (snprintf(xdp->pin_path, PATH_MAX, "%s", pin_path) >= PATH_MAX)
		goto out;
	err = make_directory(pin_path, why);
	err = err ? err : choose_tables(pin_path, sizes, &meta, why);
	err = err ? err : open_and_load(xdp, &meta, why, program);
	if (err)
		goto out;
	err = fill_tables(xdp, &meta, tables);
	if (!err && program)
		err = pins_replace(bpf_program__fd(xdp->bpf->progs.turnpike_xdp), pin_path,
				   PINS_PROG);
	if (err) {
		snprintf(why, XDP_WHY, "tables in %s: %s", pin_path, strerror(-err));
		tables_close(tables);
		goto out;
	}
	*out = xdp;
	return 0;
out:
	if (!why[0])
		snprintf(why, XDP_WHY, "%s", strerror(-err));
	xdp_close(xdp);
	return err;
}

int xdp_load(struct xdp **out, const char *pin_path, const struct tp_meta *sizes,
	     struct tables *tables, char *why)
{
	return load(out, pin_path, sizes, tables, why, true);
}

int xdp_load_tables(struct xdp **out, const char *pin_path, const struct tp_meta *sizes,
		    struct tables *tables, char *why)
{
	return load(out, pin_path, sizes, tables, why, false);
}

int xdp_map_fd(const struct xdp *xdp, const char *name)
{
	return bpf_object__find_map_fd_by_name(xdp->bpf->obj, name);
}

const char *xdp_pin_path(const struct xdp *xdp)
{
	return xdp->pin_path;
}

void xdp_close(struct xdp *xdp)
{
	if (!xdp)
		return;
	turnpike_bpf__destroy(xdp->bpf);
	free(xdp);
}

/* -------------------------------------------------------------- attaching */

static void explain(struct xdp_interface *iface, int err)
{
	char driver[DEVICE_DRIVER];
	__u32 id = 0;

	device_driver(iface->name, driver);
	switch (-err) {
	case EBUSY:
	case EEXIST:
		bpf_xdp_query_id((int)iface->ifindex, 0, &id);
		snprintf(iface->why, XDP_WHY, "another XDP program is attached (id %u): "
			 "bpftool prog show id %u", id, id);
		return;
	case EOPNOTSUPP:
		snprintf(iface->why, XDP_WHY, "driver %s has no native XDP", driver);
		return;
	case EPERM:
		snprintf(iface->why, XDP_WHY, "not permitted: CAP_NET_ADMIN and CAP_BPF needed");
		return;
	case ENODEV:
		snprintf(iface->why, XDP_WHY, "no such interface");
		return;
	case EINVAL:
	case ERANGE:
	case E2BIG:
	case ENOSPC:
		snprintf(iface->why, XDP_WHY, "driver %s refused (%s): MTU %d, or a veth "
			 "peer's, too large for XDP, or too many queues", driver,
			 strerror(-err), device_mtu(iface->name));
		return;
	default:
		snprintf(iface->why, XDP_WHY, "driver %s: %s", driver, strerror(-err));
	}
}

/* The link that is pinned at path, if it is on this interface; else the pin is removed. */
static int take_link(const char *path, unsigned int ifindex)
{
	struct bpf_link_info info = { 0 };
	__u32 len = sizeof(info);
	int fd = bpf_obj_get(path);

	if (fd < 0)
		return -errno;
	if (!bpf_obj_get_info_by_fd(fd, &info, &len) && info.type == BPF_LINK_TYPE_XDP &&
	    info.xdp.ifindex == ifindex)
		return fd;
	close(fd);
	unlink(path);		/* the interface is gone, or has another name now */
	return -ENOENT;
}

/*
 * What the driver says of itself, since Linux 6.3; before that, and for what says nothing, native
 * XDP is taken to send as well. 0 or -EOPNOTSUPP, explained.
 */
static int check_features(struct xdp_interface *iface)
{
	char driver[DEVICE_DRIVER];
	uint64_t features;
	int err = device_xdp_features(iface->ifindex, &features);

	iface->redirects = !err && (features & DEVICE_XDP_XMIT);
	if (err) {
		iface->redirects = true;
		return 0;
	}
	if (features & DEVICE_XDP_REDIRECT || !(features & DEVICE_XDP_BASIC))
		return 0;
	device_driver(iface->name, driver);
	snprintf(iface->why, XDP_WHY, "driver %s has native XDP, but cannot redirect", driver);
	return -EOPNOTSUPP;
}

/* A new link, or the pinned one with the new program; *kept says which. fd or -errno. */
static int make_link(struct xdp *xdp, const struct xdp_interface *iface, const char *path,
		     bool *kept)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_DRV_MODE);
	int prog = bpf_program__fd(xdp->bpf->progs.turnpike_xdp), err;
	int fd = take_link(path, iface->ifindex);

	*kept = fd >= 0;
	if (*kept) {
		if (!bpf_link_update(fd, prog, NULL))
			return fd;
		err = -errno;
		close(fd);
		return err;
	}
	fd = bpf_link_create(prog, (int)iface->ifindex, BPF_XDP, &opts);
	if (fd < 0)
		return -errno;
	if (!bpf_obj_pin(fd, path))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int xdp_attach(struct xdp *xdp, struct xdp_interface *iface)
{
	char path[PATH_MAX];
	bool kept;
	int fd, err;

	iface->mode = XDP_NONE;
	iface->why[0] = '\0';
	err = iface->ifindex ? pins_path(path, xdp->pin_path, PINS_LINK, iface->name) : -ENODEV;
	if (err)
		goto out;
	err = check_features(iface);
	if (err)
		return err;
	fd = make_link(xdp, iface, path, &kept);
	if (fd < 0) {
		err = fd;
		goto out;
	}
	/* some drivers can be sent to only with a program on them */
	check_features(iface);
	err = ports_open(xdp, iface->name, iface->ifindex, iface->redirects);
	close(fd);
	if (err) {
		ports_close(xdp, iface->ifindex);
		unlink(path);
		goto out;
	}
	iface->mode = XDP_NATIVE;
	snprintf(iface->why, XDP_WHY, "native XDP%s%s", kept ? ", taken over without a gap" : "",
		 iface->redirects ? "" : "; sends only what arrived here");
	return 0;
out:
	iface->redirects = false;
	explain(iface, err);
	return err;
}

/* -------------------------------------------------------------- detaching */

/* Take a pinned link off its interface. The ifindex, 0 where it had none, or -errno. */
static int remove_link(const char *path)
{
	struct bpf_link_info info = { 0 };
	__u32 len = sizeof(info);
	int fd = bpf_obj_get(path), ifindex = 0;

	if (fd < 0)
		return -errno;
	if (!bpf_obj_get_info_by_fd(fd, &info, &len))
		ifindex = (int)info.xdp.ifindex;
	bpf_link_detach(fd);	/* whoever else holds it */
	close(fd);
	return unlink(path) ? -errno : ifindex;
}

struct keep {
	struct xdp *xdp;
	const struct xdp_interface *v;
	unsigned int n;
};

static int drop_one(void *ctx, const char *dir, const char *name)
{
	const struct keep *keep = ctx;
	char path[PATH_MAX], kept[PATH_MAX];
	int ifindex;

	if (!pins_is_link(name) || pins_path(path, dir, "", name))
		return 0;
	for (unsigned int i = 0; i < keep->n; i++) {
		if (keep->v[i].mode == XDP_NATIVE &&
		    !pins_path(kept, dir, PINS_LINK, keep->v[i].name) && !strcmp(kept, path))
			return 0;
	}
	ifindex = remove_link(path);
	for (unsigned int i = 0; i < keep->n; i++) {
		if ((int)keep->v[i].ifindex == ifindex && keep->v[i].mode != XDP_NONE)
			ifindex = 0;	/* tc has it now */
	}
	if (ifindex > 0)
		ports_close(keep->xdp, (__u32)ifindex);
	log_info("event=detached pin=%s", name);
	return 0;
}

void xdp_drop_others(struct xdp *xdp, const struct xdp_interface *keep, unsigned int n)
{
	struct keep ctx = { .xdp = xdp, .v = keep, .n = n };

	pins_each(xdp->pin_path, drop_one, &ctx);
}

static int detach_one(void *ctx, const char *dir, const char *name)
{
	char path[PATH_MAX];
	int *links = ctx, got;

	if (pins_path(path, dir, "", name))
		return 0;
	if (!pins_is_link(name))
		return unlink(path) ? -errno : 0;
	got = remove_link(path);
	if (got < 0)
		return got;
	(*links)++;
	return 0;
}

int xdp_detach_all(const char *pin_path)
{
	int links = 0, err = pins_each(pin_path, detach_one, &links);

	if (err)
		return err;
	rmdir(pin_path);	/* stays where something of somebody else's is in it */
	return links;
}
