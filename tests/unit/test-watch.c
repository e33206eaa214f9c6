/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "agent/base/macro.h"
#include "agent/decide/names.h"
#include "agent/watch.h"

/* The detector and the ladder together: whose time begins anew when, what is begun, what is not,
 * and when the next look is due. */

#define S USEC_PER_SEC
#define MS USEC_PER_MSEC

static const struct policy policy = {
        .warn = 4 * S, .stall = 16 * S, .settle = 8 * S,
        .inflight_limit = 64, .inflight = 10 * S, .act = 1, .max_acts = 16,
        .acts_window = 3600 * S,
};

static const struct plan plan = {
        .cures = { STEP_LUN_RESET }, .n_cures = 1, .fail = STEP_OFFLINE, .back = STEP_RUNNING,
        .answer = 10 * S, .fail_answer = 10 * S, .umount_time = 30 * S,
        .mount_time = 60 * S, .fence_wait = USEC_INFINITY,
        .on_failed = ON_FAILED_REMOUNT,
};

struct story {
        struct watch watch;
        struct sample sample;
        enum footing footing;
        struct circumstances here;
        int answer; /* of the executor that a step is given to */
        unsigned begun[_STEP_MAX];
};

static struct story story_new(void) {
        struct story s = { .footing = FOOTING_DATA, .sample = { .at = 1000 * S } };

        watch_init(&s.watch, s.sample.at);
        s.watch.plan = plan;
        return s;
}

static int begin(enum step step, void *userdata) {
        struct story *s = userdata;

        s->begun[step]++;
        return s->answer;
}

/* The next sample is taken T later, with N out. */
static bool look(struct story *s, usec_t t, uint32_t n) {
        s->sample.at += t;
        s->sample.outstanding = n;
        return watch_take(&s->watch, &policy, &s->sample, &s->here, s->footing);
}

static bool pursue(struct story *s) {
        return watch_pursue(&s->watch, begin, s, s->footing, s->sample.at);
}

static bool returned(struct story *s, enum step step, int error) {
        return watch_returned(&s->watch, step, error, s->footing, s->sample.at);
}

static int request(struct story *s) {
        return watch_request(&s->watch, STEP_LUN_RESET, s->footing, s->sample.at);
}

static void look_for(struct story *s, usec_t t, uint32_t n) {
        for (usec_t k = 0; k < t; k += S)
                (void) look(s, S, n);
}

#define assert_state(s, expected)                                                 \
        assert_string_equal(incident_state_to_string((s)->watch.ladder.past.state),    \
                            incident_state_to_string(expected))

static struct story story_acting(void) {
        struct story s = story_new();

        look_for(&s, 16 * S, 4);
        assert_state(&s, INCIDENT_SUSPECT);
        assert_true(look(&s, S, 4));
        assert_state(&s, INCIDENT_ACTING);
        assert_false(pursue(&s));
        assert_int_equal(s.begun[STEP_LUN_RESET], 1);
        assert_true(s.watch.begun);
        return s;
}

static struct story story_settling(void) {
        struct story s = story_acting();

        assert_true(returned(&s, STEP_LUN_RESET, 0));
        assert_state(&s, INCIDENT_SETTLING);
        return s;
}

static struct story story_uncured(void) {
        struct story s = story_acting();

        assert_true(returned(&s, STEP_LUN_RESET, -EIO));
        assert_state(&s, INCIDENT_UNCURED);
        return s;
}

/* ---- who may act ---- */

static void test_watch_only(void **state) {
        struct story s = story_new();

        s.watch.plan = (struct plan) { .fence_wait = USEC_INFINITY };
        look_for(&s, 17 * S, 4);
        assert_state(&s, INCIDENT_REPORTED);
        assert_false(pursue(&s));
        look_for(&s, 1000 * S, 4);
        assert_state(&s, INCIDENT_REPORTED);
        assert_true(look(&s, S, 0));
        assert_state(&s, INCIDENT_HEALTHY);
        assert_int_equal(s.begun[STEP_LUN_RESET], 0);
}

static void test_no_act_while_held_or_recovering(void **state) {
        for (int recovering = 0; recovering < 2; recovering++) {
                struct story s = story_new();

                look_for(&s, 15 * S, 4);
                s.sample.held = !recovering;
                s.sample.recovering = recovering;
                look_for(&s, 15 * S, 4);
                assert_state(&s, INCIDENT_SUSPECT);
                look_for(&s, 3 * S, 4);
                assert_state(&s, recovering ? INCIDENT_REPORTED : INCIDENT_SUSPECT);
                s.sample.held = s.sample.recovering = false;
                (void) look(&s, S, 4);
                /* An act of ours begins the time anew; the kernel's only lets it stand still. */
                assert_state(&s, recovering ? INCIDENT_REPORTED : INCIDENT_HEALTHY);
                look_for(&s, 8 * S, 4);
                assert_state(&s, recovering ? INCIDENT_ACTING : INCIDENT_SUSPECT);
        }
}

/* What a person is told who asks for a reset now. */
static void test_refuses(void **state) {
        struct story s = story_new();

        look_for(&s, 3 * S, 4);
        assert_int_equal(watch_refuses(&s.watch, &policy, STEP_LUN_RESET, 0), REFUSAL_NONE);
        s.sample.held = true;
        (void) look(&s, S, 4);
        assert_int_equal(watch_refuses(&s.watch, &policy, STEP_LUN_RESET, UINT32_MAX),
                         REFUSAL_HELD);
        s.sample.held = false;
        s.sample.recovering = true;
        (void) look(&s, S, 4);
        assert_int_equal(watch_refuses(&s.watch, &policy, STEP_LUN_RESET, UINT32_MAX),
                         REFUSAL_RECOVERING);
        s.sample.recovering = false;
        look_for(&s, 3 * S, 0);
        assert_int_equal(watch_refuses(&s.watch, &policy, STEP_LUN_RESET, 0), REFUSAL_SYMPTOM);
        assert_int_equal(watch_refuses(&s.watch, &policy, STEP_LUN_RESET, BIT(REFUSAL_SYMPTOM)),
                         REFUSAL_NONE);
}

/* A quiet disk that goes from healthy to suspect is not looked at anew by that, nor by a report. */
static void test_watching_goes_on(void **state) {
        struct story s = story_new();

        s.watch.plan = (struct plan) { .fence_wait = USEC_INFINITY };
        look_for(&s, 5 * S, 4);
        assert_state(&s, INCIDENT_SUSPECT);
        assert_int_equal(s.watch.symptom.quiet, 4 * S);
        look_for(&s, 13 * S, 4);
        assert_state(&s, INCIDENT_REPORTED);
        assert_int_equal(s.watch.symptom.quiet, 17 * S);
}

/* ---- what comes after an act is its effect ---- */

static void test_after_an_act_the_look_begins_anew(void **state) {
        struct story s = story_acting();

        s.sample.completed += 50; /* during the act */
        assert_true(returned(&s, STEP_LUN_RESET, 0));
        (void) look(&s, S, 4);
        assert_false(s.watch.symptom.progress);
        assert_int_equal(s.watch.symptom.quiet, 0);
        look_for(&s, 7 * S, 4);
        assert_state(&s, INCIDENT_SETTLING);
        (void) look(&s, S, 4);
        assert_state(&s, INCIDENT_FAILING);
}

static void test_late_return_of_another_step(void **state) {
        struct story s = story_settling();

        look_for(&s, 4 * S, 4);
        assert_false(returned(&s, STEP_PROBE, 0));
        assert_state(&s, INCIDENT_SETTLING);
        /* Whatever returns may have moved something: a whole window from there. */
        look_for(&s, 8 * S, 4);
        assert_state(&s, INCIDENT_SETTLING);
        (void) look(&s, S, 4);
        assert_state(&s, INCIDENT_FAILING);
}

static void test_recovery_after_an_act(void **state) {
        struct story s = story_settling();

        look_for(&s, 7 * S, 4);
        s.sample.recovering = true;
        s.sample.completed++; /* which is the doing of the kernel */
        look_for(&s, 3 * S, 0);
        s.sample.recovering = false;
        for (int i = 0; i < 8; i++) {
                (void) look(&s, S, 4);
                assert_false(s.watch.symptom.progress);
                assert_state(&s, INCIDENT_SETTLING);
        }
        (void) look(&s, S, 4);
        assert_state(&s, INCIDENT_FAILING);
}

/* But not for ever: a controller that the kernel resets every few seconds does not put off the
 * outcome without end. */
static void test_recoveries_after_an_act(void **state) {
        struct story s = story_settling();
        usec_t begun = s.sample.at;

        for (int i = 0; i < 10 && s.watch.ladder.past.state == INCIDENT_SETTLING; i++) {
                look_for(&s, 5 * S, 4);
                s.sample.recovering = true;
                look_for(&s, 2 * S, 0);
                s.sample.recovering = false;
        }
        assert_state(&s, INCIDENT_FAILING);
        assert_true(s.sample.at - begun >= policy.settle);

        /* The next state may be put off once again. */
        assert_false(s.watch.renewed);
}

static void test_recovery_between_tries(void **state) {
        struct story s = story_uncured();

        for (int i = 0; i < 20 && s.watch.ladder.past.state == INCIDENT_UNCURED; i++) {
                look_for(&s, 5 * S, 4);
                s.sample.recovering = true;
                look_for(&s, 2 * S, 0);
                s.sample.recovering = false;
        }
        assert_state(&s, INCIDENT_ACTING);
}

/* ---- how a step is begun ---- */

static void test_begun_once(void **state) {
        struct story s = story_acting();

        for (int i = 0; i < 5; i++) {
                s.sample.held = true;
                (void) look(&s, S, 4);
                assert_false(pursue(&s));
        }
        assert_int_equal(s.begun[STEP_LUN_RESET], 1);
}

static void test_domain_busy_is_not_waited_for(void **state) {
        struct story s = story_new();

        look_for(&s, 17 * S, 4);
        assert_state(&s, INCIDENT_ACTING);
        s.answer = -EBUSY;
        assert_true(pursue(&s));
        assert_state(&s, INCIDENT_HEALTHY);
        assert_false(s.watch.begun);
        /* By then the disk may be well: a whole new limit. */
        s.answer = 0;
        look_for(&s, 16 * S, 4);
        assert_state(&s, INCIDENT_SUSPECT);
        look_for(&s, S, 4);
        assert_state(&s, INCIDENT_ACTING);
        assert_false(pursue(&s));
        assert_int_equal(s.begun[STEP_LUN_RESET], 2);
}

static void test_own_executor_is_waited_for(void **state) {
        struct story s = story_settling();

        (void) look(&s, S, 4);
        s.sample.completed++;
        assert_true(look(&s, S, 4));
        assert_state(&s, INCIDENT_VERIFYING);
        s.answer = -EBUSY;
        assert_false(pursue(&s));
        assert_state(&s, INCIDENT_VERIFYING);
        s.answer = 0;
        assert_false(pursue(&s));
        assert_false(pursue(&s));
        assert_int_equal(s.begun[STEP_PROBE], 2);
        assert_true(returned(&s, STEP_PROBE, 0));
        assert_state(&s, INCIDENT_RECOVERED);
}

/* What has not been begun cannot have returned: that is an earlier one of the same name. */
static void test_return_of_an_earlier_step(void **state) {
        struct story s = story_settling();

        (void) look(&s, S, 4);
        s.sample.completed++;
        assert_true(look(&s, S, 4));
        assert_state(&s, INCIDENT_VERIFYING);
        assert_false(returned(&s, STEP_PROBE, 0));
        assert_state(&s, INCIDENT_VERIFYING);
}

static void test_nothing_to_do_is_done(void **state) {
        struct story s = story_settling();

        (void) look(&s, S, 4);
        s.sample.completed++;
        (void) look(&s, S, 4);
        s.answer = 1;
        assert_true(pursue(&s));
        assert_state(&s, INCIDENT_RECOVERED);
        assert_false(s.watch.begun);
}

/* An act that cannot begin is no answer to too many in flight; one that came to pass is. */
static void test_saturated_and_busy(void **state) {
        struct story s = story_new();

        s.sample.completed = 1;
        for (int i = 0; i < 11; i++, s.sample.completed++)
                (void) look(&s, S, 65);
        assert_state(&s, INCIDENT_ACTING);
        s.answer = -EBUSY;
        assert_true(pursue(&s));
        assert_state(&s, INCIDENT_HEALTHY);
        s.answer = 0;
        for (int i = 0; i < 11; i++, s.sample.completed++)
                (void) look(&s, S, 65);
        assert_state(&s, INCIDENT_ACTING);
        assert_false(pursue(&s));
        assert_true(returned(&s, STEP_LUN_RESET, 0));
        for (int i = 0; i < 3; i++, s.sample.completed++)
                (void) look(&s, S, 65);
        assert_false(pursue(&s));
        assert_true(returned(&s, STEP_PROBE, 0));
        for (int i = 0; i < 100; i++, s.sample.completed++)
                (void) look(&s, S, 65);
        assert_state(&s, INCIDENT_HEALTHY);
}

/* ---- by hand, and after a restart ---- */

static void test_request(void **state) {
        struct story s = story_new();

        look_for(&s, 3 * S, 4);
        assert_int_equal(request(&s), 0);
        assert_state(&s, INCIDENT_ACTING);
        assert_int_equal(request(&s), -EBUSY);
        assert_false(pursue(&s));
        assert_int_equal(s.begun[STEP_LUN_RESET], 1);
        (void) look(&s, S, 4); /* the time before it is over */
        assert_int_equal(s.watch.symptom.quiet, 0);
}

static void test_resume(void **state) {
        const struct ladder_past past = { .state = INCIDENT_ACTING, .act = STEP_LUN_RESET,
                                          .acted_at = 77 * S };
        struct story s = { .footing = FOOTING_DATA, .sample = { .at = 500 * S } };

        watch_init(&s.watch, s.sample.at);
        s.watch.plan = plan;
        watch_resume(&s.watch, &past, false, FOOTING_DATA, s.sample.at);
        assert_state(&s, INCIDENT_SETTLING);
        assert_int_equal(s.watch.ladder.past.acted_at, 77 * S);
        assert_false(s.watch.begun);
        look_for(&s, 8 * S, 4);
        assert_state(&s, INCIDENT_SETTLING);
        (void) look(&s, S, 4);
        assert_state(&s, INCIDENT_FAILING);
}

/* ---- when to look ---- */

static usec_t next_after(const struct story *s) {
        return watch_next(&s->watch, &policy, s->sample.at) - s->sample.at;
}

static void test_next(void **state) {
        struct story s = story_new();

        assert_int_equal(next_after(&s), S);
        (void) look(&s, 0, 4);
        assert_int_equal(next_after(&s), S);
        (void) look(&s, S, 4);
        (void) look(&s, 2 * S + S / 2, 4);
        assert_int_equal(next_after(&s), S / 2); /* the warning */
        (void) look(&s, S / 2 - MS, 4);
        assert_int_equal(next_after(&s), 10 * MS); /* never closer than that */
        (void) look(&s, 10 * MS, 4);
        assert_state(&s, INCIDENT_SUSPECT);
        assert_int_equal(next_after(&s), S / 4);
        look_for(&s, 11 * S, 4);
        (void) look(&s, 791 * MS, 4);
        assert_int_equal(next_after(&s), 200 * MS); /* the limit */
        (void) look(&s, 200 * MS, 4);
        assert_state(&s, INCIDENT_ACTING);
        assert_int_equal(next_after(&s), S);
        assert_false(pursue(&s));
        assert_true(returned(&s, STEP_LUN_RESET, 0));
        assert_int_equal(next_after(&s), 200 * MS);
}

static void test_next_of_deadlines(void **state) {
        struct story s = story_acting();

        s.sample.held = true;
        look_for(&s, 9 * S, 4);
        (void) look(&s, S / 2, 4);
        assert_int_equal(next_after(&s), S / 2);
        (void) look(&s, S / 2, 4);
        assert_true(s.watch.ladder.overdue);
        assert_int_equal(next_after(&s), S); /* it is not asked for again and again */
}

static void test_wants_list(void **state) {
        struct story s = story_new();

        (void) look(&s, 0, 0);
        assert_false(watch_wants_list(&s.watch, s.sample.at + 1000 * S));
        (void) look(&s, S, 4);
        assert_true(watch_wants_list(&s.watch, s.sample.at + S));
        assert_true(watch_wants_list(&s.watch, s.sample.at));
        assert_false(watch_wants_list(&s.watch, s.sample.at - 1));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_watch_only),
                cmocka_unit_test(test_no_act_while_held_or_recovering),
                cmocka_unit_test(test_refuses),
                cmocka_unit_test(test_watching_goes_on),
                cmocka_unit_test(test_after_an_act_the_look_begins_anew),
                cmocka_unit_test(test_late_return_of_another_step),
                cmocka_unit_test(test_recovery_after_an_act),
                cmocka_unit_test(test_recoveries_after_an_act),
                cmocka_unit_test(test_recovery_between_tries),
                cmocka_unit_test(test_begun_once),
                cmocka_unit_test(test_domain_busy_is_not_waited_for),
                cmocka_unit_test(test_own_executor_is_waited_for),
                cmocka_unit_test(test_return_of_an_earlier_step),
                cmocka_unit_test(test_nothing_to_do_is_done),
                cmocka_unit_test(test_saturated_and_busy),
                cmocka_unit_test(test_request),
                cmocka_unit_test(test_resume),
                cmocka_unit_test(test_next),
                cmocka_unit_test(test_next_of_deadlines),
                cmocka_unit_test(test_wants_list),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
