/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/detector-story.h"

/* One request that does not end while others do: what is taken for it, and what never is. */

#define SLACK (50 * USEC_PER_MSEC) /* how exactly an age is believed */
#define STEP (policy.stall / WINDOW_STEPS)

/* A sample with a list. */
static const struct symptom *list(struct story *s, usec_t t, uint32_t n, usec_t oldest) {
        s->sample.listed = true;
        s->sample.oldest = oldest;
        (void) look(s, t, n);
        s->sample.listed = false;
        s->sample.oldest = 0;
        return &s->symptom;
}

/* A busy disk with a request that was sent at SENT, listed whenever it is asked for. */
static void busy_until(struct story *s, usec_t from, usec_t to, uint32_t n, usec_t sent) {
        for (usec_t t = from; t <= to; t += S)
                if (START + t >= s->symptom.list_at)
                        (void) list(s, t, n, t >= sent ? t - sent : 0);
                else
                        (void) look(s, t, n);
}

static struct story story_busy(void) {
        struct story s = story_new();

        s.rate = 100;
        return s;
}

/* ---- by a list ---- */

static void test_stuck_to_the_limit(void **state) {
        struct story s = story_busy();

        busy_until(&s, 0, 13 * S, 4, 10 * S);
        (void) list(&s, 14 * S - 1, 4, 4 * S - 1);
        assert_symptom(&s.symptom, SYMPTOM_NONE, 0, 18 * S - 1);
        (void) list(&s, 14 * S, 4, 4 * S);
        assert_symptom(&s.symptom, SYMPTOM_STUCK_REQUEST, 4 * S, 18 * S);
        assert_true(is_at(s.symptom.list_at, 14 * S)); /* at every sample from now on */
        assert_int_equal(s.symptom.quiet, 0);
        assert_true(s.symptom.progress);
        for (usec_t t = 15 * S; t < 26 * S; t += S)
                assert_int_equal(list(&s, t, 4, t - 10 * S)->kind, SYMPTOM_STUCK_REQUEST);
        assert_true(is_at(s.symptom.next, 26 * S));
        (void) list(&s, 26 * S - 1, 4, 16 * S - 1);
        assert_false(s.symptom.reached);
        (void) list(&s, 26 * S, 4, 16 * S);
        assert_int_equal(s.symptom.kind, SYMPTOM_STUCK_REQUEST);
        assert_true(s.symptom.reached);
        assert_int_equal(s.symptom.lasts, 16 * S);

        /* It ends. */
        (void) list(&s, 27 * S, 4, S);
        assert_int_equal(s.symptom.kind, SYMPTOM_NONE);
}

/* With a list whenever it is asked for the limit is met by the next sample. */
static void test_lists_that_are_asked_for_are_enough(void **state) {
        struct story s = story_busy();
        bool suspected = false;

        for (usec_t t = 0; t < 46 * S; t += S) {
                busy_until(&s, t, t, 4, 30 * S + S / 2);
                assert_false(s.symptom.reached);
                /* What has been said stands until it is over. */
                assert_true(!suspected || s.symptom.kind == SYMPTOM_STUCK_REQUEST);
                suspected = s.symptom.kind == SYMPTOM_STUCK_REQUEST;
        }
        assert_true(suspected);
        busy_until(&s, 46 * S, 47 * S, 4, 30 * S + S / 2);
        assert_true(s.symptom.reached);
}

/* A disk that is throttled to one request a second: in a queue of 32 each gets 32 s old. */
static void test_throttled(void **state) {
        struct story s = story_new();

        s.rate = 1;
        for (usec_t t = 0; t < 1000 * S; t += S)
                assert_symptom(list(&s, t, 32, MIN(t, 32 * S)), SYMPTOM_NONE, 0, t + 4 * S);
}

/* It was fast before, and is throttled from one moment on: what ended before a request was sent has
 * not overtaken it. */
static void test_throttled_suddenly(void **state) {
        struct story s = story_new();

        s.rate = 10000;
        for (usec_t t = 0; t < 100 * S; t += S)
                (void) list(&s, t, 32, USEC_PER_MSEC);
        s.rate = 1;
        for (usec_t t = 100 * S; t < 400 * S; t += S)
                assert_int_equal(list(&s, t, 32, MIN(t - 99 * S, 32 * S))->kind, SYMPTOM_NONE);
}

/* As often as all that was out completes at that rate in the limit: eight times is the border. */
static void test_turns(void **state) {
        for (uint64_t rate = 1; rate < 100; rate++) {
                struct story s = story_new();

                s.rate = rate;
                for (usec_t t = 0; t < 100 * S; t += S) {
                        (void) list(&s, t, 10, t);
                        /* The slot that counts begins up to a step after the request. */
                        if (s.symptom.reached)
                                assert_true(rate * policy.stall / S >= WINDOW_TURNS * 10);
                }
                assert_int_equal(s.symptom.reached,
                                 rate * (policy.stall - STEP) / S >= WINDOW_TURNS * 10);
        }
}

/* It was overtaken once, and the disk has become slow since: no more than a warning. */
static void test_overtaken_long_ago(void **state) {
        struct story s = story_new();

        for (usec_t t = 0; t < 100 * S; t += S) {
                s.rate = t < 10 * S ? 1000 : 1;
                (void) list(&s, t, 4, t);
                if (t == 10 * S)
                        assert_int_equal(s.symptom.kind, SYMPTOM_STUCK_REQUEST);
                assert_false(s.symptom.reached && t > 26 * S);
        }
        assert_int_equal(s.symptom.kind, SYMPTOM_NONE);
}

/* Old, and not overtaken for the limit but for the time of the warning: say so. */
static void test_overtaken_of_late(void **state) {
        struct story s = story_new();

        s.rate = 1;
        for (usec_t t = 0; t < 30 * S; t += S)
                assert_int_equal(list(&s, t, 40, t)->kind, SYMPTOM_NONE);
        for (usec_t t = 30 * S; t < 40 * S; t += S) {
                s.rate = 20; /* 8 * 4 in the last four seconds, not 8 * 40 in the limit */
                (void) list(&s, t, 4, t);
                assert_false(s.symptom.reached);
        }
        assert_int_equal(s.symptom.kind, SYMPTOM_STUCK_REQUEST);
        assert_int_equal(s.symptom.lasts, policy.stall - 1);
}

static void test_ages_from_before_a_gap(void **state) {
        for (int how = 0; how < 4; how++) {
                struct story s = story_busy();

                busy_until(&s, 0, 15 * S, 4, 0);
                assert_int_equal(s.symptom.kind, SYMPTOM_STUCK_REQUEST);
                if (how == 0)
                        (void) list(&s, 18 * S + 1, 4, 18 * S);
                else {
                        s.sample.held = how == 1;
                        s.sample.recovering = how == 2;
                        if (how == 3)
                                detector_restart(&s.detector);
                        (void) list(&s, 18 * S, 4, 18 * S);
                        s.sample.held = s.sample.recovering = false;
                }
                assert_int_equal(s.symptom.kind, SYMPTOM_NONE);
                for (usec_t t = 19 * S; t < 34 * S; t += S)
                        assert_true(list(&s, t, 4, t)->lasts <= t - 18 * S);
                assert_int_equal(s.symptom.kind, SYMPTOM_STUCK_REQUEST);
                assert_false(s.symptom.reached);
                (void) list(&s, 34 * S, 4, 34 * S);
                (void) list(&s, 35 * S, 4, 35 * S);
                (void) list(&s, 36 * S, 4, 36 * S);
                assert_true(s.symptom.reached);
        }
}

static void test_warn_equals_stall(void **state) {
        struct policy same = policy;
        struct story s = story_busy();

        same.warn = same.stall;
        s.policy = &same;
        for (usec_t t = 0; t < 16 * S; t += S)
                assert_int_equal(list(&s, t, 4, t)->kind, SYMPTOM_NONE);
        (void) list(&s, 16 * S, 4, 16 * S);
        assert_int_equal(s.symptom.kind, SYMPTOM_STUCK_REQUEST);
        assert_true(s.symptom.reached);
}

/* ---- by a timer that ran out ---- */

static const struct symptom *time_out(struct story *s, usec_t t, uint32_t n) {
        s->sample.timeouts++;
        return look(s, t, n);
}

static void test_timer(void **state) {
        static const usec_t timeouts[] = { 0, 16 * S - 1, 16 * S, 180 * S };

        for (size_t i = 0; i < ELEMENTSOF(timeouts); i++) {
                struct story s = story_busy();
                bool proves = timeouts[i] >= policy.stall;

                s.sample.timeout = timeouts[i];
                look_until(&s, 0, 29 * S, 4);
                assert_int_equal(s.symptom.kind, SYMPTOM_NONE);
                (void) time_out(&s, 30 * S, 4);
                assert_int_equal(s.symptom.kind, proves ? SYMPTOM_STUCK_REQUEST : SYMPTOM_NONE);
                assert_int_equal(s.symptom.reached, proves);
                if (!proves)
                        continue;
                /* It stands until the same request's timer has surely run out again. */
                look_until(&s, 31 * S, 39 * S + timeouts[i], 4);
                assert_true(s.symptom.reached);
                (void) look(&s, 40 * S + timeouts[i], 4);
                assert_int_equal(s.symptom.kind, SYMPTOM_NONE);
        }
}

/* One that ran out because the disk is slow, and the disk then runs fast: what ended after the
 * timer has not overtaken that request, which may be among it. */
static void test_timer_of_a_slow_disk(void **state) {
        for (usec_t late = 0; late < 30 * S; late += S) {
                struct story s = story_new();

                s.sample.timeout = 180 * S;
                s.rate = 1;
                look_until(&s, 0, 200 * S, 180);
                if (late == 0)
                        s.rate = 100000;
                (void) time_out(&s, 201 * S, 180);
                assert_int_equal(s.symptom.kind, SYMPTOM_NONE);
                s.rate = 1;
                for (usec_t t = 202 * S; t < 500 * S; t += S) {
                        if (t >= 201 * S + late)
                                s.rate = 100000;
                        assert_int_equal(look(&s, t, 180)->kind, SYMPTOM_NONE);
                }
        }
}

static void test_timer_and_what_is_known_better(void **state) {
        struct story s = story_busy();

        s.sample.timeout = 180 * S;
        look_until(&s, 0, 29 * S, 4);
        (void) time_out(&s, 30 * S, 4);
        assert_true(s.symptom.reached);
        (void) list(&s, 31 * S, 4, 16 * S - 1); /* none is that old */
        assert_false(s.symptom.reached);
        look_until(&s, 32 * S, 60 * S, 4);
        assert_int_equal(s.symptom.kind, SYMPTOM_NONE);

        (void) time_out(&s, 61 * S, 4);
        assert_true(s.symptom.reached);
        (void) look(&s, 62 * S, 0); /* nothing is out at all */
        assert_int_equal(s.symptom.kind, SYMPTOM_NONE);
        look_until(&s, 63 * S, 100 * S, 4);
        assert_int_equal(s.symptom.kind, SYMPTOM_NONE);
}

/* The timer has to have been so long for as long. */
static void test_timer_that_was_changed(void **state) {
        struct story s = story_busy();

        s.sample.timeout = 5 * S;
        look_until(&s, 0, 30 * S, 4);
        s.sample.timeout = 180 * S;
        (void) look(&s, 31 * S, 4);
        for (usec_t t = 32 * S; t < 47 * S; t += S)
                assert_int_equal(time_out(&s, t, 4)->kind, SYMPTOM_NONE);
        assert_true(time_out(&s, 47 * S, 4)->reached);
        s.sample.timeout = 170 * S; /* also down: what runs out now was set when, nobody knows */
        look_until(&s, 48 * S, 247 * S, 4);
        assert_int_equal(s.symptom.kind, SYMPTOM_NONE);
        s.sample.timeout = 180 * S;
        assert_int_equal(time_out(&s, 248 * S, 4)->kind, SYMPTOM_NONE);
}

static void test_timer_before_a_gap(void **state) {
        for (int how = 0; how < 3; how++) {
                struct story s = story_busy();

                s.sample.timeout = 180 * S;
                look_until(&s, 0, 29 * S, 4);
                (void) time_out(&s, 30 * S, 4);
                if (how > 0) {
                        s.sample.held = how == 1;
                        s.sample.recovering = how == 2;
                        (void) look(&s, 31 * S, 4);
                        s.sample.held = s.sample.recovering = false;
                }
                s.sample.timeouts++; /* meanwhile, nobody knows when */
                for (usec_t t = how > 0 ? 32 * S : 35 * S; t <= 60 * S; t += S)
                        assert_int_equal(look(&s, t, 4)->kind, SYMPTOM_NONE);
                (void) time_out(&s, 61 * S, 4);
                assert_true(s.symptom.reached);
        }
}

/* Nothing was out a moment ago: whoever ran out of time is not as old as the limit. */
static void test_timer_after_idleness(void **state) {
        for (usec_t busy = 0; busy <= 16 * S; busy += S) {
                struct story s = story_busy();

                s.sample.timeout = 180 * S;
                look_until(&s, 0, 29 * S, 4);
                (void) look(&s, 30 * S, 0);
                look_until(&s, 31 * S, 30 * S + busy, 4);
                (void) time_out(&s, 31 * S + busy, 4);
                assert_int_equal(s.symptom.kind,
                                 busy >= 15 * S ? SYMPTOM_STUCK_REQUEST : SYMPTOM_NONE);
        }
}

static void test_timeouts_that_step_back(void **state) {
        static const uint64_t before[] = { UINT64_MAX, UINT32_MAX, 7 };

        for (size_t i = 0; i < ELEMENTSOF(before); i++) {
                struct story s = story_busy();

                s.sample.timeout = 180 * S;
                s.sample.timeouts = before[i];
                look_until(&s, 0, 30 * S, 4);
                s.sample.timeouts = 3;
                look_until(&s, 31 * S, 60 * S, 4);
                assert_int_equal(s.symptom.kind, SYMPTOM_NONE);
                assert_true(time_out(&s, 61 * S, 4)->reached);
        }
}

/* ---- when lists are wanted ---- */

static void test_list_at(void **state) {
        struct story s = story_busy();

        assert_true(look(&s, 0, 0)->list_at == USEC_INFINITY);
        (void) look(&s, S, 4); /* work is first seen */
        assert_true(is_at(s.symptom.list_at, S));
        (void) look(&s, 2 * S, 4); /* no list came of it */
        assert_true(is_at(s.symptom.list_at, 2 * S));
        (void) list(&s, 3 * S, 4, 0);
        assert_true(is_at(s.symptom.list_at, 3 * S + STEP));
        (void) look(&s, 4 * S, 4);
        assert_true(is_at(s.symptom.list_at, 3 * S + STEP));
        (void) list(&s, 5 * S, 4, 3 * S);
        assert_true(is_at(s.symptom.list_at, 5 * S + STEP));
        look_until(&s, 6 * S, 18 * S, 1000); /* so many that none is overtaken */
        (void) list(&s, 19 * S, 1000, 16 * S - 1);
        assert_true(is_at(s.symptom.list_at, 19 * S + 1));
        (void) list(&s, 20 * S, 1000, 15 * S);
        assert_true(is_at(s.symptom.list_at, 21 * S));
        (void) list(&s, 21 * S, 1000, 30 * S);
        assert_true(is_at(s.symptom.list_at, 21 * S));
        (void) look(&s, 22 * S, 0);
        assert_true(s.symptom.list_at == USEC_INFINITY);
}

static void test_list_when_quiet(void **state) {
        struct story s = story_new();

        (void) list(&s, 0, 4, 0);
        (void) look(&s, 2 * S - 1, 4);
        assert_true(is_at(s.symptom.list_at, STEP));
        for (usec_t t = 2 * S; t < 10 * S; t += S)
                assert_true(is_at(list(&s, t, 4, t)->list_at, t));
        s.sample.completed++;
        assert_true(is_at(list(&s, 10 * S, 4, S)->list_at, 10 * S + STEP));

        /* Half of the warning is long before an eighth of the limit. */
        s = story_new();
        struct policy early = policy;
        early.warn = S;
        s.policy = &early;
        (void) list(&s, 0, 4, 0);
        (void) look(&s, S / 2, 4);
        assert_true(is_at(s.symptom.list_at, S / 2));
}

/* ---- what is left from before an act ---- */

static void test_progress_needs_the_old_ones_to_end(void **state) {
        struct story s = story_busy();

        look_until(&s, 0, 9 * S, 4);
        detector_restart(&s.detector);
        (void) look(&s, 10 * S, 4);
        (void) list(&s, 11 * S, 4, S + SLACK + 1); /* a little older than the observation */
        assert_false(s.symptom.progress);
        assert_true(is_at(s.symptom.list_at, 11 * S)); /* at every sample from now on */
        for (usec_t t = 12 * S; t < 30 * S; t += S)
                assert_false(list(&s, t, 4, t)->progress);
        (void) look(&s, 30 * S, 4); /* no list, no news */
        assert_false(s.symptom.progress);
        assert_true(s.symptom.list_at <= START + 30 * S);
        (void) list(&s, 31 * S, 4, 21 * S + SLACK);
        assert_true(s.symptom.progress);
        assert_int_equal(s.symptom.left, 0);
}

static void test_all_has_ended(void **state) {
        struct story s = story_busy();

        (void) look(&s, 0, 4);
        (void) list(&s, S, 4, 10 * S);
        assert_false(s.symptom.progress);
        (void) look(&s, 2 * S, 0);
        assert_true(s.symptom.progress);
        assert_true(look(&s, 3 * S, 4)->progress);
}

/* How long it is left counts once others have overtaken it: 8 times 10. */
static void test_left(void **state) {
        struct story s = story_new();

        s.rate = 20;
        (void) look(&s, 0, 10);
        for (usec_t t = S; t < 4 * S; t += S)
                assert_int_equal(list(&s, t, 10, 60 * S + t)->left, 0);
        assert_int_equal(list(&s, 4 * S, 10, 64 * S)->left, 4 * S);
        assert_int_equal(list(&s, 5 * S, 10, 65 * S)->left, 5 * S);
        assert_int_equal(look(&s, 6 * S, 10)->left, 0); /* known only by a list */
        assert_int_equal(list(&s, 7 * S, 10, 67 * S)->left, 7 * S);
        assert_int_equal(list(&s, 8 * S, 21, 68 * S)->left, 0); /* 160 is not 8 * 21 */
        assert_int_equal(list(&s, 9 * S, 10, 69 * S)->left, 9 * S); /* 180 is */
        assert_int_equal(list(&s, 10 * S, 10, S)->left, 0);
}

/* The most that were out count, also those of samples before. */
static void test_left_and_the_peak(void **state) {
        struct story s = story_new();

        s.rate = 20;
        (void) look(&s, 0, 10);
        (void) list(&s, S, 100, 61 * S);
        for (usec_t t = 2 * S; t < 40 * S; t += S)
                assert_int_equal(list(&s, t, 10, 60 * S + t)->left, 0);
        assert_int_equal(list(&s, 40 * S, 10, 100 * S)->left, 40 * S);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_stuck_to_the_limit),
                cmocka_unit_test(test_lists_that_are_asked_for_are_enough),
                cmocka_unit_test(test_throttled),
                cmocka_unit_test(test_throttled_suddenly),
                cmocka_unit_test(test_turns),
                cmocka_unit_test(test_overtaken_long_ago),
                cmocka_unit_test(test_overtaken_of_late),
                cmocka_unit_test(test_ages_from_before_a_gap),
                cmocka_unit_test(test_warn_equals_stall),
                cmocka_unit_test(test_timer),
                cmocka_unit_test(test_timer_of_a_slow_disk),
                cmocka_unit_test(test_timer_and_what_is_known_better),
                cmocka_unit_test(test_timer_that_was_changed),
                cmocka_unit_test(test_timer_before_a_gap),
                cmocka_unit_test(test_timer_after_idleness),
                cmocka_unit_test(test_timeouts_that_step_back),
                cmocka_unit_test(test_list_at),
                cmocka_unit_test(test_list_when_quiet),
                cmocka_unit_test(test_progress_needs_the_old_ones_to_end),
                cmocka_unit_test(test_all_has_ended),
                cmocka_unit_test(test_left),
                cmocka_unit_test(test_left_and_the_peak),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
