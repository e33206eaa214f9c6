/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The acts on one SCSI disk. Every call here may sleep uninterruptibly for as long as the disk
 * hangs: for executors only. Facts: drivers/scsi/scsi_error.c (scsi_ioctl_reset),
 * drivers/scsi/sg.c, drivers/scsi/scsi_sysfs.c (store_state_field). */

#include <stdint.h>

#include "agent/base/macro.h"
#include "include/disk.h"

struct sg_pt_base;

struct scsi_disk {
        int node;              /* O_RDONLY | O_NONBLOCK: resets even an offline disk */
        int state;             /* device/state, for writing */
        uint32_t block_size;
        struct sg_pt_base *pt; /* allocated while all is well */
        uint8_t *block;
};

/* Opens what the acts need. 0, or a negative errno; *disk is then closed again. scsi_close() may be
 * called on an all-zero, failed or closed one. */
int scsi_open(const struct disk_nodes *nodes, struct scsi_disk *disk) _must_check_;
void scsi_close(struct scsi_disk *disk);

/* LUN reset, never anything wider: NO_ESCALATE. 0; -EAGAIN while the kernel is recovering the
 * host; -EIO when the device or its driver refused; -EACCES without CAP_SYS_ADMIN and
 * CAP_SYS_RAWIO. Never returns while the device does not answer the TMF (virtio_scsi.c:
 * virtscsi_tmf). */
int scsi_lun_reset(struct scsi_disk *disk);

/* State offline: new requests end with EIO; what is in flight stays there until a reset. 0 or
 * -EINVAL when the kernel has the device in another state than running or offline. */
int scsi_set_offline(struct scsi_disk *disk);

/* State running; the kernel then asks the device who it is, and waits for that. 0, or as above. */
int scsi_set_running(struct scsi_disk *disk);

/* Reads block 0 from the device. 0 when it answered, be it with a medium error; -EIO when it did
 * not get so far or is not ready; -EBADF when the disk is not open. */
int scsi_probe(struct scsi_disk *disk);
