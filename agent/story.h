/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What happened to a disk, as text: recordings, what "unhang simulate" replays, scenario tests with
 * what is expected. See unhang-story(5). */

#include "agent/decide/ladder.h"
#include "include/disk.h"
#include "include/nvme-facts.h"
#include "include/policy.h"

#define STORY_EVENTS_MAX 1000000 /* more is not believed to be a story */

enum what {
        FACT_DISK,
        FACT_HOST,
        FACT_RETURNED,
        FACT_PAUSED,
        FACT_KILLED,
        FACT_STARTED,
        FACT_REQUEST,
        FACT_HERE,
        FACT_BACK,
        _FACTS_MAX,
        EXPECT_ACT = _FACTS_MAX, /* after all facts of that time */
        EXPECT_STATE,
        EXPECT_OUTCOME,
        EXPECT_WORD,
        EXPECT_SYMPTOM,
        EXPECT_REFUSAL,
};

struct value {
        enum { VALUE_SAME, VALUE_SET, VALUE_ADD } how;
        uint64_t n;
};

/* FACT_DISK. Both in the order of the names in story.c. */
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

/* FACT_HERE: what stands in the way of acts. */
enum here_key {
        HERE_HEALTHY, /* other disks of the domain that are not hung */
        HERE_TARGET,  /* those of them on the same SCSI target */
        HERE_SUPPRESSED,
        HERE_OWNED,
        _HERE_MAX,
};

struct event {
        usec_t at;
        usec_t since;              /* EXPECT_ACT: from then until AT, once */
        bool met;                  /* EXPECT_ACT: it was */
        unsigned line;
        enum what what;
        struct value disk[_KEY_MAX];
        struct value here[_HERE_MAX];
        bool busy;                 /* FACT_HOST: another disk's act is under way there */
        bool refused, forced;      /* FACT_REQUEST */
        usec_t until;              /* FACT_PAUSED */
        enum step step;            /* FACT_RETURNED, FACT_REQUEST, EXPECT_ACT */
        int error;                 /* FACT_RETURNED */
        enum incident_state state; /* EXPECT_STATE */
        char word[24];             /* EXPECT_OUTCOME, EXPECT_WORD, EXPECT_SYMPTOM, EXPECT_REFUSAL */
};

struct story {
        char disk[DISK_NAME_MAX]; /* whose; "" if it tells of one without a name */
        char place[96];           /* "virtio_scsi 0:0:0:0", or "" */
        struct policy policy;
        enum footing footing;
        struct disk_id id;        /* its kind and driver: what can be done to it */
        struct nvme_facts controller;
        bool acts;                /* it could be opened for them */
        bool recorded;            /* it was written by a recorder: what changed was seen then */
        bool expects;             /* something is expected, so only what is expected may be done */
        usec_t end;               /* it goes on at least so long */
        struct event *events;     /* in the order of time */
        size_t n_events;
        char error[512];          /* "LINE: what is wrong" */
};

/* Reads the story at PATH of the disk NAME; "": of the first it names. It begins with POLICY. 0,
 * and the caller frees it with story_done(); -EINVAL and ret->error; or another negative errno. */
int story_read(const char *path, const char *name, const struct policy *policy, struct story *ret);
void story_done(struct story *story);
