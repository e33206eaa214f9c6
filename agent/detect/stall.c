/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>

#include "agent/detect/stall.h"

/* How many intervals late a sample may be before its time is not believed. Three eighths of a limit
 * at most: a pause of that length and a healthy wait of half a limit do not make a hang. */
#define GAP_INTERVALS 3
#define INTERVALS_PER_LIMIT 8
#define INTERVAL_MAX USEC_PER_SEC

usec_t stall_interval(const struct policy *policy) {
        usec_t limit, interval;

        assert(policy);

        limit = policy->settle < policy->stall ? policy->settle : policy->stall;
        interval = limit / INTERVALS_PER_LIMIT;
        return interval < INTERVAL_MAX ? interval : INTERVAL_MAX;
}

void stall_restart(struct stall *stall) {
        assert(stall);

        *stall = (struct stall) {};
}

static void begin(struct stall *stall, const struct sample *sample) {
        *stall = (struct stall) {
                .based = true,
                .since = sample->at,
                .completed = sample->completed,
                .answered = sample->answered,
        };
}

static bool is_gap(const struct stall *stall, const struct sample *sample, usec_t interval) {
        return sample->at < stall->last || sample->at - stall->last > GAP_INTERVALS * interval;
}

/* Any change is progress, also a step back: a counter that wrapped or began anew proves nothing
 * stuck. */
static bool moved(const struct stall *stall, const struct sample *sample) {
        return sample->completed != stall->completed || sample->answered != stall->answered;
}

static usec_t next_limit(const struct policy *policy, usec_t since, usec_t quiet) {
        usec_t limit = quiet < policy->warn ? policy->warn : policy->stall;

        return quiet < limit ? since + limit : USEC_INFINITY;
}

static enum symptom_kind kind_of(const struct policy *policy, usec_t quiet) {
        if (quiet >= policy->stall)
                return SYMPTOM_STALLED;
        return quiet >= policy->warn ? SYMPTOM_SUSPECT : SYMPTOM_NONE;
}

/* Time counts from the first sample that saw the work, never from before it. */
static void observe(struct stall *stall, const struct sample *sample, usec_t interval) {
        bool idle = sample->outstanding == 0;

        if (!stall->based || is_gap(stall, sample, interval))
                begin(stall, sample);
        else if (idle || stall->idle || moved(stall, sample)) {
                bool progress = stall->progress || idle || moved(stall, sample);

                begin(stall, sample);
                stall->progress = progress;
        }
        stall->idle = idle;
        stall->last = sample->at;
}

void stall_update(struct stall *stall, const struct policy *policy, const struct sample *sample,
                  usec_t interval, struct symptom *ret_symptom) {
        usec_t quiet;

        assert(stall && policy && sample && ret_symptom);

        *ret_symptom = (struct symptom) {
                .kind = SYMPTOM_NONE,
                .held = sample->held,
                .offline = sample->offline,
                .outstanding = sample->outstanding,
                .next = USEC_INFINITY,
        };
        if (sample->held) {
                stall_restart(stall);
                return;
        }

        observe(stall, sample, interval);
        ret_symptom->progress = stall->progress;
        if (stall->idle)
                return;
        quiet = sample->at - stall->since;
        ret_symptom->quiet = quiet;
        ret_symptom->kind = kind_of(policy, quiet);
        ret_symptom->next = next_limit(policy, stall->since, quiet);
}
