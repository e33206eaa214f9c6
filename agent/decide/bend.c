/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>

#include "agent/decide/bend.h"
#include "agent/decide/drivers.h"

/* What can be done to this disk bends the way. */
static enum incident_state bend_by_plan(const struct ladder *ladder, const struct plan *plan,
                                        enum incident_state next) {
        if (next == INCIDENT_FINISHING && plan->finish == STEP_NONE &&
            ladder->past.state != INCIDENT_ACTING)
                next = INCIDENT_DRAINING;
        if (next == INCIDENT_ENDING && plan->end == STEP_NONE)
                next = INCIDENT_UNDRAINED;
        if (next == INCIDENT_FAILED && ladder->contained &&
            ladder->past.state == INCIDENT_UNMOUNTING)
                next = INCIDENT_MOUNTING;
        if (next == INCIDENT_RETURNING && ladder->answers && plan->back != STEP_RUNNING)
                next = ladder->contained ? INCIDENT_MOUNTING : INCIDENT_VERIFYING;
        if (ladder->past.state == INCIDENT_RETURNING && plan->back == STEP_CONTROLLER_RESCAN)
                return next == INCIDENT_MOUNTING ? INCIDENT_AWAITING
                       : next == INCIDENT_FAILING ? INCIDENT_FAILED
                                                  : next;
        return next;
}

/* Nor is what the incident has come to forgotten by an act that was not carried out. */
static enum incident_state bend_back(const struct ladder *ladder, enum incident_state next) {
        if (!ladder->failed)
                return next;
        if (ladder->past.state == INCIDENT_ACTING && next == INCIDENT_HEALTHY)
                return INCIDENT_UNCURED;
        if (ladder->past.state != INCIDENT_FENCING || next != INCIDENT_UNCURED)
                return next;
        if (ladder->contained)
                return INCIDENT_CONTAINED;
        return step_is_cure(ladder->past.act) ? next : INCIDENT_UNDRAINED;
}

/* And so does the policy for its filesystems. What was shut down over a disk that could not be
 * failed always comes back. */
static enum incident_state bend_by_policy(const struct ladder *ladder, const struct plan *plan,
                                          enum incident_state next, enum footing footing) {
        enum incident_state state = ladder->past.state;

        /* What this incident may have unmounted comes back, whichever way the disk did. */
        if (next == INCIDENT_CHECKING && ladder->failed)
                next = footing == FOOTING_DATA ? INCIDENT_MOUNTING : INCIDENT_RECOVERED;
        if (next == INCIDENT_CHECKING && (footing == FOOTING_NONE ||
                                          plan->on_recovered == ON_RECOVERED_NOTHING))
                next = INCIDENT_RECOVERED;
        if (next == INCIDENT_CLEARING && state == INCIDENT_CHECKING &&
            (footing != FOOTING_DATA || plan->on_recovered != ON_RECOVERED_REMOUNT))
                next = INCIDENT_RECOVERED;
        if (ladder->contained)
                return next;
        if (next == INCIDENT_SHUTTING && plan->on_failed < ON_FAILED_SHUTDOWN)
                next = INCIDENT_FAILED;
        if (next == INCIDENT_UNMOUNTING && plan->on_failed < ON_FAILED_UNMOUNT)
                next = INCIDENT_FAILED;
        if (next == INCIDENT_MOUNTING && plan->on_failed < ON_FAILED_REMOUNT)
                next = INCIDENT_RECOVERED;
        return next;
}

/* Nothing is over before what was unmounted is mounted again: a disk may hang again before that,
 * and recover, or the daemon be killed. What is mounted, and alive, is left alone on the way. */
static enum incident_state bend_home(const struct ladder *ladder, enum incident_state next) {
        enum incident_state state = ladder->past.state;

        if (!ladder->past.unmounted || ladder->failed)
                return next;
        if (next == INCIDENT_RECOVERED && state != INCIDENT_REVIVING)
                return INCIDENT_CLEARING;
        if (next == INCIDENT_HEALTHY && state != INCIDENT_RECOVERED)
                return state == INCIDENT_ACTING ? INCIDENT_UNCURED : INCIDENT_HELD;
        return next;
}

/* What stands on it does, too: without filesystems there is nothing to shut down and nothing to
 * mount; and a disk that the system itself runs from is never failed. */
enum incident_state ladder_bend(const struct ladder *ladder, const struct plan *plan,
                                enum incident_state next, enum footing footing) {
        assert(ladder && plan);

        next = bend_back(ladder, bend_by_plan(ladder, plan, next));
        if (footing == FOOTING_NONE && next == INCIDENT_SHUTTING)
                return INCIDENT_FAILED;
        if (footing == FOOTING_NONE && next == INCIDENT_MOUNTING)
                return INCIDENT_RECOVERED;
        if ((footing == FOOTING_SYSTEM || plan->fail == STEP_NONE) &&
            (next == INCIDENT_FAILING || next == INCIDENT_FINISHING))
                return INCIDENT_UNCURED;
        if (footing == FOOTING_SYSTEM && next == INCIDENT_SHUTTING)
                return INCIDENT_UNCURED;
        if (footing != FOOTING_DATA && next == INCIDENT_CONTAINING)
                return INCIDENT_REPORTED;
        if (next == INCIDENT_SETTLING && ladder->probes >= LADDER_PROBES_MAX)
                return INCIDENT_UNCURED;
        return bend_home(ladder, bend_by_policy(ladder, plan, next, footing));
}

/* ---- after a restart ---- */

static enum incident_state resumed_state(enum incident_state state, bool offline) {
        switch (state) {
        case INCIDENT_ACTING:
        case INCIDENT_UNCURED:
        case INCIDENT_SETTLING:
        case INCIDENT_VERIFYING:
        case INCIDENT_CHECKING:
        case INCIDENT_FAILING:
        case INCIDENT_ENDING:
        case INCIDENT_FINISHING:
        case INCIDENT_RESTORING:
        case INCIDENT_DRAINING:
        case INCIDENT_UNDRAINED:
        case INCIDENT_FENCING:
                /* Not offline: it was killed before it did anything. Look again first. */
                return offline ? INCIDENT_DRAINING : INCIDENT_SETTLING;
        case INCIDENT_CLEARING:
        case INCIDENT_HELD:
        case INCIDENT_REVIVING:
                /* What was unmounted already is still to be mounted. */
                return offline ? INCIDENT_DRAINING : INCIDENT_CLEARING;
        case INCIDENT_SHUTTING:
        case INCIDENT_UNMOUNTING:
        case INCIDENT_BUSY:
                /* A filesystem is shut down only while its disk fails all I/O. */
                return offline ? INCIDENT_SHUTTING : INCIDENT_FAILING;
        case INCIDENT_FAILED:
        case INCIDENT_RETURNING:
        case INCIDENT_AWAITING:
        case INCIDENT_MOUNTING:
                return INCIDENT_FAILED;
        case INCIDENT_CONTAINING:
        case INCIDENT_CONTAINED:
                return INCIDENT_CONTAINED;
        default:
                return INCIDENT_HEALTHY;
        }
}

enum incident_state ladder_bend_resumed(const struct ladder_past *past, const struct plan *plan,
                                        bool offline, enum footing footing) {
        enum incident_state next;

        assert(past && plan);

        next = resumed_state(past->state, offline);
        if (next == INCIDENT_HEALTHY && past->unmounted)
                next = offline ? INCIDENT_DRAINING : INCIDENT_CLEARING;
        if (next == INCIDENT_FAILING && plan->fail == STEP_NONE)
                next = INCIDENT_DRAINING;
        if (next == INCIDENT_SHUTTING && plan->on_failed < ON_FAILED_SHUTDOWN)
                next = INCIDENT_FAILED;
        if (next == INCIDENT_CLEARING && plan->on_recovered < ON_RECOVERED_REMOUNT)
                next = INCIDENT_SETTLING;
        /* What still waits for a controller that is dead ends only with its removal. */
        if (next == INCIDENT_DRAINING && offline && plan->finish != STEP_NONE &&
            footing != FOOTING_SYSTEM)
                next = INCIDENT_FINISHING;
        return next;
}
