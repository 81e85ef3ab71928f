/* SPDX-License-Identifier: MIT */
/* Sockets that see one network interface only. */
#ifndef TP_NET_DEVICE_H
#define TP_NET_DEVICE_H

/* Before bind(), so that ports are taken on that device alone. name NULL: every device.
 * Since Linux 5.7 it needs no privilege on a socket that has none yet. 0 or -errno. */
int device_bind(int fd, const char *name);

#endif
