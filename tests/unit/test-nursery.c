/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "agent/act/nursery.h"
#include "agent/base/macro.h"
#include "tests/unit/temp-dir.h"

#define PATIENCE_MSEC 30000

/* What a process tells of itself. */
struct birth {
        pid_t pid, nursery;
        char name[32], argument[32];
};

/* Tells it, and lives until the other end is closed. */
static void run(const char *name, const char *argument, int fd) {
        struct birth birth = { .pid = getpid(), .nursery = getppid() };
        char nothing;

        nursery_settle(name, fd);
        (void) snprintf(birth.name, sizeof(birth.name), "%s", name);
        (void) snprintf(birth.argument, sizeof(birth.argument), "%s", argument ? argument : "NULL");
        if (send(fd, &birth, sizeof(birth), MSG_NOSIGNAL) < 0)
                _exit(EXIT_FAILURE);
        (void) recv(fd, &nothing, 1, 0);
        _exit(EXIT_SUCCESS);
}

static bool readable(int fd) {
        struct pollfd p = { .fd = fd, .events = POLLIN };

        return poll(&p, 1, PATIENCE_MSEC) == 1;
}

/* cmocka catches what kills a process, and would go on with the tests in it. */
static struct nursery new_nursery(void) {
        static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS };
        struct sigaction saved[ELEMENTSOF(signals)], none = { .sa_handler = SIG_DFL };
        struct nursery nursery;

        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                (void) sigaction(signals[i], &none, saved + i);
        assert_int_equal(nursery_open(run, &nursery), 0);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                (void) sigaction(signals[i], saved + i, NULL);
        return nursery;
}

static int fork_in(struct nursery *nursery, const char *name, const char *argument,
                   struct birth *ret) {
        int pair[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(nursery_fork(nursery, name, argument, pair[1]), 0);
        (void) close(pair[1]);
        assert_true(readable(pair[0]));
        assert_int_equal(recv(pair[0], ret, sizeof(*ret), 0), sizeof(*ret));
        return pair[0];
}

/* It is no child of ours, nor is it a zombie of its parent's. */
static void wait_for_end_of(pid_t pid) {
        for (int i = 0; kill(pid, 0) == 0; i++) {
                assert_true(i < PATIENCE_MSEC / 10);
                (void) usleep(10000);
        }
}

static void wait_for_child(pid_t pid) {
        (void) alarm(PATIENCE_MSEC / 1000);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        (void) alarm(0);
}

static void test_birth_and_end(void **state) {
        struct nursery nursery = new_nursery();
        struct birth first, second;
        int a = fork_in(&nursery, "unhang-first", "an argument", &first);
        int b = fork_in(&nursery, "unhang-second", NULL, &second);

        assert_string_equal(first.name, "unhang-first");
        assert_string_equal(first.argument, "an argument");
        assert_string_equal(second.name, "unhang-second");
        assert_string_equal(second.argument, "NULL");
        assert_int_equal(first.nursery, second.nursery);
        assert_int_not_equal(first.nursery, getpid());

        (void) close(a);
        wait_for_end_of(first.pid);
        assert_int_equal(kill(second.pid, 0), 0);
        nursery_close(&nursery);
        wait_for_child(first.nursery);
        assert_int_equal(kill(second.pid, 0), 0); /* what came out of it goes on */
        (void) close(b);
        wait_for_end_of(second.pid);
}

/* When it was killed there is another one at once. */
static void test_death(void **state) {
        struct nursery nursery = new_nursery();
        struct birth before, after;
        int a = fork_in(&nursery, "unhang-before", NULL, &before), b;

        assert_int_equal(kill(before.nursery, SIGKILL), 0);
        wait_for_child(before.nursery);
        b = fork_in(&nursery, "unhang-after", NULL, &after);
        assert_int_not_equal(after.nursery, before.nursery);
        assert_int_equal(kill(before.pid, 0), 0);
        (void) close(a);
        (void) close(b);
        nursery_close(&nursery);
        wait_for_child(after.nursery);
}

/* One that takes no more requests does not keep the daemon for ever. */
static void test_full(void **state) {
        struct nursery nursery = new_nursery();
        struct birth birth;
        int fd = fork_in(&nursery, "unhang-full", NULL, &birth), r;

        assert_int_equal(kill(birth.nursery, SIGSTOP), 0);
        (void) alarm(PATIENCE_MSEC / 1000);
        do
                r = nursery_fork(&nursery, "unhang-full", NULL, STDERR_FILENO);
        while (r == 0);
        (void) alarm(0);
        assert_int_equal(r, -EAGAIN);
        assert_int_equal(kill(birth.nursery, SIGKILL), 0);
        wait_for_child(birth.nursery);
        (void) close(fd);
        nursery_close(&nursery);
}

static void test_long_names(void **state) {
        struct nursery nursery = new_nursery();
        char argument[NURSERY_ARGUMENT_MAX + 1];
        struct birth birth;
        int fd = fork_in(&nursery, "unhang-15-chars", NULL, &birth);

        memset(argument, 'x', sizeof(argument) - 1);
        argument[sizeof(argument) - 1] = '\0';
        assert_int_equal(nursery_fork(&nursery, "unhang-16-charsx", NULL, fd), -ENAMETOOLONG);
        assert_int_equal(nursery_fork(&nursery, "unhang", argument, fd), -ENAMETOOLONG);
        (void) close(fd);
        nursery_close(&nursery);
        wait_for_child(birth.nursery);
}

static size_t anonymous_kilobytes(pid_t pid) {
        char path[64], text[8192];
        const char *at;

        (void) snprintf(path, sizeof(path), "/proc/%d/status", (int) pid);
        at = strstr(read_text_in(text, sizeof(text), path), "\nRssAnon:");
        assert_non_null(at);
        return strtoul(at + strlen("\nRssAnon:"), NULL, 10);
}

/* What the daemon has come to know of its disks meanwhile is not copied for each of them. */
static void test_memory(void **state) {
        struct nursery nursery = new_nursery();
        size_t size = 64 << 20;
        char *volatile known = malloc(size);
        struct birth birth;
        int fd;

        assert_non_null(known);
        memset(known, 1, size);
        assert_true(anonymous_kilobytes(getpid()) >= size / 1024);
        fd = fork_in(&nursery, "unhang-memory", NULL, &birth);
        assert_true(anonymous_kilobytes(birth.pid) < size / 2 / 1024);
        free(known);
        (void) close(fd);
        nursery_close(&nursery);
        wait_for_child(birth.nursery);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_birth_and_end), cmocka_unit_test(test_death),
                cmocka_unit_test(test_full),          cmocka_unit_test(test_long_names),
                cmocka_unit_test(test_memory),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
