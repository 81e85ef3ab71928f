/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TURNPIKE_HOOK_H
#define TURNPIKE_HOOK_H

struct session;

/* What is to be registered for a session. */
void hook_describe(struct session *session);

#endif
