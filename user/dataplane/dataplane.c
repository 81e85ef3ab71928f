// SPDX-License-Identifier: MIT
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "address.h"
#include "dataplane/dataplane.h"
#include "dataplane/kmod.h"
#include "dataplane/sizes.h"
#include "log.h"

/* ------------------------------------------------------------- interfaces */

static bool is_ours(const struct conf *conf, const struct sockaddr *sa)
{
	struct tp_addr addr;

	if (!sa || !address_from_sockaddr(&addr, sa))
		return false;
	for (unsigned int i = 0; i < conf->listen.n; i++)
		if (address_same_ip(&addr, &conf->listen.v[i]))
			return true;
	for (unsigned int i = 0; i < conf->turn.n_relays; i++)
		if (address_same_ip(&addr, &conf->turn.relays[i].local))
			return true;
	for (unsigned int i = 0; i < conf->turn.n_former; i++)
		if (address_same_ip(&addr, &conf->turn.former[i].ip.local))
			return true;
	return false;
}

static int add_interface(struct dataplane *dp, const char *name)
{
	struct xdp_interface *grown;

	for (unsigned int i = 0; i < dp->n; i++)
		if (!strcmp(dp->interfaces[i].name, name))
			return 0;
	grown = realloc(dp->interfaces, (dp->n + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	dp->interfaces = grown;
	grown += dp->n++;
	memset(grown, 0, sizeof(*grown));
	snprintf(grown->name, sizeof(grown->name), "%s", name);
	grown->ifindex = if_nametoindex(name);
	return 0;
}

static int find_interfaces(struct dataplane *dp, const struct conf *conf)
{
	struct ifaddrs *list;
	int err = 0;

	if (getifaddrs(&list))
		return -errno;
	for (struct ifaddrs *i = list; i && !err; i = i->ifa_next)
		if (is_ours(conf, i->ifa_addr))
			err = add_interface(dp, i->ifa_name);
	freeifaddrs(list);
	return err;
}

/* It is there still, under its name and its number, and has an address of conf's. */
static bool is_used(const struct xdp_interface *iface, const struct ifaddrs *list,
		    const struct conf *conf)
{
	if (if_nametoindex(iface->name) != iface->ifindex)
		return false;
	for (const struct ifaddrs *i = list; i; i = i->ifa_next)
		if (!strcmp(i->ifa_name, iface->name) && is_ours(conf, i->ifa_addr))
			return true;
	return false;
}

/* Forgets those that are not used. How many, or -errno. */
static int forget_unused(struct dataplane *dp, const struct conf *conf)
{
	unsigned int kept = 0, had = dp->n;
	struct ifaddrs *list;

	if (getifaddrs(&list))
		return -errno;
	for (unsigned int i = 0; i < had; i++)
		if (is_used(&dp->interfaces[i], list, conf))
			dp->interfaces[kept++] = dp->interfaces[i];
	freeifaddrs(list);
	dp->n = kept;
	return (int)(had - kept);
}

/* --------------------------------------------------------------- the choice */

/*
 * The test that decides, one interface at a time: what the driver says it can, then whether it
 * does take the program. Nothing is sent for it. tc is loaded for the first one that needs it.
 */
static void attach_one(struct dataplane *dp, enum conf_dataplane wanted,
		       struct xdp_interface *iface)
{
	if (!strcmp(iface->name, "lo")) {
		snprintf(iface->why, sizeof(iface->why), "loopback: the daemon relays");
		return;
	}
	if (wanted == DATAPLANE_KMOD)
		return;
	if (wanted != DATAPLANE_TC && !xdp_attach(dp->xdp, iface))
		return;
	if (wanted == DATAPLANE_XDP)
		return;
	if (!dp->tc && tc_load(&dp->tc, dp->xdp, dp->tables.meta, dp->why))
		return;
	tc_attach(dp->tc, iface, false);
}

static unsigned int count_mode(const struct dataplane *dp, enum xdp_mode mode)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < dp->n; i++)
		n += dp->interfaces[i].mode == mode;
	return n;
}

/*
 * XDP cannot send by an interface whose driver has no XDP. What it passes up for that reason
 * the tc program gets, on the interface where it came in, and can.
 */
static bool xdp_needs_tc(const struct dataplane *dp)
{
	for (unsigned int i = 0; i < dp->n; i++) {
		if (dp->interfaces[i].mode != XDP_NONE && !dp->interfaces[i].redirects)
			return count_mode(dp, XDP_NATIVE) && dp->n > 1;
	}
	return false;
}

static int detach_tc_elsewhere(const struct dataplane *dp, const char *pin_path, bool beside_xdp)
{
	unsigned int *keep = calloc(dp->n + 1, sizeof(*keep)), n = 0;
	int err;

	if (!keep)
		return -ENOMEM;
	for (unsigned int i = 0; i < dp->n; i++) {
		if (dp->interfaces[i].mode == XDP_TC ||
		    (beside_xdp && dp->interfaces[i].mode == XDP_NATIVE))
			keep[n++] = dp->interfaces[i].ifindex;
	}
	err = tc_detach(pin_path, keep, n);
	free(keep);
	return err;
}

/* Those from the first of so many on. */
static void attach_from(struct dataplane *dp, const struct conf *conf, unsigned int first)
{
	bool beside_xdp = dp->beside_xdp;

	for (unsigned int i = first; i < dp->n; i++)
		attach_one(dp, conf->dataplane, &dp->interfaces[i]);
	dp->beside_xdp = conf->dataplane == DATAPLANE_AUTO && xdp_needs_tc(dp) &&
		(dp->tc || !tc_load(&dp->tc, dp->xdp, dp->tables.meta, dp->why));
	for (unsigned int i = beside_xdp ? first : 0; i < dp->n && dp->beside_xdp; i++) {
		if (dp->interfaces[i].mode == XDP_NATIVE)
			tc_attach(dp->tc, &dp->interfaces[i], true);
	}
}

static void detach_elsewhere(const struct dataplane *dp, const struct conf *conf)
{
	xdp_drop_others(dp->xdp, dp->interfaces, dp->n);
	detach_tc_elsewhere(dp, conf->pin_path, dp->beside_xdp);
}

static void add_ports(struct kmod_ports *ports, const struct conf *conf)
{
	for (unsigned int i = 0; i < conf->listen.n; i++) {
		uint16_t port = ntohs(conf->listen.v[i].port);

		kmod_ports_add(ports, port, port);
	}
	kmod_ports_add(ports, conf->turn.min_port, conf->turn.max_port);
	for (unsigned int i = 0; i < conf->turn.n_former; i++)
		kmod_ports_add(ports, conf->turn.former[i].min_port,
			       conf->turn.former[i].max_port);
}

/* The module is asked for what these two do not take, on whatever interface it comes. */
static void leave_to_module(struct dataplane *dp)
{
	char before[XDP_WHY];

	for (unsigned int i = 0; i < dp->n && dp->module; i++) {
		struct xdp_interface *iface = &dp->interfaces[i];

		if (iface->mode != XDP_NONE)
			continue;
		iface->mode = XDP_KMOD;
		memcpy(before, iface->why, sizeof(before));
		snprintf(iface->why, XDP_WHY, "module%s%.140s", before[0] ? "; " : "", before);
	}
}

static int open_module(struct dataplane *dp, const struct conf *conf, char *why)
{
	struct kmod_ports ports = { { 0 } };

	add_ports(&ports, conf);
	dp->kmod_fd = kmod_open(&dp->tables, &ports, why);
	if (dp->kmod_fd < 0)
		return dp->kmod_fd;
	dp->module = true;
	leave_to_module(dp);
	return 0;
}

/* The ports of one configuration, or of two where one takes the other's place. */
static void renew_module(const struct dataplane *dp, const struct conf *conf,
			 const struct conf *other)
{
	struct kmod_ports ports = { { 0 } };
	char why[XDP_WHY] = "";

	if (!dp->module)
		return;
	add_ports(&ports, conf);
	add_ports(&ports, other);
	if (kmod_set(dp->kmod_fd, &dp->tables, &ports, why))
		log_warning("dataplane=%s: the module keeps to the ports that it had: %s",
			    dataplane_word(conf->dataplane), why);
}

/* In auto it is no fault that there is none. */
static int use_module(struct dataplane *dp, const struct conf *conf)
{
	char why[XDP_WHY] = "";
	int err;

	if (conf->dataplane != DATAPLANE_KMOD && conf->dataplane != DATAPLANE_AUTO)
		return 0;
	err = open_module(dp, conf, why);
	if (!err)
		return 0;
	if (conf->dataplane == DATAPLANE_KMOD) {
		memcpy(dp->why, why, sizeof(why));
		return err;
	}
	if (err != -ENOENT && err != -ENXIO && err != -ENODEV)
		log_warning("dataplane=auto: no module: %s", why);
	return 0;
}

/* With dataplane=xdp, tc or kmod every interface must be taken; the loopback never is. */
static const struct xdp_interface *first_missing(const struct dataplane *dp)
{
	for (unsigned int i = 0; i < dp->n; i++)
		if (dp->interfaces[i].mode == XDP_NONE && strcmp(dp->interfaces[i].name, "lo"))
			return &dp->interfaces[i];
	return NULL;
}

static void leave_module(struct dataplane *dp)
{
	if (dp->kmod_fd >= 0)
		close(dp->kmod_fd);
	dp->kmod_fd = -1;
	dp->module = false;
}

static int try_kernel(struct dataplane *dp, const struct conf *conf, const struct tp_meta *sizes)
{
	const struct xdp_interface *missing;
	unsigned int attached;
	int err;

	if (conf->dataplane == DATAPLANE_KMOD)
		err = xdp_load_tables(&dp->xdp, conf->pin_path, sizes, &dp->tables, dp->why);
	else
		err = xdp_load(&dp->xdp, conf->pin_path, sizes, &dp->tables, dp->why);
	if (err)
		return err;
	attach_from(dp, conf, 0);
	/* what now has the other one, or none, last: without a gap */
	detach_elsewhere(dp, conf);
	attached = dp->n - count_mode(dp, XDP_NONE);
	err = use_module(dp, conf);
	attached += count_mode(dp, XDP_KMOD);
	missing = err ? NULL : first_missing(dp);
	if (missing && missing->why[0])
		snprintf(dp->why, sizeof(dp->why), "%.15s: %.130s", missing->name, missing->why);
	else if (!err && !attached && !dp->why[0])
		snprintf(dp->why, sizeof(dp->why), "no interface but the loopback");
	if (!err && attached && (!missing || conf->dataplane == DATAPLANE_AUTO))
		return 0;
	leave_module(dp);
	tables_close(&dp->tables);
	tc_close(dp->tc);
	xdp_close(dp->xdp);
	dp->tc = NULL;
	dp->xdp = NULL;
	dataplane_detach(conf->pin_path);
	return err ? err : -EOPNOTSUPP;
}

const char *dataplane_word(enum conf_dataplane which)
{
	static const char *const words[] = {
		[DATAPLANE_AUTO] = "auto", [DATAPLANE_XDP] = "xdp", [DATAPLANE_TC] = "tc",
		[DATAPLANE_KMOD] = "kmod", [DATAPLANE_USER] = "user",
	};

	return words[which];
}

const char *dataplane_mode_word(enum xdp_mode mode)
{
	static const char *const words[] = {
		[XDP_NONE] = "none", [XDP_KMOD] = "kmod", [XDP_TC] = "tc", [XDP_NATIVE] = "native",
	};

	return words[mode];
}

static void log_interfaces(const struct dataplane *dp, unsigned int first)
{
	for (unsigned int i = first; i < dp->n; i++)
		log_info("interface name=%s xdp=%s why=\"%s\"", dp->interfaces[i].name,
			 dataplane_mode_word(dp->interfaces[i].mode), dp->interfaces[i].why);
}

static void log_choice(const struct dataplane *dp)
{
	log_info("dataplane mode=%s module=%s%s%s%s", dataplane_word(dp->mode),
		 dp->module ? "yes" : "no",
		 dp->why[0] ? " why=\"" : "", dp->why, dp->why[0] ? "\"" : "");
	log_interfaces(dp, 0);
}

static void set_mode(struct dataplane *dp)
{
	dp->mode = count_mode(dp, XDP_NATIVE) ? DATAPLANE_XDP :
		   count_mode(dp, XDP_TC) ? DATAPLANE_TC : DATAPLANE_KMOD;
}

static void forget_interfaces(struct dataplane *dp, const char *why)
{
	for (unsigned int i = 0; i < dp->n; i++) {
		dp->interfaces[i].mode = XDP_NONE;
		if (!dp->interfaces[i].why[0])
			snprintf(dp->interfaces[i].why, XDP_WHY, "%s", why);
	}
}

int dataplane_open(struct dataplane *dp, const struct conf *conf)
{
	struct tp_meta sizes = sizes_of(conf);
	int err;

	memset(dp, 0, sizeof(*dp));
	dp->kmod_fd = -1;
	err = find_interfaces(dp, conf);
	if (err)
		goto fail;
	if (conf->dataplane != DATAPLANE_USER && turn_conf_relays(&conf->turn)) {
		err = try_kernel(dp, conf, &sizes);
		if (!err) {
			set_mode(dp);
			log_choice(dp);
			return 0;
		}
		/* Tables with other sizes hold flows that this daemon would not know of. */
		if (conf->dataplane != DATAPLANE_AUTO || err == -EEXIST)
			goto fail;
	} else if (dataplane_detach(conf->pin_path) > 0) {
		log_warning("dataplane=user: took off the programs that an earlier run left");
	}
	dp->mode = DATAPLANE_USER;
	if (conf->dataplane == DATAPLANE_USER)
		snprintf(dp->why, sizeof(dp->why), "dataplane=user");
	else if (!turn_conf_relays(&conf->turn))
		snprintf(dp->why, sizeof(dp->why), "no credentials: nothing is relayed");
	forget_interfaces(dp, dp->why);
	log_choice(dp);
	err = tables_create(&dp->tables, &sizes);
	if (!err)
		return 0;
fail:
	free(dp->interfaces);
	dp->interfaces = NULL;
	dp->n = 0;
	return err;
}

int dataplane_renew(struct dataplane *dp, const struct conf *next, const struct conf *running,
		    char why[XDP_WHY])
{
	const struct xdp_interface *missing;
	unsigned int had;
	int err;

	err = forget_unused(dp, running);
	had = dp->n;
	if (err >= 0)
		err = find_interfaces(dp, next);
	if (err) {
		snprintf(why, XDP_WHY, "the host's addresses: %s", strerror(-err));
		dataplane_trim(dp, running);
		return err;
	}
	if (dp->mode == DATAPLANE_USER) {
		forget_interfaces(dp, dp->why);
		return 0;
	}
	attach_from(dp, next, had);
	renew_module(dp, next, running);
	leave_to_module(dp);
	missing = next->dataplane == DATAPLANE_AUTO ? NULL : first_missing(dp);
	if (missing) {
		snprintf(why, XDP_WHY, "%.15s: %.130s", missing->name, missing->why);
		dataplane_trim(dp, running);
		return -EOPNOTSUPP;
	}
	set_mode(dp);
	log_interfaces(dp, had);
	return 0;
}

void dataplane_trim(struct dataplane *dp, const struct conf *conf)
{
	bool known = forget_unused(dp, conf) >= 0;

	if (dp->mode == DATAPLANE_USER)
		return;
	renew_module(dp, conf, conf);
	if (known)
		detach_elsewhere(dp, conf);
	if (dp->n)
		set_mode(dp);
}

void dataplane_leave(struct dataplane *dp)
{
	if (dp->kmod_fd >= 0)
		close(dp->kmod_fd);
	dp->kmod_fd = -1;
	xdp_close(dp->xdp);
	dp->xdp = NULL;
}

void dataplane_close(struct dataplane *dp)
{
	leave_module(dp);
	tables_close(&dp->tables);
	tc_close(dp->tc);
	xdp_close(dp->xdp);
	free(dp->interfaces);
}

int dataplane_detach(const char *pin_path)
{
	int filters = tc_detach(pin_path, NULL, 0), links;

	if (filters < 0)
		return filters;
	links = xdp_detach_all(pin_path);
	return links < 0 ? links : links + filters;
}
