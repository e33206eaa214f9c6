/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "include/usec.h"

enum symptom_kind {
        SYMPTOM_NONE,    /* nothing outstanding, or something completed within the limits */
        SYMPTOM_SUSPECT, /* work outstanding, nothing completed for the warning limit */
        SYMPTOM_STALLED, /* work outstanding, nothing completed for the limit: time to act */
};

/* What the detector finds in the samples of one disk. */
struct symptom {
        enum symptom_kind kind;
        bool held;            /* the time is not counted now, and nothing can be said */
        bool offline;         /* the disk ends every new request with EIO */
        usec_t quiet;         /* for how long work has been outstanding with nothing completed */
        uint32_t outstanding;
        bool progress;        /* since the observation began something completed, or all is done */
        usec_t next;          /* when the next limit is reached if nothing completes */
};
