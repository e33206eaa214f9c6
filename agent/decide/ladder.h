/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What to do about a disk in trouble: one state machine per disk, pure, told the time.
 *
 *   healthy -> suspect -> acting (a cure) -> settling -> verifying (probe) -> checking -> recovered
 *                           ^                |    |           ^                   |           ^
 *                           +- wider cure ---+    v           |                clearing -> reviving
 *     failed <- unmounting <- shutting <- draining <- failing (offline, controller-fail) <---+
 *        |                                                                                   |
 *        +-> returning (running) -> mounting -> recovered,  or back to ----------------------+
 *
 * What no rung can follow is reported. A step that does not return in time is overdue: in most
 * states nothing can follow it, and the disk is stuck until it does; if for long, it is fenced. */

#include "include/incident.h"
#include "include/plan.h"
#include "include/policy.h"
#include "include/step.h"
#include "include/symptom.h"

/* What stands on the disk, as far as it bends the way. */
enum footing {
        FOOTING_NONE,   /* no filesystem is mounted */
        FOOTING_DATA,   /* filesystems that can be unmounted */
        FOOTING_SYSTEM, /* the system, or what nobody would bring back: never failed */
};

#define LADDER_ACTS_MAX 16 /* MaxActs= is at most this */
#define LADDER_PROBES_MAX 3 /* reads that may fail while other I/O completes, before it is told */

struct ladder_past { /* what a later daemon takes up */
        enum incident_state state;
        enum step act;                /* the last rung; STEP_NONE: none yet */
        bool unmounted;               /* something is still to be mounted again */
        usec_t acted_at;
        usec_t acts[LADDER_ACTS_MAX]; /* when rungs were begun; 0: not used */
};

struct ladder {
        struct ladder_past past;
        enum step step;       /* to be under way in this state; STEP_NONE: only watch */
        bool overdue;         /* its deadline, or this state's, has passed */
        usec_t since;         /* the state was entered */
        usec_t deadline;      /* ask again at this time even if nothing happens */
        usec_t backoff;       /* until the next try */
        usec_t stuck_since;   /* USEC_INFINITY: it is not */
        usec_t cured_at;      /* when the last cure was verified; 0: never */
        bool failed;          /* this incident has ended the disk's I/O, or kept it off */
        bool answers;         /* it did, since it was failed: only its filesystems are missing */
        bool contained;       /* its filesystems were shut down over I/O that could not be ended */
        unsigned probes;      /* reads begun since the last reset, up to a bound */
        enum outcome outcome; /* of the last rung */
};

void ladder_init(struct ladder *ladder, usec_t now);

/* Takes up what an earlier daemon left; no rung is repeated before a whole window was looked at.
 * OFFLINE: it is so now; what finishes that is done again. A reset that sticks is ended in time. */
void ladder_resume(struct ladder *ladder, const struct plan *plan, const struct ladder_past *past,
                   bool offline, enum footing footing, usec_t now);

/* The next sample has been looked at, or the deadline has come. LEAVE: BIT(step) for each step that
 * may be begun now. FOOTING: what stands, or stood, on the disk. Returns whether the state changed;
 * its step is then to be begun. */
bool ladder_observe(struct ladder *ladder, const struct plan *plan, const struct policy *policy,
                    const struct symptom *symptom, uint32_t leave, enum footing footing,
                    usec_t now);

/* The executor of STEP returned ERROR: 0, or a negative errno, of which -EAGAIN says that the
 * kernel is recovering the host itself. Ignored (false) when another step is wanted by now. Else
 * as ladder_observe(). */
bool ladder_returned(struct ladder *ladder, const struct plan *plan, enum step step, int error,
                     enum footing footing, usec_t now);

/* A disk that was gone has appeared again. As ladder_observe(). */
bool ladder_is_back(struct ladder *ladder, const struct plan *plan, enum footing footing,
                    usec_t now);

/* An act on another disk of its controller has ended this one's I/O, too. As ladder_observe(). */
bool ladder_is_dragged(struct ladder *ladder, const struct plan *plan, enum footing footing,
                       usec_t now);

/* A person asks for a rung. 0 (its step is to be begun); -EOPNOTSUPP: it is not in the plan;
 * -EPERM: it would fail a disk of the system; -EBUSY: an incident is being worked on. */
int ladder_request(struct ladder *ladder, const struct plan *plan, enum step step,
                   enum footing footing, usec_t now);

/* Nobody ran for GAP: it counts towards no deadline. */
void ladder_shift(struct ladder *ladder, usec_t gap);

/* How many rungs were begun in the time WINDOW up to NOW. */
unsigned ladder_acts(const struct ladder *ladder, usec_t window, usec_t now);

/* Whether a step is under way, or its effect is being waited for. */
bool ladder_is_acting(const struct ladder *ladder);

/* The state in a word for people: healthy, suspect, acting, settling, recovered, failing, failed,
 * stuck. */
const char *ladder_state_for_people(const struct ladder *ladder);
