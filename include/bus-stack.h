/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What stands on disks, as it goes over the private socket (include/bus.h).
 *
 *   Stack(s disk, b domain) -> (s domain, as owners, b complete, (uuuuuu) radius,
 *                               a(ussssstu) nodes)
 *       what stands on the disk, or on all disks of its fault domain: what one reset can freeze.
 *       As it was when the disk was last healthy. A list in which each node comes after what it
 *       stands on, one deeper; the disks themselves are those of depth 0.
 *       domain: "host0", "nvme0"; "" for a disk that is in none.
 *       owners: who else looks after the disk: "multipath", "md", ...
 *       complete: nothing else is known to stand there
 *       radius: a struct radius; nodes: each a struct node_report */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/radius.h"

#define BUS_NODE_TYPE "ussssstu"
#define BUS_RADIUS_TYPE "uuuuuu"

/* The answer but for its nodes. All texts are valid while the call lasts. */
struct stack_report {
        const char *domain;
        const char *const *owners;
        size_t n_owners;
        bool complete;
        struct radius radius;
};

struct node_report {
        uint32_t depth;
        const char *kind;   /* "disk", or agent/observe/stack.h: stack_kind_to_string() */
        const char *name;   /* "sda1", "dm-0"; of a filesystem or mount its type */
        const char *text;   /* "vg-root", "raid1", "/srv", ...; "" */
        const char *note;   /* what is special about it, in a few words; "" */
        const char *number; /* "8:1"; of a filesystem or mount that of the superblock; "" */
        uint64_t space;     /* mount: inode of its mount namespace; else 0 */
        uint32_t pid;       /* mount: a process in that namespace; 0: unhangd's own, or none */
};
