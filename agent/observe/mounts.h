/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The filesystems that stand on a disk or on its partitions, from /proc/self/mountinfo, which
 * does no I/O. Read while all is well and kept, for this allocates. */

#include <stddef.h>
#include <sys/types.h>

#include "agent/base/macro.h"
#include "include/mount-entry.h"

struct mounts {
        struct mount_entry *entries; /* in the order they were mounted */
        size_t n;
};

struct libmnt_table;

/* Reads the whole table at PATH ("/proc/self/mountinfo"). 0 and a table that the caller frees with
 * mount_table_free(), or a negative errno. */
int mount_table_read(const char *path, struct libmnt_table **ret) _must_check_;
void mount_table_free(struct libmnt_table *table);

/* Picks what stands on the disk or a partition of it; SYSFS tells which device is a partition of
 * what. 0, or a negative errno: -ENOMEM; -ENAMETOOLONG when a path or the options of a mount do not
 * fit. *ret is then untouched; else the caller frees it with mounts_clear(). */
int mounts_of_disk(struct libmnt_table *table, const char *sysfs, dev_t disk, struct mounts *ret)
        _must_check_;

/* Whether something stands on the disk that is not in that list: a volume (LVM, LUKS, md: a holder
 * in sysfs) or swap by SWAPS ("/proc/swaps"). What cannot be read counts as standing there. */
bool mounts_unfollowed(const char *sysfs, const char *swaps, dev_t disk);

/* Adds an empty entry to the list and returns it; NULL when there is no memory. */
struct mount_entry *mounts_append(struct mounts *mounts);

/* Frees the entries and empties the list. */
void mounts_clear(struct mounts *mounts);
