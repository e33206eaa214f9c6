/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Finds a stalled disk in its samples. Pure: it is told the time by the samples. */

#include <stdbool.h>

#include "include/policy.h"
#include "include/sample.h"
#include "include/symptom.h"

/* One observation of one disk. All zero is a valid beginning. */
struct stall {
        bool based;                   /* the counters below are those of a sample */
        bool idle;                    /* nothing was outstanding at the newest sample */
        bool progress;                /* something completed since the base was taken */
        usec_t last;                  /* the newest sample */
        usec_t since;                 /* work outstanding and nothing completed from here on */
        uint64_t completed, answered; /* what progress is measured from */
};

/* How far apart samples may be for this policy: a second, and less for short limits, so that what
 * is not seen between two of them can never make up a limit. */
usec_t stall_interval(const struct policy *policy);

/* Forgets what was seen: the next sample begins a new observation, and its counters are the base
 * that progress is measured from. For use after every act. */
void stall_restart(struct stall *stall);

/* Takes the next sample. INTERVAL is stall_interval(): a sample that comes more than three of it
 * after the one before says that the guest or the agent did not run, and begins a new observation,
 * as a held sample does. Sets every field of *ret_symptom; next is USEC_INFINITY while waiting
 * alone reaches no limit. */
void stall_update(struct stall *stall, const struct policy *policy, const struct sample *sample,
                  usec_t interval, struct symptom *ret_symptom);
