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
        uint64_t timeouts;    /* request timers that ran out: SCSI iotmo_cnt */
        usec_t timeout;       /* how old a request is when that happens, where the driver then only
                               * starts the timer again; 0: a timeout proves nothing */
        uint32_t outstanding; /* requests out, those that user space sent past the block layer left
                               * out where they can be told apart: they take as long as they like */
        bool held;            /* the agent holds the disk back: an act is under way in its domain */
        bool recovering;      /* the kernel does: SCSI host or device, NVMe controller not live */
        bool failover;        /* what the kernel gives up now, to send it again by another path or
                               * later, counts as completed */
        bool offline;         /* new requests end with an error: SCSI "offline", NVMe "dead" */
        bool listed;          /* the requests were listed, and the next field is known */
        usec_t oldest;        /* age of the oldest of them, 0 if there is none */
};
