/* SPDX-License-Identifier: MIT */
#ifndef TP_USERS_SQLITE_H
#define TP_USERS_SQLITE_H

#include "users/database.h"

/* A new file with coturn's schema, or what is missing in an old one. -1, and why. */
int sqlite_make(const char *path, char *why);

#endif
