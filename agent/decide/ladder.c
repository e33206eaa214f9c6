/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/decide/ladder.h"

/* How long each step may take. A LUN reset takes about 0.1 s when it is answered; unmounting a dead
 * filesystem about a second; mounting may replay a journal. */
#define RESET_DEADLINE (10 * USEC_PER_SEC)
#define PROBE_DEADLINE (10 * USEC_PER_SEC)
#define DRAIN_DEADLINE (10 * USEC_PER_SEC)
#define SHUTDOWN_DEADLINE (10 * USEC_PER_SEC)
#define UMOUNT_DEADLINE (30 * USEC_PER_SEC)
#define MOUNT_DEADLINE USEC_PER_MINUTE
#define BUSY_RETRY (5 * USEC_PER_SEC)

/* How often in a row a read may fail while other I/O completes, before people are told. */
#define PROBES_MAX 3

/* Each try to bring a disk back costs a hang of up to RESET_DEADLINE if it is still dead. */
#define BACKOFF_FIRST (10 * USEC_PER_SEC)
#define BACKOFF_LAST (5 * USEC_PER_MINUTE)

enum event {
        EVENT_NONE,
        EVENT_SUSPICION, /* a symptom lasts for the warning limit */
        EVENT_LIMIT,     /* it lasts for its limit, and an act may follow */
        EVENT_REPORT,    /* it lasts for its limit, and none may */
        EVENT_CLEAR,     /* there is none; after an act: I/O moves, or all of it has ended */
        EVENT_MOVES,     /* I/O moves on a disk that was to be failed, but is not offline */
        EVENT_OFFLINE,   /* the disk is offline, and not by us: fail it properly */
        EVENT_DEADLINE,  /* the time of this state is over */
        EVENT_DONE,      /* the step succeeded */
        EVENT_ERROR,     /* the step failed */
        EVENT_AGAIN,     /* the kernel is recovering the host and let the step not pass */
        EVENT_REQUEST,   /* a person asked for a reset */
};

#define BACKOFF USEC_INFINITY /* in the table: the backoff of the ladder */

static const struct state {
        const char *people;
        enum step step;
        usec_t time; /* after which EVENT_DEADLINE comes; 0: never */
} states[_INCIDENT_STATE_MAX] = {
        [INCIDENT_HEALTHY] = { "healthy", STEP_NONE, 0 },
        [INCIDENT_SUSPECT] = { "suspect", STEP_NONE, 0 },
        [INCIDENT_REPORTED] = { "stuck", STEP_NONE, 0 },
        [INCIDENT_ACTING] = { "acting", STEP_LUN_RESET, RESET_DEADLINE },
        [INCIDENT_UNCURED] = { "stuck", STEP_NONE, BACKOFF },
        [INCIDENT_SETTLING] = { "settling", STEP_NONE, 0 }, /* the detector counts SettleSec= */
        [INCIDENT_VERIFYING] = { "settling", STEP_PROBE, PROBE_DEADLINE },
        [INCIDENT_RECOVERED] = { "recovered", STEP_NONE, 0 },
        [INCIDENT_OFFLINING] = { "failing", STEP_OFFLINE, RESET_DEADLINE },
        [INCIDENT_DRAINING] = { "failing", STEP_NONE, DRAIN_DEADLINE },
        [INCIDENT_UNDRAINED] = { "stuck", STEP_NONE, BACKOFF },
        [INCIDENT_SHUTTING] = { "failing", STEP_FS_SHUTDOWN, SHUTDOWN_DEADLINE },
        [INCIDENT_UNMOUNTING] = { "failing", STEP_FS_UMOUNT, UMOUNT_DEADLINE },
        [INCIDENT_BUSY] = { "failing", STEP_NONE, BUSY_RETRY },
        [INCIDENT_FAILED] = { "failed", STEP_NONE, BACKOFF },
        [INCIDENT_RETURNING] = { "failed", STEP_RUNNING, PROBE_DEADLINE },
        [INCIDENT_MOUNTING] = { "failed", STEP_FS_MOUNT, MOUNT_DEADLINE },
};

/* What is not in this table changes nothing, but a deadline: that marks the state as overdue. */
static const struct rule {
        enum incident_state state;
        enum event event;
        enum incident_state next;
} rules[] = {
        { INCIDENT_HEALTHY, EVENT_SUSPICION, INCIDENT_SUSPECT },
        { INCIDENT_HEALTHY, EVENT_LIMIT, INCIDENT_ACTING },
        { INCIDENT_HEALTHY, EVENT_REPORT, INCIDENT_REPORTED },
        { INCIDENT_HEALTHY, EVENT_REQUEST, INCIDENT_ACTING },

        { INCIDENT_SUSPECT, EVENT_CLEAR, INCIDENT_HEALTHY },
        { INCIDENT_SUSPECT, EVENT_LIMIT, INCIDENT_ACTING },
        { INCIDENT_SUSPECT, EVENT_REPORT, INCIDENT_REPORTED },
        { INCIDENT_SUSPECT, EVENT_REQUEST, INCIDENT_ACTING },

        { INCIDENT_REPORTED, EVENT_CLEAR, INCIDENT_HEALTHY },
        { INCIDENT_REPORTED, EVENT_LIMIT, INCIDENT_ACTING },
        { INCIDENT_REPORTED, EVENT_REQUEST, INCIDENT_ACTING },

        { INCIDENT_ACTING, EVENT_DONE, INCIDENT_SETTLING },
        { INCIDENT_ACTING, EVENT_AGAIN, INCIDENT_HEALTHY }, /* and a whole new limit */
        { INCIDENT_ACTING, EVENT_ERROR, INCIDENT_UNCURED },

        { INCIDENT_UNCURED, EVENT_CLEAR, INCIDENT_VERIFYING },
        { INCIDENT_UNCURED, EVENT_DEADLINE, INCIDENT_ACTING },
        { INCIDENT_UNCURED, EVENT_OFFLINE, INCIDENT_OFFLINING },
        { INCIDENT_UNCURED, EVENT_REQUEST, INCIDENT_ACTING },

        { INCIDENT_SETTLING, EVENT_CLEAR, INCIDENT_VERIFYING },
        { INCIDENT_SETTLING, EVENT_DEADLINE, INCIDENT_OFFLINING },

        { INCIDENT_VERIFYING, EVENT_DONE, INCIDENT_RECOVERED },
        { INCIDENT_VERIFYING, EVENT_ERROR, INCIDENT_SETTLING }, /* PROBES_MAX times */
        { INCIDENT_VERIFYING, EVENT_DEADLINE, INCIDENT_SETTLING },

        { INCIDENT_RECOVERED, EVENT_CLEAR, INCIDENT_HEALTHY },

        { INCIDENT_OFFLINING, EVENT_DONE, INCIDENT_DRAINING },
        { INCIDENT_OFFLINING, EVENT_ERROR, INCIDENT_DRAINING },
        { INCIDENT_OFFLINING, EVENT_AGAIN, INCIDENT_DRAINING }, /* which looks what became of it */

        { INCIDENT_DRAINING, EVENT_CLEAR, INCIDENT_SHUTTING },
        { INCIDENT_DRAINING, EVENT_MOVES, INCIDENT_VERIFYING },
        { INCIDENT_DRAINING, EVENT_DEADLINE, INCIDENT_UNDRAINED },

        { INCIDENT_UNDRAINED, EVENT_CLEAR, INCIDENT_SHUTTING },
        { INCIDENT_UNDRAINED, EVENT_MOVES, INCIDENT_VERIFYING },
        { INCIDENT_UNDRAINED, EVENT_DEADLINE, INCIDENT_OFFLINING },

        { INCIDENT_SHUTTING, EVENT_DONE, INCIDENT_UNMOUNTING },
        { INCIDENT_SHUTTING, EVENT_ERROR, INCIDENT_UNMOUNTING },

        { INCIDENT_UNMOUNTING, EVENT_DONE, INCIDENT_FAILED },
        { INCIDENT_UNMOUNTING, EVENT_ERROR, INCIDENT_BUSY },

        { INCIDENT_BUSY, EVENT_DEADLINE, INCIDENT_UNMOUNTING },

        { INCIDENT_FAILED, EVENT_DEADLINE, INCIDENT_RETURNING },

        { INCIDENT_RETURNING, EVENT_DONE, INCIDENT_MOUNTING },
        { INCIDENT_RETURNING, EVENT_ERROR, INCIDENT_OFFLINING },
        { INCIDENT_RETURNING, EVENT_DEADLINE, INCIDENT_OFFLINING },

        { INCIDENT_MOUNTING, EVENT_DONE, INCIDENT_RECOVERED },
        { INCIDENT_MOUNTING, EVENT_ERROR, INCIDENT_FAILED },
        { INCIDENT_MOUNTING, EVENT_DEADLINE, INCIDENT_OFFLINING },
};

static usec_t take_backoff(struct ladder *ladder) {
        usec_t t = ladder->backoff;

        ladder->backoff = t * 2 < BACKOFF_LAST ? t * 2 : BACKOFF_LAST;
        return t;
}

/* The one place where a state is entered. */
static void set_state(struct ladder *ladder, enum incident_state state, usec_t now) {
        usec_t t = states[state].time;

        if (t == BACKOFF)
                t = take_backoff(ladder);
        ladder->state = state;
        ladder->step = states[state].step;
        ladder->overdue = false;
        ladder->since = now;
        ladder->deadline = t > 0 ? now + t : USEC_INFINITY;
}

static void begin_act(struct ladder *ladder, enum step act, usec_t now) {
        ladder->act = act;
        ladder->outcome = OUTCOME_NONE;
        ladder->acted_at = now;
}

/* What is to be remembered when a state is entered, besides the state. */
static void note(struct ladder *ladder, enum incident_state state, usec_t now) {
        switch (state) {
        case INCIDENT_HEALTHY:
                ladder->backoff = BACKOFF_FIRST;
                ladder->failed = false;
                ladder->probes = 0;
                break;
        case INCIDENT_VERIFYING:
                if (ladder->probes < PROBES_MAX)
                        ladder->probes++;
                break;
        case INCIDENT_ACTING:
                begin_act(ladder, STEP_LUN_RESET, now);
                ladder->probes = 0;
                break;
        case INCIDENT_OFFLINING:
                begin_act(ladder, STEP_OFFLINE, now);
                ladder->failed = true;
                break;
        case INCIDENT_UNCURED:
                ladder->outcome = ladder->state == INCIDENT_ACTING ? OUTCOME_REFUSED
                                                                   : OUTCOME_NO_CHANGE;
                break;
        case INCIDENT_UNDRAINED:
                ladder->outcome = OUTCOME_NO_CHANGE;
                break;
        case INCIDENT_RECOVERED:
                ladder->outcome = OUTCOME_RECOVERED;
                break;
        case INCIDENT_FAILED:
                ladder->outcome = OUTCOME_FAILED;
                break;
        default:
                break;
        }
}

/* What stands on the disk bends the way: without filesystems there is nothing to shut down and
 * nothing to mount; and a disk that the system itself runs from is never failed. */
static enum incident_state bend(const struct ladder *ladder, enum incident_state next,
                                enum footing footing) {
        if (footing == FOOTING_NONE && next == INCIDENT_SHUTTING)
                return INCIDENT_FAILED;
        if (footing == FOOTING_NONE && next == INCIDENT_MOUNTING)
                return INCIDENT_RECOVERED;
        if (footing == FOOTING_SYSTEM &&
            (next == INCIDENT_OFFLINING || next == INCIDENT_SHUTTING))
                return INCIDENT_UNCURED;
        if (next == INCIDENT_SETTLING && ladder->probes >= PROBES_MAX)
                return INCIDENT_UNCURED;
        /* What this incident may have unmounted comes back, whichever way the disk did. */
        if (ladder->failed && footing == FOOTING_DATA && ladder->state == INCIDENT_VERIFYING &&
            next == INCIDENT_RECOVERED)
                return INCIDENT_MOUNTING;
        return next;
}

static void mark_overdue(struct ladder *ladder) {
        ladder->overdue = true;
        ladder->deadline = USEC_INFINITY;
        if (ladder->step == STEP_LUN_RESET || ladder->step == STEP_OFFLINE)
                ladder->outcome = OUTCOME_TIMED_OUT;
}

static bool fire(struct ladder *ladder, enum event event, enum footing footing, usec_t now) {
        if (event == EVENT_NONE)
                return false;
        for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
                if (rules[i].state == ladder->state && rules[i].event == event) {
                        enum incident_state next = bend(ladder, rules[i].next, footing);

                        if (event == EVENT_AGAIN)
                                ladder->outcome = OUTCOME_REFUSED;
                        note(ladder, next, now);
                        set_state(ladder, next, now);
                        return true;
                }
        if (event == EVENT_DEADLINE)
                mark_overdue(ladder);
        return event == EVENT_DEADLINE;
}

/* A recovery of the kernel that does not end holds the disk, and is a symptom all the same. */
static enum event event_of_watch(const struct symptom *symptom, bool may_act) {
        if (symptom->kind == SYMPTOM_NONE)
                return symptom->held ? EVENT_NONE : EVENT_CLEAR;
        if (!symptom->reached)
                return EVENT_SUSPICION;
        return may_act && !symptom->held ? EVENT_LIMIT : EVENT_REPORT;
}

/* Counted by the detector, which leaves out the time nobody ran. On an offline disk all I/O ends,
 * which says nothing; whoever set it offline, it is failed. */
static enum event event_of_settling(const struct policy *policy, const struct symptom *symptom,
                                    bool may_act) {
        bool over = symptom->quiet >= policy->settle || symptom->left >= policy->settle ||
                    (symptom->offline && symptom->progress);

        if (symptom->progress && !symptom->offline)
                return EVENT_CLEAR;
        return over && may_act ? EVENT_DEADLINE : EVENT_NONE;
}

/* Filesystems are only ended on a disk that fails all I/O by what the kernel says now, whatever
 * became of the step that was to see to it. */
static enum event event_of_drain(const struct symptom *symptom, bool late) {
        if (symptom->progress && !symptom->offline)
                return EVENT_MOVES;
        if (symptom->progress && symptom->outstanding == 0)
                return EVENT_CLEAR;
        /* While held back a disk cannot drain, and one sample does not show whether it does. */
        return late && (symptom->progress || symptom->quiet > 0) ? EVENT_DEADLINE : EVENT_NONE;
}

static enum event event_of_sample(const struct ladder *ladder, const struct policy *policy,
                                  const struct symptom *symptom, bool may_act, usec_t now) {
        bool late = now >= ladder->deadline;

        switch (ladder->state) {
        case INCIDENT_HEALTHY:
        case INCIDENT_SUSPECT:
        case INCIDENT_REPORTED:
                return event_of_watch(symptom, may_act);
        case INCIDENT_RECOVERED:
                return EVENT_CLEAR;
        case INCIDENT_SETTLING:
                return event_of_settling(policy, symptom, may_act);
        case INCIDENT_UNCURED:
                if (symptom->offline)
                        return late && may_act ? EVENT_OFFLINE : EVENT_NONE;
                /* What reads failed on is not asked at once again. */
                if (symptom->progress && (late || ladder->probes < PROBES_MAX))
                        return EVENT_CLEAR;
                /* Only what still hangs is reset again. */
                return late && symptom->reached && may_act && !symptom->held ? EVENT_DEADLINE
                                                                             : EVENT_NONE;
        case INCIDENT_DRAINING:
                return event_of_drain(symptom, late);
        case INCIDENT_UNDRAINED:
                return event_of_drain(symptom, late && may_act);
        default:
                return late ? EVENT_DEADLINE : EVENT_NONE;
        }
}

void ladder_init(struct ladder *ladder, usec_t now) {
        assert(ladder);

        *ladder = (struct ladder) { .backoff = BACKOFF_FIRST };
        set_state(ladder, INCIDENT_HEALTHY, now);
}

static enum incident_state resumed_state(enum incident_state state, bool offline) {
        switch (state) {
        case INCIDENT_ACTING:
        case INCIDENT_UNCURED:
        case INCIDENT_SETTLING:
        case INCIDENT_VERIFYING:
        case INCIDENT_OFFLINING:
        case INCIDENT_DRAINING:
        case INCIDENT_UNDRAINED:
                /* Not offline: it was killed before it did anything. Look again first. */
                return offline ? INCIDENT_DRAINING : INCIDENT_SETTLING;
        case INCIDENT_SHUTTING:
        case INCIDENT_UNMOUNTING:
        case INCIDENT_BUSY:
                /* A filesystem is shut down only while its disk fails all I/O. */
                return offline ? INCIDENT_SHUTTING : INCIDENT_OFFLINING;
        case INCIDENT_FAILED:
        case INCIDENT_RETURNING:
        case INCIDENT_MOUNTING:
                return INCIDENT_FAILED;
        default:
                return INCIDENT_HEALTHY;
        }
}

void ladder_resume(struct ladder *ladder, enum incident_state state, bool offline, usec_t acted_at,
                   usec_t now) {
        enum incident_state next = resumed_state(state, offline);

        assert(ladder);

        ladder_init(ladder, now);
        if (next == INCIDENT_HEALTHY)
                return;
        begin_act(ladder, next == INCIDENT_SETTLING ? STEP_LUN_RESET : STEP_OFFLINE, acted_at);
        ladder->failed = next != INCIDENT_SETTLING;
        note(ladder, next, now);
        set_state(ladder, next, now);
}

bool ladder_observe(struct ladder *ladder, const struct policy *policy,
                    const struct symptom *symptom, bool may_act, enum footing footing, usec_t now) {
        assert(ladder && policy && symptom);

        return fire(ladder, event_of_sample(ladder, policy, symptom, may_act, now), footing,
                    now);
}

bool ladder_returned(struct ladder *ladder, enum step step, int error, enum footing footing,
                     usec_t now) {
        bool reset = step == STEP_LUN_RESET || step == STEP_OFFLINE;
        enum event event = EVENT_DONE;

        assert(ladder && step != STEP_NONE);

        if (step != ladder->step)
                return false;
        if (error < 0)
                event = error == -EAGAIN && reset ? EVENT_AGAIN : EVENT_ERROR;
        return fire(ladder, event, footing, now);
}

int ladder_request(struct ladder *ladder, usec_t now) {
        assert(ladder);

        return fire(ladder, EVENT_REQUEST, FOOTING_NONE, now) ? 0 : -EBUSY;
}

void ladder_shift(struct ladder *ladder, usec_t gap) {
        assert(ladder);

        ladder->since += gap;
        if (ladder->deadline != USEC_INFINITY)
                ladder->deadline += gap;
}

bool ladder_is_acting(const struct ladder *ladder) {
        assert(ladder);

        return ladder->state == INCIDENT_SETTLING || ladder->state == INCIDENT_DRAINING ||
               (ladder->step != STEP_NONE && !ladder->overdue);
}

const char *ladder_state_for_people(const struct ladder *ladder) {
        assert(ladder);

        return ladder->overdue ? "stuck" : states[ladder->state].people;
}
