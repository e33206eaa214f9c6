/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>

#include "agent/base/macro.h"
#include "agent/detect/stall.h"
#include "tests/unit/random.h"

/* Properties of the detector over random traces of samples. */

#define S USEC_PER_SEC

#define TRACES 200000
#define SEED UINT64_C(0x756e68616e67) /* of trace 0; trace i has SEED + i */

struct trace {
        struct random random;
        uint64_t seed;
        struct policy policy;
        usec_t interval;
        usec_t spacing;   /* completions are at most so far apart */
        usec_t next_done; /* when the next command completes */
        bool punctual;    /* samples are taken when they were asked for, if not before */
        bool paused;      /* once since the last completion, too short to be seen */
        struct stall stall;
        struct sample sample;
        struct symptom symptom;
        usec_t last;
};

static void trace_begin(struct trace *t, uint64_t seed) {
        *t = (struct trace) { .random = { seed }, .seed = seed };
        /* From a second to ten minutes, short ones as often as long ones. */
        t->policy.stall = S << random_between(&t->random, 0, 9);
        t->policy.stall += random_between(&t->random, 0, t->policy.stall / 2);
        t->policy.warn = random_between(&t->random, 1, t->policy.stall);
        t->interval = random_between(&t->random, t->policy.stall / 64, t->policy.stall / 2);
        /* What was asked for is every limit/2; what is true is every limit. */
        t->spacing = random_between(&t->random, 0, 1) ? t->policy.stall / 2 : t->policy.stall - 1;
        t->punctual = random_between(&t->random, 0, 1);
        t->sample = (struct sample) {
                .at = random_between(&t->random, 0, USEC_PER_DAY),
                .completed = random_u64(&t->random),
                .answered = random_u64(&t->random),
        };
        t->last = t->next_done = t->sample.at;
}

static void complete_one(struct trace *t) {
        uint64_t kind = random_between(&t->random, 0, 99);

        if (kind == 0)
                t->sample.completed = random_u64(&t->random); /* begun anew, or wrapped */
        else if (kind == 1)
                t->sample.answered = random_u64(&t->random);
        else if (kind < 50)
                t->sample.completed++;
        else
                t->sample.answered++;
        t->next_done += random_between(&t->random, kind < 70 ? t->spacing : 1, t->spacing);
        t->paused = false;
}

/* The next sample on time: at most an interval after the last, or when it was asked for. */
static usec_t step_on_time(struct trace *t) {
        usec_t step = random_between(&t->random, 1, t->interval);

        if (t->punctual && t->symptom.next != USEC_INFINITY && t->symptom.next > t->last)
                step = MIN(step, t->symptom.next - t->last);
        return step;
}

/* Whether the sample that follows comes after a gap. */
static bool advance(struct trace *t) {
        uint64_t kind = random_between(&t->random, 0, 31);
        usec_t step = step_on_time(t), base = t->sample.at;

        if (kind == 0) /* late, but not too late to be believed */
                step = random_between(&t->random, 1, 3 * t->interval);
        else if (kind == 1) /* the guest was stopped, and its disk with it */
                step = 3 * t->interval + random_between(&t->random, 1, 100 * t->policy.stall);
        t->sample.at = base + step;
        if (kind == 1)
                t->next_done += step;
        return kind == 1;
}

static void trace_look(struct trace *t) {
        stall_update(&t->stall, &t->policy, &t->sample, t->interval, &t->symptom);
        t->last = t->sample.at;
}

#define assert_trace(t, expression)                                              \
        do {                                                                     \
                if (!(expression))                                               \
                        fail_msg("trace with seed %" PRIu64 ": not true: %s",    \
                                 (t)->seed, #expression);                        \
        } while (0)

/* A sample of a disk at work. */
static void look_healthy(struct trace *t) {
        (void) advance(t);
        while (t->next_done <= t->sample.at)
                complete_one(t);
        t->sample.outstanding = (uint32_t) random_between(&t->random, 0, 3);
        t->sample.held = random_between(&t->random, 0, 31) == 0;
        trace_look(t);
        assert_trace(t, t->symptom.kind != SYMPTOM_STALLED);
        assert_trace(t, t->symptom.quiet < t->policy.stall);
}

static void test_random_healthy(void **state) {
        uint64_t looks = 0;

        for (uint64_t i = 0; i < TRACES; i++) {
                struct trace t;

                trace_begin(&t, SEED + i);
                for (int k = 0; k < 40; k++, looks++)
                        look_healthy(&t);
        }
        print_message("%d healthy traces, %" PRIu64 " samples\n", TRACES, looks);
}

/* A guest that is stopped for so short that no gap is seen, and a disk that needs half the limit:
 * together they are no hang, as long as samples are taken as often as stall_interval() asks. */
static void test_random_short_pauses(void **state) {
        uint64_t pauses = 0;

        for (uint64_t i = 0; i < TRACES; i++) {
                struct trace t;

                trace_begin(&t, SEED + 2 * TRACES + i);
                t.policy.settle = t.policy.stall;
                t.interval = stall_interval(&t.policy);
                t.spacing = t.policy.stall / 2;
                t.sample.outstanding = 1;
                for (int k = 0; k < 60; k++) {
                        usec_t step = step_on_time(&t);

                        if (!t.paused && random_between(&t.random, 0, 3) == 0) {
                                step = random_between(&t.random, 1, 3 * t.interval);
                                t.next_done += step;
                                t.paused = true;
                                pauses++;
                        }
                        t.sample.at += step;
                        while (t.next_done <= t.sample.at)
                                complete_one(&t);
                        trace_look(&t);
                        assert_trace(&t, t.symptom.kind != SYMPTOM_STALLED);
                }
        }
        print_message("%d healthy traces with %" PRIu64 " short pauses\n", TRACES, pauses);
}

/* One sample of a disk that hangs; *since is the first that saw it, or the first after the time was
 * not counted for a while. */
static void look_hung(struct trace *t, usec_t *since, bool first, int *disruptions) {
        usec_t limit, step;
        bool gap = false;

        if (first || *disruptions == 0)
                t->sample.at += step_on_time(t);
        else {
                gap = advance(t);
                *disruptions -= gap;
        }
        step = t->sample.at - t->last;
        t->sample.outstanding = (uint32_t) random_between(&t->random, 1, UINT32_MAX);
        t->sample.held = *disruptions > 0 && random_between(&t->random, 0, 15) == 0;
        *disruptions -= t->sample.held;
        if (first || gap || *since == USEC_INFINITY)
                *since = t->sample.at;
        if (t->sample.held)
                *since = USEC_INFINITY;
        trace_look(t);

        if (*since == USEC_INFINITY) {
                assert_trace(t, t->symptom.held && t->symptom.kind == SYMPTOM_NONE);
                return;
        }
        assert_trace(t, t->symptom.quiet == t->last - *since);
        assert_trace(t, (t->symptom.kind == SYMPTOM_STALLED) ==
                                (t->last - *since >= t->policy.stall));
        assert_trace(t, (t->symptom.kind != SYMPTOM_NONE) ==
                                (t->last - *since >= t->policy.warn));
        limit = *since + (t->symptom.kind == SYMPTOM_NONE ? t->policy.warn : t->policy.stall);
        if (t->symptom.kind == SYMPTOM_STALLED)
                limit = USEC_INFINITY;
        assert_trace(t, t->symptom.next == limit);
        if (t->symptom.kind == SYMPTOM_STALLED)
                assert_trace(t, t->last - *since < t->policy.stall + step);
}

static void test_random_hang(void **state) {
        uint64_t looks = 0, exact = 0;

        for (uint64_t i = 0; i < TRACES; i++) {
                usec_t since = USEC_INFINITY, hang;
                int disruptions, calm;
                struct trace t;

                trace_begin(&t, SEED + TRACES + i);
                calm = (int) random_between(&t.random, 0, 20);
                for (int k = 0; k < calm; k++, looks++)
                        look_healthy(&t);
                /* One more completes after the last sample, and nothing from there on. */
                hang = t.last;
                t.sample.completed++;
                disruptions = (int) random_between(&t.random, 0, 3);
                for (bool first = true; t.symptom.kind != SYMPTOM_STALLED; first = false, looks++)
                        look_hung(&t, &since, first, &disruptions);
                assert_trace(&t, t.last - hang >= t.policy.stall);
                exact += t.last - since == t.policy.stall;
        }
        print_message("%d hangs, %" PRIu64 " samples, %" PRIu64 " found to the microsecond\n",
                      TRACES, looks, exact);
        assert_true(exact > TRACES / 4);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_random_healthy),
                cmocka_unit_test(test_random_short_pauses),
                cmocka_unit_test(test_random_hang),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
