/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/decide/bend.h"
#include "agent/decide/deadlines.h"
#include "agent/decide/drivers.h"
#include "agent/decide/event.h"
#include "agent/decide/ladder.h"
#include "agent/decide/plan.h"

#define BACKOFF USEC_INFINITY /* in the table: the backoff of the ladder */
#define BY_PLAN STEP_NONE     /* in the table: see step_of() */

static const struct state {
        const char *people;
        enum step step;
        usec_t time; /* after which EVENT_DEADLINE comes; 0: never, or by the plan */
} states[_INCIDENT_STATE_MAX] = {
        [INCIDENT_HEALTHY] = { "healthy", STEP_NONE, 0 },
        [INCIDENT_SUSPECT] = { "suspect", STEP_NONE, 0 },
        [INCIDENT_REPORTED] = { "stuck", STEP_NONE, 0 },
        [INCIDENT_ACTING] = { "acting", BY_PLAN, 0 },
        [INCIDENT_UNCURED] = { "stuck", STEP_NONE, BACKOFF },
        [INCIDENT_SETTLING] = { "settling", STEP_NONE, 0 }, /* the detector counts SettleSec= */
        [INCIDENT_VERIFYING] = { "settling", STEP_PROBE, PROBE_DEADLINE },
        [INCIDENT_CHECKING] = { "settling", STEP_FS_CHECK, CHECK_DEADLINE },
        [INCIDENT_CLEARING] = { "settling", STEP_FS_CLEAR, 0 },
        [INCIDENT_HELD] = { "settling", STEP_NONE, BACKOFF },
        [INCIDENT_REVIVING] = { "settling", STEP_FS_MOUNT, 0 },
        [INCIDENT_RECOVERED] = { "recovered", STEP_NONE, 0 },
        [INCIDENT_FAILING] = { "failing", BY_PLAN, 0 },
        [INCIDENT_ENDING] = { "failing", STEP_CONTROLLER_END, END_DEADLINE },
        [INCIDENT_FINISHING] = { "failing", STEP_CONTROLLER_REMOVE, FINISH_DEADLINE },
        [INCIDENT_RESTORING] = { "stuck", STEP_CONTROLLER_RESTORE, RESTORE_DEADLINE },
        [INCIDENT_DRAINING] = { "failing", STEP_NONE, DRAIN_DEADLINE },
        [INCIDENT_UNDRAINED] = { "stuck", STEP_NONE, BACKOFF },
        [INCIDENT_SHUTTING] = { "failing", STEP_FS_SHUTDOWN, SHUTDOWN_DEADLINE },
        [INCIDENT_UNMOUNTING] = { "failing", STEP_FS_UMOUNT, 0 },
        [INCIDENT_BUSY] = { "failing", STEP_NONE, BUSY_RETRY },
        [INCIDENT_FAILED] = { "failed", STEP_NONE, BACKOFF },
        [INCIDENT_RETURNING] = { "failed", BY_PLAN, PROBE_DEADLINE },
        [INCIDENT_AWAITING] = { "failed", STEP_NONE, APPEAR_DEADLINE },
        [INCIDENT_MOUNTING] = { "failed", STEP_FS_MOUNT, 0 },
        [INCIDENT_CONTAINING] = { "stuck", STEP_FS_SHUTDOWN, SHUTDOWN_DEADLINE },
        [INCIDENT_CONTAINED] = { "stuck", STEP_NONE, 0 },
        [INCIDENT_FENCING] = { "stuck", STEP_FENCE, PROBE_DEADLINE },
};

/* What is not in this table changes nothing, but a deadline: that marks the state as overdue. */
static const struct rule {
        enum incident_state state;
        enum event event;
        enum incident_state next;
} rules[] = {
        { INCIDENT_HEALTHY, EVENT_SUSPICION, INCIDENT_SUSPECT },
        { INCIDENT_HEALTHY, EVENT_LIMIT, INCIDENT_ACTING },
        { INCIDENT_HEALTHY, EVENT_GIVE_UP, INCIDENT_FAILING },
        { INCIDENT_HEALTHY, EVENT_REPORT, INCIDENT_REPORTED },
        { INCIDENT_HEALTHY, EVENT_CONTAIN, INCIDENT_CONTAINING },
        { INCIDENT_HEALTHY, EVENT_REQUEST, INCIDENT_ACTING },
        { INCIDENT_HEALTHY, EVENT_REQUEST_FAIL, INCIDENT_FAILING },

        { INCIDENT_SUSPECT, EVENT_CLEAR, INCIDENT_HEALTHY },
        { INCIDENT_SUSPECT, EVENT_LIMIT, INCIDENT_ACTING },
        { INCIDENT_SUSPECT, EVENT_GIVE_UP, INCIDENT_FAILING },
        { INCIDENT_SUSPECT, EVENT_REPORT, INCIDENT_REPORTED },
        { INCIDENT_SUSPECT, EVENT_CONTAIN, INCIDENT_CONTAINING },
        { INCIDENT_SUSPECT, EVENT_REQUEST, INCIDENT_ACTING },
        { INCIDENT_SUSPECT, EVENT_REQUEST_FAIL, INCIDENT_FAILING },

        { INCIDENT_REPORTED, EVENT_CLEAR, INCIDENT_HEALTHY },
        { INCIDENT_REPORTED, EVENT_LIMIT, INCIDENT_ACTING },
        { INCIDENT_REPORTED, EVENT_GIVE_UP, INCIDENT_FAILING },
        { INCIDENT_REPORTED, EVENT_CONTAIN, INCIDENT_CONTAINING },
        { INCIDENT_REPORTED, EVENT_REQUEST, INCIDENT_ACTING },
        { INCIDENT_REPORTED, EVENT_REQUEST_FAIL, INCIDENT_FAILING },
        { INCIDENT_REPORTED, EVENT_FENCE, INCIDENT_FENCING },

        { INCIDENT_ACTING, EVENT_DONE, INCIDENT_SETTLING },
        { INCIDENT_ACTING, EVENT_AGAIN, INCIDENT_HEALTHY }, /* and a whole new limit */
        { INCIDENT_ACTING, EVENT_ERROR, INCIDENT_UNCURED },
        { INCIDENT_ACTING, EVENT_GIVEN_UP, INCIDENT_FINISHING },
        { INCIDENT_ACTING, EVENT_FENCE, INCIDENT_FENCING },

        { INCIDENT_UNCURED, EVENT_CLEAR, INCIDENT_VERIFYING },
        { INCIDENT_UNCURED, EVENT_NEXT, INCIDENT_ACTING },
        { INCIDENT_UNCURED, EVENT_GIVE_UP, INCIDENT_FAILING },
        { INCIDENT_UNCURED, EVENT_OFFLINE, INCIDENT_FAILING },
        { INCIDENT_UNCURED, EVENT_REQUEST, INCIDENT_ACTING },
        { INCIDENT_UNCURED, EVENT_REQUEST_FAIL, INCIDENT_FAILING },
        { INCIDENT_UNCURED, EVENT_FENCE, INCIDENT_FENCING },

        { INCIDENT_SETTLING, EVENT_CLEAR, INCIDENT_VERIFYING },
        { INCIDENT_SETTLING, EVENT_NEXT, INCIDENT_ACTING },
        { INCIDENT_SETTLING, EVENT_GIVE_UP, INCIDENT_FAILING },
        { INCIDENT_SETTLING, EVENT_DEADLINE, INCIDENT_UNCURED },
        { INCIDENT_SETTLING, EVENT_STICKS, INCIDENT_ENDING },
        { INCIDENT_SETTLING, EVENT_GIVEN_UP, INCIDENT_FINISHING },

        { INCIDENT_VERIFYING, EVENT_DONE, INCIDENT_CHECKING },
        { INCIDENT_VERIFYING, EVENT_ERROR, INCIDENT_SETTLING }, /* LADDER_PROBES_MAX times */
        { INCIDENT_VERIFYING, EVENT_DEADLINE, INCIDENT_SETTLING },

        { INCIDENT_CHECKING, EVENT_DONE, INCIDENT_RECOVERED },
        { INCIDENT_CHECKING, EVENT_ERROR, INCIDENT_CLEARING },
        { INCIDENT_CHECKING, EVENT_DEADLINE, INCIDENT_RECOVERED }, /* the disk, at least */
        { INCIDENT_CHECKING, EVENT_LIMIT, INCIDENT_ACTING },
        { INCIDENT_CHECKING, EVENT_GIVE_UP, INCIDENT_FAILING },

        { INCIDENT_CLEARING, EVENT_DONE, INCIDENT_REVIVING },
        { INCIDENT_CLEARING, EVENT_ERROR, INCIDENT_HELD },
        { INCIDENT_CLEARING, EVENT_LIMIT, INCIDENT_ACTING },
        { INCIDENT_CLEARING, EVENT_GIVE_UP, INCIDENT_FAILING },

        { INCIDENT_HELD, EVENT_DEADLINE, INCIDENT_CLEARING },
        { INCIDENT_HELD, EVENT_LIMIT, INCIDENT_ACTING },
        { INCIDENT_HELD, EVENT_GIVE_UP, INCIDENT_FAILING },
        { INCIDENT_HELD, EVENT_REPORT, INCIDENT_REPORTED },
        { INCIDENT_HELD, EVENT_CONTAIN, INCIDENT_CONTAINING },
        { INCIDENT_HELD, EVENT_REQUEST, INCIDENT_ACTING },
        { INCIDENT_HELD, EVENT_REQUEST_FAIL, INCIDENT_FAILING },

        { INCIDENT_REVIVING, EVENT_DONE, INCIDENT_RECOVERED },
        { INCIDENT_REVIVING, EVENT_ERROR, INCIDENT_HELD },
        { INCIDENT_REVIVING, EVENT_LIMIT, INCIDENT_ACTING },
        { INCIDENT_REVIVING, EVENT_GIVE_UP, INCIDENT_FAILING },

        { INCIDENT_RECOVERED, EVENT_CLEAR, INCIDENT_HEALTHY },

        { INCIDENT_FAILING, EVENT_DONE, INCIDENT_FINISHING },
        { INCIDENT_FAILING, EVENT_ERROR, INCIDENT_DRAINING },
        { INCIDENT_FAILING, EVENT_AGAIN, INCIDENT_DRAINING }, /* which looks what became of it */
        { INCIDENT_FAILING, EVENT_FENCE, INCIDENT_FENCING },

        { INCIDENT_HEALTHY, EVENT_DRAGGED, INCIDENT_DRAINING },
        { INCIDENT_SUSPECT, EVENT_DRAGGED, INCIDENT_DRAINING },
        { INCIDENT_REPORTED, EVENT_DRAGGED, INCIDENT_DRAINING },
        { INCIDENT_UNCURED, EVENT_DRAGGED, INCIDENT_DRAINING },
        { INCIDENT_SETTLING, EVENT_DRAGGED, INCIDENT_DRAINING },
        { INCIDENT_VERIFYING, EVENT_DRAGGED, INCIDENT_DRAINING },
        { INCIDENT_CHECKING, EVENT_DRAGGED, INCIDENT_DRAINING },
        { INCIDENT_CLEARING, EVENT_DRAGGED, INCIDENT_DRAINING },
        { INCIDENT_HELD, EVENT_DRAGGED, INCIDENT_DRAINING },
        { INCIDENT_REVIVING, EVENT_DRAGGED, INCIDENT_DRAINING },
        { INCIDENT_RECOVERED, EVENT_DRAGGED, INCIDENT_DRAINING },

        { INCIDENT_ENDING, EVENT_DONE, INCIDENT_FINISHING },
        { INCIDENT_ENDING, EVENT_ERROR, INCIDENT_UNDRAINED },

        { INCIDENT_FINISHING, EVENT_DONE, INCIDENT_DRAINING },
        { INCIDENT_FINISHING, EVENT_ERROR, INCIDENT_DRAINING },

        { INCIDENT_RESTORING, EVENT_DONE, INCIDENT_ENDING },
        { INCIDENT_RESTORING, EVENT_ERROR, INCIDENT_ENDING },

        { INCIDENT_DRAINING, EVENT_CLEAR, INCIDENT_SHUTTING },
        { INCIDENT_DRAINING, EVENT_MOVES, INCIDENT_VERIFYING },
        { INCIDENT_DRAINING, EVENT_DEADLINE, INCIDENT_UNDRAINED },

        { INCIDENT_UNDRAINED, EVENT_CLEAR, INCIDENT_SHUTTING },
        { INCIDENT_UNDRAINED, EVENT_MOVES, INCIDENT_VERIFYING },
        { INCIDENT_UNDRAINED, EVENT_DEADLINE, INCIDENT_FAILING },
        { INCIDENT_UNDRAINED, EVENT_FENCE, INCIDENT_FENCING },

        { INCIDENT_SHUTTING, EVENT_DONE, INCIDENT_UNMOUNTING },
        { INCIDENT_SHUTTING, EVENT_ERROR, INCIDENT_UNMOUNTING },

        { INCIDENT_UNMOUNTING, EVENT_DONE, INCIDENT_FAILED },
        { INCIDENT_UNMOUNTING, EVENT_ERROR, INCIDENT_BUSY },

        { INCIDENT_BUSY, EVENT_DEADLINE, INCIDENT_UNMOUNTING },

        { INCIDENT_FAILED, EVENT_DEADLINE, INCIDENT_RETURNING },
        { INCIDENT_FAILED, EVENT_REQUEST, INCIDENT_RETURNING },
        { INCIDENT_FAILED, EVENT_BACK, INCIDENT_VERIFYING },

        { INCIDENT_RETURNING, EVENT_DONE, INCIDENT_MOUNTING },
        { INCIDENT_RETURNING, EVENT_ERROR, INCIDENT_FAILING },
        { INCIDENT_RETURNING, EVENT_DEADLINE, INCIDENT_FAILING },
        { INCIDENT_RETURNING, EVENT_BACK, INCIDENT_VERIFYING },

        { INCIDENT_AWAITING, EVENT_BACK, INCIDENT_VERIFYING },
        { INCIDENT_AWAITING, EVENT_DEADLINE, INCIDENT_FAILED },

        { INCIDENT_MOUNTING, EVENT_DONE, INCIDENT_RECOVERED },
        { INCIDENT_MOUNTING, EVENT_ERROR, INCIDENT_FAILED },
        { INCIDENT_MOUNTING, EVENT_DEADLINE, INCIDENT_FAILING },

        { INCIDENT_CONTAINING, EVENT_DONE, INCIDENT_CONTAINED },
        { INCIDENT_CONTAINING, EVENT_ERROR, INCIDENT_CONTAINED },
        { INCIDENT_CONTAINING, EVENT_DEADLINE, INCIDENT_CONTAINED },

        { INCIDENT_CONTAINED, EVENT_CLEAR, INCIDENT_UNMOUNTING },
        { INCIDENT_CONTAINED, EVENT_FENCE, INCIDENT_FENCING },

        { INCIDENT_FENCING, EVENT_ERROR, INCIDENT_UNCURED },
};

/* ---- entering a state ---- */

static usec_t take_backoff(struct ladder *ladder) {
        usec_t t = ladder->backoff;

        ladder->backoff = t * 2 < BACKOFF_LAST ? t * 2 : BACKOFF_LAST;
        return t;
}

static enum step step_of(const struct ladder *ladder, const struct plan *plan,
                         enum incident_state state) {
        switch (state) {
        case INCIDENT_ACTING:
                return ladder->past.act;
        case INCIDENT_FAILING:
                return plan->fail;
        case INCIDENT_RETURNING:
                return plan->back;
        default:
                return states[state].step;
        }
}

/* What nobody can bring back by itself waits until it appears. */
static usec_t time_of(struct ladder *ladder, const struct plan *plan, enum incident_state state) {
        if (states[state].time == 0)
                return plan_deadline(plan, ladder->step);
        if (state == INCIDENT_FAILED && plan->back != STEP_RUNNING && !ladder->answers)
                return 0;
        return states[state].time == BACKOFF ? take_backoff(ladder) : states[state].time;
}

static bool is_word_stuck(enum incident_state state) {
        return states[state].people[0] == 's' && states[state].people[1] == 't';
}

/* The one place where a state is entered. */
static void set_state(struct ladder *ladder, const struct plan *plan, enum incident_state state,
                      usec_t now) {
        usec_t t;

        ladder->past.state = state;
        ladder->step = step_of(ladder, plan, state);
        ladder->overdue = false;
        ladder->since = now;
        t = time_of(ladder, plan, state);
        ladder->deadline = t > 0 ? now + t : USEC_INFINITY;
        if (is_word_stuck(state) && ladder->stuck_since == USEC_INFINITY)
                ladder->stuck_since = now;
}

/* Those that follow on a disk that has been failed already take nothing more from anybody, and do
 * not count. */
static void begin_act(struct ladder *ladder, enum step act, usec_t now) {
        struct ladder_past *past = &ladder->past;
        size_t oldest = 0;

        past->act = act;
        past->acted_at = now;
        ladder->outcome = OUTCOME_NONE;
        if (ladder->failed)
                return;
        for (size_t i = 0; i < LADDER_ACTS_MAX; i++)
                if (past->acts[i] < past->acts[oldest])
                        oldest = i;
        past->acts[oldest] = now;
}

static void begin_fail(struct ladder *ladder, enum step act, usec_t now) {
        begin_act(ladder, act, now);
        ladder->failed = true;
        ladder->answers = false;
}

static void forget(struct ladder *ladder) {
        ladder->backoff = BACKOFF_FIRST;
        ladder->stuck_since = USEC_INFINITY;
        ladder->failed = false;
        ladder->answers = false;
        ladder->contained = false;
        ladder->past.unmounted = false;
        ladder->probes = 0;
}

/* What is to be remembered when a state is entered, besides the state. CURE is for acting. */
static void note(struct ladder *ladder, const struct plan *plan, enum incident_state state,
                 enum step cure, usec_t now) {
        switch (state) {
        case INCIDENT_HEALTHY:
                forget(ladder);
                break;
        case INCIDENT_VERIFYING:
                if (ladder->probes < LADDER_PROBES_MAX)
                        ladder->probes++;
                break;
        case INCIDENT_ACTING:
                begin_act(ladder, cure, now);
                ladder->probes = 0;
                break;
        case INCIDENT_FAILING:
                begin_fail(ladder, plan->fail, now);
                break;
        case INCIDENT_ENDING:
                begin_fail(ladder, STEP_CONTROLLER_END, now);
                break;
        case INCIDENT_FINISHING: /* by whatever it has come to that */
                if (!ladder->failed)
                        begin_fail(ladder, STEP_CONTROLLER_REMOVE, now);
                else if (step_is_cure(ladder->past.act))
                        ladder->past.act = STEP_CONTROLLER_REMOVE;
                break;
        case INCIDENT_UNCURED:
                ladder->outcome = ladder->past.state == INCIDENT_ACTING ? OUTCOME_REFUSED
                                                                        : OUTCOME_NO_CHANGE;
                break;
        case INCIDENT_UNDRAINED:
                ladder->outcome = OUTCOME_NO_CHANGE;
                break;
        case INCIDENT_CHECKING: /* the disk itself is well */
                ladder->cured_at = now;
                ladder->stuck_since = USEC_INFINITY;
                break;
        case INCIDENT_CLEARING:
                ladder->outcome = OUTCOME_RECOVERED;
                ladder->past.unmounted = true;
                ladder->stuck_since = USEC_INFINITY;
                break;
        case INCIDENT_HELD:
        case INCIDENT_REVIVING:
                ladder->stuck_since = USEC_INFINITY;
                break;
        case INCIDENT_UNMOUNTING:
                ladder->past.unmounted = ladder->contained ||
                                         plan->on_failed == ON_FAILED_REMOUNT;
                break;
        case INCIDENT_RECOVERED:
                ladder->outcome = OUTCOME_RECOVERED;
                ladder->past.unmounted = false;
                ladder->cured_at = ladder->failed ? 0 : now;
                ladder->stuck_since = USEC_INFINITY;
                break;
        case INCIDENT_FAILED:
                ladder->outcome = OUTCOME_FAILED;
                ladder->stuck_since = USEC_INFINITY;
                break;
        case INCIDENT_MOUNTING:
                ladder->answers = true;
                break;
        case INCIDENT_CONTAINING:
                ladder->contained = ladder->failed = true;
                break;
        default:
                break;
        }
}

/* ---- which state is entered ---- */

static void enter(struct ladder *ladder, const struct plan *plan, enum incident_state next,
                  enum step cure, usec_t now) {
        note(ladder, plan, next, cure, now);
        set_state(ladder, plan, next, now);
}

/* A step that changes what is not to stay so, and does not return, has more to follow. */
static enum incident_state after_overdue(const struct ladder *ladder, const struct plan *plan,
                                         enum footing footing) {
        if (ladder->past.state != INCIDENT_ACTING && ladder->past.state != INCIDENT_FAILING)
                return _INCIDENT_STATE_MAX;
        if (ladder->step == plan->fail && plan->undo != STEP_NONE)
                return INCIDENT_RESTORING;
        return plan->end != STEP_NONE && footing != FOOTING_SYSTEM ? INCIDENT_ENDING
                                                                   : _INCIDENT_STATE_MAX;
}

static void mark_overdue(struct ladder *ladder, const struct plan *plan, enum footing footing,
                         usec_t now) {
        enum incident_state next = after_overdue(ladder, plan, footing);

        if (step_place(ladder->step) == PLACE_DOMAIN)
                ladder->outcome = OUTCOME_TIMED_OUT;
        if (next != _INCIDENT_STATE_MAX) {
                enter(ladder, plan, next, STEP_NONE, now);
                return;
        }
        ladder->overdue = true;
        ladder->deadline = USEC_INFINITY;
        if (ladder->stuck_since == USEC_INFINITY)
                ladder->stuck_since = now;
}

static bool fire(struct ladder *ladder, const struct plan *plan, enum event event, enum step cure,
                 enum footing footing, usec_t now) {
        if (event == EVENT_NONE)
                return false;
        for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
                if (rules[i].state == ladder->past.state && rules[i].event == event) {
                        if (event == EVENT_AGAIN)
                                ladder->outcome = OUTCOME_REFUSED;
                        enter(ladder, plan, ladder_bend(ladder, plan, rules[i].next, footing),
                              cure, now);
                        return true;
                }
        if (event == EVENT_DEADLINE)
                mark_overdue(ladder, plan, footing, now);
        return event == EVENT_DEADLINE;
}

/* ---- the outside ---- */

void ladder_init(struct ladder *ladder, usec_t now) {
        static const struct plan none = {};

        assert(ladder);

        *ladder = (struct ladder) {};
        enter(ladder, &none, INCIDENT_HEALTHY, STEP_NONE, now);
}

/* Whether an act that was begun in this state may be in the kernel still, whoever was killed. */
static bool may_be_under_way(enum incident_state state) {
        return state == INCIDENT_ACTING || state == INCIDENT_FAILING || state == INCIDENT_ENDING ||
               state == INCIDENT_RESTORING || state == INCIDENT_SETTLING;
}

void ladder_resume(struct ladder *ladder, const struct plan *plan, const struct ladder_past *past,
                   bool offline, enum footing footing, usec_t now) {
        enum incident_state next;

        assert(ladder && plan && past);

        next = ladder_bend_resumed(past, plan, offline, footing);
        ladder_init(ladder, now);
        ladder->past = *past;
        ladder->past.state = INCIDENT_HEALTHY;
        if (next == INCIDENT_HEALTHY)
                return;
        ladder->contained = next == INCIDENT_CONTAINED;
        ladder->failed = next != INCIDENT_SETTLING && next != INCIDENT_CLEARING;
        ladder->answers = next == INCIDENT_FAILED && !offline;
        /* Offline by whoever it was: no cure is what is being looked at. */
        if (ladder->failed && !ladder->contained && !step_is_fail(past->act) &&
            past->act != STEP_CONTROLLER_END)
                ladder->past.act = plan->fail;
        enter(ladder, plan, next, STEP_NONE, now);
        if (next == INCIDENT_SETTLING && plan->finish != STEP_NONE && may_be_under_way(past->state))
                ladder->deadline = now + plan->answer;
}

bool ladder_observe(struct ladder *ladder, const struct plan *plan, const struct policy *policy,
                    const struct symptom *symptom, uint32_t leave, enum footing footing,
                    usec_t now) {
        struct view view = { plan, policy, symptom, leave, now };
        enum event event;

        assert(ladder && plan && policy && symptom);

        if (footing == FOOTING_SYSTEM)
                view.leave &= ~(BIT(STEP_CONTROLLER_END) |
                                (plan->fail != STEP_NONE ? BIT(plan->fail) : 0));
        if (footing != FOOTING_DATA)
                view.leave &= ~BIT(STEP_FS_SHUTDOWN);
        if (ladder->past.state == INCIDENT_SETTLING && !symptom->held && !symptom->offline)
                ladder->deadline = USEC_INFINITY; /* what comes later is something else */
        event = event_of_sample(ladder, &view);
        return fire(ladder, plan, event, event_cure(ladder, &view), footing, now);
}

bool ladder_returned(struct ladder *ladder, const struct plan *plan, enum step step, int error,
                     enum footing footing, usec_t now) {
        bool domain = step_place(step) == PLACE_DOMAIN;
        enum event event = EVENT_DONE;

        assert(ladder && plan && step != STEP_NONE);

        if (step != ladder->step)
                return false;
        if (error < 0)
                event = error == -EAGAIN && domain ? EVENT_AGAIN : EVENT_ERROR;
        if (error == -ENETRESET && step == STEP_CONTROLLER_RESET)
                event = EVENT_GIVEN_UP;
        return fire(ladder, plan, event, STEP_NONE, footing, now);
}

bool ladder_is_back(struct ladder *ladder, const struct plan *plan, enum footing footing,
                    usec_t now) {
        assert(ladder && plan);

        return fire(ladder, plan, EVENT_BACK, STEP_NONE, footing, now);
}

bool ladder_is_dragged(struct ladder *ladder, const struct plan *plan, enum footing footing,
                       usec_t now) {
        assert(ladder && plan);

        if (!fire(ladder, plan, EVENT_DRAGGED, STEP_NONE, footing, now))
                return false;
        ladder->past.act = plan->fail;
        ladder->past.acted_at = now;
        ladder->failed = true;
        ladder->answers = false;
        return true;
}

int ladder_request(struct ladder *ladder, const struct plan *plan, enum step step,
                   enum footing footing, usec_t now) {
        bool fails = step == plan->fail, brings_back = step == plan->back;
        enum event event = fails ? EVENT_REQUEST_FAIL : EVENT_REQUEST;

        assert(ladder && plan && step != STEP_NONE);

        if (!fails && !brings_back && plan_index(plan, step) == plan->n_cures)
                return -EOPNOTSUPP;
        if (fails && footing == FOOTING_SYSTEM)
                return -EPERM;
        /* A failed disk is brought back, and nothing else is. */
        if (brings_back != (ladder->past.state == INCIDENT_FAILED))
                return -EBUSY;
        return fire(ladder, plan, event, step, footing, now) ? 0 : -EBUSY;
}

void ladder_shift(struct ladder *ladder, usec_t gap) {
        assert(ladder);

        ladder->since += gap;
        if (ladder->deadline != USEC_INFINITY)
                ladder->deadline += gap;
        if (ladder->stuck_since != USEC_INFINITY)
                ladder->stuck_since += gap;
}

unsigned ladder_acts(const struct ladder *ladder, usec_t window, usec_t now) {
        unsigned n = 0;

        assert(ladder);

        for (size_t i = 0; i < LADDER_ACTS_MAX; i++)
                n += ladder->past.acts[i] > 0 && now - ladder->past.acts[i] < window;
        return n;
}

bool ladder_is_acting(const struct ladder *ladder) {
        assert(ladder);

        return ladder->past.state == INCIDENT_SETTLING ||
               ladder->past.state == INCIDENT_DRAINING ||
               (ladder->step != STEP_NONE && !ladder->overdue);
}

const char *ladder_state_for_people(const struct ladder *ladder) {
        assert(ladder);

        return ladder->overdue ? "stuck" : states[ladder->past.state].people;
}
