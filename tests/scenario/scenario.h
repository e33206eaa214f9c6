/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A story, read from a file: facts with a time, and what the agent is expected to do. The language
 * is described in README. */

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/macro.h"
#include "agent/decide/ladder.h"
#include "include/policy.h"

#define EVENTS_MAX 20000
#define TEXT_MAX 256

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
};

/* A counter, or what else a disk shows: not spoken of, set, or added to. */
struct value {
        enum { VALUE_SAME, VALUE_SET, VALUE_ADD } how;
        uint64_t n;
};

struct event {
        usec_t at;
        usec_t since;              /* EXPECT_ACT: from then until AT, once */
        bool met;                  /* EXPECT_ACT: it was */
        unsigned line;
        enum what what;
        struct value completed, answered, outstanding, held, offline; /* FACT_DISK */
        bool busy;                 /* FACT_HOST: another disk's act is under way there */
        bool refused;              /* FACT_REQUEST */
        usec_t until;              /* FACT_PAUSED */
        enum step step;            /* FACT_RETURNED, EXPECT_ACT */
        int error;                 /* FACT_RETURNED */
        enum incident_state state; /* EXPECT_STATE */
        char word[16];             /* EXPECT_OUTCOME, EXPECT_WORD */
};

struct story {
        const char *path;
        char must_fail[TEXT_MAX]; /* the story is wrong: what is to be said of it */
        struct policy policy;
        enum footing footing;
        usec_t end;
        struct event events[EVENTS_MAX]; /* in the order of time */
        size_t n_events;
};

/* Reads the whole of it. Ends the program by story_wrong() when it cannot be understood. */
void story_read(struct story *story, const char *path);

/* The story is not true, or not a story. Ends the program: with success if that was to be. */
_Noreturn void story_wrong(const struct story *story, unsigned line, const char *format, ...)
        _printf_(3, 4);
