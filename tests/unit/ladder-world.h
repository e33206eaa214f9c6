/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The world that test-ladder-all.c explores: the ladder, what is true of the disk, what can happen,
 * and what it does to both. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "agent/base/macro.h"
#include "agent/decide/ladder.h"
#include "agent/decide/names.h"

#define S USEC_PER_SEC
#define NOW (1000 * S)

/* The ladder, and what is true of the disk and of the past whether the ladder knows it or not. */
struct world {
        struct ladder ladder;
        enum footing footing;
        bool can_act;  /* there are acts for this disk */
        bool offline;  /* the agent has set the disk offline */
        bool given_up; /* the kernel has, by itself */
        bool look_due; /* a reset may have been carried out, and nobody has looked since */
};

enum kind {
        KIND_OBSERVE,
        KIND_RETURNED,
        KIND_REQUEST,
        KIND_SHIFT,
        KIND_KILLED,  /* the daemon, and another takes up what it left */
        KIND_GIVEN_UP, /* the kernel sets the disk offline */
        KIND_FOOTING, /* somebody mounts or unmounts, while all is well */
};

struct event {
        enum kind kind;
        struct symptom symptom;
        bool may_act, late;
        enum step step;
        int error;
        bool in_time; /* killed: the step under way has come to its effect on the disk's state */
        enum footing footing;
};

static inline bool is_offline(const struct world *w) {
        return w->offline || w->given_up;
}

/* ---- in words ---- */

static inline void print_event(const struct event *e) {
        const struct symptom *s = &e->symptom;

        switch (e->kind) {
        case KIND_OBSERVE:
                print_error("observe %s%s%s%s quiet=%us left=%us outstanding=%u%s%s",
                            symptom_to_string(s->kind), s->reached ? " reached" : "",
                            s->held ? " held" : "", s->progress ? " progress" : "",
                            (unsigned) (s->quiet / S), (unsigned) (s->left / S),
                            s->outstanding, e->may_act ? " may-act" : "", e->late ? " late" : "");
                break;
        case KIND_RETURNED:
                print_error("%s returned %d", step_to_string(e->step), e->error);
                break;
        case KIND_KILLED:
                print_error("killed%s", e->in_time ? " after the effect" : "");
                break;
        case KIND_FOOTING:
                print_error("footing %d", (int) e->footing);
                break;
        case KIND_REQUEST:
                print_error("request");
                break;
        case KIND_SHIFT:
                print_error("gap");
                break;
        case KIND_GIVEN_UP:
                print_error("the kernel gives it up");
                break;
        }
}

static inline void print_world(const struct world *w) {
        const struct ladder *l = &w->ladder;

        print_error(" -> %s%s, step %s, act %s, outcome %s, footing %d%s%s%s\n",
                    incident_state_to_string(l->state), l->overdue ? " overdue" : "",
                    step_to_string(l->step), step_to_string(l->act), outcome_to_string(l->outcome),
                    (int) w->footing, w->offline ? ", offline" : "",
                    w->given_up ? ", given up by the kernel" : "",
                    w->look_due ? ", not yet looked" : "");
}

/* ---- what happens, and what it does ---- */

/* Time is told from NOW on again, as if nothing had happened long ago. */
static inline void rebase(struct ladder *l) {
        l->since = NOW;
        l->acted_at = l->act == STEP_NONE ? 0 : NOW;
        if (l->deadline != USEC_INFINITY)
                l->deadline = NOW + S;
}

static inline void effect_of_return(struct world *w, const struct event *e) {
        bool again = e->error == -EAGAIN;

        if (e->step == STEP_LUN_RESET)
                w->look_due = e->error == 0;
        if (e->step == STEP_OFFLINE) {
                w->look_due = !again;
                w->offline |= e->error != -EINVAL; /* EINVAL: the kernel would not set it */
        }
        if (e->step == STEP_RUNNING && e->error != -EINVAL)
                w->offline = w->given_up = false;
}

/* A look: a sample that could show that something moves, or a whole window that showed nothing. */
static inline void effect_of_look(struct world *w, const struct policy *policy,
                                  const struct event *e) {
        if (e->symptom.held)
                return;
        if (w->ladder.state == INCIDENT_SETTLING)
                w->look_due &= !e->symptom.progress && e->symptom.quiet < policy->settle &&
                               e->symptom.left < policy->settle;
        if (w->ladder.state == INCIDENT_DRAINING)
                w->look_due &= !e->symptom.progress && !e->late;
}

static inline void effect_of_kill(struct world *w, const struct event *e) {
        enum incident_state state = w->ladder.state;

        w->look_due |= state == INCIDENT_ACTING || state == INCIDENT_OFFLINING;
        if (e->in_time && state == INCIDENT_OFFLINING)
                w->offline = true;
        if (e->in_time && state == INCIDENT_RETURNING)
                w->offline = w->given_up = false;
        ladder_resume(&w->ladder, state, is_offline(w), w->ladder.acted_at, NOW);
}

/* Returns whether the event can happen at all; *ret_changed is what the ladder said. */
static inline bool apply(struct world *w, const struct policy *policy, const struct event *e,
                  bool *ret_changed) {
        struct symptom symptom = e->symptom;
        struct ladder *l = &w->ladder;

        *ret_changed = false;
        switch (e->kind) {
        case KIND_OBSERVE:
                if (e->late && l->deadline == USEC_INFINITY)
                        return false;
                effect_of_look(w, policy, e);
                symptom.offline = is_offline(w);
                *ret_changed = ladder_observe(l, policy, &symptom, e->may_act && w->can_act,
                                              w->footing,
                                              e->late ? l->deadline : NOW);
                break;
        case KIND_RETURNED:
                if (e->step == STEP_PROBE && e->error == 0 && is_offline(w))
                        return false; /* an offline disk reads nothing */
                if (e->step == l->step)
                        effect_of_return(w, e);
                *ret_changed = ladder_returned(l, e->step, e->error, w->footing, NOW);
                break;
        case KIND_REQUEST:
                if (!w->can_act)
                        return false; /* the agent answers that there is no reset for it */
                *ret_changed = ladder_request(l, NOW) == 0;
                break;
        case KIND_SHIFT:
                ladder_shift(l, S);
                break;
        case KIND_KILLED:
                effect_of_kill(w, e);
                break;
        case KIND_GIVEN_UP:
                if (l->state != INCIDENT_ACTING && l->state != INCIDENT_SETTLING &&
                    l->state != INCIDENT_VERIFYING)
                        return false; /* elsewhere it is no concern of this incident */
                w->given_up = true;
                break;
        case KIND_FOOTING:
                if (l->state != INCIDENT_HEALTHY)
                        return false; /* the mounts of a disk in trouble are kept */
                w->footing = e->footing;
                break;
        }
        return true;
}
