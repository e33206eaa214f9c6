/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/prctl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "agent/act/executor.h"
#include "agent/act/filesystem.h"
#include "agent/act/prepare.h"
#include "agent/act/scsi.h"
#include "agent/base/log.h"

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

enum op {
        OP_ATTACH,
        OP_DETACH,
        OP_PREPARE,
        OP_STEP,
};

struct request {
        enum op op;
        enum step step;
        unsigned slot;
        union {
                struct disk_nodes nodes;
                struct mount_entry entry;
        };
};

/* A request ends where its content ends: mounts are large, and hundreds of disks may be attached
 * before the executor has its lock. */
#define HEADER_SIZE offsetof(struct request, nodes)
#define QUEUE_SIZE (4 * 1024 * 1024)

/* How often an executor looks whether the one of an earlier daemon is gone. */
#define LOCK_POLL_MSEC 100

/* ---- the process ---- */

static int set_offline_and_reset(struct scsi_disk *disk) {
        int r = scsi_set_offline(disk);

        return r < 0 ? r : scsi_lun_reset(disk);
}

static int set_running_and_probe(struct scsi_disk *disk) {
        int r = scsi_set_running(disk);

        return r < 0 ? r : scsi_probe(disk);
}

static int carry_out(struct scsi_disk *disk, const struct request *request) {
        switch (request->step) {
        case STEP_LUN_RESET:
                return scsi_lun_reset(disk);
        case STEP_OFFLINE:
                return set_offline_and_reset(disk);
        case STEP_PROBE:
                return scsi_probe(disk);
        case STEP_RUNNING:
                return set_running_and_probe(disk);
        case STEP_FS_SHUTDOWN:
                return filesystem_shutdown(&request->entry);
        case STEP_FS_UMOUNT:
                return filesystem_umount(&request->entry);
        case STEP_FS_MOUNT:
                return filesystem_mount(&request->entry);
        default:
                return -EINVAL;
        }
}

static void reply(int fd, enum executor_news news, const struct request *request, int error) {
        struct executor_report report = {
                .news = news,
                .step = request->step,
                .slot = request->slot,
                .error = error,
        };

        if (news == NEWS_PREPARED)
                (void) snprintf(report.name, sizeof(report.name), "%s",
                                basename(request->nodes.block_dir));
        if (send(fd, &report, sizeof(report), MSG_NOSIGNAL) < 0)
                _exit(EXIT_FAILURE);
}

static void serve(int fd, struct scsi_disk *disks, const struct request *request) {
        struct scsi_disk *disk = disks + request->slot;

        switch (request->op) {
        case OP_ATTACH:
                scsi_close(disk);
                reply(fd, NEWS_ATTACHED, request, scsi_open(&request->nodes, disk));
                break;
        case OP_DETACH:
                scsi_close(disk);
                break;
        case OP_PREPARE:
                reply(fd, NEWS_PREPARED, request, prepare_iostats(&request->nodes));
                break;
        case OP_STEP:
                reply(fd, NEWS_RETURNED, request, carry_out(disk, request));
                break;
        }
}

/* What the daemon had set up for itself does not belong here: its sockets, were they open in an
 * executor that hangs, would hide its death from the others. */
static void become_executor(const char *name, int fd) {
        sigset_t none;

        (void) close_range(3, (unsigned) fd - 1, 0);
        (void) close_range((unsigned) fd + 1, ~0U, 0);
        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        (void) prctl(PR_SET_NAME, name);
        (void) prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
        /* A fork inherits no memory locks (kernel/fork.c: dup_mmap). */
        (void) mlockall(MCL_CURRENT | MCL_FUTURE);
}

/* The lock is held until this process is gone. A daemon that went away meanwhile is noticed. */
static void wait_for_lock(const char *path, int daemon) {
        struct pollfd p = { .fd = daemon };
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

        if (fd < 0)
                _exit(EXIT_FAILURE);
        while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
                if (errno != EWOULDBLOCK && errno != EINTR)
                        _exit(EXIT_FAILURE);
                if (poll(&p, 1, LOCK_POLL_MSEC) == 1)
                        _exit(EXIT_SUCCESS);
        }
}

_Noreturn static void run(const char *name, const char *lock_path, int fd) {
        struct scsi_disk disks[EXECUTOR_SLOTS] = {};
        struct request request = {};

        for (size_t i = 0; i < ELEMENTSOF(disks); i++)
                scsi_close(disks + i);
        log_close();
        become_executor(name, fd);
        if (lock_path)
                wait_for_lock(lock_path, fd);
        reply(fd, NEWS_READY, &request, 0);
        for (;;) {
                ssize_t n = recv(fd, &request, sizeof(request), 0);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < (ssize_t) HEADER_SIZE || request.slot >= EXECUTOR_SLOTS)
                        _exit(EXIT_SUCCESS);
                serve(fd, disks, &request);
        }
}

/* ---- the daemon's end ---- */

int executor_spawn(const char *name, const char *lock_path, struct executor *ret) {
        _cleanup_close_ int ours = -EBADF, theirs = -EBADF;
        int pair[2], queue = QUEUE_SIZE;
        pid_t pid;

        assert(name && ret);

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        ours = pair[0];
        theirs = pair[1];
        /* Without CAP_NET_ADMIN the queue stays as long as it is by default. */
        (void) setsockopt(ours, SOL_SOCKET, SO_SNDBUFFORCE, &queue, sizeof(queue));

        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                run(name, lock_path, theirs);
        *ret = (struct executor) { .pid = pid, .fd = take_fd(&ours) };
        return 0;
}

void executor_release(struct executor *executor) {
        assert(executor);

        executor->fd = safe_close(executor->fd);
        executor->ready = false;
}

static int send_request(struct executor *executor, const struct request *request, size_t content) {
        if (send(executor->fd, request, HEADER_SIZE + content, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
                return -errno;
        return 0;
}

int executor_attach(struct executor *executor, unsigned slot, const struct disk_nodes *nodes) {
        struct request request = { .op = OP_ATTACH, .slot = slot };

        assert(executor && nodes && slot < EXECUTOR_SLOTS);

        request.nodes = *nodes;
        return send_request(executor, &request, sizeof(request.nodes));
}

int executor_prepare(struct executor *executor, const struct disk_nodes *nodes) {
        struct request request = { .op = OP_PREPARE };

        assert(executor && nodes);

        request.nodes = *nodes;
        return send_request(executor, &request, sizeof(request.nodes));
}

int executor_detach(struct executor *executor, unsigned slot) {
        struct request request = { .op = OP_DETACH, .slot = slot };

        assert(executor && slot < EXECUTOR_SLOTS);

        return send_request(executor, &request, 0);
}

int executor_begin(struct executor *executor, enum step step, unsigned slot,
                   const struct mount_entry *entry) {
        struct request request = { .op = OP_STEP, .step = step, .slot = slot };
        int r;

        assert(executor && step != STEP_NONE && slot < EXECUTOR_SLOTS);

        if (!executor->ready || executor->step != STEP_NONE)
                return -EBUSY;
        if (entry)
                request.entry = *entry;
        r = send_request(executor, &request, entry ? sizeof(request.entry) : 0);
        if (r < 0)
                return r;
        executor->step = step;
        executor->slot = slot;
        return 0;
}

int executor_receive(struct executor *executor, struct executor_report *ret) {
        ssize_t n;

        assert(executor && ret);

        n = recv(executor->fd, ret, sizeof(*ret), MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n != sizeof(*ret)) {
                *ret = (struct executor_report) {
                        .news = NEWS_DEAD,
                        .step = executor->step,
                        .slot = executor->slot,
                        .error = -EPIPE,
                };
                executor_release(executor);
        }
        if (ret->news == NEWS_READY)
                executor->ready = true;
        if (ret->news == NEWS_RETURNED || ret->news == NEWS_DEAD)
                executor->step = STEP_NONE;
        return 1;
}
