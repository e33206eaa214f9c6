/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is set on a disk while it is healthy. For executors only: a queue attribute waits for a lock
 * that a writer hung on the disk may hold (block/blk-sysfs.c), and since 6.12 a write to one waits
 * for the disk's requests. */

#include "agent/act/undo.h"
#include "include/disk.h"
#include "include/prepare-settings.h"

/* Sets what is to be set and is not so; puts back what the disk has had set before and is now left.
 * UNDO keeps the values from before. A file that the kernel or the disk does not have is passed
 * over, and nothing is written to the queue of a disk that completes nothing for two seconds with
 * requests outstanding: -EBUSY. Fills *ret_before with what was found where something was changed
 * now, else PREPARE_LEAVE. Goes on after an error: 0, or the first negative errno, of the setting
 * *ret_failed. */
int prepare(const struct disk_nodes *nodes, const struct prepare_settings *settings,
            const struct undo *undo, struct prepare_settings *ret_before,
            enum prepare_setting *ret_failed);
