/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A disk that the detector looks at, once a second. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/base/macro.h"
#include "agent/detect/detector.h"

#define S USEC_PER_SEC

/* Samples a second apart, slots two. */
static const struct policy policy = {
        .warn = 4 * S, .stall = 16 * S, .settle = 8 * S,
        .inflight_limit = UINT64_MAX, .inflight = 600 * S,
};
static const struct policy limited _unused_ = {
        .warn = 4 * S, .stall = 16 * S, .settle = 8 * S, .inflight_limit = 64, .inflight = 10 * S,
};

/* A disk and its observer. The first sample is at START: nothing may lean on the time 0. */
#define START (1000 * S)

struct story {
        const struct policy *policy;
        struct detector detector;
        struct sample sample;
        struct symptom symptom;
        uint64_t rate; /* what completes before each sample */
};

static inline struct story story_new(void) {
        return (struct story) { .policy = &policy,
                                .sample = { .completed = 100, .answered = 200 } };
}

/* Takes a sample at START + T with N out. */
static inline const struct symptom *look(struct story *s, usec_t t, uint32_t n) {
        s->sample.at = START + t;
        s->sample.outstanding = n;
        s->sample.completed += s->rate;
        detector_take(&s->detector, s->policy, &s->sample, &s->symptom);
        s->sample.listed = false;
        return &s->symptom;
}

static inline void look_until(struct story *s, usec_t from, usec_t to, uint32_t n) {
        for (usec_t t = from; t <= to; t += S)
                (void) look(s, t, n);
}


static inline bool is_at(usec_t found, usec_t t) {
        return found == (t == USEC_INFINITY ? t : START + t);
}

/* NEXT counts from START too. */
#define assert_symptom(found, k, l, n)                                  \
        do {                                                            \
                const struct symptom *_found = (found);                 \
                                                                        \
                assert_int_equal(_found->kind, k);                      \
                assert_int_equal(_found->lasts, l);                     \
                assert_true(is_at(_found->next, n));                    \
                assert_int_equal(_found->reached, _found->lasts >= 16 * S); \
        } while (0)
