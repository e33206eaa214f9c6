/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <fcntl.h>
#include <libnvme.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "agent/act/nvme.h"
#include "agent/base/file-util.h"

#define REPORT_SIZE 4096

struct namespace {
        int node;
        int io_timeout; /* queue/io_timeout; -EBADF: there is none */
        uint32_t nsid;
        uint32_t block_size;
        void *block;
        struct nvme_resv_status *report;
};

struct namespace *namespace_close(struct namespace *disk) {
        if (disk) {
                disk->node = safe_close(disk->node);
                disk->io_timeout = safe_close(disk->io_timeout);
                free(disk->block);
                free(disk->report);
                free(disk);
        }
        return NULL;
}

static void namespace_closep(struct namespace **disk) {
        (void) namespace_close(*disk);
}

static int open_io_timeout(const char *block_dir) {
        char path[2 * DISK_PATH_MAX];

        (void) snprintf(path, sizeof(path), "%s/queue/io_timeout", block_dir);
        return open(path, O_RDONLY | O_CLOEXEC);
}

/* The ioctl for it fails on a head that has no path just now (drivers/nvme/host/ioctl.c:
 * nvme_ns_head_ioctl). */
static int read_nsid(struct namespace *disk, const char *block_dir) {
        char path[2 * DISK_PATH_MAX];
        _cleanup_close_ int fd = -EBADF;
        uint64_t nsid;
        int r;

        (void) snprintf(path, sizeof(path), "%s/nsid", block_dir);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = read_number(fd, &nsid);
        if (r >= 0)
                disk->nsid = (uint32_t) nsid;
        return r;
}

/* The ioctl does not ask the device. */
static int open_node(struct namespace *disk, const char *node) {
        int block_size;

        disk->node = open(node, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (disk->node < 0)
                return -errno;
        if (ioctl(disk->node, BLKSSZGET, &block_size) < 0)
                return -errno;
        disk->block_size = (uint32_t) block_size;
        return 0;
}

int namespace_open(const struct disk_nodes *nodes, struct namespace **ret) {
        _cleanup_(namespace_closep) struct namespace *disk = calloc(1, sizeof(*disk));
        int r;

        assert(nodes && ret);

        if (!disk)
                return -ENOMEM;
        disk->node = -EBADF;
        disk->io_timeout = open_io_timeout(nodes->block_dir);
        if ((r = read_nsid(disk, nodes->block_dir)) < 0 ||
            (r = open_node(disk, nodes->reset_node)) < 0)
                return r;
        disk->block = aligned_alloc(disk->block_size, disk->block_size);
        disk->report = calloc(1, REPORT_SIZE);
        if (!disk->block || !disk->report)
                return -ENOMEM;
        *ret = TAKE_PTR(disk);
        return 0;
}

/* A status that the driver itself made up, or that says that the namespace is not there yet, is no
 * answer. */
static int judge_status(uint16_t status) {
        if (nvme_status_code_type(status) == NVME_SCT_PATH)
                return -EIO;
        if (nvme_status_code_type(status) != NVME_SCT_GENERIC)
                return 0;
        switch (nvme_status_code(status)) {
        case NVME_SC_ABORT_REQ:
        case NVME_SC_ABORT_QUEUE:
        case NVME_SC_NS_NOT_READY:
                return -EIO;
        default:
                return 0;
        }
}

int namespace_probe(struct namespace *disk) {
        struct nvme_io_args args;
        int r;

        assert(disk);

        args = (struct nvme_io_args) {
                .args_size = sizeof(args),
                .fd = disk->node,
                .nsid = disk->nsid,
                .data = disk->block,
                .data_len = disk->block_size,
                .timeout = NVME_DEFAULT_IOCTL_TIMEOUT,
        };
        r = nvme_read(&args);
        if (r >= 0)
                return judge_status((uint16_t) r);
        /* The driver has cancelled it (drivers/nvme/host/ioctl.c: nvme_submit_user_cmd). */
        return errno == EINTR ? -EIO : -errno;
}

int namespace_is_reserved(struct namespace *disk) {
        struct nvme_resv_report_args args;
        int r;

        assert(disk);

        args = (struct nvme_resv_report_args) {
                .args_size = sizeof(args),
                .fd = disk->node,
                .nsid = disk->nsid,
                .report = disk->report,
                .len = REPORT_SIZE,
                .timeout = NVME_DEFAULT_IOCTL_TIMEOUT,
        };
        r = nvme_resv_report(&args);
        if (r != 0)
                return r < 0 ? -errno : judge_status((uint16_t) r);
        return disk->report->regctl[0] != 0 || disk->report->regctl[1] != 0;
}

usec_t namespace_io_timeout(const struct namespace *disk) {
        uint64_t msec;

        assert(disk);

        if (read_number(disk->io_timeout, &msec) < 0 || msec >= USEC_PER_DAY / USEC_PER_MSEC)
                return USEC_INFINITY;
        return msec * USEC_PER_MSEC;
}
