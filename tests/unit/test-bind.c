/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#include "agent/base/macro.h"
#include "agent/observe/bind.h"

/* Parts of a filesystem that are mounted somewhere else, too. */

static struct mount_entry entry(unsigned minor, const char *type, const char *root,
                                const char *target, const char *data) {
        struct mount_entry e = { .devnum = makedev(8, minor), .source = "/dev/sda",
                                 .flags = MS_NOSUID };

        (void) strcpy(e.fstype, type);
        (void) strcpy(e.root, root);
        (void) strcpy(e.target, target);
        (void) strcpy(e.data, data);
        return e;
}

/* What it is bound from; NULL: it is mounted by itself, or cannot be. */
static void assert_bound(struct mount_entry *entries, size_t n, size_t i, const char *from) {
        const struct mounts mounts = { .entries = entries, .n = n };
        struct mount_entry bind = {};

        assert_int_equal(bind_of(&mounts, i, &bind), from != NULL);
        assert_string_equal(bind.source, from ? from : "");
        if (!from)
                return;
        assert_int_equal(bind.flags, MS_NOSUID | MS_BIND);
        assert_string_equal(bind.target, entries[i].target);
        assert_true(bind.devnum == entries[i].devnum);
}

static void test_bound(void **state) {
        struct mount_entry e[] = {
                entry(1, "ext4", "/", "/srv", ""),
                entry(1, "ext4", "/pg/data", "/var/lib/pg", ""),
                entry(2, "ext4", "/pg", "/other", ""),
        };

        assert_bound(e, 3, 0, NULL);
        assert_bound(e, 3, 1, "/srv/pg/data");
        assert_bound(e, 3, 2, NULL); /* nothing has the whole of it */
        assert_bound(e + 1, 2, 0, NULL);
}

/* A mount of btrfs is of a subvolume; what is no subvolume is bound from the one that it is in. */
static void test_btrfs(void **state) {
        struct mount_entry e[] = {
                entry(1, "btrfs", "/@", "/", "subvolid=256,subvol=/@"),
                entry(1, "btrfs", "/@u", "/u", "subvolid=257,subvol=/@u"),
                entry(1, "btrfs", "/@u/ann/mail", "/mail", "subvolid=257,subvol=/@u"),
                entry(1, "btrfs", "/@log", "/log", "rw"),
        };

        assert_bound(e, 4, 0, NULL);
        assert_bound(e, 4, 1, NULL);
        assert_bound(e, 4, 2, "/u/ann/mail");
        assert_bound(e, 4, 3, NULL);
        assert_true(mount_entry_is_part(e + 3));
}

static void test_too_long(void **state) {
        static char root[PATH_MAX];
        struct mount_entry e[2];

        memset(root, 'x', sizeof(root) - 1);
        root[0] = '/';
        e[0] = entry(1, "ext4", "/", "/srv", "");
        e[1] = entry(1, "ext4", root, "/part", "");
        assert_bound(e, 2, 1, NULL);
        e[1].root[PATH_MAX - 1 - strlen("/srv")] = '\0';
        root[PATH_MAX - 1 - strlen("/srv")] = '\0';
        {
                char from[PATH_MAX];

                (void) snprintf(from, sizeof(from), "/srv%.4091s", root);
                assert_bound(e, 2, 1, from);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bound),
                cmocka_unit_test(test_btrfs),
                cmocka_unit_test(test_too_long),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
