/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The disks to guard: SCSI disks that udev's rules gave the tag "unhang". */

#include "agent/base/macro.h"
#include "include/disk.h"

struct udev_watch;

/* A disk as udev shows it. The pointers are valid while the call lasts. */
struct disk_found {
        struct disk_id id;
        struct disk_nodes nodes;
        const char *block_dir; /* /sys/devices/.../block/sda */
};

struct udev_callbacks {
        /* A tagged disk is there; said again at each change of it. */
        void (*appeared)(const struct disk_found *disk, void *userdata);
        /* A block device is gone, or no longer tagged. */
        void (*vanished)(dev_t devnum, void *userdata);
        /* A tagged disk that cannot be guarded, and why. */
        void (*unfit)(const char *name, const char *reason, void *userdata);
};

/* Begins to listen. 0, or a negative errno. */
int udev_watch_new(const struct udev_callbacks *callbacks, void *userdata,
                   struct udev_watch **ret);
struct udev_watch *udev_watch_free(struct udev_watch *watch);

/* Readable when there is something to dispatch. */
int udev_watch_fd(struct udev_watch *watch);

/* Reports all disks that are there now. 0, or a negative errno. */
int udev_watch_enumerate(struct udev_watch *watch);

/* Takes the events that have come. Never blocks. */
void udev_watch_dispatch(struct udev_watch *watch);
