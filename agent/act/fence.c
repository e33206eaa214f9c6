/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/act/fence.h"

int fence_open(const char *procfs) {
        char path[PATH_MAX];
        int fd;

        assert(procfs);

        (void) snprintf(path, sizeof(path), "%s/sysrq-trigger", procfs);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int fence(int fd, enum policy_fence how) {
        static const char *const keys[] = { [FENCE_PANIC] = "c", [FENCE_REBOOT] = "b" };

        if (how != FENCE_PANIC && how != FENCE_REBOOT)
                return -EINVAL;
        if (write(fd, keys[how], 1) < 0)
                return -errno;
        return -EIO; /* we are still here */
}
