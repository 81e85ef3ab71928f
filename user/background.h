/* SPDX-License-Identifier: MIT */
/* A daemon in the old sense: the command returns when it is ready (directive daemon). */
#ifndef TP_BACKGROUND_H
#define TP_BACKGROUND_H

/*
 * From here on in a process of its own, in a session of its own. The process that called does
 * not come back: it ends with 0 when background_ready() is called there, with the other one's
 * status where that ends before. The descriptor for background_ready(), or -errno.
 */
int background_start(void);
/* Lets go of the caller's terminal as well. */
void background_ready(int fd);

#endif
