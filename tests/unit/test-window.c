/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/detect/window.h"

/* What has to be true of the recent past before a request is called overtaken. */

#define S USEC_PER_SEC
#define START (1000 * S)
#define STEP S
#define SPAN (WINDOW_STEPS * STEP)

struct past {
        struct window window;
        struct sample sample;
};

static struct past past_new(void) {
        return (struct past) { .sample = { .completed = 1000, .answered = 5000 } };
}

/* A sample at START + T, with N more completed and OUT outstanding. */
static void take(struct past *p, usec_t t, uint64_t n, uint32_t out) {
        p->sample.at = START + t;
        p->sample.completed += n;
        p->sample.outstanding = out;
        window_take(&p->window, &p->sample, STEP);
}

static bool overtaken(const struct past *p, usec_t span) {
        return window_overtaken(&p->window, &p->sample, span);
}

static void test_empty(void **state) {
        struct past p = past_new();

        assert_false(overtaken(&p, 0));
        assert_false(overtaken(&p, S));
        take(&p, 0, 0, 1);
        assert_false(overtaken(&p, 0)); /* nothing has ended */
        assert_false(overtaken(&p, 1)); /* not known */
}

static void test_turns_to_the_request(void **state) {
        for (uint32_t peak = 1; peak < 1000; peak = peak * 3 + 1)
                for (int enough = 0; enough < 2; enough++) {
                        struct past p = past_new();

                        take(&p, 0, 0, peak);
                        take(&p, SPAN, WINDOW_TURNS * (uint64_t) peak - !enough, peak);
                        assert_int_equal(overtaken(&p, SPAN), enough);
                }
}

/* The past has to be known for all of the span, to the microsecond. */
static void test_span_is_known(void **state) {
        struct past p = past_new();

        take(&p, 0, 0, 1);
        take(&p, SPAN - 1, 1000, 1);
        assert_true(overtaken(&p, SPAN - 1));
        assert_false(overtaken(&p, SPAN));
        take(&p, SPAN, 0, 1);
        assert_true(overtaken(&p, SPAN));
}

/* What ended before the span tells nothing of who came at its beginning. */
static void test_before_the_span_does_not_count(void **state) {
        struct past p = past_new();

        take(&p, 0, 0, 1);
        take(&p, S / 2, 1000, 1);
        for (usec_t t = S; t <= SPAN + S / 2; t += S / 2)
                take(&p, t, 0, 1);
        assert_true(overtaken(&p, SPAN + S / 2));
        assert_false(overtaken(&p, SPAN));
        assert_false(overtaken(&p, SPAN - S / 2));
}

/* The most that were ever out count: at a slot, between slots, in the slot that the span begins in,
 * and now. */
static void test_peak(void **state) {
        for (usec_t when = 0; when <= SPAN + S; when += S / 4) {
                struct past p = past_new();

                for (usec_t t = 0; t <= SPAN + S; t += S / 4)
                        take(&p, t, 3, t == when ? 100 : 1);
                assert_false(overtaken(&p, SPAN + S));
                /* 8 or more to 1, when the many were out before the slot that counts. */
                assert_int_equal(overtaken(&p, SPAN), when < S);
        }
}

static void test_peak_of_newest(void **state) {
        struct past p = past_new();

        take(&p, 0, 0, 1);
        p.sample.at = START + SPAN;
        p.sample.completed += 100;
        p.sample.outstanding = 13; /* 8 * 13 = 104 */
        assert_false(overtaken(&p, SPAN));
        p.sample.outstanding = 12;
        assert_true(overtaken(&p, SPAN));
}

/* However often samples come, and for how long, the span is always known. */
static void test_slots_last(void **state) {
        for (usec_t apart = S / 16; apart <= 2 * S; apart += S / 16) {
                struct past p = past_new();

                for (usec_t t = 0; t < 100 * S; t += apart) {
                        take(&p, t, 1000, 3);
                        assert_true(p.window.n <= WINDOW_SLOTS);
                        assert_int_equal(overtaken(&p, SPAN), t >= SPAN);
                }
        }
}

/* Slots are apart by the step: that is what bounds the memory. */
static void test_slots_apart(void **state) {
        struct past p = past_new();

        for (usec_t t = 0; t < 3 * S; t += S / 10)
                take(&p, t, 1, 1);
        assert_int_equal(p.window.n, 3);
        for (unsigned i = 0; i < 3; i++)
                assert_int_equal(p.window.slots[i].at, START + i * S);
}

static void test_restart(void **state) {
        struct past p = past_new();

        take(&p, 0, 0, 100);
        take(&p, SPAN, 1000, 1);
        assert_true(overtaken(&p, SPAN));
        window_restart(&p.window);
        assert_false(overtaken(&p, 0));
        take(&p, SPAN + S, 1000, 1);
        assert_false(overtaken(&p, S));
        take(&p, 2 * SPAN + S, 8, 1); /* and neither the many out nor the ended are remembered */
        assert_true(overtaken(&p, SPAN));
}

/* The device's own answers count where the statistics are switched off, and only there. */
static void test_answers(void **state) {
        struct past p = past_new();

        take(&p, 0, 0, 10);
        p.sample.answered += 79;
        take(&p, SPAN, 0, 10);
        assert_false(overtaken(&p, SPAN));
        p.sample.answered++;
        assert_true(overtaken(&p, SPAN));
        p.sample.completed++;
        assert_false(overtaken(&p, SPAN));
}

/* A counter that wrapped or began anew tells of nothing: it is no million of completions. */
static void test_counters_that_step_back(void **state) {
        static const uint64_t before[] = { UINT64_MAX, UINT32_MAX, 5000 };

        for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++)
                for (int which = 0; which < 2; which++) {
                        struct past p = past_new();
                        uint64_t *counter = which ? &p.sample.completed : &p.sample.answered;

                        *counter = before[i];
                        take(&p, 0, 0, 10);
                        *counter = 3;
                        take(&p, SPAN, 0, 10);
                        assert_false(overtaken(&p, SPAN));
                }
}

static void test_limits_of_numbers(void **state) {
        struct window_slot slot = { .at = 0, .completed = 0 };
        struct sample sample = { .at = SPAN, .completed = 8 * (uint64_t) UINT32_MAX - 1 };

        assert_false(window_slot_overtaken(&slot, UINT32_MAX, &sample));
        sample.completed++;
        assert_true(window_slot_overtaken(&slot, UINT32_MAX, &sample));
        sample.completed = 0;
        assert_true(window_slot_overtaken(&slot, 0, &sample)); /* nobody was there to wait */
}

static void test_slot_begins(void **state) {
        const struct sample sample = { .at = 7, .completed = 8, .answered = 9, .outstanding = 10 };
        const struct window_slot slot = window_slot_begin(&sample);

        assert_int_equal(slot.at, 7);
        assert_int_equal(slot.completed, 8);
        assert_int_equal(slot.answered, 9);
        assert_int_equal(slot.peak, 10);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_empty),
                cmocka_unit_test(test_turns_to_the_request),
                cmocka_unit_test(test_span_is_known),
                cmocka_unit_test(test_before_the_span_does_not_count),
                cmocka_unit_test(test_peak),
                cmocka_unit_test(test_peak_of_newest),
                cmocka_unit_test(test_slots_last),
                cmocka_unit_test(test_slots_apart),
                cmocka_unit_test(test_restart),
                cmocka_unit_test(test_answers),
                cmocka_unit_test(test_counters_that_step_back),
                cmocka_unit_test(test_limits_of_numbers),
                cmocka_unit_test(test_slot_begins),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
