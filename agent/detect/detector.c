/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>

#include "agent/detect/detector.h"

/* How many intervals late a sample may be before its time is not believed. Three eighths of a limit
 * at most: a pause of that length and a healthy wait of half a limit do not make a hang. */
#define GAP_INTERVALS 3
#define INTERVALS_PER_LIMIT 8
#define INTERVAL_MAX USEC_PER_SEC

/* The kernel tells ages in milliseconds of a clock that ticks every 1 to 10 ms, and a little after
 * the counters were read. */
#define AGE_SLACK (50 * USEC_PER_MSEC)

/* How late a request's timer may run out: it is rounded up to a second (block/blk-timeout.c:
 * blk_add_timer), and looked at every five (block/blk.h: BLK_MAX_TIMEOUT). */
#define TIMER_SLACK (10 * USEC_PER_SEC)

static usec_t min_usec(usec_t a, usec_t b) {
        return a < b ? a : b;
}

static usec_t max_usec(usec_t a, usec_t b) {
        return a > b ? a : b;
}

usec_t detector_interval(const struct policy *policy) {
        usec_t limit;

        assert(policy);

        limit = min_usec(policy->settle, policy->stall);
        if (policy->inflight_limit != UINT64_MAX)
                limit = min_usec(limit, policy->inflight);
        return min_usec(limit / INTERVALS_PER_LIMIT, INTERVAL_MAX);
}

void detector_restart(struct detector *detector) {
        assert(detector);

        /* What is too many is as many after an act: it has been answered until it was less once. */
        *detector = (struct detector) {
                .saturated_spent = detector->saturated_reached || detector->saturated_spent,
                .saturated_fresh = detector->saturated_reached,
        };
}

void detector_not_acted(struct detector *detector) {
        assert(detector);

        if (detector->saturated_fresh)
                detector->saturated_spent = false;
}

static void begin(struct detector *d, const struct sample *sample) {
        bool spent = d->saturated_spent;

        *d = (struct detector) { .watching = true, .saturated_spent = spent };
        d->last = *sample;
        d->watched = sample->at;
        d->base = window_slot_begin(sample);
        d->timeouts = sample->timeouts;
        d->timeout = sample->timeout;
        d->timeout_since = sample->at;
}

static bool is_gap(const struct detector *d, const struct policy *policy,
                   const struct sample *sample) {
        return sample->at < d->last.at ||
               sample->at - d->last.at > GAP_INTERVALS * detector_interval(policy);
}

/* ---- one request among many ---- */

/* What the requests are listed for: to see early one that grows old, and whether one that was out
 * before an act has come back. To list them costs more than all the counters. */
static void plan_list(struct detector *d, const struct policy *policy, const struct sample *sample,
                      usec_t oldest) {
        usec_t step = policy->stall / WINDOW_STEPS;

        if (d->leftover)
                d->list_at = sample->at;
        else
                d->list_at = sample->at + min_usec(step, policy->stall - min_usec(oldest,
                                                                                 policy->stall));
}

/* How old the oldest request is at least, of the time that counts. */
static usec_t take_list(struct detector *d, const struct policy *policy,
                        const struct sample *sample) {
        usec_t oldest = min_usec(sample->oldest, sample->at - d->watched);

        d->listed = true;
        d->leftover = sample->oldest > sample->at - d->base.at + AGE_SLACK;
        plan_list(d, policy, sample, oldest);
        return oldest;
}

/* Whether a request that was as old as the limit when its timer ran out, some time after the sample
 * before this one, had been overtaken by then: what ended later may be the request itself. */
static bool was_overtaken(const struct detector *d, const struct policy *policy,
                          const struct sample *sample) {
        usec_t unseen = sample->at - d->last.at + AGE_SLACK;

        return policy->stall > unseen &&
               window_overtaken(&d->window, &d->last, policy->stall - unseen);
}

/* A timer that runs out says that a request is as old as that, if the timer has been so long ever
 * since. Each further one says it again of the same or another. Before the window takes the
 * sample. */
static void take_timeouts(struct detector *d, const struct policy *policy,
                          const struct sample *sample) {
        bool more = sample->timeouts > d->timeouts;

        if (sample->timeout != d->timeout) {
                d->timeout = sample->timeout;
                d->timeout_since = sample->at;
        }
        d->timeouts = sample->timeouts;
        if (more && sample->timeout >= policy->stall &&
            sample->at - d->timeout_since >= policy->stall && was_overtaken(d, policy, sample))
                d->timed_out = sample->at + sample->timeout + TIMER_SLACK;
        if (sample->outstanding == 0 || (sample->listed && sample->oldest < policy->stall))
                d->timed_out = 0;
}

/* ---- how each symptom is found: for how long it lasts, 0 if it does not ---- */

static usec_t find_stalled(const struct detector *d) {
        return stall_quiet(&d->stall);
}

/* Whether a request that has been out for AGE was overtaken. */
static bool overtaken_in(const struct detector *d, const struct sample *sample, usec_t age) {
        return age > AGE_SLACK && window_overtaken(&d->window, sample, age - AGE_SLACK);
}

static usec_t find_stuck_request(struct detector *d, const struct policy *policy,
                                 const struct sample *sample) {
        usec_t age = sample->listed ? take_list(d, policy, sample) : 0;

        if (sample->at < d->timed_out)
                age = max_usec(age, policy->stall);
        if (age < min_usec(policy->warn, policy->stall))
                return 0;
        if (!overtaken_in(d, sample, min_usec(age, policy->stall))) {
                /* Old, but not overtaken for long: no more than a warning. */
                age = min_usec(age, policy->stall - 1);
                if (age < policy->warn || !overtaken_in(d, sample, policy->warn))
                        return 0;
        }
        d->list_at = sample->at;
        return age;
}

static usec_t find_saturated(struct detector *d, const struct policy *policy,
                             const struct sample *sample) {
        bool saturated = sample->outstanding > policy->inflight_limit;

        if (!saturated)
                d->saturated_spent = false;
        if (d->saturated_spent)
                saturated = false;
        if (saturated && !d->saturated)
                d->saturated_since = sample->at;
        d->saturated = saturated;
        d->saturated_reached = saturated && sample->at - d->saturated_since >= policy->inflight;
        return saturated ? sample->at - d->saturated_since : 0;
}

/* ---- which of them is told ---- */

/* The first of those past their limit; else the first of those past the warning. */
static void tell(struct symptom *symptom, enum symptom_kind kind, usec_t lasts, usec_t warn,
                 usec_t limit) {
        bool reached = lasts >= limit;

        if (lasts == 0 || lasts < min_usec(warn, limit))
                return;
        if (symptom->kind != SYMPTOM_NONE && (symptom->reached || !reached))
                return;
        symptom->kind = kind;
        symptom->reached = reached;
        symptom->lasts = lasts;
}

static void ask_at(struct symptom *symptom, usec_t since, usec_t lasts, usec_t warn, usec_t limit) {
        usec_t next = lasts < min_usec(warn, limit) ? min_usec(warn, limit) : limit;

        if (lasts < limit)
                symptom->next = min_usec(symptom->next, since + next);
}

static void observe_recovery(struct detector *d, const struct policy *policy,
                             const struct sample *sample, struct symptom *ret) {
        usec_t lasts;

        if (!d->recovering)
                d->recovering_since = sample->at;
        d->recovering = true;
        lasts = sample->at - d->recovering_since;
        ret->held = true;
        tell(ret, SYMPTOM_CONTROLLER_STUCK, lasts, policy->warn, policy->stall);
        ask_at(ret, d->recovering_since, lasts, policy->warn, policy->stall);

        /* What was seen of single requests, and that there are many, is of before. */
        window_restart(&d->window);
        d->watched = sample->at;
        d->timed_out = 0;
        d->saturated = false;
}

static void observe_work(struct detector *d, const struct policy *policy,
                         const struct sample *sample, struct symptom *ret) {
        usec_t quiet, stuck, saturated;

        d->recovering = false;
        take_timeouts(d, policy, sample);
        if (sample->outstanding == 0) /* then who is out later cannot be older than this */
                window_restart(&d->window);
        window_take(&d->window, sample, policy->stall / WINDOW_STEPS);
        if (sample->outstanding > d->base.peak)
                d->base.peak = sample->outstanding;
        quiet = find_stalled(d);
        stuck = find_stuck_request(d, policy, sample);
        saturated = find_saturated(d, policy, sample);

        tell(ret, SYMPTOM_STALLED, quiet, policy->warn, policy->stall);
        tell(ret, SYMPTOM_STUCK_REQUEST, stuck, policy->warn, policy->stall);
        tell(ret, SYMPTOM_SATURATED, saturated, policy->warn, policy->inflight);
        if (!d->stall.idle)
                ask_at(ret, d->stall.since, quiet, policy->warn, policy->stall);
        if (d->saturated)
                ask_at(ret, d->saturated_since, saturated, policy->warn, policy->inflight);
        if (stuck > 0)
                ask_at(ret, sample->at - stuck, stuck, policy->warn, policy->stall);

        if (sample->outstanding == 0)
                d->leftover = false;
        ret->quiet = quiet;
        ret->progress = d->stall.progress && !d->leftover;
        if (sample->listed && d->leftover && window_slot_overtaken(&d->base, d->base.peak, sample))
                ret->left = sample->at - d->base.at;
        if (sample->outstanding > 0)
                ret->list_at = d->listed && quiet < policy->warn / 2 ? d->list_at : sample->at;
}

void detector_take(struct detector *detector, const struct policy *policy,
                   const struct sample *sample, struct symptom *ret) {
        assert(detector && policy && sample && ret);

        *ret = (struct symptom) {
                .kind = SYMPTOM_NONE,
                .held = sample->held,
                .offline = sample->offline,
                .outstanding = sample->outstanding,
                .next = USEC_INFINITY,
                .list_at = USEC_INFINITY,
        };
        if (sample->held) {
                detector_restart(detector);
                return;
        }
        if (!detector->watching || is_gap(detector, policy, sample))
                begin(detector, sample);
        stall_take(&detector->stall, policy, sample);
        if (sample->recovering)
                observe_recovery(detector, policy, sample, ret);
        else
                observe_work(detector, policy, sample, ret);
        detector->last = *sample;
}
