/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "agent/act/scsi.h"
#include "tests/unit/scripted-door.h"

/* What the kernel is asked for, to the bit: each with 0x100, so that it goes on to nothing wider
 * (drivers/scsi/scsi_error.c: scsi_ioctl_reset). */

static struct scsi_disk open_disk(const struct temp_dir *dir, bool ata) {
        struct disk_nodes nodes = { .block_size = 512 };
        struct scsi_disk disk;

        (void) snprintf(nodes.reset_node, sizeof(nodes.reset_node), "%s/dev/sg0", dir->path);
        (void) snprintf(nodes.device_dir, sizeof(nodes.device_dir), "%s/0:0:0:0", dir->path);
        write_text(nodes.reset_node, "");
        write_text(temp_path(dir, "0:0:0:0/state"), "running\n");
        write_text(temp_path(dir, "host0/scan"), "");
        if (ata)
                (void) snprintf(nodes.host_scan, sizeof(nodes.host_scan), "%s/host0/scan",
                                dir->path);
        script.dir = dir;
        assert_int_equal(scsi_open(&nodes, &scripted_door, &disk), 0);
        return disk;
}

static void test_resets(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        struct scsi_disk disk = open_disk(&dir, false);

        assert_int_equal(scsi_lun_reset(&disk), 0);
        assert_trace("dev/sg0!0x101 ");
        assert_int_equal(scsi_bus_reset(&disk), 0);
        assert_trace("dev/sg0!0x102 ");
        assert_int_equal(scsi_host_reset(&disk), 0);
        assert_trace("dev/sg0!0x103 ");
        assert_int_equal(scsi_target_reset(&disk), 0);
        assert_trace("dev/sg0!0x104 ");
        scsi_close(&disk);
}

/* What the kernel says is what is told: it is recovering, it was refused, it is not allowed. */
static void test_refusals(void **state) {
        static const int errors[] = { EAGAIN, EIO, EACCES };
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        struct scsi_disk disk = open_disk(&dir, false);

        for (size_t i = 0; i < ELEMENTSOF(errors); i++) {
                script.reactions[0] = (struct reaction) { .file = "dev/sg0", .error = errors[i] };
                assert_int_equal(scsi_lun_reset(&disk), -errors[i]);
                assert_trace("dev/sg0!0x101 ");
        }
        scsi_close(&disk);
}

/* libata has no reset to ask for; a scan of the host's port does it. Nothing narrower is tried. */
static void test_ata(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        struct scsi_disk disk = open_disk(&dir, true);

        assert_int_equal(scsi_host_reset(&disk), 0);
        assert_trace("host0/scan=- - - ");
        script.reactions[0] = (struct reaction) { .file = "host0/scan", .error = EINVAL };
        assert_int_equal(scsi_host_reset(&disk), -EINVAL);
        assert_trace("host0/scan=- - - ");
        scsi_close(&disk);
}

static void test_states(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        struct scsi_disk disk = open_disk(&dir, false);

        assert_int_equal(scsi_set_offline(&disk), 0);
        assert_trace("0:0:0:0/state=offline\n ");
        assert_int_equal(scsi_set_running(&disk), 0);
        assert_trace("0:0:0:0/state=running\n ");
        script.reactions[0] = (struct reaction) { .file = "0:0:0:0/state", .error = EINVAL };
        assert_int_equal(scsi_set_offline(&disk), -EINVAL);
        assert_trace("0:0:0:0/state=offline\n ");
        scsi_close(&disk);
}

/* A disk that is closed touches nothing, above all not file descriptor 0. */
static void test_closed(void **state) {
        _cleanup_temp_dir_ struct temp_dir dir = temp_dir_new();
        struct scsi_disk disk = open_disk(&dir, true);

        scsi_close(&disk);
        assert_int_equal(scsi_lun_reset(&disk), -EBADF);
        assert_int_equal(scsi_target_reset(&disk), -EBADF);
        assert_int_equal(scsi_bus_reset(&disk), -EBADF);
        assert_int_equal(scsi_host_reset(&disk), -EBADF);
        assert_int_equal(scsi_set_offline(&disk), -EBADF);
        assert_int_equal(scsi_set_running(&disk), -EBADF);
        assert_int_equal(scsi_probe(&disk), -EBADF);
        assert_trace("");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_resets), cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_ata),    cmocka_unit_test(test_states),
                cmocka_unit_test(test_closed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
