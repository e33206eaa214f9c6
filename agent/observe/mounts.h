/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The filesystems that stand on a disk and end with it, from /proc/self/mountinfo, which does no
 * I/O. Read while all is well and kept, for this allocates. */

#include <stddef.h>
#include <sys/types.h>

#include "agent/base/macro.h"
#include "include/mount-entry.h"

struct mounts {
        struct mount_entry *entries; /* in the order they were mounted */
        size_t n;
};

struct libmnt_table;
struct stack;

/* Reads the whole table at PATH ("/proc/self/mountinfo"). 0 and a table that the caller frees with
 * mount_table_free(), or a negative errno. */
int mount_table_read(const char *path, struct libmnt_table **ret) _must_check_;
void mount_table_free(struct libmnt_table *table);

/* One line of the table; the texts are valid as long as the table is. */
struct mount_row {
        int id, parent;          /* of the mount, and of the one it is mounted on */
        dev_t devnum;            /* of the superblock; its major number is 0 when it is no disk's */
        const char *source;      /* "" if none is told; of each of these */
        const char *root;
        const char *target;
        const char *fstype;
        const char *options;     /* of the filesystem */
        const char *propagation; /* "shared:1 master:2" */
};

/* Calls FN for each line, in their order, until it returns a negative errno, which is returned;
 * else 0. -ENOMEM. */
int mount_table_each(struct libmnt_table *table,
                     int (*fn)(const struct mount_row *row, void *userdata), void *userdata)
        _must_check_;

/* Picks what stack_follows_mount() tells from the table of our own namespace, with which the stack
 * was made. 0, or a negative errno: -ENOMEM; -ENAMETOOLONG when a path or the options of a mount do
 * not fit. *ret is then untouched; else the caller frees it with mounts_clear(). */
int mounts_of_stack(struct libmnt_table *table, const struct stack *stack, struct mounts *ret)
        _must_check_;

/* Adds an empty entry to the list and returns it; NULL when there is no memory. */
struct mount_entry *mounts_append(struct mounts *mounts);

/* Frees the entries and empties the list. */
void mounts_clear(struct mounts *mounts);

/* Reads how many errors the filesystem has noted in its superblock (fs/ext4/sysfs.c: errors_count,
 * ext4 only), which asks no disk. 0, or a negative errno: -EOPNOTSUPP for others; -ENOENT when it
 * is not mounted. Does not allocate. */
int mount_errors(const char *sysfs, const struct mount_entry *entry, uint64_t *ret) _must_check_;
