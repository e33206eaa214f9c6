/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The acts on one SCSI disk. Every call here may sleep uninterruptibly for as long as the disk
 * hangs: for executors only. Facts: drivers/scsi/scsi_error.c (scsi_ioctl_reset),
 * drivers/scsi/sg.c, drivers/scsi/scsi_sysfs.c (store_state_field). */

#include <stdint.h>

#include "agent/act/door.h"
#include "agent/base/macro.h"
#include "include/disk.h"

struct sg_pt_base;

struct scsi_disk {
        const struct door *door;
        int node;              /* O_RDONLY | O_NONBLOCK: resets even an offline disk */
        int state;             /* device/state, for writing */
        int scan;              /* libata: the host's scan file, for writing; else -EBADF */
        uint32_t block_size;
        struct sg_pt_base *pt; /* allocated while all is well */
        uint8_t *block;
};

/* Opens what the acts need. 0, or a negative errno; *disk is then closed again. scsi_close() may be
 * called on an all-zero, failed or closed one. */
int scsi_open(const struct disk_nodes *nodes, const struct door *door,
              struct scsi_disk *disk) _must_check_;
void scsi_close(struct scsi_disk *disk);

/* A reset of the LUN, and never of anything wider: NO_ESCALATE. 0; -EAGAIN while the kernel is
 * recovering the host; -EIO when the device refused, or its driver has no such reset; -EACCES
 * without CAP_SYS_ADMIN and CAP_SYS_RAWIO. Never returns while the device does not answer the TMF
 * (virtio_scsi.c: virtscsi_tmf). */
int scsi_lun_reset(struct scsi_disk *disk);

/* The same of the target, and of the bus: with success the kernel waits ten seconds after that of
 * a bus or a host (scsi_error.c: BUS_RESET_SETTLE_TIME, HOST_RESET_SETTLE_TIME). */
int scsi_target_reset(struct scsi_disk *disk);
int scsi_bus_reset(struct scsi_disk *disk);

/* The same of the host. libata has no such handler: there its port is scanned, which schedules
 * error handling with a reset and waits for its end (libata-scsi.c: ata_scsi_user_scan). */
int scsi_host_reset(struct scsi_disk *disk);

/* State offline: new requests end with EIO; what is in flight stays there until a reset. 0 or
 * -EINVAL when the kernel has the device in another state than running or offline. */
int scsi_set_offline(struct scsi_disk *disk);

/* State running; the kernel then asks the device who it is, and waits for that. 0, or as above. */
int scsi_set_running(struct scsi_disk *disk);

/* Reads block 0 from the device. 0 when it answered, be it with a medium error; -EIO when it did
 * not get so far or is not ready; -EBADF when the disk is not open. */
int scsi_probe(struct scsi_disk *disk);

/* Whether an initiator, of this guest or of another, is registered for persistent reservations, as
 * all are who hold one (SPC-4, PERSISTENT RESERVE IN). 1, or 0, also when the disk does not know of
 * such; -EIO when it did not answer. Allocates. */
int scsi_is_reserved(struct scsi_disk *disk);
