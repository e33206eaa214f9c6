/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who holds a filesystem, for the executors that are to have it let go. */

#include <sys/types.h>

/* Calls FOUND for each process that holds the superblock SUPER, by whatever observe/holders.h looks
 * at, with its systemd unit ("" for none). Not for this process or the one with number 1. For
 * executors: it may hang (as told there), and it allocates. 0, also when more than is looked at is
 * there, or a negative errno. */
int holding_find(dev_t super, void (*found)(pid_t pid, const char *unit, void *userdata),
                 void *userdata);
