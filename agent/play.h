/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Plays a story in simulated time: what the agent would have seen and done. The disk and its
 * executors are simulated, the agent's mind is not. */

#include <stdbool.h>
#include <stdio.h>

#include "agent/story.h"

struct verdict {
        bool true_to_life; /* all came as the story expects it, or it expects nothing */
        unsigned acts;     /* how many rungs were taken: lun-reset, offline */
        unsigned line;     /* where it is not true, and what came instead */
        char text[200];
};

/* Writes each change of state and each act to OUT. */
void play_story(struct story *story, FILE *out, struct verdict *ret);
