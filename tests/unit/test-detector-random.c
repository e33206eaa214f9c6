/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdlib.h>

#include "agent/base/macro.h"
#include "agent/detect/detector.h"
#include "tests/unit/random.h"

/* Properties of the detector over random traces of samples: no healthy disk is ever called hung,
 * and each hang is found in time. UNHANG_TRACES=1000000 for as many of each; UNHANG_SEED=N with
 * UNHANG_TRACES=1 for the one that failed. */

#define S USEC_PER_SEC

#define TRACES 100000
#define SEED UINT64_C(0x756e68616e67) /* of trace 0; trace i has SEED + i */

/* A healthy disk serves its queue in order, or lets one request wait for so many turns of it. */
#define TURNS_HEALTHY (WINDOW_TURNS - 1)

#define DEPTH_MAX 1024
#define BATCHES 1024

/* Requests that were sent at the same time. */
struct batch {
        usec_t sent;
        uint64_t n;
};

struct trace {
        struct random random;
        uint64_t seed;
        struct policy policy;
        usec_t interval;
        struct detector detector;
        struct sample sample;
        struct symptom symptom;
        bool lists; /* ages can be told */

        /* the disk */
        uint64_t depth;   /* so many are kept outstanding */
        double rate;      /* completions in a second */
        double credit;    /* the next one is so near */
        double turns;     /* of the queue, since the laggard was sent */
        double patience;  /* it is served after so many */
        usec_t laggard;   /* when that was sent; 0: there is none */
        struct batch batches[BATCHES];
        unsigned first, n_batches;
        uint64_t waiting; /* in all batches */
        usec_t phase;     /* until then depth and rate stay as they are */
        bool paused;      /* once since the last completion, too short to be seen */
        unsigned away;    /* samples for which the requests are not in flight yet */
        bool narrow;      /* the device's own counter has 32 bits */
        bool steady;      /* no counter wraps or begins anew from here on */
        usec_t shortest;  /* timer that is still set */
        usec_t shortest_until;
};

#define assert_trace(t, expression)                                                          \
        do {                                                                                 \
                if (!(expression))                                                           \
                        fail_msg("UNHANG_SEED=%" PRIu64 " at %" PRIu64 ": not true: %s",     \
                                 (t)->seed, (t)->sample.at, #expression);                    \
        } while (0)

static bool one_in(struct trace *t, uint64_t n) {
        return random_between(&t->random, 1, n) == 1;
}

/* From MIN to MAX, small ones as often as large ones. */
static uint64_t logarithmic(struct trace *t, uint64_t min, uint64_t max) {
        unsigned doublings = 0;

        while (min << (doublings + 1) <= max)
                doublings++;
        min <<= random_between(&t->random, 0, doublings);
        return MIN(max, min + random_between(&t->random, 0, min));
}

static uint64_t from_environment(const char *name, uint64_t otherwise) {
        const char *text = getenv(name);

        return text ? strtoull(text, NULL, 10) : otherwise;
}

/* ---- the disk ---- */

static void submit(struct trace *t, uint64_t n, usec_t sent) {
        unsigned last = (t->first + t->n_batches) % BATCHES;

        if (n == 0)
                return;
        t->waiting += n;
        if (t->n_batches == BATCHES) { /* a little younger than they are */
                t->batches[(last + BATCHES - 1) % BATCHES].n += n;
                return;
        }
        t->batches[last] = (struct batch) { .sent = sent, .n = n };
        t->n_batches++;
}

static void serve(struct trace *t, uint64_t n) {
        while (n > 0 && t->n_batches > 0) {
                struct batch *b = t->batches + t->first;
                uint64_t k = MIN(n, b->n);

                b->n -= k;
                n -= k;
                t->waiting -= k;
                if (b->n == 0) {
                        t->first = (t->first + 1) % BATCHES;
                        t->n_batches--;
                }
        }
}

static usec_t oldest(const struct trace *t) {
        usec_t sent = t->n_batches > 0 ? t->batches[t->first].sent : t->sample.at;

        return t->sample.at - (t->laggard > 0 ? MIN(sent, t->laggard) : sent);
}

static void count(struct trace *t, uint64_t n) {
        if (n > 0)
                t->paused = false;
        t->sample.completed += n;
        t->sample.answered += n;
        if (t->narrow)
                t->sample.answered = (uint32_t) t->sample.answered;
        if (n > 0 && !t->steady && one_in(t, 200)) /* begun anew */
                *(one_in(t, 2) ? &t->sample.completed : &t->sample.answered) = 0;
}

/* Something completes every half of the limit at least. */
static void change_phase(struct trace *t) {
        double limit = (double) t->policy.stall / (double) S;

        t->phase = t->sample.at + logarithmic(t, t->interval, 4 * t->policy.stall);
        t->depth = one_in(t, 8) ? 0 : logarithmic(t, 1, DEPTH_MAX);
        t->rate = 2.0001 / limit;
        for (uint64_t i = random_between(&t->random, 0, 24); i > 0; i--)
                t->rate *= 2;
        t->rate = MIN(t->rate, 1e6);
        if (t->depth > 0 && t->laggard == 0 && one_in(t, 3)) {
                t->laggard = t->sample.at;
                t->turns = 0;
                t->patience = (double) random_between(&t->random, 0, 1000) / 1000 * TURNS_HEALTHY;
        }
}

static uint64_t out(const struct trace *t) {
        return t->waiting + (t->laggard > 0);
}

/* The disk works for DT, up to the time of the sample. */
static void work(struct trace *t, usec_t dt) {
        double share = (double) dt / (double) S * t->rate;
        uint64_t n;

        if (out(t) == 0)
                t->credit = 0;
        t->credit = out(t) > 0 ? t->credit + share : 0;
        n = (uint64_t) t->credit;
        t->credit -= (double) n;
        if (t->depth == 0)
                n = MIN(n, out(t));
        if (n > 0 && t->laggard > 0) {
                t->turns += (double) n / (double) out(t);
                if (t->turns > t->patience || t->waiting == 0)
                        t->laggard = 0;
        }
        count(t, n);
        if (n >= MAX(t->waiting, t->depth)) { /* all are new */
                serve(t, t->waiting);
                submit(t, t->depth, t->sample.at - random_between(&t->random, 0, dt));
        } else {
                serve(t, n);
                if (t->waiting < t->depth)
                        submit(t, t->depth - t->waiting,
                               t->sample.at - random_between(&t->random, 0, dt));
        }
}

/* Timers run out for what is old enough, and may be seen late. */
static void run_timers(struct trace *t, usec_t age) {
        if (t->shortest > 0 && MAX(age, oldest(t)) >= t->shortest && one_in(t, 2))
                t->sample.timeouts += random_between(&t->random, 1, 3);
        if (t->sample.at < t->shortest_until)
                return;
        t->shortest = t->sample.timeout;
        if (t->sample.timeout > 0 && one_in(t, 300)) {
                t->shortest_until = t->sample.at + t->sample.timeout;
                t->sample.timeout = logarithmic(t, S, 8 * t->policy.stall);
                t->shortest = MIN(t->shortest, t->sample.timeout);
        }
}

/* ---- the observer ---- */

static void trace_begin(struct trace *t, uint64_t seed) {
        *t = (struct trace) { .random = { seed }, .seed = seed };
        t->policy.stall = logarithmic(t, S, one_in(t, 10) ? 600 * S : 60 * S);
        t->policy.warn = one_in(t, 4) ? t->policy.stall
                                      : random_between(&t->random, S, MAX(S, t->policy.stall));
        t->policy.settle = logarithmic(t, S, 2 * t->policy.stall);
        t->policy.inflight_limit = UINT64_MAX;
        t->interval = detector_interval(&t->policy);
        t->lists = !one_in(t, 4);
        t->narrow = one_in(t, 2);
        t->sample = (struct sample) {
                .at = random_between(&t->random, S, USEC_PER_DAY),
                .completed = UINT64_MAX - random_between(&t->random, 0, 1000),
                .answered = UINT32_MAX - random_between(&t->random, 0, 1000),
                .timeouts = UINT32_MAX - random_between(&t->random, 0, 10),
                .timeout = one_in(t, 3) ? 0 : logarithmic(t, S, 8 * t->policy.stall),
        };
        if (one_in(t, 2))
                t->sample.completed = random_u64(&t->random) >> 1;
        t->shortest = t->sample.timeout;
        change_phase(t);
        submit(t, t->depth, t->sample.at);
}

/* The next sample on time: when it was asked for, if not before. */
static usec_t step_on_time(struct trace *t) {
        usec_t step = one_in(t, 4) ? random_between(&t->random, 1, t->interval) : t->interval;
        usec_t next = t->symptom.next;

        if (next != USEC_INFINITY && next > t->sample.at)
                step = MIN(step, next - t->sample.at);
        return step;
}

static usec_t step_maybe_late(struct trace *t) {
        return one_in(t, 16) ? random_between(&t->random, 1, 3 * t->interval) : step_on_time(t);
}

static void look(struct trace *t) {
        t->sample.outstanding = (uint32_t) out(t);
        t->sample.listed = t->lists && t->sample.at >= t->symptom.list_at && !one_in(t, 20);
        t->sample.oldest = t->sample.listed ? oldest(t) : 0;
        detector_take(&t->detector, &t->policy, &t->sample, &t->symptom);
}

static void look_well(struct trace *t) {
        look(t);
        assert_trace(t, !t->symptom.reached || t->symptom.kind == SYMPTOM_CONTROLLER_STUCK);
        assert_trace(t, t->symptom.quiet < t->policy.stall);
        assert_trace(t, t->symptom.left == 0);
}

/* ---- a healthy disk ---- */

/* The guest does not run, and its disk with it; or only its clock jumps. */
static void pause_guest(struct trace *t) {
        usec_t step = 3 * t->interval + logarithmic(t, 1, 100 * t->policy.stall);

        if (one_in(t, 20) && t->sample.at > USEC_PER_DAY / 2) {
                t->sample.at -= random_between(&t->random, 1, USEC_PER_DAY / 4);
                t->phase = t->shortest_until = t->sample.at;
        } else
                t->sample.at += step;
        for (unsigned i = 0; i < t->n_batches; i++) {
                struct batch *b = t->batches + (t->first + i) % BATCHES;

                b->sent = MIN(b->sent, t->sample.at);
        }
        t->laggard = MIN(t->laggard, t->sample.at);
        t->sample.timeouts += one_in(t, 2);
        look_well(t);
}

static void pause_shortly(struct trace *t) {
        t->paused = true;
        t->sample.at += random_between(&t->random, 1, 3 * t->interval);
        t->sample.timeouts += t->shortest > 0 && oldest(t) >= t->shortest;
        look_well(t);
}

static void hold(struct trace *t, bool by_kernel) {
        uint64_t n = logarithmic(t, 1, 16);
        bool cancels = by_kernel && one_in(t, 2), works = one_in(t, 2);

        for (uint64_t i = 0; i < n; i++) {
                usec_t step = step_maybe_late(t);

                t->sample.at += step;
                t->sample.held = !by_kernel;
                t->sample.recovering = by_kernel;
                t->sample.timeouts += one_in(t, 4);
                if (!cancels && works)
                        work(t, step);
                if (cancels) { /* none is in flight */
                        t->sample.outstanding = 0;
                        t->sample.listed = false;
                        detector_take(&t->detector, &t->policy, &t->sample, &t->symptom);
                } else
                        look_well(t);
        }
        t->sample.held = t->sample.recovering = false;
        if (cancels && one_in(t, 2)) { /* nor at once after it */
                usec_t until = t->sample.at + random_between(&t->random, 0, t->policy.settle / 2);

                while (t->sample.at < until) {
                        t->sample.at += MIN(until - t->sample.at, step_on_time(t));
                        t->sample.outstanding = 0;
                        t->sample.listed = false;
                        detector_take(&t->detector, &t->policy, &t->sample, &t->symptom);
                        assert_trace(t, !t->symptom.reached);
                }
        }
}

static void live(struct trace *t) {
        usec_t step = step_maybe_late(t), age = oldest(t) + step;

        if (t->sample.at >= t->phase)
                change_phase(t);
        t->sample.at += step;
        work(t, step);
        run_timers(t, age);
        look_well(t);
}

static uint64_t how_many(const struct trace *t) {
        return 5 * t->policy.stall / t->interval;
}

static uint64_t test_traces(void) {
        return from_environment("UNHANG_TRACES", TRACES);
}

static uint64_t seed_of(uint64_t i) {
        return from_environment("UNHANG_SEED", SEED) + i;
}

static void test_healthy(void **state) {
        uint64_t looks = 0, old = 0, suspected = 0;

        for (uint64_t i = 0; i < test_traces(); i++) {
                struct trace t;

                trace_begin(&t, seed_of(i));
                look_well(&t);
                for (uint64_t k = how_many(&t); k > 0; k--, looks++) {
                        uint64_t what = random_between(&t.random, 0, 255);

                        if (what == 0)
                                pause_guest(&t);
                        else if (what <= 2)
                                hold(&t, what == 1);
                        else if (what <= 10 && !t.paused)
                                pause_shortly(&t);
                        else
                                live(&t);
                        old += t.sample.listed && t.sample.oldest >= t.policy.stall;
                        suspected += t.symptom.kind == SYMPTOM_STUCK_REQUEST;
                }
        }
        print_message("%" PRIu64 " healthy traces, %" PRIu64 " steps; with a request older than "
                      "the limit %" PRIu64 " times, warned of %" PRIu64 " times\n",
                      test_traces(), looks, old, suspected);
        if (test_traces() > 100)
                assert_true(old > test_traces()); /* else it has proved nothing */
}

/* ---- a hang ---- */

static void some_health(struct trace *t) {
        look_well(t);
        for (uint64_t k = random_between(&t->random, 0, how_many(t) / 4); k > 0; k--)
                live(t);
}

/* The time that counts begins anew: a gap, or an act in the domain. Returns whether it did. */
static bool disrupt(struct trace *t, int *disruptions) {
        if (*disruptions == 0 || !one_in(t, 16))
                return false;
        --*disruptions;
        if (one_in(t, 2)) {
                t->sample.at += 3 * t->interval + logarithmic(t, 1, 10 * t->policy.stall);
                return true;
        }
        t->sample.at += step_on_time(t);
        t->sample.held = true;
        look(t);
        t->sample.held = false;
        assert_trace(t, t->symptom.held && t->symptom.kind == SYMPTOM_NONE);
        t->sample.at += step_on_time(t);
        return true;
}

static void test_all_hangs(void **state) {
        uint64_t exact = 0;

        for (uint64_t i = 0; i < test_traces(); i++) {
                int disruptions;
                usec_t since = 0;
                struct trace t;

                trace_begin(&t, seed_of(i));
                some_health(&t);
                disruptions = (int) random_between(&t.random, 0, 3);
                t.sample.completed++; /* one more after the last sample, and then nothing */
                t.laggard = t.laggard > 0 ? t.laggard : t.sample.at;
                for (bool first = true; first || !t.symptom.reached; first = false) {
                        usec_t step = disruptions > 0 ? step_maybe_late(&t) : step_on_time(&t);
                        bool anew = !first && disrupt(&t, &disruptions);

                        if (!anew)
                                t.sample.at += step;
                        if (first || anew)
                                since = t.sample.at;
                        look(&t);
                        assert_trace(&t, t.symptom.quiet == t.sample.at - since);
                        assert_trace(&t, t.symptom.reached ==
                                                 (t.sample.at - since >= t.policy.stall));
                        assert_trace(&t, t.sample.at - since < t.policy.stall + 3 * t.interval);
                }
                assert_trace(&t, t.symptom.kind == SYMPTOM_STALLED);
                exact += t.sample.at - since == t.policy.stall;
        }
        print_message("%" PRIu64 " disks that hang, %" PRIu64 " found to the microsecond\n",
                      test_traces(), exact);
        assert_true(exact >= test_traces() / 2);
}

/* A load that turns its queue over eight times in an eighth of the limit, however deep that was a
 * moment ago, and one request of it that is never served, sent at the time of the sample. */
static void plant_one(struct trace *t) {
        t->sample.completed = t->sample.answered = 0;
        t->narrow = false;
        t->steady = true;
        t->depth = logarithmic(t, 1, DEPTH_MAX);
        t->phase = USEC_INFINITY;
        t->rate = 9.0 * (DEPTH_MAX + 1) * WINDOW_STEPS /
                  ((double) t->policy.stall / (double) S);
        t->rate *= (double) random_between(&t->random, 1, 10);
        t->laggard = t->sample.at;
        t->turns = 0;
        t->patience = 1e300;
        work(t, 0);
}

static void test_one_request_hangs(void **state) {
        for (uint64_t i = 0; i < test_traces(); i++) {
                bool by_list, first = true, done = false; /* a timer has to be seen set */
                usec_t since, ran_out, timeout;
                int disruptions;
                struct trace t;

                trace_begin(&t, seed_of(i));
                by_list = one_in(&t, 2);
                some_health(&t);
                plant_one(&t);
                timeout = t.policy.stall + random_between(&t.random, 0, 3) * S;
                t.sample.timeout = t.shortest = by_list ? 0 : timeout;
                t.lists = by_list;
                disruptions = (int) random_between(&t.random, 0, 3);
                since = t.sample.at;
                ran_out = t.sample.at + timeout;
                while (!done) {
                        usec_t step = step_on_time(&t);
                        bool anew = disrupt(&t, &disruptions), expired;

                        if (!anew)
                                t.sample.at += step;
                        work(&t, step);
                        expired = !by_list && t.sample.at >= ran_out;
                        if (expired) {
                                t.sample.timeouts++;
                                ran_out = t.sample.at + timeout;
                        }
                        t.sample.outstanding = (uint32_t) out(&t);
                        t.sample.listed = by_list && t.sample.at >= t.symptom.list_at;
                        t.sample.oldest = t.sample.listed ? oldest(&t) : 0;
                        detector_take(&t.detector, &t.policy, &t.sample, &t.symptom);
                        if (anew || (first && !by_list))
                                since = t.sample.at;
                        first = false;
                        done = t.sample.at - since >= t.policy.stall && (by_list || expired);
                        assert_trace(&t, !t.symptom.reached || done);
                        assert_trace(&t, !done || t.symptom.reached);
                }
                assert_trace(&t, t.symptom.kind == SYMPTOM_STUCK_REQUEST);
        }
        print_message("%" PRIu64 " disks with one request that hangs\n", test_traces());
}

/* The kernel resets the controller again and again; in between requests are sent, and none ends.
 * What counts is from one sample to the next, both of a live controller with work. */
static void test_reset_loop(void **state) {
        uint64_t resets = 0;

        for (uint64_t i = 0; i < test_traces(); i++) {
                usec_t counted = 0, room;
                struct trace t;

                trace_begin(&t, seed_of(i));
                some_health(&t);
                t.sample.completed++;
                t.laggard = t.laggard > 0 ? t.laggard : t.sample.at;
                room = MIN(t.policy.settle, t.policy.stall);
                t.sample.at += step_on_time(&t);
                look(&t);
                while (!t.symptom.reached) {
                        uint64_t lives = logarithmic(&t, 2, 2 * t.policy.stall / t.interval);
                        uint64_t away = logarithmic(&t, 1, 8);
                        usec_t before = t.sample.at;

                        for (uint64_t k = 0; k < lives && !t.symptom.reached; k++) {
                                t.sample.at += step_on_time(&t);
                                look(&t);
                                counted += t.sample.at - before;
                                before = t.sample.at;
                                assert_trace(&t, t.symptom.quiet <= counted);
                        }
                        assert_trace(&t, !t.symptom.reached || counted >= t.policy.stall);
                        if (t.symptom.reached)
                                break;
                        assert_trace(&t, counted < t.policy.stall + room);
                        t.sample.recovering = true;
                        for (uint64_t k = 0; k < away; k++) {
                                t.sample.at += t.interval;
                                t.sample.outstanding = 0;
                                t.sample.listed = false;
                                detector_take(&t.detector, &t.policy, &t.sample, &t.symptom);
                        }
                        t.symptom.reached = false; /* which may be that it recovers for long */
                        t.sample.recovering = false;
                        resets++;
                        t.sample.at += t.interval;
                        look(&t);
                }
                assert_trace(&t, t.symptom.kind == SYMPTOM_STALLED);
        }
        print_message("%" PRIu64 " controllers in a loop of resets, %" PRIu64 " resets\n",
                      test_traces(), resets);
        assert_true(resets >= test_traces() / 2);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_healthy),
                cmocka_unit_test(test_all_hangs),
                cmocka_unit_test(test_one_request_hangs),
                cmocka_unit_test(test_reset_loop),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
