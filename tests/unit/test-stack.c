/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/observe/volume.h"
#include "tests/unit/stack-machine.h"

#define ROOT "28 1 254:9 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"

static void test_nothing(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(ROOT, "");

        assert_stack(&dir, 16, "", false, true);
        assert_stack(&dir, 0, "partition sda1\npartition sda2\n", false, true);
        /* There is no such disk. */
        assert_stack(&dir, 32, "", true, false);
}

static void test_mounts(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(
                ROOT "40 28 8:2 / /srv rw - xfs /dev/sda2 rw\n"
                     "41 28 8:16 / /mnt/db rw - ext4 /dev/sdb rw\n"
                     "42 28 8:16 /pgdata /var/lib/pg rw - ext4 /dev/sdb rw\n",
                "");
        struct stack stack = {};

        assert_stack(&dir, 0,
                     "partition sda1\n"
                     "partition sda2\n"
                     "  filesystem xfs /dev/sda2\n"
                     "    mount xfs /srv\n",
                     false, true);
        assert_stack(&dir, 16,
                     "filesystem ext4 /dev/sdb\n"
                     "  mount ext4 /mnt/db\n"
                     "  mount ext4 /var/lib/pg\n",
                     false, true);
        read_stack(&dir, 16, &stack);
        assert_int_equal(stack.nodes[0].devices, 1);
        assert_int_equal(stack.nodes[0].devnum, makedev(8, 16));
        assert_int_equal(stack.nodes[2].id, 42);
        assert_int_equal(stack.nodes[2].space, 1);
        stack_clear(&stack);
        assert_null(stack.nodes);
        stack_clear(&stack);
}

/* ---- device mapper ---- */

static void test_dm_kinds(void **state) {
        static const struct {
                const char *uuid, *kind;
        } cases[] = {
                { "LVM-Zx7QbV", "lvm" },
                { "LVM-Zx7QbV-tpool", "lvm" },
                { "CRYPT-LUKS2-0123-data", "crypt" },
                { "CRYPT-LUKS1-0123-data", "crypt" },
                { "CRYPT-PLAIN-swap", "crypt" },
                { "CRYPT-VERITY-0123-usr", "dm" },
                { "mpath-360014", "multipath" },
                { "part1-mpath-360014", "dm" },
                { "", "dm" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_temp_dir_ struct temp_dir dir = stack_machine(ROOT, "");
                char expected[128];

                add_dm(&dir, "dm-0", "254:0", "data", cases[i].uuid);
                hold(&dir, "sdb", "dm-0");
                (void) snprintf(expected, sizeof(expected), "%s dm-0 data\n", cases[i].kind);
                assert_stack(&dir, 16, expected, true, true);
        }
}

/* LVM in LUKS on a partition, with a filesystem and swap; and a snapshot of it, with what LVM hides
 * beneath: the snapshot stands twice on the disk. */
static void test_lvm_in_luks(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir =
                stack_machine("28 1 254:1 / / rw shared:1 - ext4 /dev/mapper/vg-root rw\n",
                              "/dev/dm-2 partition 15356 0 -2\n");

        add_dm(&dir, "dm-0", "254:0", "crypt", "CRYPT-LUKS2-0123-crypt");
        add_dm(&dir, "dm-1", "254:1", "vg-root", "LVM-abc");
        add_dm(&dir, "dm-2", "254:2", "vg-swap", "LVM-abd");
        add_dm(&dir, "dm-3", "254:3", "vg-root-real", "LVM-abc-real");
        add_dm(&dir, "dm-4", "254:4", "vg-snap-cow", "LVM-abe-cow");
        add_dm(&dir, "dm-10", "254:10", "vg-snap", "LVM-abe");
        hold(&dir, "sda2", "dm-0");
        hold(&dir, "dm-0", "dm-2");
        hold(&dir, "dm-0", "dm-3");
        hold(&dir, "dm-0", "dm-4");
        hold(&dir, "dm-3", "dm-1");
        hold(&dir, "dm-3", "dm-10");
        hold(&dir, "dm-4", "dm-10");
        assert_stack(&dir, 0,
                     "partition sda1\n"
                     "partition sda2\n"
                     "  crypt dm-0 crypt\n"
                     "    lvm dm-2 vg-swap\n"
                     "      swap swap /dev/dm-2\n"
                     "    lvm dm-3 vg-root-real\n"
                     "      lvm dm-1 vg-root\n"
                     "        filesystem ext4 /dev/mapper/vg-root\n"
                     "          mount ext4 /\n"
                     "      lvm dm-10 vg-snap\n"
                     "    lvm dm-4 vg-snap-cow\n"
                     "      lvm dm-10 vg-snap, again\n",
                     true, true);
        assert_stack(&dir, 16, "", false, true);
}

/* What is ended by unmounting what stands on a volume: only where that has one device, and is not a
 * part of another. */
static void assert_followed(const struct temp_dir *dir, bool followed, bool if_it_leaves) {
        struct stack stack = {};

        read_stack(dir, 16, &stack);
        assert_int_equal(stack_is_unfollowed(&stack, false), !followed);
        assert_int_equal(stack_is_unfollowed(&stack, true), !if_it_leaves);
        assert_int_equal(stack_followed_mount(&stack, 40) != NULL, followed);
        assert_null(stack_followed_mount(&stack, 41));
        stack_clear(&stack);
}

static void test_followed_volumes(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(
                ROOT "40 28 254:1 / /data rw - ext4 /dev/mapper/vg-lv rw\n", "");

        add_dm(&dir, "dm-0", "254:0", "crypt", "CRYPT-LUKS2-0123-crypt");
        add_dm(&dir, "dm-1", "254:1", "vg-lv", "LVM-abc");
        hold(&dir, "sdb", "dm-0");
        hold(&dir, "dm-0", "dm-1");
        assert_followed(&dir, true, true);

        /* Nobody brings back what nothing is mounted on. */
        add_dm(&dir, "dm-2", "254:2", "vg-raw", "LVM-def");
        hold(&dir, "dm-0", "dm-2");
        assert_followed(&dir, true, false);

        hold(&dir, "sda1", "dm-1");
        assert_followed(&dir, false, false);
}

static void test_deep(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(
                ROOT "40 28 254:4 / /data rw - ext4 /dev/mapper/c4 rw\n", "");
        const char *below = "sdb";
        char name[8], number[8], volume[8];

        for (unsigned i = 0; i <= MOUNT_VOLUMES_MAX; i++) {
                (void) snprintf(name, sizeof(name), "dm-%u", i);
                (void) snprintf(number, sizeof(number), "254:%u", i);
                (void) snprintf(volume, sizeof(volume), "c%u", i);
                add_dm(&dir, name, number, volume, "CRYPT-LUKS2-0123-c");
                if (i < MOUNT_VOLUMES_MAX)
                        hold(&dir, below, name);
                below = i == 0 ? "dm-0" : i == 1 ? "dm-1" : i == 2 ? "dm-2" : "dm-3";
        }
        hold(&dir, "dm-3", "dm-4");
        assert_followed(&dir, false, false);
}

static void test_volume_on_volume(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(
                ROOT "40 28 254:1 / /data rw - ext4 /dev/mapper/vg-lv rw\n", "");

        add_dm(&dir, "dm-0", "254:0", "vg-lv-real", "LVM-abc-real");
        add_dm(&dir, "dm-1", "254:1", "vg-lv", "LVM-abc");
        hold(&dir, "sdb", "dm-0");
        hold(&dir, "dm-0", "dm-1");
        assert_followed(&dir, false, false);
}

/* What stands on an md that goes on is not touched, whatever it is. */
static void test_spared(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(
                ROOT "40 28 9:0 / /data rw - ext4 /dev/md0 rw\n", "");
        struct stack stack = {};

        add_md(&dir, "md0", "9:0", "raid1", "2");
        set(&dir, "md0", "md/dev-sdb/state", "in_sync");
        set(&dir, "md0", "md/dev-sda1/state", "in_sync");
        hold(&dir, "sdb", "md0");
        read_stack(&dir, 16, &stack);
        assert_false(stack_is_unfollowed(&stack, true));
        assert_null(stack_followed_mount(&stack, 40));
        stack_clear(&stack);

        set(&dir, "md0", "md/degraded", "1");
        read_stack(&dir, 16, &stack);
        assert_true(stack_is_unfollowed(&stack, false));
        assert_null(stack_followed_mount(&stack, 40));
        stack_clear(&stack);
}

static void test_multipath_with_partitions(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir =
                stack_machine(ROOT "40 28 254:1 / /data rw - ext4 /dev/mapper/mpatha-part1 rw\n",
                              "");

        add_dm(&dir, "dm-0", "254:0", "mpatha", "mpath-36001405");
        add_dm(&dir, "dm-1", "254:1", "mpatha-part1", "part1-mpath-36001405");
        hold(&dir, "sdb", "dm-0");
        hold(&dir, "dm-0", "dm-1");
        assert_stack(&dir, 16,
                     "multipath dm-0 mpatha\n"
                     "  dm dm-1 mpatha-part1\n"
                     "    filesystem ext4 /dev/mapper/mpatha-part1\n"
                     "      mount ext4 /data\n",
                     true, true);
}

/* From the names of nodes to those of the kernel. */
static void test_nodes(void **state) {
        static const struct {
                const char *path, *name;
        } cases[] = {
                { "/dev/sda1", "sda1" },
                { "/dev/mapper/v--g-l--v", "dm-7" },
                { "/dev/v-g/l-v", "dm-7" },
                { "/dev/mapper/v-g", NULL },
                { "/dev/v/g-l-v", NULL },
                { "/dev/sdz", NULL },
                { "/dev/", NULL },
                { "/dev/../dev/sda1", NULL },
                { "/data/sda1", NULL },
                { "sda1", NULL },
                { "", NULL },
        };
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(ROOT, "");

        add_dm(&dir, "dm-7", "254:7", "v--g-l--v", "LVM-abc");
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char name[16] = "";

                assert_int_equal(volume_of_node(dir.path, cases[i].path, name, sizeof(name)),
                                 cases[i].name != NULL);
                if (cases[i].name)
                        assert_string_equal(name, cases[i].name);
        }
}

/* ---- md ---- */

static void test_md(void **state) {
        static const struct {
                const char *level, *disks, *degraded, *state;
                bool spare;
        } cases[] = {
                { "raid1", "2", "0", "in_sync", true },
                { "raid1", "2", "0", "in_sync,write_mostly", true },
                { "raid1", "2", "1", "in_sync", false },
                { "raid1", "2", "1", "faulty", true },
                { "raid1", "2", "1", "spare", true },
                { "raid1", "3", "1", "in_sync", true },
                { "raid0", "2", "0", "in_sync", false },
                { "linear", "2", "0", "in_sync", false },
                { "raid10", "4", "0", "in_sync", true },
                { "raid10", "4", "1", "in_sync", false },
                { "raid10", "4", "2", "faulty", true },
                { "raid4", "3", "0", "in_sync", true },
                { "raid5", "3", "0", "in_sync", true },
                { "raid5", "3", "1", "in_sync", false },
                { "raid6", "4", "1", "in_sync", true },
                { "raid6", "4", "2", "in_sync", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_temp_dir_ struct temp_dir dir =
                        stack_machine(ROOT "40 28 9:0 / /data rw - ext4 /dev/md0 rw\n", "");
                char expected[256];

                add_md(&dir, "md0", "9:0", cases[i].level, cases[i].disks);
                set(&dir, "md0", "md/degraded", cases[i].degraded);
                set(&dir, "md0", "md/dev-sdb/state", cases[i].state);
                hold(&dir, "sdb", "md0");
                (void) snprintf(expected, sizeof(expected),
                                "md md0 %s%s\n"
                                "  filesystem ext4 /dev/md0\n"
                                "    mount ext4 /data\n",
                                cases[i].level, cases[i].spare ? ", spare" : "");
                assert_stack(&dir, 16, expected, !cases[i].spare, true);
        }
}

/* Both halves of a mirror on one disk: it cannot do without that disk. */
static void test_md_on_one_disk(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(ROOT, "");
        struct stack stack = {};

        add_md(&dir, "md0", "9:0", "raid1", "2");
        set(&dir, "md0", "md/dev-sda1/state", "in_sync");
        set(&dir, "md0", "md/dev-sda2/state", "in_sync");
        hold(&dir, "sda1", "md0");
        hold(&dir, "sda2", "md0");
        assert_stack(&dir, 0,
                     "partition sda1\n"
                     "  md md0 raid1\n"
                     "partition sda2\n"
                     "  md md0 raid1, again\n",
                     true, true);
        read_stack(&dir, 0, &stack);
        assert_int_equal(stack.nodes[1].devices, 2);
        stack_clear(&stack);
}

static void test_md_partitions(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir =
                stack_machine(ROOT "40 28 259:0 / /data rw - ext4 /dev/md0p1 rw\n", "");

        add_md(&dir, "md0", "9:0", "raid1", "2");
        add_partition(&dir, "md0", "md0p1", "259:0");
        hold(&dir, "sdb", "md0");
        assert_stack(&dir, 16,
                     "md md0 raid1, spare\n"
                     "  partition md0p1\n"
                     "    filesystem ext4 /dev/md0p1\n"
                     "      mount ext4 /data\n",
                     false, true);
}

/* ---- others ---- */

static void test_bcache_and_drbd(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(ROOT, "");

        add_disk(&dir, "bcache0", "252:0");
        add_disk(&dir, "drbd1", "147:1");
        add_disk(&dir, "odd0", "250:0");
        hold(&dir, "sda1", "bcache0");
        hold(&dir, "sda2", "drbd1");
        hold(&dir, "sdb", "odd0");
        assert_stack(&dir, 0,
                     "partition sda1\n"
                     "  bcache bcache0\n"
                     "partition sda2\n"
                     "  drbd drbd1\n",
                     true, true);
        assert_stack(&dir, 16, "device odd0\n", true, true);
}

static void test_loops(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(
                ROOT "40 28 8:16 / /data rw - ext4 /dev/sdb rw\n"
                     "41 40 0:44 / /data/tmp rw - tmpfs tmpfs rw\n"
                     "42 28 7:0 / /img rw - squashfs /dev/loop0 ro\n",
                "");

        add_disk(&dir, "loop0", "7:0");
        add_disk(&dir, "loop1", "7:1");
        add_disk(&dir, "loop2", "7:2");
        add_disk(&dir, "loop3", "7:3");
        add_disk(&dir, "loop10", "7:10");
        set(&dir, "loop0", "loop/backing_file", "/data/a file.img");
        set(&dir, "loop1", "loop/backing_file", "/data/tmp/in-memory.img");
        set(&dir, "loop2", "loop/backing_file", "/datas/elsewhere.img");
        set(&dir, "loop10", "loop/backing_file", "/data/gone (deleted)");
        add_partition(&dir, "loop10", "loop10p1", "259:1");
        assert_stack(&dir, 16,
                     "filesystem ext4 /dev/sdb\n"
                     "  mount ext4 /data\n"
                     "  loop loop0 /data/a file.img\n"
                     "    filesystem squashfs /dev/loop0\n"
                     "      mount squashfs /img\n"
                     "  loop loop10 /data/gone (deleted)\n"
                     "    partition loop10p1\n",
                     true, true);
}

static void test_btrfs(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(
                ROOT "40 28 0:40 / /pool rw - btrfs /dev/sda2 rw,subvol=/\n"
                     "41 28 0:40 /home /home rw - btrfs /dev/sda2 rw,subvol=/home\n"
                     "42 28 0:41 / /one rw - btrfs /dev/sda1 rw\n"
                     "44 28 0:43 / /fuse rw - fuse.x /dev/sdb rw\n"
                     "43 28 0:42 / /other rw - overlay overlay rw\n",
                "");
        struct stack stack = {};

        make_symlink(temp_path(&dir, "class/block/sda2"),
                     temp_path(&dir, "fs/btrfs/0123-45/devices/sda2"));
        make_symlink(temp_path(&dir, "class/block/sdb"),
                     temp_path(&dir, "fs/btrfs/0123-45/devices/sdb"));
        make_symlink(temp_path(&dir, "class/block/sda1"),
                     temp_path(&dir, "fs/btrfs/0123-46/devices/sda1"));
        make_parents(temp_path(&dir, "fs/btrfs/features/"));
        assert_stack(&dir, 16,
                     "filesystem btrfs /dev/sda2\n"
                     "  mount btrfs /pool\n"
                     "  mount btrfs /home\n",
                     true, true);
        assert_stack(&dir, 0,
                     "partition sda1\n"
                     "  filesystem btrfs /dev/sda1\n"
                     "    mount btrfs /one\n"
                     "partition sda2\n"
                     "  filesystem btrfs /dev/sda2\n"
                     "    mount btrfs /pool\n"
                     "    mount btrfs /home\n",
                     true, true);
        read_stack(&dir, 16, &stack);
        assert_true(stack_has_filesystem(&stack, "btrfs"));
        assert_false(stack_has_filesystem(&stack, "ext4"));
        assert_int_equal(stack.nodes[0].devices, 2);
        assert_int_equal(stack.nodes[0].devnum, makedev(0, 40));
        stack_clear(&stack);
}

/* In a namespace that no process is in any more. */
static void test_btrfs_mounted_out_of_sight(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(ROOT, "");

        make_symlink(temp_path(&dir, "class/block/sdb"),
                     temp_path(&dir, "fs/btrfs/0123-45/devices/sdb"));
        assert_stack(&dir, 16, "filesystem btrfs\n", true, false);
}

static void test_more_devices(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(
                ROOT "40 28 0:40 / /pool rw - bcachefs /dev/sda1:/dev/sdb rw\n"
                     "41 28 254:7 / /x rw - xfs /dev/vdb rw,attr2,logdev=/dev/sda2,noquota\n",
                "");

        assert_stack(&dir, 16,
                     "filesystem bcachefs /dev/sda1:/dev/sdb\n"
                     "  mount bcachefs /pool\n",
                     true, true);
        assert_stack(&dir, 0,
                     "partition sda1\n"
                     "  filesystem bcachefs /dev/sda1:/dev/sdb\n"
                     "    mount bcachefs /pool\n"
                     "partition sda2\n"
                     "  filesystem xfs /dev/vdb\n"
                     "    mount xfs /x\n",
                     true, true);
}

static void test_zfs(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir =
                stack_machine(ROOT "40 28 0:40 / /pool rw - zfs pool rw\n"
                                   "41 28 8:16 / /data rw - ext4 /dev/sdb rw\n",
                              "");

        assert_stack(&dir, 0, "partition sda1\npartition sda2\n", true, false);
        assert_stack(&dir, 16, "filesystem ext4 /dev/sdb\n  mount ext4 /data\n", false, true);
}

static void test_what_cannot_be_read(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(ROOT, "");

        assert_int_equal(rmdir(temp_path(&dir, "devices/sda/sda1/holders")), 0);
        assert_stack(&dir, 0, "partition sda1\npartition sda2\n", true, false);
        /* A holder that is gone when it is looked at. */
        make_symlink("../../dm-0", temp_path(&dir, "class/block/sdb/holders/dm-0"));
        assert_stack(&dir, 16, "", true, false);
}

/* The kernel lets no ring be, but if it were there it would end. */
static void test_ring(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(ROOT, "");

        add_dm(&dir, "dm-0", "254:0", "a", "");
        add_dm(&dir, "dm-1", "254:1", "b", "");
        hold(&dir, "sdb", "dm-0");
        hold(&dir, "dm-0", "dm-1");
        hold(&dir, "dm-1", "dm-0");
        hold(&dir, "dm-1", "sdb");
        assert_stack(&dir, 16,
                     "dm dm-0 a\n"
                     "  dm dm-1 b\n"
                     "    dm dm-0 a, again\n"
                     "    device sdb, again\n",
                     true, true);
}

static void test_too_deep(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(ROOT, "");
        char below[16] = "sdb", name[16], number[16];
        struct stack stack = {};

        for (unsigned i = 0; i < 40; i++) {
                (void) snprintf(name, sizeof(name), "dm-%u", i);
                (void) snprintf(number, sizeof(number), "254:%u", i);
                add_dm(&dir, name, number, name, "");
                hold(&dir, below, name);
                (void) strcpy(below, name);
        }
        read_stack(&dir, 16, &stack);
        assert_false(stack.complete);
        assert_true(stack.n > 10 && stack.n < 40);
        stack_clear(&stack);
}

static void test_too_many(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = {};
        size_t n = 0, size = 512 * 1024;
        char *text = malloc(size);
        struct stack stack = {};

        for (unsigned i = 0; i < STACK_NODES_MAX + 10; i++)
                n += (size_t) snprintf(text + n, size - n, "%u 28 8:16 / /m/%u rw - ext4 /dev/sdb "
                                                           "rw\n", i + 100, i);
        dir = stack_machine(text, "");
        read_stack(&dir, 16, &stack);
        assert_false(stack.complete);
        assert_int_equal(stack.n, STACK_NODES_MAX);
        stack_clear(&stack);
        free(text);
}

/* ---- swap ---- */

static void test_swap(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir =
                stack_machine(ROOT "40 28 8:16 / /data rw - ext4 /dev/sdb rw\n",
                              "/dev/sda2                               partition\t15356\t0\t-2\n"
                              "/data/a\\040swap\\011file              file\t\t15356\t0\t-3\n");

        /* The file is not there, and might be anywhere. */
        assert_stack(&dir, 0, "partition sda1\npartition sda2\n  swap swap /dev/sda2\n", true,
                     false);
        assert_stack(&dir, 16,
                     "filesystem ext4 /dev/sdb\n"
                     "  mount ext4 /data\n"
                     "  swap swap /data/a swap\tfile\n",
                     true, false);
}

/* What only its number tells to be a partition of sda. */
static void test_swap_by_number(void **state) {
        _cleanup_temp_dir_ struct temp_dir nodes = temp_dir_new(), dir = {};
        const char *node = temp_path(&nodes, "node");
        char swaps[PATH_MAX + 64], expected[PATH_MAX + 64];

        if (mknod(node, S_IFBLK | 0600, makedev(8, 2)) < 0) {
                print_message("SKIPPED: cannot make a device node: %s\n", strerror(errno));
                skip();
        }
        (void) snprintf(swaps, sizeof(swaps), "%s partition 15356 0 -2\n", node);
        (void) snprintf(expected, sizeof(expected),
                        "partition sda1\npartition sda2\n  swap swap %s\n", node);
        dir = stack_machine(ROOT, swaps);
        assert_stack(&dir, 0, expected, true, true);
        assert_stack(&dir, 16, "", false, true);
}

static void test_swap_on_an_unknown_node(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir =
                stack_machine(ROOT, "/nowhere/node partition 15356 0 -2\n");

        assert_stack(&dir, 16, "", true, false);
}

/* Where its path does not tell, the file itself does. */
static void test_swap_file_by_itself(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new(), machine = {};
        char number[32], mountinfo[256], swaps[PATH_MAX + 64], expected[PATH_MAX + 256];
        const char *file = temp_path(&dir, "file");
        struct stat st;

        write_text(file, "");
        assert_int_equal(stat(file, &st), 0);
        (void) snprintf(number, sizeof(number), "%u:%u", major(st.st_dev), minor(st.st_dev));
        (void) snprintf(mountinfo, sizeof(mountinfo), "40 28 %s / /elsewhere rw - ext4 /dev/x rw\n",
                        number);
        (void) snprintf(swaps, sizeof(swaps), "%s file 15356 0 -2\n", file);
        machine = stack_machine(mountinfo, swaps);
        add_partition(&machine, "sdb", "sdb1", number);
        (void) snprintf(expected, sizeof(expected),
                        "partition sdb1\n"
                        "  filesystem ext4 /dev/x\n"
                        "    mount ext4 /elsewhere\n"
                        "    swap swap %s\n",
                        file);
        assert_stack(&machine, 16, expected, true, true);
}

static void test_no_swap_in_the_kernel(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(ROOT, "");

        assert_int_equal(unlink(temp_path(&dir, "swaps")), 0);
        assert_stack(&dir, 16, "", false, true);
        assert_int_equal(mkdir(temp_path(&dir, "swaps"), 0700), 0);
        assert_stack(&dir, 16, "", true, false);
        assert_int_equal(rmdir(temp_path(&dir, "swaps")), 0);
        make_symlink("swaps", temp_path(&dir, "swaps"));
        assert_stack(&dir, 16, "", true, false);
}

/* ---- namespaces ---- */

#define SHARED "28 1 254:9 / / rw shared:1 - ext4 /dev/vda1 rw\n" \
               "40 28 8:16 / /data rw shared:5 - ext4 /dev/sdb rw\n"

static void test_namespace_that_follows(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(SHARED, "");
        struct stack stack = {};

        add_process(&dir, "1", 1, SHARED);
        /* A service of systemd, and one of that one's: slaves of slaves. */
        add_process(&dir, "12", 2,
                    "128 1 254:9 / / rw shared:21 master:1 - ext4 /dev/vda1 rw\n"
                    "140 128 8:16 / /data rw shared:25 master:5 - ext4 /dev/sdb rw\n");
        add_process(&dir, "13", 3,
                    "228 1 254:9 / / rw master:21 - ext4 /dev/vda1 rw\n"
                    "240 228 8:16 / /data rw master:25 - ext4 /dev/sdb rw\n");
        add_process(&dir, "14", 3, "no table\n");
        read_stack(&dir, 16, &stack);
        assert_int_equal(stack.n, 4);
        assert_int_equal(stack.nodes[1].pid, 0);
        assert_int_equal(stack.nodes[1].space, 1);
        for (size_t i = 2; i < 4; i++) {
                assert_int_equal(stack.nodes[i].space, stack.nodes[i].pid - 10);
                assert_false(stack.nodes[i].stays);
        }
        assert_true(stack.complete);
        assert_false(stack_is_unfollowed(&stack, true));
        stack_clear(&stack);
}

static void test_namespace_that_stays(void **state) {
        static const char *const others[] = {
                /* private throughout */
                "128 1 254:9 / / rw - ext4 /dev/vda1 rw\n"
                "140 128 8:16 / /data rw - ext4 /dev/sdb rw\n",
                /* a container: only the mount itself is a slave, not what it is mounted on */
                "128 1 0:77 / / rw - overlay overlay rw\n"
                "140 128 8:16 / /data rw master:5 - ext4 /dev/sdb rw\n",
                /* a slave, but another part of the filesystem */
                "128 1 254:9 / / rw master:1 - ext4 /dev/vda1 rw\n"
                "140 128 8:16 /sub /sub rw - ext4 /dev/sdb rw\n",
                /* a slave of another group */
                "128 1 254:9 / / rw master:7 - ext4 /dev/vda1 rw\n"
                "140 128 8:16 / /data rw - ext4 /dev/sdb rw\n",
        };

        for (size_t i = 0; i < ELEMENTSOF(others); i++) {
                _cleanup_temp_dir_ struct temp_dir dir = stack_machine(SHARED, "");
                struct stack stack = {};

                add_process(&dir, "77", 2, others[i]);
                read_stack(&dir, 16, &stack);
                assert_int_equal(stack.n, 3);
                assert_int_equal(stack.nodes[2].pid, 77);
                assert_true(stack.nodes[2].stays);
                assert_true(stack_is_unfollowed(&stack, true));
                stack_clear(&stack);
        }
}

static void test_mounted_only_elsewhere(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(ROOT, "");

        add_process(&dir, "77", 2, "128 1 254:9 / / rw shared:9 master:1 - ext4 /dev/vda1 rw\n"
                                   "140 128 8:16 / /data rw - ext4 /dev/sdb rw\n");
        assert_stack(&dir, 16,
                     "filesystem ext4 /dev/sdb\n"
                     "  mount ext4 /data, elsewhere, stays\n",
                     true, true);
}

/* What is mounted on nothing is not unmounted anywhere by unmounting ours. */
static void test_root_elsewhere(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir =
                stack_machine("28 1 8:16 / / rw shared:1 - ext4 /dev/sdb rw\n", "");

        add_process(&dir, "77", 2, "128 1 0:9 / / rw shared:2 - tmpfs tmpfs rw\n"
                                   "140 128 8:16 / /old rw master:1 - ext4 /dev/sdb rw\n");
        assert_stack(&dir, 16,
                     "filesystem ext4 /dev/sdb\n"
                     "  mount ext4 /\n"
                     "  mount ext4 /old, elsewhere, stays\n",
                     true, true);
}

/* Its namespace cannot be told, and may be any. */
static void test_process_that_hides(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(ROOT, "");

        write_text(temp_path(&dir, "proc/77/ns/mnt"), "");
        assert_stack(&dir, 16, "", true, false);
}

/* A process without a table has ended: another one of its namespace is asked. */
static void test_process_that_ends(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(ROOT, "");

        make_symlink("mnt:[2]", temp_path(&dir, "proc/76/ns/mnt"));
        make_symlink("mnt:[3]", temp_path(&dir, "proc/78/ns/mnt"));
        make_parents(temp_path(&dir, "proc/79/"));
        add_process(&dir, "77", 2, "140 1 8:16 / / rw - ext4 /dev/sdb rw\n");
        assert_stack(&dir, 16, "filesystem ext4 /dev/sdb\n  mount ext4 /, elsewhere, stays\n", true,
                     true);
}

static void test_own_table_is_missing(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        struct mount_views views = { .n = 77 };

        assert_int_equal(mount_views_read(temp_path(&dir, "proc"), &views), -ENOENT);
        assert_int_equal(views.n, 77);
}

/* The real one. */
static void test_this_machine(void **state) {
        struct mount_views views = {};
        const struct stack_world world = { "/sys", "/proc/swaps", &views };
        struct stack stack = {};

        assert_int_equal(mount_views_read("/proc", &views), 0);
        assert_true(views.n > 0 && views.views[0].own);
        assert_int_equal(stack_read(&world, makedev(4095, 1048575), &stack), 0);
        assert_int_equal(stack.n, 0);
        assert_false(stack.complete);
        stack_clear(&stack);
        mount_views_clear(&views);
}

static void test_count(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = stack_machine(
                ROOT "40 28 8:2 / /srv rw - xfs /dev/sda2 rw\n"
                     "41 28 8:2 /x /x rw - xfs /dev/sda2 rw\n"
                     "42 28 9:0 / /md rw - ext4 /dev/md0 rw\n",
                "/dev/sdb partition 15356 0 -2\n");
        struct stack a = {}, b = {};
        const struct stack *before[] = { &a };
        struct radius radius = {};

        /* On sda twice, and on sdb. */
        add_md(&dir, "md0", "9:0", "raid1", "3");
        hold(&dir, "sda1", "md0");
        hold(&dir, "sda2", "md0");
        hold(&dir, "sdb", "md0");
        read_stack(&dir, 0, &a);
        read_stack(&dir, 16, &b);
        stack_count(&a, NULL, 0, &radius);
        stack_count(&b, before, 1, &radius);
        assert_int_equal(radius.disks, 2);
        assert_int_equal(radius.partitions, 2);
        assert_int_equal(radius.volumes, 1);
        assert_int_equal(radius.filesystems, 2);
        assert_int_equal(radius.mounts, 3);
        assert_int_equal(radius.swaps, 1);
        stack_clear(&a);
        stack_clear(&b);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nothing),
                cmocka_unit_test(test_mounts),
                cmocka_unit_test(test_dm_kinds),
                cmocka_unit_test(test_lvm_in_luks),
                cmocka_unit_test(test_followed_volumes),
                cmocka_unit_test(test_deep),
                cmocka_unit_test(test_volume_on_volume),
                cmocka_unit_test(test_spared),
                cmocka_unit_test(test_multipath_with_partitions),
                cmocka_unit_test(test_nodes),
                cmocka_unit_test(test_md),
                cmocka_unit_test(test_md_on_one_disk),
                cmocka_unit_test(test_md_partitions),
                cmocka_unit_test(test_bcache_and_drbd),
                cmocka_unit_test(test_loops),
                cmocka_unit_test(test_btrfs),
                cmocka_unit_test(test_btrfs_mounted_out_of_sight),
                cmocka_unit_test(test_more_devices),
                cmocka_unit_test(test_zfs),
                cmocka_unit_test(test_what_cannot_be_read),
                cmocka_unit_test(test_ring),
                cmocka_unit_test(test_too_deep),
                cmocka_unit_test(test_too_many),
                cmocka_unit_test(test_swap),
                cmocka_unit_test(test_swap_by_number),
                cmocka_unit_test(test_swap_on_an_unknown_node),
                cmocka_unit_test(test_swap_file_by_itself),
                cmocka_unit_test(test_no_swap_in_the_kernel),
                cmocka_unit_test(test_namespace_that_follows),
                cmocka_unit_test(test_namespace_that_stays),
                cmocka_unit_test(test_mounted_only_elsewhere),
                cmocka_unit_test(test_root_elsewhere),
                cmocka_unit_test(test_process_that_hides),
                cmocka_unit_test(test_process_that_ends),
                cmocka_unit_test(test_own_table_is_missing),
                cmocka_unit_test(test_this_machine),
                cmocka_unit_test(test_count),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
