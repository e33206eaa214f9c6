/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is asked of one NVMe namespace itself. Every call may sleep for as long as it hangs: for the
 * disk's own executor only. */

#include "agent/base/macro.h"
#include "include/disk.h"
#include "include/usec.h"

struct namespace;

/* Opens the node of the namespace, or of its head: the kernel then chooses the path. 0, or a
 * negative errno. */
int namespace_open(const struct disk_nodes *nodes, struct namespace **ret) _must_check_;
struct namespace *namespace_close(struct namespace *disk);

/* Reads block 0 from the device, past every cache. It has no timeout of its own, for the kernel
 * would reset the controller when that runs out (drivers/nvme/host/pci.c: nvme_timeout). 0 when it
 * answered, be it with a medium error; -EIO when it did not get so far or is not ready; -ENODEV
 * when the disk is gone. */
int namespace_probe(struct namespace *disk);

/* Whether a host, this one or another, is registered for reservations, as all are who hold one (NVM
 * Express Base Specification, Reservation Report). 1, or 0, also when the namespace does not know
 * of such; -EIO. Only for a disk that serves: while its controller is reset, the caller waits in
 * blk_queue_enter (block/blk-core.c) with the SRCU of a multipath head held (drivers/nvme/host/
 * ioctl.c: nvme_ns_head_ioctl), which the removal of the controller waits for when that reset fails
 * (core.c: nvme_ns_remove): 6.1 ends neither. */
int namespace_is_reserved(struct namespace *disk);

/* After which time the kernel takes a request of this disk for lost (queue/io_timeout);
 * USEC_INFINITY when it is a day or more or is not told. */
usec_t namespace_io_timeout(const struct namespace *disk);
