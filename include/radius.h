/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The blast radius of a reset, in numbers: all that stands behind one fault domain. */

#include <stdint.h>

struct radius {
        uint32_t disks, partitions;
        uint32_t volumes;     /* of LVM, LUKS, md, bcache, ...; loop devices */
        uint32_t filesystems; /* superblocks */
        uint32_t mounts;      /* of these, in all mount namespaces */
        uint32_t swaps;
};
