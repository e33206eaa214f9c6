/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/stack-machine.h"

#include <sys/mount.h>

/* sda (8:0) with sda1 and sda2, sdb (8:16) without partitions, sdp16 under another major number, an
 * LVM volume; as Debian 12 shows them. */
#define MOUNTINFO \
        "22 28 0:20 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw\n" \
        "23 28 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:14 - proc proc rw\n" \
        "28 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro\n" \
        "40 28 8:2 / /srv rw,noatime shared:20 - xfs /dev/sda2 rw,attr2,inode64,noquota\n" \
        "41 28 8:16 / /mnt/db rw,nosuid,nodev,noexec,relatime - ext4 /dev/sdb rw,stripe=64\n" \
        "42 28 8:16 /pgdata /var/lib/pg rw,relatime master:3 - ext4 /dev/sdb rw,stripe=64\n" \
        "43 28 259:0 / /mnt/p16 rw,relatime - ext4 /dev/sdp16 rw\n" \
        "44 28 254:0 / /mnt/lvm rw,relatime - ext4 /dev/mapper/vg-lv rw\n" \
        "45 28 0:31 / /tmp rw,nosuid - tmpfs tmpfs rw,size=1024k\n"

static struct temp_dir machine_new(void) {
        struct temp_dir dir = stack_machine(MOUNTINFO, "");

        add_disk(&dir, "sdp", "8:240");
        add_partition(&dir, "sdp", "sdp16", "259:0");
        add_dm(&dir, "dm-0", "254:0", "vg-lv", "LVM-abc");
        return dir;
}

static void put_mountinfo(const struct temp_dir *dir, const char *text) {
        write_text(temp_path(dir, "proc/self/mountinfo"), text);
}

static int read_mounts(const struct temp_dir *dir, unsigned minor, struct mounts *ret) {
        struct libmnt_table *table;
        struct stack stack = {};
        int r;

        read_stack(dir, minor, &stack);
        assert_int_equal(mount_table_read(temp_path(dir, "proc/self/mountinfo"), &table), 0);
        r = mounts_of_stack(table, &stack, ret);
        mount_table_free(table);
        stack_clear(&stack);
        return r;
}

/* The one mount of sdb, when mountinfo is this line. */
static struct mounts one_mount(const struct temp_dir *dir, const char *line) {
        struct mounts mounts = {};

        put_mountinfo(dir, line);
        assert_int_equal(read_mounts(dir, 16, &mounts), 0);
        assert_int_equal(mounts.n, 1);
        return mounts;
}

static void test_whole_disk(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = machine_new();
        struct mounts mounts = {};
        const struct mount_entry *e;

        assert_int_equal(read_mounts(&dir, 16, &mounts), 0);
        assert_int_equal(mounts.n, 2);
        e = mounts.entries;
        assert_int_equal(e->id, 41);
        assert_int_equal(e->devnum, makedev(8, 16));
        assert_string_equal(e->source, "/dev/sdb");
        assert_string_equal(e->root, "/");
        assert_string_equal(e->target, "/mnt/db");
        assert_string_equal(e->fstype, "ext4");
        assert_int_equal(e->flags, MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME);
        assert_string_equal(e->data, "stripe=64");

        e++; /* a part of it, bound elsewhere */
        assert_int_equal(e->id, 42);
        assert_string_equal(e->root, "/pgdata");
        assert_string_equal(e->target, "/var/lib/pg");
        assert_int_equal(e->flags, MS_RELATIME);
        mounts_clear(&mounts);
        assert_null(mounts.entries);
        assert_int_equal(mounts.n, 0);
        mounts_clear(&mounts);
}

static void test_partitions(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = machine_new();
        struct mounts mounts = {};

        assert_int_equal(read_mounts(&dir, 0, &mounts), 0);
        assert_int_equal(mounts.n, 2);
        assert_string_equal(mounts.entries[0].target, "/");
        assert_int_equal(mounts.entries[0].devnum, makedev(8, 1));
        assert_int_equal(mounts.entries[0].flags, MS_RELATIME);
        assert_string_equal(mounts.entries[0].data, "errors=remount-ro");
        assert_string_equal(mounts.entries[1].target, "/srv");
        assert_int_equal(mounts.entries[1].flags, MS_NOATIME);
        assert_string_equal(mounts.entries[1].data, "attr2,inode64,noquota");
        mounts_clear(&mounts);

        /* A partition is no disk, and its number may be far from its disk's. */
        assert_int_equal(read_mounts(&dir, 240, &mounts), 0);
        assert_int_equal(mounts.n, 1);
        assert_string_equal(mounts.entries[0].target, "/mnt/p16");
        assert_string_equal(mounts.entries[0].data, "");
        mounts_clear(&mounts);
}

/* With what has to be brought back before it, and by a name that stays. */
static void test_volumes_to_bring_back(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = machine_new();
        const struct mount_entry *e;
        struct mounts mounts;

        add_dm(&dir, "dm-1", "254:1", "vault", "CRYPT-LUKS2-0123-vault");
        hold(&dir, "sdb", "dm-1");
        hold(&dir, "dm-1", "dm-0");
        mounts = one_mount(&dir, "44 28 254:0 / /mnt/lvm rw - ext4 /dev/dm-0 rw\n");
        e = mounts.entries;
        assert_string_equal(e->source, "/dev/mapper/vg-lv");
        assert_int_equal(e->n_volumes, 2);
        assert_int_equal(e->volumes[0].kind, MOUNT_VOLUME_LVM);
        assert_string_equal(e->volumes[0].name, "vg-lv");
        assert_int_equal(e->volumes[1].kind, MOUNT_VOLUME_CRYPT);
        assert_string_equal(e->volumes[1].name, "vault");
        mounts_clear(&mounts);
}

static void test_other_disks(void **state) {
        static const unsigned minors[] = { 32, 17, 1600, 9 };
        _cleanup_temp_dir_ struct temp_dir dir = machine_new();

        for (size_t i = 0; i < ELEMENTSOF(minors); i++) {
                struct mounts mounts = { .n = 77 };

                assert_int_equal(read_mounts(&dir, minors[i], &mounts), 0);
                assert_int_equal(mounts.n, 0);
                mounts_clear(&mounts);
        }
}

static void test_flags_and_data(void **state) {
        static const struct {
                const char *mount, *super;
                unsigned long flags;
                const char *data;
        } cases[] = {
                { "rw", "rw", 0, "" },
                { "rw", "rw,a,b=c", 0, "a,b=c" },
                { "ro", "ro", MS_RDONLY, "" },
                { "ro,relatime", "ro,a", MS_RDONLY | MS_RELATIME, "a" },
                { "rw,relatime", "ro,a", MS_RDONLY | MS_RELATIME, "a" },
                { "rw", "rw,sync", MS_SYNCHRONOUS, "" },
                { "rw", "rw,sync,dirsync,lazytime,data=journal",
                  MS_SYNCHRONOUS | MS_DIRSYNC | MS_LAZYTIME, "data=journal" },
                { "rw,noatime,nodiratime", "rw", MS_NOATIME | MS_NODIRATIME, "" },
                { "rw", "rw,context=\"a,b\",x", 0, "context=\"a,b\",x" },
        };
        _cleanup_temp_dir_ struct temp_dir dir = machine_new();

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct mounts mounts;
                char line[512];

                (void) snprintf(line, sizeof(line), "41 28 8:16 / /mnt %s - ext4 /dev/sdb %s\n",
                                cases[i].mount, cases[i].super);
                mounts = one_mount(&dir, line);
                assert_int_equal(mounts.entries[0].flags, cases[i].flags);
                assert_string_equal(mounts.entries[0].data, cases[i].data);
                mounts_clear(&mounts);
        }
}

/* One mount of a superblock that can be written may be read-only: it stays so. */
static void test_read_only_mount_of_a_writable_filesystem(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = machine_new();
        struct mounts mounts =
                one_mount(&dir, "41 28 8:16 / /mnt ro,relatime - ext4 /dev/sdb rw\n");

        assert_int_equal(mounts.entries[0].flags, MS_RDONLY | MS_RELATIME);
        mounts_clear(&mounts);
}

static void test_escaped(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = machine_new();
        struct mounts mounts = one_mount(
                &dir, "41 28 8:16 /a\\040b /mnt/x\\040y\\011z\\012\\134040\\043 rw - ext4 "
                      "/dev/disk/by-label/my\\040disk rw\n");

        assert_string_equal(mounts.entries[0].root, "/a b");
        assert_string_equal(mounts.entries[0].target, "/mnt/x y\tz\n\\040#");
        assert_string_equal(mounts.entries[0].source, "/dev/disk/by-label/my disk");
        mounts_clear(&mounts);
}

static void test_optional_fields(void **state) {
        static const char *const fields[] = { "", "shared:1 ", "shared:1 master:2 ",
                                              "propagate_from:4 unbindable " };
        _cleanup_temp_dir_ struct temp_dir dir = machine_new();

        for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
                struct mounts mounts;
                char line[256];

                (void) snprintf(line, sizeof(line),
                                "41 28 8:16 / /mnt rw %s- fuseblk.x /dev/sdb rw\n", fields[i]);
                mounts = one_mount(&dir, line);
                assert_string_equal(mounts.entries[0].fstype, "fuseblk.x");
                assert_string_equal(mounts.entries[0].source, "/dev/sdb");
                mounts_clear(&mounts);
        }
}

static void test_over_long(void **state) {
        static char line[32 * 1024], x[PATH_MAX + 1];
        static const struct {
                size_t path, type, data;
                int error;
        } cases[] = {
                { PATH_MAX - 2, 4, 1, 0 },
                { PATH_MAX - 1, 4, 1, -ENAMETOOLONG },
                { 1, 31, 1, 0 },
                { 1, 32, 1, -ENAMETOOLONG },
                { 1, 4, 1023, 0 },
                { 1, 4, 1024, -ENAMETOOLONG },
        };
        _cleanup_temp_dir_ struct temp_dir dir = machine_new();

        memset(x, 'x', sizeof(x) - 1);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct mounts mounts = { .n = 77 };

                (void) snprintf(line, sizeof(line),
                                "40 28 8:16 / /mnt rw - ext4 /dev/sdb rw\n"
                                "41 28 8:16 / /%.*s rw - %.*s /dev/sdb rw,%.*s\n",
                                (int) cases[i].path, x, (int) cases[i].type, x,
                                (int) cases[i].data, x);
                put_mountinfo(&dir, line);
                assert_int_equal(read_mounts(&dir, 16, &mounts), cases[i].error);
                assert_int_equal(mounts.n, cases[i].error == 0 ? 2 : 77);
                if (cases[i].error == 0)
                        mounts_clear(&mounts);
        }
}

static void test_over_long_elsewhere(void **state) {
        static char line[32 * 1024], x[PATH_MAX + 1];
        _cleanup_temp_dir_ struct temp_dir dir = machine_new();
        struct mounts mounts = {};

        memset(x, 'x', sizeof(x) - 1);
        (void) snprintf(line, sizeof(line), "40 28 8:16 / /mnt rw - ext4 /dev/sdb rw\n"
                                            "41 28 8:2 / /%s rw - ext4 /dev/sda2 rw\n", x);
        put_mountinfo(&dir, line);
        assert_int_equal(read_mounts(&dir, 16, &mounts), 0);
        assert_int_equal(mounts.n, 1);
        mounts_clear(&mounts);
}

/* A volume on one disk only, which fails with it; and one that needs another disk, too. */
static void test_volumes(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = machine_new();
        struct mounts mounts = {};

        hold(&dir, "sdp16", "dm-0");
        put_mountinfo(&dir, "44 28 254:0 / /mnt/lvm rw,relatime - ext4 /dev/mapper/vg-lv rw\n");
        assert_int_equal(read_mounts(&dir, 240, &mounts), 0);
        assert_int_equal(mounts.n, 1);
        assert_string_equal(mounts.entries[0].target, "/mnt/lvm");
        assert_int_equal(mounts.entries[0].devnum, makedev(254, 0));
        mounts_clear(&mounts);

        hold(&dir, "sdb", "dm-0");
        assert_int_equal(read_mounts(&dir, 240, &mounts), 0);
        assert_int_equal(mounts.n, 0);
        mounts_clear(&mounts);
}

/* Its number is none of a disk. */
static void test_btrfs(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = machine_new();
        struct mounts mounts = one_mount(&dir, "41 28 0:44 /@db /mnt/db rw - btrfs /dev/sdb "
                                               "rw,subvolid=257,subvol=/@db\n");

        assert_int_equal(mounts.entries[0].devnum, makedev(0, 44));
        assert_string_equal(mounts.entries[0].root, "/@db");
        assert_string_equal(mounts.entries[0].data, "subvolid=257,subvol=/@db");
        mounts_clear(&mounts);
}

static void test_errors(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = machine_new();
        struct mounts mounts = one_mount(&dir, "41 28 8:16 / /mnt/db rw - ext4 /dev/sdb rw\n");
        struct mount_entry *entry = mounts.entries;
        uint64_t errors;

        assert_true(entry->errors == UINT64_MAX); /* not looked at */
        assert_int_equal(mount_errors(temp_path(&dir, "."), entry, &errors), -ENOENT);
        write_text(temp_path(&dir, "fs/ext4/sdb/errors_count"), "3\n");
        assert_int_equal(mount_errors(temp_path(&dir, "."), entry, &errors), 0);
        assert_int_equal(errors, 3);
        entry->devnum = makedev(7, 7);
        assert_int_equal(mount_errors(temp_path(&dir, "."), entry, &errors), -ENOENT);
        (void) strcpy(entry->fstype, "xfs");
        assert_int_equal(mount_errors(temp_path(&dir, "."), entry, &errors), -EOPNOTSUPP);
        mounts_clear(&mounts);
}

static void test_tables(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = machine_new();
        const struct stack nothing = {};
        struct mounts mounts = {};
        struct libmnt_table *table;

        assert_true(mount_table_read(temp_path(&dir, "none"), &table) < 0);
        put_mountinfo(&dir, "");
        assert_int_equal(read_mounts(&dir, 16, &mounts), 0);
        assert_int_equal(mounts.n, 0);
        mounts_clear(&mounts);

        /* The real one can be read, and nothing of it stands on nothing. */
        assert_int_equal(mount_table_read("/proc/self/mountinfo", &table), 0);
        assert_int_equal(mounts_of_stack(table, &nothing, &mounts), 0);
        assert_int_equal(mounts.n, 0);
        mount_table_free(table);
        mounts_clear(&mounts);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_whole_disk),
                cmocka_unit_test(test_partitions),
                cmocka_unit_test(test_volumes_to_bring_back),
                cmocka_unit_test(test_other_disks),
                cmocka_unit_test(test_flags_and_data),
                cmocka_unit_test(test_read_only_mount_of_a_writable_filesystem),
                cmocka_unit_test(test_escaped),
                cmocka_unit_test(test_optional_fields),
                cmocka_unit_test(test_over_long),
                cmocka_unit_test(test_over_long_elsewhere),
                cmocka_unit_test(test_volumes),
                cmocka_unit_test(test_btrfs),
                cmocka_unit_test(test_errors),
                cmocka_unit_test(test_tables),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
