/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What decide can ask act to do. Each step is carried out by an executor, under a deadline. */
enum step {
        STEP_NONE,
        STEP_LUN_RESET,   /* rung lun-reset: SG_SCSI_RESET DEVICE | NO_ESCALATE */
        STEP_OFFLINE,     /* rung offline: state := offline, then LUN reset: in-flight gets EIO */
        STEP_PROBE,       /* read one block from the device, past every cache */
        STEP_FS_SHUTDOWN, /* filesystems: new I/O ends with EIO at once */
        STEP_FS_UMOUNT,   /* filesystems: unmount, never lazily */
        STEP_RUNNING,     /* state := running, then as STEP_PROBE */
        STEP_FS_MOUNT,    /* filesystems: mount again what was mounted */
        _STEP_MAX,
};

/* Who carries a step out. The domain's executor takes what can freeze all its disks; the disk's own
 * takes what can hang on this disk, so that neither keeps the other from its work. */
enum step_place {
        PLACE_DOMAIN,
        PLACE_DISK,
};

static inline enum step_place step_place(enum step step) {
        return step == STEP_LUN_RESET || step == STEP_OFFLINE ? PLACE_DOMAIN : PLACE_DISK;
}
