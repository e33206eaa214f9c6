/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One disk's ladder, told what it sees and what returns; and how a story gets to each state. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/base/macro.h"
#include "agent/decide/ladder.h"
#include "agent/decide/names.h"

#define S USEC_PER_SEC

static const struct policy policy = { .warn = 2 * S, .stall = 5 * S, .settle = 3 * S };

/* A disk of virtio_scsi. */
static const struct plan plan = {
        .cures = { STEP_LUN_RESET }, .n_cures = 1, .fail = STEP_OFFLINE, .back = STEP_RUNNING,
        .answer = 10 * S, .fail_answer = 10 * S, .umount_time = 30 * S,
        .mount_time = 60 * S, .fence_wait = USEC_INFINITY,
        .on_failed = ON_FAILED_REMOUNT,
};

#define ALL_LEAVE UINT32_MAX

struct story {
        struct ladder ladder;
        usec_t now;
        enum footing footing;
};

static inline struct story story_new(enum footing footing) {
        struct story s = { .now = 1000 * S, .footing = footing };

        ladder_init(&s.ladder, s.now);
        return s;
}

#define assert_state(s, expected)                                                         \
        assert_string_equal(incident_state_to_string((s)->ladder.past.state),                  \
                            incident_state_to_string(expected))

/* In this state, with this step and a deadline that comes after AFTER; 0: none comes. */
#define assert_stands(s, expected, wanted, after)                                         \
        do {                                                                              \
                assert_state(s, expected);                                                \
                assert_string_equal(step_to_string((s)->ladder.step), step_to_string(wanted)); \
                assert_int_equal((s)->ladder.since, (s)->now);                            \
                assert_true((s)->ladder.deadline ==                                       \
                            ((after) == 0 ? USEC_INFINITY : (s)->now + (usec_t) (after))); \
                assert_false((s)->ladder.overdue);                                        \
        } while (0)

static inline bool observe(struct story *s, const struct symptom *symptom) {
        return ladder_observe(&s->ladder, &plan, &policy, symptom, ALL_LEAVE, s->footing, s->now);
}

static const struct symptom clear _unused_ = {};
static const struct symptom held _unused_ = { .held = true, .outstanding = 8 };
static const struct symptom out _unused_ = { .outstanding = 8, .quiet = 1 };
static const struct symptom moving _unused_ = { .progress = true, .outstanding = 8 };
/* The kernel's own recovery, for longer than the limit. */
static const struct symptom recovering _unused_ = {
        .kind = SYMPTOM_CONTROLLER_STUCK, .reached = true, .lasts = 60 * S, .held = true,
};
static const struct symptom drained _unused_ = { .progress = true, .offline = true };

static inline struct symptom quiet_for(usec_t t) {
        return (struct symptom) {
                .kind = t >= policy.warn ? SYMPTOM_STALLED : SYMPTOM_NONE,
                .reached = t >= policy.stall,
                .lasts = t >= policy.warn ? t : 0,
                .quiet = t,
                .outstanding = 8,
        };
}

static inline bool observe_quiet(struct story *s, usec_t t) {
        struct symptom symptom = quiet_for(t);

        return observe(s, &symptom);
}

static inline bool returned(struct story *s, int error) {
        return ladder_returned(&s->ladder, &plan, s->ladder.step, error, s->footing, s->now);
}

/* As an agent that has no act for this disk, or may not now. */
static inline bool watch_only(struct story *s, const struct symptom *symptom) {
        return ladder_observe(&s->ladder, &plan, &policy, symptom, 0, s->footing, s->now);
}

/* ---- how a story gets somewhere ---- */

static inline void to_acting(struct story *s) {
        s->now += 5 * S;
        assert_true(observe_quiet(s, policy.stall));
        assert_stands(s, INCIDENT_ACTING, STEP_LUN_RESET, 10 * S);
        assert_int_equal(s->ladder.past.act, STEP_LUN_RESET);
        assert_int_equal(s->ladder.outcome, OUTCOME_NONE);
        assert_int_equal(s->ladder.past.acted_at, s->now);
}

static inline void to_settling(struct story *s) {
        to_acting(s);
        s->now += 100000;
        assert_true(returned(s, 0));
        assert_stands(s, INCIDENT_SETTLING, STEP_NONE, 0);
}

static inline void to_failing(struct story *s) {
        to_settling(s);
        s->now += policy.settle;
        assert_true(observe_quiet(s, policy.settle));
        assert_stands(s, INCIDENT_FAILING, STEP_OFFLINE, 10 * S);
        assert_int_equal(s->ladder.past.act, STEP_OFFLINE);
        assert_int_equal(s->ladder.outcome, OUTCOME_NONE);
        assert_int_equal(s->ladder.past.acted_at, s->now);
        assert_true(s->ladder.failed);
}

static inline void to_draining(struct story *s) {
        to_failing(s);
        s->now += 100000;
        assert_true(returned(s, 0));
        assert_stands(s, INCIDENT_DRAINING, STEP_NONE, 10 * S);
}

static inline void to_shutting(struct story *s) {
        to_draining(s);
        s->now += S;
        assert_true(observe(s, &drained));
        assert_stands(s, INCIDENT_SHUTTING, STEP_FS_SHUTDOWN, 10 * S);
}

static inline void to_unmounting(struct story *s) {
        to_shutting(s);
        assert_true(returned(s, 0));
        assert_stands(s, INCIDENT_UNMOUNTING, STEP_FS_UMOUNT, 30 * S);
}

static inline void to_failed(struct story *s) {
        to_unmounting(s);
        s->now += S;
        assert_true(returned(s, 0));
        assert_stands(s, INCIDENT_FAILED, STEP_NONE, 10 * S);
        assert_int_equal(s->ladder.outcome, OUTCOME_FAILED);
}

static inline void wait_for_deadline(struct story *s) {
        s->now = s->ladder.deadline - 1;
        assert_false(observe(s, &out));
        s->now++;
        assert_true(observe(s, &out));
}

static inline void to_returning(struct story *s) {
        to_failed(s);
        wait_for_deadline(s);
        assert_stands(s, INCIDENT_RETURNING, STEP_RUNNING, 10 * S);
}

static inline void to_mounting(struct story *s) {
        to_returning(s);
        assert_true(returned(s, 0));
        assert_stands(s, INCIDENT_MOUNTING, STEP_FS_MOUNT, 60 * S);
}

static inline void ends_recovered(struct story *s) {
        assert_stands(s, INCIDENT_RECOVERED, STEP_NONE, 0);
        assert_int_equal(s->ladder.outcome, OUTCOME_RECOVERED);
        s->now += S;
        assert_true(observe(s, &clear));
        assert_stands(s, INCIDENT_HEALTHY, STEP_NONE, 0);
        assert_false(s->ladder.failed);
        assert_int_equal(s->ladder.outcome, OUTCOME_RECOVERED); /* of the last act: still true */
        assert_int_equal(s->ladder.backoff, 10 * S);
}

/* ---- stories of another disk, by its plan ---- */

static inline bool see(struct story *s, const struct plan *p, const struct symptom *symptom) {
        return ladder_observe(&s->ladder, p, &policy, symptom, ALL_LEAVE, s->footing, s->now);
}

static inline void end_step(struct story *s, const struct plan *p, int error) {
        assert_true(ladder_returned(&s->ladder, p, s->ladder.step, error, s->footing, s->now));
}

static inline void hang(struct story *s, const struct plan *p) {
        struct symptom stalled = quiet_for(policy.stall);

        s->now += policy.stall;
        assert_true(see(s, p, &stalled));
}
