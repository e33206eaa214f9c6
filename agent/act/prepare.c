/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>

#include "agent/act/prepare.h"
#include "agent/base/file-util.h"

int prepare_iostats(const struct disk_nodes *nodes) {
        char path[DISK_PATH_MAX + 16];
        _cleanup_close_ int fd = -EBADF;
        uint64_t on;
        int r;

        assert(nodes);

        (void) snprintf(path, sizeof(path), "%s/queue/iostats", nodes->block_dir);
        fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = read_number(fd, &on);
        if (r < 0 || on != 0)
                return r;
        r = write_attribute(fd, "1");
        return r < 0 ? r : 1;
}
