/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What happened to a disk, as text: what a recording is written in, what "unhang simulate" replays,
 * and what the scenario tests are told in, with what is expected. See unhang-story(5). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/decide/ladder.h"
#include "include/disk.h"
#include "include/policy.h"

/* More is not believed to be a story. */
#define STORY_EVENTS_MAX 1000000

enum what {
        FACT_DISK,
        FACT_HOST,
        FACT_RETURNED,
        FACT_PAUSED,
        FACT_KILLED,
        FACT_STARTED,
        FACT_REQUEST,
        _FACTS_MAX,
        EXPECT_ACT = _FACTS_MAX, /* whatever is expected comes after all facts of that time */
        EXPECT_STATE,
        EXPECT_OUTCOME,
        EXPECT_WORD,
        EXPECT_SYMPTOM,
};

/* A counter, or what else a disk shows: not spoken of, set, or added to. */
struct value {
        enum { VALUE_SAME, VALUE_SET, VALUE_ADD } how;
        uint64_t n;
};

/* FACT_DISK: in the order of the names in story.c. */
enum disk_key {
        KEY_COMPLETED,
        KEY_ANSWERED,
        KEY_TIMEOUTS,
        KEY_TIMEOUT,     /* time */
        KEY_OUTSTANDING,
        KEY_OLDEST,      /* time: how old the oldest request is now; 0: there is none */
        KEY_LISTED,
        KEY_RECOVERING,
        KEY_FAILOVER,
        KEY_OFFLINE,
        _KEY_MAX,
};

struct event {
        usec_t at;
        usec_t since;              /* EXPECT_ACT: from then until AT, once */
        bool met;                  /* EXPECT_ACT: it was */
        unsigned line;
        enum what what;
        struct value disk[_KEY_MAX];
        bool busy;                 /* FACT_HOST: another disk's act is under way there */
        bool refused;              /* FACT_REQUEST */
        usec_t until;              /* FACT_PAUSED */
        enum step step;            /* FACT_RETURNED, EXPECT_ACT */
        int error;                 /* FACT_RETURNED */
        enum incident_state state; /* EXPECT_STATE */
        char word[24];             /* EXPECT_OUTCOME, EXPECT_WORD, EXPECT_SYMPTOM */
};

struct story {
        char disk[DISK_NAME_MAX]; /* whose; "" if it tells of one without a name */
        char place[96];           /* "virtio_scsi 0:0:0:0", or "" */
        struct policy policy;
        enum footing footing;
        bool acts;                /* there are acts for it */
        bool recorded;            /* it was written by a recorder: what changed was seen then */
        bool expects;             /* something is expected, so only what is expected may be done */
        usec_t end;               /* it goes on at least so long */
        struct event *events;     /* in the order of time */
        size_t n_events;
        char error[512];          /* "LINE: what is wrong" */
};

/* Reads the story at PATH of the disk NAME; of the first it names if that is "". POLICY is what it
 * begins with: it may tell its own. 0, and the caller frees it with story_done(); -EINVAL and
 * ret->error, or another negative errno. */
int story_read(const char *path, const char *name, const struct policy *policy, struct story *ret);
void story_done(struct story *story);
