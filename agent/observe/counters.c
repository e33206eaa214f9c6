/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>

#include "agent/base/file-util.h"
#include "agent/base/time-util.h"
#include "agent/observe/counters.h"
#include "agent/observe/requests.h"

/* Fields of stat, counted from 1 as the kernel's documentation does. */
#define STAT_FIELDS 17
#define STAT_READS 1
#define STAT_WRITES 5
#define STAT_IN_FLIGHT 9
#define STAT_DISCARDS 12
#define STAT_FLUSHES 16

#define KERNEL(major, minor) ((unsigned) (major) << 8 | (minor))

const struct counters counters_none = {
        .stat = -EBADF,
        .busy = -EBADF,
        .answered = -EBADF,
        .timeouts = -EBADF,
        .timeout = -EBADF,
        .state = -EBADF,
        .host_state = -EBADF,
};

static int open_file(const char *dir, const char *name, int *ret) {
        char path[PATH_MAX];
        int fd;

        if ((size_t) snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
                return -ENAMETOOLONG;
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        *ret = fd;
        return 0;
}

static int open_scsi(const char *sysfs, const struct disk_id *id, const char *device_dir,
                     struct counters *c) {
        char host[PATH_MAX];
        int r;

        if ((size_t) snprintf(host, sizeof(host), "%s/class/scsi_host/%s", sysfs, id->domain) >=
            sizeof(host))
                return -ENAMETOOLONG;
        if ((r = open_file(device_dir, "device_busy", &c->busy)) < 0 ||
            (r = open_file(device_dir, "iodone_cnt", &c->answered)) < 0 ||
            (r = open_file(device_dir, "state", &c->state)) < 0 ||
            (r = open_file(host, "state", &c->host_state)) < 0)
                return r;
        (void) open_file(device_dir, "iotmo_cnt", &c->timeouts);
        (void) open_file(device_dir, "timeout", &c->timeout);
        /* drivers/scsi/virtio_scsi.c: virtscsi_eh_timed_out, storvsc_drv.c: storvsc_eh_timed_out.
         * A timer that runs out is counted before the driver is asked (scsi_error.c:
         * scsi_timeout). */
        c->rearms = strcmp(id->driver, "virtio_scsi") == 0 || strcmp(id->driver, "hv_storvsc") == 0;
        return 0;
}

static int open_all(const char *sysfs, const struct disk_id *id, const struct disk_nodes *nodes,
                    struct counters *c) {
        int r = open_file(nodes->block_dir, "stat", &c->stat);

        if (r >= 0 && id->kind == DISK_SCSI)
                r = open_scsi(sysfs, id, nodes->device_dir, c);
        if (r >= 0 && id->kind == DISK_NVME)
                r = open_file(nodes->device_dir, "state", &c->state);
        return r;
}

/* 0 when it cannot be told. */
static unsigned kernel_release(const char *procfs) {
        _cleanup_close_ int fd = -EBADF;
        unsigned maj, min;
        char text[96];

        if (open_file(procfs, "sys/kernel/osrelease", &fd) < 0 ||
            read_attribute(fd, text, sizeof(text)) < 0 || sscanf(text, "%u.%u", &maj, &min) != 2)
                return 0;
        return KERNEL(MIN(maj, 0xffffu), MIN(min, 0xffu));
}

/* What stat counts as in flight (block/genhd.c: part_stat_show).
 * Before 5.11 each started request, whatever it is (blk-mq.c: blk_mq_check_inflight). Then, at the
 * latest from 5.19, only those that statistics are kept of: passthrough never, and with it flushes,
 * for the request that carries them has no mark (blk-flush.c: blk_kick_flush) and its parent is not
 * yet started. Between the two it depends on the stable release, so that both is presumed: what
 * that leads to is corrected by the list. From 6.10 from the accounting's start to its end,
 * flushes included; from 6.13 passthrough, too, on demand (blk_rq_passthrough_stats).
 * A multipath head is accounted from 6.4 on (nvme_mpath_start_request), what is in flight on md
 * from 5.14 on. Until 6.2 a bio of md or dm counts as completed when it starts (block/blk-core.c:
 * bdev_start_io_acct). */
static void find_blind_spots(struct counters *c, const char *driver) {
        unsigned release = c->release;

        c->flush_blind = (c->kind == DISK_NVME || c->kind == DISK_QUEUE) &&
                         (release == 0 || release >= KERNEL(5, 11)) && release < KERNEL(6, 10);
        c->passthrough_in_stat = c->kind != DISK_BIO && release < KERNEL(5, 19);
        if (c->kind == DISK_BIO && strcmp(driver, "nvme-multipath") == 0 && release < KERNEL(6, 4))
                c->blind = STAT_BLIND_HEAD;
        if (c->kind == DISK_BIO && strcmp(driver, "md") == 0 && release < KERNEL(5, 14))
                c->blind = STAT_BLIND_MD;
        c->started_counts = c->kind == DISK_BIO && release < KERNEL(6, 3);
}

static void open_requests(struct counters *c, const char *sysfs, const char *name) {
        struct request_list list;

        if (c->kind == DISK_BIO)
                return;
        c->requests_error = requests_open(sysfs, name, &c->requests);
        if (c->requests && requests_read(c->requests, &list) >= 0)
                c->iostats_off = list.iostats_off;
}

int counters_open(const struct kernel_files *files, const struct disk_id *id,
                  const struct disk_nodes *nodes, struct counters *ret) {
        struct counters c = counters_none;
        int r;

        assert(files && id && nodes && ret);

        c.kind = id->kind;
        c.path = id->kind == DISK_NVME && strchr(id->name + strlen("nvme"), 'c');
        r = open_all(files->sysfs, id, nodes, &c);
        if (r < 0) {
                counters_close(&c);
                return r;
        }
        c.release = kernel_release(files->procfs);
        find_blind_spots(&c, id->driver);
        open_requests(&c, files->sysfs, id->name);
        *ret = c;
        return 0;
}

void counters_close(struct counters *counters) {
        assert(counters);

        counters->stat = safe_close(counters->stat);
        counters->busy = safe_close(counters->busy);
        counters->answered = safe_close(counters->answered);
        counters->timeouts = safe_close(counters->timeouts);
        counters->timeout = safe_close(counters->timeout);
        counters->state = safe_close(counters->state);
        counters->host_state = safe_close(counters->host_state);
        counters->requests = requests_free(counters->requests);
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

/* Offline and transport-offline end new requests with an error, all the others keep them waiting
 * (drivers/scsi/scsi_lib.c: scsi_device_state_check). */
static int read_scsi_states(const struct counters *c, struct sample *sample) {
        char device[32], host[32];
        int r;

        if ((r = read_attribute(c->state, device, sizeof(device))) < 0 ||
            (r = read_attribute(c->host_state, host, sizeof(host))) < 0)
                return r;
        sample->offline = strcmp(device, "offline") == 0 ||
                          strcmp(device, "transport-offline") == 0;
        sample->recovering = strcmp(host, "running") != 0 ||
                             (!sample->offline && strcmp(device, "running") != 0);
        return 0;
}

static usec_t read_timeout(const struct counters *c) {
        uint64_t seconds;

        if (!c->rearms || c->timeouts < 0 || c->timeout < 0 ||
            read_number(c->timeout, &seconds) < 0)
                return 0;
        return MIN(seconds, (uint64_t) UINT32_MAX) * USEC_PER_SEC;
}

static int read_scsi(const struct counters *c, struct sample *sample, uint64_t *ret_busy) {
        int r;

        if ((r = read_number(c->busy, ret_busy)) < 0 ||
            (r = read_number(c->answered, &sample->answered)) < 0 ||
            (r = read_scsi_states(c, sample)) < 0 ||
            (c->timeouts >= 0 && (r = read_number(c->timeouts, &sample->timeouts)) < 0))
                return r;
        sample->timeout = read_timeout(c);
        return 0;
}

/* drivers/nvme/host/sysfs.c: nvme_sysfs_show_state. */
static int read_nvme(const struct counters *c, struct sample *sample) {
        char state[32];
        int r = read_attribute(c->state, state, sizeof(state));

        if (r < 0)
                return r;
        sample->offline = strcmp(state, "dead") == 0 || strcmp(state, "deleting") == 0 ||
                          strcmp(state, "deleting (no IO)") == 0;
        sample->recovering = !sample->offline && strcmp(state, "live") != 0;
        sample->failover = sample->recovering && c->path;
        return 0;
}

/* All files but the list. */
static int read_files(const struct counters *c, uint64_t stat[STAT_FIELDS + 1], uint64_t *ret_busy,
                      struct sample *sample) {
        int r = read_stat(c->stat, stat);

        if (r >= 0 && c->kind == DISK_SCSI)
                r = read_scsi(c, sample, ret_busy);
        if (r >= 0 && c->kind == DISK_NVME)
                r = read_nvme(c, sample);
        return r == -ENOENT || r == -ENXIO || r == -EIO ? -ENODEV : r;
}

static uint64_t less(uint64_t from, uint64_t n) {
        return from - MIN(from, n);
}

/* How many of the listed commands of user space stat counts. */
static uint32_t counted_in_stat(const struct counters *c, const struct request_list *list) {
        if (c->passthrough_in_stat)
                return list->passthrough;
        return c->release >= KERNEL(6, 13) ? list->marked : 0;
}

/* LIST is all 0 when there is none. */
static uint32_t count_outstanding(const struct counters *c, uint64_t in_stat, uint64_t busy,
                                  const struct request_list *list) {
        uint32_t counted = counted_in_stat(c, list);
        bool scsi = c->kind == DISK_SCSI;
        uint64_t out;

        /* Old kernels count what is in flight also without statistics, but no longer what ends. */
        if (c->iostats_off && c->passthrough_in_stat && !scsi)
                return 0;
        out = MAX(less(in_stat, counted), less(busy, list->passthrough));
        if (scsi || (!c->iostats_off && (c->flush_blind || counted > 0)))
                out = MAX(out, list->requests);
        return (uint32_t) MIN(out, (uint64_t) UINT32_MAX);
}

int counters_read(struct counters *counters, usec_t now, bool list, struct sample *ret) {
        uint64_t stat[STAT_FIELDS + 1] = {}, busy = 0;
        struct request_list requests = {};
        struct sample sample = { .at = now };
        int r;

        assert(counters && ret);

        r = read_files(counters, stat, &busy, &sample);
        if (r < 0)
                return r;
        if (counters->requests && (list || counters->flush_blind) &&
            requests_read(counters->requests, &requests) >= 0) {
                counters->iostats_off = requests.iostats_off;
                sample.listed = requests.aged;
                sample.oldest = requests.oldest;
        }
        sample.completed = stat[STAT_READS] + stat[STAT_WRITES] + stat[STAT_DISCARDS] +
                           stat[STAT_FLUSHES];
        if (counters->started_counts)
                sample.completed = less(sample.completed, stat[STAT_IN_FLIGHT]);
        sample.outstanding = count_outstanding(counters, stat[STAT_IN_FLIGHT], busy, &requests);
        *ret = sample;
        return 0;
}

/* For people */

struct texts {
        struct signal_text *all;
        size_t n;
};

static void add(struct texts *texts, bool missing, const char *name, const char *format, ...)
        _printf_(4, 5);
static void add(struct texts *texts, bool missing, const char *name, const char *format, ...) {
        struct signal_text *text = &texts->all[texts->n++];
        va_list ap;

        assert(texts->n <= SIGNALS_MAX);

        text->name = name;
        text->missing = missing;
        va_start(ap, format);
        (void) vsnprintf(text->text, sizeof(text->text), format, ap);
        va_end(ap);
}

static void describe_stat(const struct counters *c, struct texts *texts) {
        bool by_busy = c->kind == DISK_SCSI && c->release >= KERNEL(5, 11) &&
                       c->release < KERNEL(6, 10);

        if (c->blind == STAT_BLIND_HEAD)
                add(texts, true, "stat", "always 0 on this kernel: the paths of this disk are "
                    "watched, but not what waits until there is one");
        else if (c->blind == STAT_BLIND_MD)
                add(texts, true, "stat", "completions only, on this kernel: a hang is seen on the "
                    "disks below, but not here");
        else if (c->flush_blind && c->requests)
                add(texts, false, "stat", "completions and requests in flight, but no cache flush: "
                    "those come from the list of requests");
        else if (c->flush_blind)
                add(texts, true, "stat", "completions and requests in flight, but no cache flush: "
                    "a disk that hangs in one cannot be seen");
        else if (by_busy)
                add(texts, false, "stat", "completions and requests in flight, but no cache flush: "
                    "those come from device_busy");
        else
                add(texts, false, "stat", "completions and requests in flight");
}

static void describe_timeouts(const struct counters *c, usec_t stall, struct texts *texts) {
        char limit[FORMAT_USEC_MAX], age[FORMAT_USEC_MAX];
        usec_t timeout = read_timeout(c);
        bool unaged = !c->requests;

        (void) format_usec(limit, sizeof(limit), stall);
        (void) format_usec(age, sizeof(age), timeout);
        if (!c->rearms)
                add(texts, false, "iotmo_cnt", "proves nothing: the driver ends requests by "
                    "itself");
        else if (c->timeouts < 0)
                add(texts, unaged, "iotmo_cnt", "not there before kernel 6.1: a single stuck "
                    "request among others is seen only by its age in the list of requests");
        else if (timeout == 0)
                add(texts, unaged, "iotmo_cnt", "proves nothing: the timeout is not known");
        else if (timeout < stall)
                add(texts, unaged, "iotmo_cnt", "proves nothing: the timeout of %s is shorter than "
                    "StallSec=%s", age, limit);
        else
                add(texts, false, "iotmo_cnt", "exact for stuck requests older than the timeout of "
                    "%s: the driver never ends a request by itself", age);
}

static void describe_scsi(const struct counters *c, usec_t stall, struct texts *texts) {
        add(texts, false, "device_busy", "commands out, cache flushes included");
        add(texts, false, "iodone_cnt", "commands that came back from the device");
        describe_timeouts(c, stall, texts);
}

static void describe_no_requests(const struct counters *c, struct texts *texts) {
        static const char *const costs[_DISK_KIND_MAX] = {
                [DISK_SCSI] = "no age, and a long command of user space looks like a hang",
                [DISK_NVME] = "commands of user space cannot be told apart",
                [DISK_QUEUE] = "commands of user space cannot be told apart",
        };
        const char *cost = c->flush_blind ? "a hung cache flush cannot be seen" : costs[c->kind];

        if (c->requests_error == -ENOENT)
                add(texts, true, "requests", "missing: debugfs is not mounted, or the kernel was "
                    "built without BLK_DEBUG_FS: %s", cost);
        else if (c->requests_error == -EACCES || c->requests_error == -EPERM)
                add(texts, true, "requests", "missing: debugfs may not be read: %s", cost);
        else
                add(texts, true, "requests", "missing: %s: %s", strerror(-c->requests_error), cost);
}

static void describe_requests(const struct counters *c, struct texts *texts) {
        if (c->kind == DISK_BIO)
                return;
        if (!c->requests)
                describe_no_requests(c, texts);
        else if (c->kind == DISK_SCSI)
                add(texts, false, "requests", "in flight, with their age");
        else
                add(texts, true, "requests", "in flight, the driver tells no age: a single stuck "
                    "request among others cannot be seen");
}

static void describe_states(const struct counters *c, struct texts *texts) {
        if (c->kind == DISK_SCSI) {
                add(texts, false, "device state", "whether the kernel holds the disk back, or ends "
                    "its requests with errors");
                add(texts, false, "host state", "whether the kernel recovers the host");
        }
        if (c->kind == DISK_NVME)
                add(texts, false, "controller state", "whether the kernel resets the controller, "
                    "or has given it up");
}

static void describe_iostats(const struct counters *c, struct texts *texts) {
        if (!c->iostats_off)
                return;
        add(texts, true, "iostats", c->kind == DISK_SCSI ?
            "I/O statistics are switched off: what completes is known only by iodone_cnt" :
            "I/O statistics are switched off: a hang of this disk cannot be seen; "
            "write 1 to its queue/iostats");
}

size_t counters_describe(const struct counters *counters, usec_t stall,
                         struct signal_text texts[SIGNALS_MAX]) {
        struct texts t = { .all = texts };

        assert(counters && texts);

        describe_stat(counters, &t);
        if (counters->kind == DISK_SCSI)
                describe_scsi(counters, stall, &t);
        describe_requests(counters, &t);
        describe_states(counters, &t);
        describe_iostats(counters, &t);
        return t.n;
}
