/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>

#include "agent/decide/drivers.h"
#include "agent/decide/event.h"
#include "agent/decide/plan.h"

static bool may(const struct view *view, enum step step) {
        return step != STEP_NONE && (view->leave & BIT(step));
}

/* A disk that hangs again so soon was not cured by the rung before. */
static bool is_relapse(const struct ladder *ladder, const struct view *view) {
        usec_t began = view->now - view->symptom->lasts;

        return ladder->cured_at > 0 && step_is_cure(ladder->past.act) &&
               began < ladder->cured_at + view->policy->stall;
}

/* The cure to begin with: the first, after a relapse the next one; where there is none that may be
 * begun, the first again. */
static enum step first_cure(const struct ladder *ladder, const struct view *view) {
        const struct plan *plan = view->plan;
        enum step next = STEP_NONE;

        if (is_relapse(ladder, view)) {
                next = plan_cure(plan, plan_index(plan, ladder->past.act) + 1, view->leave);
                if (next == STEP_NONE && may(view, plan->fail))
                        return STEP_NONE;
        }
        return next != STEP_NONE ? next : plan_cure(plan, 0, view->leave);
}

static enum step wider_cure(const struct ladder *ladder, const struct view *view) {
        return plan_cure(view->plan, plan_index(view->plan, ladder->past.act) + 1, view->leave);
}

enum step event_cure(const struct ladder *ladder, const struct view *view) {
        assert(ladder && view);

        switch (ladder->past.state) {
        case INCIDENT_SETTLING:
                return wider_cure(ladder, view);
        case INCIDENT_UNCURED:
                if (wider_cure(ladder, view) != STEP_NONE)
                        return wider_cure(ladder, view);
                return plan_cure(view->plan, 0, view->leave);
        default:
                return first_cure(ladder, view);
        }
}

/* A recovery of the kernel that does not end holds the disk, and is a symptom all the same. */
static enum event event_of_watch(const struct ladder *ladder, const struct view *view) {
        const struct symptom *symptom = view->symptom;

        if (symptom->kind == SYMPTOM_NONE)
                return symptom->held ? EVENT_NONE : EVENT_CLEAR;
        if (!symptom->reached)
                return EVENT_SUSPICION;
        if (symptom->held)
                return EVENT_REPORT;
        if (event_cure(ladder, view) != STEP_NONE)
                return EVENT_LIMIT;
        if (may(view, view->plan->fail))
                return EVENT_GIVE_UP;
        return view->plan->contain && may(view, STEP_FS_SHUTDOWN) ? EVENT_CONTAIN : EVENT_REPORT;
}

/* Its filesystems are seen to while the disk serves, and it may hang again. */
static enum event event_of_revival(const struct ladder *ladder, const struct view *view,
                                   bool late) {
        enum event event = event_of_watch(ladder, view);

        if (event == EVENT_LIMIT || event == EVENT_GIVE_UP ||
            ((event == EVENT_REPORT || event == EVENT_CONTAIN) &&
             ladder->past.state == INCIDENT_HELD))
                return event;
        return late ? EVENT_DEADLINE : EVENT_NONE;
}

/* For a whole window: counted by the detector, which leaves out the time nobody ran. */
static bool has_no_effect(const struct view *view) {
        return view->symptom->quiet >= view->policy->settle ||
               view->symptom->left >= view->policy->settle;
}

/* What an earlier daemon began may be in the kernel still, and its end is told to nobody: as long
 * as there is a deadline, this is about that. No disk on a dead controller is well. */
static enum event event_of_left_act(const struct ladder *ladder, const struct view *view) {
        if (ladder->deadline == USEC_INFINITY)
                return EVENT_NONE;
        if (view->symptom->offline)
                return EVENT_GIVEN_UP;
        return view->now >= ladder->deadline && may(view, view->plan->end) ? EVENT_STICKS
                                                                            : EVENT_NONE;
}

/* On an offline disk all I/O ends, which says nothing; whoever set it offline, it is failed. */
static enum event event_of_settling(const struct ladder *ladder, const struct view *view) {
        const struct symptom *symptom = view->symptom;
        enum event left;

        if (symptom->progress && !symptom->offline)
                return EVENT_CLEAR;
        left = event_of_left_act(ladder, view);
        if (left != EVENT_NONE || symptom->held)
                return left;
        if (symptom->offline && symptom->progress)
                return may(view, view->plan->fail) ? EVENT_GIVE_UP : EVENT_NONE;
        if (!has_no_effect(view))
                return EVENT_NONE;
        if (wider_cure(ladder, view) != STEP_NONE)
                return EVENT_NEXT;
        return may(view, view->plan->fail) ? EVENT_GIVE_UP : EVENT_DEADLINE;
}

static enum event event_of_uncured(const struct ladder *ladder, const struct view *view) {
        const struct symptom *symptom = view->symptom;
        bool late = view->now >= ladder->deadline;

        if (symptom->offline)
                return late && !symptom->held && may(view, view->plan->fail) ? EVENT_OFFLINE
                                                                             : EVENT_NONE;
        /* What reads failed on is not asked at once again. */
        if (symptom->progress && (late || ladder->probes < LADDER_PROBES_MAX))
                return EVENT_CLEAR;
        /* Only what still hangs is acted on again. */
        if (symptom->held ||
            !(symptom->reached || (has_no_effect(view) && !symptom->progress)))
                return EVENT_NONE;
        if (wider_cure(ladder, view) != STEP_NONE)
                return EVENT_NEXT;
        if (!late || !symptom->reached)
                return EVENT_NONE;
        if (ladder->outcome == OUTCOME_NO_CHANGE && may(view, view->plan->fail))
                return EVENT_GIVE_UP;
        return event_cure(ladder, view) != STEP_NONE ? EVENT_NEXT : EVENT_NONE;
}

/* Filesystems are only ended on a disk that fails all I/O by what the kernel says now, whatever
 * became of the step that was to see to it. */
static enum event event_of_drain(const struct symptom *symptom, bool late) {
        if (symptom->progress && !symptom->offline)
                return EVENT_MOVES;
        if (symptom->progress && symptom->outstanding == 0)
                return EVENT_CLEAR;
        /* While held back a disk cannot drain, and one sample does not show whether it does. */
        return late && (symptom->progress || symptom->quiet > 0) ? EVENT_DEADLINE : EVENT_NONE;
}

/* Only what hangs now, by what is seen or by a step that does not return. */
static bool is_to_be_fenced(const struct ladder *ladder, const struct view *view) {
        bool hangs = ladder->overdue ? step_place(ladder->step) == PLACE_DOMAIN
                                     : ladder->step == STEP_NONE && view->symptom->reached;

        return hangs && ladder->stuck_since != USEC_INFINITY && may(view, STEP_FENCE) &&
               view->plan->fence_wait != USEC_INFINITY &&
               view->now - ladder->stuck_since >= view->plan->fence_wait;
}

static enum event event_of_state(const struct ladder *ladder, const struct view *view) {
        bool late = view->now >= ladder->deadline;

        switch (ladder->past.state) {
        case INCIDENT_HEALTHY:
        case INCIDENT_SUSPECT:
        case INCIDENT_REPORTED:
                return event_of_watch(ladder, view);
        case INCIDENT_CHECKING:
        case INCIDENT_CLEARING:
        case INCIDENT_HELD:
        case INCIDENT_REVIVING:
                return event_of_revival(ladder, view, late);
        case INCIDENT_RECOVERED:
                return EVENT_CLEAR;
        case INCIDENT_SETTLING:
                return event_of_settling(ladder, view);
        case INCIDENT_UNCURED:
                return event_of_uncured(ladder, view);
        case INCIDENT_DRAINING:
                return event_of_drain(view->symptom, late);
        case INCIDENT_UNDRAINED:
                return event_of_drain(view->symptom, late && may(view, view->plan->fail));
        case INCIDENT_CONTAINED:
                return view->symptom->progress ? EVENT_CLEAR : EVENT_NONE;
        default:
                return late ? EVENT_DEADLINE : EVENT_NONE;
        }
}

enum event event_of_sample(const struct ladder *ladder, const struct view *view) {
        enum event event;

        assert(ladder && view);

        event = event_of_state(ladder, view);
        if ((event == EVENT_NONE || event == EVENT_REPORT) && is_to_be_fenced(ladder, view))
                return EVENT_FENCE;
        return event;
}
