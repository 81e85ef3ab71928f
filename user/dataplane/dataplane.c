// SPDX-License-Identifier: MIT
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "address.h"
#include "dataplane/dataplane.h"
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

/* --------------------------------------------------------------- the choice */

static unsigned int attach_all(struct dataplane *dp)
{
	unsigned int attached = 0;

	for (unsigned int i = 0; i < dp->n; i++) {
		struct xdp_interface *iface = &dp->interfaces[i];

		if (!strcmp(iface->name, "lo"))
			snprintf(iface->why, sizeof(iface->why), "loopback: the daemon relays");
		else
			xdp_attach(dp->xdp, iface);
		attached += iface->attached;
	}
	xdp_drop_others(dp->xdp, dp->interfaces, dp->n);
	return attached;
}

/* With dataplane=xdp every interface must be taken; the loopback never is. */
static const struct xdp_interface *first_missing(const struct dataplane *dp)
{
	for (unsigned int i = 0; i < dp->n; i++)
		if (!dp->interfaces[i].attached && strcmp(dp->interfaces[i].name, "lo"))
			return &dp->interfaces[i];
	return NULL;
}

static int try_xdp(struct dataplane *dp, const struct conf *conf, const struct tp_meta *sizes)
{
	const struct xdp_interface *missing;
	unsigned int attached;
	int err = xdp_load(&dp->xdp, conf->pin_path, sizes, &dp->tables, dp->why);

	if (err)
		return err;
	attached = attach_all(dp);
	missing = first_missing(dp);
	if (missing)
		snprintf(dp->why, sizeof(dp->why), "%.15s: %.130s", missing->name, missing->why);
	else if (!attached)
		snprintf(dp->why, sizeof(dp->why), "no interface but the loopback");
	if (attached && (!missing || conf->dataplane == DATAPLANE_AUTO))
		return 0;
	tables_close(&dp->tables);
	xdp_close(dp->xdp);
	dp->xdp = NULL;
	xdp_detach_all(conf->pin_path);
	return -EOPNOTSUPP;
}

static void log_choice(const struct dataplane *dp)
{
	log_info("dataplane mode=%s%s%s%s", dp->mode == DATAPLANE_XDP ? "xdp" : "user",
		 dp->why[0] ? " why=\"" : "", dp->why, dp->why[0] ? "\"" : "");
	for (unsigned int i = 0; i < dp->n; i++)
		log_info("interface name=%s xdp=%s why=\"%s\"", dp->interfaces[i].name,
			 dp->interfaces[i].attached ? "native" : "none", dp->interfaces[i].why);
}

static void forget_interfaces(struct dataplane *dp, const char *why)
{
	for (unsigned int i = 0; i < dp->n; i++) {
		dp->interfaces[i].attached = false;
		if (!dp->interfaces[i].why[0])
			snprintf(dp->interfaces[i].why, XDP_WHY, "%s", why);
	}
}

int dataplane_open(struct dataplane *dp, const struct conf *conf)
{
	struct tp_meta sizes = tables_sizes(conf->fast_path_flows, conf->max_allocations);
	int err;

	memset(dp, 0, sizeof(*dp));
	err = find_interfaces(dp, conf);
	if (err)
		goto fail;
	if (conf->dataplane != DATAPLANE_USER && turn_conf_relays(&conf->turn)) {
		err = try_xdp(dp, conf, &sizes);
		if (!err) {
			dp->mode = DATAPLANE_XDP;
			log_choice(dp);
			return 0;
		}
		/* Tables with other sizes hold flows that this daemon would not know of. */
		if (conf->dataplane == DATAPLANE_XDP || err == -EEXIST)
			goto fail;
	} else if (xdp_detach_all(conf->pin_path) > 0) {
		log_warning("dataplane=user: took off the XDP programs that an earlier run left");
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

void dataplane_close(struct dataplane *dp)
{
	tables_close(&dp->tables);
	if (dp->xdp)
		xdp_close(dp->xdp);
	free(dp->interfaces);
}
