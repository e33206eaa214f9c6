/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "agent/base/macro.h"
#include "agent/decide/ladder.h"
#include "agent/decide/names.h"

/* Each way through the machine, told as a story. test-ladder-all.c goes all ways at once. */

#define S USEC_PER_SEC

static const struct policy policy = { .warn = 2 * S, .stall = 5 * S, .settle = 3 * S };

struct story {
        struct ladder ladder;
        usec_t now;
        enum footing footing;
};

static struct story story_new(enum footing footing) {
        struct story s = { .now = 1000 * S, .footing = footing };

        ladder_init(&s.ladder, s.now);
        return s;
}

#define assert_state(s, expected)                                                         \
        assert_string_equal(incident_state_to_string((s)->ladder.state),                  \
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

static bool observe(struct story *s, const struct symptom *symptom) {
        return ladder_observe(&s->ladder, &policy, symptom, true, s->footing, s->now);
}

static const struct symptom clear = { .kind = SYMPTOM_NONE };
static const struct symptom held = { .kind = SYMPTOM_NONE, .held = true, .outstanding = 8 };
static const struct symptom moving = { .kind = SYMPTOM_NONE, .outstanding = 8, .progress = true };
static const struct symptom drained = { .kind = SYMPTOM_NONE, .progress = true, .offline = true };

static struct symptom quiet_for(usec_t t) {
        return (struct symptom) {
                .kind = t >= policy.stall  ? SYMPTOM_STALLED
                        : t >= policy.warn ? SYMPTOM_SUSPECT
                                           : SYMPTOM_NONE,
                .quiet = t,
                .outstanding = 8,
        };
}

static bool observe_quiet(struct story *s, usec_t t) {
        struct symptom symptom = quiet_for(t);

        return observe(s, &symptom);
}

static bool returned(struct story *s, int error) {
        return ladder_returned(&s->ladder, s->ladder.step, error, s->footing, s->now);
}

/* ---- how a story gets somewhere ---- */

static void to_acting(struct story *s) {
        s->now += 5 * S;
        assert_true(observe_quiet(s, policy.stall));
        assert_stands(s, INCIDENT_ACTING, STEP_LUN_RESET, 10 * S);
        assert_int_equal(s->ladder.act, STEP_LUN_RESET);
        assert_int_equal(s->ladder.outcome, OUTCOME_NONE);
        assert_int_equal(s->ladder.acted_at, s->now);
}

static void to_settling(struct story *s) {
        to_acting(s);
        s->now += 100000;
        assert_true(returned(s, 0));
        assert_stands(s, INCIDENT_SETTLING, STEP_NONE, 0);
}

static void to_offlining(struct story *s) {
        to_settling(s);
        s->now += policy.settle;
        assert_true(observe_quiet(s, policy.settle));
        assert_stands(s, INCIDENT_OFFLINING, STEP_OFFLINE, 10 * S);
        assert_int_equal(s->ladder.act, STEP_OFFLINE);
        assert_int_equal(s->ladder.outcome, OUTCOME_NONE);
        assert_int_equal(s->ladder.acted_at, s->now);
        assert_true(s->ladder.failed);
}

static void to_draining(struct story *s) {
        to_offlining(s);
        s->now += 100000;
        assert_true(returned(s, 0));
        assert_stands(s, INCIDENT_DRAINING, STEP_NONE, 10 * S);
}

static void to_shutting(struct story *s) {
        to_draining(s);
        s->now += S;
        assert_true(observe(s, &drained));
        assert_stands(s, INCIDENT_SHUTTING, STEP_FS_SHUTDOWN, 10 * S);
}

static void to_unmounting(struct story *s) {
        to_shutting(s);
        assert_true(returned(s, 0));
        assert_stands(s, INCIDENT_UNMOUNTING, STEP_FS_UMOUNT, 30 * S);
}

static void to_failed(struct story *s) {
        to_unmounting(s);
        s->now += S;
        assert_true(returned(s, 0));
        assert_stands(s, INCIDENT_FAILED, STEP_NONE, 10 * S);
        assert_int_equal(s->ladder.outcome, OUTCOME_FAILED);
}

static void wait_for_deadline(struct story *s) {
        s->now = s->ladder.deadline - 1;
        assert_false(observe(s, &clear));
        s->now++;
        assert_true(observe(s, &clear));
}

static void to_returning(struct story *s) {
        to_failed(s);
        wait_for_deadline(s);
        assert_stands(s, INCIDENT_RETURNING, STEP_RUNNING, 10 * S);
}

static void to_mounting(struct story *s) {
        to_returning(s);
        assert_true(returned(s, 0));
        assert_stands(s, INCIDENT_MOUNTING, STEP_FS_MOUNT, 60 * S);
}

static void ends_recovered(struct story *s) {
        assert_stands(s, INCIDENT_RECOVERED, STEP_NONE, 0);
        assert_int_equal(s->ladder.outcome, OUTCOME_RECOVERED);
        s->now += S;
        assert_true(observe(s, &clear));
        assert_stands(s, INCIDENT_HEALTHY, STEP_NONE, 0);
        assert_false(s->ladder.failed);
        assert_int_equal(s->ladder.outcome, OUTCOME_RECOVERED); /* of the last act: still true */
        assert_int_equal(s->ladder.backoff, 10 * S);
}

/* ---- watching ---- */

static void test_healthy(void **state) {
        struct story s = story_new(FOOTING_DATA);

        assert_stands(&s, INCIDENT_HEALTHY, STEP_NONE, 0);
        assert_int_equal(s.ladder.act, STEP_NONE);
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
        assert_int_equal(s.ladder.act, STEP_NONE);
}

static void test_suspect_acts(void **state) {
        struct story s = story_new(FOOTING_DATA);

        assert_true(observe_quiet(&s, policy.warn));
        to_acting(&s);
}

static void test_no_act_without_leave(void **state) {
        struct story s = story_new(FOOTING_DATA);
        struct symptom stalled = quiet_for(policy.stall);

        assert_true(ladder_observe(&s.ladder, &policy, &stalled, false, s.footing, s.now));
        assert_stands(&s, INCIDENT_SUSPECT, STEP_NONE, 0);
        for (int i = 0; i < 100; i++, s.now += S)
                assert_false(
                        ladder_observe(&s.ladder, &policy, &stalled, false, s.footing, s.now));
        to_acting(&s);
}

static void test_no_act_while_held(void **state) {
        struct story s = story_new(FOOTING_DATA);
        struct symptom stalled = quiet_for(policy.stall);

        stalled.held = true;
        assert_false(observe(&s, &stalled));
        assert_state(&s, INCIDENT_HEALTHY);
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
        assert_stands(&s, INCIDENT_OFFLINING, STEP_OFFLINE, 10 * S);
}

static void test_probe_hangs(void **state) {
        struct story s = story_new(FOOTING_DATA);

        to_settling(&s);
        assert_true(observe(&s, &moving));
        wait_for_deadline(&s);
        assert_stands(&s, INCIDENT_SETTLING, STEP_NONE, 0);
        /* It comes back after all, when nobody wants it any more. */
        assert_false(ladder_returned(&s.ladder, STEP_PROBE, 0, s.footing, s.now));
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
                assert_int_equal(ladder_request(&s.ladder, s.now), -EBUSY);
        }
        assert_true(returned(&s, 0));
        assert_stands(&s, INCIDENT_SETTLING, STEP_NONE, 0);
        assert_true(observe(&s, &moving));
        assert_true(returned(&s, 0));
        ends_recovered(&s);
}

/* ---- offline ---- */

static void test_no_change_to_failed_and_back(void **state) {
        struct story s = story_new(FOOTING_DATA);

        to_mounting(&s);
        assert_int_equal(s.ladder.act, STEP_OFFLINE);
        s.now += S;
        assert_true(returned(&s, 0));
        assert_true(s.ladder.failed);
        ends_recovered(&s);
}

static void test_settle_needs_leave(void **state) {
        struct story s = story_new(FOOTING_DATA);
        struct symptom quiet = quiet_for(policy.settle);

        to_settling(&s);
        assert_false(ladder_observe(&s.ladder, &policy, &quiet, false, s.footing, s.now));
        assert_state(&s, INCIDENT_SETTLING);
}

static void test_no_footing(void **state) {
        struct story s = story_new(FOOTING_NONE);

        to_draining(&s);
        assert_true(observe(&s, &drained));
        assert_stands(&s, INCIDENT_FAILED, STEP_NONE, 10 * S); /* nothing to shut down */
        assert_int_equal(s.ladder.outcome, OUTCOME_FAILED);
        wait_for_deadline(&s);
        assert_true(returned(&s, 0));
        ends_recovered(&s); /* nothing to mount */
}

static void test_system_disk_is_not_failed(void **state) {
        struct story s = story_new(FOOTING_SYSTEM);

        to_settling(&s);
        for (usec_t wait = 10 * S; wait < 1000 * S; wait *= 2) {
                s.now += policy.settle;
                assert_true(observe_quiet(&s, policy.settle));
                assert_stands(&s, INCIDENT_UNCURED, STEP_NONE, MIN(wait, 300 * S));
                assert_int_equal(s.ladder.act, STEP_LUN_RESET);
                assert_int_equal(s.ladder.outcome, OUTCOME_NO_CHANGE);
                assert_false(s.ladder.failed);

                /* Reset again, when it still hangs, and looked at for a whole window again. */
                s.now = s.ladder.deadline;
                assert_true(observe_quiet(&s, policy.stall));
                assert_stands(&s, INCIDENT_ACTING, STEP_LUN_RESET, 10 * S);
                assert_true(returned(&s, 0));
                assert_stands(&s, INCIDENT_SETTLING, STEP_NONE, 0);
        }
}

static void test_offline_fails(void **state) {
        struct story s = story_new(FOOTING_DATA);

        to_offlining(&s);
        assert_true(returned(&s, -EIO));
        assert_stands(&s, INCIDENT_DRAINING, STEP_NONE, 10 * S);
        assert_true(observe(&s, &drained));
        assert_stands(&s, INCIDENT_SHUTTING, STEP_FS_SHUTDOWN, 10 * S);
}

static void test_offline_overdue_then_late(void **state) {
        struct story s = story_new(FOOTING_DATA);

        to_offlining(&s);
        wait_for_deadline(&s);
        assert_true(s.ladder.overdue);
        assert_int_equal(s.ladder.outcome, OUTCOME_TIMED_OUT);
        assert_false(observe(&s, &drained)); /* not before it has returned */
        assert_true(returned(&s, 0));
        assert_stands(&s, INCIDENT_DRAINING, STEP_NONE, 10 * S);
}

/* The disk is offline by then, and nothing but STEP_RUNNING makes it run again: to look whether
 * commands complete says nothing, for with an offline disk all of them do. */
static void test_offline_while_the_kernel_recovers(void **state) {
        struct story s = story_new(FOOTING_DATA);

        to_offlining(&s);
        assert_true(returned(&s, -EAGAIN));
        for (int i = 0; i < 100 && s.ladder.state != INCIDENT_FAILED; i++) {
                s.now = s.ladder.deadline == USEC_INFINITY ? s.now + S : s.ladder.deadline;
                (void) observe(&s, &drained);
                if (s.ladder.step != STEP_NONE) /* an offline disk reads nothing */
                        (void) returned(&s, s.ladder.step == STEP_PROBE ? -EIO : 0);
        }
        assert_state(&s, INCIDENT_FAILED);
}

static void test_drain_needs_the_end_of_all_io(void **state) {
        const struct symptom some = { .outstanding = 8, .progress = true, .offline = true };
        const struct symptom none_seen = { .offline = true };
        struct story s = story_new(FOOTING_DATA);

        to_draining(&s);
        assert_false(observe(&s, &some));      /* some ended, some are out */
        assert_false(observe(&s, &none_seen)); /* nothing out, but nothing was seen to end */
        assert_false(observe(&s, &held));
        assert_false(observe_quiet(&s, policy.stall));
        assert_true(observe(&s, &drained));
        assert_state(&s, INCIDENT_SHUTTING);
}

/* Whatever became of the step that was to set it offline: what answers is not failed. */
static void test_drain_of_a_disk_that_is_not_offline(void **state) {
        static const struct symptom ways[] = {
                { .outstanding = 8, .progress = true },
                { .outstanding = 0, .progress = true },
        };

        for (size_t i = 0; i < 2 * ELEMENTSOF(ways); i++) {
                struct story s = story_new(FOOTING_DATA);

                to_offlining(&s);
                assert_true(returned(&s, -EINVAL));
                if (i >= ELEMENTSOF(ways)) {
                        wait_for_deadline(&s);
                        assert_state(&s, INCIDENT_UNDRAINED);
                }
                assert_false(observe(&s, &clear));
                assert_true(observe(&s, &ways[i % ELEMENTSOF(ways)]));
                assert_stands(&s, INCIDENT_VERIFYING, STEP_PROBE, 10 * S);
                assert_true(returned(&s, 0));
                ends_recovered(&s);
        }
}

static void test_undrained(void **state) {
        struct story s = story_new(FOOTING_DATA);

        to_draining(&s);
        for (usec_t wait = 10 * S; wait < 1000 * S; wait *= 2) {
                wait_for_deadline(&s);
                assert_stands(&s, INCIDENT_UNDRAINED, STEP_NONE, MIN(wait, 300 * S));
                assert_int_equal(s.ladder.outcome, OUTCOME_NO_CHANGE);
                assert_string_equal(ladder_state_for_people(&s.ladder), "stuck");
                wait_for_deadline(&s);
                assert_stands(&s, INCIDENT_OFFLINING, STEP_OFFLINE, 10 * S);
                assert_true(returned(&s, 0));
        }
        wait_for_deadline(&s);
        assert_state(&s, INCIDENT_UNDRAINED);
        s.now += S;
        assert_true(observe(&s, &drained)); /* late, but it ended */
        assert_state(&s, INCIDENT_SHUTTING);
}

/* ---- filesystems ---- */

static void test_shutdown_fails(void **state) {
        struct story s = story_new(FOOTING_DATA);

        to_shutting(&s);
        assert_true(returned(&s, -ENOTTY)); /* unmounting does it too */
        assert_stands(&s, INCIDENT_UNMOUNTING, STEP_FS_UMOUNT, 30 * S);
}

static void test_filesystem_steps_overdue(void **state) {
        struct story s = story_new(FOOTING_DATA);

        to_shutting(&s);
        wait_for_deadline(&s);
        assert_true(s.ladder.overdue);
        assert_int_equal(s.ladder.outcome, OUTCOME_NONE); /* that of the offline: not over */
        assert_true(returned(&s, 0));
        assert_stands(&s, INCIDENT_UNMOUNTING, STEP_FS_UMOUNT, 30 * S);
        wait_for_deadline(&s);
        assert_true(s.ladder.overdue);
        assert_string_equal(ladder_state_for_people(&s.ladder), "stuck");
        assert_true(returned(&s, 0));
        assert_state(&s, INCIDENT_FAILED);
}

static void test_umount_busy(void **state) {
        struct story s = story_new(FOOTING_DATA);

        to_unmounting(&s);
        for (int i = 0; i < 50; i++) {
                assert_true(returned(&s, -EBUSY));
                assert_stands(&s, INCIDENT_BUSY, STEP_NONE, 5 * S);
                wait_for_deadline(&s);
                assert_stands(&s, INCIDENT_UNMOUNTING, STEP_FS_UMOUNT, 30 * S);
        }
        assert_true(returned(&s, 0));
        assert_stands(&s, INCIDENT_FAILED, STEP_NONE, 10 * S);
}

/* ---- back again ---- */

static void test_return_fails(void **state) {
        static const usec_t waits[] = { 20, 40, 80, 160, 300, 300, 300 };
        struct story s = story_new(FOOTING_NONE);

        to_draining(&s);
        assert_true(observe(&s, &drained));
        assert_stands(&s, INCIDENT_FAILED, STEP_NONE, 10 * S);
        for (size_t i = 0; i < ELEMENTSOF(waits); i++) {
                wait_for_deadline(&s);
                assert_stands(&s, INCIDENT_RETURNING, STEP_RUNNING, 10 * S);
                if (i % 2)
                        assert_true(returned(&s, -EIO));
                else
                        wait_for_deadline(&s);
                assert_stands(&s, INCIDENT_OFFLINING, STEP_OFFLINE, 10 * S);
                /* The step that was given up. */
                assert_false(ladder_returned(&s.ladder, STEP_RUNNING, 0, s.footing, s.now));
                assert_true(returned(&s, 0));
                assert_true(observe(&s, &drained));
                assert_stands(&s, INCIDENT_FAILED, STEP_NONE, waits[i] * S);
        }
        wait_for_deadline(&s);
        assert_true(returned(&s, 0));
        ends_recovered(&s); /* which forgets the long waits */
        to_draining(&s);
        assert_true(observe(&s, &drained));
        assert_stands(&s, INCIDENT_FAILED, STEP_NONE, 10 * S);
}

static void test_mount_fails(void **state) {
        struct story s = story_new(FOOTING_DATA);

        to_mounting(&s);
        assert_true(returned(&s, -EINVAL));
        assert_stands(&s, INCIDENT_FAILED, STEP_NONE, 20 * S);
        wait_for_deadline(&s);
        assert_stands(&s, INCIDENT_RETURNING, STEP_RUNNING, 10 * S);
}

static void test_mount_hangs(void **state) {
        struct story s = story_new(FOOTING_DATA);

        to_mounting(&s);
        wait_for_deadline(&s);
        assert_stands(&s, INCIDENT_OFFLINING, STEP_OFFLINE, 10 * S);
        assert_false(ladder_returned(&s.ladder, STEP_FS_MOUNT, -EIO, s.footing, s.now));
        assert_true(returned(&s, 0));
        assert_true(observe(&s, &drained));
        assert_state(&s, INCIDENT_SHUTTING); /* it may have come to be mounted */
}

/* ---- by hand ---- */

static void test_request(void **state) {
        struct story s = story_new(FOOTING_DATA);

        assert_int_equal(ladder_request(&s.ladder, s.now), 0);
        assert_stands(&s, INCIDENT_ACTING, STEP_LUN_RESET, 10 * S);
        assert_int_equal(s.ladder.act, STEP_LUN_RESET);
        assert_int_equal(ladder_request(&s.ladder, s.now), -EBUSY);
        assert_true(returned(&s, 0));
        assert_int_equal(ladder_request(&s.ladder, s.now), -EBUSY); /* not without a look */

        s = story_new(FOOTING_DATA);
        assert_true(observe_quiet(&s, policy.warn));
        assert_int_equal(ladder_request(&s.ladder, s.now), 0);
        assert_state(&s, INCIDENT_ACTING);
        assert_true(returned(&s, -EIO));
        assert_int_equal(ladder_request(&s.ladder, s.now), 0); /* uncured: why not again */
        assert_state(&s, INCIDENT_ACTING);

        s = story_new(FOOTING_DATA);
        to_failed(&s);
        assert_int_equal(ladder_request(&s.ladder, s.now), -EBUSY);
        assert_state(&s, INCIDENT_FAILED);
}

static void test_only_the_step_that_is_wanted(void **state) {
        struct story s = story_new(FOOTING_DATA);

        to_acting(&s);
        for (int step = STEP_NONE + 1; step < _STEP_MAX; step++)
                if (step != STEP_LUN_RESET)
                        assert_false(ladder_returned(&s.ladder, (enum step) step, 0, s.footing,
                                                     s.now));
        assert_stands(&s, INCIDENT_ACTING, STEP_LUN_RESET, 10 * S);
}

/* ---- after a restart of the daemon ---- */

static void test_resume(void **state) {
        static const struct {
                enum incident_state left, running, offline;
        } cases[] = {
                { INCIDENT_HEALTHY, INCIDENT_HEALTHY, INCIDENT_HEALTHY },
                { INCIDENT_SUSPECT, INCIDENT_HEALTHY, INCIDENT_HEALTHY },
                { INCIDENT_RECOVERED, INCIDENT_HEALTHY, INCIDENT_HEALTHY },
                { INCIDENT_ACTING, INCIDENT_SETTLING, INCIDENT_SETTLING },
                { INCIDENT_UNCURED, INCIDENT_SETTLING, INCIDENT_SETTLING },
                { INCIDENT_SETTLING, INCIDENT_SETTLING, INCIDENT_SETTLING },
                { INCIDENT_VERIFYING, INCIDENT_SETTLING, INCIDENT_SETTLING },
                { INCIDENT_OFFLINING, INCIDENT_SETTLING, INCIDENT_DRAINING },
                { INCIDENT_DRAINING, INCIDENT_SETTLING, INCIDENT_DRAINING },
                { INCIDENT_UNDRAINED, INCIDENT_SETTLING, INCIDENT_DRAINING },
                { INCIDENT_SHUTTING, INCIDENT_OFFLINING, INCIDENT_SHUTTING },
                { INCIDENT_UNMOUNTING, INCIDENT_OFFLINING, INCIDENT_SHUTTING },
                { INCIDENT_BUSY, INCIDENT_OFFLINING, INCIDENT_SHUTTING },
                { INCIDENT_FAILED, INCIDENT_FAILED, INCIDENT_FAILED },
                { INCIDENT_RETURNING, INCIDENT_FAILED, INCIDENT_FAILED },
                { INCIDENT_MOUNTING, INCIDENT_FAILED, INCIDENT_FAILED },
        };

        assert_int_equal(ELEMENTSOF(cases), _INCIDENT_STATE_MAX);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (int offline = 0; offline < 2; offline++) {
                        enum incident_state wanted = offline ? cases[i].offline
                                                             : cases[i].running;
                        struct story s = { .now = 77 * S };

                        memset(&s.ladder, 0xff, sizeof(s.ladder));
                        ladder_resume(&s.ladder, cases[i].left, offline, s.now);
                        assert_state(&s, wanted);
                        assert_int_equal(s.ladder.since, s.now);
                        assert_false(s.ladder.overdue);
                        assert_true(wanted != INCIDENT_ACTING); /* never a reset at once */
                        assert_int_equal(s.ladder.act, wanted == INCIDENT_HEALTHY ? STEP_NONE
                                                       : wanted == INCIDENT_SETTLING
                                                               ? STEP_LUN_RESET
                                                               : STEP_OFFLINE);
                        assert_int_equal(s.ladder.failed, s.ladder.act == STEP_OFFLINE);
                }
}

static void test_resumed_settling_takes_a_whole_window(void **state) {
        struct story s = { .now = 77 * S, .footing = FOOTING_DATA };

        ladder_resume(&s.ladder, INCIDENT_ACTING, false, s.now);
        s.now += 1000 * S;
        assert_false(observe_quiet(&s, policy.settle - 1));
        assert_true(observe_quiet(&s, policy.settle));
        assert_state(&s, INCIDENT_OFFLINING);
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
                cmocka_unit_test(test_cure),
                cmocka_unit_test(test_probe_fails),
                cmocka_unit_test(test_probe_hangs),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_kernel_recovers_the_host),
                cmocka_unit_test(test_reset_overdue_then_late),
                cmocka_unit_test(test_no_change_to_failed_and_back),
                cmocka_unit_test(test_settle_needs_leave),
                cmocka_unit_test(test_no_footing),
                cmocka_unit_test(test_system_disk_is_not_failed),
                cmocka_unit_test(test_offline_fails),
                cmocka_unit_test(test_offline_overdue_then_late),
                cmocka_unit_test(test_offline_while_the_kernel_recovers),
                cmocka_unit_test(test_drain_needs_the_end_of_all_io),
                cmocka_unit_test(test_drain_of_a_disk_that_is_not_offline),
                cmocka_unit_test(test_undrained),
                cmocka_unit_test(test_shutdown_fails),
                cmocka_unit_test(test_filesystem_steps_overdue),
                cmocka_unit_test(test_umount_busy),
                cmocka_unit_test(test_return_fails),
                cmocka_unit_test(test_mount_fails),
                cmocka_unit_test(test_mount_hangs),
                cmocka_unit_test(test_request),
                cmocka_unit_test(test_only_the_step_that_is_wanted),
                cmocka_unit_test(test_resume),
                cmocka_unit_test(test_resumed_settling_takes_a_whole_window),
                cmocka_unit_test(test_shift),
                cmocka_unit_test(test_words),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
