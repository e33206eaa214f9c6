/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "agent/decide/names.h"
#include "agent/detect/stall.h"
#include "tests/scenario/scenario.h"

/* Plays a story: a disk, its executors and the agent's wiring, as far as it bears on detect and
 * decide, in simulated time. What agent/agent.c and agent/incident.c do with the clock, with
 * samples and with steps is done here in the same order; what is tested is stall.c and ladder.c. */

#define GAP (3 * USEC_PER_SEC)
#define INTERVAL_SHORT (200 * USEC_PER_MSEC)
#define TICK_MIN (10 * USEC_PER_MSEC)

#define SECONDS(t) seconds((char[32]) {}, t)

struct play {
        struct story *story;
        usec_t now;
        unsigned line;

        /* the world */
        struct sample disk;
        bool host_busy;        /* another disk of the host is being acted on */
        usec_t paused;         /* the agent does not run until then */
        enum step host_step;   /* what the domain's executor has under way */
        enum step disk_step;   /* and the disk's own */

        /* the agent */
        bool killed;
        bool looked;           /* it has taken its first look */
        bool orphan;           /* host_step is that of a killed daemon's executor */
        usec_t ticked;
        struct stall stall;
        struct symptom symptom;
        struct ladder ladder;
        bool begun;
};

#define wrong(play, ...) story_wrong((play)->story, (play)->line, __VA_ARGS__)

static const char *seconds(char *buf, usec_t t) {
        (void) snprintf(buf, 32, "%" PRIu64 ".%03" PRIu64 "s", t / USEC_PER_SEC,
                        t % USEC_PER_SEC / USEC_PER_MSEC);
        return buf;
}

/* ---- the wiring ---- */

static bool domain_is_free(const struct play *play) {
        return !play->host_busy && play->host_step == STEP_NONE;
}

static bool is_place_domain(enum step step) {
        return step == STEP_LUN_RESET || step == STEP_OFFLINE;
}

static void changed(struct play *play, enum incident_state before) {
        (void) printf("%12s  %s%s\n", SECONDS(play->now),
                      incident_state_to_string(play->ladder.state),
                      play->ladder.overdue ? " overdue" : "");
        if (play->ladder.overdue)
                return;
        play->begun = false;
        if (play->ladder.state != INCIDENT_SUSPECT && before != INCIDENT_SUSPECT)
                stall_restart(&play->stall);
}

/* Only what is expected may be begun. */
static void meet_expectation(struct play *play, enum step step) {
        for (size_t i = 0; i < play->story->n_events; i++) {
                struct event *e = play->story->events + i;

                if (e->what == EXPECT_ACT && !e->met && e->step == step && e->since <= play->now &&
                    play->now <= e->at) {
                        e->met = true;
                        return;
                }
        }
        wrong(play, "unexpected act %s at %s", step_to_string(step), SECONDS(play->now));
}

static bool begin(struct play *play, enum step step) {
        enum step *executor = is_place_domain(step) ? &play->host_step : &play->disk_step;

        if (*executor != STEP_NONE || (is_place_domain(step) && !domain_is_free(play)))
                return false;
        *executor = step;
        (void) printf("%12s  act %s\n", SECONDS(play->now), step_to_string(step));
        meet_expectation(play, step);
        return true;
}

static void pursue(struct play *play) {
        enum incident_state before = play->ladder.state;
        enum step step = play->ladder.step;

        if (step == STEP_NONE || play->begun)
                return;
        play->begun = begin(play, step);
        if (!play->begun && is_place_domain(step) &&
            ladder_returned(&play->ladder, step, -EAGAIN, play->story->footing, play->now))
                changed(play, before);
}

static void tick(struct play *play) {
        enum incident_state before = play->ladder.state;
        const struct policy *policy = &play->story->policy;
        struct sample sample = play->disk;

        if (play->now - play->ticked > GAP)
                ladder_shift(&play->ladder, play->now - play->ticked);
        play->ticked = play->now;
        play->looked = true;
        sample.at = play->now;
        sample.held |= !domain_is_free(play);
        stall_update(&play->stall, policy, &sample, stall_interval(policy), &play->symptom);
        if (ladder_observe(&play->ladder, policy, &play->symptom, !sample.held,
                           play->story->footing, play->now))
                changed(play, before);
        pursue(play);
}

static usec_t earlier(const struct play *play, usec_t next, usec_t due) {
        return due > play->ticked ? MIN(next, due) : next;
}

static usec_t interval(const struct play *play) {
        usec_t t = stall_interval(&play->story->policy);

        switch (play->ladder.state) {
        case INCIDENT_SETTLING:
        case INCIDENT_DRAINING:
        case INCIDENT_RECOVERED:
                return MIN(t, INTERVAL_SHORT);
        default:
                return t;
        }
}

static usec_t next_tick(const struct play *play) {
        usec_t next = play->ticked + interval(play);

        if (play->killed)
                return USEC_INFINITY;
        if (!play->looked)
                return MAX(play->ticked, play->paused);
        next = earlier(play, next, play->symptom.next);
        next = earlier(play, next, play->ladder.deadline);
        next = MAX(next, play->ticked + TICK_MIN);
        return MAX(next, MAX(play->paused, play->now)); /* what is overdue is done at once */
}

/* ---- facts ---- */

static void set_value(uint64_t *n, const struct value *value) {
        if (value->how != VALUE_SAME)
                *n = value->how == VALUE_ADD ? *n + value->n : value->n;
}

static void fact_disk(struct play *play, const struct event *e) {
        uint64_t outstanding = play->disk.outstanding, held = play->disk.held,
                 offline = play->disk.offline;

        set_value(&play->disk.completed, &e->completed);
        set_value(&play->disk.answered, &e->answered);
        set_value(&outstanding, &e->outstanding);
        set_value(&held, &e->held);
        set_value(&offline, &e->offline);
        play->disk.outstanding = (uint32_t) outstanding;
        play->disk.held = held;
        play->disk.offline = offline;
}

/* What the step did to the disk, if it came to it. */
static void take_effect(struct play *play, enum step step, int error) {
        if (error == -EINVAL)
                return;
        if (step == STEP_OFFLINE)
                play->disk.offline = true;
        if (step == STEP_RUNNING)
                play->disk.offline = false;
}

static void fact_returned(struct play *play, const struct event *e) {
        enum step *executor = is_place_domain(e->step) ? &play->host_step : &play->disk_step;
        enum incident_state before = play->ladder.state;

        if (*executor != e->step)
                wrong(play, "%s is not under way, it cannot return", step_to_string(e->step));
        *executor = STEP_NONE;
        if (e->step == play->ladder.step || play->orphan)
                take_effect(play, e->step, e->error);
        if (play->orphan) {
                play->orphan = false;
                return;
        }
        stall_restart(&play->stall);
        if (e->step == play->ladder.step && play->begun &&
            ladder_returned(&play->ladder, e->step, e->error, play->story->footing, play->now))
                changed(play, before);
        pursue(play);
}

static void fact_host(struct play *play, const struct event *e) {
        play->host_busy = e->busy;
        if (!e->busy)
                stall_restart(&play->stall);
        pursue(play);
}

static void fact_request(struct play *play, const struct event *e) {
        enum incident_state before = play->ladder.state;
        bool refused = !domain_is_free(play) || ladder_request(&play->ladder, play->now) < 0;

        if (refused != e->refused)
                wrong(play, "the request was %s", refused ? "refused" : "taken");
        if (!refused)
                changed(play, before);
        pursue(play);
}

static void fact_killed(struct play *play) {
        play->killed = true;
        play->orphan = play->host_step != STEP_NONE;
        play->disk_step = STEP_NONE;
}

static void fact_started(struct play *play) {
        if (!play->killed)
                wrong(play, "started, but it runs");
        play->killed = false;
        play->looked = false;
        play->ticked = play->now;
        play->begun = false;
        play->symptom = (struct symptom) {};
        stall_restart(&play->stall);
        ladder_resume(&play->ladder, play->ladder.state, play->disk.offline,
                      play->ladder.acted_at, play->now);
        (void) printf("%12s  %s, taken up\n", SECONDS(play->now),
                      incident_state_to_string(play->ladder.state));
}

/* ---- what is expected ---- */

static void expect_act(const struct play *play, const struct event *e) {
        if (e->met)
                return;
        if (e->since < e->at)
                wrong(play, "no act %s from %s to %s", step_to_string(e->step), SECONDS(e->since),
                      SECONDS(e->at));
        wrong(play, "no act %s at %s", step_to_string(e->step), SECONDS(e->at));
}

static void expect_word(struct play *play, const char *found, const char *wanted) {
        if (strcmp(found, wanted) != 0)
                wrong(play, "%s instead of %s at %s", found, wanted, SECONDS(play->now));
}

static void happen(struct play *play, const struct event *e) {
        play->line = e->line;
        switch (e->what) {
        case FACT_DISK:
                fact_disk(play, e);
                break;
        case FACT_HOST:
                fact_host(play, e);
                break;
        case FACT_RETURNED:
                fact_returned(play, e);
                break;
        case FACT_PAUSED:
                play->paused = e->until;
                break;
        case FACT_KILLED:
                fact_killed(play);
                break;
        case FACT_STARTED:
                fact_started(play);
                break;
        case FACT_REQUEST:
                fact_request(play, e);
                break;
        case EXPECT_ACT:
                expect_act(play, e);
                break;
        case EXPECT_STATE:
                expect_word(play, incident_state_to_string(play->ladder.state),
                            incident_state_to_string(e->state));
                break;
        case EXPECT_OUTCOME:
                expect_word(play, outcome_to_string(play->ladder.outcome), e->word);
                break;
        case EXPECT_WORD:
                expect_word(play, ladder_state_for_people(&play->ladder), e->word);
                break;
        }
}

static void run(struct play *play) {
        const struct story *story = play->story;
        size_t i = 0;

        for (;;) {
                bool more = i < story->n_events;
                usec_t at = more ? story->events[i].at : USEC_INFINITY;
                bool fact = more && story->events[i].what < _FACTS_MAX;
                usec_t next = next_tick(play), now = MIN(at, next);

                if (!more && now > story->end)
                        break;
                play->now = now;
                /* At one time: what happens, then what the agent sees, then what is expected. */
                if (at < next || (at == next && fact))
                        happen(play, story->events + i++);
                else
                        tick(play);
        }
}

int main(int argc, char *argv[]) {
        static struct story story;
        static struct play play;

        if (argc != 2) {
                (void) fprintf(stderr, "usage: scenario STORY\n");
                return 2;
        }
        story_read(&story, argv[1]);
        play.story = &story;
        ladder_init(&play.ladder, 0);
        run(&play);
        if (story.must_fail[0]) {
                (void) printf("%s: played to its end, but had to fail: %s\n", story.path,
                              story.must_fail);
                return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}
