// SPDX-License-Identifier: MIT
/* Netlink of its own: libbpf logs an error for a qdisc that is there, and cannot list. */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "dataplane/filters.h"

struct listing {
	void (*found)(void *ctx, const struct filter *filter);
	void *ctx;
};

static int option(const struct nlattr *attr, void *ctx)
{
	struct filter *filter = ctx;

	if (mnl_attr_get_type(attr) == TCA_BPF_NAME &&
	    !mnl_attr_validate(attr, MNL_TYPE_NUL_STRING))
		snprintf(filter->name, sizeof(filter->name), "%s", mnl_attr_get_str(attr));
	return MNL_CB_OK;
}

struct filter_text {
	const struct nlattr *options;
	bool bpf;
};

static int attribute(const struct nlattr *attr, void *ctx)
{
	struct filter_text *text = ctx;

	if (mnl_attr_get_type(attr) == TCA_OPTIONS)
		text->options = attr;
	if (mnl_attr_get_type(attr) == TCA_KIND && !mnl_attr_validate(attr, MNL_TYPE_NUL_STRING))
		text->bpf = !strcmp(mnl_attr_get_str(attr), "bpf");
	return MNL_CB_OK;
}

static int filter_message(const struct nlmsghdr *h, void *ctx)
{
	const struct tcmsg *tcm = mnl_nlmsg_get_payload(h);
	const struct listing *listing = ctx;
	struct filter_text text = { 0 };
	struct filter filter = {
		.handle = tcm->tcm_handle, .priority = (uint16_t)(tcm->tcm_info >> 16),
	};

	/* a chain's head has no handle */
	if (h->nlmsg_type != RTM_NEWTFILTER || !tcm->tcm_handle)
		return MNL_CB_OK;
	mnl_attr_parse(h, sizeof(*tcm), attribute, &text);
	if (text.bpf && text.options)
		mnl_attr_parse_nested(text.options, option, &filter);
	listing->found(listing->ctx, &filter);
	return MNL_CB_OK;
}

static struct nlmsghdr *request(char *buf, uint16_t type, uint16_t flags, unsigned int ifindex,
				uint32_t parent)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct tcmsg *tcm = mnl_nlmsg_put_extra_header(h, sizeof(*tcm));

	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	h->nlmsg_seq = 1;
	tcm->tcm_family = AF_UNSPEC;
	tcm->tcm_ifindex = (int)ifindex;
	tcm->tcm_parent = parent;
	return h;
}

static int answer(struct mnl_socket *s, mnl_cb_t found, void *ctx)
{
	char buf[16384];
	int rc = MNL_CB_OK;
	ssize_t n;

	while (rc > MNL_CB_STOP) {
		n = mnl_socket_recvfrom(s, buf, sizeof(buf));
		if (n < 0)
			return -errno;
		rc = mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(s), found, ctx);
	}
	return rc < 0 ? -errno : 0;
}

static int talk(const struct nlmsghdr *h, mnl_cb_t found, void *ctx)
{
	struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int err;

	if (!s)
		return -errno;
	err = mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) ? -errno : 0;
	if (!err && mnl_socket_sendto(s, h, h->nlmsg_len) < 0)
		err = -errno;
	if (!err)
		err = answer(s, found, ctx);
	mnl_socket_close(s);
	return err;
}

static int change_hook(unsigned int ifindex, uint16_t type, uint16_t flags)
{
	char buf[256];
	struct nlmsghdr *h = request(buf, type, NLM_F_ACK | flags, ifindex, TC_H_CLSACT);
	struct tcmsg *tcm = mnl_nlmsg_get_payload(h);

	tcm->tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
	mnl_attr_put_strz(h, TCA_KIND, "clsact");
	return talk(h, NULL, NULL);
}

int filters_make_hook(unsigned int ifindex)
{
	return change_hook(ifindex, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL);
}

int filters_remove_hook(unsigned int ifindex)
{
	return change_hook(ifindex, RTM_DELQDISC, 0);
}

int filters_each(unsigned int ifindex, enum filters_hook hook,
		 void (*found)(void *ctx, const struct filter *filter), void *ctx)
{
	uint32_t minor = hook == FILTERS_INGRESS ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS;
	struct listing listing = { .found = found, .ctx = ctx };
	char buf[256];

	return talk(request(buf, RTM_GETTFILTER, NLM_F_DUMP, ifindex,
			    TC_H_MAKE(TC_H_CLSACT, minor)), filter_message, &listing);
}
