/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who else looks after a disk, and may be hurt by a reset of it: it has a recovery of its own, or
 * takes a disk that does not answer for a reason to end the machine. */
enum disk_owner {
        OWNER_MULTIPATH, /* multipathd: the disk is one path of several */
        OWNER_MD,        /* md: it is one leg of an array */
        OWNER_DM_RAID,   /* the same by device mapper: RAID volumes of LVM, dmraid */
        OWNER_DRBD,
        OWNER_ISCSI,     /* iscsid: the disk is reached through a session */
        OWNER_SBD,       /* the machine is fenced when its disk does not answer */
        OWNER_SANLOCK,   /* leases lie on it, and are lost when they are not renewed */
        OWNER_RESERVATION, /* an initiator, in this guest or another, holds a reservation */
        OWNER_CLUSTER,   /* a cluster filesystem, or a cluster manager that has it open */
        _DISK_OWNER_MAX,
};

/* A set of them: one bit for each. */
#define OWNER_BIT(owner) (1U << (owner))
