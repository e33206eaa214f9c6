/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

#include "include/usec.h"

/* What may be done to a disk, and when. One for all disks; read from unhangd.conf. */
struct policy {
        usec_t warn;             /* WarnSec=: nothing completed for so long: say so */
        usec_t stall;            /* StallSec=: nothing completed for so long: act */
        uint64_t inflight_limit; /* InflightLimit=: more requests outstanding than this ... */
        usec_t inflight;         /* InflightLimitSec=: ... for so long: act */
        usec_t settle;           /* SettleSec=: after an act, how long the disk has to complete
                                  * something */
        uint64_t iostats;        /* IoStats=: 1: switch a disk's I/O statistics on */
};
