/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/sysmacros.h>

#include "agent/observe/device.h"
#include "tests/unit/temp-dir.h"

/* Places of devices, below devices/. */
#define SCSI "pci0000:00/0000:00:05.0/virtio2/host2/target2:0:1/2:0:1:4"
#define VIRTIO "pci0000:00/0000:00:06.0/virtio3"
#define NVME_1 "pci0000:00/0000:00:1e.0/nvme/nvme1"
#define NVME_0 "pci0000:00/0000:00:1f.0/nvme/nvme0"
#define SUBSYSTEM "virtual/nvme-subsystem/nvme-subsys0"

/* A block device with its links, as the kernel makes them: relative ones. DEVNUM NULL: hidden. */
static void add_disk(const struct temp_dir *dir, const char *place, const char *devnum) {
        const char *name = strrchr(place, '/') + 1;

        if (devnum)
                write_text(temp_path(dir, "devices/%s/dev", place), devnum);
        write_text(temp_path(dir, "devices/%s/stat", place), "0 0 0 0 0 0 0 0 0 0 0\n");
        make_symlink(temp_path(dir, "devices/%s", place), temp_path(dir, "block/%s", name));
}

static void add_device_link(const struct temp_dir *dir, const char *place, const char *target) {
        make_symlink(target, temp_path(dir, "devices/%s/device", place));
}

static void add_driver(const struct temp_dir *dir, const char *place, const char *driver) {
        make_parents(temp_path(dir, "bus/drivers/%s/x", driver));
        make_symlink(temp_path(dir, "bus/drivers/%s", driver),
                     temp_path(dir, "devices/%s/driver", place));
}

static struct temp_dir machine_new(void) {
        struct temp_dir dir = temp_dir_new();

        add_disk(&dir, SCSI "/block/sda", "8:0\n");
        add_device_link(&dir, SCSI "/block/sda", "../../../2:0:1:4");
        write_text(temp_path(&dir, "devices/" SCSI "/block/sda/diskseq"), "9\n");
        write_text(temp_path(&dir, "class/scsi_host/host2/proc_name"), "virtio_scsi\n");

        add_disk(&dir, VIRTIO "/block/vda", "254:16\n");
        add_device_link(&dir, VIRTIO "/block/vda", "../../../virtio3");
        add_driver(&dir, VIRTIO, "virtio_blk");

        /* Alone in its subsystem, whose number it bears. */
        add_disk(&dir, NVME_1 "/nvme7n1", "259:3\n");
        add_device_link(&dir, NVME_1 "/nvme7n1", "../../nvme1");
        write_text(temp_path(&dir, "devices/" NVME_1 "/transport"), "pcie\n");

        /* One path of two to nvme0n2; the other is on the controller that is alone above. */
        add_disk(&dir, SUBSYSTEM "/nvme0n2", "259:1\n");
        add_device_link(&dir, SUBSYSTEM "/nvme0n2", "../../nvme-subsys0");
        add_disk(&dir, NVME_0 "/nvme0c0n2", NULL);
        add_device_link(&dir, NVME_0 "/nvme0c0n2", "../../nvme0");
        write_text(temp_path(&dir, "devices/" NVME_0 "/nvme0c0n2/diskseq"), "31\n");
        write_text(temp_path(&dir, "devices/" NVME_0 "/transport"), "tcp\n");
        make_symlink("../../../pci0000:00/0000:00:1f.0/nvme/nvme0",
                     temp_path(&dir, "devices/" SUBSYSTEM "/nvme0"));
        return dir;
}

static int read_device(const struct temp_dir *dir, const char *name, struct disk_id *id,
                       struct disk_nodes *nodes) {
        memset(id, 0xaa, sizeof(*id));
        memset(nodes, 0xaa, sizeof(*nodes));
        return device_read(dir->path, temp_path(dir, "block/%s", name), id, nodes);
}

static void assert_id(const struct disk_id *id, enum disk_kind kind, const char *driver,
                      const char *address, const char *domain, dev_t devnum) {
        assert_int_equal(id->kind, kind);
        assert_string_equal(id->driver, driver);
        assert_string_equal(id->address, address);
        assert_string_equal(id->domain, domain);
        assert_string_equal(id->serial, "");
        assert_int_equal(id->devnum, devnum);
}

static void test_scsi(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = machine_new();
        struct disk_nodes nodes;
        struct disk_id id;

        assert_int_equal(read_device(&dir, "sda", &id, &nodes), 0);
        assert_id(&id, DISK_SCSI, "virtio_scsi", "2:0:1:4", "host2", makedev(8, 0));
        assert_string_equal(id.name, "sda");
        assert_int_equal(id.diskseq, 9);
        assert_string_equal(nodes.block_dir, temp_path(&dir, "devices/" SCSI "/block/sda"));
        assert_string_equal(nodes.device_dir, temp_path(&dir, "devices/" SCSI));
        assert_string_equal(nodes.reset_node, "/dev/sda");
        assert_int_equal(nodes.block_size, 4096);

        make_parents(temp_path(&dir, "devices/" SCSI "/scsi_generic/sg11/x"));
        assert_int_equal(read_device(&dir, "sda", &id, &nodes), 0);
        assert_string_equal(nodes.reset_node, "/dev/sg11");
}

static void test_scsi_driver(void **state) {
        static const struct {
                const char *proc_name, *driver;
        } cases[] = {
                { "virtio_scsi\n", "virtio_scsi" }, { "storvsc_host\n", "hv_storvsc" },
                { "scsifront\n", "xen-scsifront" }, { "vmw_pvscsi\n", "vmw_pvscsi" },
                { "ahci\n", "ahci" },               { "(null)\n", "above" },
                { "<NULL>\n", "above" },            { "\n", "above" },
                { "", "above" },                    { NULL, "above" },
        };
        _cleanup_temp_dir_ struct temp_dir dir = machine_new();
        struct disk_nodes nodes;
        struct disk_id id;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                /* Without a driver above nothing is said, which is no error. */
                if (i == ELEMENTSOF(cases) - 1)
                        assert_int_equal(
                                unlink(temp_path(&dir, "class/scsi_host/host2/proc_name")), 0);
                else
                        write_text(temp_path(&dir, "class/scsi_host/host2/proc_name"),
                                   cases[i].proc_name);
                assert_int_equal(read_device(&dir, "sda", &id, &nodes), 0);
                assert_string_equal(id.driver,
                                    strcmp(cases[i].driver, "above") ? cases[i].driver : "");
        }
        add_driver(&dir, "pci0000:00/0000:00:05.0/virtio2", "above");
        for (size_t i = 0; i < ELEMENTSOF(cases) - 1; i++) {
                write_text(temp_path(&dir, "class/scsi_host/host2/proc_name"),
                           cases[i].proc_name);
                assert_int_equal(read_device(&dir, "sda", &id, &nodes), 0);
                assert_string_equal(id.driver, cases[i].driver);
        }
}

/* iSCSI and FC put a session or a remote port between host and target. */
static void test_scsi_deep(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        struct disk_nodes nodes;
        struct disk_id id;

#define DEEP "pci0000:00/0000:00:02.0/host13/rport-13:0-3/target13:0:3/13:0:3:18446744073709551615"
        add_disk(&dir, DEEP "/block/sdaa", "65:160\n");
        add_device_link(&dir, DEEP "/block/sdaa", "../../../13:0:3:18446744073709551615");
        add_driver(&dir, "pci0000:00/0000:00:02.0", "qla2xxx");
        assert_int_equal(read_device(&dir, "sdaa", &id, &nodes), 0);
        assert_id(&id, DISK_SCSI, "qla2xxx", "13:0:3:18446744073709551615", "host13",
                  makedev(65, 160));
        assert_int_equal(id.diskseq, 0);
}

/* Below a port of libata; and a host that lies below none, however its device is called. */
static void test_ata(void **state) {
        static const struct {
                const char *above, *scan;
        } cases[] = {
                { "pci0000:00/0000:00:1f.2/ata3", "class/scsi_host/host3/scan" },
                { "pci0000:00/0000:00:1f.2", "" },
                { "platform/ata3x", "" },
                { "platform/xata3", "" },
                { "platform/ata", "" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
                char disk[200];
                struct disk_nodes nodes;
                struct disk_id id;

                (void) snprintf(disk, sizeof(disk), "%s/host3/target3:0:0/3:0:0:0/block/sda",
                                cases[i].above);
                add_disk(&dir, disk, "8:0\n");
                add_device_link(&dir, disk, "../../../3:0:0:0");
                assert_int_equal(read_device(&dir, "sda", &id, &nodes), 0);
                assert_int_equal(nodes.kind, DISK_SCSI);
                assert_string_equal(nodes.host_scan, cases[i].scan[0]
                                                             ? temp_path(&dir, "%s", cases[i].scan)
                                                             : "");
        }
}

static void test_nvme(void **state) {
        static const struct {
                const char *transport, *driver;
        } cases[] = {
                { "pcie\n", "nvme" },      { "tcp\n", "nvme-tcp" },   { "rdma\n", "nvme-rdma" },
                { "fc\n", "nvme-fc" },     { "loop\n", "nvme-loop" }, { "", "nvme" },
        };
        _cleanup_temp_dir_ struct temp_dir dir = machine_new();
        struct disk_nodes nodes;
        struct disk_id id;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                write_text(temp_path(&dir, "devices/" NVME_1 "/transport"), cases[i].transport);
                assert_int_equal(read_device(&dir, "nvme7n1", &id, &nodes), 0);
                assert_id(&id, DISK_NVME, cases[i].driver, "nvme1", "nvme1", makedev(259, 3));
        }
        assert_string_equal(id.name, "nvme7n1");
        assert_string_equal(nodes.device_dir, temp_path(&dir, "devices/" NVME_1));
        assert_string_equal(nodes.reset_node, "/dev/nvme7n1");
        assert_int_equal(nodes.kind, DISK_NVME);
        assert_string_equal(nodes.sysfs, dir.path);
}

static void test_multipath(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = machine_new();
        struct disk_nodes nodes;
        struct disk_id id;

        assert_int_equal(read_device(&dir, "nvme0n2", &id, &nodes), 0);
        assert_id(&id, DISK_BIO, "nvme-multipath", "nvme-subsys0", "", makedev(259, 1));
        assert_string_equal(nodes.device_dir, "");

        assert_int_equal(read_device(&dir, "nvme0c0n2", &id, &nodes), 0);
        assert_id(&id, DISK_NVME, "nvme-tcp", "nvme0", "nvme0", makedev(259, 1));
        assert_string_equal(id.name, "nvme0c0n2");
        assert_int_equal(id.diskseq, 31);
        assert_string_equal(nodes.device_dir, temp_path(&dir, "devices/" NVME_0));
        assert_string_equal(nodes.reset_node, "/dev/nvme0n2");
        assert_int_equal(nodes.diskseq, 31);

        /* What bears the head's name is no head. */
        assert_int_equal(unlink(temp_path(&dir, "devices/" SUBSYSTEM "/nvme0n2/device")), 0);
        add_device_link(&dir, SUBSYSTEM "/nvme0n2", temp_path(&dir, "devices/" NVME_1));
        assert_int_equal(read_device(&dir, "nvme0c0n2", &id, &nodes), -EINVAL);

        assert_int_equal(unlink(temp_path(&dir, "block/nvme0n2")), 0);
        assert_int_equal(read_device(&dir, "nvme0c0n2", &id, &nodes), -ENOENT);
}

struct found {
        unsigned n;
        char paths[4][PATH_MAX];
};

static void on_path(const char *path_dir, void *userdata) {
        struct found *found = userdata;

        assert_in_range(found->n, 0, 3);
        (void) snprintf(found->paths[found->n++], PATH_MAX, "%s", path_dir);
}

static int find_paths(const struct temp_dir *dir, const char *name, struct found *found) {
        *found = (struct found) {};
        return device_paths(dir->path, temp_path(dir, "block/%s", name), on_path, found);
}

static void test_paths(void **state) {
        static const char *const not_heads[] = { "sda", "vda", "nvme7n1", "nvme0c0n2" };
        _cleanup_temp_dir_ struct temp_dir dir = machine_new();
        struct found found;

        assert_int_equal(find_paths(&dir, "nvme0n2", &found), 1);
        assert_string_equal(found.paths[0], temp_path(&dir, "devices/" NVME_0 "/nvme0c0n2"));

        /* A second controller without a path to it, then with one. */
        make_symlink("../../../" NVME_1, temp_path(&dir, "devices/" SUBSYSTEM "/nvme1"));
        assert_int_equal(find_paths(&dir, "nvme0n2", &found), 1);
        add_disk(&dir, NVME_1 "/nvme0c1n2", NULL);
        add_disk(&dir, NVME_1 "/nvme0c1n22", NULL);
        assert_int_equal(find_paths(&dir, "nvme0n2", &found), 2);
        assert_int_equal(found.n, 2);

        /* A controller that is gone but for its link. */
        make_symlink("../../../nowhere", temp_path(&dir, "devices/" SUBSYSTEM "/nvme2"));
        assert_int_equal(find_paths(&dir, "nvme0n2", &found), 2);

        for (size_t i = 0; i < ELEMENTSOF(not_heads); i++)
                assert_int_equal(find_paths(&dir, not_heads[i], &found), 0);
        assert_int_equal(find_paths(&dir, "none", &found), -ENOENT);
}

static void test_queue(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = machine_new();
        struct disk_nodes nodes;
        struct disk_id id;

        assert_int_equal(read_device(&dir, "vda", &id, &nodes), 0);
        assert_id(&id, DISK_QUEUE, "virtio_blk", "virtio3", "virtio3", makedev(254, 16));
        assert_string_equal(nodes.device_dir, "");
        assert_string_equal(nodes.reset_node, "");

        add_disk(&dir, "vbd-51712/block/xvda", "202:0\n");
        add_device_link(&dir, "vbd-51712/block/xvda", "../../../vbd-51712");
        assert_int_equal(read_device(&dir, "xvda", &id, &nodes), 0);
        assert_id(&id, DISK_QUEUE, "", "vbd-51712", "vbd-51712", makedev(202, 0));
        add_driver(&dir, "vbd-51712", "vbd");
        assert_int_equal(read_device(&dir, "xvda", &id, &nodes), 0);
        assert_id(&id, DISK_QUEUE, "xen-blkfront", "vbd-51712", "vbd-51712", makedev(202, 0));

        add_disk(&dir, "virtual/block/nbd12", "43:384\n");
        assert_int_equal(read_device(&dir, "nbd12", &id, &nodes), 0);
        assert_id(&id, DISK_QUEUE, "nbd", "nbd12", "nbd12", makedev(43, 384));

        add_disk(&dir, "virtual/block/nullb0", "252:0\n");
        make_parents(temp_path(&dir, "devices/virtual/block/nullb0/mq/0/x"));
        assert_int_equal(read_device(&dir, "nullb0", &id, &nodes), 0);
        assert_id(&id, DISK_QUEUE, "nullb", "nullb0", "nullb0", makedev(252, 0));
}

static void test_bio(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = machine_new();
        struct disk_nodes nodes;
        char name[128];
        struct disk_id id;

        add_disk(&dir, "virtual/block/dm-3", "254:3\n");
        write_text(temp_path(&dir, "block/dm-3/dm/name"), "vg-lv\n");
        make_parents(temp_path(&dir, "block/dm-3/mq/0/x")); /* multipath by requests */
        assert_int_equal(read_device(&dir, "dm-3", &id, &nodes), 0);
        assert_id(&id, DISK_BIO, "dm", "vg-lv", "", makedev(254, 3));

        memset(name, 'n', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        write_text(temp_path(&dir, "block/dm-3/dm/name"), name);
        assert_int_equal(read_device(&dir, "dm-3", &id, &nodes), 0);
        assert_int_equal(strlen(id.address), sizeof(id.address) - 1);

        add_disk(&dir, "virtual/block/md127", "9:127\n");
        write_text(temp_path(&dir, "block/md127/md/level"), "raid1\n");
        assert_int_equal(read_device(&dir, "md127", &id, &nodes), 0);
        assert_id(&id, DISK_BIO, "md", "raid1", "", makedev(9, 127));

        add_disk(&dir, "virtual/block/bcache0", "252:0\n");
        assert_int_equal(read_device(&dir, "bcache0", &id, &nodes), 0);
        assert_id(&id, DISK_BIO, "bcache", "bcache0", "", makedev(252, 0));
}

static void test_same(void **state) {
        const struct disk_id a = { .name = "sda", .devnum = makedev(8, 0), .diskseq = 7,
                                   .serial = "one", .wwid = "t10.one", .address = "0:0:0:0",
                                   .domain = "host0" };
        struct disk_id b = a, old = a, other;

        b.serial[0] = '\0'; /* as udev finds it when the disk does not answer */
        assert_true(device_is_same(&a, &b) && device_is_same(&b, &a));
        b.diskseq = 8;
        assert_false(device_is_same(&a, &b));

        old.diskseq = 0; /* before 5.15 */
        other = old;
        other.serial[0] = '\0';
        assert_true(device_is_same(&old, &other));
        (void) strcpy(other.serial, "two");
        assert_false(device_is_same(&old, &other));
        other = old;
        (void) strcpy(other.wwid, "t10.two");
        assert_false(device_is_same(&old, &other));
        other = a;
        (void) strcpy(other.address, "0:0:1:0");
        assert_false(device_is_same(&a, &other));
}

static void test_there(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = machine_new();
        struct disk_nodes nodes;
        struct disk_id id, other;

        make_parents(temp_path(&dir, "class/x"));
        make_symlink(temp_path(&dir, "block"), temp_path(&dir, "class/block"));
        assert_int_equal(read_device(&dir, "sda", &id, &nodes), 0);
        assert_true(device_is_there(dir.path, &id));
        other = id;
        other.diskseq++; /* another disk has its name */
        assert_false(device_is_there(dir.path, &other));
        /* What cannot be told is not taken for gone. */
        write_text(temp_path(&dir, "devices/" SCSI "/block/sda/dev"), "x\n");
        assert_true(device_is_there(dir.path, &id));
        assert_int_equal(unlink(temp_path(&dir, "devices/" SCSI "/block/sda/dev")), 0);
        assert_false(device_is_there(dir.path, &id));
        assert_int_equal(unlink(temp_path(&dir, "block/sda")), 0);
        assert_false(device_is_there(dir.path, &id));
}

static void test_unfit(void **state) {
        static const char *const names[] = { "loop0", "ram15", "zram0", "sr0", "fd0", "pmem1" };
        _cleanup_temp_dir_ struct temp_dir dir = machine_new();
        struct disk_nodes nodes;
        struct disk_id id;

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                char place[64];

                (void) snprintf(place, sizeof(place), "virtual/block/%s", names[i]);
                add_disk(&dir, place, "7:0\n");
                assert_int_equal(read_device(&dir, names[i], &id, &nodes), -EOPNOTSUPP);
        }
        /* Whose name merely begins so. */
        add_disk(&dir, "virtual/block/ramdisk0", "7:0\n");
        assert_int_equal(read_device(&dir, "ramdisk0", &id, &nodes), 0);
}

static void test_errors(void **state) {
        static const char *const numbers[] = { "", "\n", "8\n", "8:\n", "x:y\n", "8:0:0\n" };
        _cleanup_temp_dir_ struct temp_dir dir = machine_new();
        struct disk_nodes nodes, nodes_before;
        struct disk_id id, before;

        for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
                write_text(temp_path(&dir, "devices/" SCSI "/block/sda/dev"), numbers[i]);
                assert_int_equal(read_device(&dir, "sda", &id, &nodes), -EINVAL);
        }
        memset(&before, 0xaa, sizeof(before));
        memset(&nodes_before, 0xaa, sizeof(nodes_before));
        assert_memory_equal(&id, &before, sizeof(id));
        assert_memory_equal(&nodes, &nodes_before, sizeof(nodes));

        assert_int_equal(unlink(temp_path(&dir, "devices/" SCSI "/block/sda/dev")), 0);
        assert_int_equal(read_device(&dir, "sda", &id, &nodes), -ENOENT);
        assert_int_equal(read_device(&dir, "none", &id, &nodes), -ENOENT);

        add_disk(&dir, "virtual/block/a-name-that-is-longer-than-a-field", "252:0\n");
        assert_int_equal(read_device(&dir, "a-name-that-is-longer-than-a-field", &id, &nodes),
                         -ENAMETOOLONG);
        add_disk(&dir, "a-device-with-a-name-that-is-too-long/block/xyz", "252:0\n");
        add_device_link(&dir, "a-device-with-a-name-that-is-too-long/block/xyz",
                        "../../../a-device-with-a-name-that-is-too-long");
        assert_int_equal(read_device(&dir, "xyz", &id, &nodes), -ENAMETOOLONG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_scsi),
                cmocka_unit_test(test_scsi_driver),
                cmocka_unit_test(test_scsi_deep),
                cmocka_unit_test(test_ata),
                cmocka_unit_test(test_nvme),
                cmocka_unit_test(test_multipath),
                cmocka_unit_test(test_paths),
                cmocka_unit_test(test_queue),
                cmocka_unit_test(test_bio),
                cmocka_unit_test(test_same),
                cmocka_unit_test(test_there),
                cmocka_unit_test(test_unfit),
                cmocka_unit_test(test_errors),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
