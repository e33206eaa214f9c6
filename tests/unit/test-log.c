/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "agent/base/dgram.h"
#include "agent/base/log.h"
#include "agent/base/time-util.h"
#include "tests/unit/temp-dir.h"

/* Nothing here may wait; a test that does is ended by this. */
#define PATIENCE 10

static int listen_at(const char *path) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        assert_true(strlen(path) < sizeof(sa.sun_path));
        (void) snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
        make_parents(path);
        assert_int_equal(bind(fd, (struct sockaddr *) &sa, sizeof(sa)), 0);
        return fd;
}

static int send_text(int fd, const char *text) {
        const struct iovec iov = { .iov_base = (char *) text, .iov_len = strlen(text) };

        return dgram_send(fd, &iov, 1);
}

/* ---- datagrams ---- */

static void test_dgram(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        _cleanup_close_ int listener = listen_at(temp_path(&dir, "socket"));
        _cleanup_close_ int fd = dgram_connect(temp_path(&dir, "socket"));
        struct iovec iov[] = { { (char *) "one ", 4 }, { (char *) "two", 3 } };
        char buf[32] = "";

        assert_true(fd >= 0);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        assert_int_equal(dgram_send(fd, iov, 2), 0);
        assert_int_equal(recv(listener, buf, sizeof(buf), 0), 7);
        assert_string_equal(buf, "one two");
}

static void test_dgram_abstract(void **state) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        _cleanup_close_ int listener = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        _cleanup_close_ int fd = -EBADF;
        char name[64], buf[8] = "";

        (void) snprintf(name, sizeof(name), "@unhang-test-%d", (int) getpid());
        memcpy(sa.sun_path + 1, name + 1, strlen(name) - 1);
        assert_int_equal(bind(listener, (struct sockaddr *) &sa,
                              (socklen_t) (offsetof(struct sockaddr_un, sun_path) + strlen(name))),
                         0);
        fd = dgram_connect(name);
        assert_true(fd >= 0);
        assert_int_equal(send_text(fd, "x"), 0);
        assert_int_equal(recv(listener, buf, sizeof(buf), MSG_DONTWAIT), 1);
}

static void test_dgram_errors(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        _cleanup_close_ int listener = listen_at(temp_path(&dir, "socket"));
        _cleanup_close_ int fd = dgram_connect(temp_path(&dir, "socket"));
        static char large[16 * 1024 * 1024];
        const struct iovec iov = { large, sizeof(large) };
        char path[128];

        assert_int_equal(dgram_connect(""), -EINVAL);
        memset(path, 'x', sizeof(path));
        for (size_t n = 106; n < 112; n++) {
                path[n] = '\0';
                assert_int_equal(dgram_connect(path), n < 108 ? -ENOENT : -EINVAL);
                path[n] = 'x';
        }
        assert_int_equal(dgram_connect(temp_path(&dir, "none")), -ENOENT);
        assert_int_equal(send_text(-EBADF, "x"), -EBADF);
        assert_int_equal(dgram_send(fd, &iov, 1), -EMSGSIZE);

        /* The receiver goes: its path stays, and nobody listens. */
        listener = safe_close(listener);
        assert_int_equal(send_text(fd, "x"), -ECONNREFUSED);
        assert_int_equal(dgram_connect(temp_path(&dir, "socket")), -ECONNREFUSED);
}

static void test_dgram_never_waits(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        _cleanup_close_ int listener = listen_at(temp_path(&dir, "socket"));
        _cleanup_close_ int fd = dgram_connect(temp_path(&dir, "socket"));
        int r, taken = 0;
        char buf[8];

        (void) alarm(PATIENCE);
        /* Not by grace of the socket's own flag alone. */
        assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
        while ((r = send_text(fd, "x")) == 0)
                assert_true(++taken < 1000000);
        assert_int_equal(r, -EAGAIN);
        assert_true(taken > 0);
        for (int i = 0; i < 1000; i++)
                assert_int_equal(send_text(fd, "x"), -EAGAIN);
        assert_int_equal(recv(listener, buf, sizeof(buf), 0), 1);
        assert_int_equal(send_text(fd, "x"), 0);
        (void) alarm(0);
}

/* ---- lines on standard error ---- */

struct captured {
        int saved;
        int pipe[2];
};

static struct captured capture(void) {
        struct captured c;

        (void) fflush(stderr);
        assert_int_equal(pipe2(c.pipe, O_CLOEXEC | O_NONBLOCK), 0);
        c.saved = dup(STDERR_FILENO);
        assert_true(dup2(c.pipe[1], STDERR_FILENO) >= 0);
        /* As a terminal or a pipe that a shell gives: it would wait. */
        assert_int_equal(fcntl(c.pipe[1], F_SETFL, 0), 0);
        (void) alarm(PATIENCE);
        return c;
}

static void release(struct captured *c) {
        (void) alarm(0);
        assert_true(dup2(c->saved, STDERR_FILENO) >= 0);
        c->saved = safe_close(c->saved);
        c->pipe[0] = safe_close(c->pipe[0]);
        c->pipe[1] = safe_close(c->pipe[1]);
}

static char *captured_text(struct captured *c, char *buf, size_t size) {
        ssize_t n = read(c->pipe[0], buf, size - 1);

        buf[n < 0 ? 0 : n] = '\0';
        return buf;
}

static void test_stderr(void **state) {
        static const struct log_field fields[] = { { "UNHANG_DISK", "sda" } };
        uint64_t dropped = log_dropped();
        struct captured c = capture();
        char buf[4096];

        log_open();
        log_error("sda: %d requests", 7);
        log_fields(LOG_INFO, fields, 1, "%s", "with fields");
        log_info("%s", "");
        (void) captured_text(&c, buf, sizeof(buf));
        log_close();
        release(&c);
        assert_string_equal(buf, "sda: 7 requests\nwith fields\n\n");
        assert_int_equal(log_dropped(), dropped);
}

static void test_stderr_long(void **state) {
        struct captured c = capture();
        char buf[8192], text[4096];

        memset(text, 'x', sizeof(text));
        text[sizeof(text) - 1] = '\0';
        log_info("%s", text);
        log_info("next");
        (void) captured_text(&c, buf, sizeof(buf));
        release(&c);
        assert_int_equal(strspn(buf, "x"), 1023);
        assert_string_equal(buf + 1023, "\nnext\n");
}

/* One line of the log is one line, whatever a mount point is called. */
static void test_stderr_newline(void **state) {
        struct captured c = capture();
        char buf[256];

        log_info("/mnt/a\nPRIORITY=0\nMESSAGE=forged: %s", "busy\n");
        (void) captured_text(&c, buf, sizeof(buf));
        release(&c);
        assert_ptr_equal(strchr(buf, '\n'), buf + strlen(buf) - 1);
}

static void test_stderr_full(void **state) {
        uint64_t dropped = log_dropped();
        struct captured c = capture();
        size_t n = 0, lines = 0;
        char buf[65536];

        for (; n < 5000; n++)
                log_info("line %zu: %0200d", n, 0);
        assert_true(log_dropped() > dropped);
        /* What was taken was taken whole. */
        for (;;) {
                (void) captured_text(&c, buf, sizeof(buf));
                if (!buf[0])
                        break;
                for (const char *p = buf; *p; p++)
                        lines += *p == '\n';
        }
        assert_int_equal(lines + (log_dropped() - dropped), n);

        /* And when there is room again, it goes on. */
        dropped = log_dropped();
        log_info("again");
        assert_string_equal(captured_text(&c, buf, sizeof(buf)), "again\n");
        release(&c);
        assert_int_equal(log_dropped(), dropped);
}

static void test_stderr_closed(void **state) {
        uint64_t dropped = log_dropped();
        int saved = dup(STDERR_FILENO);

        (void) close(STDERR_FILENO);
        log_info("nobody hears");
        assert_true(dup2(saved, STDERR_FILENO) >= 0);
        (void) close(saved);
        assert_int_equal(log_dropped(), dropped + 1);
}

/* ---- the journal, in a /run of our own ---- */

#define JOURNAL "/run/systemd/journal/socket"

static void expect_journal(int listener, const char *text) {
        char buf[8192];
        ssize_t n = recv(listener, buf, sizeof(buf) - 1, 0);

        if (n < 0)
                _exit(10);
        buf[n] = '\0';
        if (strcmp(buf, text) != 0) {
                (void) fprintf(stderr, "got:\n%s\ninstead of:\n%s\n", buf, text);
                _exit(11);
        }
}

static void play_journal(void) {
        static const struct log_field fields[] = { { "UNHANG_DISK", "sda" },
                                                   { "UNHANG_STATE", "acting" } };
        int listener = listen_at(JOURNAL);
        uint64_t before = log_dropped();
        char buf[8192];

        log_open();
        log_fields(LOG_WARNING, fields, 2, "two fields: %d", 2);
        expect_journal(listener, "PRIORITY=4\nSYSLOG_IDENTIFIER=unhangd\nMESSAGE=two fields: 2\n"
                                 "UNHANG_DISK=sda\nUNHANG_STATE=acting\n");
        log_error("%s", "/mnt/a\nPRIORITY=0");
        expect_journal(listener, "PRIORITY=3\nSYSLOG_IDENTIFIER=unhangd\n"
                                 "MESSAGE=/mnt/a PRIORITY=0\n");

        /* journald hangs with the disk. */
        for (int i = 0; i < 100000 && log_dropped() == before; i++)
                log_info("into the queue");
        if (log_dropped() != before + 1)
                _exit(12);
        log_info("lost");
        if (log_dropped() != before + 2)
                _exit(13);

        /* It is restarted. */
        (void) close(listener);
        (void) unlink(JOURNAL);
        log_info("nobody there");
        if (log_dropped() != before + 3)
                _exit(14);
        listener = listen_at(JOURNAL);
        log_info("there again");
        expect_journal(listener, "PRIORITY=6\nSYSLOG_IDENTIFIER=unhangd\nMESSAGE=there again\n");
        if (recv(listener, buf, sizeof(buf), 0) >= 0 || log_dropped() != before + 3)
                _exit(15);

        /* And again, so fast that nobody missed it. */
        (void) close(listener);
        (void) unlink(JOURNAL);
        listener = listen_at(JOURNAL);
        log_info("and again");
        expect_journal(listener, "PRIORITY=6\nSYSLOG_IDENTIFIER=unhangd\nMESSAGE=and again\n");
        if (log_dropped() != before + 3)
                _exit(16);
        log_close();
        _exit(0);
}

static void test_journal(void **state) {
        int status;
        pid_t pid;

        if (geteuid() != 0) {
                print_message("SKIPPED: only root can give itself another /run\n");
                skip();
        }
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                (void) alarm(PATIENCE);
                if (unshare(CLONE_NEWNS) < 0 ||
                    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
                    mount("tmpfs", "/run", "tmpfs", 0, NULL) < 0)
                        _exit(77);
                (void) setenv("JOURNAL_STREAM", "1:2", 1);
                play_journal();
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
                print_message("SKIPPED: no mount namespace of our own to be had\n");
                skip();
        }
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_dgram),
                cmocka_unit_test(test_dgram_abstract),
                cmocka_unit_test(test_dgram_errors),
                cmocka_unit_test(test_dgram_never_waits),
                cmocka_unit_test(test_stderr),
                cmocka_unit_test(test_stderr_long),
                cmocka_unit_test(test_stderr_newline),
                cmocka_unit_test(test_stderr_full),
                cmocka_unit_test(test_stderr_closed),
                cmocka_unit_test(test_journal),
        };

        (void) unsetenv("JOURNAL_STREAM");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
