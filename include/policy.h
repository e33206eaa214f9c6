/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "include/usec.h"

/* What may be done to a disk, and when. */
struct policy {
        usec_t warn;             /* WarnSec=: nothing completed for so long: say so */
        usec_t stall;            /* StallSec=: nothing completed for so long: act */
        uint64_t inflight_limit; /* InflightLimit=: more requests outstanding than this ... */
        usec_t inflight;         /* InflightLimitSec=: ... for so long: act */
        usec_t settle;           /* SettleSec=: after an act, how long the disk has to complete
                                  * something */
        uint64_t iostats;        /* IoStats=: 1: switch a disk's I/O statistics on */
        uint64_t act;            /* Act=: 0: nothing is done to it, whatever is seen */
};

/* An ordered list of words out of a fixed set is packed into 64 bits: for each its index + 1, the
 * first in the lowest bits. */
#define POLICY_LIST_BITS 4

/* The index of word number I of LIST, from 0; -1 after the last one. */
static inline int policy_list_at(uint64_t list, unsigned i) {
        if (i >= 64 / POLICY_LIST_BITS)
                return -1;
        return (int) (list >> i * POLICY_LIST_BITS & ((1U << POLICY_LIST_BITS) - 1)) - 1;
}
