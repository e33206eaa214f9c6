/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <stddef.h>

#include "agent/decide/drivers.h"
#include "agent/decide/plan.h"

/* How long the driver may wait for a controller to become ready, or not ready (CAP.TO): what it
 * really is, a dead register does not tell. */
#define READY_TIME (10 * USEC_PER_SEC)

/* nvme_core.admin_timeout as the kernel has it; more is not waited for. */
#define ADMIN_TIME USEC_PER_MINUTE

/* Seen: 0.1 to 1.5 s for each of these. */
#define CONTROLLER_TIME (5 * USEC_PER_SEC)

/* An unmovable BAR: the kernel's own timers end the I/O after the removal, twice on 6.1. */
#define REMOVE_TIMEOUTS 2

static const enum step steps_of_rungs[_RUNG_MAX] = {
        [RUNG_LUN_RESET] = STEP_LUN_RESET,
        [RUNG_TARGET_RESET] = STEP_TARGET_RESET,
        [RUNG_BUS_RESET] = STEP_BUS_RESET,
        [RUNG_HOST_RESET] = STEP_HOST_RESET,
        [RUNG_OFFLINE] = STEP_OFFLINE,
        [RUNG_CONTROLLER_RESET] = STEP_CONTROLLER_RESET,
        [RUNG_CONTROLLER_FAIL] = STEP_CONTROLLER_FAIL,
};

static bool may(const struct policy *policy, const struct driver *driver, enum step step) {
        int rung;

        for (unsigned i = 0; (rung = policy_list_at(policy->rungs, i)) >= 0; i++)
                if (steps_of_rungs[rung] == step)
                        return driver->steps & BIT(step);
        return false;
}

uint32_t plan_rungs(const char *driver) {
        const struct driver *row = driver_find(driver);
        uint32_t rungs = 0;

        for (unsigned rung = 0; row && rung < _RUNG_MAX; rung++)
                if (row->steps & BIT(steps_of_rungs[rung]))
                        rungs |= BIT(rung);
        return rungs;
}

static void add_cure(struct plan *plan, const struct policy *policy, const struct driver *driver,
                     enum step step) {
        if (may(policy, driver, step) && plan->n_cures < PLAN_CURES_MAX)
                plan->cures[plan->n_cures++] = step;
}

static void plan_scsi(const struct policy *policy, const struct driver *driver,
                      struct plan *plan) {
        static const enum step cures[] = {
                STEP_LUN_RESET, STEP_TARGET_RESET, STEP_BUS_RESET, STEP_HOST_RESET,
        };

        for (size_t i = 0; i < sizeof(cures) / sizeof(cures[0]); i++)
                add_cure(plan, policy, driver, cures[i]);
        if (may(policy, driver, STEP_OFFLINE)) {
                plan->fail = STEP_OFFLINE;
                plan->back = STEP_RUNNING;
        }
        plan->answer = plan->fail_answer = driver->answer;
}

/* A reset whose requests hang again sticks in "connecting": without multipath for ever, unless
 * their own timers end them. With the wrong combination it must not be the first rung, nor any. */
static bool can_come_back(const struct nvme_facts *facts, const struct plan *plan) {
        return facts->multipath || facts->io_timeout != USEC_INFINITY || plan->end != STEP_NONE;
}

static void plan_nvme(const struct policy *policy, const struct driver *driver,
                      const struct nvme_facts *facts, struct plan *plan) {
        bool finite = facts->io_timeout != USEC_INFINITY;
        bool end = facts->own_bridge || (facts->identify && facts->movable_bar);

        if (may(policy, driver, STEP_CONTROLLER_FAIL) && facts->movable_bar && !facts->lockdown) {
                plan->fail = STEP_CONTROLLER_FAIL;
                plan->finish = STEP_CONTROLLER_REMOVE;
                plan->undo = STEP_CONTROLLER_RESTORE;
                plan->fail_answer = CONTROLLER_TIME + READY_TIME;
        } else if (may(policy, driver, STEP_CONTROLLER_FAIL) && finite) {
                plan->fail = STEP_CONTROLLER_REMOVE;
                plan->fail_answer = REMOVE_TIMEOUTS * facts->io_timeout + CONTROLLER_TIME;
        }
        if (plan->fail != STEP_NONE)
                plan->back = STEP_CONTROLLER_RESCAN;
        if (plan->fail != STEP_NONE && end && !facts->lockdown)
                plan->end = STEP_CONTROLLER_END;
        if (can_come_back(facts, plan))
                add_cure(plan, policy, driver, STEP_CONTROLLER_RESET);
        plan->answer = driver->answer + READY_TIME +
                       (facts->admin_timeout < ADMIN_TIME ? facts->admin_timeout : ADMIN_TIME) +
                       (finite && !facts->multipath ? facts->io_timeout : 0);
}

/* What is only watched may have been reset by hand: nobody has asked for more than that. */
static enum policy_on_recovered on_recovered(const struct policy *policy) {
        return policy->act || policy->on_recovered < ON_RECOVERED_CHECK
                       ? (enum policy_on_recovered) policy->on_recovered
                       : ON_RECOVERED_CHECK;
}

void plan_make(const struct disk_id *disk, const struct policy *policy,
               const struct nvme_facts *facts, struct plan *ret) {
        const struct driver *driver;

        assert(disk && policy && ret);

        *ret = (struct plan) {
                .on_recovered = on_recovered(policy),
                .on_failed = (enum policy_on_failed) policy->on_failed,
                .umount_time = policy->umount,
                .mount_time = policy->mount,
                .fence_wait = policy->fence ? policy->fence_wait : USEC_INFINITY,
        };
        driver = driver_find(disk->driver);
        if (!driver)
                return;
        if (disk->kind == DISK_SCSI)
                plan_scsi(policy, driver, ret);
        else if (disk->kind == DISK_NVME && facts)
                plan_nvme(policy, driver, facts, ret);
        ret->contain = policy->contain && ret->fail == STEP_NONE && ret->n_cures == 0;
}

bool plan_is_empty(const struct plan *plan) {
        assert(plan);

        return plan->n_cures == 0 && plan->fail == STEP_NONE && !plan->contain;
}

enum step plan_cure(const struct plan *plan, unsigned from, uint32_t leave) {
        assert(plan);

        for (unsigned i = from; i < plan->n_cures; i++)
                if (leave & BIT(plan->cures[i]))
                        return plan->cures[i];
        return STEP_NONE;
}

unsigned plan_index(const struct plan *plan, enum step cure) {
        unsigned i = 0;

        assert(plan);

        while (i < plan->n_cures && plan->cures[i] != cure)
                i++;
        return i;
}

usec_t plan_deadline(const struct plan *plan, enum step step) {
        assert(plan);

        if (step == STEP_NONE)
                return 0;
        if (step == plan->fail)
                return plan->fail_answer;
        if (step == STEP_FS_CLEAR || step == STEP_FS_UMOUNT)
                return plan->umount_time;
        if (step == STEP_FS_MOUNT)
                return plan->mount_time;
        return step_is_cure(step) ? plan->answer : 0;
}
