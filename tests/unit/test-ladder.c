/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "agent/base/macro.h"
#include "tests/unit/ladder-story.h"

/* Each way through the machine, told as a story: watching, the LUN reset, and what comes from
 * outside. test-ladder-fail.c tells of the way down, test-ladder-all.c goes all ways at once. */

static int request(struct story *s) {
        return ladder_request(&s->ladder, &plan, STEP_LUN_RESET, s->footing, s->now);
}

/* ---- watching ---- */

static void test_healthy(void **state) {
        struct story s = story_new(FOOTING_DATA);

        assert_stands(&s, INCIDENT_HEALTHY, STEP_NONE, 0);
        assert_int_equal(s.ladder.past.act, STEP_NONE);
        s.now += S;
        assert_false(observe(&s, &clear));
        assert_false(observe(&s, &moving));
        assert_false(observe(&s, &held));
        assert_false(observe_quiet(&s, policy.warn - 1));
        assert_state(&s, INCIDENT_HEALTHY);
}

static void test_suspect_clears(void **state) {
        struct story s = story_new(FOOTING_DATA);

        assert_true(observe_quiet(&s, policy.warn));
        assert_stands(&s, INCIDENT_SUSPECT, STEP_NONE, 0);
        assert_false(observe_quiet(&s, policy.stall - 1));
        assert_false(observe(&s, &held));
        assert_true(observe(&s, &moving));
        assert_stands(&s, INCIDENT_HEALTHY, STEP_NONE, 0);
        assert_int_equal(s.ladder.past.act, STEP_NONE);
}

static void test_suspect_acts(void **state) {
        struct story s = story_new(FOOTING_DATA);

        assert_true(observe_quiet(&s, policy.warn));
        to_acting(&s);
}

static void test_no_act_without_leave(void **state) {
        struct story s = story_new(FOOTING_DATA);
        struct symptom stalled = quiet_for(policy.stall);

        assert_true(watch_only(&s, &stalled));
        assert_stands(&s, INCIDENT_REPORTED, STEP_NONE, 0);
        assert_string_equal(ladder_state_for_people(&s.ladder), "stuck");
        for (int i = 0; i < 100; i++, s.now += S)
                assert_false(watch_only(&s, &stalled));
        to_acting(&s);
}

/* Every symptom but a stuck controller leads to an act where one may follow, and all are reported
 * where none may; what is reported is over when the symptom is. */
static void test_each_symptom(void **state) {
        for (int kind = SYMPTOM_NONE + 1; kind < _SYMPTOM_MAX; kind++) {
                const bool held_back = kind == SYMPTOM_CONTROLLER_STUCK;
                struct symptom symptom = { .kind = (enum symptom_kind) kind, .held = held_back,
                                           .lasts = policy.warn, .outstanding = 8,
                                           .progress = true };
                struct story s = story_new(FOOTING_DATA);

                assert_true(observe(&s, &symptom));
                assert_stands(&s, INCIDENT_SUSPECT, STEP_NONE, 0);
                assert_string_equal(ladder_state_for_people(&s.ladder), "suspect");
                s.now += S;
                assert_false(observe(&s, &symptom));
                symptom.reached = true;
                assert_true(watch_only(&s, &symptom));
                assert_stands(&s, INCIDENT_REPORTED, STEP_NONE, 0);
                assert_false(observe(&s, &held)); /* not to be known now */
                s.now += S;
                if (held_back)
                        assert_false(observe(&s, &symptom));
                else {
                        assert_true(observe(&s, &symptom));
                        assert_stands(&s, INCIDENT_ACTING, STEP_LUN_RESET, 10 * S);
                        continue;
                }
                assert_true(observe(&s, &moving));
                assert_stands(&s, INCIDENT_HEALTHY, STEP_NONE, 0);
                assert_int_equal(s.ladder.past.act, STEP_NONE);
        }
}

/* The kernel comes to an end with its recovery, and the disk has still done nothing. */
static void test_reported_then_acted_on(void **state) {
        struct story s = story_new(FOOTING_DATA);
        struct symptom suspect = quiet_for(policy.warn);

        assert_true(observe(&s, &recovering));
        assert_stands(&s, INCIDENT_REPORTED, STEP_NONE, 0);
        s.now += S;
        assert_false(observe(&s, &suspect)); /* no news */
        to_acting(&s);

        s = story_new(FOOTING_DATA);
        assert_true(observe(&s, &recovering));
        assert_int_equal(request(&s), 0);
        assert_stands(&s, INCIDENT_ACTING, STEP_LUN_RESET, 10 * S);
}

/* One request from before the act does not come back, while others do: no cure either. */
static void test_left_after_the_reset(void **state) {
        struct symptom left = { .outstanding = 8, .left = policy.settle - 1 };
        struct story s = story_new(FOOTING_DATA);

        to_settling(&s);
        assert_false(observe(&s, &left));
        left.left = policy.settle;
        assert_true(observe(&s, &left));
        assert_stands(&s, INCIDENT_FAILING, STEP_OFFLINE, 10 * S);
}

static void test_uncured_is_not_reset_while_held(void **state) {
        struct story s = story_new(FOOTING_DATA);

        to_acting(&s);
        assert_true(returned(&s, -EIO));
        s.now = s.ladder.deadline;
        assert_false(observe(&s, &recovering));
        assert_state(&s, INCIDENT_UNCURED);
}

static void test_no_act_while_held(void **state) {
        struct story s = story_new(FOOTING_DATA);
        struct symptom stalled = quiet_for(policy.stall);

        stalled.held = true;
        assert_true(observe(&s, &stalled));
        assert_stands(&s, INCIDENT_REPORTED, STEP_NONE, 0);
}

/* ---- lun-reset ---- */

static void test_cure(void **state) {
        struct story s = story_new(FOOTING_DATA);

        to_settling(&s);
        assert_false(observe(&s, &held));
        assert_false(observe(&s, &clear)); /* nothing moved yet, nothing is out: wait */
        assert_false(observe_quiet(&s, policy.settle - 1));
        assert_true(observe(&s, &moving));
        assert_stands(&s, INCIDENT_VERIFYING, STEP_PROBE, 10 * S);
        assert_false(observe(&s, &moving));
        assert_true(returned(&s, 0));
        assert_false(s.ladder.failed);
        ends_recovered(&s);
}

static void test_probe_fails(void **state) {
        struct story s = story_new(FOOTING_DATA);

        to_settling(&s);
        assert_true(observe(&s, &moving));
        assert_true(returned(&s, -EIO));
        assert_stands(&s, INCIDENT_SETTLING, STEP_NONE, 0);
        s.now += policy.settle;
        assert_true(observe_quiet(&s, policy.settle));
        assert_stands(&s, INCIDENT_FAILING, STEP_OFFLINE, 10 * S);
}

/* A disk that ends its commands, with errors, and reads nothing: that is no cure, and to ask it
 * each second until the end of days is no help. Whether the kernel has set it offline by itself or
 * not, it has to end in one of the states that people can do something with. */
static void test_probes_do_not_go_on_for_ever(void **state) {
        for (int offline = 0; offline < 2; offline++) {
                const struct symptom ends = { .progress = true, .offline = offline };
                struct story s = story_new(FOOTING_DATA);

                to_settling(&s);
                for (int i = 0; i < 500 && (s.ladder.past.state == INCIDENT_SETTLING ||
                                            s.ladder.past.state == INCIDENT_VERIFYING); i++) {
                        s.now += S;
                        (void) observe(&s, &ends);
                        if (s.ladder.step == STEP_PROBE)
                                assert_true(returned(&s, -EIO));
                }
                assert_string_not_equal(ladder_state_for_people(&s.ladder), "settling");
        }
}

static void test_probe_hangs(void **state) {
        struct story s = story_new(FOOTING_DATA);

        to_settling(&s);
        assert_true(observe(&s, &moving));
        wait_for_deadline(&s);
        assert_stands(&s, INCIDENT_SETTLING, STEP_NONE, 0);
        /* It comes back after all, when nobody wants it any more. */
        assert_false(ladder_returned(&s.ladder, &plan, STEP_PROBE, 0, s.footing, s.now));
        assert_state(&s, INCIDENT_SETTLING);
}

static void test_refused(void **state) {
        struct story s = story_new(FOOTING_DATA);
        struct symptom suspect = quiet_for(policy.warn);

        to_acting(&s);
        assert_true(returned(&s, -EIO));
        assert_stands(&s, INCIDENT_UNCURED, STEP_NONE, 10 * S);
        assert_int_equal(s.ladder.outcome, OUTCOME_REFUSED);
        assert_string_equal(ladder_state_for_people(&s.ladder), "stuck");

        /* Before the time is over, and while it does not hang, nothing is done. */
        assert_false(observe_quiet(&s, policy.stall));
        s.now = s.ladder.deadline;
        assert_false(observe(&s, &clear));
        assert_false(observe(&s, &suspect));
        assert_false(observe(&s, &held));
        assert_true(observe_quiet(&s, policy.stall));
        assert_stands(&s, INCIDENT_ACTING, STEP_LUN_RESET, 10 * S);
        assert_true(returned(&s, -EIO));
        assert_stands(&s, INCIDENT_UNCURED, STEP_NONE, 20 * S);

        /* It comes back by itself. */
        assert_true(observe(&s, &moving));
        assert_stands(&s, INCIDENT_VERIFYING, STEP_PROBE, 10 * S);
        assert_true(returned(&s, 0));
        ends_recovered(&s);
}

static void test_kernel_recovers_the_host(void **state) {
        struct story s = story_new(FOOTING_DATA);

        to_acting(&s);
        assert_true(returned(&s, -EAGAIN));
        assert_stands(&s, INCIDENT_HEALTHY, STEP_NONE, 0);
        assert_int_equal(s.ladder.outcome, OUTCOME_REFUSED);
        /* A whole new limit. */
        assert_false(observe_quiet(&s, 0));
        assert_true(observe_quiet(&s, policy.warn));
        to_acting(&s);
}

static void test_reset_overdue_then_late(void **state) {
        struct story s = story_new(FOOTING_DATA);

        to_acting(&s);
        wait_for_deadline(&s);
        assert_state(&s, INCIDENT_ACTING);
        assert_true(s.ladder.overdue);
        assert_true(s.ladder.deadline == USEC_INFINITY);
        assert_int_equal(s.ladder.outcome, OUTCOME_TIMED_OUT);
        assert_string_equal(ladder_state_for_people(&s.ladder), "stuck");

        /* Whatever is seen for however long: nothing follows. */
        for (int i = 0; i < 1000; i++, s.now += 60 * S) {
                assert_false(observe_quiet(&s, policy.stall + s.now));
                assert_false(observe(&s, &moving));
                assert_false(observe(&s, &held));
                assert_int_equal(request(&s), -EBUSY);
        }
        assert_true(returned(&s, 0));
        assert_stands(&s, INCIDENT_SETTLING, STEP_NONE, 0);
        assert_true(observe(&s, &moving));
        assert_true(returned(&s, 0));
        ends_recovered(&s);
}

/* ---- by hand ---- */

static void test_request(void **state) {
        struct story s = story_new(FOOTING_DATA);

        assert_int_equal(request(&s), 0);
        assert_stands(&s, INCIDENT_ACTING, STEP_LUN_RESET, 10 * S);
        assert_int_equal(s.ladder.past.act, STEP_LUN_RESET);
        assert_int_equal(request(&s), -EBUSY);
        assert_true(returned(&s, 0));
        assert_int_equal(request(&s), -EBUSY); /* not without a look */

        s = story_new(FOOTING_DATA);
        assert_true(observe_quiet(&s, policy.warn));
        assert_int_equal(request(&s), 0);
        assert_state(&s, INCIDENT_ACTING);
        assert_true(returned(&s, -EIO));
        assert_int_equal(request(&s), 0); /* uncured: why not again */
        assert_state(&s, INCIDENT_ACTING);

        s = story_new(FOOTING_DATA);
        to_failed(&s);
        assert_int_equal(request(&s), -EBUSY);
        assert_state(&s, INCIDENT_FAILED);
}

static void test_only_the_step_that_is_wanted(void **state) {
        struct story s = story_new(FOOTING_DATA);

        to_acting(&s);
        for (int step = STEP_NONE + 1; step < _STEP_MAX; step++)
                if (step != STEP_LUN_RESET)
                        assert_false(ladder_returned(&s.ladder, &plan, (enum step) step, 0,
                                                     s.footing, s.now));
        assert_stands(&s, INCIDENT_ACTING, STEP_LUN_RESET, 10 * S);
}

/* ---- after a restart of the daemon ---- */

static void test_resume(void **state) {
        static const struct {
                enum incident_state left, running, offline;
        } cases[] = {
                { INCIDENT_HEALTHY, INCIDENT_HEALTHY, INCIDENT_HEALTHY },
                { INCIDENT_SUSPECT, INCIDENT_HEALTHY, INCIDENT_HEALTHY },
                { INCIDENT_REPORTED, INCIDENT_HEALTHY, INCIDENT_HEALTHY },
                { INCIDENT_RECOVERED, INCIDENT_HEALTHY, INCIDENT_HEALTHY },
                { INCIDENT_ACTING, INCIDENT_SETTLING, INCIDENT_DRAINING },
                { INCIDENT_UNCURED, INCIDENT_SETTLING, INCIDENT_DRAINING },
                { INCIDENT_SETTLING, INCIDENT_SETTLING, INCIDENT_DRAINING },
                { INCIDENT_VERIFYING, INCIDENT_SETTLING, INCIDENT_DRAINING },
                { INCIDENT_CHECKING, INCIDENT_SETTLING, INCIDENT_DRAINING },
                { INCIDENT_CLEARING, INCIDENT_CLEARING, INCIDENT_DRAINING },
                { INCIDENT_HELD, INCIDENT_CLEARING, INCIDENT_DRAINING },
                { INCIDENT_REVIVING, INCIDENT_CLEARING, INCIDENT_DRAINING },
                { INCIDENT_FAILING, INCIDENT_SETTLING, INCIDENT_DRAINING },
                { INCIDENT_ENDING, INCIDENT_SETTLING, INCIDENT_DRAINING },
                { INCIDENT_FINISHING, INCIDENT_SETTLING, INCIDENT_DRAINING },
                { INCIDENT_RESTORING, INCIDENT_SETTLING, INCIDENT_DRAINING },
                { INCIDENT_DRAINING, INCIDENT_SETTLING, INCIDENT_DRAINING },
                { INCIDENT_UNDRAINED, INCIDENT_SETTLING, INCIDENT_DRAINING },
                { INCIDENT_SHUTTING, INCIDENT_FAILING, INCIDENT_SHUTTING },
                { INCIDENT_UNMOUNTING, INCIDENT_FAILING, INCIDENT_SHUTTING },
                { INCIDENT_BUSY, INCIDENT_FAILING, INCIDENT_SHUTTING },
                { INCIDENT_FAILED, INCIDENT_FAILED, INCIDENT_FAILED },
                { INCIDENT_RETURNING, INCIDENT_FAILED, INCIDENT_FAILED },
                { INCIDENT_AWAITING, INCIDENT_FAILED, INCIDENT_FAILED },
                { INCIDENT_MOUNTING, INCIDENT_FAILED, INCIDENT_FAILED },
                { INCIDENT_CONTAINING, INCIDENT_CONTAINED, INCIDENT_CONTAINED },
                { INCIDENT_CONTAINED, INCIDENT_CONTAINED, INCIDENT_CONTAINED },
                { INCIDENT_FENCING, INCIDENT_SETTLING, INCIDENT_DRAINING },
        };

        assert_int_equal(ELEMENTSOF(cases), _INCIDENT_STATE_MAX);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (int offline = 0; offline < 2; offline++) {
                        enum incident_state wanted = offline ? cases[i].offline
                                                             : cases[i].running;
                        bool serves = wanted == INCIDENT_SETTLING || wanted == INCIDENT_CLEARING;
                        struct story s = { .now = 77 * S };
                        struct plan remounts = plan;
                        struct ladder_past past;

                        memset(&s.ladder, 0xff, sizeof(s.ladder));
                        past = (struct ladder_past) { .state = cases[i].left, .act = STEP_LUN_RESET,
                                                      .acted_at = 33 * S, .acts = { 33 * S } };
                        remounts.on_recovered = ON_RECOVERED_REMOUNT;
                        ladder_resume(&s.ladder, &remounts, &past, offline,
                                      FOOTING_DATA, s.now);
                        assert_state(&s, wanted);
                        assert_int_equal(s.ladder.since, s.now);
                        assert_false(s.ladder.overdue);
                        assert_true(wanted != INCIDENT_ACTING); /* never a reset at once */
                        assert_int_equal(s.ladder.past.act,
                                         wanted == INCIDENT_HEALTHY || serves ||
                                                         wanted == INCIDENT_CONTAINED
                                                 ? STEP_LUN_RESET
                                                 : STEP_OFFLINE);
                        assert_int_equal(s.ladder.failed, wanted != INCIDENT_HEALTHY && !serves);
                        if (wanted != INCIDENT_FAILING)
                                assert_int_equal(s.ladder.past.acted_at, 33 * S);
                        assert_int_equal(ladder_acts(&s.ladder, 100 * S, s.now), 1);
                }
}

/* What was killed between the end of a controller's I/O and its removal leaves requests that only
 * the removal ends, and siblings that nobody has told. */
static void test_resumed_removal(void **state) {
        static const struct {
                bool finish, offline;
                enum footing footing;
                enum incident_state wanted;
        } cases[] = {
                { true, true, FOOTING_DATA, INCIDENT_FINISHING },
                { true, true, FOOTING_NONE, INCIDENT_FINISHING },
                { true, true, FOOTING_SYSTEM, INCIDENT_DRAINING },
                { true, false, FOOTING_DATA, INCIDENT_SETTLING },
                { false, true, FOOTING_DATA, INCIDENT_DRAINING }, /* as of a disk that is gone */
        };
        static const enum incident_state left[] = { INCIDENT_ACTING, INCIDENT_FAILING,
                                                    INCIDENT_FINISHING, INCIDENT_DRAINING };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (size_t k = 0; k < ELEMENTSOF(left); k++) {
                        struct story s = { .now = 77 * S };
                        const struct plan nvme = {
                                .fail = STEP_CONTROLLER_FAIL,
                                .finish = cases[i].finish ? STEP_CONTROLLER_REMOVE : STEP_NONE,
                        };
                        const struct ladder_past past = { .state = left[k],
                                                          .act = STEP_CONTROLLER_RESET };

                        ladder_resume(&s.ladder, &nvme, &past, cases[i].offline, cases[i].footing,
                                      s.now);
                        assert_state(&s, cases[i].wanted);
                        assert_int_equal(s.ladder.step, cases[i].wanted == INCIDENT_FINISHING
                                                                ? STEP_CONTROLLER_REMOVE
                                                                : STEP_NONE);
                        assert_int_equal(s.ladder.failed, cases[i].offline);
                }
}

static void test_resumed_settling_takes_a_whole_window(void **state) {
        struct story s = { .now = 77 * S, .footing = FOOTING_DATA };
        const struct ladder_past past = { .state = INCIDENT_ACTING, .act = STEP_LUN_RESET,
                                          .acted_at = 33 * S };

        ladder_resume(&s.ladder, &plan, &past, false, FOOTING_DATA, s.now);
        s.now += 1000 * S;
        assert_false(observe_quiet(&s, policy.settle - 1));
        assert_true(observe_quiet(&s, policy.settle));
        assert_state(&s, INCIDENT_FAILING);
}

/* ---- time that is not counted ---- */

static void test_shift(void **state) {
        struct story s = story_new(FOOTING_DATA);
        usec_t deadline;

        to_acting(&s);
        deadline = s.ladder.deadline;
        ladder_shift(&s.ladder, 60 * S);
        assert_int_equal(s.ladder.deadline, deadline + 60 * S);
        assert_int_equal(s.ladder.since, s.now + 60 * S);
        s.now = deadline + 60 * S - 1;
        assert_false(observe(&s, &held));
        s.now++;
        assert_true(observe(&s, &held));
        assert_true(s.ladder.overdue);
        ladder_shift(&s.ladder, 60 * S);
        assert_true(s.ladder.deadline == USEC_INFINITY);
}

static void test_words(void **state) {
        for (int i = 0; i < _INCIDENT_STATE_MAX; i++)
                assert_int_equal(incident_state_from_string(
                                         incident_state_to_string((enum incident_state) i)), i);
        for (int i = 0; i < _STEP_MAX; i++)
                assert_int_equal(step_from_string(step_to_string((enum step) i)), i);
        for (int i = 0; i < _OUTCOME_MAX; i++)
                assert_non_null(outcome_to_string((enum outcome) i));
        for (int i = 0; i < _SYMPTOM_MAX; i++)
                for (int k = 0; k <= i; k++)
                        assert_int_equal(strcmp(symptom_to_string((enum symptom_kind) i),
                                                symptom_to_string((enum symptom_kind) k)) == 0,
                                         i == k);
        assert_int_equal(incident_state_from_string("stuck"), -EINVAL);
        assert_int_equal(incident_state_from_string(""), -EINVAL);
        assert_int_equal(step_from_string("lun-rese"), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_healthy),
                cmocka_unit_test(test_suspect_clears),
                cmocka_unit_test(test_suspect_acts),
                cmocka_unit_test(test_no_act_without_leave),
                cmocka_unit_test(test_no_act_while_held),
                cmocka_unit_test(test_each_symptom),
                cmocka_unit_test(test_reported_then_acted_on),
                cmocka_unit_test(test_left_after_the_reset),
                cmocka_unit_test(test_uncured_is_not_reset_while_held),
                cmocka_unit_test(test_cure),
                cmocka_unit_test(test_probe_fails),
                cmocka_unit_test(test_probes_do_not_go_on_for_ever),
                cmocka_unit_test(test_probe_hangs),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_kernel_recovers_the_host),
                cmocka_unit_test(test_reset_overdue_then_late),
                cmocka_unit_test(test_request),
                cmocka_unit_test(test_only_the_step_that_is_wanted),
                cmocka_unit_test(test_resume),
                cmocka_unit_test(test_resumed_removal),
                cmocka_unit_test(test_resumed_settling_takes_a_whole_window),
                cmocka_unit_test(test_shift),
                cmocka_unit_test(test_words),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
