/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The kernel's counters of one SCSI disk, through files kept open: reading them takes no lock of
 * the I/O path, allocates nothing and never blocked in any run, also with the host in recovery. */

#include "agent/base/macro.h"
#include "include/sample.h"

struct counters {
        int stat;       /* block device: stat (Documentation/block/stat.rst) */
        int busy;       /* SCSI: device_busy, commands dispatched, flush and passthrough included */
        int answered;   /* SCSI: iodone_cnt */
        int state;      /* SCSI: state of the device */
        int host_state; /* SCSI: state of its host */
};

/* Opens the counters of the disk whose directory in sysfs is BLOCK_DIR (.../block/sda) on SCSI host
 * HOST. SYSFS is where sysfs is mounted. 0, or a negative errno, with nothing left open: -ENOENT or
 * -ENODEV when the disk is gone. */
int counters_open(const char *sysfs, const char *block_dir, unsigned host, struct counters *ret)
        _must_check_;

void counters_close(struct counters *counters);

/* Reads them all into *ret, whose time is NOW. 0, or a negative errno: -ENODEV when the disk is
 * gone; -EINVAL when a file has no sense in it. */
int counters_read(const struct counters *counters, usec_t now, struct sample *ret);
