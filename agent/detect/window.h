/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a disk has completed in the recent past. Tells a request that is stuck from one that waits
 * for its turn: on a disk throttled to one request a second a request can be as old as the queue is
 * deep, and be next. One that is stuck is overtaken without end. */

#include <stdbool.h>
#include <stdint.h>

#include "include/sample.h"

/* The past is kept in steps of an eighth of the limit, one step longer than the limit. */
#define WINDOW_STEPS 8
#define WINDOW_SLOTS (WINDOW_STEPS + 2)

/* So many times all that was outstanding has to complete, before what did not is called overtaken.
 * Disks and hypervisors reorder, but not by eight whole queues. */
#define WINDOW_TURNS 8

struct window_slot {
        usec_t at;
        uint64_t completed, answered; /* then */
        uint32_t peak;                /* most requests outstanding since, up to the next slot */
};

struct window {
        struct window_slot slots[WINDOW_SLOTS]; /* oldest first */
        unsigned n;
};

/* A slot that begins with this sample. */
struct window_slot window_slot_begin(const struct sample *sample);

/* Whether from SLOT to the newest sample WINDOW_TURNS times as many requests completed as PEAK, the
 * most that were outstanding meanwhile. */
bool window_slot_overtaken(const struct window_slot *slot, uint32_t peak,
                           const struct sample *newest);

/* Forgets the past. */
void window_restart(struct window *window);

/* Takes a sample; STEP is how far apart the slots are to be. */
void window_take(struct window *window, const struct sample *sample, usec_t step);

/* Whether that is so of what ended in the last SPAN before NEWEST, and of nothing that ended before
 * it: who has been out for SPAN was overtaken by all of that. False also when the past that is
 * known is shorter. */
bool window_overtaken(const struct window *window, const struct sample *newest, usec_t span);
