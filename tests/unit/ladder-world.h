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
#include <string.h>

#include "agent/base/macro.h"
#include "agent/decide/drivers.h"
#include "agent/decide/ladder.h"
#include "agent/decide/names.h"

#define S USEC_PER_SEC
#define NOW (1000 * S)

/* The ladder, and what is true of the disk and of the past whether the ladder knows it or not. */
struct world {
        struct ladder ladder;
        enum footing footing;
        bool offline;  /* the agent has ended its I/O: SCSI offline, or the controller failed */
        bool given_up; /* the kernel has, by itself */
        bool missing;  /* a filesystem that was mounted may have been unmounted */
        bool look_due; /* a cure may have been carried out, and nobody has looked since */
};

enum kind {
        KIND_OBSERVE,
        KIND_RETURNED,
        KIND_REQUEST,
        KIND_SHIFT,
        KIND_KILLED,   /* the daemon, and another takes up what it left */
        KIND_GIVEN_UP, /* the kernel sets the disk offline */
        KIND_FOOTING,  /* somebody mounts or unmounts, while all is well */
        KIND_DRAGGED,  /* the controller was failed for another disk */
        KIND_BACK,     /* a disk that was gone appears again */
        KIND_LONG,     /* so much time passes that the last cure is forgotten */
};

struct event {
        enum kind kind;
        struct symptom symptom;
        uint32_t leave;
        bool late;
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
                print_error("observe %s%s%s%s quiet=%us left=%us outstanding=%u leave=%x%s",
                            symptom_to_string(s->kind), s->reached ? " reached" : "",
                            s->held ? " held" : "", s->progress ? " progress" : "",
                            (unsigned) (s->quiet / S), (unsigned) (s->left / S),
                            s->outstanding, e->leave, e->late ? " late" : "");
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
                print_error("request %s", step_to_string(e->step));
                break;
        case KIND_SHIFT:
                print_error("gap");
                break;
        case KIND_GIVEN_UP:
                print_error("the kernel gives it up");
                break;
        case KIND_BACK:
                print_error("back");
                break;
        case KIND_DRAGGED:
                print_error("dragged");
                break;
        case KIND_LONG:
                print_error("long after");
                break;
        }
}

static inline void print_world(const struct world *w) {
        const struct ladder *l = &w->ladder;

        print_error(" -> %s%s, step %s, act %s, outcome %s, footing %d%s%s%s%s%s%s%s\n",
                    incident_state_to_string(l->past.state), l->overdue ? " overdue" : "",
                    step_to_string(l->step), step_to_string(l->past.act),
                    outcome_to_string(l->outcome), (int) w->footing,
                    l->failed ? ", failed" : "", l->contained ? ", contained" : "",
                    l->stuck_since != USEC_INFINITY ? ", stuck" : "",
                    w->offline ? ", offline" : "",
                    w->given_up ? ", given up by the kernel" : "",
                    w->missing ? ", not all mounted" : "",
                    w->look_due ? ", not yet looked" : "");
}

/* ---- what happens, and what it does ---- */

/* Time is told from NOW on again, as if nothing had happened long ago; but the last cure is fresh,
 * and what is stuck has been for long. */
static inline void rebase(struct ladder *l) {
        l->since = NOW;
        l->past.acted_at = l->past.act == STEP_NONE ? 0 : NOW;
        memset(l->past.acts, 0, sizeof(l->past.acts));
        if (l->cured_at > 0)
                l->cured_at = NOW;
        if (l->stuck_since != USEC_INFINITY)
                l->stuck_since = 0;
        if (l->deadline != USEC_INFINITY)
                l->deadline = NOW + S;
}

static inline bool ends_io(enum step step) {
        return step_is_fail(step) || step == STEP_CONTROLLER_END;
}

static inline void effect_of_return(struct world *w, const struct event *e) {
        if (step_is_cure(e->step))
                w->look_due = e->error == 0;
        if (ends_io(e->step)) {
                w->look_due = e->error != -EAGAIN;
                /* EINVAL: the kernel would not set it; a controller may not be failed at all. */
                w->offline |= e->step == STEP_OFFLINE ? e->error != -EINVAL : e->error == 0;
        }
        if (e->step == STEP_CONTROLLER_RESET && e->error == -ENETRESET)
                w->given_up = true;
        if (e->step == STEP_RUNNING && e->error != -EINVAL)
                w->offline = w->given_up = false;
        if (e->step == STEP_FS_CLEAR || e->step == STEP_FS_UMOUNT) /* some of them, if not all */
                w->missing = true;
        if (e->step == STEP_FS_MOUNT && e->error == 0)
                w->missing = false;
}

/* A look: a sample that could show that something moves, or a whole window that showed nothing. */
static inline void effect_of_look(struct world *w, const struct policy *policy,
                                  const struct event *e) {
        if (e->symptom.held)
                return;
        if (w->ladder.past.state == INCIDENT_SETTLING)
                w->look_due &= !e->symptom.progress && e->symptom.quiet < policy->settle &&
                               e->symptom.left < policy->settle;
        if (w->ladder.past.state == INCIDENT_DRAINING ||
            w->ladder.past.state == INCIDENT_UNDRAINED)
                w->look_due &= !e->symptom.progress && !e->late;
}

static inline void effect_of_kill(struct world *w, const struct plan *plan,
                                  const struct event *e) {
        enum incident_state state = w->ladder.past.state;
        struct ladder_past past = w->ladder.past;

        w->look_due |= state == INCIDENT_ACTING || state == INCIDENT_FAILING ||
                       state == INCIDENT_ENDING;
        if (e->in_time && ends_io(w->ladder.step))
                w->offline = true;
        if (e->in_time && w->ladder.step == STEP_RUNNING)
                w->offline = w->given_up = false;
        if (e->in_time && (w->ladder.step == STEP_FS_CLEAR || w->ladder.step == STEP_FS_UMOUNT))
                w->missing = true;
        ladder_resume(&w->ladder, plan, &past, is_offline(w), w->footing, NOW);
}

static inline bool returns(struct world *w, const struct plan *plan, const struct event *e,
                           bool *ret_changed) {
        struct ladder *l = &w->ladder;

        if (e->step == STEP_PROBE && e->error == 0 && is_offline(w))
                return false; /* an offline disk reads nothing */
        if (e->step == l->step)
                effect_of_return(w, e);
        *ret_changed = ladder_returned(l, plan, e->step, e->error, w->footing, NOW);
        return true;
}

/* A disk that appears anew is another to the kernel: it is taken up when the old one is done. */
static inline bool may_be_back(const struct world *w, const struct plan *plan) {
        enum incident_state state = w->ladder.past.state;

        return is_offline(w) && plan->back != STEP_RUNNING &&
               (state == INCIDENT_FAILED || state == INCIDENT_RETURNING ||
                state == INCIDENT_AWAITING);
}

/* Returns whether the event can happen at all; *ret_changed is what the ladder said. */
static inline bool apply(struct world *w, const struct plan *plan, const struct policy *policy,
                         const struct event *e, bool *ret_changed) {
        struct symptom symptom = e->symptom;
        struct ladder *l = &w->ladder;

        *ret_changed = false;
        switch (e->kind) {
        case KIND_OBSERVE:
                if (e->late && l->deadline == USEC_INFINITY)
                        return false;
                effect_of_look(w, policy, e);
                symptom.offline = is_offline(w);
                *ret_changed = ladder_observe(l, plan, policy, &symptom, e->leave, w->footing,
                                              e->late ? l->deadline : NOW);
                break;
        case KIND_RETURNED:
                return returns(w, plan, e, ret_changed);
        case KIND_REQUEST:
                *ret_changed = ladder_request(l, plan, e->step, w->footing, NOW) == 0;
                break;
        case KIND_SHIFT:
                ladder_shift(l, S);
                break;
        case KIND_KILLED:
                effect_of_kill(w, plan, e);
                break;
        case KIND_GIVEN_UP:
                if (plan->back != STEP_RUNNING ||
                    (l->past.state != INCIDENT_ACTING && l->past.state != INCIDENT_SETTLING &&
                     l->past.state != INCIDENT_VERIFYING))
                        return false; /* elsewhere it is no concern of this incident */
                w->given_up = true;
                break;
        case KIND_FOOTING:
                if (l->past.state != INCIDENT_HEALTHY)
                        return false; /* the mounts of a disk in trouble are kept */
                w->footing = e->footing;
                break;
        case KIND_BACK:
                if (!may_be_back(w, plan))
                        return false;
                w->offline = w->given_up = w->look_due = false;
                *ret_changed = ladder_is_back(l, plan, w->footing, NOW);
                break;
        case KIND_DRAGGED:
                if (plan->back != STEP_CONTROLLER_RESCAN || w->footing == FOOTING_SYSTEM)
                        return false;
                *ret_changed = ladder_is_dragged(l, plan, w->footing, NOW);
                w->offline |= *ret_changed;
                break;
        case KIND_LONG:
                if (l->cured_at == 0 || l->past.state != INCIDENT_HEALTHY)
                        return false;
                l->cured_at = 0;
                break;
        }
        return true;
}
