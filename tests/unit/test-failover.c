/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/detector-story.h"

/* A path of NVMe multipath: what is given up at a reset of its controller counts as completed. */

/* The reset is seen in the state, or heard of: one sample while the kernel recovers. */
static void reset(struct story *s, usec_t t, uint32_t n) {
        s->sample.recovering = s->sample.failover = true;
        (void) look(s, t, n);
        s->sample.recovering = s->sample.failover = false;
}

/* For ever, and each time all that was out "completes": time goes on but for the resets. */
static void test_given_up_is_no_progress(void **state) {
        struct story s = story_new();
        usec_t t = 0;

        for (; !s.symptom.reached; t += S) {
                assert_true(t <= 40 * S);
                if (t % (6 * S) != 5 * S) {
                        (void) look(&s, t, 2);
                        continue;
                }
                s.sample.completed += 2;
                reset(&s, t, 0);
        }
        assert_int_equal(s.symptom.kind, SYMPTOM_STALLED);
        assert_false(s.symptom.progress);
        assert_true(t > 16 * S);
}

/* The counters moved, and only then the reset is heard of. */
static void test_heard_of_late(void **state) {
        struct story s = story_new();

        look_until(&s, 0, 7 * S, 2);
        s.sample.completed += 2;
        (void) look(&s, 8 * S, 2);
        assert_int_equal(s.symptom.quiet, 0);
        reset(&s, 9 * S, 2);
        (void) look(&s, 10 * S, 2);
        assert_int_equal(s.symptom.quiet, 8 * S); /* that it gets after a recovery at least */
        assert_false(s.symptom.progress);
        look_until(&s, 11 * S, 18 * S, 2);
        assert_int_equal(s.symptom.kind, SYMPTOM_STALLED);
        assert_true(s.symptom.reached);
}

/* The same with nothing out for a moment: it is not idle. */
static void test_heard_of_late_when_nothing_is_out(void **state) {
        struct story s = story_new();

        look_until(&s, 0, 5 * S, 2);
        s.sample.completed += 2;
        (void) look(&s, 6 * S, 0);
        reset(&s, 7 * S, 0);
        look_until(&s, 8 * S, 9 * S, 2);
        assert_in_range(s.symptom.quiet, 6 * S, 8 * S);
}

/* What moved long before, or has moved since, was progress. */
static void test_progress_stays(void **state) {
        struct story s = story_new();

        look_until(&s, 0, 7 * S, 2);
        s.sample.completed += 2;
        look_until(&s, 8 * S, 14 * S, 2);
        reset(&s, 15 * S, 2);
        (void) look(&s, 16 * S, 2);
        assert_in_range(s.symptom.quiet, 6 * S, 7 * S);

        s = story_new();
        look_until(&s, 0, 7 * S, 2);
        s.sample.completed += 2;
        (void) look(&s, 8 * S, 2);
        s.sample.completed += 1;
        (void) look(&s, 9 * S, 2);
        s.sample.completed += 2;
        reset(&s, 10 * S, 2);
        (void) look(&s, 11 * S, 2);
        assert_in_range(s.symptom.quiet, 0, 2 * S);
        assert_true(s.symptom.progress);

        s = story_new();
        look_until(&s, 0, 7 * S, 2);
        s.sample.completed += 2;
        (void) look(&s, 8 * S, 2);
        s.sample.completed += 2;
        reset(&s, 9 * S, 2);
        (void) look(&s, 10 * S, 2);
        assert_in_range(s.symptom.quiet, 0, 2 * S);
        assert_true(s.symptom.progress);
}

/* A disk that works is reset, as often as you like. */
static void test_busy(void **state) {
        struct story s = story_new();

        s.rate = 3;
        for (usec_t t = 0; t < 600 * S; t += 5 * S) {
                look_until(&s, t, t + 3 * S, 2);
                reset(&s, t + 4 * S, 0);
                assert_true(s.symptom.quiet <= 4 * S);
                assert_false(s.symptom.reached);
        }
}

/* One that has nothing to do is idle, whatever happened before. */
static void test_idle(void **state) {
        struct story s = story_new();

        look_until(&s, 0, 15 * S, 1);
        s.sample.completed += 1;
        (void) look(&s, 16 * S - 1, 0);
        reset(&s, 17 * S, 0);
        for (usec_t t = 18 * S; t < 60 * S; t += S) {
                (void) look(&s, t, 0);
                assert_false(s.symptom.reached);
        }
        assert_int_equal(s.symptom.quiet, 0);
}

/* On SCSI a recovery ends requests for good. */
static void test_without_failover(void **state) {
        struct story s = story_new();

        look_until(&s, 0, 7 * S, 2);
        s.sample.completed += 2;
        s.sample.recovering = true;
        (void) look(&s, 8 * S, 2);
        s.sample.recovering = false;
        (void) look(&s, 9 * S, 2);
        assert_int_equal(s.symptom.quiet, 0);
        assert_true(s.symptom.progress);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_given_up_is_no_progress),
                cmocka_unit_test(test_heard_of_late),
                cmocka_unit_test(test_heard_of_late_when_nothing_is_out),
                cmocka_unit_test(test_progress_stays),
                cmocka_unit_test(test_busy),
                cmocka_unit_test(test_idle),
                cmocka_unit_test(test_without_failover),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
