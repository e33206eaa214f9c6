/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "agent/act/manager.h"
#include "agent/act/units.h"
#include "tests/unit/temp-dir.h"

/* What can be told of systemd without one; the rest is for guests. */

static void test_names(void **state) {
        static const struct {
                const char *prefix, *path, *suffix, *name;
        } cases[] = { /* what "systemd-escape --path" of 252 says */
                { NULL, "/mnt/data", "mount", "mnt-data.mount" },
                { NULL, "/", "mount", "-.mount" },
                { NULL, "//srv//a/", "mount", "srv-a.mount" },
                { NULL, "/mnt/my-disk", "mount", "mnt-my\\x2ddisk.mount" },
                { NULL, "/.hidden/.a", "mount", "\\x2ehidden-.a.mount" },
                { NULL, "/mnt/a b\xc3\xa9:_", "mount", "mnt-a\\x20b\\xc3\\xa9:_.mount" },
                { "systemd-fsck", "/dev/mapper/vg-lv", "service",
                  "systemd-fsck@dev-mapper-vg\\x2dlv.service" },
        };
        char name[UNIT_NAME_MAX];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_int_equal(unit_name_of_path(cases[i].prefix, cases[i].path,
                                                   cases[i].suffix, name), 0);
                assert_string_equal(name, cases[i].name);
        }
}

static void test_long_names(void **state) {
        char path[UNIT_NAME_MAX + 1] = "/", name[UNIT_NAME_MAX];

        for (size_t n = 1; n < UNIT_NAME_MAX; n++) {
                int r;

                path[n] = 'a';
                path[n + 1] = '\0';
                r = unit_name_of_path(NULL, path, "mount", name);
                assert_int_equal(r, n + strlen(".mount") < UNIT_NAME_MAX ? 0 : -ENAMETOOLONG);
                if (r == 0)
                        assert_int_equal(strlen(name), n + strlen(".mount"));
        }
}

static void test_no_systemd(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        struct manager *manager = NULL;
        char address[PATH_MAX];

        (void) snprintf(address, sizeof(address), "unix:path=%s", temp_path(&dir, "private"));
        assert_int_equal(manager_open(address, &manager), -ENOENT);
        assert_null(manager);
        assert_null(manager_close(manager));
}

/* Which has no unit, and so nothing to be stopped, and is no reason to leave it mounted. */
static void test_long_mount_point(void **state) {
        struct mount_entry entry = {};

        memset(entry.target, 'a', UNIT_NAME_MAX);
        entry.target[0] = '/';
        assert_int_equal(units_stop(&entry, NULL), 0);
        assert_int_equal(units_start(&entry), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_long_names),
                cmocka_unit_test(test_no_systemd),
                cmocka_unit_test(test_long_mount_point),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
