/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "agent/act/executor.h"
#include "agent/act/undo.h"
#include "tests/unit/temp-dir.h"

/* Real executors, in real processes. Whatever hangs is ended by this. */
#define PATIENCE 30
#define PATIENCE_MSEC (PATIENCE * 1000)

static bool has_report(const struct executor *e, int msec) {
        struct pollfd p = { .fd = e->fd, .events = POLLIN };

        return poll(&p, 1, msec) == 1;
}

static struct executor_report next_report(struct executor *e) {
        struct executor_report report;

        if (!has_report(e, PATIENCE_MSEC))
                fail_msg("no report in %d s", PATIENCE);
        assert_int_equal(executor_receive(e, &report), 1);
        return report;
}

static void expect(struct executor *e, enum executor_news news, enum step step, unsigned slot,
                   int error) {
        struct executor_report report = next_report(e);

        assert_int_equal(report.news, news);
        assert_int_equal(report.step, step);
        assert_int_equal(report.slot, slot);
        assert_int_equal(report.error, error);
}

/* The process behind each file descriptor. */
static pid_t pids[512];

static pid_t pid_of(const struct executor *e) {
        assert_in_range(e->fd, 0, ELEMENTSOF(pids) - 1);
        return pids[e->fd];
}

/* cmocka catches what kills a process, and would go on with the tests in the executor. */
static pid_t fork_uncaught(void) {
        static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS };
        pid_t pid = fork();

        for (size_t i = 0; pid == 0 && i < ELEMENTSOF(signals); i++)
                (void) signal(signals[i], SIG_DFL);
        return pid;
}

/* As the nursery does, but as a child of the test. */
static struct executor spawn(const char *lock) {
        struct executor e;
        int theirs = executor_connect(&e);
        pid_t pid = fork_uncaught();

        assert_true(theirs >= 0 && pid >= 0);
        if (pid == 0)
                executor_run("unhang-test", lock, theirs, NULL);
        (void) close(theirs);
        assert_in_range(e.fd, 0, ELEMENTSOF(pids) - 1);
        pids[e.fd] = pid;
        return e;
}

static struct executor spawn_ready(const char *lock) {
        struct executor e = spawn(lock);

        expect(&e, NEWS_READY, STEP_NONE, 0, 0);
        assert_true(e.ready);
        return e;
}

/* Waits for the end of the process. */
static int status_of(pid_t pid) {
        int status;

        (void) alarm(PATIENCE);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        (void) alarm(0);
        return status;
}

static void end(struct executor *e) {
        pid_t pid = pid_of(e);
        int status;

        executor_release(e);
        assert_int_equal(e->fd, -EBADF);
        status = status_of(pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), EXIT_SUCCESS);
}

static bool lives(pid_t pid) {
        return waitpid(pid, NULL, WNOHANG) == 0;
}

/* A disk made of files: it opens like one, and refuses every ioctl. */
static struct disk_nodes false_disk(const struct temp_dir *dir) {
        struct disk_nodes nodes = { .block_size = 512 };

        (void) snprintf(nodes.reset_node, sizeof(nodes.reset_node), "%s/node", dir->path);
        (void) snprintf(nodes.device_dir, sizeof(nodes.device_dir), "%s/device", dir->path);
        write_text(nodes.reset_node, "");
        write_text(temp_path(dir, "device/state"), "running\n");
        return nodes;
}

static void assert_content(const char *path, const char *text) {
        char buf[64];

        assert_string_equal(read_text_in(buf, sizeof(buf), path), text);
}

/* ---- one executor ---- */

static void test_ready_and_end(void **state) {
        struct executor e = spawn(NULL);
        struct executor_report report;

        assert_int_equal(executor_begin(&e, STEP_LUN_RESET, 0, NULL, NULL), -EBUSY);
        expect(&e, NEWS_READY, STEP_NONE, 0, 0);
        assert_false(has_report(&e, 0));
        assert_int_equal(executor_receive(&e, &report), 0);
        end(&e);
}

static void test_missing_nodes(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        struct disk_nodes nodes = false_disk(&dir);
        struct executor e = spawn_ready(NULL);

        assert_int_equal(unlink(temp_path(&dir, "device/state")), 0);
        assert_int_equal(executor_attach(&e, 7, &nodes), 0);
        expect(&e, NEWS_ATTACHED, STEP_NONE, 7, -ENOENT);
        assert_int_equal(unlink(nodes.reset_node), 0);
        assert_int_equal(executor_attach(&e, EXECUTOR_SLOTS - 1, &nodes), 0);
        expect(&e, NEWS_ATTACHED, STEP_NONE, EXECUTOR_SLOTS - 1, -ENOENT);
        assert_true(e.ready);
        end(&e);
}

static void test_steps_on_a_false_disk(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        const struct disk_nodes nodes = false_disk(&dir);
        struct executor e = spawn_ready(NULL);
        const char *attribute = temp_path(&dir, "device/state");

        assert_int_equal(executor_attach(&e, 3, &nodes), 0);
        expect(&e, NEWS_ATTACHED, STEP_NONE, 3, 0);
        assert_int_equal(executor_begin(&e, STEP_LUN_RESET, 3, NULL, NULL), 0);
        assert_int_equal(e.step, STEP_LUN_RESET);
        expect(&e, NEWS_RETURNED, STEP_LUN_RESET, 3, -ENOTTY);
        assert_int_equal(e.step, STEP_NONE);
        assert_content(attribute, "running\n");

        for (enum step step = STEP_TARGET_RESET; step <= STEP_HOST_RESET; step++) {
                assert_int_equal(executor_begin(&e, step, 3, NULL, NULL), 0);
                expect(&e, NEWS_RETURNED, step, 3, -ENOTTY);
        }
        assert_int_equal(executor_begin(&e, STEP_CONTROLLER_RESET, 3, NULL, NULL), 0);
        expect(&e, NEWS_RETURNED, STEP_CONTROLLER_RESET, 3, -EINVAL);

        /* Offline first, and then the reset. */
        assert_int_equal(executor_begin(&e, STEP_OFFLINE, 3, NULL, NULL), 0);
        expect(&e, NEWS_RETURNED, STEP_OFFLINE, 3, -ENOTTY);
        assert_content(attribute, "offline\n");

        assert_int_equal(executor_begin(&e, STEP_PROBE, 3, NULL, NULL), 0);
        expect(&e, NEWS_RETURNED, STEP_PROBE, 3, -EIO);
        assert_content(attribute, "offline\n");
        assert_int_equal(executor_begin(&e, STEP_RUNNING, 3, NULL, NULL), 0);
        expect(&e, NEWS_RETURNED, STEP_RUNNING, 3, -EIO);
        assert_content(attribute, "running\n");
        end(&e);
}

/* A host of libata is reset by a scan of its port. */
static void test_host_scan(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        struct disk_nodes nodes = false_disk(&dir);
        struct executor e = spawn_ready(NULL);

        (void) snprintf(nodes.host_scan, sizeof(nodes.host_scan), "%s/scan", dir.path);
        assert_int_equal(executor_attach(&e, 0, &nodes), 0);
        expect(&e, NEWS_ATTACHED, STEP_NONE, 0, -ENOENT);
        write_text(nodes.host_scan, "");
        assert_int_equal(executor_attach(&e, 0, &nodes), 0);
        expect(&e, NEWS_ATTACHED, STEP_NONE, 0, 0);
        assert_int_equal(executor_begin(&e, STEP_BUS_RESET, 0, NULL, NULL), 0);
        expect(&e, NEWS_RETURNED, STEP_BUS_RESET, 0, -ENOTTY);
        assert_content(nodes.host_scan, "");
        assert_int_equal(executor_begin(&e, STEP_HOST_RESET, 0, NULL, NULL), 0);
        expect(&e, NEWS_RETURNED, STEP_HOST_RESET, 0, 0);
        assert_content(nodes.host_scan, "- - -");
        end(&e);
}

/* ---- NVMe ---- */

static struct disk_nodes false_controller(const struct temp_dir *dir) {
        struct disk_nodes nodes = { .kind = DISK_NVME };

        (void) snprintf(nodes.sysfs, sizeof(nodes.sysfs), "%s", dir->path);
        (void) snprintf(nodes.device_dir, sizeof(nodes.device_dir), "%s/nvme0", dir->path);
        (void) snprintf(nodes.block_dir, sizeof(nodes.block_dir), "%s/nvme0/nvme0n1", dir->path);
        (void) snprintf(nodes.reset_node, sizeof(nodes.reset_node), "%s/node", dir->path);
        write_text(nodes.reset_node, "");
        write_text(temp_path(dir, "nvme0/state"), "live\n");
        write_text(temp_path(dir, "nvme0/nvme0n1/nsid"), "1\n");
        write_text(temp_path(dir, "nvme0/reset_controller"), "");
        make_symlink("..", temp_path(dir, "nvme0/device"));
        return nodes;
}

static void step_returns(struct executor *e, enum step step, int error) {
        assert_int_equal(executor_begin(e, step, 0, NULL, NULL), 0);
        expect(e, NEWS_RETURNED, step, 0, error);
}

/* Nothing is taken for granted before it is told. */
static void test_controller(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        const struct disk_nodes nodes = false_controller(&dir);
        struct nvme_facts facts = { .io_timeout = USEC_PER_MINUTE };
        struct executor e = spawn_ready(temp_path(&dir, "nvme0.lock"));

        assert_int_equal(executor_attach(&e, 0, &nodes), 0);
        expect(&e, NEWS_ATTACHED, STEP_NONE, 0, 0);
        step_returns(&e, STEP_CONTROLLER_RESET, -EPERM);
        step_returns(&e, STEP_CONTROLLER_REMOVE, -EPERM);
        assert_content(temp_path(&dir, "nvme0/reset_controller"), "");
        assert_int_equal(executor_inform(&e, 0, &facts), 0);
        step_returns(&e, STEP_CONTROLLER_RESET, 0);
        assert_content(temp_path(&dir, "nvme0/reset_controller"), "1");
        step_returns(&e, STEP_CONTROLLER_FAIL, -EOPNOTSUPP);
        step_returns(&e, STEP_CONTROLLER_END, -EPERM);
        step_returns(&e, STEP_CONTROLLER_RESTORE, 0);
        step_returns(&e, STEP_CONTROLLER_RESCAN, -EOPNOTSUPP);
        step_returns(&e, STEP_LUN_RESET, -EINVAL);
        step_returns(&e, STEP_PROBE, -EINVAL);
        assert_int_equal(executor_detach(&e, 0), 0);
        step_returns(&e, STEP_CONTROLLER_RESET, -EINVAL);
        end(&e);
}

/* Without a lock it opens the namespace, and has no controller. */
static void test_namespace(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        const struct disk_nodes nodes = false_controller(&dir);
        struct executor e = spawn_ready(NULL);

        assert_int_equal(executor_attach(&e, 0, &nodes), 0);
        expect(&e, NEWS_ATTACHED, STEP_NONE, 0, -ENOTTY);
        step_returns(&e, STEP_CONTROLLER_RESET, -EINVAL);
        assert_content(temp_path(&dir, "nvme0/reset_controller"), "");
        end(&e);
}

/* What is not open cannot tell anything. */
static void test_inspect_of_nothing(void **state) {
        struct executor e = spawn_ready(NULL);
        struct executor_report report;

        assert_int_equal(executor_inspect(&e, 0, true), 0);
        report = next_report(&e);
        assert_int_equal(report.news, NEWS_INSPECTED);
        assert_int_equal(report.error, -EBADF);
        assert_int_equal(report.inspected.reserved, 0);
        assert_true(report.inspected.io_timeout == USEC_INFINITY);

        assert_int_equal(executor_inspect(&e, 0, false), 0);
        report = next_report(&e);
        assert_int_equal(report.error, 0);
        assert_int_equal(report.inspected.reserved, -1);
        end(&e);
}

static void change(const struct temp_dir *dir, const char *path, const char *holder) {
        struct undo_value value = { .path = path, .fd = open(path, O_RDWR | O_CLOEXEC) };
        struct undo undo;

        assert_int_equal(undo_open(temp_path(dir, "controllers.undo"), &door_kernel, &undo), 0);
        assert_int_equal(undo_change(&undo, holder, &value, "0"), 0);
        undo_close(&undo);
        (void) close(value.fd);
}

/* An executor that begins puts back what those have left who are gone: they, or it in an earlier
 * life, but not what one has changed that still has its lock, be its daemon dead. */
static void test_left_by_the_dead(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        const char *shared = temp_path(&dir, "max_retries"), *own = temp_path(&dir, "own");
        struct executor hangs = spawn_ready(temp_path(&dir, "nvme9.lock")), e;
        pid_t pid;

        write_text(shared, "5\n");
        write_text(own, "7\n");
        change(&dir, shared, "nvme8");
        change(&dir, shared, "nvme9");
        change(&dir, own, "nvme0.rescue");
        pid = pid_of(&hangs);
        assert_int_equal(kill(pid, SIGSTOP), 0);
        executor_release(&hangs);

        e = spawn_ready(temp_path(&dir, "nvme0.rescue.lock"));
        assert_content(shared, "0\n");
        assert_content(own, "7\n");
        end(&e);

        assert_int_equal(kill(pid, SIGCONT), 0);
        (void) status_of(pid);
        e = spawn_ready(temp_path(&dir, "prepare.lock"));
        assert_content(shared, "5\n");
        end(&e);
}

/* A table that cannot be opened is told of, and nothing is changed then. */
static void test_no_table(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        struct executor e;

        make_parents(temp_path(&dir, "controllers.undo/x"));
        e = spawn(temp_path(&dir, "nvme0.lock"));
        expect(&e, NEWS_READY, STEP_NONE, 0, -EISDIR);
        assert_true(e.ready);
        end(&e);
}

/* ---- nothing ---- */

/* A slot that never was anybody's, one whose disk could not be opened, and one whose disk has left:
 * each step on it fails, touches nothing, above all not file descriptor 0, and ends nobody. */
static void check_step_on_nothing(enum step step) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        struct disk_nodes nodes = false_disk(&dir), none = nodes;
        const char *input = temp_path(&dir, "standard-input");
        int saved = dup(STDIN_FILENO), fd;
        struct executor e;

        write_text(input, "untouched");
        fd = open(input, O_RDWR | O_CLOEXEC);
        assert_int_equal(dup2(fd, STDIN_FILENO), STDIN_FILENO);
        e = spawn_ready(NULL);
        assert_int_equal(dup2(saved, STDIN_FILENO), STDIN_FILENO);
        (void) close(saved);
        (void) close(fd);

        (void) snprintf(none.reset_node, sizeof(none.reset_node), "%s/none", dir.path);
        assert_int_equal(executor_attach(&e, 1, &none), 0);
        expect(&e, NEWS_ATTACHED, STEP_NONE, 1, -ENOENT);
        assert_int_equal(executor_attach(&e, 2, &nodes), 0);
        expect(&e, NEWS_ATTACHED, STEP_NONE, 2, 0);
        assert_int_equal(executor_detach(&e, 2), 0);

        for (unsigned slot = 0; slot < 3; slot++) {
                struct executor_report report;

                assert_int_equal(executor_begin(&e, step, slot, NULL, NULL), 0);
                report = next_report(&e);
                if (report.news == NEWS_DEAD)
                        fail_msg("step %d on slot %u: it has died", (int) step, slot);
                assert_int_equal(report.news, NEWS_RETURNED);
                assert_true(report.error < 0);
        }
        assert_content(input, "untouched");
        assert_content(temp_path(&dir, "device/state"), "running\n");
        end(&e);
}

/* Statistics that are off are switched on; of which disk, is told. */
static void test_prepare(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        struct disk_nodes nodes = {};
        struct executor e = spawn_ready(temp_path(&dir, "prepare.lock"));
        const char *iostats = temp_path(&dir, "block/sda/queue/iostats");
        static const struct {
                const char *was, *is;
                int64_t before;
                int error;
        } cases[] = {
                { "0\n", "1\n", 0, 0 },
                { "1\n", "1\n", PREPARE_LEAVE, 0 },
                { "neither\n", "neither\n", PREPARE_LEAVE, -EINVAL },
        };
        struct prepare_settings settings;

        (void) snprintf(nodes.block_dir, sizeof(nodes.block_dir), "%s/block/sda", dir.path);
        write_text(temp_path(&dir, "block/sda/stat"), "0 0 0 0 0 0 0 0 0 0 0\n");
        for (size_t i = 0; i < ELEMENTSOF(settings.values); i++)
                settings.values[i] = PREPARE_LEAVE;
        settings.values[PREPARE_IOSTATS] = 1;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct executor_report report;

                write_text(iostats, cases[i].was);
                assert_int_equal(executor_prepare(&e, &nodes, &settings), 0);
                report = next_report(&e);
                assert_int_equal(report.news, NEWS_PREPARED);
                assert_int_equal(report.error, cases[i].error);
                assert_string_equal(report.prepared.name, "sda");
                assert_int_equal(report.prepared.before.values[PREPARE_IOSTATS], cases[i].before);
                assert_content(iostats, cases[i].is);
        }
        end(&e);
}

static void test_reset_of_nothing(void **state) {
        check_step_on_nothing(STEP_LUN_RESET);
}

static void test_offline_of_nothing(void **state) {
        check_step_on_nothing(STEP_OFFLINE);
}

static void test_probe_of_nothing(void **state) {
        check_step_on_nothing(STEP_PROBE);
}

static void test_running_of_nothing(void **state) {
        check_step_on_nothing(STEP_RUNNING);
}

/* One step at a time, and never a wait for it. */
static void test_hanging_step(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        const struct disk_nodes nodes = false_disk(&dir);
        struct executor e = spawn_ready(NULL);

        assert_int_equal(executor_attach(&e, 0, &nodes), 0);
        expect(&e, NEWS_ATTACHED, STEP_NONE, 0, 0);
        assert_int_equal(kill(pid_of(&e), SIGSTOP), 0);
        assert_int_equal(executor_begin(&e, STEP_LUN_RESET, 0, NULL, NULL), 0);
        assert_int_equal(executor_begin(&e, STEP_OFFLINE, 0, NULL, NULL), -EBUSY);
        assert_int_equal(executor_begin(&e, STEP_LUN_RESET, 1, NULL, NULL), -EBUSY);
        assert_false(has_report(&e, 200));
        assert_int_equal(e.step, STEP_LUN_RESET);
        assert_int_equal(kill(pid_of(&e), SIGCONT), 0);
        expect(&e, NEWS_RETURNED, STEP_LUN_RESET, 0, -ENOTTY);
        assert_int_equal(executor_begin(&e, STEP_OFFLINE, 0, NULL, NULL), 0);
        expect(&e, NEWS_RETURNED, STEP_OFFLINE, 0, -ENOTTY);
        end(&e);
}

static void test_death(void **state) {
        struct disk_nodes nodes = {};
        struct executor e = spawn_ready(NULL);
        pid_t pid = pid_of(&e);

        assert_int_equal(kill(pid, SIGSTOP), 0);
        assert_int_equal(executor_begin(&e, STEP_OFFLINE, 5, NULL, NULL), 0);
        assert_int_equal(kill(pid, SIGKILL), 0);
        expect(&e, NEWS_DEAD, STEP_OFFLINE, 5, -EPIPE);
        assert_int_equal(e.fd, -EBADF);
        assert_false(e.ready);
        assert_int_equal(e.step, STEP_NONE);
        assert_int_equal(executor_begin(&e, STEP_OFFLINE, 5, NULL, NULL), -EBUSY);
        assert_int_equal(executor_attach(&e, 5, &nodes), -EBADF);
        assert_int_equal(executor_detach(&e, 5), -EBADF);
        (void) status_of(pid);
}

/* Its death is not yet read, but a step is wanted. */
static void test_death_not_yet_known(void **state) {
        struct executor e = spawn_ready(NULL);

        assert_int_equal(kill(pid_of(&e), SIGKILL), 0);
        (void) status_of(pid_of(&e));
        assert_int_equal(executor_begin(&e, STEP_LUN_RESET, 0, NULL, NULL), -EPIPE);
        assert_int_equal(e.step, STEP_NONE);
        expect(&e, NEWS_DEAD, STEP_NONE, 0, -EPIPE);
}

/* ---- what it is made of ---- */

static bool sanitized(void) {
#if defined(__SANITIZE_ADDRESS__)
        return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
        return true;
#endif
#endif
        return false;
}

static void read_proc(pid_t pid, const char *name, char *buf, size_t size) {
        char path[64];

        (void) snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, name);
        (void) read_text_in(buf, size, path);
}

static void test_process(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        struct executor e, other = spawn_ready(NULL);
        int leaked[40], files = 0;
        char text[8192], *locked;
        sigset_t mask, before;
        pid_t pid;
        DIR *fds;

        /* Without O_CLOEXEC, as a library may; below and above the socket to come. */
        for (size_t i = 0; i < ELEMENTSOF(leaked); i++)
                leaked[i] = i % 2 ? fcntl(STDIN_FILENO, F_DUPFD, 300) : open("/dev/null", O_RDONLY);
        (void) sigfillset(&mask);
        assert_int_equal(sigprocmask(SIG_SETMASK, &mask, &before), 0);
        e = spawn_ready(temp_path(&dir, "lock"));
        pid = pid_of(&e);
        assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
        for (size_t i = 0; i < ELEMENTSOF(leaked); i++)
                (void) close(leaked[i]);

        read_proc(pid, "comm", text, sizeof(text));
        assert_string_equal(text, "unhang-test\n");
        (void) snprintf(text, sizeof(text), "/proc/%d/fd", (int) pid);
        fds = opendir(text);
        assert_non_null(fds);
        for (struct dirent *d; (d = readdir(fds));)
                files += d->d_name[0] != '.';
        (void) closedir(fds);
        /* Standard input, output, error, the socket, the lock, the two tables. */
        assert_int_equal(files, 7);

        read_proc(pid, "status", text, sizeof(text));
        assert_non_null(strstr(text, "\nSigBlk:\t0000000000000000\n"));
        locked = strstr(text, "\nVmLck:");
        assert_non_null(locked);
        if (sanitized() || geteuid() != 0)
                print_message("SKIPPED: memory locks: %s\n",
                              sanitized() ? "AddressSanitizer makes mlockall() do nothing"
                                          : "only root may lock all");
        else
                assert_true(strtoul(locked + strlen("\nVmLck:"), NULL, 10) > 0);

        assert_int_equal(kill(pid, SIGTERM), 0);
        assert_true(WIFSIGNALED(status_of(pid)));
        executor_release(&e);
        end(&other); /* it does not see the end of its own socket in another's hands */
}

/* ---- the lock ---- */

static void test_lock(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        const char *lock = temp_path(&dir, "lock");
        struct executor first = spawn_ready(lock), second, third;
        pid_t pid = pid_of(&first);

        second = spawn(lock);
        assert_false(has_report(&second, 500));
        assert_int_equal(executor_begin(&second, STEP_LUN_RESET, 0, NULL, NULL), -EBUSY);

        /* The first one's daemon goes, but it hangs: the second goes on waiting. */
        assert_int_equal(kill(pid, SIGSTOP), 0);
        executor_release(&first);
        assert_false(has_report(&second, 500));
        third = spawn_ready(NULL); /* another domain is not kept */
        end(&third);

        assert_int_equal(kill(pid, SIGCONT), 0);
        expect(&second, NEWS_READY, STEP_NONE, 0, 0);
        assert_true(WIFEXITED(status_of(pid)));
        end(&second);
}

static void test_lock_of_the_killed(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        const char *lock = temp_path(&dir, "lock");
        struct executor first = spawn_ready(lock), second = spawn(lock);

        assert_int_equal(kill(pid_of(&first), SIGKILL), 0);
        expect(&second, NEWS_READY, STEP_NONE, 0, 0);
        (void) status_of(pid_of(&first));
        executor_release(&first);
        end(&second);
}

/* Who waits for the lock and loses its daemon does not stay and take it one day. */
static void test_released_while_it_waits(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        const char *lock = temp_path(&dir, "lock");
        struct executor first = spawn_ready(lock), second = spawn(lock);

        assert_false(has_report(&second, 200));
        end(&second);
        assert_true(lives(pid_of(&first)));
        end(&first);
}

static void test_lock_that_cannot_be(void **state) {
        struct executor e = spawn("/nonexistent/lock");
        pid_t pid = pid_of(&e);

        expect(&e, NEWS_DEAD, STEP_NONE, 0, -EPIPE);
        assert_int_not_equal(status_of(pid), 0);
}

static void test_many_attaches_before_it_is_ready(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        const char *lock = temp_path(&dir, "lock");
        const struct disk_nodes nodes = { .reset_node = "/nonexistent" };
        struct executor e;
        int fd;

        if (geteuid() != 0) {
                print_message("SKIPPED: only root may have a long queue (SO_SNDBUFFORCE)\n");
                skip();
        }
        fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(flock(fd, LOCK_EX), 0);
        e = spawn(lock);
        for (unsigned i = 0; i < EXECUTOR_SLOTS; i++)
                assert_int_equal(executor_attach(&e, i, &nodes), 0);
        assert_false(has_report(&e, 200));
        (void) close(fd);
        expect(&e, NEWS_READY, STEP_NONE, 0, 0);
        for (unsigned i = 0; i < EXECUTOR_SLOTS; i++)
                expect(&e, NEWS_ATTACHED, STEP_NONE, i, -ENOENT);
        end(&e);
}

/* A queue that is full says so and does not wait. */
static void test_full_queue(void **state) {
        const struct disk_nodes nodes = { .reset_node = "/nonexistent" };
        struct executor e = spawn_ready(NULL);
        int r = 0;

        assert_int_equal(kill(pid_of(&e), SIGSTOP), 0);
        (void) alarm(PATIENCE);
        for (int i = 0; r == 0 && i < 1000000; i++)
                r = executor_attach(&e, 0, &nodes);
        (void) alarm(0);
        assert_int_equal(r, -EAGAIN);
        assert_int_equal(executor_begin(&e, STEP_LUN_RESET, 0, NULL, NULL), -EAGAIN);
        assert_int_equal(e.step, STEP_NONE);
        assert_int_equal(kill(pid_of(&e), SIGKILL), 0);
        (void) status_of(pid_of(&e));
        executor_release(&e);
}

/* ---- the daemon's death ---- */

static void test_daemon_is_killed(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        const char *lock = temp_path(&dir, "lock");
        struct executor next;
        pid_t daemon, executor;
        int channel[2], status;

        /* Orphans come to us, so that we see them end. */
        assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
        assert_int_equal(pipe(channel), 0);
        daemon = fork();
        assert_true(daemon >= 0);
        if (daemon == 0) {
                struct executor e = spawn(lock);

                executor = pid_of(&e);
                if (!has_report(&e, PATIENCE_MSEC) ||
                    write(channel[1], &executor, sizeof(executor)) != sizeof(executor))
                        _exit(EXIT_FAILURE);
                for (;;)
                        (void) pause();
        }
        assert_int_equal(read(channel[0], &executor, sizeof(executor)), sizeof(executor));
        (void) close(channel[0]);
        (void) close(channel[1]);
        next = spawn(lock);
        assert_false(has_report(&next, 200));

        assert_int_equal(kill(daemon, SIGKILL), 0);
        assert_true(WIFSIGNALED(status_of(daemon)));
        status = status_of(executor);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), EXIT_SUCCESS);
        expect(&next, NEWS_READY, STEP_NONE, 0, 0);
        end(&next);
        assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ready_and_end),
                cmocka_unit_test(test_missing_nodes),
                cmocka_unit_test(test_steps_on_a_false_disk),
                cmocka_unit_test(test_prepare),
                cmocka_unit_test(test_host_scan),
                cmocka_unit_test(test_controller),
                cmocka_unit_test(test_namespace),
                cmocka_unit_test(test_inspect_of_nothing),
                cmocka_unit_test(test_left_by_the_dead),
                cmocka_unit_test(test_no_table),
                cmocka_unit_test(test_reset_of_nothing),
                cmocka_unit_test(test_offline_of_nothing),
                cmocka_unit_test(test_probe_of_nothing),
                cmocka_unit_test(test_running_of_nothing),
                cmocka_unit_test(test_hanging_step),
                cmocka_unit_test(test_death),
                cmocka_unit_test(test_death_not_yet_known),
                cmocka_unit_test(test_process),
                cmocka_unit_test(test_lock),
                cmocka_unit_test(test_lock_of_the_killed),
                cmocka_unit_test(test_released_while_it_waits),
                cmocka_unit_test(test_lock_that_cannot_be),
                cmocka_unit_test(test_many_attaches_before_it_is_ready),
                cmocka_unit_test(test_full_queue),
                cmocka_unit_test(test_daemon_is_killed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
