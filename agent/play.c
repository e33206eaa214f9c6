/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "agent/base/macro.h"
#include "agent/base/time-util.h"
#include "agent/decide/drivers.h"
#include "agent/decide/names.h"
#include "agent/decide/plan.h"
#include "agent/play.h"
#include "agent/watch.h"

#define SPAN(t) format_usec((char[FORMAT_USEC_MAX]) {}, FORMAT_USEC_MAX, t)
#define SECONDS(t) seconds((char[32]) {}, t)

struct play {
        struct story *story;
        struct verdict *verdict;
        FILE *out;
        usec_t now;
        unsigned line;

        /* the world */
        struct sample disk;
        usec_t oldest_since;   /* when its oldest request was sent; USEC_INFINITY: there is none */
        bool host_busy;        /* another disk of the host is being acted on */
        struct circumstances here;
        usec_t paused;         /* the agent does not run until then */
        enum step steps[_STEP_PLACE_MAX]; /* what each executor has under way */

        /* the agent */
        bool killed;
        bool looked;           /* it has taken its first look */
        bool orphan;           /* the domain's step is that of a killed daemon's executor */
        usec_t ticked;
        struct watch watch;
};

static const char *seconds(char *buf, usec_t t) {
        (void) snprintf(buf, 32, "%" PRIu64 ".%03" PRIu64 "s", t / USEC_PER_SEC,
                        t % USEC_PER_SEC / USEC_PER_MSEC);
        return buf;
}

static void wrong(struct play *play, const char *format, ...) _printf_(2, 3);
static void wrong(struct play *play, const char *format, ...) {
        struct verdict *v = play->verdict;
        va_list ap;

        if (!v->true_to_life)
                return;
        v->true_to_life = false;
        v->line = play->line;
        va_start(ap, format);
        (void) vsnprintf(v->text, sizeof(v->text), format, ap);
        va_end(ap);
}

/* ---- what is written ---- */

/* Of what the state was entered for; later ones are not about it. */
static void tell_symptom(const struct play *play) {
        const struct symptom *s = &play->watch.symptom;
        enum incident_state state = play->watch.ladder.past.state;

        if (s->kind != SYMPTOM_NONE && !play->watch.ladder.overdue &&
            (state == INCIDENT_SUSPECT || state == INCIDENT_REPORTED || state == INCIDENT_ACTING))
                (void) fprintf(play->out, "  (%s for %s, %u in flight)",
                               symptom_to_string(s->kind), SPAN(s->lasts), s->outstanding);
        (void) fputc('\n', play->out);
}

static void changed(const struct play *play) {
        const struct ladder *l = &play->watch.ladder;

        (void) fprintf(play->out, "%12s  %s%s", SECONDS(play->now),
                       incident_state_to_string(l->past.state), l->overdue ? " overdue" : "");
        tell_symptom(play);
}

/* ---- the agent ---- */

static bool is_free(const struct play *play) {
        return !play->host_busy && play->steps[PLACE_DOMAIN] == STEP_NONE;
}

/* Only what is expected may be begun, where anything is. */
static void meet_expectation(struct play *play, enum step step) {
        for (size_t i = 0; i < play->story->n_events; i++) {
                struct event *e = play->story->events + i;

                if (e->what == EXPECT_ACT && !e->met && e->step == step && e->since <= play->now &&
                    play->now <= e->at) {
                        e->met = true;
                        return;
                }
        }
        if (play->story->expects)
                wrong(play, "unexpected act %s at %s", step_to_string(step), SECONDS(play->now));
}

static int begin(enum step step, void *userdata) {
        struct play *play = userdata;
        bool domain = step_place(step) == PLACE_DOMAIN;
        enum step *executor = play->steps + step_place(step);

        if (*executor != STEP_NONE || (domain && !is_free(play)))
                return -EBUSY;
        *executor = step;
        if (step_place(step) != PLACE_DISK)
                play->verdict->acts++;
        (void) fprintf(play->out, "%12s  act %s\n", SECONDS(play->now), step_to_string(step));
        meet_expectation(play, step);
        return 0;
}

static void pursue(struct play *play) {
        if (watch_pursue(&play->watch, begin, play, play->story->footing, play->now))
                changed(play);
}

static struct sample look(const struct play *play) {
        struct sample sample = play->disk;

        sample.at = play->now;
        sample.held = !is_free(play);
        sample.listed = sample.listed && watch_wants_list(&play->watch, play->now);
        sample.oldest = sample.listed && play->oldest_since != USEC_INFINITY
                                ? play->now - play->oldest_since
                                : 0;
        return sample;
}

static void tick(struct play *play) {
        const struct story *story = play->story;
        struct sample sample = look(play);

        if (play->now - play->ticked > WATCH_GAP)
                ladder_shift(&play->watch.ladder, play->now - play->ticked);
        play->ticked = play->now;
        play->looked = true;
        play->here.up = play->now;
        if (watch_take(&play->watch, &story->policy, &sample, &play->here, story->footing))
                changed(play);
        pursue(play);
}

static usec_t next_tick(const struct play *play) {
        usec_t next;

        if (play->killed)
                return USEC_INFINITY;
        if (!play->looked)
                return MAX(play->ticked, play->paused);
        next = watch_next(&play->watch, &play->story->policy, play->ticked);
        return MAX(next, MAX(play->paused, play->now)); /* what is overdue is done at once */
}

/* ---- facts ---- */

static uint64_t changed_value(uint64_t n, const struct value *value) {
        if (value->how == VALUE_SAME)
                return n;
        return value->how == VALUE_ADD ? n + value->n : value->n;
}

static void fact_disk(struct play *play, const struct event *e) {
        struct sample *d = &play->disk;

        d->completed = changed_value(d->completed, e->disk + KEY_COMPLETED);
        d->answered = changed_value(d->answered, e->disk + KEY_ANSWERED);
        d->timeouts = changed_value(d->timeouts, e->disk + KEY_TIMEOUTS);
        d->timeout = changed_value(d->timeout, e->disk + KEY_TIMEOUT);
        d->outstanding = (uint32_t) changed_value(d->outstanding, e->disk + KEY_OUTSTANDING);
        d->recovering = changed_value(d->recovering, e->disk + KEY_RECOVERING) != 0;
        d->failover = changed_value(d->failover, e->disk + KEY_FAILOVER) != 0;
        d->offline = changed_value(d->offline, e->disk + KEY_OFFLINE) != 0;
        d->listed = changed_value(d->listed, e->disk + KEY_LISTED) != 0;
        if (e->disk[KEY_OLDEST].how != VALUE_SAME) {
                usec_t age = e->disk[KEY_OLDEST].n;

                d->listed = true;
                play->oldest_since = age == 0 ? USEC_INFINITY : play->now - MIN(age, play->now);
        }
}

/* What the step did to the disk, if it came to it. */
static void take_effect(struct play *play, enum step step, int error) {
        if (error == -EINVAL)
                return;
        if (step_is_fail(step) || step == STEP_CONTROLLER_END)
                play->disk.offline = true;
        if (step == STEP_RUNNING)
                play->disk.offline = false;
}

static void fact_returned(struct play *play, const struct event *e) {
        enum step *executor = play->steps + step_place(e->step);

        if (*executor != e->step && play->story->expects) {
                wrong(play, "%s is not under way, it cannot return", step_to_string(e->step));
                return;
        }
        if (*executor != e->step) /* a recording, played with other limits */
                return;
        *executor = STEP_NONE;
        if (e->step == play->watch.ladder.step || play->orphan)
                take_effect(play, e->step, e->error);
        if (play->orphan) {
                play->orphan = false;
                return;
        }
        if (watch_returned(&play->watch, e->step, e->error, play->story->footing, play->now))
                changed(play);
        pursue(play);
}

static void fact_host(struct play *play, const struct event *e) {
        play->host_busy = e->busy;
        if (!e->busy)
                detector_restart(&play->watch.detector);
        pursue(play);
}

static void fact_request(struct play *play, const struct event *e) {
        uint32_t force = e->forced ? UINT32_MAX : 0;
        bool refused =
                watch_refuses(&play->watch, &play->story->policy, e->step, force) !=
                        REFUSAL_NONE ||
                watch_request(&play->watch, e->step, play->story->footing, play->now) < 0;

        if (refused != e->refused)
                wrong(play, "the request was %s", refused ? "refused" : "taken");
        if (!refused)
                changed(play);
        pursue(play);
}

static void fact_here(struct play *play, const struct event *e) {
        struct circumstances *c = &play->here;
        unsigned *healthy = c->healthy;

        healthy[REACH_DOMAIN] =
                (unsigned) changed_value(healthy[REACH_DOMAIN], e->here + HERE_HEALTHY);
        healthy[REACH_TARGET] =
                (unsigned) changed_value(healthy[REACH_TARGET], e->here + HERE_TARGET);
        c->suppressed = changed_value(c->suppressed, e->here + HERE_SUPPRESSED) != 0;
        c->owners = (unsigned) changed_value(c->owners, e->here + HERE_OWNED);
}

static void fact_back(struct play *play) {
        play->disk.offline = false;
        if (watch_is_back(&play->watch, play->story->footing, play->now))
                changed(play);
        pursue(play);
}

static void fact_killed(struct play *play) {
        play->killed = true;
        play->orphan = play->steps[PLACE_DOMAIN] != STEP_NONE;
        play->steps[PLACE_DISK] = play->steps[PLACE_RESCUE] = STEP_NONE;
}

static void begin_watch(struct play *play) {
        const struct story *story = play->story;

        watch_init(&play->watch, play->now);
        if (story->acts)
                plan_make(&story->id, &story->policy, &story->controller, &play->watch.plan);
}

static void fact_started(struct play *play) {
        const struct ladder_past past = play->watch.ladder.past;

        if (!play->killed)
                wrong(play, "started, but it runs");
        play->killed = false;
        play->looked = false;
        play->ticked = play->now;
        begin_watch(play);
        watch_resume(&play->watch, &past, play->disk.offline, play->story->footing, play->now);
        (void) fprintf(play->out, "%12s  %s, taken up\n", SECONDS(play->now),
                       incident_state_to_string(play->watch.ladder.past.state));
}

/* ---- what is expected ---- */

static void expect_act(struct play *play, const struct event *e) {
        if (e->met)
                return;
        if (e->since < e->at)
                wrong(play, "no act %s from %s to %s", step_to_string(e->step), SECONDS(e->since),
                      SECONDS(e->at));
        else
                wrong(play, "no act %s at %s", step_to_string(e->step), SECONDS(e->at));
}

static void expect_word(struct play *play, const char *found, const char *wanted) {
        if (strcmp(found, wanted) != 0)
                wrong(play, "%s instead of %s at %s", found, wanted, SECONDS(play->now));
}

static void happen(struct play *play, const struct event *e) {
        play->line = e->line;
        if (e->what >= _FACTS_MAX && !play->story->expects)
                return;
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
        case FACT_HERE:
                fact_here(play, e);
                break;
        case FACT_BACK:
                fact_back(play);
                break;
        case EXPECT_ACT:
                expect_act(play, e);
                break;
        case EXPECT_STATE:
                expect_word(play, incident_state_to_string(play->watch.ladder.past.state),
                            incident_state_to_string(e->state));
                break;
        case EXPECT_OUTCOME:
                expect_word(play, outcome_to_string(play->watch.ladder.outcome), e->word);
                break;
        case EXPECT_WORD:
                expect_word(play, ladder_state_for_people(&play->watch.ladder), e->word);
                break;
        case EXPECT_SYMPTOM:
                expect_word(play, symptom_to_string(play->watch.symptom.kind), e->word);
                break;
        case EXPECT_REFUSAL:
                expect_word(play,
                            refusal_to_string(watch_refusal(&play->watch, &play->story->policy)),
                            e->word);
                break;
        }
}

/* Whether the event before the one at I was the last that a recorder saw at that time: then the
 * agent sees it at that time, too, and comes to the same as the one that recorded. */
static bool was_seen(const struct story *story, size_t i) {
        const struct event *e = story->events + i - 1;

        return story->recorded && e->what == FACT_DISK &&
               (i == story->n_events || story->events[i].at > e->at);
}

void play_story(struct story *story, FILE *out, struct verdict *ret) {
        struct play play = {
                .story = story,
                .verdict = ret,
                .out = out,
                .oldest_since = USEC_INFINITY,
        };
        size_t i = 0;

        assert(story && out && ret);

        *ret = (struct verdict) { .true_to_life = true };
        begin_watch(&play);
        while (ret->true_to_life) {
                bool more = i < story->n_events;
                usec_t at = more ? story->events[i].at : USEC_INFINITY;
                bool fact = more && story->events[i].what < _FACTS_MAX;
                usec_t next = next_tick(&play), now = MIN(at, next);

                if (!more && now > story->end)
                        break;
                play.now = now;
                /* At one time: what happens, then what the agent sees, then what is expected. */
                if (at < next || (at == next && fact)) {
                        happen(&play, story->events + i++);
                        if (was_seen(story, i))
                                tick(&play);
                } else
                        tick(&play);
        }
}
