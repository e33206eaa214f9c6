/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/ladder-story.h"

#include <errno.h>

/* A disk that recovered, whose filesystems may not have; and what a policy leaves alone. */

static struct plan with(enum policy_on_recovered on_recovered, enum policy_on_failed on_failed) {
        struct plan p = plan;

        p.cures[p.n_cures++] = STEP_TARGET_RESET;
        p.on_recovered = on_recovered;
        p.on_failed = on_failed;
        return p;
}

/* A reset, after which I/O moves and a read comes back. */
static void cure(struct story *s, const struct plan *p) {
        hang(s, p);
        assert_stands(s, INCIDENT_ACTING, STEP_LUN_RESET, 10 * S);
        end_step(s, p, 0);
        assert_true(see(s, p, &moving));
        assert_stands(s, INCIDENT_VERIFYING, STEP_PROBE, 10 * S);
        s->now += S;
        end_step(s, p, 0);
}

static void pass_deadline(struct story *s, const struct plan *p) {
        s->now = s->ladder.deadline - 1;
        assert_false(see(s, p, &clear));
        s->now++;
        assert_true(see(s, p, &clear));
}

static void test_alive(void **state) {
        const struct plan p = with(ON_RECOVERED_REMOUNT, ON_FAILED_REMOUNT);
        struct story s = story_new(FOOTING_DATA);

        cure(&s, &p);
        assert_stands(&s, INCIDENT_CHECKING, STEP_FS_CHECK, 30 * S);
        assert_string_equal(ladder_state_for_people(&s.ladder), "settling");
        assert_int_equal(s.ladder.outcome, OUTCOME_NONE);
        end_step(&s, &p, 0);
        ends_recovered(&s);
}

static void test_dead(void **state) {
        const struct plan p = with(ON_RECOVERED_REMOUNT, ON_FAILED_REMOUNT);
        struct story s = story_new(FOOTING_DATA);

        cure(&s, &p);
        end_step(&s, &p, -EROFS);
        assert_stands(&s, INCIDENT_CLEARING, STEP_FS_CLEAR, 30 * S);
        assert_int_equal(s.ladder.outcome, OUTCOME_RECOVERED); /* the disk has */
        end_step(&s, &p, -EBUSY);
        assert_stands(&s, INCIDENT_HELD, STEP_NONE, 10 * S);
        pass_deadline(&s, &p);
        assert_stands(&s, INCIDENT_CLEARING, STEP_FS_CLEAR, 30 * S);
        end_step(&s, &p, -EBUSY);
        assert_stands(&s, INCIDENT_HELD, STEP_NONE, 20 * S);
        pass_deadline(&s, &p);
        end_step(&s, &p, 0);
        assert_stands(&s, INCIDENT_REVIVING, STEP_FS_MOUNT, 60 * S);
        end_step(&s, &p, -EBUSY);
        assert_stands(&s, INCIDENT_HELD, STEP_NONE, 40 * S);
        pass_deadline(&s, &p);
        end_step(&s, &p, 0);
        end_step(&s, &p, 0);
        ends_recovered(&s);
        assert_int_equal(ladder_acts(&s.ladder, 1000 * S, s.now), 1);
}

/* What is not known is no reason to unmount anything. */
static void test_unknown(void **state) {
        const struct plan p = with(ON_RECOVERED_REMOUNT, ON_FAILED_REMOUNT);
        struct story s = story_new(FOOTING_DATA);

        cure(&s, &p);
        pass_deadline(&s, &p);
        ends_recovered(&s);
        assert_false(ladder_returned(&s.ladder, &p, STEP_FS_CHECK, -EIO, s.footing, s.now));
}

/* Said, and left to those who know what it means. */
static void test_only_told(void **state) {
        static const struct {
                enum policy_on_recovered on_recovered;
                enum footing footing;
        } cases[] = {
                { ON_RECOVERED_CHECK, FOOTING_DATA },
                { ON_RECOVERED_CHECK, FOOTING_SYSTEM },
                { ON_RECOVERED_REMOUNT, FOOTING_SYSTEM },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const struct plan p = with(cases[i].on_recovered, ON_FAILED_REMOUNT);
                struct story s = story_new(cases[i].footing);

                cure(&s, &p);
                assert_state(&s, INCIDENT_CHECKING);
                end_step(&s, &p, -EIO);
                ends_recovered(&s);
        }
}

static void test_not_checked(void **state) {
        const struct plan none = with(ON_RECOVERED_NOTHING, ON_FAILED_REMOUNT);
        const struct plan p = with(ON_RECOVERED_REMOUNT, ON_FAILED_REMOUNT);
        struct story s = story_new(FOOTING_DATA), bare = story_new(FOOTING_NONE);

        cure(&s, &none);
        ends_recovered(&s);
        cure(&bare, &p);
        ends_recovered(&bare);
}

/* While its filesystems are seen to it is watched as before, and what hangs again is a relapse. */
static void test_hangs_again(void **state) {
        static const int errors[][2] = { { 1 }, { -EIO, 1 }, { -EIO, -EBUSY }, { -EIO, 0 } };
        static const enum incident_state states[] = {
                INCIDENT_CHECKING, INCIDENT_CLEARING, INCIDENT_HELD, INCIDENT_REVIVING,
        };
        const struct plan p = with(ON_RECOVERED_REMOUNT, ON_FAILED_REMOUNT);

        for (size_t i = 0; i < ELEMENTSOF(states); i++) {
                struct story s = story_new(FOOTING_DATA);

                cure(&s, &p);
                for (size_t k = 0; k < 2 && errors[i][k] <= 0; k++)
                        end_step(&s, &p, errors[i][k]);
                assert_state(&s, states[i]);
                hang(&s, &p);
                assert_stands(&s, INCIDENT_ACTING, STEP_TARGET_RESET, 10 * S);
        }
}

/* What was unmounted is not forgotten over that: after the next cure it is mounted. */
static void test_mounted_after_the_next_hang(void **state) {
        const struct plan p = with(ON_RECOVERED_REMOUNT, ON_FAILED_REMOUNT);
        struct story s = story_new(FOOTING_DATA);

        cure(&s, &p);
        end_step(&s, &p, -EIO);
        end_step(&s, &p, 0);
        assert_state(&s, INCIDENT_REVIVING);
        hang(&s, &p); /* with the mount */
        end_step(&s, &p, 0);
        assert_true(see(&s, &p, &moving));
        end_step(&s, &p, 0);
        assert_state(&s, INCIDENT_CHECKING);
        end_step(&s, &p, 0); /* nothing that is mounted is dead */
        assert_state(&s, INCIDENT_CLEARING);
        end_step(&s, &p, 0);
        assert_stands(&s, INCIDENT_REVIVING, STEP_FS_MOUNT, 60 * S);
        end_step(&s, &p, 0);
        ends_recovered(&s);
        assert_false(s.ladder.past.unmounted);
}

/* Nor when the reset was not carried out, when it cleared by itself, or the daemon was killed. */
static void test_unmounted_is_not_forgotten(void **state) {
        const struct plan p = with(ON_RECOVERED_REMOUNT, ON_FAILED_REMOUNT);
        struct symptom stalled = quiet_for(policy.stall);
        struct story s = story_new(FOOTING_DATA);
        struct ladder_past past;

        cure(&s, &p);
        end_step(&s, &p, -EIO);
        end_step(&s, &p, -EBUSY);
        hang(&s, &p);
        end_step(&s, &p, -EAGAIN);
        assert_state(&s, INCIDENT_UNCURED);

        s = story_new(FOOTING_DATA);
        cure(&s, &p);
        end_step(&s, &p, -EIO);
        end_step(&s, &p, -EBUSY);
        assert_true(ladder_observe(&s.ladder, &p, &policy, &stalled, 0, s.footing, s.now));
        assert_state(&s, INCIDENT_REPORTED);
        assert_true(see(&s, &p, &clear));
        assert_state(&s, INCIDENT_HELD);
        pass_deadline(&s, &p);
        assert_state(&s, INCIDENT_CLEARING);

        past = s.ladder.past;
        past.state = INCIDENT_REPORTED;
        ladder_resume(&s.ladder, &p, &past, false, FOOTING_DATA, s.now);
        assert_state(&s, INCIDENT_CLEARING);
}

/* Where nothing may be done about that, it is told. */
static void test_hangs_again_and_is_reported(void **state) {
        const struct plan p = with(ON_RECOVERED_REMOUNT, ON_FAILED_REMOUNT);
        struct story s = story_new(FOOTING_DATA);
        struct symptom stalled = quiet_for(policy.stall);

        cure(&s, &p);
        end_step(&s, &p, -EIO);
        end_step(&s, &p, -EBUSY);
        assert_true(ladder_observe(&s.ladder, &p, &policy, &stalled, 0, s.footing, s.now));
        assert_stands(&s, INCIDENT_REPORTED, STEP_NONE, 0);
}

/* A mount that hangs is not waited for, and no reason to fail a disk that serves. */
static void test_overdue(void **state) {
        const struct plan p = with(ON_RECOVERED_REMOUNT, ON_FAILED_REMOUNT);
        struct story s = story_new(FOOTING_DATA);

        cure(&s, &p);
        end_step(&s, &p, -EIO);
        end_step(&s, &p, 0);
        pass_deadline(&s, &p);
        assert_state(&s, INCIDENT_REVIVING);
        assert_true(s.ladder.overdue);
        end_step(&s, &p, 0);
        ends_recovered(&s);
}

/* ---- OnFailed= ---- */

static void fail_disk(struct story *s, const struct plan *p) {
        assert_int_equal(ladder_request(&s->ladder, p, p->fail, s->footing, s->now), 0);
        assert_stands(s, INCIDENT_FAILING, STEP_OFFLINE, 10 * S);
        end_step(s, p, 0);
        assert_true(see(s, p, &drained));
}

static void test_on_failed(void **state) {
        for (int on_failed = ON_FAILED_NOTHING; on_failed <= ON_FAILED_REMOUNT; on_failed++) {
                const struct plan p = with(ON_RECOVERED_REMOUNT, (enum policy_on_failed) on_failed);
                struct story s = story_new(FOOTING_DATA);

                fail_disk(&s, &p);
                if (on_failed >= ON_FAILED_SHUTDOWN) {
                        assert_stands(&s, INCIDENT_SHUTTING, STEP_FS_SHUTDOWN, 10 * S);
                        end_step(&s, &p, 0);
                }
                if (on_failed >= ON_FAILED_UNMOUNT) {
                        assert_stands(&s, INCIDENT_UNMOUNTING, STEP_FS_UMOUNT, 30 * S);
                        end_step(&s, &p, 0);
                }
                assert_stands(&s, INCIDENT_FAILED, STEP_NONE, 10 * S);
                pass_deadline(&s, &p);
                assert_stands(&s, INCIDENT_RETURNING, STEP_RUNNING, 10 * S);
                end_step(&s, &p, 0);
                if (on_failed == ON_FAILED_REMOUNT) {
                        assert_stands(&s, INCIDENT_MOUNTING, STEP_FS_MOUNT, 60 * S);
                        end_step(&s, &p, 0);
                }
                ends_recovered(&s);
        }
}

/* A policy that has changed while no daemon ran. */
static void test_resume(void **state) {
        const struct plan p = with(ON_RECOVERED_CHECK, ON_FAILED_NOTHING);
        struct ladder_past past = { .state = INCIDENT_HELD, .act = STEP_LUN_RESET };
        struct story s = story_new(FOOTING_DATA);

        ladder_resume(&s.ladder, &p, &past, false, FOOTING_DATA, s.now);
        assert_state(&s, INCIDENT_SETTLING);
        past.state = INCIDENT_UNMOUNTING;
        ladder_resume(&s.ladder, &p, &past, true, FOOTING_DATA, s.now);
        assert_state(&s, INCIDENT_FAILED);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_alive),
                cmocka_unit_test(test_dead),
                cmocka_unit_test(test_unknown),
                cmocka_unit_test(test_only_told),
                cmocka_unit_test(test_not_checked),
                cmocka_unit_test(test_hangs_again),
                cmocka_unit_test(test_mounted_after_the_next_hang),
                cmocka_unit_test(test_unmounted_is_not_forgotten),
                cmocka_unit_test(test_hangs_again_and_is_reported),
                cmocka_unit_test(test_overdue),
                cmocka_unit_test(test_on_failed),
                cmocka_unit_test(test_resume),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
