/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The requests that a disk's driver has started, from debugfs (block/blk-mq-debugfs.c: hctxN/busy).
 * Shows cache flushes on every kernel, and on SCSI how old each request is (drivers/scsi/
 * scsi_debugfs.c: "allocated 4.032 s ago", the time since it was first given to the driver). */

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/macro.h"
#include "include/usec.h"

struct request_list {
        uint32_t requests;    /* read, write, flush, discard ...: of filesystems and block layer */
        uint32_t flushes;     /* those of them that are cache flushes */
        uint32_t passthrough; /* of user space, past the block layer: SG_IO, NVMe ioctls */
        uint32_t marked;      /* those of PASSTHROUGH that bear the mark of statistics, RQF_IO_STAT;
                               * it means something from 6.13 on, before it all bear it */
        usec_t oldest;        /* age of the oldest of REQUESTS; 0: there is none, or none is told */
        bool aged;            /* ages are told, or there was nothing to tell one of */
        bool iostats_off;     /* the queue keeps no statistics, as far as that can be known: by its
                               * flags, or by what mark its reads and writes bear */
};

struct requests;

/* For the disk NAME, in the debugfs that is mounted under SYSFS. Nothing is kept open: hardware
 * queues come and go with CPUs and with NVMe resets. 0 and an object that the caller frees; -ENOENT
 * when debugfs is not mounted, or the kernel has no BLK_DEBUG_FS; -EACCES or -EPERM; -ENOMEM. */
int requests_open(const char *sysfs, const char *name, struct requests **ret) _must_check_;
struct requests *requests_free(struct requests *requests);

/* Reads the list anew, without allocating. 0, or a negative errno: -ENOENT when it is gone, also
 * while the hardware queues are made anew. A list too long for a bound on the work (at least 4096
 * requests are read) is cut: then what was read stands. */
int requests_read(struct requests *requests, struct request_list *ret);
