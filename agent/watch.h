/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One disk from its samples to the step that is wanted: the detector and the ladder as they work
 * together. Pure, so that the daemon and "unhang simulate" do the same. */

#include <stdbool.h>

#include "agent/decide/ladder.h"
#include "agent/detect/detector.h"
#include "include/sample.h"

/* Wake-ups later than this were not ours to be late: the guest or the agent did not run. */
#define WATCH_GAP (3 * USEC_PER_SEC)

/* Two wake-ups are never closer than this. */
#define WATCH_TICK_MIN (10 * USEC_PER_MSEC)

struct watch {
        struct detector detector;
        struct symptom symptom; /* of the newest sample */
        struct ladder ladder;
        bool begun;             /* the ladder's step is with an executor */
        bool renewed;           /* the look after an act, by a recovery that is over */
};

void watch_init(struct watch *watch, usec_t now);

/* As ladder_resume(). */
void watch_resume(struct watch *watch, enum incident_state state, bool offline, usec_t acted_at,
                  usec_t now);

/* Whether the sample taken at NOW is to list the requests. */
bool watch_wants_list(const struct watch *watch, usec_t now);

/* Takes the next sample. CAN_ACT: there are acts for this disk at all. Returns whether the ladder's
 * state changed. */
bool watch_take(struct watch *watch, const struct policy *policy, const struct sample *sample,
                bool can_act, enum footing footing);

/* How a step begins: 0: it is with its executor; 1: there was nothing to do; -EBUSY: not now. */
typedef int (*watch_begin_cb)(enum step step, void *userdata);

/* Has the step begun that is wanted, if it is not. What the domain cannot take at once is not kept
 * for later: by then the disk may be well. The disk's own executor is waited for. Returns whether
 * the state changed by that. */
bool watch_pursue(struct watch *watch, watch_begin_cb begin, void *userdata, enum footing footing,
                  usec_t now);

/* A step returned ERROR: as ladder_returned(). */
bool watch_returned(struct watch *watch, enum step step, int error, enum footing footing,
                    usec_t now);

/* A person asks for a reset: 0, or -EBUSY. */
int watch_request(struct watch *watch, usec_t now);

/* When it has to be looked at next, having been looked at at LOOKED. */
usec_t watch_next(const struct watch *watch, const struct policy *policy, usec_t looked);
