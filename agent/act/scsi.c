/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

#include <scsi/sg_cmds_extra.h>
#include <scsi/sg_lib.h>
#include <scsi/sg_pt.h>

#include "agent/act/scsi.h"

/* scsi/scsi_ioctl.h of the kernel; glibc's scsi/sg.h lacks NO_ESCALATE. */
#define SG_SCSI_RESET_DEVICE 1
#define SG_SCSI_RESET_BUS 2
#define SG_SCSI_RESET_HOST 3
#define SG_SCSI_RESET_TARGET 4
#define SG_SCSI_RESET_NO_ESCALATE 0x100

#define READ_10 0x28
#define SENSE_SIZE 64

/* The kernel's timer; virtio_scsi re-arms it for ever, so that it bounds nothing there. */
#define PROBE_SECONDS 10

/* PERSISTENT RESERVE IN: the service action, and what its answer begins with. */
#define READ_KEYS 0
#define KEYS_HEADER_SIZE 8

/* Each reset leaves one unit attention behind; a few more may be queued. */
#define ATTENTIONS_MAX 4

static int open_state(const struct disk_nodes *nodes) {
        _cleanup_close_ int dir = open(nodes->device_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
        int fd;

        if (dir < 0)
                return -errno;
        fd = openat(dir, "state", O_WRONLY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int scsi_open(const struct disk_nodes *nodes, const struct door *door, struct scsi_disk *disk) {
        int r;

        assert(nodes && door && disk);

        *disk = (struct scsi_disk) {
                .door = door,
                .node = open(nodes->reset_node, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY),
                .state = -EBADF,
                .scan = -EBADF,
                .block_size = nodes->block_size,
        };
        r = disk->node < 0 ? -errno : 0;
        if (r == 0) {
                disk->state = open_state(nodes);
                r = disk->state < 0 ? disk->state : 0;
        }
        if (r == 0 && nodes->host_scan[0] != '\0') {
                disk->scan = open(nodes->host_scan, O_WRONLY | O_CLOEXEC);
                r = disk->scan < 0 ? -errno : 0;
        }
        if (r == 0) {
                disk->pt = construct_scsi_pt_obj_with_fd(disk->node, 0);
                disk->block = calloc(1, disk->block_size);
                r = disk->pt && disk->block ? 0 : -ENOMEM;
        }
        if (r < 0)
                scsi_close(disk);
        return r;
}

void scsi_close(struct scsi_disk *disk) {
        assert(disk);

        if (disk->pt)
                destruct_scsi_pt_obj(disk->pt);
        free(disk->block);
        if (disk->block_size > 0) { /* else it was never opened */
                (void) safe_close(disk->node);
                (void) safe_close(disk->state);
                (void) safe_close(disk->scan);
        }
        *disk = (struct scsi_disk) { .node = -EBADF, .state = -EBADF, .scan = -EBADF };
}

static int reset(struct scsi_disk *disk, int kind) {
        assert(disk);

        if (disk->node < 0)
                return -EBADF;
        return disk->door->reset(disk->node, kind | SG_SCSI_RESET_NO_ESCALATE) < 0 ? -errno : 0;
}

static int write_text(const struct scsi_disk *disk, int fd, const char *text) {
        size_t n = strlen(text);
        ssize_t r;

        if (fd < 0)
                return -EBADF;
        r = disk->door->write(fd, text, n, 0);
        if (r < 0)
                return -errno;
        return (size_t) r == n ? 0 : -EIO;
}

int scsi_lun_reset(struct scsi_disk *disk) {
        return reset(disk, SG_SCSI_RESET_DEVICE);
}

int scsi_target_reset(struct scsi_disk *disk) {
        return reset(disk, SG_SCSI_RESET_TARGET);
}

int scsi_bus_reset(struct scsi_disk *disk) {
        return reset(disk, SG_SCSI_RESET_BUS);
}

int scsi_host_reset(struct scsi_disk *disk) {
        assert(disk);

        return disk->scan >= 0 ? write_text(disk, disk->scan, "- - -")
                               : reset(disk, SG_SCSI_RESET_HOST);
}

int scsi_set_offline(struct scsi_disk *disk) {
        assert(disk);

        return write_text(disk, disk->state, "offline\n"); /* it wants the newline */
}

int scsi_set_running(struct scsi_disk *disk) {
        assert(disk);

        return write_text(disk, disk->state, "running\n");
}

/* 1: a unit attention, ask again. */
static int judge_sense(const uint8_t *sense, int n) {
        switch (sg_err_category_sense(sense, n)) {
        case SG_LIB_CAT_UNIT_ATTENTION:
                return 1;
        case SG_LIB_CAT_NOT_READY:
        case SG_LIB_CAT_ABORTED_COMMAND:
                return -EIO;
        default:
                return 0;
        }
}

static int read_block(struct scsi_disk *disk) {
        static const uint8_t cdb[10] = { READ_10, [8] = 1 };
        uint8_t sense[SENSE_SIZE] = {};

        clear_scsi_pt_obj(disk->pt);
        set_scsi_pt_cdb(disk->pt, cdb, sizeof(cdb));
        set_scsi_pt_sense(disk->pt, sense, sizeof(sense));
        set_scsi_pt_data_in(disk->pt, disk->block, (int) disk->block_size);
        if (do_scsi_pt(disk->pt, disk->node, PROBE_SECONDS, 0) != 0)
                return -EIO;

        switch (get_scsi_pt_result_category(disk->pt)) {
        case SCSI_PT_RESULT_GOOD:
                return 0;
        case SCSI_PT_RESULT_SENSE:
                return judge_sense(sense, get_scsi_pt_sense_len(disk->pt));
        default: /* a status without sense, such as busy; or the transport lost it */
                return -EIO;
        }
}

int scsi_probe(struct scsi_disk *disk) {
        assert(disk);

        if (!disk->pt)
                return -EBADF;
        for (int i = 0; i < ATTENTIONS_MAX; i++) {
                int r = read_block(disk);

                if (r <= 0)
                        return r;
        }
        return -EIO;
}

int scsi_is_reserved(struct scsi_disk *disk) {
        uint8_t answer[KEYS_HEADER_SIZE] = {};
        int r;

        assert(disk);

        if (disk->node < 0)
                return -EBADF;
        for (int i = 0; i < ATTENTIONS_MAX; i++) {
                r = sg_ll_persistent_reserve_in(disk->node, READ_KEYS, answer, sizeof(answer),
                                                false, 0);
                if (r != SG_LIB_CAT_UNIT_ATTENTION)
                        break;
        }
        if (r == SG_LIB_CAT_INVALID_OP || r == SG_LIB_CAT_ILLEGAL_REQ)
                return 0;
        /* How many bytes of keys follow. */
        return r != 0 ? -EIO : (answer[4] | answer[5] | answer[6] | answer[7]) != 0;
}
