/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A disk: a whole block device with a request queue, known by identity and never by name alone. The
 * kernel gives names again to other disks; it never gives a diskseq twice in one boot
 * (block/genhd.c: inc_diskseq). */

#include <stdint.h>
#include <sys/types.h>

#define DISK_NAME_MAX 32
#define DISK_SERIAL_MAX 128

struct disk_id {
        char name[DISK_NAME_MAX];     /* "sda": for people and for /sys/block */
        dev_t devnum;
        uint64_t diskseq;             /* 0: the kernel is older than 5.15 and has none */
        char serial[DISK_SERIAL_MAX]; /* udev's ID_SERIAL, "" when it knows none */
        unsigned host;                /* the SCSI host: the fault domain */
        unsigned channel, target;
        uint64_t lun;
};

/* What an executor needs to open the disk. */
struct disk_nodes {
        char reset_node[64];          /* /dev/sgN, or /dev/sdX where there is no sg */
        char device_dir[512];         /* /sys/.../H:C:T:L */
        uint32_t block_size;          /* logical, bytes */
};
