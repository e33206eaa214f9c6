/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What sysfs says of a block device: of what kind it is, which driver serves it, what its fault
 * domain is. Reads links and names, never a queue attribute: those wait for a lock that a writer
 * hung on the disk may hold (block/blk-sysfs.c: queue_attr_show). */

#include <stdbool.h>

#include "agent/base/macro.h"
#include "include/disk.h"

/* Fills *ret_id but for the serial, and *ret_nodes, for the block device whose directory
 * is BLOCK_DIR (.../block/sda; links in it are resolved). SYSFS is where sysfs is mounted;
 * BLOCK_DIR begins with it. The driver is "" where none is told. The block size is not read but an
 * upper bound: enough for a buffer that is to take one block. 0; -EOPNOTSUPP when it is no disk
 * that could hang by itself: loop, ram, zram, pmem, a CD, a floppy; -ENOENT or -ENODEV when the
 * disk is gone, or is a path whose head is not there; -EINVAL when its place is not understood;
 * -ENAMETOOLONG. */
int device_read(const char *sysfs, const char *block_dir, struct disk_id *ret_id,
                struct disk_nodes *ret_nodes) _must_check_;

/* The hidden disks nvmeXcYnZ through which the NVMe multipath head at BLOCK_DIR is reached, each as
 * a directory of its own (drivers/nvme/host/core.c: nvme_alloc_ns). Calls FOUND for each. Returns
 * how many there are, 0 for anything but a head, or a negative errno. */
int device_paths(const char *sysfs, const char *block_dir,
                 void (*found)(const char *path_dir, void *userdata), void *userdata);

/* Whether both are the same disk in the same place: by diskseq where the kernel has it, else by
 * what the disk says of itself. That a serial is missing says nothing, for udev asks the disk for
 * it anew at each event, and one that is sick does not tell. */
bool device_is_same(const struct disk_id *a, const struct disk_id *b);

/* Whether the disk is still where it was found. What cannot be told is not taken for gone. */
bool device_is_there(const char *sysfs, const struct disk_id *id);
