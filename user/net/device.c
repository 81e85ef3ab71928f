// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include "net/device.h"

int device_bind(int fd, const char *name)
{
	if (!name)
		return 0;
	return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name)) ?
	       -errno : 0;
}
