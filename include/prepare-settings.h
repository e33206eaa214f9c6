/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is set on a disk while it is healthy, since after the hang it is too late. */

#include <stdbool.h>
#include <stdint.h>

enum prepare_setting {
        PREPARE_IOSTATS,            /* queue/iostats: 0 or 1 */
        PREPARE_SCSI_TIMEOUT,       /* device/timeout: seconds */
        PREPARE_SCSI_MAX_RETRIES,   /* scsi_disk/H:C:T:L/max_retries: -1 (no limit) to 5 */
        PREPARE_NVME_IO_TIMEOUT,    /* ms; of the disk and of disks to come */
        PREPARE_NVME_ADMIN_TIMEOUT, /* ms; of all controllers before 7.3, then of this one, too */
        PREPARE_XFS_MAX_RETRIES,    /* of metadata writes that end with EIO, on each XFS that stands
                                     * on the disk or on a partition of it; -1: no limit */
        _PREPARE_SETTING_MAX,
};

/* A setting that is left, or put back, as it was. */
#define PREPARE_LEAVE INT64_MIN

struct prepare_settings {
        int64_t values[_PREPARE_SETTING_MAX];
        bool scsi_timeout_at_least; /* one that is longer by itself is left as it is */
};
