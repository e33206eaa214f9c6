/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The disks to guard: those that udev's rules gave the tag "unhang", of whatever kind. Of the head
 * of NVMe multipath the paths as well: hidden disks, of which udev knows nothing. */

#include "agent/base/macro.h"
#include "include/disk.h"
#include "include/properties.h"

struct udev_watch;

/* A disk as udev and sysfs show it. A path bears the number, the serial and the properties of its
 * head. */
struct disk_found {
        struct disk_id id;
        struct disk_nodes nodes;
        struct properties properties;
};

struct udev_callbacks {
        /* A tagged disk, or a path to one, is there; said again at each change of it, and of a path
         * at each change of any NVMe controller. That a path alone is gone is never said: its files
         * say so, with ENODEV. One that comes to a head that is there already may be heard of only
         * at the next udev_watch_enumerate(): there is no event for it. */
        void (*appeared)(const struct disk_found *disk, void *userdata);
        /* A block device is gone, or no longer tagged, and all its paths with it. */
        void (*vanished)(dev_t devnum, void *userdata);
        /* The NVMe controller of this name ("nvme0") has been reset: what it had been given may
         * have counted as completed. */
        void (*reset)(const char *controller, void *userdata);
        /* A tagged disk that cannot be guarded, and why. */
        void (*unfit)(const char *name, const char *reason, void *userdata);
        /* Events were lost. All that is there follows; what was not named again when COMPLETE
         * comes is gone. May come again without COMPLETE: then what came since counts for nothing,
         * and all is begun anew. */
        void (*lost)(void *userdata);
        void (*complete)(void *userdata);
};

/* Begins to listen. 0, or a negative errno. */
int udev_watch_new(const struct udev_callbacks *callbacks, void *userdata,
                   struct udev_watch **ret);
struct udev_watch *udev_watch_free(struct udev_watch *watch);

/* Readable when there is something to dispatch. */
int udev_watch_fd(struct udev_watch *watch);

/* Reports all disks that are there now. 0, or a negative errno. */
int udev_watch_enumerate(struct udev_watch *watch);

/* Takes the events that have come. Never blocks. 0; or a negative errno when events were lost and
 * the disks could not be named again: to be called again then, though nothing has come. */
int udev_watch_dispatch(struct udev_watch *watch);
