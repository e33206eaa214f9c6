/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "tests/unit/ladder-world.h"

/* All ways through the machine at once: breadth first, every event in every state that can be
 * reached, until nothing new comes, for every kind of plan. A deadline is only passed or not. What
 * must hold at each step is written down here a second time, from the words of the design and not
 * from the table of ladder.c. */

#define EVENTS_MAX 1024
#define NODES_MAX (1U << 17)
#define SLOTS (1U << 19)

struct node {
        struct world world;
        uint64_t key;
        uint32_t parent, depth;
        uint16_t event;
        bool good;
};

struct search {
        const struct policy *policy;
        const struct plan *plan;
        struct event events[EVENTS_MAX];
        size_t n_events;
        struct node nodes[NODES_MAX];
        uint32_t n_nodes;
        uint32_t slots[SLOTS]; /* of the node, plus one */
};

/* ---- events ---- */

static void add(struct search *search, struct event event) {
        assert_true(search->n_events < EVENTS_MAX);
        search->events[search->n_events++] = event;
}

static uint32_t cures_of(const struct plan *plan) {
        uint32_t bits = 0;

        for (unsigned i = 0; i < plan->n_cures; i++)
                bits |= BIT(plan->cures[i]);
        return bits;
}

/* With leave for all, for nothing, and for some. */
static void add_symptoms(struct search *search, struct event event) {
        const uint32_t leaves[] = {
                UINT32_MAX, 0, cures_of(search->plan),
                search->plan->fail == STEP_NONE ? BIT(STEP_FENCE) : BIT(search->plan->fail),
        };

        for (size_t i = 0; i < ELEMENTSOF(leaves); i++)
                for (int late = 0; late < 2; late++) {
                        event.leave = leaves[i];
                        event.late = late;
                        add(search, event);
                }
}

/* What lasts while other I/O goes on. */
static void add_others(struct search *search, bool progress) {
        static const enum symptom_kind kinds[] = { SYMPTOM_STUCK_REQUEST, SYMPTOM_SATURATED };
        const struct policy *p = search->policy;

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                for (int reached = 0; reached < 2; reached++)
                        add_symptoms(search, (struct event) {
                                .symptom = { .kind = kinds[i], .reached = reached,
                                             .lasts = reached ? p->stall : p->warn,
                                             .outstanding = 8, .progress = progress },
                        });
}

static void add_observations(struct search *search) {
        const struct policy *p = search->policy;
        const usec_t quiets[] = { 0, p->warn, p->settle, p->stall, p->stall + p->settle };

        for (uint32_t n = 0; n < 2; n++) /* held, with and without work outstanding */
                add_symptoms(search, (struct event) { .symptom = { .held = true,
                                                                   .outstanding = n } });
        for (int reached = 0; reached < 2; reached++)
                add_symptoms(search, (struct event) {
                        .symptom = { .kind = SYMPTOM_CONTROLLER_STUCK, .reached = reached,
                                     .lasts = reached ? p->stall : p->warn, .held = true },
                });
        for (int left = 0; left < 2; left++) /* not the whole window, and the whole */
                add_symptoms(search, (struct event) {
                        .symptom = { .left = p->settle - !left, .outstanding = 8 },
                });
        for (int progress = 0; progress < 2; progress++) {
                add_symptoms(search, (struct event) { .symptom = { .progress = progress } });
                add_others(search, progress);
                for (size_t i = 0; i < ELEMENTSOF(quiets); i++)
                        add_symptoms(search, (struct event) {
                                .symptom = {
                                        .kind = quiets[i] >= p->warn ? SYMPTOM_STALLED
                                                                     : SYMPTOM_NONE,
                                        .reached = quiets[i] >= p->stall,
                                        .lasts = quiets[i] >= p->warn ? quiets[i] : 0,
                                        .quiet = quiets[i],
                                        .outstanding = 8,
                                        .progress = progress,
                                },
                        });
        }
}

static void add_events(struct search *search) {
        static const int errors[] = { 0, -EIO, -EAGAIN, -EINVAL, -EBUSY, -EPIPE,
                                      -ENETRESET };

        add_observations(search);
        for (int step = STEP_NONE + 1; step < _STEP_MAX; step++) {
                for (size_t i = 0; i < ELEMENTSOF(errors); i++)
                        add(search, (struct event) { .kind = KIND_RETURNED,
                                                     .step = (enum step) step,
                                                     .error = errors[i] });
                add(search, (struct event) { .kind = KIND_REQUEST, .step = (enum step) step });
        }
        for (int i = 0; i < 2; i++)
                add(search, (struct event) { .kind = KIND_KILLED, .in_time = i });
        for (int i = FOOTING_NONE; i <= FOOTING_SYSTEM; i++)
                add(search, (struct event) { .kind = KIND_FOOTING, .footing = (enum footing) i });
        add(search, (struct event) { .kind = KIND_GIVEN_UP });
        add(search, (struct event) { .kind = KIND_SHIFT });
        add(search, (struct event) { .kind = KIND_BACK });
        add(search, (struct event) { .kind = KIND_LONG });
        add(search, (struct event) { .kind = KIND_DRAGGED });
}

/* ---- failures are told with the way that led to them ---- */

static void print_way(const struct search *search, uint32_t node) {
        const struct node *n = search->nodes + node;

        if (node > 0) {
                print_way(search, n->parent);
                print_event(search->events + n->event);
        }
        print_world(&n->world);
}

/* One step of the search, for the checks to speak of. */
struct move {
        const struct search *search;
        uint32_t from;
        const struct world *before, *after;
        const struct event *event;
        bool changed; /* what the ladder said */
};

_Noreturn static void violated(const struct move *m, const char *what) {
        print_way(m->search, m->from);
        print_event(m->event);
        print_world(m->after);
        fail_msg("%s", what);
        abort(); /* not reached */
}

#define must(m, what, expression)               \
        do {                                    \
                if (!(expression))              \
                        violated((m), (what));  \
        } while (0)

/* ---- what must hold ---- */

static enum step owned_step(const struct move *m, const struct ladder *l) {
        const struct plan *plan = m->search->plan;

        switch (l->past.state) {
        case INCIDENT_ACTING:
                return l->past.act;
        case INCIDENT_VERIFYING:
                return STEP_PROBE;
        case INCIDENT_CHECKING:
                return STEP_FS_CHECK;
        case INCIDENT_CLEARING:
                return STEP_FS_CLEAR;
        case INCIDENT_FAILING:
                return plan->fail;
        case INCIDENT_ENDING:
                return STEP_CONTROLLER_END;
        case INCIDENT_FINISHING:
                return STEP_CONTROLLER_REMOVE;
        case INCIDENT_RESTORING:
                return STEP_CONTROLLER_RESTORE;
        case INCIDENT_SHUTTING:
        case INCIDENT_CONTAINING:
                return STEP_FS_SHUTDOWN;
        case INCIDENT_UNMOUNTING:
                return STEP_FS_UMOUNT;
        case INCIDENT_RETURNING:
                return plan->back;
        case INCIDENT_MOUNTING:
        case INCIDENT_REVIVING:
                return STEP_FS_MOUNT;
        case INCIDENT_FENCING:
                return STEP_FENCE;
        default:
                return STEP_NONE;
        }
}

static bool is_filesystem_state(enum incident_state s) {
        return s == INCIDENT_SHUTTING || s == INCIDENT_UNMOUNTING || s == INCIDENT_BUSY ||
               s == INCIDENT_MOUNTING || s == INCIDENT_CONTAINING || s == INCIDENT_CONTAINED;
}

/* The disk serves, and what did not survive its hang is being replaced. */
static bool is_revival(enum incident_state s) {
        return s == INCIDENT_CLEARING || s == INCIDENT_HELD || s == INCIDENT_REVIVING;
}

static bool is_failing_state(enum incident_state s) {
        return s == INCIDENT_FAILING || s == INCIDENT_ENDING || s == INCIDENT_FINISHING;
}

static bool has_rung(const struct plan *plan, enum step step) {
        return step == STEP_NONE || (cures_of(plan) & BIT(step)) || step == plan->fail ||
               (step == STEP_CONTROLLER_END && plan->end == STEP_CONTROLLER_END) ||
               (step == STEP_CONTROLLER_REMOVE && plan->back == STEP_CONTROLLER_RESCAN);
}

static void check_steps(const struct move *m) {
        const struct ladder *l = &m->after->ladder;

        must(m, "a step is asked for in the state that owns it, and nowhere else",
             l->step == owned_step(m, l));
        must(m, "only a step can be overdue, and nothing follows by time then",
             !l->overdue || (l->step != STEP_NONE && l->deadline == USEC_INFINITY));
        must(m, "a step has a deadline, until that has passed",
             l->step == STEP_NONE || l->overdue || l->deadline != USEC_INFINITY);
        must(m, "no rung that the plan has not", has_rung(m->search->plan, l->past.act));
        must(m, "what is said to be stuck has a time since when",
             strcmp(ladder_state_for_people(l), "stuck") != 0 || l->stuck_since != USEC_INFINITY);
}

static bool is_of_policy(const struct move *m, enum incident_state s) {
        const struct plan *plan = m->search->plan;

        if (m->after->ladder.contained)
                return true;
        if (is_revival(s)) /* begun by policy; what was begun is ended */
                return plan->on_recovered == ON_RECOVERED_REMOUNT ||
                       m->before->ladder.past.unmounted;
        switch (s) {
        case INCIDENT_CHECKING:
                return plan->on_recovered != ON_RECOVERED_NOTHING;
        case INCIDENT_SHUTTING:
                return plan->on_failed != ON_FAILED_NOTHING;
        case INCIDENT_UNMOUNTING:
        case INCIDENT_BUSY:
                return plan->on_failed >= ON_FAILED_UNMOUNT;
        case INCIDENT_MOUNTING:
                return plan->on_failed == ON_FAILED_REMOUNT;
        default:
                return true;
        }
}

static void check_state(const struct move *m) {
        const struct world *w = m->after;
        const struct ladder *l = &w->ladder;
        enum incident_state s = l->past.state;

        must(m, "a disk that the system runs from is never failed",
             w->footing != FOOTING_SYSTEM ||
                     (!is_failing_state(s) && !is_filesystem_state(s) && !w->offline));
        must(m, "nor are its filesystems unmounted",
             w->footing != FOOTING_SYSTEM || !is_revival(s));
        must(m, "where nothing is mounted, nothing is done to filesystems",
             w->footing != FOOTING_NONE ||
                     (!is_filesystem_state(s) && !is_revival(s) && s != INCIDENT_CHECKING));
        must(m, "no more is done to filesystems than the policy has", is_of_policy(m, s));
        must(m, "filesystems are ended only when all I/O of the disk is, or over what cannot be "
                "ended",
             (s != INCIDENT_SHUTTING && s != INCIDENT_UNMOUNTING && s != INCIDENT_BUSY) ||
                     l->contained || (ends_io(l->past.act) && is_offline(w)));
        must(m, "contained is only what can never be ended",
             !l->contained || (m->search->plan->contain && cures_of(m->search->plan) == 0));
        must(m, "what is healthy is not offline, and nothing is kept of the incident",
             s != INCIDENT_HEALTHY ||
                     (!w->offline && !l->failed && !l->contained && l->backoff == 10 * S &&
                      l->stuck_since == USEC_INFINITY));
        must(m, "what was unmounted is mounted when all is over",
             s != INCIDENT_HEALTHY || !w->missing ||
                     m->search->plan->on_failed < ON_FAILED_REMOUNT);
        must(m, "the wait between tries is from 10 s to 5 min",
             l->backoff >= 10 * S && l->backoff <= 300 * S);
        must(m, "who failed the disk knows it", !w->offline || l->failed);
}

/* The time of a controller's reset may be up, and then more follows: elsewhere it may come back. */
static bool follows_overdue(const struct move *m) {
        enum incident_state to = m->after->ladder.past.state;

        return m->event->kind == KIND_OBSERVE &&
               ((to == INCIDENT_ENDING && m->search->plan->end != STEP_NONE && m->event->late) ||
                (to == INCIDENT_RESTORING && m->search->plan->undo != STEP_NONE &&
                 m->event->late) ||
                (to == INCIDENT_FENCING && m->before->ladder.overdue));
}

static bool has_no_effect(const struct move *m) {
        const struct symptom *s = &m->event->symptom;
        usec_t settle = m->search->policy->settle;

        return s->quiet >= settle || s->left >= settle;
}

static bool has_leave(const struct move *m, enum step step) {
        return m->event->leave & BIT(step);
}

static void check_cure(const struct move *m) {
        const struct event *e = m->event;
        const struct symptom *s = &e->symptom;
        enum incident_state from = m->before->ladder.past.state;
        bool after_one = from == INCIDENT_SETTLING || from == INCIDENT_UNCURED;

        must(m, "a cure is one of the plan",
             cures_of(m->search->plan) & BIT(m->after->ladder.past.act));
        must(m, "no second reset before the effect of the first has been looked at",
             !m->after->look_due);
        if (e->kind == KIND_REQUEST)
                return;
        must(m, "a cure needs a standing symptom and leave",
             e->kind == KIND_OBSERVE && !s->held && has_leave(m, m->after->ladder.past.act) &&
                     ((s->kind != SYMPTOM_NONE && s->reached) ||
                      (after_one && has_no_effect(m) && !s->progress)));
        if (from == INCIDENT_SETTLING)
                must(m, "what had no effect is not done again",
                     m->after->ladder.past.act > m->before->ladder.past.act);
}

static void check_fail(const struct move *m) {
        const struct event *e = m->event;
        const struct symptom *s = &e->symptom;
        enum incident_state from = m->before->ladder.past.state;

        must(m, "no second reset before the effect of the first has been looked at",
             !m->after->look_due);
        if (e->kind != KIND_OBSERVE)
                return;
        if (from == INCIDENT_RETURNING || from == INCIDENT_MOUNTING)
                return; /* it was failed before */
        must(m, "to fail a disk needs leave", has_leave(m, m->search->plan->fail) && !s->held);
        if (from == INCIDENT_SETTLING)
                must(m, "it needs a whole window without an effect, or to be true already",
                     is_offline(m->before) || (!s->progress && has_no_effect(m)));
        if (from == INCIDENT_HEALTHY || from == INCIDENT_SUSPECT || from == INCIDENT_REPORTED)
                must(m, "without a cure before it, it needs the limit, and no cure that may be "
                        "begun but after a relapse",
                     s->reached && (!(e->leave & cures_of(m->search->plan)) ||
                                    m->before->ladder.cured_at > 0));
}

static void check_acts(const struct move *m) {
        const struct ladder *l = &m->after->ladder;
        const struct event *e = m->event;
        enum incident_state from = m->before->ladder.past.state, to = l->past.state;

        if (to == from)
                return;
        if (from == INCIDENT_ACTING || from == INCIDENT_FAILING || from == INCIDENT_SHUTTING ||
            from == INCIDENT_UNMOUNTING)
                must(m, "nothing follows such a step before it has returned",
                     (e->kind == KIND_RETURNED && e->step == m->before->ladder.step) ||
                             e->kind == KIND_KILLED || follows_overdue(m));
        if (to == INCIDENT_ACTING)
                check_cure(m);
        if (to == INCIDENT_FAILING)
                check_fail(m);
        if (to == INCIDENT_FINISHING)
                must(m, "a controller is removed only after it was failed",
                     m->before->footing != FOOTING_SYSTEM &&
                             (e->kind == KIND_RETURNED
                                      ? (e->error == 0 && ends_io(e->step)) ||
                                                (e->error == -ENETRESET &&
                                                 e->step == STEP_CONTROLLER_RESET)
                                      : is_offline(m->before) || is_offline(m->after)));
        if (to == INCIDENT_ENDING && from == INCIDENT_SETTLING)
                must(m, "a reset of an earlier daemon is ended when it holds the disk for long",
                     e->kind == KIND_OBSERVE && e->late && e->symptom.held &&
                             !e->symptom.progress && m->search->plan->end != STEP_NONE &&
                             has_leave(m, STEP_CONTROLLER_END) &&
                             m->before->footing != FOOTING_SYSTEM &&
                             m->before->ladder.deadline != USEC_INFINITY);
        if (to == INCIDENT_FENCING)
                must(m, "a machine is given up only when a disk is stuck for long, and with leave",
                     e->kind == KIND_OBSERVE && has_leave(m, STEP_FENCE) &&
                             m->search->plan->fence_wait != USEC_INFINITY &&
                             m->before->ladder.stuck_since != USEC_INFINITY &&
                             (m->before->ladder.overdue || e->symptom.reached));
        if (to == INCIDENT_SHUTTING)
                must(m, "filesystems are shut down only when the disk has drained",
                     (e->kind == KIND_OBSERVE && e->symptom.progress &&
                      e->symptom.outstanding == 0) ||
                             (e->kind == KIND_KILLED && is_offline(m->before) &&
                              is_filesystem_state(from)));
        if (to == INCIDENT_CHECKING || (to == INCIDENT_RECOVERED && from != INCIDENT_CHECKING))
                must(m, "recovered needs a read that came back, or a mount",
                     e->kind == KIND_RETURNED && e->error == 0 && !is_offline(m->after) &&
                             (e->step == STEP_PROBE || e->step == STEP_FS_MOUNT ||
                              e->step == STEP_RUNNING));
        if (to == INCIDENT_CLEARING && from != INCIDENT_HELD)
                must(m, "filesystems of a disk that serves are unmounted only when they are dead",
                     (e->kind == KIND_RETURNED && e->step == STEP_FS_CHECK && e->error < 0) ||
                             m->before->ladder.past.unmounted);
        if (to == INCIDENT_REVIVING)
                must(m, "and mounted only when they are unmounted",
                     e->kind == KIND_RETURNED && e->step == STEP_FS_CLEAR && e->error == 0);
        if (to == INCIDENT_FAILED)
                must(m, "failed: nothing is mounted any more",
                     m->before->footing == FOOTING_NONE || e->kind == KIND_KILLED ||
                             m->search->plan->on_failed < ON_FAILED_UNMOUNT ||
                             from == INCIDENT_RETURNING || from == INCIDENT_AWAITING ||
                             (e->kind == KIND_RETURNED && (e->step == STEP_FS_UMOUNT ||
                                                           e->step == STEP_FS_MOUNT)));
}

static bool only_watches(enum incident_state s) {
        return s == INCIDENT_HEALTHY || s == INCIDENT_SUSPECT || s == INCIDENT_REPORTED;
}

/* Where what has reached its limit leads to. */
static bool is_answered(const struct move *m, enum incident_state to) {
        const struct plan *plan = m->search->plan;
        uint32_t leave = m->event->symptom.held ? 0 : m->event->leave;
        bool may_fail = plan->fail != STEP_NONE && (leave & BIT(plan->fail)) &&
                        m->before->footing != FOOTING_SYSTEM;

        if (leave & cures_of(plan))
                return to == INCIDENT_ACTING ||
                       (to == INCIDENT_FAILING && may_fail && m->before->ladder.cured_at > 0);
        if (may_fail)
                return to == INCIDENT_FAILING;
        if (plan->contain && (leave & BIT(STEP_FS_SHUTDOWN)) && m->before->footing == FOOTING_DATA)
                return to == INCIDENT_CONTAINING;
        return to == INCIDENT_REPORTED || to == INCIDENT_FENCING;
}

/* As long as nothing has been done. */
static void check_watch(const struct move *m) {
        enum incident_state from = m->before->ladder.past.state, to = m->after->ladder.past.state;
        const struct event *e = m->event;
        const struct symptom *s = &e->symptom;

        if (e->kind != KIND_OBSERVE || !only_watches(from))
                return;
        if (s->kind != SYMPTOM_NONE && s->reached)
                must(m, "no lost alarm: what has reached its limit is acted on, or reported",
                     is_answered(m, to));
        if (s->kind != SYMPTOM_NONE && !s->reached)
                must(m, "a warning is suspect, and takes no report back",
                     to == (from == INCIDENT_REPORTED ? INCIDENT_REPORTED : INCIDENT_SUSPECT));
        if (s->kind == SYMPTOM_NONE && !s->held)
                must(m, "what was said is over when the symptom is, but for what is to be mounted",
                     to == (m->before->ladder.past.unmounted ? INCIDENT_HELD
                                                             : INCIDENT_HEALTHY));
        if (s->kind == SYMPTOM_NONE && s->held)
                must(m, "what nobody can see changes nothing", to == from);
}

/* That nothing holds a disk that settles any more is no change, but it is remembered. */
static bool same_deadline(const struct ladder *a, const struct ladder *b) {
        return a->deadline == b->deadline ||
               (a->past.state == INCIDENT_SETTLING && a->deadline == USEC_INFINITY);
}

/* Field by field: what lies between them may be anything. */
static bool same_ladder(const struct ladder *a, const struct ladder *b) {
        return a->past.state == b->past.state && a->step == b->step && a->overdue == b->overdue &&
               a->since == b->since && same_deadline(a, b) && a->backoff == b->backoff &&
               a->failed == b->failed && a->contained == b->contained &&
               a->answers == b->answers && a->probes == b->probes &&
               a->past.act == b->past.act && a->past.unmounted == b->past.unmounted &&
               a->outcome == b->outcome &&
               a->past.acted_at == b->past.acted_at && a->stuck_since == b->stuck_since &&
               a->cured_at == b->cured_at &&
               memcmp(a->past.acts, b->past.acts, sizeof(a->past.acts)) == 0;
}

static void check_answer(const struct move *m) {
        const struct ladder *b = &m->before->ladder, *a = &m->after->ladder;
        bool same = same_ladder(a, b);

        if (m->event->kind == KIND_OBSERVE || m->event->kind == KIND_RETURNED ||
            m->event->kind == KIND_REQUEST || m->event->kind == KIND_BACK)
                must(m, "it says whether it changed", m->changed == !same);
        if (m->event->kind == KIND_RETURNED && m->event->step != b->step)
                must(m, "a step that is not wanted changes nothing", same);
        if (m->event->kind == KIND_OBSERVE && b->overdue)
                must(m, "nothing follows while a step is overdue but that the machine is given up, "
                        "or that a disk which served hangs again",
                     same || a->past.state == INCIDENT_FENCING ||
                             (is_revival(b->past.state) && m->event->symptom.reached &&
                              (a->past.state == INCIDENT_ACTING ||
                               a->past.state == INCIDENT_FAILING)));
}

/* Rungs are counted, those on a disk that has been failed before left out. */
static void check_budget(const struct move *m) {
        const struct ladder *b = &m->before->ladder, *a = &m->after->ladder;
        bool begun = a->past.state != b->past.state &&
                     (a->past.state == INCIDENT_ACTING || a->past.state == INCIDENT_FAILING ||
                      a->past.state == INCIDENT_ENDING || a->past.state == INCIDENT_FINISHING);

        if (m->event->kind == KIND_KILLED)
                return;
        must(m, "each rung is counted once",
             ladder_acts(a, USEC_INFINITY, NOW + 100 * S) ==
                     ladder_acts(b, USEC_INFINITY, NOW + 100 * S) + (begun && !b->failed));
}

/* ---- the search ---- */

static uint64_t key_of(const struct world *w) {
        const struct ladder *l = &w->ladder;
        uint64_t key = (uint64_t) l->past.state;

        key = key << 1 | l->overdue;
        key = key << 1 | (l->deadline == USEC_INFINITY);
        key = key << 5 | (l->backoff / (10 * S));
        key = key << 1 | l->failed;
        key = key << 1 | l->contained;
        key = key << 1 | l->answers;
        key = key << 2 | l->probes;
        key = key << 5 | (uint64_t) l->past.act;
        key = key << 3 | (uint64_t) l->outcome;
        key = key << 1 | (l->stuck_since != USEC_INFINITY);
        key = key << 1 | (l->cured_at > 0);
        key = key << 2 | (uint64_t) w->footing;
        key = key << 1 | w->offline;
        key = key << 1 | w->given_up;
        key = key << 1 | w->missing;
        key = key << 1 | l->past.unmounted;
        return key << 1 | w->look_due;
}

static uint32_t *slot_of(struct search *search, uint64_t key) {
        uint32_t i = (uint32_t) (key * 0x9e3779b97f4a7c15U >> 40) % SLOTS;

        while (search->slots[i] != 0 && search->nodes[search->slots[i] - 1].key != key)
                i = (i + 1) % SLOTS;
        return search->slots + i;
}

static uint32_t enter(struct search *search, const struct world *w, uint32_t parent, size_t event) {
        uint64_t key = key_of(w);
        uint32_t *slot = slot_of(search, key);

        if (*slot == 0) {
                assert_true(search->n_nodes < NODES_MAX);
                search->nodes[search->n_nodes] = (struct node) {
                        .world = *w,
                        .key = key,
                        .parent = parent,
                        .depth = search->n_nodes == 0 ? 0 : search->nodes[parent].depth + 1,
                        .event = (uint16_t) event,
                };
                *slot = ++search->n_nodes;
        }
        return *slot - 1;
}

static bool move(const struct search *search, struct world *w, const struct event *e,
                 bool *ret_changed) {
        return apply(w, search->plan, search->policy, e, ret_changed);
}

static void check_move(struct search *search, uint32_t from, size_t event,
                       const struct world *after, bool changed) {
        struct move m = {
                .search = search,
                .from = from,
                .before = &search->nodes[from].world,
                .after = after,
                .event = search->events + event,
                .changed = changed,
        };

        check_answer(&m);
        check_steps(&m);
        check_state(&m);
        check_acts(&m);
        check_watch(&m);
        check_budget(&m);
}

/* Ends told in the brief of this machine: all is well, all is over, or all waits for a step. */
static bool is_end(const struct world *w) {
        enum incident_state s = w->ladder.past.state;

        return s == INCIDENT_HEALTHY || s == INCIDENT_FAILED || s == INCIDENT_FENCING ||
               s == INCIDENT_CONTAINED || w->ladder.overdue;
}

static void check_ends_are_reached(struct search *search) {
        bool more = true;

        for (uint32_t i = 0; i < search->n_nodes; i++)
                search->nodes[i].good = is_end(&search->nodes[i].world);
        while (more) {
                more = false;
                for (uint32_t i = 0; i < search->n_nodes; i++)
                        for (size_t e = 0; e < search->n_events && !search->nodes[i].good; e++) {
                                struct world w = search->nodes[i].world;
                                bool changed;

                                if (!move(search, &w, search->events + e, &changed))
                                        continue;
                                rebase(&w.ladder);
                                if (search->nodes[enter(search, &w, i, e)].good)
                                        search->nodes[i].good = more = true;
                        }
        }
        for (uint32_t i = 0; i < search->n_nodes; i++)
                if (!search->nodes[i].good) {
                        print_way(search, i);
                        fail_msg("no end can be reached from here");
                }
}

/* One step of a story in which every step returns what HOW says. */
static void let_return(const struct search *search, struct world *w, int error, usec_t now) {
        struct event e = { .step = w->ladder.step, .error = error };

        effect_of_return(w, &e);
        (void) ladder_returned(&w->ladder, search->plan, e.step, e.error, w->footing, now);
}

static usec_t next_look(const struct ladder *l, usec_t now) {
        return l->deadline == USEC_INFINITY ? now + S : MAX(now + S, l->deadline);
}

/* The disk is well from here on: every step does what it should, all I/O ends, and what was removed
 * appears again. Then all must be well again before long, with a disk that runs; but nobody sets a
 * disk that the system runs from offline, and so nobody sets it running, if the kernel has given it
 * up. */
static void check_recovers(const struct search *search, uint32_t node) {
        struct world w = search->nodes[node].world;
        usec_t now = NOW;

        if (w.given_up && (w.footing == FOOTING_SYSTEM || search->plan->fail == STEP_NONE))
                return;

        for (int i = 0; i < 100; i++) {
                struct ladder *l = &w.ladder;
                struct symptom symptom = { .progress = true, .offline = is_offline(&w) };

                if ((l->past.state == INCIDENT_HEALTHY && !w.offline) ||
                    l->past.state == INCIDENT_FENCING)
                        return;
                if (may_be_back(&w, search->plan)) {
                        w.offline = w.given_up = w.look_due = false;
                        (void) ladder_is_back(l, search->plan, w.footing, now);
                        continue;
                }
                if (l->step != STEP_NONE) {
                        let_return(search, &w,
                                   l->step == STEP_PROBE && is_offline(&w) ? -EIO : 0, now);
                        continue;
                }
                now = next_look(l, now);
                (void) ladder_observe(l, search->plan, search->policy, &symptom, UINT32_MAX,
                                      w.footing, now);
        }
        print_way(search, node);
        print_error("...after 100 more rounds with a healthy disk");
        print_world(&w);
        fail_msg("a disk that is well again does not become healthy");
}

/* The disk is dead from here on: resets return, but no I/O ever ends and no read comes back. Then
 * people must come to know, before long, that it is stuck or failed. */
static void check_told(const struct search *search, uint32_t node) {
        const struct policy *policy = search->policy;
        struct world w = search->nodes[node].world;
        usec_t now = NOW;

        for (int i = 0; i < 100; i++) {
                struct ladder *l = &w.ladder;
                const char *word = ladder_state_for_people(l);
                struct symptom symptom = { .kind = SYMPTOM_STALLED, .outstanding = 8,
                                           .reached = true,
                                           .lasts = policy->stall + policy->settle,
                                           .quiet = policy->stall + policy->settle,
                                           .offline = is_offline(&w) };

                if (strcmp(word, "stuck") == 0 || strcmp(word, "failed") == 0 ||
                    l->past.state == INCIDENT_BUSY)
                        return;
                if (l->step != STEP_NONE) {
                        let_return(search, &w,
                                   step_is_cure(l->step) || ends_io(l->step) ? 0 : -EIO, now);
                        continue;
                }
                now = next_look(l, now);
                (void) ladder_observe(l, search->plan, policy, &symptom, UINT32_MAX, w.footing,
                                      now);
        }
        print_way(search, node);
        print_error("...after 100 more rounds with a dead disk");
        print_world(&w);
        fail_msg("a disk that is dead is never said to be stuck or failed");
}

static void explore(struct search *search) {
        struct world start = { .footing = FOOTING_NONE };

        add_events(search);
        ladder_init(&start.ladder, NOW);
        rebase(&start.ladder);
        (void) enter(search, &start, 0, 0);
        for (uint32_t i = 0; i < search->n_nodes; i++)
                for (size_t e = 0; e < search->n_events; e++) {
                        struct world w = search->nodes[i].world;
                        bool changed;

                        if (!move(search, &w, search->events + e, &changed))
                                continue;
                        check_move(search, i, e, &w, changed);
                        rebase(&w.ladder);
                        (void) enter(search, &w, i, e);
                }
}

/* The limits in each order that a configuration can put them in. */
static const struct policy policies[] = {
        { .warn = 2 * S, .settle = 3 * S, .stall = 5 * S },
        { .settle = 1 * S, .warn = 2 * S, .stall = 5 * S },
        { .warn = 2 * S, .stall = 5 * S, .settle = 9 * S },
        { .warn = 5 * S, .stall = 5 * S, .settle = 5 * S },
};

#define TIMES                                                                                 \
        .answer = 10 * S, .fail_answer = 10 * S, .umount_time = 30 * S, .mount_time = 60 * S
#define ALIVE .on_recovered = ON_RECOVERED_REMOUNT, .on_failed = ON_FAILED_REMOUNT
#define FENCED (60 * S)

static const struct {
        const char *name;
        struct plan plan;
        uint32_t never; /* states that it never comes to */
} plans[] = {
#define NO_CONTROLLER (BIT(INCIDENT_ENDING) | BIT(INCIDENT_FINISHING) | BIT(INCIDENT_RESTORING) | \
                       BIT(INCIDENT_AWAITING))
#define NO_CONTAIN (BIT(INCIDENT_CONTAINING) | BIT(INCIDENT_CONTAINED))
#define NO_FENCE BIT(INCIDENT_FENCING)
#define NO_CURE (BIT(INCIDENT_ACTING) | BIT(INCIDENT_SETTLING) | BIT(INCIDENT_UNCURED))
#define NO_REVIVAL (BIT(INCIDENT_CLEARING) | BIT(INCIDENT_HELD) | BIT(INCIDENT_REVIVING))
#define NO_UNMOUNT (BIT(INCIDENT_UNMOUNTING) | BIT(INCIDENT_BUSY) | BIT(INCIDENT_MOUNTING))
        { "LUN reset",
          { .cures = { STEP_LUN_RESET }, .n_cures = 1, .fail = STEP_OFFLINE,
            .back = STEP_RUNNING, TIMES, ALIVE, .fence_wait = USEC_INFINITY },
          NO_CONTROLLER | NO_CONTAIN | NO_FENCE },
        { "all of SCSI, fenced",
          { .cures = { STEP_LUN_RESET, STEP_TARGET_RESET, STEP_BUS_RESET, STEP_HOST_RESET },
            .n_cures = 4, .fail = STEP_OFFLINE, .back = STEP_RUNNING, TIMES, ALIVE,
            .fence_wait = FENCED },
          NO_CONTROLLER | NO_CONTAIN },
        { "host reset only",
          { .cures = { STEP_HOST_RESET }, .n_cures = 1, TIMES, ALIVE, .fence_wait = FENCED },
          NO_CONTROLLER | NO_CONTAIN | BIT(INCIDENT_FAILING) | BIT(INCIDENT_DRAINING) |
                  BIT(INCIDENT_UNDRAINED) | BIT(INCIDENT_SHUTTING) | BIT(INCIDENT_UNMOUNTING) |
                  BIT(INCIDENT_BUSY) | BIT(INCIDENT_FAILED) | BIT(INCIDENT_RETURNING) |
                  BIT(INCIDENT_MOUNTING) },
        { "NVMe",
          { .cures = { STEP_CONTROLLER_RESET }, .n_cures = 1, .fail = STEP_CONTROLLER_FAIL,
            .finish = STEP_CONTROLLER_REMOVE, .end = STEP_CONTROLLER_END,
            .undo = STEP_CONTROLLER_RESTORE, .back = STEP_CONTROLLER_RESCAN, TIMES, ALIVE,
            .fence_wait = FENCED },
          NO_CONTAIN },
        { "NVMe, no way out of a reset",
          { .fail = STEP_CONTROLLER_FAIL, .finish = STEP_CONTROLLER_REMOVE,
            .undo = STEP_CONTROLLER_RESTORE, .back = STEP_CONTROLLER_RESCAN, TIMES, ALIVE,
            .fence_wait = USEC_INFINITY },
          NO_CONTAIN | NO_FENCE | BIT(INCIDENT_ENDING) | BIT(INCIDENT_ACTING) },
        { "NVMe, locked down",
          { .cures = { STEP_CONTROLLER_RESET }, .n_cures = 1, .fail = STEP_CONTROLLER_REMOVE,
            .back = STEP_CONTROLLER_RESCAN, TIMES, ALIVE, .fence_wait = USEC_INFINITY },
          NO_CONTAIN | NO_FENCE | BIT(INCIDENT_ENDING) | BIT(INCIDENT_RESTORING) },
        { "filesystems left alone",
          { .cures = { STEP_LUN_RESET }, .n_cures = 1, .fail = STEP_OFFLINE,
            .back = STEP_RUNNING, TIMES, .fence_wait = USEC_INFINITY },
          NO_CONTROLLER | NO_CONTAIN | NO_FENCE | NO_REVIVAL | BIT(INCIDENT_CHECKING) |
                  BIT(INCIDENT_SHUTTING) | NO_UNMOUNT },
        { "filesystems checked, and shut down",
          { .cures = { STEP_LUN_RESET }, .n_cures = 1, .fail = STEP_OFFLINE,
            .back = STEP_RUNNING, TIMES, .fence_wait = USEC_INFINITY,
            .on_recovered = ON_RECOVERED_CHECK, .on_failed = ON_FAILED_SHUTDOWN },
          NO_CONTROLLER | NO_CONTAIN | NO_FENCE | NO_REVIVAL | NO_UNMOUNT },
        { "filesystems unmounted for good",
          { .cures = { STEP_CONTROLLER_RESET }, .n_cures = 1, .fail = STEP_CONTROLLER_FAIL,
            .finish = STEP_CONTROLLER_REMOVE, .end = STEP_CONTROLLER_END,
            .undo = STEP_CONTROLLER_RESTORE, .back = STEP_CONTROLLER_RESCAN, TIMES,
            .fence_wait = FENCED, .on_failed = ON_FAILED_UNMOUNT },
          NO_CONTAIN | NO_REVIVAL | BIT(INCIDENT_CHECKING) | BIT(INCIDENT_MOUNTING) },
        { "contained", { .contain = true, TIMES, .fence_wait = FENCED },
          UINT32_MAX & ~(BIT(INCIDENT_HEALTHY) | BIT(INCIDENT_SUSPECT) | BIT(INCIDENT_REPORTED) |
                         BIT(INCIDENT_CONTAINING) | BIT(INCIDENT_CONTAINED) |
                         BIT(INCIDENT_FENCING) | BIT(INCIDENT_UNMOUNTING) | BIT(INCIDENT_BUSY) |
                         BIT(INCIDENT_MOUNTING) | BIT(INCIDENT_RECOVERED)) },
        { "watched", { TIMES, .fence_wait = USEC_INFINITY },
          UINT32_MAX & ~(BIT(INCIDENT_HEALTHY) | BIT(INCIDENT_SUSPECT) | BIT(INCIDENT_REPORTED)) },
};

static struct search *explored(size_t plan, size_t policy) {
        struct search *search = calloc(1, sizeof(*search));

        assert_non_null(search);
        search->policy = policies + policy;
        search->plan = &plans[plan].plan;
        explore(search);
        return search;
}

static bool is_reached(const struct search *search, enum incident_state state) {
        for (uint32_t k = 0; k < search->n_nodes; k++)
                if (search->nodes[k].world.ladder.past.state == state)
                        return true;
        return false;
}

/* A machine that leads nowhere would pass all checks. */
static void check_reached(const struct search *search, size_t plan) {
        for (int s = 0; s < _INCIDENT_STATE_MAX; s++)
                if (!is_reached(search, (enum incident_state) s) && !(plans[plan].never & BIT(s)))
                        fail_msg("%s: %s is never reached", plans[plan].name,
                                 incident_state_to_string((enum incident_state) s));
}

static void tell(const struct search *search, size_t plan, size_t policy) {
        print_message("%s, order of limits %zu: %u states, %zu events each, all of them within %u "
                      "steps\n",
                      plans[plan].name, policy, search->n_nodes, search->n_events,
                      search->nodes[search->n_nodes - 1].depth);
}

static void test_every_plan(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(plans); i++) {
                _cleanup_free_ struct search *search = explored(i, 0);

                tell(search, i, 0);
                check_reached(search, i);
                for (uint32_t n = 0; n < search->n_nodes; n++) {
                        check_recovers(search, n);
                        check_told(search, n);
                }
                check_ends_are_reached(search);
        }
}

static void test_every_order_of_limits(void **state) {
        for (size_t k = 1; k < ELEMENTSOF(policies); k++) {
                _cleanup_free_ struct search *search = explored(0, k);

                tell(search, 0, k);
                check_reached(search, 0);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_plan),
                cmocka_unit_test(test_every_order_of_limits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
