/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent/act/door.h"

/* scsi/sg.h of the kernel. */
#define SG_SCSI_RESET 0x2284

static int reset(int fd, int kind) {
        return ioctl(fd, SG_SCSI_RESET, &kind);
}

const struct door door_kernel = { .read = pread, .write = pwrite, .reset = reset };
