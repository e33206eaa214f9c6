/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is set on a disk while it is healthy, so that it can be watched. For executors only: a queue
 * attribute waits for a lock that a writer hung on the disk may hold (block/blk-sysfs.c). */

#include "include/disk.h"

/* Switches the disk's I/O statistics on: without them stat tells nothing. 1 when they were off, 0
 * when they were on, or a negative errno. */
int prepare_iostats(const struct disk_nodes *nodes);
