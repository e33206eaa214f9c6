/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#include "agent/decide/names.h"
#include "agent/state-file.h"
#include "tests/unit/random.h"
#include "tests/unit/temp-dir.h"

#define ACTED_AT ((usec_t) 1234567890123)

static const struct disk_id disk = {
        .name = "nvme0c0n1",
        .diskseq = 7,
        .serial = "a b\\c",
        .wwid = "nvme.1b36-61 62",
        .kind = DISK_NVME,
        .driver = "nvme",
        .address = "nvme0",
        .domain = "nvme0",
};
static const struct disk_nodes nodes = { .reset_node = "/dev/nvme0n1" };
static const struct properties properties = {
        .bytes = 1 << 30,
        .size = 58,
        .ours = 39,
        .text = "UNHANG_POLICY=data base\0UNHANG_IGNORE=\0ID_MODEL=QEMU NVMe",
};

/* A memory of its own for each: nothing is the same by chance. */
static struct memory memory_of(enum incident_state state, usec_t acted_at) {
        struct memory memory = {
                .past = { .state = state, .act = (enum step) (state % _STEP_MAX),
                          .unmounted = state % 2, .acted_at = acted_at },
                .suppressed_until = acted_at / 3,
        };

        for (size_t i = 0; i < LADDER_ACTS_MAX; i++)
                memory.past.acts[i] = acted_at / (i + 2);
        return memory;
}

static int write_all(struct state_file *file, enum incident_state state, usec_t acted_at,
                     const struct mounts *mounts) {
        const struct state_disk what = { &disk, &nodes, &properties };
        struct memory memory = memory_of(state, acted_at);

        return state_file_write(file, &memory, &what, mounts);
}

static int set(struct state_file *file, enum incident_state state, usec_t acted_at) {
        struct memory memory = memory_of(state, acted_at);

        return state_file_set(file, &memory);
}

static struct state_file open_in(const struct temp_dir *dir) {
        struct disk_id id = disk;
        struct state_file file = {};

        id.devnum = makedev(8, 0);
        assert_int_equal(state_file_open(dir->path, &id, &file), 0);
        return file;
}

static struct mount_entry entry(const char *target, const char *data) {
        struct mount_entry e = {
                .id = 42,
                .devnum = makedev(8, 1),
                .source = "/dev/sda1",
                .root = "/",
                .fstype = "ext4",
                .flags = MS_NOATIME | MS_NODEV,
        };

        (void) snprintf(e.target, sizeof(e.target), "%s", target);
        (void) snprintf(e.data, sizeof(e.data), "%s", data);
        return e;
}

static void assert_same_entry(const struct mount_entry *a, const struct mount_entry *b) {
        assert_int_equal(a->id, b->id);
        assert_int_equal(a->devnum, b->devnum);
        assert_string_equal(a->source, b->source);
        assert_string_equal(a->root, b->root);
        assert_string_equal(a->target, b->target);
        assert_string_equal(a->fstype, b->fstype);
        assert_int_equal(a->flags, b->flags);
        assert_string_equal(a->data, b->data);
        assert_int_equal(a->n_volumes, b->n_volumes);
        for (unsigned i = 0; i < a->n_volumes; i++) {
                assert_int_equal(a->volumes[i].kind, b->volumes[i].kind);
                assert_string_equal(a->volumes[i].name, b->volumes[i].name);
        }
}

static void assert_same_disk(const struct disk_found *found) {
        assert_string_equal(found->id.name, disk.name);
        assert_int_equal(found->id.devnum, disk.devnum);
        assert_int_equal(found->id.diskseq, disk.diskseq);
        assert_int_equal(found->nodes.diskseq, disk.diskseq);
        assert_string_equal(found->id.serial, disk.serial);
        assert_string_equal(found->id.wwid, disk.wwid);
        assert_int_equal(found->id.kind, disk.kind);
        assert_int_equal(found->nodes.kind, disk.kind);
        assert_string_equal(found->id.driver, disk.driver);
        assert_string_equal(found->id.address, disk.address);
        assert_string_equal(found->id.domain, disk.domain);
        assert_string_equal(found->nodes.reset_node, nodes.reset_node);
        assert_true(properties_equal(&found->properties, &properties));
        assert_true(properties_equal_ours(&found->properties, &properties));
}

/* Reads it through another descriptor, as the next daemon does. */
static void assert_tells(const struct temp_dir *dir, enum incident_state state, usec_t acted_at,
                         const struct mounts *mounts) {
        struct state_file file = open_in(dir);
        struct memory found = {}, told = memory_of(state, acted_at);
        struct disk_found what;
        struct mounts back = {};

        assert_int_equal(state_file_read(&file, &found, &what, &back), 0);
        assert_same_disk(&what);
        assert_memory_equal(&found, &told, sizeof(told));
        assert_int_equal(back.n, mounts->n);
        for (size_t i = 0; i < back.n; i++)
                assert_same_entry(back.entries + i, mounts->entries + i);
        mounts_clear(&back);
        state_file_close(&file);
}

static void test_round_trip(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        struct mount_entry entries[] = { entry("/mnt/a", "errors=remount-ro,data=ordered"),
                                         entry("/mnt/b", "") };
        const struct mounts mounts = { entries, ELEMENTSOF(entries) };
        struct state_file file = open_in(&dir);

        entries[1].n_volumes = 2;
        entries[1].volumes[0] = (struct mount_volume) { MOUNT_VOLUME_LVM, "vg-a b" };
        entries[1].volumes[1] = (struct mount_volume) { MOUNT_VOLUME_CRYPT, "vault" };
        for (int i = 0; i < _INCIDENT_STATE_MAX; i++) {
                enum incident_state s = (enum incident_state) i;

                assert_int_equal(write_all(&file, s, ACTED_AT, &mounts), 0);
                assert_tells(&dir, s, ACTED_AT, &mounts);
        }
        state_file_close(&file);
}

/* Only one line is rewritten: the mounts stay, whatever the length of the state's name. */
static void test_set(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        struct mount_entry entries[] = { entry("/mnt/a", "x") };
        const struct mounts mounts = { entries, 1 };
        struct state_file file = open_in(&dir);
        usec_t times[] = { 0, 1, ACTED_AT, USEC_INFINITY };

        assert_int_equal(write_all(&file, INCIDENT_HEALTHY, 0, &mounts), 0);
        for (int i = 0; i < _INCIDENT_STATE_MAX; i++)
                for (size_t k = 0; k < ELEMENTSOF(times); k++) {
                        enum incident_state s = (enum incident_state) i;

                        assert_int_equal(set(&file, s, times[k]), 0);
                        assert_tells(&dir, s, times[k], &mounts);
                }
        state_file_close(&file);
}

static void test_shorter_and_longer(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        struct mount_entry *entries = calloc(200, sizeof(*entries));
        struct state_file file = open_in(&dir);

        for (size_t i = 0; i < 200; i++)
                entries[i] = entry(i % 2 ? "/mnt/some where" : "/m", "opt");
        for (size_t n = 0; n <= 200; n = n < 3 ? n + 1 : n * 4) {
                const struct mounts many = { entries, 200 }, few = { entries, n };

                assert_int_equal(write_all(&file, INCIDENT_FAILED, 5, &many), 0);
                assert_tells(&dir, INCIDENT_FAILED, 5, &many);
                assert_int_equal(write_all(&file, INCIDENT_BUSY, 6, &few), 0);
                assert_tells(&dir, INCIDENT_BUSY, 6, &few);
        }
        state_file_close(&file);
        free(entries);
}

static void test_hostile_texts(void **state) {
        static const char *const texts[] = {
                "/mnt/with space", "/mnt/line\nbreak", "/mnt/tab\there", "/mnt/back\\slash",
                "/mnt/\\040", "/mnt/\\134", "\n", " ", "\\", "/mnt/- ", "/-", "/mnt/\xff\xfe\x01",
                "/mnt/a\nmount 1 8:0 0 /dev/sda / /etc ext4 -", "/mnt/trailing ", " leading", "",
        };
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        struct mount_entry entries[ELEMENTSOF(texts)];
        const struct mounts mounts = { entries, ELEMENTSOF(entries) };
        struct state_file file = open_in(&dir);

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                entries[i] = entry(texts[i], texts[i]);
                (void) snprintf(entries[i].source, PATH_MAX, "%s", texts[i]);
                (void) snprintf(entries[i].root, PATH_MAX, "%s", texts[i]);
                entries[i].id = i % 2 ? INT_MAX : -1;
                entries[i].flags = i % 2 ? ULONG_MAX : 0;
                entries[i].devnum = makedev(4095, 1048575);
        }
        assert_int_equal(write_all(&file, INCIDENT_SHUTTING, ACTED_AT, &mounts), 0);
        assert_tells(&dir, INCIDENT_SHUTTING, ACTED_AT, &mounts);
        state_file_close(&file);
}

static void test_longest_texts(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        struct mount_entry e = entry("", "");
        const struct mounts mounts = { &e, 1 };
        struct state_file file = open_in(&dir);

        for (const char *c = "x \\"; *c; c++) {
                memset(e.source, *c, sizeof(e.source) - 1);
                memset(e.root, *c, sizeof(e.root) - 1);
                memset(e.target, *c, sizeof(e.target) - 1);
                memset(e.fstype, *c, sizeof(e.fstype) - 1);
                memset(e.data, *c, sizeof(e.data) - 1);
                assert_int_equal(write_all(&file, INCIDENT_DRAINING, 9, &mounts), 0);
                assert_tells(&dir, INCIDENT_DRAINING, 9, &mounts);
        }
        state_file_close(&file);
}

/* Reads a file of these bytes. Whatever is found is sound, and nothing leaks. */
static int read_bytes(const struct temp_dir *dir, const void *data, size_t n) {
        struct memory memory = { .past.state = _INCIDENT_STATE_MAX };
        struct state_file file = open_in(dir);
        struct disk_found what;
        struct mounts mounts = {};
        int r;

        write_bytes(file.path, data, n);
        r = state_file_read(&file, &memory, &what, &mounts);
        if (r == 0) {
                assert_true(what.id.kind < _DISK_KIND_MAX);
                assert_true(memchr(what.id.name, '\0', sizeof(what.id.name)));
                assert_true(what.properties.size <= PROPERTIES_MAX);
                assert_true(memory.past.state < _INCIDENT_STATE_MAX);
                assert_true(memory.past.act < _STEP_MAX);
                for (size_t i = 0; i < mounts.n; i++)
                        assert_true(strnlen(mounts.entries[i].target, PATH_MAX) < PATH_MAX);
                mounts_clear(&mounts);
        } else {
                assert_true(r == -EBADMSG || r == -ENODATA);
                assert_int_equal(memory.past.state, _INCIDENT_STATE_MAX);
                assert_null(mounts.entries);
        }
        state_file_close(&file);
        return r;
}

static int read_file_text(const struct temp_dir *dir, const char *text) {
        return read_bytes(dir, text, strlen(text));
}

#define STATE \
        "state failed       offline              1 00000000000000000123 00000000000000000000\n"
#define ACTS "acts 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
#define LINE STATE ACTS
#define DISK \
        "disk 259:1 7 1024 nvme nvme0c0n1 serial nvme.1b36 nvme nvme0 nvme0 /dev/nvme0n1\n" \
        "property UNHANG_POLICY=data\\040base\n" \
        "property ID_MODEL=QEMU\n"
#define MOUNT "mount 42 8:1 1024 /dev/sda1 / /mnt/a ext4 errors=remount-ro\n"

static void test_nothing_told(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();

        assert_int_equal(read_file_text(&dir, ""), -ENODATA);
}

static void test_garbage(void **state) {
        static const char *const garbage[] = {
                "\n", "x", "state", "state \n", "state failed\n", STATE, ACTS,
                "state failed 0\n" ACTS, "state stuck offline 0 0 0\n" ACTS,
                "state failedd offline 0 0 0\n" ACTS, "state failed offlin 0 0 0\n" ACTS,
                "state failed offline 0 0\n" ACTS, "state failed offline 0 0 0 0\n" ACTS,
                STATE "acts 1 2 3\n", STATE "acts 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 x\n",
                STATE "acts 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n", "failed\n",
                "mount\n", MOUNT, MOUNT LINE,
                LINE "\n", LINE "x\n", LINE "mount\n", LINE "mount \n", LINE LINE,
                LINE "mount x 8:1 0 a / /b ext4 -\n", LINE "mount 1 8 0 a / /b ext4 -\n",
                LINE "mount 1 8:1 0 a / /b ext4\n", LINE "mount 1 8:1 0 a /\n",
                LINE "mount 1 8:1 0\n", LINE "mount 1 8:1 0 \n",
                LINE "mount 1 8:1 0 a / /b 012345678901234567890123456789012 -\n",
                LINE MOUNT "mount 1\n",
                LINE "mount 42 8:1 1024 /dev/sda1 / /mnt/a ext4 ro extra\n",
                LINE "disk\n", LINE "disk \n", LINE DISK DISK,
                LINE "disk 259:1 7 1024 nvme\n", LINE "disk 259:1 7 nvme sda s w d a h n\n",
                LINE "disk 259:1 7 1 nvm sda s w d a h n\n",
                LINE "disk 259:1 7 1 nvme - s w d a h n\n",
                LINE "disk 259:1 7 1 nvme ../sda s w d a h n\n",
                LINE "disk 259:1 7 1 nvme sda s w d a h\n",
                LINE "disk 259:1 7 1 nvme sda s w d a h n n\n",
                LINE "property\n", LINE "property \n", LINE "property X\n",
                LINE "property X=1 2\n",
        };
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();

        assert_int_equal(read_file_text(&dir, LINE MOUNT MOUNT), 0);
        assert_int_equal(read_file_text(&dir, LINE DISK MOUNT), 0);
        for (size_t i = 0; i < ELEMENTSOF(garbage); i++)
                if (read_file_text(&dir, garbage[i]) != -EBADMSG)
                        fail_msg("taken for a state file: \"%s\"", garbage[i]);
}

static void test_too_long(void **state) {
        static char text[64 * 1024];
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();

        for (size_t n = PATH_MAX - 1; n <= PATH_MAX; n++) {
                int used = snprintf(text, sizeof(text), LINE "mount 1 8:1 0 /dev/sda / /");

                memset(text + used, 'x', n - 1);
                (void) sprintf(text + used + n - 1, " ext4 -\n");
                assert_int_equal(read_file_text(&dir, text), n < PATH_MAX ? 0 : -EBADMSG);
        }
        memset(text, 'x', sizeof(text) - 1);
        assert_int_equal(read_file_text(&dir, text), -EBADMSG);
}

/* Cut anywhere: either it ends with a whole line, or it makes no sense. A mount with half of its
 * options would be worse than none. */
static void test_truncated(void **state) {
        static const char whole[] = LINE DISK MOUNT MOUNT;
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();

        for (size_t n = 1; n < sizeof(whole); n++)
                if (read_bytes(&dir, whole, n) !=
                    (n > strlen(STATE) && whole[n - 1] == '\n' ? 0 : -EBADMSG))
                        fail_msg("cut after %zu bytes", n);
}

/* As a write that found /run full leaves it: the size is there, the end is not. */
static void test_hole(void **state) {
        static const char whole[] = LINE DISK MOUNT MOUNT;
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();

        for (size_t n = 0; n + 1 < sizeof(whole); n++) {
                char holed[sizeof(whole)] = {};

                memcpy(holed, whole, n);
                if (read_bytes(&dir, holed, sizeof(whole) - 1) != -EBADMSG)
                        fail_msg("nothing after %zu bytes", n);
        }
        for (size_t n = 0; n + 2 < sizeof(whole); n++) {
                char nul[sizeof(whole)];

                memcpy(nul, whole, sizeof(whole));
                nul[n] = '\0';
                if (read_bytes(&dir, nul, sizeof(whole) - 1) != -EBADMSG)
                        fail_msg("a NUL after %zu bytes", n);
        }
}

static void test_random_damage(void **state) {
        static const char whole[] = LINE DISK MOUNT MOUNT;
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        struct random random = { 0x756e68616e6b };

        for (int i = 0; i < 3000; i++) {
                char text[sizeof(whole)];

                memcpy(text, whole, sizeof(whole));
                for (uint64_t k = random_between(&random, 1, 6); k > 0; k--)
                        text[random_between(&random, 0, sizeof(whole) - 2)] =
                                random_between(&random, 0, 1)
                                        ? (char) random_u64(&random)
                                        : " \n\\-:0"[random_between(&random, 0, 5)];
                (void) read_bytes(&dir, text, random_between(&random, 0, sizeof(whole) - 1));
        }
}

static void test_paths(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        struct disk_id id = { .devnum = makedev(8, 16), .diskseq = UINT64_MAX };
        struct state_file file = { .fd = -EBADF };
        char path[PATH_MAX], long_dir[200];
        const struct mounts none = {};

        assert_int_equal(state_file_open(dir.path, &id, &file), 0);
        assert_string_equal(file.path, temp_path(&dir, "disk-8:16-18446744073709551615"));
        assert_int_equal(fcntl(file.fd, F_GETFD), FD_CLOEXEC);
        state_file_remove(&file);
        assert_int_equal(file.fd, -EBADF);
        assert_int_equal(access(file.path, F_OK), -1);
        state_file_remove(&file); /* closed already: touches nothing */
        write_text(file.path, "another's");
        state_file_remove(&file);
        assert_int_equal(access(file.path, F_OK), 0);

        /* Nobody leads us elsewhere. */
        (void) unlink(file.path);
        make_symlink("/dev/null", file.path);
        assert_int_equal(state_file_open(dir.path, &id, &file), -ELOOP);

        (void) snprintf(path, sizeof(path), "%s/none", dir.path);
        assert_int_equal(state_file_open(path, &id, &file), -ENOENT);
        memset(long_dir, 'x', sizeof(long_dir) - 1);
        long_dir[sizeof(long_dir) - 1] = '\0';
        assert_int_equal(state_file_open(long_dir, &id, &file), -ENAMETOOLONG);

        file.fd = open("/dev/full", O_RDWR | O_CLOEXEC);
        assert_int_equal(set(&file, INCIDENT_ACTING, 0), -ENOSPC);
        assert_true(write_all(&file, INCIDENT_ACTING, 0, &none) < 0);
        state_file_close(&file);
        assert_int_equal(set(&file, INCIDENT_ACTING, 0), -EBADF);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_set),
                cmocka_unit_test(test_shorter_and_longer),
                cmocka_unit_test(test_hostile_texts),
                cmocka_unit_test(test_longest_texts),
                cmocka_unit_test(test_nothing_told),
                cmocka_unit_test(test_garbage),
                cmocka_unit_test(test_too_long),
                cmocka_unit_test(test_truncated),
                cmocka_unit_test(test_hole),
                cmocka_unit_test(test_random_damage),
                cmocka_unit_test(test_paths),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
