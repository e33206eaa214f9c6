/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "include/usec.h"

enum symptom_kind {
        SYMPTOM_NONE,
        SYMPTOM_STALLED,          /* work outstanding, nothing completed */
        SYMPTOM_STUCK_REQUEST,    /* one request does not end, while many that came later did */
        SYMPTOM_SATURATED,        /* more requests outstanding than InflightLimit= */
        SYMPTOM_CONTROLLER_STUCK, /* the kernel recovers host or controller, and comes to no end */
        _SYMPTOM_MAX,
};

/* What the detector finds in the samples of one disk. */
struct symptom {
        enum symptom_kind kind; /* SYMPTOM_NONE as long as nothing lasts for the warning limit */
        bool reached;         /* its limit, not only that of the warning */
        usec_t lasts;         /* for how long */
        bool held;            /* agent or kernel hold the disk back: time is not counted now */
        bool offline;         /* the disk ends every new request with an error */
        usec_t quiet;         /* for how long work has been outstanding with nothing completed */
        usec_t left;          /* for how long a request from before the observation has been out,
                               * while others overtook it; 0: there is none, or none is known */
        uint32_t outstanding;
        bool progress;        /* since the observation began something completed and nothing that
                               * was out before is left; or all is done */
        usec_t next;          /* when the next limit is reached if nothing completes */
        usec_t list_at;       /* the first sample at or after this is to list the requests */
};
