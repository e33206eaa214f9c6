/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "agent/base/macro.h"
#include "agent/detect/stall.h"

#define S USEC_PER_SEC
#define INTERVAL S

static const struct policy policy = { .warn = 2 * S, .stall = 5 * S, .settle = 3 * S };

/* Each property of the detector, told as a story; test-stall-random.c tells thousands.
 *
 * A disk and its observer. The first sample is at START: nothing may lean on the time 0. */
#define START (1000 * S)

struct story {
        struct stall stall;
        struct sample sample;
        struct symptom symptom;
};

static struct story story_new(void) {
        return (struct story) { .sample = { .completed = 100, .answered = 200 } };
}

/* Takes a sample at START + T with N commands out. */
static const struct symptom *look(struct story *s, usec_t t, uint32_t n) {
        s->sample.at = START + t;
        s->sample.outstanding = n;
        stall_update(&s->stall, &policy, &s->sample, INTERVAL, &s->symptom);
        return &s->symptom;
}

static void look_until(struct story *s, usec_t from, usec_t to, uint32_t n) {
        for (usec_t t = from; t <= to; t += S)
                (void) look(s, t, n);
}

static bool is_next(const struct symptom *symptom, usec_t next) {
        return symptom->next == (next == USEC_INFINITY ? next : START + next);
}

/* NEXT counts from START too. */
#define assert_symptom(found, k, q, n)                \
        do {                                          \
                const struct symptom *_found = found; \
                                                      \
                assert_int_equal(_found->kind, k);    \
                assert_int_equal(_found->quiet, q);   \
                assert_true(is_next(_found, n));      \
        } while (0)

static void test_idle(void **state) {
        struct story s = story_new();

        for (usec_t t = 0; t < 1000 * S; t += S) {
                assert_symptom(look(&s, t, 0), SYMPTOM_NONE, 0, USEC_INFINITY);
                assert_false(s.symptom.held);
                assert_int_equal(s.symptom.outstanding, 0);
        }
}

static void test_busy_moving(void **state) {
        struct story s = story_new();

        (void) look(&s, 0, 32);
        for (usec_t t = S; t < 1000 * S; t += S) {
                /* Either counter alone is enough. */
                if (t / S % 2)
                        s.sample.completed++;
                else
                        s.sample.answered++;
                assert_symptom(look(&s, t, 32), SYMPTOM_NONE, 0, t + policy.warn);
                assert_true(s.symptom.progress);
        }
}

static void test_stalled_to_the_limit(void **state) {
        struct story s = story_new();

        assert_symptom(look(&s, 0, 7), SYMPTOM_NONE, 0, 2 * S);
        assert_int_equal(s.symptom.outstanding, 7);
        assert_symptom(look(&s, S, 7), SYMPTOM_NONE, S, 2 * S);
        assert_symptom(look(&s, 2 * S - 1, 7), SYMPTOM_NONE, 2 * S - 1, 2 * S);
        assert_symptom(look(&s, 2 * S, 7), SYMPTOM_SUSPECT, 2 * S, 5 * S);
        assert_symptom(look(&s, 4 * S, 9), SYMPTOM_SUSPECT, 4 * S, 5 * S);
        assert_int_equal(s.symptom.outstanding, 9);
        assert_symptom(look(&s, 5 * S - 1, 9), SYMPTOM_SUSPECT, 5 * S - 1, 5 * S);
        assert_symptom(look(&s, 5 * S, 9), SYMPTOM_STALLED, 5 * S, USEC_INFINITY);
        assert_symptom(look(&s, 6 * S, 9), SYMPTOM_STALLED, 6 * S, USEC_INFINITY);
        assert_false(s.symptom.progress);

        s.sample.completed++;
        assert_symptom(look(&s, 7 * S, 9), SYMPTOM_NONE, 0, 9 * S);
        assert_true(s.symptom.progress);
}

static void test_one_command_is_enough(void **state) {
        struct story s = story_new();

        look_until(&s, 0, 5 * S, 1);
        assert_int_equal(s.symptom.kind, SYMPTOM_STALLED);
}

static void test_counts_from_the_sample_that_saw_the_work(void **state) {
        struct story s = story_new();

        look_until(&s, 0, 9 * S, 0);
        /* The work came at some time after 9 s; nobody saw when. */
        assert_symptom(look(&s, 10 * S, 1), SYMPTOM_NONE, 0, 12 * S);
        look_until(&s, 11 * S, 14 * S, 1);
        assert_symptom(look(&s, 15 * S, 1), SYMPTOM_STALLED, 5 * S, USEC_INFINITY);
}

static void test_completion_counts_from_the_sample_that_saw_it(void **state) {
        struct story s = story_new();

        look_until(&s, 0, 3 * S, 1);
        s.sample.completed++;
        assert_symptom(look(&s, 4 * S, 1), SYMPTOM_NONE, 0, 6 * S);
        look_until(&s, 5 * S, 8 * S, 1);
        assert_symptom(look(&s, 9 * S - 1, 1), SYMPTOM_SUSPECT, 5 * S - 1, 9 * S);
        assert_symptom(look(&s, 9 * S, 1), SYMPTOM_STALLED, 5 * S, USEC_INFINITY);
}

static void test_a_moment_of_idleness_restarts(void **state) {
        struct story s = story_new();

        look_until(&s, 0, 4 * S, 1);
        (void) look(&s, 4 * S + 1, 0);
        assert_true(s.symptom.progress); /* all that was out is done */
        assert_symptom(look(&s, 5 * S, 1), SYMPTOM_NONE, 0, 7 * S);
        assert_true(s.symptom.progress);
}

static void test_gap(void **state) {
        struct story s = story_new();

        look_until(&s, 0, 4 * S, 1);
        /* Three intervals are late, but believed. */
        assert_symptom(look(&s, 7 * S, 1), SYMPTOM_STALLED, 7 * S, USEC_INFINITY);
        /* One microsecond more is not. */
        assert_symptom(look(&s, 10 * S + 1, 1), SYMPTOM_NONE, 0, 12 * S + 1);
        assert_false(s.symptom.held);
        look_until(&s, 11 * S, 14 * S, 1);
        assert_int_equal(s.symptom.kind, SYMPTOM_SUSPECT);
        assert_symptom(look(&s, 15 * S + 1, 1), SYMPTOM_STALLED, 5 * S, USEC_INFINITY);
}

static void test_gap_is_no_progress(void **state) {
        struct story s = story_new();

        look_until(&s, 0, S, 1);
        s.sample.completed++;
        (void) look(&s, 2 * S, 1);
        assert_true(s.symptom.progress);
        s.sample.completed++;
        (void) look(&s, 60 * S, 1);
        assert_false(s.symptom.progress);
}

static void test_time_running_back_is_a_gap(void **state) {
        struct story s = story_new();

        look_until(&s, 10 * S, 14 * S, 1);
        assert_symptom(look(&s, 3 * S, 1), SYMPTOM_NONE, 0, 5 * S);
}

static void test_held(void **state) {
        struct story s = story_new();

        look_until(&s, 0, 4 * S, 1);
        s.sample.held = true;
        for (usec_t t = 5 * S; t < 100 * S; t += S) {
                assert_symptom(look(&s, t, 3), SYMPTOM_NONE, 0, USEC_INFINITY);
                assert_true(s.symptom.held);
                assert_false(s.symptom.progress);
                assert_int_equal(s.symptom.outstanding, 3);
        }
        s.sample.held = false;
        assert_symptom(look(&s, 100 * S, 3), SYMPTOM_NONE, 0, 102 * S);
        assert_false(s.symptom.held);
        look_until(&s, 101 * S, 104 * S, 3);
        assert_int_equal(s.symptom.kind, SYMPTOM_SUSPECT);
        assert_symptom(look(&s, 105 * S, 3), SYMPTOM_STALLED, 5 * S, USEC_INFINITY);
}

/* A completion that came while the disk was held, or between the samples around it, is not the
 * doing of what follows. */
static void test_held_is_no_progress(void **state) {
        struct story s = story_new();

        look_until(&s, 0, S, 1);
        s.sample.held = true;
        s.sample.completed++;
        (void) look(&s, 2 * S, 1);
        s.sample.held = false;
        s.sample.completed++;
        (void) look(&s, 3 * S, 1);
        assert_false(s.symptom.progress);
}

static void test_counters_that_jump(void **state) {
        static const uint64_t before[] = { 100, UINT64_MAX, UINT32_MAX, 5 };
        static const uint64_t after[] = { 0, 0, 0, 4 };

        for (size_t i = 0; i < ELEMENTSOF(before); i++)
                for (int which = 0; which < 2; which++) {
                        struct story s = story_new();
                        uint64_t *counter = which ? &s.sample.completed : &s.sample.answered;

                        *counter = before[i];
                        look_until(&s, 0, 4 * S, 1);
                        assert_int_equal(s.symptom.kind, SYMPTOM_SUSPECT);
                        *counter = after[i];
                        assert_symptom(look(&s, 5 * S, 1), SYMPTOM_NONE, 0, 7 * S);
                        assert_true(s.symptom.progress);
                }
}

static void test_progress_after_restart(void **state) {
        struct story s = story_new();

        look_until(&s, 0, 3 * S, 1);
        stall_restart(&s.stall);
        /* What completed during the act is in the base. */
        s.sample.completed += 50;
        assert_symptom(look(&s, 4 * S, 1), SYMPTOM_NONE, 0, 6 * S);
        assert_false(s.symptom.progress);
        (void) look(&s, 5 * S, 1);
        assert_false(s.symptom.progress);
        s.sample.answered++;
        (void) look(&s, 6 * S, 1);
        assert_true(s.symptom.progress);
        /* And it stays said, whatever comes, until the next restart. */
        look_until(&s, 7 * S, 11 * S, 1);
        assert_int_equal(s.symptom.kind, SYMPTOM_STALLED);
        assert_true(s.symptom.progress);
        stall_restart(&s.stall);
        (void) look(&s, 12 * S, 1);
        assert_false(s.symptom.progress);
}

static void test_idle_after_restart(void **state) {
        struct story s = story_new();

        /* The first sample is only the base, even if it sees nothing outstanding... */
        (void) look(&s, 0, 0);
        assert_false(s.symptom.progress);
        /* ...the second says that all is done. */
        (void) look(&s, S, 0);
        assert_true(s.symptom.progress);

        /* Idle at first, then work that never ends: nothing was shown to move. */
        s = story_new();
        (void) look(&s, 0, 0);
        look_until(&s, S, 6 * S, 1);
        assert_symptom(&s.symptom, SYMPTOM_STALLED, 5 * S, USEC_INFINITY);
        assert_false(s.symptom.progress);
}

/* What the kernel says of the device is passed on, also while it is held. */
static void test_offline_is_passed_on(void **state) {
        struct story s = story_new();

        for (int i = 0; i < 4; i++) {
                s.sample.offline = i & 1;
                s.sample.held = i & 2;
                assert_int_equal(look(&s, (usec_t) i * S, 1)->offline, i & 1);
        }
}

static void test_all_fields_are_set(void **state) {
        struct story s = story_new();

        for (int held = 0; held < 2; held++) {
                struct symptom a, b;

                s.sample.held = held;
                s.sample.at += S;
                memset(&a, 0xff, sizeof(a));
                stall_update(&s.stall, &policy, &s.sample, INTERVAL, &a);
                stall_restart(&s.stall);
                memset(&b, 0, sizeof(b));
                stall_update(&s.stall, &policy, &s.sample, INTERVAL, &b);
                assert_int_equal(a.kind, b.kind);
                assert_int_equal(*(uint8_t *) &a.held, *(uint8_t *) &b.held);
                assert_int_equal(*(uint8_t *) &a.offline, *(uint8_t *) &b.offline);
                assert_int_equal(a.quiet, b.quiet);
                assert_int_equal(a.outstanding, b.outstanding);
                assert_int_equal(*(uint8_t *) &a.progress, *(uint8_t *) &b.progress);
                assert_true(a.next == b.next);
        }
}

static void test_warn_equals_stall(void **state) {
        const struct policy same = { .warn = 5 * S, .stall = 5 * S, .settle = S };
        struct stall stall = {};
        struct symptom symptom;

        for (usec_t t = 0; t <= 6 * S; t += S) {
                struct sample sample = { .at = START + t, .outstanding = 1 };

                stall_update(&stall, &same, &sample, INTERVAL, &symptom);
                assert_int_equal(symptom.kind, t < 5 * S ? SYMPTOM_NONE : SYMPTOM_STALLED);
                assert_true(symptom.next == (t < 5 * S ? START + 5 * S : USEC_INFINITY));
        }
}

/* A sample taken exactly when it was asked for meets each limit to the microsecond. */
static void test_next_is_met(void **state) {
        const struct policy odd = { .warn = 333333, .stall = 777777, .settle = S };
        struct stall stall = {};
        struct symptom symptom;
        struct sample sample = { .at = START, .outstanding = 1 };

        stall_update(&stall, &odd, &sample, INTERVAL, &symptom);
        sample.at = symptom.next;
        stall_update(&stall, &odd, &sample, INTERVAL, &symptom);
        assert_int_equal(symptom.kind, SYMPTOM_SUSPECT);
        assert_int_equal(symptom.quiet, odd.warn);
        sample.at = symptom.next;
        stall_update(&stall, &odd, &sample, INTERVAL, &symptom);
        assert_int_equal(symptom.kind, SYMPTOM_STALLED);
        assert_int_equal(symptom.quiet, odd.stall);
        assert_true(symptom.next == USEC_INFINITY);
}

static void test_limits_of_days(void **state) {
        const struct policy long_one = { .warn = USEC_PER_DAY, .stall = 7 * USEC_PER_DAY };
        struct stall stall = {};
        struct symptom symptom;
        usec_t t = START;

        for (;; t += S) {
                struct sample sample = { .at = t, .outstanding = 1 };

                stall_update(&stall, &long_one, &sample, INTERVAL, &symptom);
                if (symptom.kind == SYMPTOM_STALLED)
                        break;
        }
        assert_int_equal(t - START, 7 * USEC_PER_DAY);
}

static void test_interval(void **state) {
        static const struct {
                struct policy policy;
                usec_t interval;
        } cases[] = {
                { { .warn = 30 * S, .stall = 120 * S, .settle = 30 * S }, S },
                { { .warn = S, .stall = 8 * S, .settle = 8 * S }, S },
                { { .warn = S, .stall = 4 * S, .settle = 30 * S }, S / 2 },
                { { .warn = S, .stall = 120 * S, .settle = 2 * S }, S / 4 },
                { { .warn = S, .stall = S, .settle = S }, S / 8 },
                { { .warn = S, .stall = 7 * USEC_PER_DAY, .settle = USEC_PER_DAY }, S },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_int_equal(stall_interval(&cases[i].policy), cases[i].interval);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_idle),
                cmocka_unit_test(test_busy_moving),
                cmocka_unit_test(test_stalled_to_the_limit),
                cmocka_unit_test(test_one_command_is_enough),
                cmocka_unit_test(test_counts_from_the_sample_that_saw_the_work),
                cmocka_unit_test(test_completion_counts_from_the_sample_that_saw_it),
                cmocka_unit_test(test_a_moment_of_idleness_restarts),
                cmocka_unit_test(test_gap),
                cmocka_unit_test(test_gap_is_no_progress),
                cmocka_unit_test(test_time_running_back_is_a_gap),
                cmocka_unit_test(test_held),
                cmocka_unit_test(test_held_is_no_progress),
                cmocka_unit_test(test_counters_that_jump),
                cmocka_unit_test(test_progress_after_restart),
                cmocka_unit_test(test_idle_after_restart),
                cmocka_unit_test(test_offline_is_passed_on),
                cmocka_unit_test(test_all_fields_are_set),
                cmocka_unit_test(test_warn_equals_stall),
                cmocka_unit_test(test_next_is_met),
                cmocka_unit_test(test_limits_of_days),
                cmocka_unit_test(test_interval),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
