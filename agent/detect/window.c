/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <string.h>

#include "agent/detect/window.h"

struct window_slot window_slot_begin(const struct sample *sample) {
        assert(sample);

        return (struct window_slot) {
                .at = sample->at,
                .completed = sample->completed,
                .answered = sample->answered,
                .peak = sample->outstanding,
        };
}

/* Without I/O statistics only the device's own answers are counted. A counter that stepped back
 * tells of nothing. */
static uint64_t ended_since(const struct window_slot *slot, const struct sample *newest) {
        if (newest->completed > slot->completed)
                return newest->completed - slot->completed;
        return newest->answered > slot->answered ? newest->answered - slot->answered : 0;
}

bool window_slot_overtaken(const struct window_slot *slot, uint32_t peak,
                           const struct sample *newest) {
        assert(slot && newest);

        return ended_since(slot, newest) >= WINDOW_TURNS * (uint64_t) peak;
}

void window_restart(struct window *window) {
        assert(window);

        window->n = 0;
}

static void append(struct window *window, const struct sample *sample) {
        if (window->n == WINDOW_SLOTS) {
                memmove(window->slots, window->slots + 1,
                        (WINDOW_SLOTS - 1) * sizeof(window->slots[0]));
                window->n--;
        }
        window->slots[window->n++] = window_slot_begin(sample);
}

void window_take(struct window *window, const struct sample *sample, usec_t step) {
        struct window_slot *last;

        assert(window && sample);

        last = window->n > 0 ? window->slots + window->n - 1 : NULL;
        if (last && sample->outstanding > last->peak)
                last->peak = sample->outstanding;
        if (!last || sample->at - last->at >= step)
                append(window, sample);
}

bool window_overtaken(const struct window *window, const struct sample *newest, usec_t span) {
        const struct window_slot *within = NULL;
        uint32_t peak;

        assert(window && newest);

        peak = newest->outstanding;
        for (unsigned i = window->n; i > 0; i--) {
                const struct window_slot *slot = window->slots + i - 1;
                usec_t age = newest->at - slot->at;

                if (slot->peak > peak)
                        peak = slot->peak;
                if (age <= span)
                        within = slot;
                if (age >= span)
                        return within && window_slot_overtaken(within, peak, newest);
        }
        return false;
}
