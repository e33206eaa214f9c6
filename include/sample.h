/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "include/usec.h"

/* What the kernel said of one disk at one time. Counters only grow; they may wrap or begin anew. */
struct sample {
        usec_t at;
        uint64_t completed;   /* ended: reads, writes, discards, flushes (stat 1 + 5 + 12 + 16) */
        uint64_t answered;    /* commands that came back from the device: SCSI iodone_cnt */
        uint32_t outstanding; /* commands out: the larger of device_busy and stat field 9 */
        bool held;            /* kernel or agent holds the disk back (recovery, blocked, an act
                               * under way): this time counts towards no limit */
        bool offline;         /* SCSI state "offline": every new request ends with EIO */
};
