/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <string.h>

#include "agent/observe/counters.h"
#include "tests/unit/temp-dir.h"

/* As a 6.1 guest shows a virtio-scsi disk. Reads 1000, merges 20, sectors 30000, ms 40; writes
 * 2000, ...; in flight 7; discards 300; flushes 40. */
#define STAT \
        "    1000       20    30000       40     2000       60    70000       80        7" \
        "      100      110      300      130      140      150       40      170\n"

struct machine {
        struct temp_dir dir;
        char block_dir[PATH_MAX];
        struct counters counters;
};

static void set(const struct machine *m, const char *file, const char *text) {
        char path[2 * PATH_MAX];

        (void) snprintf(path, sizeof(path), "%s/%s", m->block_dir, file);
        write_text(path, text);
}

static void set_host(const struct machine *m, const char *state) {
        write_text(temp_path(&m->dir, "class/scsi_host/host2/state"), state);
}

static void machine_init(struct machine *m) {
        *m = (struct machine) { .dir = temp_dir_new() };
        (void) snprintf(m->block_dir, sizeof(m->block_dir), "%s/devices/block/sda", m->dir.path);
        set(m, "stat", STAT);
        set(m, "device/device_busy", "5\n");
        set(m, "device/iodone_cnt", "0x1f3a\n");
        set(m, "device/state", "running\n");
        set_host(m, "running\n");
}

static void machine_new(struct machine *m) {
        machine_init(m);
        assert_int_equal(counters_open(m->dir.path, m->block_dir, 2, &m->counters), 0);
}

static void machine_free(struct machine *m) {
        counters_close(&m->counters);
        temp_dir_removep(&m->dir);
}

static struct sample take(const struct machine *m) {
        struct sample sample;

        memset(&sample, 0xaa, sizeof(sample));
        assert_int_equal(counters_read(&m->counters, 77, &sample), 0);
        assert_int_equal(sample.at, 77);
        return sample;
}

static void assert_error(const struct machine *m, int error) {
        struct sample before, after;

        memset(&before, 0x55, sizeof(before));
        memcpy(&after, &before, sizeof(after));
        assert_int_equal(counters_read(&m->counters, 77, &after), error);
        assert_memory_equal(&after, &before, sizeof(after));
}

static void test_normal(void **state) {
        struct machine m;
        struct sample s;

        machine_new(&m);
        s = take(&m);
        assert_int_equal(s.completed, 1000 + 2000 + 300 + 40);
        assert_int_equal(s.answered, 0x1f3a);
        assert_int_equal(s.outstanding, 7);
        assert_false(s.held);
        assert_false(s.offline);

        /* A file kept open says what is true now. */
        set(&m, "device/device_busy", "9\n");
        set(&m, "device/iodone_cnt", "0x1f3b\n");
        s = take(&m);
        assert_int_equal(s.outstanding, 9);
        assert_int_equal(s.answered, 0x1f3b);
        machine_free(&m);
}

/* Each field by itself, so that none is taken for its neighbour. */
static void test_each_field(void **state) {
        static const int summed[] = { 1, 5, 12, 16 };

        for (int field = 1; field <= 17; field++) {
                char text[256];
                struct machine m;
                struct sample s;
                bool counts = false;
                int used = 0;

                for (int i = 1; i <= 17; i++)
                        used += snprintf(text + used, sizeof(text) - (size_t) used, "%d ",
                                         i == field ? 1234 : 0);
                machine_new(&m);
                set(&m, "stat", text);
                set(&m, "device/device_busy", "0\n");
                s = take(&m);
                for (size_t i = 0; i < ELEMENTSOF(summed); i++)
                        counts |= summed[i] == field;
                assert_int_equal(s.completed, counts ? 1234 : 0);
                assert_int_equal(s.outstanding, field == 9 ? 1234 : 0);
                machine_free(&m);
        }
}

/* Before 4.18 there were 11 fields, before 5.5 there were 15. */
static void test_fields_missing(void **state) {
        static const struct {
                const char *text;
                uint64_t completed;
        } cases[] = {
                { "1000 2 3 4 2000 6 7 8 3 10 11\n", 3000 },
                { "1000 2 3 4 2000 6 7 8 3\n", 3000 },
                { "1000 2 3 4 2000 6 7 8 3 10 11 300 13 14 15\n", 3300 },
                { "1000 2 3 4 2000 6 7 8 3 10 11 300 13 14 15 40 17 18 19 20\n", 3340 },
        };
        struct machine m;

        machine_new(&m);
        set(&m, "device/device_busy", "0\n");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct sample s;

                set(&m, "stat", cases[i].text);
                s = take(&m);
                assert_int_equal(s.completed, cases[i].completed);
                assert_int_equal(s.outstanding, 3);
        }
        machine_free(&m);
}

static void test_garbage(void **state) {
        static const struct {
                const char *file, *text;
                int error;
        } cases[] = {
                { "stat", "", -EINVAL },
                { "stat", "\n", -EINVAL },
                { "stat", "1 2 3 4 5 6 7 8\n", -EINVAL },
                { "stat", "1 2 3 x 5 6 7 8 9 10 11\n", -EINVAL },
                { "stat", "none\n", -EINVAL },
                { "device/device_busy", "", -EINVAL },
                { "device/device_busy", "x\n", -EINVAL },
                { "device/device_busy", "-1\n", -EINVAL },
                { "device/device_busy", "1 2\n", -EINVAL },
                { "device/iodone_cnt", "0x\n", -EINVAL },
                { "device/iodone_cnt", "0x1ffffffffffffffff\n", -ERANGE },
                { "device/state", "a state that is longer than any there is\n", -EMSGSIZE },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct machine m;

                machine_new(&m);
                set(&m, cases[i].file, cases[i].text);
                assert_error(&m, cases[i].error);
                machine_free(&m);
        }
}

static void test_outstanding(void **state) {
        static const struct {
                const char *busy;
                const char *in_flight;
                uint32_t outstanding;
        } cases[] = {
                { "0", "0", 0 },       { "1", "0", 1 },
                { "0", "1", 1 },       { "3", "5", 5 },
                { "5", "3", 5 },       { "4294967295", "0", UINT32_MAX },
                { "0", "4294967296", UINT32_MAX }, /* and not none */
        };
        struct machine m;
        char text[128];

        machine_new(&m);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct sample s;

                (void) snprintf(text, sizeof(text), "1 2 3 4 5 6 7 8 %s 10 11\n",
                                cases[i].in_flight);
                set(&m, "stat", text);
                set(&m, "device/device_busy", cases[i].busy);
                s = take(&m);
                assert_int_equal(s.outstanding, cases[i].outstanding);
        }
        machine_free(&m);
}

static void test_states(void **state) {
        static const struct {
                const char *device, *host;
                bool held, offline;
        } cases[] = {
                { "running\n", "running\n", false, false },
                { "offline\n", "running\n", false, true },
                { "transport-offline\n", "running\n", true, false },
                { "blocked\n", "running\n", true, false },
                { "quiesce\n", "running\n", true, false },
                { "created-blocked\n", "running\n", true, false },
                { "cancel\n", "running\n", true, false },
                { "deleted\n", "running\n", true, false },
                { "running\n", "recovery\n", true, false },
                { "offline\n", "recovery\n", true, true },
                { "running\n", "cancel/recovery\n", true, false },
                { "running\n", "deleted\n", true, false },
                { "", "running\n", true, false },
                { "running\n", "", true, false },
        };
        struct machine m;

        machine_new(&m);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct sample s;

                set(&m, "device/state", cases[i].device);
                set_host(&m, cases[i].host);
                s = take(&m);
                assert_int_equal(s.held, cases[i].held);
                assert_int_equal(s.offline, cases[i].offline);
        }
        machine_free(&m);
}

static unsigned open_descriptors(void) {
        DIR *dir = opendir("/proc/self/fd");
        unsigned n = 0;

        assert_non_null(dir);
        while (readdir(dir))
                n++;
        (void) closedir(dir);
        return n;
}

/* Any of the five may be gone; then nothing stays open. */
static void test_file_vanished(void **state) {
        static const char *const files[] = {
                "devices/block/sda/stat",
                "devices/block/sda/device/device_busy",
                "devices/block/sda/device/iodone_cnt",
                "devices/block/sda/device/state",
                "class/scsi_host/host2/state",
        };
        unsigned before = open_descriptors();

        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                struct counters counters, untouched;
                struct machine m;

                machine_init(&m);
                memset(&counters, 0x55, sizeof(counters));
                untouched = counters;
                assert_int_equal(unlink(temp_path(&m.dir, "%s", files[i])), 0);
                assert_int_equal(counters_open(m.dir.path, m.block_dir, 2, &counters), -ENOENT);
                assert_memory_equal(&counters, &untouched, sizeof(counters));
                m.counters = (struct counters) { -EBADF, -EBADF, -EBADF, -EBADF, -EBADF };
                machine_free(&m);
                assert_int_equal(open_descriptors(), before);
        }
}

static void test_open_errors(void **state) {
        struct counters counters;
        char long_path[300];
        struct machine m;

        machine_new(&m);
        assert_int_equal(counters_open(m.dir.path, temp_path(&m.dir, "none"), 2, &counters),
                         -ENOENT);
        assert_int_equal(counters_open(m.dir.path, m.block_dir, 3, &counters), -ENOENT);
        assert_int_equal(counters_open(m.dir.path, temp_path(&m.dir, "devices/block/sda/stat"), 2,
                                       &counters), -ENOTDIR);
        memset(long_path, 'x', sizeof(long_path) - 1);
        long_path[sizeof(long_path) - 1] = '\0';
        assert_int_equal(counters_open(long_path, m.block_dir, 2, &counters), -ENAMETOOLONG);
        machine_free(&m);
}

static void test_closed(void **state) {
        unsigned before = open_descriptors();
        struct machine m;

        machine_new(&m);
        assert_int_equal(open_descriptors(), before + 5);
        for (size_t i = 0; i < 5; i++)
                assert_int_equal(fcntl(((int *) &m.counters)[i], F_GETFD), FD_CLOEXEC);
        counters_close(&m.counters);
        assert_int_equal(open_descriptors(), before);
        assert_error(&m, -EBADF);
        machine_free(&m); /* twice does no harm */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_normal),
                cmocka_unit_test(test_each_field),
                cmocka_unit_test(test_fields_missing),
                cmocka_unit_test(test_garbage),
                cmocka_unit_test(test_outstanding),
                cmocka_unit_test(test_states),
                cmocka_unit_test(test_file_vanished),
                cmocka_unit_test(test_open_errors),
                cmocka_unit_test(test_closed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
