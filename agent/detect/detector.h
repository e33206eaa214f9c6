/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Finds what is wrong with one disk in its samples. Pure: it is told the time by the samples, and
 * says when it wants to be asked again. */

#include <stdbool.h>

#include "agent/detect/stall.h"
#include "agent/detect/window.h"
#include "include/policy.h"
#include "include/sample.h"
#include "include/symptom.h"

/* One observation of one disk. All zero is a valid beginning. */
struct detector {
        bool watching;         /* the fields below are of an observation under way */
        struct sample last;    /* the newest one */
        usec_t watched;        /* without a gap and without being held since then */
        struct stall stall;
        struct window window;

        struct window_slot base; /* since the observation began */
        bool leftover;         /* a request from before it was out at the newest list */
        bool listed;           /* there has been a list */
        usec_t list_at;        /* when there is to be another */

        uint64_t timeouts;
        usec_t timeout;        /* behind it, and since when it has been so */
        usec_t timeout_since;
        usec_t timed_out;      /* until then: a request older than the limit is known to be out */

        bool recovering;       /* the kernel is, since: */
        usec_t recovering_since;

        bool saturated;        /* more requests outstanding than the limit, since: */
        bool saturated_reached; /* for the limit, at the newest sample */
        bool saturated_spent;  /* that has led to an act; it has to end once before the next */
        bool saturated_fresh;  /* to the act that it was restarted for */
        usec_t saturated_since;
};

/* How far apart samples may be for this policy: a second, and less for short limits, so that what
 * is not seen between two of them can never make up a limit. */
usec_t detector_interval(const struct policy *policy);

/* Forgets what was seen: the next sample begins a new observation, and its counters are the base
 * that progress is measured from. For use after every act. */
void detector_restart(struct detector *detector);

/* The act that it was restarted for could not begin: too many outstanding is not answered. */
void detector_not_acted(struct detector *detector);

/* Takes the next sample. One that comes more than three intervals after the one before says that
 * the guest or the agent did not run, and begins a new observation, as a held sample does: no time
 * before it counts. Sets every field of *ret; next and list_at are USEC_INFINITY while there is
 * nothing to wait for. */
void detector_take(struct detector *detector, const struct policy *policy,
                   const struct sample *sample, struct symptom *ret);
