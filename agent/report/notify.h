/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What systemd wants to hear (sd_notify(3)), sent without ever waiting for it. */

#include "agent/base/macro.h"
#include "include/usec.h"

/* Takes NOTIFY_SOCKET and WATCHDOG_USEC from the environment. Returns a descriptor to send on, or
 * -EBADF when nobody wants to hear; *ret_watchdog is then, or without a watchdog, USEC_INFINITY:
 * else how often to send WATCHDOG=1 at least, with a margin of two. */
int notify_open(usec_t *ret_watchdog);

/* Sends one or more VARIABLE=value lines; what is not taken at once is lost. Takes -EBADF. */
void notify_send(int fd, const char *format, ...) _printf_(2, 3);
