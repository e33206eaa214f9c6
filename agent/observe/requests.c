/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <fcntl.h>
#include <string.h>

#include "agent/base/file-util.h"
#include "agent/observe/requests.h"
#include "include/disk.h"

/* Bounds on the work of one reading. A host of SCSI has seldom more than 1000 commands out, a
 * hardware queue of NVMe 1023; a line is hardly ever longer than 400 bytes. */
#define QUEUES_MAX 1024
#define LINES_MAX 16384
#define BYTES_MAX ((size_t) 8 * 1024 * 1024)

struct requests {
        char dir[DISK_PATH_MAX];
        struct request_list list;
        unsigned lines;
        size_t bytes;
        bool age_seen;
        bool mark_seen, mark_missed; /* on a read or write: RQF_IO_STAT */
        bool iostats_off;            /* the last that was known */
        bool cut;                    /* the line in BUF was too long: the rest of it is skipped */
        size_t used;
        char buf[16384];
};

struct requests *requests_free(struct requests *requests) {
        free(requests);
        return NULL;
}

static void requests_freep(struct requests **requests) {
        (void) requests_free(*requests);
}

static int open_dir(const struct requests *requests) {
        int fd = open(requests->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

static int open_queue(int dir, unsigned i) {
        char name[32];
        int fd;

        (void) snprintf(name, sizeof(name), "hctx%u/busy", i);
        fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int requests_open(const char *sysfs, const char *name, struct requests **ret) {
        _cleanup_(requests_freep) struct requests *r = calloc(1, sizeof(*r));
        _cleanup_close_ int dir = -EBADF, queue = -EBADF;

        assert(sysfs && name && ret);

        if (!r)
                return -ENOMEM;
        if ((size_t) snprintf(r->dir, sizeof(r->dir), "%s/kernel/debug/block/%s", sysfs, name) >=
            sizeof(r->dir))
                return -ENAMETOOLONG;
        dir = open_dir(r);
        if (dir < 0)
                return dir;
        /* No queue now is no error: a reset of NVMe may be making them anew. */
        queue = open_queue(dir, 0);
        if (queue < 0 && queue != -ENOENT)
                return queue;
        *ret = TAKE_PTR(r);
        return 0;
}

/* Whether WORD is one of those in TEXT, which ends at one of ENDS and has them set apart by '|'
 * (block/blk-mq-debugfs.c: blk_flags_show). */
static bool has_flag(const char *text, const char *ends, const char *word) {
        size_t rest = strcspn(text, ends), n = strlen(word);

        for (;;) {
                size_t length = strcspn(text, "|");

                length = MIN(length, rest);
                if (length == n && memcmp(text, word, n) == 0)
                        return true;
                if (length == rest)
                        return false;
                text += length + 1;
                rest -= length + 1;
        }
}

/* What follows NAME in the line, or "". */
static const char *field(const char *line, const char *name) {
        const char *p = strstr(line, name);

        return p ? p + strlen(name) : "";
}

static bool is_op(const char *op, const char *name) {
        size_t n = strcspn(op, ",}");

        return n == strlen(name) && memcmp(op, name, n) == 0;
}

/* block/blk-core.c: blk_op_name; SCSI_IN and SCSI_OUT before 5.16. */
static bool is_passthrough(const char *op) {
        return is_op(op, "DRV_IN") || is_op(op, "DRV_OUT") || is_op(op, "SCSI_IN") ||
               is_op(op, "SCSI_OUT");
}

/* "allocated 4.032 s ago", always with three digits of milliseconds. An age beyond the kernel's int
 * of them (24 days) is printed as negative, and is none for us. */
static bool read_age(const char *line, usec_t *ret) {
        const char *p = field(line, ", allocated ");
        unsigned seconds, msec;
        int end = 0;

        if (*p < '0' || *p > '9' || sscanf(p, "%9u.%3u%n", &seconds, &msec, &end) != 2 ||
            strncmp(p + end, " s ago", strlen(" s ago")) != 0)
                return false;
        *ret = seconds * USEC_PER_SEC + msec * USEC_PER_MSEC;
        return true;
}

/* Only what is surely read or written, for a flush never bears the mark. */
static void take_mark(struct requests *requests, const char *op, bool marked) {
        if (!is_op(op, "READ") && !is_op(op, "WRITE"))
                return;
        if (marked)
                requests->mark_seen = true;
        else
                requests->mark_missed = true;
}

static void take_line(struct requests *requests, const char *line) {
        struct request_list *list = &requests->list;
        const char *op = field(line, ".op="), *flags = field(line, ".rq_flags=");
        bool marked = has_flag(flags, ",}", "IO_STAT");
        usec_t age = 0;

        if (*line == '\0')
                return;
        requests->lines++;
        if (read_age(line, &age))
                requests->age_seen = true;
        if (is_passthrough(op)) {
                list->passthrough++;
                list->marked += marked;
                return;
        }
        list->requests++;
        list->flushes += is_op(op, "FLUSH");
        list->oldest = MAX(list->oldest, age);
        if (*flags)
                take_mark(requests, op, marked);
}

/* Takes the lines that are whole and keeps what is left of the last. A line that fills the buffer
 * is taken as far as it goes. */
static void take_lines(struct requests *requests) {
        char *line = requests->buf, *end = requests->buf + requests->used, *newline;

        for (; (newline = memchr(line, '\n', (size_t) (end - line))); line = newline + 1) {
                *newline = '\0';
                if (!requests->cut)
                        take_line(requests, line);
                requests->cut = false;
        }
        requests->used = (size_t) (end - line);
        memmove(requests->buf, line, requests->used);
        if (requests->used == sizeof(requests->buf) - 1) {
                requests->buf[requests->used] = '\0';
                if (!requests->cut)
                        take_line(requests, requests->buf);
                requests->cut = true;
                requests->used = 0;
        }
}

static bool may_go_on(const struct requests *requests) {
        return requests->lines < LINES_MAX && requests->bytes < BYTES_MAX;
}

/* An error is the end of the file: its queue went away between open and read, and what was read of
 * it stands. */
static void read_queue(struct requests *requests, int fd) {
        requests->used = 0;
        requests->cut = false;
        while (may_go_on(requests)) {
                ssize_t n = read(fd, requests->buf + requests->used,
                                 sizeof(requests->buf) - 1 - requests->used);

                if (n <= 0)
                        break;
                requests->bytes += (size_t) n;
                requests->used += (size_t) n;
                take_lines(requests);
        }
        requests->buf[requests->used] = '\0';
        if (!requests->cut)
                take_line(requests, requests->buf);
}

/* How many queues there are, or a negative errno. */
static int read_queues(struct requests *requests, int dir) {
        unsigned i;

        for (i = 0; i < QUEUES_MAX && may_go_on(requests); i++) {
                _cleanup_close_ int fd = open_queue(dir, i);

                if (fd == -ENOENT)
                        break;
                if (fd == -EACCES || fd == -EPERM)
                        return fd;
                if (fd >= 0)
                        read_queue(requests, fd);
        }
        return (int) i;
}

/* Until 6.10 the queue's flags have IO_STAT among them; then it became a feature of the limits,
 * which debugfs does not show. NOWAIT went the same way at the same time and was set on every queue
 * with hardware queues (QUEUE_FLAG_MQ_DEFAULT): by it the two are told apart. Kernel lockdown
 * forbids this file, for it can be written. Then, and later, the requests themselves tell: a read
 * bears the mark unless statistics were off when it came. One that does is enough: those without
 * may be old. */
static bool are_iostats_off(const struct requests *requests, int dir) {
        char flags[1024];

        if (read_attribute_at(dir, "state", flags, sizeof(flags)) > 0 &&
            (has_flag(flags, "\n", "IO_STAT") || has_flag(flags, "\n", "NOWAIT")))
                return !has_flag(flags, "\n", "IO_STAT");
        if (requests->mark_seen || requests->mark_missed)
                return !requests->mark_seen;
        return requests->iostats_off;
}

int requests_read(struct requests *requests, struct request_list *ret) {
        _cleanup_close_ int dir = -EBADF;
        int n;

        assert(requests && ret);

        dir = open_dir(requests);
        if (dir < 0)
                return dir;
        requests->list = (struct request_list) {};
        requests->lines = 0;
        requests->bytes = 0;
        requests->age_seen = requests->mark_seen = requests->mark_missed = false;
        n = read_queues(requests, dir);
        if (n <= 0)
                return n < 0 ? n : -ENOENT;
        requests->list.aged = requests->age_seen || requests->lines == 0;
        requests->iostats_off = are_iostats_off(requests, dir);
        requests->list.iostats_off = requests->iostats_off;
        *ret = requests->list;
        return 0;
}
