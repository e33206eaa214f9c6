/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "tests/unit/detector-story.h"

/* Each property of the detector, told as a story; test-detector-random.c tells thousands,
 * test-detector-request.c of single requests. */

/* ---- stalled ---- */

static void test_idle(void **state) {
        struct story s = story_new();

        for (usec_t t = 0; t < 1000 * S; t += S) {
                assert_symptom(look(&s, t, 0), SYMPTOM_NONE, 0, USEC_INFINITY);
                assert_false(s.symptom.held);
                assert_int_equal(s.symptom.outstanding, 0);
                assert_true(s.symptom.list_at == USEC_INFINITY);
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

        assert_symptom(look(&s, 0, 7), SYMPTOM_NONE, 0, 4 * S);
        assert_int_equal(s.symptom.outstanding, 7);
        assert_symptom(look(&s, S, 7), SYMPTOM_NONE, 0, 4 * S);
        assert_int_equal(s.symptom.quiet, S);
        assert_symptom(look(&s, 4 * S - 1, 7), SYMPTOM_NONE, 0, 4 * S);
        assert_symptom(look(&s, 4 * S, 7), SYMPTOM_STALLED, 4 * S, 16 * S);
        look_until(&s, 5 * S, 14 * S, 9);
        assert_symptom(look(&s, 16 * S - 1, 9), SYMPTOM_STALLED, 16 * S - 1, 16 * S);
        assert_int_equal(s.symptom.outstanding, 9);
        assert_symptom(look(&s, 16 * S, 9), SYMPTOM_STALLED, 16 * S, USEC_INFINITY);
        assert_symptom(look(&s, 17 * S, 1), SYMPTOM_STALLED, 17 * S, USEC_INFINITY);
        assert_int_equal(s.symptom.quiet, 17 * S);
        assert_false(s.symptom.progress);

        s.sample.completed++;
        assert_symptom(look(&s, 18 * S, 9), SYMPTOM_NONE, 0, 22 * S);
        assert_true(s.symptom.progress);
}

static void test_counts_from_the_sample_that_saw_the_work(void **state) {
        struct story s = story_new();

        look_until(&s, 0, 9 * S, 0);
        /* The work came at some time after 9 s; nobody saw when. */
        assert_symptom(look(&s, 10 * S, 1), SYMPTOM_NONE, 0, 14 * S);
        look_until(&s, 11 * S, 25 * S, 1);
        assert_symptom(look(&s, 26 * S, 1), SYMPTOM_STALLED, 16 * S, USEC_INFINITY);
}

static void test_completion_counts_from_the_sample_that_saw_it(void **state) {
        struct story s = story_new();

        look_until(&s, 0, 3 * S, 1);
        s.sample.completed++;
        assert_symptom(look(&s, 4 * S, 1), SYMPTOM_NONE, 0, 8 * S);
        look_until(&s, 5 * S, 19 * S, 1);
        assert_symptom(look(&s, 20 * S - 1, 1), SYMPTOM_STALLED, 16 * S - 1, 20 * S);
        assert_symptom(look(&s, 20 * S, 1), SYMPTOM_STALLED, 16 * S, USEC_INFINITY);
}

static void test_a_moment_of_idleness_restarts(void **state) {
        struct story s = story_new();

        look_until(&s, 0, 15 * S, 1);
        (void) look(&s, 15 * S + 1, 0);
        assert_true(s.symptom.progress); /* all that was out is done */
        assert_symptom(look(&s, 16 * S, 1), SYMPTOM_NONE, 0, 20 * S);
        assert_true(s.symptom.progress);
}

static void test_same_sample_again(void **state) {
        struct story s = story_new();

        for (int i = 0; i < 100; i++)
                assert_symptom(look(&s, 0, 1), SYMPTOM_NONE, 0, 4 * S);
        look_until(&s, S, 16 * S, 1);
        for (int i = 0; i < 100; i++)
                assert_symptom(look(&s, 16 * S, 1), SYMPTOM_STALLED, 16 * S, USEC_INFINITY);
}

static void test_counters_that_jump(void **state) {
        static const uint64_t before[] = { 100, UINT64_MAX, UINT32_MAX, 5 };
        static const uint64_t after[] = { 0, 0, 0, 4 };

        for (size_t i = 0; i < ELEMENTSOF(before); i++)
                for (int which = 0; which < 2; which++) {
                        struct story s = story_new();
                        uint64_t *counter = which ? &s.sample.completed : &s.sample.answered;

                        *counter = before[i];
                        look_until(&s, 0, 15 * S, 1);
                        assert_int_equal(s.symptom.kind, SYMPTOM_STALLED);
                        *counter = after[i];
                        assert_symptom(look(&s, 16 * S, 1), SYMPTOM_NONE, 0, 20 * S);
                        assert_true(s.symptom.progress);
                }
}

/* ---- time that does not count ---- */

static void test_gap(void **state) {
        struct story s = story_new();

        look_until(&s, 0, 13 * S, 1);
        /* Three intervals are late, but believed. */
        assert_symptom(look(&s, 16 * S, 1), SYMPTOM_STALLED, 16 * S, USEC_INFINITY);
        /* One microsecond more is not. */
        assert_symptom(look(&s, 19 * S + 1, 1), SYMPTOM_NONE, 0, 23 * S + 1);
        assert_int_equal(s.symptom.quiet, 0);
        assert_false(s.symptom.held);
        look_until(&s, 20 * S, 34 * S, 1);
        assert_symptom(look(&s, 35 * S + 1, 1), SYMPTOM_STALLED, 16 * S, USEC_INFINITY);
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

        look_until(&s, 10 * S, 24 * S, 1);
        assert_symptom(look(&s, 24 * S - 1, 1), SYMPTOM_NONE, 0, 28 * S - 1);
        assert_int_equal(s.symptom.quiet, 0);
}

static void test_held(void **state) {
        struct story s = story_new();

        look_until(&s, 0, 15 * S, 1);
        s.sample.held = true;
        for (usec_t t = 16 * S; t < 100 * S; t += S) {
                assert_symptom(look(&s, t, 3), SYMPTOM_NONE, 0, USEC_INFINITY);
                assert_true(s.symptom.held);
                assert_false(s.symptom.progress);
                assert_int_equal(s.symptom.outstanding, 3);
                assert_true(s.symptom.list_at == USEC_INFINITY);
        }
        s.sample.held = false;
        assert_symptom(look(&s, 100 * S, 3), SYMPTOM_NONE, 0, 104 * S);
        assert_false(s.symptom.held);
        look_until(&s, 101 * S, 115 * S, 3);
        assert_symptom(look(&s, 116 * S, 3), SYMPTOM_STALLED, 16 * S, USEC_INFINITY);
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

static void test_progress_after_restart(void **state) {
        struct story s = story_new();

        look_until(&s, 0, 3 * S, 1);
        detector_restart(&s.detector);
        /* What completed during the act is in the base. */
        s.sample.completed += 50;
        assert_symptom(look(&s, 4 * S, 1), SYMPTOM_NONE, 0, 8 * S);
        assert_false(s.symptom.progress);
        (void) look(&s, 5 * S, 1);
        assert_false(s.symptom.progress);
        s.sample.answered++;
        (void) look(&s, 6 * S, 1);
        assert_true(s.symptom.progress);
        /* And it stays said, whatever comes, until the next restart. */
        look_until(&s, 7 * S, 22 * S, 1);
        assert_true(s.symptom.reached);
        assert_true(s.symptom.progress);
        detector_restart(&s.detector);
        (void) look(&s, 23 * S, 1);
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
        look_until(&s, S, 17 * S, 1);
        assert_symptom(&s.symptom, SYMPTOM_STALLED, 16 * S, USEC_INFINITY);
        assert_false(s.symptom.progress);
}

/* ---- while the kernel recovers, time stands still ---- */

static void recover_until(struct story *s, usec_t from, usec_t to, uint32_t n) {
        s->sample.recovering = true;
        look_until(s, from, to, n);
        s->sample.recovering = false;
}

static void test_recovery_stands_still(void **state) {
        struct story s = story_new();

        look_until(&s, 0, 3 * S, 4);
        recover_until(&s, 4 * S, 13 * S, 0); /* nothing in flight is no progress */
        assert_true(s.symptom.held);
        assert_false(s.symptom.progress);
        assert_int_equal(s.symptom.quiet, 0);
        /* 3 s were quiet; from there to the end of it is not counted. */
        assert_symptom(look(&s, 14 * S, 4), SYMPTOM_NONE, 0, 15 * S);
        assert_int_equal(s.symptom.quiet, 3 * S);
        assert_false(s.symptom.held);
        look_until(&s, 15 * S, 26 * S, 4);
        assert_symptom(look(&s, 27 * S, 4), SYMPTOM_STALLED, 16 * S, USEC_INFINITY);
}

static void test_recovery_gives_time_to_settle(void **state) {
        struct story s = story_new();

        look_until(&s, 0, 15 * S, 4);
        recover_until(&s, 16 * S, 19 * S, 4);
        assert_symptom(look(&s, 20 * S, 4), SYMPTOM_STALLED, 8 * S, 28 * S);
        look_until(&s, 21 * S, 27 * S, 4);
        assert_symptom(look(&s, 28 * S, 4), SYMPTOM_STALLED, 16 * S, USEC_INFINITY);
}

/* All of the limit at most. */
static void test_recovery_and_a_long_settle(void **state) {
        struct policy slow = policy;
        struct story s = story_new();

        slow.settle = 100 * S;
        s.policy = &slow;
        look_until(&s, 0, 15 * S, 4);
        recover_until(&s, 16 * S, 19 * S, 4);
        (void) look(&s, 20 * S, 4);
        assert_int_equal(s.symptom.quiet, 0);
        look_until(&s, 21 * S, 35 * S, 4);
        assert_symptom(look(&s, 36 * S, 4), SYMPTOM_STALLED, 16 * S, USEC_INFINITY);
}

/* Else a controller that the kernel resets more often than every SettleSec= is never found. */
static void test_recovery_without_end(void **state) {
        struct story s = story_new();
        usec_t t = 0, counted = 0;

        while (!s.symptom.reached) {
                look_until(&s, t, t + 4 * S, 4); /* works for 4 s */
                recover_until(&s, t + 5 * S, t + 6 * S, 0);
                t += 7 * S;
                counted += 4 * S;
                assert_true(counted <= policy.stall + policy.settle);
                if (s.detector.stall.since + policy.stall <= START + t)
                        (void) look(&s, t, 4);
        }
        assert_int_equal(s.symptom.kind, SYMPTOM_STALLED);
        assert_true(counted >= policy.stall);

        /* Life in between gives all of it again. */
        s.sample.completed++;
        (void) look(&s, t + S, 4);
        look_until(&s, t + 2 * S, t + 16 * S, 4);
        recover_until(&s, t + 17 * S, t + 18 * S, 4);
        (void) look(&s, t + 19 * S, 4);
        assert_int_equal(s.symptom.quiet, 8 * S);
}

/* Just after it the requests may not be back in flight: neither idle nor quiet, for SettleSec=. */
static void test_recovery_then_nothing_in_flight(void **state) {
        struct story s = story_new();

        look_until(&s, 0, 3 * S, 4);
        recover_until(&s, 4 * S, 9 * S, 0);
        look_until(&s, 10 * S, 17 * S, 0);
        assert_int_equal(s.symptom.quiet, 3 * S);
        assert_false(s.symptom.progress);
        (void) look(&s, 18 * S - 1, 0);
        assert_false(s.symptom.progress);
        (void) look(&s, 18 * S, 0);
        assert_int_equal(s.symptom.quiet, 0);
        assert_true(s.symptom.progress);

        s = story_new(); /* back in time */
        look_until(&s, 0, 3 * S, 4);
        recover_until(&s, 4 * S, 9 * S, 0);
        look_until(&s, 10 * S, 16 * S, 0);
        (void) look(&s, 17 * S, 4);
        assert_int_equal(s.symptom.quiet, 4 * S); /* since the sample before, it may have been */
        (void) look(&s, 18 * S, 0);
        assert_true(s.symptom.progress); /* and gone now: that is idle */
}

static void test_recovery_with_completions(void **state) {
        struct story s = story_new();

        look_until(&s, 0, 3 * S, 4);
        recover_until(&s, 4 * S, 9 * S, 4);
        s.sample.completed++;
        (void) look(&s, 10 * S, 0);
        assert_true(s.symptom.progress);
        assert_int_equal(s.symptom.quiet, 0);

        s = story_new(); /* begun while it recovers */
        recover_until(&s, 0, 9 * S, 0);
        for (usec_t t = 10 * S; t < 13 * S; t += S) {
                (void) look(&s, t, 0);
                assert_false(s.symptom.progress);
                assert_int_equal(s.symptom.quiet, 0);
        }
        look_until(&s, 13 * S, 27 * S, 4);
        assert_int_equal(s.symptom.quiet, 15 * S); /* since 12 s it may have been */
}

/* Work that was seen once, in the moment before the recovery, and not yet again after it. */
static void test_recovery_at_once(void **state) {
        struct story s = story_new();

        (void) look(&s, 0, 0);
        (void) look(&s, S, 1);
        recover_until(&s, 2 * S, 3 * S, 0);
        for (usec_t t = 4 * S; t < 20 * S; t += S) {
                (void) look(&s, t, 0);
                assert_int_equal(s.symptom.kind, SYMPTOM_NONE);
                assert_int_equal(s.symptom.quiet, 0);
        }
}

static void test_idle_disk_recovers(void **state) {
        struct story s = story_new();

        look_until(&s, 0, 3 * S, 0);
        recover_until(&s, 4 * S, 9 * S, 0);
        (void) look(&s, 10 * S, 0);
        assert_int_equal(s.symptom.quiet, 0);
        look_until(&s, 11 * S, 26 * S, 4);
        assert_int_equal(s.symptom.quiet, 15 * S);
}

static void test_controller_stuck(void **state) {
        struct story s = story_new();

        look_until(&s, 0, 9 * S, 1);
        s.sample.recovering = true;
        assert_symptom(look(&s, 10 * S, 1), SYMPTOM_NONE, 0, 14 * S);
        look_until(&s, 11 * S, 13 * S, 1);
        assert_symptom(look(&s, 14 * S - 1, 1), SYMPTOM_NONE, 0, 14 * S);
        assert_symptom(look(&s, 14 * S, 1), SYMPTOM_CONTROLLER_STUCK, 4 * S, 26 * S);
        look_until(&s, 15 * S, 25 * S, 1);
        assert_symptom(look(&s, 26 * S - 1, 1), SYMPTOM_CONTROLLER_STUCK, 16 * S - 1, 26 * S);
        assert_symptom(look(&s, 26 * S, 1), SYMPTOM_CONTROLLER_STUCK, 16 * S, USEC_INFINITY);
        assert_true(s.symptom.held);
        assert_true(s.symptom.list_at == USEC_INFINITY);

        /* A gap counts towards this neither. */
        assert_symptom(look(&s, 60 * S, 1), SYMPTOM_NONE, 0, 64 * S);
        look_until(&s, 61 * S, 64 * S, 1);
        assert_int_equal(s.symptom.kind, SYMPTOM_CONTROLLER_STUCK);
        s.sample.recovering = false;
        assert_int_equal(look(&s, 65 * S, 1)->kind, SYMPTOM_NONE);
        s.sample.recovering = true; /* the next is another one */
        assert_symptom(look(&s, 66 * S, 1), SYMPTOM_NONE, 0, 70 * S);
}

/* ---- saturated ---- */

static void test_saturated(void **state) {
        struct story s = story_new();

        s.policy = &limited;
        s.rate = 1;
        look_until(&s, 0, 9 * S, 64); /* at the limit is not above it */
        assert_int_equal(s.symptom.kind, SYMPTOM_NONE);
        (void) look(&s, 10 * S, 65);
        assert_true(is_at(s.symptom.next, 14 * S));
        look_until(&s, 11 * S, 13 * S, 65);
        assert_int_equal(s.symptom.kind, SYMPTOM_NONE);
        (void) look(&s, 14 * S, 65);
        assert_int_equal(s.symptom.kind, SYMPTOM_SATURATED);
        assert_false(s.symptom.reached);
        (void) look(&s, 17 * S, 65);
        (void) look(&s, 20 * S - 1, 65);
        assert_false(s.symptom.reached);
        (void) look(&s, 20 * S, 1000);
        assert_true(s.symptom.reached);
        assert_int_equal(s.symptom.lasts, 10 * S);
        (void) look(&s, 21 * S, 64);
        assert_int_equal(s.symptom.kind, SYMPTOM_NONE);
        (void) look(&s, 22 * S, 65);
        assert_int_equal(s.symptom.kind, SYMPTOM_NONE);
}

static void saturate(struct story *s, usec_t from) {
        look_until(s, from, from + 9 * S, 65);
        assert_false(s->symptom.reached);
        (void) look(s, from + 10 * S, 65);
        assert_int_equal(s->symptom.kind, SYMPTOM_SATURATED);
        assert_true(s->symptom.reached);
}

static void assert_spent(struct story *s, usec_t from) {
        look_until(s, from, from + 60 * S, 65);
        assert_int_equal(s->symptom.kind, SYMPTOM_NONE);
        (void) look(s, from + 61 * S, 64); /* less once */
        saturate(s, from + 62 * S);
}

static void test_saturated_is_answered_once(void **state) {
        struct story s = story_new();

        s.policy = &limited;
        s.rate = 1;
        saturate(&s, 0);
        detector_restart(&s.detector);
        assert_spent(&s, 11 * S);
        /* Neither samples that are held back, nor a gap, nor a recovery, nor another act (which
         * finds nothing reached) let it count anew. */
        detector_restart(&s.detector);
        s.sample.held = true;
        look_until(&s, 84 * S, 86 * S, 65);
        s.sample.held = false;
        (void) look(&s, 87 * S, 65);
        (void) look(&s, 100 * S, 65);
        recover_until(&s, 101 * S, 102 * S, 65);
        detector_restart(&s.detector);
        assert_spent(&s, 103 * S);
}

static void test_saturated_and_not_acted(void **state) {
        struct story s = story_new();

        s.policy = &limited;
        s.rate = 1;
        saturate(&s, 0);
        detector_restart(&s.detector);
        detector_not_acted(&s.detector);
        saturate(&s, 11 * S); /* it still wants an answer */
        detector_restart(&s.detector);
        detector_restart(&s.detector); /* by another act, for another reason */
        detector_not_acted(&s.detector);
        assert_spent(&s, 22 * S);
}

/* An act that came before the limit was no answer to it; nor is a gap. */
static void test_saturated_counts_anew(void **state) {
        struct story s = story_new();

        s.policy = &limited;
        s.rate = 1;
        look_until(&s, 0, 9 * S, 65);
        detector_restart(&s.detector);
        saturate(&s, 10 * S);
        saturate(&s, 100 * S); /* after a gap, time begins again */
        recover_until(&s, 111 * S, 112 * S, 65);
        saturate(&s, 113 * S);
}

/* ---- which one is told ---- */

static void test_reached_before_suspected(void **state) {
        struct story s = story_new();

        s.policy = &limited;
        look_until(&s, 0, 9 * S, 65);
        assert_int_equal(s.symptom.kind, SYMPTOM_STALLED);
        (void) look(&s, 10 * S, 65);
        assert_int_equal(s.symptom.kind, SYMPTOM_SATURATED);
        assert_true(s.symptom.reached);
        assert_int_equal(s.symptom.quiet, 10 * S);
        assert_true(is_at(s.symptom.next, 16 * S));
        look_until(&s, 11 * S, 16 * S, 65);
        assert_int_equal(s.symptom.kind, SYMPTOM_STALLED);
}

/* What the kernel says of the device is passed on, also while it is held. */
static void test_offline_is_passed_on(void **state) {
        struct story s = story_new();

        for (int i = 0; i < 8; i++) {
                s.sample.offline = i & 1;
                s.sample.held = i & 2;
                s.sample.recovering = i & 4;
                assert_int_equal(look(&s, (usec_t) i * S, 1)->offline, i & 1);
                assert_int_equal(s.symptom.held, s.sample.held || s.sample.recovering);
        }
}

static void test_all_fields_are_set(void **state) {
        for (int i = 0; i < 8; i++) {
                struct sample sample = { .at = START, .outstanding = 1, .held = i & 1,
                                         .recovering = i & 2, .listed = i & 4, .oldest = S };
                struct detector detectors[2] = {};
                struct symptom symptoms[2];

                memset(symptoms, 0xff, sizeof(symptoms[0]));
                memset(symptoms + 1, 0, sizeof(symptoms[1]));
                for (int k = 0; k < 2; k++)
                        detector_take(detectors + k, &policy, &sample, symptoms + k);
                assert_int_equal(symptoms[0].kind, symptoms[1].kind);
                assert_int_equal(symptoms[0].reached, symptoms[1].reached);
                assert_int_equal(symptoms[0].lasts, symptoms[1].lasts);
                assert_int_equal(symptoms[0].held, symptoms[1].held);
                assert_int_equal(symptoms[0].offline, symptoms[1].offline);
                assert_int_equal(symptoms[0].quiet, symptoms[1].quiet);
                assert_int_equal(symptoms[0].left, symptoms[1].left);
                assert_int_equal(symptoms[0].outstanding, symptoms[1].outstanding);
                assert_int_equal(symptoms[0].progress, symptoms[1].progress);
                assert_true(symptoms[0].next == symptoms[1].next);
                assert_true(symptoms[0].list_at == symptoms[1].list_at);
        }
}

/* ---- policies ---- */

/* A sample taken exactly when it was asked for meets each limit to the microsecond. */
static void test_limits_are_met(void **state) {
        static const struct policy policies[] = {
                { .warn = S, .stall = S, .settle = S, .inflight_limit = UINT64_MAX },
                { .warn = 5 * S, .stall = 5 * S, .settle = S, .inflight_limit = UINT64_MAX },
                { .warn = 9 * S, .stall = 5 * S, .settle = S, .inflight_limit = UINT64_MAX },
                { .warn = 1333333, .stall = 7777777, .settle = 9 * S,
                  .inflight_limit = UINT64_MAX },
                { .warn = USEC_PER_DAY, .stall = 7 * USEC_PER_DAY, .settle = USEC_PER_DAY,
                  .inflight_limit = UINT64_MAX },
        };

        for (size_t i = 0; i < ELEMENTSOF(policies); i++) {
                const struct policy *p = policies + i;
                usec_t warn = MIN(p->warn, p->stall);
                struct story s = story_new();

                s.policy = p;
                for (usec_t t = 0; !s.symptom.reached;
                     t = MIN(t + detector_interval(p), s.symptom.next - START)) {
                        (void) look(&s, t, 1);
                        assert_int_equal(s.symptom.quiet, t);
                        assert_int_equal(s.symptom.kind,
                                         t >= warn ? SYMPTOM_STALLED : SYMPTOM_NONE);
                        assert_int_equal(s.symptom.reached, t == p->stall);
                        if (!s.symptom.reached)
                                assert_true(is_at(s.symptom.next, t < warn ? warn : p->stall));
                }
                assert_true(s.symptom.next == USEC_INFINITY);
        }
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

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct policy p = cases[i].policy;

                p.inflight = S / 2;
                p.inflight_limit = UINT64_MAX;
                assert_int_equal(detector_interval(&p), cases[i].interval);
                p.inflight_limit = UINT64_MAX - 1; /* then its time bounds it too */
                assert_int_equal(detector_interval(&p), S / 16);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_idle),
                cmocka_unit_test(test_busy_moving),
                cmocka_unit_test(test_stalled_to_the_limit),
                cmocka_unit_test(test_counts_from_the_sample_that_saw_the_work),
                cmocka_unit_test(test_completion_counts_from_the_sample_that_saw_it),
                cmocka_unit_test(test_a_moment_of_idleness_restarts),
                cmocka_unit_test(test_same_sample_again),
                cmocka_unit_test(test_counters_that_jump),
                cmocka_unit_test(test_gap),
                cmocka_unit_test(test_gap_is_no_progress),
                cmocka_unit_test(test_time_running_back_is_a_gap),
                cmocka_unit_test(test_held),
                cmocka_unit_test(test_held_is_no_progress),
                cmocka_unit_test(test_progress_after_restart),
                cmocka_unit_test(test_idle_after_restart),
                cmocka_unit_test(test_recovery_stands_still),
                cmocka_unit_test(test_recovery_gives_time_to_settle),
                cmocka_unit_test(test_recovery_and_a_long_settle),
                cmocka_unit_test(test_recovery_without_end),
                cmocka_unit_test(test_recovery_then_nothing_in_flight),
                cmocka_unit_test(test_recovery_with_completions),
                cmocka_unit_test(test_recovery_at_once),
                cmocka_unit_test(test_idle_disk_recovers),
                cmocka_unit_test(test_controller_stuck),
                cmocka_unit_test(test_saturated),
                cmocka_unit_test(test_saturated_is_answered_once),
                cmocka_unit_test(test_saturated_and_not_acted),
                cmocka_unit_test(test_saturated_counts_anew),
                cmocka_unit_test(test_reached_before_suspected),
                cmocka_unit_test(test_offline_is_passed_on),
                cmocka_unit_test(test_all_fields_are_set),
                cmocka_unit_test(test_limits_are_met),
                cmocka_unit_test(test_interval),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
