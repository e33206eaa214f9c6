/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One disk from its samples to the step that is wanted: the detector and the ladder as they work
 * together. Pure, so that the daemon and "unhang simulate" do the same. */

#include <stdbool.h>

#include "agent/decide/guard.h"
#include "agent/decide/ladder.h"
#include "agent/detect/detector.h"
#include "include/sample.h"

/* Wake-ups later than this were not ours to be late: the guest or the agent did not run. */
#define WATCH_GAP (3 * USEC_PER_SEC)

/* Two wake-ups are never closer than this. */
#define WATCH_TICK_MIN (10 * USEC_PER_MSEC)

struct watch {
        struct plan plan;       /* what can be done to it; empty until somebody makes one */
        struct detector detector;
        struct symptom symptom; /* of the newest sample */
        struct ladder ladder;
        struct circumstances circumstances; /* of the newest sample */
        bool begun;             /* the ladder's step is with an executor */
        bool renewed;           /* the look after an act, by a recovery that is over */
};

void watch_init(struct watch *watch, usec_t now);

/* As ladder_resume(). */
void watch_resume(struct watch *watch, const struct ladder_past *past, bool offline,
                  enum footing footing, usec_t now);

/* Whether the sample taken at NOW is to list the requests. */
bool watch_wants_list(const struct watch *watch, usec_t now);

/* Takes the next sample. HERE tells what stands in the way of acts, but for what the sample itself
 * and the ladder tell. Returns whether the ladder's state changed. */
bool watch_take(struct watch *watch, const struct policy *policy, const struct sample *sample,
                const struct circumstances *here, enum footing footing);

/* What stands in the way of the act that would come next, were it time for one: what a disk that
 * hangs and is only reported waits for. REFUSAL_NONE also where there is none. */
enum refusal watch_refusal(const struct watch *watch, const struct policy *policy);

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

/* A disk that was gone has appeared again: as ladder_is_back(). */
bool watch_is_back(struct watch *watch, enum footing footing, usec_t now);

/* An act on another disk has ended this one's I/O: as ladder_is_dragged(). */
bool watch_is_dragged(struct watch *watch, enum footing footing, usec_t now);

/* A person asks for a rung: as ladder_request(). */
int watch_request(struct watch *watch, enum step step, enum footing footing, usec_t now);

/* What stands in the way of a rung that a person asks for, and does not take on by FORCE. */
enum refusal watch_refuses(const struct watch *watch, const struct policy *policy, enum step step,
                           uint32_t force);

/* When it has to be looked at next, having been looked at at LOOKED. */
usec_t watch_next(const struct watch *watch, const struct policy *policy, usec_t looked);
