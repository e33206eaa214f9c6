/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* For how long a disk has had work and completed nothing. Pure: it is told the time by the samples,
 * and by its caller when to begin anew. */

#include <stdbool.h>

#include "include/policy.h"
#include "include/sample.h"

/* All zero is a valid beginning. */
struct stall {
        /* What was before the counters moved last, on a disk that had work. */
        struct stall_past {
                bool known, progress, spared;
                usec_t since, moved_at;
        } past;
        bool based;                   /* the counters below are those of a sample */
        bool idle;                    /* nothing was outstanding at the newest sample */
        bool paused;                  /* the kernel was recovering at the newest sample */
        bool resumed;                 /* it has ended that, and the disk has not shown life since */
        bool progress;                /* something completed since the base was taken */
        usec_t last;                  /* the newest sample */
        usec_t since;                 /* work outstanding and nothing completed from here on */
        bool spared;                  /* it had more time after a recovery, and showed no life */
        usec_t resumed_at;
        uint64_t completed, answered; /* what progress is measured from */
};

/* Forgets what was seen: the counters of the next sample are what progress is measured from. */
void stall_restart(struct stall *stall);

/* Takes the next sample of a disk that nobody holds back.
 * While the kernel recovers, time stands still: it counts neither for nor against the disk, and
 * that nothing is in flight then (NVMe cancels all requests, to send them again) is no progress.
 * With failover, what has moved is no progress either (drivers/nvme/host/multipath.c:
 * nvme_failover_req ends a request, and sends its bios again), nor is what moved shortly before:
 * that the controller was reset may be heard of late.
 * After it the disk has SettleSec= at least to complete something, once: a controller that is reset
 * more often than that, and never completes anything, is to be found too. */
void stall_take(struct stall *stall, const struct policy *policy, const struct sample *sample);

/* For how long work has been outstanding and nothing completed; 0 when there is none. */
usec_t stall_quiet(const struct stall *stall);
