/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <linux/close_range.h>
#include <linux/prctl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/act/nursery.h"
#include "agent/base/log.h"
#include "agent/base/macro.h"

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

/* For a thousand disks that appear at once. */
#define QUEUE_SIZE (4 * 1024 * 1024)

struct order {
        char name[NURSERY_NAME_MAX];
        char argument[NURSERY_ARGUMENT_MAX];
        bool has_argument;
};

/* Room for one fd, aligned as it has to be. */
union control {
        struct cmsghdr align;
        char buf[CMSG_SPACE(sizeof(int))];
};

void nursery_settle(const char *name, int fd) {
        sigset_t none;

        log_close();
        /* The daemon's sockets, were they open in a process that hangs, would hide its death. */
        (void) close_range(3, (unsigned) fd - 1, 0);
        (void) close_range((unsigned) fd + 1, ~0U, 0);
        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        (void) prctl(PR_SET_NAME, name);
        (void) prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
        /* A fork inherits no memory locks (kernel/fork.c: dup_mmap). */
        (void) mlockall(MCL_CURRENT | MCL_FUTURE);
}

/* ---- the process ---- */

/* The fd that came with it; -EBADF when there is no more to come. */
static int receive(int socket, struct order *ret) {
        struct iovec iov = { ret, sizeof(*ret) };
        union control control;
        struct msghdr mh = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = control.buf,
                .msg_controllen = sizeof(control.buf),
        };
        const struct cmsghdr *header;
        ssize_t n;
        int fd;

        do
                n = recvmsg(socket, &mh, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        header = n == sizeof(*ret) ? CMSG_FIRSTHDR(&mh) : NULL;
        if (!header || header->cmsg_type != SCM_RIGHTS)
                return -EBADF;
        memcpy(&fd, CMSG_DATA(header), sizeof(fd));
        return fd;
}

_Noreturn static void serve(int socket, nursery_run_t run) {
        struct order order;
        int fd;

        nursery_settle("unhang-nursery", socket);
        /* Nobody waits for them here. */
        (void) signal(SIGCHLD, SIG_IGN);
        while ((fd = receive(socket, &order)) >= 0) {
                if (fork() == 0) {
                        run(order.name, order.has_argument ? order.argument : NULL, fd);
                        _exit(EXIT_FAILURE);
                }
                (void) close(fd);
        }
        _exit(EXIT_SUCCESS);
}

/* ---- the daemon's end ---- */

int nursery_open(nursery_run_t run, struct nursery *ret) {
        _cleanup_close_ int ours = -EBADF, theirs = -EBADF;
        const struct timeval patience = { .tv_sec = 1 };
        int pair[2], queue = QUEUE_SIZE;
        pid_t pid;

        assert(run && ret);

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        ours = pair[0];
        theirs = pair[1];
        /* Without CAP_NET_ADMIN the queue stays as long as it is by default. */
        (void) setsockopt(ours, SOL_SOCKET, SO_SNDBUFFORCE, &queue, sizeof(queue));
        if (setsockopt(ours, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
                return -errno;

        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                serve(theirs, run);
        *ret = (struct nursery) { .fd = take_fd(&ours), .run = run };
        return 0;
}

static int send_order(const struct nursery *nursery, struct order *order, int fd) {
        struct iovec iov = { order, sizeof(*order) };
        union control control = {};
        struct msghdr mh = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = control.buf,
                .msg_controllen = sizeof(control.buf),
        };
        struct cmsghdr *header = CMSG_FIRSTHDR(&mh);

        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(fd));
        memcpy(CMSG_DATA(header), &fd, sizeof(fd));
        return sendmsg(nursery->fd, &mh, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int nursery_fork(struct nursery *nursery, const char *name, const char *argument, int fd) {
        struct order order = { .has_argument = argument };
        int r;

        assert(nursery && name && fd >= 0);

        if (strlen(name) >= sizeof(order.name) ||
            (argument && strlen(argument) >= sizeof(order.argument)))
                return -ENAMETOOLONG;
        (void) snprintf(order.name, sizeof(order.name), "%s", name);
        (void) snprintf(order.argument, sizeof(order.argument), "%s", argument ? argument : "");
        r = send_order(nursery, &order, fd);
        if (r != -EPIPE && r != -ECONNRESET)
                return r;
        nursery_close(nursery);
        r = nursery_open(nursery->run, nursery);
        return r < 0 ? r : send_order(nursery, &order, fd);
}

void nursery_close(struct nursery *nursery) {
        assert(nursery);

        nursery->fd = safe_close(nursery->fd);
}
