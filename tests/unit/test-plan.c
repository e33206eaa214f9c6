/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which rungs each driver has, and which of them a policy and an NVMe controller leave. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "agent/base/macro.h"
#include "agent/decide/drivers.h"
#include "agent/decide/plan.h"

#define NONE STEP_NONE
#define FINITE (30 * USEC_PER_SEC)

static uint64_t list(const unsigned *words, size_t n) {
        uint64_t list = 0;

        for (size_t i = 0; i < n; i++)
                list |= (uint64_t) (words[i] + 1) << i * POLICY_LIST_BITS;
        return list;
}

static struct policy all_rungs(void) {
        unsigned words[_RUNG_MAX];

        for (unsigned i = 0; i < _RUNG_MAX; i++)
                words[i] = i;
        return (struct policy) { .act = 1, .rungs = list(words, _RUNG_MAX) };
}

static struct plan make(const char *driver, enum disk_kind kind, const struct policy *policy,
                        const struct nvme_facts *facts) {
        struct disk_id id = { .kind = kind };
        struct plan plan;

        memset(&plan, 0xff, sizeof(plan));
        (void) snprintf(id.driver, sizeof(id.driver), "%s", driver);
        plan_make(&id, policy, facts, &plan);
        return plan;
}

static void check_cures(const struct plan *plan, const enum step *cures) {
        unsigned n = 0;

        for (; cures[n] != NONE; n++)
                assert_int_equal(plan->cures[n], cures[n]);
        assert_int_equal(plan->n_cures, n);
}

static void test_each_driver(_unused_ void **state) {
        static const struct {
                const char *driver;
                enum step cures[PLAN_CURES_MAX + 1];
                enum step fail;
        } rows[] = {
                { "virtio_scsi", { STEP_LUN_RESET }, STEP_OFFLINE },
                { "hv_storvsc", { STEP_HOST_RESET }, NONE },
                { "vmw_pvscsi", { STEP_LUN_RESET, STEP_BUS_RESET, STEP_HOST_RESET },
                  STEP_OFFLINE },
                { "mptspi", { STEP_LUN_RESET, STEP_BUS_RESET, STEP_HOST_RESET }, STEP_OFFLINE },
                { "mptsas", { STEP_LUN_RESET, STEP_HOST_RESET }, STEP_OFFLINE },
                { "mpt3sas", { STEP_LUN_RESET, STEP_TARGET_RESET, STEP_HOST_RESET },
                  STEP_OFFLINE },
                { "mpi3mr",
                  { STEP_LUN_RESET, STEP_TARGET_RESET, STEP_BUS_RESET, STEP_HOST_RESET },
                  STEP_OFFLINE },
                { "megaraid_sas", { STEP_TARGET_RESET, STEP_HOST_RESET }, NONE },
                { "ahci", { STEP_HOST_RESET }, NONE },
                { "ata_piix", { STEP_HOST_RESET }, NONE },
                { "iscsi_tcp", { STEP_LUN_RESET, STEP_TARGET_RESET }, STEP_OFFLINE },
                { "xen-scsifront", { STEP_LUN_RESET }, STEP_OFFLINE },
                { "scsi_debug",
                  { STEP_LUN_RESET, STEP_TARGET_RESET, STEP_BUS_RESET, STEP_HOST_RESET },
                  STEP_OFFLINE },
        };
        const struct policy policy = all_rungs();
        unsigned n = 0;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct plan plan = make(rows[i].driver, DISK_SCSI, &policy, NULL);

                check_cures(&plan, rows[i].cures);
                assert_int_equal(plan.fail, rows[i].fail);
                assert_int_equal(plan.back, rows[i].fail == NONE ? NONE : STEP_RUNNING);
                assert_int_equal(plan.finish, NONE);
                assert_int_equal(plan.end, NONE);
                assert_int_equal(plan.undo, NONE);
                assert_true(plan.answer == driver_find(rows[i].driver)->answer);
                assert_true(plan.answer >= 10 * USEC_PER_SEC && plan.fail_answer == plan.answer);
                assert_false(plan.contain);
                assert_false(plan_is_empty(&plan));
        }
        while (driver_at(n))
                n++;
        assert_int_equal(n, ELEMENTSOF(rows) + 7); /* nvme, and six that cannot be reset */
}

static void test_no_reset(_unused_ void **state) {
        static const char *const drivers[] = {
                "virtio_blk", "xen-blkfront", "nbd", "nvme-tcp", "nvme-rdma", "nvme-fc", "rbd", "",
        };
        struct policy policy = all_rungs();

        for (size_t i = 0; i < ELEMENTSOF(drivers); i++) {
                struct plan plan;

                policy.contain = 0;
                plan = make(drivers[i], DISK_QUEUE, &policy, NULL);
                assert_true(plan_is_empty(&plan));
                policy.contain = 1;
                plan = make(drivers[i], DISK_QUEUE, &policy, NULL);
                assert_int_equal(plan.n_cures, 0);
                assert_int_equal(plan.fail, NONE);
                assert_int_equal(plan.contain, i < 6);
        }
        /* What can be reset is never only contained. */
        assert_false(make("virtio_scsi", DISK_SCSI, &policy, NULL).contain);
}

/* By multipath, timeout, lockdown and what there is to end a reset that does not return. */
static void test_nvme(_unused_ void **state) {
        static const struct {
                struct nvme_facts facts;
                bool reset;
                enum step fail, end;
        } rows[] = {
                /* multipath, lockdown, movable BAR, bridge, identify, io_timeout */
                { { false, false, false, false, false, USEC_INFINITY, 0 }, false, NONE, NONE },
                { { false, false, false, false, false, FINITE, 0 }, true,
                  STEP_CONTROLLER_REMOVE, NONE },
                { { true, false, false, false, false, USEC_INFINITY, 0 }, true, NONE, NONE },
                { { true, false, false, false, false, FINITE, 0 }, true,
                  STEP_CONTROLLER_REMOVE, NONE },
                { { false, false, true, false, false, USEC_INFINITY, 0 }, false,
                  STEP_CONTROLLER_FAIL, NONE },
                { { false, false, true, false, false, FINITE, 0 }, true,
                  STEP_CONTROLLER_FAIL, NONE },
                { { true, false, true, false, false, USEC_INFINITY, 0 }, true,
                  STEP_CONTROLLER_FAIL, NONE },
                { { false, false, true, true, false, USEC_INFINITY, 0 }, true,
                  STEP_CONTROLLER_FAIL, STEP_CONTROLLER_END },
                { { false, false, true, false, true, USEC_INFINITY, 0 }, true,
                  STEP_CONTROLLER_FAIL, STEP_CONTROLLER_END },
                /* To end it by identify the BAR has to be moved, too; a bridge does without. */
                { { false, false, false, false, true, FINITE, 0 }, true,
                  STEP_CONTROLLER_REMOVE, NONE },
                { { false, false, false, true, false, FINITE, 0 }, true,
                  STEP_CONTROLLER_REMOVE, STEP_CONTROLLER_END },
                /* No rung fails it, so none is ended. */
                { { false, false, false, true, false, USEC_INFINITY, 0 }, false, NONE, NONE },
                /* Locked down: configuration space cannot be written. */
                { { false, true, true, true, true, USEC_INFINITY, 0 }, false, NONE, NONE },
                { { false, true, true, true, true, FINITE, 0 }, true, STEP_CONTROLLER_REMOVE,
                  NONE },
                { { true, true, true, true, true, USEC_INFINITY, 0 }, true, NONE, NONE },
        };
        const struct policy policy = all_rungs();

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct plan plan = make("nvme", DISK_NVME, &policy, &rows[i].facts);
                bool failed = rows[i].fail == STEP_CONTROLLER_FAIL;

                assert_int_equal(plan.n_cures, rows[i].reset);
                if (rows[i].reset)
                        assert_int_equal(plan.cures[0], STEP_CONTROLLER_RESET);
                assert_int_equal(plan.fail, rows[i].fail);
                assert_int_equal(plan.end, rows[i].end);
                assert_int_equal(plan.finish, failed ? STEP_CONTROLLER_REMOVE : NONE);
                assert_int_equal(plan.undo, failed ? STEP_CONTROLLER_RESTORE : NONE);
                assert_int_equal(plan.back,
                                 rows[i].fail == NONE ? NONE : STEP_CONTROLLER_RESCAN);
        }
}

static void test_nvme_times(_unused_ void **state) {
        const struct policy policy = all_rungs();
        struct nvme_facts facts = { .movable_bar = true, .io_timeout = FINITE };
        struct plan plan = make("nvme", DISK_NVME, &policy, &facts);

        /* Driver, ready time, and what the requests of the reset itself wait for. */
        assert_true(plan.answer == 20 * USEC_PER_SEC + FINITE);
        assert_true(plan.fail_answer == 15 * USEC_PER_SEC);
        facts.admin_timeout = 5 * USEC_PER_SEC;
        facts.multipath = true;
        plan = make("nvme", DISK_NVME, &policy, &facts);
        assert_true(plan.answer == 25 * USEC_PER_SEC);
        facts.admin_timeout = USEC_PER_HOUR;
        facts.movable_bar = false;
        plan = make("nvme", DISK_NVME, &policy, &facts);
        assert_true(plan.answer == 80 * USEC_PER_SEC);
        assert_true(plan.fail_answer == 2 * FINITE + 5 * USEC_PER_SEC);
        assert_true(plan_deadline(&plan, STEP_CONTROLLER_REMOVE) == plan.fail_answer);
        assert_true(plan_deadline(&plan, STEP_CONTROLLER_RESET) == plan.answer);
        assert_true(plan_deadline(&plan, STEP_PROBE) == 0);
        assert_true(plan_deadline(&plan, NONE) == 0);

        /* Without facts nothing is risked; nor on what only has the driver's name. */
        plan = make("nvme", DISK_NVME, &policy, NULL);
        assert_true(plan_is_empty(&plan));
        plan = make("nvme", DISK_QUEUE, &policy, &facts);
        assert_true(plan_is_empty(&plan));
}

/* What Rungs= does not name is not there, and its order changes nothing. */
static void test_policy(_unused_ void **state) {
        static const unsigned lun[] = { RUNG_LUN_RESET };
        static const unsigned turned[] = { RUNG_OFFLINE, RUNG_HOST_RESET, RUNG_TARGET_RESET };
        static const unsigned fail[] = { RUNG_CONTROLLER_FAIL };
        static const unsigned reset[] = { RUNG_CONTROLLER_RESET };
        const struct nvme_facts facts = {
                .movable_bar = true, .own_bridge = true, .io_timeout = USEC_INFINITY,
        };
        struct policy policy = { .rungs = list(lun, 1), .fence = FENCE_NONE, .fence_wait = 5 };
        struct plan plan = make("scsi_debug", DISK_SCSI, &policy, NULL);

        check_cures(&plan, (enum step[]) { STEP_LUN_RESET, NONE });
        assert_int_equal(plan.fail, NONE);
        assert_int_equal(plan.back, NONE);
        assert_true(plan.fence_wait == USEC_INFINITY);

        policy.rungs = list(turned, 3);
        policy.fence = FENCE_PANIC;
        plan = make("scsi_debug", DISK_SCSI, &policy, NULL);
        check_cures(&plan, (enum step[]) { STEP_TARGET_RESET, STEP_HOST_RESET, NONE });
        assert_int_equal(plan.fail, STEP_OFFLINE);
        assert_true(plan.fence_wait == 5);

        policy.rungs = list(fail, 1);
        plan = make("nvme", DISK_NVME, &policy, &facts);
        assert_int_equal(plan.n_cures, 0);
        assert_int_equal(plan.fail, STEP_CONTROLLER_FAIL);
        /* A reset that may not come back is no rung where none may fail the controller. */
        policy.rungs = list(reset, 1);
        plan = make("nvme", DISK_NVME, &policy, &facts);
        assert_true(plan_is_empty(&plan));

        policy.rungs = 0;
        plan = make("virtio_scsi", DISK_SCSI, &policy, NULL);
        assert_true(plan_is_empty(&plan));
}

static void test_cures(_unused_ void **state) {
        const struct policy policy = all_rungs();
        struct plan plan = make("scsi_debug", DISK_SCSI, &policy, NULL);

        assert_int_equal(plan_index(&plan, STEP_BUS_RESET), 2);
        assert_int_equal(plan_index(&plan, STEP_OFFLINE), 4);
        assert_int_equal(plan_cure(&plan, 0, UINT32_MAX), STEP_LUN_RESET);
        assert_int_equal(plan_cure(&plan, 1, UINT32_MAX), STEP_TARGET_RESET);
        assert_int_equal(plan_cure(&plan, 1, BIT(STEP_LUN_RESET) | BIT(STEP_HOST_RESET)),
                         STEP_HOST_RESET);
        assert_int_equal(plan_cure(&plan, 1, BIT(STEP_LUN_RESET) | BIT(STEP_OFFLINE)), NONE);
        assert_int_equal(plan_cure(&plan, 4, UINT32_MAX), NONE);
        assert_int_equal(plan_cure(&plan, 5, UINT32_MAX), NONE);
}

/* Each cell has its source, and a name leads to one row. */
static void test_table(_unused_ void **state) {
        const struct driver *driver;

        for (unsigned i = 0; (driver = driver_at(i)); i++) {
                assert_ptr_equal(driver_find(driver->name), driver);
                assert_true(strlen(driver->in_flight) > 0 && strstr(driver->source, "drivers/"));
                assert_int_equal(driver->answer == 0, driver->steps == 0);
        }
        assert_null(driver_find("virtio"));
        assert_null(driver_find(""));
        for (enum step step = STEP_NONE; step < _STEP_MAX; step++)
                assert_false(step_is_cure(step) && step_is_fail(step));
        assert_false(step_is_cure(STEP_PROBE) || step_is_fail(STEP_CONTROLLER_RESCAN));
}

static void test_rungs(_unused_ void **state) {
        assert_int_equal(plan_rungs("hv_storvsc"), BIT(RUNG_HOST_RESET));
        assert_int_equal(plan_rungs("virtio_scsi"), BIT(RUNG_LUN_RESET) | BIT(RUNG_OFFLINE));
        assert_int_equal(plan_rungs("nvme"),
                         BIT(RUNG_CONTROLLER_RESET) | BIT(RUNG_CONTROLLER_FAIL));
        assert_int_equal(plan_rungs("virtio_blk"), 0);
        assert_int_equal(plan_rungs("nobody's"), 0);
}

/* What is told of its filesystems goes into the plan, but a disk that is only watched and was reset
 * by hand keeps what is mounted. */
static void test_filesystems(void **state) {
        struct policy policy = all_rungs();

        policy.umount = 7;
        policy.mount = 8;
        for (int recovered = ON_RECOVERED_NOTHING; recovered <= ON_RECOVERED_REMOUNT; recovered++)
                for (int failed = ON_FAILED_NOTHING; failed <= ON_FAILED_REMOUNT; failed++) {
                        struct plan plan;

                        policy.act = 1;
                        policy.on_recovered = (uint64_t) recovered;
                        policy.on_failed = (uint64_t) failed;
                        plan = make("virtio_scsi", DISK_SCSI, &policy, NULL);
                        assert_int_equal(plan.on_recovered, recovered);
                        assert_int_equal(plan.on_failed, failed);
                        assert_int_equal(plan.umount_time, policy.umount);
                        assert_int_equal(plan.mount_time, policy.mount);
                        policy.act = 0;
                        plan = make("virtio_scsi", DISK_SCSI, &policy, NULL);
                        assert_int_equal(plan.on_recovered, MIN(recovered, ON_RECOVERED_CHECK));
                        assert_int_equal(plan.on_failed, failed);
                }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_driver),
                cmocka_unit_test(test_no_reset),
                cmocka_unit_test(test_nvme),
                cmocka_unit_test(test_nvme_times),
                cmocka_unit_test(test_policy),
                cmocka_unit_test(test_cures),
                cmocka_unit_test(test_table),
                cmocka_unit_test(test_rungs),
                cmocka_unit_test(test_filesystems),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
