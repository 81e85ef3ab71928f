// SPDX-License-Identifier: MIT
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/genetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "dataplane/device.h"

/* <linux/netdev.h>, which is younger than the systems that this is built on */
#define NETDEV_FAMILY		"netdev"
#define NETDEV_DEV_GET		1
#define NETDEV_DEV_IFINDEX	1
#define NETDEV_DEV_FEATURES	3

/* One question to the driver; cmd is an SIOC number, *ifr gets the answer. */
static int ask(const char *name, unsigned long cmd, struct ifreq *ifr)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	snprintf(ifr->ifr_name, IFNAMSIZ, "%s", name);
	err = ioctl(fd, cmd, ifr) ? -errno : 0;
	close(fd);
	return err;
}

void device_driver(const char *name, char driver[DEVICE_DRIVER])
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq ifr = { .ifr_data = (void *)&info };

	if (ask(name, SIOCETHTOOL, &ifr) || !info.driver[0])
		snprintf(driver, DEVICE_DRIVER, "unknown");
	else
		snprintf(driver, DEVICE_DRIVER, "%.32s", info.driver);
}

int device_mtu(const char *name)
{
	struct ifreq ifr = { 0 };

	return ask(name, SIOCGIFMTU, &ifr) ? 0 : ifr.ifr_mtu;
}

bool device_is_ethernet(const char *name, uint8_t mac[6])
{
	struct ifreq ifr = { 0 };

	if (ask(name, SIOCGIFHWADDR, &ifr) || ifr.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return false;
	memcpy(mac, ifr.ifr_hwaddr.sa_data, 6);
	return true;
}

/* --------------------------------------------------------- generic netlink */

struct wanted {
	uint16_t type;			/* attribute */
	uint64_t value;
	bool found;
};

static int attribute(const struct nlattr *attr, void *ctx)
{
	struct wanted *w = ctx;

	if (mnl_attr_get_type(attr) != w->type)
		return MNL_CB_OK;
	if (mnl_attr_get_payload_len(attr) == sizeof(uint16_t))
		w->value = mnl_attr_get_u16(attr);
	else if (mnl_attr_get_payload_len(attr) == sizeof(uint64_t))
		w->value = mnl_attr_get_u64(attr);
	else
		return MNL_CB_OK;
	w->found = true;
	return MNL_CB_OK;
}

static int message(const struct nlmsghdr *h, void *ctx)
{
	return mnl_attr_parse(h, sizeof(struct genlmsghdr), attribute, ctx);
}

static struct nlmsghdr *request(char *buf, uint16_t family, uint8_t cmd)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *g = mnl_nlmsg_put_extra_header(h, sizeof(*g));

	h->nlmsg_type = family;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	h->nlmsg_seq = 1;
	g->cmd = cmd;
	g->version = 1;
	return h;
}

static int answer(struct mnl_socket *s, const struct nlmsghdr *h, struct wanted *w)
{
	char buf[8192];
	int rc = MNL_CB_OK;
	ssize_t n;

	if (mnl_socket_sendto(s, h, h->nlmsg_len) < 0)
		return -errno;
	while (rc > MNL_CB_STOP) {
		n = mnl_socket_recvfrom(s, buf, sizeof(buf));
		if (n < 0)
			return -errno;
		rc = mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(s), message, w);
	}
	if (rc < 0)
		return -errno;
	return w->found ? 0 : -ENODATA;
}

int device_xdp_features(unsigned int ifindex, uint64_t *features)
{
	struct mnl_socket *s = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	struct wanted family = { .type = CTRL_ATTR_FAMILY_ID };
	struct wanted bits = { .type = NETDEV_DEV_FEATURES };
	char buf[256];
	struct nlmsghdr *h;
	int err;

	*features = 0;
	if (!s)
		return -errno;
	err = mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) ? -errno : 0;
	if (!err) {
		h = request(buf, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
		mnl_attr_put_strz(h, CTRL_ATTR_FAMILY_NAME, NETDEV_FAMILY);
		err = answer(s, h, &family);
	}
	if (!err) {
		h = request(buf, (uint16_t)family.value, NETDEV_DEV_GET);
		mnl_attr_put_u32(h, NETDEV_DEV_IFINDEX, ifindex);
		err = answer(s, h, &bits);
	}
	mnl_socket_close(s);
	*features = bits.value;
	return err;
}
