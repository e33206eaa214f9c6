/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/decide/names.h"
#include "agent/observe/owner.h"
#include "tests/unit/stack-machine.h"

#define ROOT "28 1 254:9 / / rw shared:1 - ext4 /dev/vda1 rw\n"

static void add_program(const struct temp_dir *dir, const char *pid, const char *comm,
                        const char *const *files) {
        char line[32];

        (void) snprintf(line, sizeof(line), "%s\n", comm);
        write_text(temp_path(dir, "proc/%s/comm", pid), line);
        make_parents(temp_path(dir, "proc/%s/fd/", pid));
        for (size_t i = 0; files[i]; i++)
                make_symlink(files[i], temp_path(dir, "proc/%s/fd/%zu", pid, i));
}

static unsigned owners_of(const struct temp_dir *dir, const char *name, unsigned minor,
                          const char *device_dir) {
        struct disk_id id = { .kind = DISK_SCSI, .domain = "host3" };
        char procfs[PATH_MAX], sysfs[PATH_MAX];
        struct disk_nodes nodes = {};
        struct claims claims;
        struct stack stack = {};
        unsigned owners;

        (void) snprintf(id.name, sizeof(id.name), "%s", name);
        (void) snprintf(nodes.device_dir, sizeof(nodes.device_dir), "%s", device_dir);
        claims_read(temp_path_in(procfs, dir, "proc"), temp_path_in(sysfs, dir, "."), &claims);
        read_stack(dir, minor, &stack);
        owners = owners_of_disk(&id, &nodes, &stack, &claims);
        stack_clear(&stack);
        return owners;
}

#define HOST "/sys/devices/pci0000:00/virtio1/host3"
#define SDA(dir) owners_of(dir, "sda", 0, HOST "/target3:0:0/3:0:0:0")
#define SDB(dir) owners_of(dir, "sdb", 16, HOST "/target3:0:1/3:0:1:0")

static void test_nobody(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(
                ROOT "40 28 8:16 / /data rw - ext4 /dev/sdb rw\n", "/dev/sda1 partition 1 0 -2\n");

        add_dm(&dir, "dm-0", "254:0", "vg-lv", "LVM-abc");
        add_dm(&dir, "dm-1", "254:1", "vg-lv_rimage_x", "LVM-abd");
        hold(&dir, "sda2", "dm-0");
        hold(&dir, "sda2", "dm-1");
        add_program(&dir, "7", "postgres", (const char *const[]) { "/dev/sdb", NULL });
        add_program(&dir, "8", "sbd2", (const char *const[]) { "/dev/sdb", NULL });
        assert_int_equal(SDA(&dir), 0);
        assert_int_equal(SDB(&dir), 0);
}

static void test_volumes(void **state) {
        static const struct {
                const char *name, *uuid;
                enum disk_owner owner;
        } cases[] = {
                { "mpatha", "mpath-3600140", OWNER_MULTIPATH },
                { "vg-lv_rimage_0", "LVM-abc", OWNER_DM_RAID },
                { "vg-lv_rmeta_12", "LVM-abc", OWNER_DM_RAID },
                { "vg-lv_mimage_1", "LVM-abc", OWNER_DM_RAID },
                { "isw_bdgj", "DMRAID-isw_bdgj", OWNER_DM_RAID },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_temp_dir_ struct temp_dir dir = stack_machine(ROOT, "");

                add_dm(&dir, "dm-0", "254:0", cases[i].name, cases[i].uuid);
                hold(&dir, "sda2", "dm-0");
                assert_int_equal(SDA(&dir), OWNER_BIT(cases[i].owner));
                assert_int_equal(SDB(&dir), 0);
        }
}

static void test_md_and_drbd(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(ROOT, "");

        add_md(&dir, "md0", "9:0", "raid1", "2");
        add_disk(&dir, "drbd0", "147:0");
        hold(&dir, "sda2", "md0");
        hold(&dir, "md0", "drbd0");
        assert_int_equal(SDA(&dir), OWNER_BIT(OWNER_MD) | OWNER_BIT(OWNER_DRBD));
}

static void test_iscsi(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(ROOT, "");

        assert_int_equal(owners_of(&dir, "sdb", 16,
                                   "/sys/devices/platform/host3/session1/target3:0:0/3:0:0:1"),
                         OWNER_BIT(OWNER_ISCSI));
        /* Not its own host's. */
        assert_int_equal(owners_of(&dir, "sdb", 16,
                                   "/sys/devices/host33/session1/host3/target3:0:0/3:0:0:1"), 0);
}

static void test_cluster_filesystem(void **state) {
        static const char *const types[] = { "gfs2", "ocfs2" };

        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                _cleanup_temp_dir_ struct temp_dir dir = {};
                char mountinfo[256];

                (void) snprintf(mountinfo, sizeof(mountinfo),
                                ROOT "40 28 8:16 / /data rw - %s /dev/sdb rw\n", types[i]);
                dir = stack_machine(mountinfo, "");
                assert_int_equal(SDB(&dir), OWNER_BIT(OWNER_CLUSTER));
        }
}

static void test_programs(void **state) {
        static const struct {
                const char *comm;
                enum disk_owner owner;
        } cases[] = {
                { "sbd", OWNER_SBD },
                { "sanlock", OWNER_SANLOCK },
                { "corosync", OWNER_CLUSTER },
                { "dlm_controld", OWNER_CLUSTER },
                { "pacemaker-fence", OWNER_CLUSTER },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_temp_dir_ struct temp_dir dir = stack_machine(ROOT, "");

                add_dm(&dir, "dm-0", "254:0", "lockspace-ids", "LVM-abc");
                hold(&dir, "sda2", "dm-0");
                add_program(&dir, "77", cases[i].comm,
                            (const char *const[]) { "/dev/null", "socket:[1]", "/dev/dm-0",
                                                    "/dev/dm-0", NULL });
                assert_int_equal(SDA(&dir), OWNER_BIT(cases[i].owner));
                assert_int_equal(SDB(&dir), 0);
        }
}

static void test_whole_disk_open(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(ROOT, "");

        add_program(&dir, "77", "sbd", (const char *const[]) { "/dev/sdb", NULL });
        add_program(&dir, "78", "sanlock", (const char *const[]) { "/dev/sda1", NULL });
        assert_int_equal(SDA(&dir), OWNER_BIT(OWNER_SANLOCK));
        assert_int_equal(SDB(&dir), OWNER_BIT(OWNER_SBD));
}

/* What it has open cannot be told: it may be any disk. */
static void test_untold(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(ROOT, "");

        write_text(temp_path(&dir, "proc/77/comm"), "sbd\n");
        write_text(temp_path(&dir, "proc/77/fd"), "");
        assert_int_equal(SDA(&dir), OWNER_BIT(OWNER_SBD));
        assert_int_equal(SDB(&dir), OWNER_BIT(OWNER_SBD));
}

/* It has ended while it was looked at. */
static void test_ended(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(ROOT, "");

        write_text(temp_path(&dir, "proc/77/comm"), "sbd\n");
        make_parents(temp_path(&dir, "proc/78/"));
        assert_int_equal(SDA(&dir), 0);
}

static void test_too_many(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(ROOT, "");
        char names[CLAIMS_MAX + 1][24];
        const char *files[CLAIMS_MAX + 2] = {};

        for (unsigned i = 0; i < CLAIMS_MAX + 1; i++) {
                char number[16];

                (void) snprintf(names[i], sizeof(names[i]), "/dev/vd%u", i);
                (void) snprintf(number, sizeof(number), "250:%u", i);
                add_disk(&dir, names[i] + strlen("/dev/"), number);
                files[i] = names[i];
        }
        add_program(&dir, "77", "sanlock", files);
        assert_int_equal(SDA(&dir), OWNER_BIT(OWNER_SANLOCK));
}

static void test_words(void **state) {
        for (enum disk_owner i = 0; i < _DISK_OWNER_MAX; i++) {
                assert_non_null(owner_to_string(i));
                assert_non_null(owner_reason(i));
                assert_int_equal(owner_from_string(owner_to_string(i)), i);
        }
        assert_int_equal(owner_from_string("nobody"), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nobody),
                cmocka_unit_test(test_volumes),
                cmocka_unit_test(test_md_and_drbd),
                cmocka_unit_test(test_iscsi),
                cmocka_unit_test(test_cluster_filesystem),
                cmocka_unit_test(test_programs),
                cmocka_unit_test(test_whole_disk_open),
                cmocka_unit_test(test_untold),
                cmocka_unit_test(test_ended),
                cmocka_unit_test(test_too_many),
                cmocka_unit_test(test_words),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
