/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "agent/act/undo.h"
#include "tests/unit/scripted-door.h"

/* The first to change a value notes it, the last to put it back writes it. */

struct world {
        struct temp_dir dir;
        struct undo undo;
        char path[PATH_MAX];
        struct undo_value value;
};

static int set_up(void **state) {
        struct world *w = calloc(1, sizeof(*w));

        w->dir = temp_dir_new();
        memset(&script, 0, sizeof(script));
        script.dir = &w->dir;
        (void) temp_path_in(w->path, &w->dir, "p/max_retries");
        write_text(w->path, "5\n");
        w->value = (struct undo_value) { .path = w->path, .fd = open(w->path, O_RDWR | O_CLOEXEC) };
        assert_int_equal(undo_open(temp_path(&w->dir, "table"), &scripted_door, &w->undo), 0);
        *state = w;
        return 0;
}

static int tear_down(void **state) {
        struct world *w = *state;

        (void) close(w->value.fd);
        undo_close(&w->undo);
        temp_dir_removep(&w->dir);
        free(w);
        return 0;
}

static int change(struct world *w, const char *holder, const char *new) {
        return undo_change(&w->undo, holder, &w->value, new);
}

static int put_back(struct world *w, const char *holder) {
        return undo_put_back(&w->undo, holder, &w->value);
}

static void test_one(void **state) {
        struct world *w = *state;

        assert_int_equal(put_back(w, "nvme0"), 0);
        assert_int_equal(undo_holds(&w->undo, "nvme0", &w->value), 0);
        assert_trace("");
        assert_int_equal(change(w, "nvme0", "0"), 0);
        assert_int_equal(undo_holds(&w->undo, "nvme0", &w->value), 1);
        assert_int_equal(undo_holds(&w->undo, "nvme00", &w->value), 0);
        assert_int_equal(change(w, "nvme0", "1"), 0);
        assert_int_equal(put_back(w, "nvme0"), 0);
        assert_int_equal(put_back(w, "nvme0"), 0);
        assert_trace("p/max_retries=0 p/max_retries=1 p/max_retries=5 ");
}

/* Two controllers at once: neither restores the other's 0, nor takes it for the value from
 * before. */
static void test_two(void **state) {
        struct world *w = *state;

        assert_int_equal(change(w, "nvme0", "0"), 0);
        assert_int_equal(change(w, "nvme1", "0"), 0);
        assert_trace("p/max_retries=0 p/max_retries=0 ");
        assert_int_equal(put_back(w, "nvme0"), 0);
        assert_trace("");
        assert_int_equal(change(w, "nvme0", "0"), 0);
        assert_int_equal(put_back(w, "nvme1"), 0);
        assert_trace("p/max_retries=0 ");
        assert_int_equal(put_back(w, "nvme0"), 0);
        assert_trace("p/max_retries=5 ");
}

static void test_join(void **state) {
        struct world *w = *state;

        assert_int_equal(undo_join(&w->undo, "sdb", &w->value), 0);
        assert_int_equal(change(w, "sda", "7"), 0);
        assert_int_equal(undo_join(&w->undo, "sdb", &w->value), 1);
        assert_int_equal(undo_join(&w->undo, "sdb", &w->value), 1);
        assert_trace("p/max_retries=7 ");
        assert_int_equal(put_back(w, "sda"), 0);
        assert_trace("");
        assert_int_equal(put_back(w, "sdb"), 0);
        assert_trace("p/max_retries=5 ");
}

/* The same file at another place, and another file, are other values. */
static void test_places(void **state) {
        _cleanup_close_ int fd = -EBADF;
        struct world *w = *state;
        struct undo_value low, high;
        char path[PATH_MAX];

        (void) temp_path_in(path, &w->dir, "p/config");
        write_bytes(path, "\0\0\0\0ABCDEFGH", 12);
        fd = open(path, O_RDWR | O_CLOEXEC);
        low = (struct undo_value) { .path = path, .fd = fd, .offset = 4, .size = 4 };
        high = (struct undo_value) { .path = path, .fd = fd, .offset = 8, .size = 4 };
        assert_int_equal(undo_change(&w->undo, "a", &low, "\0\n \xff"), 0);
        assert_int_equal(undo_change(&w->undo, "a", &high, "\x01\x02\x03\x04"), 0);
        assert_int_equal(undo_put_back(&w->undo, "a", &low), 0);
        assert_int_equal(undo_put_back(&w->undo, "a", &high), 0);
        assert_trace("p/config@4=000a20ff p/config@8=01020304 p/config@4=41424344 "
                     "p/config@8=45464748 ");
}

/* A write that failed has changed nothing, and nothing is put back later. */
static void test_failed_change(void **state) {
        struct world *w = *state;

        script.reactions[0] = (struct reaction) { .file = "p/max_retries", .error = EPERM };
        assert_int_equal(change(w, "nvme0", "0"), -EPERM);
        assert_trace("p/max_retries=0 ");
        assert_int_equal(put_back(w, "nvme0"), 0);
        assert_trace("");

        script.reactions[0] = (struct reaction) { .file = "p/max_retries", .read = true,
                                                  .error = ENODEV };
        assert_int_equal(change(w, "nvme0", "0"), -ENODEV);
        assert_trace("");
}

static void test_failed_put_back(void **state) {
        struct world *w = *state;

        /* It stays noted ... */
        assert_int_equal(change(w, "nvme0", "0"), 0);
        script.reactions[0] = (struct reaction) { .file = "p/max_retries", .error = EIO };
        assert_int_equal(put_back(w, "nvme0"), -EIO);
        assert_int_equal(undo_holds(&w->undo, "nvme0", &w->value), 1);
        assert_trace("p/max_retries=0 p/max_retries=5 ");

        /* ... unless its device is gone. */
        script.reactions[0] = (struct reaction) { .file = "p/max_retries", .error = ENODEV };
        assert_int_equal(put_back(w, "nvme0"), 0);
        assert_int_equal(undo_holds(&w->undo, "nvme0", &w->value), 0);
        assert_trace("p/max_retries=5 ");
}

static void test_refused(void **state) {
        char path[600], holder[UNDO_HOLDER_MAX + 1];
        struct world *w = *state;
        struct undo none = UNDO_NONE;
        struct undo_value value = w->value;

        none.door = &scripted_door;
        assert_int_equal(undo_change(&none, "nvme0", &value, "0"), -EBADF);
        assert_int_equal(undo_put_back(&none, "nvme0", &value), -EBADF);
        memset(holder, 'h', sizeof(holder) - 1);
        holder[sizeof(holder) - 1] = '\0';
        assert_int_equal(change(w, holder, "0"), -ENAMETOOLONG);
        memset(path, 'p', sizeof(path) - 1);
        path[sizeof(path) - 1] = '\0';
        value.path = path;
        assert_int_equal(undo_change(&w->undo, "nvme0", &value, "0"), -ENAMETOOLONG);
        assert_trace("");
}

static bool is_named(const char *holder, void *userdata) {
        return strcmp(holder, userdata) == 0;
}

static int put_back_all(struct undo *undo, const char *holder) {
        return undo_put_back_all(undo, is_named, (void *) holder);
}

/* What the dead have left: opened by its path, in another process, with the kernel's own calls. */
static void test_all(void **state) {
        struct world *w = *state;
        struct undo later;
        char text[32];

        assert_int_equal(change(w, "nvme0", "0"), 0);
        assert_int_equal(change(w, "nvme1", "0"), 0);
        assert_int_equal(undo_open(temp_path(&w->dir, "table"), &door_kernel, &later), 0);
        assert_int_equal(put_back_all(&later, "nvme2"), 0);
        assert_int_equal(put_back_all(&later, "nvme0"), 0);
        assert_string_equal(read_text_in(text, sizeof(text), w->path), "0");
        assert_int_equal(undo_holds(&w->undo, "nvme0", &w->value), 0);
        assert_int_equal(put_back_all(&later, "nvme1"), 0);
        assert_string_equal(read_text_in(text, sizeof(text), w->path), "5");

        /* With its device the value has gone. */
        assert_int_equal(change(w, "nvme0", "0"), 0);
        assert_int_equal(unlink(w->path), 0);
        assert_int_equal(put_back_all(&later, "nvme0"), 0);
        assert_int_equal(undo_holds(&w->undo, "nvme0", &w->value), 0);
        undo_close(&later);
}

/* Lines that make no sense harm nobody, and their place is used again. */
static void test_broken_table(void **state) {
        static const char *const tables[] = {
                "",
                "\n",
                "nvme0",
                "nvme0 0 zz /x\n",
                "nvme0 0  \n",
                "nvme0 x 35 /x\n",
                "\xff\xfe\n",
        };
        struct world *w = *state;

        for (size_t i = 0; i < ELEMENTSOF(tables); i++) {
                write_text(temp_path(&w->dir, "table"), tables[i]);
                assert_int_equal(put_back_all(&w->undo, "nvme0"), 0);
                assert_int_equal(change(w, "nvme1", "0"), 0);
                assert_int_equal(put_back(w, "nvme1"), 0);
        }
}

/* Who has the table holds up who wants it. */
static void test_one_after_the_other(void **state) {
        struct world *w = *state;
        int fd = open(temp_path(&w->dir, "table"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        int status;
        pid_t pid;

        assert_true(fd >= 0);
        assert_int_equal(flock(fd, LOCK_EX), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                (void) close(fd); /* or it has the lock, too */
                _exit(change(w, "nvme0", "0") == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
        }
        (void) usleep(300 * 1000);
        assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
        (void) close(fd);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
}

/* Many at once, each in a process of its own: at the end all is as it was. */
static void test_many_at_once(void **state) {
        struct world *w = *state;
        char text[32];
        int status, start[2];

        assert_int_equal(pipe(start), 0);
        for (int i = 0; i < 8; i++) {
                pid_t pid = fork();

                if (pid != 0)
                        continue;
                (void) close(start[1]);
                if (read(start[0], text, 1) != 0) /* until all are there */
                        _exit(EXIT_FAILURE);
                for (int k = 0; k < 50; k++) {
                        struct undo undo;
                        char holder[16];

                        (void) snprintf(holder, sizeof(holder), "nvme%d", i);
                        if (undo_open(temp_path(&w->dir, "table"), &door_kernel, &undo) < 0 ||
                            undo_change(&undo, holder, &w->value, "0") < 0 ||
                            read_text_in(text, sizeof(text), w->path)[0] != '0' ||
                            undo_put_back(&undo, holder, &w->value) < 0)
                                _exit(EXIT_FAILURE);
                        undo_close(&undo);
                }
                _exit(EXIT_SUCCESS);
        }
        (void) close(start[0]);
        (void) close(start[1]);
        for (int i = 0; i < 8; i++) {
                assert_true(wait(&status) > 0);
                assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
        }
        assert_string_equal(read_text_in(text, sizeof(text), w->path), "5\n");
}

#define undo_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                undo_test(test_one),
                undo_test(test_two),
                undo_test(test_join),
                undo_test(test_places),
                undo_test(test_failed_change),
                undo_test(test_failed_put_back),
                undo_test(test_refused),
                undo_test(test_all),
                undo_test(test_broken_table),
                undo_test(test_one_after_the_other),
                undo_test(test_many_at_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
