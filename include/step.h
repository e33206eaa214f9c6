/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What decide can ask act to do. Each step is carried out by an executor, under a deadline. */
enum step {
        STEP_NONE,

        /* Rungs for SCSI: SG_SCSI_RESET of ever wider kind, NO_ESCALATE; what is in flight is sent
         * again. */
        STEP_LUN_RESET,
        STEP_TARGET_RESET,
        STEP_BUS_RESET,
        STEP_HOST_RESET,
        STEP_OFFLINE, /* state := offline, then LUN reset: in-flight I/O ends with EIO */

        /* Rungs for NVMe. */
        STEP_CONTROLLER_RESET,   /* what is in flight is sent again */
        STEP_CONTROLLER_FAIL,    /* the driver gives the controller up: all I/O ends with EIO */
        STEP_CONTROLLER_END,     /* the same, while a reset of it does not return */
        STEP_CONTROLLER_REMOVE,  /* the function leaves PCI: only after one of these two */
        STEP_CONTROLLER_RESTORE, /* puts back what an unfinished step has changed */
        STEP_CONTROLLER_RESCAN,  /* looks for the function on PCI again */

        STEP_PROBE,       /* read one block from the device, past every cache */
        STEP_FS_CHECK,    /* filesystems: write and sync a nameless file */
        STEP_FS_CLEAR,    /* filesystems: unmount those that do not take that */
        STEP_FS_SHUTDOWN, /* filesystems: new I/O ends with EIO at once */
        STEP_FS_UMOUNT,   /* filesystems: unmount, never lazily */
        STEP_RUNNING,     /* state := running, then as STEP_PROBE */
        STEP_FS_MOUNT,    /* filesystems: mount again what was mounted */
        STEP_FENCE,       /* the machine itself is given up: panic or reboot */
        _STEP_MAX,
};

/* Who carries a step out: each is a process of its own, so that none keeps the others from their
 * work. */
enum step_place {
        PLACE_DOMAIN, /* the domain's executor: what can freeze all its disks */
        PLACE_RESCUE, /* its second one: what serves while the first hangs in a reset */
        PLACE_DISK,   /* the disk's own: what can hang on this disk */
        PLACE_DAEMON, /* none: it waits for nothing */
        _STEP_PLACE_MAX,
};

static inline enum step_place step_place(enum step step) {
        switch (step) {
        case STEP_LUN_RESET:
        case STEP_TARGET_RESET:
        case STEP_BUS_RESET:
        case STEP_HOST_RESET:
        case STEP_OFFLINE:
        case STEP_CONTROLLER_RESET:
        case STEP_CONTROLLER_FAIL:
                return PLACE_DOMAIN;
        case STEP_CONTROLLER_END:
        case STEP_CONTROLLER_REMOVE:
        case STEP_CONTROLLER_RESTORE:
        case STEP_CONTROLLER_RESCAN:
                return PLACE_RESCUE;
        case STEP_FENCE:
                return PLACE_DAEMON;
        default:
                return PLACE_DISK;
        }
}
