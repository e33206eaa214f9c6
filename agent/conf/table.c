/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/conf/key.h"

const struct conf_key conf_keys[CONF_KEYS] = {
        {
                .section = "Prepare", .name = "IoStats", .type = CONF_YES_NO,
                .careful = CONF_SMALLER,
                .offset = offsetof(struct policy, iostats),
                .min = false, .max = true, .preset = true,
                .fallback = true,
                .meaning = "A disk without I/O statistics (queue/iostats) tells nothing of what\n"
                           "it completes: they are switched on. With no, they are left alone, and\n"
                           "a disk that is no SCSI disk cannot be watched without them.",
        },
        {
                .section = "Detect", .name = "WarnSec", .type = CONF_TIME,
                .offset = offsetof(struct policy, warn),
                .min = USEC_PER_SEC, .max = 7 * USEC_PER_DAY, .preset = 30 * USEC_PER_SEC,
                .fallback = 30 * USEC_PER_SEC,
                .meaning = "A disk is reported when for so long\n"
                           " - it has I/O outstanding and has completed none of it, or\n"
                           " - a single request has not ended, while many that came later did, or\n"
                           " - the kernel's own recovery of its host or controller has come to no\n"
                           "   end.\n"
                           "Nothing is done to it yet. A time that is not below StallSec= gives\n"
                           "no separate warning.",
        },
        {
                .section = "Detect", .name = "StallSec", .type = CONF_TIME,
                .offset = offsetof(struct policy, stall),
                .min = USEC_PER_SEC, .max = 7 * USEC_PER_DAY, .preset = 120 * USEC_PER_SEC,
                .fallback = 7 * USEC_PER_DAY,
                .meaning = "When one of the first two of these has lasted for so long, the disk\n"
                           "is hung, and its recovery begins; the third is reported only. Choose\n"
                           "it longer than the longest pause that the storage is known to make,\n"
                           "such as a failover: a reset in the midst of one does harm.",
        },
        {
                .section = "Detect", .name = "InflightLimit", .type = CONF_COUNT,
                .offset = offsetof(struct policy, inflight_limit),
                .min = 1, .max = 1000000, .preset = CONF_INFINITY,
                .fallback = CONF_INFINITY,
                .meaning = "A disk that has more requests than this in flight for\n"
                           "InflightLimitSec= is treated as hung, also when it completes some. A\n"
                           "busy healthy disk can have as many as its queue is deep: set it only\n"
                           "where you know that it never has. Acted on once, until the count has\n"
                           "been at or below the limit again. infinity: no limit.",
        },
        {
                .section = "Detect", .name = "InflightLimitSec", .type = CONF_TIME,
                .offset = offsetof(struct policy, inflight),
                .min = USEC_PER_SEC, .max = 7 * USEC_PER_DAY, .preset = 10 * USEC_PER_MINUTE,
                .fallback = 7 * USEC_PER_DAY,
                .meaning = "How long a disk has to have more than InflightLimit=. After WarnSec=,\n"
                           "where that is shorter, it is reported.",
        },
        {
                .section = "Recover", .name = "Act", .type = CONF_YES_NO,
                .careful = CONF_SMALLER,
                .offset = offsetof(struct policy, act),
                .min = false, .max = true, .preset = true,
                .fallback = false,
                .meaning = "Whether anything is done to a disk that hangs. With no, it is watched\n"
                           "and reported only; \"unhang reset\" still resets it by hand.",
        },
        {
                .section = "Recover", .name = "SettleSec", .type = CONF_TIME,
                .offset = offsetof(struct policy, settle),
                .min = USEC_PER_SEC, .max = USEC_PER_DAY, .preset = 30 * USEC_PER_SEC,
                .fallback = USEC_PER_DAY,
                .meaning = "After each step of a recovery, how long the disk has to complete\n"
                           "something before the next, stronger step is taken.",
        },
};
