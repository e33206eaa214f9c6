/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One structured line for each thing that happens to a disk: fields UNHANG_DISK, UNHANG_ADDRESS,
 * UNHANG_SERIAL, UNHANG_EVENT, UNHANG_STATE, UNHANG_STEP, UNHANG_OUTCOME, UNHANG_SYMPTOM when there
 * is one, and a MESSAGE_ID for each event. The line begins with the disk's identity. Never waits
 * and never allocates. */

#include "include/disk.h"

enum event_kind {
        EVENT_GUARDED,   /* a disk is now watched */
        EVENT_VANISHED,  /* a disk is gone */
        EVENT_POLICY,    /* another policy, or another value of it, is in force */
        EVENT_SUSPECTED, /* quiet for WarnSec= */
        EVENT_CLEARED,   /* no longer, by itself */
        EVENT_ACT,       /* a rung is taken */
        EVENT_PROGRESS,  /* a step on the way, for those who read along */
        EVENT_RECOVERED, /* all clear after an act */
        EVENT_FAILED,    /* failed cleanly: its I/O ends with EIO, its filesystems are unmounted */
        EVENT_STUCK,     /* nothing more can be done for now */
        _EVENT_KIND_MAX,
};

struct event_report {
        enum event_kind kind;
        const struct disk_id *disk;
        const char *symptom; /* "stalled", ...; "-" when none */
        const char *state, *step, *outcome;
        const char *text;    /* one line */
};

/* Writes the line; warnings and worse also go into the kernel log. */
void journal_report(const struct event_report *report);
