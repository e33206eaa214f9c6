/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The end of the machine, when nothing else is left. Waits for no disk: sysrq-trigger goes neither
 * through init nor through the shutdown of devices, where a hung disk would hold it up
 * (drivers/tty/sysrq.c: sysrq_handle_crash, sysrq_handle_reboot -> emergency_restart). The mask of
 * kernel.sysrq does not concern it. */

#include "include/policy.h"

/* Opens /proc/sysrq-trigger at PROCFS while all is well. The fd, or a negative errno. */
int fence_open(const char *procfs);

/* Ends the machine as HOW says. Does not return when it worked; else a negative errno: -EINVAL for
 * FENCE_NONE, or that of the write. */
int fence(int fd, enum policy_fence how);
