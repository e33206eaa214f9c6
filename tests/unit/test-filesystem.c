/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "agent/act/filesystem.h"
#include "agent/observe/mounts.h"
#include "agent/observe/stack.h"
#include "tests/unit/temp-dir.h"

/* The acts on filesystems, on tmpfs in a mount namespace of our own. */

static struct temp_dir dir;

static int set_up(void **state) {
        dir = temp_dir_new();
        if (mkdir(temp_path(&dir, "a"), 0700) < 0 || mkdir(temp_path(&dir, "b"), 0700) < 0)
                return -1;
        return 0;
}

static int tear_down(void **state) {
        while (umount2(temp_path(&dir, "a"), MNT_DETACH) == 0)
                continue;
        while (umount2(temp_path(&dir, "b"), MNT_DETACH) == 0)
                continue;
        temp_dir_removep(&dir);
        return 0;
}

static void mount_tmpfs(const char *name) {
        assert_int_equal(mount("tmpfs", temp_path(&dir, "%s", name), "tmpfs",
                               MS_NOSUID | MS_NOATIME, "size=1m"), 0);
        write_text(temp_path(&dir, "%s/here", name), name);
}

/* What the agent would know of the mount: the newest one that is seen there. */
static struct mount_entry entry_of(const char *name) {
        struct file_handle none = {};
        struct stack_node node = { .kind = STACK_MOUNT, .parent = -1 };
        struct stack stack = { .nodes = &node, .n = 1, .complete = true };
        struct libmnt_table *table;
        struct mount_entry entry;
        struct mounts mounts;

        assert_int_equal(name_to_handle_at(AT_FDCWD, temp_path(&dir, "%s", name), &none, &node.id,
                                           0), -1);
        assert_int_equal(errno, EOVERFLOW); /* and the mount is told */
        assert_int_equal(mount_table_read("/proc/self/mountinfo", &table), 0);
        assert_int_equal(mounts_of_stack(table, &stack, &mounts), 0);
        assert_int_equal(mounts.n, 1);
        entry = mounts.entries[0];
        assert_string_equal(entry.target, temp_path(&dir, "%s", name));
        mounts_clear(&mounts);
        mount_table_free(table);
        return entry;
}

static bool has(const char *path) {
        return access(temp_path(&dir, "%s", path), F_OK) == 0;
}

static const struct mount_rules rules = { .holders = HOLDERS_WAIT, .fsck = FSCK_NO };

static void test_umount(void **state) {
        struct mount_entry entry;

        mount_tmpfs("a");
        entry = entry_of("a");
        assert_int_equal(filesystem_umount(&entry, &rules, NULL), 0);
        assert_false(has("a/here"));
        assert_int_equal(filesystem_umount(&entry, &rules, NULL), 0); /* no longer mounted */
}

static void test_umount_busy(void **state) {
        _cleanup_close_ int fd = -EBADF;
        struct mount_entry entry;

        mount_tmpfs("a");
        entry = entry_of("a");
        fd = open(temp_path(&dir, "a/here"), O_RDONLY | O_CLOEXEC);
        assert_int_equal(filesystem_umount(&entry, &rules, NULL), -EBUSY);
        assert_true(has("a/here")); /* never lazily */
        fd = safe_close(fd);
        assert_int_equal(filesystem_umount(&entry, &rules, NULL), 0);
}

/* Another process that holds it, of which find_holders() tells. */
static pid_t holder;

static int find_holders(dev_t super, void (*found)(pid_t pid, const char *unit, void *userdata),
                        void *userdata) {
        found(holder, "", userdata);
        return 0;
}

static int find_none(dev_t super, void (*found)(pid_t pid, const char *unit, void *userdata),
                     void *userdata) {
        return -EACCES;
}

static void hold(bool stubborn) {
        int pair[2];
        char c;

        assert_int_equal(pipe(pair), 0);
        holder = fork();
        assert_true(holder >= 0);
        if (holder == 0) {
                (void) signal(SIGTERM, stubborn ? SIG_IGN : SIG_DFL);
                if (open(temp_path(&dir, "a/here"), O_RDONLY | O_CLOEXEC) < 0 ||
                    write(pair[1], "x", 1) != 1)
                        _exit(EXIT_FAILURE);
                for (;;)
                        (void) pause();
        }
        (void) close(pair[1]);
        assert_int_equal(read(pair[0], &c, 1), 1);
        (void) close(pair[0]);
}

static int how_it_ended(void) {
        int status;

        assert_int_equal(waitpid(holder, &status, 0), holder);
        assert_true(WIFSIGNALED(status));
        return WTERMSIG(status);
}

/* Only as far as the rules say. */
static void test_umount_of_what_is_held(void **state) {
        static const struct mount_rules stop = { .holders = HOLDERS_STOP_UNITS },
                                        end = { .holders = HOLDERS_KILL };
        struct mount_entry entry;

        mount_tmpfs("a");
        entry = entry_of("a");
        hold(false);
        assert_int_equal(filesystem_umount(&entry, &rules, find_holders), -EBUSY);
        assert_int_equal(filesystem_umount(&entry, &rules, find_none), -EBUSY);
        assert_int_equal(filesystem_umount(&entry, &stop, find_holders), -EBUSY);
        assert_int_equal(filesystem_umount(&entry, &end, NULL), -EBUSY);
        assert_int_equal(waitpid(holder, NULL, WNOHANG), 0);
        assert_int_equal(filesystem_umount(&entry, &end, find_holders), 0);
        assert_int_equal(how_it_ended(), SIGTERM);
        assert_false(has("a/here"));

        mount_tmpfs("a");
        entry = entry_of("a");
        hold(true);
        assert_int_equal(filesystem_umount(&entry, &end, find_holders), 0);
        assert_int_equal(how_it_ended(), SIGKILL);
}

/* Only where the rules say so; who has it open keeps it. */
static void test_umount_lazily(void **state) {
        static const struct mount_rules lazy = { .lazy = true };
        _cleanup_close_ int fd = -EBADF;
        struct mount_entry entry;
        char c;

        mount_tmpfs("a");
        entry = entry_of("a");
        fd = open(temp_path(&dir, "a/here"), O_RDONLY | O_CLOEXEC);
        assert_int_equal(filesystem_umount(&entry, &lazy, NULL), 0);
        assert_false(has("a/here"));
        assert_true(read(fd, &c, 1) >= 0);
}

/* What somebody has mounted on the directory since is not ours. */
static void test_umount_of_a_later_mount(void **state) {
        struct mount_entry entry;

        mount_tmpfs("a");
        entry = entry_of("a");
        assert_int_equal(umount2(entry.target, 0), 0);
        mount_tmpfs("b"); /* so that the number of the filesystem is taken */
        mount_tmpfs("a");
        assert_int_equal(filesystem_umount(&entry, &rules, NULL), 0);
        assert_true(has("a/here"));
        assert_int_equal(filesystem_shutdown(&entry), 0);
}

/* Nor what is mounted over it: umount2() would take the uppermost. */
static void test_umount_of_what_is_covered(void **state) {
        struct mount_entry entry;

        mount_tmpfs("a");
        entry = entry_of("a");
        mount_tmpfs("a");
        write_text(temp_path(&dir, "a/cover"), "");
        assert_int_equal(filesystem_umount(&entry, &rules, NULL), -EBUSY);
        assert_true(has("a/cover"));
}

static void test_shutdown(void **state) {
        struct mount_entry entry;

        mount_tmpfs("a");
        entry = entry_of("a");
        assert_int_equal(filesystem_shutdown(&entry), -ENOTTY); /* tmpfs cannot */
        mount_tmpfs("a");
        assert_int_equal(filesystem_shutdown(&entry), -ESTALE); /* covered by another */
        entry.id = 1 << 30;
        assert_int_equal(filesystem_shutdown(&entry), 0);
}

static size_t names_in(const char *path) {
        size_t n = 0;
        DIR *d = opendir(path);

        assert_non_null(d);
        while (readdir(d))
                n++;
        (void) closedir(d);
        return n;
}

/* As after an error: the superblock is read-only, and the mount is not. */
static void stop_taking_writes(const struct mount_entry *entry) {
        assert_int_equal(mount(NULL, entry->target, NULL, MS_REMOUNT | MS_RDONLY, "size=1m"), 0);
        assert_int_equal(mount(NULL, entry->target, NULL, MS_REMOUNT | MS_BIND, NULL), 0);
}

static void test_check(void **state) {
        struct mount_entry entry;
        size_t before;

        mount_tmpfs("a");
        entry = entry_of("a");
        before = names_in(entry.target);
        assert_int_equal(filesystem_check(&entry), 1);
        assert_int_equal(names_in(entry.target), before); /* nothing is left */
        assert_int_equal(filesystem_clear(&entry, &rules, NULL), 1);
        assert_true(has("a/here"));

        /* Read-only since, though nobody has asked for it. */
        stop_taking_writes(&entry);
        assert_int_equal(filesystem_check(&entry), -EROFS);
        entry.flags |= MS_RDONLY; /* as it was when all was well */
        assert_int_equal(filesystem_check(&entry), 1);
        assert_int_equal(filesystem_clear(&entry, &rules, NULL), 1);
        assert_true(has("a/here"));
}

/* Somebody wants it so. */
static void test_check_of_a_read_only_mount(void **state) {
        static const unsigned long flags[] = { 0, MS_NOATIME, MS_BIND };

        for (size_t i = 0; i < ELEMENTSOF(flags); i++) {
                struct mount_entry entry;

                mount_tmpfs("a");
                entry = entry_of("a");
                assert_int_equal(mount(NULL, entry.target, NULL,
                                       MS_REMOUNT | MS_RDONLY | flags[i], NULL), 0);
                assert_int_equal(filesystem_check(&entry), 1);
                assert_int_equal(filesystem_clear(&entry, &rules, NULL), 1);
                assert_true(has("a/here"));
        }
}

static void test_check_of_another(void **state) {
        struct mount_entry entry;

        mount_tmpfs("a");
        entry = entry_of("a");
        stop_taking_writes(&entry);
        mount_tmpfs("a"); /* over it */
        assert_int_equal(filesystem_check(&entry), 1);
        assert_int_equal(umount2(entry.target, 0), 0);
        assert_int_equal(filesystem_check(&entry), -EROFS);
        assert_int_equal(umount2(entry.target, 0), 0);
        assert_int_equal(filesystem_check(&entry), 1);
        assert_int_equal(filesystem_clear(&entry, &rules, NULL), 1);
}

/* Nothing can be written to a full one, and it is alive. */
static void test_check_of_a_full_one(void **state) {
        static char block[4096];
        struct mount_entry entry;
        int fd;

        mount_tmpfs("a");
        entry = entry_of("a");
        fd = open(temp_path(&dir, "a/full"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        while (write(fd, block, sizeof(block)) > 0)
                continue;
        assert_int_equal(errno, ENOSPC);
        (void) close(fd);
        assert_int_equal(filesystem_check(&entry), 1);
}

static void test_clear(void **state) {
        _cleanup_close_ int fd = -EBADF;
        struct mount_entry entry;

        mount_tmpfs("a");
        entry = entry_of("a");
        fd = open(temp_path(&dir, "a/here"), O_RDONLY | O_CLOEXEC);
        stop_taking_writes(&entry);
        assert_int_equal(filesystem_clear(&entry, &rules, NULL), -EBUSY); /* never lazily */
        assert_true(has("a/here"));
        fd = safe_close(fd);
        assert_int_equal(filesystem_clear(&entry, &rules, NULL), 0);
        assert_false(has("a/here"));
}

static void test_mount(void **state) {
        struct mount_entry entry;
        struct statfs fs;

        mount_tmpfs("a");
        entry = entry_of("a");
        assert_int_equal(filesystem_mount(&entry, &rules), 0); /* as it is mounted already */
        assert_true(has("a/here"));
        assert_int_equal(umount2(entry.target, 0), 0);
        assert_int_equal(statfs(entry.target, &fs), 0);
        assert_int_equal(fs.f_flags & ST_NOATIME, 0);

        assert_int_equal(filesystem_mount(&entry, &rules), 0);
        assert_int_equal(statfs(entry.target, &fs), 0);
        assert_int_equal(fs.f_type, 0x01021994);
        assert_int_equal(fs.f_flags & (ST_NOSUID | ST_NOATIME | ST_RDONLY),
                         ST_NOSUID | ST_NOATIME);
        assert_int_equal(fs.f_blocks * (uint64_t) fs.f_bsize, 1024 * 1024);
}

static void test_mount_errors(void **state) {
        struct mount_entry entry;

        mount_tmpfs("a");
        entry = entry_of("a");
        assert_int_equal(umount2(entry.target, 0), 0);
        (void) strcpy(entry.root, "/part");
        assert_int_equal(filesystem_mount(&entry, &rules), -EOPNOTSUPP);
        (void) strcpy(entry.root, "/");
        (void) strcpy(entry.fstype, "nosuchfs");
        assert_int_equal(filesystem_mount(&entry, &rules), -ENODEV);
        (void) strcat(entry.target, "/none");
        assert_int_equal(filesystem_mount(&entry, &rules), -ENOENT);
}

static void test_bind(void **state) {
        struct mount_entry entry;
        struct statfs fs;

        mount_tmpfs("a");
        assert_int_equal(mkdir(temp_path(&dir, "a/part"), 0700), 0);
        write_text(temp_path(&dir, "a/part/this"), "");
        assert_int_equal(mount(temp_path(&dir, "a/part"), temp_path(&dir, "b"), NULL, MS_BIND,
                               NULL), 0);
        entry = entry_of("b");
        assert_true(mount_entry_is_part(&entry));
        assert_int_equal(filesystem_umount(&entry, &rules, NULL), 0);
        assert_int_equal(filesystem_mount(&entry, &rules), -EOPNOTSUPP);
        assert_false(has("b/this"));

        (void) strcpy(entry.source, temp_path(&dir, "a/part"));
        entry.flags |= MS_BIND | MS_NODEV;
        assert_int_equal(filesystem_mount(&entry, &rules), 0);
        assert_true(has("b/this"));
        assert_int_equal(filesystem_mount(&entry, &rules), 0); /* as it is mounted already */
        assert_int_equal(umount2(entry.target, 0), 0);
        assert_false(has("b/this"));
        assert_int_equal(filesystem_mount(&entry, &rules), 0);
        assert_int_equal(statfs(entry.target, &fs), 0);
        assert_int_equal(fs.f_flags & (ST_NODEV | ST_RDONLY), ST_NODEV);
        (void) strcpy(entry.source, temp_path(&dir, "a/none"));
        (void) umount2(entry.target, 0);
        assert_int_equal(filesystem_mount(&entry, &rules), -ENOENT);
}

/* What has no journal is not mounted again before somebody has checked it. */
static void test_mount_without_a_journal(void **state) {
        static const struct {
                const char *type;
                uint8_t features;
                unsigned long flags;
                bool refused;
        } cases[] = {
                { "ext2", 0, 0, true },     { "vfat", 0, 0, true },
                { "ext4", 0x38, 0, true },  { "ext4", 0x3c, 0, false },
                { "ext3", 0x3c, 0, false }, { "xfs", 0, 0, false },
                { "ext2", 0, MS_RDONLY, false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct mount_entry entry = { .devnum = makedev(4095, 1), .root = "/" };
                char image[1025 + 0x5c] = {};
                FILE *f;

                image[1024 + 0x5c] = (char) cases[i].features;
                f = fopen(temp_path(&dir, "image"), "w");
                assert_non_null(f);
                assert_int_equal(fwrite(image, sizeof(image), 1, f), 1);
                assert_int_equal(fclose(f), 0);
                (void) strcpy(entry.source, temp_path(&dir, "image"));
                (void) strcpy(entry.target, temp_path(&dir, "a"));
                (void) strcpy(entry.fstype, cases[i].type);
                entry.flags = cases[i].flags;
                assert_int_equal(filesystem_mount(&entry, &rules) == -ENOTRECOVERABLE,
                                 cases[i].refused);
                assert_true(filesystem_mount(&entry, &rules) < 0); /* a file is no disk */
        }
}

/* Its superblock is read-only, although its mount is not. */
static void test_mount_takes_no_write(void **state) {
        struct mount_entry entry = { .root = "/", .source = "tmpfs", .fstype = "tmpfs",
                                     .data = "ro" };

        (void) strcpy(entry.target, temp_path(&dir, "a"));
        entry.flags = MS_RDONLY;
        assert_int_equal(filesystem_mount(&entry, &rules), 0);
        assert_int_equal(umount(entry.target), 0);
        entry.flags = 0;
        assert_int_equal(filesystem_mount(&entry, &rules), -EROFS);
        assert_int_equal(umount(entry.target), -1); /* it was unmounted again */
}

#define FILESYSTEM_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                FILESYSTEM_TEST(test_umount),
                FILESYSTEM_TEST(test_umount_busy),
                FILESYSTEM_TEST(test_umount_of_what_is_held),
                FILESYSTEM_TEST(test_umount_lazily),
                FILESYSTEM_TEST(test_umount_of_a_later_mount),
                FILESYSTEM_TEST(test_umount_of_what_is_covered),
                FILESYSTEM_TEST(test_shutdown),
                FILESYSTEM_TEST(test_check),
                FILESYSTEM_TEST(test_check_of_a_read_only_mount),
                FILESYSTEM_TEST(test_check_of_another),
                FILESYSTEM_TEST(test_check_of_a_full_one),
                FILESYSTEM_TEST(test_clear),
                FILESYSTEM_TEST(test_mount),
                FILESYSTEM_TEST(test_mount_errors),
                FILESYSTEM_TEST(test_bind),
                FILESYSTEM_TEST(test_mount_without_a_journal),
                FILESYSTEM_TEST(test_mount_takes_no_write),
        };

        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
                (void) fprintf(stderr, "SKIPPED: no mount namespace of our own to be had: %s\n",
                               strerror(errno));
                return 77;
        }
        return cmocka_run_group_tests(tests, NULL, NULL);
}
