/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "agent/base/macro.h"
#include "agent/report/recorder.h"

#define QUEUE_SIZE (1024 * 1024)
#define MESSAGE_MAX 512

static bool write_all(int fd, const char *data, size_t n) {
        while (n > 0) {
                ssize_t k = write(fd, data, n);

                if (k < 0 && errno != EINTR)
                        return false;
                if (k > 0) {
                        data += k;
                        n -= (size_t) k;
                }
        }
        return true;
}

/* Signals that end the daemon are blocked here, so that what was taken is written to its end. */
_Noreturn static void write_lines(int socket, int file) {
        char buf[MESSAGE_MAX];
        ssize_t n;

        (void) prctl(PR_SET_NAME, "unhang-recorder");
        while ((n = recv(socket, buf, sizeof(buf), 0)) > 0 || (n < 0 && errno == EINTR))
                if (n > 0 && !write_all(file, buf, (size_t) n))
                        _exit(EXIT_FAILURE);
        _exit(EXIT_SUCCESS);
}

static int start_writer(int file, int *ret) {
        int pair[2], size = QUEUE_SIZE;
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        (void) setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
        pid = fork();
        if (pid == 0) {
                (void) close(pair[0]);
                write_lines(pair[1], file);
        }
        (void) close(pair[1]);
        if (pid < 0) {
                (void) close(pair[0]);
                return -errno;
        }
        *ret = pair[0];
        return 0;
}

int recorder_open(const char *path, struct recorder *ret) {
        _cleanup_close_ int file = -EBADF;
        int fd = -EBADF, r;

        assert(path && ret);

        file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (file < 0)
                return -errno;
        r = start_writer(file, &fd);
        if (r < 0)
                return r;
        *ret = (struct recorder) { .fd = fd };
        return 0;
}

static bool hand_over(struct recorder *recorder, const char *line) {
        if (send(recorder->fd, line, strlen(line), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
                return true;
        recorder->broken = errno == EPIPE || errno == ECONNRESET;
        return false;
}

void recorder_write(struct recorder *recorder, const char *line) {
        char note[64];

        assert(recorder && line);

        if (recorder->fd < 0 || recorder->broken)
                return;
        if (recorder->dropped > 0) {
                (void) snprintf(note, sizeof(note), "# %" PRIu64 " lines are missing here\n",
                                recorder->dropped);
                if (!hand_over(recorder, note)) {
                        recorder->dropped++;
                        return;
                }
                recorder->dropped = 0;
        }
        if (!hand_over(recorder, line))
                recorder->dropped++;
}

void recorder_close(struct recorder *recorder) {
        assert(recorder);

        recorder->fd = safe_close(recorder->fd);
}
