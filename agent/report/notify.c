/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "agent/base/dgram.h"
#include "agent/report/notify.h"

static usec_t watchdog_interval(void) {
        const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
        unsigned long long v;

        if (!usec || (pid && strtoll(pid, NULL, 10) != getpid()))
                return USEC_INFINITY;
        v = strtoull(usec, NULL, 10);
        return v > 0 ? v / 2 : USEC_INFINITY;
}

int notify_open(usec_t *ret_watchdog) {
        const char *path = getenv("NOTIFY_SOCKET");
        int fd = path ? dgram_connect(path) : -EBADF;

        assert(ret_watchdog);

        *ret_watchdog = fd >= 0 ? watchdog_interval() : USEC_INFINITY;
        return fd >= 0 ? fd : -EBADF;
}

void notify_send(int fd, const char *format, ...) {
        char text[512];
        struct iovec iov = { .iov_base = text };
        va_list ap;

        if (fd < 0)
                return;
        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        iov.iov_len = strlen(text);
        (void) dgram_send(fd, &iov, 1);
}
