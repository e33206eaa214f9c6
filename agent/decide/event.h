/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a sample means to the ladder in the state it is in. */

#include "agent/decide/ladder.h"

enum event {
        EVENT_NONE,
        EVENT_SUSPICION, /* a symptom lasts for the warning limit */
        EVENT_LIMIT,     /* it lasts for its limit, and a cure may follow */
        EVENT_GIVE_UP,   /* no cure is left, and the disk may be failed */
        EVENT_REPORT,    /* it lasts for its limit, and nothing may follow */
        EVENT_CONTAIN,   /* nor can anything ever, but new I/O can be kept off */
        EVENT_CLEAR,     /* there is none; after an act: I/O moves, or all of it has ended */
        EVENT_MOVES,     /* I/O moves on a disk that was to be failed, but is not offline */
        EVENT_OFFLINE,   /* the disk is offline, and not by us: fail it properly */
        EVENT_NEXT,      /* the rung had no effect, and a stronger cure may follow */
        EVENT_FENCE,     /* it has been stuck for so long that the policy gives the machine up */
        EVENT_DEADLINE,  /* the time of this state is over */
        EVENT_DONE,      /* the step succeeded */
        EVENT_ERROR,     /* the step failed */
        EVENT_GIVEN_UP,  /* the driver has given the controller up in an act: all has ended */
        EVENT_STICKS,    /* what an earlier daemon began holds the disk, and does not end */
        EVENT_AGAIN,     /* the kernel is recovering the host and let the step not pass */
        EVENT_REQUEST,   /* a person asked for a cure */
        EVENT_REQUEST_FAIL, /* a person asked to fail the disk */
        EVENT_DRAGGED,   /* an act on another disk has ended its I/O, too */
        EVENT_BACK,      /* the disk has appeared again */
};

/* What is known when a sample is judged. */
struct view {
        const struct plan *plan;
        const struct policy *policy;
        const struct symptom *symptom;
        uint32_t leave; /* BIT(step) for each step that may be begun now */
        usec_t now;
};

/* The cure that would follow a limit that is reached, in the state the ladder is in; STEP_NONE. */
enum step event_cure(const struct ladder *ladder, const struct view *view);

/* The one event that the sample stands for; EVENT_NONE: nothing that matters now. */
enum event event_of_sample(const struct ladder *ladder, const struct view *view);
