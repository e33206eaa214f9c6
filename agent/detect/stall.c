/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>

#include "agent/detect/stall.h"

/* How late a reset of the controller may be heard of: udev has to pass it on. */
#define FAILOVER_LATE (5 * USEC_PER_SEC)

void stall_restart(struct stall *stall) {
        assert(stall);

        *stall = (struct stall) {};
}

static void begin(struct stall *stall, const struct sample *sample, bool progress) {
        *stall = (struct stall) {
                .based = true,
                .progress = progress,
                .since = sample->at,
                .completed = sample->completed,
                .answered = sample->answered,
        };
}

/* Any change is progress, also a step back: a counter that wrapped or began anew proves nothing
 * stuck. */
static bool moved(const struct stall *stall, const struct sample *sample) {
        return sample->completed != stall->completed || sample->answered != stall->answered;
}

static void resume(struct stall *stall, const struct policy *policy, const struct sample *sample) {
        usec_t room = policy->settle < policy->stall ? policy->settle : policy->stall;
        usec_t latest = policy->stall - room;

        stall->paused = false;
        stall->resumed = true;
        stall->resumed_at = sample->at;
        if (sample->at - stall->since > latest && !stall->spared) {
                stall->since = sample->at - latest;
                stall->spared = true;
        }
}

/* Just after a recovery the requests may not be back in flight: that is not yet idleness. */
static bool is_idle(const struct stall *stall, const struct policy *policy,
                    const struct sample *sample) {
        return sample->outstanding == 0 &&
               !(stall->resumed && !stall->idle && !moved(stall, sample) &&
                 sample->at - stall->resumed_at < policy->settle);
}

/* Time counts from the first sample that saw the work, never from before it. */
static void observe(struct stall *stall, const struct policy *policy,
                    const struct sample *sample) {
        const struct stall_past past = {
                .known = !stall->idle && moved(stall, sample),
                .progress = stall->progress,
                .spared = stall->spared,
                .since = stall->since,
                .moved_at = sample->at,
        };
        bool idle = is_idle(stall, policy, sample);

        if (idle || stall->idle || moved(stall, sample)) {
                begin(stall, sample, stall->progress || idle || moved(stall, sample));
                stall->past = past;
        } else if (sample->outstanding == 0)
                stall->since += sample->at - stall->last;
        else
                stall->resumed = false;
        stall->idle = idle;
}

/* Requests were given up, to be sent again. */
static void take_failover(struct stall *stall, const struct sample *sample) {
        const struct stall_past *past = &stall->past;

        if (past->known && !moved(stall, sample) && sample->at - past->moved_at <= FAILOVER_LATE) {
                stall->since = past->since;
                stall->progress = past->progress;
                stall->spared = past->spared;
                stall->idle = false;
        }
        stall->past.known = false;
        stall->completed = sample->completed;
        stall->answered = sample->answered;
}

void stall_take(struct stall *stall, const struct policy *policy, const struct sample *sample) {
        assert(stall && policy && sample);

        if (!stall->based) {
                begin(stall, sample, false);
                stall->idle = sample->outstanding == 0 && !sample->recovering;
                stall->paused = sample->recovering;
        } else if (sample->recovering) {
                if (sample->failover)
                        take_failover(stall, sample);
                stall->since += sample->at - stall->last;
                stall->paused = true;
        } else {
                if (stall->paused) {
                        stall->since += sample->at - stall->last;
                        stall->last = sample->at;
                        resume(stall, policy, sample);
                }
                observe(stall, policy, sample);
        }
        stall->last = sample->at;
}

usec_t stall_quiet(const struct stall *stall) {
        assert(stall);

        return stall->based && !stall->idle ? stall->last - stall->since : 0;
}
