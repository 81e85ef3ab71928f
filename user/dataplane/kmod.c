// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "dataplane/kmod.h"
#include "dataplane/xdp.h"

void kmod_ports_add(struct kmod_ports *ports, uint16_t from, uint16_t to)
{
	for (uint32_t port = from; port <= to; port++)
		ports->bits[port / 8] |= (uint8_t)(1U << port % 8);
}

static void explain(char *why, int err)
{
	switch (-err) {
	case ENOENT:
	case ENXIO:
	case ENODEV:
		snprintf(why, XDP_WHY, "the module is not loaded (modprobe turnpike)");
		return;
	case EACCES:
	case EPERM:
		snprintf(why, XDP_WHY, TURNPIKE_DEVICE ": not permitted: root with CAP_NET_ADMIN "
			 "needed");
		return;
	default:
		snprintf(why, XDP_WHY, TURNPIKE_DEVICE ": %s", strerror(-err));
	}
}

struct turnpike_tables kmod_tables(const struct tables *tables, const struct kmod_ports *ports)
{
	return (struct turnpike_tables){
		.abi_version = TP_ABI_VERSION,
		.fd = {
			[TURNPIKE_META] = tables->fd[TABLE_meta],
			[TURNPIKE_ROWS4] = tables->fd[TABLE_rows4],
			[TURNPIKE_ROWS6] = tables->fd[TABLE_rows6],
			[TURNPIKE_LIMITS] = tables->fd[TABLE_limits],
			[TURNPIKE_COUNTS] = tables->fd[TABLE_kmod_counts],
			[TURNPIKE_STATS] = tables->kmod_stats_fd,
		},
		.ports = (uintptr_t)ports->bits,
	};
}

int kmod_set(int fd, const struct tables *tables, const struct kmod_ports *ports, char *why)
{
	struct turnpike_tables given = kmod_tables(tables, ports);
	int err;

	if (!ioctl(fd, TURNPIKE_SET_TABLES, &given))
		return 0;
	err = -errno;
	given.why[sizeof(given.why) - 1] = '\0';
	if (given.why[0])
		snprintf(why, XDP_WHY, "the module refuses the tables: %s", given.why);
	else
		explain(why, err);
	return err;
}

int kmod_open(const struct tables *tables, const struct kmod_ports *ports, char *why)
{
	int fd = open(TURNPIKE_DEVICE, O_RDWR | O_CLOEXEC), err;

	if (fd < 0) {
		err = -errno;
		explain(why, err);
		return err;
	}
	err = kmod_set(fd, tables, ports, why);
	if (!err)
		return fd;
	close(fd);
	return err;
}
