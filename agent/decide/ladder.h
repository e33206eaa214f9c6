/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What to do about a disk in trouble: one state machine per disk, pure, told the time.
 *
 *   healthy -> suspect -> acting (lun-reset) -> settling -> verifying (probe) -> recovered
 *                                                  |            |
 *                                                  v            v
 *               failed <- unmounting <- shutting <- draining <- offlining <-------+
 *                  |                                                              |
 *                  +-> returning (running) -> mounting -> recovered,  or back to -+
 *
 * What no act can follow goes from healthy or suspect to reported, until it is over.
 * A step whose executor does not return in time is overdue: in most states nothing can follow it,
 * and the disk is stuck until it returns after all. */

#include <stdbool.h>

#include "include/incident.h"
#include "include/policy.h"
#include "include/step.h"
#include "include/symptom.h"

/* What stands on the disk, as far as it bends the way. */
enum footing {
        FOOTING_NONE,   /* no filesystem is mounted */
        FOOTING_DATA,   /* filesystems that can be unmounted */
        FOOTING_SYSTEM, /* the system runs from it: it is never failed, only reset */
};

struct ladder {
        enum incident_state state;
        enum step step;       /* to be under way in this state; STEP_NONE: only watch */
        bool overdue;         /* its deadline, or this state's, has passed */
        usec_t since;         /* the state was entered */
        usec_t deadline;      /* ask again at this time even if nothing happens */
        usec_t backoff;       /* until the next try to bring the disk back */
        bool failed;          /* this incident has set the disk offline */
        unsigned probes;      /* reads begun since the last reset, up to a bound */
        enum step act;        /* the last rung, STEP_LUN_RESET or STEP_OFFLINE; or STEP_NONE */
        enum outcome outcome; /* of that rung */
        usec_t acted_at;
};

/* Healthy, nothing done yet. */
void ladder_init(struct ladder *ladder, usec_t now);

/* Takes up an incident that an earlier daemon left in STATE; no reset is repeated before the effect
 * of the one before has been looked at for a whole window. OFFLINE: the disk is offline now.
 * ACTED_AT: when the last act began. */
void ladder_resume(struct ladder *ladder, enum incident_state state, bool offline, usec_t acted_at,
                   usec_t now);

/* The next sample has been looked at, or the deadline has come. MAY_ACT: the disk can be acted on,
 * and no act is under way in its fault domain. FOOTING: what stands, or stood, on the disk. Returns
 * whether the state changed; its step is then to be begun. */
bool ladder_observe(struct ladder *ladder, const struct policy *policy,
                    const struct symptom *symptom, bool may_act, enum footing footing, usec_t now);

/* The executor of STEP returned ERROR: 0, or a negative errno, of which -EAGAIN says that the
 * kernel is recovering the host itself. Ignored (false) when another step is wanted by now. Else
 * as ladder_observe(). */
bool ladder_returned(struct ladder *ladder, enum step step, int error, enum footing footing,
                     usec_t now);

/* A person asks for a LUN reset. 0 (the step is to be begun), or -EBUSY while an incident is being
 * worked on. */
int ladder_request(struct ladder *ladder, usec_t now);

/* The guest or the agent did not run for GAP: it counts towards no deadline. */
void ladder_shift(struct ladder *ladder, usec_t gap);

/* Whether an act is under way, or has returned and its effect is being waited for. */
bool ladder_is_acting(const struct ladder *ladder);

/* The state in a word for people: healthy, suspect, acting, settling, recovered, failing, failed,
 * stuck. */
const char *ladder_state_for_people(const struct ladder *ladder);
