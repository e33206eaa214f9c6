/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "agent/act/prepare.h"
#include "agent/base/file-util.h"

#define FILE_MAX (2 * DISK_PATH_MAX)

/* How long a disk with requests outstanding may take to complete one. */
#define PROGRESS_POLLS 20
#define PROGRESS_POLL_NSEC (100 * 1000 * 1000)

/* The disk that is prepared. */
struct context {
        const struct disk_nodes *nodes;
        const struct undo *undo;
        bool timeout_at_least;
        char holder[UNDO_HOLDER_MAX];
        int64_t wanted; /* of the setting at hand */
        int64_t before;
};

static const char *last_name(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

/* ---- one file ---- */

static int read_before(int fd, int64_t scale, int64_t *ret) {
        char text[32], *end;
        int r;

        r = read_attribute(fd, text, sizeof(text));
        if (r < 0)
                return r;
        errno = 0;
        *ret = strtoll(text, &end, 10);
        if (errno != 0 || end == text || *end != '\0')
                return -EINVAL;
        *ret *= scale;
        return 0;
}

/* Values that the file cannot tell apart are the same: it counts in units of SCALE. */
static int set(struct context *c, const struct undo_value *value, int64_t scale) {
        int64_t before, wanted = c->wanted >= 0 ? (c->wanted + scale - 1) / scale : c->wanted;
        char text[24];
        int r;

        r = read_before(value->fd, scale, &before);
        if (r < 0)
                return r;
        if (before == wanted * scale) {
                r = undo_join(c->undo, c->holder, value);
                return MIN(r, 0);
        }
        (void) snprintf(text, sizeof(text), "%" PRIi64, wanted);
        r = undo_change(c->undo, c->holder, value, text);
        if (r == 0)
                c->before = before;
        return r;
}

static int see_to_path(struct context *c, const char *path, int64_t scale) {
        _cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
        struct undo_value value = { .path = path, .fd = fd };

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        return c->wanted == PREPARE_LEAVE ? undo_put_back(c->undo, c->holder, &value)
                                          : set(c, &value, scale);
}

static int see_to(struct context *c, int64_t scale, const char *dir, const char *name) {
        char path[FILE_MAX];

        if ((size_t) snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
                return -ENAMETOOLONG;
        return see_to_path(c, path, scale);
}

static int see_to_module(struct context *c, const char *name) {
        char dir[FILE_MAX];

        (void) snprintf(dir, sizeof(dir), "%s/module/nvme_core/parameters", c->nodes->sysfs);
        return see_to(c, 1000, dir, name);
}

/* Completed reads, writes, discards and flushes, and what is outstanding
 * (Documentation/block/stat.rst). */
static int read_progress(int fd, uint64_t *ret_done, uint64_t *ret_outstanding) {
        uint64_t n[16] = {};
        char text[512];
        const char *p = text;
        int r, end;

        r = read_attribute(fd, text, sizeof(text));
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(n) && sscanf(p, "%" SCNu64 "%n", n + i, &end) == 1; i++)
                p += end;
        *ret_done = n[0] + n[4] + n[11] + n[15];
        *ret_outstanding = n[8];
        return 0;
}

/* Since 6.12 a write to a queue attribute freezes the queue and waits for all requests (block/
 * blk-sysfs.c: queue_attr_store): on a hung disk for ever, and everything else waits then, too. */
static int moves(const struct context *c) {
        struct timespec pause = { .tv_nsec = PROGRESS_POLL_NSEC };
        _cleanup_close_ int fd = -EBADF;
        uint64_t first = 0, done, outstanding = 0;
        char path[FILE_MAX];
        int r;

        (void) snprintf(path, sizeof(path), "%s/stat", c->nodes->block_dir);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = read_progress(fd, &first, &outstanding);
        done = first;
        for (int i = 0; r == 0 && outstanding > 0 && done == first; i++) {
                if (i == PROGRESS_POLLS)
                        return -EBUSY;
                (void) nanosleep(&pause, NULL);
                r = read_progress(fd, &done, &outstanding);
        }
        return r;
}

static int see_to_queue(struct context *c, const char *name) {
        char path[FILE_MAX];
        struct undo_value value = { .path = path, .fd = -EBADF };
        int r;

        (void) snprintf(path, sizeof(path), "%s/queue/%s", c->nodes->block_dir, name);
        if (c->wanted == PREPARE_LEAVE) {
                r = undo_holds(c->undo, c->holder, &value);
                if (r <= 0)
                        return r;
        }
        r = moves(c);
        return r < 0 ? r : see_to_path(c, path, 1);
}

static bool is_nvme(const struct context *c) {
        return c->nodes->kind == DISK_NVME;
}

static bool is_scsi(const struct context *c) {
        return c->nodes->kind == DISK_SCSI;
}

/* ---- the settings ---- */

static int iostats(struct context *c) {
        return see_to_queue(c, "iostats");
}

/* What the disk would have without us counts, not what an earlier call has set. */
static int is_long_enough(struct context *c, const char *path) {
        _cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
        struct undo_value value = { .path = path, .fd = fd };
        int64_t now;
        int r;

        if (fd < 0)
                return errno == ENOENT ? 1 : -errno;
        r = read_before(fd, 1, &now);
        if (r < 0 || now == c->wanted)
                return r;
        if ((r = undo_put_back(c->undo, c->holder, &value)) < 0 ||
            (r = read_before(fd, 1, &now)) < 0)
                return r;
        return now >= c->wanted;
}

static int scsi_timeout(struct context *c) {
        char path[FILE_MAX];
        int r = 0;

        if (!is_scsi(c))
                return 0;
        (void) snprintf(path, sizeof(path), "%s/timeout", c->nodes->device_dir);
        if (c->timeout_at_least && c->wanted != PREPARE_LEAVE)
                r = is_long_enough(c, path);
        return r != 0 ? MIN(r, 0) : see_to_path(c, path, 1);
}

static int scsi_max_retries(struct context *c) {
        char name[96];

        (void) snprintf(name, sizeof(name), "scsi_disk/%.32s/max_retries",
                        last_name(c->nodes->device_dir));
        return is_scsi(c) ? see_to(c, 1, c->nodes->device_dir, name) : 0;
}

/* 7.3 has a file of the controller for all its disks, and need not freeze their queues. The
 * module's is for disks to come, and bounds a graceful shutdown (drivers/nvme/host/pci.c:
 * nvme_dev_disable). */
static int nvme_io_timeout(struct context *c) {
        char path[FILE_MAX];
        int r;

        if (!is_nvme(c))
                return 0;
        (void) snprintf(path, sizeof(path), "%s/io_timeout", c->nodes->device_dir);
        r = access(path, F_OK) == 0 ? see_to_path(c, path, 1)
                                    : see_to_queue(c, "io_timeout");
        return r < 0 ? r : see_to_module(c, "io_timeout");
}

static int nvme_admin_timeout(struct context *c) {
        int r;

        if (!is_nvme(c))
                return 0;
        r = see_to(c, 1, c->nodes->device_dir, "admin_timeout");
        return r < 0 ? r : see_to_module(c, "admin_timeout");
}

static int xfs_max_retries_of(struct context *c, const char *device) {
        char dir[FILE_MAX];

        (void) snprintf(dir, sizeof(dir), "%s/fs/xfs/%s", c->nodes->sysfs, device);
        return see_to(c, 1, dir, "error/metadata/EIO/max_retries");
}

/* Partitions are directories of the disk, and begin with its name (block/partitions/core.c:
 * add_partition). */
static int xfs_max_retries(struct context *c) {
        const char *disk = last_name(c->nodes->block_dir);
        struct dirent *entry;
        int r, error;
        DIR *dir;

        error = xfs_max_retries_of(c, disk);
        dir = opendir(c->nodes->block_dir);
        if (!dir)
                return error < 0 || errno == ENOENT ? error : -errno;
        while ((entry = readdir(dir))) {
                if (strncmp(entry->d_name, disk, strlen(disk)) != 0)
                        continue;
                r = xfs_max_retries_of(c, entry->d_name);
                if (r < 0 && error == 0)
                        error = r;
        }
        (void) closedir(dir);
        return error;
}

static int (*const settings_table[_PREPARE_SETTING_MAX])(struct context *c) = {
        [PREPARE_IOSTATS] = iostats,
        [PREPARE_SCSI_TIMEOUT] = scsi_timeout,
        [PREPARE_SCSI_MAX_RETRIES] = scsi_max_retries,
        [PREPARE_NVME_IO_TIMEOUT] = nvme_io_timeout,
        [PREPARE_NVME_ADMIN_TIMEOUT] = nvme_admin_timeout,
        [PREPARE_XFS_MAX_RETRIES] = xfs_max_retries,
};

int prepare(const struct disk_nodes *nodes, const struct prepare_settings *settings,
            const struct undo *undo, struct prepare_settings *ret_before,
            enum prepare_setting *ret_failed) {
        struct context c = {
                .nodes = nodes,
                .undo = undo,
                .timeout_at_least = settings->scsi_timeout_at_least,
        };
        int r, error = 0;

        assert(nodes && settings && undo && ret_before && ret_failed);

        (void) snprintf(c.holder, sizeof(c.holder), "%.31s.%" PRIu64,
                        last_name(nodes->block_dir), nodes->diskseq);
        for (size_t i = 0; i < ELEMENTSOF(settings_table); i++) {
                c.wanted = settings->values[i];
                c.before = PREPARE_LEAVE;
                r = settings_table[i](&c);
                ret_before->values[i] = c.before;
                if (r < 0 && error == 0) {
                        error = r;
                        *ret_failed = i;
                }
        }
        return error;
}
