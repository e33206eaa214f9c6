/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#define MOUNT_VOLUMES_MAX 4
#define MOUNT_VOLUME_NAME_MAX 128 /* with its NUL (linux/dm-ioctl.h: DM_NAME_LEN) */

/* What a filesystem stands on that does not come back by itself with a disk that was gone. */
struct mount_volume {
        enum mount_volume_kind {
                MOUNT_VOLUME_LVM,
                MOUNT_VOLUME_CRYPT,
        } kind;
        char name[MOUNT_VOLUME_NAME_MAX]; /* that of device mapper */
};

/* One mount of a filesystem that stands on a disk, as it was while the disk was healthy: enough to
 * end it and to bring it back with mount(2). A copy of all the bytes, no pointers: it is sent to
 * executors and kept in the state file. */
struct mount_entry {
        int id;                     /* mountinfo's first field: tells this mount from a later one */
        dev_t devnum;               /* of the superblock */
        char source[PATH_MAX];
        char root[PATH_MAX];        /* "/" unless a part of the filesystem is bound here */
        char target[PATH_MAX];
        char fstype[32];
        unsigned long flags;        /* MS_*: what is a flag of mount(2) */
        char data[1024];            /* the rest: options of the filesystem itself */
        uint64_t errors;            /* noted when its disk fell ill; UINT64_MAX: not known */
        unsigned n_volumes;
        struct mount_volume volumes[MOUNT_VOLUMES_MAX]; /* that nearest to the filesystem first */
};

/* Whether it shows a part of the filesystem only, by a bind mount: of btrfs what is not the root of
 * the subvolume that its options tell (fs/btrfs/super.c: btrfs_show_options: that comes last). */
static inline bool mount_entry_is_part(const struct mount_entry *entry) {
        const char *subvolume;

        if (strcmp(entry->fstype, "btrfs") != 0)
                return strcmp(entry->root, "/") != 0;
        subvolume = strstr(entry->data, "subvol=");
        return !subvolume || strcmp(subvolume + strlen("subvol="), entry->root) != 0;
}
