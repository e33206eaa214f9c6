/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "agent/act/prepare.h"
#include "tests/unit/scripted-door.h"

/* What is set on a healthy disk, and put back. */

#define SDA "devices/host0/0:0:0:0/block/sda"
#define NVME "devices/nvme0/nvme0c0n1"
#define IDLE "7 0 0 0 8 0 0 0 0 0 0 0 0 0 0 0 0\n"
#define BUSY "7 0 0 0 8 0 0 0 3 0 0 0 0 0 0 0 0\n"

struct world {
        struct temp_dir dir;
        struct undo undo;
        struct disk_nodes sda, nvme;
        struct prepare_settings settings, before;
        enum prepare_setting failed;
};

static void leave_all(struct world *w) {
        for (size_t i = 0; i < _PREPARE_SETTING_MAX; i++)
                w->settings.values[i] = PREPARE_LEAVE;
}

static void put(struct world *w, const char *path, const char *text) {
        write_text(temp_path(&w->dir, "%s", path), text);
}

static struct disk_nodes nodes_of(struct world *w, enum disk_kind kind, const char *block,
                                  const char *device) {
        struct disk_nodes nodes = { .kind = kind, .diskseq = 4 };

        (void) snprintf(nodes.sysfs, sizeof(nodes.sysfs), "%s", w->dir.path);
        (void) snprintf(nodes.block_dir, sizeof(nodes.block_dir), "%s/%s", w->dir.path, block);
        (void) snprintf(nodes.device_dir, sizeof(nodes.device_dir), "%s/%s", w->dir.path, device);
        return nodes;
}

static int set_up(void **state) {
        struct world *w = calloc(1, sizeof(*w));

        w->dir = temp_dir_new();
        memset(&script, 0, sizeof(script));
        script.dir = &w->dir;
        w->sda = nodes_of(w, DISK_SCSI, SDA, "devices/host0/0:0:0:0");
        w->nvme = nodes_of(w, DISK_NVME, NVME, "devices/nvme0");
        put(w, SDA "/queue/iostats", "0\n");
        put(w, SDA "/stat", IDLE);
        put(w, SDA "/sda1/partition", "1\n");
        put(w, "devices/host0/0:0:0:0/timeout", "30\n");
        put(w, "devices/host0/0:0:0:0/scsi_disk/0:0:0:0/max_retries", "5\n");
        put(w, "fs/xfs/sda/error/metadata/EIO/max_retries", "-1\n");
        put(w, "fs/xfs/sda1/error/metadata/EIO/max_retries", "-1\n");
        put(w, "fs/xfs/sdb/error/metadata/EIO/max_retries", "-1\n");
        put(w, NVME "/queue/io_timeout", "30000\n");
        put(w, NVME "/stat", IDLE);
        put(w, "module/nvme_core/parameters/io_timeout", "30\n");
        put(w, "module/nvme_core/parameters/admin_timeout", "60\n");
        leave_all(w);
        assert_int_equal(undo_open(temp_path(&w->dir, "table"), &scripted_door, &w->undo), 0);
        *state = w;
        return 0;
}

static int tear_down(void **state) {
        struct world *w = *state;

        undo_close(&w->undo);
        temp_dir_removep(&w->dir);
        free(w);
        return 0;
}

static int run(struct world *w, const struct disk_nodes *nodes) {
        w->failed = _PREPARE_SETTING_MAX;
        return prepare(nodes, &w->settings, &w->undo, &w->before, &w->failed);
}

static void assert_before(const struct world *w, enum prepare_setting setting, int64_t value) {
        for (size_t i = 0; i < _PREPARE_SETTING_MAX; i++)
                assert_int_equal(w->before.values[i], i == setting ? value : PREPARE_LEAVE);
}

static void test_leave(void **state) {
        struct world *w = *state;

        assert_int_equal(run(w, &w->sda), 0);
        assert_int_equal(run(w, &w->nvme), 0);
        assert_trace("");
        assert_before(w, _PREPARE_SETTING_MAX, 0);
}

/* Each is set once, told what it was, and put back once. */
static void check(struct world *w, const struct disk_nodes *nodes, enum prepare_setting setting,
                  int64_t value, int64_t before, const char *set, const char *back) {
        w->settings.values[setting] = value;
        assert_int_equal(run(w, nodes), 0);
        assert_before(w, setting, before);
        assert_trace(set);
        assert_int_equal(run(w, nodes), 0);
        assert_before(w, _PREPARE_SETTING_MAX, 0);
        assert_trace("");
        leave_all(w);
        assert_int_equal(run(w, nodes), 0);
        assert_trace(back);
        assert_int_equal(run(w, nodes), 0);
        assert_trace("");
}

static void test_scsi(void **state) {
        struct world *w = *state;

        check(w, &w->sda, PREPARE_IOSTATS, 1, 0, "queue/iostats=1 ", "queue/iostats=0 ");
        check(w, &w->sda, PREPARE_SCSI_TIMEOUT, 90, 30, "0:0:0:0/timeout=90 ",
              "0:0:0:0/timeout=30 ");
        check(w, &w->sda, PREPARE_SCSI_MAX_RETRIES, 3, 5, "0:0:0:0/max_retries=3 ",
              "0:0:0:0/max_retries=5 ");
        check(w, &w->sda, PREPARE_XFS_MAX_RETRIES, 5, -1,
              "EIO/max_retries=5 EIO/max_retries=5 ", "EIO/max_retries=-1 EIO/max_retries=-1 ");
}

/* The policy's own need: a timeout that is longer by itself is left, and one that an earlier call
 * has set is not taken for the disk's. */
static void test_timeout_at_least(void **state) {
        struct world *w = *state;

        w->settings.scsi_timeout_at_least = true;
        check(w, &w->sda, PREPARE_SCSI_TIMEOUT, 44, 30, "0:0:0:0/timeout=44 ",
              "0:0:0:0/timeout=30 ");
        w->settings.values[PREPARE_SCSI_TIMEOUT] = 20;
        assert_int_equal(run(w, &w->sda), 0);
        assert_trace("");

        w->settings.values[PREPARE_SCSI_TIMEOUT] = 44;
        assert_int_equal(run(w, &w->sda), 0);
        w->settings.values[PREPARE_SCSI_TIMEOUT] = 40;
        assert_int_equal(run(w, &w->sda), 0);
        assert_trace("0:0:0:0/timeout=44 0:0:0:0/timeout=30 0:0:0:0/timeout=40 ");
        w->settings.values[PREPARE_SCSI_TIMEOUT] = 20;
        assert_int_equal(run(w, &w->sda), 0);
        assert_trace("0:0:0:0/timeout=30 ");
        assert_int_equal(unlink(temp_path(&w->dir, "devices/host0/0:0:0:0/timeout")), 0);
        assert_int_equal(run(w, &w->sda), 0);
}

static void test_nvme(void **state) {
        struct world *w = *state;

        check(w, &w->nvme, PREPARE_NVME_IO_TIMEOUT, 45000, 30000,
              "queue/io_timeout=45000 parameters/io_timeout=45 ",
              "queue/io_timeout=30000 parameters/io_timeout=30 ");
        check(w, &w->nvme, PREPARE_NVME_ADMIN_TIMEOUT, 9000, 60000,
              "parameters/admin_timeout=9 ", "parameters/admin_timeout=60 ");
}

/* 7.3 has files of the controller. */
static void test_nvme_of_the_controller(void **state) {
        struct world *w = *state;

        put(w, "devices/nvme0/io_timeout", "30000\n");
        put(w, "devices/nvme0/admin_timeout", "60000\n");
        check(w, &w->nvme, PREPARE_NVME_IO_TIMEOUT, 45000, 30000,
              "nvme0/io_timeout=45000 parameters/io_timeout=45 ",
              "nvme0/io_timeout=30000 parameters/io_timeout=30 ");
        check(w, &w->nvme, PREPARE_NVME_ADMIN_TIMEOUT, 9000, 60000,
              "nvme0/admin_timeout=9000 parameters/admin_timeout=9 ",
              "nvme0/admin_timeout=60000 parameters/admin_timeout=60 ");
}

/* What only the other kind has is not looked for, and what is missing is passed over. */
static void test_other_kinds(void **state) {
        struct world *w = *state;
        struct disk_nodes none = nodes_of(w, DISK_QUEUE, "devices/vda", "devices");

        for (size_t i = 0; i < _PREPARE_SETTING_MAX; i++)
                w->settings.values[i] = 5;
        w->settings.values[PREPARE_IOSTATS] = PREPARE_LEAVE;
        assert_int_equal(run(w, &none), 0);
        assert_trace("");
        assert_int_equal(unlink(temp_path(&w->dir, "devices/host0/0:0:0:0/timeout")), 0);
        w->settings.values[PREPARE_SCSI_TIMEOUT] = 90;
        w->settings.values[PREPARE_XFS_MAX_RETRIES] = PREPARE_LEAVE;
        w->settings.values[PREPARE_SCSI_MAX_RETRIES] = PREPARE_LEAVE;
        assert_int_equal(run(w, &w->sda), 0);
        assert_trace("");
}

/* Two disks share the parameter of a module: the one that stays keeps it. */
static void test_shared(void **state) {
        struct world *w = *state;
        struct disk_nodes other = w->nvme;

        other.diskseq = 5;
        w->settings.values[PREPARE_NVME_ADMIN_TIMEOUT] = 9000;
        assert_int_equal(run(w, &w->nvme), 0);
        assert_int_equal(run(w, &other), 0);
        assert_trace("parameters/admin_timeout=9 ");
        leave_all(w);
        assert_int_equal(run(w, &w->nvme), 0);
        assert_trace("");
        assert_int_equal(run(w, &other), 0);
        assert_trace("parameters/admin_timeout=60 ");
}

/* Nothing is written to the queue of a hung disk: since 6.12 that would wait for its requests, and
 * all others with it. What is not of its queue is set all the same. */
static void test_hung(void **state) {
        struct world *w = *state;

        put(w, SDA "/stat", BUSY);
        w->settings.values[PREPARE_IOSTATS] = 1;
        w->settings.values[PREPARE_SCSI_TIMEOUT] = 90;
        assert_int_equal(run(w, &w->sda), -EBUSY);
        assert_int_equal(w->failed, PREPARE_IOSTATS);
        assert_trace("0:0:0:0/timeout=90 ");

        put(w, NVME "/stat", BUSY);
        leave_all(w);
        w->settings.values[PREPARE_NVME_IO_TIMEOUT] = 6000;
        assert_int_equal(run(w, &w->nvme), -EBUSY);
        assert_int_equal(w->failed, PREPARE_NVME_IO_TIMEOUT);
        assert_trace("");

        /* Nor when it leaves. */
        put(w, NVME "/stat", IDLE);
        assert_int_equal(run(w, &w->nvme), 0);
        assert_trace("queue/io_timeout=6000 parameters/io_timeout=6 ");
        put(w, NVME "/stat", BUSY);
        leave_all(w);
        assert_int_equal(run(w, &w->nvme), -EBUSY);
        assert_trace("");
        put(w, NVME "/stat", IDLE);
        assert_int_equal(run(w, &w->nvme), 0);
        assert_trace("queue/io_timeout=30000 parameters/io_timeout=30 ");
}

static void test_errors(void **state) {
        struct world *w = *state;

        w->settings.values[PREPARE_SCSI_TIMEOUT] = 90;
        w->settings.values[PREPARE_SCSI_MAX_RETRIES] = 4;
        script.reactions[0] = (struct reaction) { .file = "0:0:0:0/timeout", .error = EINVAL };
        assert_int_equal(run(w, &w->sda), -EINVAL);
        assert_int_equal(w->failed, PREPARE_SCSI_TIMEOUT);
        assert_before(w, PREPARE_SCSI_MAX_RETRIES, 5);
        assert_trace("0:0:0:0/timeout=90 0:0:0:0/max_retries=4 ");
}

#define prepare_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                prepare_test(test_leave),
                prepare_test(test_scsi),
                prepare_test(test_timeout_at_least),
                prepare_test(test_nvme),
                prepare_test(test_nvme_of_the_controller),
                prepare_test(test_other_kinds),
                prepare_test(test_shared),
                prepare_test(test_hung),
                prepare_test(test_errors),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
