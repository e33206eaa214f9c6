/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a person may have done to a disk by hand, as it goes over the private socket
 * (include/bus.h).
 *
 *   Reset(s disk, s rung, s force) -> (s outcome, s text)
 *       one rung, by the ladder, with the guards, deadlines and reports of an act of the daemon's
 *       own; answers when it is over, at the latest after its deadlines
 *       rung: "lun-reset", "offline", ...; of a failed disk "running" or "controller-rescan", which
 *       bring it back; "": the one that would come next
 *       force: names of guards that are taken on, separated by blanks: "symptom", "policy",
 *       "suppressed", "boot-grace", "owner", "radius", "siblings", "budget"
 *   Plan(s disk, s rung, s force) -> (s rung, s refusal, as steps)
 *       what that Reset() would do, without doing anything
 *       rung: as above, the one that would come next by its name
 *       refusal: what stands in the way; "" if nothing does
 *       steps: a sentence for each
 *   Suppress(s disk, t usec) -> ()
 *       no rung is begun on the disk for so long, by hand only with force "suppressed"; 0: all is
 *       as before. In force at once, in an incident from the next rung on; kept when the daemon is
 *       restarted
 *
 * A rung that there is not for this disk, or a guard of another name, is Refused, with those that
 * there are; and so is what cannot be suppressed, for nothing is ever done to it. */

#include "include/usec.h"

#define BUS_FACT_TYPE "ss"

/* The longest time that acts can be suppressed for. */
#define BUS_SUPPRESS_MAX (7 * 24 * 60 * USEC_PER_MINUTE)

/* Room for the reason of a refusal; for as much of a text as goes over the socket. */
#define BUS_REASON_MAX 512

/* One thing that is known of what can be done to a disk. */
struct fact_report {
        const char *name; /* "rungs", "driver", "acts", ... */
        const char *text;
};
