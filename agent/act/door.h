/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What acts on a disk or a controller go through to the kernel: the calls of the C library, or in
 * tests a script. */

#include <sys/types.h>

struct door {
        ssize_t (*read)(int fd, void *buf, size_t size, off_t offset);
        ssize_t (*write)(int fd, const void *data, size_t size, off_t offset);
        int (*reset)(int fd, int kind); /* SG_SCSI_RESET, which alone of all ioctls acts */
};

extern const struct door door_kernel;
