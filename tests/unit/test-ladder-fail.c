/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "agent/base/macro.h"
#include "tests/unit/ladder-story.h"

/* Each way through the machine, told as a story: from offline to failed and back. */
/* ---- offline ---- */

static void test_no_change_to_failed_and_back(void **state) {
        struct story s = story_new(FOOTING_DATA);

        to_mounting(&s);
        assert_int_equal(s.ladder.past.act, STEP_OFFLINE);
        s.now += S;
        assert_true(returned(&s, 0));
        assert_true(s.ladder.failed);
        ends_recovered(&s);
}

static void test_settle_needs_leave(void **state) {
        struct story s = story_new(FOOTING_DATA);
        struct symptom quiet = quiet_for(policy.settle);

        to_settling(&s);
        assert_true(watch_only(&s, &quiet));
        assert_stands(&s, INCIDENT_UNCURED, STEP_NONE, 10 * S);
        assert_int_equal(s.ladder.outcome, OUTCOME_NO_CHANGE);
        /* Once there is leave, what still hangs is failed; the cure is not repeated. */
        s.now = s.ladder.deadline;
        quiet = quiet_for(policy.stall);
        assert_false(watch_only(&s, &quiet));
        assert_true(observe(&s, &quiet));
        assert_stands(&s, INCIDENT_FAILING, STEP_OFFLINE, 10 * S);
}

static void test_no_footing(void **state) {
        struct story s = story_new(FOOTING_NONE);

        to_draining(&s);
        assert_true(observe(&s, &drained));
        assert_stands(&s, INCIDENT_FAILED, STEP_NONE, 10 * S); /* nothing to shut down */
        assert_int_equal(s.ladder.outcome, OUTCOME_FAILED);
        wait_for_deadline(&s);
        assert_true(returned(&s, 0));
        ends_recovered(&s); /* nothing to mount */
}

static void test_system_disk_is_not_failed(void **state) {
        struct story s = story_new(FOOTING_SYSTEM);

        to_settling(&s);
        for (usec_t wait = 10 * S; wait < 1000 * S; wait *= 2) {
                s.now += policy.settle;
                assert_true(observe_quiet(&s, policy.settle));
                assert_stands(&s, INCIDENT_UNCURED, STEP_NONE, MIN(wait, 300 * S));
                assert_int_equal(s.ladder.past.act, STEP_LUN_RESET);
                assert_int_equal(s.ladder.outcome, OUTCOME_NO_CHANGE);
                assert_false(s.ladder.failed);

                /* Reset again, when it still hangs, and looked at for a whole window again. */
                s.now = s.ladder.deadline;
                assert_true(observe_quiet(&s, policy.stall));
                assert_stands(&s, INCIDENT_ACTING, STEP_LUN_RESET, 10 * S);
                assert_true(returned(&s, 0));
                assert_stands(&s, INCIDENT_SETTLING, STEP_NONE, 0);
        }
}

static void test_offline_fails(void **state) {
        struct story s = story_new(FOOTING_DATA);

        to_failing(&s);
        assert_true(returned(&s, -EIO));
        assert_stands(&s, INCIDENT_DRAINING, STEP_NONE, 10 * S);
        assert_true(observe(&s, &drained));
        assert_stands(&s, INCIDENT_SHUTTING, STEP_FS_SHUTDOWN, 10 * S);
}

static void test_offline_overdue_then_late(void **state) {
        struct story s = story_new(FOOTING_DATA);

        to_failing(&s);
        wait_for_deadline(&s);
        assert_true(s.ladder.overdue);
        assert_int_equal(s.ladder.outcome, OUTCOME_TIMED_OUT);
        assert_false(observe(&s, &drained)); /* not before it has returned */
        assert_true(returned(&s, 0));
        assert_stands(&s, INCIDENT_DRAINING, STEP_NONE, 10 * S);
}

/* The disk is offline by then, and nothing but STEP_RUNNING makes it run again: to look whether
 * commands complete says nothing, for with an offline disk all of them do. */
static void test_offline_while_the_kernel_recovers(void **state) {
        struct story s = story_new(FOOTING_DATA);

        to_failing(&s);
        assert_true(returned(&s, -EAGAIN));
        for (int i = 0; i < 100 && s.ladder.past.state != INCIDENT_FAILED; i++) {
                s.now = s.ladder.deadline == USEC_INFINITY ? s.now + S : s.ladder.deadline;
                (void) observe(&s, &drained);
                if (s.ladder.step != STEP_NONE) /* an offline disk reads nothing */
                        (void) returned(&s, s.ladder.step == STEP_PROBE ? -EIO : 0);
        }
        assert_state(&s, INCIDENT_FAILED);
}

static void test_drain_needs_the_end_of_all_io(void **state) {
        const struct symptom some = { .outstanding = 8, .progress = true, .offline = true };
        const struct symptom none_seen = { .offline = true };
        struct story s = story_new(FOOTING_DATA);

        to_draining(&s);
        assert_false(observe(&s, &some));      /* some ended, some are out */
        assert_false(observe(&s, &none_seen)); /* nothing out, but nothing was seen to end */
        assert_false(observe(&s, &held));
        assert_false(observe_quiet(&s, policy.stall));
        assert_true(observe(&s, &drained));
        assert_state(&s, INCIDENT_SHUTTING);
}

/* Whatever became of the step that was to set it offline: what answers is not failed. */
static void test_drain_of_a_disk_that_is_not_offline(void **state) {
        static const struct symptom ways[] = {
                { .outstanding = 8, .progress = true },
                { .outstanding = 0, .progress = true },
        };

        for (size_t i = 0; i < 2 * ELEMENTSOF(ways); i++) {
                struct story s = story_new(FOOTING_DATA);

                to_failing(&s);
                assert_true(returned(&s, -EINVAL));
                if (i >= ELEMENTSOF(ways)) {
                        wait_for_deadline(&s);
                        assert_state(&s, INCIDENT_UNDRAINED);
                }
                assert_false(observe(&s, &clear));
                assert_true(observe(&s, &ways[i % ELEMENTSOF(ways)]));
                assert_stands(&s, INCIDENT_VERIFYING, STEP_PROBE, 10 * S);
                assert_true(returned(&s, 0));
                /* What this incident may have unmounted comes back. */
                assert_stands(&s, INCIDENT_MOUNTING, STEP_FS_MOUNT, 60 * S);
                assert_true(returned(&s, 0));
                ends_recovered(&s);
        }
}

static void test_undrained(void **state) {
        struct story s = story_new(FOOTING_DATA);

        to_draining(&s);
        for (usec_t wait = 10 * S; wait < 1000 * S; wait *= 2) {
                wait_for_deadline(&s);
                assert_stands(&s, INCIDENT_UNDRAINED, STEP_NONE, MIN(wait, 300 * S));
                assert_int_equal(s.ladder.outcome, OUTCOME_NO_CHANGE);
                assert_string_equal(ladder_state_for_people(&s.ladder), "stuck");
                wait_for_deadline(&s);
                assert_stands(&s, INCIDENT_FAILING, STEP_OFFLINE, 10 * S);
                assert_true(returned(&s, 0));
        }
        wait_for_deadline(&s);
        assert_state(&s, INCIDENT_UNDRAINED);
        s.now += S;
        assert_true(observe(&s, &drained)); /* late, but it ended */
        assert_state(&s, INCIDENT_SHUTTING);
}

/* ---- filesystems ---- */

static void test_shutdown_fails(void **state) {
        struct story s = story_new(FOOTING_DATA);

        to_shutting(&s);
        assert_true(returned(&s, -ENOTTY)); /* unmounting does it too */
        assert_stands(&s, INCIDENT_UNMOUNTING, STEP_FS_UMOUNT, 30 * S);
}

static void test_filesystem_steps_overdue(void **state) {
        struct story s = story_new(FOOTING_DATA);

        to_shutting(&s);
        wait_for_deadline(&s);
        assert_true(s.ladder.overdue);
        assert_int_equal(s.ladder.outcome, OUTCOME_NONE); /* that of the offline: not over */
        assert_true(returned(&s, 0));
        assert_stands(&s, INCIDENT_UNMOUNTING, STEP_FS_UMOUNT, 30 * S);
        wait_for_deadline(&s);
        assert_true(s.ladder.overdue);
        assert_string_equal(ladder_state_for_people(&s.ladder), "stuck");
        assert_true(returned(&s, 0));
        assert_state(&s, INCIDENT_FAILED);
}

/* Only resets tell that the kernel recovers the host; elsewhere it is an error like others. */
static void test_again_of_other_steps(void **state) {
        struct story s = story_new(FOOTING_DATA);

        to_shutting(&s);
        assert_true(returned(&s, -EAGAIN));
        assert_state(&s, INCIDENT_UNMOUNTING);
        assert_true(returned(&s, -EAGAIN));
        assert_state(&s, INCIDENT_BUSY);

        s = story_new(FOOTING_DATA);
        to_mounting(&s);
        assert_true(returned(&s, -EAGAIN));
        assert_state(&s, INCIDENT_FAILED);

        s = story_new(FOOTING_DATA);
        to_returning(&s);
        assert_true(returned(&s, -EAGAIN));
        assert_state(&s, INCIDENT_FAILING);
}

static void test_umount_busy(void **state) {
        struct story s = story_new(FOOTING_DATA);

        to_unmounting(&s);
        for (int i = 0; i < 50; i++) {
                assert_true(returned(&s, -EBUSY));
                assert_stands(&s, INCIDENT_BUSY, STEP_NONE, 5 * S);
                wait_for_deadline(&s);
                assert_stands(&s, INCIDENT_UNMOUNTING, STEP_FS_UMOUNT, 30 * S);
        }
        assert_true(returned(&s, 0));
        assert_stands(&s, INCIDENT_FAILED, STEP_NONE, 10 * S);
}

/* ---- back again ---- */

static void test_return_fails(void **state) {
        static const usec_t waits[] = { 20, 40, 80, 160, 300, 300, 300 };
        struct story s = story_new(FOOTING_NONE);

        to_draining(&s);
        assert_true(observe(&s, &drained));
        assert_stands(&s, INCIDENT_FAILED, STEP_NONE, 10 * S);
        for (size_t i = 0; i < ELEMENTSOF(waits); i++) {
                wait_for_deadline(&s);
                assert_stands(&s, INCIDENT_RETURNING, STEP_RUNNING, 10 * S);
                if (i % 2)
                        assert_true(returned(&s, -EIO));
                else
                        wait_for_deadline(&s);
                assert_stands(&s, INCIDENT_FAILING, STEP_OFFLINE, 10 * S);
                /* The step that was given up. */
                assert_false(ladder_returned(&s.ladder, &plan, STEP_RUNNING, 0, s.footing, s.now));
                assert_true(returned(&s, 0));
                assert_true(observe(&s, &drained));
                assert_stands(&s, INCIDENT_FAILED, STEP_NONE, waits[i] * S);
        }
        wait_for_deadline(&s);
        assert_true(returned(&s, 0));
        ends_recovered(&s); /* which forgets the long waits */
        to_draining(&s);
        assert_true(observe(&s, &drained));
        assert_stands(&s, INCIDENT_FAILED, STEP_NONE, 10 * S);
}

static void test_mount_fails(void **state) {
        struct story s = story_new(FOOTING_DATA);

        to_mounting(&s);
        assert_true(returned(&s, -EINVAL));
        assert_stands(&s, INCIDENT_FAILED, STEP_NONE, 20 * S);
        wait_for_deadline(&s);
        assert_stands(&s, INCIDENT_RETURNING, STEP_RUNNING, 10 * S);
}

static void test_mount_hangs(void **state) {
        struct story s = story_new(FOOTING_DATA);

        to_mounting(&s);
        wait_for_deadline(&s);
        assert_stands(&s, INCIDENT_FAILING, STEP_OFFLINE, 10 * S);
        assert_false(ladder_returned(&s.ladder, &plan, STEP_FS_MOUNT, -EIO, s.footing, s.now));
        assert_true(returned(&s, 0));
        assert_true(observe(&s, &drained));
        assert_state(&s, INCIDENT_SHUTTING); /* it may have come to be mounted */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_no_change_to_failed_and_back),
                cmocka_unit_test(test_settle_needs_leave),
                cmocka_unit_test(test_no_footing),
                cmocka_unit_test(test_system_disk_is_not_failed),
                cmocka_unit_test(test_offline_fails),
                cmocka_unit_test(test_offline_overdue_then_late),
                cmocka_unit_test(test_offline_while_the_kernel_recovers),
                cmocka_unit_test(test_drain_needs_the_end_of_all_io),
                cmocka_unit_test(test_drain_of_a_disk_that_is_not_offline),
                cmocka_unit_test(test_undrained),
                cmocka_unit_test(test_shutdown_fails),
                cmocka_unit_test(test_filesystem_steps_overdue),
                cmocka_unit_test(test_again_of_other_steps),
                cmocka_unit_test(test_umount_busy),
                cmocka_unit_test(test_return_fails),
                cmocka_unit_test(test_mount_fails),
                cmocka_unit_test(test_mount_hangs),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
