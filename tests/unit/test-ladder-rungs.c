/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/base/macro.h"
#include "agent/decide/drivers.h"
#include "tests/unit/ladder-story.h"

/* Which rung follows which: wider ones, relapses, and the end of the machine. */

static const struct plan wide = {
        .cures = { STEP_LUN_RESET, STEP_TARGET_RESET }, .n_cures = 2, .fail = STEP_OFFLINE,
        .back = STEP_RUNNING, .answer = 10 * S, .fail_answer = 10 * S, .umount_time = 30 * S,
        .mount_time = 60 * S, .fence_wait = 60 * S,
        .on_failed = ON_FAILED_REMOUNT,
};

/* From healthy to healthy: the first rung cures. */
static void cure(struct story *s, const struct plan *p) {
        hang(s, p);
        assert_int_equal(s->ladder.step, STEP_LUN_RESET);
        end_step(s, p, 0);
        assert_true(see(s, p, &moving));
        end_step(s, p, 0);
        assert_state(s, INCIDENT_RECOVERED);
        assert_true(see(s, p, &clear));
        assert_state(s, INCIDENT_HEALTHY);
}

static void no_effect(struct story *s, const struct plan *p) {
        struct symptom quiet = quiet_for(policy.settle);

        end_step(s, p, 0);
        s->now += policy.settle;
        assert_true(see(s, p, &quiet));
}

static void test_wider_before_failing(void **state) {
        struct story s = story_new(FOOTING_DATA);

        hang(&s, &wide);
        assert_int_equal(s.ladder.step, STEP_LUN_RESET);
        no_effect(&s, &wide);
        assert_stands(&s, INCIDENT_ACTING, STEP_TARGET_RESET, 10 * S);
        no_effect(&s, &wide);
        assert_stands(&s, INCIDENT_FAILING, STEP_OFFLINE, 10 * S);
        assert_int_equal(ladder_acts(&s.ladder, 1000 * S, s.now), 3);
        assert_int_equal(ladder_acts(&s.ladder, policy.settle, s.now), 1);
}

/* Refused is not without effect for a limit: the next one follows after a window. */
static void test_wider_after_a_refusal(void **state) {
        struct story s = story_new(FOOTING_DATA);
        struct symptom quiet = quiet_for(policy.settle);

        hang(&s, &wide);
        end_step(&s, &wide, -EIO);
        assert_state(&s, INCIDENT_UNCURED);
        s.now += policy.settle;
        assert_true(see(&s, &wide, &quiet));
        assert_stands(&s, INCIDENT_ACTING, STEP_TARGET_RESET, 10 * S);
}

static void test_relapse(void **state) {
        struct story s = story_new(FOOTING_DATA);

        cure(&s, &wide);
        hang(&s, &wide);
        assert_stands(&s, INCIDENT_ACTING, STEP_TARGET_RESET, 10 * S);

        /* The last of them did not last either. */
        s = story_new(FOOTING_DATA);
        cure(&s, &plan);
        hang(&s, &plan);
        assert_stands(&s, INCIDENT_FAILING, STEP_OFFLINE, 10 * S);

        /* What is never failed is cured again, as often as the budget lets it. */
        s = story_new(FOOTING_SYSTEM);
        cure(&s, &plan);
        hang(&s, &plan);
        assert_stands(&s, INCIDENT_ACTING, STEP_LUN_RESET, 10 * S);
}

static void test_no_relapse_later(void **state) {
        struct story s = story_new(FOOTING_DATA);

        cure(&s, &wide);
        s.now += policy.stall;
        hang(&s, &wide);
        assert_stands(&s, INCIDENT_ACTING, STEP_LUN_RESET, 10 * S);
}

static void test_uncured_and_quiet_is_not_acted_on(void **state) {
        struct story s = story_new(FOOTING_DATA);
        struct symptom quiet = quiet_for(policy.settle);

        to_acting(&s);
        assert_true(returned(&s, -EIO));
        s.now = s.ladder.deadline;
        assert_false(observe(&s, &quiet)); /* not for the limit */
        assert_state(&s, INCIDENT_UNCURED);
}

static void test_fence_waits(void **state) {
        struct story s = story_new(FOOTING_SYSTEM);
        struct symptom stalled = quiet_for(policy.stall);

        hang(&s, &wide);
        s.now = s.ladder.deadline;
        assert_true(see(&s, &wide, &held)); /* overdue, and so stuck */
        s.now += 60 * S - 1;
        assert_false(see(&s, &wide, &held));
        s.now++;
        assert_false(ladder_observe(&s.ladder, &wide, &policy, &held,
                                    ALL_LEAVE & ~BIT(STEP_FENCE), s.footing, s.now));
        assert_true(see(&s, &wide, &held));
        assert_stands(&s, INCIDENT_FENCING, STEP_FENCE, 10 * S);

        /* Nor where there was nothing that could be done. */
        s = story_new(FOOTING_DATA);
        s.now += policy.stall;
        assert_true(ladder_observe(&s.ladder, &wide, &policy, &stalled, BIT(STEP_FENCE), s.footing,
                                   s.now));
        assert_state(&s, INCIDENT_REPORTED);
        s.now += 60 * S - 1;
        assert_false(ladder_observe(&s.ladder, &wide, &policy, &stalled, BIT(STEP_FENCE),
                                    s.footing, s.now));
        s.now++;
        assert_true(ladder_observe(&s.ladder, &wide, &policy, &stalled, BIT(STEP_FENCE), s.footing,
                                   s.now));
        assert_state(&s, INCIDENT_FENCING);
}

/* ---- what an earlier daemon left in the kernel ---- */

static const struct plan nvme = {
        .cures = { STEP_CONTROLLER_RESET }, .n_cures = 1, .fail = STEP_CONTROLLER_FAIL,
        .end = STEP_CONTROLLER_END, .finish = STEP_CONTROLLER_REMOVE, .answer = 30 * S,
        .fail_answer = 10 * S, .fence_wait = USEC_INFINITY, .on_failed = ON_FAILED_REMOUNT,
};

static struct story after_a_kill(void) {
        const struct ladder_past past = { .state = INCIDENT_ACTING, .act = STEP_CONTROLLER_RESET };
        struct story s = { .now = 77 * S, .footing = FOOTING_DATA };

        ladder_resume(&s.ladder, &nvme, &past, false, s.footing, s.now);
        assert_stands(&s, INCIDENT_SETTLING, STEP_NONE, nvme.answer);
        return s;
}

/* It has its time once more, and is ended only with leave. */
static void test_left_act_sticks(void **state) {
        struct story s = after_a_kill();

        s.now += nvme.answer - 1;
        assert_false(see(&s, &nvme, &held));
        s.now++;
        assert_false(ladder_observe(&s.ladder, &nvme, &policy, &held,
                                    ALL_LEAVE & ~BIT(STEP_CONTROLLER_END), s.footing, s.now));
        assert_true(see(&s, &nvme, &held));
        assert_state(&s, INCIDENT_ENDING);
        assert_int_equal(s.ladder.step, STEP_CONTROLLER_END);
}

/* A controller that it has left dead is removed, though all I/O of the disk has ended. */
static void test_left_act_has_failed_it(void **state) {
        struct story s = after_a_kill();

        s.now += S;
        assert_false(see(&s, &nvme, &held));
        assert_true(ladder_observe(&s.ladder, &nvme, &policy, &drained, 0, s.footing, s.now));
        assert_state(&s, INCIDENT_FINISHING);
        assert_int_equal(s.ladder.step, STEP_CONTROLLER_REMOVE);
}

/* What holds the disk after it has let go of it is something else, and is waited for. */
static void test_left_act_is_over(void **state) {
        struct story s = after_a_kill();

        s.now += S;
        assert_false(see(&s, &nvme, &out));
        s.now += 1000 * S;
        assert_false(see(&s, &nvme, &held));
        assert_state(&s, INCIDENT_SETTLING);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_wider_before_failing),
                cmocka_unit_test(test_wider_after_a_refusal),
                cmocka_unit_test(test_relapse),
                cmocka_unit_test(test_no_relapse_later),
                cmocka_unit_test(test_uncured_and_quiet_is_not_acted_on),
                cmocka_unit_test(test_fence_waits),
                cmocka_unit_test(test_left_act_sticks),
                cmocka_unit_test(test_left_act_has_failed_it),
                cmocka_unit_test(test_left_act_is_over),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
