/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "agent/base/file-util.h"
#include "agent/observe/counters.h"

/* Fields of stat, counted from 1 as the kernel's documentation does. */
#define STAT_FIELDS 17
#define STAT_READS 1
#define STAT_WRITES 5
#define STAT_IN_FLIGHT 9
#define STAT_DISCARDS 12
#define STAT_FLUSHES 16

static int open_at(int dir, const char *name, int *ret) {
        int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        *ret = fd;
        return 0;
}

static int open_host_state(const char *sysfs, unsigned host, int *ret) {
        char path[256];

        if ((size_t) snprintf(path, sizeof(path), "%s/class/scsi_host/host%u/state", sysfs,
                              host) >= sizeof(path))
                return -ENAMETOOLONG;
        return open_at(AT_FDCWD, path, ret);
}

void counters_close(struct counters *counters) {
        assert(counters);

        counters->stat = safe_close(counters->stat);
        counters->busy = safe_close(counters->busy);
        counters->answered = safe_close(counters->answered);
        counters->state = safe_close(counters->state);
        counters->host_state = safe_close(counters->host_state);
}

int counters_open(const char *sysfs, const char *block_dir, unsigned host, struct counters *ret) {
        struct counters c = { -EBADF, -EBADF, -EBADF, -EBADF, -EBADF };
        _cleanup_close_ int dir = -EBADF;
        int r;

        assert(sysfs && block_dir && ret);

        dir = open(block_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
                return -errno;
        if ((r = open_at(dir, "stat", &c.stat)) < 0 ||
            (r = open_at(dir, "device/device_busy", &c.busy)) < 0 ||
            (r = open_at(dir, "device/iodone_cnt", &c.answered)) < 0 ||
            (r = open_at(dir, "device/state", &c.state)) < 0 ||
            (r = open_host_state(sysfs, host, &c.host_state)) < 0) {
                counters_close(&c);
                return r;
        }
        *ret = c;
        return 0;
}

/* Older kernels have fewer fields: what is not there counts as 0. */
static int read_stat(int fd, uint64_t fields[STAT_FIELDS + 1]) {
        char buf[512], *p = buf;
        int r = read_attribute(fd, buf, sizeof(buf)), n;

        if (r < 0)
                return r;
        for (n = 1; n <= STAT_FIELDS; n++) {
                char *end;

                fields[n] = strtoull(p, &end, 10);
                if (end == p)
                        break;
                p = end;
        }
        return n > STAT_IN_FLIGHT ? 0 : -EINVAL;
}

static int read_states(const struct counters *counters, struct sample *sample) {
        char device[32], host[32];
        int r;

        r = read_attribute(counters->state, device, sizeof(device));
        if (r < 0)
                return r;
        r = read_attribute(counters->host_state, host, sizeof(host));
        if (r < 0)
                return r;
        sample->offline = strcmp(device, "offline") == 0;
        sample->held = strcmp(host, "running") != 0 ||
                       (!sample->offline && strcmp(device, "running") != 0);
        return 0;
}

int counters_read(const struct counters *counters, usec_t now, struct sample *ret) {
        uint64_t stat[STAT_FIELDS + 1] = {}, busy, answered, out;
        struct sample sample = { .at = now };
        int r;

        assert(counters && ret);

        if ((r = read_stat(counters->stat, stat)) < 0 ||
            (r = read_number(counters->busy, &busy)) < 0 ||
            (r = read_number(counters->answered, &answered)) < 0 ||
            (r = read_states(counters, &sample)) < 0)
                return r;

        out = MAX(busy, stat[STAT_IN_FLIGHT]);
        sample.completed = stat[STAT_READS] + stat[STAT_WRITES] + stat[STAT_DISCARDS] +
                           stat[STAT_FLUSHES];
        sample.answered = answered;
        sample.outstanding = (uint32_t) MIN(out, (uint64_t) UINT32_MAX);
        *ret = sample;
        return 0;
}
