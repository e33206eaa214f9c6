/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>

#include "agent/base/macro.h"
#include "agent/watch.h"

/* How often a disk is looked at between an act and its outcome, when every moment counts. */
#define INTERVAL_SHORT (200 * USEC_PER_MSEC)

/* How much more often one is looked at that may be hung. */
#define SUSPICION 4

static bool only_watches(enum incident_state state) {
        return state == INCIDENT_HEALTHY || state == INCIDENT_SUSPECT ||
               state == INCIDENT_REPORTED;
}

void watch_init(struct watch *watch, usec_t now) {
        assert(watch);

        *watch = (struct watch) { .plan.fence_wait = USEC_INFINITY };
        ladder_init(&watch->ladder, now);
}

void watch_resume(struct watch *watch, const struct ladder_past *past, bool offline,
                  enum footing footing, usec_t now) {
        assert(watch && past);

        ladder_resume(&watch->ladder, &watch->plan, past, offline, footing, now);
}

bool watch_wants_list(const struct watch *watch, usec_t now) {
        assert(watch);

        return now >= watch->symptom.list_at;
}

/* A state has been entered, or is overdue. After an act, progress is what comes after it. */
static void entered(struct watch *watch, enum incident_state before) {
        if (watch->ladder.overdue)
                return;
        watch->begun = false;
        watch->renewed = false;
        if (!only_watches(before) || !only_watches(watch->ladder.past.state))
                detector_restart(&watch->detector);
}

/* When the kernel recovers after an act of ours, its effect is looked for anew, once: one that
 * recovers again and again would put off the outcome for ever. */
static void renew(struct watch *watch, const struct sample *sample) {
        if (only_watches(watch->ladder.past.state))
                return;
        if (!sample->recovering && watch->detector.recovering)
                watch->renewed = true;
        if (sample->recovering && !watch->renewed)
                detector_restart(&watch->detector);
}

/* Whether it hangs is for the ladder to judge. */
static void take_circumstances(struct watch *watch, const struct policy *policy,
                               const struct sample *sample, const struct circumstances *here) {
        struct circumstances *c = &watch->circumstances;

        *c = *here;
        c->held = sample->held;
        c->recovering = sample->recovering;
        c->hung = true;
        c->acts = ladder_acts(&watch->ladder, policy->acts_window, sample->at);
}

bool watch_take(struct watch *watch, const struct policy *policy, const struct sample *sample,
                const struct circumstances *here, enum footing footing) {
        enum incident_state before;
        uint32_t leave;

        assert(watch && policy && sample && here);

        before = watch->ladder.past.state;
        renew(watch, sample);
        detector_take(&watch->detector, policy, sample, &watch->symptom);
        take_circumstances(watch, policy, sample, here);
        leave = guard_leave(policy, &watch->plan, &watch->circumstances);
        if (!ladder_observe(&watch->ladder, &watch->plan, policy, &watch->symptom, leave, footing,
                            sample->at))
                return false;
        entered(watch, before);
        return true;
}

enum refusal watch_refusal(const struct watch *watch, const struct policy *policy) {
        const struct plan *plan = &watch->plan;
        enum step step = plan->n_cures > 0 ? plan->cures[0] : plan->fail;

        assert(watch && policy);

        return step == STEP_NONE ? REFUSAL_NONE
                                 : guard_check(policy, &watch->circumstances, step, 0);
}

/* What the domain cannot take at once is not kept for later; the others are free before long. */
static bool is_waited_for(enum step step) {
        return step_place(step) == PLACE_DISK || step_place(step) == PLACE_RESCUE;
}

bool watch_pursue(struct watch *watch, watch_begin_cb begin, void *userdata, enum footing footing,
                  usec_t now) {
        enum incident_state before;
        enum step step;
        int r;

        assert(watch && begin);

        before = watch->ladder.past.state;
        step = watch->ladder.step;
        if (step == STEP_NONE || watch->begun)
                return false;
        r = begin(step, userdata);
        watch->begun = r == 0;
        if (r == 0 || (r < 0 && is_waited_for(step)))
                return false;
        if (r < 0 && step_place(step) == PLACE_DOMAIN) {
                detector_not_acted(&watch->detector);
                r = -EAGAIN;
        }
        if (!ladder_returned(&watch->ladder, &watch->plan, step, MIN(r, 0), footing, now))
                return false;
        entered(watch, before);
        return true;
}

bool watch_returned(struct watch *watch, enum step step, int error, enum footing footing,
                    usec_t now) {
        enum incident_state before;

        assert(watch);

        before = watch->ladder.past.state;
        detector_restart(&watch->detector);
        /* An earlier step may return, which is no longer wanted. */
        if (step != watch->ladder.step || !watch->begun ||
            !ladder_returned(&watch->ladder, &watch->plan, step, error, footing, now))
                return false;
        entered(watch, before);
        return true;
}

bool watch_is_back(struct watch *watch, enum footing footing, usec_t now) {
        enum incident_state before;

        assert(watch);

        before = watch->ladder.past.state;
        detector_restart(&watch->detector);
        if (!ladder_is_back(&watch->ladder, &watch->plan, footing, now))
                return false;
        entered(watch, before);
        return true;
}

bool watch_is_dragged(struct watch *watch, enum footing footing, usec_t now) {
        enum incident_state before;

        assert(watch);

        before = watch->ladder.past.state;
        if (!ladder_is_dragged(&watch->ladder, &watch->plan, footing, now))
                return false;
        entered(watch, before);
        return true;
}

int watch_request(struct watch *watch, enum step step, enum footing footing, usec_t now) {
        enum incident_state before;
        int r;

        assert(watch);

        before = watch->ladder.past.state;
        r = ladder_request(&watch->ladder, &watch->plan, step, footing, now);
        if (r >= 0)
                entered(watch, before);
        return r;
}

enum refusal watch_refuses(const struct watch *watch, const struct policy *policy, enum step step,
                           uint32_t force) {
        struct circumstances here;

        assert(watch && policy);

        here = watch->circumstances;
        here.hung = watch->symptom.kind != SYMPTOM_NONE || watch->symptom.quiet > 0 ||
                    !only_watches(watch->ladder.past.state);
        return guard_check(policy, &here, step, force | BIT(REFUSAL_POLICY));
}

static usec_t interval(const struct watch *watch, const struct policy *policy) {
        usec_t t = detector_interval(policy);

        switch (watch->ladder.past.state) {
        case INCIDENT_SUSPECT:
                return t / SUSPICION;
        case INCIDENT_SETTLING:
        case INCIDENT_DRAINING:
        case INCIDENT_RECOVERED:
                return MIN(t, INTERVAL_SHORT);
        default:
                return t;
        }
}

/* What was due when it was last looked at has been looked at; if it led to nothing, a later look
 * may. */
static usec_t earlier(usec_t next, usec_t due, usec_t looked) {
        return due > looked ? MIN(next, due) : next;
}

usec_t watch_next(const struct watch *watch, const struct policy *policy, usec_t looked) {
        usec_t next;

        assert(watch && policy);

        next = looked + interval(watch, policy);
        next = earlier(next, watch->symptom.next, looked);
        next = earlier(next, watch->ladder.deadline, looked);
        return MAX(next, looked + WATCH_TICK_MIN);
}
