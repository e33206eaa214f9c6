/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>

#include "agent/act/controller.h"
#include "agent/act/executor.h"
#include "agent/act/filesystem.h"
#include "agent/act/nvme.h"
#include "agent/act/prepare.h"
#include "agent/act/scsi.h"

enum op {
        OP_ATTACH,
        OP_DETACH,
        OP_INFORM,
        OP_INSPECT,
        OP_PREPARE,
        OP_STEP,
};

struct request {
        enum op op;
        enum step step;
        unsigned slot;
        bool ask;
        struct mount_rules rules;
        union {
                struct disk_nodes nodes;
                struct nvme_facts facts;
                struct mount_entry entry;
                struct {
                        struct disk_nodes nodes;
                        struct prepare_settings settings;
                } prepare;
        };
};

/* A request ends where its content ends: mounts are large, and hundreds of disks may be attached
 * before the executor has its lock. */
#define HEADER_SIZE offsetof(struct request, nodes)
#define QUEUE_SIZE (4 * 1024 * 1024)

#define LOCK_SUFFIX ".lock"

/* How often an executor looks whether the one of an earlier daemon is gone. */
#define LOCK_POLL_MSEC 100

/* ---- the process ---- */

/* What it has opened of a disk: the SCSI disk; of an NVMe disk the controller where it has a lock,
 * else the namespace. */
struct slot {
        struct scsi_disk scsi;
        struct namespace *namespace;
        struct controller *controller;
};

struct process {
        int daemon;
        char name[UNDO_HOLDER_MAX]; /* its lock without ".lock"; "": it has none */
        struct undo controllers;    /* what is changed for a while on them */
        struct undo prepared;       /* what is set on healthy disks */
        find_holders_t find_holders;
        struct slot slots[EXECUTOR_SLOTS];
};

static int set_offline_and_reset(struct scsi_disk *disk) {
        int r = scsi_set_offline(disk);

        return r < 0 ? r : scsi_lun_reset(disk);
}

static int set_running_and_probe(struct scsi_disk *disk) {
        int r = scsi_set_running(disk);

        return r < 0 ? r : scsi_probe(disk);
}

static int step_on_scsi(struct scsi_disk *disk, enum step step) {
        switch (step) {
        case STEP_LUN_RESET:
                return scsi_lun_reset(disk);
        case STEP_TARGET_RESET:
                return scsi_target_reset(disk);
        case STEP_BUS_RESET:
                return scsi_bus_reset(disk);
        case STEP_HOST_RESET:
                return scsi_host_reset(disk);
        case STEP_OFFLINE:
                return set_offline_and_reset(disk);
        case STEP_PROBE:
                return scsi_probe(disk);
        case STEP_RUNNING:
                return set_running_and_probe(disk);
        default:
                return -EINVAL;
        }
}

static int step_on_controller(struct controller *controller, enum step step) {
        switch (step) {
        case STEP_CONTROLLER_RESET:
                return controller_reset(controller);
        case STEP_CONTROLLER_FAIL:
                return controller_fail(controller);
        case STEP_CONTROLLER_END:
                return controller_end(controller);
        case STEP_CONTROLLER_REMOVE:
                return controller_remove(controller);
        case STEP_CONTROLLER_RESTORE:
                return controller_restore(controller);
        case STEP_CONTROLLER_RESCAN:
                return controller_rescan(controller);
        default:
                return -EINVAL;
        }
}

static int carry_out(const struct process *p, struct slot *slot, const struct request *request) {
        switch (request->step) {
        case STEP_FS_CHECK:
                return filesystem_check(&request->entry);
        case STEP_FS_CLEAR:
                return filesystem_clear(&request->entry, &request->rules, p->find_holders);
        case STEP_FS_SHUTDOWN:
                return filesystem_shutdown(&request->entry);
        case STEP_FS_UMOUNT:
                return filesystem_umount(&request->entry, &request->rules, p->find_holders);
        case STEP_FS_MOUNT:
                return filesystem_mount(&request->entry, &request->rules);
        default:
                break;
        }
        if (slot->controller)
                return step_on_controller(slot->controller, request->step);
        if (slot->namespace)
                return request->step == STEP_PROBE ? namespace_probe(slot->namespace)
                                                   : -EINVAL;
        return step_on_scsi(&slot->scsi, request->step);
}

static void detach(struct slot *slot) {
        scsi_close(&slot->scsi);
        slot->namespace = namespace_close(slot->namespace);
        slot->controller = controller_free(slot->controller);
}

static int attach(struct process *p, struct slot *slot, const struct disk_nodes *nodes) {
        detach(slot);
        if (nodes->kind != DISK_NVME)
                return scsi_open(nodes, &door_kernel, &slot->scsi);
        if (p->name[0] == '\0')
                return namespace_open(nodes, &slot->namespace);
        return controller_open(nodes, &p->controllers, p->name, &slot->controller);
}

static void reply(const struct process *p, struct executor_report *report,
                  const struct request *request) {
        report->step = request->step;
        report->slot = request->slot;
        if (send(p->daemon, report, sizeof(*report), MSG_NOSIGNAL) < 0)
                _exit(EXIT_FAILURE);
}

static void reply_error(const struct process *p, enum executor_news news,
                        const struct request *request, int error) {
        struct executor_report report = { .news = news, .error = error };

        reply(p, &report, request);
}

static void inspect(const struct process *p, struct slot *slot, const struct request *request) {
        struct executor_report report = { .news = NEWS_INSPECTED };
        struct namespace *namespace = slot->namespace;
        int r = -1;

        if (request->ask) {
                r = namespace ? namespace_is_reserved(namespace) : scsi_is_reserved(&slot->scsi);
                report.error = MIN(r, 0);
                r = r > 0;
        }
        report.inspected.reserved = r;
        report.inspected.io_timeout = namespace ? namespace_io_timeout(namespace) : USEC_INFINITY;
        reply(p, &report, request);
}

static void prepare_disk(const struct process *p, const struct request *request) {
        const struct disk_nodes *nodes = &request->prepare.nodes;
        struct executor_report report = { .news = NEWS_PREPARED };

        report.error = prepare(nodes, &request->prepare.settings, &p->prepared,
                               &report.prepared.before, &report.prepared.failed);
        (void) snprintf(report.prepared.name, sizeof(report.prepared.name), "%s",
                        basename(nodes->block_dir));
        reply(p, &report, request);
}

static void serve(struct process *p, const struct request *request) {
        struct slot *slot = p->slots + request->slot;

        switch (request->op) {
        case OP_ATTACH:
                reply_error(p, NEWS_ATTACHED, request, attach(p, slot, &request->nodes));
                break;
        case OP_DETACH:
                detach(slot);
                break;
        case OP_INFORM:
                if (slot->controller)
                        controller_inform(slot->controller, &request->facts);
                break;
        case OP_INSPECT:
                inspect(p, slot, request);
                break;
        case OP_PREPARE:
                prepare_disk(p, request);
                break;
        case OP_STEP:
                reply_error(p, NEWS_RETURNED, request, carry_out(p, slot, request));
                break;
        }
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

/* Where the locks are, in whose names the tables are kept. */
struct place {
        const struct process *process;
        const char *dir;
        int dir_length;
        int lock; /* of the one whose values are put back: meanwhile nobody takes its place */
};

/* Whose lock nobody has is gone; this process has its own. */
static bool is_gone(const char *holder, void *userdata) {
        struct place *place = userdata;
        char path[PATH_MAX];

        place->lock = safe_close(place->lock);
        if (strcmp(holder, place->process->name) == 0)
                return true;
        (void) snprintf(path, sizeof(path), "%.*s%s" LOCK_SUFFIX, place->dir_length, place->dir,
                        holder);
        place->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        return place->lock >= 0 && flock(place->lock, LOCK_EX | LOCK_NB) == 0;
}

static int open_table(const struct place *place, const char *name, struct undo *ret) {
        char path[PATH_MAX];

        (void) snprintf(path, sizeof(path), "%.*s%s", place->dir_length, place->dir, name);
        return undo_open(path, &door_kernel, ret);
}

/* What is set on healthy disks stays when the daemon goes; what was changed for a while does
 * not. */
static int take_over(struct process *p, const char *lock_path) {
        const char *slash = strrchr(lock_path, '/');
        struct place place = {
                .process = p,
                .dir = lock_path,
                .dir_length = slash ? (int) (slash + 1 - lock_path) : 0,
                .lock = -EBADF,
        };
        const char *base = lock_path + place.dir_length;
        int length = (int) (strlen(base) - MIN(strlen(base), strlen(LOCK_SUFFIX))), r;

        (void) snprintf(p->name, sizeof(p->name), "%.*s", length, base);
        if ((r = open_table(&place, "controllers.undo", &p->controllers)) < 0 ||
            (r = open_table(&place, "prepared.undo", &p->prepared)) < 0)
                return r;
        r = undo_put_back_all(&p->controllers, is_gone, &place);
        place.lock = safe_close(place.lock);
        return r;
}

void executor_run(const char *name, const char *lock_path, int fd, find_holders_t find_holders) {
        struct process p = {
                .daemon = fd,
                .controllers = UNDO_NONE,
                .prepared = UNDO_NONE,
                .find_holders = find_holders,
        };
        struct request request = {};
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(p.slots); i++)
                scsi_close(&p.slots[i].scsi);
        nursery_settle(name, fd);
        if (lock_path) {
                wait_for_lock(lock_path, fd);
                r = take_over(&p, lock_path);
        }
        reply_error(&p, NEWS_READY, &request, r);
        for (;;) {
                ssize_t n = recv(fd, &request, sizeof(request), 0);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < (ssize_t) HEADER_SIZE || request.slot >= EXECUTOR_SLOTS)
                        _exit(EXIT_SUCCESS);
                serve(&p, &request);
        }
}

/* ---- the daemon's end ---- */

int executor_connect(struct executor *ret) {
        int pair[2], queue = QUEUE_SIZE;

        assert(ret);

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        /* Without CAP_NET_ADMIN the queue stays as long as it is by default. */
        (void) setsockopt(pair[0], SOL_SOCKET, SO_SNDBUFFORCE, &queue, sizeof(queue));
        *ret = (struct executor) { .fd = pair[0] };
        return pair[1];
}

int executor_spawn(struct nursery *nursery, const char *name, const char *lock_path,
                   struct executor *ret) {
        _cleanup_close_ int theirs = -EBADF;
        int r;

        assert(nursery && name && ret);

        theirs = executor_connect(ret);
        if (theirs < 0)
                return theirs;
        r = nursery_fork(nursery, name, lock_path, theirs);
        if (r < 0)
                executor_release(ret);
        return r;
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

int executor_inform(struct executor *executor, unsigned slot, const struct nvme_facts *facts) {
        struct request request = { .op = OP_INFORM, .slot = slot };

        assert(executor && facts && slot < EXECUTOR_SLOTS);

        request.facts = *facts;
        return send_request(executor, &request, sizeof(request.facts));
}

int executor_inspect(struct executor *executor, unsigned slot, bool ask) {
        struct request request = { .op = OP_INSPECT, .slot = slot, .ask = ask };

        assert(executor && slot < EXECUTOR_SLOTS);

        return send_request(executor, &request, 0);
}

int executor_prepare(struct executor *executor, const struct disk_nodes *nodes,
                     const struct prepare_settings *settings) {
        struct request request = { .op = OP_PREPARE };

        assert(executor && nodes && settings);

        request.prepare.nodes = *nodes;
        request.prepare.settings = *settings;
        return send_request(executor, &request, sizeof(request.prepare));
}

int executor_detach(struct executor *executor, unsigned slot) {
        struct request request = { .op = OP_DETACH, .slot = slot };

        assert(executor && slot < EXECUTOR_SLOTS);

        return send_request(executor, &request, 0);
}

int executor_begin(struct executor *executor, enum step step, unsigned slot,
                   const struct mount_entry *entry, const struct mount_rules *rules) {
        struct request request = { .op = OP_STEP, .step = step, .slot = slot };
        int r;

        assert(executor && step != STEP_NONE && slot < EXECUTOR_SLOTS && !entry == !rules);

        if (!executor->ready || executor->step != STEP_NONE)
                return -EBUSY;
        if (entry) {
                request.entry = *entry;
                request.rules = *rules;
        }
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
