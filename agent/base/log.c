/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/uio.h>

#include "agent/base/dgram.h"
#include "agent/base/log.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define LINE_SIZE 1024
#define FIELDS_MAX 12

/* The log target. */
static struct {
        int journal;
        int kmsg;
        uint64_t dropped;
        bool reconnect;
} target = { .journal = -EBADF, .kmsg = -EBADF };

void log_open(void) {
        target.kmsg = safe_close(target.kmsg);
        target.kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        target.journal = safe_close(target.journal);
        target.reconnect = getenv("JOURNAL_STREAM") != NULL;
        if (target.reconnect)
                target.journal = dgram_connect(JOURNAL_SOCKET);
}

void log_close(void) {
        target.journal = safe_close(target.journal);
        target.kmsg = safe_close(target.kmsg);
        target.reconnect = false;
}

uint64_t log_dropped(void) {
        return target.dropped;
}

static void add(struct iovec *iov, size_t *n, const char *text) {
        iov[(*n)++] = (struct iovec) { .iov_base = (char *) text, .iov_len = strlen(text) };
}

/* The journal's native protocol: FIELD=text lines in one datagram
 * (systemd.io/JOURNAL_NATIVE_PROTOCOL). */
static int to_journal(int level, const struct log_field *fields, size_t n_fields,
                      const char *line) {
        char priority[] = "PRIORITY=6\nSYSLOG_IDENTIFIER=unhangd\nMESSAGE=";
        struct iovec iov[3 + 4 * FIELDS_MAX];
        size_t n = 0;
        int r;

        priority[strlen("PRIORITY=")] = (char) ('0' + LOG_PRI(level));
        add(iov, &n, priority);
        add(iov, &n, line);
        add(iov, &n, "\n");
        for (size_t i = 0; i < n_fields && i < FIELDS_MAX; i++) {
                add(iov, &n, fields[i].name);
                add(iov, &n, "=");
                add(iov, &n, fields[i].text);
                add(iov, &n, "\n");
        }

        r = dgram_send(target.journal, iov, n);
        if (r == -ECONNREFUSED || r == -ENOTCONN || r == -EBADF) { /* journald was restarted */
                target.journal = safe_close(target.journal);
                target.journal = dgram_connect(JOURNAL_SOCKET);
                r = dgram_send(target.journal, iov, n);
        }
        return r;
}

static int to_stderr(const char *line) {
        struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
        char buf[LINE_SIZE + 1];
        int n = snprintf(buf, sizeof(buf), "%s\n", line);

        /* Room for one line is room for all of it: it is shorter than PIPE_BUF. */
        if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT))
                return -EAGAIN;
        return write(STDERR_FILENO, buf, (size_t) n) < 0 ? -errno : 0;
}

/* Names of disks and mount points come from elsewhere: a line stays one line, or it could forge
 * fields in the journal. */
static void format_line(char *buf, size_t size, const char *format, va_list ap) _printf_(3, 0);
static void format_line(char *buf, size_t size, const char *format, va_list ap) {
        (void) vsnprintf(buf, size, format, ap);
        for (char *p = strchr(buf, '\n'); p; p = strchr(p, '\n'))
                *p = ' ';
}

void log_fields(int level, const struct log_field *fields, size_t n, const char *format, ...) {
        char line[LINE_SIZE];
        va_list ap;
        int r;

        va_start(ap, format);
        format_line(line, sizeof(line), format, ap);
        va_end(ap);

        r = target.reconnect ? to_journal(level, fields, n, line) : to_stderr(line);
        if (r < 0)
                target.dropped++;
}

void log_kernel(int level, const char *format, ...) {
        char line[LINE_SIZE];
        va_list ap;
        int n;

        if (target.kmsg < 0)
                return;
        n = snprintf(line, sizeof(line), "<%d>unhangd: ", LOG_DAEMON | LOG_PRI(level));
        va_start(ap, format);
        format_line(line + n, sizeof(line) - (size_t) n, format, ap);
        va_end(ap);
        (void) !write(target.kmsg, line, strlen(line));
}
