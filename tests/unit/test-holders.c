/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/observe/holders.h"
#include "tests/unit/stack-machine.h"

/* sdb on /data, and a part of it in a container at /; a tmpfs in it that is no part of it. */
#define OURS \
        "28 1 254:9 / / rw shared:1 - ext4 /dev/vda1 rw\n" \
        "40 28 8:16 / /data rw - ext4 /dev/sdb rw\n" \
        "41 40 0:44 / /data/tmp rw - tmpfs tmpfs rw\n"
#define CONTAINER "140 1 8:16 /c / rw - ext4 /dev/sdb rw\n"

static void link_of(const struct temp_dir *dir, const char *pid, const char *name,
                    const char *target) {
        make_symlink(target, temp_path(dir, "proc/%s/%s", pid, name));
}

static void open_file(const struct temp_dir *dir, const char *pid, const char *fd,
                      const char *target, int mount) {
        char text[128];

        make_symlink(target, temp_path(dir, "proc/%s/fd/%s", pid, fd));
        (void) snprintf(text, sizeof(text), "pos:\t0\nflags:\t0100002\nmnt_id:\t%d\nino:\t12\n",
                        mount);
        write_text(temp_path(dir, "proc/%s/fdinfo/%s", pid, fd), text);
}

static void add_thread(const struct temp_dir *dir, const char *pid, const char *tid,
                       const char *state) {
        char text[128];

        (void) snprintf(text, sizeof(text), "Name:\tx\nUmask:\t0022\nState:\t%s\nTgid:\t1\n",
                        state);
        write_text(temp_path(dir, "proc/%s/task/%s/status", pid, tid), text);
}

/* In our namespace (1) or the container's (2), with nothing open. */
static void add_idle(const struct temp_dir *dir, const char *pid, unsigned space,
                     const char *comm) {
        char line[32];

        add_process(dir, pid, space, space == 1 ? OURS : CONTAINER);
        (void) snprintf(line, sizeof(line), "%s\n", comm);
        write_text(temp_path(dir, "proc/%s/comm", pid), line);
        make_parents(temp_path(dir, "proc/%s/fd/", pid));
        add_thread(dir, pid, pid, "S (sleeping)");
}

struct list {
        struct holder holders[8];
        size_t n;
};

static void on_holder(const struct holder *holder, void *userdata) {
        struct list *list = userdata;

        assert_true(list->n < ELEMENTSOF(list->holders));
        list->holders[list->n++] = *holder;
}

static int look(const struct temp_dir *dir, struct list *ret) {
        const dev_t supers[] = { makedev(8, 16) };
        static const char *const devices[] = { "sdb", "dm-0" };
        struct mount_views views = {};
        char procfs[PATH_MAX];
        const struct holders_world world = {
                .procfs = temp_path_in(procfs, dir, "proc"),
                .supers = supers,
                .n_supers = ELEMENTSOF(supers),
                .devices = devices,
                .n_devices = ELEMENTSOF(devices),
                .views = &views,
        };
        int r;

        *ret = (struct list) {};
        assert_int_equal(mount_views_read(procfs, &views), 0);
        r = holders_read(&world, on_holder, ret);
        mount_views_clear(&views);
        return r;
}

/* The one holder there is. */
static struct holder one(const struct temp_dir *dir) {
        struct list list;

        assert_int_equal(look(dir, &list), 0);
        assert_int_equal(list.n, 1);
        return list.holders[0];
}

static void test_nobody(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(OURS, "");
        struct list list;

        add_idle(&dir, "7", 1, "sh");
        link_of(&dir, "7", "cwd", "/");
        link_of(&dir, "7", "root", "/");
        link_of(&dir, "7", "exe", "/usr/bin/sh");
        open_file(&dir, "7", "0", "/dev/null", 29);
        open_file(&dir, "7", "1", "/database", 28);
        open_file(&dir, "7", "2", "/data/tmp/x", 41);
        open_file(&dir, "7", "3", "socket:[40]", 40);
        open_file(&dir, "7", "4", "anon_inode:[io_uring]", 40);
        open_file(&dir, "7", "5", "/dev/sda", 29);
        add_idle(&dir, "8", 1, "sh");
        link_of(&dir, "8", "cwd", "/data/tmp");
        add_idle(&dir, "9", 2, "in-a-container"); /* where / is on the disk */
        assert_int_equal(look(&dir, &list), 0);
        assert_int_equal(list.n, 0);
}

static void test_links(void **state) {
        static const char *const names[] = { "cwd", "root", "exe" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_temp_dir_ struct temp_dir dir = stack_machine(OURS, "");
                struct holder h;

                add_idle(&dir, "7", 1, "sh");
                link_of(&dir, "7", names[i], "/data/a (deleted)");
                h = one(&dir);
                assert_int_equal(h.pid, 7);
                assert_string_equal(h.comm, "sh");
                assert_int_equal(h.state, 'S');
                assert_int_equal(h.cwd, i == 0);
                assert_int_equal(h.root, i == 1);
                assert_int_equal(h.exe, i == 2);
                assert_int_equal(h.files + h.nodes, 0);
                assert_string_equal(h.path, "/data/a (deleted)");
        }
}

/* A file goes by its mount, whatever its path. */
static void test_files(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(OURS, "");
        struct holder h;

        add_idle(&dir, "7", 1, "postgres");
        open_file(&dir, "7", "3", "/elsewhere", 40);
        open_file(&dir, "7", "4", "/data/b", 40);
        open_file(&dir, "7", "5", "/data/c", 28);
        open_file(&dir, "7", "60", "/dev/sdb", 29);
        h = one(&dir);
        assert_int_equal(h.files, 2);
        assert_int_equal(h.nodes, 1);
        assert_true(h.path[0] == '/');
}

static void test_container(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(OURS, "");
        struct holder h;

        add_idle(&dir, "77", 2, "nginx");
        link_of(&dir, "77", "root", "/");
        link_of(&dir, "77", "cwd", "/srv");
        open_file(&dir, "77", "3", "/srv/log", 140);
        h = one(&dir);
        assert_true(h.root && h.cwd && !h.exe);
        assert_int_equal(h.files, 1);
}

static void test_state(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(OURS, "");

        add_idle(&dir, "7", 1, "mysqld");
        link_of(&dir, "7", "cwd", "/data");
        add_thread(&dir, "7", "8", "R (running)");
        assert_int_not_equal(one(&dir).state, 'D');
        add_thread(&dir, "7", "9", "D (disk sleep)");
        add_thread(&dir, "7", "10", "S (sleeping)");
        assert_int_equal(one(&dir).state, 'D');
}

/* A process that ends while it is looked at is not missed; one that cannot be looked at is. */
static void test_ended(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(OURS, "");
        struct list list;

        make_parents(temp_path(&dir, "proc/9/"));
        add_idle(&dir, "8", 1, "sh");
        make_symlink("/data/x", temp_path(&dir, "proc/8/fd/5"));
        assert_int_equal(look(&dir, &list), 0);
        assert_int_equal(list.n, 0);
        write_text(temp_path(&dir, "proc/9/fd"), "");
        assert_int_equal(look(&dir, &list), 1);
}

static void test_unit(void **state) {
        static const struct {
                const char *cgroup, *unit;
        } cases[] = {
                { "0::/system.slice/nginx.service\n", "nginx.service" },
                { "0::/system.slice/system-getty.slice/getty@tty1.service\n",
                  "getty@tty1.service" },
                { "0::/user.slice/user-0.slice/session-3.scope\n", "session-3.scope" },
                { "0::/user.slice/user-1.slice/user@1.service/app.slice/x.service\n",
                  "user@1.service" },
                { "0::/system.slice/docker-abc.scope/sub\n", "docker-abc.scope" },
                { "12:pids:/system.slice/a.service\n1:name=systemd:/system.slice/b.service\n"
                  "0::/\n",
                  "b.service" },
                { "0::/\n", "" },
                { "0::/.service\n", "" },
                { "0::/init.scope\n", "init.scope" },
                { "4:cpu:/x.service\n", "" },
                { "", "" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
                char unit[32];

                write_text(temp_path(&dir, "proc/7/cgroup"), cases[i].cgroup);
                assert_int_equal(holder_unit(temp_path(&dir, "proc"), 7, unit, sizeof(unit)), 0);
                assert_string_equal(unit, cases[i].unit);
                assert_int_equal(holder_unit(temp_path(&dir, "proc"), 8, unit, sizeof(unit)),
                                 -ENOENT);
        }
}

/* This very process, on the real /proc. */
static void test_this_process(void **state) {
        struct mount_views views = {};
        struct holders_world world = { .procfs = "/proc", .views = &views };
        char unit[128];
        struct list list = {};

        assert_int_equal(mount_views_read("/proc", &views), 0);
        assert_true(holders_read(&world, on_holder, &list) >= 0);
        assert_int_equal(list.n, 0);
        mount_views_clear(&views);
        assert_int_equal(holder_unit("/proc", getpid(), unit, sizeof(unit)), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nobody),
                cmocka_unit_test(test_links),
                cmocka_unit_test(test_files),
                cmocka_unit_test(test_container),
                cmocka_unit_test(test_state),
                cmocka_unit_test(test_ended),
                cmocka_unit_test(test_unit),
                cmocka_unit_test(test_this_process),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
