/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "agent/base/macro.h"
#include "agent/conf/match.h"

static const char *const properties[][2] = {
        { "DEVNAME", "/dev/sda" },
        { "DEVLINKS",
          "/dev/disk/by-path/pci-0 /dev/disk/by-id/scsi-0QEMU_a /dev/disk/by-diskseq/3" },
        { "ID_VENDOR", "VMware" },
        { "ID_MODEL", "Virtual disk" },
        { "ID_SERIAL", "1UNHANG_data-0" },
        { "ID_SERIAL_SHORT", "data-0" },
        { "ID_WWN", "0x5000c500155bfe10" },
        { "ID_WWN_WITH_EXTENSION", "0x5000c500155bfe100000" },
        { "ID_PATH", "pci-0000:00:10.0-scsi-0:0:0:0" },
        { "UNHANG_ROTATIONAL", "1" },
        { "ID_EMPTY", "" },
};

static const struct conf_mount mounts[] = { { "ext4", "/var/lib/mysql" }, { "xfs", "/srv" } };

static size_t find(const char *name) {
        for (size_t i = 0; i < CONF_MATCH_KEYS; i++)
                if (strcmp(conf_match_keys[i].name, name) == 0)
                        return i;
        fail_msg("%s", name);
        return 0;
}

static void make(struct properties *ret) {
        *ret = (struct properties) { .bytes = (uint64_t) 10 << 30 };
        for (size_t i = 0; i < ELEMENTSOF(properties); i++)
                assert_true(properties_add(ret, properties[i][0], properties[i][1]));
}

static bool matches(const char *name, const char *value) {
        static const struct disk_id id = { .name = "sda", .kind = DISK_SCSI,
                                           .driver = "virtio_scsi" };
        struct properties copied;
        const struct conf_facts facts = { &id, &copied, mounts, ELEMENTSOF(mounts) };
        struct conf_match match = {};

        make(&copied);
        assert_int_equal(conf_match_check(&conf_match_keys[find(name)], value), 0);
        match.values[find(name)] = value;
        return conf_match(&match, &facts);
}

/* For each key one that matches, one that does not; together all keys. */
static void test_keys(void **state) {
        static const struct {
                const char *name, *yes, *no;
        } cases[] = {
                { "Driver", "virtio_scsi", "virtio_blk" },
                { "Driver", "nvme  virtio_*", "virtio" },
                { "Driver", "! nvme", "! nvme virtio_scsi" },
                { "Driver", "!nvme", "!*" },
                { "Vendor", "VM*", "vm*" },
                { "Model", "Virtual?disk", "Virtual" },
                { "Serial", "data-[0-9]", "data-[1-9]" },
                { "Serial", "1UNHANG_*", "1UNHANG" },
                { "WWID", "0x5000c500155bfe10", "5000*" },
                { "WWID", "*0000", "*1111" },
                { "Path", "*-scsi-0:0:0:*", "*-scsi-0:0:1:*" },
                { "Device", "/dev/sd*", "/dev/vd*" },
                { "Device", "/dev/disk/by-id/scsi-0QEMU_?", "/dev/disk/by-id/scsi-0QEMU" },
                { "Device", "/dev/disk/by-diskseq/3", "by-diskseq" },
                { "Transport", "virtio", "nvme" },
                { "FileSystem", "xfs btrfs", "btrfs" },
                { "FileSystem", "!btrfs", "!xfs" },
                { "MountPoint", "/srv", "/" },
                { "MountPoint", "/var/lib/*", "/var" },
                { "SizeMinBytes", "10G", "11G" },
                { "SizeMinBytes", "10737418240", "10737418241" },
                { "SizeMaxBytes", "10240M", "10239M" },
                { "Rotational", "yes", "no" },
                { "Rotational", "1", "off" },
                { "Property", "ID_VENDOR=VM*", "ID_VENDOR=QEMU" },
                { "Property", "ID_VENDOR=* ID_EMPTY=", "ID_VENDOR=* ID_NONE=*" },
                { "Property", "!ID_VENDOR=QEMU", "! ID_VENDOR=VMware" },
        };
        bool used[CONF_MATCH_KEYS] = {};

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                used[find(cases[i].name)] = true;
                if (!matches(cases[i].name, cases[i].yes))
                        fail_msg("%s=%s does not match", cases[i].name, cases[i].yes);
                if (matches(cases[i].name, cases[i].no))
                        fail_msg("%s=%s matches", cases[i].name, cases[i].no);
        }
        for (size_t i = 0; i < CONF_MATCH_KEYS; i++)
                assert_true(used[i]);
}

/* What is not known of a disk matches nothing, and "all others" then matches. */
static void test_nothing_known(void **state) {
        static const struct disk_id id = { .name = "vda", .kind = DISK_QUEUE };
        static const struct properties none = {};
        const struct conf_facts facts = { .id = &id, .properties = &none };

        for (size_t i = 0; i < CONF_MATCH_KEYS; i++) {
                static const char *const values[] = {
                        [MATCH_GLOBS] = "?*",    [MATCH_PROPERTIES] = "A=*",
                        [MATCH_SIZE_MIN] = "0",  [MATCH_SIZE_MAX] = "9P",
                        [MATCH_YES_NO] = "no",
                };
                enum conf_match_type type = conf_match_keys[i].type;
                struct conf_match match = {};
                char not[16];

                match.values[i] = values[type];
                assert_false(conf_match(&match, &facts));
                if (type != MATCH_GLOBS && type != MATCH_PROPERTIES)
                        continue;
                (void) snprintf(not, sizeof(not), "!%s", values[type]);
                match.values[i] = not;
                assert_true(conf_match(&match, &facts));
        }
}

static void test_all_keys_have_to_match(void **state) {
        static const struct disk_id id = { .name = "sda", .driver = "virtio_scsi" };
        struct properties copied;
        const struct conf_facts facts = { &id, &copied, NULL, 0 };
        struct conf_match match = {};

        make(&copied);
        assert_true(conf_match(&match, &facts));
        match.values[find("Driver")] = "virtio_scsi";
        match.values[find("Vendor")] = "VMware";
        assert_true(conf_match(&match, &facts));
        match.values[find("Vendor")] = "QEMU";
        assert_false(conf_match(&match, &facts));
}

static void test_values(void **state) {
        static const struct {
                const char *name, *value;
        } wrong[] = {
                { "Driver", "" }, { "Driver", "!" }, { "Driver", "! " },
                { "Rotational", "maybe" }, { "Rotational", "" },
                { "SizeMinBytes", "" }, { "SizeMinBytes", "big" }, { "SizeMinBytes", "-1" },
                { "SizeMinBytes", "1GB" }, { "SizeMinBytes", "1 G" }, { "SizeMinBytes", "1.5G" },
                { "SizeMaxBytes", "99999999999999999999" }, { "SizeMaxBytes", "99999999P" },
                { "Property", "" }, { "Property", "ID_VENDOR" }, { "Property", "=x" },
                { "Property", "A=b C" },
        };
        uint64_t size;

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++)
                assert_int_equal(conf_match_check(&conf_match_keys[find(wrong[i].name)],
                                                  wrong[i].value), -EINVAL);
        assert_int_equal(conf_parse_size("3K", &size), 0);
        assert_int_equal(size, 3072);
        assert_int_equal(conf_parse_size("2P", &size), 0);
        assert_int_equal(size, (uint64_t) 2 << 50);
}

static void test_transport(void **state) {
        static const struct {
                enum disk_kind kind;
                const char *driver, *path, *bus, *transport;
        } cases[] = {
                { DISK_SCSI, "iscsi_tcp", "ip-10.0.0.1:3260-iscsi-iqn.a-lun-0", "scsi", "iscsi" },
                { DISK_SCSI, "qla2xxx", "pci-0000:01:00.0-fc-0x50-lun-0", "scsi", "fc" },
                { DISK_SCSI, "mpt3sas", "pci-0000:01:00.0-sas-exp0x5-phy3-lun-0", "scsi", "sas" },
                { DISK_SCSI, "ahci", "pci-0000:00:1f.2-ata-1", "ata", "ata" },
                { DISK_SCSI, "usb-storage", "pci-0000:00:14.0-usb-0:1:1.0-scsi-0:0:0:0", "usb",
                  "usb" },
                { DISK_NVME, "nvme", "pci-0000:00:04.0-nvme-1", NULL, "nvme" },
                { DISK_SCSI, "virtio_scsi", "pci-0000:00:10.0-scsi-0:0:0:0", "scsi", "virtio" },
                { DISK_QUEUE, "virtio_blk", NULL, NULL, "virtio" },
                { DISK_QUEUE, "vbd", NULL, NULL, "xen" },
                { DISK_SCSI, "xen-scsifront", NULL, "scsi", "xen" },
                { DISK_SCSI, "hv_storvsc", "acpi-VMBUS:00-vmbus-x-lun-0", "scsi", "scsi" },
                { DISK_SCSI, "vmw_pvscsi", NULL, NULL, "scsi" },
                { DISK_BIO, "dm", NULL, NULL, "" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct disk_id id = { .kind = cases[i].kind };
                struct properties copied = {};
                const struct conf_facts facts = { .id = &id, .properties = &copied };

                (void) snprintf(id.driver, sizeof(id.driver), "%s", cases[i].driver);
                if (cases[i].path)
                        assert_true(properties_add(&copied, "ID_PATH", cases[i].path));
                if (cases[i].bus)
                        assert_true(properties_add(&copied, "ID_BUS", cases[i].bus));
                assert_string_equal(conf_transport(&facts), cases[i].transport);
        }
}

/* What does not fit is left out whole. */
static void test_properties(void **state) {
        struct properties p = {};
        char value[PROPERTIES_MAX] = {};
        const char *at = NULL;

        assert_null(properties_next(&p, NULL));
        assert_null(properties_get(&p, "A"));
        assert_true(properties_add(&p, "A", "1"));
        memset(value, 'x', PROPERTIES_MAX - strlen("A=1") - 1 - strlen("B=") - 1);
        assert_true(properties_add(&p, "B", value));
        assert_int_equal(p.size, PROPERTIES_MAX);
        assert_false(p.cut);
        assert_false(properties_add(&p, "", ""));
        assert_true(p.cut);
        assert_string_equal(properties_get(&p, "A"), "1");
        assert_string_equal(properties_get(&p, "B"), value);
        assert_null(properties_get(&p, "C"));
        assert_non_null(at = properties_next(&p, at));
        assert_non_null(at = properties_next(&p, at));
        assert_null(properties_next(&p, at));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_keys),
                cmocka_unit_test(test_nothing_known),
                cmocka_unit_test(test_all_keys_have_to_match),
                cmocka_unit_test(test_values),
                cmocka_unit_test(test_transport),
                cmocka_unit_test(test_properties),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
