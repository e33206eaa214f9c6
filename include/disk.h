/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A disk: a whole block device with a request queue, known by identity and never by name alone. The
 * kernel gives names again to other disks; it never gives a diskseq twice in one boot
 * (block/genhd.c: inc_diskseq). */

#include <stdint.h>
#include <sys/types.h>

#define DISK_NAME_MAX 32
#define DISK_SERIAL_MAX 128
#define DISK_PATH_MAX 512

/* What can be seen of a disk, and done to it, goes by this. */
enum disk_kind {
        DISK_SCSI,
        DISK_NVME,  /* a namespace; with multipath one path to it, the hidden disk nvmeXcYnZ */
        DISK_QUEUE, /* another driver with a request queue: virtio_blk, xen-blkfront, nbd */
        DISK_BIO,   /* stands on other disks: device mapper, md, the head of NVMe multipath */
        _DISK_KIND_MAX,
};

struct disk_id {
        char name[DISK_NAME_MAX];     /* "sda", "nvme0c0n1": for people and for /sys/block */
        dev_t devnum;                 /* of the node: a path disk has none, so that of its head */
        uint64_t diskseq;             /* 0: the kernel is older than 5.15 and has none */
        char serial[DISK_SERIAL_MAX]; /* udev's ID_SERIAL, "" when it knows none */
        char wwid[DISK_SERIAL_MAX];   /* what the device says of itself, "" when it says nothing */
        enum disk_kind kind;
        char driver[32];              /* "virtio_scsi", "nvme", "virtio_blk", "dm", "md" */
        char address[48];             /* "0:0:0:0", "nvme0", "virtio3": its place on that driver */
        char domain[32];              /* the fault domain: "host0", "nvme0"; "" if none */
};

/* Where a disk is to be found. */
struct disk_nodes {
        enum disk_kind kind;
        uint64_t diskseq;
        char sysfs[64];                 /* /sys */
        char block_dir[DISK_PATH_MAX];  /* /sys/.../block/sda */
        char device_dir[DISK_PATH_MAX]; /* SCSI: /sys/.../H:C:T:L; NVMe: of the controller; or "" */
        char reset_node[64];            /* SCSI: /dev/sgN, or /dev/sdX without sg; NVMe: of the disk
                                         * or, of a path, of its head: /dev/nvmeXnY; else "" */
        char host_scan[96];             /* libata: /sys/class/scsi_host/hostN/scan; else "" */
        uint32_t block_size;            /* logical, bytes */
};
